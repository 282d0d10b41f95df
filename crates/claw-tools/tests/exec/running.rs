//! Commands that run: what they say, read, and leave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use claw_core::message::JsonText;
use claw_core::tool::{Listener, ToolContext};
use claw_tools::exec::{Ask, Settings};

use crate::desk::{Desk, bare, context, full, gone, lives};

#[tokio::test]
async fn a_command_runs_in_the_workspace_and_says_how_it_ended() {
    let desk = Desk::new(full());
    std::fs::create_dir(desk.file("workspace/sub")).unwrap();
    assert_eq!(desk.run("echo hello; echo there >&2").await.unwrap().lines().count(), 2);
    assert_eq!(desk.run("true").await, Ok("[it said nothing]".into()));
    assert_eq!(desk.run("echo no; exit 3").await, Err("no\n\n[exit code 3]".into()));
    assert_eq!(desk.run("echo x > made && cat made").await, Ok("x\n".into()));
    assert_eq!(std::fs::read_to_string(desk.file("workspace/made")).unwrap(), "x\n");
    let inside = desk.call(
        "exec",
        "s",
        serde_json::json!({"command": "basename $(pwd); echo $A", "cwd": "sub", "env": {"A": "1"}}),
    );
    assert_eq!(inside.await, Ok("sub\n1\n".into()));
    let outside = desk.call("exec", "s", serde_json::json!({"command": "pwd", "cwd": ".."})).await.unwrap_err();
    assert!(outside.contains("lies outside the workspace"), "{outside}");
    let flood = desk.run("head -c 50000000 /dev/zero | tr '\\0' x").await.unwrap();
    assert!(flood.len() < 60_000 && flood.contains("bytes left out"), "{}", flood.len());
}

/// Without walls commands are the same, and end as far as they stay together.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_without_walls_runs_and_ends_as_one_with_them() {
    let desk = Desk::new(bare());
    assert_eq!(desk.run("echo a; cat ../secret; echo; exit 3").await, Err("a\noutside\n\n[exit code 3]".into()));
    assert_eq!(desk.run("kill -TERM $$").await, Err("\n[exit code 143]".into()));
    assert_eq!(desk.run("kill -TERM 0").await, Err("\n[exit code 143]".into()));
    let given = serde_json::json!({"command": "echo $A; env | grep -c OPENCLAW_", "env": {"A": "1"}});
    assert_eq!(desk.call("exec", "s", given).await, Err("1\n0\n\n[exit code 1]".into()));
    let late = serde_json::json!({"command": "trap '' TERM; sleep 71021 & sleep 71021", "timeout": 1});
    assert!(desk.call("exec", "s", late).await.unwrap_err().contains("killed after 1 s"));
    assert!(gone("71021").await);
    let given = serde_json::json!({"command": "test -t 0 && trap 'echo heard; exit 5' INT && kill -INT 0; sleep 9", "pty": true});
    assert_eq!(desk.call("exec", "s", given).await, Err("heard\n\n[exit code 5]".into()));
    let plan = serde_json::json!({"command": "nonsense-that-is-not-there"});
    assert!(desk.call("exec", "s", plan).await.unwrap_err().ends_with("[exit code 127]"));
}

/// No survivor, however it hides: forked, in a session of its own, deaf to signals.
#[tokio::test]
async fn nothing_outlives_a_command_its_timeout_or_its_caller() {
    let desk = Desk::new(full());
    desk.run("(setsid sleep 71001 &) ; sleep 71001 & true").await.unwrap();
    assert!(gone("71001").await, "ended");
    let begun = Instant::now();
    let late = serde_json::json!({"command": "trap '' TERM; (setsid sleep 71002 &); sleep 71002", "timeout": 1});
    let said = desk.call("exec", "s", late).await.unwrap_err();
    assert!(said.contains("killed after 1 s") && begun.elapsed() < Duration::from_secs(10), "{said}");
    assert!(gone("71002").await, "timed out");
    {
        let dropped = desk.run("(setsid sleep 71003 &); sleep 71003");
        tokio::pin!(dropped);
        let begun = Instant::now();
        while !lives("71003") && begun.elapsed() < Duration::from_secs(10) {
            let _still_runs = tokio::time::timeout(Duration::from_millis(10), &mut dropped).await;
        }
        assert!(lives("71003"));
    }
    assert!(gone("71003").await, "cancelled");
    let said = desk.run("i=0; while [ $i -lt 700 ]; do (sleep 5 & sleep 5) & i=$((i+1)); done; sleep 1; true").await;
    drop(said);
    assert_eq!(desk.run("echo well").await, Ok("well\n".into()), "a flood of processes has burnt out");
}

