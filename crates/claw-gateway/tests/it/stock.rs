//! What the published clients of both generations send, frame by frame, and what they check in the answer.
//!
//! Each of these was refused or misread once when such a client was tried; docs/compatibility.md says how.

use claw_testkit::WsClient;
use claw_testkit::ws_client::stock_params;
use serde_json::{Value, json};

use crate::house::{House, TOKEN};

async fn stock(house: &House) -> (WsClient, Value) {
    WsClient::connect_with(house.address, &stock_params(TOKEN)).await
}

async fn talk(socket: &mut WsClient, key: &str, message: &str) {
    let id = socket.ask("agent", &json!({"message": message, "sessionKey": key, "idempotencyKey": message})).await;
    socket.answer(&id).await;
    assert_eq!(socket.answer(&id).await["ok"], json!(true));
}

/// `openclaw models list` of 2026.9: it does not even ask a gateway without this capability.
#[tokio::test]
async fn models_are_listed_for_whoever_wants_a_published_catalogue() {
    let house = House::open().await;
    let (mut socket, hello) = stock(&house).await;
    assert_eq!(hello["payload"]["features"]["capabilities"], json!(["published-model-catalog"]));
    let ids = |list: &Value| -> Vec<Value> {
        let rows = list["models"].as_array().unwrap().iter();
        rows.map(|row| json!([row["provider"], row["id"], row["available"], row["tags"]])).collect()
    };
    let all = socket.payload("models.list", &json!({"view": "default", "includeDetails": true})).await;
    let main = [json!(["mock", "mock-1", true, ["default"]]), json!(["mock", "mock-2", true, []])];
    assert_eq!(ids(&all), main);
    let ops = json!({"agentId": "ops", "view": "all", "provider": "Mock", "includeDetails": true});
    let ops = socket.payload("models.list", &ops).await;
    assert_eq!(ids(&ops), [json!(["mock", "mock-1", true, []]), json!(["mock", "mock-2", true, ["default"]])]);
    assert_eq!(socket.payload("models.list", &json!({"provider": "none"})).await, json!({"models": []}));
    let nobody = socket.call("models.list", &json!({"agentId": "nobody"})).await;
    assert_eq!(
        nobody["error"],
        json!({"code": "NOT_FOUND", "message": "no agent \"nobody\"", "details": {"code": "not_found", "param": "agentId"}})
    );
    house.stop().await;
}

/// `openclaw cron list` of 2026.9 calls a page invalid unless it is the one it asked for, of a named set.
#[tokio::test]
async fn a_page_of_jobs_is_the_one_that_was_asked_for() {
    let house = House::open().await;
    let (mut socket, _) = stock(&house).await;
    let page = socket.payload("cron.list", &json!({"includeDisabled": false, "limit": 100, "offset": 0})).await;
    let expected = json!({
        "jobs": [], "snapshotRevision": "none", "total": 0, "offset": 0, "limit": 100, "hasMore": false,
        "nextOffset": null, "deliveryPreviews": {},
    });
    assert_eq!(page, expected);
    house.stop().await;
}

/// The terminal of 2026.9 throws a history away when the conversation's id differs from one answer to the next.
#[tokio::test]
async fn a_conversation_has_one_id_in_all_answers_to_a_stock_client() {
    let house = House::open().await;
    let (mut socket, _) = stock(&house).await;
    let key = json!({"key": "agent:main:main"});
    assert_eq!(socket.payload("sessions.describe", &key).await, json!({"session": null}));
    talk(&mut socket, "agent:main:main", "one").await;
    let history = socket.payload("chat.history", &json!({"sessionKey": "agent:main:main", "limit": 200})).await;
    let described = socket.payload("sessions.describe", &key).await["session"].clone();
    let listed = socket.payload("sessions.list", &json!({"agentId": "main", "limit": 1})).await;
    let id = &history["sessionId"];
    assert_eq!(id.as_str().map(str::len), Some(36));
    let ids = [&history["sessionInfo"]["sessionId"], &described["sessionId"], &listed["sessions"][0]["sessionId"]];
    assert_eq!(ids, [id; 3]);
    assert_eq!((&history["defaults"], &history["sessionInfo"]["messageCount"]), (&listed["defaults"], &json!(2)));
    // Others see the name they gave it (B22).
    let mut plain = WsClient::connect(house.address, TOKEN).await;
    assert_eq!(plain.payload("sessions.list", &json!({})).await["sessions"][0]["sessionId"], json!("main"));
    house.stop().await;
}

/// A key without its agent comes with the agent beside it.
#[tokio::test]
async fn a_history_is_found_by_its_agent_and_a_short_key() {
    let house = House::open().await;
    let (mut socket, _) = stock(&house).await;
    talk(&mut socket, "agent:ops:main", "for ops").await;
    let asked = json!({"sessionKey": "main", "agentId": "ops", "limit": 200});
    let history = socket.payload("chat.history", &asked).await;
    assert_eq!(history["messages"][0]["content"], json!([{"type": "text", "text": "for ops"}]));
    assert_eq!(history["sessionInfo"]["key"], json!("agent:ops:main"));
    house.stop().await;
}

/// `openclaw agent --session-id` with an id that a list showed; any other name is the conversation's own (K6).
#[tokio::test]
async fn an_agent_goes_on_in_the_conversation_whose_id_is_given() {
    let house = House::open().await;
    let (mut socket, _) = stock(&house).await;
    talk(&mut socket, "agent:main:plan", "first").await;
    let listed = socket.payload("sessions.list", &json!({})).await;
    let asked = json!({"message": "second", "sessionId": listed["sessions"][0]["sessionId"], "idempotencyKey": "2"});
    let id = socket.ask("agent", &asked).await;
    assert_eq!(socket.answer(&id).await["payload"]["sessionKey"], json!("agent:main:plan"));
    socket.answer(&id).await;
    let unknown = json!({"message": "x", "sessionId": "01a1fdda-a4fd-76ba-8759-f86cd23a8cb2", "idempotencyKey": "3"});
    let id = socket.ask("agent", &unknown).await;
    let key = json!("agent:main:01a1fdda-a4fd-76ba-8759-f86cd23a8cb2");
    assert_eq!(socket.answer(&id).await["payload"]["sessionKey"], key);
    socket.answer(&id).await;
    house.stop().await;
}
