//! The life of a real gateway process: start, who holds what, restart, stop, exit codes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A state directory of its own; whatever gateway still runs in it ends with it.
struct Home(tempfile::TempDir);

impl Home {
    /// Nothing in it but that no model is to be loaded.
    fn new() -> Self {
        Self::with("{ embedded: { enabled: false } }")
    }

    fn with(text: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::write(home.0.path().join("openclaw.json"), text).unwrap();
        home
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openclaw"));
        command.env_clear().envs(claw_testkit::process::coverage());
        command.env("OPENCLAW_STATE_DIR", self.0.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs to its end and gives exit code and standard error.
    fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&self.run(&["gateway", "status", "--json"]).stdout).unwrap()
    }

    fn start(&self) -> Running {
        self.start_with(&[])
    }

    fn start_with(&self, variables: &[(&str, &str)]) -> Running {
        let mut child = self
            .command(&["gateway", "start", "--port", "0"])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().expect("the gateway says that it is ready").unwrap();
        // The pipe stays open to the end: a gateway may speak when it stops.
        let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect());
        Running { child, ready, rest: Some(rest) }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(pid) = self.status()["pid"].as_i64() {
            // It may have ended since.
            let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
        }
    }
}

/// A gateway in the foreground.
struct Running {
    child: Child,
    ready: String,
    rest: Option<std::thread::JoinHandle<Vec<String>>>,
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for the end; exit code and what it still said.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait().unwrap().code();
        (code, self.rest.take().unwrap().join().unwrap())
    }
}

#[test]
fn a_gateway_says_where_it_is_and_stops_with_0_when_asked() {
    let home = Home::new();
    assert_eq!(home.status()["running"], false);
    let gateway = home.start();
    let status = home.status();
    assert_eq!(status["running"], true);
    assert_eq!(status["pid"], gateway.child.id());
    assert_eq!(status["bind"], "127.0.0.1");
    let address = format!("http://127.0.0.1:{}", status["port"]);
    assert!(gateway.ready.contains(&address), "{} has {address}", gateway.ready);

    gateway.signal(Signal::SIGTERM);
    let (code, said) = gateway.end();
    assert_eq!(code, Some(0));
    assert!(said.iter().any(|line| line.starts_with("stopping")), "{said:?}");
    assert_eq!(home.status()["running"], false);
}

#[test]
fn the_first_start_makes_a_token_for_its_owner_alone() {
    let home = Home::new();
    let gateway = home.start();
    let token = home.run(&["config", "get", "gateway.auth.token"]).stdout;
    assert!(token.starts_with(b"oc_gw_") && token.len() > 40);
    let file = home.0.path().join("openclaw.json");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    gateway.signal(Signal::SIGINT);
    assert_eq!(gateway.end().0, Some(0));

    // The second start keeps it, and no log line holds it.
    let gateway = home.start();
    assert_eq!(home.run(&["config", "get", "gateway.auth.token"]).stdout, token);
    gateway.signal(Signal::SIGTERM);
    gateway.end();
    let log = fs::read_to_string(home.0.path().join("logs/openclaw.log")).unwrap();
    assert!(!log.contains(String::from_utf8(token).unwrap().trim()));
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
}

#[test]
fn a_second_gateway_is_told_who_holds_the_directory() {
    let home = Home::new();
    let gateway = home.start();
    let pid = gateway.child.id();
    let (code, errors) = home.fails(&["gateway", "start", "--port", "0"]);
    assert_eq!(code, 70);
    assert!(errors.contains(&format!("pid {pid}")), "{errors}");
    let port = home.status()["port"].to_string();
    for more in [None, Some("--daemon")] {
        let arguments: Vec<&str> = ["gateway", "start", "--port", &port].into_iter().chain(more).collect();
        let (code, errors) = home.fails(&arguments);
        assert_eq!(code, 2, "on the same port it is a port conflict: {errors}");
        assert!(errors.contains(&format!("pid {pid}")), "{errors}");
    }
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.end().0, Some(0));
}

#[test]
fn a_killed_gateway_holds_nothing() {
    let home = Home::new();
    let gateway = home.start();
    gateway.signal(Signal::SIGKILL);
    assert_eq!(gateway.end().0, None);
    assert_eq!(home.status()["running"], false);
    let gateway = home.start();
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.end().0, Some(0));
}

