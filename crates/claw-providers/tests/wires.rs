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

async fn ask(provider: &dyn Provider) -> Vec<Result<ModelEvent, ProviderError>> {
    let request = ModelRequest {
        model: "mini".into(),
        messages: [Message::user("hi")].into(),
        tools: [].into(),
        tool_choice: ToolChoice::Auto,
        sampling: Sampling::default(),
        thinking: None,
        conversation: "c".into(),
        stream: true,
    };
    provider.stream(request).collect().await
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
