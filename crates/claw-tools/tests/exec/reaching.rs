//! What strangers' words reach by commands that nobody sees read them: the network, and what programs take up by themselves.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use claw_core::message::JsonText;
use claw_core::provenance::Provenance;
use claw_core::tool::{Tool, ToolContext, ToolError};
use claw_tools::exec::Settings;

use crate::desk::{Desk, context, full};

/// Which files are noted.
#[derive(Default)]
struct Noted(Mutex<BTreeSet<String>>);

#[async_trait]
impl Provenance for Noted {
    async fn note(&self, files: &[String]) -> Result<(), String> {
        self.0.lock().unwrap().extend(files.iter().cloned());
        Ok(())
    }
    async fn forget(&self, _: &[String]) -> Result<(), String> {
        Ok(())
    }
    async fn noted(&self, path: &str) -> Result<(Vec<String>, bool), String> {
        let below = |file: &&String| std::path::Path::new(file).starts_with(path);
        Ok((self.0.lock().unwrap().iter().filter(below).cloned().collect(), true))
    }
}

impl Desk {
    fn tool(&self, name: &str) -> &Arc<dyn Tool> {
        self.tools.iter().find(|tool| tool.spec().name == name).unwrap()
    }
    fn path(&self, name: &str) -> String {
        self.file("workspace").join(name).display().to_string()
    }
    /// What it says, and whether strangers were heard.
    async fn told(&self, context: ToolContext, given: serde_json::Value) -> (Result<String, ToolError>, bool) {
        let said = self.tool("exec").call(&context, &JsonText::new(given.to_string())).await;
        (said, context.run.strangers.are_noted())
    }
    /// Whether strangers are heard before it runs.
    async fn hears(&self, given: &serde_json::Value) -> bool {
        let context = context("p");
        self.tool("exec").plan(&context, &JsonText::new(given.to_string())).await.unwrap();
        context.run.strangers.are_noted()
    }
}

