//! The section `tools`: what agents may do, and how.

mod web;

use std::collections::BTreeMap;
use std::time::Duration;

use claw_core::PrincipalId;
use claw_core::permission::{self, Pattern, Rules};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Unexpected};
use serde::{Deserialize, Serialize};

use super::values::Whole;
pub(crate) use web::{Fetch, Search, SearchProvider, Web};

/// What agents may do, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Tools {
    /// The base: `minimal`, `messaging`, `coding` or `full`; every tool if neither it nor `allow` is set.
    pub(crate) profile: Option<Profile>,
    /// Tools, beginnings such as `web_*`, and groups such as `group:fs` that are permitted beside
    /// the profile; if no profile is set, these alone.
    pub(crate) allow: Vec<ToolPattern>,
    /// Permitted beside whatever else is.
    pub(crate) also_allow: Vec<ToolPattern>,
    /// Never permitted, whatever else says so.
    pub(crate) deny: Vec<ToolPattern>,
    /// Permitted only once somebody has allowed it, each call by itself.
    pub(crate) ask: Vec<ToolPattern>,
    /// What becomes of commands, messages and changes of the configuration once strangers' words have
    /// entered the conversation: somebody has to allow each (`ask`), or not (`free`).
    pub(crate) after_untrusted: AfterUntrusted,
    /// How long an approval is waited for; then the call is denied.
    pub(crate) approval_minutes: Whole<1, 10_080>,
    /// What else must permit a tool where the run is an API key's; commands are denied if unset.
    pub(crate) api_keys: ToolRules,
    /// What else must permit a tool for whoever it runs: `operator`, or an API key by its id.
    #[serde(deserialize_with = "by_principal")]
    pub(crate) by_principal: BTreeMap<String, ToolRules>,
    /// What else must permit a tool where the message came by a channel: its id, `hook`, or `*` for
    /// those not named.
    pub(crate) by_channel: BTreeMap<String, ToolRules>,
    /// What else must permit a tool where the message came from somebody on a channel, by the name the
    /// channel has for them; `*` for those not named.
    pub(crate) tools_by_sender: BTreeMap<String, ToolRules>,
    /// Whether agents may look into the conversations of others, and send to them.
    pub(crate) agent_to_agent: AgentToAgent,
    /// Megabytes that may lie in the workspaces of one API key, all its agents' together; 0 is no limit. The operator's
    /// are not limited.
    pub(crate) workspace_mb: Whole<0, 16_777_216>,
    /// Seconds that one call of any tool may take; unset, five minutes, and for `exec` as long as the command may.
    pub(crate) timeout_seconds: Option<Whole<1, 86_400>>,
    /// How commands run.
    pub(crate) exec: Exec,
    /// How the web is searched and read.
    pub(crate) web: Web,
}

impl Default for Tools {
    fn default() -> Self {
        let runtime = ToolPattern { text: "group:runtime".to_owned(), pattern: None };
        let runtime = ToolPattern { pattern: runtime.text.parse().ok(), ..runtime };
        Self {
            profile: None,
            allow: Vec::new(),
            also_allow: Vec::new(),
            deny: Vec::new(),
            ask: Vec::new(),
            after_untrusted: AfterUntrusted::default(),
            approval_minutes: Whole::new(30),
            api_keys: ToolRules { deny: vec![runtime], ..ToolRules::default() },
            by_principal: BTreeMap::new(),
            by_channel: BTreeMap::new(),
            tools_by_sender: BTreeMap::new(),
            agent_to_agent: AgentToAgent::default(),
            workspace_mb: Whole::new(1024),
            timeout_seconds: None,
            exec: Exec::default(),
            web: Web::default(),
        }
    }
}

impl Tools {
    /// What is said of permissions for everybody.
    pub(crate) fn rules(&self) -> Rules {
        let Self { profile, allow, also_allow, deny, ask, .. } = self;
        rules(*profile, allow, also_allow, deny, ask)
    }

    /// How long a call may take, where the configuration says so.
    pub(crate) fn time(&self) -> Option<Duration> {
        self.timeout_seconds.map(|seconds| Duration::from_secs(seconds.get()))
    }

    /// How somebody is asked.
    pub(crate) fn asking(&self) -> permission::Asking {
        permission::Asking {
            after_untrusted: self.after_untrusted == AfterUntrusted::Ask,
            wait: Duration::from_mins(self.approval_minutes.get()),
        }
    }
}

/// Rules for whoever a run is for; a name that is nobody's would be without effect.
fn by_principal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, ToolRules>, D::Error> {
    let rules = BTreeMap::<String, ToolRules>::deserialize(deserializer)?;
    let is_somebody = |name: &str| {
        let principal = PrincipalId::from_stored(name.to_owned());
        principal.is_operator() || principal == PrincipalId::hook() || principal.is_api_key()
    };
    match rules.keys().find(|name| !is_somebody(name)) {
        None => Ok(rules),
        Some(name) => {
            let allowed =
                "\"operator\" or the id of an API key, as `openclaw keys list` shows it (for all keys: tools.apiKeys)";
            Err(de::Error::invalid_value(Unexpected::Str(name), &allowed))
        }
    }
}

/// Rules by name, in the core's words.
pub(crate) fn named(rules: &BTreeMap<String, ToolRules>) -> Vec<(String, Rules)> {
    rules.iter().map(|(name, rules)| (name.clone(), rules.rules())).collect()
}

/// What becomes of what acts outside once strangers' words have entered a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AfterUntrusted {
    /// Somebody has to allow it.
    #[default]
    Ask,
    /// What it would be without them.
    Free,
}

