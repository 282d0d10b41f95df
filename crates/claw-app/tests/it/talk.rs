//! Runs that look into other conversations and speak there: of the same owner, bounded, once.

use claw_agent::limits::HOPS_MAX;
use claw_app::chat::Place;
use claw_app::tasks::NewRun;
use claw_app::{App, Error, PageStart, SessionFilter, Settings, TaskFilter};
use claw_core::permission::{Meeting, Permissions, Rules};
use claw_core::run::RunEvent;
use claw_core::task::StateName;
use claw_core::turn::Origin;
use claw_core::{AgentId, Lane, OnCrash, Principal, SessionKey, Task, TaskState, Turn};
use claw_testkit::upstream::Seen;
use claw_testkit::{Gate, Reply, Upstream};
use serde_json::{Value, json};

use crate::house::{Calls, House, SOON, all, catalog, operator, stranger, task, turn};

/// A model that calls `tool` when it is told to go, and says "pong" to whoever else speaks.
fn caller(tool: &'static str, arguments: Value) -> impl Fn(&Seen) -> Reply {
    let arguments = arguments.to_string();
    move |seen| match seen.last_role() {
        "tool" => Reply::text("done"),
        _ if seen.last_user() == "go" => Reply::tool_call(tool, arguments.clone()),
        _ => Reply::text("pong"),
    }
}

/// What the tool of a run that is told to go has answered.
async fn told(app: &App, principal: &Principal, run: NewRun) -> Result<Value, String> {
    let id = app.tasks.submit(principal, run).await.unwrap().id;
    let events = all(app.tasks.read(id, 0)).await;
    let result = events.into_iter().find_map(|event| match event.event {
        RunEvent::ToolResult { text, is_error, .. } => Some((String::from(text), is_error)),
        _ => None,
    });
    match result.unwrap() {
        (text, false) => Ok(serde_json::from_str(&text).unwrap()),
        (text, true) => Err(text),
    }
}

/// Makes a conversation by saying hello in it.
async fn hello(app: &App, principal: &Principal, run: NewRun) {
    let id = app.tasks.submit(principal, run).await.unwrap().id;
    app.tasks.wait(id, SOON).await.unwrap().unwrap();
}

async fn tasks_of(app: &App) -> Vec<Task> {
    let filter = TaskFilter::default();
    app.tasks.list(&operator(), filter, None, None).await.unwrap().items
}

async fn open(directory: &std::path::Path, upstream: &Upstream, permissions: Permissions) -> House {
    let catalog = catalog(upstream).with_tools(Vec::new(), permissions);
    House::open_over(directory, catalog, Vec::new(), Settings::default(), Calls::default()).await
}

#[tokio::test]
async fn a_message_to_another_conversation_is_a_run_there_and_its_answer_comes_back() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.respond_with(caller("sessions_send", json!({"sessionKey": "b", "message": "ping", "timeoutSeconds": 20})));
    hello(&house.app, &operator(), task("b", "hello")).await;
    let sent = told(&house.app, &operator(), task("a", "go")).await.unwrap();
    assert_eq!((&sent["status"], &sent["reply"]), (&json!("ok"), &json!("pong")));
    let there = house.app.tasks.find(&operator(), sent["runId"].as_str().unwrap()).await.unwrap();
    assert_eq!((there.turn.session.as_str(), there.turn.origin.hops), ("agent:main:b", 1));
    assert_eq!(
        there.turn.input[0].text(),
        "[from the agent \"main\" in the conversation agent:main:a, not from a person]\nping"
    );
    // What is not waited for is accepted, and on disk.
    upstream.respond_with(caller("sessions_send", json!({"sessionKey": "b", "message": "later", "timeoutSeconds": 0})));
    let sent = told(&house.app, &operator(), task("a", "go")).await.unwrap();
    assert_eq!(sent["status"], json!("accepted"));
    let id = house.app.tasks.find(&operator(), sent["runId"].as_str().unwrap()).await.unwrap().id;
    assert_eq!(house.app.tasks.wait(id, SOON).await.unwrap().unwrap().state.name(), StateName::Completed);
    for (arguments, why) in [
        (json!({"sessionKey": "nowhere", "message": "x"}), "there is no conversation \"nowhere\""),
        (json!({"sessionKey": "a", "message": "x"}), "that is this conversation; just say it"),
        (json!({"sessionKey": "b", "message": " "}), "bad arguments: message: must say something"),
        (json!({"sessionKey": "b"}), "bad arguments: message: is missing, expected a string"),
    ] {
        upstream.respond_with(caller("sessions_send", arguments));
        assert_eq!(told(&house.app, &operator(), task("a", "go")).await, Err(why.into()));
    }
    house.stop().await;
}

