//! The configuration file as the doors are given it: the app's port over the file on this disk.
//!
//! A change is read, made, checked, written and taken up under two locks: the gateway's own, and the
//! one that keeps the command line out meanwhile. So of two changes from one state one is refused.

use std::sync::{Arc, Weak};

use claw_app::config::{Change, ConfigFile, Issue, Refusal, Snapshot, Written};
use claw_core::message::JsonText;
use sha2::{Digest, Sha256};

use super::live::{LiveConfig, Report, Unusable};
use crate::config::credentials::Decision;
use crate::config::disk::{self, EditLock};
use crate::config::edit::{self, EditError, SKELETON};
use crate::config::problem::{ConfigError, Problem, located};
use crate::config::render::View;
use crate::config::settings::Location;
use crate::config::tree::{self, Node};
use crate::config::{Sources, examine_text, path, redact, remote, resolve, schema};
use crate::exit::chain;

/// The port; the gateway that it leads into may have ended.
pub(super) struct Door(Weak<LiveConfig>);

impl Door {
    pub(super) fn to(live: &Arc<LiveConfig>) -> Self {
        Self(Arc::downgrade(live))
    }
}

impl ConfigFile for Door {
    fn read(&self) -> Snapshot {
        self.0.upgrade().map_or_else(nothing, |live| snapshot(live.location(), live.sources()))
    }

    fn schema(&self) -> JsonText {
        JsonText::new(schema::text())
    }

    fn change(&self, change: Change, base_hash: Option<&str>) -> Result<Written, Refusal> {
        let live = self.0.upgrade().ok_or_else(|| Refusal::Failed("the gateway is stopping".to_owned()))?;
        let report = live.exclusively(|seen| {
            let location = live.location();
            let _lock = EditLock::take(&location.config_file).map_err(failed)?;
            let stored = disk::read(&location.config_file).map_err(failed)?;
            check_base(stored.as_deref(), &change, base_hash)?;
            let old = stored.unwrap_or_else(|| SKELETON.to_owned());
            let new = changed(location, &old, change).map_err(|error| refused(location, error))?;
            remote::check(location, &old, &new).map_err(|error| refused(location, error))?;
            check(&live, &new)?;
            disk::write(&location.config_file, &new).map_err(failed)?;
            live.adopt(seen, &new).map_err(|unusable| Refusal::Invalid(issues(&unusable, location)))
        })?;
        // The snapshot has the warnings with their paths.
        let Report { applied, needs_restart, overridden, warnings: _, digest: _ } = report;
        let mut snapshot = snapshot(live.location(), live.sources());
        let overridden = overridden.into_iter();
        snapshot.warnings.extend(
            overridden.map(|(path, name)| Issue { path, message: format!("{name} overrides what the file says") }),
        );
        Ok(Written { snapshot, applied, needs_restart })
    }
}

/// What a file's text is known by.
fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_base(stored: Option<&str>, change: &Change, base_hash: Option<&str>) -> Result<(), Refusal> {
    let now = hash(stored.unwrap_or_default());
    match base_hash {
        Some(base) if base != now => Err(Refusal::Changed(now)),
        Some(_) => Ok(()),
        None if stored.is_some() && matches!(change, Change::Patch(_) | Change::Apply(_)) => Err(Refusal::NoBase),
        None => Ok(()),
    }
}

fn changed(location: &Location, old: &str, change: Change) -> Result<String, EditError> {
    let other = |message: String| EditError::Refused(Problem::whole(message));
    match change {
        Change::Set { path, value } => {
            let path = path::parse(&path).map_err(|error| other(error.to_string()))?;
            let value = tree::parse(value.as_str()).map_err(|error| other(error.to_string()))?;
            remote::set(location, old, &path, &value)
        }
        Change::Patch(patch) => remote::patch(location, old, &patch),
        Change::Apply(raw) => remote::apply(location, old, &raw),
        Change::Model { model, agent } => {
            let path = edit::model_path(location, old, agent.as_deref())?;
            remote::set(location, old, &path, &Node::text(model))
        }
    }
}

