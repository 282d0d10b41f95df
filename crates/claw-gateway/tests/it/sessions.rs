//! Conversations over the socket and HTTP: made, changed, read, emptied, deleted.

use claw_core::Scope;
use claw_testkit::upstream::Seen;
use claw_testkit::ws_client::stock_params;
use claw_testkit::{Gate, Reply as Scripted, WsClient};
use serde_json::{Value, json};

use crate::house::{House, TOKEN};
use crate::http::{Http, Reply};

/// A whole run in a conversation.
async fn talk(socket: &mut WsClient, key: &str, message: &str) {
    let id = socket.ask("agent", &json!({"message": message, "sessionKey": key})).await;
    socket.answer(&id).await;
    assert_eq!(socket.answer(&id).await["ok"], json!(true));
}

/// What the upstream was asked last.
fn asked(house: &House) -> Seen {
    house.upstream.requests().pop().unwrap()
}

async fn delete(http: &Http, path: &str) -> Reply {
    http.send("DELETE", path, None).await
}

fn said(messages: &Value) -> Vec<String> {
    let text = |message: &Value| message["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    messages.as_array().unwrap().iter().map(text).collect()
}

/// B20, B21 and the stock client's words for them.
#[tokio::test]
async fn a_conversation_is_made_and_changed_and_its_runs_obey() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let made = socket.payload("sessions.create", &json!({"key": "plan", "label": "Plan", "model": "mock-2"})).await;
    assert_eq!((&made["ok"], &made["key"]), (&json!(true), &json!("agent:main:plan")));
    assert_eq!((&made["created"], &made["runStarted"]), (&json!(true), &json!(false)));
    assert_eq!(made["resolved"], json!({"modelProvider": "mock", "model": "mock-2"}));
    assert_eq!((&made["entry"]["label"], &made["entry"]["modelOverride"]), (&json!("Plan"), &json!("mock-2")));
    talk(&mut socket, "plan", "hello").await;
    assert_eq!(asked(&house).model(), "mock-2");
    let list = socket.payload("sessions.list", &json!({})).await;
    assert_eq!((&list["sessions"][0]["model"], &list["totalCount"]), (&json!("mock-2"), &json!(1)));
    // Null clears, and what is not named stays.
    let patch = json!({"sessionKey": "plan", "model": null, "thinkingLevel": "low"});
    let patched = socket.payload("sessions.patch", &patch).await;
    assert_eq!(patched["resolved"]["model"], json!("mock-1"));
    assert_eq!((&patched["entry"]["label"], &patched["entry"]["thinkingLevel"]), (&json!("Plan"), &json!("low")));
    assert!(patched["path"].is_string() && patched["entry"]["sessionId"] == made["sessionId"]);
    talk(&mut socket, "plan", "again").await;
    assert_eq!(asked(&house).model(), "mock-1");
    for metadata in [json!({"a": {"b": [1]}, "c": 2}), json!({"c": null})] {
        socket.payload("sessions.update", &json!({"sessionId": "plan", "metadata": metadata})).await;
    }
    let shown = socket.payload("sessions.update", &json!({"key": "plan"})).await;
    assert_eq!(shown["entry"]["metadata"], json!({"a": {"b": [1]}}));
    for (method, params, part) in [
        ("sessions.patch", json!({"key": "plan", "thinkingLevel": "loud"}), "off, minimal, low, medium, high"),
        ("sessions.patch", json!({"key": "plan", "model": "nobody/knows"}), "nobody/knows"),
        ("sessions.patch", json!({"key": "plan", "label": 5}), "at label"),
        ("sessions.patch", json!({}), "at key"),
        ("sessions.update", json!({"key": "unknown", "label": "x"}), "no session"),
        ("sessions.create", json!({"agentId": "nobody"}), "no agent"),
        ("sessions.create", json!({"message": " "}), "at message"),
    ] {
        let refused = socket.call(method, &params).await;
        assert!(refused["error"]["message"].as_str().is_some_and(|text| text.contains(part)), "{refused}");
    }
    let fresh = socket.payload("sessions.create", &json!({"message": "go", "agentId": "ops"})).await;
    assert!(fresh["key"].as_str().unwrap().starts_with("agent:ops:dashboard:"), "{fresh}");
    assert_eq!((&fresh["runStarted"], &fresh["status"]), (&json!(true), &json!("started")));
    let waited = socket.payload("agent.wait", &json!({"runId": fresh["runId"], "timeoutMs": 9000})).await;
    assert_eq!(waited["status"], json!("ok"));
    house.stop().await;
}

