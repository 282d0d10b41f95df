//! Dialect C, as the API reference has it (C2, C5–C20, E6, E7, K3): the server speaks first, requests
//! have no `type`, ids come back as they came.

use claw_testkit::ws_client::Incoming;
use claw_testkit::{Gate, Reply as Scripted, WsClient};
use serde_json::{Value, json};

use crate::house::{House, PASSWORD, TOKEN};

/// A socket that has heard `connected`.
async fn connected(house: &House, path: &str, headers: &[(&'static str, &str)]) -> WsClient {
    let mut socket = WsClient::open(house.address, path, headers).await.unwrap();
    assert_eq!(frame(&mut socket).await["event"], json!("connect.challenge"));
    let hello = frame(&mut socket).await;
    assert_eq!(hello["type"], json!("connected"), "{hello}");
    let data = &hello["data"];
    assert!(data["clientId"].as_str().is_some_and(|id| id.len() == 36), "a uuid: {data}");
    assert!(data["gatewayVersion"].is_string());
    assert_eq!(data["capabilities"], json!(["chat", "channels", "browser"]));
    socket
}

async fn frame(socket: &mut WsClient) -> Value {
    match socket.next().await {
        Incoming::Frame(frame) => frame,
        Incoming::Closed(code, reason) => panic!("closed with {code} {reason}"),
    }
}

/// Frames up to and with the first of type `kind`.
async fn until(socket: &mut WsClient, kind: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    loop {
        let next = frame(socket).await;
        let is_it = next["type"] == kind;
        seen.push(next);
        if is_it {
            return seen;
        }
    }
}

async fn ask(socket: &mut WsClient, request: Value) -> Value {
    socket.send(request.to_string()).await;
    until(socket, "res").await.pop().unwrap()
}

fn of_type<'a>(frames: &'a [Value], kind: &str) -> Vec<&'a Value> {
    frames.iter().filter(|frame| frame["type"] == kind).map(|frame| &frame["data"]).collect()
}

#[tokio::test]
async fn every_way_in_of_the_api_reference_leads_in() {
    // C2, C5, C6, C3, C4, E6, E7.
    let house = House::open().await;
    let bearer = format!("Bearer {TOKEN}");
    let token = format!("/?token={TOKEN}");
    let on_ws = format!("/ws?token={TOKEN}");
    // E18: encoded in the address, as any client's library does it.
    let encoded = format!("/ws?token={}", TOKEN.replace('_', "%5F"));
    for (path, headers) in [
        (token.as_str(), vec![]),
        (on_ws.as_str(), vec![]),
        (encoded.as_str(), vec![]),
        ("/ws?password=pa%3Ass+word", vec![]),
        ("/", vec![("authorization", bearer.as_str())]),
        ("/ws", vec![("x-openclaw-password", PASSWORD)]),
    ] {
        let mut socket = connected(&house, path, &headers).await;
        let answer = ask(&mut socket, json!({"method": "system.status", "id": 7})).await;
        assert_eq!((&answer["ok"], &answer["id"]), (&json!(true), &json!(7)), "{path}");
        assert_eq!(answer["payload"], answer["result"], "K3: both names");
    }
    house.stop().await;
}

#[tokio::test]
async fn a_run_streams_its_deltas_and_ends_with_its_usage() {
    // C8, C9, C10, C47.
    let house = House::open().await;
    let mut socket = connected(&house, &format!("/?token={TOKEN}"), &[]).await;
    let run = json!({"method": "chat.run", "id": 1, "params": {
        "message": "one two three", "sessionKey": "agent:default:c", "options": {"thinking": "medium", "stream": true}}});
    let answer = ask(&mut socket, run).await;
    assert_eq!((&answer["id"], &answer["ok"]), (&json!(1), &json!(true)));
    let id = answer["payload"]["runId"].clone();
    assert_eq!(answer["payload"]["sessionKey"], json!("agent:main:c"));
    let frames = until(&mut socket, "chat.done").await;
    let said: String = of_type(&frames, "chat.delta").iter().filter_map(|delta| delta["delta"].as_str()).collect();
    assert_eq!(said, "one two three");
    let done = of_type(&frames, "chat.done")[0];
    assert_eq!((&done["runId"], &done["sessionKey"], &done["status"]), (&id, &json!("agent:main:c"), &json!("ok")));
    let usage = &done["usage"];
    assert!(usage["promptTokens"].is_u64() && usage["completionTokens"].is_u64());
    let total = usage["promptTokens"].as_u64().unwrap() + usage["completionTokens"].as_u64().unwrap();
    assert_eq!(usage["totalTokens"], json!(total));
    let listed = ask(&mut socket, json!({"method": "session.list", "id": 2})).await;
    assert_eq!(listed["result"]["sessions"][0]["sessionKey"], json!("agent:main:c"), "{listed}");
    let one = ask(&mut socket, json!({"method": "session.get", "params": {"sessionKey": "c"}, "id": "text"})).await;
    assert_eq!((&one["id"], &one["ok"]), (&json!("text"), &json!(true)), "{one}");
    house.stop().await;
}

