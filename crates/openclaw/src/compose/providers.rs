//! Sources of model output and agents, from the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use claw_agent::catalog::Resolved;
use claw_agent::{AgentProfile, Catalog, Executor};
use claw_app::memory::Keeper;
use claw_core::audit::Ledger;
use claw_core::provider::{ModelInfo, Price, Provider};
use claw_core::{AgentId, Secret};
use claw_embedded::models::Folder;
use claw_embedded::{EmbeddedProvider, Engine};
use claw_net::HttpClient;
use claw_providers::{Anthropic, BadSettings, OpenAi, Responses, known};
use claw_runtime::TaskScope;
use claw_tools::exec::Processes;

use super::executors;
use crate::config::file::{self, Api};
use crate::config::secret::SecretText;
use crate::config::settings::{Fixed, Live, Settings};
use crate::config::values::{BaseUrl, ModelChoice};
use crate::exit::Fatal;

/// What is asked for where only a key is known: a cheap model that has lasted.
const DEFAULTS: [(&str, &str); 3] =
    [("openai", "gpt-4o-mini"), ("anthropic", "claude-haiku-4-5"), ("deepseek", "deepseek-chat")];

/// What every catalogue is made with, and made once.
pub(super) struct Foundation {
    client: HttpClient,
    embedded: Option<Arc<dyn Provider>>,
    /// Commands that outlive a change of the configuration.
    processes: Processes,
    /// What agents remember.
    keeper: Arc<Keeper>,
    /// What is written down for good.
    ledger: Arc<dyn Ledger>,
}

impl Foundation {
    /// Errors: no HTTP client, no thread for the embedded model.
    pub(super) fn lay(
        settings: &Fixed,
        keeper: Arc<Keeper>,
        ledger: Arc<dyn Ledger>,
        scope: &TaskScope,
    ) -> Result<Self, Fatal> {
        let processes = Processes::new(scope.child());
        Ok(Self { client: http_client()?, embedded: embedded(settings)?, processes, keeper, ledger })
    }

    /// What is written down for good.
    pub(super) fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// Ends the commands that this configuration does not permit any more.
    pub(super) fn adopt(&self, settings: &Live) {
        super::tools::end_what_is_denied(settings, &self.processes);
    }

    /// What agents remember.
    pub(super) fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }
}

/// Builds every provider and agent.
///
/// Errors: a provider that cannot be built ([`Fatal::Config`]), naming its key.
pub(super) fn catalog(foundation: &Foundation, settings: &Live) -> Result<Catalog, Fatal> {
    let Foundation { client, embedded, processes, keeper, ledger } = foundation;
    let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
    for (id, provider) in &settings.providers {
        providers.extend(keyed(id, provider, client)?);
    }
    providers.extend(embedded.clone());
    let defaults = &settings.agents.defaults;
    let agents: Vec<AgentProfile> =
        settings.agents.list.iter().map(|agent| profile(agent, settings)).collect::<Result<_, _>>()?;
    let first = settings.agents.list.iter().find(|agent| agent.default).or(settings.agents.list.first());
    let default_agent = match first {
        Some(agent) => agent_id(agent)?,
        None => AgentId::main(),
    };
    // Both names mean the default agent to every client (K7), so they cannot mean two.
    if default_agent != AgentId::main() && agents.iter().any(|agent| agent.id == AgentId::main()) {
        return Err(Fatal::Config(format!(
            "agents.list has {default_agent} as its default beside an agent \"main\", but \"main\" is the default \
             agent's other name; rename \"main\", or make it the default"
        )));
    }
    let mut agents = agents;
    if agents.is_empty() {
        let system_prompt = defaults.system_prompt.as_ref().map(Into::into);
        agents.push(AgentProfile { id: AgentId::main(), name: None, system_prompt, model: None, fallbacks: None });
    }
    let agent_ids: Vec<AgentId> = agents.iter().map(|agent| agent.id.clone()).collect();
    let fallbacks = defaults.model.as_ref().map(|model| model.fallbacks().to_vec()).unwrap_or_default();
    let skills = super::skills::library(settings);
    let catalog = Catalog::new(providers, agents, default_agent, default_model(settings))
        .with_fallbacks(fallbacks)
        .with_aliases(aliases(settings))
        .with_executors(executors::all(settings, client)?, executors::assigned(settings, &agent_ids)?)
        .with_tools(
            super::tools::tools(settings, processes, (keeper, ledger), &skills),
            super::tools::permissions(settings),
        )
        .with_tool_time(settings.tools.time())
        .with_rounds_max(defaults.rounds_max())
        .with_briefings(super::tools::briefings(settings, processes, keeper, &skills))
        .with_guard(Arc::new(super::tools::way_out(settings)))
        .with_skills(Arc::new(skills));
    warn_of_unknown_fallbacks(&catalog, settings);
    Ok(catalog)
}

