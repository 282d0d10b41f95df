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
    // Who looks for the command of an approval finds it by its plan.
    let rows = home.admin("tok").await.payload("audit.list", &json!({"limit": 20})).await;
    let rows = rows["entries"].as_array().unwrap().iter().filter(|row| row["details"]["plan"].is_string());
    let plans: Vec<_> = rows.map(|row| (row["kind"].clone(), row["details"]["plan"].clone())).collect();
    let kinds: Vec<_> = plans.iter().map(|(kind, _)| kind.as_str().unwrap()).collect();
    let expected = ["exec.ended", "exec.started", "approval.closed", "approval.decided", "approval.asked"];
    assert_eq!(kinds, expected);
    assert!(plans.iter().all(|(_, plan)| *plan == plans[0].1), "{plans:?}");
}

/// Who asked at the command line is told what waits, and by which commands it is decided, while it waits.
#[tokio::test]
async fn the_command_line_says_what_a_run_waits_for_and_how_to_allow_it() {
    let upstream = Upstream::start().await;
    upstream.script([Reply::tool_call("session_status", "{}"), Reply::text("all is well")]);
    let rules = "\n  tools: { ask: ['session_status'] },";
    let home = Home::with(&with_provider(&upstream, "one", rules)).await;
    let decided = async {
        let mut listed = String::new();
        while !listed.contains("waits for approval") {
            listed = home.run(&["tasks", "list"]).await.1;
        }
        let (_, waiting) = home.run(&["approvals", "list", "--json"]).await;
        let waiting: Value = serde_json::from_str(&waiting).unwrap();
        let id = waiting[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(home.run(&["approvals", "allow", &id]).await.0, 0);
        id
    };
    let mut agent = tokio::process::Command::new(env!("CARGO_BIN_EXE_openclaw"));
    let agent = agent.env_clear().env("OPENCLAW_STATE_DIR", home.directory.path()).args(["agent", "--message", "look"]);
    let (ended, id) = tokio::join!(agent.output(), decided);
    let ended = ended.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "all is well\n", "{said}");
    let told = format!(
        "[waits for leave to call session_status]\ncall: session_status {{}}\n\
         [allow it: openclaw approvals allow {id} – or deny it: openclaw approvals deny {id}]\n"
    );
    assert!(said.contains(&told) && said.contains("[allowed]"), "{said}");
}

/// Advisory 58: what was allowed is the script as it was, not what stands in its place by then.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn adv_58_a_script_that_changes_between_question_and_answer_does_not_run() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let upstream = Upstream::start().await;
    let rules = "\n  tools: { exec: { security: 'full', ask: 'always' } },";
    let home = Home::with(&with_provider(&upstream, "one", rules)).await;
    let (api, workspace) = (home.api("tok"), home.directory.path().join("workspace"));
    let put = |name: &str, word: &str| {
        let path = workspace.join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho {word} >> effects.txt\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    std::fs::create_dir_all(&workspace).unwrap();
    let table = [
        ("sh ./job.sh", "nothing", true),
        ("sh ./job.sh", "its bytes", false),
        ("./job.sh", "its bytes", false),
        ("sh -c 'cat /dev/null; . ./job.sh'", "its bytes", false),
        ("sh link.sh", "where it leads", false),
        ("sh ./job.sh", "its being there", false),
    ];
    for (number, (command, changed, runs)) in table.into_iter().enumerate() {
        put("job.sh", "good");
        put("other.sh", "evil");
        let _not_there_yet = std::fs::remove_file(workspace.join("link.sh"));
        symlink("job.sh", workspace.join("link.sh")).unwrap();
        let _not_there_yet = std::fs::remove_file(workspace.join("effects.txt"));
        upstream.script([Reply::tool_call("exec", json!({ "command": command }).to_string()), Reply::text("so")]);
        let asked = json!({"input": {"message": "do it", "sessionKey": format!("s{number}")}});
        let id = api.post("/v2/tasks", &asked).await.unwrap().body["id"].as_str().unwrap().to_owned();
        let waiting = task_when(&api, &id, |task| task["waitsForApproval"].is_string()).await;
        match changed {
            "its bytes" => put("job.sh", "evil"),
            "where it leads" => {
                std::fs::remove_file(workspace.join("link.sh")).unwrap();
                symlink("other.sh", workspace.join("link.sh")).unwrap();
            }
            "its being there" => std::fs::remove_file(workspace.join("job.sh")).unwrap(),
            _ => {}
        }
        let path = format!("/v2/approvals/{}", waiting["waitsForApproval"].as_str().unwrap());
        assert_eq!(api.post(&path, &json!({"decision": "allow-once"})).await.unwrap().status, 200);
        task_when(&api, &id, |task| task["status"] == "completed").await;
        let effects = std::fs::read_to_string(workspace.join("effects.txt")).ok();
        assert_eq!(effects.as_deref(), runs.then_some("good\n"), "{command}, {changed} changed");
        if !runs {
            let requests = upstream.requests();
            let told = requests.last().unwrap().messages().last().unwrap()["content"].to_string();
            assert!(told.contains("it is not what was approved any more"), "{told}");
            assert_eq!(api.get(&path).await.unwrap().body["state"], json!("void"));
        }
    }
}