#[test]
fn in_the_background_it_is_found_by_its_words_restarted_alike_and_stopped() {
    let home = Home::new();
    let output = home.run(&["gateway", "start", "--daemon", "--port", "0"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let first = home.status();
    let words = fs::read(format!("/proc/{}/cmdline", first["pid"])).unwrap();
    let words = String::from_utf8(words).unwrap().replace('\0', " ");
    assert!(words.starts_with("openclaw gateway start"), "{words}");

    let output = home.run(&["gateway", "restart"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let second = home.status();
    assert_ne!(first["pid"], second["pid"]);
    assert_eq!(first["port"], second["port"]);

    assert!(home.run(&["gateway", "stop"]).status.success());
    assert_eq!(home.status()["running"], false);
    assert!(home.run(&["gateway", "stop"]).status.success(), "stopping what is stopped is no error");
}

#[test]
fn a_restart_that_would_fail_leaves_the_running_gateway_alone() {
    let home = Home::new();
    let gateway = home.start();
    fs::write(home.0.path().join("openclaw.json"), "{ gateway: ").unwrap();
    assert_eq!(home.fails(&["gateway", "restart"]).0, 1);
    assert_eq!(home.status()["pid"], gateway.child.id());
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.end().0, Some(0));
}

#[test]
fn every_fatal_start_has_its_code_and_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let open = "{ gateway: { auth: { mode: 'none' } }, embedded: { enabled: false } }";
    let no_password = "{ gateway: { auth: { mode: 'password' } } }";
    let table: [(&str, &[&str], i32); 7] = [
        ("{ gateway: [", &[], 1),
        ("{ gateway: { port: 'x' } }", &[], 1),
        (open, &["--port", &port], 2),
        (open, &["--port", &port, "--daemon"], 2),
        (open, &["--bind", "lan"], 3),
        (no_password, &[], 3),
        ("{}", &["--bind", "0.0.0.0"], 3),
    ];
    for (text, more, expected) in table {
        let home = Home::with(text);
        fs::set_permissions(home.0.path().join("openclaw.json"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let arguments: Vec<&str> = ["gateway", "start"].iter().chain(more).copied().collect();
        let (code, errors) = home.fails(&arguments);
        assert_eq!(code, expected, "{text} {more:?}: {errors}");
        let last = errors.lines().last().unwrap();
        assert!(last.starts_with("openclaw: ") && last.contains("; "), "cause and remedy: {errors}");
    }
}

#[test]
fn a_database_that_is_none_exits_4_and_is_left_as_it_was() {
    let garbage = "this is no database, whatever its name says. ".repeat(200);
    let home = Home::new();
    let database = home.0.path().join("openclaw.db");
    fs::write(&database, &garbage).unwrap();
    for more in [None, Some("--daemon")] {
        let arguments: Vec<&str> = ["gateway", "start", "--port", "0"].into_iter().chain(more).collect();
        let (code, errors) = home.fails(&arguments);
        assert_eq!(code, 4, "{errors}");
        assert!(errors.lines().last().unwrap().contains("openclaw.db"), "{errors}");
        assert_eq!(fs::read_to_string(&database).unwrap(), garbage);
    }
    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    assert_eq!(home.fails(&["gateway", "start", "--port", "0"]).0, 4);
}

#[test]
fn the_service_manager_hears_ready_reloading_ready_stopping() {
    let home = Home::new();
    let path = home.0.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let heard = || {
        let mut buffer = [0_u8; 512];
        let count = socket.recv(&mut buffer).expect("the gateway says where it is in its life");
        let words = String::from_utf8_lossy(&buffer[..count]).into_owned();
        words.lines().next().unwrap_or_default().to_owned()
    };
    let gateway = home.start_with(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    assert_eq!(heard(), "READY=1");
    gateway.signal(Signal::SIGUSR1);
    assert_eq!((heard(), heard()), ("RELOADING=1".to_owned(), "READY=1".to_owned()));
    gateway.signal(Signal::SIGTERM);
    assert_eq!(heard(), "STOPPING=1");
    assert_eq!(gateway.end().0, Some(0));
}

#[test]
fn without_a_credential_loopback_serves_only_if_the_owner_wrote_so() {
    let home = Home::with("{ gateway: { auth: { mode: 'none' } }, embedded: { enabled: false } }");
    let gateway = home.start();
    assert_eq!(home.run(&["config", "get", "gateway.auth.token"]).status.code(), Some(64), "no token is made");
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.end().0, Some(0));
}
