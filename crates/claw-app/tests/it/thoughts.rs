//! What a model thought goes back to it with its tools' answers, over real HTTP.

use std::path::Path;
use std::sync::Arc;

use claw_agent::{AgentProfile, Catalog};
use claw_app::Settings;
use claw_app::chat::Place;
use claw_core::provider::{ModelInfo, Provider, ToolSpec};
use claw_core::{AgentId, JsonText, Message, Output, Turn};
use claw_net::HttpClient;
use claw_providers::{Anthropic, OpenAi, Responses};
use claw_testkit::{Reply, Upstream};
use serde_json::{Value, json};

use crate::house::{Calls, House, SOON, operator, turn};

/// A house whose agent asks `a/claude-sonnet-4-5` and then `b/o4-mini`.
async fn open(directory: &Path, first: &Upstream, second: &Upstream) -> House {
    claw_net::install_crypto();
    let client = HttpClient::new(claw_net::Settings::default()).unwrap();
    let settings = |id: &str, upstream: &Upstream, model: &str| claw_providers::Settings {
        models: vec![ModelInfo::named(model)],
        ..claw_providers::Settings::new(id, upstream.base_url())
    };
    let first = Anthropic::new(settings("a", first, "claude-sonnet-4-5"), client.clone()).unwrap();
    let second = Responses::new(settings("b", second, "o4-mini"), client).unwrap();
    let providers: Vec<Arc<dyn Provider>> = vec![Arc::new(first), Arc::new(second)];
    let main = AgentProfile {
        id: AgentId::main(),
        name: None,
        system_prompt: None,
        model: Some("a/claude-sonnet-4-5".into()),
        fallbacks: Some(vec!["b/o4-mini".into()]),
    };
    let catalog = Catalog::new(providers, vec![main], AgentId::main(), None);
    House::open_over(directory, catalog, Vec::new(), Settings::default(), Calls::default()).await
}

/// An answer of Anthropic's that thinks, speaks and calls `tool`.
fn thought(tool: &str) -> Reply {
    let blocks = json!([
        {"type": "thinking", "thinking": "Look first.", "signature": "c2lnbmVk"},
        {"type": "redacted_thinking", "data": "c2VhbGVk"},
        {"type": "text", "text": "One moment."},
        {"type": "tool_use", "id": "toolu_1", "name": tool, "input": {}},
    ]);
    let usage = json!({"input_tokens": 2, "cache_creation_input_tokens": 3, "output_tokens": 4});
    let whole = json!({"type": "message", "content": blocks, "stop_reason": "tool_use", "usage": usage});
    Reply::verbatim("application/json", whole.to_string())
}

fn said(text: &str) -> Reply {
    let whole = json!({"type": "message", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
                       "usage": {"input_tokens": 5, "output_tokens": 1}});
    Reply::verbatim("application/json", whole.to_string())
}

async fn ask(house: &House, turn: Turn) -> Output {
    let turn = Turn { thinking: Some("low".into()), ..turn };
    let run = house.app.chat.start(&operator(), turn, Place::Named).await.unwrap();
    tokio::time::timeout(SOON, run.output()).await.expect("the run ends").unwrap()
}

/// The assistant's part of the last question.
fn given_back(upstream: &Upstream) -> (Value, Value) {
    let body = upstream.requests().pop().unwrap().body;
    let list = if body["messages"].is_array() { &body["messages"] } else { &body["input"] };
    (body["thinking"].clone(), list[1].clone())
}

#[tokio::test]
async fn signed_thoughts_go_back_with_the_tools_answer_and_to_nobody_else() {
    let (directory, first, second) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let house = open(directory.path(), &first, &second).await;
    first.script([thought("session_status"), said("All is well.")]);
    let output = ask(&house, turn("s", "how are you?")).await;
    assert_eq!((output.text.as_str(), output.asides), ("All is well.", vec!["One moment.".to_owned()]));
    assert_eq!((output.usage.input_tokens, output.usage.cache_write_tokens), (10, 3));
    let (thinking, message) = given_back(&first);
    assert_eq!(thinking["type"], json!("enabled"), "it goes on thinking");
    let kinds: Vec<&str> =
        message["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "redacted_thinking", "text", "tool_use"], "{message}");
    assert_eq!(
        (&message["content"][0]["signature"], &message["content"][1]["data"]),
        (&json!("c2lnbmVk"), &json!("c2VhbGVk"))
    );

    // The next turn has no use for them, and neither has another model.
    first.script([thought("session_status"), Reply::status(529, "overloaded")]);
    let whole = json!({"status": "completed", "output": [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "From b."}]}]});
    second.script([Reply::verbatim("application/json", whole.to_string())]);
    assert_eq!(ask(&house, turn("s", "and now?")).await.text, "From b.");
    assert!(!first.requests()[2].body.to_string().contains("c2lnbmVk"), "the turn is over");
    assert!(first.requests()[3].body.to_string().contains("c2lnbmVk"));
    let other = second.requests().pop().unwrap().body.to_string();
    assert!(
        other.contains("session_status") && !other.contains("c2lnbmVk") && !other.contains("Look first."),
        "{other}"
    );
    house.stop().await;
}

