//! The configuration file, key by key. The struct *is* the contract: the JSON schema and the
//! messages follow from it.
//!
//! Every key has a default, so an empty file is a good one. Nothing is resolved here; see
//! [`super::settings`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::{Limits, Plan};
use super::period::Period;
use super::price::Dollars;
use super::secret::SecretText;
use super::skills::Skills;
use super::tools::{ToolRules, Tools};
use super::values::{AgentName, AllowedHost, BaseUrl, Bind, ModelChoice, Port, Whole};

/// The configuration of OpenClaw, `openclaw.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct File {
    /// For editors: the address of this schema.
    #[serde(rename = "$schema")]
    pub(crate) schema: Option<String>,
    /// The one port and what it lets in.
    pub(crate) gateway: Gateway,
    /// Where model output comes from.
    pub(crate) models: Models,
    /// What API keys may have generated, by the name of their plan; `default` is every key's.
    pub(crate) plans: BTreeMap<String, Plan>,
    /// Who answers.
    pub(crate) agents: Agents,
    /// Other gateways that carry out runs, by a name of one's own.
    pub(crate) executors: BTreeMap<String, Executor>,
    /// What agents may do, and how.
    pub(crate) tools: Tools,
    /// What agents remember.
    pub(crate) memory: Memory,
    /// What they were taught.
    pub(crate) skills: Skills,
    /// Where the truth lies.
    pub(crate) store: Store,
    /// What runs the tasks.
    pub(crate) workers: Workers,
    /// How tasks are tried.
    pub(crate) tasks: Tasks,
    /// How callbacks are told that their task has ended.
    pub(crate) webhooks: Webhooks,
    /// What programs outside may set off.
    pub(crate) hooks: Hooks,
    /// The model that runs inside the gateway.
    pub(crate) embedded: Embedded,
    /// What is written down of all this.
    pub(crate) logging: Logging,
}

/// The one port and what it lets in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Gateway {
    /// `local` runs the gateway here; `remote` makes this machine a client only.
    pub(crate) mode: Option<GatewayMode>,
    /// The port; 0 takes any free one.
    pub(crate) port: Port,
    /// The address: `loopback`, `lan`, `tailnet` or an IP address.
    pub(crate) bind: Bind,
    /// Who may come in.
    pub(crate) auth: Auth,
    /// The older spelling of `auth.token`.
    #[serde(skip_serializing)]
    pub(crate) auth_token: Option<SecretText>,
    /// The older spelling of `auth.password`.
    #[serde(skip_serializing)]
    pub(crate) password: Option<SecretText>,
    /// The HTTP surface.
    pub(crate) http: Http,
    /// Further browser origins that may talk to the gateway.
    pub(crate) allowed_origins: Vec<String>,
    /// Further host names the gateway answers to.
    pub(crate) allowed_hosts: Vec<String>,
    /// How much may be generated for its own token.
    pub(crate) limits: Limits,
    /// How changes of this file are taken up.
    pub(crate) reload: Reload,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            mode: None,
            port: Port::new(18_789),
            bind: Bind::Loopback,
            auth: Auth::default(),
            auth_token: None,
            password: None,
            http: Http::default(),
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            limits: Limits::default(),
            reload: Reload::default(),
        }
    }
}

/// How changes of this file are taken up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Reload {
    /// `hot` takes up by itself what needs no restart; `off` waits to be told, by
    /// `openclaw gateway reload` or a change through the gateway.
    pub(crate) mode: ReloadMode,
}

/// Whether a running gateway looks for changes of this file by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReloadMode {
    /// It does. `hybrid` and `restart` mean the same: this gateway never restarts by itself.
    #[default]
    #[serde(alias = "hybrid", alias = "restart")]
    Hot,
    /// It does not.
    Off,
}

/// Where the gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GatewayMode {
    /// Here.
    Local,
    /// Somewhere else.
    Remote,
}

/// Who may come in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Auth {
    /// Which credential counts; unset means every one given below. `none` only on loopback.
    pub(crate) mode: Option<AuthMode>,
    /// The gateway's token.
    #[serde(skip_serializing)]
    pub(crate) token: Option<SecretText>,
    /// The gateway's password.
    #[serde(skip_serializing)]
    pub(crate) password: Option<SecretText>,
    /// Whether plain HTTP requests from other machines may carry the credential in the query.
    pub(crate) allow_query: bool,
}

/// Which credential counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthMode {
    /// Nobody is asked; loopback only.
    None,
    /// The token.
    Token,
    /// The password.
    Password,
}

/// The HTTP surface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Http {
    /// The compatible endpoints.
    pub(crate) endpoints: Endpoints,
}

/// The compatible endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Endpoints {
    /// `POST /v1/chat/completions`.
    pub(crate) chat_completions: Endpoint,
    /// `POST /v1/responses`.
    pub(crate) responses: Endpoint,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Endpoint {
    /// Whether it is there; `false` answers 404.
    pub(crate) enabled: bool,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Where model output comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Models {
    /// The sources by id; the id is the part before the slash in `provider/model`.
    pub(crate) providers: BTreeMap<String, Provider>,
}

/// One source of model output.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Provider {
    /// The address before `/chat/completions`, `/responses` or `/messages`, version included.
    pub(crate) base_url: BaseUrl,
    /// The key sent with each request.
    #[serde(default, skip_serializing)]
    pub(crate) api_key: Option<SecretText>,
    /// Further keys; all take turns, and one that is refused or limited rests.
    #[serde(default, skip_serializing)]
    pub(crate) api_keys: Vec<SecretText>,
    /// The protocol it speaks.
    #[serde(default)]
    pub(crate) api: Api,
    /// The models it is known to have; others are asked for by name all the same.
    #[serde(default)]
    pub(crate) models: Vec<Model>,
}