/// The configured default; else a known provider's where only its key is known. What lists models goes by itself.
fn default_model(settings: &Live) -> Option<String> {
    let configured = settings.agents.defaults.model.as_ref().map(|model| model.primary().to_owned());
    let lists_some = settings.providers.values().any(|provider| !provider.models.is_empty());
    let found = DEFAULTS.iter().find(|(id, _)| settings.providers.contains_key(*id)).filter(|_| !lists_some);
    configured.or_else(|| found.map(|(id, model)| format!("{id}/{model}")))
}

/// A configured provider with one of its keys, by itself.
pub(crate) struct Source {
    pub(crate) provider: Arc<dyn Provider>,
    /// Which of its keys, from 1.
    pub(crate) key: usize,
    /// A model it is likely to have.
    pub(crate) model: Option<String>,
    /// Where the configuration has it.
    pub(crate) path: String,
}

/// Every configured provider with every one of its keys.
///
/// Errors: a provider that cannot be built ([`Fatal::Config`]), naming its key.
pub(crate) fn sources(settings: &Settings) -> Result<Vec<Source>, Fatal> {
    claw_net::install_crypto();
    let client = http_client()?;
    let mut sources = Vec::new();
    for (id, provider) in &settings.live.providers {
        let model = likely_model(id, provider, &settings.live);
        let built = keyed(id, provider, &client)?.into_iter().zip(1..);
        sources.extend(built.map(|(provider, key)| Source {
            provider,
            key,
            model: model.clone(),
            path: format!("models.providers.{id}"),
        }));
    }
    let executors = executors::all(&settings.live, &client)?;
    sources.extend(executors.into_iter().map(|Executor { provider, agent, .. }| {
        let path = format!("executors.{}", provider.id());
        Source { provider, key: 1, model: Some(agent), path }
    }));
    Ok(sources)
}

/// Who answers `model`, or else what the default agent uses; chosen as a gateway would.
///
/// Errors: a provider that cannot be built ([`Fatal::Config`]), a model nobody has ([`Fatal::Asked`]).
pub(crate) fn chosen(settings: &Settings, model: Option<&str>) -> Result<Resolved, Fatal> {
    claw_net::install_crypto();
    let client = http_client()?;
    let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
    for (id, provider) in &settings.live.providers {
        providers.extend(keyed(id, provider, &client)?);
    }
    providers.extend(embedded(&settings.fixed)?);
    let first = settings.live.agents.list.iter().find(|agent| agent.default).or(settings.live.agents.list.first());
    let agents: Vec<AgentProfile> =
        first.map(|agent| profile(agent, &settings.live)).transpose()?.into_iter().collect();
    let default_agent = agents.first().map_or_else(AgentId::main, |agent| agent.id.clone());
    let catalog = Catalog::new(providers, agents, default_agent.clone(), default_model(&settings.live))
        .with_aliases(aliases(&settings.live));
    let nobody = || Fatal::asked("no agent is configured", "add one under agents.list");
    let agent = catalog.agent(&default_agent).ok_or_else(nobody)?;
    catalog
        .resolve(model, agent)
        .map_err(|unknown| Fatal::asked(unknown, "choose one that `openclaw models list` shows"))
}

/// The first it lists, else one that agents use, else the usual one.
fn likely_model(id: &str, provider: &file::Provider, settings: &Live) -> Option<String> {
    let listed = provider.models.first().map(|model| model.id.clone());
    let choices =
        settings.agents.defaults.model.iter().chain(settings.agents.list.iter().filter_map(|a| a.model.as_ref()));
    let mut named = choices
        .flat_map(|choice| std::iter::once(choice.primary()).chain(choice.fallbacks().iter().map(String::as_str)));
    let used = || named.find_map(|name| Some(name.strip_prefix(id)?.strip_prefix('/')?.to_owned()));
    let usual = || DEFAULTS.iter().find(|(known, _)| *known == id).map(|(_, model)| (*model).to_owned());
    listed.or_else(used).or_else(usual)
}

fn http_client() -> Result<HttpClient, Fatal> {
    HttpClient::new(claw_net::Settings::default())
        .map_err(|error| Fatal::other(format!("no HTTP client: {}", error.chain()), "report this"))
}

/// One provider for each of its keys; one without a key where there is none.
fn keyed(id: &str, provider: &file::Provider, client: &HttpClient) -> Result<Vec<Arc<dyn Provider>>, Fatal> {
    let file::Provider { base_url, api_key, api_keys, api, timeout_seconds, models } = provider;
    let whole_answer = Duration::from_secs(timeout_seconds.get());
    let mut known: Vec<&SecretText> = Vec::new();
    for key in api_key.iter().chain(api_keys).filter(|key| !key.is_blank()) {
        if !known.contains(&key) {
            known.push(key);
        }
    }
    let mut keys: Vec<Option<Secret>> = known.into_iter().map(|key| Some(key.secret())).collect();
    if keys.is_empty() {
        keys.push(None);
    }
    let models: Vec<ModelInfo> = models.iter().map(|listed| model(id, base_url, listed)).collect();
    let built = keys.into_iter().map(|key| {
        let settings = claw_providers::Settings {
            api_key: key,
            models: models.clone(),
            whole_answer,
            ..claw_providers::Settings::new(id, base_url.as_str())
        };
        build(*api, settings, client.clone()).map_err(|error| Fatal::Config(format!("models.providers.{id}: {error}")))
    });
    built.collect()
}

