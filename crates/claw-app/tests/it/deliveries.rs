//! Callbacks: a real receiver on loopback hears of a task's end, at least once.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use claw_app::tasks::NewRun;
use claw_app::{Error, Settings};
use claw_core::task::StateName;
use claw_core::{Callback, Clock as _, TaskId};
use claw_testkit::{Gate, Reply, Upstream};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::house::{Calls, House, SOON, operator, task};
use crate::sink::{Hit, Sink};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Opens a house that may call this sink.
async fn open(directory: &Path, upstream: &Upstream, sink: &Sink, secret: Option<&'static str>) -> House {
    let calls = Calls { allow: vec![sink.address.to_string()], secret };
    House::open_calling(directory, upstream, Vec::new(), Settings::default(), calls).await
}

fn calling(url: String, headers: &[(&str, &str)]) -> NewRun {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    NewRun { callback: Some(Callback { url, headers }), ..task("s", "hi") }
}

async fn submit(house: &House, new: NewRun) -> TaskId {
    house.app.tasks.submit(&operator(), new).await.unwrap().id
}

/// Waits until the outbox owes nothing until `ahead` from now, and returns what it owes then.
async fn owed(house: &House, ahead: Duration) -> usize {
    let then = house.clock.now().plus(ahead);
    let settled = async {
        while !house.store.due_deliveries(house.clock.now(), 10).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, settled).await.expect("what is due is delivered");
    house.store.due_deliveries(then, 10).await.unwrap().len()
}

const YEAR: Duration = Duration::from_hours(24 * 365);

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn is_signed(hit: &Hit) {
    let plain = format!("sha256={}", hex::encode(mac(SECRET.as_bytes(), &[&hit.body])));
    assert_eq!((hit.header("x-signature"), hit.header("x-openclaw-signature")), (plain.as_str(), plain.as_str()));
    let base64 = base64::engine::general_purpose::STANDARD;
    let key = base64.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let before = format!("{}.{}.", hit.header("webhook-id"), hit.header("webhook-timestamp"));
    let standard = base64.encode(mac(&key, &[before.as_bytes(), &hit.body]));
    assert_eq!(hit.header("webhook-signature"), format!("v1,{standard}"));
}

