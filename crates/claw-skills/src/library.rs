//! The skills there are: of the workspace, installed, bundled; the first of a name counts.
//!
//! Directories are looked at anew each time, and a `SKILL.md` is read again only when it has
//! changed, so a skill that is installed beside a running gateway is there at the next run. Nothing
//! is loaded from the directory the program was started in (advisory 63). Blocks on the disk.
//!
//! Whoever works in a workspace writes its `skills/`, too. So what lies there is data until the operator has pinned it, takes
//! no other skill's place, and what is told of it comes from the very bytes that were pinned (advisories 78, 82).
//!
//! Surprise: an API key has the bundled skills and those in its own workspace; an installed one only
//! where the configuration shares it (G13).

mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use claw_core::skill::{Broken, Report, Source, Status, Variable};
use claw_core::{AgentId, Clock, Principal, Secret};

use crate::gate::Surroundings;
use crate::limits::{FILES_SHOWN_MAX, VARIABLE_BYTES_MAX};
use crate::manifest::Manifest;
use crate::pin::{self, Pin, Standing};
use crate::{bundled, manifest};

pub(crate) use look::Place;
use look::{Directory, Seen};

/// Whether a skill of this name is a part of the program.
pub fn is_bundled(name: &str) -> bool {
    bundled::names().any(|bundled| bundled == name)
}

/// What says that a skill in a workspace is right as it is.
pub fn pin_command(name: &str, agent: &AgentId, principal: &Principal) -> String {
    let key = if is_operator(principal) { String::new() } else { format!(" --key {}", principal.id) };
    format!("openclaw skills pin {name} --agent {agent}{key}")
}

/// Where an agent works for somebody; nothing where it works nowhere.
pub type WorkspaceOf = Arc<dyn Fn(&AgentId, &Principal) -> Option<PathBuf> + Send + Sync>;

/// What may be set.
#[derive(Clone)]
pub struct Settings {
    /// Where installed skills lie; absolute.
    pub managed: PathBuf,
    /// Where agents work.
    pub workspaces: WorkspaceOf,
    /// Which bundled skills there are; all if nothing is said.
    pub allow_bundled: Option<BTreeSet<String>>,
    /// What is said of single skills, by their key.
    pub entries: BTreeMap<String, Entry>,
    /// Agents that are given these skills only.
    pub agents: Vec<(AgentId, BTreeSet<String>)>,
    /// What there is here.
    pub surroundings: Surroundings,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
}

/// What is said of one skill.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Whether it is turned off.
    pub is_disabled: bool,
    /// Whether API keys have it, though it was installed for the operator.
    pub is_shared: bool,
    /// Variables that commands are given for it.
    pub env: BTreeMap<String, Secret>,
    /// What they are given in the variable that the skill names for its secret.
    pub api_key: Option<Secret>,
}

impl Entry {
    /// What commands are given for this skill.
    fn variables(&self, manifest: &Manifest) -> Vec<Variable> {
        let own = self.env.iter();
        let key = manifest.primary_env.as_ref().zip(self.api_key.as_ref());
        let is_fit = |name: &str, value: &Secret| {
            let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let is_name = is_plain && !name.starts_with(|first: char| first.is_ascii_digit()) && !name.is_empty();
            is_name && !value.expose().contains('\0') && value.expose().len() <= VARIABLE_BYTES_MAX
        };
        let fit = own.chain(key).filter(|(name, value)| is_fit(name, value));
        let skill = manifest.name.clone();
        fit.map(|(name, value)| Variable { name: name.clone(), value: value.clone(), skill: skill.clone() }).collect()
    }
}

/// The skills of this machine. Clones share what they have read.
#[derive(Clone)]
pub struct Library(Arc<Shared>);

struct Shared {
    settings: Settings,
    seen: Seen,
}

/// A skill and where its files are.
#[derive(Debug, Clone)]
pub(crate) struct Skill {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) source: Source,
    pub(crate) place: Place,
    pub(crate) standing: Standing,
}

