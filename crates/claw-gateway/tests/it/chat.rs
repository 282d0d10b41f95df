//! Chat completions, whole and streamed, as OpenAI's clients see them.

use std::sync::Arc;
use std::time::Duration;

use claw_core::task::StateName;
use claw_gateway::settings::Surface;
use claw_testkit::{Gate, Reply as Scripted};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::house::{House, Plan};
use crate::http::events;

fn ask(text: &str) -> Value {
    json!({"model": "openclaw", "messages": [{"role": "user", "content": text}]})
}

fn streamed(text: &str) -> Value {
    json!({"model": "openclaw", "stream": true, "messages": [{"role": "user", "content": text}]})
}

/// The JSON of each event but `[DONE]`, and whether that came last.
fn chunks(text: &str) -> (Vec<Value>, bool) {
    let mut data: Vec<String> = events(text).into_iter().map(|(_, data)| data).collect();
    let is_done = data.last().is_some_and(|last| last == "[DONE]");
    data.retain(|data| data != "[DONE]");
    (data.iter().map(|data| serde_json::from_str(data).unwrap()).collect(), is_done)
}

fn said(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

/// A1, A2, C35.
#[tokio::test]
async fn a_whole_answer_is_openais_object() {
    let house = House::open().await;
    let reply = house.http().post("/v1/chat/completions", &ask("one two three")).await;
    let answer = reply.json();
    assert_eq!(reply.status, 200, "{answer}");
    assert!(reply.header("x-openclaw-task-id").unwrap().starts_with("task_"));
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!((&answer["object"], &answer["model"]), (&json!("chat.completion"), &json!("openclaw")));
    assert_eq!(answer["choices"][0]["message"]["content"], json!("one two three"));
    assert_eq!(answer["choices"][0]["finish_reason"], json!("stop"));
    let usage = &answer["usage"];
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], json!(sum));
    house.stop().await;
}

#[tokio::test]
async fn a_stream_begins_with_the_role_and_ends_with_done() {
    let house = House::open().await;
    let reply = house.http().stream("/v1/chat/completions", &streamed("one two three")).await.reply().await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert!(reply.header("x-openclaw-task-id").is_some());
    let (chunks, is_done) = chunks(&reply.text);
    assert!(is_done);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], json!("assistant"));
    assert_eq!(said(&chunks), "one two three");
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], json!("stop"));
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == chunks[0]["id"]));
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    house.stop().await;
}

#[tokio::test]
async fn usage_comes_in_a_chunk_of_its_own_only_when_asked_for() {
    let house = House::open().await;
    let mut body = streamed("one two");
    body["stream_options"] = json!({"include_usage": true});
    let reply = house.http().stream("/v1/chat/completions", &body).await.reply().await;
    let (chunks, is_done) = chunks(&reply.text);
    assert!(is_done);
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["total_tokens"].as_u64().unwrap() > 0);
    assert!(before.iter().all(|chunk| chunk["usage"] == Value::Null));
    house.stop().await;
}

#[tokio::test]
async fn each_piece_leaves_as_it_comes() {
    let house = House::open().await;
    let gate = Gate::new();
    house.upstream.script([Scripted::chunks(["one ", "two ", "three"]).gated(&gate)]);
    let mut open = house.http().stream("/v1/chat/completions", &streamed("x")).await;
    gate.open(1);
    assert!(!open.until("\"one \"").await.contains("two"));
    gate.open(1);
    assert!(!open.until("\"two \"").await.contains("three"));
    gate.open_for_good();
    open.until("[DONE]").await;
    house.stop().await;
}

