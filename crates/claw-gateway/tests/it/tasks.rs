//! `/v2/tasks`: submitted durably, watched, resumed, cancelled, retried.

use std::time::Duration;

use claw_testkit::{Gate, Reply as Scripted};
use serde_json::{Value, json};

use crate::house::House;
use crate::http::events;

fn task(text: &str) -> Value {
    json!({"type": "agent", "input": {"message": text}})
}

pub(crate) async fn ended(house: &House, id: &str) -> Value {
    let id = id.parse().unwrap();
    house.app.tasks.wait(id, Duration::from_secs(10)).await.unwrap().expect("it ends");
    house.http().get(&format!("/v2/tasks/{id}")).await.json()
}

#[tokio::test]
async fn a_task_is_accepted_and_found_again_with_its_result() {
    let house = House::open().await;
    let reply = house.http().post("/v2/tasks", &task("one two")).await;
    let accepted = reply.json();
    let id = accepted["id"].as_str().unwrap();
    assert_eq!(reply.status, 202);
    assert_eq!(reply.header("location"), Some(format!("/v2/tasks/{id}").as_str()));
    assert_eq!(reply.header("idempotent-replayed"), None);
    assert_eq!((&accepted["status"], &accepted["progress"]), (&json!("queued"), &json!(0)));
    let done = ended(&house, id).await;
    assert_eq!((&done["status"], &done["progress"], &done["error"]), (&json!("completed"), &json!(100), &Value::Null));
    assert_eq!(done["result"]["response"], json!("one two"));
    assert!(done["result"]["usage"]["totalTokens"].is_u64() && done["completedAt"].is_string());
    for field in ["id", "type", "runId", "sessionKey", "agentId", "lane", "priority", "maxAttempts"] {
        assert_eq!(accepted[field], done[field], "{field}");
    }
    let by_run = house.http().get(&format!("/v2/tasks/{}", done["runId"].as_str().unwrap())).await.json();
    assert_eq!(by_run["id"], done["id"]);
    house.stop().await;
}

#[tokio::test]
async fn the_same_key_gives_the_same_task_and_another_body_409() {
    let house = House::open().await;
    let http = house.http().with("idempotency-key", "k-1");
    let body = task("hi");
    let replies = futures::future::join_all((0..8).map(|_| http.post("/v2/tasks", &body))).await;
    let mut ids: Vec<String> = replies.iter().map(|reply| reply.json()["id"].as_str().unwrap().to_owned()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "concurrent duplicates give one task");
    let replayed = replies.iter().filter(|reply| reply.header("idempotent-replayed") == Some("true")).count();
    assert_eq!(replayed, 7);
    let reuse = http.post("/v2/tasks", &task("other")).await;
    assert_eq!((reuse.status, reuse.code().as_str()), (409, "idempotency_key_reuse"));
    let long = house.http().with("idempotency-key", &"k".repeat(256)).post("/v2/tasks", &body).await;
    assert_eq!((long.status, &long.json()["error"]["param"]), (400, &json!("Idempotency-Key")));
    house.stop().await;
}

#[tokio::test]
async fn events_come_as_they_happen_and_end_with_the_task() {
    let house = House::open().await;
    let gate = Gate::new();
    house.upstream.script([Scripted::chunks(["one ", "two"]).gated(&gate)]);
    let id = house.http().post("/v2/tasks", &task("x")).await.json()["id"].as_str().unwrap().to_owned();
    let mut open = house.http().watch(&format!("/v2/tasks/{id}/events")).await;
    gate.open(1);
    assert!(!open.until("\"delta\":\"one \"").await.contains("two"));
    gate.open_for_good();
    let reply = open.reply().await;
    let all = events(&reply.text);
    let kinds: Vec<&str> = all.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"started"), Some(&"completed")), "{kinds:?}");
    let (_, last) = all.last().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!((&last["kind"], &last["result"]["response"]), (&json!("completed"), &json!("one two")));
    house.stop().await;
}

#[tokio::test]
async fn a_reader_resumes_behind_any_number() {
    let house = House::open().await;
    let id = house.http().post("/v2/tasks", &task("one two three")).await.json()["id"].as_str().unwrap().to_owned();
    ended(&house, &id).await;
    let path = format!("/v2/tasks/{id}/events");
    let whole = house.http().get(&path).await.text;
    let blocks: Vec<&str> = whole.split_inclusive("\n\n").collect();
    assert!(blocks.len() > 3);
    for (index, block) in blocks.iter().enumerate() {
        let seq = block.lines().next().unwrap().strip_prefix("id: ").unwrap();
        let rest: String = blocks[index + 1..].concat();
        let by_header = house.http().with("last-event-id", seq).get(&path).await;
        let by_query = house.http().get(&format!("{path}?after={seq}")).await;
        assert_eq!((by_header.text.as_str(), by_query.text.as_str()), (rest.as_str(), rest.as_str()), "after {seq}");
        assert_eq!(by_header.status, if rest.is_empty() { 204 } else { 200 });
    }
    assert_eq!(house.http().get(&format!("{path}?after=x")).await.status, 400);
    house.stop().await;
}

