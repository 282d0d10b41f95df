//! Live configuration: reads the file again and puts what changed in its place, in a gateway that
//! runs (E13, K16).
//!
//! All or nothing: everything new is built before anything old is let go, so a file that cannot be
//! used changes nothing (G11). What holds for the life of the process is compared and only told.
//! One lock lets one change happen at a time, whoever asked for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claw_app::App;
use claw_app::audit::{ConfigChange, config_digest};
use claw_core::audit::{self, Actor};
use claw_net::egress::{AllowList, Egress};

use super::doors::Locks;
use super::hooks;
use super::providers::{self, Foundation};
use super::watch::Stamp;
use crate::config::credentials::{Auth, Decision};
use crate::config::file::{self, CompactionMode, ReloadMode, Webhooks};
use crate::config::period::Period;
use crate::config::problem::{ConfigError, located};
use crate::config::secret::SecretText;
use crate::config::settings::{Fixed, Live, Location, Settings};
use crate::config::values::AllowedHost;
use crate::config::{self, Loaded, Sources, change, disk, limits, redact};
use crate::exit::{Fatal, chain};
use crate::log::LevelControl;

/// A file that cannot be used may be half written: so often it is looked at before that is told.
const LOOKS: u32 = 4;
/// How long apart.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What a change of the configuration reaches.
pub(super) struct Parts {
    pub(super) app: App,
    pub(super) foundation: Foundation,
    pub(super) locks: Locks,
    pub(super) levels: LevelControl,
}

/// Who asked for the file to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Somebody, by a signal.
    Told,
    /// Nobody: the file has changed.
    Watch,
}

/// The configuration of a running gateway.
pub(super) struct LiveConfig {
    location: Location,
    /// The file as it was when it was first read here.
    stamp: Stamp,
    sources: Sources,
    /// As at the start, and to the end.
    fixed: Fixed,
    parts: Parts,
    seen: Mutex<Seen>,
}

/// The last configuration that could be used.
pub(super) struct Seen {
    settings: Settings,
    /// What the file alone said; absent when there was none.
    written: Option<Settings>,
}

/// What came of reading the file again: dotted keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// In effect now.
    pub(super) applied: Vec<String>,
    /// Wait for the next start.
    pub(super) needs_restart: Vec<String>,
    /// The file's new value does not count: the flag or variable of that name does.
    pub(super) overridden: Vec<(String, &'static str)>,
    /// Where the new configuration is odd.
    pub(super) warnings: Vec<String>,
    /// Of the file without its secrets.
    pub(super) digest: Option<String>,
}

impl Report {
    fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.needs_restart.is_empty() && self.overridden.is_empty()
    }
}

/// Why nothing has changed.
#[derive(Debug)]
pub(super) enum Unusable {
    /// There was a file.
    Gone,
    /// There was something in it.
    Empty,
    /// It says something that cannot be.
    Config(ConfigError),
    /// It is well written and cannot be built.
    Parts(String),
}

impl Unusable {
    /// One line for each thing that is wrong, with its place.
    pub(super) fn lines(&self, location: &Location) -> Vec<String> {
        let file = &location.config_file;
        match self {
            Self::Gone => vec![format!("{}: the file is gone", file.display())],
            Self::Empty => {
                vec![format!("{}: the file is empty; write {{}} if all is to have its default", file.display())]
            }
            Self::Config(ConfigError::Invalid { problems, .. }) => {
                problems.iter().map(|problem| located(file, problem.origin.as_ref(), problem)).collect()
            }
            Self::Config(error) => vec![chain(error)],
            Self::Parts(line) => vec![line.clone()],
        }
    }
}

impl LiveConfig {
    pub(super) fn new(settings: Settings, sources: Sources, parts: Parts) -> Self {
        let location = settings.location.clone();
        // Taken first: a change while we read is seen as one.
        let stamp = Stamp::of(&location.config_file);
        let text = disk::read(&location.config_file).ok().flatten();
        let written = text.and_then(|text| config::written(&location, &text, &sources.environment));
        let fixed = settings.fixed.clone();
        Self { location, stamp, sources, fixed, parts, seen: Mutex::new(Seen { settings, written }) }
    }

    /// The file as it was at the start.
    pub(super) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Whether changes of the file are taken up by themselves.
    pub(super) fn watches(&self) -> bool {
        self.seen().settings.live.reload == ReloadMode::Hot
    }

