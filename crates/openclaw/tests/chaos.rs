//! Kills a real gateway with -9, at random and at each named failpoint, while tasks flow.
//!
//! After the last kill: every task that was accepted is there and has ended (G1), each key made
//! one task (G4), no effect took place twice (G3), also of those that somebody had to allow, each answer
//! is in its session once (G2), and the database is sound. `OPENCLAW_CHAOS_KILLS` says how often (60; `make chaos`: 1,000),
//! `OPENCLAW_CHAOS_SEED` repeats a run.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claw_runtime::failpoint;
use claw_testkit::process::{Api, GatewayProcess, TOKEN, write_config};
use claw_testkit::{Gate, Reply, Upstream, WsClient};
use http::Method;
use serde_json::{Value, json};

/// Submitters at once.
const CLIENTS: usize = 4;
/// Sessions the tasks are spread over, so that most wait for others.
const SESSIONS: usize = 40;
/// How long the last gateway has to finish what is left.
const FINISH: Duration = Duration::from_secs(120);

struct Chaos {
    directory: tempfile::TempDir,
    upstream: Upstream,
    random: fastrand::Rng,
    /// Idempotency key → the task it made.
    accepted: BTreeMap<String, String>,
    next: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_doubled_or_repeated() {
    let (kills, seed) = (setting("OPENCLAW_CHAOS_KILLS", 60), setting("OPENCLAW_CHAOS_SEED", 7));
    let mut chaos = Chaos::new(seed).await;
    for kill in 0..kills {
        let point = failpoint::NAMES.get(usize::try_from(kill).unwrap() % (failpoint::NAMES.len() * 2));
        chaos.round(point.unwrap_or(&"")).await;
    }
    let (completed, interrupted, poisoned) = chaos.settle().await;

    println!(
        "{kills} kills (seed {seed}): {} tasks accepted, {completed} completed, {interrupted} interrupted in a step \
         that must not be repeated, {poisoned} poisoned; 0 lost, 0 doubled, 0 effects repeated",
        chaos.accepted.len()
    );
    assert!(completed > kills, "the gateway got work done between the kills");
}

/// G1: what a run had taken up when the process died is answered afterwards, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_up_before_a_death_is_answered_once() {
    let (directory, upstream, gate) = (tempfile::tempdir().unwrap(), Upstream::start().await, Gate::new());
    let held = gate.clone();
    upstream.respond_with(move |seen| match (seen.last_user().as_str(), seen.last_role()) {
        ("walk", "user") => Reply::tool_call("session_status", "{}").held(&held),
        (asked, _) => Reply::text(format!("answer to {asked}")),
    });
    write_config(directory.path(), &upstream.base_url()).unwrap();
    let deadly = [("OPENCLAW_FAILPOINT", "take_up.after_commit:1".to_owned())];
    let mut gateway = start(directory.path(), &deadly).await;
    let mut socket = WsClient::connect(gateway.address(), TOKEN).await;
    let mut tasks = Vec::new();
    for (text, mode) in [("walk", "followup"), ("go left", "steer")] {
        let id = socket.ask("agent", &json!({"message": text, "sessionKey": "walk", "queueMode": mode})).await;
        tasks.push(socket.answer(&id).await["payload"]["taskId"].as_str().unwrap().to_owned());
        gate.reached_by(1).await;
    }
    gate.open_for_good();
    while !gateway.has_ended() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let gateway = start(directory.path(), &[]).await;
    let api = Api::new(gateway.address(), TOKEN).unwrap();
    for id in &tasks {
        assert_eq!(ended(&api, id).await["result"]["response"], json!("answer to go left"));
    }
    let heard = upstream.requests().iter().filter(|seen| seen.last_user() == "go left").count();
    assert_eq!(heard, 1, "the dead process had not asked yet");
    gateway.kill().await.unwrap();
}

