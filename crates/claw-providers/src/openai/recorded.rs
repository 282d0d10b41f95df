//! Recorded streams, cut at every byte, and garbage.

use claw_core::provider::{FinishReason, ModelEvent};
use proptest::prelude::*;

use super::assembly::Completion;
use crate::fault::Fault;
use crate::recorded::{self, Said, call, is_done_only_from, no_split_changes, stays_honest, text, thought, usage};

const OPENAI: &str = include_str!("streams/openai.sse");
const TOOLS: &str = include_str!("streams/tools.sse");
const REASONING: &str = include_str!("streams/reasoning.sse");
const COMPATIBLE: &str = include_str!("streams/compatible.sse");

const WHOLE: &str = r#" {"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",
    "content":"Hi","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],
    "usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}
"#;

fn new() -> Completion {
    Completion::new(0)
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Said {
    recorded::read(new(), pieces)
}

fn events(stream: &str) -> Vec<ModelEvent> {
    recorded::events(new(), stream)
}

#[test]
fn text_usage_and_end_are_read() {
    let expected = [text("Grüße"), text(", \"Welt\"\n"), usage(9, 4, 5), ModelEvent::Done(FinishReason::Stop)];
    assert_eq!(events(OPENAI), expected);
    assert_eq!(events(WHOLE), [text("Hi"), usage(1, 1, 0), ModelEvent::Done(FinishReason::Stop)]);
}

#[test]
fn shreds_become_whole_tool_calls() {
    let expected = [
        call("call_a", "weather", r#"{"city":"Oslo"}"#),
        call("call_b", "clock", "{}"),
        ModelEvent::Done(FinishReason::ToolCalls),
    ];
    assert_eq!(events(TOOLS), expected);
}

#[test]
fn reasoning_is_apart_from_text_and_an_end_without_done_counts() {
    let expected =
        [thought("Hm"), thought(" so"), text("Yes."), usage(3, 7, 0), ModelEvent::Done(FinishReason::Length)];
    assert_eq!(events(REASONING), expected);
}

#[test]
fn what_smaller_servers_leave_out_is_filled_in() {
    let expected = [
        text("a"),
        text("b"),
        call("call_0", "one", r#"{"x":1}"#),
        call("call_1", "two", "{}"),
        usage(0, 2, 0),
        ModelEvent::Done(FinishReason::ToolCalls),
    ];
    assert_eq!(events(COMPATIBLE), expected);
}

/// Streamed or whole: reasoning, its details and what Google and others add to a call are kept where tools are called.
#[test]
fn what_is_wanted_back_with_calls_is_kept() {
    let signature = r#"{"google":{"thought_signature":"c2ln"}}"#;
    let shred = |index: u32, id: &str, extra: &str| {
        format!(
            r#"data: {{"choices":[{{"delta":{{"tool_calls":[{{"index":{index},"id":"{id}","type":"function",
               "function":{{"name":"f","arguments":"{{}}"}}{extra}}}]}}}}]}}"#
        )
        .replace('\n', "")
    };
    let detail = |detail: &str| format!(r#"data: {{"choices":[{{"delta":{{"reasoning_details":[{detail}]}}}}]}}"#);
    let signed = format!(r#","extra_content":{signature}"#);
    let stream = [
        r#"data: {"choices":[{"delta":{"reasoning_content":"Hm"}}]}"#.to_owned(),
        r#"data: {"choices":[{"delta":{"reasoning_content":"m."}}]}"#.to_owned(),
        detail(r#"{"type":"reasoning.text","text":"a","index":0,"signature":null}"#),
        detail(r#"{"type":"reasoning.text","text":"b","index":0,"signature":"s"}"#),
        detail(r#"{"type":"reasoning.encrypted","data":"x","index":1}"#),
        shred(0, "", &signed),
        shred(1, "twice", ""),
        shred(2, "twice", &signed),
        r#"data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#.to_owned(),
    ]
    .join("\n\n");
    let payload = format!(
        concat!(
            r#"{{"reasoning_content":"Hmm.","#,
            r#""reasoning_details":[{{"index":0,"signature":"s","text":"ab","type":"reasoning.text"}},"#,
            r#"{{"data":"x","index":1,"type":"reasoning.encrypted"}}],"#,
            r#""calls":{{"call_0":{0},"twice_2":{0}}}}}"#
        ),
        signature
    );
    let kept = |stream: &str| {
        let mut said = events(stream);
        said.retain(|event| !matches!(event, ModelEvent::Thinking(_) | ModelEvent::Done(_)));
        said
    };
    let expected = [
        call("call_0", "f", "{}"),
        call("twice", "f", "{}"),
        call("twice_2", "f", "{}"),
        ModelEvent::Thoughts(claw_core::JsonText::new(payload)),
    ];
    assert_eq!(kept(&format!("{stream}\n\n")), expected);
    let whole = format!(
        r#"{{"choices":[{{"message":{{"content":null,"reasoning_content":"Hm","tool_calls":[{{"id":"a",
           "function":{{"name":"f","arguments":"{{}}"}},"extra_content":{signature}}}]}},"finish_reason":"stop"}}]}}"#
    );
    let payload = format!(r#"{{"reasoning_content":"Hm","calls":{{"a":{signature}}}}}"#);
    assert_eq!(kept(&whole), [call("a", "f", "{}"), ModelEvent::Thoughts(claw_core::JsonText::new(payload))]);
    let no_call = r#"{"choices":[{"message":{"content":"x","reasoning_content":"Hm"},"finish_reason":"stop"}]}"#;
    assert_eq!(kept(no_call), [text("x")]);
}

