//! `/v1/responses` as a WebSocket.

use std::time::Duration;

use claw_core::{Principal, Scope};
use claw_testkit::ws_client::Incoming;
use claw_testkit::{Gate, Reply as Scripted, WsClient};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::house::{House, TOKEN};
use crate::responses::{PATH, ask, names, text_of};

async fn open(house: &House) -> WsClient {
    let bearer = format!("Bearer {TOKEN}");
    WsClient::open(house.address, PATH, &[("authorization", &bearer)]).await.unwrap()
}

pub(crate) async fn create(socket: &mut WsClient, mut body: Value) {
    body["type"] = json!("response.create");
    socket.send(body.to_string()).await;
}

pub(crate) async fn frame(socket: &mut WsClient) -> Value {
    match socket.next().await {
        Incoming::Frame(frame) => frame,
        Incoming::Closed(code, reason) => panic!("closed with {code} {reason}"),
    }
}

/// The events of one response, as (name, data).
async fn events(socket: &mut WsClient) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    loop {
        let event = frame(socket).await;
        let name = event["type"].as_str().unwrap().to_owned();
        let is_last =
            matches!(name.as_str(), "error" | "response.completed" | "response.failed" | "response.incomplete");
        events.push((name, event));
        if is_last {
            return events;
        }
    }
}

async fn response(socket: &mut WsClient, body: Value) -> Value {
    create(socket, body).await;
    let (name, event) = events(socket).await.pop().unwrap();
    assert_eq!(name, "response.completed", "{event}");
    event["response"].clone()
}

async fn refused(socket: &mut WsClient, body: Value) -> (u64, String, Value) {
    create(socket, body).await;
    let error = frame(socket).await;
    assert_eq!(error["type"], json!("error"), "{error}");
    let code = error["error"]["code"].as_str().unwrap().to_owned();
    (error["status"].as_u64().unwrap(), code, error["error"]["param"].clone())
}

#[tokio::test]
async fn the_events_are_those_of_a_stream_and_a_response_goes_on_from_the_last() {
    let house = House::open().await;
    let mut socket = open(&house).await;
    create(&mut socket, json!({"model": "openclaw", "input": "one two"})).await;
    let all = events(&mut socket).await;
    let order = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names(&all), order);
    for (number, (name, data)) in all.iter().enumerate() {
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(name), &json!(number)));
    }
    let first = &all.last().unwrap().1["response"];
    let id = first["id"].as_str().unwrap();
    assert_eq!(&house.http().get(&format!("{PATH}/{id}")).await.json(), first, "stored as any other");
    let second = response(&mut socket, json!({"input": "three", "previous_response_id": id, "stream": true})).await;
    assert_eq!((text_of(&second), &second["previous_response_id"]), ("three", &first["id"]));
    let seen = house.upstream.requests().pop().unwrap();
    let said: Vec<&str> = seen.messages().iter().map(|said| said["content"].as_str().unwrap()).collect();
    assert_eq!(said, ["one two", "one two", "three"]);
    house.stop().await;
}

/// What is not stored can be continued on its own socket and nowhere else, until going on from it fails.
#[tokio::test]
async fn an_unstored_response_is_continued_on_its_socket_only() {
    let house = House::open().await;
    let (mut socket, mut other) = (open(&house).await, open(&house).await);
    let first = response(&mut socket, json!({"input": "one", "store": false})).await;
    let next = |input: &str| json!({"input": input, "store": false, "previous_response_id": first["id"]});
    let absent = (400, "previous_response_not_found".to_owned(), json!("previous_response_id"));
    assert_eq!(refused(&mut other, next("x")).await, absent);
    assert_eq!(house.http().post(PATH, &next("x")).await.code(), "previous_response_not_found");
    assert_eq!(text_of(&response(&mut socket, next("two")).await), "two");
    house.upstream.script([Scripted::status(400, "no"), Scripted::status(400, "no")]);
    create(&mut socket, next("three")).await;
    assert_eq!(events(&mut socket).await.last().unwrap().0, "response.failed");
    assert_eq!(refused(&mut socket, next("four")).await, absent, "what failed is not gone on from");
    house.stop().await;
}

#[tokio::test]
async fn a_request_is_prepared_without_an_answer_and_continued() {
    let house = House::open().await;
    let mut socket = open(&house).await;
    create(&mut socket, json!({"input": "one", "generate": false})).await;
    let all = events(&mut socket).await;
    assert_eq!(names(&all), ["created", "in_progress", "completed"]);
    let prepared = &all[2].1["response"];
    assert_eq!((&prepared["output"], &prepared["usage"]["total_tokens"]), (&json!([]), &json!(0)));
    assert!(house.upstream.requests().is_empty());
    let input = json!({"input": "two", "previous_response_id": prepared["id"]});
    assert_eq!(text_of(&response(&mut socket, input).await), "two");
    assert_eq!(house.upstream.requests()[0].messages().len(), 2);
    house.stop().await;
}

#[tokio::test]
async fn one_response_is_made_at_a_time_and_few_wait() {
    let house = House::open().await;
    let gate = Gate::new();
    house.upstream.script([Scripted::text("first").held(&gate)]);
    let mut socket = open(&house).await;
    create(&mut socket, json!({"input": "x"})).await;
    house.upstream.requested(1).await;
    for number in 0..17 {
        create(&mut socket, json!({"input": format!("{number}")})).await;
    }
    let refusal = loop {
        let event = frame(&mut socket).await;
        if event["type"] == "error" {
            break event;
        }
    };
    assert_eq!((&refusal["status"], &refusal["error"]["type"]), (&json!(429), &json!("rate_limit_error")));
    assert_eq!(house.upstream.requests().len(), 1, "the others wait");
    gate.open_for_good();
    let mut said = vec![];
    while said.len() < 17 {
        let (_, last) = events(&mut socket).await.pop().unwrap();
        said.push(text_of(&last["response"]).to_owned());
    }
    let expected: Vec<String> = std::iter::once("first".to_owned()).chain((0..16).map(|n| n.to_string())).collect();
    assert_eq!(said, expected, "in their order");
    house.stop().await;
}

