//! Which tools an agent may use: a base, what is added to it, and what is taken away.
//!
//! Pure data. Whoever is not permitted a tool is not shown it, and a call to it is answered as a
//! call to one that does not exist. What is taken away stays away, whoever adds it again.

use std::str::FromStr;
use std::time::Duration;

use crate::principal::PrincipalId;
use crate::session::AgentId;
use crate::turn::Origin;

/// Other names of tools, as stock OpenClaw and its contracts call them.
const ALIASES: &[(&str, &str)] = &[
    ("apply-patch", "apply_patch"),
    ("bash", "exec"),
    ("fs_edit", "edit"),
    ("fs_list", "ls"),
    ("fs_read", "read"),
    ("fs_write", "write"),
    ("list", "ls"),
    ("shell", "exec"),
    ("skill", "skills_read"),
];

/// Tools by what they touch. A name ending in `*` stands for all that begin so.
const GROUPS: &[(&str, &[&str])] = &[
    ("group:fs", &["read", "write", "edit", "apply_patch", "ls", "grep", "find"]),
    ("group:memory", &["memory_*"]),
    ("group:messaging", &["message"]),
    ("group:openclaw", &["*"]),
    ("group:runtime", &["exec", "process"]),
    ("group:sessions", &["session_status", "sessions_*"]),
    ("group:skills", &["skills_*"]),
    ("group:web", &["web_*"]),
];

/// The tools of this gateway.
const TOOLS: &[&str] = &[
    "apply_patch",
    "edit",
    "exec",
    "find",
    "grep",
    "ls",
    "memory_get",
    "memory_search",
    "memory_write",
    "process",
    "read",
    "session_status",
    "sessions_history",
    "sessions_list",
    "sessions_send",
    "skills_read",
    "web_fetch",
    "web_search",
    "write",
];

/// Tools that stock OpenClaw has beside those: its configurations name them, and here nobody has them.
const ELSEWHERE: &[&str] = &[
    "agents_list",
    "browser",
    "canvas",
    "code_execution",
    "config",
    "conversations_list",
    "conversations_send",
    "conversations_turn",
    "cron",
    "diffs",
    "gateway",
    "goal",
    "heartbeat_respond",
    "image",
    "image_generate",
    "llm-task",
    "lobster",
    "memory_recall",
    "memory_store",
    "memory_forget",
    "message",
    "music_generate",
    "nodes",
    "openclaw",
    "pdf",
    "progress_card",
    "send",
    "sessions_search",
    "sessions_spawn",
    "sessions_yield",
    "subagents",
    "todo_read",
    "todo_write",
    "tool_search",
    "tts",
    "update_plan",
    "video_generate",
    "voice_call",
    "whatsapp_login",
    "x_search",
];

/// The tools of this gateway, by their own names.
pub fn tools() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().copied()
}

/// A tool's own name, where it was called by another.
pub fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, own)| own)
}

/// The groups of tools.
pub fn groups() -> Vec<&'static str> {
    GROUPS.iter().map(|(group, _)| *group).collect()
}

/// The other names of a tool.
pub fn aliases(name: &str) -> impl Iterator<Item = &'static str> {
    ALIASES.iter().filter(move |(_, own)| *own == name).map(|(alias, _)| *alias)
}

/// What an agent starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// It knows where it is, and nothing else.
    Minimal,
    /// It talks to sessions and people.
    Messaging,
    /// Files, commands, the web, sessions, memory.
    Coding,
    /// Everything there is.
    Full,
}

/// Tools that only a run may call: outside of one nothing writes down what they have begun.
const IN_RUNS_ONLY: &[&str] = &["sessions_send"];

/// Whether somebody may call the tool of this own name outside of any run (advisory 13).
pub fn is_for_callers(tool: &str) -> bool {
    !IN_RUNS_ONLY.contains(&tool)
}

/// The group that a tool belongs to, by its id without `group:`; the most telling one.
pub fn group_of(tool: &str) -> Option<&'static str> {
    let own = GROUPS.iter().find(|(name, _)| *name != "group:openclaw" && in_group(name, tool));
    own.and_then(|(name, _)| name.strip_prefix("group:"))
}

