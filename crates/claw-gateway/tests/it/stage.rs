//! What sockets see of each other: presence, health, heartbeats, runs that others started.

use claw_testkit::ws_client::stock_params;
use claw_testkit::{Gate, Reply as Scripted, WsClient};
use serde_json::{Value, json};

use crate::house::{House, TOKEN};

async fn operator(house: &House) -> WsClient {
    WsClient::connect_with(house.address, &stock_params(TOKEN)).await.0
}

#[tokio::test]
async fn presence_shows_who_is_here_and_rises_with_each_change() {
    // B16, B17.
    let house = House::open().await;
    let mut first = operator(&house).await;
    let entries = first.payload("system-presence", &json!({})).await;
    assert_eq!(entries[0]["reason"], json!("self"), "the gateway comes first");
    assert_eq!((&entries[1]["host"], &entries[1]["mode"]), (&json!("gateway-client"), &json!("backend")));
    let version = |event: &Value| event["stateVersion"]["presence"].as_u64().unwrap();
    let before = version(&first.event("presence").await);
    let second = operator(&house).await;
    let mut event = first.event("presence").await;
    while event["payload"]["presence"].as_array().unwrap().len() < 3 {
        event = first.event("presence").await;
    }
    assert!(version(&event) > before);
    drop(second);
    while event["payload"]["presence"].as_array().unwrap().len() > 2 {
        event = first.event("presence").await;
    }
    assert_eq!(first.payload("system-event", &json!({"text": "Node: test event"})).await, json!({"ok": true}));
    while event["payload"]["presence"][1]["text"] != "Node: test event" {
        event = first.event("presence").await;
    }
    let refused = first.call("system-event", &json!({})).await;
    assert!(refused["error"]["message"].as_str().unwrap().starts_with("invalid system-event params: "), "{refused}");
    house.stop().await;
}

#[tokio::test]
async fn a_system_event_is_told_to_the_main_conversations_next_turn_once() {
    let house = House::open().await;
    let mut socket = operator(&house).await;
    socket.payload("system-event", &json!({"text": "the door is open"})).await;
    let status = socket.payload("status", &json!({})).await;
    assert_eq!(status["queuedSystemEvents"], json!(["the door is open"]));
    for _turn in 0..2 {
        let id = socket.ask("agent", &json!({"message": "hello", "sessionKey": "main"})).await;
        socket.answer(&id).await;
        socket.answer(&id).await;
        let asked = house.upstream.requests().pop().unwrap().body;
        let told = asked["messages"].to_string().matches("the door is open").count();
        assert_eq!(told, 1, "told once, and in the history from then on: {asked}");
    }
    house.stop().await;
}

#[tokio::test]
async fn wake_starts_a_turn_whose_end_is_a_heartbeat() {
    let house = House::open().await;
    let mut socket = operator(&house).await;
    assert_eq!(socket.payload("last-heartbeat", &json!({})).await, Value::Null);
    house.upstream.script([Scripted::text("good morning")]);
    let woken = socket.payload("wake", &json!({"mode": "now", "text": "wake up"})).await;
    let beat = socket.event("heartbeat").await["payload"].clone();
    assert_eq!((&beat["runId"], &beat["status"]), (&woken["runId"], &json!("ok")));
    assert_eq!(beat["preview"], json!("good morning"));
    assert_eq!(socket.payload("last-heartbeat", &json!({})).await, beat);
    let off = socket.payload("set-heartbeats", &json!({"enabled": false})).await;
    assert_eq!(off, json!({"ok": true, "enabled": false}));
    let later = socket.payload("wake", &json!({"mode": "now", "text": "again"})).await;
    assert!(later["runId"].is_null() && later["reason"].is_string(), "{later}");
    assert_eq!(socket.payload("status", &json!({})).await["queuedSystemEvents"], json!(["again"]));
    house.stop().await;
}

#[tokio::test]
async fn a_chat_client_sees_its_run_as_events_and_runs_that_others_start_there() {
    let house = House::open().await;
    let (mut mine, mut other, mut elsewhere) = (operator(&house).await, operator(&house).await, operator(&house).await);
    let params = json!({"sessionKey": "main", "message": "chat hello", "idempotencyKey": "chat-1"});
    let sent = mine.payload("chat.send", &params).await;
    assert_eq!((&sent["runId"], &sent["status"]), (&json!("chat-1"), &json!("started")));
    let last = last_chat(&mut mine).await;
    assert_eq!((&last["state"], &last["runId"]), (&json!("final"), &json!("chat-1")));
    assert_eq!(last["message"]["content"][0]["text"], json!("chat hello"));
    let again = mine.payload("chat.send", &params).await;
    assert_eq!(again["status"], json!("ok"), "the key was used before");
    // Another client writes into the same conversation.
    let id = other.ask("agent", &json!({"message": "from elsewhere", "sessionKey": "main"})).await;
    let run = other.answer(&id).await["payload"]["runId"].clone();
    let last = last_chat(&mut mine).await;
    assert_eq!((&last["runId"], &last["message"]["content"][0]["text"]), (&run, &json!("from elsewhere")));
    other.answer(&id).await;
    let heard = elsewhere.call("health", &json!({})).await;
    assert_eq!(heard["ok"], json!(true));
    assert!(elsewhere.take_events().iter().all(|event| event["event"] != "chat"), "who does not look does not see");
    house.stop().await;
}