#[tokio::test]
async fn wrong_frames_are_refused_and_the_socket_goes_on() {
    let house = House::open().await;
    let mut socket = open(&house).await;
    for (body, code, param) in [
        (json!({"input": 5}), "invalid_request", json!("input")),
        (json!({}), "invalid_request", json!("input")),
        (json!({"input": "x", "background": true}), "invalid_request", json!("background")),
        (json!({"input": "x", "stream": false}), "invalid_request", json!("stream")),
        (json!({"input": "x", "stream_id": "a"}), "invalid_request", json!("stream_id")),
        (json!({"input": "x", "generate": "no"}), "invalid_request", json!("generate")),
        (json!({"input": "x", "temperature": 3}), "invalid_request", json!("temperature")),
        (json!({"input": "x", "tools": ["nothing"]}), "invalid_request", json!("tools[0]")),
        (
            json!({"input": "x", "previous_response_id": "resp_x"}),
            "previous_response_not_found",
            json!("previous_response_id"),
        ),
    ] {
        assert_eq!(refused(&mut socket, body.clone()).await, (400, code.to_owned(), param), "{body}");
    }
    let unknown = (404, "model_not_found".to_owned(), json!("model"));
    assert_eq!(refused(&mut socket, json!({"input": "x", "model": "no/such"})).await, unknown);
    let deep = format!("{{\"type\":\"response.create\",\"x\":{}{}}}", "[".repeat(65), "]".repeat(65));
    for text in ["nonsense", "[]", "{\"type\":\"response.cancel\"}", "{\"input\":\"x\"}", &deep] {
        socket.send(text).await;
        assert_eq!(frame(&mut socket).await["status"], json!(400), "{text}");
    }
    assert_eq!(text_of(&response(&mut socket, json!({"input": "still here"})).await), "still here");
    socket.send("x".repeat(10 * 1024 * 1024 + 1)).await;
    assert_eq!(socket.closed().await.0, 1009, "C43");
    house.stop().await;
}

/// A broken answer is failed, and one whose client leaves ends (G8).
#[tokio::test]
async fn what_breaks_is_failed_and_who_leaves_ends_it() {
    let house = House::open().await;
    let mut socket = open(&house).await;
    house.upstream.script([Scripted::chunks(["one ", "two"]).cut_after(1), Scripted::status(429, "slow down")]);
    for code in ["server_error", "rate_limit_exceeded"] {
        create(&mut socket, json!({"input": "x"})).await;
        let (name, data) = events(&mut socket).await.pop().unwrap();
        assert_eq!((name.as_str(), &data["response"]["error"]["code"]), ("response.failed", &json!(code)));
        house.upstream.respond_with(|_| Scripted::status(429, "slow down"));
    }
    house.upstream.respond_with(|_| Scripted::chunks(["one ", "two"]).stall_after(1));
    create(&mut socket, json!({"input": "x"})).await;
    house.upstream.requested(3).await;
    drop(socket);
    house.upstream.answered().await;
    house.sockets_are(0).await;
    house.stop().await;
}

/// K14, G12, G13 and adv_6: who may not make a response is told before anything is switched.
#[tokio::test]
async fn strangers_readers_and_foreign_pages_are_turned_away_before_the_upgrade() {
    let house = House::open().await;
    let status = |opened: Result<WsClient, Error>| match opened {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    };
    let bearer = format!("Bearer {TOKEN}");
    let (_, reader) = house.key(&[Scope::Read]).await;
    let (key_id, writer) = house.key(&[Scope::Write]).await;
    for (path, headers, expected) in [
        (PATH, vec![], 401),
        (PATH, vec![("authorization", "Bearer wrong")], 401),
        (PATH, vec![("x-api-key", reader.as_str())], 403),
        (PATH, vec![("authorization", bearer.as_str()), ("origin", "http://evil.example")], 403),
        (PATH, vec![("x-api-key", writer.as_str())], 101),
        ("/v1/responses?token=oc_gw_right", vec![], 101),
    ] {
        assert_eq!(status(WsClient::open(house.address, path, &headers).await), expected, "{path} {headers:?}");
    }
    let plain = house.http().get(PATH).await;
    assert_eq!(
        (plain.status, plain.header("upgrade"), plain.code().as_str()),
        (426, Some("websocket"), "upgrade_required")
    );
    let stored = ask(&house.http(), &json!({"input": "mine"})).await;
    let mut socket = WsClient::open(house.address, PATH, &[("x-api-key", &writer)]).await.unwrap();
    let foreign = refused(&mut socket, json!({"input": "x", "previous_response_id": stored["id"]})).await;
    assert_eq!(foreign.1, "previous_response_not_found");
    house.app.keys.revoke(&Principal::operator(), claw_core::audit::Door::WebSocket, key_id).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(2), socket.closed()).await.expect("within a second");
    assert_eq!(closed, (1008, "credential revoked".to_owned()));
    house.stop().await;
}

#[tokio::test]
async fn a_stop_closes_the_socket_with_1012() {
    let house = House::open().await;
    let mut socket = open(&house).await;
    assert_eq!(text_of(&response(&mut socket, json!({"input": "x"})).await), "x");
    house.begin_stop();
    assert_eq!(socket.closed().await, (1012, "service restart".to_owned()));
    house.stop().await;
}