#[tokio::test]
async fn an_upstream_that_fails_is_never_an_answer() {
    let house = House::open().await;
    for (scripted, status, code) in [
        (400, 400, "invalid_request"),
        (401, 500, "upstream_error"),
        (404, 404, "model_not_found"),
        (429, 429, "rate_limited"),
        (500, 503, "upstream_error"),
    ] {
        house.upstream.respond_with(move |_| Scripted::status(scripted, "no"));
        let whole = house.http().post("/v1/chat/completions", &ask("x")).await;
        let stream = house.http().stream("/v1/chat/completions", &streamed("x")).await.reply().await;
        for reply in [whole, stream] {
            assert_eq!((reply.status, reply.code().as_str()), (status, code), "{scripted}: {}", reply.text);
            assert!(reply.json()["error"]["type"].is_string() && reply.json()["choices"] == Value::Null);
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn a_stream_that_breaks_says_so_and_never_done() {
    let house = House::open().await;
    for broken in [
        Scripted::chunks(["one ", "two"]).cut_after(1),
        Scripted::chunks(["one ", "two"]).garbage_after(1),
        Scripted::chunks(["one ", "two"]).error_after(1, "overloaded"),
    ] {
        house.upstream.script([broken.clone(), broken.clone(), broken]);
        let reply = house.http().stream("/v1/chat/completions", &streamed("x")).await.reply().await;
        assert_eq!(reply.status, 200);
        let all = events(&reply.text);
        let (name, data) = all.last().unwrap();
        assert_eq!(name, "error", "{}", reply.text);
        let error: Value = serde_json::from_str(data).unwrap();
        assert!(error["error"]["message"].is_string() && error["error"]["taskId"].is_string(), "{error}");
        assert!(!reply.text.contains("[DONE]") && !reply.text.contains("\"finish_reason\":\"stop\""));
    }
    house.stop().await;
}

#[tokio::test]
async fn whoever_hangs_up_ends_the_run() {
    let house = House::open().await;
    let gate = Gate::new();
    for is_streamed in [true, false] {
        house.upstream.script([Scripted::chunks(["one ", "two"]).held_before_end(&gate)]);
        let body = if is_streamed { streamed("x") } else { ask("x") };
        let mut open = house.http().stream("/v1/chat/completions", &body).await;
        if is_streamed {
            open.until("two").await;
        } else {
            house.upstream.wait_within(Duration::from_secs(10), |counts| counts.answers == 1).await;
        }
        drop(open);
        let closed = house.upstream.wait_within(Duration::from_secs(2), |counts| counts.answers == 0).await;
        assert!(closed, "the upstream is closed within a second or two");
    }
    house.stop().await;
}

/// A14, A17, C44, K18: a long task outlives the patience of whoever waits for it.
#[tokio::test]
async fn whoever_waits_too_long_is_told_the_task_that_goes_on() {
    let mut plan = Plan::new();
    plan.wait_max = Duration::from_millis(200);
    let house = plan.build().await;
    let gate = Gate::new();
    for body in [ask("x"), streamed("x")] {
        house.upstream.script([Scripted::text("late").held(&gate)]);
        let reply = house.http().stream("/v1/chat/completions", &body).await.reply().await;
        assert_eq!((reply.status, reply.code().as_str()), (504, "timeout"), "{}", reply.text);
        let task = reply.header("x-openclaw-task-id").unwrap().to_owned();
        assert_eq!(reply.header("location"), Some(format!("/v2/tasks/{task}").as_str()));
        assert_eq!(reply.json()["error"]["taskId"], json!(task));
        gate.open(1);
        let id = task.parse().unwrap();
        let ended = house.app.tasks.wait(id, Duration::from_secs(10)).await.unwrap().unwrap();
        assert_eq!(ended.state.name(), StateName::Completed);
        assert_eq!(house.http().get(&format!("/v2/tasks/{task}")).await.json()["result"]["response"], json!("late"));
    }
    house.stop().await;
}

#[tokio::test]
async fn unknown_models_and_agents_are_404() {
    let house = House::open().await;
    let with = |model: &str| {
        let mut body = ask("x");
        body["model"] = json!(model);
        body
    };
    let unknown = house.http().post("/v1/chat/completions", &with("nobody/has-this")).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "model_not_found"));
    assert_eq!(unknown.json()["error"]["type"], json!("invalid_request_error"));
    assert_eq!(unknown.json()["error"]["param"], json!("model"));
    let by_model = house.http().post("/v1/chat/completions", &with("openclaw:nobody")).await;
    assert_eq!((by_model.status, &by_model.json()["error"]["param"]), (404, &json!("model")));
    let by_header = house.http().with("x-openclaw-agent-id", "nobody").post("/v1/chat/completions", &ask("x")).await;
    assert_eq!((by_header.status, &by_header.json()["error"]["param"]), (404, &json!("x-openclaw-agent-id")));
    let mut unstreamed = ask("x");
    unstreamed["stream_options"] = json!({"include_usage": true});
    let unstreamed = house.http().post("/v1/chat/completions", &unstreamed).await;
    assert_eq!((unstreamed.status, &unstreamed.json()["error"]["param"]), (400, &json!("stream_options")));
    let mut listed = ask("x");
    listed["messages"] = json!([["user", null, "hi"]]);
    let listed = house.http().post("/v1/chat/completions", &listed).await;
    assert_eq!((listed.status, &listed.json()["error"]["param"]), (400, &json!("messages[0]")));
    assert_eq!(listed.json()["error"]["message"], json!("found an array; allowed: an object"));
    assert_eq!(house.http().get("/v1/models/nobody/has-this").await.code(), "model_not_found");
    house.stop().await;
}

/// A3, K7, K11.
#[tokio::test]
async fn agents_models_and_sampling_reach_the_upstream() {
    let house = House::open().await;
    for (model, header, asked) in [
        ("openclaw", None, "mock-1"),
        ("openclaw:ops", None, "mock-2"),
        ("agent:ops", None, "mock-2"),
        ("openclaw/default", None, "mock-1"),
        ("openclaw", Some("ops"), "mock-2"),
        ("mock/mock-2", None, "mock-2"),
        ("mock-2", None, "mock-2"),
    ] {
        let mut body = ask("x");
        body["model"] = json!(model);
        body["temperature"] = json!(0.5);
        body["max_tokens"] = json!(7);
        let http = header.map_or_else(|| house.http(), |agent| house.http().with("x-openclaw-agent-id", agent));
        let reply = http.post("/v1/chat/completions", &body).await;
        assert_eq!((reply.status, &reply.json()["model"]), (200, &json!(model)), "{}", reply.text);
        let seen = house.upstream.requests().pop().unwrap();
        assert_eq!(seen.model(), asked, "{model}");
        assert_eq!((&seen.body["temperature"], &seen.body["max_tokens"]), (&json!(0.5), &json!(7)));
    }
    house.stop().await;
}

#[tokio::test]
async fn a_clients_own_tools_are_handed_back_to_it() {
    let house = House::open().await;
    let tool = json!({"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}});
    house
        .upstream
        .script([Scripted::tool_call("look_up", "{\"key\":1}"), Scripted::tool_call("look_up", "{\"key\":1}")]);
    let mut body = ask("x");
    body["tools"] = json!([tool]);
    let answer = house.http().post("/v1/chat/completions", &body).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], json!("tool_calls"), "{answer}");
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"], json!({"name": "look_up", "arguments": "{\"key\":1}"}));
    body["stream"] = json!(true);
    let reply = house.http().stream("/v1/chat/completions", &body).await.reply().await;
    let (chunks, is_done) = chunks(&reply.text);
    assert!(is_done);
    let calls: Vec<&Value> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"].get("tool_calls")).collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0][0]["function"]["name"], json!("look_up"));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], json!("tool_calls"));
    house.stop().await;
}