impl Library {
    /// Over these settings.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Shared { settings, seen: Seen::default() }))
    }

    /// What an agent has when it works for somebody, and what stands in the way of each. Blocks on
    /// the disk.
    pub fn look(&self, agent: &AgentId, principal: &Principal) -> Report {
        let settings = &self.0.settings;
        let (skills, broken) = self.all(agent, principal);
        let is_operator = is_operator(principal);
        let workspace = (settings.workspaces)(agent, principal).filter(|_| is_operator);
        let shown = |path: PathBuf| path.display().to_string();
        Report {
            workspace_dir: workspace.map(shown).unwrap_or_default(),
            managed_dir: if is_operator { shown(settings.managed.clone()) } else { String::new() },
            skills: skills.into_iter().map(|skill| settings.status(&skill, agent, is_operator)).collect(),
            broken,
        }
    }

    /// What commands are given for the skills that the agent can use; of two of a name, the first skill's. Blocks on
    /// the disk.
    fn variables(&self, agent: &AgentId, principal: &Principal) -> Vec<Variable> {
        let settings = &self.0.settings;
        let mut variables: Vec<Variable> = Vec::new();
        for skill in self.all(agent, principal).0 {
            let status = settings.status(&skill, agent, false);
            if !status.is_eligible() || status.is_filtered {
                continue;
            }
            for variable in settings.entry(&skill.manifest.key).variables(&skill.manifest) {
                if variables.iter().all(|known| known.name != variable.name) {
                    variables.push(variable);
                }
            }
        }
        variables
    }

    /// The skill of that name, as the agent has it; nothing if there is none it may read.
    pub(crate) fn find(&self, agent: &AgentId, principal: &Principal, name: &str) -> Option<(Skill, Status)> {
        let (skills, _) = self.all(agent, principal);
        let skill = skills.into_iter().find(|skill| skill.manifest.name == name)?;
        let status = self.0.settings.status(&skill, agent, is_operator(principal));
        Some((skill, status))
    }

    /// Every skill, the first of each name, by name; and the folders that hold none.
    fn all(&self, agent: &AgentId, principal: &Principal) -> (Vec<Skill>, Vec<Broken>) {
        let settings = &self.0.settings;
        let is_operator = is_operator(principal);
        let mut skills: BTreeMap<String, Skill> = BTreeMap::new();
        let (seen, now) = (&self.0.seen, settings.clock.now());
        let workspace = (settings.workspaces)(agent, principal);
        let Directory { skills: own, mut broken } = workspace
            .map(|workspace| seen.workspace(&workspace, &settings.managed, is_operator, now))
            .unwrap_or_default();
        // What nobody has let in takes no other's place: else whoever writes in a workspace turned skills off.
        let (own, strange): (Vec<_>, Vec<_>) = own.into_iter().partition(|(.., standing)| *standing == Standing::Right);
        let mut take = |(place, manifest, standing): (Place, Arc<Manifest>, Standing), source: Source| {
            let name = manifest.name.clone();
            skills.entry(name).or_insert(Skill { manifest, source, place, standing }).source == source
        };
        for skill in own {
            take(skill, Source::Workspace);
        }
        let managed = seen.managed(&settings.managed, now);
        let may_have = |manifest: &Manifest| is_operator || settings.entry(&manifest.key).is_shared;
        for skill in managed.skills.into_iter().filter(|(_, manifest, _)| may_have(manifest)) {
            take(skill, Source::Managed);
        }
        if is_operator {
            broken.extend(managed.broken);
        }
        for (place, manifest) in look::bundled() {
            take((place, manifest, Standing::Right), Source::Bundled);
        }
        for skill in strange {
            let (path, command) = (skill.0.shown(is_operator).0, pin_command(&skill.1.name, agent, principal));
            if !take(skill, Source::Workspace) {
                let why = "it is not pinned as it is, so another skill of its name counts";
                broken.push(Broken { path, problems: vec![format!("{why}: `{command}` if this one is right")] });
            }
        }
        (skills.into_values().collect(), broken)
    }
}

#[async_trait]
impl claw_core::skill::Skills for Library {
    async fn report(&self, agent: &AgentId, principal: &Principal) -> Report {
        let (library, agent, principal) = (self.clone(), agent.clone(), principal.clone());
        tokio::task::spawn_blocking(move || library.look(&agent, &principal)).await.unwrap_or_default()
    }

    async fn variables(&self, agent: &AgentId, principal: &Principal) -> Vec<Variable> {
        let has_some = |entry: &Entry| !entry.env.is_empty() || entry.api_key.is_some();
        if !is_operator(principal) || !self.0.settings.entries.values().any(has_some) {
            return Vec::new();
        }
        let (library, agent, principal) = (self.clone(), agent.clone(), principal.clone());
        tokio::task::spawn_blocking(move || library.variables(&agent, &principal)).await.unwrap_or_default()
    }
}

