//! Calls that somebody has to allow, decided over the socket and over HTTP.

use claw_core::Scope;
use claw_testkit::ws_client::stock_params;
use claw_testkit::{Reply as Scripted, WsClient};
use serde_json::{Value, json};

use crate::house::{House, Plan, SOON, TOKEN};

/// A house where `session_status` has to be asked for.
async fn open() -> House {
    let mut plan = Plan::new();
    plan.permissions.general.ask = vec!["session_status".parse().unwrap()];
    plan.build().await
}

/// A background task whose model calls the tool, once somebody has been asked.
async fn asked(house: &House, socket: &mut WsClient, answer: &str) -> (String, Value) {
    house.upstream.script([Scripted::tool_call("session_status", "{}"), Scripted::text(answer)]);
    let body = json!({"type": "agent", "input": {"message": "look"}});
    let task = house.http().post("/v2/tasks", &body).await.json()["id"].as_str().unwrap().to_owned();
    (task, socket.event("exec.approval.requested").await["payload"].clone())
}

async fn result(house: &House, id: &str) -> Value {
    let id = id.parse().unwrap();
    house.app.tasks.wait(id, SOON).await.unwrap();
    house.http().get(&format!("/v2/tasks/{id}")).await.json()
}

/// What waits is told, listed, allowed once, and used once.
#[tokio::test]
async fn a_call_that_waits_is_told_and_allowed_once_over_the_socket() {
    let house = open().await;
    let (mut socket, _hello) = WsClient::connect_with(house.address, &stock_params(TOKEN)).await;
    let (task, told) = asked(&house, &mut socket, "all is well").await;
    assert_eq!((&told["request"]["tool"], &told["request"]["taskId"]), (&json!("session_status"), &json!(task)));
    assert_eq!((&told["state"], &told["request"]["reason"]), (&json!("pending"), &json!("listed")));
    let waiting = socket.payload("exec.approval.list", &json!({})).await;
    assert_eq!(waiting, json!([told]));
    let id = &told["id"];
    for decision in ["allow-always", "", "ALLOW-ONCE"] {
        let refused = socket.call("exec.approval.resolve", &json!({"id": id, "decision": decision})).await;
        assert!(refused["error"]["message"].as_str().unwrap().contains("\"allow-once\" or \"deny\""), "{refused}");
    }
    let allow = json!({"id": id, "decision": "allow-once"});
    let decided = socket.payload("exec.approval.resolve", &allow).await;
    assert_eq!((&decided["ok"], &decided["approval"]["state"]), (&json!(true), &json!("allowed")));
    let heard = socket.event("exec.approval.resolved").await["payload"].clone();
    assert_eq!((&heard["id"], &heard["decision"]), (id, &json!("allow-once")));
    let done = result(&house, &task).await;
    assert_eq!((&done["status"], &done["result"]["response"]), (&json!("completed"), &json!("all is well")));
    assert_eq!(socket.call("exec.approval.resolve", &allow).await["ok"], json!(false));
    let path = format!("/v2/approvals/{}", id.as_str().unwrap());
    assert_eq!(house.http().get(&path).await.json()["state"], json!("used"));
    assert_eq!(house.http().post(&path, &json!({"decision": "deny"})).await.status, 409);
    assert_eq!(socket.payload("exec.approval.list", &json!({})).await, json!([]));
    house.stop().await;
}

/// The caller's own functions, which a model asks for in the same round, come out of the response whatever is said of ours.
#[tokio::test]
async fn a_response_that_waited_for_an_approval_hands_the_callers_calls_over() {
    let house = open().await;
    let (mut socket, _hello) = WsClient::connect_with(house.address, &stock_params(TOKEN)).await;
    for decision in ["allow-once", "deny"] {
        let both = Scripted::tool_call("session_status", "{}").and_tool_call("lights", "{}");
        house.upstream.script([both]);
        let tools = json!([{"type": "function", "name": "lights", "parameters": {"type": "object"}}]);
        let body = json!({"input": "go", "background": true, "tools": tools});
        let response = house.http().post("/v1/responses", &body).await.json();
        let told = socket.event("exec.approval.requested").await["payload"].clone();
        let path = format!("/v2/approvals/{}", told["id"].as_str().unwrap());
        assert_eq!(house.http().post(&path, &json!({"decision": decision})).await.status, 200);
        let id = response["id"].as_str().unwrap();
        let task = id.replace("resp_", "task_").parse().unwrap();
        house.app.tasks.wait(task, SOON).await.unwrap();
        let ended = house.http().get(&format!("/v1/responses/{id}")).await.json();
        let output = ended["output"].as_array().unwrap();
        let items: Vec<_> = output.iter().map(|item| (&item["type"], &item["name"], &item["arguments"])).collect();
        assert_eq!(items, [(&json!("function_call"), &json!("lights"), &json!("{}"))], "{decision}: {ended}");
        assert_eq!(ended["status"], json!("completed"));
    }
    assert_eq!(house.upstream.counts().requests, 2);
    house.stop().await;
}