#[tokio::test]
async fn conversations_are_listed_and_read() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.respond_with(caller("sessions_list", json!({"limit": 5, "messageLimit": 1, "kinds": ["main"]})));
    hello(&house.app, &operator(), task("main", "hello")).await;
    hello(&house.app, &operator(), task("b", "hello")).await;
    let list = told(&house.app, &operator(), task("a", "go")).await.unwrap();
    let row = &list["sessions"][0];
    assert_eq!((&list["count"], &row["key"], &row["kind"]), (&json!(1), &json!("agent:main:main"), &json!("main")));
    assert_eq!((&row["messages"][0]["role"], &row["messages"][0]["text"]), (&json!("assistant"), &json!("pong")));
    upstream.respond_with(caller("sessions_history", json!({"sessionKey": "agent:main:b"})));
    let history = told(&house.app, &operator(), task("a", "go")).await.unwrap();
    let texts: Vec<&str> =
        history["messages"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["hello", "pong"]);
    house.stop().await;
}

/// G13: a key's runs neither see nor reach the operator's conversations, nor those of other keys.
#[tokio::test]
async fn a_keys_run_reaches_only_its_own_conversations() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.respond_with(caller("sessions_list", json!({})));
    hello(&house.app, &operator(), task("secret", "hello")).await;
    hello(&house.app, &stranger(2), task("theirs", "hello")).await;
    let list = told(&house.app, &stranger(1), task("a", "go")).await.unwrap();
    assert_eq!(list["count"], json!(1), "its own alone: {list}");
    let foreign = format!("agent:main:{}:theirs", stranger(2).id);
    for (tool, name) in
        [("sessions_history", "secret"), ("sessions_send", "agent:main:secret"), ("sessions_send", &foreign)]
    {
        let arguments = match tool {
            "sessions_send" => json!({"sessionKey": name, "message": "x"}),
            _ => json!({ "sessionKey": name }),
        };
        upstream.respond_with(caller(tool, arguments));
        let refused = told(&house.app, &stranger(1), task("a", "go")).await;
        assert_eq!(refused, Err(format!("there is no conversation {name:?}")), "like an absent one");
    }
    house.stop().await;
}

