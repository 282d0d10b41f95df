//! `tasks.cancel`: stops a waiting or running task.

use claw_core::Scope;
use claw_wire::v2::task::Task;
use claw_wire::ws::tasks::{TaskAnswer, TaskParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct TasksCancel;

impl Method for TasksCancel {
    const NAME: &'static str = "tasks.cancel";
    const SCOPE: Scope = Scope::Write;
    type Params = TaskParams;

    async fn run(call: &Call, params: TaskParams) -> Result<(), Problem> {
        let task = call.doors().app.tasks.cancel(call.principal(), &params.id).await?;
        call.answer(&TaskAnswer { task: Task::from(&task), replayed: None });
        Ok(())
    }
}