/// What `tool_choice` rules out is not done, whatever a model does; and a call that is demanded is demanded once.
#[tokio::test]
async fn a_choice_of_tools_binds_also_a_model_that_does_not_listen() {
    let house = House::open().await;
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}});
    let (status, look_up) = (|| Scripted::tool_call("session_status", "{}"), || Scripted::tool_call("look_up", "{}"));
    let named = json!({"type": "function", "function": {"name": "look_up"}});
    let own = json!([{"type": "function", "function": {"name": "session_status"}}]);
    let own = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": own}});
    let required = || json!("required");
    for (choice, replies, finish, refused, choices) in [
        (json!("none"), vec![status(), look_up(), Scripted::text("no")], "stop", 2, vec![json!("none"); 3]),
        (named.clone(), vec![status(), look_up()], "tool_calls", 1, vec![named.clone(); 2]),
        (required(), vec![status(), look_up()], "tool_calls", 0, vec![required(); 2]),
        (own, vec![status(), Scripted::text("well")], "stop", 0, vec![required(), Value::Null]),
    ] {
        let before = house.upstream.requests().len();
        house.upstream.script(replies);
        let mut body = ask("x");
        let is_own = choices.contains(&Value::Null);
        body["tool_choice"] = choice;
        body["tools"] = if is_own { Value::Null } else { json!([tool("look_up")]) };
        let answer = house.http().post("/v1/chat/completions", &body).await.json();
        assert_eq!(answer["choices"][0]["finish_reason"], json!(finish), "{answer}");
        let asked = house.upstream.requests().split_off(before);
        let sent: Vec<Value> = asked.iter().map(|request| request.body["tool_choice"].clone()).collect();
        assert_eq!(sent, choices);
        let last = asked.last().unwrap().messages().to_vec();
        let told =
            last.iter().filter(|said| said["content"].as_str().is_some_and(|text| text.starts_with("not called")));
        assert_eq!(told.count(), refused, "{last:?}");
    }
    house.stop().await;
}