/// Whether it is the operator who asks, who owns what is installed.
pub(crate) fn is_operator(principal: &Principal) -> bool {
    principal.id.is_operator()
}

impl Settings {
    fn entry(&self, key: &str) -> Entry {
        self.entries.get(key).cloned().unwrap_or_default()
    }

    fn status(&self, skill: &Skill, agent: &AgentId, shows_paths: bool) -> Status {
        let Skill { manifest, source, place, standing } = skill;
        let entry = self.entry(&manifest.key);
        let set: BTreeSet<String> = entry.variables(manifest).into_iter().map(|variable| variable.name).collect();
        let (base_dir, file_path) = place.shown(shows_paths);
        let own = self.agents.iter().find(|(id, _)| id == agent).map(|(_, skills)| skills);
        let Manifest {
            name,
            description,
            license,
            compatibility: _,
            allowed_tools: _,
            version: _,
            homepage,
            emoji,
            key,
            primary_env,
            always,
            is_hidden,
            is_invocable,
            needs,
            installers,
            body_line: _,
        } = (**manifest).clone();
        Status {
            source: *source,
            is_disabled: entry.is_disabled,
            is_blocked: *source == Source::Bundled
                && self.allow_bundled.as_ref().is_some_and(|list| !list.contains(&name) && !list.contains(&key)),
            is_filtered: own.is_some_and(|list| !list.contains(&name)),
            is_changed: *standing == Standing::Changed,
            is_unpinned: *standing == Standing::Unpinned,
            missing: self.surroundings.missing(manifest, &set),
            name,
            description,
            file_path,
            base_dir,
            key,
            emoji,
            homepage,
            license,
            primary_env,
            always,
            is_hidden,
            is_invocable,
            needs,
            installers,
        }
    }
}

/// A file of a skill, and the names of all.
pub(crate) struct Opened {
    pub(crate) bytes: Vec<u8>,
    /// Every file by its path, but for the `SKILL.md`.
    pub(crate) others: Vec<String>,
    /// Whether the scan had found nothing in these very bytes, which the operator let in.
    pub(crate) is_vouched_for: bool,
}

impl Skill {
    /// Reads a file of the skill through the handle of its folder. Blocks on the disk.
    ///
    /// Errors: in words for a model.
    pub(crate) fn open(&self, path: &str) -> Result<Opened, String> {
        let plain = crate::contents::plain(path).map_err(|error| error.to_string())?;
        let path = plain.ok_or_else(|| "name a file of the skill, such as references/x.md".to_owned())?;
        let absent = || format!("the skill has no file {path:?}");
        match &self.place {
            Place::Bundled(name) => {
                let text = bundled::files(name).find(|(there, _)| *there == path).ok_or_else(absent)?.1;
                let others = bundled::files(name).map(|(path, _)| path.to_owned());
                let others = others.filter(|path| path != manifest::FILE).collect();
                Ok(Opened { bytes: text.as_bytes().to_vec(), others, is_vouched_for: true })
            }
            Place::Folder { root, inside, record } => {
                let failed = |error: std::io::Error| match error.kind() {
                    std::io::ErrorKind::NotFound => absent(),
                    _ => format!("{path:?} cannot be read: {error}"),
                };
                let dir = look::open_skill(root, inside).map_err(failed)?.ok_or_else(absent)?;
                // What was judged a moment ago may be another file now: these are the bytes that are pinned.
                match pin::look(&dir, record, record.read(&dir)) {
                    Pin::Unrecorded | Pin::Changed => Err("the skill was changed this very moment".to_owned()),
                    Pin::Intact { contents, has_findings } => {
                        let bytes = contents.get(&path).ok_or_else(absent)?.to_vec();
                        let others = contents.iter().map(|(path, _)| path).filter(|path| *path != manifest::FILE);
                        let others = others.take(FILES_SHOWN_MAX).map(str::to_owned).collect();
                        Ok(Opened { bytes, others, is_vouched_for: !has_findings })
                    }
                }
            }
        }
    }
}

/// For tests: so late that everything was changed long ago, and so is remembered.
#[cfg(test)]
pub(crate) struct Late;

#[cfg(test)]
impl Clock for Late {
    fn now(&self) -> claw_core::Timestamp {
        claw_core::Timestamp::from_millis(i64::MAX / 2)
    }
}

#[cfg(test)]
#[path = "library/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "library/borders.rs"]
mod borders;
