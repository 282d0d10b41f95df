//! What a whole gateway writes down for good, through deaths, and how its command line reads it.

use claw_testkit::{Reply, Upstream};
use serde_json::{Value, json};

use crate::house::{Home, with_provider};

/// Entries of a kind as the command line lists them, oldest first.
async fn listed(home: &Home, kind: &str) -> Vec<Value> {
    let (code, text) = home.run(&["audit", "list", "--kind", kind, "--json"]).await;
    assert_eq!(code, 0, "{text}");
    let page: Value = serde_json::from_str(&text).unwrap();
    let mut entries = page["entries"].as_array().unwrap().clone();
    entries.reverse();
    entries
}

/// Waits until so many of a kind are there.
async fn so_many(home: &Home, kind: &str, count: usize) -> Vec<Value> {
    for _ in 0..200 {
        let found = listed(home, kind).await;
        if found.len() >= count {
            return found;
        }
    }
    panic!("not {count} of {kind}: {:?}", listed(home, kind).await);
}

/// Everything in the database's files, as text.
fn on_disk(home: &Home) -> String {
    let files = std::fs::read_dir(home.directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let ours = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("openclaw.db"));
    ours.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
}

/// A command leaves two rows: its program, plan and run, and its exit; never its text or what it said.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_is_written_down_before_it_begins_and_when_it_has_ended() {
    let upstream = Upstream::start().await;
    let home = Home::with(&with_provider(&upstream, "one", " tools: { exec: { security: 'full' } }")).await;
    for (number, (command, exit)) in [("echo said-aloud", "0"), ("exit 3", "3")].into_iter().enumerate() {
        upstream.script([Reply::tool_call("exec", json!({ "command": command }).to_string()), Reply::text("done")]);
        let question = json!({"input": {"message": "go", "sessionKey": format!("s{number}")}});
        let task = home.api("tok").post("/v2/tasks", &question).await.unwrap().body["id"].clone();
        let ended = so_many(&home, "exec.ended", number + 1).await.pop().unwrap();
        let started = listed(&home, "exec.started").await.pop().unwrap();
        for row in [&started, &ended] {
            assert_eq!((&row["subject"], &row["actor"], &row["door"]), (&task, &json!("operator"), &json!("run")));
            assert_eq!((&row["details"]["program"], &row["details"]["agent"]), (&json!("/bin/sh"), &json!("main")));
            assert_eq!(row["details"]["plan"].as_str().unwrap().len(), 64);
            assert_eq!(row["details"]["approved"], json!("no"));
        }
        let outcome = if exit == "0" { "done" } else { "failed" };
        assert_eq!((&ended["details"]["exit"], &ended["outcome"]), (&json!(exit), &json!(outcome)));
    }
    let call = json!({"tool": "exec", "args": {"command": "true"}});
    assert_eq!(home.api("tok").post("/tools/invoke", &call).await.unwrap().status, 200);
    let by_hand = so_many(&home, "exec.started", 3).await;
    let plans: std::collections::BTreeSet<_> =
        by_hand.iter().map(|row| row["details"]["plan"].as_str().unwrap()).collect();
    assert_eq!(plans.len(), 3, "each says which command it was: {by_hand:?}");
    let all = format!("{:?}", listed(&home, "exec").await);
    assert!(!all.contains("said-aloud") && !all.contains("exit 3"), "{all}");
}

/// A command that dies with its gateway has its end, too: told once, by whoever starts next.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_that_a_death_cut_off_has_its_end_written_down_once() {
    let upstream = Upstream::start().await;
    let mut home = Home::with(&with_provider(&upstream, "one", " tools: { exec: { security: 'full' } }")).await;
    upstream.script([Reply::tool_call("exec", json!({"command": "sleep 71011"}).to_string())]);
    let question = json!({"input": {"message": "go"}});
    let task = home.api("tok").post("/v2/tasks", &question).await.unwrap().body["id"].clone();
    let started = so_many(&home, "exec.started", 1).await.pop().unwrap();
    for _start in 0..2 {
        home = home.killed().await;
        let ended = listed(&home, "exec.ended").await;
        assert_eq!(ended.len(), 1, "{ended:?}");
        let [mut begun, mut end] = [&started, &ended[0]].map(|row| row["details"].clone());
        assert_eq!(end["exit"].take(), json!("unknown: the gateway ended while it ran"));
        begun["exit"] = json!(null);
        assert_eq!((begun, &ended[0]["subject"], &ended[0]["outcome"]), (end, &task, &json!("failed")));
        assert_eq!((&ended[0]["actor"], &ended[0]["door"]), (&json!("gateway"), &json!("start")));
    }
}

