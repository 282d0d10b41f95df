//! Commands against the real kernel: what runs, what does not, and that nothing is left.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use claw_core::message::JsonText;
use claw_core::provider::Usage;
use claw_core::tool::{RunFacts, Tool, ToolContext};
use claw_core::{AgentId, Principal, SessionKey};
use claw_runtime::TaskScope;
use claw_tools::Workspaces;
use claw_tools::exec::{self, Ask, Launcher, Processes, Security, Settings};
use tempfile::TempDir;

struct Desk {
    home: TempDir,
    tools: Vec<Arc<dyn Tool>>,
    scope: TaskScope,
}

fn full() -> Settings {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_claw-sandbox"));
    let launcher = Some(Launcher { program, argument: None, is_lenient: false });
    Settings { security: Security::Full, allowlist: Vec::new(), ask: Ask::Off, network: false, launcher }
}

fn context(session: &str) -> ToolContext {
    let agent = AgentId::main();
    let session = SessionKey::of(&agent, session);
    let (usage, model) = (Usage::default(), "m/m".into());
    ToolContext {
        principal: Principal::operator(),
        agent,
        session,
        model,
        usage,
        message_count: 0,
        approved: None,
        run: RunFacts::default(),
    }
}

impl Desk {
    fn new(settings: Settings) -> Self {
        // Not below /tmp, which the box covers.
        let home = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let at = |name: &str| home.path().join(name);
        let workspaces = Workspaces { default: at("workspace"), agents: Vec::new(), api_keys: at("keys") };
        std::fs::create_dir(at("workspace")).unwrap();
        std::fs::write(at("secret"), "outside").unwrap();
        let scope = TaskScope::new();
        let tools = exec::tools(&Arc::new(workspaces), settings, &Processes::new(scope.clone()));
        Self { home, tools, scope }
    }

    async fn call(&self, name: &str, session: &str, arguments: serde_json::Value) -> Result<String, String> {
        let tool = self.tools.iter().find(|tool| tool.spec().name == name).unwrap();
        let given = JsonText::new(arguments.to_string());
        tool.call(&context(session), &given).await.map_err(|error| error.to_string())
    }

    async fn run(&self, command: &str) -> Result<String, String> {
        self.call("exec", "s", serde_json::json!({ "command": command })).await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

/// Whether a process with this word among its arguments lives.
fn lives(word: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|part| part == word.as_bytes())
    })
}

async fn gone(word: &str) -> bool {
    let begun = Instant::now();
    while lives(word) {
        if begun.elapsed() > Duration::from_secs(10) {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

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

/// Advisories 62 and 64: neither the environment, nor files, nor the network, nor other processes.
#[tokio::test]
async fn a_command_in_the_box_reaches_nothing_outside() {
    let desk = Desk::new(full());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (secret, own) = (desk.file("secret").display().to_string(), std::process::id());
    let attempts = [
        format!("cat {secret}"),
        format!("echo evil > {secret}"),
        format!("rm -f {secret} && test ! -e {secret}"),
        format!("ln -s {secret} link && cat link"),
        format!("ln {secret} hard && cat hard"),
        "cat ../secret".into(),
        "cat /etc/shadow".into(),
        "ls /root /home/*".into(),
        "touch /usr/evil || touch /etc/evil".into(),
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}"),
        format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'"),
        format!("python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}))'"),
        format!("kill -9 {own}"),
        format!("cat /proc/{own}/environ"),
        "mount -t tmpfs none /usr".into(),
        "umount /proc".into(),
        "umount /run".into(),
        "chroot / cat /etc/shadow".into(),
        "test -S /run/docker.sock || test -S /var/run/docker.sock".into(),
        "dd if=/dev/zero of=/dev/vda count=1".into(),
        "nsenter -t 1 -a id".into(),
        "unshare -Urm cat /etc/shadow".into(),
    ];
    for command in attempts {
        let said = desk.run(&command).await;
        assert!(said.is_err(), "{command}: {said:?}");
    }
    assert_eq!(std::fs::read_to_string(desk.file("secret")).unwrap(), "outside");
    assert!(listener.accept().is_err(), "0 connections");
    let env = desk
        .run("env | cut -d= -f1 | grep -v -e '^_$' -e '^PWD$' -e '^OLDPWD$' -e '^SHLVL$' -e '^__LLVM_PROFILE' | sort")
        .await;
    assert_eq!(env, Ok("HOME\nLANG\nPATH\nTERM\n".into()));
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
    let said = desk.run(":(){ :|:& };: ; sleep 1; true").await;
    drop(said);
    assert_eq!(desk.run("echo well").await, Ok("well\n".into()), "a fork bomb has burnt out");
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

/// Advisory 57: what is not on the list does not run, whatever the shell would have made of it.
#[tokio::test]
async fn an_allowlist_permits_programs_and_never_a_shell() {
    let echo = std::fs::canonicalize("/usr/bin/echo").unwrap().display().to_string();
    let git = vec!["/usr/bin/git".to_owned(), "status".to_owned()];
    let desk = Desk::new(Settings { security: Security::Allowlist, allowlist: vec![vec![echo], git], ..full() });
    assert_eq!(desk.run("echo 'a  b' \"c\"").await, Ok("a  b c\n".into()));
    let refused = [
        "echo $(touch evil)",
        "echo `touch evil`",
        "echo a; touch evil",
        "echo a && touch evil",
        "echo a | tee evil",
        "echo a > evil",
        "echo \"$(touch evil)\"",
        "touch evil",
        "/bin/sh -c 'touch evil'",
        "sh -c 'touch evil'",
        "env touch evil",
        "busybox touch evil",
        "A=1 touch evil",
        "echo a\ntouch evil",
        "echo a & touch evil",
        "bash <<EOF\ntouch evil\nEOF",
        "git -c core.pager=touch log",
        "git log",
        "xargs touch evil",
        "./echo",
        "find . -exec touch evil",
        "~/echo",
        "echo {a,b}",
        "echo *",
        "'",
        "",
        "!!",
        "nice touch evil",
    ];
    for command in refused {
        let said = desk.run(command).await.unwrap_err();
        assert!(said.starts_with("commands are not permitted: "), "{command}: {said}");
    }
    let with_env = serde_json::json!({"command": "echo a", "env": {"LD_PRELOAD": "./evil.so"}});
    assert!(desk.call("exec", "s", with_env).await.is_err());
    // A measured build's own programs leave their coverage where they run.
    let made = std::fs::read_dir(desk.file("workspace")).unwrap().map(|entry| entry.unwrap().path());
    let made: Vec<_> = made.filter(|path| path.extension().is_none_or(|kind| kind != "profraw")).collect();
    assert!(made.is_empty(), "0 executed: {made:?}");
}

/// G10: nothing runs unless the operator says so, and says so in a way that can be kept.
#[tokio::test]
async fn commands_are_denied_unless_they_are_allowed() {
    let missing = Launcher { program: "/none".into(), argument: None, is_lenient: false };
    let no_box = Launcher { program: "/bin/false".into(), argument: None, is_lenient: false };
    let table = [
        (Settings { security: Security::Deny, ..full() }, "tools.exec.security"),
        (Settings { ask: Ask::Always, ..full() }, "nobody has approved"),
        (Settings { launcher: Some(missing), ..full() }, "cannot be started"),
        (Settings { launcher: Some(no_box), ..full() }, "[exit code 1]"),
    ];
    for (settings, why) in table {
        let desk = Desk::new(settings);
        let said = desk.run("touch evil").await.unwrap_err();
        assert!(said.contains(why), "{said}");
        assert!(!desk.file("workspace/evil").exists());
    }
}