/// The protocol a provider speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Api {
    /// `POST …/chat/completions`.
    #[default]
    OpenaiCompletions,
    /// `POST …/responses`.
    OpenaiResponses,
    /// `POST …/messages`.
    AnthropicMessages,
}

impl Api {
    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiCompletions => "openai-completions",
            Self::OpenaiResponses => "openai-responses",
            Self::AnthropicMessages => "anthropic-messages",
        }
    }
}

/// One model of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Model {
    /// The name the provider knows it by.
    pub(crate) id: String,
    /// The name people read.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// How many tokens it can look back on.
    #[serde(default)]
    pub(crate) context_window: Option<Whole<1, 100_000_000>>,
    /// How many tokens one answer may have.
    #[serde(default)]
    pub(crate) max_tokens: Option<Whole<1, 100_000_000>>,
    /// What it costs.
    #[serde(default)]
    pub(crate) cost: Option<Cost>,
}

/// What a model costs, in US dollars per million tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Cost {
    /// The question.
    pub(crate) input: Dollars,
    /// The answer.
    pub(crate) output: Dollars,
    /// What comes from the provider's cache.
    pub(crate) cache_read: Dollars,
    /// What goes into it.
    pub(crate) cache_write: Dollars,
}

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
    /// The directory they work in; relative to the state directory. If unset, `workspace` there
    /// for the default agent and `workspace-<id>` for the others.
    pub(crate) workspace: Option<String>,
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

/// What agents remember.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Memory {
    /// How long a stored memory is kept, such as `30d`; for ever if unset. Notes in files are left alone.
    pub(crate) retention: Option<Period>,
}

/// Where the truth lies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Store {
    /// The database file; relative to the state directory, `openclaw.db` if unset.
    pub(crate) path: Option<String>,
}

/// What runs the tasks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Workers {
    /// Runs at the same time, over all sessions.
    pub(crate) max_concurrent: Whole<1, 100_000>,
}

impl Default for Workers {
    fn default() -> Self {
        Self { max_concurrent: Whole::new(2_000) }
    }
}

/// How tasks are tried.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Tasks {
    /// How often a task is tried before it is failed for good.
    pub(crate) max_attempts: Whole<1, 100>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { max_attempts: Whole::new(3) }
    }
}

/// How callbacks are told that their task has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Webhooks {
    /// What deliveries are signed with; unset, and they are not signed.
    #[serde(skip_serializing)]
    pub(crate) secret: Option<SecretText>,
    /// Hosts (`host` or `host:port`) and networks (`10.1.0.0/16`) that may be called although
    /// their addresses are private.
    pub(crate) allow_hosts: Vec<AllowedHost>,
}

/// What programs outside may set off, by `POST /hooks/wake` and `/hooks/agent`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Hooks {
    /// Whether they are there; only with a token.
    pub(crate) enabled: bool,
    /// What callers bring, as `Authorization: Bearer` or `X-OpenClaw-Token`; never the gateway's own.
    #[serde(skip_serializing)]
    pub(crate) token: Option<SecretText>,
    /// The path they are below.
    pub(crate) path: String,
    /// Largest body, in bytes.
    pub(crate) max_body_bytes: Whole<1, 10_485_760>,
    /// The conversation of runs that name none; one of its own each if unset.
    pub(crate) default_session_key: Option<String>,
    /// Whether a request may name its conversation, among those of hooks.
    pub(crate) allow_request_session_key: bool,
    /// What such a name has to begin with; anything if empty.
    pub(crate) allowed_session_key_prefixes: Vec<String>,
    /// The agents they may ask; all if unset, or with `*` among them.
    pub(crate) allowed_agent_ids: Option<Vec<String>>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            enabled: false,
            token: None,
            path: "/hooks".to_owned(),
            max_body_bytes: Whole::new(262_144),
            default_session_key: None,
            allow_request_session_key: false,
            allowed_session_key_prefixes: Vec::new(),
            allowed_agent_ids: None,
        }
    }
}

/// The model that runs inside the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Embedded {
    /// Whether it may be used.
    pub(crate) enabled: bool,
    /// Its name as `openclaw models list` shows it.
    pub(crate) model: Option<String>,
    /// A GGUF file to use instead.
    pub(crate) path: Option<String>,
    /// Threads it computes with; fewer than the machine has cores if unset.
    pub(crate) threads: Option<Whole<1, 1_024>>,
    /// How long it stays in memory unused; 0 keeps it.
    pub(crate) idle_unload_seconds: Whole<0, 31_536_000>,
    /// How many tokens it looks back on.
    pub(crate) context_tokens: Whole<256, 1_000_000>,
}

impl Default for Embedded {
    fn default() -> Self {
        Self {
            enabled: true,
            model: None,
            path: None,
            threads: None,
            idle_unload_seconds: Whole::new(300),
            context_tokens: Whole::new(4_096),
        }
    }
}

/// What is written down of all this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Logging {
    /// The least severe line that is written.
    pub(crate) level: Level,
    /// How lines look on the terminal; the file always holds JSON.
    pub(crate) format: Format,
    /// The log file; relative to the state directory, `logs/openclaw.log` if unset, `off` for none.
    pub(crate) file: Option<String>,
}

/// How severe a log line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Something failed and nobody mended it.
    Error,
    /// Something is odd.
    Warn,
    /// What the gateway does.
    #[default]
    Info,
    /// How it does it.
    Debug,
    /// Everything.
    Trace,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}
