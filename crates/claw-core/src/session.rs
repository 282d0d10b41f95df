//! Names of conversations: `agent:<agentId>:<rest>` (K6).

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

/// Longest accepted session key or client-chosen name, in bytes.
pub const KEY_BYTES_MAX: usize = 512;

/// The agent that serves when none is named (K7).
pub const MAIN_AGENT: &str = "main";

/// A configured agent's name: 1–64 of `a-z 0-9 _ -`, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AgentId(Arc<str>);

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Not an agent name.
    #[error("agent id {found:?} is not 1 to 64 of a-z, 0-9, `_` and `-`")]
    Agent {
        /// What was given.
        found: String,
    },
    /// Empty, too long, or with control characters.
    #[error("session key must be 1 to {KEY_BYTES_MAX} bytes without control characters, found {found:?}")]
    Session {
        /// What was given, cut to 64 characters.
        found: String,
    },
}

impl AgentId {
    /// Reads a name; upper case is folded, `default` is an alias of the main agent (K7).
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let lower = text.trim().to_ascii_lowercase();
        let fits = (1..=64).contains(&lower.len())
            && lower.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        match (fits, lower.as_str()) {
            (false, _) => Err(BadName::Agent { found: cut(text) }),
            (true, "default" | MAIN_AGENT) => Ok(Self::main()),
            (true, _) => Ok(Self(lower.into())),
        }
    }
    /// The main agent.
    pub fn main() -> Self {
        static MAIN: LazyLock<Arc<str>> = LazyLock::new(|| MAIN_AGENT.into());
        Self(Arc::clone(&MAIN))
    }
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The name, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AgentId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A conversation's canonical key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(Arc<str>);

impl SessionKey {
    /// Canonicalises any client-chosen name for `agent`: a full key is kept (its agent part
    /// folded), anything else becomes `agent:<agent>:<name>`.
    pub fn resolve(name: &str, agent: &AgentId) -> Result<Self, BadName> {
        let name = name.trim();
        let fits = (1..=KEY_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        if !fits {
            return Err(BadName::Session { found: cut(name) });
        }
        match name.strip_prefix("agent:").and_then(|rest| rest.split_once(':')) {
            Some((agent, rest)) if !rest.is_empty() => Ok(Self::of(&AgentId::parse(agent)?, rest)),
            Some(_) => Err(BadName::Session { found: cut(name) }),
            None => Ok(Self::of(agent, name)),
        }
    }
    /// `agent:<agent>:<rest>`; `rest` must not be empty.
    pub fn of(agent: &AgentId, rest: &str) -> Self {
        Self(format!("agent:{agent}:{rest}").into())
    }
    /// The agent's main conversation.
    pub fn main(agent: &AgentId) -> Self {
        Self::of(agent, "main")
    }
    /// A key as stored; it was canonical when written.
    pub fn from_stored(key: String) -> Self {
        Self(key.into())
    }
    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The whole key, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
    /// What stands behind the agent.
    pub fn rest(&self) -> &str {
        self.0.splitn(3, ':').nth(2).unwrap_or_default()
    }
    /// The agent part.
    pub fn agent(&self) -> AgentId {
        self.0.split(':').nth(1).and_then(|agent| AgentId::parse(agent).ok()).unwrap_or_else(AgentId::main)
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_is_the_main_agent() {
        assert_eq!(AgentId::parse("default"), Ok(AgentId::main()));
        assert_eq!(AgentId::parse(" Main "), Ok(AgentId::main()));
        for bad in ["", " ", "a b", "ä", "a:b", "../x"] {
            assert!(AgentId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_client_name_has_one_canonical_key() {
        let main = AgentId::main();
        let key = |name: &str| SessionKey::resolve(name, &main).map(|k| k.as_str().to_owned());
        assert_eq!(key("session-123"), Ok("agent:main:session-123".into()));
        assert_eq!(key("agent:default:x:y"), Ok("agent:main:x:y".into()));
        assert_eq!(key("agent:Ops:x"), Ok("agent:ops:x".into()));
        assert!(key("agent:main:").is_err() && key("").is_err() && key("a\nb").is_err());
        assert!(key(&"x".repeat(KEY_BYTES_MAX + 1)).is_err());
        assert_eq!(SessionKey::of(&main, "x").agent(), main);
    }
}
