//! The built-in tools, all on one screen.

mod session_status;
mod sessions;

use std::sync::Arc;

use claw_core::Clock;
use claw_core::provider::ToolSpec;
use claw_core::tool::Tool;

pub use sessions::{Conversations, ListWanted, Sent};

/// A tool with what a model is told of it, which is made once and not with each question.
#[derive(Clone)]
pub struct Offer {
    /// How a model sees it.
    pub spec: Arc<ToolSpec>,
    /// What carries it out.
    pub tool: Arc<dyn Tool>,
}

impl From<Arc<dyn Tool>> for Offer {
    fn from(tool: Arc<dyn Tool>) -> Self {
        Self { spec: Arc::new(tool.spec()), tool }
    }
}

/// The tools every agent has; those about conversations do what they do by `conversations`.
pub fn built_in(clock: &Arc<dyn Clock>, conversations: &Arc<dyn Conversations>) -> Vec<Arc<dyn Tool>> {
    let mut tools: Vec<Arc<dyn Tool>> = vec![Arc::new(session_status::SessionStatus::new(Arc::clone(clock)))];
    tools.extend(sessions::tools(clock, conversations));
    tools
}
