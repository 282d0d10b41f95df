//! A gateway that runs over a state directory of its own, and what it says in its log.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use claw_testkit::process::{Api, GatewayProcess};
use claw_testkit::{Upstream, WsClient};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Whatever is to happen has happened by then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway over a state directory of its own.
pub(crate) struct Home {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) gateway: GatewayProcess,
}

impl Home {
    pub(crate) async fn with(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("openclaw.json");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_openclaw"));
        let gateway = GatewayProcess::start(&binary, directory.path(), &[]).await.unwrap();
        Self { directory, gateway }
    }

    /// Kills the gateway with -9 and starts the next one over the same state.
    pub(crate) async fn killed(self) -> Self {
        let Self { directory, gateway } = self;
        gateway.kill().await.unwrap();
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_openclaw"));
        let gateway = GatewayProcess::start(&binary, directory.path(), &[]).await.unwrap();
        Self { directory, gateway }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("openclaw.json")
    }

    pub(crate) fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    pub(crate) fn signal(&self) {
        let pid = i32::try_from(self.gateway.pid().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGUSR1).unwrap();
    }

    pub(crate) fn api(&self, token: &str) -> Api {
        Api::new(self.gateway.address(), token).unwrap()
    }

    pub(crate) async fn admin(&self, token: &str) -> WsClient {
        let params = claw_testkit::ws_client::stock_params(token);
        let (client, answer) = WsClient::connect_with(self.gateway.address(), &params).await;
        assert_eq!(answer["ok"], json!(true), "{answer}");
        client
    }

    /// Runs a command over the same state directory; exit code and standard output.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_openclaw"));
        let command = command.env_clear().env("OPENCLAW_STATE_DIR", self.directory.path()).args(arguments);
        let output = command.output().await.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    }

    /// The messages of the log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.path().join("logs/openclaw.log")).unwrap_or_default();
        let message = |line: &str| Some(serde_json::from_str::<Value>(line).ok()?["message"].as_str()?.to_owned());
        text.lines().filter_map(message).collect()
    }

    pub(crate) fn reloads(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| line.starts_with("reload: ")).collect()
    }

    /// Waits for a line of the log.
    pub(crate) async fn hears(&self, line: &str) {
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

/// A configuration with one provider and one model, and whatever else stands in `more`.
pub(crate) fn with_provider(upstream: &Upstream, model: &str, more: &str) -> String {
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
