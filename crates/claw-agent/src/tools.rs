//! The built-in tools, all on one screen.

mod checked;
mod session_status;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use claw_core::Clock;
use claw_core::provider::ToolSpec;
use claw_core::tool::{Tool, ToolError};

use self::checked::Checked;

pub use sessions::{Conversations, ListWanted, Sent};

/// A tool with what a model is told of it, which is made once and not with each question.
#[derive(Clone)]
pub struct Offer {
    /// How a model sees it.
    pub spec: Arc<ToolSpec>,
    /// What carries it out, with nothing but what the schema asks for.
    pub tool: Arc<dyn Tool>,
}

impl From<Arc<dyn Tool>> for Offer {
    fn from(tool: Arc<dyn Tool>) -> Self {
        let spec = tool.spec();
        let tool = Arc::new(Checked::new(tool, &spec));
        Self { spec: Arc::new(spec), tool }
    }
}

/// Ends what takes longer than it may: work that is dropped ends.
///
/// Errors: those of the work; it took too long.
pub(crate) async fn in_time<T>(
    limit: Duration,
    name: &str,
    work: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_elapsed| {
        tracing::warn!(tool.name = name, "a call of {name} was ended after {limit:?}");
        let why = format!(
            "{name} did not answer within {limit:?} and was ended; what it had done by then stands: look before you try again"
        );
        Err(ToolError::Failed(why))
    })
}

/// The tools every agent has; those about conversations do what they do by `conversations`.
pub fn built_in(clock: &Arc<dyn Clock>, conversations: &Arc<dyn Conversations>) -> Vec<Arc<dyn Tool>> {
    let mut tools: Vec<Arc<dyn Tool>> = vec![Arc::new(session_status::SessionStatus::new(Arc::clone(clock)))];
    tools.extend(sessions::tools(clock, conversations));
    tools
}
