//! Ways out of a workspace, and ways to what configures agents and commands in it.

use std::os::unix::fs::symlink;
use std::path::Path;

use claw_core::tool::RunFacts;
use claw_core::{AgentId, Principal, SessionKey};
use tempfile::TempDir;

use super::tests::{Desk, context};
use super::*;

/// Advisories 49 to 52: every way out, by name and by link.
#[tokio::test]
async fn nothing_outside_the_workspace_is_read() {
    let desk = Desk::new();
    let outside = desk.home.path().join("secret");
    symlink(&outside, desk.path("link")).unwrap();
    symlink(desk.home.path(), desk.path("up")).unwrap();
    symlink("../secret", desk.path("relative")).unwrap();
    symlink("/proc/self/root", desk.path("magic")).unwrap();
    desk.put("sub/file", "inside");
    let full = outside.display().to_string();
    let magic = format!("magic{full}");
    let paths = [
        "../secret",
        "sub/../../secret",
        "/etc/passwd",
        &full,
        "link",
        "up/secret",
        "relative",
        &magic,
        "sub/./../../secret",
        "/proc/self/environ",
        "..",
        "../",
        "/",
    ];
    for path in paths {
        let found = desk.call("read", serde_json::json!({ "path": path })).await.unwrap_err();
        assert!(found.contains("lies outside the workspace"), "{path}: {found}");
    }
    for path in ["..%2fsecret", "~/.ssh/id_rsa", "..\\secret", "%2e%2e/secret", "file:///etc/passwd"] {
        let found = desk.call("read", serde_json::json!({ "path": path })).await.unwrap_err();
        assert!(found.contains("there is no such file"), "{path}: {found}");
    }
    assert!(desk.call("read", serde_json::json!({"path": "a\0b"})).await.is_err());
    symlink("sub/file", desk.path("inner")).unwrap();
    assert_eq!(desk.call("read", serde_json::json!({"path": "inner"})).await, Ok("inside\n".into()));
    assert!(Path::new(&full).exists());
}

/// Opening a pipe waits for a writer, and a device may do anything.
#[tokio::test]
async fn pipes_are_not_opened() {
    let desk = Desk::new();
    let made = std::process::Command::new("mkfifo").arg(desk.path("pipe")).status().unwrap();
    assert!(made.success());
    assert_eq!(
        desk.call("read", serde_json::json!({"path": "pipe"})).await,
        Err("cannot read pipe: it is no plain file".into())
    );
}

/// Advisories 49 and 52: 0 bytes outside, by name, link, hard link or pipe.
#[tokio::test]
async fn adv_49_nothing_outside_the_workspace_is_written() {
    let desk = Desk::new();
    let outside = desk.home.path().join("secret");
    symlink(&outside, desk.path("link")).unwrap();
    symlink(desk.home.path(), desk.path("up")).unwrap();
    symlink("/tmp", desk.path("tmp")).unwrap();
    std::fs::hard_link(&outside, desk.path("hard")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(desk.path("pipe")).status().unwrap().success());
    let full = outside.display().to_string();
    let paths =
        ["../secret", "a/../../secret", &full, "link", "up/secret", "up/new", "tmp/x/new", "hard", "pipe", "/x", ".."];
    for path in paths {
        let write = desk.call("write", serde_json::json!({ "path": path, "content": "evil" })).await;
        let edit =
            desk.call("edit", serde_json::json!({ "path": path, "old_text": "outside", "new_text": "evil" })).await;
        assert!(write.is_err() && edit.is_err(), "{path}: {write:?} {edit:?}");
    }
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "outside\n");
    assert!(!desk.home.path().join("new").exists() && !Path::new("/tmp/x/new").exists());
    assert!(desk.path("link").is_symlink());
}

/// Advisory 51: a directory that becomes a link between check and use leads nowhere, in 100,000 writes.
#[tokio::test]
async fn adv_51_a_directory_that_flips_to_a_link_lets_nothing_out() {
    // Where nothing has to reach a disk there is time for so many.
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
    let [victim, flip, real] = ["victim", "workspace/flip", "workspace/real"].map(|name| home.path().join(name));
    for directory in [&victim, &real] {
        std::fs::create_dir_all(directory).unwrap();
    }
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let racer = {
        let (stop, victim) = (Arc::clone(&stop), victim.clone());
        std::thread::spawn(move || {
            let mut turns = 0_u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _may_lose = std::fs::rename(&real, &flip);
                let _may_lose = std::fs::rename(&flip, &real);
                let _may_lose = symlink(&victim, &flip);
                let _may_lose = std::fs::remove_file(&flip);
                turns += 1;
            }
            turns
        })
    };
    let default = home.path().join("workspace");
    let workspaces = Workspaces { default: default.clone(), agents: Vec::new(), api_keys: default };
    let workspace = workspaces.open(&context(), &Rooms::default()).unwrap();
    let (mut landed, mut refused) = (0, 0);
    for number in 0..100_000 {
        match workspace.replace("flip/file", b"x") {
            Ok(_) => landed += 1,
            Err(_) => refused += 1,
        }
        if number % 10 == 0 {
            let _won_or_lost = workspace.read_text("flip/file");
            let _won_or_lost = workspace.remove("flip/file");
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let turns = racer.join().unwrap();
    assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0, "0 escapes");
    assert!(landed > 0 && refused > 0 && turns > 1_000, "they met: {landed} landed, {refused} refused, {turns} turns");
}

