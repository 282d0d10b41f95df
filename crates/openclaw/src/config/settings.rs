//! What holds after flags, environment, file and defaults have had their say.
//!
//! The composition root takes these apart and hands each crate its own part; no crate sees the
//! whole.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use claw_core::AgentId;
use claw_providers::presets::{self, Preset, Protocol};
use claw_skills::gate::Surroundings;
use claw_tools::Workspaces;

use super::credentials::Credentials;
use super::file::{
    self, Agents, AuthMode, Embedded, Endpoints, Executor, File, Memory, Provider, ReloadMode, Tasks, Webhooks, Workers,
};
use super::limits::{Limits, Plan};
use super::problem::ConfigError;
use super::secret::SecretText;
use super::skills::{self, Skills};
use super::tools::{Tools, Web};
use super::values::{BaseUrl, Bind};
use crate::env::Environment;
use crate::exit::Fatal;

/// What the command line says; each wins over environment and file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) port: Option<u16>,
    pub(crate) bind: Option<String>,
    pub(crate) log_level: Option<String>,
    pub(crate) log_format: Option<String>,
}

/// The two places everything else is found from; both absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    /// The directory all state is in.
    pub(crate) state_dir: PathBuf,
    /// The configuration file, which need not exist.
    pub(crate) config_file: PathBuf,
}

impl Location {
    /// Finds them: flag, then environment, then `~/.openclaw`.
    ///
    /// Errors: [`ConfigError::NoHome`] if nothing names a place.
    pub(crate) fn find(environment: &Environment, flags: &Flags) -> Result<Self, ConfigError> {
        let named = |flag: &Option<PathBuf>, variable: &str| {
            flag.clone()
                .or_else(|| environment.get(variable).map(PathBuf::from))
                .map(|path| expand_home(environment, &path))
        };
        let state_dir = named(&flags.state_dir, "OPENCLAW_STATE_DIR")
            .or_else(|| Some(Path::new(environment.get("HOME")?).join(".openclaw")))
            .ok_or(ConfigError::NoHome)?;
        let config_file =
            named(&flags.config, "OPENCLAW_CONFIG_PATH").unwrap_or_else(|| state_dir.join("openclaw.json"));
        Ok(Self { state_dir: absolute(state_dir), config_file: absolute(config_file) })
    }
}

/// Everything the gateway and its commands are told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) location: Location,
    pub(crate) fixed: Fixed,
    pub(crate) live: Live,
}

/// What holds from the start of a gateway to its end.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    pub(crate) port: u16,
    pub(crate) bind: Bind,
    pub(crate) auth_mode: Option<AuthMode>,
    pub(crate) allow_query: bool,
    /// The database file, absolute.
    pub(crate) store_path: PathBuf,
    pub(crate) embedded: Embedded,
    /// Where model files lie, absolute; shared by all state directories.
    pub(crate) models_dir: PathBuf,
    pub(crate) logging: Logging,
}

/// What a running gateway takes up when the configuration is read again.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) token: Option<SecretText>,
    pub(crate) password: Option<SecretText>,
    pub(crate) endpoints: Endpoints,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) allowed_hosts: Vec<String>,
    /// How much keys may have generated.
    pub(crate) limits: Limits,
    pub(crate) plans: BTreeMap<String, Plan>,
    /// Whether it looks for changes by itself.
    pub(crate) reload: ReloadMode,
    /// By id: those of the file, then those found in the environment.
    pub(crate) providers: BTreeMap<String, Provider>,
    pub(crate) agents: Agents,
    pub(crate) executors: BTreeMap<String, Executor>,
    pub(crate) tools: Tools,
    /// Where agents work: of the default one, of the others, of API keys; absolute.
    pub(crate) workspaces: Workspaces,
    pub(crate) memory: Memory,
    pub(crate) skills: Skills,
    /// Where installed skills lie; absolute.
    pub(crate) skills_dir: PathBuf,
    /// What skills may need and find here: names, no values.
    pub(crate) surroundings: Surroundings,
    pub(crate) workers: Workers,
    pub(crate) tasks: Tasks,
    pub(crate) webhooks: Webhooks,
    pub(crate) hooks: file::Hooks,
    pub(crate) log_level: file::Level,
}

impl Fixed {
    /// The address to listen on.
    ///
    /// Errors: [`Fatal::Config`] if `tailnet` is asked for and this machine is in none.
    pub(crate) fn address(&self) -> Result<IpAddr, Fatal> {
        self.bind.address().ok_or_else(|| {
            Fatal::Config("gateway.bind is \"tailnet\", but this machine has no Tailscale address".to_owned())
        })
    }
}

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logging {
    pub(crate) format: file::Format,
    /// A filter in tracing's language, which then counts instead of the level.
    pub(crate) filter: Option<String>,
    /// The log file, absolute; `None` if there is to be none.
    pub(crate) file: Option<PathBuf>,
}

