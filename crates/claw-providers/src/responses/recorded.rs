//! Streams of responses, cut at every byte, and garbage.

use std::collections::VecDeque;

use claw_core::message::{JsonText, ToolCall};
use claw_core::provider::{FinishReason, ModelEvent, Usage};
use proptest::prelude::*;

use super::assembly::Items;
use crate::body::Body;
use crate::fault::Fault;

const TEXT: &str = include_str!("streams/text.sse");
const TOOLS: &str = include_str!("streams/tools.sse");
const WHOLE: &str = r#"{"id":"resp_3","object":"response","status":"incomplete","error":null,
    "incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"reasoning","summary":[]},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[]}]}],
    "usage":{"input_tokens":1,"output_tokens":2}}"#;

/// All events of a body that came in these pieces, and how it ended.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ModelEvent>, Result<bool, Fault>) {
    let mut body = Body::new(Items::default());
    let mut events = VecDeque::new();
    for piece in pieces {
        match body.take(piece, &mut events) {
            Ok(false) => {}
            Ok(true) => break,
            Err(fault) => return (events.into(), Err(fault)),
        }
    }
    let ended = body.end(&mut events);
    (events.into(), ended)
}

fn events(stream: &str) -> Vec<ModelEvent> {
    let (events, ended) = read([stream.as_bytes()]);
    assert_eq!(ended, Ok(true), "{stream}");
    events
}

fn text(text: &str) -> ModelEvent {
    ModelEvent::Text(text.to_owned())
}

fn call(id: &str, name: &str, arguments: &str) -> ModelEvent {
    ModelEvent::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: JsonText::new(arguments) })
}

fn usage(input_tokens: u64, output_tokens: u64, cached_tokens: u64) -> ModelEvent {
    ModelEvent::Usage(Usage { input_tokens, output_tokens, cached_tokens })
}

fn is_done(event: &ModelEvent) -> bool {
    matches!(event, ModelEvent::Done(_))
}

#[test]
fn text_thoughts_usage_and_end_are_read() {
    let thought = ModelEvent::Thinking("Hm.".to_owned());
    let done = ModelEvent::Done(FinishReason::Stop);
    assert_eq!(events(TEXT), [thought, text("Grüße"), text(" dir."), usage(11, 6, 4), done]);
    assert_eq!(events(WHOLE), [text("Hi"), usage(1, 2, 0), ModelEvent::Done(FinishReason::Length)]);
}

#[test]
fn a_call_is_told_once_and_whole() {
    let expected = [
        call("call_a", "weather", r#"{"city":"Oslo"}"#),
        call("call_b", "clock", "{}"),
        usage(3, 9, 0),
        ModelEvent::Done(FinishReason::ToolCalls),
    ];
    assert_eq!(events(TOOLS), expected);
}

/// G8: cut anywhere before the last event, there is no `Done`.
#[test]
fn a_response_cut_at_any_byte_never_claims_to_be_done() {
    for stream in [TEXT, TOOLS, WHOLE] {
        let (whole, _) = read([stream.as_bytes()]);
        let finished_at = stream.len();
        for cut in 0..finished_at {
            let (said, ended) = read([&stream.as_bytes()[..cut]]);
            assert_ne!(ended, Ok(true), "{}", &stream[..stream.floor_char_boundary(cut)]);
            assert!(!said.iter().any(is_done) && whole.starts_with(&said), "{said:?}");
        }
    }
}

#[test]
fn no_split_changes_what_is_read() {
    for stream in [TEXT, TOOLS, WHOLE] {
        assert_eq!(read(stream.as_bytes().chunks(1)), read([stream.as_bytes()]));
    }
}

#[test]
fn a_response_that_fails_is_an_error() {
    let failed = |status, message: &str| Err(Fault::Failed { status, message: message.to_owned() });
    let table = [
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}}}"#,
            failed(Some(429), "slow"),
        ),
        (r#"{"type":"error","code":"server_error","message":"oops"}"#, failed(None, "oops")),
        (
            r#"{"type":"response.cancelled","response":{"status":"cancelled"}}"#,
            failed(None, "the response is \"cancelled\""),
        ),
        (r#"{"type":"response.completed"}"#, failed(None, "the response is \"\"")),
    ];
    for (data, expected) in table {
        assert_eq!(read([format!("data: {data}\n\n").as_bytes()]), (vec![], expected), "{data}");
    }
    let whole = r#"{"status":"failed","error":{"code":"server_error","message":"oops"}}"#;
    assert_eq!(read([whole.as_bytes()]), (vec![], failed(None, "oops")));
}

#[test]
fn nonsense_is_a_fault_and_news_are_passed_over() {
    for data in ["{not json", "5", "[]", r#"{"delta":"x"}"#] {
        let (said, ended) = read([format!("data: {data}\n\n").as_bytes()]);
        assert!(said.is_empty() && matches!(ended, Err(Fault::Unreadable(_))), "{data}: {ended:?}");
    }
    let news = r#"{"type":"response.hologram.delta","delta":{"x":1}}"#;
    assert_eq!(read([format!("data: {news}\n\n").as_bytes()]), (vec![], Ok(false)));
}

proptest! {
    #[test]
    fn a_damaged_response_never_breaks_it(at in 0_usize..3500, bytes in prop::collection::vec(any::<u8>(), 1..8)) {
        for stream in [TEXT, TOOLS, WHOLE] {
            let mut damaged = stream.as_bytes().to_vec();
            let at = at.min(damaged.len());
            let end = (at + bytes.len()).min(damaged.len());
            damaged.splice(at..end, bytes.iter().copied());
            let (said, ended) = read([damaged.as_slice()]);
            prop_assert_eq!(said.iter().any(is_done), ended == Ok(true));
        }
    }
}