#[tokio::test]
async fn what_was_said_is_read_in_every_shape_and_begins_anew_after_a_reset() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    talk(&mut socket, "main", "one").await;
    talk(&mut socket, "main", "two").await;
    let history = socket.payload("chat.history", &json!({"sessionKey": "main", "limit": 3})).await;
    assert_eq!(said(&history["messages"]), ["one", "two", "two"]);
    assert_eq!((&history["sessionKey"], &history["thinkingLevel"]), (&json!("main"), &json!("off")));
    assert!(history["messages"][0]["timestamp"].is_i64());
    let got = socket.payload("sessions.get", &json!({"key": "agent:main:main"})).await;
    assert_eq!(said(&got["messages"]), ["one", "one", "two", "two"]);
    let note = json!({"sessionKey": "main", "message": "a note", "label": "note"});
    let injected = socket.payload("chat.inject", &note).await;
    let history = socket.payload("chat.history", &json!({"sessionKey": "main", "limit": 1})).await;
    assert_eq!((&history["messages"][0]["__openclaw"]["id"], &injected["ok"]), (&injected["messageId"], &json!(true)));
    assert_eq!(said(&history["messages"]), ["[note]\n\na note"]);
    let preview = json!({"keys": ["main", "nope"], "limit": 2, "maxChars": 6});
    let previews = socket.payload("sessions.preview", &preview).await["previews"].clone();
    let items = json!([{"role": "assistant", "text": "two"}, {"role": "assistant", "text": "[no..."}]);
    assert_eq!(previews[0], json!({"key": "main", "status": "ok", "items": items}));
    assert_eq!(previews[1], json!({"key": "nope", "status": "missing", "items": []}));
    let described = socket.payload("sessions.describe", &json!({"key": "main"})).await["session"].clone();
    assert_eq!((&described["derivedTitle"], &described["isMain"]), (&json!("one"), &json!(true)));
    // A model is shown the end only, then nothing of before.
    let compacted = socket.payload("sessions.compact", &json!({"key": "main", "maxLines": 1})).await;
    assert_eq!(compacted, json!({"ok": true, "key": "agent:main:main", "compacted": true, "kept": 1}));
    talk(&mut socket, "main", "three").await;
    assert_eq!(asked(&house).messages().len(), 2);
    let reset = socket.payload("sessions.reset", &json!({"key": "main"})).await;
    assert_ne!(reset["entry"]["sessionId"], history["sessionId"]);
    assert_eq!((&reset["entry"]["totalTokens"], &reset["entry"]["messageCount"]), (&json!(0), &json!(0)));
    let empty = socket.payload("sessions.preview", &json!({"keys": ["main"]})).await;
    assert_eq!(empty["previews"][0]["status"], json!("empty"));
    for method in ["sessions.history", "chat.history", "sessions.get"] {
        assert_eq!(socket.payload(method, &json!({"key": "main"})).await["messages"], json!([]), "{method}");
    }
    talk(&mut socket, "main", "four").await;
    assert_eq!(asked(&house).messages(), [json!({"role": "user", "content": "four"})]);
    house.stop().await;
}

/// B15, C26, C27.
#[tokio::test]
async fn a_deleted_conversation_is_gone_and_its_tasks_are_still_listed() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    for name in ["one", "two", "three"] {
        talk(&mut socket, name, "hello").await;
    }
    let gone = socket.payload("sessions.delete", &json!({"key": "one"})).await;
    assert_eq!(gone, json!({"ok": true, "key": "agent:main:one", "deleted": true, "archived": []}));
    let again = socket.payload("sessions.delete", &json!({"key": "one"})).await;
    assert_eq!(again["deleted"], json!(false));
    let main = socket.call("sessions.delete", &json!({"key": "main"})).await["error"].clone();
    assert_eq!(main["message"], json!("Cannot delete the main session (agent:main:main)."));
    assert_eq!(main["code"], json!("INVALID_REQUEST"));
    let http = house.http();
    for path in ["/v1/sessions/agent:main:two", "/v1/sessions/agent%3Amain%3Athree"] {
        let answer = delete(&http, path).await;
        assert_eq!((answer.status, &answer.json()["deleted"]), (200, &json!(true)), "{path}");
        assert_eq!(delete(&http, path).await.status, 404);
    }
    let list = socket.payload("sessions.list", &json!({})).await;
    assert_eq!((&list["sessions"], &list["totalCount"]), (&json!([]), &json!(0)));
    let tasks = socket.payload("tasks.list", &json!({})).await["tasks"].clone();
    assert_eq!(tasks.as_array().unwrap().len(), 3);
    assert_eq!((&tasks[0]["status"], &tasks[0]["result"]["response"]), (&json!("completed"), &json!("")));
    house.stop().await;
}

