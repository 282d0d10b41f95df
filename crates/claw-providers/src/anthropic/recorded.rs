//! Streams of messages, cut at every byte, and garbage.

use claw_core::message::JsonText;
use claw_core::provider::{FinishReason, ModelEvent, Usage};
use proptest::prelude::*;

use super::assembly::Blocks;
use crate::fault::Fault;
use crate::recorded::{self, Said, call, is_done_only_from, no_split_changes, stays_honest, text, thought, usage};

const THINKING: &str = include_str!("streams/thinking.sse");
const TOOLS: &str = include_str!("streams/tools.sse");
const THOUGHT: &str = include_str!("streams/thought.sse");
const WHOLE: &str = r#"{"id":"msg_3","type":"message","role":"assistant","model":"claude-x","content":[
    {"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hi"},
    {"type":"tool_use","id":"t","name":"n","input":{"a":1}}],"stop_reason":"tool_use",
    "usage":{"input_tokens":1,"cache_read_input_tokens":4,"output_tokens":2}}"#;

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Said {
    recorded::read(Blocks::default(), pieces)
}

fn events(stream: &str) -> Vec<ModelEvent> {
    recorded::events(Blocks::default(), stream)
}

#[test]
fn thoughts_are_apart_from_text_and_cached_input_is_counted() {
    let kept = concat!(
        r#"[{"type":"thinking","thinking":"Hm, Paris?","signature":"EqQB"},"#,
        r#"{"type":"text","text":"Grüße aus Paris.\n"}]"#
    );
    let expected = [
        thought(""),
        thought("Hm, "),
        thought("Paris?"),
        text("Grüße aus "),
        text("Paris.\n"),
        ModelEvent::Thoughts(JsonText::new(kept)),
        ModelEvent::Usage(Usage {
            input_tokens: 33,
            output_tokens: 17,
            cached_tokens: 20,
            cache_write_tokens: 10,
            ..Usage::default()
        }),
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
        ModelEvent::Thoughts(JsonText::new(concat!(
            r#"[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hi"},"#,
            r#"{"type":"tool_use","id":"t"}]"#
        ))),
        usage(5, 2, 4),
        ModelEvent::Done(FinishReason::ToolCalls),
    ];
    assert_eq!(events(WHOLE), whole);
}

#[test]
fn signed_thoughts_that_led_to_a_call_are_kept_where_they_stood() {
    let kept = concat!(
        r#"[{"type":"thinking","thinking":"Where?","signature":"EqQB"},{"type":"redacted_thinking","data":"Em=="},"#,
        r#"{"type":"text","text":"Let me look."},{"type":"tool_use","id":"toolu_a"}]"#
    );
    let expected = [
        thought(""),
        thought("Where?"),
        thought(""),
        text("Let me look."),
        call("toolu_a", "weather", r#"{"city":"Oslo"}"#),
        ModelEvent::Thoughts(JsonText::new(kept)),
        usage(9, 40, 0),
        ModelEvent::Done(FinishReason::ToolCalls),
    ];
    assert_eq!(events(THOUGHT), expected);
}

/// G8: cut anywhere before the reason to stop, there is no `Done`.
#[test]
fn a_message_cut_at_any_byte_never_claims_to_be_done() {
    for stream in [THINKING, TOOLS, THOUGHT, WHOLE] {
        let reason = stream.rfind("stop_reason\":\"").unwrap();
        let finished_at = stream[reason..].find("\n\n").map_or(stream.len(), |at| reason + at + 2);
        is_done_only_from(Blocks::default, stream, finished_at);
    }
}

#[test]
fn no_split_changes_what_is_read() {
    for stream in [THINKING, TOOLS, THOUGHT, WHOLE] {
        no_split_changes(Blocks::default, stream);
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
        for stream in [THINKING, TOOLS, THOUGHT, WHOLE] {
            prop_assert!(stays_honest(Blocks::default(), stream, at, &bytes));
        }
    }
}
