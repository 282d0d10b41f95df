//! Pictures and files at addresses: what no stranger may call reaches no model's server (G10).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use claw_app::chat::Place;
use claw_app::{Error, Settings};
use claw_core::courier::CourierError;
use claw_core::guard::{Found, Guard, Reach};
use claw_core::message::Detail;
use claw_core::turn::Context;
use claw_core::{Message, Part, Turn};
use claw_net::egress::{AllowList, Egress};
use claw_testkit::{Reply, Upstream};
use serde_json::{Value, json};

use crate::house::{Calls, House, SOON, catalog, operator, task, turn};
use crate::sink::Sink;

fn image(url: &str) -> Message {
    Message::User { content: vec![Part::Text { text: "look".into() }, Part::image(url)] }
}

fn file(url: &str) -> Message {
    Message::User { content: vec![Part::File { url: url.into(), name: Some("a.pdf".into()) }] }
}

fn showing(message: Message) -> Turn {
    Turn { input: vec![message], ..turn("pictures", "") }
}

fn egress(allow: &[String]) -> Arc<dyn Guard> {
    claw_net::install_crypto();
    Arc::new(Egress::new(AllowList::new(allow.iter().map(|entry| entry.parse().unwrap()))))
}

async fn house(directory: &tempfile::TempDir, upstream: &Upstream, guard: Option<Arc<dyn Guard>>) -> House {
    let catalog = match guard {
        Some(guard) => catalog(upstream).with_guard(guard),
        None => catalog(upstream),
    };
    House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await
}

async fn ask(house: &House, turn: Turn) {
    let run = house.app.chat.start(&operator(), turn, Place::Named).await.unwrap();
    tokio::time::timeout(SOON, run.output()).await.expect("the run ends").unwrap();
}

/// What the upstream was shown of the newest message of a user.
fn shown(upstream: &Upstream) -> Value {
    let seen = upstream.requests().pop().unwrap();
    seen.messages().iter().rev().find(|said| said["role"] == "user").unwrap()["content"].clone()
}

/// Whatever the spelling, and whoever asks by whichever door: nothing of it is accepted.
#[tokio::test]
async fn adv_33_a_picture_inside_is_refused_in_every_spelling_before_anybody_is_asked() {
    let (directory, upstream, canary) = (tempfile::tempdir().unwrap(), Upstream::start().await, Sink::start());
    let house = house(&directory, &upstream, Some(egress(&[]))).await;
    let port = canary.address.port();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "0",
        "169.254.169.254",
        "10.0.0.7",
        "192.168.1.1",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
        "①②⑦.0.0.1",
        "user:word@127.0.0.1",
        "user@93.184.215.14",
        "nobody.invalid",
    ];
    let others =
        ["ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/", "http://", "http:///x", "//127.0.0.1/", ""];
    let all = hosts.iter().map(|host| format!("http://{host}:{port}/a.png")).chain(others.map(ToOwned::to_owned));
    for url in all {
        for (message, field) in [(image(&url), "image_url"), (file(&url), "file_url")] {
            let given = Turn { context: Context::Given(vec![message.clone()]), ..turn("pictures", "hi") };
            for turn in [showing(message), given] {
                let refused =
                    house.app.chat.start(&operator(), turn.clone(), Place::Fresh).await.map(drop).unwrap_err();
                let Error::Invalid { field: blamed, problem } = refused else { panic!("{url}: {refused:?}") };
                assert_eq!(blamed, field, "{url}: {problem}");
                let mut new = task("pictures", "");
                new.turn = turn;
                let refused = house.app.tasks.submit(&operator(), new).await.unwrap_err();
                assert!(
                    matches!(&refused, Error::Invalid { field: blamed, .. } if blamed == field),
                    "{url}: {refused:?}"
                );
            }
        }
    }
    let many = (0..65).map(|n| Part::image(format!("http://93.184.215.14/{n}"))).collect();
    let refused = house.app.chat.start(&operator(), showing(Message::User { content: many }), Place::Fresh).await;
    assert!(matches!(refused.map(drop), Err(Error::Invalid { field, .. }) if field == "image_url"));
    assert_eq!((canary.hits().len(), upstream.counts().requests), (0, 0));
    house.stop().await;
}

#[tokio::test]
async fn where_nobody_judges_addresses_none_is_taken() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = house(&directory, &upstream, None).await;
    let refused = house.app.chat.start(&operator(), showing(image("https://93.184.215.14/a.png")), Place::Fresh).await;
    assert!(matches!(refused.map(drop), Err(Error::Invalid { field, .. }) if field == "image_url"));
    ask(&house, showing(image("data:image/png;base64,aGk="))).await;
    assert_eq!(shown(&upstream)[1], json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}));
    house.stop().await;
}

