//! `tasks.submit`: accepts a task; answers once it is on disk.

use claw_core::Scope;
use claw_wire::v2::task::{Submission, Task};
use claw_wire::ws::agent::checked_key;
use claw_wire::ws::frame;
use claw_wire::ws::tasks::{SubmitParams, TaskAnswer};

use super::{Call, Method};
use crate::error::Problem;
use crate::submit::{self, Fresh};

pub(super) struct TasksSubmit;

impl Method for TasksSubmit {
    const NAME: &'static str = "tasks.submit";
    const SCOPE: Scope = Scope::Write;
    type Params = SubmitParams;

    async fn run(call: &Call, params: SubmitParams) -> Result<(), Problem> {
        let app = &call.doors().app;
        let (task, key) = params.into_parts();
        let submission = Submission::try_from(task)?;
        let key = checked_key(key)?;
        // A fresh session differs each time, so the digest is of what the client chose.
        let digested = frame::to_json(&submission.turn(String::new));
        let idempotency = key.map(|key| submit::idempotency(key, digested.as_bytes()));
        let fresh = match submit::new_run(app, call.principal(), &submission, idempotency) {
            Ok(run) => Fresh::submit(app, call.principal(), run).await,
            Err(problem) => Err(problem),
        };
        let fresh = fresh.map_err(|problem| problem.named(submission.named))?;
        if fresh.accepted().is_replay {
            let task = app.tasks.find(call.principal(), &fresh.accepted().id.to_string()).await?;
            call.answer(&TaskAnswer { task: Task::from(&task), replayed: Some(true) });
        } else {
            call.answer(&TaskAnswer { task: fresh.shown(), replayed: None });
        }
        Ok(())
    }
}
