//! A run outlives its gateway, and its client finds it again by number.

use std::path::PathBuf;

use claw_testkit::process::GatewayProcess;
use claw_testkit::{Gate, Reply, Upstream};
use serde_json::json;

use crate::house::{Home, with_provider};

#[tokio::test]
async fn a_run_is_resumed_after_its_gateway_was_killed_and_nothing_is_missing() {
    let upstream = Upstream::start().await;
    let gate = Gate::new();
    upstream.script([Reply::chunks(["one ", "two"]).held_before_end(&gate), Reply::text("one two three")]);
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let mut client = home.admin("tok").await;
    let params = json!({"message": "count", "sessionKey": "s", "idempotencyKey": "mine", "queueMode": "followup"});
    let sent = client.payload("chat.send", &params).await;
    assert_eq!(sent["status"], json!("started"));
    let seen = loop {
        let event = client.event("agent").await["payload"].clone();
        if event["data"]["text"] == "one two" {
            break event["seq"].as_u64().unwrap();
        }
    };
    let Home { directory, gateway } = home;
    gateway.kill().await.unwrap();
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_openclaw"));
    let gateway = GatewayProcess::start(&binary, directory.path(), &[]).await.unwrap();
    let home = Home { directory, gateway };
    let mut client = home.admin("tok").await;
    let asked = client.ask("runs.resume", &json!({"runId": "mine", "afterSeq": seen})).await;
    let answer = client.answer(&asked).await["payload"].clone();
    assert_eq!((&answer["runId"], &answer["afterSeq"]), (&json!("mine"), &json!(seen)));
    let end = client.answer(&asked).await;
    assert_eq!(end["payload"]["status"], json!("ok"), "{end}");
    assert_eq!(end["payload"]["result"]["payloads"][0]["text"], json!("one two three"));
    let events = client.take_events();
    let later: Vec<u64> = events
        .iter()
        .filter(|event| event["event"] == "agent" && event["payload"]["runId"] == "mine")
        .map(|event| event["payload"]["seq"].as_u64().unwrap())
        .collect();
    assert!(later.iter().all(|seq| *seq > seen) && later.windows(2).all(|pair| pair[0] <= pair[1]), "{later:?}");
    let text = events.iter().rfind(|event| event["payload"]["stream"] == "assistant").unwrap();
    assert_eq!(text["payload"]["data"]["text"], json!("one two three"), "the new attempt begins anew");
    let history = client.payload("sessions.history", &json!({"sessionKey": "s"})).await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 2, "{history}");
}
