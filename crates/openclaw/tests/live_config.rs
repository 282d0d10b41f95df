//! A gateway that runs takes up what its file says (E13, K16), and nothing of a file that is broken (G11).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use claw_testkit::process::{Api, GatewayProcess};
use claw_testkit::{Reply, Upstream, WsClient};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Whatever is to happen has happened by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway over a state directory of its own.
struct Home {
    directory: tempfile::TempDir,
    gateway: GatewayProcess,
}

impl Home {
    async fn with(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("openclaw.json");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_openclaw"));
        let gateway = GatewayProcess::start(&binary, directory.path(), &[]).await.unwrap();
        Self { directory, gateway }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("openclaw.json")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    fn signal(&self) {
        let pid = i32::try_from(self.gateway.pid().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGUSR1).unwrap();
    }

    fn api(&self, token: &str) -> Api {
        Api::new(self.gateway.address(), token).unwrap()
    }

    async fn admin(&self, token: &str) -> WsClient {
        let params = claw_testkit::ws_client::stock_params(token);
        let (client, answer) = WsClient::connect_with(self.gateway.address(), &params).await;
        assert_eq!(answer["ok"], json!(true), "{answer}");
        client
    }

    /// The messages of the log so far.
    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.path().join("logs/openclaw.log")).unwrap_or_default();
        let message = |line: &str| Some(serde_json::from_str::<Value>(line).ok()?["message"].as_str()?.to_owned());
        text.lines().filter_map(message).collect()
    }

    fn reloads(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| line.starts_with("reload: ")).collect()
    }

    /// Waits for a line of the log.
    async fn hears(&self, line: &str) {
        let wait = async {
            while !self.log().iter().any(|seen| seen.contains(line)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!("nobody said {line:?}: {:#?}", self.log());
        }
    }
}

fn with_log_level(level: &str, mode: &str) -> String {
    format!(
        "{{ gateway: {{ auth: {{ token: 'tok' }}, reload: {{ mode: '{mode}' }} }}, embedded: {{ enabled: false }}, logging: {{ level: '{level}' }} }}"
    )
}

/// E13: the signal changes the level of the log in place, one line for the key.
#[tokio::test]
async fn a_signal_changes_the_log_level_of_a_running_gateway() {
    let home = Home::with(&with_log_level("info", "off")).await;
    let api = home.api("tok");
    assert_eq!(api.get("/nothing").await.unwrap().status, 404);
    let refusals = |home: &Home| home.log().iter().filter(|line| line.contains("refused with not_found")).count();
    assert_eq!(refusals(&home), 0);

    home.write(&with_log_level("debug", "off"));
    home.signal();
    home.hears("reload: logging.level applied").await;
    assert_eq!(home.reloads(), ["reload: logging.level applied"]);
    assert_eq!(api.get("/nothing").await.unwrap().status, 404);
    home.hears("refused with not_found").await;

    home.write(&with_log_level("error", "off"));
    home.signal();
    let again = async {
        while home.reloads().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the line is written although the new level would hide it");
    let before = refusals(&home);
    assert_eq!(api.get("/nothing").await.unwrap().status, 404);
    assert_eq!(refusals(&home), before);
}

/// A configuration with one provider and one model, and whatever else stands in `more`.
fn with_provider(upstream: &Upstream, model: &str, more: &str) -> String {
    format!(
        "{{
  // Kept by every change.
  gateway: {{ auth: {{ token: 'tok' }} }},
  models: {{ providers: {{ mock: {{ baseUrl: '{}', apiKey: 'sk-one', models: [{{ id: 'one' }}, {{ id: 'two' }}] }} }} }},
  agents: {{ defaults: {{ model: 'mock/{model}' }} }},
  embedded: {{ enabled: false }},{more}
}}
",
        upstream.base_url()
    )
}