/// G8: cut anywhere before the server said that it finished, there is no `Done`; and no cut
/// changes what was said before it.
#[test]
fn a_stream_cut_at_any_byte_never_claims_to_be_done() {
    for stream in [OPENAI, TOOLS, REASONING, COMPATIBLE, WHOLE] {
        let reason = stream.rfind("finish_reason\":\"").unwrap();
        // The event with the reason counts from its blank line on; a whole answer at its end.
        let blank = stream[reason..].find("\n\n").map(|at| reason + at + 2);
        let blank_crlf = stream[reason..].find("\n\r").map(|at| reason + at + 2);
        is_done_only_from(new, stream, blank.or(blank_crlf).unwrap_or(stream.trim_end().len()));
    }
}

#[test]
fn no_split_changes_what_is_read() {
    for stream in [OPENAI, TOOLS, REASONING, COMPATIBLE, WHOLE] {
        no_split_changes(new, stream);
    }
}

#[test]
fn done_ends_a_stream_and_needs_an_answer_before_it() {
    let answered = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    assert_eq!(
        events(&format!("{answered}data: [DONE]\n\nnonsense")),
        [text("a"), ModelEvent::Done(FinishReason::Stop)]
    );
    assert_eq!(read([&b"data: [DONE]\n\n"[..]]), (vec![], Ok(false)));
    assert_eq!(read([&b""[..]]), (vec![], Ok(false)));
    assert_eq!(read([&b"<html>Bad Gateway</html>"[..]]), (vec![], Ok(false)));
    assert_eq!(read([&b"{\"choices\":[]}"[..]]), (vec![], Ok(false)));
}

#[test]
fn an_error_in_the_stream_ends_it_and_is_no_text() {
    let failed = |status, message: &str| Err(Fault::Failed { status, message: message.to_owned() });
    let table = [
        (r#"data: {"error":{"message":"full","type":"server_error","code":null}}"#, failed(None, "full")),
        (
            r#"data: {"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#,
            failed(Some(429), "slow down"),
        ),
        (r#"data: {"error":{"message":"gone","code":502}}"#, failed(Some(502), "gone")),
        (r#"data: {"error":"just words"}"#, failed(None, "just words")),
        (r#"data: {"error":{"code":7}}"#, failed(None, r#"{"code":7}"#)),
        (r#"data: {"object":"error","message":"too long"}"#, failed(None, "too long")),
        ("event: error\ndata: {\"message\":\"named\"}", failed(None, "named")),
        ("event: error\ndata: bare", failed(None, "bare")),
        (r#"data: {"choices":[{"delta":{},"finish_reason":"error"}]}"#, failed(None, "it gave up without saying why")),
    ];
    let answered = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"error\":null}\n\n";
    for (event, expected) in table {
        assert_eq!(read([format!("{answered}{event}\n\n").as_bytes()]), (vec![text("a")], expected), "{event}");
    }
}

#[test]
fn nonsense_is_a_fault() {
    for event in ["data: {not json", "data: 5", "data: []", "data: {\"choices\":{}}", "data: \u{1}"] {
        let (said, ended) = read([format!("{event}\n\n").as_bytes()]);
        assert!(said.is_empty() && matches!(ended, Err(Fault::Unreadable(_))), "{event}: {ended:?}");
    }
    assert!(matches!(read([&b"{\"choices\":[{\"mess"[..]]).1, Err(Fault::Unreadable(_))));
}

proptest! {
    #[test]
    fn no_garbage_breaks_it_or_claims_to_be_done(stream in prop::collection::vec(any::<u8>(), 0..400)) {
        let (said, _) = read([stream.as_slice()]);
        prop_assert_eq!(said, vec![]);
    }

    #[test]
    fn a_damaged_stream_never_breaks_it(at in 0_usize..900, bytes in prop::collection::vec(any::<u8>(), 1..8)) {
        for stream in [OPENAI, TOOLS, COMPATIBLE, WHOLE] {
            prop_assert!(stays_honest(new(), stream, at, &bytes));
        }
    }
}
