//! `tasks.watch`: a task's events from any number on, and in the end the task itself.

use claw_app::Error;
use claw_core::Scope;
use claw_wire::v2::event::TaskEvent;
use claw_wire::v2::task::Task;
use claw_wire::ws::notice::Notice;
use claw_wire::ws::tasks::{TaskAnswer, TaskParams, Watched, Watching};

use super::{Call, Method};
use crate::error::Problem;
use crate::ws::relay::ROOM_INTERVAL;

pub(super) struct TasksWatch;

impl Method for TasksWatch {
    const NAME: &'static str = "tasks.watch";
    const SCOPE: Scope = Scope::Read;
    type Params = TaskParams;

    async fn run(call: &Call, params: TaskParams) -> Result<(), Problem> {
        let tasks = &call.doors().app.tasks;
        let task = tasks.find(call.principal(), &params.id).await?;
        call.answer(&Watching { id: task.id.to_string(), status: "watching" });
        let mut reader = tasks.read(task.id, params.after.unwrap_or(0));
        while let Some(event) = reader.next().await.map_err(Error::from)? {
            let outbox = &call.line().outbox;
            // The run does not wait for this reader, and its events are in the store.
            while !outbox.has_room() {
                tokio::time::sleep(ROOM_INTERVAL).await;
            }
            let watched = Watched { task_id: task.id.to_string(), event: TaskEvent::from(&*event) };
            outbox.tell(&Notice::TaskEvent(&watched));
        }
        let task = tasks.find(call.principal(), &task.id.to_string()).await?;
        call.answer(&TaskAnswer { task: Task::from(&task), replayed: None });
        Ok(())
    }
}