#[tokio::test]
async fn without_streaming_only_the_end_comes() {
    let house = House::open().await;
    let mut socket = connected(&house, &format!("/?token={TOKEN}"), &[]).await;
    let run = json!({"method": "chat.run", "id": 1, "params": {"message": "x y", "options": {"stream": false}}});
    ask(&mut socket, run).await;
    let frames = until(&mut socket, "chat.done").await;
    assert!(of_type(&frames, "chat.delta").is_empty());
    assert_eq!(of_type(&frames, "chat.done")[0]["text"], json!("x y"));
    house.stop().await;
}

#[tokio::test]
async fn tools_are_seen_and_an_abort_is_heard() {
    // C11, C12, C14.
    let house = House::open().await;
    let mut socket = connected(&house, &format!("/?token={TOKEN}"), &[]).await;
    house.upstream.script([Scripted::tool_call("session_status", "{}"), Scripted::text("done")]);
    ask(&mut socket, json!({"method": "chat.run", "id": 1, "params": {"message": "x"}})).await;
    let frames = until(&mut socket, "chat.done").await;
    let (call, result) = (of_type(&frames, "tool.call")[0], of_type(&frames, "tool.result")[0]);
    assert_eq!((&call["tool"], &call["params"]), (&json!("session_status"), &json!({})));
    assert_eq!((&result["tool"], &result["callId"]), (&json!("session_status"), &call["callId"]));
    assert!(result["result"].is_object(), "{result}");
    let gate = Gate::new();
    house.upstream.script([Scripted::chunks(["so ", "far"]).held_before_end(&gate)]);
    let started = ask(&mut socket, json!({"method": "chat.run", "id": 2, "params": {"message": "y"}})).await;
    let id = started["result"]["runId"].clone();
    until(&mut socket, "chat.delta").await;
    let aborted = ask(&mut socket, json!({"method": "chat.abort", "id": 3, "params": {"runId": id}})).await;
    assert_eq!(aborted["result"]["aborted"], json!(true));
    let end = until(&mut socket, "chat.error").await;
    let done = of_type(&end, "chat.error")[0];
    assert_eq!((&done["status"], &done["text"]), (&json!("aborted"), &json!("so far")));
    house.stop().await;
}

#[tokio::test]
async fn what_does_not_exist_yet_is_told_truthfully() {
    // C17, C18, C19, C20.
    let house = House::open().await;
    let mut socket = connected(&house, &format!("/?token={TOKEN}"), &[]).await;
    let channels = ask(&mut socket, json!({"method": "channel.list", "id": 1})).await;
    assert_eq!(channels["result"]["channels"], json!([]));
    let params = json!({"channelId": "telegram"});
    let channel = ask(&mut socket, json!({"method": "channel.status", "id": 2, "params": params})).await;
    assert_eq!(channel["ok"], json!(false), "{channel}");
    let shot = ask(&mut socket, json!({"method": "browser.screenshot", "id": 3, "params": {"selector": "body"}})).await;
    assert_eq!(shot["ok"], json!(false), "{shot}");
    let status = ask(&mut socket, json!({"method": "system.status", "id": 4})).await;
    assert_eq!(status["result"]["status"], json!("ok"), "{status}");
    let unknown = ask(&mut socket, json!({"method": "no.such", "id": 5})).await;
    assert_eq!(unknown["error"]["message"], json!("unknown method: no.such"));
    let nameless = ask(&mut socket, json!({"method": "system.status"})).await;
    assert_eq!((&nameless["id"], &nameless["ok"]), (&Value::Null, &json!(true)));
    house.stop().await;
}

#[tokio::test]
async fn a_socket_without_credentials_hears_how_to_be_let_in() {
    let house = House::open().await;
    let mut socket = WsClient::open(house.address, "/", &[]).await.unwrap();
    socket.event("connect.challenge").await;
    let answer = ask(&mut socket, json!({"method": "chat.run", "id": 1, "params": {"message": "x"}})).await;
    assert_eq!((&answer["id"], &answer["error"]["details"]["code"]), (&json!(1), &json!("AUTH_TOKEN_MISSING")));
    assert_eq!(socket.closed().await.0, 1008);
    house.stop().await;
}

#[tokio::test]
async fn a_known_socket_may_take_its_time_and_hears_nothing_until_it_speaks() {
    let mut plan = crate::house::Plan::new();
    plan.settings.handshake_deadline = std::time::Duration::from_millis(50);
    plan.settings.tick_interval = std::time::Duration::from_millis(20);
    let house = plan.build().await;
    let mut patient = connected(&house, &format!("/?token={TOKEN}"), &[]).await;
    let mut stranger = WsClient::open(house.address, "/", &[]).await.unwrap();
    assert_eq!(stranger.closed().await.0, 1000, "whoever is unknown has a deadline");
    let answer = ask(&mut patient, json!({"method": "system.status", "id": 1})).await;
    assert_eq!(answer["ok"], json!(true));
    // C13; K3: it was the first push.
    let beat = until(&mut patient, "heartbeat").await.pop().unwrap();
    assert!(beat["data"]["timestamp"].is_i64());
    assert_eq!(beat["data"]["status"], json!("ok"));
    // The same upgrade may go on in B.
    let mut b = connected(&house, &format!("/?token={TOKEN}"), &[]).await;
    let hello = b.call("connect", &claw_testkit::ws_client::connect_params(None)).await;
    assert_eq!(hello["payload"]["type"], json!("hello-ok"), "{hello}");
    house.stop().await;
}
