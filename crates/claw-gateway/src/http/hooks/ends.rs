//! Tells the main conversation what came of a hook's run, also where the process that took the run has died.
//!
//! How it is to be told stands with the run's task. That it was told stands with the turn that told it: as its
//! idempotency key where the turn began for it, in its `extra` where it went along with another. So a start finds out
//! what nobody has told yet, and nothing has to be written between the end and the telling.

use std::collections::BTreeSet;
use std::sync::Arc;

use claw_app::{Error, TaskFilter};
use claw_core::task::{StateName, TaskState};
use claw_core::{Principal, SessionKey, Task, TaskId, Timestamp};
use claw_wire::hooks::{HookEnd, HooksTold, WakeMode};

use crate::doors::Doors;
use crate::limits::{AGENT_WAIT_MAX, HOOK_END_TOLD_WITHIN, HOOK_ENDS_PAGE, HOOK_SUMMARY_CHARS_MAX};
use crate::submit;
use crate::wake;

/// Waits for the end of a run, and tells it.
pub(super) fn watch(doors: &Arc<Doors>, id: TaskId, end: HookEnd) {
    let (doors, scope) = (Arc::clone(doors), doors.scope.clone());
    drop(scope.spawn(|cancel| async move {
        tokio::select! { () = cancel.cancelled() => {}, () = hear_and_tell(&doors, id, end) => {} }
    }));
}

/// After a start: watches the runs of hooks that have not ended, and tells those ends that nobody has told.
pub(crate) async fn take_up(doors: &Arc<Doors>) {
    match untold(doors).await {
        Ok(found) => {
            for (task, end) in found {
                match task.state.name().is_terminal() {
                    true => tell(doors, &task, &end).await,
                    false => watch(doors, task.id, end),
                }
            }
        }
        Err(error) => tracing::warn!("what is still to be told of hooks' runs cannot be read: {error}"),
    }
}

/// Runs whose end is still to be told, oldest first.
async fn untold(doors: &Doors) -> Result<Vec<(Task, HookEnd)>, Error> {
    let mut found = hooks_tasks(doors).await?;
    if found.iter().any(|(task, _)| task.state.name().is_terminal()) {
        let told = told(doors).await?;
        found.retain(|(task, _)| !told.contains(&name(task)));
    }
    found.sort_by_key(|(task, _)| (task.state.ended_at(), task.created_at));
    Ok(found)
}

/// The runs of hooks that go on, and those that ended lately.
async fn hooks_tasks(doors: &Doors) -> Result<Vec<(Task, HookEnd)>, Error> {
    let (hook, now) = (Principal::hook(), doors.app.now());
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let of = |state| TaskFilter { state: Some(state), ..TaskFilter::default() };
    // Whenever they began: a run may have waited for a day.
    let ended = TaskFilter {
        since: Some(Timestamp::from_millis(
            now.millis() - i64::try_from(HOOK_END_TOLD_WITHIN.as_millis()).unwrap_or(0),
        )),
        ..TaskFilter::default()
    };
    for filter in [of(StateName::Running), of(StateName::Queued), ended] {
        each(doors, &hook, filter, |task| {
            if let Some(end) = HookEnd::read(task.turn.extra.as_ref())
                && seen.insert(task.id)
            {
                found.push((task, end));
            }
            true
        })
        .await?;
    }
    Ok(found)
}

/// Looks at tasks, newest first, until it has seen enough.
async fn each(
    doors: &Doors,
    principal: &Principal,
    filter: TaskFilter,
    mut look: impl FnMut(Task) -> bool,
) -> Result<(), Error> {
    let mut from = None;
    loop {
        let page = doors.app.tasks.list(principal, filter.clone(), from, Some(HOOK_ENDS_PAGE)).await?;
        for task in page.items {
            if !look(task) {
                return Ok(());
            }
        }
        from = page.next;
        if from.is_none() {
            return Ok(());
        }
    }
}

/// What main conversations were told of along with other turns.
async fn told(doors: &Doors) -> Result<BTreeSet<String>, Error> {
    let (app, operator, now) = (&doors.app, Principal::operator(), doors.app.now());
    let mut told = BTreeSet::new();
    for agent in app.models.agents(&operator) {
        let Some(main) = app.sessions.get(&operator, &SessionKey::main(&agent.id)).await? else { continue };
        let filter = TaskFilter { session: Some(main.id), ..TaskFilter::default() };
        // Who tells an end began after it.
        each(doors, &operator, filter, |task| {
            told.extend(HooksTold::read(task.turn.extra.as_ref()));
            now.since(task.created_at) <= HOOK_END_TOLD_WITHIN
        })
        .await?;
    }
    Ok(told)
}

async fn hear_and_tell(doors: &Arc<Doors>, id: TaskId, end: HookEnd) {
    let tasks = &doors.app.tasks;
    loop {
        // Whatever comes of the waiting: the task says how it ended.
        drop(tasks.wait(id, AGENT_WAIT_MAX).await);
        let Ok(task) = tasks.find(&Principal::hook(), &id.to_string()).await else { return };
        if task.state.name().is_terminal() {
            return tell(doors, &task, &end).await;
        }
    }
}

/// Tells an end; a second time it tells nobody.
async fn tell(doors: &Arc<Doors>, task: &Task, end: &HookEnd) {
    let said = match &task.state {
        TaskState::Completed { output, .. } => output.text.clone(),
        TaskState::Failed { failure, .. } => format!("failed: {}", failure.message).into(),
        TaskState::Cancelled { .. } => "cancelled".into(),
        TaskState::Queued { .. } | TaskState::Running { .. } => return,
    };
    let said: String = said.chars().take(HOOK_SUMMARY_CHARS_MAX).collect();
    let text = format!("{}: {said}", end.name);
    match end.wake {
        WakeMode::Now if doors.stage.has_heartbeats() => {
            let key = submit::idempotency(submit::apart("hook:end", &name(task)), text.as_bytes());
            if let Err(problem) = wake::by_outsider(doors, &text, Some(key)).await {
                tracing::warn!("the main conversation could not be told of a hook's run: {}", problem.message);
            }
        }
        WakeMode::Now | WakeMode::NextHeartbeat => doors.stage.remember_end(text, name(task)),
    }
}

/// What an end is known by: a task that was retried by hand has another one.
fn name(task: &Task) -> String {
    format!("{}:{}", task.id, task.attempt)
}
