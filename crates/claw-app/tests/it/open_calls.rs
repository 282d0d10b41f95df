//! Calls of a caller's own functions that nobody answers, or only later: servers that are as strict about the
//! order of messages as OpenAI's and Anthropic's always get one that they take.

use std::path::Path;
use std::sync::Arc;

use claw_agent::{AgentProfile, Catalog};
use claw_app::Settings;
use claw_app::chat::Place;
use claw_core::provider::{ModelInfo, Provider, ToolSpec};
use claw_core::{AgentId, JsonText, Message, Output, Turn};
use claw_net::HttpClient;
use claw_providers::{Anthropic, OpenAi};
use claw_testkit::upstream::Seen;
use claw_testkit::{Reply, Upstream};
use serde_json::{Value, json};

use crate::house::{Calls, House, SOON, operator, turn};

#[derive(Debug, Clone, Copy)]
enum Vendor {
    OpenAi,
    Anthropic,
}

/// A server that refuses what its vendor refuses, calls `look_up` when told to, and else says something.
async fn strict(vendor: Vendor) -> Upstream {
    let upstream = Upstream::start().await;
    upstream.respond_with(move |seen| match (vendor, complaint(vendor, seen)) {
        (_, Some(complaint)) => Reply::status(400, complaint),
        (Vendor::OpenAi, None) if wants_call(seen) => Reply::tool_call("look_up", "{}").and_tool_call("look_up", "{}"),
        (Vendor::OpenAi, None) => Reply::text("said"),
        (Vendor::Anthropic, None) => {
            let number = seen.number;
            let uses = ["a", "b"].map(|id| {
                json!({"type": "tool_use", "id": format!("{id}{number}"),
                                                  "name": "look_up", "input": {}})
            });
            let (content, reason) = match wants_call(seen) {
                true => (json!(uses), "tool_use"),
                false => (json!([{"type": "text", "text": "said"}]), "end_turn"),
            };
            let whole = json!({"type": "message", "content": content, "stop_reason": reason,
                               "usage": {"input_tokens": 1, "output_tokens": 1}});
            Reply::verbatim("application/json", whole.to_string())
        }
    });
    upstream
}

fn wants_call(seen: &Seen) -> bool {
    let answers = kinds(seen.messages().last().unwrap(), "tool_result", "tool_use_id");
    seen.last_role() == "user" && seen.last_user().ends_with("call") && answers.is_empty()
}

/// Of the blocks of this kind, their ids.
fn kinds<'a>(message: &'a Value, kind: &str, id: &str) -> Vec<&'a str> {
    let blocks = message["content"].as_array().into_iter().flatten();
    blocks.filter(|block| block["type"] == kind).filter_map(|block| block[id].as_str()).collect()
}

fn complaint(vendor: Vendor, seen: &Seen) -> Option<String> {
    let messages = seen.messages();
    let after = |place: usize| messages.get(place + 1);
    match vendor {
        Vendor::OpenAi => {
            let mut open: Vec<&str> = Vec::new();
            for (place, message) in messages.iter().enumerate() {
                if message["role"] == "tool" {
                    let id = message["tool_call_id"].as_str()?;
                    let Some(found) = open.iter().position(|call| *call == id) else {
                        return Some(format!("messages[{place}] answers no call before it"));
                    };
                    open.remove(found);
                    continue;
                }
                if !open.is_empty() {
                    return Some(format!("messages[{place}] stands before the answers to {open:?}"));
                }
                let calls = message["tool_calls"].as_array().into_iter().flatten();
                open = calls.filter_map(|call| call["id"].as_str()).collect();
            }
            (!open.is_empty()).then(|| format!("nobody answers {open:?}"))
        }
        Vendor::Anthropic => {
            for (place, message) in messages.iter().enumerate() {
                let mut calls = kinds(message, "tool_use", "id");
                let mut answers = after(place).map_or(Vec::new(), |next| kinds(next, "tool_result", "tool_use_id"));
                calls.sort_unstable();
                answers.sort_unstable();
                if calls != answers {
                    return Some(format!("messages.{place}: {calls:?} were called and {answers:?} answered"));
                }
            }
            let first = kinds(messages.first()?, "tool_result", "tool_use_id");
            let ends_with_itself = messages.last()?["role"] == "assistant";
            (!first.is_empty() || ends_with_itself).then(|| "an answer first, or no question last".to_owned())
        }
    }
}