/// Whether agents may reach each other's conversations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct AgentToAgent {
    /// Whether any may.
    pub(crate) enabled: bool,
    /// Which, by id or beginning (`ops-*`); all if none is named. Each of them may reach each.
    pub(crate) allow: Vec<String>,
}

impl AgentToAgent {
    /// The same in the core's words.
    pub(crate) fn meeting(&self) -> permission::Meeting {
        match (self.enabled, self.allow.is_empty()) {
            (false, _) => permission::Meeting::default(),
            (true, true) => permission::Meeting::among(["*".to_owned()]),
            (true, false) => permission::Meeting::among(self.allow.iter().cloned()),
        }
    }
}

/// How commands run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Exec {
    /// Which commands may run: none, the programs of `allowlist` without a shell, or all.
    pub(crate) security: Security,
    /// Whether somebody has to allow a command first: for what `allowlist` lacks (`on-miss`; it is
    /// denied otherwise), or for every one.
    pub(crate) ask: Ask,
    /// Programs by name or absolute path, each with all its arguments: `*` stands for one that is no
    /// option, a last `...` for whatever follows.
    pub(crate) allowlist: Vec<Vec<String>>,
    /// Whether commands reach the network, this machine's own ports included.
    pub(crate) network: bool,
    /// Seconds after which a command is killed, unless its call names another time.
    pub(crate) timeout_sec: Whole<1, 2_592_000>,
    /// The longest time a call may name, in seconds, no less than `timeoutSec`; commands in the background have it.
    pub(crate) max_timeout_sec: Whole<1, 2_592_000>,
    /// Megabytes of memory a command may use, all its processes together; where there is a sandbox.
    pub(crate) memory_mb: Whole<64, 1_048_576>,
    /// The box commands run in.
    pub(crate) sandbox: Sandbox,
}

impl Default for Exec {
    fn default() -> Self {
        Self {
            security: Security::default(),
            ask: Ask::default(),
            allowlist: Vec::new(),
            network: false,
            timeout_sec: Whole::new(120),
            max_timeout_sec: Whole::new(1_800),
            memory_mb: Whole::new(4096),
            sandbox: Sandbox::default(),
        }
    }
}

/// Which commands may run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Security {
    /// None.
    #[default]
    Deny,
    /// Those of the list, started without a shell.
    Allowlist,
    /// All, by the shell.
    Full,
}

/// Whether a person is to be asked first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// Nobody.
    #[default]
    Off,
    /// For what is not on the list.
    OnMiss,
    /// For everything.
    Always,
}

/// The box commands run in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sandbox {
    /// Whole, or nothing runs.
    #[default]
    Require,
    /// As much of it as this machine can make; what is missing is told in the output.
    Auto,
    /// None: commands may do whatever the gateway's user may. On Linux they still end with the gateway, but for those that
    /// leave their process group (`setsid`).
    Off,
}

/// What one agent, or a kind of caller, may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ToolRules {
    /// The base.
    pub(crate) profile: Option<Profile>,
    /// Permitted beside the profile; if no profile is set, these alone.
    pub(crate) allow: Vec<ToolPattern>,
    /// Permitted beside whatever else is.
    pub(crate) also_allow: Vec<ToolPattern>,
    /// Never permitted.
    pub(crate) deny: Vec<ToolPattern>,
    /// Permitted only once somebody has allowed it, each call by itself.
    pub(crate) ask: Vec<ToolPattern>,
}

impl ToolRules {
    /// The same in the core's words.
    pub(crate) fn rules(&self) -> Rules {
        let Self { profile, allow, also_allow, deny, ask } = self;
        rules(*profile, allow, also_allow, deny, ask)
    }
}

fn rules(
    profile: Option<Profile>,
    allow: &[ToolPattern],
    also_allow: &[ToolPattern],
    deny: &[ToolPattern],
    ask: &[ToolPattern],
) -> Rules {
    let patterns = |list: &[ToolPattern]| list.iter().filter_map(|entry| entry.pattern.clone()).collect();
    let profile = profile.map(|profile| match profile {
        Profile::Minimal => permission::Profile::Minimal,
        Profile::Messaging => permission::Profile::Messaging,
        Profile::Coding => permission::Profile::Coding,
        Profile::Full => permission::Profile::Full,
    });
    Rules {
        profile,
        allow: patterns(allow),
        also_allow: patterns(also_allow),
        deny: patterns(deny),
        ask: patterns(ask),
    }
}

/// What an agent starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// It knows where it is, and nothing else.
    Minimal,
    /// It talks to sessions and people.
    Messaging,
    /// Files, commands, the web, sessions, memory.
    Coding,
    /// Everything there is.
    Full,
}

/// A tool's name, the beginning of some with a `*`, or a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct ToolPattern {
    text: String,
    #[serde(skip)]
    pattern: Option<Pattern>,
}

impl<'de> Deserialize<'de> for ToolPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let for_tests = |pattern: &Pattern| cfg!(feature = "failpoints") && pattern.as_str().starts_with("test_effect");
        let known = |pattern: &Pattern| pattern.is_known() || for_tests(pattern);
        match text.parse().ok().filter(known) {
            Some(pattern) => Ok(Self { text, pattern: Some(pattern) }),
            None => {
                let tools: Vec<&str> = permission::tools().collect();
                let (tools, groups) = (tools.join(", "), permission::groups().join(", "));
                let allowed = format!("a tool ({tools}), the beginning of some such as \"web_*\", or one of {groups}");
                Err(de::Error::invalid_value(Unexpected::Str(&text), &allowed.as_str()))
            }
        }
    }
}

impl JsonSchema for ToolPattern {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ToolPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}