#[tokio::test]
async fn a_busy_conversation_is_refused_with_the_runs_that_keep_it() {
    let house = House::open().await;
    let gate = Gate::new();
    let mut socket = house.socket().await;
    let mut other = house.socket().await;
    house.upstream.script([Scripted::text("later").held(&gate)]);
    let id = socket.ask("agent", &json!({"message": "x", "sessionKey": "busy"})).await;
    let run = socket.answer(&id).await["payload"]["runId"].clone();
    for (method, more) in
        [("sessions.reset", ""), ("sessions.delete", ""), ("sessions.compact", ""), ("chat.inject", "note")]
    {
        let refused = other.call(method, &json!({"key": "busy", "message": more})).await["error"].clone();
        assert_eq!((&refused["code"], &refused["retryable"]), (&json!("UNAVAILABLE"), &json!(true)), "{method}");
        assert_eq!(refused["details"], json!({"code": "SESSION_BUSY", "activeRunIds": [run]}), "{method}");
    }
    let answer = delete(&house.http(), "/v1/sessions/busy").await;
    assert_eq!((answer.status, answer.code().as_str()), (409, "session_busy"));
    // Settings may change meanwhile.
    assert_eq!(other.payload("sessions.update", &json!({"key": "busy", "label": "L"})).await["ok"], json!(true));
    gate.open(1);
    assert_eq!(socket.answer(&id).await["ok"], json!(true));
    assert_eq!(other.payload("sessions.reset", &json!({"key": "busy"})).await["ok"], json!(true));
    house.stop().await;
}

