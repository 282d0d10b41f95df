//! The provider against a real server that behaves well and badly.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::sync::Arc;
use std::time::Duration;

use claw_core::Secret;
use claw_core::message::{JsonText, Message, ToolCall};
use claw_core::provider::{
    FinishReason, ModelEvent, ModelInfo, ModelRequest, Provider, ProviderError, Sampling, Thinking, ToolChoice,
    ToolSpec, Usage,
};
use claw_net::HttpClient;
use claw_providers::{OpenAi, Settings};
use claw_testkit::{Gate, Reply, Upstream};
use futures::StreamExt as _;
use serde_json::json;

const KEY: &str = "hunter2-secret";

fn provider_with(base_url: String, net: claw_net::Settings) -> OpenAi {
    claw_net::install_crypto();
    let settings = Settings {
        api_key: Some(Secret::new(KEY)),
        models: vec![ModelInfo::named("mini")],
        headers: vec![("x-team".into(), Secret::new("blue-team"))],
        ..Settings::new("p", base_url)
    };
    OpenAi::new(settings, HttpClient::new(net).unwrap()).unwrap()
}

fn provider(upstream: &Upstream) -> OpenAi {
    provider_with(upstream.base_url(), claw_net::Settings::default())
}

fn question(text: &str, stream: bool) -> ModelRequest {
    ModelRequest {
        model: "mini".into(),
        messages: Arc::new([Message::user(text)]),
        tools: Arc::new([]),
        tool_choice: ToolChoice::Auto,
        sampling: Sampling::default(),
        thinking: None,
        conversation: "c".into(),
        stream,
    }
}

async fn ask(provider: &OpenAi, request: ModelRequest) -> Vec<Result<ModelEvent, ProviderError>> {
    provider.stream(request).collect().await
}

/// The only event of an answer that failed at once.
async fn refusal(upstream: &Upstream, reply: Reply) -> ProviderError {
    upstream.script([reply]);
    let mut events = ask(&provider(upstream), question("hi", true)).await;
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0).unwrap_err()
}

fn text(text: &str) -> Result<ModelEvent, ProviderError> {
    Ok(ModelEvent::Text(text.into()))
}

fn end(input_tokens: u64, output_tokens: u64) -> [Result<ModelEvent, ProviderError>; 2] {
    let usage = Usage { input_tokens, output_tokens, ..Usage::default() };
    [Ok(ModelEvent::Usage(usage)), Ok(ModelEvent::Done(FinishReason::Stop))]
}

fn interrupted(cause: &str) -> Result<ModelEvent, ProviderError> {
    Err(ProviderError::Interrupted { provider: "p".into(), cause: cause.into() })
}

#[tokio::test]
async fn an_answer_is_streamed_or_whole_and_says_the_same() {
    let upstream = Upstream::start().await;
    let provider = provider(&upstream);
    let streamed = ask(&provider, question("one two", true)).await;
    assert_eq!(streamed, [vec![text("one "), text("two")], end(2, 2).to_vec()].concat());
    let whole = ask(&provider, question("one two", false)).await;
    assert_eq!(whole, [vec![text("one two")], end(2, 2).to_vec()].concat());

    let seen = upstream.requests();
    assert_eq!((seen[0].is_streamed(), seen[1].is_streamed()), (true, false));
    assert_eq!(seen[0].header("authorization"), "Bearer hunter2-secret");
    assert_eq!(seen[0].header("x-team"), "blue-team");
    assert_eq!(seen[0].body["messages"], json!([{"role": "user", "content": "one two"}]));
    assert_eq!((provider.id(), provider.models()[0].name.as_str()), ("p", "mini"));
    assert_eq!(upstream.counts().connections, 1, "the second request used the first one's connection");
}

#[tokio::test]
async fn a_long_question_is_sent_whole_with_its_length_before_it() {
    let upstream = Upstream::start().await;
    let long = "\u{e4} \"word\"\n".repeat(50_000);
    upstream.script([Reply::text("so it is")]);
    let answered = ask(&provider(&upstream), question(&long, true)).await;
    assert!(matches!(answered.last(), Some(Ok(ModelEvent::Done(FinishReason::Stop)))), "{answered:?}");
    let seen = upstream.requests();
    assert_eq!(seen[0].body["messages"], json!([{"role": "user", "content": long}]));
    let length: usize = seen[0].header("content-length").parse().unwrap();
    assert!(length > long.len());
}

#[tokio::test]
async fn nothing_is_sent_before_the_stream_is_polled() {
    let upstream = Upstream::start().await;
    let stream = provider(&upstream).stream(question("hi", true));
    tokio::task::yield_now().await;
    assert_eq!(upstream.counts().requests, 0);
    drop(stream);
}

