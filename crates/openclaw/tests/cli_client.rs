//! The client commands as a person meets them: against a real gateway process and a scripted
//! model server.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use claw_testkit::device::Device;
use claw_testkit::process::{GatewayProcess, TOKEN, write_config};
use claw_testkit::upstream::Gate;
use claw_testkit::ws_client::connect_params;
use claw_testkit::{Reply, Upstream};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

const BINARY: &str = env!("CARGO_BIN_EXE_openclaw");
/// A command that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway, its model server, and a person at the keyboard.
struct House {
    directory: tempfile::TempDir,
    upstream: Upstream,
    gateway: GatewayProcess,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    code: i32,
    output: String,
    errors: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl House {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await;
        write_config(directory.path(), &upstream.base_url()).unwrap();
        // Else every command warns that others can read its secrets.
        let config = directory.path().join("openclaw.json");
        std::fs::set_permissions(config, std::fs::Permissions::from_mode(0o600)).unwrap();
        let gateway = GatewayProcess::start(Path::new(BINARY), directory.path(), &[]).await.unwrap();
        Self { directory, upstream, gateway }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(self.directory.path(), arguments)
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        run(self.command(arguments)).await
    }

    /// Runs what must succeed, and gives its output.
    async fn says(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        ended.output
    }

    async fn submit(&self, message: &str) -> String {
        self.says(&["tasks", "submit", "--message", message]).await.trim().to_owned()
    }

