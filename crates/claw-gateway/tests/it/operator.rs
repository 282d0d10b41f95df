//! What an operator's client asks beside runs and conversations; and what does not exist yet.

use serde_json::{Value, json};

use crate::house::House;

/// The answer without its times, which are asserted to be there.
fn timeless(mut answer: Value, fields: &[&str]) -> Value {
    for field in fields {
        let time = answer.as_object_mut().unwrap().remove(*field).unwrap_or_default();
        assert!(time.is_i64(), "{field} is missing in {answer}");
    }
    answer
}

#[tokio::test]
async fn agents_are_listed_with_their_names_and_models() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let list = socket.payload("agents.list", &json!({})).await;
    let expected = json!({
        "defaultId": "main", "mainKey": "main", "scope": "per-sender", "selectionRequired": false,
        "agents": [
            {"id": "main", "model": {"primary": "mock/mock-1"}},
            {"id": "ops", "model": {"primary": "mock/mock-2"}},
        ],
    });
    assert_eq!(list, expected);
    let main = json!({"agentId": "main", "name": "Assistant", "nameSource": "default", "avatar": "A"});
    for params in [Value::Null, json!({}), json!({"agentId": "default"}), json!({"sessionKey": "main"})] {
        assert_eq!(socket.payload("agent.identity.get", &params).await, main, "{params}");
    }
    let ops = socket.payload("agent.identity.get", &json!({"sessionKey": "agent:ops:x"})).await;
    assert_eq!(ops["agentId"], json!("ops"));
    for method in ["agent.identity.get", "tools.catalog", "skills.status"] {
        let absent = socket.call(method, &json!({"agentId": "nobody"})).await;
        assert_eq!(absent["error"], json!({"code": "NOT_FOUND", "message": "no agent \"nobody\""}), "{method}");
    }
    house.stop().await;
}

#[tokio::test]
async fn the_catalogue_holds_the_tools_that_really_run() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let catalog = socket.payload("tools.catalog", &json!({})).await;
    let expected = json!({
        "agentId": "main",
        "profiles": [],
        "groups": [{"id": "core", "label": "Built in", "source": "core", "tools": [{
            "id": "session_status", "label": "session_status", "source": "core", "defaultProfiles": [],
            "description": "The current date and time (UTC), and the session, agent, model and tokens in use.",
        }]}],
    });
    assert_eq!(catalog, expected);
    house.stop().await;
}

/// B12, C17 to C19.
#[tokio::test]
async fn what_does_not_exist_yet_is_said_to_be_none_in_the_stock_shapes() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let channels = timeless(socket.payload("channels.status", &json!({"probe": true})).await, &["ts"]);
    let expected = json!({
        "channelOrder": [], "channelLabels": {}, "channelDetailLabels": {}, "channelSystemImages": {},
        "channelMeta": [], "channels": {}, "channelAccounts": {}, "channelDefaultAccountId": {}, "statusIssues": [],
    });
    assert_eq!(channels, expected);
    let nodes = timeless(socket.payload("node.list", &json!({})).await, &["ts"]);
    assert_eq!(nodes, json!({"nodes": []}));
    let none = [
        ("channel.list", json!({"channels": []})),
        ("commands.list", json!({"commands": []})),
        (
            "cron.list",
            json!({
                "jobs": [], "total": 0, "offset": 0, "limit": 0, "hasMore": false, "nextOffset": null,
                "deliveryPreviews": {},
            }),
        ),
        (
            "cron.status",
            json!({"enabled": false, "triggersEnabled": false, "storePath": "", "jobs": 0, "nextWakeAtMs": null}),
        ),
        ("skills.status", json!({"workspaceDir": "", "managedSkillsDir": "", "agentId": "main", "skills": []})),
    ];
    for (method, expected) in none {
        assert_eq!(socket.payload(method, &json!({})).await, expected, "{method}");
    }
    house.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_yet_is_refused_with_the_reason() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let how = "no channel is configured (this version has none that \"channels\" in openclaw.json could set up)";
    let invalid = |message: String| json!({"code": "INVALID_REQUEST", "message": message});
    let table = [
        ("send", json!({"to": "+1555", "message": "x"}), invalid(format!("channel is required: {how}"))),
        (
            "send",
            json!({"to": "@x", "message": "x", "channel": "telegram", "idempotencyKey": "s1"}),
            invalid(format!("unsupported channel: telegram: {how}")),
        ),
        ("send", json!({"to": "@x"}), invalid("invalid send params: at message: missing field `message`".to_owned())),
        (
            "channel.status",
            json!({"channelId": "whatsapp"}),
            json!({"code": "NOT_FOUND", "message": "no channel \"whatsapp\": no channel is configured"}),
        ),
        (
            "channel.status",
            json!({}),
            invalid("invalid channel.status params: at channelId: missing field `channelId`".to_owned()),
        ),
        (
            "browser.screenshot",
            json!({"selector": "body", "fullPage": true}),
            json!({"code": "UNAVAILABLE", "message": "browser is not configured", "retryable": false}),
        ),
    ];
    for (method, params, error) in table {
        assert_eq!(socket.call(method, &params).await["error"], error, "{method} {params}");
    }
    house.stop().await;
}

