//! `tasks.get`: shows one task.

use claw_core::Scope;
use claw_wire::v2::task::Task;
use claw_wire::ws::tasks::{TaskAnswer, TaskParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct TasksGet;

impl Method for TasksGet {
    const NAME: &'static str = "tasks.get";
    const SCOPE: Scope = Scope::Read;
    type Params = TaskParams;

    async fn run(call: &Call, params: TaskParams) -> Result<(), Problem> {
        let task = call.doors().app.tasks.find(call.principal(), &params.id).await?;
        call.answer(&TaskAnswer { task: Task::from(&task), replayed: None });
        Ok(())
    }
}
