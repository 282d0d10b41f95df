//! The built-in tools, all on one screen.

mod session_status;

use std::sync::Arc;

use claw_core::Clock;
use claw_core::tool::Tool;

/// The tools every agent has.
pub fn built_in(clock: &Arc<dyn Clock>) -> Vec<Arc<dyn Tool>> {
    vec![Arc::new(session_status::SessionStatus::new(Arc::clone(clock)))]
}
