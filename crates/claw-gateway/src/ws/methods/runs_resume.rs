//! `runs.resume`: a run's events from any number on, also after the socket or the gateway was gone.

use claw_core::Scope;
use claw_wire::ws::agent::{ResumeParams, Resumed};

use super::{Call, Method, agent};
use crate::error::Problem;
use crate::ws::relay::{self, BREATH, Run};

pub(super) struct RunsResume;

impl Method for RunsResume {
    const NAME: &'static str = "runs.resume";
    const SCOPE: Scope = Scope::Read;
    type Params = ResumeParams;

    async fn run(call: &Call, params: ResumeParams) -> Result<(), Problem> {
        let ResumeParams { run_id, after_seq } = params;
        let after = after_seq.unwrap_or(0);
        let task = call.doors().app.tasks.find(call.principal(), &run_id).await?;
        let (run_id, session) = (task.run_id(), task.turn.session.as_str());
        let agent_id = task.turn.agent.as_str();
        let run = Run { id: task.id, run_id: &run_id, session_key: session, agent_id, wants_deltas: true };
        call.answer(&Resumed {
            run_id: &run_id,
            task_id: task.id.to_string(),
            session_key: session,
            status: "resumed",
            after_seq: after,
            state: task.state.name().as_str(),
        });
        tokio::time::sleep(BREATH).await;
        let end = relay::run(call.line(), &run, after).await?;
        agent::finish(call, &run, &end, task.label.is_some());
        Ok(())
    }
}
