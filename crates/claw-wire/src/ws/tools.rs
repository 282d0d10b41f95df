//! What an agent can do, and one call of it: `tools.catalog`, `tools.invoke`.

use std::collections::BTreeMap;

use claw_core::approval::Verdict;
use claw_core::message::JsonText;
use claw_core::permission::{Profile, group_of, is_for_callers};
use claw_core::provider::ToolSpec;
use claw_core::{AgentId, PrincipalId, SessionKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::BadRequest;
use crate::error::Unobeyed;
use crate::target::Target;
use crate::v1::tool::{Rehearsal, ToolResult};

/// Groups in the order they are shown: their id and their name for people.
const GROUPS: [(&str, &str); 8] = [
    ("fs", "Files"),
    ("runtime", "Runtime"),
    ("web", "Web"),
    ("memory", "Memory"),
    ("sessions", "Sessions"),
    ("messaging", "Messaging"),
    ("skills", "Skills"),
    ("core", "Others"),
];

/// Parameters of `tools.catalog`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct CatalogParams {
    #[serde(alias = "agent_id", alias = "bot_id")]
    pub agent_id: Option<String>,
    /// The conversation whose agent is meant.
    #[serde(alias = "session_key")]
    pub session_key: Option<String>,
    /// Whether each tool's own parameters are wanted.
    pub with_parameters: Option<bool>,
}

impl CatalogParams {
    /// Who is meant.
    ///
    /// # Errors
    /// A name has the wrong form, or the two contradict each other.
    pub fn agent(&self) -> Result<AgentId, BadRequest> {
        let session = ("sessionKey", self.session_key.as_deref());
        Ok(Target::resolve(("agentId", self.agent_id.as_deref()), &[session])?.agent)
    }
}

/// The answer to `tools.catalog`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ToolCatalog {
    pub agent_id: String,
    pub profiles: Vec<ProfileRow>,
    pub groups: Vec<ToolGroup>,
}

/// What an agent may start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ProfileRow {
    pub id: &'static str,
    pub label: &'static str,
}

/// Tools that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ToolGroup {
    pub id: &'static str,
    pub label: &'static str,
    pub source: &'static str,
    pub tools: Vec<ToolRow>,
}

/// One tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ToolRow {
    pub id: String,
    pub label: String,
    pub description: String,
    pub source: &'static str,
    /// The profiles that have it, but for `full`, which has everything.
    pub default_profiles: Vec<&'static str>,
    /// What it takes, as a JSON schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether only a run may call it, and no caller of `tools.invoke`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_in_runs: bool,
}

impl ToolCatalog {
    /// An agent's tools, which are all part of the gateway.
    pub fn of(agent_id: String, tools: Vec<ToolSpec>, with_parameters: bool) -> Self {
        let mut rows: BTreeMap<&str, Vec<ToolRow>> = BTreeMap::new();
        for tool in tools {
            let of = group_of(&tool.name).filter(|group| GROUPS.iter().any(|(id, _)| id == group));
            rows.entry(of.unwrap_or("core")).or_default().push(row(tool, with_parameters));
        }
        let groups = GROUPS.into_iter().filter_map(|(id, label)| {
            let tools = rows.remove(id)?;
            Some(ToolGroup { id, label, source: "core", tools })
        });
        Self { agent_id, groups: groups.collect(), profiles: Profile::ALL.into_iter().map(profile_row).collect() }
    }
}

fn row(ToolSpec { name, description, parameters, strict: _ }: ToolSpec, with_parameters: bool) -> ToolRow {
    let parameters = with_parameters.then(|| serde_json::from_str(parameters.as_str()).ok()).flatten();
    let profiles = Profile::ALL.into_iter().filter(|profile| *profile != Profile::Full && profile.has(&name));
    let default_profiles = profiles.map(Profile::as_str).collect();
    let only_in_runs = !is_for_callers(&name);
    let label = name.clone();
    ToolRow { id: name, label, description, source: "core", default_profiles, only_in_runs, parameters }
}

fn profile_row(profile: Profile) -> ProfileRow {
    let label = match profile {
        Profile::Minimal => "Minimal",
        Profile::Coding => "Coding",
        Profile::Messaging => "Messaging",
        Profile::Full => "Full",
    };
    ProfileRow { id: profile.as_str(), label }
}

