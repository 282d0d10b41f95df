//! `session_status`: tells the model the time and where it is (A8).

use std::sync::Arc;

use async_trait::async_trait;
use claw_core::Clock;
use claw_core::message::JsonText;
use claw_core::provider::ToolSpec;
use claw_core::tool::{Tool, ToolContext, ToolError};

/// Reads the clock and the run's own data; changes nothing.
pub(super) struct SessionStatus {
    clock: Arc<dyn Clock>,
}

impl SessionStatus {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

#[async_trait]
impl Tool for SessionStatus {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new(
            "session_status",
            "The current date and time (UTC), and the session, agent, model and tokens in use.",
            JsonText::new(r#"{"type":"object","properties":{},"additionalProperties":false}"#),
        )
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    async fn call(&self, context: &ToolContext, _arguments: &JsonText) -> Result<String, ToolError> {
        Ok(serde_json::json!({
            "time": self.clock.now().to_string(),
            "timezone": "UTC",
            "session": context.session.as_str(),
            "agent": context.agent.as_str(),
            "model": context.model,
            "messages": context.message_count,
            "inputTokens": context.usage.input_tokens,
            "outputTokens": context.usage.output_tokens,
        })
        .to_string())
    }
}
