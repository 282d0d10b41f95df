//! Streams of responses, cut at every byte, and garbage.

use claw_core::message::JsonText;
use claw_core::provider::{FinishReason, ModelEvent, Usage};
use proptest::prelude::*;

use super::assembly::Items;
use crate::fault::Fault;
use crate::recorded::{self, Said, call, is_done_only_from, no_split_changes, stays_honest, text, thought, usage};

const TEXT: &str = include_str!("streams/text.sse");
const TOOLS: &str = include_str!("streams/tools.sse");
const REASONED: &str = include_str!("streams/reasoned.sse");
const WHOLE: &str = r#"{"id":"resp_3","object":"response","status":"incomplete","error":null,
    "incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"reasoning","summary":[]},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[]}]}],
    "usage":{"input_tokens":1,"output_tokens":2}}"#;

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Said {
    recorded::read(Items::default(), pieces)
}

fn events(stream: &str) -> Vec<ModelEvent> {
    recorded::events(Items::default(), stream)
}

#[test]
fn text_thoughts_usage_and_end_are_read() {
    let done = ModelEvent::Done(FinishReason::Stop);
    let usage_of_text =
        Usage { input_tokens: 11, output_tokens: 6, cached_tokens: 4, reasoning_tokens: 2, ..Usage::default() };
    let counted = ModelEvent::Usage(usage_of_text);
    assert_eq!(events(TEXT), [thought(""), thought("Hm."), text("Grüße"), text(" dir."), counted, done]);
    assert_eq!(events(WHOLE), [thought(""), text("Hi"), usage(1, 2, 0), ModelEvent::Done(FinishReason::Length)]);
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

/// Streamed or whole: sealed reasoning is kept in its place, and silent reasoning is told of.
#[test]
fn reasoning_that_led_to_a_call_is_kept_as_it_came() {
    let payload = concat!(
        r#"[{"reasoning":{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"gAAA="}},"message","#,
        r#"{"call":"call_a"}]"#
    );
    let expected = [
        thought(""),
        text("Let me look."),
        call("call_a", "weather", r#"{"city":"Oslo"}"#),
        ModelEvent::Thoughts(JsonText::new(payload)),
        usage(3, 9, 0),
        ModelEvent::Done(FinishReason::ToolCalls),
    ];
    assert_eq!(events(REASONED), expected);
    let last = REASONED.rfind("data: ").unwrap();
    let (_, whole) = REASONED[last..].split_once("\"response\":").unwrap();
    assert_eq!(events(whole.trim_end().strip_suffix('}').unwrap()), expected, "whole");
}

/// G8: cut anywhere before the last event, there is no `Done`.
#[test]
fn a_response_cut_at_any_byte_never_claims_to_be_done() {
    for stream in [TEXT, TOOLS, REASONED, WHOLE] {
        is_done_only_from(Items::default, stream, stream.len());
    }
}

#[test]
fn no_split_changes_what_is_read() {
    for stream in [TEXT, TOOLS, REASONED, WHOLE] {
        no_split_changes(Items::default, stream);
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
        for stream in [TEXT, TOOLS, REASONED, WHOLE] {
            prop_assert!(stays_honest(Items::default(), stream, at, &bytes));
        }
    }
}

/// A summary in parts has a paragraph for each, and a refusal is no text.
#[test]
fn a_summary_in_parts_and_a_refusal_are_told_as_what_they_are() {
    let part = |number: u32| {
        format!(r#"{{"type":"response.reasoning_summary_part.added","summary_index":{number},"part":{{"text":""}}}}"#)
    };
    let delta = |kind: &str, delta: &str| format!(r#"{{"type":"response.{kind}.delta","delta":"{delta}"}}"#);
    let end = r#"{"type":"response.completed","response":{"status":"completed","output":[]}}"#;
    let words = |text| delta("reasoning_summary_text", text);
    let stream = [part(0), words("a"), part(1), words("b"), delta("refusal", "No."), end.to_owned()];
    let stream: String = stream.iter().map(|event| format!("data: {event}\n\n")).collect();
    let no = || ModelEvent::Refusal("No.".into());
    assert_eq!(
        events(&stream),
        [thought("a"), thought("\n\n"), thought("b"), no(), ModelEvent::Done(FinishReason::Stop)]
    );
    let whole = r#"{"status":"completed","output":[
        {"type":"reasoning","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}]},
        {"type":"message","content":[{"type":"refusal","refusal":"No."}]}]}"#;
    assert_eq!(events(whole), [thought("a\n\nb"), no(), ModelEvent::Done(FinishReason::Stop)]);
}
