//! Crowds: sockets that say nothing, sockets that are too many, sockets that do not read (G9).

use std::time::{Duration, Instant};

use claw_testkit::WsClient;
use claw_testkit::ws_client::Incoming;
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Error;

use crate::house::{House, Plan};
use crate::raw::{FIN, Raw, TEXT, frame};

/// Of so many connects and calls, one after the other, the longest that all but the worst took.
async fn typical(house: &House) -> Duration {
    let mut took = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        let mut socket = house.socket().await;
        for _ in 0..5 {
            assert_eq!(socket.call("health", &json!({})).await["ok"], json!(true));
        }
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took[took.len() - 2]
}

#[tokio::test]
async fn two_thousand_silent_sockets_hold_up_nobody_and_leave_nothing_behind() {
    let mut plan = Plan::new();
    plan.settings.handshake_deadline = Duration::from_secs(6);
    let house = plan.build().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = typical(&house).await;
    house.sockets_are(0).await;
    let idle = tasks();
    let mut silent = Vec::new();
    for _ in 0..2000 {
        silent.push(WsClient::open(house.address, "/", &[]).await.unwrap());
    }
    let during = typical(&house).await;
    // Generous, for it is a whole second only on a machine that has better things to do.
    assert!(during < before * 10 + Duration::from_secs(1), "{before:?} before, {during:?} in the crowd");
    for socket in &mut silent {
        assert!(matches!(socket.next().await, Incoming::Frame(_)));
        assert_eq!(socket.closed().await, (1000, "handshake timeout".to_owned()));
    }
    drop(silent);
    house.sockets_are(0).await;
    // The requests that asked for the count may not quite have ended.
    assert!(tasks() <= idle + 8, "{} futures are left of {idle}", tasks());
    typical(&house).await;
    house.stop().await;
}

#[tokio::test]
async fn strangers_beyond_the_limit_are_503_and_the_next_is_let_in_when_one_leaves() {
    let mut plan = Plan::new();
    plan.settings.handshakes_max = 8;
    let house = plan.build().await;
    // Whoever was let in does not count.
    let mut known = house.socket().await;
    let mut strangers = Vec::new();
    for _ in 0..8 {
        strangers.push(WsClient::open(house.address, "/", &[]).await.unwrap());
    }
    let refused = WsClient::open(house.address, "/", &[]).await.unwrap_err();
    assert!(matches!(&refused, Error::Http(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE), "{refused}");
    assert_eq!(house.stranger().get("/health").await.status, 200);
    assert_eq!(known.call("health", &json!({})).await["ok"], json!(true));
    strangers.pop();
    house.sockets_are(8).await;
    house.socket().await;
    house.stop().await;
}

/// A socket whose answers find no room: its own buffer is small, and it reads nothing.
async fn stalled(house: &House) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(house.address).await.unwrap();
    let mut raw = Raw::let_in(house, stream).await;
    let history = r#"{"type":"req","id":"h","method":"chat.history","params":{"sessionKey":"large"}}"#;
    raw.write(&frame(FIN | TEXT, history.as_bytes())).await;
    raw
}

#[tokio::test]
async fn three_hundred_readers_that_stall_do_not_hold_up_a_broadcast() {
    let house = House::open().await;
    let mut healthy = house.socket().await;
    healthy.payload("sessions.create", &json!({"key": "large"})).await;
    let large = json!({"sessionKey": "large", "message": "x".repeat(250_000)});
    healthy.payload("chat.inject", &large).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(stalled(&house).await);
    }
    for number in 0..10 {
        let task = json!({"input": {"message": "x"}, "idempotencyKey": number.to_string()});
        let id = healthy.payload("tasks.submit", &task).await["task"]["id"].clone();
        loop {
            let news = healthy.event("task").await["payload"].clone();
            if news["id"] == id && news["status"] == "completed" {
                break;
            }
        }
        assert_eq!(healthy.call("health", &json!({})).await["ok"], json!(true));
    }
    // They are still there, and one that reads again finds its answer and all that was told.
    house.sockets_are(301).await;
    let mut reader = crowd.swap_remove(7);
    assert_eq!(reader.answer("h").await["ok"], json!(true));
    while reader.json().await["payload"]["status"] != "completed" {}
    drop(crowd);
    house.sockets_are(2).await;
    house.stop().await;
}
