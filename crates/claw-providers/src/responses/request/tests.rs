//! What goes out, compared whole.

use std::sync::Arc;

use claw_core::provider::Thinking;
use serde_json::{Value, json};

use super::*;

fn body(request: &ModelRequest) -> Result<Vec<u8>, Unwritable> {
    let mut body = Vec::new();
    write(request, &mut body).map(|()| body)
}

fn sent(request: &ModelRequest) -> Value {
    serde_json::from_slice(&body(request).unwrap()).unwrap()
}

#[test]
fn a_question_is_spelled_as_the_protocol_has_it() {
    let call = ToolCall { id: "x".into(), name: "n".into(), arguments: JsonText::new("{\"a\":1}") };
    let spec = ToolSpec::new("n", "d", JsonText::new(r#"{"type":"object"}"#));
    let object = || json!({"type": "object"});
    let tool = |name: &str, strict: bool| json!({"type": "function", "name": name, "description": "d", "parameters": object(), "strict": strict});
    let format = r#"{"type":"json_schema","json_schema":{"name":"out","strict":true,"schema":{"a":1}}}"#;
    let mut request = ModelRequest {
        model: "m".into(),
        messages: Arc::new([
            Message::System { text: "be brief".into() },
            Message::User {
                content: vec![
                    Part::Text { text: "what is".into() },
                    Part::Image { url: "data:image/png;base64,AA".into(), detail: Some(Detail::Original) },
                    Part::File { url: "data:application/pdf;base64,AA".into(), name: Some("a.pdf".into()) },
                    Part::File { url: "https://x.example/b.pdf".into(), name: None },
                ],
            },
            Message::assistant("hm", vec![call]),
            Message::Tool { call_id: "x".into(), text: "42".into(), is_error: false },
        ]),
        tools: Arc::new([spec.clone(), ToolSpec { strict: Some(true), name: "s".into(), ..spec }]),
        tool_choice: ToolChoice::Named("n".into()),
        sampling: Sampling {
            temperature: Some(0.5),
            max_tokens: Some(9),
            response_format: Some(JsonText::new(format)),
            parallel_tool_calls: Some(false),
            verbosity: Some("high".into()),
            ..Sampling::default()
        },
        thinking: Some(Thinking::Minimal),
        conversation: "c".into(),
        stream: true,
    };
    assert_eq!(
        sent(&request),
        json!({
            "model": "m", "instructions": "be brief", "stream": true, "store": false,
            "include": ["reasoning.encrypted_content"],
            "input": [
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "what is"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "original"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
                    {"type": "input_file", "file_url": "https://x.example/b.pdf"},
                ]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hm"}]},
                {"type": "function_call", "call_id": "x", "name": "n", "arguments": "{\"a\":1}"},
                {"type": "function_call_output", "call_id": "x", "output": "42"},
            ],
            "tools": [tool("n", false), tool("s", true)],
            "tool_choice": {"type": "function", "name": "n"},
            "parallel_tool_calls": false, "temperature": 0.5, "max_output_tokens": 9, "reasoning": {"effort": "minimal"},
            "text": {"format": {"type": "json_schema", "name": "out", "schema": {"a": 1}, "strict": true},
                     "verbosity": "high"},
        })
    );
    request.thinking = Some(Thinking::Off);
    request.sampling.response_format = Some(JsonText::new("{"));
    assert_eq!(body(&request).unwrap_err().to_string(), "response_format is not JSON");
    request.sampling.response_format = None;
    assert_eq!((&sent(&request)["reasoning"], &sent(&request)["include"]), (&Value::Null, &Value::Null));
    for (model, is_asked) in [("o4-mini", true), ("gpt-5.2", true), ("gpt-5-chat-latest", false), ("openai/o3", true)] {
        request.model = model.into();
        assert_eq!(!sent(&request)["include"].is_null(), is_asked, "{model}");
    }
    // A model that thinks unless it is told otherwise is told.
    for (model, effort) in [("o4-mini", "low"), ("gpt-5.2", "none"), ("gpt-5-mini", "minimal")] {
        request.model = model.into();
        assert_eq!(sent(&request)["reasoning"], json!({"effort": effort}), "{model}");
    }
}

#[test]
fn reasoning_goes_back_before_what_it_led_to() {
    let payload = concat!(
        r#"[{"reasoning":{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"g"}},{"call":"b"},"#,
        r#"{"call":"gone"},"message"]"#
    );
    let thoughts = Thoughts { by: "openai/o4-mini".into(), payload: JsonText::new(payload) };
    let call = |id: &str| ToolCall { id: id.into(), name: "n".into(), arguments: JsonText::new("{}") };
    let tool_calls = vec![call("a"), call("b")];
    let said = Message::Assistant { text: "hm".into(), tool_calls, thoughts: Some(Box::new(thoughts)) };
    let called = |id: &str| json!({"type": "function_call", "call_id": id, "name": "n", "arguments": "{}"});
    assert_eq!(
        serde_json::to_value(items(&said)).unwrap(),
        json!([
            {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "g"},
            called("b"),
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hm"}]},
            called("a"),
        ])
    );
}

#[test]
fn instructions_alone_are_said() {
    let system = |text: &str| Message::System { text: text.into() };
    let sent = sent(&ModelRequest {
        model: "m".into(),
        messages: Arc::new([system("be brief"), system("Name a colour.")]),
        tools: Arc::new([]),
        tool_choice: ToolChoice::Auto,
        sampling: Sampling::default(),
        thinking: None,
        conversation: "c".into(),
        stream: true,
    });
    assert_eq!(sent["instructions"], json!("be brief"));
    let content = json!([{"type": "input_text", "text": "Name a colour."}]);
    assert_eq!(sent["input"], json!([{"type": "message", "role": "user", "content": content}]));
}