#[tokio::test]
async fn approvals_are_the_admins_and_there_is_no_file_of_them() {
    let house = House::open().await;
    let (mut admin, _) = claw_testkit::WsClient::connect_with(
        house.address,
        &claw_testkit::ws_client::stock_params(crate::house::TOKEN),
    )
    .await;
    let approvals = admin.payload("exec.approvals.get", &json!({})).await;
    let expected = json!({
        "path": "", "exists": false,
        "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "file": {"version": 1, "defaults": {}, "agents": {}},
    });
    assert_eq!(approvals, expected);
    house.stop().await;
}

/// C15, C16, C20.
#[tokio::test]
async fn the_api_references_names_show_the_same_conversations() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    assert_eq!(
        socket.payload("session.list", &json!({})).await,
        json!({"sessions": [], "hasMore": false, "nextCursor": null})
    );
    let absent = socket.call("session.get", &json!({"sessionKey": "session-123"})).await;
    assert_eq!(absent["error"], json!({"code": "NOT_FOUND", "message": "no session \"agent:main:session-123\""}));
    let id = socket.ask("agent", &json!({"message": "x", "sessionKey": "session-123"})).await;
    socket.answer(&id).await;
    socket.answer(&id).await;
    let list = socket.payload("session.list", &json!({})).await;
    let mut session = list["sessions"][0].clone();
    let mut found = socket.payload("session.get", &json!({"sessionKey": "session-123"})).await;
    let messages = found.as_object_mut().unwrap().remove("messages").unwrap();
    assert_eq!(found, session);
    let said: Vec<&Value> = messages.as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(said, [&json!("user"), &json!("assistant")]);
    for time in ["createdAt", "updatedAt"] {
        let time = session.as_object_mut().unwrap().remove(time).unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
    let expected =
        json!({"sessionKey": "agent:main:session-123", "agentId": "main", "channel": null, "messageCount": 2});
    assert_eq!(session, expected);
    // Somebody else's is as absent as one that does not exist.
    let (_, key) = house.key(&[claw_core::Scope::Read]).await;
    let mut stranger = claw_testkit::WsClient::connect(house.address, &key).await;
    let foreign = stranger.call("session.get", &json!({"sessionKey": "session-123"})).await;
    assert_eq!(foreign["error"], absent["error"]);
    assert_eq!(stranger.payload("session.list", &json!({})).await["sessions"], json!([]));
    let system = socket.payload("system.status", &json!({})).await;
    let status = house.http().get("/status").await.json();
    assert_eq!((&system["status"], &system["gateway"]["port"]), (&status["status"], &status["gateway"]["port"]));
    assert_eq!(system["channels"], json!({}));
    house.stop().await;
}