#[tokio::test]
async fn a_task_is_cancelled_and_retried() {
    let house = House::open().await;
    let gate = Gate::new();
    house.upstream.script([Scripted::text("never").held(&gate)]);
    let id = house.http().post("/v2/tasks", &task("x")).await.json()["id"].as_str().unwrap().to_owned();
    house.upstream.requested(1).await;
    let retry = house.http().send("POST", &format!("/v2/tasks/{id}/retry"), None).await;
    assert_eq!((retry.status, retry.code().as_str()), (409, "conflict"));
    assert_eq!(house.http().send("POST", &format!("/v2/tasks/{id}/cancel"), None).await.status, 200);
    assert_eq!(ended(&house, &id).await["status"], json!("cancelled"));
    assert_eq!(house.http().send("POST", &format!("/v2/tasks/{id}/cancel"), None).await.status, 409);
    let retry = house.http().send("POST", &format!("/v2/tasks/{id}/retry"), None).await;
    assert_eq!(retry.status, 202);
    let done = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let task = house.http().get(&format!("/v2/tasks/{id}")).await.json();
            if task["status"] == "completed" {
                return task;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(done.await.unwrap()["result"]["response"], json!("x"));
    house.stop().await;
}

/// A caller who has been answered finds the run in the list at once.
#[tokio::test]
async fn a_run_that_was_answered_is_in_the_list() {
    let house = House::open().await;
    for _each in 0..10 {
        let run = house.http().post("/v1/agent/run", &json!({"message": "x"})).await;
        let newest = house.http().get("/v2/tasks?limit=1").await.json()["tasks"][0].clone();
        assert_eq!(newest["id"].as_str(), run.header("x-openclaw-task-id"), "{newest}");
        assert_eq!(newest["status"], json!("completed"));
    }
    house.stop().await;
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let house = House::open().await;
    for number in 0..5 {
        let body = json!({"input": {"message": "x", "sessionKey": format!("s{}", number % 2)}});
        let id = house.http().post("/v2/tasks", &body).await.json()["id"].as_str().unwrap().to_owned();
        ended(&house, &id).await;
    }
    let first = house.http().get("/v2/tasks?limit=3").await.json();
    assert_eq!((first["tasks"].as_array().unwrap().len(), &first["hasMore"]), (3, &json!(true)));
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = house.http().get(&format!("/v2/tasks?limit=3&cursor={cursor}")).await.json();
    assert_eq!((second["tasks"].as_array().unwrap().len(), &second["nextCursor"]), (2, &Value::Null));
    let count = |query: &str| {
        let (http, path) = (house.http(), format!("/v2/tasks?{query}"));
        async move { http.get(&path).await.json()["tasks"].as_array().unwrap().len() }
    };
    assert_eq!(count("status=completed").await, 5);
    assert_eq!(count("status=failed").await, 0);
    assert_eq!(count("sessionKey=s0").await, 3);
    assert_eq!(count("sessionKey=nobody").await, 0);
    for bad in ["status=done", "limit=0", "limit=201", "limit=x", "cursor=x", "sessionKey=agent%3Amain%3A"] {
        assert_eq!(house.http().get(&format!("/v2/tasks?{bad}")).await.status, 400, "{bad}");
    }
    house.stop().await;
}

#[tokio::test]
async fn unknown_types_and_wrong_fields_are_named() {
    let house = House::open().await;
    let unknown = house.http().post("/v2/tasks", &json!({"type": "analysis", "input": {"fileUrl": "u"}})).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["param"]), (400, &json!("type")));
    assert!(unknown.json()["error"]["message"].as_str().unwrap().contains("agent"));
    assert_eq!(unknown.json()["error"]["type"], json!("client_error"));
    let nobody = house.http().post("/v2/tasks", &json!({"input": {"message": "x", "executor": "nope"}})).await;
    assert_eq!((nobody.status, &nobody.json()["error"]["param"]), (404, &json!("input.executor")));
    let list = house.http().post("/v1/agent/run", &json!({"message": [{"type": "text"}]})).await;
    let message = list.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!((list.status, message.as_str()), (400, "found an array; allowed: a string"));
    for (id, status) in
        [("nonsense", 404), ("task_7", 404), ("sess_00000000000000000000000000000001", 404), ("%00", 404)]
    {
        assert_eq!(house.http().get(&format!("/v2/tasks/{id}")).await.status, status, "{id}");
    }
    house.stop().await;
}
