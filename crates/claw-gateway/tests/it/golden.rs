//! Golden traces: one whole conversation for each way of speaking, as it goes over the wire.
//!
//! `tests/golden/<who>.jsonl` holds a frame per line: `>` was sent, `<` was heard, `#` names the
//! chapter. Time stands still and ids are seeded, so a trace is the same in every run; it is renewed
//! with `UPDATE_GOLDEN=1` and reviewed by eye. Three things are not promised and therefore put in order
//! here:
//!
//! - the place of news for everybody ([`NEWS`]) among the frames of one call: written last. `seq`,
//!   which is checked as it comes to have no gap, is then counted in the order of the file;
//! - whether the answer to `chat.abort` comes before the end of the run: written first;
//! - `health` and `tick`, which come by the clock: left out.
//!
//! What cannot be seeded is blanked by the field's name ([`BLANK`]).

use std::path::Path;

use claw_testkit::ws_client::{Incoming, connect_params, stock_params};
use claw_testkit::{Gate, Reply as Scripted, WsClient};
use serde_json::{Value, json};

use crate::house::{House, Plan, TOKEN};

/// Fields whose value belongs to this machine, this version or this moment.
const BLANK: &[&str] = &[
    // The port and the system.
    "port",
    "platform",
    // How long something took by a clock that cannot be stopped.
    "durationMs",
    "uptimeMs",
    "uptime",
    "delayMaxMs",
    "delayP99Ms",
    // `scopes.txt` and the test beside the table of methods hold this list.
    "methods",
];

/// What is told to everybody, whenever it happens.
const NEWS: &[&str] = &["presence", "task"];

/// A socket whose frames are written down.
struct Trace {
    socket: WsClient,
    lines: Vec<String>,
    /// Frames of this step, as they came.
    step: Vec<Value>,
    /// The last number heard, and the last written.
    seq: (u64, u64),
}

/// Whether a frame is what a step waits for.
type Awaited<'a> = &'a dyn Fn(&Value) -> bool;

impl Trace {
    async fn open(house: &House, path: &str) -> Self {
        let socket = WsClient::open(house.address, path, &[]).await.unwrap();
        Self { socket, lines: Vec::new(), step: Vec::new(), seq: (0, 0) }
    }

    /// Goes on with another socket.
    async fn reopen(&mut self, house: &House, path: &str) {
        self.socket = WsClient::open(house.address, path, &[]).await.unwrap();
        self.seq = (0, 0);
    }

    fn chapter(&mut self, name: &str) {
        self.lines.push(format!("# {name}"));
    }

    async fn say(&mut self, frame: Value) {
        self.lines.push(format!("> {frame}"));
        self.socket.send(frame.to_string()).await;
    }

    async fn say_text(&mut self, text: &str) {
        self.lines.push(format!("> {text}"));
        self.socket.send(text).await;
    }