/// adv_50: nobody's name becomes a path.
#[tokio::test]
async fn adv_50_a_name_of_a_caller_or_a_conversation_is_no_path() {
    let desk = Desk::new();
    let workspaces = Workspaces { default: desk.path(""), agents: Vec::new(), api_keys: desk.home.path().join("keys") };
    for name in ["../../evil", "a/b", "..", ".", "", "key_\u{0}", "key_x/../y", "~"] {
        let id = claw_core::PrincipalId::from_stored(name.into());
        let context = ToolContext { principal: Principal { id, scopes: claw_core::Scopes::NONE }, ..context() };
        assert!(workspaces.open(&context, &Rooms::default()).is_err(), "{name:?}");
    }
    // What a conversation is called has no part in any path.
    for name in ["../../evil", "/etc/passwd", "a/../../b"] {
        let session = SessionKey::of(&AgentId::main(), name);
        let context = ToolContext { session, ..context() };
        assert_eq!(workspaces.path(&context), Ok(desk.path("")), "{name}");
    }
    assert!(!desk.home.path().join("keys").exists() && !desk.home.path().join("evil").exists());
}

/// adv_52: a file with a second name may be the file of another directory.
#[tokio::test]
async fn adv_52_a_file_with_a_second_name_is_not_written_to() {
    let desk = Desk::new();
    let outside = desk.home.path().join("secret");
    std::fs::hard_link(&outside, desk.path("twin")).unwrap();
    for (tool, arguments) in [
        ("write", serde_json::json!({"path": "twin", "content": "evil"})),
        ("edit", serde_json::json!({"path": "twin", "old_text": "outside", "new_text": "evil"})),
        (
            "apply_patch",
            serde_json::json!({"input": "*** Begin Patch\n*** Update File: twin\n@@\n-outside\n+evil\n*** End Patch"}),
        ),
    ] {
        let refused = desk.call(tool, arguments).await.unwrap_err();
        assert!(refused.contains("second name"), "{tool}: {refused}");
    }
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "outside\n");
}

/// adv 78: what configures agents, or commands, of which the workspace is the home, is asked for in a run with strangers'
/// words, also where it is the first thing in a workspace that is not there yet.
#[tokio::test]
async fn adv_78_what_agents_are_told_is_asked_for_before_there_is_a_workspace() {
    let run = RunFacts { untrusted: true, ..RunFacts::default() };
    for (path, is_asked) in [
        ("AGENTS.md", true),
        ("x/../AGENTS.md", true),
        ("{root}/AGENTS.md", true),
        ("a/b/../../memory/x.md", true),
        (".gitconfig", true),
        ("a/../.config/git/config", true),
        (".husky/pre-commit", true),
        ("notes.md", false),
        ("a/.gitignore", false),
        ("x/AGENTS.md", false),
    ] {
        let desk = Desk::new();
        let root = desk.path("");
        std::fs::remove_dir_all(&root).unwrap();
        let path = path.replace("{root}", root.to_str().unwrap().trim_end_matches('/'));
        let write = desk.tools.iter().find(|tool| tool.spec().name == "write").unwrap();
        let given = JsonText::new(serde_json::json!({"path": path, "content": "obey"}).to_string());
        let plan = write.plan(&ToolContext { run: run.clone(), ..context() }, &given).await.unwrap();
        assert_eq!(plan.acts, is_asked, "{path}");
    }
}

/// adv_57: a repository's configuration names programs that every command of git's runs, an allowed one, too.
#[tokio::test]
async fn adv_57_what_git_is_told_to_run_is_not_written() {
    let desk = Desk::new();
    desk.put(".git/config", "[core]\n");
    symlink(".git", desk.path("plain")).unwrap();
    for path in
        [".git/config", ".git/hooks/pre-commit", ".GIT/config", "sub/.git", "sub/.git/info/attributes", "plain/config"]
    {
        let refused =
            format!("cannot write {path}: git's own files say what git runs; a command of git's has to change them");
        let write = desk.call("write", serde_json::json!({"path": path, "content": "[core] fsmonitor = evil"})).await;
        assert_eq!(write, Err(refused.clone()));
        let patch = format!("*** Begin Patch\n*** Add File: {path}\n+evil\n*** End Patch");
        assert!(desk.call("apply_patch", serde_json::json!({ "input": patch })).await.is_err(), "{path}");
    }
    let edit = serde_json::json!({"path": ".git/config", "oldText": "[core]", "newText": "[evil]"});
    assert!(desk.call("edit", edit).await.is_err());
    assert!(
        desk.call(
            "apply_patch",
            serde_json::json!({"input": "*** Begin Patch\n*** Delete File: .git/config\n*** End Patch"})
        )
        .await
        .is_err()
    );
    assert_eq!(desk.text(".git/config").as_deref(), Some("[core]\n"));
    assert_eq!(std::fs::read_dir(desk.path(".git")).unwrap().count(), 1);
    assert!(desk.call("write", serde_json::json!({"path": ".gitignore", "content": "x"})).await.is_ok());
}