/// The upstream stands on loopback, as an Ollama or a vLLM does: it gets what lies at an address, never the address,
/// and of a redirect to the inside nothing but a word.
#[tokio::test]
async fn adv_38_a_server_inside_is_given_pictures_and_no_address_that_could_redirect_it() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (pictures, canary) = (Sink::start(), Sink::start());
    let house = house(&directory, &upstream, Some(egress(&[pictures.address.to_string()]))).await;
    upstream.respond_with(|_| Reply::text("seen"));
    let url = format!("http://{}/a.png", pictures.address);
    for (answer, message, expected) in [
        (
            "200 OK\r\ncontent-type: image/png".to_owned(),
            image(&url),
            json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}),
        ),
        (
            "200 OK\r\ncontent-type: text/html".to_owned(),
            image(&url),
            json!({"type": "text", "text": "[a picture was left out: \"text/html\" is no picture]"}),
        ),
        (
            "200 OK\r\ncontent-type: image/png,evil".to_owned(),
            image(&url),
            json!({"type": "text", "text": "[a picture was left out: \"image/png,evil\" is no media type]"}),
        ),
        (
            format!("302 Found\r\nlocation: http://{}/secret", canary.address),
            image(&url),
            json!({"type": "text", "text": "[a picture was left out: refused: the host's address is a loopback, and the \
                   operator's list does not name the host]"}),
        ),
        (
            "404 Not Found".to_owned(),
            image(&url),
            json!({"type": "text", "text": "[a picture was left out: failed: its server answered HTTP 404]"}),
        ),
    ] {
        pictures.script([answer.leak() as &'static str]);
        ask(&house, showing(message)).await;
        assert_eq!(shown(&upstream)[1], expected);
    }
    pictures.script(["200 OK\r\ncontent-type: application/pdf"]);
    ask(&house, showing(file(&url))).await;
    let pdf = json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,"}});
    assert_eq!(shown(&upstream)[0], pdf);
    let said = upstream.requests().iter().map(|seen| seen.body.to_string()).collect::<String>();
    assert!(!said.contains(&url), "no question names the address: {said}");
    assert_eq!(canary.hits().len(), 0);
    house.stop().await;
}

/// A server of pictures that answers as soon as two have come to it.
struct Gallery {
    fetched: AtomicUsize,
    pair: tokio::sync::Barrier,
}

#[async_trait]
impl Guard for Gallery {
    async fn judge(&self, _: &str) -> Result<Reach, CourierError> {
        Ok(Reach::Inside)
    }
    async fn fetch(&self, url: &str, _: usize) -> Result<Found, CourierError> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        self.pair.wait().await;
        match url.contains("gone") {
            true => Err(CourierError::Failed("it is gone".into())),
            false => Ok(Found { media_type: "image/png".into(), body: b"hi".to_vec() }),
        }
    }
}

#[tokio::test]
async fn a_run_fetches_each_picture_once_and_several_at_the_same_time() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let gallery = Arc::new(Gallery { fetched: AtomicUsize::new(0), pair: tokio::sync::Barrier::new(2) });
    let house = house(&directory, &upstream, Some(Arc::clone(&gallery) as Arc<dyn Guard>)).await;
    upstream.script([Reply::status(500, "broken"), Reply::tool_call("session_status", "{}"), Reply::text("seen")]);
    let [there, gone] = ["http://pictures.example/a.png", "http://pictures.example/gone.png"].map(ToOwned::to_owned);
    let part = |url: &String| Part::Image { url: url.as_str().into(), detail: Some(Detail::Low) };
    let content = [&there, &gone, &there].map(part).to_vec();
    ask(&house, showing(Message::User { content })).await;
    let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}});
    let left_out = json!({"type": "text", "text": "[a picture was left out: failed: it is gone]"});
    let asked: Vec<Value> = upstream.requests().iter().map(|seen| seen.messages().to_owned().into()).collect();
    assert_eq!(asked.len(), 3, "a failure, a round with a tool and an answer");
    for messages in &asked {
        let said = messages.as_array().unwrap().iter().find(|said| said["role"] == "user").unwrap();
        assert_eq!(said["content"], json!([picture, left_out, picture]));
    }
    assert_eq!(gallery.fetched.load(Ordering::SeqCst), 2, "each address once");
    house.stop().await;
}

/// Lets an address pass as long as it may.
struct Turncoat(Arc<AtomicBool>);

#[async_trait]
impl Guard for Turncoat {
    async fn judge(&self, url: &str) -> Result<Reach, CourierError> {
        let is_servers = url.ends_with("/chat/completions");
        match self.0.load(Ordering::SeqCst) || is_servers {
            true => Ok(Reach::Outside),
            false => Err(CourierError::Refused("it leads inside now".into())),
        }
    }
    async fn fetch(&self, _: &str, _: usize) -> Result<Found, CourierError> {
        panic!("a server outside fetches for itself")
    }
}

#[tokio::test]
async fn adv_38_a_name_that_leads_inside_by_now_is_left_out_of_the_next_question() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let may = Arc::new(AtomicBool::new(true));
    let house = house(&directory, &upstream, Some(Arc::new(Turncoat(Arc::clone(&may))))).await;
    upstream.respond_with(|_| Reply::text("seen"));
    let url = "http://flips.example/a.png";
    ask(&house, showing(image(url))).await;
    assert_eq!(shown(&upstream)[1], json!({"type": "image_url", "image_url": {"url": url}}));
    may.store(false, Ordering::SeqCst);
    ask(&house, turn("pictures", "and now?")).await;
    let seen = upstream.requests().pop().unwrap();
    assert!(!seen.body.to_string().contains("flips"), "{}", seen.body);
    assert!(seen.body.to_string().contains("[a picture was left out: refused: it leads inside now]"), "{}", seen.body);
    house.stop().await;
}
