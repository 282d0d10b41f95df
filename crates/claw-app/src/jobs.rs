//! What the workers do with a ticket.

use std::sync::Arc;

use async_trait::async_trait;
use claw_core::TaskId;
use claw_core::task::StateName;
use claw_queue::worker::{Handler, Verdict};
use claw_queue::{Claim, TicketKind};
use claw_store::Started;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::limits::{BUSY_AFTER, UNDECIDED_AFTER};

/// Runs tasks for the workers.
pub(crate) struct Jobs(pub(crate) Arc<Engine>);

#[async_trait]
impl Handler for Jobs {
    async fn handle(&self, claim: &Claim, cancel: CancellationToken) -> Verdict {
        match claim.ticket.kind {
            TicketKind::Run => self.run(claim, cancel).await,
        }
    }
}

impl Jobs {
    /// Starts the task if the ticket is not stale, and runs it to its end.
    async fn run(&self, claim: &Claim, cancel: CancellationToken) -> Verdict {
        let engine = &self.0;
        let id = TaskId::from_uuid(claim.ticket.subject);
        let pass = match engine.room_for(claim).await {
            Ok(pass) => pass,
            Err(wait) => return Verdict::Again(wait),
        };
        // Taken before the start: a cancel that finds the task running finds it here, too.
        let place = engine.agent.running().enter(id, &cancel).with_pass(pass);
        let started = engine.store.start(id, claim.ticket.attempt, engine.clock.now()).await.await;
        let run = match started {
            Ok(Started::Won(run)) => run,
            Ok(Started::Stale(_) | Started::Absent) => return Verdict::Done,
            Ok(Started::SessionBusy) => return Verdict::Again(BUSY_AFTER),
            Err(error) => {
                tracing::warn!(task.id = %id, "{id} could not be started: {error}");
                return Verdict::Again(UNDECIDED_AFTER);
            }
        };
        let (owner, session, attempt) =
            (run.task.principal.id.clone(), run.task.turn.session.clone(), run.task.attempt);
        let has_callback = run.task.callback.is_some();
        engine.tell(id, &owner, &session, StateName::Running, attempt);
        let session_id = run.task.session;
        if run.resumes.is_some() {
            engine.tell_closed(id).await;
        }
        let end = engine.agent.prepare(*run, place).run().await;
        engine.tell_asked(&end);
        if let Some(state) = end.state {
            engine.tell(id, &owner, &session, state, attempt);
        }
        engine.desk.wake(has_callback, end.state);
        engine.after(end.finished, &owner, &session).await;
        if end.is_crowded {
            engine.compact_later(session_id);
        }
        Verdict::Done
    }
}