/// G13: the operator's runs neither see nor enter a key's conversations: its words would be taken for the operator's,
/// and it would read what the operator's run finds.
#[tokio::test]
async fn the_operators_runs_stay_out_of_keys_conversations() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    hello(&house.app, &stranger(1), task("theirs", "obey me")).await;
    let theirs = format!("agent:main:{}:theirs", stranger(1).id);
    upstream.respond_with(caller("sessions_list", json!({"messageLimit": 5})));
    let list = told(&house.app, &operator(), task("a", "go")).await.unwrap();
    assert!(list["count"] == json!(1) && !list.to_string().contains("obey"), "{list}");
    let id =
        house.app.sessions.list(&stranger(1), &SessionFilter::default(), PageStart::Offset(0), None).await.unwrap();
    let id = id.items[0].id.to_string();
    for (tool, arguments, name) in [
        ("sessions_history", json!({ "sessionKey": theirs }), &theirs),
        ("sessions_send", json!({"sessionKey": theirs, "message": "x"}), &theirs),
        ("sessions_history", json!({ "sessionKey": id }), &id),
    ] {
        upstream.respond_with(caller(tool, arguments));
        let refused = told(&house.app, &operator(), task("a", "go")).await;
        assert_eq!(refused, Err(format!("there is no conversation {name:?}")), "like an absent one");
    }
    let key = SessionKey::resolve(&theirs, &AgentId::main()).unwrap();
    let refused = house.app.tasks.submit(&operator(), NewRun::of(Turn::text(key.clone(), "x"), Lane::Standard)).await;
    let why = format!("{theirs} is another's conversation: only its owner speaks in it");
    assert_eq!(refused, Err(Error::Invalid { field: "session".into(), problem: why }));
    let attached = house.app.chat.start(&operator(), Turn::text(key.clone(), "x"), Place::Named).await;
    assert!(matches!(attached, Err(Error::Invalid { .. })));
    let seen = house.app.sessions.history(&operator(), &key, None, 100).await.unwrap();
    assert_eq!(seen.len(), 2, "the operator sees it");
    house.stop().await;
}

/// An agent with few tools does not have its work done by one with many, unless the operator wants it.
#[tokio::test]
async fn agents_reach_each_others_conversations_only_if_the_operator_says_so() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let ops = SessionKey::of(&AgentId::parse("ops").unwrap(), "x");
    let in_ops = || NewRun::of(Turn::text(ops.clone(), "hello"), Lane::Standard);
    let send =
        || caller("sessions_send", json!({"sessionKey": "agent:ops:x", "message": "ping", "timeoutSeconds": 20}));
    let house = open(directory.path(), &upstream, Permissions::default()).await;
    upstream.respond_with(send());
    hello(&house.app, &operator(), in_ops()).await;
    let refused = told(&house.app, &operator(), task("a", "go")).await;
    assert_eq!(refused, Err("there is no conversation \"agent:ops:x\"".into()));
    upstream.respond_with(caller("sessions_list", json!({})));
    assert_eq!(told(&house.app, &operator(), task("a", "go")).await.unwrap()["count"], json!(1));
    house.stop().await;
    let meeting = Meeting::among(["*".to_owned()]);
    let house = open(directory.path(), &upstream, Permissions { meeting, ..Permissions::default() }).await;
    upstream.respond_with(send());
    assert_eq!(told(&house.app, &operator(), task("a", "go")).await.unwrap()["reply"], json!("pong"));
    house.stop().await;
}

/// Two conversations that answer each other come to an end.
#[tokio::test]
async fn a_message_is_passed_on_only_so_many_times() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.respond_with(|_| Reply::text("hello"));
    hello(&house.app, &operator(), task("a", "hello")).await;
    hello(&house.app, &operator(), task("b", "hello")).await;
    upstream.respond_with(|seen| {
        if seen.messages().last().unwrap()["role"] == "tool" {
            return Reply::text("done");
        }
        let to = if seen.last_user().contains("conversation agent:main:a,") { "a" } else { "b" };
        Reply::tool_call(
            "sessions_send",
            json!({"sessionKey": to, "message": "again", "timeoutSeconds": 0}).to_string(),
        )
    });
    let id = house.app.tasks.submit(&operator(), task("a", "go")).await.unwrap().id;
    house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    let mut hops = Vec::new();
    let begun = std::time::Instant::now();
    while hops.len() < usize::from(HOPS_MAX) + 1 && begun.elapsed() < SOON {
        let tasks = tasks_of(&house.app).await;
        hops = tasks
            .iter()
            .filter(|task| task.turn.input[0].text() != "hello")
            .map(|task| task.turn.origin.hops)
            .collect();
        let open = tasks.iter().filter(|task| !task.state.name().is_terminal()).map(|task| task.id);
        for id in open {
            house.app.tasks.wait(id, SOON).await.unwrap();
        }
    }
    hops.sort_unstable();
    assert_eq!(hops, (0..=HOPS_MAX).collect::<Vec<u8>>(), "and no further one");
    house.stop().await;
}

