//! What holders of API keys are told of the gateway: what is their own (G13).

use claw_core::Scope;
use claw_testkit::WsClient;
use serde_json::{Value, json};

use crate::house::House;
use crate::http::Http;

struct Tenant {
    key: String,
    http: Http,
}

async fn tenant(house: &House, scope: Scope) -> Tenant {
    let (_, key) = house.key(&[scope]).await;
    let http = Http::new(house.address, &[("authorization", &format!("Bearer {key}"))]);
    Tenant { key, http }
}

/// Has so many runs made, each in a conversation of its own.
async fn work(http: &Http, name: &str, count: usize) {
    for number in 0..count {
        let body = json!({"message": "hi", "sessionKey": format!("{name}{number}")});
        assert_eq!(http.post("/v1/agent/run", &body).await.status, 200);
    }
    // Reading a conversation waits for the writes before it; counting does not.
    assert_eq!(http.get("/v1/sessions").await.status, 200);
}

fn counted(told: &Value, tasks: &str) -> (Value, Value) {
    let completed = told.pointer(tasks).cloned().unwrap_or_default();
    (completed, told["sessions"]["count"].clone())
}

#[tokio::test]
async fn status_and_health_count_what_is_the_callers_own() {
    let house = House::open().await;
    let (one, other) = (tenant(&house, Scope::Write).await, tenant(&house, Scope::Write).await);
    work(&house.http(), "op", 3).await;
    work(&one.http, "mine", 2).await;
    work(&other.http, "theirs", 1).await;
    let mut socket = WsClient::connect(house.address, &one.key).await;
    let status = one.http.get("/status").await.json();
    let over_socket = socket.payload("status", &json!({})).await;
    let system = socket.payload("system.status", &json!({})).await;
    for told in [&status, &over_socket, &system] {
        assert_eq!(counted(told, "/tasks/byStatus/completed"), (json!(2), json!(2)), "{told}");
        assert_eq!((&told["queue"], &told["workers"]), (&Value::Null, &Value::Null));
        assert_eq!((&told["eventLoop"], &told["gateway"]["connections"]), (&Value::Null, &Value::Null));
        assert_eq!((&told["sessions"]["paths"], &told["queuedSystemEvents"]), (&json!([]), &json!([])));
        assert_eq!((&told["status"], &told["gateway"]["auth"]), (&json!("ok"), &json!("token")), "C22 stays");
    }
    let health = socket.payload("health", &json!({"probe": true})).await;
    assert_eq!(counted(&health, "/tasks/completed"), (json!(2), json!(2)), "{health}");
    assert_eq!(
        (&health["ok"], &health["failing"], &health["sessions"]["path"]),
        (&json!(true), &json!([]), &json!(""))
    );
    assert_eq!(health["agents"][0]["sessions"], json!({"path": "", "count": 2, "recent": []}));
    for hidden in ["queue", "workers", "eventLoop", "providers", "executors"] {
        assert_eq!(health[hidden], Value::Null, "{hidden}");
    }
    let all = house.http().get("/status").await.json();
    assert_eq!(counted(&all, "/tasks/byStatus/completed"), (json!(6), json!(6)), "the operator sees all");
    assert!(all["queue"].is_object() && all["workers"].is_object() && all["eventLoop"].is_object());
    let admin = tenant(&house, Scope::Admin).await.http.get("/status").await.json();
    assert_eq!(counted(&admin, "/tasks/byStatus/completed"), (json!(6), json!(6)), "and an admin");
    house.stop().await;
}

#[tokio::test]
async fn a_tenants_hello_tells_of_its_own_and_of_no_place_on_the_disk() {
    let mut plan = crate::house::Plan::new();
    plan.settings.state_dir = "a-place-on-the-disk".into();
    let house = plan.build().await;
    let one = tenant(&house, Scope::Write).await;
    work(&house.http(), "op", 2).await;
    let params = claw_testkit::ws_client::stock_params(&one.key);
    let (mut socket, hello) = WsClient::connect_with(house.address, &params).await;
    let health = &hello["payload"]["snapshot"]["health"];
    assert_eq!(counted(health, "/tasks/completed"), (json!(0), json!(0)), "{hello}");
    let list = socket.payload("sessions.list", &json!({})).await;
    assert_eq!((&list["path"], &list["count"]), (&json!(""), &json!(0)));
    let created = socket.payload("sessions.create", &json!({"key": "mine"})).await;
    assert_eq!(created["path"], json!(""), "{created}");
    for told in [&hello, &list, &created] {
        assert!(!told.to_string().contains("a-place-on-the-disk"), "{told}");
    }
    let mut operator = house.socket().await;
    assert_eq!(operator.payload("sessions.list", &json!({})).await["path"], json!("a-place-on-the-disk"));
    house.stop().await;
}

/// A8, K9: the tool tells of the conversation that a run of this caller would be in.
#[tokio::test]
async fn session_status_tells_of_the_callers_conversation_as_it_stands() {
    let house = House::open().await;
    let one = tenant(&house, Scope::Write).await;
    work(&house.http(), "talk", 1).await;
    work(&house.http(), "talk", 1).await;
    work(&one.http, "talk", 1).await;
    let ask = json!({"tool": "session_status", "arguments": {}, "sessionKey": "talk0"});
    for (http, messages) in [(house.http(), 4), (one.http, 2)] {
        let sessions = http.get("/v1/sessions").await.json();
        let own = sessions["sessions"].as_array().unwrap().iter().find(|row| row["messageCount"] == messages).unwrap();
        let told = http.post("/v1/tools/invoke", &ask).await.json();
        let told = &told["result"]["details"];
        assert_eq!((&told["session"], &told["messages"]), (&own["sessionKey"], &json!(messages)), "{told}");
        assert_eq!(told["model"], json!("mock/mock-1"));
        assert!(told["inputTokens"].as_u64().unwrap() > 0 && told["outputTokens"].as_u64().unwrap() > 0, "{told}");
    }
    let fresh = json!({"tool": "session_status", "arguments": {}, "sessionKey": "nowhere"});
    let told = house.http().post("/v1/tools/invoke", &fresh).await.json();
    assert_eq!(told["result"]["details"]["messages"], json!(0), "{told}");
    house.stop().await;
}
