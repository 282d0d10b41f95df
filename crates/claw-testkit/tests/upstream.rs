//! The scripted upstream keeps its own promises; what it does to a provider is tested there.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

use claw_net::{HttpClient, Request, Response};
use claw_testkit::upstream::Settings;
use claw_testkit::{Gate, Reply, Upstream};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

fn client() -> HttpClient {
    claw_net::install_crypto();
    HttpClient::new(claw_net::Settings::default()).unwrap()
}

fn request(url: &str, method: Method, body: &Value) -> Request {
    Request { method, url: url.parse().unwrap(), headers: HeaderMap::new(), body: body.to_string().into() }
}

async fn post(upstream: &Upstream, body: &Value) -> Response {
    let url = upstream.base_url() + "/chat/completions";
    client().send(request(&url, Method::POST, body)).await.unwrap()
}

async fn text(mut response: Response) -> String {
    String::from_utf8(response.read_whole(1_000_000).await.unwrap().to_vec()).unwrap()
}

async fn answer(upstream: &Upstream, words: &str) -> Value {
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": words }] });
    serde_json::from_str(&text(post(upstream, &body).await).await).unwrap()
}

fn content(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test]
async fn a_stream_has_openais_shape() {
    let upstream = Upstream::start().await;
    let body = json!({
        "model": "m", "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "a b" }] }],
    });
    let response = post(&upstream, &body).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let chunk = |rest: &str| {
        format!(
            r#"data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":0,"model":"m","choices":{rest}}}"#
        )
    };
    let expected = [
        chunk(r#"[{"delta":{"content":"a "},"finish_reason":null,"index":0}]"#),
        chunk(r#"[{"delta":{"content":"b"},"finish_reason":null,"index":0}]"#),
        chunk(r#"[{"delta":{},"finish_reason":"stop","index":0}]"#),
        chunk(r#"[],"usage":{"completion_tokens":2,"prompt_tokens":2,"total_tokens":4}"#),
        "data: [DONE]".to_owned(),
        String::new(),
    ];
    assert_eq!(text(response).await, expected.join("\n\n"));
}

#[tokio::test]
async fn the_script_comes_first_and_then_the_responder() {
    let upstream = Upstream::start().await;
    upstream.script([Reply::text("scripted"), Reply::tool_call("clock", "{}").and_tool_call("scale", "{}")]);
    upstream.respond_with(|seen| Reply::text(format!("{} of {}", seen.number, seen.model())));
    assert_eq!(content(&answer(&upstream, "x").await), "scripted");
    assert_eq!(upstream.script_left(), 1);
    let calls = answer(&upstream, "x").await["choices"][0]["message"]["tool_calls"].clone();
    assert_eq!((&calls[0]["id"], &calls[1]["id"]), (&json!("call_2_0"), &json!("call_2_1")));
    assert_eq!(content(&answer(&upstream, "x").await), "3 of m");
}

#[tokio::test]
async fn gates_hold_an_answer_at_its_head_and_at_its_end() {
    let upstream = Upstream::start().await;
    let (head, end) = (Gate::new(), Gate::new());
    upstream.script([Reply::text("through").held(&head).held_before_end(&end)]);
    let asked = answer(&upstream, "x");
    let opener = async {
        head.reached_by(1).await;
        assert_eq!((end.waiting(), upstream.counts().answers), (0, 1));
        head.open(1);
        end.reached_by(1).await;
        end.open_for_good();
    };
    let (answered, ()) = futures::join!(asked, opener);
    assert_eq!(content(&answered), "through");
    end.pass().await;
    upstream.answered().await;
}

#[tokio::test]
async fn only_so_many_requests_are_remembered() {
    let upstream = Upstream::start_with(Settings { port: 0, requests_kept_max: 1 }).await.unwrap();
    answer(&upstream, "first").await;
    answer(&upstream, "second").await;
    let kept = upstream.requests();
    assert_eq!((kept.len(), kept[0].last_user().as_str(), upstream.counts().requests), (1, "second", 2));
}

#[tokio::test]
async fn other_addresses_are_answered_too() {
    let upstream = Upstream::start().await;
    let models = client().send(request(&(upstream.base_url() + "/models"), Method::GET, &json!(null))).await.unwrap();
    assert!(text(models).await.contains("scripted"));
    let unknown = client().send(request(&(upstream.base_url() + "/none"), Method::GET, &json!(null))).await.unwrap();
    assert_eq!(unknown.status().as_u16(), 404);
}

#[tokio::test]
async fn a_stopped_upstream_refuses() {
    let upstream = Upstream::start().await;
    let url = upstream.base_url() + "/models";
    upstream.stop().await;
    client().send(request(&url, Method::GET, &json!(null))).await.unwrap_err();
}