/// G1 to G3, advisories 59 and 60: killed at each step of an approval, the question is there again, the answer
/// counts once, and the call is made once or, where nobody can know, not repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_each_step_of_an_approval_loses_nothing_and_repeats_nothing() {
    let table = [
        ("finish.before_commit", "completed", 1, "used"),
        ("finish.after_commit", "completed", 1, "used"),
        ("approval.before_resolve", "completed", 1, "used"),
        ("approval.after_resolve", "completed", 1, "used"),
        ("approval.before_use", "completed", 1, "used"),
        ("approval.after_use", "failed", 0, "used"),
        ("journal.after_effect", "failed", 1, "used"),
    ];
    for (point, status, effects, state) in table {
        let chaos = Chaos::new(1).await;
        let effect_file = ("OPENCLAW_TEST_EFFECTS", chaos.effects().display().to_string());
        let deadly = [effect_file.clone(), ("OPENCLAW_FAILPOINT", format!("{point}:1"))];
        let mut gateway = start(chaos.directory.path(), &deadly).await;
        let api = Api::new(gateway.address(), TOKEN).unwrap();
        let (_, id) = submit(&api, 0).await.unwrap();
        let mut asked = None;
        while !gateway.has_ended() {
            asked = asked.or(api
                .get("/v2/approvals")
                .await
                .ok()
                .and_then(|open| Some(open.body.pointer("/approvals/0/id")?.as_str()?.to_owned())));
            allow_all(&api).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let gateway = start(chaos.directory.path(), &[effect_file]).await;
        let api = Api::new(gateway.address(), TOKEN).unwrap();
        let task = ended(&api, &id).await;
        assert_eq!(task["status"], json!(status), "{point}: {task}");
        assert_eq!(chaos.count_effects().into_values().sum::<u32>(), effects, "{point}");
        if let Some(asked) = asked {
            let path = format!("/v2/approvals/{asked}");
            assert_eq!(api.get(&path).await.unwrap().body["state"], json!(state), "{point}");
            let again = api.post(&path, &json!({"decision": "allow-once"})).await.unwrap();
            assert_eq!(again.status, 409, "{point}: an answer counts once");
        }
        if status == "failed" {
            assert_eq!(task["error"]["code"], json!("interrupted"), "{point}: {task}");
        }
        gateway.kill().await.unwrap();
    }
}

impl Chaos {
    async fn new(seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await;
        upstream.respond_with(|seen| {
            let asked = seen.last_user();
            let delay = Duration::from_millis(u64::try_from(asked.len() % 5).unwrap() * 8);
            let effect = match asked.split(' ').next() {
                Some("effect") => "test_effect",
                Some("asked-effect") => "test_effect_asked",
                _ => "",
            };
            match seen.last_role() {
                "user" if !effect.is_empty() => Reply::tool_call(effect, "{}").late(delay),
                _ => Reply::text(format!("answer to {asked}")).late(delay),
            }
        });
        configure(directory.path(), &upstream);
        Self { directory, upstream, random: fastrand::Rng::with_seed(seed), accepted: BTreeMap::new(), next: 0 }
    }

    fn effects(&self) -> PathBuf {
        self.directory.path().join("effects")
    }

    /// One life: starts, takes tasks, dies at the failpoint or when its time is over.
    async fn round(&mut self, point: &str) {
        let mut environment = vec![("OPENCLAW_TEST_EFFECTS", self.effects().display().to_string())];
        if !point.is_empty() {
            let passes_max = if point.starts_with("approval.") { 6 } else { 30 };
            environment.push(("OPENCLAW_FAILPOINT", format!("{point}:{}", self.random.u32(1..passes_max))));
        }
        let mut gateway = start(self.directory.path(), &environment).await;
        let api = Api::new(gateway.address(), TOKEN).unwrap();
        let mut time_left = self.random.u32(5..60);
        while time_left > 0 && !gateway.has_ended() {
            self.submit_some(&api).await;
            allow_all(&api).await;
            time_left -= 1;
        }
        gateway.kill().await.unwrap();
    }

    /// Submits a few tasks at once; what was not answered is submitted again with its key later.
    async fn submit_some(&mut self, api: &Api) {
        let first = self.next;
        self.next += CLIENTS;
        let submits = (first..self.next).map(|number| submit(api, number));
        for (key, task) in futures::future::join_all(submits).await.into_iter().flatten() {
            let before = self.accepted.insert(key, task.clone());
            assert!(before.is_none_or(|before| before == task), "a key makes one task");
        }
    }

    /// Starts once more, submits again what had no answer, and holds everything against the promises.
    async fn settle(&mut self) -> (u64, u64, u64) {
        let gateway =
            start(self.directory.path(), &[("OPENCLAW_TEST_EFFECTS", self.effects().display().to_string())]).await;
        let api = Api::new(gateway.address(), TOKEN).unwrap();
        for number in 0..self.next {
            let (key, task) = submit(&api, number).await.expect("nothing kills it now");
            let before = self.accepted.insert(key.clone(), task.clone());
            assert!(before.is_none_or(|before| before == task), "{key} made two tasks");
        }
        let effects = self.count_effects();
        let mut counts = (0, 0, 0);
        for (key, id) in &self.accepted {
            let task = ended(&api, id).await;
            let effect = effects.get(&format!("agent:main:{}", session(number_of(key)))).copied().unwrap_or(0);
            match task["status"].as_str().unwrap() {
                "completed" => {
                    counts.0 += 1;
                    let wanted = format!("answer to {}", message(number_of(key)));
                    assert_eq!(task["result"]["response"], json!(wanted), "{task}");
                }
                "failed" => match task["error"]["code"].as_str().or(task["error"]["reason"].as_str()).unwrap_or("") {
                    "interrupted" => counts.1 += 1,
                    "poisoned" => counts.2 += 1,
                    other => panic!("{key} failed for another reason ({other}): {task}"),
                },
                other => panic!("{key} is {other}"),
            }
            assert!(effect <= 1 || !is_effect(number_of(key)), "{key}: the effect took place {effect} times");
        }
        gateway.kill().await.unwrap();
        let path = self.directory.path().join("openclaw.db");
        claw_store::sqlite::check(&path).await.expect("the database is sound");
        assert_eq!(self.upstream.script_left(), 0);
        counts
    }

