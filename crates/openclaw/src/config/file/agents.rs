//! `agents` and `executors`: who answers, and on whose machine.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::secret::SecretText;
use crate::config::tools::ToolRules;
use crate::config::values::{AgentName, BaseUrl, ModelChoice, Whole};

/// Who answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Agents {
    /// What holds for each agent unless it says otherwise.
    pub(crate) defaults: AgentDefaults,
    /// The agents; empty means one, called `main`.
    pub(crate) list: Vec<Agent>,
}

/// Another gateway that carries out whole runs: its model, its tools, its memory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Executor {
    /// What it speaks.
    #[serde(default, rename = "type")]
    pub(crate) kind: ExecutorKind,
    /// Its address, to which `/v1/chat/completions` is added. Addresses of this machine and its
    /// network are allowed: the owner writes them here.
    pub(crate) url: BaseUrl,
    /// Its token.
    #[serde(default, skip_serializing)]
    pub(crate) token: Option<SecretText>,
    /// Which of its agents serves.
    #[serde(default = "main_agent")]
    pub(crate) agent_id: AgentName,
    /// Runs at once at most; if it takes fewer, that is found out.
    #[serde(default = "executor_concurrent")]
    pub(crate) max_concurrent: Whole<1, 10_000>,
    /// How long it may be silent within a run before it is given up, in seconds.
    #[serde(default = "executor_silence")]
    pub(crate) idle_seconds: Whole<1, 86_400>,
    /// How long it lets a run take, in seconds, where it does not say so itself when it ends one.
    #[serde(default = "executor_run_limit")]
    pub(crate) run_limit_seconds: Whole<1, 86_400>,
    /// How often a run that it ended because its time was over is told to go on there; 0 for never.
    #[serde(default = "executor_continuations")]
    pub(crate) continuations: Whole<0, 100>,
    /// What it is told then.
    #[serde(default = "executor_continue_with")]
    pub(crate) continue_with: String,
    /// Whether runs of API keys and hooks may go there. What they may do there that gateway decides.
    #[serde(default)]
    pub(crate) allow_api_keys: bool,
}

fn main_agent() -> AgentName {
    AgentName::main()
}

const fn executor_concurrent() -> Whole<1, 10_000> {
    Whole::new(10)
}

/// Longer than the ten minutes it gives a run, so that its own word about that is heard.
const fn executor_silence() -> Whole<1, 86_400> {
    Whole::new(660)
}

const fn executor_run_limit() -> Whole<1, 86_400> {
    Whole::new(600)
}

const fn executor_continuations() -> Whole<0, 100> {
    Whole::new(3)
}

fn executor_continue_with() -> String {
    claw_agent::executors::CONTINUE_WITH.to_owned()
}

/// What an executor speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExecutorKind {
    /// An OpenClaw gateway, by its chat completions.
    #[default]
    V1,
}

/// What holds for each agent unless it says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AgentDefaults {
    /// The model.
    pub(crate) model: Option<ModelChoice>,
    /// The one of `executors` that carries their runs out; unset, they run here.
    pub(crate) executor: Option<String>,
    /// What is said about models here, by `provider/model`.
    pub(crate) models: BTreeMap<String, ModelEntry>,
    /// How the older part of long conversations is summed up.
    pub(crate) compaction: Compaction,
    /// What the model is told first.
    pub(crate) system_prompt: Option<String>,
    /// How often a run may ask for tools in a row, 200 times if unset; then it is asked for its answer, without tools.
    pub(crate) max_tool_rounds: Option<Whole<1, 10_000>>,
    /// The directory they work in; relative to the state directory. If unset, `workspace` there
    /// for the default agent and `workspace-<id>` for the others.
    pub(crate) workspace: Option<String>,
}

impl AgentDefaults {
    /// How often a run may ask for tools in a row, where the configuration says so.
    pub(crate) fn rounds_max(&self) -> Option<u32> {
        self.max_tool_rounds.and_then(|rounds| u32::try_from(rounds.get()).ok())
    }
}

/// How the older part of long conversations is summed up, in the background.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Compaction {
    /// Whether it is done.
    pub(crate) mode: CompactionMode,
    /// The model that does it; the conversation's own if unset.
    pub(crate) model: Option<String>,
    /// The newest part that stays as it was said, in tokens.
    pub(crate) keep_recent_tokens: Whole<0, 1_000_000>,
    /// How long it may take; after that the conversation stays as it was.
    pub(crate) timeout_seconds: Whole<1, 3_600>,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            mode: CompactionMode::default(),
            model: None,
            keep_recent_tokens: Whole::new(20_000),
            timeout_seconds: Whole::new(120),
        }
    }
}

/// Whether long conversations are compacted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CompactionMode {
    /// Before a model's window is full. `default` means the same.
    #[default]
    #[serde(alias = "default")]
    Safeguard,
    /// Never: the oldest turns fall away.
    Off,
}

/// What agents know about a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct ModelEntry {
    /// A shorter name for it.
    pub(crate) alias: Option<String>,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Agent {
    /// Its id, as requests name it.
    pub(crate) id: AgentName,
    /// Whether it answers where no agent is named; else the first in the list does.
    #[serde(default)]
    pub(crate) default: bool,
    /// The name people read.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Its model.
    #[serde(default)]
    pub(crate) model: Option<ModelChoice>,
    /// The one of `executors` that carries its runs out; `none` if the default is not to count.
    #[serde(default)]
    pub(crate) executor: Option<String>,
    /// What its model is told first.
    #[serde(default)]
    pub(crate) system_prompt: Option<String>,
    /// The directory it works in; relative to the state directory.
    #[serde(default)]
    pub(crate) workspace: Option<String>,
    /// What it may do; a base of its own takes the place of the general one, denials add up.
    #[serde(default)]
    pub(crate) tools: ToolRules,
    /// The skills it is given, by name; all if unset.
    #[serde(default)]
    pub(crate) skills: Option<Vec<String>>,
}