async fn ask(api: &Api) -> claw_testkit::process::Answer {
    api.post("/v1/chat/completions", &json!({"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]}))
        .await
        .unwrap()
}

/// K16: a saved file is taken up by itself, whichever way an editor saves it.
#[tokio::test]
async fn a_saved_file_changes_the_model_the_next_run_asks() {
    let upstream = Upstream::start().await;
    upstream.respond_with(Reply::echo);
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let api = home.api("tok");
    assert_eq!(ask(&api).await.status, 200);
    assert_eq!(upstream.requests().last().unwrap().model(), "one");

    // Renamed over, as most editors do.
    let neighbour = home.directory.path().join("openclaw.json~");
    fs::write(&neighbour, with_provider(&upstream, "two", "")).unwrap();
    fs::rename(&neighbour, home.file()).unwrap();
    home.hears("reload: agents.defaults.model.primary applied").await;
    assert_eq!(ask(&api).await.status, 200);
    assert_eq!(upstream.requests().last().unwrap().model(), "two");

    // Truncated first and written then, as the others do.
    home.write("");
    home.write(&with_provider(&upstream, "one", "\n  tasks: { maxAttempts: 1 },"));
    home.hears("reload: tasks.maxAttempts applied").await;
    assert_eq!(ask(&api).await.status, 200);
    assert_eq!(upstream.requests().last().unwrap().model(), "one");
    assert_eq!(
        home.reloads(),
        [
            "reload: agents.defaults.model.primary applied",
            "reload: agents.defaults.model.primary applied",
            "reload: tasks.maxAttempts applied",
        ]
    );
}

/// A provider that is taken out of the file is asked no more.
#[tokio::test]
async fn a_provider_that_is_gone_from_the_file_is_asked_no_more() {
    let upstream = Upstream::start().await;
    upstream.respond_with(Reply::echo);
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let api = home.api("tok");
    assert_eq!(ask(&api).await.status, 200);
    home.write("{ gateway: { auth: { token: 'tok' } }, embedded: { enabled: false } }");
    home.signal();
    home.hears("reload: models.providers.mock applied").await;
    assert_eq!(ask(&api).await.status, 404);
    assert_eq!(upstream.requests().len(), 1);
}

/// G11: a broken file changes nothing, and the log says where it is broken and what is allowed.
#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_told_with_its_place() {
    let upstream = Upstream::start().await;
    upstream.respond_with(Reply::echo);
    let good = with_provider(&upstream, "one", "");
    let home = Home::with(&good).await;
    let api = home.api("tok");
    let table = [
        ("{\n  gateway: {\n    port 5\n  }\n}", "openclaw.json:3:10: "),
        (
            "{ gateway: { auth: { token: 'other' } },\n  tasks: { maxAttempts: 'many' } }",
            "openclaw.json:2:25: tasks.maxAttempts: found the string \"many\"; allowed: a whole number from 1 to 100",
        ),
        (
            "{ gateway: { auth: { token: '${NOT_SET_ANYWHERE}' } } }",
            "refers to ${NOT_SET_ANYWHERE}, but the environment variable NOT_SET_ANYWHERE is not set",
        ),
        (
            "{ models: { providers: { p: { baseUrl: 'http://x', api: 'anthropic-messages' } } } }",
            "models.providers.p.api: ",
        ),
        ("\n", "the file is empty"),
    ];
    for (text, message) in table {
        home.write(text);
        home.hears(message).await;
        assert_eq!(ask(&api).await.status, 200, "{text}");
    }
    fs::remove_file(home.file()).unwrap();
    home.hears("the file is gone").await;
    assert_eq!(ask(&api).await.status, 200);
    assert!(
        home.reloads().iter().all(|line| line.starts_with("reload: nothing has changed: ")),
        "{:?}",
        home.reloads()
    );
    assert_eq!(home.reloads().len(), table.len() + 1, "each is told once: {:#?}", home.reloads());

    home.write(&with_provider(&upstream, "two", ""));
    home.hears("reload: agents.defaults.model.primary applied").await;
}

/// K16, G12: a token that was rotated out opens nothing from then on, sockets that are open included.
#[tokio::test]
async fn a_rotated_token_closes_its_sockets_and_no_log_line_holds_it() {
    let text =
        |token: &str| format!("{{ gateway: {{ auth: {{ token: '{token}' }} }}, embedded: {{ enabled: false }} }}");
    let home = Home::with(&text("oc_gw_first_secret")).await;
    let mut socket = home.admin("oc_gw_first_secret").await;
    home.write(&text("oc_gw_second_secret"));
    home.signal();
    home.hears("reload: gateway.auth.token applied").await;
    let closing = tokio::time::timeout(Duration::from_secs(2), socket.closed()).await;
    assert_eq!(closing.expect("within a second, and some slack").0, 1008);
    assert_eq!(home.api("oc_gw_first_secret").get("/v2/tasks").await.unwrap().status, 401);
    assert_eq!(home.api("oc_gw_second_secret").get("/v2/tasks").await.unwrap().status, 200);
    let log = fs::read_to_string(home.directory.path().join("logs/openclaw.log")).unwrap();
    assert!(!log.contains("first_secret") && !log.contains("second_secret"));
}

/// K16: without its last secret the gateway lets nobody in; it never opens.
#[tokio::test]
async fn a_gateway_that_loses_its_last_secret_stays_shut() {
    let home = Home::with("{ gateway: { auth: { token: 'tok' } }, embedded: { enabled: false } }").await;
    home.write("{ gateway: { auth: { mode: 'none' } }, embedded: { enabled: false } }");
    home.signal();
    home.hears("reload: gateway.auth.mode needs a restart").await;
    for token in ["tok", ""] {
        assert_eq!(home.api(token).get("/v2/tasks").await.unwrap().status, 401, "{token:?}");
    }
    home.write("{ gateway: { auth: { token: 'new' } }, embedded: { enabled: false } }");
    home.signal();
    let again = async { while home.api("new").get("/v2/tasks").await.unwrap().status != 200 {} };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

/// E13: what cannot change in place says that it needs a restart, once, and changes nothing.
#[tokio::test]
async fn a_port_needs_a_restart_and_says_so() {
    let text =
        |more: &str| format!("{{ gateway: {{ auth: {{ token: 'tok' }}{more} }}, embedded: {{ enabled: false }} }}");
    let home = Home::with(&text("")).await;
    home.write(&text(", port: 1, bind: 'lan', allowedHosts: ['box']"));
    home.signal();
    home.hears("reload: gateway.port needs a restart without --port").await;
    assert_eq!(
        home.reloads(),
        [
            "reload: gateway.allowedHosts applied",
            "reload: gateway.bind needs a restart (openclaw gateway restart)",
            "reload: gateway.port needs a restart without --port, which overrides the file",
        ]
    );
    assert_eq!(home.api("tok").get("/v2/tasks").await.unwrap().status, 200);
    home.signal();
    home.hears("reload: nothing differs").await;
}

/// Doors open and shut without a restart.
#[tokio::test]
async fn an_endpoint_is_switched_off_and_on_again() {
    let text = |enabled: bool| {
        format!(
            "{{ gateway: {{ auth: {{ token: 'tok' }}, http: {{ endpoints: {{ chatCompletions: {{ enabled: {enabled} }} }} }} }}, embedded: {{ enabled: false }} }}"
        )
    };
    let home = Home::with(&text(true)).await;
    let api = home.api("tok");
    assert_eq!(api.get("/v1/chat/completions").await.unwrap().status, 405);
    home.write(&text(false));
    home.signal();
    home.hears("reload: gateway.http.endpoints.chatCompletions.enabled applied").await;
    assert_eq!(api.get("/v1/chat/completions").await.unwrap().status, 404);
    assert_eq!(ask(&api).await.status, 404);
}
