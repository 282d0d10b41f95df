//! Which tools an agent may use: a base, what is added to it, and what is taken away.
//!
//! Pure data. Whoever is not permitted a tool is not shown it, and a call to it is answered as a
//! call to one that does not exist. What is taken away stays away, whoever adds it again.

use std::str::FromStr;

use crate::session::AgentId;

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
];

/// Tools by what they touch. A name ending in `*` stands for all that begin so.
const GROUPS: &[(&str, &[&str])] = &[
    ("group:fs", &["read", "write", "edit", "apply_patch", "ls", "grep", "find"]),
    ("group:memory", &["memory_*"]),
    ("group:messaging", &["message"]),
    ("group:openclaw", &["*"]),
    ("group:runtime", &["exec", "process"]),
    ("group:sessions", &["session_status", "sessions_*"]),
    ("group:web", &["web_*"]),
];

/// A tool's own name, where it was called by another.
pub fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, own)| own)
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

impl Profile {
    fn has(self, tool: &str) -> bool {
        let groups: &[&str] = match self {
            Self::Full => return true,
            Self::Minimal => &[],
            Self::Messaging => &["group:messaging", "group:sessions"],
            Self::Coding => &["group:fs", "group:runtime", "group:web", "group:sessions", "group:memory"],
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
            let known = GROUPS.iter().map(|(group, _)| *group).collect::<Vec<_>>().join(", ");
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
}

impl Rules {
    fn permits(&self, tool: &str) -> bool {
        let Self { profile, allow, also_allow, deny } = self;
        let listed = |list: &[Pattern]| list.iter().any(|pattern| pattern.fits(tool));
        let base = match profile {
            Some(profile) => profile.has(tool),
            None => allow.is_empty(),
        };
        !listed(deny) && (base || listed(allow) || listed(also_allow))
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
}

impl Permissions {
    /// Whether `agent` may use the tool of this own name, for the operator or for an API key.
    pub fn permits(&self, agent: &AgentId, is_api_key: bool, tool: &str) -> bool {
        if is_api_key && !self.api_keys.permits(tool) {
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
mod tests {
    use super::*;

    fn patterns(list: &[&str]) -> Vec<Pattern> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn rules(profile: Option<Profile>, allow: &[&str], deny: &[&str]) -> Rules {
        Rules { profile, allow: patterns(allow), also_allow: Vec::new(), deny: patterns(deny) }
    }

    fn permitted(rules: &Rules) -> Vec<&'static str> {
        let all =
            ["read", "write", "exec", "process", "web_fetch", "session_status", "sessions_list", "memory_get", "x"];
        all.into_iter().filter(|tool| rules.permits(tool)).collect()
    }

    #[test]
    fn a_base_is_added_to_and_what_is_denied_stays_denied() {
        let table: &[(Rules, &[&str])] = &[
            (
                Rules::default(),
                &[
                    "read",
                    "write",
                    "exec",
                    "process",
                    "web_fetch",
                    "session_status",
                    "sessions_list",
                    "memory_get",
                    "x",
                ],
            ),
            (rules(Some(Profile::Minimal), &[], &[]), &["session_status"]),
            (rules(Some(Profile::Messaging), &[], &[]), &["session_status", "sessions_list"]),
            (
                rules(Some(Profile::Coding), &[], &[]),
                &["read", "write", "exec", "process", "web_fetch", "session_status", "sessions_list", "memory_get"],
            ),
            (rules(None, &["read", "web_*"], &[]), &["read", "web_fetch"]),
            (rules(Some(Profile::Minimal), &["group:fs"], &["write"]), &["read", "session_status"]),
            (
                rules(Some(Profile::Full), &["exec"], &["group:runtime", "x"]),
                &["read", "write", "web_fetch", "session_status", "sessions_list", "memory_get"],
            ),
            (rules(None, &["*"], &["*"]), &[]),
            (rules(None, &["fs_read", "Bash"], &["fs_read"]), &["exec"]),
        ];
        for (rules, expected) in table {
            assert_eq!(permitted(rules), *expected, "{rules:?}");
        }
    }

    #[test]
    fn an_agents_own_base_counts_and_denials_add_up() {
        let id = |name: &str| AgentId::parse(name).unwrap();
        let permissions = Permissions {
            general: rules(Some(Profile::Minimal), &["exec"], &["write"]),
            agents: vec![
                (id("coder"), rules(Some(Profile::Coding), &["write"], &["process"])),
                (id("meek"), Rules { also_allow: patterns(&["read", "write"]), ..rules(None, &[], &["exec"]) }),
            ],
            api_keys: rules(None, &[], &["group:runtime"]),
        };
        let may = |agent: &str, tool: &str| permissions.permits(&id(agent), false, tool);
        assert!(may("main", "exec") && !may("main", "read") && !may("main", "write"));
        assert!(may("coder", "read") && may("coder", "exec") && !may("coder", "write") && !may("coder", "process"));
        assert!(may("meek", "read") && !may("meek", "exec") && !may("meek", "write"));
        assert!(!permissions.permits(&id("main"), true, "exec") && permissions.permits(&id("coder"), true, "read"));
    }

    #[test]
    fn a_group_nobody_knows_is_refused_because_it_would_deny_nothing() {
        for bad in ["group:rutime", "", "*x", "a b", "group:", "../x", "gr\u{f6}up"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad:?}");
        }
        for (name, own) in [("fs_read", "read"), ("fs_list", "ls"), (" EXEC ", "exec"), ("group:FS", "group:fs")] {
            assert_eq!(name.parse::<Pattern>().unwrap().as_str(), own);
        }
        assert_eq!(aliases("read").collect::<Vec<_>>(), ["fs_read"]);
    }
}
