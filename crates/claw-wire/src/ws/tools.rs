//! What an agent can do: `tools.catalog`.

use claw_core::provider::ToolSpec;
use serde::Serialize;

use super::none::Never;

/// The answer to `tools.catalog`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ToolCatalog {
    pub agent_id: String,
    /// None: every agent has every tool.
    pub profiles: [Never; 0],
    pub groups: Vec<ToolGroup>,
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
    pub default_profiles: [Never; 0],
}

impl ToolCatalog {
    /// An agent's tools, which are all part of the gateway.
    pub fn of(agent_id: String, tools: Vec<ToolSpec>) -> Self {
        let row = |ToolSpec { name, description, parameters: _ }| ToolRow {
            id: name.clone(),
            label: name,
            description,
            source: "core",
            default_profiles: [],
        };
        let tools = tools.into_iter().map(row).collect();
        let core = ToolGroup { id: "core", label: "Built in", source: "core", tools };
        Self { agent_id, profiles: [], groups: vec![core] }
    }
}
