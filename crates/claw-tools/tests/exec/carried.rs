//! Strangers' words follow the files that commands move and copy.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use claw_core::approval::Verdict;
use claw_core::message::JsonText;
use claw_core::provenance::Provenance;
use claw_core::tool::ToolContext;

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
        let below = |file: &&String| Path::new(file).starts_with(path);
        Ok((self.0.lock().unwrap().iter().filter(below).cloned().collect(), true))
    }
}

/// Guarantees, "Prompt injection": a command that names a file with strangers' words hears them, and so does whoever
/// reads later what it made of it.
#[tokio::test]
async fn strangers_words_follow_the_files_that_a_command_changes() {
    let noted = Arc::new(Noted::default());
    let provenance = Arc::<Noted>::clone(&noted) as Arc<dyn Provenance>;
    let desk = Desk::noting(full(), &provenance);
    let path = |name: &str| desk.file("workspace").join(name).display().to_string();
    let names = || {
        let files = noted.0.lock().unwrap().clone();
        let names = files.iter().map(|file| file.rsplit('/').next().unwrap().to_owned());
        let mut names: Vec<String> = names.filter(|name| !name.ends_with(".profraw")).collect();
        names.sort();
        names
    };
    let exec = desk.tools.iter().find(|tool| tool.spec().name == "exec").unwrap();
    let run = async |context: ToolContext, command: &str| {
        let given = JsonText::new(serde_json::json!({ "command": command }).to_string());
        exec.call(&context, &given).await.unwrap();
        context.run.strangers.are_noted()
    };
    std::fs::write(desk.file("workspace/page"), "from a page").unwrap();
    std::fs::write(desk.file("workspace/own"), "own").unwrap();
    noted.note(&[path("page")]).await.unwrap();

    assert!(!run(context("a"), "cp own other; echo x > new").await, "it names none of them");
    assert_eq!(names(), ["page"]);
    assert!(run(context("a"), "mkdir d; cp page d/copy; mv page moved; cat own > /dev/null").await);
    assert_eq!(names(), ["copy", "moved", "page"], "what was left alone is nobody else's");
    assert!(run(context("b"), "cat moved >> own").await, "also under its new name");
    assert_eq!(names(), ["copy", "moved", "own", "page"]);

    // A run that had heard strangers before, in the background; and one that somebody has allowed.
    let mut heard = context("c");
    heard.run.untrusted = true;
    let given = JsonText::new(r#"{"command":"echo theirs > late","yieldMs":20000}"#);
    exec.call(&heard, &given).await.unwrap();
    assert_eq!(names(), ["copy", "late", "moved", "own", "page"]);
    let given = JsonText::new(r#"{"command":"echo allowed > fine"}"#);
    let digest = exec.plan(&heard, &given).await.unwrap().digest;
    exec.call(&ToolContext { approved: Some(digest), ..heard }, &given).await.unwrap();
    assert_eq!(names(), ["copy", "late", "moved", "own", "page"]);
}

/// The same by a pattern, before it runs, where a command says their names, and for what is written to one.
#[tokio::test]
async fn strangers_are_heard_however_a_command_comes_to_their_file() {
    let noted = Arc::new(Noted::default());
    let provenance = Arc::<Noted>::clone(&noted) as Arc<dyn Provenance>;
    let desk = Desk::noting(full(), &provenance);
    std::fs::write(desk.file("workspace/page"), "from a page").unwrap();
    std::fs::write(desk.file("workspace/own"), "own").unwrap();
    noted.note(&[desk.file("workspace").join("page").display().to_string()]).await.unwrap();
    let tool = |name: &str| desk.tools.iter().find(|tool| tool.spec().name == name).unwrap();
    let planned = async |name: &str, given: serde_json::Value| {
        let context = context("a");
        tool(name).plan(&context, &JsonText::new(given.to_string())).await.unwrap();
        context.run.strangers.are_noted()
    };
    let called = async |name: &str, given: serde_json::Value| {
        let context = context("a");
        let said = tool(name).call(&context, &JsonText::new(given.to_string())).await.unwrap();
        (said, context.run.strangers.are_noted())
    };
    for (command, names_it) in
        [("sh page", true), ("cat p*", true), ("cat ./{page,x}", true), ("cat [o]wn", false), ("cat own", false)]
    {
        assert_eq!(planned("exec", serde_json::json!({ "command": command })).await, names_it, "{command}");
    }
    assert!(called("exec", serde_json::json!({"command": "grep -r from ."})).await.1, "it says where");
    assert!(!called("exec", serde_json::json!({"command": "grep -r own own"})).await.1);
    let (said, _) = called("exec", serde_json::json!({"command": "sh", "background": true})).await;
    let id: u32 = said.split(' ').find_map(|word| word.trim_end_matches(';').parse().ok()).unwrap();
    let write = |data: &str| serde_json::json!({"action": "write", "id": id, "data": data});
    assert!(planned("process", write("sh page\n")).await && !planned("process", write("cat own\n")).await);
    assert!(!called("process", serde_json::json!({"action": "list"})).await.1);
    called("process", write("ls\n")).await;
    let heard = async {
        while !called("process", serde_json::json!({"action": "log", "id": id})).await.1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), heard).await.unwrap();
}

/// What a shell would not take for a pattern is none, one that fits only other files names none of theirs, and a file that
/// is gone is nobody's.
#[tokio::test]
async fn one_strangers_file_leaves_commands_that_do_not_read_it_alone() {
    let noted = Arc::new(Noted::default());
    let provenance = Arc::<Noted>::clone(&noted) as Arc<dyn Provenance>;
    let desk = Desk::noting(full(), &provenance);
    let at = |name: &str| desk.file("workspace").join(name);
    std::fs::write(at("page.md"), "from a page").unwrap();
    for name in ["q", "many"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    for number in 0..70 {
        std::fs::write(at("many").join(number.to_string()), "x").unwrap();
    }
    std::fs::File::create(at("q/large")).unwrap().set_len(300 << 20).unwrap();
    noted.note(&[at("page.md").display().to_string()]).await.unwrap();
    let exec = desk.tools.iter().find(|tool| tool.spec().name == "exec").unwrap();
    let planned = async |command: &str| {
        let context = context("a");
        let given = JsonText::new(serde_json::json!({ "command": command }).to_string());
        let plan = exec.plan(&context, &given).await.unwrap();
        (context.run.strangers.are_noted(), plan.verdict == Verdict::Allow, plan.shown.unwrap_or_default())
    };
    for command in ["python3 -c \"print(2 * 3)\"", "cd many; echo $((6 * 7))", "ls many/*", "ls q/*", "echo 'p*'"] {
        let (has_heard, is_allowed, shown) = planned(command).await;
        assert!(!has_heard && is_allowed, "{command}: {shown}");
        assert_eq!(shown.contains("not bound: all that fits"), command.ends_with("/*"), "{command}: {shown}");
    }
    for command in ["cat *", "cat q/../p*", "sh -c 'cat p*'", "cat pa''ge.md"] {
        assert!(planned(command).await.0, "{command}");
    }
    std::fs::remove_file(at("page.md")).unwrap();
    assert!(!planned("cat *").await.0);
}

/// A directory that holds theirs is as good as the file's name, however it is written, and what agents are told of counts as
/// theirs after commands that nobody sees read anything.
#[tokio::test]
async fn strangers_words_do_not_come_to_agents_by_a_directory_or_unseen() {
    let noted = Arc::new(Noted::default());
    let provenance = Arc::<Noted>::clone(&noted) as Arc<dyn Provenance>;
    let desk = Desk::noting(full(), &provenance);
    let at = |name: &str| desk.file("workspace").join(name);
    for name in ["inbox", "src", "memory"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    std::fs::write(at("inbox/page.md"), "from a page").unwrap();
    std::fs::write(at("src/own"), "own").unwrap();
    std::fs::write(at("AGENTS.md"), "own").unwrap();
    noted.note(&[at("inbox/page.md").display().to_string()]).await.unwrap();
    let exec = desk.tools.iter().find(|tool| tool.spec().name == "exec").unwrap();
    let hears = async |command: &str| {
        let context = context("a");
        let given = JsonText::new(serde_json::json!({ "command": command }).to_string());
        exec.plan(&context, &given).await.unwrap();
        context.run.strangers.are_noted()
    };
    for command in [
        "grep -rh from . > SOUL.md",
        "cp -r inbox memory",
        "tar c ./in\"box\"",
        "cp -r ~/inb* x",
        "cd src; cat ../inbox/p*",
        "cd inbox && ls | grep pag | xargs -I{} cp {} ../AGENTS.md",
        "grep -rh from > AGENTS.md",
        "cat $(find -type f)",
        "cd src && cp -r \"$PWD/../inbox\" .",
    ] {
        assert!(hears(command).await, "{command}");
    }
    for command in [
        "cd src && grep -r own .",
        "grep -rn own src",
        "find src -name o*",
        "cat src/own",
        "python3 -c 'print(6 * 7)'",
        "ls src | wc -l",
        "ls",
        "cp -r src to",
    ] {
        assert!(!hears(command).await, "{command}");
    }

    // Nobody sees what these read.
    let run = async |context: ToolContext, command: &str| {
        let given = JsonText::new(serde_json::json!({ "command": command }).to_string());
        exec.call(&context, &given).await.unwrap();
    };
    let theirs = |name: &str| noted.0.lock().unwrap().contains(&at(name).display().to_string());
    run(context("b"), "true").await;
    assert!(!theirs("AGENTS.md"));
    run(context("b"), "echo a > memory/2026-11-22.md; echo b >> AGENTS.md; echo c > other; ln -s src/own SOUL.md")
        .await;
    assert_eq!(["AGENTS.md", "memory/2026-11-22.md", "src/own", "other"].map(theirs), [true, true, true, false]);
    noted.0.lock().unwrap().clear();
    run(context("b"), "echo d >> AGENTS.md").await;
    assert!(!theirs("AGENTS.md"), "where there are no strangers' words there is nothing to follow");
}

/// A workspace that is too large to be followed counts as theirs as a whole.
#[tokio::test]
async fn a_workspace_that_cannot_be_followed_counts_as_strangers() {
    let noted = Arc::new(Noted::default());
    let provenance = Arc::<Noted>::clone(&noted) as Arc<dyn Provenance>;
    let desk = Desk::noting(full(), &provenance);
    let root = desk.file("workspace");
    for number in 0..=claw_tools::limits::CARRIED_FILES_MAX {
        std::fs::File::create(root.join(number.to_string())).unwrap();
    }
    let exec = desk.tools.iter().find(|tool| tool.spec().name == "exec").unwrap();
    let given = JsonText::new(r#"{"command":"true"}"#);
    exec.call(&context("a"), &given).await.unwrap();
    assert_eq!(noted.0.lock().unwrap().len(), 0, "nobody was heard");
    let mut heard = context("b");
    heard.run.untrusted = true;
    exec.call(&heard, &given).await.unwrap();
    assert_eq!(*noted.0.lock().unwrap(), BTreeSet::from([root.display().to_string()]));
    let later = context("c");
    exec.call(&later, &given).await.unwrap();
    assert!(later.run.strangers.are_noted(), "whatever it reads there");
}
