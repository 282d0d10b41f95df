use super::*;

const NOW: Timestamp = Timestamp::from_millis(1);

fn output() -> Output {
    Output {
        text: "hi".into(),
        refused_from: None,
        reasoned: Vec::new(),
        asides: vec![],
        tool_calls: vec![],
        finish: FinishReason::Stop,
        usage: Usage::default(),
        model: "p/m".into(),
        answered_by: None,
    }
}
fn failure() -> Failure {
    Failure::new(FailureReason::Provider, "m")
}
fn every_state() -> [TaskState; 5] {
    [
        TaskState::Queued { not_before: NOW },
        TaskState::Running { since: NOW },
        TaskState::Completed { output: output(), at: NOW },
        TaskState::Failed { failure: failure(), at: NOW },
        TaskState::Cancelled { at: NOW },
    ]
}
fn allowed(verb: impl Fn(TaskState) -> Result<TaskState, InvalidTransition>) -> Vec<&'static str> {
    every_state().into_iter().filter(|s| verb(s.clone()).is_ok()).map(|s| s.name().as_str()).collect()
}

#[test]
fn each_verb_is_allowed_in_just_these_states() {
    assert_eq!(allowed(|s| s.start(NOW)), ["queued"]);
    assert_eq!(allowed(|s| s.finish(Outcome::Completed(output()), NOW)), ["running"]);
    assert_eq!(allowed(|s| s.cancel(NOW)), ["queued", "running"]);
    assert_eq!(allowed(|s| s.retry(NOW)), ["failed", "cancelled"]);
}

#[test]
fn a_finished_task_cannot_start() {
    let done = TaskState::Completed { output: output(), at: NOW };
    assert_eq!(done.start(NOW).map_err(|e| e.to_string()), Err("a completed task cannot start".into()));
}

#[test]
fn an_outcome_decides_the_next_state() {
    let next = |outcome| TaskState::Running { since: NOW }.finish(outcome, NOW).map(|s| s.name());
    assert_eq!(next(Outcome::Completed(output())), Ok(StateName::Completed));
    assert_eq!(next(Outcome::Failed { failure: failure(), partial: String::new() }), Ok(StateName::Failed));
    assert_eq!(next(Outcome::Retry { failure: failure(), not_before: NOW }), Ok(StateName::Queued));
    assert_eq!(next(Outcome::Cancelled { partial: String::new() }), Ok(StateName::Cancelled));
}

#[test]
fn names_read_back() {
    assert!(StateName::ALL.iter().all(|name| StateName::parse(name.as_str()) == Some(*name)));
    assert!(Lane::ALL.iter().all(|lane| Lane::parse(lane.as_str()) == Some(*lane)));
    assert_eq!((Priority::new(9).map(Priority::get), Priority::new(10)), (Some(9), None));
}