/// Skills that come, change and go leave a row each: where from, and which bytes; nothing of what stands in them.
#[tokio::test]
async fn skills_are_written_down_when_they_come_change_and_go() {
    let upstream = Upstream::start().await;
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let source = tempfile::tempdir().unwrap();
    let folder = source.path().to_str().unwrap();
    let text = |words: &str| format!("---\nname: weaving\ndescription: How to weave.\n---\n{words}\n");
    let put = |path: &std::path::Path, words: &str| std::fs::write(path.join("SKILL.md"), text(words)).unwrap();
    put(source.path(), "warp-and-weft");
    assert_eq!(home.run(&["skills", "install", folder]).await.0, 0);
    assert_ne!(home.run(&["skills", "install", folder]).await.0, 0, "it is there already");
    put(&home.directory.path().join("skills/weaving"), "another-pattern");
    assert_eq!(home.run(&["skills", "pin", "weaving"]).await.0, 0);
    assert_eq!(home.run(&["skills", "install", folder, "--force"]).await.0, 0);
    assert_eq!(home.run(&["skills", "remove", "weaving"]).await.0, 0);
    assert_ne!(home.run(&["skills", "remove", "weaving"]).await.0, 0, "it is gone already");
    let rows = listed(&home, "skill").await;
    let kinds: Vec<_> = rows.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["skill.installed", "skill.pinned", "skill.installed", "skill.removed"]);
    for row in &rows {
        let brief = (&row["actor"], &row["door"], &row["subject"], &row["outcome"]);
        assert_eq!(brief, (&json!("operator"), &json!("cli"), &json!("weaving"), &json!("done")));
    }
    let details: Vec<_> = rows.iter().map(|row| &row["details"]).collect();
    let (first, pinned, again) = (details[0], details[1], details[2]);
    assert_eq!((&first["from"], &first["findings"], &first["replaced"]), (&json!(folder), &json!("0"), &json!("no")));
    assert_eq!((&first["digest"], &again["replaced"]), (&again["digest"], &json!("yes")));
    assert!(pinned["digest"] != first["digest"] && first["digest"].as_str().unwrap().len() == 64);
    assert!(!format!("{rows:?}").contains("weft") && !format!("{rows:?}").contains("another-pattern"));
}

/// A log is whole in itself also after it was cut or computed anew; a hash that was noted elsewhere finds that.
#[tokio::test]
async fn a_hash_that_was_noted_finds_a_log_that_was_cut_or_written_anew() {
    let upstream = Upstream::start().await;
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let mut admin = home.admin("tok").await;
    let make = async |admin: &mut claw_testkit::WsClient| {
        admin.payload("keys.create", &json!({"name": "k", "scopes": ["read"]})).await;
    };
    make(&mut admin).await;
    let told: Value = serde_json::from_str(&home.run(&["audit", "verify", "--json"]).await.1).unwrap();
    let (rows, hash) = (told["rows"].as_u64().unwrap(), told["hash"].as_str().unwrap().to_owned());
    make(&mut admin).await;
    let expecting = async |mark: String| {
        let (code, told) = home.run(&["audit", "verify", "--json", "--expect", &mark]).await;
        (code, serde_json::from_str::<Value>(&told).unwrap_or_default()["broken"].clone())
    };
    assert_eq!(expecting(format!("{rows}:{hash}")).await, (0, json!(null)), "it has grown, from that row on");
    let (code, broken) = expecting(format!("{rows}:{}", hash.replace(char::is_numeric, "a"))).await;
    assert_eq!((code, broken), (70, json!({"n": rows, "flaw": "changed"})));
    let (code, broken) = expecting(format!("{}:{hash}", rows + 2)).await;
    assert_eq!((code, broken), (70, json!({"n": rows + 2, "flaw": "missing"})));
    for wrong in ["12", "0:aa", &format!("x:{hash}"), &format!("{rows}:{hash}0")] {
        assert_eq!(expecting(wrong.to_owned()).await.0, 64, "{wrong}");
    }
}

/// G14: the row of a change names its keys; what stands there is nowhere in the database.
#[tokio::test]
async fn changes_of_the_file_are_written_down_by_door_and_hold_no_value() {
    let upstream = Upstream::start().await;
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let first = listed(&home, "config").await;
    assert_eq!((first.len(), &first[0]["door"]), (1, &json!("start")), "{first:?}");

    let secret = "very-secret-value-4711";
    assert_eq!(home.run(&["config", "set", "webhooks.secret", secret]).await.0, 0);
    let rows = so_many(&home, "config", 3).await;
    let of = |doors: &[&str]| {
        let found = rows.iter().find(|row| doors.iter().any(|door| row["door"] == *door));
        let row = found.unwrap_or_else(|| panic!("{doors:?}: {rows:?}"));
        (row["details"]["applied"].clone(), row["actor"].clone())
    };
    assert_eq!(of(&["cli"]), (json!("webhooks.secret"), json!("operator")));
    // The command line tells the gateway, which may have seen the file before.
    assert_eq!(of(&["signal", "file"]), (json!("webhooks.secret"), json!("gateway")));

    home.write(&format!("{{ tasks: {{ maxAttempts: '{secret}' }} }}"));
    // The command line reads that file, too, and cannot.
    home.hears("reload: nothing has changed").await;
    let page = home.admin("tok").await.payload("audit.list", &json!({"kind": "config", "limit": 1})).await;
    let refused = &page["entries"][0];
    assert_eq!((&refused["outcome"], &refused["details"]["refused"]), (&json!("refused"), &json!("invalid")));
    assert_eq!(refused["details"]["issues"], json!("tasks.maxAttempts"));
    assert!(!on_disk(&home).contains(secret), "no value of a setting is in the database");
}

