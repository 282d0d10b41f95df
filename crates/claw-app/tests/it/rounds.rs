//! How long a run goes on: as long as it learns something, and to an answer where it may not.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use claw_app::Settings;
use claw_core::permission::Permissions;
use claw_core::provider::FinishReason;
use claw_core::task::StateName;
use claw_core::{Output, TaskState};
use claw_testkit::upstream::Seen;
use claw_testkit::{Reply, Upstream};

use crate::house::{Calls, House, operator};
use crate::tools::{equipped, run};

async fn open(directory: &Path, upstream: &Upstream, rounds_max: Option<u32>) -> House {
    let catalog = equipped(directory, upstream, Permissions::default()).with_rounds_max(rounds_max);
    House::open_over(directory, catalog, Vec::new(), Settings::default(), Calls::default()).await
}

/// Whether tools may be called.
fn may_call(seen: &Seen) -> bool {
    seen.body.get("tool_choice").is_none_or(|choice| choice != "none")
}

fn last_words(seen: &Seen) -> String {
    let last = seen.body["messages"].as_array().unwrap().last().unwrap();
    last["content"].as_str().unwrap_or_default().to_owned()
}

fn output(state: TaskState) -> Output {
    match state {
        TaskState::Completed { output, .. } => output,
        state => panic!("{state:?}"),
    }
}

#[tokio::test]
async fn a_model_that_repeats_itself_is_told_and_then_asked_for_its_answer() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = open(directory.path(), &upstream, None).await;
    upstream.respond_with(|seen| match may_call(seen) {
        true => Reply::tool_call("read", r#"{"path":"none"}"#),
        false => Reply::text("There is none."),
    });
    let (told, state) = run(&house.app, &operator(), "s").await;
    let plain = "cannot read none: there is no such file or directory";
    assert_eq!(told.len(), 6);
    assert!(told[..2].iter().all(|(_, text, _)| text == plain), "{told:?}");
    assert!(told[2..5].iter().all(|(_, text, _)| text.contains("do something else")), "{told:?}");
    let Output { text, finish, .. } = output(state);
    assert_eq!((text.as_str(), finish), ("There is none.", FinishReason::Length));
    let asked = last_words(upstream.requests().last().unwrap());
    let why = "the model made the same call of \"read\" 6 times, with the same result each time";
    assert!(asked.contains(why), "{asked}");
    house.stop().await;
}

#[tokio::test]
async fn a_model_that_has_no_answer_after_its_last_call_has_failed() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = open(directory.path(), &upstream, Some(2)).await;
    let asked = AtomicUsize::new(0);
    upstream.respond_with(move |_| {
        let path = format!(r#"{{"path":"{}"}}"#, asked.fetch_add(1, Ordering::SeqCst));
        Reply::tool_call("read", &path)
    });
    let (told, state) = run(&house.app, &operator(), "s").await;
    let TaskState::Failed { failure, .. } = state else { panic!("{state:?}") };
    assert_eq!(told.len(), 2);
    assert_eq!(failure.message, "the model asked for tools 2 times in a row without coming to an end");
    house.stop().await;
}

#[tokio::test]
async fn a_run_goes_through_a_hundred_and_fifty_rounds() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = open(directory.path(), &upstream, None).await;
    let asked = AtomicUsize::new(0);
    upstream.respond_with(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        150.. => Reply::text("done"),
        round if round % 2 == 0 => Reply::tool_call("read", r#"{"path":"none"}"#),
        round => Reply::tool_call("write", format!(r#"{{"path":"same","content":"{round}"}}"#)),
    });
    let (told, state) = run(&house.app, &operator(), "s").await;
    assert_eq!((told.len(), state.name()), (150, StateName::Completed));
    house.stop().await;
}

#[tokio::test]
async fn what_is_read_seven_times_at_once_is_read_once() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = open(directory.path(), &upstream, None).await;
    let read = || Reply::tool_call("read", r#"{"path":"none"}"#);
    let seven = (1..7).fold(read(), |reply, _| reply.and_tool_call("read", r#"{"path":"none"}"#));
    upstream.script([seven, Reply::text("done")]);
    let (told, state) = run(&house.app, &operator(), "s").await;
    let plain = "cannot read none: there is no such file or directory";
    assert_eq!((told.len(), state.name()), (7, StateName::Completed));
    assert!(told.iter().all(|(_, text, _)| text == plain), "{told:?}");
    house.stop().await;
}