/// Advisory 64: whoever asks through another conversation has no more there than where it asks.
#[tokio::test]
async fn adv_64_a_run_that_is_asked_by_another_inherits_its_limits() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let narrow = Rules { allow: vec!["sessions_send".parse().unwrap()], ..Rules::default() };
    let permissions = Permissions { channels: vec![("telegram".into(), narrow)], ..Permissions::default() };
    let house = open(directory.path(), &upstream, permissions).await;
    upstream.respond_with(caller("sessions_send", json!({"sessionKey": "b", "message": "ping", "timeoutSeconds": 20})));
    hello(&house.app, &operator(), task("b", "hello")).await;
    let origin = Origin { channel: Some("telegram".into()), sender: Some("id:7".into()), hops: 0 };
    let asked = NewRun::of(Turn { origin, ..turn("a", "go") }, Lane::Standard);
    let sent = told(&house.app, &operator(), asked).await.unwrap();
    let there = house.app.tasks.find(&operator(), sent["runId"].as_str().unwrap()).await.unwrap();
    assert_eq!(there.turn.origin, Origin { channel: Some("telegram".into()), sender: Some("id:7".into()), hops: 1 });
    let offered: Vec<Vec<String>> = upstream
        .requests()
        .iter()
        .skip(1)
        .map(|seen| {
            seen.body["tools"]
                .as_array()
                .unwrap()
                .iter()
                .map(|t| t["function"]["name"].as_str().unwrap().to_owned())
                .collect()
        })
        .collect();
    assert!(offered.len() >= 2 && offered.iter().all(|tools| tools == &["sessions_send"]), "{offered:?}");
    house.stop().await;
}

/// G3: the message is a step with an effect. Made again after a death, by leave of the caller, it is said once.
#[tokio::test]
async fn a_message_that_is_sent_again_after_a_death_is_said_once() {
    let (directory, upstream, gate) = (tempfile::tempdir().unwrap(), Upstream::start().await, Gate::new());
    let house = House::open(directory.path(), &upstream).await;
    let script = caller("sessions_send", json!({"sessionKey": "b", "message": "ping", "timeoutSeconds": 60}));
    let held = gate.clone();
    upstream.respond_with(move |seen| match seen.last_user().contains("ping") {
        true => Reply::text("pong").held(&held),
        false => script(seen),
    });
    hello(&house.app, &operator(), task("b", "hello")).await;
    let run = NewRun { on_crash: OnCrash::Retry, ..task("a", "go") };
    let id = house.app.tasks.submit(&operator(), run).await.unwrap().id;
    gate.reached_by(1).await;
    house.die().await;
    let house = House::open(directory.path(), &upstream).await;
    gate.open_for_good();
    let ended = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    assert!(matches!(ended.state, TaskState::Completed { .. }), "{:?}", ended.state);
    let pings =
        tasks_of(&house.app).await.into_iter().filter(|task| task.turn.input[0].text().ends_with("ping")).count();
    assert_eq!(pings, 1);
    house.stop().await;
}

/// Advisory 13: what only a run may do is not there for callers of single tools.
#[tokio::test]
async fn adv_13_the_tools_that_callers_may_call_are_these() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    let models = &house.app.models;
    let main = AgentId::main();
    let mut there = Vec::new();
    for spec in models.tools(&main, &operator()) {
        let arguments = claw_core::JsonText::new("{}");
        let called = models.invoke(&operator(), SessionKey::main(&main), &spec.name, &arguments).await;
        if called.is_ok() {
            there.push(spec.name);
        }
    }
    assert_eq!(there, ["session_status", "sessions_list", "sessions_history"]);
    house.stop().await;
}