#[tokio::test]
async fn a_command_in_the_background_is_polled_and_killed_by_its_own_conversation_alone() {
    let desk = Desk::new(full());
    let start = serde_json::json!({"command": "echo begun; sleep 71004", "background": true});
    assert_eq!(desk.call("exec", "a", start).await, Ok("[runs in the background as 1; see `process`]".into()));
    let poll = || serde_json::json!({"action": "poll", "id": 1});
    assert_eq!(desk.call("process", "a", poll()).await, Ok("begun\n\n[running]".into()));
    assert_eq!(desk.call("process", "b", poll()).await, Err("there is no command 1 in the background".into()));
    let list = || serde_json::json!({"action": "list"});
    assert_eq!(desk.call("process", "a", list()).await, Ok("1 running: echo begun; sleep 71004\n".into()));
    assert_eq!(desk.call("process", "b", list()).await, Ok("[nothing runs in the background]".into()));
    assert_eq!(
        desk.call("process", "a", serde_json::json!({"action": "kill", "id": 1})).await,
        Ok("\n[killed]".into())
    );
    assert!(gone("71004").await);
    let again = serde_json::json!({"command": "sleep 71005", "background": true});
    desk.call("exec", "a", again).await.unwrap();
    assert_eq!(desk.scope.close(Duration::from_secs(5)).await, 0);
    assert!(gone("71005").await, "a gateway that stops leaves nothing");
}

#[tokio::test]
async fn a_poll_waits_as_long_as_it_is_told_to_and_says_that_the_command_runs() {
    let desk = Desk::new(full());
    let start = serde_json::json!({"command": "until test -e go; do sleep 0.05; done", "background": true});
    desk.call("exec", "s", start).await.unwrap();
    let poll = |timeout: u64| serde_json::json!({"action": "poll", "id": 1, "timeout": timeout});
    let ask = async |json: serde_json::Value| desk.call("process", "s", json).await.unwrap();
    let process = desk.tools.iter().find(|tool| tool.spec().name == "process").unwrap();
    let running = [
        ask(poll(0)).await,
        ask(serde_json::json!({"action": "log", "id": 1})).await,
        ask(serde_json::json!({"action": "list"})).await,
    ];
    assert!(running.iter().all(|answer| process.waits(answer)), "{running:?}");
    std::fs::write(desk.file("workspace/go"), "").unwrap();
    let ended = ask(poll(60_000)).await;
    assert_eq!(ended, "\n[ended with exit code 0]");
    assert!(!process.waits(&ended) && !process.waits("[nothing runs in the background]"));
}

#[tokio::test]
async fn a_command_whose_time_is_over_says_so_and_no_more_time_is_given_than_there_is() {
    let desk = Desk::new(full());
    let call = async |json: serde_json::Value| desk.call("exec", "s", json).await;
    let refused = call(serde_json::json!({"command": "true", "timeout": 1801})).await;
    assert_eq!(refused, Err("bad arguments: timeout: must be at most 1800; nothing runs longer".into()));
    assert_eq!(call(serde_json::json!({"command": "echo a", "timeout": 0})).await, Ok("a\n".into()));
    call(serde_json::json!({"command": "sleep 71031", "background": true, "timeout": 1})).await.unwrap();
    let poll = serde_json::json!({"action": "poll", "id": 1, "timeout": 60_000});
    let said = desk.call("process", "s", poll).await;
    assert_eq!(said, Ok("\n[killed after 1 s: its time was over]\n\n[killed]".into()));
}

