use claw_core::message::Detail;
use claw_core::{Part, ToolCall};

use super::*;
use crate::json;

fn read(text: &str) -> Result<Chat, BadRequest> {
    json::from_slice::<ChatRequest>(text.as_bytes())?.try_into()
}

fn with(field: &str) -> Result<Chat, BadRequest> {
    read(&format!(r#"{{"model":"openclaw","messages":[{{"role":"user","content":"hi"}}],{field}}}"#))
}

fn blamed(field: &str) -> String {
    let error = with(field).expect_err(field);
    error.param.unwrap_or_else(|| format!("nothing: {}", error.message))
}

#[test]
fn the_smallest_request_is_read() {
    let chat = read(r#"{"messages":[{"role":"user","content":"hi"}]}"#).unwrap();
    assert_eq!((chat.stream, chat.include_usage, chat.model), (false, false, None));
    assert_eq!((chat.head, chat.tail), (vec![], vec![Message::user("hi")]));
    assert_eq!(chat.sampling, Sampling::default());
}

#[test]
fn every_field_arrives() {
    let chat = with(
        r#""stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"top_p":1,"n":1,
           "stop":["a",""],"max_tokens":7,"presence_penalty":-2,"frequency_penalty":2,"seed":-1,"user":"u",
           "tools":[{"type":"function","function":{"name":"look_up","description":"d","parameters":{"type":"object"}}}],
           "tool_choice":{"type":"function","function":{"name":"look_up"}},
           "response_format":{"type":"json_object"},"reasoning_effort":"minimal","unknown":{"a":[1]},"store":null,
           "parallel_tool_calls":false,"verbosity":"low","metadata":{"a":"b"},"service_tier":"flex","logit_bias":{},
           "modalities":["text"],"top_logprobs":0,"logprobs":false"#,
    )
    .unwrap();
    assert!(chat.stream && chat.include_usage);
    assert_eq!(chat.user.as_deref(), Some("u"));
    assert_eq!(chat.thinking.as_deref(), Some("minimal"));
    assert_eq!(chat.tool_choice, CoreToolChoice::Named("look_up".into()));
    assert_eq!(chat.tools[0].parameters.as_str(), r#"{"type":"object"}"#);
    assert_eq!(
        chat.sampling,
        Sampling {
            reasoning_summary: None,
            temperature: Some(0.5),
            top_p: Some(1.0),
            max_tokens: Some(7),
            stop: vec!["a".into()],
            seed: Some(-1),
            presence_penalty: Some(-2.0),
            frequency_penalty: Some(2.0),
            response_format: Some(JsonText::new(r#"{"type":"json_object"}"#)),
            parallel_tool_calls: Some(false),
            verbosity: Some("low".into()),
        }
    );
}

#[test]
fn a_wrong_field_is_named() {
    for (field, param) in [
        (r#""temperature":2.1"#, "temperature"),
        (r#""temperature":"hot""#, "temperature"),
        (r#""top_p":-0.1"#, "top_p"),
        (r#""presence_penalty":3"#, "presence_penalty"),
        (r#""frequency_penalty":-3"#, "frequency_penalty"),
        (r#""max_tokens":0"#, "max_tokens"),
        (r#""max_tokens":-1"#, "max_tokens"),
        (r#""max_tokens":1.5"#, "max_tokens"),
        (r#""max_completion_tokens":0"#, "max_completion_tokens"),
        (r#""n":9"#, "n"),
        (r#""n":0"#, "n"),
        (r#""stop":["a","b","c","d","e"]"#, "stop"),
        (r#""stop":1"#, "stop"),
        (r#""stop":[1]"#, "stop[0]"),
        (r#""stream":"yes""#, "stream"),
        (r#""stream_options":1"#, "stream_options"),
        (r#""logprobs":true"#, "logprobs"),
        (r#""top_logprobs":2"#, "top_logprobs"),
        (r#""logit_bias":{"50256":-100}"#, "logit_bias"),
        (r#""logit_bias":[]"#, "logit_bias"),
        (r#""modalities":["text","audio"]"#, "modalities"),
        (r#""audio":{}"#, "audio"),
        (r#""web_search_options":{}"#, "web_search_options"),
        (r#""function_call":"auto""#, "function_call"),
        (r#""verbosity":"chatty""#, "verbosity"),
        (r#""service_tier":"first""#, "service_tier"),
        (r#""metadata":{"a":1}"#, "metadata.a"),
        (r#""parallel_tool_calls":"no""#, "parallel_tool_calls"),
        (r#""user":5"#, "user"),
        (r#""model":"""#, "model"),
        (r#""model":"  ""#, "model"),
        (r#""store":"yes""#, "store"),
        (r#""prompt_cache_key":5"#, "prompt_cache_key"),
        (r#""reasoning_effort":"extreme""#, "reasoning_effort"),
        (r#""stream_options":{"include_usage":"yes"}"#, "stream_options.include_usage"),
    ] {
        assert_eq!(blamed(field), param, "{field}");
    }
}

/// One rule, one message.
#[test]
fn a_count_out_of_its_range_is_told_the_range_whatever_it_is() {
    for (field, range) in
        [("max_tokens", "1 to 4294967295"), ("max_completion_tokens", "1 to 4294967295"), ("n", "1 to 8")]
    {
        for found in ["-1", "0", "5000000000"] {
            let refused = with(&format!(r#""{field}":{found}"#)).unwrap_err();
            assert_eq!(refused, BadRequest::of(field, format!("{field} must be {range}, found {found}")));
        }
    }
    let fraction = with(r#""max_tokens":1.5"#).unwrap_err();
    assert_eq!(fraction, BadRequest::of("max_tokens", "found the number 1.5; allowed: a whole number"));
}

#[test]
fn a_wrong_tool_or_format_is_named() {
    for (field, param) in [
        (r#""response_format":"json""#, "response_format"),
        (r#""response_format":{"type":"yaml"}"#, "response_format.type"),
        (r#""response_format":{"type":"json_schema"}"#, "response_format.json_schema"),
        (r#""response_format":{"type":"json_schema","json_schema":{}}"#, "response_format.json_schema.name"),
        (r#""tool_choice":{"type":"custom","name":"x"}"#, "tool_choice"),
        (r#""tool_choice":{"type":"allowed_tools"}"#, "tool_choice.tools"),
        (r#""tool_choice":{"type":"allowed_tools","tools":[]}"#, "tool_choice"),
        (r#""tool_choice":{"type":"allowed_tools","mode":"maybe","tools":[{"name":"a"}]}"#, "tool_choice.mode"),
        (r#""functions":[]"#, "functions"),
        (r#""tools":{}"#, "tools"),
        (r#""tools":[{"type":"retrieval"}]"#, "tools[0].type"),
        (r#""tools":[{"type":"function"}]"#, "tools[0].function"),
        (r#""tools":[{"function":{}}]"#, "tools[0].function.name"),
        (r#""tools":[{"function":{"name":"a b"}}]"#, "tools[0].function.name"),
        (r#""tools":[{"function":{"name":"a","parameters":1}}]"#, "tools[0].function.parameters"),
        (r#""tool_choice":"sometimes""#, "tool_choice"),
        (r#""tool_choice":"required""#, "tool_choice"),
        (r#""tool_choice":{"function":{"name":"absent"}}"#, "tool_choice"),
        (r#""tools":[{"function":{"name":"a","strict":"yes"}}]"#, "tools[0].function.strict"),
        (r#""tools":[{"function":{"name":"a","parameters":{"type":"string"}}}]"#, "tools[0].function.parameters"),
        (r#""tools":[{"function":{"name":"a"}},{"function":{"name":"a"}}]"#, "tools[1].function.name"),
        (r#""response_format":{}"#, "response_format.type"),
        (
            r#""response_format":{"type":"json_schema","json_schema":{"name":"a b"}}"#,
            "response_format.json_schema.name",
        ),
        (
            r#""response_format":{"type":"json_schema","json_schema":{"name":"a","schema":5}}"#,
            "response_format.json_schema.schema",
        ),
        (
            r#""response_format":{"type":"json_schema","json_schema":{"name":"a","strict":"no"}}"#,
            "response_format.json_schema.strict",
        ),
    ] {
        assert_eq!(blamed(field), param, "{field}");
    }
}

#[test]
fn a_wrong_part_of_a_message_is_named() {
    for (messages, param) in [
        (r#"[{"role":"user","content":[{"type":"video"}]}]"#, "messages[0].content[0].type"),
        (r#"[{"role":"user","content":[{"type":"text"}]}]"#, "messages[0].content[0].text"),
        (r#"[{"role":"user","content":[{"type":"image_url"}]}]"#, "messages[0].content[0].image_url"),
        (r#"[{"role":"user","content":[{"type":"file"}]}]"#, "messages[0].content[0].file"),
        (
            r#"[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]"#,
            "messages[0].content[0].file.file_id",
        ),
        (r#"[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]"#, "messages[0].content[0].type"),
        (r#"[{"role":"user","content":[{"type":"text","text":1}]}]"#, "messages[0].content[0].text"),
        (r#"[{"role":"system","content":[{"type":"image_url","image_url":"http://u"}]}]"#, "messages[0].content[0]"),
        (
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]"#,
            "messages[0].content[0].image_url.url",
        ),
        (
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":5}}]}]"#,
            "messages[0].content[0].image_url.url",
        ),
        (
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,!"}}]}]"#,
            "messages[0].content[0].image_url.url",
        ),
        (
            r#"[{"role":"user","content":[{"type":"image_url","image_url":"data:image/png;base64,AAA"}]}]"#,
            "messages[0].content[0].image_url",
        ),
        (
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/a","detail":"fine"}}]}]"#,
            "messages[0].content[0].image_url.detail",
        ),
        (
            r#"[{"role":"user","content":[{"type":"input_image","image_url":"https://x/a","detail":"fine"}]}]"#,
            "messages[0].content[0].detail",
        ),
        (
            r#"[{"role":"assistant","tool_calls":[{"id":"","function":{"name":"f","arguments":"{}"}}]}]"#,
            "messages[0].tool_calls[0].id",
        ),
        (
            r#"[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"","arguments":"{}"}}]}]"#,
            "messages[0].tool_calls[0].function.name",
        ),
        (
            r#"[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}}]}]"#,
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            r#"[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}]}]"#,
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            r#"[{"role":"assistant","tool_calls":[{"id":"a","type":"x","function":{"name":"f","arguments":""}}]}]"#,
            "messages[0].tool_calls[0].type",
        ),
        (r#"[{"role":"assistant","tool_calls":[{"id":"a"}]}]"#, "messages[0].tool_calls[0].function"),
    ] {
        let error = read(&format!(r#"{{"messages":{messages}}}"#)).expect_err(messages);
        assert_eq!(error.param.as_deref(), Some(param), "{messages}: {}", error.message);
    }
}

#[test]
fn a_wrong_message_is_named() {
    for (messages, param) in [
        ("[]", "messages"),
        ("{}", "messages"),
        (r#"[{"content":"x"}]"#, "messages[0].role"),
        (r#"[{"role":"king","content":"x"}]"#, "messages[0].role"),
        (r#"[{"role":"user","content":5}]"#, "messages[0].content"),
        (r#"[{"role":"user","content":{}}]"#, "messages[0].content"),
        (r#"[{"role":"user","content":[]}]"#, "messages[0].content"),
        (r#"[{"role":"user"}]"#, "messages[0].content"),
        (r#"[{"role":"user","content":null}]"#, "messages[0].content"),
        (r#"[{"role":"system","content":null},{"role":"user","content":"x"}]"#, "messages[0].content"),
        (r#"[{"role":"system","content":[]},{"role":"user","content":"x"}]"#, "messages[0].content"),
        (r#"[{"role":"assistant"},{"role":"user","content":"x"}]"#, "messages[0].content"),
        (
            r#"[{"role":"assistant","content":null,"tool_calls":[]},{"role":"user","content":"x"}]"#,
            "messages[0].content",
        ),
        (r#"[{"role":"tool","tool_call_id":"c"}]"#, "messages[0].content"),
        (r#"[{"role":"user","content":"x","name":5}]"#, "messages[0].name"),
        (r#"[{"role":"tool","content":"x"}]"#, "messages[0].tool_call_id"),
    ] {
        let error = read(&format!(r#"{{"messages":{messages}}}"#)).expect_err(messages);
        assert_eq!(error.param.as_deref(), Some(param), "{messages}: {}", error.message);
    }
    assert_eq!(read("{}").unwrap_err().param.as_deref(), Some("messages"));
    assert_eq!(
        read(r#"{"messages":[{"role":"user","content":5}]}"#).unwrap_err().message,
        "found the number 5; allowed: a string or an array of content parts"
    );
}

#[test]
fn only_some_tools_may_be_allowed_and_files_come_along() {
    let tool = |name: &str| format!(r#"{{"type":"function","function":{{"name":"{name}"}}}}"#);
    let allowed = format!(r#"{{"mode":"required","tools":[{},{}]}}"#, tool("b"), tool("read"));
    let field = format!(
        r#""tools":[{},{}],"tool_choice":{{"type":"allowed_tools","allowed_tools":{allowed}}}"#,
        tool("a"),
        tool("b")
    );
    let chat = with(&field).unwrap();
    let names: Vec<&str> = chat.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(
        (names, chat.own_tools, chat.tool_choice),
        (vec!["b"], Some(vec!["read".into()]), CoreToolChoice::Required)
    );
    let file = r#"{"type":"file","file":{"filename":"a.txt","file_data":"aGk="}}"#;
    let chat = read(&format!(r#"{{"messages":[{{"role":"user","content":[{file}]}}],"n":3}}"#)).unwrap();
    assert_eq!((chat.tail, chat.n), (vec![Message::user("a.txt:\nhi")], 3));
    let chat = read(
        r#"{"messages":[{"role":"user","content":"x"},{"role":"assistant","refusal":"no"},{"role":"user","content":"y"}]}"#,
    );
    assert_eq!(chat.unwrap().head[1], Message::assistant("no", vec![]));
}

#[test]
fn the_new_part_begins_after_the_last_answer_and_its_instructions() {
    let chat = read(
        r#"{"messages":[
            {"role":"system","content":"s"},
            {"role":"user","content":[{"type":"text","text":"q"},{"type":"image_url","image_url":{"url":"https://x.example/a.png","detail":"low"}}]},
            {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
            {"role":"developer","content":"d"},
            {"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"r"}]}]}"#,
    )
    .unwrap();
    let call = ToolCall { id: "c".into(), name: "f".into(), arguments: JsonText::new("{}") };
    let parts = vec![
        Part::Text { text: "q".into() },
        Part::Image { url: "https://x.example/a.png".into(), detail: Some(Detail::Low) },
    ];
    assert_eq!(
        chat.head,
        [
            Message::System { text: "s".into() },
            Message::User { content: parts },
            Message::assistant("", vec![call]),
            Message::System { text: "d".into() },
        ]
    );
    assert_eq!(chat.tail, [Message::Tool { call_id: "c".into(), text: "r".into(), is_error: false }]);
}

#[test]
fn what_ends_with_an_answer_or_is_instructions_alone_is_new_from_the_last_word_on() {
    let system = || Message::System { text: "s".into() };
    let (first, second) = (|| Message::user("a"), || Message::user("b"));
    let answer = || Message::assistant("y", vec![]);
    let said =
        [r#"{"role":"system","content":"s"}"#, r#"{"role":"user","content":"a"}"#, r#"{"role":"user","content":"b"}"#];
    let [s, a, b] = said;
    let y = r#"{"role":"assistant","content":"y"}"#;
    for (messages, head, tail) in [
        (vec![s], vec![], vec![system()]),
        (vec![y], vec![], vec![answer()]),
        (vec![a, y], vec![], vec![first(), answer()]),
        (vec![s, a, y, b, y], vec![system(), first(), answer()], vec![second(), answer()]),
        (vec![a, y, s], vec![], vec![first(), answer(), system()]),
        (vec![a, y, s, b], vec![first(), answer(), system()], vec![second()]),
        (vec![a, b], vec![], vec![first(), second()]),
    ] {
        let chat = read(&format!(r#"{{"messages":[{}]}}"#, messages.join(","))).unwrap();
        assert_eq!((chat.head, chat.tail), (head, tail), "{messages:?}");
    }
}

#[test]
fn answers_of_tools_follow_the_calls_that_they_answer() {
    let call = r#"{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}"#;
    let answer = r#"{"role":"tool","tool_call_id":"a","content":"r"}"#;
    let user = r#"{"role":"user","content":"x"}"#;
    let checked = |messages: &[&str]| {
        let Chat { head, tail, .. } = read(&format!(r#"{{"messages":[{}]}}"#, messages.join(","))).unwrap();
        check_calls(&head, &tail).map_err(|bad| bad.param.unwrap_or_default())
    };
    assert_eq!(checked(&[user, call, answer]), Ok(()));
    assert_eq!(checked(&[user, call, answer, user]), Ok(()));
    assert_eq!(checked(&[user, answer]), Err("messages[1].role".to_owned()));
    assert_eq!(checked(&[call, answer, answer]), Err("messages[2].role".to_owned()));
    assert_eq!(checked(&[user, call, user]), Err("messages[1].tool_calls".to_owned()));
    assert_eq!(checked(&[user, call, user, answer]), Err("messages[1].tool_calls".to_owned()));
}
