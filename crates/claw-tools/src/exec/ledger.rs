//! A command's two lines in the audit log: before it begins, and when it has ended.
//!
//! They name its program, the digest of its plan and the call it is of. Its arguments and output are not in them:
//! they may hold secrets.

use std::sync::Arc;

use claw_core::audit::{Actor, Door, Entry, Kind, Ledger, Outcome};
use claw_core::tool::{ToolContext, ToolError};

use super::child::Plan;

/// Writes the end of a command down; also where whoever waits for it is gone.
pub(super) struct Ending {
    ledger: Arc<dyn Ledger>,
    entry: Entry,
    /// The exit code, or why there is none.
    exit: String,
}

/// Writes down that a command is about to begin.
///
/// Errors: that cannot be written down, so it does not.
pub(super) async fn begin(ledger: &Arc<dyn Ledger>, context: &ToolContext, plan: &Plan) -> Result<Ending, ToolError> {
    let (task, call) =
        context.run.call.as_ref().map(|(task, call)| (task.to_string(), call.as_str())).unwrap_or_default();
    let program = plan.argv.first().map(String::as_str).unwrap_or_default();
    let subject = if task.is_empty() { context.session.as_str() } else { &task };
    let mut entry = Entry::new(ledger.now(), Kind::ExecStarted, Actor::of(&context.principal.id, Door::Run), subject)
        .with("program", program)
        .with("call", call)
        .with("agent", context.agent.as_str())
        .with("approved", if context.approved.is_some() { "yes" } else { "no" });
    if let Some(digest) = &context.run.planned {
        entry = entry.with_digest("plan", digest);
    }
    let written = ledger.record(entry.clone()).await;
    written.map_err(|error| {
        ToolError::Failed(format!("the command cannot be written down, so it does not run: {error}"))
    })?;
    let entry = Entry { kind: Kind::ExecEnded, ..entry };
    Ok(Ending { ledger: Arc::clone(ledger), entry, exit: "stopped".to_owned() })
}

impl Ending {
    /// It has ended by itself, or was ended.
    pub(super) fn with(mut self, exit: String) {
        self.exit = exit;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let outcome = if self.exit == "0" { Outcome::Done } else { Outcome::Failed };
        let entry = Entry { at: self.ledger.now(), ..self.entry.clone() };
        self.ledger.note(entry.ended(outcome).with("exit", &self.exit));
    }
}
