//! The configuration as doors see it: read without its secrets, changed by whoever may.
//!
//! The file itself lies behind the port [`ConfigFile`]; what is read here never holds a secret, so
//! no door has to strike one out.

use std::sync::Arc;

use claw_core::audit::{Actor, Door};
use claw_core::message::JsonText;
use claw_core::{Principal, Scope, Visibility};

use crate::Error;
use crate::audit::{ConfigChange, config_digest};
use crate::engine::Engine;

/// The configuration file of the running gateway.
///
/// Laws: what is read holds the placeholder wherever a secret stands, and a placeholder that comes
/// back keeps what stands there. A change is checked whole before it is written, written in one
/// step, takes effect before the call returns, and touches no other file. Calls block on the disk.
pub trait ConfigFile: Send + Sync {
    /// What stands there.
    fn read(&self) -> Snapshot;
    /// The JSON schema of the file.
    fn schema(&self) -> JsonText;
    /// Changes it, if it is still the file of that hash. Without one [`Change::Patch`] and
    /// [`Change::Apply`] are refused, unless there is no file yet.
    ///
    /// # Errors
    /// It is another file by now, or the outcome would not do; nothing was written.
    fn change(&self, change: Change, base_hash: Option<&str>) -> Result<Written, Refusal>;
}

/// The file at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Where it is.
    pub path: String,
    /// Whether there is one.
    pub exists: bool,
    /// Its text with comments; absent if it cannot be read, for then secrets cannot be found in it.
    pub raw: Option<String>,
    /// What the text says, as a JSON object.
    pub value: JsonText,
    /// SHA-256 of the text, in hexadecimal: what a change has to name.
    pub hash: String,
    /// What stands in its way; empty when it can be used.
    pub issues: Vec<Issue>,
    /// What is odd about it.
    pub warnings: Vec<Issue>,
}

/// Something found in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Dotted; empty for the whole.
    pub path: String,
    /// What was found and what is allowed, with the place.
    pub message: String,
}

/// A change of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Puts one value at a dotted path.
    Set {
        /// As `agents.list.0.name`.
        path: String,
        /// The value.
        value: JsonText,
    },
    /// A merge patch (RFC 7396) in JSON5: objects are merged, null takes away.
    Patch(String),
    /// A whole new text in JSON5.
    Apply(String),
    /// The model that agents use, or one agent.
    Model {
        /// Its name, known to be one.
        model: String,
        /// The one agent.
        agent: Option<String>,
    },
}

impl Change {
    /// What kind of change it is.
    const fn name(&self) -> &'static str {
        match self {
            Self::Set { .. } => "set",
            Self::Patch(_) => "patch",
            Self::Apply(_) => "apply",
            Self::Model { .. } => "model",
        }
    }
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file as it is now.
    pub snapshot: Snapshot,
    /// Dotted keys that are in effect.
    pub applied: Vec<String>,
    /// Dotted keys that wait for the next start.
    pub needs_restart: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The file is another one by now; its hash.
    Changed(String),
    /// The hash of the file that was read is missing.
    NoBase,
    /// What would come of it cannot be used.
    Invalid(Vec<Issue>),
    /// The disk, in words.
    Failed(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Changed(hash) => Self::ConfigChanged { hash },
            Refusal::NoBase => Self::invalid("baseHash", "is missing: send the hash that config.get gave"),
            Refusal::Invalid(issues) => Self::ConfigRefused { issues },
            Refusal::Failed(message) => Self::ConfigUnavailable(message),
        }
    }
}

/// Reads and changes the configuration.
#[derive(Clone)]
pub struct Configuration(pub(crate) Arc<Engine>);

impl Configuration {
    /// What stands in the file, without its secrets. It tells of all tenants, so who sees only their
    /// own needs more than reading rights.
    ///
    /// Errors: `Forbidden`, `ConfigUnavailable`.
    pub async fn read(&self, principal: &Principal) -> Result<Snapshot, Error> {
        if principal.visibility() != Visibility::All && !principal.scopes.allows(Scope::Admin) {
            return Err(Error::Forbidden(Scope::Admin.name()));
        }
        let file = self.file()?;
        blocking(move || file.read()).await
    }

    /// The JSON schema of the file. Errors: `ConfigUnavailable`.
    pub async fn schema(&self) -> Result<JsonText, Error> {
        let file = self.file()?;
        blocking(move || file.schema()).await
    }