    /// How often each session's effect took place.
    fn count_effects(&self) -> BTreeMap<String, u32> {
        let text = std::fs::read_to_string(self.effects()).unwrap_or_default();
        text.lines().fold(BTreeMap::new(), |mut counts, line| {
            *counts.entry(line.to_owned()).or_default() += 1;
            counts
        })
    }
}

async fn start(directory: &Path, environment: &[(&str, String)]) -> GatewayProcess {
    let binary = Path::new(env!("CARGO_BIN_EXE_openclaw"));
    for start in 0..20 {
        // A failpoint may strike before it is ready, and on a busy machine it may do so at every start: what
        // waits is taken up at once, and dies where it died before. Half of the starts are enough of that.
        let is_spared = |name: &str| start >= 10 && name == "OPENCLAW_FAILPOINT";
        let environment: Vec<_> = environment.iter().filter(|(name, _)| !is_spared(name)).cloned().collect();
        if let Ok(gateway) = GatewayProcess::start(binary, directory, &environment).await {
            return gateway;
        }
    }
    panic!("{}", std::fs::read_to_string(directory.join("stderr")).unwrap_or_default());
}

/// Every third task has an effect, in a session of its own so that effects can be told apart.
fn is_effect(number: usize) -> bool {
    number.is_multiple_of(3)
}

/// What is asked; of the effects every other one has to be allowed.
fn message(number: usize) -> String {
    let what = match (is_effect(number), number.is_multiple_of(2)) {
        (true, true) => "asked-effect",
        (true, false) => "effect",
        (false, _) => "plain",
    };
    format!("{what} {number}")
}

fn session(number: usize) -> String {
    if is_effect(number) { format!("effect-{number}") } else { format!("plain-{}", number % SESSIONS) }
}

fn number_of(key: &str) -> usize {
    key.trim_start_matches("key-").parse().unwrap()
}

/// The key and the task it made; nothing without an answer.
async fn submit(api: &Api, number: usize) -> Option<(String, String)> {
    let key = format!("key-{number}");
    let body = json!({"type": "agent", "input": {"message": message(number), "sessionKey": session(number)}});
    let answer = api.call(Method::POST, "/v2/tasks", &[("idempotency-key", &key)], Some(&body)).await.ok()?;
    assert_eq!(answer.status, 202, "{}", answer.body);
    Some((key, answer.body["id"].as_str()?.to_owned()))
}

/// One model, and one tool that somebody has to allow.
fn configure(directory: &Path, upstream: &Upstream) {
    write_config(directory, &upstream.base_url()).unwrap();
    let file = directory.join("openclaw.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    config["tools"] = json!({"ask": ["test_effect_asked"]});
    std::fs::write(file, config.to_string()).unwrap();
}

/// Allows whatever is asked for, as far as the gateway lives.
async fn allow_all(api: &Api) {
    let Ok(open) = api.get("/v2/approvals").await else { return };
    for approval in open.body["approvals"].as_array().into_iter().flatten() {
        let path = format!("/v2/approvals/{}", approval["id"].as_str().unwrap());
        let _may_be_dead_or_decided = api.post(&path, &json!({"decision": "allow-once"})).await;
    }
}

/// The task once it has ended.
async fn ended(api: &Api, id: &str) -> Value {
    let deadline = tokio::time::Instant::now() + FINISH;
    loop {
        let answer = api.get(&format!("/v2/tasks/{id}")).await.unwrap();
        assert_eq!(answer.status, 200, "{id} is lost: {}", answer.body);
        if answer.body["waitsForApproval"].is_string() {
            allow_all(api).await;
        }
        if matches!(answer.body["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
            return answer.body;
        }
        assert!(tokio::time::Instant::now() < deadline, "{id} does not end: {}", answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the test's own knobs")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