impl Profile {
    /// All of them, from the least to the most.
    pub const ALL: [Self; 4] = [Self::Minimal, Self::Coding, Self::Messaging, Self::Full];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Messaging => "messaging",
            Self::Coding => "coding",
            Self::Full => "full",
        }
    }

    /// Whether the tool of this own name is in it.
    pub fn has(self, tool: &str) -> bool {
        let groups: &[&str] = match self {
            Self::Full => return true,
            Self::Minimal => &[],
            Self::Messaging => &["group:messaging", "group:sessions", "group:skills"],
            Self::Coding => {
                &["group:fs", "group:runtime", "group:web", "group:sessions", "group:memory", "group:skills"]
            }
        };
        tool == "session_status" || groups.iter().any(|group| in_group(group, tool))
    }
}

/// One entry of a list: a tool's name, the beginning of some with a `*`, or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

/// A text that names no tools.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no tool's name, no beginning of one such as \"web_*\", and none of the groups {known}")]
pub struct BadPattern {
    /// What stood there.
    pub found: String,
    /// The groups there are.
    pub known: String,
}

impl Pattern {
    /// The text, in its one spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is such a tool, here or in stock OpenClaw: a list of what is taken away with another name in it takes
    /// away nothing, and nobody would see it.
    pub fn is_known(&self) -> bool {
        self.0.starts_with("group:") || TOOLS.iter().chain(ELSEWHERE).any(|tool| begins(&self.0, tool))
    }

    fn fits(&self, tool: &str) -> bool {
        if self.0.starts_with("group:") { in_group(&self.0, tool) } else { begins(&self.0, tool) }
    }
}

impl FromStr for Pattern {
    type Err = BadPattern;

    /// Reads an entry; upper case is folded. A group nobody knows is refused: in a list of what is
    /// taken away it would take away nothing, and nobody would see it.
    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let name = text.trim().to_ascii_lowercase();
        let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let stem = name.strip_suffix('*').unwrap_or(&name);
        let known_group = GROUPS.iter().any(|(group, _)| *group == name);
        let is_name = !name.is_empty() && name.len() <= 128 && stem.bytes().all(word);
        if !known_group && !is_name {
            let known = groups().join(", ");
            return Err(BadPattern { found: text.chars().take(80).collect(), known });
        }
        Ok(Self(canonical(&name).into()))
    }
}

fn in_group(group: &str, tool: &str) -> bool {
    let members = GROUPS.iter().find(|(name, _)| *name == group).map_or(&[] as &[&str], |(_, members)| members);
    members.iter().any(|member| begins(member, tool))
}

fn begins(pattern: &str, tool: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => tool.starts_with(start),
        None => pattern == tool,
    }
}

/// What is said about tools in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The base; all tools where neither it nor `allow` is given.
    pub profile: Option<Profile>,
    /// Permitted beside the profile; alone where no profile is given.
    pub allow: Vec<Pattern>,
    /// Permitted beside whatever else is.
    pub also_allow: Vec<Pattern>,
    /// Never permitted.
    pub deny: Vec<Pattern>,
    /// Permitted only once somebody has said so, each time.
    pub ask: Vec<Pattern>,
}

impl Rules {
    fn permits(&self, tool: &str) -> bool {
        let Self { profile, allow, also_allow, deny, ask: _ } = self;
        let listed = |list: &[Pattern]| list.iter().any(|pattern| pattern.fits(tool));
        let base = match profile {
            Some(profile) => profile.has(tool),
            None => allow.is_empty(),
        };
        !listed(deny) && (base || listed(allow) || listed(also_allow))
    }

    fn asks(&self, tool: &str) -> bool {
        self.ask.iter().any(|pattern| pattern.fits(tool))
    }

    /// Whether it says anything about what is permitted.
    fn has_base(&self) -> bool {
        self.profile.is_some() || !self.allow.is_empty()
    }
}

/// Who may use what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// What holds for every agent.
    pub general: Rules,
    /// What an agent has of its own: a base of its own takes the place of the general one, and
    /// what either denies is denied.
    pub agents: Vec<(AgentId, Rules)>,
    /// What else must permit it where the run is an API key's.
    pub api_keys: Rules,
    /// What else must permit it for whoever's objects the run makes.
    pub principals: Vec<(PrincipalId, Rules)>,
    /// What else must permit it where the turn came by a channel; `*` is for those not named.
    pub channels: Vec<(String, Rules)>,
    /// What else must permit it where the turn came from somebody on a channel; `*` is for those
    /// not named.
    pub senders: Vec<(String, Rules)>,
    /// Which agents may look into each other's conversations, and send to them.
    pub meeting: Meeting,
    /// How somebody is asked.
    pub asking: Asking,
}