/// A denial reaches the model as the tool's answer, and the call is not made.
#[tokio::test]
async fn a_call_is_denied_over_http_and_the_model_is_told() {
    let house = open().await;
    let (mut socket, _hello) = WsClient::connect_with(house.address, &stock_params(TOKEN)).await;
    let (task, told) = asked(&house, &mut socket, "then not").await;
    let listed = house.http().get("/v2/approvals").await.json();
    assert_eq!((&listed["approvals"][0]["id"], &listed["approvals"][0]["taskId"]), (&told["id"], &json!(task)));
    let path = format!("/v2/approvals/{}", told["id"].as_str().unwrap());
    let bad = house.http().post(&path, &json!({"decision": "maybe"})).await;
    assert_eq!((bad.status, &bad.json()["error"]["param"]), (400, &json!("decision")));
    assert_eq!(house.http().post(&path, &json!({"decision": "deny"})).await.json()["state"], json!("denied"));
    assert_eq!(result(&house, &task).await["result"]["response"], json!("then not"));
    let seen = house.upstream.requests().pop().unwrap();
    let last = seen.messages().last().unwrap()["content"].as_str().unwrap().to_owned();
    assert!(last.contains("denied") && !last.contains("agent:main"), "{last}");
    house.stop().await;
}

/// Who reads a stream is told what it waits for, in a line that clients skip, before anybody has decided; and the answer comes
/// on the same stream.
#[tokio::test]
async fn a_stream_says_at_once_that_its_run_waits_for_leave() {
    let house = open().await;
    let (mut socket, _hello) = WsClient::connect_with(house.address, &stock_params(TOKEN)).await;
    let chat = json!({"model": "openclaw", "stream": true, "messages": [{"role": "user", "content": "look"}]});
    let turns = [
        ("/v1/chat/completions", chat),
        ("/v1/responses", json!({"input": "look", "stream": true})),
        ("/v1/agent/run/stream", json!({"message": "look"})),
    ];
    for (path, body) in turns {
        house.upstream.script([Scripted::tool_call("session_status", "{}"), Scripted::text("all is well")]);
        let mut open = house.http().stream(path, &body).await;
        let id = socket.event("exec.approval.requested").await["payload"]["id"].as_str().unwrap().to_owned();
        let line = format!(": waits for leave to call session_status: openclaw approvals show {id}\n\n");
        let seen = open.until(&line).await;
        assert!(seen.starts_with("HTTP/1.1 200") && !seen.contains("all is well"), "{path}: {seen}");
        let allow = json!({"decision": "allow-once"});
        assert_eq!(house.http().post(&format!("/v2/approvals/{id}"), &allow).await.status, 200);
        let whole = open.until("all is well").await;
        assert!(whole.contains(&format!(": {id} is allowed\n\n")), "{path}: {whole}");
    }
    house.stop().await;
}

/// The list by state, and what is asked of it wrongly.
#[tokio::test]
async fn approvals_are_listed_by_state_and_a_wrong_question_is_400() {
    let house = open().await;
    let (mut socket, _hello) = WsClient::connect_with(house.address, &stock_params(TOKEN)).await;
    let (task, told) = asked(&house, &mut socket, "no").await;
    let deny = json!({"decision": "deny"});
    assert_eq!(house.http().post(&format!("/v2/approvals/{}", told["id"].as_str().unwrap()), &deny).await.status, 200);
    let ended = result(&house, &task).await;
    assert_eq!((&ended["attempt"], &ended["maxAttempts"]), (&json!(1), &json!(3)), "to go on is no second attempt");
    for (query, count) in [("", 0), ("?state=denied", 1), ("?state=all&limit=1", 1), ("?state=used", 0)] {
        let listed = house.http().get(&format!("/v2/approvals{query}")).await.json();
        assert_eq!(listed["approvals"].as_array().unwrap().len(), count, "{query}: {listed}");
    }
    for (query, param) in [("state=nope", "state"), ("limit=x", "limit"), ("limit=0", "limit"), ("limit=201", "limit")]
    {
        let refused = house.http().get(&format!("/v2/approvals?{query}")).await;
        assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!(param)), "{query}");
    }
    let absent = house.http().post("/v1/tools/invoke", &json!({"tool": "nope"})).await;
    assert_eq!((absent.status, &absent.json()["error"]["param"]), (404, &json!("tool")));
    house.stop().await;
}

/// Scopes: approvals are apart from read and write; G13: a foreign id answers as an absent one.
#[tokio::test]
async fn who_may_not_decide_sees_and_hears_nothing() {
    let house = open().await;
    let (mut socket, _hello) = WsClient::connect_with(house.address, &stock_params(TOKEN)).await;
    let (_task, told) = asked(&house, &mut socket, "never").await;
    let path = format!("/v2/approvals/{}", told["id"].as_str().unwrap());
    let (_, writer) = house.key(&[Scope::Read, Scope::Write]).await;
    let writing = house.stranger().with("authorization", &format!("Bearer {writer}"));
    assert_eq!(writing.get("/v2/approvals").await.status, 403);
    assert_eq!(writing.post(&path, &json!({"decision": "allow-once"})).await.status, 403);
    let (_, decider) = house.key(&[Scope::Approvals]).await;
    let deciding = house.stranger().with("authorization", &format!("Bearer {decider}"));
    assert_eq!(deciding.get("/v2/approvals").await.json()["approvals"], json!([]));
    assert_eq!(deciding.get(&path).await.status, 404);
    assert_eq!(deciding.post(&path, &json!({"decision": "allow-once"})).await.status, 404);
    assert_eq!(house.http().get(&path).await.json()["state"], json!("pending"));
    house.stop().await;
}
