use claw_core::provider::Usage;
use claw_core::tool::RunFacts;
use claw_core::{AgentId, Principal, SessionKey};
use tempfile::TempDir;

use super::*;
use crate::Rooms;

pub(super) struct Desk {
    pub(super) home: TempDir,
    pub(super) tools: Vec<Arc<dyn Tool>>,
}

pub(super) fn context() -> ToolContext {
    ToolContext {
        principal: Principal::operator(),
        agent: AgentId::main(),
        session: SessionKey::main(&AgentId::main()),
        model: "m/m".into(),
        usage: Usage::default(),
        message_count: 0,
        approved: None,
        run: RunFacts::default(),
    }
}

impl Desk {
    pub(super) fn new() -> Self {
        let home = TempDir::new().unwrap();
        let at = |name: &str| home.path().join(name);
        let workspaces = Workspaces { default: at("workspace"), agents: Vec::new(), api_keys: at("keys") };
        std::fs::create_dir(at("workspace")).unwrap();
        std::fs::write(at("secret"), "outside\n").unwrap();
        let nobody: Arc<dyn Provenance> = Arc::new(());
        let processes = Processes::new(claw_runtime::TaskScope::new());
        Self { tools: tools(&Arc::new(workspaces), &nobody, &Rooms::new(1 << 20), &processes), home }
    }