#[tokio::test]
async fn conversations_are_found_by_filter_and_name() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    for name in ["alpha", "beta", "agent:ops:gamma"] {
        talk(&mut socket, name, &format!("first words in {name}")).await;
    }
    socket.payload("sessions.patch", &json!({"key": "alpha", "label": "Greek"})).await;
    let keys = |list: &Value| {
        let sessions = list["sessions"].as_array().unwrap().iter();
        sessions.map(|row| row["key"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (params, expected) in [
        (json!({}), vec!["alpha", "gamma", "beta"]),
        (json!({"agentId": "ops"}), vec!["gamma"]),
        (json!({"label": "Greek"}), vec!["alpha"]),
        (json!({"search": "greek"}), vec!["alpha"]),
        (json!({"search": "MMA"}), vec!["gamma"]),
        (json!({"activeMinutes": 5, "includeGlobal": true}), vec!["alpha", "gamma", "beta"]),
        (json!({"limit": 1, "offset": 2}), vec!["beta"]),
    ] {
        assert_eq!(keys(&socket.payload("sessions.list", &params).await), expected, "{params}");
    }
    let page = socket.payload("sessions.list", &json!({"limit": 2})).await;
    assert_eq!((&page["hasMore"], &page["nextOffset"], &page["totalCount"]), (&json!(true), &json!(2), &json!(3)));
    let rest = socket.payload("sessions.list", &json!({"limit": 2, "cursor": page["nextCursor"]})).await;
    assert_eq!((keys(&rest), &rest["nextOffset"]), (vec!["beta".to_owned()], &Value::Null));
    let titles = json!({"label": "Greek", "includeDerivedTitles": true, "includeLastMessage": true});
    let row = socket.payload("sessions.list", &titles).await["sessions"][0].clone();
    assert_eq!((&row["derivedTitle"], &row["lastMessagePreview"]), (&json!("Greek"), &json!("first words in alpha")));
    let by_key = socket.payload("sessions.resolve", &json!({"key": "alpha"})).await;
    for params in [json!({"label": "Greek"}), json!({"sessionId": by_key["sessionId"]}), json!({"sessionId": "alpha"})]
    {
        assert_eq!(socket.payload("sessions.resolve", &params).await, by_key, "{params}");
    }
    for params in [json!({"key": "nope"}), json!({"label": "nope"}), json!({})] {
        assert_eq!(socket.call("sessions.resolve", &params).await["ok"], json!(false), "{params}");
    }
    house.stop().await;
}

#[tokio::test]
async fn use_is_told_by_day_model_and_conversation() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    talk(&mut socket, "one", "hello").await;
    let list = socket.payload("sessions.list", &json!({})).await["sessions"][0].clone();
    let cost = socket.payload("usage.cost", &json!({"days": 2})).await;
    assert_eq!((&cost["days"], cost["daily"].as_array().unwrap().len()), (&json!(2), 1));
    let totals = &cost["totals"];
    assert_eq!((&totals["totalTokens"], &totals["output"]), (&list["totalTokens"], &list["outputTokens"]));
    // Nothing is known of prices, and that is said.
    assert_eq!((&totals["totalCost"], &totals["missingCostEntries"]), (&json!(0), &json!(1)));
    let used = socket.payload("sessions.usage", &json!({"limit": 2})).await;
    assert_eq!(used["sessions"][0]["usage"]["totalTokens"], list["totalTokens"]);
    assert_eq!(used["aggregates"]["byModel"][0]["model"], json!("mock-1"));
    assert_eq!((&used["endDate"], &used["totals"]), (&cost["daily"][0]["date"], totals));
    // Deleting what was said does not unmake what was used.
    socket.payload("sessions.delete", &json!({"key": "one"})).await;
    assert_eq!(socket.payload("usage.cost", &json!({})).await["totals"], *totals);
    let range = json!({"startDate": "2020-01-01", "endDate": "2020-01-31"});
    let before = socket.payload("usage.cost", &range).await;
    assert_eq!((&before["daily"], &before["days"]), (&json!([]), &json!(31)));
    for params in [json!({"days": 0}), json!({"startDate": "soon"}), json!({"startDate": "2020-01-01"})] {
        assert_eq!(socket.call("usage.cost", &params).await["error"]["code"], json!("INVALID_REQUEST"), "{params}");
    }
    assert_eq!(socket.payload("usage.status", &json!({})).await["providers"], json!([]));
    house.stop().await;
}

/// G13: a foreign key answers like an unknown one.
#[tokio::test]
async fn an_api_key_sees_and_changes_only_its_own_conversations() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    talk(&mut socket, "theirs", "secret").await;
    let (_, key) = house.key(&[Scope::Read, Scope::Write]).await;
    let mut tenant = WsClient::connect(house.address, &key).await;
    tenant.payload("sessions.create", &json!({"key": "mine"})).await;
    for (method, more) in [
        ("sessions.get", json!({})),
        ("sessions.describe", json!({})),
        ("sessions.resolve", json!({})),
        ("sessions.patch", json!({"label": "x"})),
        ("sessions.update", json!({"label": "x"})),
        ("sessions.reset", json!({})),
        ("sessions.compact", json!({})),
        ("sessions.delete", json!({})),
        ("chat.inject", json!({"message": "x"})),
        ("chat.history", json!({})),
        ("sessions.usage", json!({})),
    ] {
        let ask = |key: &str| {
            let mut params = more.clone();
            params["key"] = json!(key);
            params
        };
        let mut foreign = tenant.call(method, &ask("theirs")).await.to_string();
        let mut unknown = tenant.call(method, &ask("absent")).await.to_string();
        for answer in [&mut foreign, &mut unknown] {
            let id = serde_json::from_str::<Value>(answer).unwrap()["id"].to_string();
            *answer = answer.replace(&id, "").replace("theirs", "absent");
        }
        assert_eq!(foreign, unknown, "{method}");
    }
    assert_eq!(
        delete(&Http::new(house.address, &[("authorization", &format!("Bearer {key}"))]), "/v1/sessions/theirs")
            .await
            .status,
        404
    );
    let list = tenant.payload("sessions.list", &json!({})).await;
    let shown = list["sessions"][0]["key"].as_str().unwrap();
    assert_eq!(list["totalCount"], json!(1));
    assert!(shown.starts_with("agent:main:key_") && shown.ends_with(":mine"), "its names are its own: {shown}");
    assert_eq!(tenant.payload("usage.cost", &json!({})).await["totals"]["totalTokens"], json!(0));
    let history = socket.payload("chat.history", &json!({"sessionKey": "theirs"})).await;
    assert_eq!(said(&history["messages"]), ["secret", "secret"]);
    house.stop().await;
}