fn build(api: Api, settings: claw_providers::Settings, client: HttpClient) -> Result<Arc<dyn Provider>, BadSettings> {
    Ok(match api {
        Api::OpenaiCompletions => Arc::new(OpenAi::new(settings, client)?),
        Api::OpenaiResponses => Arc::new(Responses::new(settings, client)?),
        Api::AnthropicMessages => Arc::new(Anthropic::new(settings, client)?),
    })
}

/// The models a provider is configured to have, else those it is known to have; and whether they are configured.
pub(crate) fn models(provider: &str, settings: &file::Provider) -> (Vec<ModelInfo>, bool) {
    let base_url = &settings.base_url;
    if !settings.models.is_empty() {
        return (settings.models.iter().map(|listed| model(provider, base_url, listed)).collect(), true);
    }
    let at = base_url.as_str();
    let known = known::names(provider, at).map(|name| known::completed(provider, at, ModelInfo::named(name)));
    (known.collect(), false)
}

/// A configured model, with what is known of it where the configuration is silent.
fn model(provider: &str, base_url: &BaseUrl, model: &file::Model) -> ModelInfo {
    let file::Model { id, name, context_window, max_tokens, cost } = model;
    let tokens = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let own = ModelInfo {
        display_name: name.clone(),
        context_tokens: context_window.map(|window| tokens(window.get())),
        output_tokens_max: max_tokens.map(|most| tokens(most.get())),
        price: cost.as_ref().map(price),
        ..ModelInfo::named(id)
    };
    known::completed(provider, base_url.as_str(), own)
}

fn price(cost: &file::Cost) -> Price {
    let file::Cost { input, output, cache_read, cache_write } = cost;
    Price {
        input: input.millionths(),
        output: output.millionths(),
        cache_read: cache_read.millionths(),
        cache_write: cache_write.millionths(),
    }
}

/// The short names agents know models by.
fn aliases(settings: &Live) -> BTreeMap<String, String> {
    let entries = settings.agents.defaults.models.iter();
    entries.filter_map(|(model, entry)| Some((entry.alias.clone()?, model.clone()))).collect()
}

fn profile(agent: &file::Agent, settings: &Live) -> Result<AgentProfile, Fatal> {
    Ok(AgentProfile {
        id: agent_id(agent)?,
        name: agent.name.clone(),
        system_prompt: agent.system_prompt.as_ref().or(settings.agents.defaults.system_prompt.as_ref()).map(Into::into),
        model: agent.model.as_ref().map(|model| model.primary().to_owned()),
        fallbacks: agent.model.as_ref().and_then(|model| Some(model.own_fallbacks()?.to_vec())),
    })
}

/// A fallback nobody has is passed over when it is needed, so it is told of here.
fn warn_of_unknown_fallbacks(catalog: &Catalog, settings: &Live) {
    let choices = settings.agents.list.iter().filter_map(|agent| agent.model.as_ref());
    for fallback in settings.agents.defaults.model.iter().chain(choices).flat_map(ModelChoice::fallbacks) {
        let agent = catalog.agent(catalog.default_agent());
        if let Some(Err(unknown)) = agent.map(|agent| catalog.resolve(Some(fallback), agent)) {
            tracing::warn!("configuration: a fallback of agents is passed over: {unknown}");
        }
    }
}

fn agent_id(agent: &file::Agent) -> Result<AgentId, Fatal> {
    AgentId::parse(agent.id.as_str()).map_err(|error| Fatal::Config(format!("agents.list: {error}")))
}

/// The embedded model, last: it serves where nothing else is configured.
fn embedded(settings: &Fixed) -> Result<Option<Arc<dyn Provider>>, Fatal> {
    let file::Embedded { enabled, model, path, threads, idle_unload_seconds, context_tokens } = &settings.embedded;
    if !*enabled || !Engine::is_built() {
        return Ok(None);
    }
    let mut embedded = claw_embedded::Settings {
        idle_unload: Some(Duration::from_secs(idle_unload_seconds.get())).filter(|idle| !idle.is_zero()),
        context_tokens_max: u32::try_from(context_tokens.get()).unwrap_or(u32::MAX),
        threads: threads.and_then(|threads| std::num::NonZeroUsize::new(usize::try_from(threads.get()).ok()?)),
        ..claw_embedded::Settings::default()
    };
    if let Some(model) = path.clone().or_else(|| model.clone()) {
        embedded.model = model;
    }
    let engine = Engine::start(&embedded).map_err(|error| {
        Fatal::other(format!("no thread for the embedded model: {error}"), "set embedded.enabled to false")
    })?;
    Ok(Some(Arc::new(EmbeddedProvider::new(engine, Folder::new(&settings.models_dir), &embedded))))
}