#[derive(Debug, Default)]
struct Heard(std::sync::Mutex<Vec<u8>>, tokio::sync::Notify);

impl Listener for Heard {
    fn hear(&self, piece: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(piece);
        self.1.notify_one();
    }
}

#[tokio::test]
async fn what_a_command_says_is_heard_while_it_runs() {
    let desk = Desk::new(full());
    let heard = Arc::new(Heard::default());
    let mut context = context("s");
    context.run.listener = Some(Arc::<Heard>::clone(&heard));
    let given = JsonText::new(r#"{"command":"echo first; until test -e go; do sleep 0.05; done; echo last"}"#);
    let tool = desk.tools.iter().find(|tool| tool.spec().name == "exec").unwrap();
    let call = tool.call(&context, &given);
    tokio::pin!(call);
    tokio::select! {
        said = &mut call => panic!("it ended before it was let go: {said:?}"),
        () = heard.1.notified() => {}
    }
    assert_eq!(heard.0.lock().unwrap().as_slice(), b"first\n");
    std::fs::write(desk.file("workspace/go"), "").unwrap();
    assert_eq!(call.await, Ok("first\nlast\n".into()));
}

#[tokio::test]
async fn a_command_has_a_terminal_if_it_wants_one() {
    let desk = Desk::new(full());
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let terminal = json(r#"{"command":"test -t 0 && test -t 1 && stty size && echo $TERM","pty":true}"#);
    assert_eq!(desk.call("exec", "a", terminal).await, Ok("30 120\nxterm\n".into()));
    assert_eq!(desk.run("test -t 0 || test -t 1 || echo none").await, Ok("none\n".into()));
    desk.call("exec", "a", json(r#"{"command":"cat","pty":true,"background":true}"#)).await.unwrap();
    desk.call("process", "a", json(r#"{"action":"write","id":1,"data":"hello\n"}"#)).await.unwrap();
    let (mut said, begun) = (String::new(), Instant::now());
    while said.matches("hello").count() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{said}");
        tokio::task::yield_now().await;
        said = desk.call("process", "a", json(r#"{"action":"log","id":1}"#)).await.unwrap();
    }
    // ^C ends the command, and its box tells how.
    desk.call("process", "a", json(r#"{"action":"send-keys","sessionId":"1","keys":["C-c"]}"#)).await.unwrap();
    let ended = desk.call("process", "a", json(r#"{"action":"poll","id":1}"#)).await.unwrap();
    assert!(ended.ends_with("[ended with exit code 130]"), "{ended}");
}

#[tokio::test]
async fn a_command_in_the_background_reads_what_it_is_written() {
    let desk = Desk::new(full());
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let process = |text: &str| desk.call("process", "a", json(text));
    desk.call(
        "exec",
        "a",
        json(r#"{"command":"while read line; do echo got $line; done; echo end","background":true}"#),
    )
    .await
    .unwrap();
    assert_eq!(
        process(r#"{"action":"write","id":1,"data":"one\ntwo\n"}"#).await,
        Ok("[wrote 8 bytes; running]".into())
    );
    let refused = process(r#"{"action":"send-keys","id":1,"keys":["C-c"]}"#).await;
    assert_eq!(refused, Err("command 1 has no terminal; start it with pty".into()));
    assert_eq!(process(r#"{"action":"clear","id":1}"#).await, Err("command 1 runs; kill it first".into()));
    process(r#"{"action":"write","id":1,"eof":true}"#).await.unwrap();
    assert_eq!(
        process(r#"{"action":"poll","id":1}"#).await,
        Ok("got one\ngot two\nend\n\n[ended with exit code 0]".into())
    );
    let log = process(r#"{"action":"log","id":1,"offset":2,"limit":1}"#).await;
    assert_eq!(log, Ok("got two\n[lines 2 to 2 of 3; ended with exit code 0]".into()));
    let closed = process(r#"{"action":"write","id":1,"data":"x"}"#).await;
    assert!(closed.is_err(), "{closed:?}");
    assert_eq!(process(r#"{"action":"clear"}"#).await, Ok("[1 forgotten]".into()));
    assert_eq!(process(r#"{"action":"poll","id":1}"#).await, Err("there is no command 1 in the background".into()));
    // What ends soon enough is answered at once, the rest goes on.
    assert_eq!(desk.call("exec", "a", json(r#"{"command":"echo quick","yieldMs":20000}"#)).await, Ok("quick\n".into()));
    let slow = desk.call("exec", "a", json(r#"{"command":"sleep 71008; true","yieldMs":50}"#)).await;
    assert_eq!(slow, Ok("[runs in the background as 3; see `process`]".into()));
    assert_eq!(process(r#"{"action":"remove","id":3}"#).await, Ok("[1 forgotten]".into()));
    assert!(gone("71008").await);
}

/// What is written to a command may do as much as the command, so it is asked for like one.
#[tokio::test]
async fn nobody_writes_to_an_approved_command_what_was_not_approved() {
    use claw_core::approval::Verdict;
    let desk = Desk::new(Settings { ask: Ask::Always, ..full() });
    let tool = |name: &str| desk.tools.iter().find(|tool| tool.spec().name == name).unwrap();
    let start = JsonText::new(r#"{"command":"sh","background":true}"#);
    let plan = tool("exec").plan(&context("a"), &start).await.unwrap();
    let approved = ToolContext { approved: Some(plan.digest), ..context("a") };
    tool("exec").call(&approved, &start).await.unwrap();
    let evil = JsonText::new(r#"{"action":"write","id":1,"data":"touch evil\n"}"#);
    let asked = tool("process").plan(&context("a"), &evil).await.unwrap();
    assert_eq!((asked.verdict, asked.shown.unwrap().starts_with("write: \"touch evil")), (Verdict::Ask, true));
    for context in [context("a"), approved] {
        let refused = tool("process").call(&context, &evil).await.unwrap_err().to_string();
        assert_eq!(refused, "nobody has approved what is to be written");
    }
    let allowed = ToolContext { approved: Some(asked.digest), ..context("a") };
    tool("process").call(&allowed, &evil).await.unwrap();
    let begun = Instant::now();
    while !desk.file("workspace/evil").exists() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
}

/// Advisory 48: whoever has as many as may be takes nobody else's place, and what has ended makes room.
#[tokio::test]
async fn adv_48_commands_in_the_background_are_counted_for_each_principal() {
    use claw_core::{Principal, PrincipalId};
    let desk = Desk::new(full());
    let exec = desk.tools.iter().find(|tool| tool.spec().name == "exec").unwrap();
    let key = Principal { id: PrincipalId::from_stored("key_1".into()), ..Principal::operator() };
    let of_key = ToolContext { principal: key, ..context("k") };
    let begin = JsonText::new(r#"{"command":"sleep 71009","background":true}"#);
    for _ in 0..claw_tools::limits::BACKGROUND_MAX {
        exec.call(&of_key, &begin).await.unwrap();
    }
    let refused = exec.call(&of_key, &begin).await.unwrap_err().to_string();
    assert_eq!(refused, "32 commands run in the background already");
    let own = JsonText::new(r#"{"command":"echo fine","yieldMs":20000}"#);
    assert_eq!(exec.call(&context("s"), &own).await, Ok("fine\n".into()));
    let process = desk.tools.iter().find(|tool| tool.spec().name == "process").unwrap();
    process.call(&of_key, &JsonText::new(r#"{"action":"kill","id":1}"#)).await.unwrap();
    exec.call(&of_key, &begin).await.unwrap();
    assert_eq!(desk.scope.close(Duration::from_secs(10)).await, 0);
    assert!(gone("71009").await);
}