    /// Changes the file and takes the change up; the log says who did.
    ///
    /// Errors: `Invalid`, `ConfigChanged`, `ConfigRefused`, `ConfigUnavailable`.
    pub async fn change(
        &self,
        principal: &Principal,
        door: Door,
        change: Change,
        base_hash: Option<String>,
    ) -> Result<Written, Error> {
        let file = self.file()?;
        let how = Some(change.name());
        let done = blocking(move || file.change(change, base_hash.as_deref())).await?;
        let noted = match &done {
            Ok(written) => ConfigChange { how, ..of_written(written) },
            Err(refusal) => ConfigChange { how, ..of_refusal(refusal) },
        };
        self.0.note(noted.entry(self.0.clock.now(), Actor::of(&principal.id, door))).await;
        let written = done?;
        tracing::info!(principal.id = %principal.id, config.hash = written.snapshot.hash, "the configuration was changed by {}", principal.id);
        Ok(written)
    }

    /// Makes a model the one that agents use, or one agent.
    ///
    /// Errors: `UnknownModel`, `NotFound` (agent); and those of [`Self::change`].
    pub async fn set_model(
        &self,
        principal: &Principal,
        door: Door,
        model: String,
        agent: Option<claw_core::AgentId>,
    ) -> Result<Written, Error> {
        let catalog = self.0.agent.catalog();
        let id = agent.clone().unwrap_or_else(|| catalog.default_agent().clone());
        let profile = catalog.agent(&id).ok_or_else(|| Error::NotFound { what: "agent", id: id.to_string() })?;
        let resolved =
            catalog.resolve(Some(&model), profile).map_err(|error| Error::UnknownModel(error.to_string()))?;
        let model = resolved.full_name();
        // `main` means the default agent, whatever its own id is (K7).
        let agent = agent.map(|_| profile.id.to_string());
        self.change(principal, door, Change::Model { model, agent }, None).await
    }

    /// Turns a skill of the default agent on or off, by its key.
    ///
    /// Errors: `NotFound` (skill); and those of [`Self::change`].
    pub async fn turn_skill(&self, principal: &Principal, door: Door, key: &str, on: bool) -> Result<Written, Error> {
        let catalog = self.0.agent.catalog();
        let report = match catalog.skills() {
            Some(skills) => skills.report(catalog.default_agent(), principal).await,
            None => claw_core::skill::Report::default(),
        };
        // Only what is known: a key is a part of a path in the file.
        if !report.skills.iter().any(|skill| skill.key == key && !key.contains('.')) {
            return Err(Error::NotFound { what: "skill", id: key.chars().take(80).collect() });
        }
        let (path, value) = (format!("skills.entries.{key}.enabled"), JsonText::new(on.to_string()));
        self.change(principal, door, Change::Set { path, value }, None).await
    }

    fn file(&self) -> Result<Arc<dyn ConfigFile>, Error> {
        let none = || Error::ConfigUnavailable("this gateway has no configuration file".to_owned());
        self.0.config.get().cloned().ok_or_else(none)
    }
}

fn of_written(written: &Written) -> ConfigChange {
    let Written { snapshot, applied, needs_restart } = written;
    ConfigChange {
        applied: applied.clone(),
        needs_restart: needs_restart.clone(),
        digest: snapshot.raw.as_deref().map(config_digest),
        ..ConfigChange::default()
    }
}

/// Without the words of the refusal, which may hold what was found in a value's place.
fn of_refusal(refusal: &Refusal) -> ConfigChange {
    let (refused, issues) = match refusal {
        Refusal::Changed(_) => ("changed meanwhile", &[][..]),
        Refusal::NoBase => ("no base", &[][..]),
        Refusal::Invalid(issues) => ("invalid", issues.as_slice()),
        Refusal::Failed(_) => ("not written", &[][..]),
    };
    let issues = issues.iter().map(|issue| issue.path.clone()).filter(|path| !path.is_empty()).collect();
    ConfigChange { refused: Some(refused), issues, ..ConfigChange::default() }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let died = |_| Error::ConfigUnavailable("the configuration could not be worked on".to_owned());
    // Few at once: the threads are everybody's.
    static AT_ONCE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(crate::limits::CONFIG_WORK_MAX);
    let _permit = AT_ONCE.acquire().await;
    tokio::task::spawn_blocking(work).await.map_err(died)
}