/// Where the gateway keeps the conversation, the call stands there and its answer alone comes; one that nobody
/// asked for would break the conversation for good, and is refused.
#[tokio::test]
async fn a_tools_answer_is_taken_only_where_its_call_was_made() {
    let house = House::open().await;
    let http = house.http().with("x-openclaw-session-key", "tools");
    let answer = |call: &Value| json!({"messages": [{"role": "tool", "tool_call_id": call, "content": "found"}]});
    let output = |call: &Value| json!({"conversation": "tools", "input": [{"type": "function_call_output", "call_id": call, "output": "found"}]});
    let nobodys = json!("call_nobodys");
    for (path, body, param) in [
        ("/v1/chat/completions", answer(&nobodys), "messages[0].role"),
        ("/v1/responses", output(&nobodys), "input[0].call_id"),
    ] {
        let refused = http.post(path, &body).await;
        assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!(param)), "{path}");
    }
    house.upstream.script([Scripted::tool_call("look_up", "{}")]);
    let mut body = ask("x");
    body["tools"] = json!([{"type": "function", "function": {"name": "look_up"}}]);
    let called = http.post("/v1/chat/completions", &body).await.json();
    let call = called["choices"][0]["message"]["tool_calls"][0]["id"].clone();
    assert_eq!(http.post("/v1/chat/completions", &answer(&nobodys)).await.status, 400);
    assert_eq!(http.post("/v1/chat/completions", &answer(&call)).await.status, 200);
    let seen = house.upstream.requests().pop().unwrap();
    let roles: Vec<&str> = seen.messages().iter().map(|said| said["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool"]);
    house.stop().await;
}

#[tokio::test]
async fn a_named_session_remembers_and_an_unnamed_one_does_not() {
    let house = House::open().await;
    let http = house.http().with("x-openclaw-session-key", "notes");
    http.post("/v1/chat/completions", &ask("first")).await;
    http.post("/v1/chat/completions", &ask("second")).await;
    let seen = house.upstream.requests().pop().unwrap();
    let texts = Value::from(seen.messages().to_vec()).to_string();
    assert!(texts.contains("first") && texts.contains("second"), "{texts}");
    house.http().post("/v1/chat/completions", &ask("third")).await;
    let seen = house.upstream.requests().pop().unwrap();
    assert!(!Value::from(seen.messages().to_vec()).to_string().contains("first"));
    house.stop().await;
}

#[tokio::test]
async fn a_bad_request_names_its_field_in_openais_words() {
    let house = House::open().await;
    for (body, param) in [
        (json!({"messages": []}), json!("messages")),
        (json!({"messages": [{"role": "user", "content": 5}]}), json!("messages[0].content")),
        (json!({"messages": [{"role": "user", "content": "x"}], "temperature": 9}), json!("temperature")),
        (json!({"messages": [{"role": "user", "content": "x"}], "n": 9}), json!("n")),
        (json!([]), Value::Null),
    ] {
        let reply = house.http().post("/v1/chat/completions", &body).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["param"]), (400, &param), "{}", reply.text);
        assert_eq!((&error["type"], &error["code"]), (&json!("invalid_request_error"), &json!("invalid_request")));
    }
    let header =
        house.http().with("x-openclaw-session-key", "agent:main:").post("/v1/chat/completions", &ask("x")).await;
    assert_eq!((header.status, &header.json()["error"]["param"]), (400, &json!("x-openclaw-session-key")));
    house.stop().await;
}