/// Guarantees, "Prompt injection": what a command brings from the network strangers wrote, on its output and in its files,
/// whoever allowed it; and one that does not ask for the network has none.
#[tokio::test]
async fn what_a_command_brings_from_the_network_are_strangers_words() {
    let noted = Arc::new(Noted::default());
    let desk =
        Desk::noting(Settings { network: true, ..full() }, &(Arc::<Noted>::clone(&noted) as Arc<dyn Provenance>));
    let has = |name: &str| noted.0.lock().unwrap().contains(&desk.path(name));
    let devices = "cut -d: -f1 /proc/net/dev | tail -n +3 | wc -l; echo x > own";
    let (alone, heard) = desk.told(context("a"), serde_json::json!({ "command": devices })).await;
    assert_eq!((alone.unwrap().trim(), heard, has("own")), ("1", false, false), "its own loopback and nothing else");
    let (failed, _) = desk.told(context("a"), serde_json::json!({ "command": "false" })).await;
    assert!(failed.unwrap_err().to_string().contains("it had no network"), "and is told so where it fails");

    let fetch = serde_json::json!({ "command": "echo theirs > AGENTS.md", "network": true });
    assert!(!desk.hears(&fetch).await, "nobody is asked for the command itself");
    let (_, heard) = desk.told(context("a"), fetch.clone()).await;
    assert!(heard && has("AGENTS.md"));
    noted.0.lock().unwrap().clear();
    let given = JsonText::new(r#"{"command":"echo again > AGENTS.md","network":true}"#);
    let plan = desk.tool("exec").plan(&context("b"), &given).await.unwrap();
    assert!(plan.shown.unwrap().contains("network: yes"));
    let allowed = ToolContext { approved: Some(plan.digest), ..context("b") };
    desk.tool("exec").call(&allowed, &given).await.unwrap();
    assert!(allowed.run.strangers.are_noted() && has("AGENTS.md"), "who allowed it has not read what it brings");

    // Without leave it is not there, and said so.
    let bare = Desk::new(full());
    let (refused, _) = bare.told(context("a"), fetch).await;
    assert!(refused.unwrap_err().to_string().contains("tools.exec.network"));
}

/// The same before it has ended, and for whoever looks after it in a conversation that has begun anew.
#[tokio::test]
async fn what_a_running_command_has_brought_is_known_before_it_ends() {
    let noted = Arc::new(Noted::default());
    let desk =
        Desk::noting(Settings { network: true, ..full() }, &(Arc::<Noted>::clone(&noted) as Arc<dyn Provenance>));
    let command = "echo theirs > AGENTS.md; echo written; sleep 60";
    let (said, heard) =
        desk.told(context("a"), serde_json::json!({ "command": command, "network": true, "background": true })).await;
    assert!(heard, "{said:?}");
    let log = JsonText::new(r#"{"action":"poll","id":1}"#);
    let later = context("a");
    let said = desk.tool("process").call(&later, &log).await.unwrap();
    assert!(said.contains("written") && later.run.strangers.are_noted(), "{said}");
    let known = desk.provenance.noted(&desk.path("AGENTS.md")).await.unwrap().0;
    assert_eq!(known, [desk.path("AGENTS.md")]);
    let kill = JsonText::new(r#"{"action":"kill","id":1}"#);
    desk.tool("process").call(&context("a"), &kill).await.unwrap();
}

/// What a page's run leaves for programs to find is not run unasked, wherever they are started; a report of it is no such
/// thing.
#[tokio::test]
async fn a_program_that_may_take_up_strangers_files_has_heard_them() {
    let noted = Arc::new(Noted::default());
    let desk = Desk::noting(full(), &(Arc::<Noted>::clone(&noted) as Arc<dyn Provenance>));
    for (name, text) in
        [("mk/Makefile", "all:\n\techo owned"), ("js/package.json", "{}"), ("py/helper.py", ""), ("doc/report.md", "")]
    {
        std::fs::create_dir_all(desk.file("workspace").join(name).parent().unwrap()).unwrap();
        std::fs::write(desk.file("workspace").join(name), text).unwrap();
        noted.note(&[desk.path(name)]).await.unwrap();
    }
    std::fs::create_dir(desk.file("workspace/clean")).unwrap();
    for (command, cwd) in [
        ("make", "mk"),
        ("npm test --silent", "js"),
        ("python3 -c \"import helper\"", "py"),
        ("python3 -m pytest", "."),
        ("make", "."),
    ] {
        assert!(desk.hears(&serde_json::json!({ "command": command, "cwd": cwd })).await, "{command} in {cwd}");
    }
    for (command, cwd) in
        [("make", "clean"), ("make", "doc"), ("ls -la", "."), ("date 2>&1 | head -n 1", "."), ("git status", ".")]
    {
        assert!(!desk.hears(&serde_json::json!({ "command": command, "cwd": cwd })).await, "{command} in {cwd}");
    }
    let with = serde_json::json!({ "command": "ls", "env": { "LS_COLORS": "x" }, "cwd": "mk" });
    assert!(desk.hears(&with).await);
}

/// While a command runs that may take up what is written beside it, writing is as good as running; a report is not.
#[tokio::test]
async fn what_is_written_beside_a_running_watcher_acts() {
    let desk = Desk::new(full());
    let acts = async |path: &str| {
        let given = JsonText::new(serde_json::json!({ "path": path, "content": "id" }).to_string());
        desk.tool("write").plan(&context("b"), &given).await.unwrap().acts
    };
    assert!(!acts("dev.sh").await);
    let start = async |command: &str| {
        let given = serde_json::json!({ "command": command, "background": true });
        desk.told(context("a"), given).await.0.unwrap();
    };
    start("sleep 60").await;
    assert!(!acts("dev.sh").await, "it takes up nothing");
    start("while sleep 1; do sh dev.sh; done").await;
    assert!(acts("dev.sh").await && !acts("report.md").await);
    let kill = JsonText::new(r#"{"action":"remove","id":2}"#);
    desk.tool("process").call(&context("a"), &kill).await.unwrap();
    let ended = async {
        while acts("dev.sh").await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), ended).await.unwrap();
}
