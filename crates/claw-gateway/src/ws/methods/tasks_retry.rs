//! `tasks.retry`: makes a failed or cancelled task wait again.

use claw_core::Scope;
use claw_wire::v2::task::Task;
use claw_wire::ws::tasks::{TaskAnswer, TaskParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct TasksRetry;

impl Method for TasksRetry {
    const NAME: &'static str = "tasks.retry";
    const SCOPE: Scope = Scope::Write;
    type Params = TaskParams;

    async fn run(call: &Call, params: TaskParams) -> Result<(), Problem> {
        let task = call.doors().app.tasks.retry(call.principal(), &params.id).await?;
        call.answer(&TaskAnswer { task: Task::from(&task), replayed: None });
        Ok(())
    }
}
