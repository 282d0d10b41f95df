//! Skills as those see them who only look: what there is, and what stands in the way of each.
//!
//! A skill is a folder with a `SKILL.md` that teaches an agent a task. Its text has no authority:
//! it changes no permission.

use async_trait::async_trait;

use crate::principal::Principal;
use crate::secret::Secret;
use crate::session::AgentId;

/// The port to the skills of this machine.
#[async_trait]
pub trait Skills: Send + Sync {
    /// What an agent has when it works for somebody.
    async fn report(&self, agent: &AgentId, principal: &Principal) -> Report;
    /// The variables that commands are given for the skills that the agent can use there: each name once, and none
    /// for anybody but the operator.
    async fn variables(&self, agent: &AgentId, principal: &Principal) -> Vec<Variable>;
}

/// Nobody knows of any.
#[async_trait]
impl Skills for () {
    async fn report(&self, _: &AgentId, _: &Principal) -> Report {
        Report::default()
    }
    async fn variables(&self, _: &AgentId, _: &Principal) -> Vec<Variable> {
        Vec::new()
    }
}

/// A variable that commands are given for a skill.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What nobody but the command is to read.
    pub value: Secret,
    /// The skill it is for.
    pub skill: String,
}

/// What an agent has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The directory the agent works in; empty where it is nobody's business.
    pub workspace_dir: String,
    /// Where installed skills lie; empty where it is nobody's business.
    pub managed_dir: String,
    /// The skills, by name.
    pub skills: Vec<Status>,
    /// Folders that should hold a skill and do not.
    pub broken: Vec<Broken>,
}

/// Where a skill comes from; a later one takes the place of an earlier one of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// This program.
    Bundled,
    /// The operator installed it.
    Managed,
    /// It lies in the agent's workspace, where agents write: it counts when the operator has pinned it.
    Workspace,
}

impl Source {
    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::Managed => "managed",
            Self::Workspace => "workspace",
        }
    }
}

/// One skill, and what stands in its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it comes from.
    pub source: Source,
    /// Its `SKILL.md`.
    pub file_path: String,
    /// Its folder.
    pub base_dir: String,
    /// What it is called in the configuration.
    pub key: String,
    /// A sign for it.
    pub emoji: Option<String>,
    /// A page about it.
    pub homepage: Option<String>,
    /// The licence it names.
    pub license: Option<String>,
    /// The variable its secret is expected in.
    pub primary_env: Option<String>,
    /// Whether what it needs does not matter.
    pub always: bool,
    /// Whether the configuration turned it off.
    pub is_disabled: bool,
    /// Whether it is a bundled one that is not on the list of those allowed.
    pub is_blocked: bool,
    /// Whether this agent is given other skills only.
    pub is_filtered: bool,
    /// Whether it was installed or pinned, and is not that any more.
    pub is_changed: bool,
    /// Whether nobody has said that it is right, where it lies in a workspace or among those that were installed.
    pub is_unpinned: bool,
    /// Whether models are not told of it.
    pub is_hidden: bool,
    /// Whether people may call it by name.
    pub is_invocable: bool,
    /// What it needs.
    pub needs: Requirements,
    /// What of that is missing here.
    pub missing: Requirements,
    /// How what it needs could be had; nothing here ever does that.
    pub installers: Vec<Installer>,
}

impl Status {
    /// Whether it can be used here.
    pub fn is_eligible(&self) -> bool {
        let is_right = !self.is_changed && !self.is_unpinned;
        !self.is_disabled && !self.is_blocked && is_right && self.missing == Requirements::default()
    }

    /// Whether models are told of it and may read it.
    pub fn is_offered(&self) -> bool {
        self.is_eligible() && !self.is_filtered && !self.is_hidden
    }
}

/// What a skill needs to be of use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Programs, all of them.
    pub bins: Vec<String>,
    /// Programs, one of them.
    pub any_bins: Vec<String>,
    /// Variables of the environment.
    pub env: Vec<String>,
    /// Keys of the configuration that are set and not false.
    pub config: Vec<String>,
    /// Operating systems, one of them: `linux`, `darwin`, `win32`.
    pub os: Vec<String>,
}

/// A way to get what a skill needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installer {
    /// Its name among the skill's.
    pub id: String,
    /// `brew`, `node`, `go`, `uv`, `download`.
    pub kind: String,
    /// As people read it.
    pub label: String,
    /// The programs it brings.
    pub bins: Vec<String>,
}

/// A folder that should hold a skill and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its `SKILL.md`.
    pub path: String,
    /// What is wrong with it, each with its line.
    pub problems: Vec<String>,
}
