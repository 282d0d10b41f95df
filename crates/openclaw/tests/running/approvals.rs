//! A command that somebody has to allow, in a gateway that is killed while it waits.

use claw_testkit::process::Api;
use claw_testkit::{Reply, Upstream};
use serde_json::{Value, json};

use crate::house::{Home, with_provider};

/// Polls until `done` says so of the task.
async fn task_when(api: &Api, id: &str, done: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..2_000 {
        let task = api.get(&format!("/v2/tasks/{id}")).await.unwrap().body;
        if done(&task) {
            return task;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the task {id} came to nothing in time");
}

/// G2, G3, advisory 59: the question outlives a kill -9, the answer counts once, the command runs once.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn adv_59_a_command_waits_through_a_kill_and_runs_once_when_it_is_allowed() {
    let upstream = Upstream::start().await;
    let command = json!({"command": "echo once >> effects.txt; cat effects.txt"}).to_string();
    upstream.script([Reply::tool_call("exec", command), Reply::text("it is done")]);
    let rules = "\n  tools: { exec: { security: 'full', ask: 'always' } },";
    let home = Home::with(&with_provider(&upstream, "one", rules)).await;
    let api = home.api("tok");
    let asked = json!({"input": {"message": "do it"}});
    let id = api.post("/v2/tasks", &asked).await.unwrap().body["id"].as_str().unwrap().to_owned();
    let waiting = task_when(&api, &id, |task| task["waitsForApproval"].is_string()).await;
    assert_eq!(waiting["status"], json!("queued"));
    let approval = waiting["waitsForApproval"].as_str().unwrap().to_owned();

    let home = home.killed().await;
    let api = home.api("tok");
    let (code, listed) = home.run(&["approvals", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((code, &listed[0]["id"], &listed[0]["state"]), (0, &json!(approval), &json!("pending")));
    let (code, shown) = home.run(&["approvals", "show", &approval]).await;
    assert!(code == 0 && shown.contains("echo once >> effects.txt") && shown.contains("sha256"), "{shown}");
    assert!(!home.directory.path().join("workspace/effects.txt").exists(), "nothing has run yet");
    assert_eq!(home.run(&["approvals", "allow", &approval]).await.0, 0);
    let done = task_when(&api, &id, |task| task["status"] == "completed").await;
    assert_eq!(done["result"]["response"], json!("it is done"));
    assert_ne!(home.run(&["approvals", "allow", &approval]).await.0, 0, "it counts once");
    let effects = std::fs::read_to_string(home.directory.path().join("workspace/effects.txt")).unwrap();
    assert_eq!(effects, "once\n");
    assert_eq!(upstream.counts().requests, 2, "the model is not asked again for what it had said");
}