async fn open(directory: &Path, vendor: Vendor, upstream: &Upstream) -> House {
    claw_net::install_crypto();
    let client = HttpClient::new(claw_net::Settings::default()).unwrap();
    let settings = claw_providers::Settings {
        models: vec![ModelInfo::named("m")],
        ..claw_providers::Settings::new("p", upstream.base_url())
    };
    let provider: Arc<dyn Provider> = match vendor {
        Vendor::OpenAi => Arc::new(OpenAi::new(settings, client).unwrap()),
        Vendor::Anthropic => Arc::new(Anthropic::new(settings, client).unwrap()),
    };
    let main = AgentProfile {
        id: AgentId::main(),
        name: None,
        system_prompt: None,
        model: Some("p/m".into()),
        fallbacks: None,
    };
    let catalog = Catalog::new(vec![provider], vec![main], AgentId::main(), None);
    House::open_over(directory, catalog, Vec::new(), Settings::default(), Calls::default()).await
}

/// One turn in the session of a caller with a function of its own.
async fn say(house: &House, turn: Turn) -> Output {
    let look_up = ToolSpec::new("look_up", "", JsonText::new(r#"{"type":"object"}"#));
    let turn = Turn { client_tools: vec![look_up], ..turn };
    let run = house.app.chat.start(&operator(), turn, Place::Named).await.unwrap();
    tokio::time::timeout(SOON, run.output()).await.expect("the run ends").unwrap()
}

fn answer(call: &claw_core::ToolCall) -> Message {
    Message::Tool { call_id: call.id.clone(), text: "42".into(), is_error: false }
}

#[tokio::test]
async fn a_conversation_with_a_call_that_nobody_answered_goes_on_and_hears_a_late_answer() {
    for vendor in [Vendor::OpenAi, Vendor::Anthropic] {
        let (directory, upstream) = (tempfile::tempdir().unwrap(), strict(vendor).await);
        let house = open(directory.path(), vendor, &upstream).await;
        let answered =
            |calls: &[claw_core::ToolCall]| Turn { input: calls.iter().map(answer).collect(), ..turn("jane", "") };

        let first = say(&house, turn("jane", "call")).await.tool_calls;
        assert_eq!(first.len(), 2, "{vendor:?}");
        for words in ["hello", "hello again"] {
            assert_eq!(say(&house, turn("jane", words)).await.text, "said", "{vendor:?}");
        }
        // One answer of the two comes, late; then the other, later still; and what is said next is no worse for it.
        for call in &first {
            assert_eq!(say(&house, answered(std::slice::from_ref(call))).await.text, "said", "{vendor:?}");
            let shown = upstream.requests().pop().unwrap();
            let last = shown.messages().last().unwrap().to_string();
            assert!(last.contains("42") && last.contains(&call.id), "{vendor:?}: {last}");
        }
        // Answered at once, but only one of two, and by a caller who then says something else.
        let second = say(&house, turn("jane", "call")).await.tool_calls;
        assert_eq!(say(&house, answered(&second[1..])).await.text, "said", "{vendor:?}");
        assert_eq!(say(&house, turn("jane", "well?")).await.text, "said", "{vendor:?}");
        // It is no worse in another process.
        say(&house, turn("jane", "call")).await;
        house.stop().await;
        let house = open(directory.path(), vendor, &upstream).await;
        assert_eq!(say(&house, turn("jane", "so?")).await.text, "said", "{vendor:?}");
        let shown = upstream.requests().pop().unwrap().body.to_string();
        assert_eq!(shown.matches("Nobody has answered this call").count(), 3, "{vendor:?}: {shown}");
        house.stop().await;
    }
}