#[tokio::test]
async fn models_list_agents_and_models() {
    let house = House::open().await;
    let list = house.http().get("/v1/models").await.json();
    assert_eq!(list["object"], json!("list"));
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["openclaw", "openclaw:main", "openclaw:ops", "mock/mock-1", "mock/mock-2"]);
    // Whatever a completion takes as its model is found under that name, too (K7, K11).
    for (name, id) in [
        ("openclaw%2Fops", "openclaw:ops"),
        ("openclaw:ops", "openclaw:ops"),
        ("agent:ops", "openclaw:ops"),
        ("openclaw:default", "openclaw:main"),
        ("mock-2", "mock/mock-2"),
    ] {
        let found = house.http().get(&format!("/v1/models/{name}")).await;
        assert_eq!((found.status, &found.json()["id"]), (200, &json!(id)), "{name}");
    }
    for name in ["openclaw:nobody", "agent:nobody", "mock-9"] {
        assert_eq!(house.http().get(&format!("/v1/models/{name}")).await.code(), "model_not_found", "{name}");
    }
    let one = house.http().get("/v1/models/mock/mock-2").await.json();
    assert_eq!((&one["id"], &one["owned_by"]), (&json!("mock/mock-2"), &json!("mock")));
    house.stop().await;
}

#[tokio::test]
async fn chat_completions_can_be_switched_off() {
    let mut plan = Plan::new();
    let mut surface = Surface::default();
    surface.chat_completions = false;
    plan.settings.surface = watch::channel(Arc::new(surface)).1;
    let house = plan.build().await;
    assert_eq!(house.http().post("/v1/chat/completions", &ask("x")).await.status, 404);
    house.stop().await;
}

/// G4.
#[tokio::test]
async fn a_completion_under_a_key_runs_once_and_is_told_again_whole() {
    let house = House::open().await;
    let http = house.http().with("idempotency-key", "c-1");
    let first = http.post("/v1/chat/completions", &ask("one two")).await;
    let again = http.post("/v1/chat/completions", &ask("one two")).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (200, None), "{}", first.text);
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.json(), first.json());
    assert_eq!(again.header("x-openclaw-task-id"), first.header("x-openclaw-task-id"));
    for other in [ask("three"), streamed("one two")] {
        let reuse = http.post("/v1/chat/completions", &other).await;
        assert_eq!((reuse.status, reuse.code().as_str()), (409, "idempotency_key_reuse"));
    }
    let elsewhere = http.with("x-openclaw-session-key", "notes").post("/v1/chat/completions", &ask("one two")).await;
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (409, "idempotency_key_reuse"));
    let long = house.http().with("idempotency-key", &"k".repeat(256)).post("/v1/chat/completions", &ask("x")).await;
    assert_eq!((long.status, &long.json()["error"]["param"]), (400, &json!("Idempotency-Key")));
    assert_eq!(house.upstream.requests().len(), 1);
    house.stop().await;
}

/// G4.
#[tokio::test]
async fn a_stream_under_a_key_is_told_again_with_the_same_words() {
    let house = House::open().await;
    let http = house.http().with("idempotency-key", "c-2");
    let mut body = streamed("one two three");
    body["stream_options"] = json!({"include_usage": true});
    let mut told = Vec::new();
    for replayed in [None, Some("true")] {
        let reply = http.stream("/v1/chat/completions", &body).await.reply().await;
        assert_eq!(reply.header("idempotent-replayed"), replayed);
        let (chunks, is_done) = chunks(&reply.text);
        let last = chunks.last().unwrap();
        assert!(is_done);
        told.push((said(&chunks), last["id"].clone(), last["created"].clone(), last["usage"].clone()));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!((told[0].0.as_str(), house.upstream.requests().len()), ("one two three", 1));
    house.stop().await;
}

/// G4.
#[tokio::test]
async fn callers_with_one_key_share_a_run_and_one_who_hangs_up_ends_it_for_nobody() {
    let house = House::open().await;
    for (key, body) in [("c-3", ask("x")), ("c-4", streamed("x"))] {
        let gate = Gate::new();
        house.upstream.script([Scripted::chunks(["one ", "two"]).held_before_end(&gate)]);
        let http = house.http().with("idempotency-key", key);
        let first = http.stream("/v1/chat/completions", &body).await;
        assert!(house.upstream.wait_within(Duration::from_secs(10), |counts| counts.answers == 1).await);
        let second = http.stream("/v1/chat/completions", &body).await;
        drop(first);
        let third = http.stream("/v1/chat/completions", &body).await;
        gate.open_for_good();
        let (second, third) = tokio::join!(second.reply(), third.reply());
        for reply in [second, third] {
            assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, Some("true")), "{}", reply.text);
            let text = match body["stream"] == json!(true) {
                true => said(&chunks(&reply.text).0),
                false => reply.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned(),
            };
            assert_eq!(text, "one two");
        }
    }
    assert_eq!(house.upstream.requests().len(), 2);
    house.stop().await;
}

