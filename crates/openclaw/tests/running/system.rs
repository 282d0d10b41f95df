//! `openclaw system` and `openclaw gateway call`.

use claw_testkit::Upstream;
use serde_json::{Value, json};

use crate::house::{Home, with_provider};

#[tokio::test]
async fn the_command_line_shows_who_is_here_and_tells_what_happened() {
    // B16, B17, B27.
    let upstream = Upstream::start().await;
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let (code, shown) = home.run(&["system", "presence"]).await;
    assert_eq!(code, 0);
    assert!(shown.contains("gateway") && shown.contains("ADDRESS"), "{shown}");
    let told = home.run(&["system", "event", "--text", "the door is open"]).await;
    assert_eq!(told, (0, "it is told with the next turn".to_owned()));
    let (_, began) = home.run(&["system", "event", "--text", "look", "--mode", "now"]).await;
    assert!(began.starts_with("run run_") && began.ends_with(" began"), "{began}");
    upstream.requested(1).await;
    assert!(upstream.requests()[0].body["messages"].to_string().contains("the door is open"));
    assert_eq!(home.run(&["system", "heartbeat", "disable"]).await, (0, "heartbeats are off".to_owned()));
    let (code, answer) = home.run(&["gateway", "call", "agents.list"]).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((code, &answer["defaultId"]), (0, &json!("main")));
    let (code, _) = home.run(&["gateway", "call", "agents.list", "--params", "{"]).await;
    assert_eq!(code, 64, "usage");
}
