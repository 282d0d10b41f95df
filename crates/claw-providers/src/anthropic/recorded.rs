//! Streams of messages, cut at every byte, and garbage.

use std::collections::VecDeque;

use claw_core::message::{JsonText, ToolCall};
use claw_core::provider::{FinishReason, ModelEvent, Usage};
use proptest::prelude::*;

use super::assembly::Blocks;
use crate::body::Body;
use crate::fault::Fault;

const THINKING: &str = include_str!("streams/thinking.sse");
const TOOLS: &str = include_str!("streams/tools.sse");
const WHOLE: &str = r#"{"id":"msg_3","type":"message","role":"assistant","model":"claude-x","content":[
    {"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hi"},
    {"type":"tool_use","id":"t","name":"n","input":{"a":1}}],"stop_reason":"tool_use",
    "usage":{"input_tokens":1,"cache_read_input_tokens":4,"output_tokens":2}}"#;

/// All events of a body that came in these pieces, and how it ended.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ModelEvent>, Result<bool, Fault>) {
    let mut body = Body::new(Blocks::default());
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

fn thought(text: &str) -> ModelEvent {
    ModelEvent::Thinking(text.to_owned())
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
fn thoughts_are_apart_from_text_and_cached_input_is_counted() {
    let expected = [
        thought("Hm, "),
        thought("Paris?"),
        text("Grüße aus "),
        text("Paris.\n"),
        usage(33, 17, 20),
        ModelEvent::Done(FinishReason::Stop),
    ];
    assert_eq!(events(THINKING), expected);
}

#[test]
fn shreds_of_input_become_whole_tool_calls() {
    let expected = [
        text("Let me look."),
        call("toolu_a", "weather", r#"{"city":"Oslo"}"#),
        call("toolu_b", "clock", "{}"),
        usage(9, 40, 0),
        ModelEvent::Done(FinishReason::ToolCalls),
    ];
    assert_eq!(events(TOOLS), expected);
    let whole = [
        thought("hm"),
        text("Hi"),
        call("t", "n", r#"{"a":1}"#),
        usage(5, 2, 4),
        ModelEvent::Done(FinishReason::ToolCalls),
    ];
    assert_eq!(events(WHOLE), whole);
}

/// G8: cut anywhere before the reason to stop, there is no `Done`.
#[test]
fn a_message_cut_at_any_byte_never_claims_to_be_done() {
    for stream in [THINKING, TOOLS, WHOLE] {
        let (whole, _) = read([stream.as_bytes()]);
        let reason = stream.rfind("stop_reason\":\"").unwrap();
        let finished_at = stream[reason..].find("\n\n").map_or(stream.len(), |at| reason + at + 2);
        for cut in 0..stream.len() {
            let (said, ended) = read([&stream.as_bytes()[..cut]]);
            assert_eq!(ended == Ok(true), cut >= finished_at, "{}", &stream[..stream.floor_char_boundary(cut)]);
            assert_eq!(said.iter().any(is_done), cut >= finished_at);
            assert!(cut >= finished_at || whole.starts_with(&said), "{said:?}");
        }
    }
}

#[test]
fn no_split_changes_what_is_read() {
    for stream in [THINKING, TOOLS, WHOLE] {
        let whole = read([stream.as_bytes()]);
        assert_eq!(read(stream.as_bytes().chunks(1)), whole);
    }
}

#[test]
fn every_reason_to_stop_has_its_word() {
    for (reason, finish) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
    ] {
        let stream = format!("data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{reason}\"}}}}\n\n");
        assert_eq!(events(&stream), [ModelEvent::Done(finish)]);
    }
}

#[test]
fn an_error_in_the_stream_ends_it_and_is_no_text() {
    let failed = |status, message: &str| Err(Fault::Failed { status, message: message.to_owned() });
    let table = [
        (r#"{"type":"error","error":{"type":"overloaded_error","message":"full"}}"#, failed(Some(503), "full")),
        (r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#, failed(Some(429), "slow")),
        (r#"{"type":"error","error":{"type":"api_error","message":"oops"}}"#, failed(None, "oops")),
    ];
    for (data, expected) in table {
        for named in ["event: error\n", ""] {
            assert_eq!(read([format!("{named}data: {data}\n\n").as_bytes()]), (vec![], expected.clone()), "{data}");
        }
        assert_eq!(read([data.as_bytes()]), (vec![], expected));
    }
}

#[test]
fn nonsense_is_a_fault_and_news_are_passed_over() {
    let shred = r#"{"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"{"}}"#;
    for data in ["{not json", "5", "[]", r#"{"type":"content_block_start"}"#, shred] {
        let (said, ended) = read([format!("data: {data}\n\n").as_bytes()]);
        assert!(said.is_empty() && matches!(ended, Err(Fault::Unreadable(_))), "{data}: {ended:?}");
    }
    let news = r#"{"type":"content_block_start","index":0,"content_block":{"type":"hologram","x":1}}"#;
    assert_eq!(read([format!("data: {news}\n\ndata: {{\"type\":\"later\"}}\n\n").as_bytes()]), (vec![], Ok(false)));
}

proptest! {
    #[test]
    fn a_damaged_message_never_breaks_it(at in 0_usize..2500, bytes in prop::collection::vec(any::<u8>(), 1..8)) {
        for stream in [THINKING, TOOLS, WHOLE] {
            let mut damaged = stream.as_bytes().to_vec();
            let at = at.min(damaged.len());
            let end = (at + bytes.len()).min(damaged.len());
            damaged.splice(at..end, bytes.iter().copied());
            let (said, ended) = read([damaged.as_slice()]);
            prop_assert_eq!(said.iter().any(is_done), ended == Ok(true));
        }
    }
}