/// The next `chat` event that ends a run.
async fn last_chat(socket: &mut WsClient) -> Value {
    loop {
        let event = socket.event("chat").await["payload"].clone();
        if event["state"] != "delta" {
            return event;
        }
    }
}

#[tokio::test]
async fn a_client_that_comes_back_misses_nothing() {
    let house = House::open().await;
    let gate = Gate::new();
    house.upstream.script([Scripted::chunks(["one ", "two ", "three"]).held_before_end(&gate)]);
    let mut first = house.socket().await;
    let id = first.ask("agent", &json!({"message": "x", "sessionKey": "s"})).await;
    let run = first.answer(&id).await["payload"]["runId"].clone();
    let mut seen = String::new();
    let mut after = 0;
    while seen != "one two three" {
        let event = first.event("agent").await["payload"].clone();
        seen.push_str(event["text"].as_str().unwrap_or_default());
        after = event["seq"].as_u64().unwrap();
    }
    drop(first);
    let mut second = house.socket().await;
    let resumed = second.ask("runs.resume", &json!({"runId": run, "afterSeq": after})).await;
    let answer = second.answer(&resumed).await["payload"].clone();
    assert_eq!(
        (&answer["status"], &answer["state"], &answer["afterSeq"]),
        (&json!("resumed"), &json!("running"), &json!(after))
    );
    gate.open(1);
    let end = second.answer(&resumed).await;
    assert_eq!(end["payload"]["result"]["payloads"][0]["text"], json!("one two three"));
    let events = second.take_events();
    let texts: Vec<&Value> = events.iter().filter(|event| event["payload"]["kind"] == "output").collect();
    assert!(texts.is_empty(), "what was known is not told again: {texts:?}");
    // From the beginning, after its end, all of it.
    let all = second.ask("runs.resume", &json!({"runId": run})).await;
    second.answer(&all).await;
    second.answer(&all).await;
    let told: String =
        second.take_events().iter().filter_map(|event| event["payload"]["text"].as_str().map(str::to_owned)).collect();
    assert_eq!(told, "one two three");
    let absent = second.call("runs.resume", &json!({"runId": "run_00000000000000000000000000000001"})).await;
    assert_eq!(absent["error"]["code"], json!("NOT_FOUND"));
    house.stop().await;
}

#[tokio::test]
async fn subscribers_hear_of_conversations_and_interrupt_ends_what_runs_there() {
    // E5.
    let house = House::open().await;
    let gate = Gate::new();
    let (mut socket, mut listener) = (house.socket().await, operator(&house).await);
    assert_eq!(listener.payload("sessions.subscribe", &json!({})).await, json!({"subscribed": true}));
    house.upstream.script([Scripted::text("never").held(&gate), Scripted::text("second").held(&gate)]);
    let first = socket.ask("agent", &json!({"message": "one", "sessionKey": "busy"})).await;
    socket.answer(&first).await;
    house.upstream.requested(1).await;
    let started = listener.event("sessions.changed").await["payload"].clone();
    assert_eq!((&started["sessionKey"], &started["reason"]), (&json!("agent:main:busy"), &json!("run-started")));
    let mut other = house.socket().await;
    let params = json!({"message": "two", "sessionKey": "busy", "queueMode": "interrupt"});
    let second = other.ask("agent", &params).await;
    other.answer(&second).await;
    let busy = other.call("agent", &json!({"message": "three", "sessionKey": "busy", "queueMode": "reject"})).await;
    let error = &busy["error"];
    assert_eq!((&error["code"], &error["details"]["code"]), (&json!("UNAVAILABLE"), &json!("SESSION_BUSY")), "{busy}");
    assert_eq!(socket.answer(&first).await["payload"]["status"], json!("aborted"));
    gate.open(2);
    let end = other.answer(&second).await;
    assert_eq!(end["payload"]["result"]["payloads"][0]["text"], json!("second"));
    let ended = listener.event("sessions.changed").await["payload"].clone();
    assert_eq!(ended["reason"], json!("run-ended"));
    assert_eq!(listener.payload("sessions.unsubscribe", &json!({})).await, json!({"subscribed": false}));
    let wrong = other.call("agent", &json!({"message": "x", "queueMode": "sometimes"})).await;
    assert!(wrong["error"]["message"].as_str().unwrap().contains("queueMode"), "{wrong}");
    house.stop().await;
}