impl Settings {
    /// Resolves the file's keys into what holds.
    pub(crate) fn resolve(file: File, location: Location, environment: &Environment) -> Self {
        let surroundings = surroundings(&file, environment);
        let File {
            schema: _,
            gateway,
            plans,
            models,
            agents,
            executors,
            tools,
            memory,
            skills,
            store,
            workers,
            tasks,
            webhooks,
            hooks,
            embedded,
            logging,
        } = file;
        let in_state = |path: &str| in_state(&location, environment, path);
        let embedded =
            Embedded { path: embedded.path.map(|path| in_state(&path).to_string_lossy().into_owned()), ..embedded };
        let file::Gateway {
            mode: _,
            port,
            bind,
            auth,
            auth_token,
            password,
            http,
            allowed_origins,
            allowed_hosts,
            limits,
            reload,
        } = gateway;
        let fixed = Fixed {
            port: u16::try_from(port.get()).unwrap_or_default(),
            bind,
            auth_mode: auth.mode,
            allow_query: auth.allow_query,
            store_path: in_state(store.path.as_deref().unwrap_or("openclaw.db")),
            embedded,
            models_dir: models_dir(&location, environment),
            logging: written_down(&logging, environment, in_state),
        };
        let live = Live {
            token: auth.token.or(auth_token),
            password: auth.password.or(password),
            endpoints: http.endpoints,
            allowed_origins,
            allowed_hosts,
            limits,
            plans,
            reload: reload.mode,
            providers: with_found_providers(models.providers, environment),
            workspaces: workspaces(&agents, &location, in_state),
            skills_dir: location.state_dir.join("skills"),
            surroundings,
            agents,
            executors,
            tools: with_found_search(tools, environment),
            memory,
            skills,
            workers,
            tasks,
            webhooks,
            hooks,
            log_level: logging.level,
        };
        Self { location, fixed, live }
    }

    /// What is said about credentials.
    pub(crate) fn credentials(&self) -> Credentials {
        let Live { token, password, .. } = &self.live;
        Credentials { mode: self.fixed.auth_mode, token: token.clone(), password: password.clone() }
    }
}

/// Where a path of the file is.
pub(super) fn in_state(location: &Location, environment: &Environment, path: &str) -> PathBuf {
    location.state_dir.join(expand_home(environment, Path::new(path)))
}

/// Where everybody works: what the file says, else beside the rest of the state.
pub(super) fn workspaces(agents: &Agents, location: &Location, in_state: impl Fn(&str) -> PathBuf) -> Workspaces {
    let named = agents.defaults.workspace.as_deref().filter(|path| !path.is_empty());
    let first = agents.list.iter().find(|agent| agent.default).or(agents.list.first());
    let own = agents.list.iter().filter_map(|agent| {
        let is_first = first.is_some_and(|first| first.id == agent.id);
        let path = match (agent.workspace.as_deref().filter(|path| !path.is_empty()), named) {
            (Some(path), _) | (None, Some(path)) => in_state(path),
            (None, None) if is_first => in_state("workspace"),
            (None, None) => in_state(&format!("workspace-{}", agent.id.as_str())),
        };
        Some((AgentId::parse(agent.id.as_str()).ok()?, path))
    });
    let own: Vec<(AgentId, PathBuf)> = own.collect();
    // The default agent's is also that of whoever asks for `main`.
    let of_first = first.and_then(|first| own.iter().find(|(id, _)| id.as_str() == first.id.as_str()));
    let default = of_first.map_or_else(|| in_state(named.unwrap_or("workspace")), |(_, path)| path.clone());
    Workspaces { default, agents: own, api_keys: location.state_dir.join("workspaces") }
}

/// What is written down, and where.
fn written_down(logging: &file::Logging, environment: &Environment, in_state: impl Fn(&str) -> PathBuf) -> Logging {
    Logging {
        format: logging.format,
        filter: environment.get("OPENCLAW_LOG").map(str::to_owned),
        file: log_file(logging.file.as_deref()).map(in_state),
    }
}

/// The file lines are written to; nothing where there is to be none.
fn log_file(written: Option<&str>) -> Option<&str> {
    match written {
        Some("off") => None,
        Some(path) => Some(path),
        None => Some("logs/openclaw.log"),
    }
}

/// What skills may need and find here.
fn surroundings(file: &File, environment: &Environment) -> Surroundings {
    Surroundings {
        os: Surroundings::system().to_owned(),
        path: claw_tools::exec::PATH.split(':').map(PathBuf::from).collect(),
        env: environment.names().map(str::to_owned).collect(),
        config: skills::set_keys(&serde_json::to_value(file).unwrap_or_default()),
    }
}