/// K6: the id that answers show means its conversation in every method, for whoever may see it.
#[tokio::test]
async fn adv_17_a_shown_id_leads_to_its_conversation_everywhere_and_strangers_nowhere() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let made = socket.payload("sessions.create", &json!({"key": "plan"})).await;
    let id = made["sessionId"].as_str().unwrap();
    talk(&mut socket, id, "hello").await;
    let history = socket.payload("sessions.history", &json!({"sessionId": id})).await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 2);
    let patched = socket.payload("sessions.update", &json!({"sessionId": id, "label": "Plan"})).await;
    assert_eq!(patched["entry"]["label"], json!("Plan"));
    let found = socket.payload("sessions.get", &json!({"sessionId": id})).await;
    assert_eq!((&found["session"]["key"], &found["sessionId"]), (&json!("agent:main:plan"), &json!(id)));
    let (_, key) = house.key(&[Scope::Read, Scope::Write]).await;
    let theirs = house.stranger().with("authorization", &format!("Bearer {key}"));
    // What a name leads to is found first, and whoever may not see that is told the same as of nothing, however it is named.
    let prefix = &id[..8];
    for named in [id, prefix, "agent:main:plan", "AGENT:MAIN:PLAN", "agent%3Amain%3Aplan", "main:plan", "plan", "Plan"]
    {
        assert_eq!(theirs.get(&format!("/v1/sessions/{named}")).await.status, 404, "{named}");
        assert_eq!(theirs.send("DELETE", &format!("/v1/sessions/{named}"), None).await.status, 404, "{named}");
    }
    let mut stranger = WsClient::connect(house.address, &key).await;
    for named in [id, prefix, "agent:main:plan", "plan"] {
        for method in ["sessions.history", "sessions.get", "sessions.preview", "sessions.describe", "sessions.resolve"]
        {
            for field in ["sessionId", "sessionKey", "key"] {
                let told = stranger.call(method, &json!({field: named, "keys": [named]})).await.to_string();
                assert!(!told.contains("hello") && !told.contains("Plan"), "{method} {field} {named}: {told}");
            }
        }
    }
    let kept = socket.payload("sessions.history", &json!({"sessionId": id})).await;
    assert_eq!(kept["messages"].as_array().unwrap().len(), 2);
    let gone = socket.payload("sessions.delete", &json!({"sessionId": id})).await;
    assert_eq!(gone["deleted"], json!(true));
    let list = socket.payload("sessions.list", &json!({})).await;
    assert_eq!(list["totalCount"], json!(0));
    house.stop().await;
}

/// Advisory 84: whatever is written by many at once is all there.
#[tokio::test]
async fn adv_84_sixty_four_writers_at_once_lose_nothing() {
    let house = House::open().await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..64 {
        let mut admin = WsClient::connect_with(house.address, &stock_params(TOKEN)).await.0;
        writers.spawn(async move {
            for round in 0..4 {
                let name = format!("w{number}-{round}");
                admin.payload("sessions.create", &json!({"key": name})).await;
                admin.payload("sessions.patch", &json!({"key": name, "label": name})).await;
                admin.payload("keys.create", &json!({"name": name, "scopes": ["operator.read"]})).await;
                admin.payload("memory.add", &json!({"text": name})).await;
            }
        });
    }
    writers.join_all().await;
    let mut admin = WsClient::connect_with(house.address, &stock_params(TOKEN)).await.0;
    let sessions = admin.payload("sessions.list", &json!({"limit": 1000})).await;
    let labels: std::collections::BTreeSet<&str> =
        sessions["sessions"].as_array().unwrap().iter().filter_map(|row| row["label"].as_str()).collect();
    assert_eq!((&sessions["totalCount"], labels.len()), (&json!(256), sessions["sessions"].as_array().unwrap().len()));
    let keys = admin.payload("keys.list", &json!({})).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 256);
    house.stop().await;
}

/// G13 beside it: a key is told of its own alone.
#[tokio::test]
async fn health_tells_each_agents_conversations_apart() {
    let house = House::open().await;
    let (_, key) = house.key(&[Scope::Read, Scope::Write]).await;
    let by_key = Http::new(house.address, &[("x-api-key", &key)]);
    for (http, session) in [
        (&house.http(), "agent:main:a"),
        (&house.http(), "agent:ops:a"),
        (&house.http(), "agent:ops:b"),
        (&by_key, "agent:ops:c"),
    ] {
        let run = json!({"message": "hi", "sessionKey": session});
        assert_eq!(http.post("/v1/agent/run", &run).await.status, 200, "{session}");
    }
    let counts = |health: &Value| -> Vec<(String, u64)> {
        let agents = health["agents"].as_array().unwrap().iter();
        let count = |agent: &Value| agent["sessions"]["count"].as_u64().unwrap();
        agents.map(|agent| (agent["agentId"].as_str().unwrap().to_owned(), count(agent))).collect()
    };
    let told = |main, ops| vec![("main".to_owned(), main), ("ops".to_owned(), ops)];
    let health = house.socket().await.payload("health", &json!({"probe": true})).await;
    assert_eq!((counts(&health), &health["sessions"]["count"]), (told(1, 3), &json!(4)));
    let mut socket = WsClient::connect(house.address, &key).await;
    let health = socket.payload("health", &json!({"probe": true})).await;
    assert_eq!((counts(&health), &health["sessions"]["count"]), (told(0, 1), &json!(1)));
    house.stop().await;
}