#[tokio::test]
async fn a_callback_hears_once_and_its_signature_is_over_the_exact_bytes() {
    let (directory, upstream, sink) = (tempfile::tempdir().unwrap(), Upstream::start().await, Sink::start());
    let house = open(directory.path(), &upstream, &sink, Some(SECRET)).await;
    upstream.script([Reply::text("Grüße 🦀")]);
    let id = submit(&house, calling(sink.url(), &[("X-Signature", "sha256=..."), ("Authorization", "Bearer t")])).await;
    sink.reached_by(1).await;
    assert_eq!(owed(&house, YEAR).await, 0);
    let hits = sink.hits();
    assert_eq!(hits.len(), 1);
    let hit = &hits[0];
    assert_eq!(hit.line, "POST /hook?k=1 HTTP/1.1");
    assert_eq!((hit.header("host"), hit.header("content-type")), (&*sink.address.to_string(), "application/json"));
    assert_eq!(hit.header("authorization"), "Bearer t");
    assert!(hit.header("webhook-id").starts_with(&format!("msg_{}_", id.uuid().as_simple())));
    assert_eq!(hit.header("webhook-timestamp"), "1771200000");
    is_signed(hit);
    let shown = house.app.tasks.find(&operator(), &id.to_string()).await.unwrap();
    assert_eq!(hit.body, claw_wire::v2::delivery::task_ended(&shown).unwrap());
    let text = String::from_utf8(hit.body.clone()).unwrap();
    assert!(text.starts_with(r#"{"type":"task.completed","timestamp":"2026-02-16T"#), "{text}");
    assert!(text.contains(r#""response":"Grüße 🦀""#), "{text}");
    house.stop().await;
}

#[tokio::test]
async fn failure_and_cancellation_are_told_too_and_without_a_secret_unsigned() {
    let (directory, upstream, sink) = (tempfile::tempdir().unwrap(), Upstream::start().await, Sink::start());
    let house = open(directory.path(), &upstream, &sink, None).await;
    upstream.script([Reply::status(400, "no")]);
    submit(&house, calling(sink.url(), &[])).await;
    let hits = sink.reached_by(1).await;
    assert!(hits[0].body.starts_with(br#"{"type":"task.failed","#));
    assert!(!hits[0].has("x-signature") && !hits[0].has("webhook-signature") && hits[0].has("webhook-id"));

    let waiting = NewRun { delay: Duration::from_secs(60), ..calling(sink.url(), &[]) };
    let id = submit(&house, waiting).await;
    house.app.tasks.cancel(&operator(), &id.to_string()).await.unwrap();
    assert!(sink.reached_by(2).await[1].body.starts_with(br#"{"type":"task.cancelled","#));

    let gate = Gate::new();
    upstream.script([Reply::text("never").held(&gate)]);
    let id = submit(&house, calling(sink.url(), &[])).await;
    gate.reached_by(1).await;
    house.app.tasks.cancel(&operator(), &id.to_string()).await.unwrap();
    assert!(sink.reached_by(3).await[2].body.starts_with(br#"{"type":"task.cancelled","#));
    house.stop().await;
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_by_the_clock_under_the_same_name() {
    let (directory, upstream, sink) = (tempfile::tempdir().unwrap(), Upstream::start().await, Sink::start());
    let house = open(directory.path(), &upstream, &sink, Some(SECRET)).await;
    sink.script(["500 Oops", "302 Found\r\nlocation: http://127.0.0.1:1/", "429 Later\r\nretry-after: 3600"]);
    submit(&house, calling(sink.url(), &[])).await;
    // Each wait, and the most that chance may add: 5 s, 5 min, then what the receiver asked for.
    for (number, wait, jitter) in [(1, 5, 1), (2, 300, 30), (3, 3600, 180)] {
        sink.reached_by(number).await;
        assert_eq!(owed(&house, Duration::from_secs(wait - 1)).await, 0, "attempt {number}");
        house.clock.advance(Duration::from_secs(wait - 1));
        assert_eq!(owed(&house, Duration::from_secs(jitter + 2)).await, 1, "attempt {number}");
        house.clock.advance(Duration::from_secs(jitter + 2));
    }
    sink.reached_by(4).await;
    assert_eq!(owed(&house, YEAR).await, 0);
    let hits = sink.hits();
    assert_eq!(hits.len(), 4);
    hits.iter().for_each(is_signed);
    assert!(
        hits.iter().all(|hit| hit.body == hits[0].body && hit.header("webhook-id") == hits[0].header("webhook-id"))
    );
    assert_ne!(hits[0].header("webhook-timestamp"), hits[3].header("webhook-timestamp"));
    house.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_given_up_at_once_and_one_that_never_works_in_the_end() {
    let (directory, upstream, sink) = (tempfile::tempdir().unwrap(), Upstream::start().await, Sink::start());
    let house = open(directory.path(), &upstream, &sink, None).await;
    sink.script(["410 Gone"]);
    submit(&house, calling(sink.url(), &[])).await;
    sink.reached_by(1).await;
    assert_eq!(owed(&house, YEAR).await, 0, "410 is the last word");

    sink.script(["500 Oops"; 8]);
    submit(&house, calling(sink.url(), &[])).await;
    for number in 2..9 {
        sink.reached_by(number).await;
        assert_eq!(owed(&house, YEAR).await, 1, "attempt {}", number - 1);
        house.clock.advance(Duration::from_hours(12));
    }
    sink.reached_by(9).await;
    assert_eq!(owed(&house, YEAR).await, 0, "eight attempts and no more");
    assert_eq!(sink.hits().len(), 9);
    house.stop().await;
}

#[tokio::test]
async fn what_one_process_owes_the_next_one_delivers() {
    let (directory, upstream, sink) = (tempfile::tempdir().unwrap(), Upstream::start().await, Sink::start());
    let house = open(directory.path(), &upstream, &sink, None).await;
    sink.script(["503 Later"]);
    submit(&house, calling(sink.url(), &[])).await;
    sink.reached_by(1).await;
    assert_eq!(owed(&house, YEAR).await, 1);
    house.die().await;
    let house = open(directory.path(), &upstream, &sink, None).await;
    assert_eq!(owed(&house, YEAR).await, 1, "its wait outlives the process");
    house.clock.advance(Duration::from_secs(6));
    let hits = sink.reached_by(2).await;
    assert_eq!(hits[0].header("webhook-id"), hits[1].header("webhook-id"));
    assert_eq!(owed(&house, YEAR).await, 0);
    house.stop().await;
}

#[tokio::test]
async fn an_address_inside_is_refused_at_submit_and_given_up_where_it_was_taken_before() {
    let (directory, upstream, sink) = (tempfile::tempdir().unwrap(), Upstream::start().await, Sink::start());
    let house = open(directory.path(), &upstream, &sink, None).await;
    sink.script(["503 Later"]);
    let id = submit(&house, calling(sink.url(), &[])).await;
    sink.reached_by(1).await;
    assert_eq!(owed(&house, YEAR).await, 1);
    house.die().await;

    let house = House::open(directory.path(), &upstream).await;
    house.clock.advance(Duration::from_hours(1));
    assert_eq!(owed(&house, YEAR).await, 0, "the operator's list no longer names it: given up at once");
    let done = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    assert_eq!(done.state.name(), StateName::Completed, "the task itself is not harmed");
    let port = sink.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
    ] {
        let refused = house.app.tasks.submit(&operator(), calling(format!("http://{host}:{port}/"), &[])).await;
        let refused = refused.unwrap_err();
        assert!(matches!(&refused, Error::Invalid { field, .. } if field == "callback.url"), "{host}: {refused:?}");
    }
    assert_eq!(sink.hits().len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn a_signature_that_nobody_can_make_is_refused_at_submit() {
    let (directory, upstream, sink) = (tempfile::tempdir().unwrap(), Upstream::start().await, Sink::start());
    let house = open(directory.path(), &upstream, &sink, None).await;
    let asks = calling(sink.url(), &[("X-Signature", "sha256=...")]);
    let refused = house.app.tasks.submit(&operator(), asks).await.unwrap_err();
    assert!(matches!(&refused, Error::Invalid { field, .. } if field == "callback.headers.X-Signature"), "{refused:?}");
    assert!(refused.to_string().contains("webhooks.secret"), "{refused}");
    house.stop().await;
}

#[tokio::test]
async fn more_callbacks_than_places_are_all_told_once() {
    let (directory, upstream, sink) = (tempfile::tempdir().unwrap(), Upstream::start().await, Sink::start());
    let house = open(directory.path(), &upstream, &sink, None).await;
    for number in 0..50 {
        let new = NewRun { callback: calling(sink.url(), &[]).callback, ..task(&format!("s{number}"), "hi") };
        submit(&house, new).await;
    }
    let hits = sink.reached_by(50).await;
    assert_eq!(owed(&house, YEAR).await, 0);
    let names: std::collections::HashSet<_> = hits.iter().map(|hit| hit.header("webhook-id").to_owned()).collect();
    assert_eq!((names.len(), sink.hits().len()), (50, 50), "each once");
    house.stop().await;
}
