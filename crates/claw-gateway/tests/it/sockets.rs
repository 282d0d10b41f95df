//! The life of sockets beyond their methods: stops, slow readers.

use claw_testkit::{Gate, Reply as Scripted};
use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn a_stop_is_announced_and_closes_with_1012() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    house.begin_stop();
    let shutdown = socket.event("shutdown").await;
    assert_eq!(shutdown["payload"]["reason"], json!("gateway stopping"));
    assert_eq!(socket.closed().await.0, 1012);
    house.stop().await;
}

#[tokio::test]
async fn a_reader_that_stalls_is_let_go_and_harms_nobody() {
    let house = House::open().await;
    let mut stalled = house.socket().await;
    let mut healthy = house.socket().await;
    for number in 0..60_000 {
        stalled.send(format!(r#"{{"type":"req","id":"{number}","method":"status"}}"#)).await;
        if number % 10_000 == 0 {
            assert_eq!(healthy.call("health", &json!({})).await["ok"], json!(true));
        }
    }
    assert_eq!(stalled.closed().await.0, 1013);
    assert_eq!(healthy.call("health", &json!({})).await["ok"], json!(true));
    house.stop().await;
}

#[tokio::test]
async fn a_stop_ends_event_streams_and_lets_answers_finish() {
    let house = House::open().await;
    let gate = Gate::new();
    house.upstream.script([Scripted::text("waits").held(&gate), Scripted::chunks(["one ", "two"]).gated(&gate)]);
    let task = house.http().post("/v2/tasks", &json!({"input": {"message": "x"}})).await.json();
    let mut watched = house.http().watch(&format!("/v2/tasks/{}/events", task["id"].as_str().unwrap())).await;
    watched.until("started").await;
    let body = json!({"stream": true, "messages": [{"role": "user", "content": "x"}]});
    let mut answer = house.http().stream("/v1/chat/completions", &body).await;
    house.upstream.requested(2).await;
    gate.open(2);
    answer.until("\"one \"").await;
    house.begin_stop();
    watched.reply().await;
    gate.open_for_good();
    answer.until("[DONE]").await;
    house.stop().await;
}