/// G4.
#[tokio::test]
async fn a_failure_under_a_key_is_told_again_until_its_task_is_retried() {
    let house = House::open().await;
    let http = house.http().with("idempotency-key", "c-5");
    house.upstream.script([Scripted::status(400, "no"), Scripted::text("yes")]);
    let first = http.post("/v1/chat/completions", &ask("x")).await;
    let again = http.post("/v1/chat/completions", &ask("x")).await;
    assert_eq!((first.status, again.status), (400, 400));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
    let task = first.header("x-openclaw-task-id").unwrap();
    assert_eq!(house.http().post(&format!("/v2/tasks/{task}/retry"), &json!({})).await.status, 202);
    let retried = http.post("/v1/chat/completions", &ask("x")).await;
    assert_eq!((retried.status, retried.header("idempotent-replayed")), (200, Some("true")), "{}", retried.text);
    assert_eq!(retried.json()["choices"][0]["message"]["content"], json!("yes"));
    house.stop().await;
}

/// Several answers are runs beside each other; one broken answer leaves no `[DONE]` (G8).
#[tokio::test]
async fn several_answers_come_together_or_piece_by_piece() {
    let house = House::open().await;
    let http = house.http();
    let replies = || [Scripted::chunks(["a1 ", "a2"]), Scripted::text("b"), Scripted::text("c")];
    house.upstream.script(replies());
    let mut body = json!({"model": "openclaw", "messages": [{"role": "user", "content": "x"}], "n": 3});
    let whole = http.post("/v1/chat/completions", &body).await.json();
    let choices = whole["choices"].as_array().unwrap();
    let indexes: Vec<u64> = choices.iter().map(|choice| choice["index"].as_u64().unwrap()).collect();
    let mut said: Vec<&str> = choices.iter().map(|choice| choice["message"]["content"].as_str().unwrap()).collect();
    said.sort_unstable();
    assert_eq!((indexes, said), (vec![0, 1, 2], vec!["a1 a2", "b", "c"]), "{whole}");
    assert_eq!(whole["usage"]["completion_tokens"], json!(4));
    house.upstream.script(replies());
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let reply = http.stream("/v1/chat/completions", &body).await.reply().await;
    let (mut said, mut finished, mut usage) = (vec![String::new(); 3], 0, Value::Null);
    let events = events(&reply.text);
    for (_, data) in events.iter().filter(|(_, data)| data != "[DONE]") {
        let chunk: Value = serde_json::from_str(data).unwrap();
        for choice in chunk["choices"].as_array().unwrap() {
            let text = choice["delta"]["content"].as_str().unwrap_or_default();
            said[choice["index"].as_u64().unwrap() as usize] += text;
            finished += usize::from(choice["finish_reason"] == "stop");
        }
        usage = chunk["usage"].clone();
    }
    said.sort_unstable();
    assert_eq!((said, finished), (vec!["a1 a2".to_owned(), "b".into(), "c".into()], 3));
    assert_eq!((events.last().unwrap().1.as_str(), &usage["completion_tokens"]), ("[DONE]", &json!(4)));
    house.upstream.script([Scripted::text("a"), Scripted::chunks(["b1 ", "b2"]).cut_after(1), Scripted::text("c")]);
    let broken = http.stream("/v1/chat/completions", &body).await.reply().await;
    assert!(broken.text.contains("event: error") && !broken.text.contains("[DONE]"), "{}", broken.text);
    let named = http.clone().with("x-openclaw-session-key", "s").post("/v1/chat/completions", &body).await;
    let keyed = http.with("idempotency-key", "k").post("/v1/chat/completions", &body).await;
    for refused in [named, keyed] {
        assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("n")), "{}", refused.text);
    }
    house.stop().await;
}
