//! What agents remember, as doors show it.

use claw_core::Scope;
use claw_testkit::WsClient;
use serde_json::{Value, json};

use crate::house::House;

fn without_times(mut memory: Value) -> Value {
    let object = memory.as_object_mut().unwrap();
    assert!(object.remove("createdAt").is_some_and(|time| time.is_string()));
    memory
}

#[tokio::test]
async fn a_memory_is_added_found_listed_shown_and_forgotten() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let added = socket.payload("memory.add", &json!({"text": " Ada drinks tea. ", "agentId": "ops"})).await;
    let id = added["memory"]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("mem_"), "{id}");
    let whole = json!({"id": id, "agentId": "ops", "text": "Ada drinks tea.", "sessionKey": null});
    assert_eq!(without_times(added["memory"].clone()), whole);

    let found = socket.payload("memory.search", &json!({"query": "does ada like TEAS?", "agentId": "ops"})).await;
    let mut hit = without_times(found["results"][0].clone());
    assert!(hit.as_object_mut().unwrap().remove("score").is_some_and(|score| score.is_f64()));
    assert_eq!(hit, json!({"citation": id, "source": "store", "id": id, "snippet": "Ada drinks tea."}));
    let elsewhere = socket.payload("memory.search", &json!({"query": "tea", "agentId": "default"})).await;
    assert_eq!(elsewhere, json!({"results": []}), "another agent's");

    socket.payload("memory.add", &json!({"text": "second"})).await;
    let page = socket.payload("memory.list", &json!({"limit": 1})).await;
    assert_eq!((&page["memories"][0]["text"], &page["hasMore"]), (&json!("second"), &json!(true)));
    let page = socket.payload("memory.list", &json!({"limit": 1, "cursor": page["nextCursor"]})).await;
    assert_eq!(
        (&page["memories"][0]["id"], &page["hasMore"], &page["nextCursor"]),
        (&json!(id), &json!(false), &Value::Null)
    );

    let got = socket.payload("memory.get", &json!({ "id": id })).await;
    assert_eq!(without_times(got["memory"].clone()), whole);
    let gone = socket.payload("memory.delete", &json!({ "id": id })).await;
    assert_eq!(gone, json!({"id": id, "deleted": true}));
    let absent = json!({"code": "NOT_FOUND", "message": format!("no memory {id:?}")});
    for method in ["memory.get", "memory.delete"] {
        assert_eq!(socket.call(method, &json!({ "id": id })).await["error"], absent, "{method}");
    }
    house.stop().await;
}

/// The message of a refusal, after its code was seen to be the one for wrong parameters.
async fn refused(socket: &mut WsClient, method: &str, params: Value) -> String {
    let answer = socket.call(method, &params).await;
    assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{method} {params}: {answer}");
    answer["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let table = [
        ("memory.search", json!({}), "query"),
        ("memory.search", json!({"query": " "}), "query"),
        ("memory.search", json!({"query": "x".repeat(5000)}), "query"),
        ("memory.search", json!({"query": "x", "agentId": "a b"}), "agentId"),
        ("memory.search", json!({"query": "x", "maxResults": "many"}), "maxResults"),
        ("memory.add", json!({}), "text"),
        ("memory.add", json!({"text": "x".repeat(20_000)}), "text"),
        ("memory.list", json!({"limit": 0}), "limit"),
        ("memory.list", json!({"cursor": "?"}), "cursor"),
        ("memory.get", json!({}), "id"),
        ("memory.delete", json!({"id": 7}), "id"),
    ];
    for (method, params, field) in table {
        let message = refused(&mut socket, method, params.clone()).await;
        assert!(message.contains(field), "{method} {params}: {message}");
    }
    let absent = socket.call("memory.get", &json!({"id": "'; DROP TABLE memories"})).await;
    assert_eq!(absent["error"]["code"], "NOT_FOUND");
    house.stop().await;
}

/// G13
#[tokio::test]
async fn a_key_finds_only_what_was_remembered_for_it() {
    let house = House::open().await;
    let mut operator = house.socket().await;
    let added = operator.payload("memory.add", &json!({"text": "the operator's secret"})).await;
    let id = added["memory"]["id"].clone();
    let (_, key) = house.key(&[Scope::Write]).await;
    let mut tenant = WsClient::connect(house.address, &key).await;
    assert_eq!(tenant.payload("memory.search", &json!({"query": "secret"})).await, json!({"results": []}));
    assert_eq!(tenant.payload("memory.list", &json!({})).await["memories"], json!([]));
    for method in ["memory.get", "memory.delete"] {
        let foreign = tenant.call(method, &json!({ "id": id })).await;
        let unknown = tenant.call(method, &json!({"id": "mem_00000000000000000000000000000000"})).await;
        assert_eq!(foreign["error"]["code"], unknown["error"]["code"], "{method}");
    }
    tenant.payload("memory.add", &json!({"text": "the tenant's secret"})).await;
    let found = operator.payload("memory.search", &json!({"query": "secret"})).await;
    assert_eq!(found["results"].as_array().map(Vec::len), Some(1), "{found}");
    house.stop().await;
}