/// Parameters of `tools.invoke`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct InvokeParams {
    pub name: String,
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub args: Option<BTreeMap<String, Box<RawValue>>>,
    #[serde(alias = "session_key")]
    pub session_key: Option<String>,
    #[serde(alias = "session_id", alias = "conversationId", alias = "conversation_id")]
    pub session_id: Option<String>,
    #[serde(alias = "agent_id", alias = "bot_id")]
    pub agent_id: Option<String>,
    /// Whether it is only asked what would become of the call.
    pub dry_run: Option<bool>,
    /// Refused: nothing is kept by which a call could be known again.
    #[schemars(skip)]
    pub idempotency_key: Option<Unobeyed>,
}

/// One call of a tool, for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The tool, as the caller spells it.
    pub tool: String,
    /// Its arguments.
    pub arguments: JsonText,
    /// The conversation it is made in; the agent's main one unless another was named.
    pub session: SessionKey,
    /// Whether it is only asked what would become of it.
    pub is_dry: bool,
}

impl InvokeParams {
    /// What is to be called.
    ///
    /// # Errors
    /// No name, or a conversation or agent of the wrong form.
    pub fn invocation(self) -> Result<Invocation, BadRequest> {
        let Self { name, args, session_key, session_id, agent_id, dry_run, idempotency_key: _ } = self;
        if name.trim().is_empty() {
            return Err(BadRequest::of("name", "must be the name of a tool"));
        }
        let names = [("sessionKey", session_key.as_deref()), ("sessionId", session_id.as_deref())];
        let Target { agent, session } = Target::resolve(("agentId", agent_id.as_deref()), &names)?;
        let arguments = serde_json::to_string(&args.unwrap_or_default()).expect("JSON can always be written as JSON");
        Ok(Invocation {
            tool: name.trim().to_owned(),
            arguments: JsonText::new(arguments),
            session: session.unwrap_or_else(|| SessionKey::main(&agent)),
            is_dry: dry_run.unwrap_or(false),
        })
    }
}

/// Parameters of `tools.trust`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct TrustParams {
    /// A file of the workspace, or a directory for all that lies in it.
    pub path: String,
    #[serde(alias = "agent_id", alias = "bot_id")]
    pub agent_id: Option<String>,
    /// The API key (or `hook`) for whom the agent works there; the operator if left out.
    pub key_id: Option<String>,
    /// Whether it is only asked which files it is about.
    pub dry_run: Option<bool>,
}

impl TrustParams {
    /// Whose workspace: the agent, and for whom it works there.
    ///
    /// # Errors
    /// A name has the wrong form.
    pub fn place(&self) -> Result<(Option<AgentId>, PrincipalId), BadRequest> {
        let agent = super::memory::agent(self.agent_id.as_deref())?;
        let owner = match self.key_id.as_deref() {
            None => PrincipalId::operator(),
            Some("hook") => PrincipalId::hook(),
            Some(id) => {
                let id = id.parse().map_err(|_| BadRequest::of("keyId", "must be the id of an API key, or hook"))?;
                PrincipalId::api_key(id)
            }
        };
        Ok((agent, owner))
    }
}

/// The answer to `tools.trust`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct TrustedHere {
    pub agent_id: String,
    /// The place from the workspace's root, links followed; a dot for the whole workspace.
    pub path: String,
    /// The files that strangers' words were noted in, from there; a part of them where there are many.
    pub files: Vec<String>,
    pub has_more: bool,
    /// How many are the operator's words now.
    pub trusted: u64,
    /// A directory above that counts as strangers' as a whole: as long as it does, so does this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
}

/// The answer to `tools.invoke`: of a tool that failed, too.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct InvokedHere<'a> {
    pub ok: bool,
    pub tool_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ToolResult<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<InvokeError<'a>>,
    pub source: &'static str,
}

/// The answer to `tools.invoke` where the call was only judged.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct RehearsedHere<'a> {
    pub ok: bool,
    pub tool_name: &'a str,
    pub output: Rehearsal<'a>,
    pub source: &'static str,
}

impl<'a> RehearsedHere<'a> {
    /// What would become of the call.
    pub const fn new(tool_name: &'a str, verdict: &'a Verdict) -> Self {
        Self { ok: true, tool_name, output: Rehearsal::new(tool_name, verdict), source: "core" }
    }
}

/// What a tool said that failed.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct InvokeError<'a> {
    pub code: &'static str,
    pub message: &'a str,
}

impl<'a> InvokedHere<'a> {
    /// What came of it; `failure` is the code of one.
    pub fn new(tool_name: &'a str, text: &'a str, failure: Option<&'static str>) -> Self {
        let (output, error) = match failure {
            None => (Some(ToolResult::new(text)), None),
            Some(code) => (None, Some(InvokeError { code, message: text })),
        };
        Self { ok: failure.is_none(), tool_name, output, error, source: "core" }
    }
}
