//! What goes out, compared whole.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

fn body(request: &ModelRequest, answer_tokens_max: Option<u32>) -> Result<Vec<u8>, Unwritable> {
    let mut body = Vec::new();
    write(request, answer_tokens_max, &mut body).map(|()| body)
}

fn request(model: &str, messages: Vec<Message>) -> ModelRequest {
    ModelRequest {
        model: model.into(),
        messages: messages.into(),
        tools: Arc::new([]),
        tool_choice: ToolChoice::Auto,
        sampling: Sampling::default(),
        thinking: None,
        conversation: "c".into(),
        stream: true,
    }
}

fn sent(request: &ModelRequest) -> Value {
    serde_json::from_slice(&body(request, None).unwrap()).unwrap()
}

fn call(id: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: "n".into(), arguments: JsonText::new(arguments) }
}

#[test]
fn a_conversation_is_told_in_turns() {
    let messages = vec![
        Message::System { text: "be brief".into() },
        Message::assistant("lost beginning", vec![]),
        Message::User {
            content: vec![
                Part::Text { text: "what is".into() },
                Part::image("data:image/png;base64,AA"),
                Part::image("https://x.example/a.png"),
                Part::File { url: "data:application/pdf;base64,AA".into(), name: Some("a.pdf".into()) },
                Part::File { url: "https://x.example/b.pdf".into(), name: None },
            ],
        },
        Message::assistant("", vec![call("a:1", "{\"a\":1}"), call("b", "oops")]),
        Message::Tool { call_id: "a:1".into(), text: "42".into(), is_error: false },
        Message::Tool { call_id: "b".into(), text: "no".into(), is_error: true },
        Message::assistant("", vec![]),
        Message::user("and?"),
    ];
    let cached = json!({"type": "ephemeral"});
    assert_eq!(
        sent(&request("claude-3-opus-20240229", messages)),
        json!({
            "model": "claude-3-opus-20240229", "max_tokens": 4096, "stream": true,
            "system": [{"type": "text", "text": "be brief", "cache_control": cached}],
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "what is"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
                    {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
                    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"},
                     "title": "a.pdf"},
                    {"type": "document", "source": {"type": "url", "url": "https://x.example/b.pdf"}},
                ]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "a_1", "name": "n", "input": {"a": 1}},
                    {"type": "tool_use", "id": "b", "name": "n", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "a_1", "content": "42"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "no", "is_error": true},
                    {"type": "text", "text": "and?", "cache_control": cached},
                ]},
            ],
        })
    );
}

#[test]
fn thinking_is_asked_for_in_the_words_the_model_knows() {
    let asked = |model: &str, level, max_tokens| {
        let mut request = request(model, vec![Message::user("hi")]);
        request.thinking = Some(level);
        request.sampling = Sampling { temperature: Some(0.5), max_tokens, ..Sampling::default() };
        let sent = sent(&request);
        (
            sent["thinking"].clone(),
            sent["output_config"].clone(),
            sent["max_tokens"].clone(),
            sent["temperature"].clone(),
        )
    };
    let old = "claude-sonnet-4-5";
    let enabled = |tokens: u32| json!({"type": "enabled", "budget_tokens": tokens});
    assert_eq!(asked(old, Thinking::Off, Some(9)), (Value::Null, Value::Null, json!(9), json!(0.5)));
    assert_eq!(asked(old, Thinking::Minimal, Some(9)), (enabled(1024), Value::Null, json!(1033), Value::Null));
    assert_eq!(asked(old, Thinking::Low, None), (enabled(4096), Value::Null, json!(16_384), Value::Null));
    assert_eq!(asked(old, Thinking::High, None), (enabled(24_576), Value::Null, json!(40_960), Value::Null));
    let (adaptive, effort) = (json!({"type": "adaptive"}), json!({"effort": "medium"}));
    assert_eq!(asked("claude-opus-4-7", Thinking::Medium, None), (adaptive, effort, json!(16_384), Value::Null));
}

/// An answer has its thoughts within it, and no model takes more than it can answer with.
#[test]
fn nothing_is_asked_for_that_a_known_model_cannot_give() {
    let asked = |model: &str, own_limit, max_tokens| {
        let mut request = request(model, vec![Message::user("hi")]);
        request.thinking = Some(Thinking::High);
        request.sampling.max_tokens = max_tokens;
        let sent: Value = serde_json::from_slice(&body(&request, own_limit).unwrap()).unwrap();
        (sent["max_tokens"].as_u64().unwrap(), sent["thinking"]["budget_tokens"].as_u64())
    };
    for (model, own_limit, max_tokens, expected) in [
        ("claude-opus-4-20250514", None, None, (32_000, Some(24_000))),
        ("claude-opus-4-1", None, Some(50_000), (32_000, Some(24_000))),
        ("claude-sonnet-4-5", None, Some(1_000), (25_576, Some(24_576))),
        ("claude-3-5-sonnet-20241022", None, Some(30_000), (8_192, None)),
        ("claude-3-5-sonnet-20241022", None, None, (8_192, None)),
        ("claude-3-opus-20240229", None, None, (4_096, None)),
        ("claude-sonnet-4-5", Some(8_192), None, (8_192, Some(6_144))),
        ("claude-sonnet-4-5", Some(1_200), None, (1_200, None)),
        ("glm-4.6", None, Some(1_000), (25_576, Some(24_576))),
    ] {
        assert_eq!(asked(model, own_limit, max_tokens), expected, "{model} {own_limit:?} {max_tokens:?}");
    }
}

