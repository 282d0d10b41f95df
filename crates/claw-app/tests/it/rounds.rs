//! How long a run goes on: as long as it learns something, and to an answer where it may not.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use claw_app::Settings;
use claw_core::message::JsonText;
use claw_core::permission::Permissions;
use claw_core::provider::{FinishReason, ToolSpec};
use claw_core::task::StateName;
use claw_core::tool::{Tool, ToolContext, ToolError};
use claw_core::{Output, TaskState};
use claw_testkit::upstream::Seen;
use claw_testkit::{Reply, Upstream};

use crate::briefing::one_model;
use crate::house::{Calls, House, operator};
use crate::tools::{equipped, file_tools, run};

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

/// Some servers pass over `tool_choice`.
#[tokio::test]
async fn a_model_that_calls_although_it_may_not_is_asked_without_tools_and_its_last_words_count() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = open(directory.path(), &upstream, Some(1)).await;
    let read = || Reply::tool_call("read", r#"{"path":"none"}"#);
    upstream.script([read(), read(), Reply::text("There is none.")]);
    let (_, state) = run(&house.app, &operator(), "s").await;
    assert_eq!(output(state).text.as_str(), "There is none.");
    let offers = |seen: &Seen| seen.body["tools"].as_array().map_or(0, Vec::len) > 0;
    assert_eq!(upstream.requests().iter().map(offers).collect::<Vec<_>>(), [true, true, false]);
    assert!(upstream.requests()[2].body.get("tool_choice").is_none());

    upstream.script([read().saying("I look."), read(), read()]);
    let (_, state) = run(&house.app, &operator(), "t").await;
    let Output { text, finish, .. } = output(state);
    assert_eq!((text.as_str(), finish), ("I look.", FinishReason::Length));
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

/// Says that something runs, the first times it is asked.
struct Running(AtomicUsize);

#[async_trait::async_trait]
impl Tool for Running {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new("running", "Says whether it runs.", JsonText::new(r#"{"type":"object"}"#))
    }
    fn is_idempotent(&self) -> bool {
        false
    }
    fn waits(&self, answer: &str) -> bool {
        answer == "[running]"
    }
    async fn call(&self, _: &ToolContext, _: &JsonText) -> Result<String, ToolError> {
        Ok(if self.0.fetch_add(1, Ordering::SeqCst) < 20 { "[running]".into() } else { "[ended]".into() })
    }
}

#[tokio::test]
async fn whoever_waits_for_what_runs_is_not_taken_for_one_who_repeats_himself() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let running: Arc<dyn Tool> = Arc::new(Running(AtomicUsize::new(0)));
    let house = House::open_with(directory.path(), &upstream, vec![running], Settings::default()).await;
    upstream.respond_with(|seen| match last_words(seen).as_str() {
        "[ended]" => Reply::text("done"),
        _ => Reply::tool_call("running", "{}"),
    });
    let (told, state) = run(&house.app, &operator(), "s").await;
    assert_eq!((told.len(), output(state).text.as_str()), (21, "done"));
    assert!(told[..20].iter().all(|(_, text, _)| text == "[running]"), "{told:?}");
    house.stop().await;
}

/// A workspace with a file of so many bytes for each number, and a model of this window that reads one after the other.
async fn reading(directory: &Path, upstream: &Upstream, window: Option<u32>, sizes: &[usize]) -> House {
    std::fs::create_dir_all(directory.join("workspace")).unwrap();
    for (number, bytes) in sizes.iter().enumerate() {
        let text = format!("file {number}\n{}", "some words of a line\n".repeat(bytes / 21));
        std::fs::write(directory.join("workspace").join(number.to_string()), text).unwrap();
    }
    let catalog = one_model(upstream, window).with_tools(file_tools(directory), Permissions::default());
    House::open_over(directory, catalog, Vec::new(), Settings::default(), Calls::default()).await
}

fn bytes_of(seen: &Seen) -> usize {
    let messages = seen.body["messages"].as_array().unwrap();
    messages.iter().map(|message| message["content"].as_str().unwrap_or_default().len()).sum()
}

/// Whether each answer of a tool stands behind the call it answers, and each call is answered.
fn is_in_order(seen: &Seen) -> bool {
    let mut open: Vec<String> = Vec::new();
    let ordered = seen.body["messages"].as_array().unwrap().iter().all(|message| match message["role"].as_str() {
        Some("tool") => match open.iter().position(|id| message["tool_call_id"] == *id) {
            Some(place) => !open.remove(place).is_empty(),
            None => false,
        },
        _ => {
            let is_answered = open.is_empty();
            let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
            open.extend(calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()));
            is_answered
        }
    });
    ordered && open.is_empty()
}

#[tokio::test]
async fn a_run_that_reads_far_more_than_its_models_window_comes_to_its_end() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let sizes: Vec<usize> = (0..14).map(|number| [25_000, 55_000, 75_000][number % 3]).collect();
    let house = reading(directory.path(), &upstream, Some(8_000), &sizes).await;
    let asked = AtomicUsize::new(0);
    upstream.respond_with(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        14.. => Reply::text("read"),
        number => Reply::tool_call("read", format!(r#"{{"path":"{number}"}}"#)),
    });
    let (told, state) = run(&house.app, &operator(), "s").await;
    assert_eq!((told.len(), output(state).text.as_str()), (14, "read"));
    let requests = upstream.requests();
    assert_eq!(requests.len(), 15);
    for seen in &requests {
        assert!(bytes_of(seen) <= 4 * 8_000 && is_in_order(seen), "{}", bytes_of(seen));
        assert!(
            !seen.messages().iter().any(|said| said.to_string().contains("are left out with their answers")),
            "every call is shown"
        );
        assert!(
            seen.body["messages"].as_array().unwrap().first().unwrap()["content"].as_str().unwrap().ends_with("go")
        );
    }
    let newest = last_words(requests.last().unwrap());
    assert!(newest.starts_with("file 13") && newest.contains("bytes are left out here"), "{newest}");
    // What the session keeps is whole.
    assert!(told.iter().all(|(_, text, _)| text.len() > 20_000));
    house.stop().await;
}

#[tokio::test]
async fn a_refusal_for_what_this_run_has_read_is_answered_with_less() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = reading(directory.path(), &upstream, None, &[25_000; 6]).await;
    let answered = AtomicUsize::new(0);
    upstream.respond_with(move |seen| {
        if bytes_of(seen) > 60_000 {
            return Reply::status(400, "context_length_exceeded: This model's maximum context length is 16384 tokens");
        }
        match answered.fetch_add(1, Ordering::SeqCst) {
            6.. => Reply::text("read"),
            number => Reply::tool_call("read", format!(r#"{{"path":"{number}"}}"#)),
        }
    });
    let (told, state) = run(&house.app, &operator(), "s").await;
    assert_eq!((told.len(), output(state).text.as_str()), (6, "read"));
    let requests = upstream.requests();
    assert!(requests.iter().all(is_in_order));
    assert_eq!(requests.iter().filter(|seen| bytes_of(seen) > 60_000).count(), 1, "what was learnt of it is kept");
    house.stop().await;
}
