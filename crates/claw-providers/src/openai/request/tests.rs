//! What goes out, compared whole.

use std::sync::Arc;

use claw_core::provider::Thinking;
use serde_json::{Value, json};

use super::*;

fn body(request: &ModelRequest, token_limit: TokenLimit, texts: &ToolTexts) -> Result<Vec<u8>, Unwritable> {
    let mut body = Vec::new();
    let manners = Manners { token_limit, vendor: Vendor::Other };
    write(request, manners, texts, &mut body).map(|()| body)
}

fn request(messages: Vec<Message>) -> ModelRequest {
    ModelRequest {
        model: "m".into(),
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
    serde_json::from_slice(&body(request, TokenLimit::Classic, &ToolTexts::default()).unwrap()).unwrap()
}

#[test]
fn every_kind_of_message_is_spelled_as_the_protocol_has_it() {
    let call = ToolCall { id: "x".into(), name: "n".into(), arguments: JsonText::new("{\"a\":1}") };
    let messages = vec![
        Message::System { text: "be brief".into() },
        Message::user("hi"),
        Message::User { content: vec![Part::Text { text: "what is".into() }, Part::image("data:image/png;base64,AA")] },
        Message::assistant("", vec![call]),
        Message::Tool { call_id: "x".into(), text: "42".into(), is_error: false },
        Message::assistant("", vec![]),
        Message::User { content: vec![] },
    ];
    let asked = request(messages);
    assert_eq!(tool_calls_so_far(&asked.messages), 1);
    assert_eq!(
        sent(&asked),
        json!({
            "model": "m",
            "stream": true,
            "stream_options": {"include_usage": true},
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "hi"},
                {"role": "user", "content": [
                    {"type": "text", "text": "what is"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                ]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "x", "type": "function", "function": {"name": "n", "arguments": "{\"a\":1}"}},
                ]},
                {"role": "tool", "tool_call_id": "x", "content": "42"},
                {"role": "assistant", "content": ""},
                {"role": "user", "content": ""},
            ],
        })
    );
}