/// G1 for the log: what was acknowledged is there after kill -9, in one chain; a changed row is named.
#[tokio::test]
async fn a_killed_gateway_leaves_a_whole_chain_and_a_changed_row_is_named() {
    let upstream = Upstream::start().await;
    let mut home = Home::with(&with_provider(&upstream, "one", "")).await;
    for round in 0..3 {
        let mut admin = home.admin("tok").await;
        for n in 0..20 {
            let asked = json!({"name": format!("k{round}-{n}"), "scopes": ["read"]});
            assert!(admin.payload("keys.create", &asked).await["secret"].is_string());
        }
        // Some more that nobody waits for while it dies.
        for n in 0..20 {
            admin.ask("keys.create", &json!({"name": format!("late{n}"), "scopes": ["read"]})).await;
        }
        home = home.killed().await;
        let (code, told) = home.run(&["audit", "verify", "--json"]).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((code, &told["valid"], &told["broken"]), (0, &json!(true), &json!(null)));
        assert!(told["rows"].as_u64().unwrap() >= 20 * (round + 1), "{told}");
    }
    let keys = home.run(&["keys", "list", "--json"]).await.1;
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let rows = home.run(&["audit", "list", "--kind", "key.created", "--limit", "1000", "--json"]).await.1;
    let rows: Value = serde_json::from_str(&rows).unwrap();
    let ids = |list: &Value, name: &str| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one[name].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        ids(&rows["entries"], "subject"),
        ids(&keys["keys"], "id"),
        "each key has its row, and each row its key"
    );

    let row =
        rows["entries"].as_array().unwrap().iter().find(|row| row["details"]["name"] == "k1-7").unwrap()["n"].clone();

    let Home { directory, gateway } = home;
    gateway.kill().await.unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_openclaw"));
        command.env_clear().env("OPENCLAW_STATE_DIR", directory.path()).args(arguments).output().unwrap()
    };
    assert!(run(&["audit", "verify"]).status.success(), "also without a running gateway");
    // Whoever writes last puts the write-ahead log into the file.
    assert!(run(&["config", "set", "tasks.maxAttempts", "5"]).status.success());
    let file = directory.path().join("openclaw.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let name = b"\"name\":\"k1-7\"";
    for at in 0..bytes.len() - name.len() {
        if &bytes[at..at + name.len()] == name {
            bytes[at + 8] = b'K';
        }
    }
    std::fs::write(&file, bytes).unwrap();
    let told = run(&["audit", "verify"]);
    let line = String::from_utf8(told.stderr).unwrap();
    assert_eq!(told.status.code(), Some(70));
    assert!(line.contains(&format!("row {row} is not what was written")), "{line}");
}

/// ADR 0010: what is old goes, by the machine's own command line alone, and what was noted before still finds the rest.
#[tokio::test]
async fn old_rows_are_taken_away_and_the_rest_still_holds() {
    let upstream = Upstream::start().await;
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let mut admin = home.admin("tok").await;
    for n in 0..5 {
        admin.payload("keys.create", &json!({"name": format!("k{n}"), "scopes": ["read"]})).await;
    }
    let verify = async |more: &[&str]| {
        let (code, told) = home.run(&[&["audit", "verify", "--json"], more].concat()).await;
        (code, serde_json::from_str::<Value>(&told).unwrap_or_default())
    };
    let (_, whole) = verify(&[]).await;
    let mark = format!("{}:{}", whole["rows"], whole["hash"].as_str().unwrap());
    assert_eq!((&whole["first"], &whole["rows"]), (&json!(1), &json!(6)), "the file, and five keys");
    let (code, told) = home.run(&["audit", "prune", "--before", "1h"]).await;
    assert!(code == 0 && told.contains("no row is as old"), "{told}");
    // What is yet to come is not before now.
    let (code, told) = home.run(&["audit", "prune", "--before", "2999-01-01T00:00:00Z", "--json"]).await;
    assert_eq!((code, serde_json::from_str::<Value>(&told).unwrap()), (0, json!({"rows": 6, "last": mark})));
    admin.payload("keys.create", &json!({"name": "late", "scopes": ["read"]})).await;

    let (code, whole) = verify(&["--expect", &mark]).await;
    assert_eq!((code, &whole["valid"], &whole["first"], &whole["rows"]), (0, &json!(true), &json!(7), &json!(2)));
    assert_eq!(verify(&["--expect", &format!("6:{}", "0".repeat(64))]).await.0, 70);
    assert_eq!(verify(&["--expect", &format!("5:{}", "0".repeat(64))]).await.0, 64, "nobody can say so any more");
    let listed = admin.payload("audit.list", &json!({"limit": 50})).await;
    let kinds: Vec<_> = listed["entries"].as_array().unwrap().iter().map(|row| row["kind"].clone()).collect();
    assert_eq!(
        (kinds, &listed["entries"][1]["details"]["rows"]),
        (vec![json!("key.created"), json!("audit.pruned")], &json!("6"))
    );
}
