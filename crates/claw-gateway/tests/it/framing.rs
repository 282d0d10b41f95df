//! Frames that are whole and no request of ours, parameters of the wrong type, and requests that want
//! to be sockets and are none: each is answered in its own words, and the socket stays open (K3, G9).

use claw_testkit::WsClient;
use claw_testkit::ws_client::{Incoming, connect_params, stock_params};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::house::{House, PASSWORD, TOKEN};
use crate::http::Open;
use crate::raw::{FIN, Raw, TEXT, frame, upgrade_head};

async fn next(socket: &mut WsClient) -> Value {
    loop {
        match socket.next().await {
            Incoming::Frame(frame) if frame["type"] == "res" => return frame,
            Incoming::Frame(_) => {}
            Incoming::Closed(code, reason) => panic!("closed with {code} {reason}"),
        }
    }
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// A text, and the answer's id and message; nothing for what is no JSON.
fn bad_frames() -> Vec<(String, Option<(Value, &'static str)>)> {
    let of = |text: &str, id: Value, message| (text.to_owned(), Some((id, message)));
    let silent = |text: &str| (text.to_owned(), None);
    let (no_id, no_method) =
        ("at /id: must be a text that is not empty", "at /method: must be a text that is not empty");
    let (no_object, no_type, invalid) = ("must be an object", "at /type: must be \"req\"", json!("invalid"));
    vec![
        silent(""),
        silent(" \t\r\n"),
        silent("no json"),
        silent("{"),
        silent("[1"),
        silent("{\"type\":\"req\",}"),
        silent("{\"type\":\"req\",\"id\":\"a\u{0}b\",\"method\":\"health\"}"),
        silent("{\"type\":\"req\",\"id\":\"a\",\"method\":\"health\"} {}"),
        silent("{'type':'req','id':'a','method':'health'}"),
        silent("\u{feff}{\"type\":\"req\",\"id\":\"a\",\"method\":\"health\"}"),
        silent("NaN"),
        of("[]", invalid.clone(), no_object),
        of(r#"["req","a","health",{}]"#, invalid.clone(), no_object),
        of("5", invalid.clone(), no_object),
        of("null", invalid.clone(), no_object),
        of("true", invalid.clone(), no_object),
        of("\"req\"", invalid.clone(), no_object),
        of("{}", invalid.clone(), no_type),
        of(r#"{"type":5,"id":"a","method":"health"}"#, json!("a"), no_type),
        of(r#"{"type":"event","id":"a","method":"health"}"#, json!("a"), no_type),
        of(r#"{"type":"REQ","id":"a","method":"health"}"#, json!("a"), no_type),
        of(r#"{"id":"a","method":"health"}"#, json!("a"), no_type),
        of(r#"{"type":"req","method":"health"}"#, invalid.clone(), no_id),
        of(r#"{"type":"req","id":"","method":"health"}"#, invalid.clone(), no_id),
        of(r#"{"type":"req","id":null,"method":"health"}"#, invalid.clone(), no_id),
        of(r#"{"type":"req","id":true,"method":"health"}"#, invalid.clone(), no_id),
        of(r#"{"type":"req","id":{"a":1},"method":"health"}"#, invalid.clone(), no_id),
        of(r#"{"type":"req","id":["a"],"method":"health"}"#, invalid.clone(), no_id),
        of(r#"{"type":"req","id":"\ud800","method":"health"}"#, invalid.clone(), no_id),
        of(&format!(r#"{{"type":"req","id":"{}","method":"health"}}"#, "i".repeat(300)), invalid.clone(), no_id),
        of(r#"{"type":"req","id":"a","id":"b","method":"health"}"#, invalid.clone(), "duplicate field `id`"),
        of(r#"{"type":"req","id":"a","method":"x","method":"y"}"#, invalid.clone(), "duplicate field `method`"),
        of(r#"{"type":"req","id":"a"}"#, json!("a"), no_method),
        of(r#"{"type":"req","id":"a","method":""}"#, json!("a"), no_method),
        of(r#"{"type":"req","id":"a","method":null}"#, json!("a"), no_method),
        of(r#"{"type":"req","id":"a","method":5}"#, json!("a"), no_method),
        of(r#"{"type":"req","id":"a","method":["health"]}"#, json!("a"), no_method),
        of(r#"{"type":"req","id":"a","method":"\udc00"}"#, json!("a"), no_method),
        of(r#"{"type":"req","id":"a","method":"no.such"}"#, json!("a"), "unknown method: no.such"),
        of(r#"{"type":"req","id":"a","method":"Health"}"#, json!("a"), "unknown method: Health"),
        of(r#"{"type":"req","id":"a","method":"health\u0000"}"#, json!("a"), "unknown method: health\u{0}"),
        of(r#"{"type":"req","id":-7,"method":"no.such"}"#, json!(-7), "unknown method: no.such"),
        of(
            &format!(r#"{{"type":"req","id":"a","method":"{}"}}"#, "m".repeat(1 << 20)),
            json!("a"),
            "unknown method: mmm",
        ),
        of(
            &format!(r#"{{"type":"req","id":"a","method":"health","params":{}}}"#, nested(100)),
            invalid.clone(),
            "nested deeper",
        ),
        of(&format!(r#"{{"type":"req","id":"a","more":{}"#, nested(100_000)), invalid, "nested deeper"),
        of(r#"{"type":"req","id":"a","method":"connect"}"#, json!("a"), "connect is only valid as the first request"),
    ]
}

#[tokio::test]
async fn a_frame_that_is_no_request_is_answered_with_its_id_and_forgiven() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let mut in_bytes = house.socket().await;
    for (text, expected) in bad_frames() {
        socket.send(text.clone()).await;
        in_bytes.send_bytes(text.clone().into_bytes()).await;
        let shown: String = text.chars().take(120).collect();
        for socket in [&mut socket, &mut in_bytes] {
            if let Some((id, message)) = &expected {
                let answer = next(socket).await;
                assert_eq!((&answer["id"], &answer["ok"]), (id, &json!(false)), "{shown}");
                assert_eq!(answer["error"]["code"], json!("INVALID_REQUEST"), "{shown}");
                let told = answer["error"]["message"].as_str().unwrap();
                assert!(told.contains(message) && told.len() < 200, "{shown}: {told}");
            }
            assert_eq!(socket.call("health", &json!({})).await["ok"], json!(true), "{shown}");
        }
    }
    house.stop().await;
}

/// K3, K8: dialect C forgives the same, in the same words.
#[tokio::test]
async fn a_bad_frame_of_dialect_c_is_forgiven_too() {
    let house = House::open().await;
    let mut socket = WsClient::open(house.address, &format!("/?token={TOKEN}"), &[]).await.unwrap();
    socket.send(r#"{"method":"system.status","id":1}"#).await;
    assert_eq!(next(&mut socket).await["ok"], json!(true));
    for (text, id, message) in [
        ("[\"system.status\"]", json!("invalid"), "must be an object"),
        (r#"{"id":2}"#, json!(2), "at /method"),
        (r#"{"method":7,"id":3}"#, json!(3), "at /method"),
        (r#"{"method":"system.status","id":{}}"#, json!("invalid"), "at /id"),
        (r#"{"method":"chat.run","id":4,"params":{"message":1}}"#, json!(4), "invalid chat.run params: at message: "),
        (r#"{"method":"chat.run","id":5,"params":["hello"]}"#, json!(5), "invalid chat.run params: must be an object"),
        (r#"{"method":"connect","id":"c"}"#, json!("c"), "connect is only valid"),
    ] {
        socket.send("no json").await;
        socket.send(text).await;
        let answer = next(&mut socket).await;
        assert_eq!((&answer["id"], &answer["ok"]), (&id, &json!(false)), "{text}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(message), "{text}: {answer}");
    }
    socket.send(r#"{"method":"system.status"}"#).await;
    assert_eq!(next(&mut socket).await["id"], Value::Null, "an id may be left out");
    house.stop().await;
}

#[tokio::test]
async fn parameters_of_the_wrong_type_are_named_by_their_path() {
    let house = House::open().await;
    let (mut socket, hello) = WsClient::connect_with(house.address, &stock_params(TOKEN)).await;
    for (method, params, path) in [
        ("agent", json!({"message": 5}), "message"),
        ("agent", json!({"message": ["x"]}), "message"),
        ("agent", json!({}), "message"),
        ("agent", json!({"message": "x", "sessionKey": {}}), "sessionKey"),
        ("agent", json!({"message": "x", "thinking": 1.5}), "thinking"),
        ("agent.wait", json!({"runId": null}), "runId"),
        ("agent.wait", json!({"runId": "r", "timeoutMs": -1}), "timeoutMs"),
        ("agent.wait", json!({"runId": "r", "timeoutMs": 1.5}), "timeoutMs"),
        ("chat.history", json!({"sessionKey": "x", "limit": "ten"}), "limit"),
        ("chat.history", json!({"sessionKey": "x", "limit": 1e99}), "limit"),
        ("chat.inject", json!({"sessionKey": "x", "message": false}), "message"),
        ("chat.send", json!({"sessionKey": [], "message": "x"}), "sessionKey"),
        ("chat.abort", json!({"runId": 7}), "runId"),
        ("chat.run", json!({"message": "x", "options": {"stream": "yes"}}), "options.stream"),
        ("chat.run", json!({"message": "x", "options": 5}), "options"),
        ("health", json!({"probe": "yes"}), "probe"),
        ("keys.create", json!({"name": 1, "scopes": []}), "name"),
        ("keys.create", json!({"name": "k", "scopes": ["operator.read", 5]}), "scopes[1]"),
        ("logs.tail", json!({"limit": {}}), "limit"),
        ("logs.tail", json!({"cursor": -1}), "cursor"),
        ("models.set", json!({"model": null}), "model"),
        ("sessions.create", json!({"label": 1}), "label"),
        ("sessions.history", json!({"sessionId": true}), "sessionId"),
        ("sessions.list", json!({"limit": "all"}), "limit"),
        ("sessions.list", json!({"limit": 4_294_967_296_u64}), "limit"),
        ("sessions.preview", json!({"keys": "x"}), "keys"),
        ("sessions.preview", json!({"keys": ["a", null]}), "keys[1]"),
        ("set-heartbeats", json!({"enabled": 1}), "enabled"),
        ("system-event", json!({"text": {}}), "text"),
        ("tasks.get", json!({"id": 9}), "id"),
        ("tasks.list", json!({"status": 1}), "status"),
        ("tasks.submit", json!({"input": {"message": 1}}), "input.message"),
        ("wake", json!({"mode": 1, "text": "x"}), "mode"),
    ] {
        let answer = socket.call(method, &params).await;
        let told = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(told.starts_with(&format!("invalid {method} params: at {path}: ")), "{method} {params}: {answer}");
        assert_eq!(answer["error"]["code"], json!("INVALID_REQUEST"), "{method} {params}");
    }
    // No method reads its parameters from a list, a text or a number.
    for method in hello["payload"]["features"]["methods"].as_array().unwrap() {
        for params in [json!([]), json!([{}]), json!(["x", "y"]), json!("x"), json!(5), json!(true)] {
            let answer = socket.call(method.as_str().unwrap(), &params).await;
            let told = format!("invalid {} params: must be an object", method.as_str().unwrap());
            assert_eq!(answer["error"]["message"], json!(told), "{params}: {answer}");
        }
    }
    house.stop().await;
}

/// What is odd and no fault is taken: many keys, long texts, NUL, escapes.
#[tokio::test]
async fn odd_parameters_are_read_or_ignored() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let many: serde_json::Map<String, Value> = (0..100_000).map(|key| (key.to_string(), json!(key))).collect();
    assert_eq!(socket.call("health", &Value::Object(many)).await["ok"], json!(true));
    let twice = r#"{"type":"req","id":"twice","method":"health","params":{"probe":true,"probe":false}}"#;
    socket.send(twice).await;
    assert_eq!(socket.answer("twice").await["ok"], json!(false), "a parameter that is there twice means nothing");
    let lone = r#"{"type":"req","id":"lone","method":"agent","params":{"message":"\ud83d"}}"#;
    socket.send(lone).await;
    let told = socket.answer("lone").await["error"]["message"].clone();
    assert!(told.as_str().unwrap().starts_with("invalid agent params: "), "{told}");
    socket.payload("sessions.create", &json!({"key": "odd"})).await;
    for text in ["a\u{0}b", "\u{1f600}", "\u{202e}reversed"] {
        socket.payload("chat.inject", &json!({"sessionKey": "odd", "message": text})).await;
        let history = socket.payload("chat.history", &json!({"sessionKey": "odd"})).await;
        let last = history["messages"].as_array().unwrap().last().unwrap().to_string();
        assert!(last.contains(serde_json::to_string(text).unwrap().trim_matches('"')), "{text:?}: {last}");
    }
    house.stop().await;
}

/// The upgrade itself (RFC 6455, 4.2): what lacks something is told what, and no socket opens.
#[tokio::test]
async fn a_request_that_is_no_whole_upgrade_is_told_why() {
    let house = House::open().await;
    let whole = upgrade_head(house.address);
    let (key, version) = ("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "sec-websocket-version: 13\r\n");
    let host = format!("host: {}\r\n", house.address);
    let basic = |password: &str| {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("user:{password}"));
        format!("{whole}authorization: Basic {pair}\r\n")
    };
    for (what, head, status) in [
        ("version 12", whole.replace(version, "sec-websocket-version: 12\r\n"), 426),
        ("no version", whole.replace(version, ""), 400),
        ("no key", whole.replace(key, ""), 400),
        ("a short key", whole.replace(key, "sec-websocket-key: c2hvcnQ=\r\n"), 400),
        ("a key that is no base64", whole.replace(key, "sec-websocket-key: !!!!!!!!!!!!!!!!!!!!!!==\r\n"), 400),
        ("no connection header", whole.replace("connection: Upgrade\r\n", ""), 400),
        ("another connection header", whole.replace("connection: Upgrade", "connection: keep-alive"), 400),
        ("HTTP/1.0", whole.replace("HTTP/1.1", "HTTP/1.0"), 400),
        ("POST", format!("{}content-length: 0\r\n", whole.replace("GET", "POST")), 400),
        ("a foreign origin", format!("{whole}origin: http://evil.example\r\n"), 403),
        ("no origin of a page", format!("{whole}origin: null\r\n"), 403),
        ("a foreign host", whole.replace(&host, "host: evil.example\r\n"), 421),
        ("no host", whole.replace(&host, ""), 400),
        ("a wrong token", whole.replace("GET / ", "GET /?token=wrong "), 401),
        ("two credentials", whole.replace("GET / ", &format!("GET /?token={TOKEN}&password=x ")), 401),
        ("a wrong password", basic("no"), 401),
        ("the right password", basic(PASSWORD), 101),
        ("whole", whole.clone(), 101),
    ] {
        let reply = Open::raw(house.address, format!("{head}\r\n").as_bytes()).await.reply().await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text);
        assert_eq!(reply.header("sec-websocket-version"), (status == 426).then_some("13"), "{what}");
        assert_eq!(reply.header("sec-websocket-accept").is_some(), status == 101, "{what}");
    }
    let offers = format!(
        "{whole}sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\nsec-websocket-protocol: chat, superchat\r\n"
    );
    let reply = Open::raw(house.address, format!("{offers}\r\n").as_bytes()).await.reply().await;
    assert_eq!((reply.status, reply.header("sec-websocket-accept")), (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    assert_eq!(reply.header("sec-websocket-extensions"), None, "nothing is agreed that is not spoken");
    assert_eq!(reply.header("sec-websocket-protocol"), None);
    // Whoever does not wait for the answer loses nothing.
    let mut eager = TcpStream::connect(house.address).await.unwrap();
    let connect = json!({"type": "req", "id": "c", "method": "connect", "params": connect_params(Some(TOKEN))});
    let connect = frame(FIN | TEXT, connect.to_string().as_bytes());
    eager.write_all(&[whole.as_bytes(), b"\r\n", &connect].concat()).await.unwrap();
    let mut eager = Raw::upgraded(eager).await;
    assert_eq!(eager.answer("c").await["ok"], json!(true));
    eager.lives().await;
    house.stop().await;
}
