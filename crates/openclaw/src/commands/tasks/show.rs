//! A task as people read it.

use crate::client::answers::{Task, TaskResult};
use crate::commands::terminal::{Colour, Terminal, cell, pairs, time};

/// One line of a list.
pub(super) fn row(task: Task) -> Vec<String> {
    let attempts = attempts(&task);
    let Task { id, mut status, progress, created_at, session_key, lane, waits_for_approval, .. } = task;
    if waits_for_approval.is_some() {
        "waits for approval".clone_into(&mut status);
    }
    vec![id, status, format!("{progress} %"), attempts, lane, time(&created_at), session_key]
}

/// All of it.
pub(super) fn words(task: &Task, terminal: Terminal) -> String {
    let mut lines = vec![
        ("task", cell(&task.id)),
        ("state", format!("{}, {} %", state(&task.status, terminal), task.progress)),
        ("attempt", attempts(task)),
        ("lane", format!("{}, priority {}", cell(&task.lane), task.priority)),
        ("agent", cell(&task.agent_id)),
        ("session", cell(&task.session_key)),
        ("created", format!("{} UTC", time(&task.created_at))),
    ];
    lines.extend(task.waits_for_approval.as_ref().map(|id| {
        let id = cell(id);
        ("waits for", format!("approval {id}: openclaw approvals show {id}"))
    }));
    let moments = [("not before", &task.not_before), ("started", &task.started_at), ("ended", &task.completed_at)];
    for (name, moment) in moments {
        lines.extend(moment.as_deref().map(|at| (name, format!("{} UTC", time(at)))));
    }
    if let Some(error) = &task.error {
        lines.push(("error", format!("{}: {}", cell(&error.reason), cell(&error.message))));
    }
    let Some(TaskResult { response, model, usage }) = &task.result else {
        return pairs(&lines);
    };
    lines.push(("model", cell(model)));
    lines.push(("tokens", format!("{} in, {} out", usage.prompt_tokens, usage.completion_tokens)));
    format!("{}\n\n{}", pairs(&lines), terminal.shown(response))
}

/// A state in its colour.
pub(super) fn state(state: &str, terminal: Terminal) -> String {
    terminal.paint(Colour::of_state(state), &cell(state))
}

fn attempts(task: &Task) -> String {
    format!("{} of {}", task.attempt, task.max_attempts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Environment;

    #[test]
    fn a_completed_task_shows_its_result_below_its_facts() {
        let task: Task = serde_json::from_str(
            r#"{"id":"task_1","type":"agent","status":"completed","progress":100,"createdAt":"2026-11-20T21:15:01.000Z",
                "attempt":1,"maxAttempts":3,"agentId":"main","sessionKey":"agent:main:x","lane":"long","priority":5,
                "error":null,"startedAt":null,"completedAt":"2026-11-20T21:15:09.000Z",
                "result":{"response":"two\nlines","model":"p/m","usage":{"promptTokens":1,"completionTokens":2,"totalTokens":3}}}"#,
        )
        .unwrap();
        assert_eq!(
            words(&task, Terminal::of(&Environment::of(&[("NO_COLOR", "1")]))),
            "task     task_1\nstate    completed, 100 %\nattempt  1 of 3\nlane     long, priority 5\nagent    main\n\
             session  agent:main:x\ncreated  2026-11-20 21:15:01 UTC\nended    2026-11-20 21:15:09 UTC\nmodel    p/m\n\
             tokens   1 in, 2 out\n\ntwo\nlines"
        );
        assert!(task.has_ended());
    }
}
