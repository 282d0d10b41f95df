//! Every protocol over real HTTP: what is sent, what is read, and every way to fail.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::sync::Arc;
use std::time::Duration;

use claw_core::Secret;
use claw_core::message::Message;
use claw_core::provider::{
    FinishReason, ModelEvent, ModelInfo, ModelRequest, Provider, ProviderError, Sampling, ToolChoice, Usage,
};
use claw_net::HttpClient;
use claw_providers::{Anthropic, OpenAi, Responses, Settings};
use claw_testkit::{Reply, Upstream};
use futures::StreamExt as _;

const KEY: &str = "hunter2-secret";

const CHAT: &str = include_str!("../src/openai/streams/openai.sse");
const MESSAGES: &str = include_str!("../src/anthropic/streams/thinking.sse");
const RESPONSE: &str = include_str!("../src/responses/streams/text.sse");

/// Each protocol, and a stream it understands.
fn wires(base_url: &str) -> [(Arc<dyn Provider>, &'static str); 3] {
    claw_net::install_crypto();
    let net = claw_net::Settings { first_byte_ms: 200, idle_ms: 200, ..claw_net::Settings::default() };
    let client = HttpClient::new(net).unwrap();
    let settings = |id: &str| Settings {
        api_key: Some(Secret::new(KEY)),
        models: vec![ModelInfo::named("mini")],
        ..Settings::new(id, base_url)
    };
    [
        (Arc::new(OpenAi::new(settings("p"), client.clone()).unwrap()), CHAT),
        (Arc::new(Anthropic::new(settings("p"), client.clone()).unwrap()), MESSAGES),
        (Arc::new(Responses::new(settings("p"), client).unwrap()), RESPONSE),
    ]
}

fn question(text: &str) -> ModelRequest {
    ModelRequest {
        model: "mini".into(),
        messages: [Message::user(text)].into(),
        tools: [].into(),
        tool_choice: ToolChoice::Auto,
        sampling: Sampling::default(),
        thinking: None,
        conversation: "c".into(),
        stream: true,
    }
}

async fn ask(provider: &dyn Provider) -> Vec<Result<ModelEvent, ProviderError>> {
    ask_for(provider, "hi").await
}

async fn ask_for(provider: &dyn Provider, text: &str) -> Vec<Result<ModelEvent, ProviderError>> {
    provider.stream(question(text)).collect().await
}

#[tokio::test]
async fn a_stream_is_read_to_its_end_and_the_key_is_sent_as_the_protocol_wants() {
    let upstream = Upstream::start().await;
    let usages = [(9, 4, 5, 0, 0), (33, 17, 20, 10, 0), (11, 6, 4, 0, 2)];
    for ((provider, stream), counted) in wires(&upstream.base_url()).into_iter().zip(usages) {
        upstream.script([Reply::verbatim("text/event-stream", stream)]);
        let events: Vec<ModelEvent> = ask(&*provider).await.into_iter().map(Result::unwrap).collect();
        let (input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens) = counted;
        let usage = ModelEvent::Usage(Usage {
            input_tokens,
            output_tokens,
            cached_tokens,
            cache_write_tokens,
            reasoning_tokens,
        });
        assert_eq!(events[events.len() - 2..], [usage, ModelEvent::Done(FinishReason::Stop)]);
        assert!(events.iter().any(|event| matches!(event, ModelEvent::Text(text) if text.starts_with("Grüße"))));
    }
    let requests = upstream.requests();
    let header = |place: usize, name: &str| requests[place].headers.get(name).map(|value| value.to_str().unwrap());
    let bearer = format!("Bearer {KEY}");
    assert_eq!([0, 2].map(|place| header(place, "authorization")), [Some(bearer.as_str()); 2]);
    assert_eq!((header(1, "x-api-key"), header(1, "anthropic-version")), (Some(KEY), Some("2023-06-01")));
    assert_eq!(header(1, "authorization"), None);
}

#[tokio::test]
async fn every_protocol_tells_every_failure_alike() {
    let upstream = Upstream::start().await;
    let status = |status, message: &str, retry_after| ProviderError::Status {
        provider: "p".into(),
        status,
        message: message.into(),
        retry_after,
    };
    let timeout = |phase| ProviderError::Timeout { provider: "p".into(), phase, seconds: 1 };
    for (provider, stream) in wires(&upstream.base_url()) {
        let cut = &stream[..stream.len() / 2];
        let table = [
            (Reply::status(500, "broken"), status(500, "broken", None)),
            (Reply::status(429, "slow").retry_after("7"), status(429, "slow", Some(Duration::from_secs(7)))),
            (Reply::status(401, format!("bad key {KEY}")), status(401, "bad key ***", None)),
            (Reply::silence(), timeout("first byte")),
            (
                Reply::verbatim("text/event-stream", cut),
                ProviderError::Interrupted {
                    provider: "p".into(),
                    cause: "the answer ended before it was finished".into(),
                },
            ),
        ];
        for (reply, expected) in table {
            upstream.script([reply]);
            let events = ask(&*provider).await;
            assert_eq!(events.last(), Some(&Err(expected)), "{events:?}");
            assert!(!events.iter().any(|event| matches!(event, Ok(ModelEvent::Done(_)))));
        }
        upstream.script([Reply::verbatim("text/event-stream", "data: {broken\n\n")]);
        let events = ask(&*provider).await;
        assert!(
            matches!(&events[..], [Err(ProviderError::Interrupted { cause, .. })] if cause.contains("unreadable")),
            "{events:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_unreachable_in_every_protocol() {
    let upstream = Upstream::start().await;
    let wires = wires(&upstream.base_url());
    upstream.stop().await;
    for (provider, _) in wires {
        let events = ask(&*provider).await;
        assert!(matches!(&events[..], [Err(ProviderError::Unreachable { .. })]), "{events:?}");
    }
}

/// What an answer says before its end, letters in one text.
fn told(events: &[Result<ModelEvent, ProviderError>]) -> (String, String, Vec<ModelEvent>) {
    let (mut text, mut thoughts, mut others) = (String::new(), String::new(), Vec::new());
    for event in events.iter().flatten() {
        match event {
            ModelEvent::Text(more) => text.push_str(more),
            ModelEvent::Thinking(more) => thoughts.push_str(more),
            ModelEvent::Usage(_) | ModelEvent::Done(_) => {}
            other => others.push(other.clone()),
        }
    }
    (text, thoughts, others)
}

/// Issue 4: streams cut at every byte. Nothing is doubled or invented, and the end is an error of the class of what
/// broke off, unless the server had said that it finished.
#[tokio::test]
async fn a_connection_that_ends_at_any_byte_tells_a_part_and_an_error() {
    let upstream = Upstream::start().await;
    for (provider, stream) in wires(&upstream.base_url()) {
        upstream.respond_with(move |seen| {
            let asked = seen.body.to_string();
            let digits = asked.split("cut-").nth(1).unwrap().bytes().take_while(u8::is_ascii_digit).count();
            let cut: usize = asked.split("cut-").nth(1).unwrap()[..digits].parse().unwrap();
            Reply::verbatim("text/event-stream", &stream.as_bytes()[..cut])
        });
        let answers = (0..=stream.len()).map(|cut| {
            let provider = Arc::clone(&provider);
            async move { (cut, ask_for(&*provider, &format!("cut-{cut}")).await) }
        });
        let mut answers: Vec<_> = futures::stream::iter(answers).buffer_unordered(16).collect().await;
        answers.sort_by_key(|(cut, _)| *cut);
        let (_, whole) = answers.last().unwrap();
        assert!(matches!(whole.last(), Some(Ok(ModelEvent::Done(_)))), "{whole:?}");
        let (text, thoughts, others) = told(whole);
        let mut is_done = false;
        for (cut, events) in &answers {
            let said = told(events);
            assert!(text.starts_with(&said.0) && thoughts.starts_with(&said.1) && others.starts_with(&said.2), "{cut}");
            let (last, before) = events.split_last().unwrap();
            assert!(before.iter().all(|event| !matches!(event, Err(_) | Ok(ModelEvent::Done(_)))), "{cut}: {events:?}");
            match last {
                Ok(ModelEvent::Done(_)) => is_done = true,
                Err(error @ ProviderError::Interrupted { .. }) if !is_done => assert!(error.is_retryable(), "{error}"),
                other => panic!("cut at {cut}: {other:?}"),
            }
        }
        assert!(is_done && told(&answers[0].1) == (String::new(), String::new(), vec![]));
    }
}

/// Silence ends an answer, however short the whole of it is; an answer that goes on is never too long.
#[tokio::test]
async fn an_answer_that_goes_on_may_take_longer_than_any_silence() {
    let upstream = Upstream::start().await;
    let [(provider, _), ..] = wires(&upstream.base_url());
    upstream.script([Reply::chunks(["x"; 12]).paced(Duration::from_millis(60))]);
    let began = std::time::Instant::now();
    let events = ask(&*provider).await;
    assert_eq!(told(&events).0, "x".repeat(12), "{events:?}");
    assert!(began.elapsed() > Duration::from_millis(600), "three times as long as a silence may be");
    assert!(matches!(events.last(), Some(Ok(ModelEvent::Done(_)))), "{events:?}");
}

/// Of an answer that comes whole nothing is heard before it is made, so its silence tells nothing.
#[tokio::test]
async fn an_answer_that_comes_whole_may_begin_later_than_a_stream() {
    let upstream = Upstream::start().await;
    for (provider, stream) in wires(&upstream.base_url()) {
        let late = || Reply::verbatim("text/event-stream", stream).late(Duration::from_millis(500));
        upstream.script([late(), late()]);
        let whole = ModelRequest { stream: false, ..question("hi") };
        let events: Vec<_> = provider.stream(whole).collect().await;
        assert!(matches!(events.last(), Some(Ok(ModelEvent::Done(_)))), "{events:?}");
        let events = ask(&*provider).await;
        assert!(matches!(events[..], [Err(ProviderError::Timeout { phase: "first byte", .. })]), "{events:?}");
    }
}

/// Every level has its word in every protocol; nothing said leaves it to the model.
#[tokio::test]
async fn every_level_of_thinking_is_said_as_each_protocol_has_it() {
    use claw_core::provider::Thinking;
    let upstream = Upstream::start().await;
    let levels = [Thinking::Off, Thinking::Minimal, Thinking::Low, Thinking::Medium, Thinking::High];
    let mut told = Vec::new();
    for (provider, stream) in wires(&upstream.base_url()) {
        for level in std::iter::once(None).chain(levels.map(Some)) {
            upstream.script([Reply::verbatim("text/event-stream", stream)]);
            let _events: Vec<_> = provider.stream(ModelRequest { thinking: level, ..question("hi") }).collect().await;
            let body = upstream.requests().pop().unwrap().body;
            let said = [&body["reasoning_effort"], &body["thinking"]["budget_tokens"], &body["reasoning"]["effort"]];
            told.push(said.into_iter().find(|said| !said.is_null()).cloned().unwrap_or_default());
        }
    }
    let words = serde_json::json!([null, null, "minimal", "low", "medium", "high"]);
    let budgets = serde_json::json!([null, null, 1024, 4096, 10_240, 24_576]);
    let expected: Vec<_> =
        [&words, &budgets, &words].into_iter().flat_map(|row| row.as_array().unwrap().clone()).collect();
    assert_eq!(told, expected);
}