/// Whether a gateway could start from this text, which is more than that it can be read.
fn check(live: &LiveConfig, text: &str) -> Result<(), Refusal> {
    let location = live.location();
    if text.len() as u64 > disk::FILE_BYTES_MAX {
        return Err(Refusal::Invalid(vec![whole("the file would be larger than 4 MiB")]));
    }
    let Sources { environment, flags } = live.sources();
    let loaded = resolve(location.clone(), text, environment, flags)
        .map_err(|error| Refusal::Invalid(issues(&Unusable::Config(error), location)))?;
    live.build(&loaded.settings.live).map_err(|unusable| Refusal::Invalid(issues(&unusable, location)))?;
    match loaded.settings.credentials().decide(loaded.settings.fixed.bind) {
        Decision::Enforce(_) | Decision::CreateToken => Ok(()),
        Decision::Refuse(refusal) => Err(Refusal::Invalid(vec![whole(&refusal.to_string())])),
    }
}

fn snapshot(location: &Location, sources: &Sources) -> Snapshot {
    let path = location.config_file.display().to_string();
    let text = match disk::read(&location.config_file) {
        Ok(text) => text,
        Err(error) => {
            let issues = issues(&Unusable::Config(error), location);
            return Snapshot { path, exists: true, issues, ..nothing() };
        }
    };
    let exists = text.is_some();
    let text = text.unwrap_or_default();
    let tree = tree::parse(&text).ok();
    let value = tree.as_ref().and_then(|tree| serde_json::to_string(&View::redacted(tree)).ok());
    let found = |path: &[String], message: String| Issue { path: path.join("."), message };
    let file = &location.config_file;
    let (problems, warnings) = match examine_text(location, &text, &sources.environment, &sources.flags) {
        Ok(reading) => (
            reading.problems.iter().map(|p| found(&p.path, located(file, p.origin.as_ref(), p))).collect(),
            reading.warnings.iter().map(|w| found(&w.path, located(file, w.origin.as_ref(), w))).collect(),
        ),
        Err(error) => (vec![whole(&chain(&error))], Vec::new()),
    };
    Snapshot {
        path,
        exists,
        raw: exists.then(|| redact::text(&text)).flatten(),
        value: JsonText::new(value.unwrap_or_else(|| "{}".to_owned())),
        hash: hash(&text),
        issues: problems,
        warnings,
    }
}

fn nothing() -> Snapshot {
    Snapshot {
        path: String::new(),
        exists: false,
        raw: None,
        value: JsonText::new("{}"),
        hash: hash(""),
        issues: Vec::new(),
        warnings: Vec::new(),
    }
}

fn whole(message: &str) -> Issue {
    Issue { path: String::new(), message: message.to_owned() }
}

fn issues(unusable: &Unusable, location: &Location) -> Vec<Issue> {
    match unusable {
        Unusable::Config(ConfigError::Invalid { problems, .. }) => problems.iter().map(of_problem).collect(),
        other => other.lines(location).iter().map(|line| whole(line)).collect(),
    }
}

/// The text that was refused is nowhere on disk, so its lines would mislead.
fn of_problem(problem: &Problem) -> Issue {
    Issue { path: problem.path.join("."), message: problem.to_string() }
}

fn refused(location: &Location, error: EditError) -> Refusal {
    match error {
        EditError::Refused(problem) => Refusal::Invalid(vec![of_problem(&problem)]),
        EditError::Config(error) => Refusal::Invalid(issues(&Unusable::Config(error), location)),
        EditError::NotAnObject { .. } | EditError::NoSuchEntry { .. } | EditError::NoAgent(_) => {
            Refusal::Invalid(vec![whole(&error.to_string())])
        }
    }
}

fn failed(error: ConfigError) -> Refusal {
    Refusal::Failed(chain(&error))
}
