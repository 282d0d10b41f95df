//! Answers about tools.

use serde::Deserialize;
use serde_json::Value;

/// `tools.catalog`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ToolCatalog {
    pub(crate) agent_id: String,
    pub(crate) groups: Vec<ToolGroup>,
}

/// Tools that belong together.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ToolGroup {
    pub(crate) label: String,
    pub(crate) tools: Vec<ToolRow>,
}

/// One tool.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ToolRow {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) only_in_runs: bool,
    /// A JSON schema, where it was asked for.
    parameters: Option<Value>,
}

impl ToolCatalog {
    /// What the tool of this name takes, as a JSON schema.
    pub(crate) fn parameters(&self, tool: &str) -> Option<&Value> {
        let mut tools = self.groups.iter().flat_map(|group| &group.tools);
        tools.find(|row| row.id == tool)?.parameters.as_ref()
    }
}

/// `tools.trust`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TrustedFiles {
    pub(crate) path: String,
    pub(crate) files: Vec<String>,
    pub(crate) has_more: bool,
    pub(crate) trusted: u64,
    pub(crate) above: Option<String>,
}

/// `tools.invoke`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct InvokedTool {
    output: Option<ToolOutput>,
    pub(crate) error: Option<ToolFailure>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ToolOutput {
    content: Vec<TextPart>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TextPart {
    text: String,
}

/// What a tool said that failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ToolFailure {
    code: String,
    pub(crate) message: String,
}

impl ToolFailure {
    /// Whether the tool was not called because its arguments do not fit.
    pub(crate) fn blames_arguments(&self) -> bool {
        self.code == "invalid_arguments"
    }
}

impl InvokedTool {
    /// What it said.
    pub(crate) fn text(&self) -> String {
        let parts = self.output.iter().flat_map(|output| &output.content);
        parts.map(|part| part.text.as_str()).collect::<Vec<_>>().join("\n")
    }
}