    async fn state_of(&self, id: &str) -> String {
        let task = self.run(&["tasks", "get", id, "--json"]).await.json();
        task["task"]["status"].as_str().unwrap().to_owned()
    }
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .env_clear()
        .envs(claw_testkit::process::coverage())
        .env("OPENCLAW_STATE_DIR", directory)
        .env("HOME", directory)
        .env("PATH", "/nowhere")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(mut command: Command) -> Ended {
    end(command.spawn().unwrap()).await
}

async fn end(child: Child) -> Ended {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Reads standard output until `text` has come.
async fn reads(child: &mut Child, text: &str) {
    let mut come = Vec::new();
    let stdout = child.stdout.as_mut().unwrap();
    let reading = async {
        while !String::from_utf8_lossy(&come).contains(text) {
            let mut byte = [0];
            stdout.read_exact(&mut byte).await.unwrap();
            come.extend(byte);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the text comes");
}

fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_printed_as_it_comes() {
    let house = House::new().await;
    let gate = Gate::new();
    house.upstream.script([Reply::chunks(["one ", "two"]).gated(&gate)]);
    let mut child = house.command(&["agent", "--message", "count"]).spawn().unwrap();
    gate.open(1);
    reads(&mut child, "one ").await;
    gate.open_for_good();
    assert_eq!(end(child).await, Ended { code: 0, output: "two\n".to_owned(), errors: String::new() });
}

/// E5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_a_busy_conversation_waits_steers_interrupts_or_is_refused() {
    let house = House::new().await;
    let gate = Gate::new();
    let call = Reply::tool_call("session_status", "{}").held(&gate);
    house.upstream.script([call, Reply::text("left it is"), Reply::text("never").held(&gate), Reply::text("at last")]);
    let ask = |text, mode: &'static [&'static str]| {
        let arguments = ["agent", "--session", "walk", "--message", text];
        house.command(&[&arguments[..], mode].concat()).spawn().unwrap()
    };
    let walk = ask("walk", &[]);
    house.upstream.requested(1).await;
    let refused = end(ask("hello?", &["--queue-mode", "reject"])).await;
    assert_eq!(refused.code, 70);
    assert!(refused.errors.contains("is busy"), "{}", refused.errors);
    let left = ask("go left", &["--queue-mode", "steer"]);
    while !house.says(&["tasks", "list"]).await.contains("queued") {}
    gate.open(1);
    let walked = end(walk).await;
    assert_eq!((walked.code, walked.output.as_str()), (0, "left it is\n"));
    assert!(walked.errors.contains("[hears: go left]"), "{}", walked.errors);
    assert_eq!(end(left).await.output, "left it is\n");
    let endless = ask("endless", &["--queue-mode", "followup"]);
    house.upstream.requested(3).await;
    assert_eq!(end(ask("stop", &["--queue-mode", "interrupt"])).await.output, "at last\n");
    assert_eq!(end(endless).await.code, 70);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_comes_from_standard_input_and_json_is_the_whole_answer() {
    let house = House::new().await;
    let mut child = house
        .command(&["agent", "--message", "-", "--session", "mine", "--json"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"from a pipe").await.unwrap();
    drop(stdin);
    let answer = end(child).await.json();
    assert_eq!(answer["status"], "ok");
    assert_eq!(answer["result"]["payloads"][0]["text"], "from a pipe");
    assert!(answer["summary"]["totalTokens"].is_u64(), "{answer}");
    let history = house.says(&["sessions", "history", "mine"]).await;
    assert_eq!(history.matches("from a pipe").count(), 2, "{history}");
    let sessions = house.says(&["sessions", "list"]).await;
    assert!(sessions.contains("agent:main:mine"), "{sessions}");
}

/// B13, B14, B15, B20, B21 from the command line (B27).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_made_changed_emptied_and_deleted() {
    let house = House::new().await;
    let made = house.says(&["sessions", "create", "plan", "--label", "The plan"]).await;
    assert_eq!(made.trim(), "agent:main:plan");
    house.says(&["agent", "--message", "hello there", "--session", "plan"]).await;
    let update = ["sessions", "update", "plan", "--thinking", "low", "--metadata", "a={\"b\":1}", "--json"];
    let updated = house.run(&update).await.json();
    assert_eq!(
        (&updated["entry"]["thinkingLevel"], &updated["entry"]["metadata"]["a"]["b"]),
        (&"low".into(), &1.into())
    );
    let shown = house.says(&["sessions", "get", "plan"]).await;
    assert!(shown.contains("The plan") && shown.contains("low"), "{shown}");
    let list = house.says(&["sessions", "list", "--search", "the plan"]).await;
    assert!(list.contains("agent:main:plan"), "{list}");
    let compacted = house.says(&["sessions", "compact", "plan", "--keep", "1"]).await;
    assert!(compacted.contains("the last 1 messages"), "{compacted}");
    house.says(&["sessions", "reset", "plan"]).await;
    let history = house.run(&["sessions", "history", "plan", "--json"]).await.json();
    assert_eq!(history["messages"], Value::Array(vec![]));
    assert!(house.says(&["sessions", "delete", "plan"]).await.contains("is deleted"));
    assert!(house.says(&["sessions", "delete", "plan"]).await.contains("there was no"));
    let refused = house.run(&["sessions", "get", "plan"]).await;
    assert!(refused.code != 0 && refused.errors.contains("no session"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_answer_is_told_on_standard_error_only() {
    let house = House::new().await;
    house.upstream.script([Reply::status(400, "no such thing")]);
    let ended = house.run(&["agent", "--message", "x"]).await;
    assert_eq!((ended.code, ended.output.as_str()), (70, ""));
    assert!(ended.errors.contains("no such thing"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_the_run_itself() {
    let house = House::new().await;
    house.upstream.script([Reply::chunks(["one ", "two"]).stall_after(1)]);
    let mut child = house.command(&["agent", "--message", "count"]).spawn().unwrap();
    reads(&mut child, "one ").await;
    interrupt(&child);
    let ended = end(child).await;
    assert_eq!((ended.code, ended.errors.as_str()), (130, ""));
    house.upstream.answered().await;
    assert!(house.says(&["tasks", "list"]).await.contains("cancelled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_out_of_time_is_ended() {
    let house = House::new().await;
    house.upstream.script([Reply::chunks(["one ", "two"]).stall_after(1)]);
    let ended = house.run(&["agent", "--message", "count", "--timeout", "1"]).await;
    assert_eq!((ended.code, ended.output.as_str()), (70, "one \n"));
    assert!(ended.errors.contains("no answer within 1 s"), "{ended:?}");
    house.upstream.answered().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_submitted_watched_shown_and_listed() {
    let house = House::new().await;
    let submit = ["tasks", "submit", "--message", "do it", "--lane", "long", "--priority", "9"];
    let keyed = [submit.as_slice(), &["--idempotency-key", "k1"]].concat();
    let id = house.says(&keyed).await.trim().to_owned();
    assert!(id.starts_with("task_"), "{id}");
    assert_eq!(house.says(&keyed).await.trim(), id, "the same key is the same task");

    let watched = house.run(&["tasks", "watch", &id]).await;
    assert_eq!((watched.code, watched.output.as_str()), (0, "do it\n"));
    assert!(watched.errors.contains("attempt 1 with mock/mock-1"), "{watched:?}");
    assert!(watched.errors.ends_with(&format!("{id} completed\n")), "{watched:?}");

    let shown = house.says(&["tasks", "get", &id]).await;
    for words in ["completed, 100 %", "1 of 3", "long, priority 9", "mock/mock-1", "\n\ndo it\n"] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    let again = house.run(&["tasks", "watch", &id, "--json"]).await;
    assert_eq!(again.json()["task"]["result"]["response"], "do it");
    assert_eq!(again.errors, "");

    let waited = house.run(&["tasks", "submit", "--message", "at once", "--wait"]).await;
    assert_eq!((waited.code, waited.output.as_str()), (0, "at once\n"));
    let list = house.says(&["tasks", "list", "--state", "completed"]).await;
    assert_eq!(list.lines().count(), 3, "{list}");
    let page = house.run(&["tasks", "list", "--limit", "1"]).await;
    let cursor = page.errors.trim().rsplit(' ').next().unwrap().to_owned();
    let next = house.says(&["tasks", "list", "--cursor", &cursor]).await;
    assert!(!page.output.contains(&id) && next.contains(&id), "{page:?} {next}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_does_not_complete_exits_70_and_can_be_retried() {
    let house = House::new().await;
    house.upstream.script([Reply::status(400, "not today")]);
    let failed = house.run(&["tasks", "submit", "--message", "try", "--wait"]).await;
    assert_eq!((failed.code, failed.output.as_str()), (70, ""));
    assert!(failed.errors.contains("not today"), "{failed:?}");
    let id = failed.errors.lines().next().unwrap().to_owned();
    house.says(&["tasks", "retry", &id]).await;
    assert_eq!(house.run(&["tasks", "watch", &id]).await.code, 0);

    house.upstream.script([Reply::chunks(["one ", "two"]).stall_after(1)]);
    let id = house.submit("count").await;
    let mut child = house.command(&["tasks", "watch", &id]).spawn().unwrap();
    reads(&mut child, "one ").await;
    interrupt(&child);
    assert_eq!(end(child).await.code, 130);
    assert_eq!(house.state_of(&id).await, "running", "who only watches stops nothing");
    house.says(&["tasks", "cancel", &id]).await;
    let watched = house.run(&["tasks", "watch", &id]).await;
    assert_eq!((watched.code, watched.output.as_str()), (70, "one \n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching_goes_on_where_it_was_after_the_gateway_died() {
    let mut house = House::new().await;
    house.upstream.script([Reply::chunks(["one ", "two"]).stall_after(1), Reply::chunks(["three ", "four"])]);
    let id = house.submit("count").await;
    let mut child = house.command(&["tasks", "watch", &id]).spawn().unwrap();
    reads(&mut child, "one ").await;
    house.gateway.kill().await.unwrap();
    // On another port, which the one who watches has to find.
    house.gateway = GatewayProcess::start(Path::new(BINARY), house.directory.path(), &[]).await.unwrap();
    let ended = end(child).await;
    assert_eq!((ended.code, ended.output.as_str()), (0, "\nthree four\n"), "{}", ended.errors);
    assert_eq!(ended.errors.matches("attempt 1 with").count(), 1, "{}", ended.errors);
    assert!(ended.errors.contains("going on as soon as it answers"), "{}", ended.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_status_and_log_are_shown() {
    let house = House::new().await;
    assert!(house.says(&["health"]).await.starts_with("ok: 0 tasks run"));
    assert_eq!(house.run(&["health", "--json"]).await.json()["ok"], true);
    let status = house.says(&["status"]).await;
    for words in ["auth token", "interactive 0, long 0, standard 0", "mock/mock-1", "0 completed"] {
        assert!(status.contains(words), "{words} in {status}");
    }
    assert_eq!(house.run(&["status", "--json"]).await.json()["status"], "ok");
    assert!(house.says(&["logs"]).await.contains("is ready on"));
    let mut following = house.command(&["logs", "--follow"]).spawn().unwrap();
    reads(&mut following, "is ready on").await;
    let address = format!("ws://{}", house.gateway.address());
    let mut elsewhere = command(Path::new("/nowhere"), &["health", "--url", &address]);
    elsewhere.env("OPENCLAW_GATEWAY_TOKEN", TOKEN);
    assert_eq!(run(elsewhere).await.code, 0);
}

/// B27.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_by_a_channel_that_is_not_configured_is_refused_with_its_name() {
    let house = House::new().await;
    let refused = house.run(&["message", "send", "--target", "@x", "--message", "hi", "--channel", "telegram"]).await;
    assert_eq!((refused.code, refused.output.as_str()), (64, ""));
    assert!(refused.errors.contains("unsupported channel: telegram: no channel is configured"), "{refused:?}");
    let refused = house.run(&["message", "send", "-t", "@x", "-m", "hi"]).await;
    assert!(refused.errors.contains("channel is required"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_waits_is_let_in_and_put_out_again() {
    let house = House::new().await;
    let knock = async |device: &Device, auth: Value| {
        let mut params = connect_params(None);
        params["auth"] = auth;
        device.connect(house.gateway.address(), &params).await.1
    };
    let nobody = house.run(&["devices", "approve", "--latest"]).await;
    assert!(nobody.code == 70 && nobody.errors.contains("no device waits"), "{nobody:?}");
    let (device, other) = (Device::new(1), Device::new(2));
    let waits = knock(&other, Value::Null).await["error"]["details"]["requestId"].as_str().unwrap().to_owned();
    assert!(house.says(&["devices", "reject", &waits]).await.contains("is refused"));
    knock(&device, Value::Null).await;
    let list = house.says(&["devices", "list"]).await;
    assert!(list.contains(&device.id()) && list.contains("vscode-extension") && !list.contains(&other.id()), "{list}");
    assert!(house.says(&["devices", "approve", "--latest"]).await.contains("is approved"));
    let first = knock(&device, Value::Null).await["payload"]["auth"]["deviceToken"].clone();
    assert_eq!(knock(&device, json!({"deviceToken": first})).await["ok"], json!(true));
    let id = device.id();
    let fresh = house.says(&["devices", "rotate", "--device", &id, "--scope", "read", "--scope", "write"]).await;
    assert_eq!(knock(&device, json!({"deviceToken": first})).await["ok"], json!(false));
    assert_eq!(knock(&device, json!({"deviceToken": fresh.trim()})).await["ok"], json!(true));
    assert!(house.says(&["devices", "revoke", "--device", &id]).await.contains("opens nothing any more"));
    assert_eq!(knock(&device, json!({"deviceToken": fresh.trim()})).await["ok"], json!(false));
    assert!(house.says(&["devices", "list"]).await.contains("revoked"));
    assert!(house.says(&["devices", "remove", &id]).await.contains("is forgotten"));
    let list = house.run(&["devices", "list", "--json"]).await.json();
    assert_eq!(list["paired"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_opens_what_it_may_until_it_is_revoked() {
    let house = House::new().await;
    let with = async |key: &str, arguments: &[&str]| {
        let mut command = house.command(arguments);
        command.env("OPENCLAW_GATEWAY_TOKEN", key);
        run(command).await
    };
    let made = house.run(&["keys", "create", "--name", "ci", "--scope", "read"]).await;
    let key = made.output.trim();
    assert!(key.starts_with("oc_sk_"), "{made:?}");
    assert_eq!(with(key, &["health"]).await.code, 0);
    let denied = with(key, &["agent", "--message", "x"]).await;
    assert!(denied.code == 70 && denied.errors.contains("missing scope: operator.write"), "{denied:?}");
    let list = house.says(&["keys", "list"]).await;
    assert!(list.contains("ci") && !list.contains(key), "{list}");
    let id = house.run(&["keys", "list", "--json"]).await.json()["keys"][0]["id"].as_str().unwrap().to_owned();
    house.says(&["keys", "revoke", &id]).await;
    let refused = with(key, &["health"]).await;
    assert_eq!((refused.code, refused.errors.lines().count()), (3, 1), "{refused:?}");
    assert!(refused.errors.contains("the token from OPENCLAW_GATEWAY_TOKEN"), "{refused:?}");
    assert!(!refused.errors.contains(key), "a secret is never printed: {refused:?}");
    assert_eq!(house.run(&["keys", "revoke", "key_nothing"]).await.code, 64);
}

#[tokio::test]
async fn where_no_gateway_runs_the_error_says_how_to_start_one() {
    let directory = tempfile::tempdir().unwrap();
    // Port 1 needs rights that nobody here used.
    std::fs::write(directory.path().join("openclaw.json"), "{ gateway: { port: 1 } }").unwrap();
    let commands: [&[&str]; 4] =
        [&["health"], &["agent", "--message", "x"], &["tasks", "list"], &["tasks", "watch", "task_1"]];
    for arguments in commands {
        let ended = run(command(directory.path(), arguments)).await;
        assert_eq!(ended.code, 70, "{arguments:?}");
        assert!(ended.errors.contains("openclaw gateway start"), "{arguments:?}: {}", ended.errors);
        assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
    }
}

#[tokio::test]
async fn usage_errors_exit_64() {
    let directory = tempfile::tempdir().unwrap();
    let commands: [&[&str]; 10] = [
        &["agent"],
        &["message", "send", "--target", "@x"],
        &["agent", "--message", " "],
        &["agent", "--message", "x", "--thinking", "hard"],
        &["health", "--url", "ws://gateway.example"],
        &["health", "--url", "nonsense"],
        &["tasks", "submit", "--message", "x", "--priority", "10"],
        &["tasks", "list", "--state", "odd"],
        &["completions", "tcl"],
        &["models", "pull", "./nowhere.gguf"],
    ];
    for arguments in commands {
        assert_eq!(run(command(directory.path(), arguments)).await.code, 64, "{arguments:?}");
    }
}

#[tokio::test]
async fn shells_learn_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(command(Path::new("/nowhere"), &["completions", shell])).await;
        assert_eq!(ended.code, 0, "{shell}");
        for word in ["agent", "submit", "history", "revoke", "pull"] {
            assert!(ended.output.contains(word), "{word} for {shell}");
        }
    }
}

#[tokio::test]
async fn a_model_file_is_taken_in_listed_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tiny.gguf");
    std::fs::write(&file, b"GGUF and nothing else").unwrap();
    let ask = async |arguments: &[&str]| run(command(directory.path(), arguments)).await;
    let pulled = ask(&["models", "pull", file.to_str().unwrap()]).await;
    assert_eq!(pulled.code, 0, "{pulled:?}");
    assert!(pulled.output.starts_with("tiny is in "), "{pulled:?}");
    let listed = ask(&["models", "list", "--json"]).await.json();
    let tiny = listed["models"].as_array().unwrap().iter().find(|model| model["id"] == "embedded/tiny").unwrap();
    assert_eq!((&tiny["state"], &tiny["sizeBytes"]), (&"ready".into(), &21.into()));
    assert_eq!(ask(&["models", "rm", "embedded/tiny"]).await.code, 0);
    assert_eq!(ask(&["models", "rm", "tiny"]).await.code, 64);
    let unknown = ask(&["models", "pull", "no-such-model"]).await;
    assert!(unknown.code == 64 && unknown.errors.contains("the catalogue knows no"), "{unknown:?}");
}

#[tokio::test]
async fn memories_are_added_found_and_forgotten_by_hand() {
    let house = House::new().await;
    let id = house.says(&["memory", "add", "Ada drinks tea."]).await.trim().to_owned();
    let notes = house.directory.path().join("workspace");
    std::fs::create_dir_all(&notes).unwrap();
    std::fs::write(notes.join("MEMORY.md"), "The tea is green.\n").unwrap();
    let found = house.run(&["memory", "search", "green", "tea", "--json"]).await.json();
    let cited: Vec<&str> =
        found["results"].as_array().unwrap().iter().map(|hit| hit["citation"].as_str().unwrap()).collect();
    assert_eq!(cited, ["MEMORY.md:1-1", &id]);
    let table = house.says(&["memory", "list"]).await;
    assert!(table.starts_with("ID") && table.contains(&id) && table.contains("Ada drinks tea."), "{table}");
    assert_eq!(house.says(&["memory", "get", &id]).await, "Ada drinks tea.\n");
    assert_eq!(house.says(&["memory", "rm", &id]).await, format!("{id} is forgotten\n"));
    let absent = house.run(&["memory", "get", &id]).await;
    assert!(absent.code != 0 && absent.errors.contains("no memory"), "{absent:?}");
}