    /// Where the file is.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// What is read beside it.
    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Does something that changes the file, while nobody else here reads or changes it.
    pub(super) fn exclusively<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.seen())
    }

    /// Builds what the app is given of a configuration.
    ///
    /// Errors: a part of it cannot be built.
    pub(super) fn build(&self, live: &Live) -> Result<claw_app::Live, Unusable> {
        parts(&self.parts.foundation, live).map_err(|fatal| Unusable::Parts(fatal.cause()))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file and puts what changed in place. Blocks on the disk.
    ///
    /// Errors: the file cannot be used; nothing has changed.
    fn reload(&self) -> Result<Report, Unusable> {
        let mut seen = self.seen();
        let text = match disk::read(&self.location.config_file) {
            Ok(Some(text)) => text,
            Ok(None) if seen.written.is_some() => return Err(Unusable::Gone),
            Ok(None) => return Ok(Report::default()),
            Err(error) => return Err(Unusable::Config(error)),
        };
        // A file that is just being written begins as an empty one, and that would be a good one.
        if text.trim().is_empty() {
            return Err(Unusable::Empty);
        }
        self.adopt(&mut seen, &text)
    }

    /// Puts what changed in this text in place, and says what did.
    ///
    /// Errors: it cannot be used; nothing has changed.
    pub(super) fn adopt(&self, seen: &mut Seen, text: &str) -> Result<Report, Unusable> {
        let Sources { environment, flags } = &self.sources;
        let Loaded { settings, warnings } =
            config::resolve(self.location.clone(), text, environment, flags).map_err(Unusable::Config)?;
        let written = config::written(&self.location, text, environment);
        let changes = change::between(&seen.settings, &settings);
        let parts = self.build(&settings.live)?;
        if !changes.live.is_empty() {
            self.parts.app.adopt(parts);
            self.parts.foundation.adopt(&settings.live);
            self.parts.locks.change(&self.auth(&settings.live), &settings.live);
        }
        let differs = change::fixed(&self.fixed, &settings.fixed);
        let needs_restart = changes.fixed.into_iter().filter(|key| differs.contains(key)).collect();
        let overridden = self.overridden(seen.written.as_ref(), written.as_ref());
        let report = Report { applied: changes.live, needs_restart, overridden, warnings, digest: digest(text) };
        // What is said about a level is said at the more talkative of the two.
        let level = settings.live.log_level;
        let old = seen.settings.live.log_level;
        if level > old {
            self.parts.levels.set(level);
        }
        tell(&report);
        if level < old {
            self.parts.levels.set(level);
        }
        *seen = Seen { settings, written };
        Ok(report)
    }

    /// Who may come in: the mode is the start's, the secrets are the file's.
    ///
    /// Fails closed: where no secret is left, nobody but holders of API keys comes in.
    fn auth(&self, live: &Live) -> Auth {
        let settings = Settings { location: self.location.clone(), fixed: self.fixed.clone(), live: live.clone() };
        match settings.credentials().decide(self.fixed.bind) {
            Decision::Enforce(auth) => auth,
            Decision::CreateToken | Decision::Refuse(_) => {
                tracing::warn!(
                    "reload: no token and no password is left: only holders of API keys come in until one is set, or until `openclaw gateway restart`"
                );
                Auth::Required { token: None, password: None }
            }
        }
    }

    /// What the file is known by in the audit log.
    pub(super) fn digest(&self) -> Option<String> {
        digest(&disk::read(&self.location.config_file).ok()??)
    }

    /// Writes down what was taken up.
    fn note(&self, trigger: Trigger, report: &Report) {
        if report.is_empty() {
            return;
        }
        let Report { applied, needs_restart, overridden, warnings: _, digest } = report;
        let overridden = overridden.iter().map(|(key, _)| key.clone());
        self.write_down(
            trigger,
            &ConfigChange {
                applied: applied.clone(),
                needs_restart: needs_restart.iter().cloned().chain(overridden).collect(),
                digest: digest.clone(),
                ..ConfigChange::default()
            },
        );
    }

    /// Writes down that a file could not be used: why and where, and nothing of what stands there.
    fn note_refused(&self, trigger: Trigger, unusable: &Unusable) {
        let (refused, issues) = match unusable {
            Unusable::Gone => ("gone", Vec::new()),
            Unusable::Empty => ("empty", Vec::new()),
            Unusable::Config(ConfigError::Invalid { problems, .. }) => {
                ("invalid", problems.iter().map(|problem| problem.path.join(".")).collect())
            }
            Unusable::Config(_) => ("unreadable", Vec::new()),
            Unusable::Parts(_) => ("cannot be built", Vec::new()),
        };
        self.write_down(trigger, &ConfigChange { refused: Some(refused), issues, ..ConfigChange::default() });
    }

    fn write_down(&self, trigger: Trigger, change: &ConfigChange) {
        let ledger = self.parts.foundation.ledger();
        let door = match trigger {
            Trigger::Told => audit::Door::Signal,
            Trigger::Watch => audit::Door::File,
        };
        ledger.note(change.entry(ledger.now(), Actor::gateway(door)));
    }

    fn overridden(&self, old: Option<&Settings>, new: Option<&Settings>) -> Vec<(String, &'static str)> {
        let (Some(old), Some(new)) = (old, new) else {
            return Vec::new();
        };
        let change::Changes { live, fixed } = change::between(old, new);
        let keys = live.into_iter().chain(fixed);
        keys.filter_map(|key| config::overriding(&key, &self.sources).map(|name| (key, name))).collect()
    }
}