/// The caller's own function: what was thought comes back when the caller answers, also out of the store.
#[tokio::test]
async fn thoughts_behind_a_callers_function_wait_for_its_output() {
    let (directory, first, second) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let house = open(directory.path(), &first, &second).await;
    first.script([thought("look_up"), said("Found.")]);
    let parameters = JsonText::new(r#"{"type":"object"}"#);
    let client_tools = vec![ToolSpec::new("look_up", "", parameters)];
    let asked = ask(&house, Turn { client_tools: client_tools.clone(), ..turn("s", "look") }).await;
    assert_eq!((asked.tool_calls.len(), asked.asides.len()), (1, 0));
    house.stop().await;
    let house = open(directory.path(), &first, &second).await;
    let output = Message::Tool { call_id: "toolu_1".into(), text: "42".into(), is_error: false };
    assert_eq!(ask(&house, Turn { client_tools, input: vec![output], ..turn("s", "") }).await.text, "Found.");
    let (thinking, message) = given_back(&first);
    assert_eq!((&thinking["type"], &message["content"][0]["type"]), (&json!("enabled"), &json!("thinking")));
    house.stop().await;
}

/// A house whose agent asks a server that its preset knows as `id`.
async fn compatible(directory: &Path, id: &str, model: &str, upstream: &Upstream) -> House {
    claw_net::install_crypto();
    let client = HttpClient::new(claw_net::Settings::default()).unwrap();
    let settings = claw_providers::Settings {
        models: vec![ModelInfo::named(model)],
        ..claw_providers::Settings::new(id, upstream.base_url())
    };
    let provider: Arc<dyn Provider> = Arc::new(OpenAi::new(settings, client).unwrap());
    let main = AgentProfile {
        id: AgentId::main(),
        name: None,
        system_prompt: None,
        model: Some(format!("{id}/{model}")),
        fallbacks: None,
    };
    let catalog = Catalog::new(vec![provider], vec![main], AgentId::main(), None);
    House::open_over(directory, catalog, Vec::new(), Settings::default(), Calls::default()).await
}

/// An answer of a chat completion with a call of `tool`, and what its vendor adds.
fn calls(id: &str, tool: &str, added: &Value, extra: &Value) -> Reply {
    let mut call = json!({"id": id, "type": "function", "function": {"name": tool, "arguments": "{}"}});
    let mut message = json!({"role": "assistant", "content": null});
    for (to, from) in [(&mut call, extra), (&mut message, added)] {
        to.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
    }
    message["tool_calls"] = json!([call]);
    let whole = json!({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]});
    Reply::verbatim("application/json", whole.to_string())
}

/// Gemini 3 refuses a call of the turn without its signature, DeepSeek one without its reasoning, that one also when the
/// user has spoken again.
#[tokio::test]
async fn what_gemini_and_deepseek_want_back_with_their_calls_goes_back() {
    for (id, model, added, extra, lasts) in [
        (
            "gemini",
            "gemini-3-pro",
            json!({}),
            json!({"extra_content": {"google": {"thought_signature": "c2ln"}}}),
            false,
        ),
        ("deepseek", "deepseek-v4-pro", json!({"reasoning_content": "Look first."}), json!({}), true),
    ] {
        let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
        let house = compatible(directory.path(), id, model, &upstream).await;
        upstream.script([calls("c1", "session_status", &added, &extra), Reply::text("Well.")]);
        assert_eq!(ask(&house, turn("s", "how are you?")).await.text, "Well.", "{id}");
        let said = |number: usize| {
            let requests = upstream.requests();
            requests[number].messages().iter().find(|message| message["role"] == "assistant").unwrap().clone()
        };
        let holds = |message: &Value, wanted: &Value| {
            wanted.as_object().unwrap().iter().all(|(name, value)| message.get(name) == Some(value))
        };
        let message = said(1);
        assert!(holds(&message, &added) && holds(&message["tool_calls"][0], &extra), "{id}: {message}");
        upstream.script([Reply::text("Still well.")]);
        ask(&house, turn("s", "and now?")).await;
        assert_eq!(holds(&said(2), &added) && holds(&said(2)["tool_calls"][0], &extra), lasts, "{id}: {}", said(2));

        // The caller's own function, answered in a conversation of ours.
        upstream.script([calls("c2", "look_up", &added, &extra), Reply::text("Found.")]);
        let client_tools = vec![ToolSpec::new("look_up", "", JsonText::new(r#"{"type":"object"}"#))];
        ask(&house, Turn { client_tools: client_tools.clone(), ..turn("t", "look") }).await;
        let output = Message::Tool { call_id: "c2".into(), text: "42".into(), is_error: false };
        assert_eq!(ask(&house, Turn { client_tools, input: vec![output], ..turn("t", "") }).await.text, "Found.");
        let message = said(upstream.requests().len() - 1);
        assert!(holds(&message, &added) && holds(&message["tool_calls"][0], &extra), "{id}: {message}");
        house.stop().await;
    }
}