/// Model files are data of the user, which all gateways share and none's state holds:
/// `$XDG_DATA_HOME/openclaw/models`, unless `OPENCLAW_MODELS_DIR` says where.
fn models_dir(location: &Location, environment: &Environment) -> PathBuf {
    if let Some(own) = environment.get("OPENCLAW_MODELS_DIR") {
        return std::path::absolute(own).unwrap_or_else(|_| PathBuf::from(own));
    }
    let data = environment.get("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = data.or_else(|| Some(Path::new(environment.get("HOME")?).join(".local/share")));
    data.unwrap_or_else(|| location.state_dir.clone()).join("openclaw/models")
}

/// Adds the providers whose keys lie in the environment; what the file says wins.
fn with_found_providers(
    mut providers: BTreeMap<String, Provider>,
    environment: &Environment,
) -> BTreeMap<String, Provider> {
    for preset in presets::ALL {
        let Preset { id, base_url, protocol, key_variable, address_variable } = *preset;
        let key = key_variable.and_then(|name| environment.get(name));
        let address = environment.get(address_variable);
        if key.is_none() && (address.is_none() || key_variable.is_some()) {
            continue;
        }
        let address = match (id, address) {
            ("ollama", Some(host)) => presets::ollama_address(host),
            (_, address) => address.unwrap_or(base_url).to_owned(),
        };
        add_provider(&mut providers, id, &address, key, protocol);
    }
    providers
}

/// Adds the search service whose key lies in the environment; what the file says wins.
fn with_found_search(tools: Tools, environment: &Environment) -> Tools {
    let web = Web { search: tools.web.search.with_found(environment), ..tools.web };
    Tools { web, ..tools }
}

fn add_provider(
    providers: &mut BTreeMap<String, Provider>,
    id: &str,
    address: &str,
    key: Option<&str>,
    protocol: Protocol,
) {
    let key = key.map(SecretText::new);
    if let Some(known) = providers.get_mut(id) {
        if known.api_keys.is_empty() {
            known.api_key = known.api_key.take().or(key);
        }
    } else if let Some(base_url) = BaseUrl::parse(address) {
        let api = match protocol {
            Protocol::Completions => file::Api::OpenaiCompletions,
            Protocol::Responses => file::Api::OpenaiResponses,
            Protocol::Messages => file::Api::AnthropicMessages,
        };
        let timeout_seconds = super::file::timeout_default();
        let provider =
            Provider { base_url, api_key: key, api_keys: Vec::new(), api, timeout_seconds, models: Vec::new() };
        providers.insert(id.to_owned(), provider);
    }
}

fn expand_home(environment: &Environment, path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), environment.get("HOME")) {
        (Ok(rest), Some(home)) => Path::new(home).join(rest),
        _ => path.to_owned(),
    }
}

/// Absolute against the current directory; as it is where there is none.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_found_by_flag_then_variable_then_home() {
        let environment = Environment::of(&[("HOME", "/home/ada"), ("OPENCLAW_STATE_DIR", "~/state")]);
        let flags = Flags { state_dir: Some("/flag".into()), ..Flags::default() };
        let found = |environment: &Environment, flags: &Flags| Location::find(environment, flags).unwrap().config_file;
        assert_eq!(found(&environment, &flags), Path::new("/flag/openclaw.json"));
        assert_eq!(found(&environment, &Flags::default()), Path::new("/home/ada/state/openclaw.json"));
        let home_alone = Environment::of(&[("HOME", "/home/ada")]);
        assert_eq!(found(&home_alone, &Flags::default()), Path::new("/home/ada/.openclaw/openclaw.json"));
        let nothing = Location::find(&Environment::default(), &Flags::default());
        assert!(matches!(nothing, Err(ConfigError::NoHome)));
    }

    #[test]
    fn a_key_in_the_environment_makes_a_provider_and_the_file_wins() {
        let environment = Environment::of(&[("OPENAI_API_KEY", "sk-env")]);
        let found = with_found_providers(BTreeMap::new(), &environment);
        let openai = found.get("openai").unwrap();
        assert_eq!(openai.base_url.as_str(), "https://api.openai.com/v1");
        assert_eq!(openai.api_key, Some(SecretText::new("sk-env")));

        let several = Environment::of(&[
            ("ANTHROPIC_API_KEY", "k"),
            ("OLLAMA_HOST", "box"),
            ("LM_STUDIO_BASE_URL", "http://box:1234/v1"),
        ]);
        let found_elsewhere = with_found_providers(BTreeMap::new(), &several);
        let told: Vec<(&str, &str, file::Api)> = found_elsewhere
            .iter()
            .map(|(id, provider)| (id.as_str(), provider.base_url.as_str(), provider.api))
            .collect();
        assert_eq!(
            told,
            [
                ("anthropic", "https://api.anthropic.com", file::Api::AnthropicMessages),
                ("lmstudio", "http://box:1234/v1", file::Api::OpenaiCompletions),
                ("ollama", "http://box:11434/v1", file::Api::OpenaiCompletions),
            ]
        );

        let mut own = found.clone();
        if let Some(provider) = own.get_mut("openai") {
            provider.api_key = Some(SecretText::new("sk-file"));
        }
        let kept = with_found_providers(own, &environment);
        assert_eq!(kept.get("openai").unwrap().api_key, Some(SecretText::new("sk-file")));
    }
}