/// How somebody is asked before a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// Whether calls that act beyond the agent's own things are asked for once strangers' words
    /// have entered the conversation.
    pub after_untrusted: bool,
    /// How long an answer is waited for; then it is no.
    pub wait: Duration,
}

impl Default for Asking {
    fn default() -> Self {
        Self { after_untrusted: true, wait: Duration::from_mins(30) }
    }
}

/// Tools that act beyond the agent's own things: commands, messages, the configuration.
const ACTS: &[&str] = &["exec", "message", "send", "sessions_send", "gateway", "config*", "cron*", "nodes"];

/// Whether the tool of this own name acts beyond the agent's own things, whatever it says itself.
pub fn acts(tool: &str) -> bool {
    ACTS.iter().any(|pattern| begins(pattern, tool))
}

/// Who asks for a tool.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The agent that runs.
    pub agent: &'a AgentId,
    /// On whose behalf.
    pub principal: &'a PrincipalId,
    /// How the turn came here.
    pub origin: &'a Origin,
}

/// Which agents may reach each other's conversations by tools; none unless the operator says so.
///
/// An agent with few tools could else have the work done by one with many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meeting(Vec<Box<str>>);

impl Meeting {
    /// Those of these ids and beginnings (`ops-*`, `*`); all of them may reach each other.
    pub fn among(patterns: impl IntoIterator<Item = String>) -> Self {
        Self(patterns.into_iter().map(|pattern| pattern.trim().to_ascii_lowercase().into()).collect())
    }

    /// Whether one may reach the other; itself always.
    pub fn permits(&self, from: &AgentId, to: &AgentId) -> bool {
        let listed = |agent: &AgentId| self.0.iter().any(|pattern| begins(pattern, agent.as_str()));
        from == to || listed(from) && listed(to)
    }
}

/// The rules for this name, else those for everybody not named.
fn for_name<'a>(rules: &'a [(String, Rules)], name: &str) -> Option<&'a Rules> {
    let of = |wanted: &str| rules.iter().find(|(known, _)| known == wanted).map(|(_, rules)| rules);
    of(name).or_else(|| of("*"))
}

impl Permissions {
    /// Whether somebody has to be asked before the asker's call: one of all rules that are for it says so.
    pub fn asks(&self, asker: Asker<'_>, tool: &str) -> bool {
        let own = self.agents.iter().find(|(id, _)| id == asker.agent).map(|(_, rules)| rules);
        let narrower = self.narrower(asker).into_iter().flatten();
        std::iter::once(&self.general).chain(own).chain(narrower).any(|rules| rules.asks(tool))
    }

    /// The rules that are for the asker beside its agent's.
    fn narrower(&self, asker: Asker<'_>) -> [Option<&Rules>; 4] {
        let Asker { agent: _, principal, origin: Origin { channel, sender, hops: _ } } = asker;
        let of_key = (!principal.is_operator()).then_some(&self.api_keys);
        let of_principal = self.principals.iter().find(|(id, _)| id == principal).map(|(_, rules)| rules);
        let of_channel = channel.as_deref().and_then(|channel| for_name(&self.channels, channel));
        let of_sender = sender.as_deref().and_then(|sender| for_name(&self.senders, sender));
        [of_key, of_principal, of_channel, of_sender]
    }

    /// Whether the asker may use the tool of this own name: all rules that are for it must permit it.
    pub fn permits(&self, asker: Asker<'_>, tool: &str) -> bool {
        // No configuration gives commands to programs outside.
        if (asker.origin.is_hook() || *asker.principal == PrincipalId::hook()) && in_group("group:runtime", tool) {
            return false;
        }
        let agent = asker.agent;
        if !self.narrower(asker).into_iter().flatten().all(|rules| rules.permits(tool)) {
            return false;
        }
        let Some((_, own)) = self.agents.iter().find(|(id, _)| id == agent) else {
            return self.general.permits(tool);
        };
        let denied = self.general.deny.iter().any(|pattern| pattern.fits(tool));
        if own.has_base() {
            return !denied && own.permits(tool);
        }
        let mut both = self.general.clone();
        both.also_allow.extend_from_slice(&own.also_allow);
        both.deny.extend_from_slice(&own.deny);
        both.permits(tool)
    }
}

#[cfg(test)]
#[path = "permission/tests.rs"]
mod tests;