    /// Hears frames until each of `awaited` was among them.
    async fn hear(&mut self, awaited: &[Awaited<'_>]) {
        while !awaited.iter().all(|is_it| self.step.iter().any(is_it)) {
            match self.socket.next().await {
                Incoming::Frame(frame) => self.note(frame),
                Incoming::Closed(code, reason) => panic!("closed with {code} {reason}; heard {:#?}", self.step),
            }
        }
        self.write_down();
    }

    /// Hears everything to the close.
    async fn hear_close(&mut self) {
        loop {
            match self.socket.next().await {
                Incoming::Frame(frame) => self.note(frame),
                Incoming::Closed(code, reason) => {
                    self.write_down();
                    return self.lines.push(format!("< {}", json!({"close": code, "reason": reason})));
                }
            }
        }
    }

    fn note(&mut self, frame: Value) {
        if let Some(seq) = frame["seq"].as_u64() {
            assert_eq!(seq, self.seq.0 + 1, "a number is missing before {frame}");
            self.seq.0 = seq;
        }
        if !matches!(frame["event"].as_str(), Some("health" | "tick")) {
            self.step.push(frame);
        }
    }

    fn write_down(&mut self) {
        let mut step = std::mem::take(&mut self.step);
        step.sort_by_key(|frame| {
            let name = frame["event"].as_str().or(frame["type"].as_str()).unwrap_or_default();
            let news = NEWS.iter().position(|news| *news == name).map_or(0, |place| place + 1);
            (news, frame["payload"].get("aborted").is_none())
        });
        for mut frame in step {
            if frame.get("seq").is_some() {
                self.seq.1 += 1;
                frame["seq"] = json!(self.seq.1);
            }
            blank(&mut frame);
            self.lines.push(format!("< {frame}"));
        }
    }

    /// Compares with the file, or writes it anew.
    fn compare(self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.jsonl"));
        let said = self.lines.join("\n") + "\n";
        if is_renewed() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            return std::fs::write(path, said).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        for (number, (was, is)) in golden.lines().zip(said.lines()).enumerate() {
            let same = is.chars().zip(was.chars()).take_while(|(is, was)| is == was).count();
            let (is_from, was_from) = (window(is, same), window(was, same));
            assert!(
                is == was,
                "{name}.jsonl:{} (UPDATE_GOLDEN=1 renews it)\n is: {is_from}\nwas: {was_from}",
                number + 1
            );
        }
        assert_eq!(said.lines().count(), golden.lines().count(), "{name}.jsonl: more or fewer frames");
    }
}

/// What stands around the place where two lines part.
fn window(line: &str, place: usize) -> String {
    line.chars().skip(place.saturating_sub(60)).take(180).collect()
}

#[expect(clippy::disallowed_methods, reason = "the switch that renews traces comes from outside")]
fn is_renewed() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn blank(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if BLANK.contains(&name.as_str()) { *value = json!("…") } else { blank(value) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The first answer to a request.
fn answer(id: Value) -> impl Fn(&Value) -> bool {
    move |frame| frame["type"] == "res" && frame["id"] == id
}

/// The second answer to a run.
fn ended(id: Value) -> impl Fn(&Value) -> bool {
    move |frame| frame["type"] == "res" && frame["id"] == id && frame["payload"]["status"] != "accepted"
}

fn event(name: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| frame["event"] == name
}

/// News of a task, in either dialect's frame.
fn task(status: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| {
        (frame["event"] == "task" && frame["payload"]["status"] == status)
            || (frame["type"] == "task" && frame["data"]["status"] == status)
    }
}

/// A piece of a run's text: dialect B tells it twice, and cumulatively the second time.
fn output(text: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| frame["event"] == "agent" && frame["payload"]["text"] == text
}

fn draft(text: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| frame["event"] == "chat" && frame["payload"]["message"]["content"][0]["text"] == text
}

/// The same in dialect C.
fn delta(text: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| frame["type"] == "chat.delta" && frame["data"]["delta"] == text
}

fn push(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| frame["type"] == kind
}

fn request(id: &str, method: &str, params: Value) -> Value {
    json!({"type": "req", "id": id, "method": method, "params": params})
}

/// B1–B14, B22–B25, K4, K8: what a client of dialect B lives through.
async fn conversation_of_b(name: &str, params: Value, run: fn(&str, &str) -> Value) {
    let house = Plan::new().seeded().build().await;
    let mut trace = Trace::open(&house, "/").await;
    trace.chapter("a client that is not let in");
    trace.hear(&[&event("connect.challenge")]).await;
    let mut wrong = params.clone();
    wrong["auth"]["token"] = json!("oc_gw_wrong");
    trace.say(request("1", "connect", wrong)).await;
    trace.hear_close().await;
    trace.reopen(&house, "/").await;
    trace.hear(&[&event("connect.challenge")]).await;
    let mut newer = params.clone();
    (newer["minProtocol"], newer["maxProtocol"]) = (json!(7), json!(9));
    trace.say(request("1", "connect", newer)).await;
    trace.hear_close().await;
    trace.chapter("handshake");
    trace.reopen(&house, "/").await;
    trace.hear(&[&event("connect.challenge")]).await;
    trace.say(request("1", "connect", params.clone())).await;
    trace.hear(&[&answer(json!("1")), &event("presence")]).await;
    trace.say_text("no json").await;
    for (id, method, params) in [
        ("2", "connect", params),
        ("3", "no.such", json!({})),
        ("4", "agent", json!({"message": 5})),
        ("5", "health", json!({})),
        ("6", "sessions.list", json!({})),
    ] {
        trace.say(request(id, method, params)).await;
        trace.hear(&[&answer(json!(id))]).await;
    }
    b_runs(&house, &mut trace, run).await;
    b_reloads(&house, &mut trace).await;
    trace.chapter("shutdown");
    house.begin_stop();
    trace.hear_close().await;
    trace.compare(name);
    house.stop().await;
}

async fn b_runs(house: &House, trace: &mut Trace, run: fn(&str, &str) -> Value) {
    let gate = Gate::new();
    trace.chapter("a run with streamed text");
    house.upstream.script([Scripted::chunks(["one ", "two ", "three"]).gated(&gate).held_before_end(&gate)]);
    trace.say(request("10", "agent", run("count to three", "key-10"))).await;
    trace.hear(&[&answer(json!("10")), &task("running")]).await;
    for (piece, all) in [("one ", "one "), ("two ", "one two "), ("three", "one two three")] {
        gate.open(1);
        trace.hear(&[&output(piece), &draft(all)]).await;
    }
    gate.open(1);
    trace.hear(&[&ended(json!("10")), &task("completed")]).await;
    trace.say(request("11", "sessions.history", json!({"sessionId": "golden"}))).await;
    trace.hear(&[&answer(json!("11"))]).await;
    trace.chapter("a run with a tool call");
    house
        .upstream
        .script([Scripted::tool_call("session_status", "{}"), Scripted::text("it is noon").held_before_end(&gate)]);
    trace.say(request("20", "agent", run("what time is it", "key-20"))).await;
    trace.hear(&[&task("running"), &output("it is noon"), &draft("it is noon")]).await;
    gate.open(1);
    trace.hear(&[&ended(json!("20")), &task("completed")]).await;
    trace.chapter("an abort");
    house.upstream.script([Scripted::text("so far").held_before_end(&gate)]);
    trace.say(request("30", "agent", run("go on for ever", "key-30"))).await;
    trace.hear(&[&task("running"), &output("so far"), &draft("so far")]).await;
    trace.say(request("31", "chat.abort", json!({"sessionKey": "golden"}))).await;
    trace.hear(&[&answer(json!("31")), &ended(json!("30")), &task("cancelled")]).await;
    trace.chapter("an error of the upstream");
    house.upstream.script([Scripted::status(400, "not like this")]);
    trace.say(request("40", "agent", run("fail", "key-40"))).await;
    trace.hear(&[&ended(json!("40")), &task("failed")]).await;
}

async fn b_reloads(house: &House, trace: &mut Trace) {
    trace.chapter("a reload");
    trace.say(request("50", "config.get", json!({}))).await;
    trace.hear(&[&answer(json!("50"))]).await;
    let patch = json!({"baseHash": house.paper().hash(), "patch": {"logging": {"level": "debug"}}});
    for id in ["51", "52"] {
        // The second time it is the hash of another file.
        trace.say(request(id, "config.patch", patch.clone())).await;
        trace.hear(&[&answer(json!(id))]).await;
    }
}

#[tokio::test]
async fn the_contracts_client_of_protocol_3_lives_through_its_golden_trace() {
    let run = |message: &str, _key: &str| json!({"message": message, "sessionId": "golden", "stream": true});
    conversation_of_b("v3", connect_params(Some(TOKEN)), run).await;
}

/// K16: the contract's client may not reload; an operator of the same protocol may.
#[tokio::test]
async fn an_operator_of_protocol_3_reloads_as_in_its_golden_trace() {
    let house = Plan::new().seeded().build().await;
    let mut params = connect_params(Some(TOKEN));
    params["scopes"] = json!(["operator.admin"]);
    let mut trace = Trace::open(&house, "/ws").await;
    trace.chapter("handshake");
    trace.hear(&[&event("connect.challenge")]).await;
    trace.say(request("1", "connect", params)).await;
    trace.hear(&[&answer(json!("1")), &event("presence")]).await;
    b_reloads(&house, &mut trace).await;
    trace.compare("v3-operator");
    house.stop().await;
}

#[tokio::test]
async fn a_stock_client_of_protocol_4_lives_through_its_golden_trace() {
    let run = |message: &str, key: &str| json!({"message": message, "sessionKey": "agent:main:golden", "idempotencyKey": key, "deliver": false});
    conversation_of_b("v4", stock_params(TOKEN), run).await;
}

/// C2, C7–C20, K3: what a client of dialect C lives through.
#[tokio::test]
async fn a_client_of_dialect_c_lives_through_its_golden_trace() {
    let house = Plan::new().seeded().build().await;
    let mut trace = Trace::open(&house, "/").await;
    trace.chapter("a client that is not let in");
    trace.hear(&[&event("connect.challenge")]).await;
    trace.say(json!({"method": "system.status", "id": 1})).await;
    trace.hear_close().await;
    trace.chapter("handshake");
    trace.reopen(&house, &format!("/?token={TOKEN}")).await;
    trace.hear(&[&event("connect.challenge"), &push("connected")]).await;
    for (id, method, params) in [
        (json!(1), "system.status", json!({})),
        (json!("two"), "session.list", json!({})),
        (json!(3), "channel.list", json!({})),
        (json!(4), "channel.status", json!({"channelId": "telegram"})),
        (json!(5), "browser.screenshot", json!({"selector": "body", "fullPage": true})),
        (json!(6), "no.such", json!({})),
        (json!(7), "chat.run", json!({"message": 5})),
    ] {
        trace.say(json!({"method": method, "params": params, "id": id})).await;
        trace.hear(&[&answer(id)]).await;
    }
    c_runs(&house, &mut trace).await;
    trace.chapter("a reload");
    let patch = json!({"baseHash": house.paper().hash(), "patch": {"logging": {"level": "debug"}}});
    trace.say(json!({"method": "config.patch", "params": patch, "id": 50})).await;
    trace.hear(&[&answer(json!(50))]).await;
    trace.chapter("shutdown");
    house.begin_stop();
    trace.hear_close().await;
    trace.compare("c");
    house.stop().await;
}

async fn c_runs(house: &House, trace: &mut Trace) {
    let gate = Gate::new();
    let run = |id: u64, message: &str| {
        let options = json!({"thinking": "medium", "stream": true});
        let params = json!({"message": message, "sessionKey": "agent:default:golden", "options": options});
        json!({"method": "chat.run", "params": params, "id": id})
    };
    trace.chapter("a run with streamed text");
    house.upstream.script([Scripted::chunks(["one ", "two ", "three"]).gated(&gate).held_before_end(&gate)]);
    trace.say(run(10, "count to three")).await;
    trace.hear(&[&answer(json!(10)), &task("running")]).await;
    for piece in ["one ", "two ", "three"] {
        gate.open(1);
        trace.hear(&[&delta(piece)]).await;
    }
    gate.open(1);
    trace.hear(&[&push("chat.done"), &task("completed")]).await;
    trace.say(json!({"method": "session.get", "params": {"sessionKey": "golden"}, "id": 11})).await;
    trace.hear(&[&answer(json!(11))]).await;
    trace.chapter("a run with a tool call");
    house
        .upstream
        .script([Scripted::tool_call("session_status", "{}"), Scripted::text("it is noon").held_before_end(&gate)]);
    trace.say(run(20, "what time is it")).await;
    trace.hear(&[&task("running"), &delta("it is noon")]).await;
    gate.open(1);
    trace.hear(&[&push("chat.done"), &task("completed")]).await;
    trace.chapter("an abort");
    house.upstream.script([Scripted::text("so far").held_before_end(&gate)]);
    trace.say(run(30, "go on for ever")).await;
    trace.hear(&[&task("running"), &delta("so far")]).await;
    trace.say(json!({"method": "chat.abort", "params": {"sessionKey": "golden"}, "id": 31})).await;
    trace.hear(&[&answer(json!(31)), &push("chat.error"), &task("cancelled")]).await;
    trace.chapter("an error of the upstream");
    house.upstream.script([Scripted::status(400, "not like this")]);
    trace.say(run(40, "fail")).await;
    trace.hear(&[&push("chat.error"), &task("failed")]).await;
}