#[test]
fn thinking_is_left_out_while_tools_are_answered_or_forced() {
    let mut answered = request(
        "claude-opus-4-6",
        vec![
            Message::user("hi"),
            Message::assistant("", vec![call("a", "{}")]),
            Message::Tool { call_id: "a".into(), text: "42".into(), is_error: false },
        ],
    );
    answered.thinking = Some(Thinking::High);
    assert_eq!(sent(&answered)["thinking"], Value::Null, "the thoughts behind the call are lost");
    let mut forced = request("claude-opus-4-6", vec![Message::user("hi")]);
    (forced.thinking, forced.tool_choice) = (Some(Thinking::High), ToolChoice::Required);
    assert_eq!(sent(&forced)["thinking"], Value::Null);
}

#[test]
fn signed_thoughts_go_back_where_they_stood_and_thinking_goes_on() {
    let payload = concat!(
        r#"[{"type":"thinking","thinking":"Where?","signature":"Eq"},{"type":"text","text":"One. "},"#,
        r#"{"type":"redacted_thinking","data":"Em"},{"type":"text","text":"Two."},{"type":"tool_use","id":"b"},"#,
        r#"{"type":"tool_use","id":"gone"},{"type":"tool_use","id":"a"}]"#
    );
    let thoughts = Thoughts { by: "anthropic/claude-sonnet-4-5".into(), payload: JsonText::new(payload) };
    let said = Message::Assistant {
        text: "One. Two.".into(),
        tool_calls: vec![call("a", "{}"), call("b", "{}"), call("new", "{}")],
        thoughts: Some(Box::new(thoughts)),
    };
    let tool = |id: &str| Message::Tool { call_id: id.into(), text: "42".into(), is_error: false };
    let messages = vec![Message::user("hi"), said, tool("a"), tool("b"), tool("new"), Message::user("quick!")];
    let mut asked = request("claude-sonnet-4-5", messages);
    asked.thinking = Some(Thinking::Low);
    let sent = sent(&asked);
    let tool_use = |id: &str| json!({"type": "tool_use", "id": id, "name": "n", "input": {}});
    assert_eq!(
        sent["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "Where?", "signature": "Eq"}, {"type": "text", "text": "One. "},
            {"type": "redacted_thinking", "data": "Em"}, {"type": "text", "text": "Two."},
            tool_use("b"), tool_use("a"), tool_use("new"),
        ])
    );
    assert_eq!(sent["thinking"], json!({"type": "enabled", "budget_tokens": 4_096}));
}

#[test]
fn instructions_alone_are_said() {
    let system = |text: &str| Message::System { text: text.into() };
    let sent = sent(&request("claude-sonnet-4-5", vec![system("be brief"), system("Name a colour.")]));
    assert_eq!(sent["system"][0]["text"], json!("be brief"));
    assert_eq!(sent["messages"], json!([{"role": "user", "content": [{"type": "text", "text": "Name a colour."}]}]));
}

#[test]
fn tools_choices_formats_and_limits_are_spelled_as_the_protocol_has_them() {
    let mut request = request("claude-sonnet-4-5", vec![Message::user("hi")]);
    let parameters = JsonText::new(r#"{"type":"object"}"#);
    request.tools = Arc::new([ToolSpec::new("t", "d", parameters)]);
    request.sampling = Sampling {
        temperature: Some(1.7),
        top_p: Some(0.5),
        stop: vec!["END".into(), " ".into()],
        response_format: Some(JsonText::new(r#"{"type":"json_schema","json_schema":{"name":"x","schema":{"a":1}}}"#)),
        ..Sampling::default()
    };
    let whole = sent(&request);
    let tool = json!({"name": "t", "description": "d", "input_schema": {"type": "object"}});
    assert_eq!(whole["tools"], json!([tool]));
    let strict = ToolSpec { strict: Some(true), ..request.tools[0].clone() };
    for (model, is_told) in [("claude-sonnet-4-5", json!(true)), ("claude-sonnet-4-0", Value::Null)] {
        let asked = ModelRequest { model: model.into(), tools: Arc::new([strict.clone()]), ..request.clone() };
        assert_eq!(sent(&asked)["tools"][0]["strict"], is_told, "{model}");
    }
    assert_eq!(whole["output_config"], json!({"format": {"type": "json_schema", "schema": {"a": 1}}}));
    assert_eq!((&whole["temperature"], &whole["top_p"]), (&json!(1.0), &Value::Null));
    assert_eq!(whole["stop_sequences"], json!(["END"]));
    for (choice, expected) in [
        (ToolChoice::Auto, Value::Null),
        (ToolChoice::None, json!({"type": "none"})),
        (ToolChoice::Required, json!({"type": "any"})),
        (ToolChoice::Named("t".into()), json!({"type": "tool", "name": "t"})),
    ] {
        request.tool_choice = choice;
        assert_eq!(sent(&request)["tool_choice"], expected);
    }
    request.sampling.parallel_tool_calls = Some(false);
    for (choice, kind) in [(ToolChoice::Auto, "auto"), (ToolChoice::Required, "any")] {
        request.tool_choice = choice;
        assert_eq!(sent(&request)["tool_choice"], json!({"type": kind, "disable_parallel_tool_use": true}));
    }
    request.sampling.response_format = Some(JsonText::new(r#"{"type":"json_object"}"#));
    assert_eq!(sent(&request)["system"], json!([{"type": "text", "text": JSON_ONLY}]));
    let limited = |limit| serde_json::from_slice::<Value>(&body(&request, Some(limit)).unwrap()).unwrap();
    assert_eq!(limited(1_000)["max_tokens"], json!(1_000));
    request.sampling.response_format = Some(JsonText::new("{"));
    assert_eq!(body(&request, None).unwrap_err().to_string(), "response_format is not JSON");
}
