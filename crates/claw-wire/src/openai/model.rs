//! The list of models, and what the field `model` selects (K11).

use claw_core::AgentId;
use serde::Serialize;

use crate::BadRequest;

/// What the field `model` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// An agent, when it names one.
    pub agent: Option<AgentId>,
    /// Another model than the agent's own.
    pub model: Option<String>,
}

impl Selection {
    /// Reads `openclaw`, `openclaw:x`, `openclaw/x` and `agent:x` as agents, anything else as a model.
    ///
    /// # Errors
    /// What stands behind the prefix cannot be an agent's name.
    pub fn parse(text: &str) -> Result<Self, BadRequest> {
        let text = text.trim();
        if text.is_empty() || text == "openclaw" {
            return Ok(Self::default());
        }
        let named = ["openclaw:", "openclaw/", "agent:"].into_iter().find_map(|prefix| text.strip_prefix(prefix));
        match named {
            Some(name) => match AgentId::parse(name) {
                Ok(agent) => Ok(Self { agent: Some(agent), model: None }),
                Err(error) => Err(BadRequest::of("model", error.to_string())),
            },
            None => Ok(Self { agent: None, model: Some(text.to_owned()) }),
        }
    }
}

/// The answer of `GET /v1/models`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelList {
    /// `list`.
    pub object: &'static str,
    /// Agents first, then models.
    pub data: Vec<Model>,
}

impl ModelList {
    /// The list around its entries.
    pub const fn new(data: Vec<Model>) -> Self {
        Self { object: "list", data }
    }
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// What to write into `model`.
    pub id: String,
    /// `model`.
    pub object: &'static str,
    /// Seconds since the epoch.
    pub created: i64,
    /// The provider's name; `openclaw` for agents.
    pub owned_by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_selects_what_it_says() {
        let agent = |name: &str| Selection { agent: Some(AgentId::parse(name).unwrap()), model: None };
        let model = |name: &str| Selection { agent: None, model: Some(name.into()) };
        for (text, expected) in [
            ("openclaw", Selection::default()),
            ("", Selection::default()),
            ("openclaw:ops", agent("ops")),
            ("openclaw/default", agent("main")),
            ("agent:Ops", agent("ops")),
            ("anthropic/claude-3-5-sonnet", model("anthropic/claude-3-5-sonnet")),
            ("gpt-4", model("gpt-4")),
        ] {
            assert_eq!(Selection::parse(text), Ok(expected), "{text}");
        }
        assert_eq!(Selection::parse("openclaw:no agent").unwrap_err().param.as_deref(), Some("model"));
        assert!(Selection::parse("agent:").is_err());
    }
}
