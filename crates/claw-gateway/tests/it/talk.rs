//! Chat completions: what a caller that keeps the conversation may send.

use claw_testkit::Reply as Scripted;
use serde_json::json;

use crate::house::House;

/// OpenAI takes both; the model sees them as they were sent.
#[tokio::test]
async fn a_talk_that_ends_with_an_answer_or_holds_instructions_alone_goes_to_the_model() {
    let house = House::open().await;
    let said = |role: &str, text: &str| json!({"role": role, "content": text});
    for messages in [
        json!([said("user", "a"), said("assistant", "y")]),
        json!([said("system", "s"), said("user", "a"), said("assistant", "y")]),
        json!([said("system", "s")]),
    ] {
        for session in ["", "agent:main:prefilled"] {
            house.upstream.script([Scripted::text("and so on")]);
            let http =
                if session.is_empty() { house.http() } else { house.http().with("x-openclaw-session-key", session) };
            let reply = http.post("/v1/chat/completions", &json!({"messages": messages})).await;
            let text = &reply.json()["choices"][0]["message"]["content"];
            assert_eq!((reply.status, text), (200, &json!("and so on")), "{messages} {}", reply.text);
            let seen = house.upstream.requests().pop().unwrap().body;
            let seen = seen["messages"].as_array().unwrap();
            let asked = messages.as_array().unwrap();
            assert_eq!(seen.last(), asked.last(), "{seen:?}");
            assert!(asked.iter().all(|message| seen.contains(message)), "{seen:?}");
        }
    }
    house.stop().await;
}