    pub(super) fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join("workspace").join(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    pub(super) async fn call(&self, tool: &str, arguments: serde_json::Value) -> Result<String, String> {
        let tool = self.tools.iter().find(|known| known.spec().name == tool).unwrap();
        let arguments = JsonText::new(arguments.to_string());
        tool.call(&context(), &arguments).await.map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn a_file_is_read_in_windows_of_lines() {
    let desk = Desk::new();
    desk.put("a.txt", "one\ntwo\r\nthree");
    desk.put("empty", "");
    let absolute = desk.path("a.txt");
    let table = [
        (serde_json::json!({"path": "a.txt"}), Ok("one\ntwo\nthree\n")),
        (
            serde_json::json!({"path": "./x/../a.txt"}),
            Err("cannot read ./x/../a.txt: there is no such file or directory"),
        ),
        (serde_json::json!({"path": absolute}), Ok("one\ntwo\nthree\n")),
        (serde_json::json!({"path": "a.txt", "limit": 1}), Ok("one\n[lines 1 to 1 of 3; go on with offset 2]")),
        (serde_json::json!({"path": "a.txt", "offset": 3}), Ok("three\n[lines 3 to 3 of 3]")),
        (serde_json::json!({"path": "a.txt", "offset": 4}), Err("offset 4 is beyond the end: a.txt has 3 lines")),
        (serde_json::json!({"path": "empty"}), Ok("[empty is empty]")),
        (serde_json::json!({"path": "none"}), Err("cannot read none: there is no such file or directory")),
        (serde_json::json!({"path": "."}), Err("cannot read .: it is a directory")),
        (serde_json::json!({"path": 1}), Err("bad arguments: path: found the number 1; allowed: a string")),
        (serde_json::json!({}), Err("bad arguments: missing field `path`")),
    ];
    for (arguments, expected) in table {
        let found = desk.call("read", arguments.clone()).await;
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{arguments}");
    }
}

#[tokio::test]
async fn floods_and_binaries_are_told_and_not_shown() {
    let desk = Desk::new();
    desk.put("long", &"x".repeat(5_000));
    desk.put("many", &"0123456789\n".repeat(100_000));
    std::fs::write(desk.path("binary"), b"ab\0cd").unwrap();
    let long = desk.call("read", serde_json::json!({"path": "long"})).await.unwrap();
    assert!(long.ends_with("… [3000 bytes more]\n") && long.len() < 2_100);
    let many = desk.call("read", serde_json::json!({"path": "many", "limit": 90_000})).await.unwrap();
    assert!(
        many.len() < 62_000 && many.ends_with("of 100000; go on with offset 5586]"),
        "{}",
        &many[many.len() - 80..]
    );
    let binary = desk.call("read", serde_json::json!({"path": "binary"})).await;
    assert_eq!(binary, Err("binary is a binary file (5 bytes)".into()));
}

#[tokio::test]
async fn a_search_says_what_it_has_not_looked_at() {
    let desk = Desk::new();
    for directory in ["node_modules/a", "sub/node_modules", ".git"] {
        std::fs::create_dir_all(desk.path(directory)).unwrap();
        std::fs::write(desk.path(directory).join("q.js"), "caf").unwrap();
    }
    std::fs::write(desk.path("latin.txt"), b"caf\xe9\n").unwrap();
    std::fs::write(desk.path("binary"), b"caf\0").unwrap();
    let modules = "[not looked into: node_modules and 1 more of that name; name one as path to search it]";
    let find = desk.call("find", serde_json::json!({"pattern": "*.js"})).await;
    assert_eq!(find, Ok(format!("[no file]\n{modules}")));
    let grep = async |json: serde_json::Value| desk.call("grep", json).await;
    let all = format!("latin.txt:1: caf\u{fffd}\n[files not searched: 1 binary]\n{modules}");
    assert_eq!(grep(serde_json::json!({"pattern": "caf"})).await, Ok(all));
    let named = grep(serde_json::json!({"pattern": "caf", "path": "node_modules"})).await;
    assert_eq!(named, Ok("node_modules/a/q.js:1: caf\n".into()));
    let alone = grep(serde_json::json!({"pattern": "caf", "path": "binary"})).await;
    assert_eq!(alone, Ok("[no match]\n[files not searched: 1 binary]".into()));
}

#[tokio::test]
async fn files_are_written_edited_listed_and_found() {
    let desk = Desk::new();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let steps = [
        ("write", r#"{"path":"notes/a.md","content":"one\ntwo\n"}"#, Ok("created notes/a.md (8 bytes)")),
        ("write", r#"{"path":"notes/a.md","content":"one\ntwo\ntwo\n"}"#, Ok("replaced notes/a.md (12 bytes)")),
        ("edit", r#"{"path":"notes/a.md","oldText":"one","newText":"ONE"}"#, Ok("edited notes/a.md in 1 place")),
        (
            "edit",
            r#"{"path":"notes/a.md","old_text":"two","new_text":"2"}"#,
            Err(
                "cannot edit notes/a.md: old_text stands in 2 places; give more of what is around it, or set replace_all",
            ),
        ),
        (
            "edit",
            r#"{"path":"notes/a.md","old_text":"two","new_text":"2","replace_all":true}"#,
            Ok("edited notes/a.md in 2 places"),
        ),
        (
            "edit",
            r#"{"path":"notes/a.md","old_text":"x","new_text":"y"}"#,
            Err("cannot edit notes/a.md: old_text does not stand in it; read the file and copy the place exactly"),
        ),
        ("read", r#"{"path":"notes/a.md"}"#, Ok("ONE\n2\n2\n")),
        ("ls", "{}", Ok("notes/\n")),
        ("ls", r#"{"path":"notes"}"#, Ok("a.md (8 bytes)\n")),
        ("ls", r#"{"path":"none"}"#, Err("cannot list none: there is no such file or directory")),
        ("ls", r#"{"path":".."}"#, Err(".. lies outside the workspace; give a path inside it, relative to its root")),
        ("find", r#"{"pattern":"*.md"}"#, Ok("notes/a.md\n")),
        ("find", r#"{"pattern":"*.rs"}"#, Ok("[no file]")),
        (
            "find",
            r#"{"pattern":"*","path":"../"}"#,
            Err("../ lies outside the workspace; give a path inside it, relative to its root"),
        ),
        ("grep", r#"{"pattern":"^one$","ignore_case":true}"#, Ok("notes/a.md:1: ONE\n")),
        (
            "grep",
            r#"{"pattern":"2","limit":1}"#,
            Ok("notes/a.md:2: 2\n[there are more; narrow the search or raise the limit]"),
        ),
        ("grep", r#"{"pattern":"ONE","context":1,"glob":"*.md"}"#, Ok("notes/a.md:1: ONE\nnotes/a.md-2- 2\n")),
        ("grep", r#"{"pattern":"[","literal":true}"#, Ok("[no match]")),
        ("write", r#"{"path":"notes","content":""}"#, Err("cannot write notes: it is a directory")),
        ("write", r#"{"path":"notes/","content":""}"#, Err("bad arguments: path: notes/ names no file")),
        (
            "write",
            r#"{"path":"notes/a.md/b","content":""}"#,
            Err("cannot write notes/a.md/b: a part of the path is no directory"),
        ),
    ];
    for (tool, arguments, expected) in steps {
        let found = desk.call(tool, json(arguments)).await;
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{tool} {arguments}");
    }
    let left: Vec<_> = std::fs::read_dir(desk.path("notes")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["a.md"], "nothing lies about");
}

#[tokio::test]
async fn a_patch_changes_several_files_or_none() {
    let desk = Desk::new();
    desk.put("src/a.rs", "fn one() {\n    1\n}\n\nfn two() {\n    1\n}\n");
    desk.put("old", "x\n");
    let patch = "*** Begin Patch\n*** Update File: src/a.rs\n@@ fn two() {\n-    1\n+    2\n*** Add File: new/b\n+hello\n+\n\
                 *** Delete File: old\n*** End Patch";
    let told = desk.call("apply_patch", serde_json::json!({ "input": patch })).await;
    assert_eq!(told, Ok("changed src/a.rs\nadded new/b\ndeleted old".into()));
    assert_eq!(desk.text("src/a.rs").unwrap(), "fn one() {\n    1\n}\n\nfn two() {\n    2\n}\n");
    assert_eq!((desk.text("new/b").as_deref(), desk.text("old")), (Some("hello\n\n"), None));
    let moved = "*** Begin Patch\n*** Update File: new/b\n*** Move to: c\n@@\n-hello\n+bye\n*** End Patch\n";
    assert_eq!(desk.call("apply_patch", serde_json::json!({ "patch": moved })).await, Ok("moved new/b to c".into()));
    assert_eq!((desk.text("c").as_deref(), desk.text("new/b")), (Some("bye\n\n"), None));

    let before = desk.text("c");
    let refused = [
        ("*** Update File: c\n@@\n-bye\n+x\n*** Update File: src/a.rs\n@@\n-nowhere\n+x", "does not stand in it"),
        ("*** Update File: c\n@@\n-bye\n+x\n*** Delete File: none", "there is no such file"),
        ("*** Add File: c\n+x", "it is there already"),
        ("*** Add File: ../evil\n+x", "lies outside the workspace"),
        ("*** Add File: /tmp/evil\n+x", "lies outside the workspace"),
        ("*** Delete File: ../secret", "lies outside the workspace"),
        ("*** Update File: c\n*** Move to: ../evil\n@@\n-bye\n+x", "lies outside the workspace"),
        ("*** Update File: c\n?x", "begins with neither"),
        ("*** Rename: c", "is no line a patch may have here"),
        ("", "it changes no file"),
    ];
    for (body, why) in refused {
        let input = format!("*** Begin Patch\n{body}\n*** End Patch");
        let found = desk.call("apply_patch", serde_json::json!({ "input": input })).await.unwrap_err();
        assert!(found.contains(why), "{body}: {found}");
        assert_eq!(desk.text("c"), before, "{body}");
    }
    assert_eq!(std::fs::read_to_string(desk.home.path().join("secret")).unwrap(), "outside\n");
    assert!(!desk.home.path().join("evil").exists());
}

/// G13: an API key's files are its own.
#[tokio::test]
async fn an_api_key_works_in_a_directory_of_its_own() {
    let desk = Desk::new();
    desk.put("mine", "the operator's");
    let key = |n: u8| {
        let uuid = format!("00000000-0000-0000-0000-0000000000{n:02}");
        let id = claw_core::PrincipalId::api_key(format!("key_{uuid}").replace('-', "").parse().unwrap());
        ToolContext { principal: Principal { id, scopes: claw_core::Scopes::NONE }, ..context() }
    };
    let call = async |name: &str, context: ToolContext, arguments: &str| {
        let tool = desk.tools.iter().find(|tool| tool.spec().name == name).unwrap();
        tool.call(&context, &JsonText::new(arguments)).await
    };
    assert!(call("read", key(1), r#"{"path":"mine"}"#).await.is_err());
    call("write", key(1), r#"{"path":"own","content":"x"}"#).await.unwrap();
    assert_eq!(call("ls", key(1), "{}").await, Ok("own (1 bytes)\n".into()));
    assert_eq!(call("ls", key(2), "{}").await, Ok("[the directory is empty]".into()));
    assert_eq!(call("ls", context(), "{}").await, Ok("mine (14 bytes)\n".into()));
}

/// G9: what an API key's agents write has an end, and the model is told how to go on.
#[tokio::test]
async fn a_keys_workspace_that_is_full_takes_no_more_until_something_is_deleted() {
    let desk = Desk::new();
    let key = claw_core::PrincipalId::from_stored("key_1".into());
    let own = ToolContext { principal: Principal { id: key, ..Principal::operator() }, ..context() };
    let call = async |name: &str, context: &ToolContext, given: serde_json::Value| {
        let tool = desk.tools.iter().find(|tool| tool.spec().name == name).unwrap();
        tool.call(context, &JsonText::new(given.to_string())).await.map_err(|error| error.to_string())
    };
    let write = |path: &str, bytes: usize| serde_json::json!({"path": path, "content": "x".repeat(bytes)});
    assert!(call("write", &own, write("a", 700_000)).await.is_ok());
    let full = "cannot write b/c: the workspace is full (1 of 1 MB); delete what is not needed any more, or write less";
    assert_eq!(call("write", &own, write("b/c", 400_000)).await, Err(full.to_owned()));
    let other = ToolContext { agent: AgentId::parse("ops").unwrap(), ..own.clone() };
    assert!(call("write", &other, write("b", 400_000)).await.is_err(), "its other agents share the room");
    assert!(call("write", &context(), write("b", 2_000_000)).await.is_ok(), "the operator's is not bounded");
    assert!(call("write", &own, write("a", 600_000)).await.is_ok(), "less is always taken");
    let grown = serde_json::json!({"path": "a", "old_text": "x", "new_text": "xy", "replace_all": true});
    assert!(call("edit", &own, grown).await.unwrap_err().contains("the workspace is full"));
    let delete = serde_json::json!({"input": "*** Begin Patch\n*** Delete File: a\n*** End Patch"});
    assert!(call("apply_patch", &own, delete).await.is_ok());
    assert!(call("write", &own, write("b/c", 900_000)).await.is_ok());
    let mut empty = 0;
    while call("write", &own, write(&format!("empty{empty}"), 0)).await.is_ok() {
        empty += 1;
    }
    // 256 blocks: 220 hold the file, some the directories.
    assert!((30..=34).contains(&empty), "an empty file takes a block: {empty}");
}

/// G9: a write that fails behind its directories leaves none of them uncounted.
#[tokio::test]
async fn directories_of_a_write_that_failed_are_counted() {
    let desk = Desk::new();
    let key = claw_core::PrincipalId::from_stored("key_1".into());
    let own = ToolContext { principal: Principal { id: key, ..Principal::operator() }, ..context() };
    let write = desk.tools.iter().find(|tool| tool.spec().name == "write").unwrap();
    let mut refused = String::new();
    for number in 0..300 {
        let path = format!("d{number}/{}", "x".repeat(300));
        let given = JsonText::new(serde_json::json!({"path": path, "content": "x"}).to_string());
        refused = write.call(&own, &given).await.unwrap_err().to_string();
        if refused.contains("the workspace is full") {
            break;
        }
    }
    // 256 blocks are there, and each directory takes one.
    assert!(refused.contains("the workspace is full"), "{refused}");
}

/// What works on a thread of its own is not stopped from outside: it looks itself whether somebody waits.
#[test]
fn what_nobody_waits_for_any_more_looks_at_nothing_and_changes_nothing() {
    let desk = Desk::new();
    desk.put("a.txt", "one\n");
    let at = |name: &str| desk.home.path().join(name);
    let workspaces = Workspaces { default: at("workspace"), agents: Vec::new(), api_keys: at("keys") };
    let wanted = Wanted::default();
    let guard = wanted.guard();
    let workspace = workspaces.open(&context(), &Rooms::default()).unwrap().while_wanted(wanted);
    let read = |name: &str| serde_json::from_value::<find::Find>(serde_json::json!({ "pattern": name })).unwrap();
    assert_eq!(read("a.txt").run(&workspace), Ok("a.txt\n".into()));
    workspace.replace("a.txt", b"two\n").unwrap();
    drop(guard);
    let gone = || ToolError::Failed("nobody waits for it any more".into());
    assert_eq!(read("a.txt").run(&workspace), Err(gone()));
    assert_eq!(workspace.replace("a.txt", b"three\n"), Err(gone()));
    assert_eq!(workspace.remove("a.txt"), Err(gone()));
    assert_eq!(desk.text("a.txt").unwrap(), "two\n");
}

/// Advisory 46: whoever gives the pattern, a search takes time in proportion to the text.
#[tokio::test]
async fn adv_46_no_pattern_takes_more_than_linear_time() {
    let desk = Desk::new();
    desk.put("a.txt", &format!("{}!", "a".repeat(60_000)));
    desk.put("b.txt", &format!("{}@", "x.".repeat(30_000)));
    let evil = [
        r"^(a+)+$",
        r"^(a|a)*$",
        r"^(a|aa)+$",
        r"(.*a){25}!!",
        r"^(([a-z])+.)+[A-Z]([a-z])+$",
        r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
        r"(x+x+)+y",
        r"(?:a?){500}a{500}$",
        r"((((a*)*)*)*)*b",
    ];
    let began = std::time::Instant::now();
    for pattern in evil {
        let found = desk.call("grep", serde_json::json!({"pattern": pattern})).await;
        assert!(found.as_deref().map_or_else(|error| error.contains("pattern: "), |_| true), "{pattern}: {found:?}");
    }
    for pattern in ["(?:(?:a{1000}){1000}){1000}", r"\p{L}{100000}", "(a)\\1", "(?=a)a", "(?<!a)b"] {
        let refused = desk.call("grep", serde_json::json!({"pattern": pattern})).await.unwrap_err();
        assert!(refused.contains("pattern: "), "{pattern}: {refused}");
    }
    // A backtracking engine needs longer than the world has been for the first of them.
    assert!(began.elapsed() < std::time::Duration::from_secs(60), "{:?}", began.elapsed());
}