fn digest(text: &str) -> Option<String> {
    redact::text(text).as_deref().map(config_digest)
}

/// What the app is given of a configuration.
///
/// Errors: a provider that cannot be built.
pub(super) fn parts(foundation: &Foundation, live: &Live) -> Result<claw_app::Live, Fatal> {
    hooks::hooks(live)?;
    let Webhooks { secret, allow_hosts } = &live.webhooks;
    // Callbacks leave through the guard; what the operator lists may lie in a private network.
    let allow = AllowList::new(allow_hosts.iter().map(AllowedHost::allowed));
    Ok(claw_app::Live {
        notes: super::tools::notes(live),
        compaction: compaction(&live.agents.defaults.compaction),
        quotas: limits::quotas(&live.limits, &live.plans),
        memory_retention: live.memory.retention.as_ref().map(Period::get),
        catalog: Arc::new(providers::catalog(foundation, live)?),
        courier: Arc::new(Egress::new(allow)),
        webhook_secret: secret.as_ref().filter(|secret| !secret.is_blank()).map(SecretText::secret),
        concurrent_max: usize::try_from(live.workers.max_concurrent.get()).unwrap_or(usize::MAX),
        attempts_default: u32::try_from(live.tasks.max_attempts.get()).unwrap_or(u32::MAX),
    })
}

/// How conversations are compacted, in the app's words.
fn compaction(settings: &file::Compaction) -> claw_app::Compaction {
    let file::Compaction { mode, model, keep_recent_tokens, timeout_seconds } = settings;
    claw_app::Compaction {
        is_on: *mode != CompactionMode::Off,
        model: model.clone(),
        keep_tokens: u32::try_from(keep_recent_tokens.get()).unwrap_or(u32::MAX),
        timeout: Duration::from_secs(timeout_seconds.get()),
    }
}

/// Reads the file again, patiently, and says what came of it.
pub(super) async fn reload(live: &Arc<LiveConfig>, trigger: Trigger) {
    let mut looks = 1;
    loop {
        let here = Arc::clone(live);
        let outcome = tokio::task::spawn_blocking(move || here.reload()).await;
        match outcome {
            Ok(Ok(report)) => {
                live.note(trigger, &report);
                if report.is_empty() && trigger == Trigger::Told {
                    tracing::info!("reload: nothing differs from what is in effect");
                }
                return;
            }
            Ok(Err(unusable)) if looks >= LOOKS => {
                live.note_refused(trigger, &unusable);
                for line in unusable.lines(&live.location) {
                    tracing::error!("reload: nothing has changed: {line}");
                }
                return;
            }
            Ok(Err(_)) => {
                looks += 1;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(error) => return tracing::error!("reload: nothing has changed: {error}"),
        }
    }
}

/// One line for each key (E13).
fn tell(report: &Report) {
    let Report { applied, needs_restart, overridden, warnings, digest: _ } = report;
    for warning in warnings {
        tracing::warn!("configuration: {warning}");
    }
    for key in applied {
        tracing::info!("reload: {key} applied");
    }
    for key in needs_restart {
        tracing::warn!("reload: {key} needs a restart (openclaw gateway restart)");
    }
    for (key, name) in overridden {
        tracing::warn!("reload: {key} needs a restart without {name}, which overrides the file");
    }
}
