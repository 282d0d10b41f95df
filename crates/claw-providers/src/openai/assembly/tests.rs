//! Tool calls as servers spell them, and reasons to finish.

use claw_core::message::ToolCall;

use super::*;
use crate::fault::error_words;
use crate::gathered::{ARGUMENTS_BYTES_MAX, TOOL_CALLS_MAX};

/// The calls of an answer that finished after these deltas.
fn calls(deltas: &[&str]) -> Vec<(String, String, String)> {
    let mut assembly = Completion::new(3);
    let mut events = VecDeque::new();
    for delta in deltas {
        let chunk = format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{delta}]}}}}]}}"#);
        assembly.take(chunk.as_bytes(), &mut events).unwrap();
    }
    assembly.take(br#"{"choices":[{"finish_reason":"tool_calls"}]}"#, &mut events).unwrap();
    assert!(assembly.end(&mut events).unwrap());
    let calls = events.into_iter().filter_map(|event| match event {
        ModelEvent::ToolCall(ToolCall { id, name, arguments }) => Some((id, name, arguments.as_str().to_owned())),
        _ => None,
    });
    calls.collect()
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), arguments.to_owned())
}

#[test]
fn shreds_find_their_call_by_index_by_id_or_by_order() {
    // By index, interleaved.
    assert_eq!(
        calls(&[
            r#"{"index":0,"id":"x","function":{"name":"a","arguments":"{\"n\""}}"#,
            r#"{"index":1,"id":"y","function":{"name":"b","arguments":""}}"#,
            r#"{"index":0,"function":{"arguments":":1}"}}"#,
            r#"{"index":1,"function":{"arguments":null}}"#,
        ]),
        [call("x", "a", r#"{"n":1}"#), call("y", "b", "{}")]
    );
    // Every call is number 0, ids differ.
    assert_eq!(
        calls(&[
            r#"{"index":0,"id":"x","function":{"name":"a","arguments":"{}"}}"#,
            r#"{"index":0,"id":"y","function":{"name":"b","arguments":"[1]"}}"#,
        ]),
        [call("x", "a", "{}"), call("y", "b", "[1]")]
    );
    // Id and name in every shred.
    assert_eq!(
        calls(&[
            r#"{"index":0,"id":"x","function":{"name":"a","arguments":"{\"n\""}}"#,
            r#"{"index":0,"id":"x","function":{"name":"a","arguments":":1}"}}"#,
        ]),
        [call("x", "a", r#"{"n":1}"#)]
    );
    // By id alone.
    assert_eq!(
        calls(&[
            r#"{"id":"x","function":{"name":"a","arguments":"{\"n\""}}"#,
            r#"{"id":"x","function":{"arguments":":1}"}}"#,
            r#"{"id":"y","function":{"name":"b"}}"#,
        ]),
        [call("x", "a", r#"{"n":1}"#), call("y", "b", "{}")]
    );
    // By order alone; the numbers go on from those in the conversation.
    assert_eq!(
        calls(&[
            r#"{"function":{"name":"a","arguments":"{\"n\""}}"#,
            r#"{"function":{"arguments":":1}"}}"#,
            r#"{"function":{"name":"b","arguments":{"deep":[1]}}}"#,
        ]),
        [call("call_3", "a", r#"{"n":1}"#), call("call_4", "b", r#"{"deep":[1]}"#)]
    );
}

#[test]
fn tool_calls_are_bounded_and_named() {
    let take = |chunk: String| {
        let mut assembly = Completion::new(0);
        assembly.take(chunk.as_bytes(), &mut VecDeque::new()).and_then(|()| {
            assembly.take_done();
            assembly.end(&mut VecDeque::new())
        })
    };
    let tools = |calls: String| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{calls}]}}}}]}}"#);
    let many = vec![r#"{"function":{"name":"a"}}"#; TOOL_CALLS_MAX];
    assert_eq!(take(tools(many.join(","))), Ok(true));
    let too_many = vec![r#"{"function":{"name":"a"}}"#; TOOL_CALLS_MAX + 1];
    assert_eq!(take(tools(too_many.join(","))), Err(Fault::Unreadable("more than 128 tool calls".into())));
    let long = "x".repeat(ARGUMENTS_BYTES_MAX + 1);
    let too_long = take(tools(format!(r#"{{"function":{{"name":"a","arguments":"{long}"}}}}"#)));
    assert_eq!(too_long, Err(Fault::Unreadable("tool arguments of more than 8388608 bytes".into())));
    let nameless = take(tools(r#"{"index":0,"id":"x","function":{"arguments":"{}"}}"#.into()));
    assert_eq!(nameless, Err(Fault::Unreadable("a tool call without a name".into())));
}

#[test]
fn a_reason_to_finish_is_understood_in_every_dialect() {
    for (reason, expected) in [
        ("stop", FinishReason::Stop),
        ("eos", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("max_tokens", FinishReason::Length),
        ("tool_calls", FinishReason::ToolCalls),
        ("function_call", FinishReason::ToolCalls),
        ("content_filter", FinishReason::ContentFilter),
    ] {
        assert_eq!(finish(reason), Ok(expected), "{reason}");
    }
}

#[test]
fn only_the_first_alternative_counts_and_a_refusal_is_no_text() {
    let mut events = VecDeque::new();
    let chunk = br#"{"choices":[{"index":1,"delta":{"content":"other"},"finish_reason":"stop"},
        {"index":0,"delta":{"content":null,"refusal":"I will not."},"finish_reason":""}]}"#;
    let mut assembly = Completion::new(0);
    assembly.take(chunk, &mut events).unwrap();
    assert_eq!(events, [ModelEvent::Refusal("I will not.".into())]);
    assert!(!assembly.is_finished());
}

#[test]
fn an_error_body_is_reduced_to_its_words() {
    for (body, words) in [
        (r#"{"error":{"message":"no","type":"t"}}"#, "no"),
        (r#"{"error":"no"}"#, "no"),
        (r#"{"detail":"no"}"#, "no"),
        (r#"{"detail":[{"loc":["body"],"msg":"no"}]}"#, r#"[{"loc":["body"],"msg":"no"}]"#),
        (r#"{"message":"no","code":3}"#, "no"),
        ("<h1>no</h1>", "<h1>no</h1>"),
        (r#"{"other":1}"#, r#"{"other":1}"#),
        ("", ""),
    ] {
        assert_eq!(error_words(body.as_bytes()), words);
    }
}

/// In a list the place tells calls apart, whatever their ids say; each has one of its own afterwards.
#[test]
fn two_whole_calls_of_one_id_stay_two() {
    let call = |name: &str| format!(r#"{{"id":"c1","function":{{"name":"{name}","arguments":"{{}}"}}}}"#);
    let calls = format!("[{},{},{}]", call("ls"), call("session_status"), call("ls"));
    let whole = format!(r#"{{"choices":[{{"message":{{"tool_calls":{calls}}},"finish_reason":"tool_calls"}}]}}"#);
    let (mut assembly, mut events) = (Completion::new(0), VecDeque::new());
    assembly.take_whole(whole.as_bytes(), &mut events).unwrap();
    assert_eq!(assembly.end(&mut events), Ok(true));
    let found: Vec<(&str, &str)> = events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::ToolCall(call) => Some((call.id.as_str(), call.name.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(found, [("c1", "ls"), ("c1_1", "session_status"), ("c1_2", "ls")]);
}