#[tokio::test]
async fn each_chunk_arrives_when_it_is_sent() {
    let upstream = Upstream::start().await;
    let gate = Gate::new();
    upstream.script([Reply::chunks(["a", "b"]).gated(&gate)]);
    let mut stream = provider(&upstream).stream(question("hi", true));
    for expected in ["a", "b"] {
        gate.open(1);
        assert_eq!(stream.next().await.unwrap(), text(expected));
    }
}

#[tokio::test]
async fn tool_calls_come_whole_and_their_results_go_back() {
    let upstream = Upstream::start().await;
    let reply = || Reply::tool_call("clock", r#"{"zone":"Oslo"}"#).saying("let me look").thinking("hm");
    upstream.script([reply(), reply(), Reply::text("noon")]);
    let provider = provider(&upstream);
    let mut request = question("time?", true);
    let schema = JsonText::new(r#"{"type":"object"}"#);
    request.tools = Arc::new([ToolSpec::new("clock", "", schema)]);
    let call =
        |id: &str| ToolCall { id: id.into(), name: "clock".into(), arguments: JsonText::new(r#"{"zone":"Oslo"}"#) };
    for (id, stream) in [("call_1_0", true), ("call_2_0", false)] {
        request.stream = stream;
        let events: Vec<ModelEvent> = ask(&provider, request.clone()).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(events[0], ModelEvent::Thinking("hm".into()));
        assert_eq!(events[1], ModelEvent::Text("let me look".into()));
        assert_eq!(events[2], ModelEvent::ToolCall(call(id)));
        assert_eq!(events[3], ModelEvent::Thoughts(JsonText::new(r#"{"reasoning_content":"hm"}"#)));
        assert_eq!(events.last(), Some(&ModelEvent::Done(FinishReason::ToolCalls)));
    }
    let answered = [
        Message::user("time?"),
        Message::assistant("", vec![call("call_1_0")]),
        Message::Tool { call_id: "call_1_0".into(), text: "12:00".into(), is_error: false },
    ];
    request.messages = Arc::new(answered);
    assert_eq!(ask(&provider, request).await[0], text("noon"));
    let last = upstream.requests().pop().unwrap();
    assert_eq!(last.last_role(), "tool");
    assert_eq!(last.body["messages"][2], json!({"role": "tool", "tool_call_id": "call_1_0", "content": "12:00"}));
}

#[tokio::test]
async fn a_refusal_carries_status_words_and_wait_but_no_key() {
    let upstream = Upstream::start().await;
    let status = |status, message: &str, retry_after| ProviderError::Status {
        provider: "p".into(),
        status,
        message: message.into(),
        retry_after,
    };
    assert_eq!(
        refusal(&upstream, Reply::status(429, "slow down").retry_after("7")).await,
        status(429, "slow down", Some(Duration::from_secs(7)))
    );
    assert_eq!(refusal(&upstream, Reply::status(500, "broken")).await, status(500, "broken", None));
    assert_eq!(
        refusal(&upstream, Reply::status(401, format!("bad key {KEY} of blue-team, like sk-abc"))).await,
        status(401, "bad key *** of ***, like ***", None)
    );
    let long = refusal(&upstream, Reply::status(400, "long ".repeat(50_000))).await;
    assert!(matches!(&long, ProviderError::Status { message, .. } if message.len() <= 1024), "{long:?}");
    let elsewhere = refusal(&upstream, Reply::status(307, "").header("location", "http://127.0.0.1:1/")).await;
    assert!(matches!(&elsewhere, ProviderError::Status { status: 307, message, .. } if message.contains("base URL")));
}

#[tokio::test]
async fn what_breaks_off_keeps_its_text_and_is_never_done() {
    let upstream = Upstream::start().await;
    let provider = provider(&upstream);
    let two = || Reply::chunks(["a", "b", "c"]);
    upstream.script([
        two().cut_after(2),
        two().garbage_after(2),
        two().error_after(2, "melted"),
        two().finish("").without_done(),
    ]);
    for cause in ["broke", "unreadable answer", "it said: melted", "ended before it was finished"] {
        let events = ask(&provider, question("hi", true)).await;
        assert_eq!(events[..2], [text("a"), text("b")]);
        let failure = events.last().unwrap().clone().unwrap_err();
        assert!(
            matches!(&failure, ProviderError::Interrupted { cause: said, .. } if said.contains(cause)),
            "{failure}"
        );
        assert!(!events.iter().any(|event| matches!(event, Ok(ModelEvent::Done(_)))), "{events:?}");
    }
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off_is_an_error() {
    let upstream = Upstream::start().await;
    let provider = provider(&upstream);
    upstream.script([Reply::text("a").cut_after(1), Reply::garbage()]);
    for _bad in 0..2 {
        let events = ask(&provider, question("hi", false)).await;
        assert!(matches!(events[..], [Err(ProviderError::Interrupted { .. })]), "{events:?}");
    }
}

#[tokio::test]
async fn servers_that_end_without_done_or_answer_in_another_form_are_understood() {
    let upstream = Upstream::start().await;
    let provider = provider(&upstream);
    let body = r#"{"choices":[{"message":{"content":"whole"},"finish_reason":"stop"}]}"#;
    upstream.script([
        Reply::text("a").without_done(),
        Reply::verbatim("application/json", body),
        Reply::verbatim("text/event-stream", body),
        Reply::verbatim("text/html", "<html>proxy</html>"),
        Reply::verbatim("text/event-stream", ""),
    ]);
    let done = Ok(ModelEvent::Done(FinishReason::Stop));
    assert_eq!(ask(&provider, question("hi", true)).await.last(), Some(&done));
    for _form in 0..2 {
        assert_eq!(ask(&provider, question("hi", true)).await, [text("whole"), done.clone()]);
    }
    let html = ask(&provider, question("hi", true)).await;
    assert_eq!(html, [interrupted("no answer of a model came, but \"text/html\"")]);
    let nothing = ask(&provider, question("hi", true)).await;
    assert_eq!(nothing, [interrupted("the answer ended before it was finished")]);
}

#[tokio::test]
async fn silence_ends_in_the_phase_it_fell_in() {
    let upstream = Upstream::start().await;
    let timeout = |phase| Err(ProviderError::Timeout { provider: "p".into(), phase, seconds: 1 });
    upstream.script([Reply::silence(), Reply::chunks(["a", "b"]).stall_after(1)]);
    let mute = claw_net::Settings { first_byte_ms: 100, ..claw_net::Settings::default() };
    let mute = provider_with(upstream.base_url(), mute);
    assert_eq!(ask(&mute, question("hi", true)).await, [timeout("first byte")]);
    let stalling = claw_net::Settings { idle_ms: 300, ..claw_net::Settings::default() };
    let stalling = provider_with(upstream.base_url(), stalling);
    assert_eq!(ask(&stalling, question("hi", true)).await, [text("a"), timeout("next byte")]);
    upstream.answered().await;
}

/// Who reasons is silent meanwhile: such a stream has half of the time that a whole answer has.
#[tokio::test]
async fn a_model_that_reasons_may_be_silent_for_longer() {
    let upstream = Upstream::start().await;
    upstream.respond_with(|_| Reply::text("well").late(Duration::from_millis(400)));
    let net = claw_net::Settings { first_byte_ms: 100, idle_ms: 100, ..claw_net::Settings::default() };
    let models = vec![ModelInfo::named("mini"), ModelInfo { thinking: Some(true), ..ModelInfo::named("own") }];
    let settings = Settings { models, ..Settings::new("p", upstream.base_url()) };
    claw_net::install_crypto();
    let provider = OpenAi::new(settings, HttpClient::new(net).unwrap()).unwrap();
    for (model, thinking, is_heard) in [
        ("mini", None, false),
        ("mini", Some(Thinking::Off), false),
        ("mini", Some(Thinking::Low), true),
        ("own", None, true),
        ("o4-mini", None, true),
        ("deepseek-reasoner", None, true),
    ] {
        let request = ModelRequest { model: model.into(), thinking, ..question("hi", true) };
        assert_eq!(ask(&provider, request).await[0].is_ok(), is_heard, "{model} {thinking:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_unreachable() {
    let upstream = Upstream::start().await;
    let provider = provider(&upstream);
    upstream.stop().await;
    let events = ask(&provider, question("hi", true)).await;
    assert!(matches!(&events[..], [Err(ProviderError::Unreachable { .. })]), "{events:?}");
}

#[tokio::test]
async fn whoever_leaves_closes_the_upstream_within_a_second() {
    let upstream = Upstream::start().await;
    let provider = provider(&upstream);
    upstream.script([Reply::chunks(["a", "b"]).stall_after(1), Reply::silence(), Reply::silence()]);

    let mut midway = provider.stream(question("hi", true));
    assert_eq!(midway.next().await.unwrap(), text("a"));
    drop(midway);
    assert!(upstream.wait_within(Duration::from_secs(1), |counts| counts.answers == 0).await);

    for stream in [true, false] {
        let mut early = provider.stream(question("hi", stream));
        let asked = upstream.counts().requests + 1;
        tokio::select! {
            event = early.next() => panic!("silence said {event:?}"),
            () = upstream.requested(asked) => {}
        }
        drop(early);
        assert!(upstream.wait_within(Duration::from_secs(1), |counts| counts.connections == 0).await);
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_written_is_not_sent() {
    let upstream = Upstream::start().await;
    let mut request = question("hi", true);
    request.sampling.response_format = Some(JsonText::new("{"));
    let events = ask(&provider(&upstream), request).await;
    let cause = "response_format is not JSON".to_owned();
    assert_eq!(events, [Err(ProviderError::Unsupported { provider: "p".into(), cause })]);
    assert_eq!(upstream.counts().requests, 0);
}