#[test]
fn sampling_and_tools_go_along_only_when_given() {
    let spec = ToolSpec::new("n", "d", JsonText::new(r#"{"type":"object"}"#));
    let mut asked = request(vec![]);
    asked.stream = false;
    asked.tools = Arc::new([spec.clone()]);
    asked.sampling = Sampling {
        reasoning_summary: None,
        temperature: Some(0.7),
        top_p: Some(0.9),
        max_tokens: Some(5),
        stop: vec!["END".into()],
        seed: Some(-1),
        presence_penalty: Some(0.5),
        frequency_penalty: Some(-0.5),
        response_format: Some(JsonText::new(r#"{"type":"json_object"}"#)),
        parallel_tool_calls: Some(false),
        verbosity: Some("low".into()),
    };
    let body = body(&asked, TokenLimit::Classic, &ToolTexts::default()).unwrap();
    assert_eq!(
        String::from_utf8(body).unwrap(),
        concat!(
            r#"{"model":"m","messages":[],"stream":false,"#,
            r#""tools":[{"type":"function","function":{"name":"n","description":"d","parameters":{"type":"object"}}}],"#,
            r#""parallel_tool_calls":false,"verbosity":"low","temperature":0.7,"top_p":0.9,"max_tokens":5,"stop":["END"],"seed":-1,"#,
            r#""presence_penalty":0.5,"frequency_penalty":-0.5,"response_format":{"type":"json_object"}}"#
        )
    );
    for strict in [true, false] {
        asked.tools = Arc::new([ToolSpec { strict: Some(strict), ..spec.clone() }]);
        assert_eq!(sent(&asked)["tools"][0]["function"]["strict"], json!(strict));
    }
    for (choice, expected) in [
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (ToolChoice::Named("n".into()), json!({"type": "function", "function": {"name": "n"}})),
    ] {
        asked.tool_choice = choice;
        assert_eq!(sent(&asked)["tool_choice"], expected);
    }
    asked.tools = Arc::new([]);
    assert_eq!((sent(&asked).get("tool_choice"), sent(&asked).get("parallel_tool_calls")), (None, None));
}

#[test]
fn a_file_goes_along_with_its_data_and_not_by_its_address() {
    let file = |url: &str, name: Option<&str>| {
        request(vec![Message::User { content: vec![Part::File { url: url.into(), name: name.map(Into::into) }] }])
    };
    let data = "data:application/pdf;base64,JVBERg==";
    let part = |name: &str| json!([{"type": "file", "file": {"filename": name, "file_data": data}}]);
    assert_eq!(sent(&file(data, Some("a.pdf")))["messages"][0]["content"], part("a.pdf"));
    assert_eq!(sent(&file(data, None))["messages"][0]["content"], part("file"));
    let refused = body(&file("https://x.example/a.pdf", None), TokenLimit::Classic, &ToolTexts::default()).unwrap_err();
    assert_eq!(refused.to_string(), "the address of a file cannot be sent in this protocol");
}

#[test]
fn openai_itself_gets_its_own_name_for_the_limit() {
    let mut asked = request(vec![]);
    asked.sampling.max_tokens = Some(5);
    let body: Value =
        serde_json::from_slice(&body(&asked, TokenLimit::Completion, &ToolTexts::default()).unwrap()).unwrap();
    assert_eq!((body.get("max_tokens"), &body["max_completion_tokens"]), (None, &json!(5)));
}

#[test]
fn what_claims_to_be_json_is_looked_at() {
    let mut asked = request(vec![]);
    asked.tools = Arc::new([ToolSpec::new("n", "", JsonText::new("{"))]);
    assert_eq!(
        body(&asked, TokenLimit::Classic, &ToolTexts::default()).unwrap_err().to_string(),
        "the schema of tool \"n\" is not JSON"
    );
    asked.tools = Arc::new([]);
    asked.sampling.response_format = Some(JsonText::new("{} {}"));
    assert_eq!(
        body(&asked, TokenLimit::Classic, &ToolTexts::default()).unwrap_err().to_string(),
        "response_format is not JSON"
    );
}

/// Issue 4: `off … high`, as each family takes it; a model that thinks unless it is told otherwise is told.
#[test]
fn thinking_is_said_as_the_models_family_takes_it() {
    let mut request = request(vec![Message::user("hi")]);
    let table = [
        ("m", Thinking::Off, json!({})),
        ("m", Thinking::Minimal, json!({"reasoning_effort": "minimal"})),
        ("m", Thinking::High, json!({"reasoning_effort": "high"})),
        ("gpt-5", Thinking::Off, json!({"reasoning_effort": "minimal"})),
        ("gpt-5.1", Thinking::Off, json!({"reasoning_effort": "none"})),
        ("gpt-5.1", Thinking::Minimal, json!({"reasoning_effort": "low"})),
        ("o3", Thinking::Off, json!({"reasoning_effort": "low"})),
        ("gpt-4o", Thinking::High, json!({})),
        ("glm-4.7", Thinking::Off, json!({"thinking": {"type": "disabled"}})),
        ("glm-5", Thinking::Low, json!({"reasoning_effort": "low", "thinking": {"type": "enabled"}})),
    ];
    for (model, level, said) in table {
        request.model = model.into();
        request.thinking = Some(level);
        let mut expected = json!({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": true,
            "stream_options": {"include_usage": true}});
        expected.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        assert_eq!(sent(&request), expected);
    }
}

/// The assistant's messages as a server of this vendor gets them.
fn said_to(vendor: Vendor, model: &str, messages: Vec<Message>) -> Vec<Value> {
    let mut body = Vec::new();
    let asked = ModelRequest { model: model.into(), ..request(messages) };
    let manners = Manners { token_limit: TokenLimit::Classic, vendor };
    write(&asked, manners, &ToolTexts::default(), &mut body).unwrap();
    let sent: Value = serde_json::from_slice(&body).unwrap();
    sent["messages"].as_array().unwrap().iter().filter(|message| message["role"] == "assistant").cloned().collect()
}

#[test]
fn what_came_with_calls_goes_back_with_them_in_the_fields_in_which_it_came() {
    let call = |id: &str| ToolCall { id: id.into(), name: "n".into(), arguments: JsonText::new("{}") };
    let outgoing = |id: &str| json!({"id": id, "type": "function", "function": {"name": "n", "arguments": "{}"}});
    let signed = |id: &str, signature: &str| {
        let mut call = outgoing(id);
        call["extra_content"] = json!({"google": {"thought_signature": signature}});
        call
    };
    let with = |payload: &str| Message::Assistant {
        text: "".into(),
        tool_calls: vec![call("a"), call("b")],
        thoughts: Some(Box::new(claw_core::Thoughts { by: "p/m".into(), payload: JsonText::new(payload) })),
    };
    let bare = || Message::assistant("", vec![call("a"), call("b")]);
    let plain = json!({"role": "assistant", "content": null, "tool_calls": [outgoing("a"), outgoing("b")]});

    let payload = r#"{"calls":{"b":{"google":{"thought_signature":"c2ln"}}}}"#;
    let expected = json!([outgoing("a"), signed("b", "c2ln")]);
    assert_eq!(said_to(Vendor::Google, "gemini-3-pro", vec![with(payload)])[0]["tool_calls"], expected);
    let skipped = signed("a", "skip_thought_signature_validator");
    let lost = said_to(Vendor::Google, "gemini-flash-latest", vec![bare(), with("[]")]);
    for message in lost {
        assert_eq!(message["tool_calls"], json!([skipped, outgoing("b")]), "on the first call alone");
    }
    assert_eq!(said_to(Vendor::Google, "gemini-2.5-pro", vec![bare()]), std::slice::from_ref(&plain));

    let mut thought = plain.clone();
    thought["reasoning_content"] = json!("Hm.");
    assert_eq!(said_to(Vendor::Other, "m", vec![with(r#"{"reasoning_content":"Hm."}"#)]), [thought]);
    let mut silent = plain.clone();
    silent["reasoning_content"] = json!("");
    let no_call = json!({"role": "assistant", "content": "hi"});
    let messages = || vec![bare(), Message::assistant("hi", vec![])];
    let silent = [silent, json!({"role": "assistant", "content": "hi", "reasoning_content": ""})];
    assert_eq!(said_to(Vendor::DeepSeek, "deepseek-v4-pro", messages()), silent, "with every message");
    assert_eq!(said_to(Vendor::OpenRouter, "deepseek/deepseek-v4-pro", messages()), silent);
    assert_eq!(said_to(Vendor::DeepSeek, "deepseek-chat", messages()), [plain.clone(), no_call.clone()]);
    assert_eq!(said_to(Vendor::Other, "m", messages()), [plain.clone(), no_call], "who sent none gets none");

    let mut detailed = plain;
    detailed["reasoning_details"] = json!([{"type": "reasoning.encrypted", "data": "x"}]);
    let payload = r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}"#;
    assert_eq!(said_to(Vendor::Other, "m", vec![with(payload)]), [detailed]);
}
