//! Limits on generation, by key (K19, C45, C46).

use std::sync::Arc;
use std::time::Duration;

use claw_app::limiter::{Quota, Quotas};
use claw_core::Scope;
use claw_testkit::{FakeClock, Gate, Reply as Scripted, WsClient};
use serde_json::{Value, json};

use crate::house::{House, Plan, TOKEN};
use crate::http::{Http, Reply};
use crate::responses_socket::{create, frame};

const CHAT: &str = "/v1/chat/completions";

fn ask() -> Value {
    json!({"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]})
}

fn streamed() -> Value {
    json!({"model": "openclaw", "stream": true, "messages": [{"role": "user", "content": "hi"}]})
}

/// Every door behind which a model is asked while the caller waits.
fn doors() -> [(&'static str, Value); 7] {
    [
        (CHAT, ask()),
        (CHAT, streamed()),
        ("/v1/responses", json!({"model": "openclaw", "input": "hi"})),
        ("/v1/responses/compact", json!({"model": "openclaw", "input": "hi"})),
        ("/v1/agent/run", json!({"message": "hi"})),
        ("/v1/agent/run/stream", json!({"message": "hi"})),
        ("/v1/embeddings", json!({"model": "mock/mock-1", "input": "hi"})),
    ]
}

async fn house(operator: Quota, api_keys: Quota) -> (House, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::default());
    let mut plan = Plan::new().by(Arc::clone(&clock));
    plan.quotas = Quotas { operator, api_keys, ..Quotas::NONE };
    (plan.build().await, clock)
}

const fn quota(requests_per_minute: u32, concurrent_max: u32) -> Quota {
    Quota { requests_per_minute, concurrent_max, ..Quota::NONE }
}

async fn with_key(house: &House) -> Http {
    let (_, key) = house.key(&[Scope::Write]).await;
    Http::new(house.address, &[("authorization", &format!("Bearer {key}"))])
}

fn limits(reply: &Reply) -> [Option<&str>; 3] {
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(|name| reply.header(name))
}

#[tokio::test]
async fn the_hundred_and_first_request_of_a_minute_is_429_and_retry_after_is_true() {
    let (house, clock) = house(Quota::default(), Quota::default()).await;
    for left in (0..100).rev() {
        let reply = house.http().post(CHAT, &ask()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(limits(&reply), [Some("100"), Some(left.to_string().as_str()), Some("60")]);
    }
    clock.advance(Duration::from_millis(14_300));
    let refused = house.http().post(CHAT, &ask()).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    assert_eq!(limits(&refused), [Some("100"), Some("0"), Some("46")]);
    assert_eq!(refused.header("retry-after"), Some("46"));
    let error = &refused.json()["error"];
    assert_eq!(error["type"], json!("rate_limit_error"));
    assert_eq!((&error["retryable"], &error["retryAfterMs"]), (&json!(true), &json!(45_700)));
    assert_eq!(house.upstream.requests().len(), 100, "nobody was asked");
    clock.advance(Duration::from_secs(45));
    assert_eq!(house.http().post(CHAT, &ask()).await.status, 429, "a second too early");
    clock.advance(Duration::from_secs(1));
    assert_eq!(house.http().post(CHAT, &ask()).await.status, 200, "as long as it said");
    house.stop().await;
}

#[tokio::test]
async fn the_eleventh_answer_at_once_is_429_and_a_cut_stream_gives_its_place_back() {
    let (house, _clock) = house(quota(0, 10), quota(0, 10)).await;
    let held = Gate::new();
    let stream_gate = held.clone();
    house.upstream.respond_with(move |_| Scripted::chunks(["one ", "two"]).held_before_end(&stream_gate));
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut open = house.http().stream(CHAT, &streamed()).await;
        open.until("one ").await;
        streams.push(open);
    }
    let refused = house.http().post(CHAT, &ask()).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(limits(&refused), [None, None, None], "requests are not counted here");
    // The key of somebody else has its own places.
    house.upstream.script([Scripted::text("well")]);
    assert_eq!(with_key(&house).await.post(CHAT, &ask()).await.status, 200);
    drop(streams.pop());
    house.upstream.wait_within(Duration::from_secs(10), |counts| counts.answers == 9).await;
    held.open_for_good();
    let reply = until_admitted(&house, &ask()).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    for open in streams {
        assert!(open.reply().await.text.ends_with("[DONE]\n\n"));
    }
    house.stop().await;
}

/// A place is free a moment after whoever had it has gone.
async fn until_admitted(house: &House, body: &Value) -> Reply {
    let admitted = async {
        loop {
            let reply = house.http().post(CHAT, body).await;
            if reply.status != 429 {
                return reply;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), admitted).await.expect("the place comes back")
}

#[tokio::test]
async fn places_come_back_however_an_answer_ends() {
    let (house, _clock) = house(quota(0, 1), Quota::NONE).await;
    for scripted in [
        Scripted::text("well"),
        Scripted::status(400, "no"),
        Scripted::chunks(["one ", "two"]).cut_after(1),
        Scripted::garbage(),
    ] {
        for (path, body) in doors() {
            house.upstream.script(vec![scripted.clone()]);
            let reply = house.http().stream(path, &body).await.reply().await;
            assert_ne!(reply.status, 429, "{path} with {scripted:?}: {}", reply.text);
            while house.upstream.script_left() > 0 {
                house.http().post(CHAT, &ask()).await;
            }
        }
    }
    for body in ["", "{", "[]", r#"{"messages":[]}"#, r#"{"messages":[{"role":"user","content":"x"}],"n":9}"#] {
        assert_eq!(house.http().send("POST", CHAT, Some(body)).await.status, 400);
    }
    let several = json!({"model": "openclaw", "n": 3, "messages": [{"role": "user", "content": "x"}]});
    let (wider, _clock) = self::house(quota(0, 3), Quota::NONE).await;
    for _ in 0..3 {
        assert_eq!(wider.http().post(CHAT, &several).await.status, 200);
    }
    wider.stop().await;
    house.stop().await;
}

#[tokio::test]
async fn several_answers_to_one_request_count_and_take_places_as_several() {
    let (house, _clock) = house(quota(10, 3), Quota::NONE).await;
    let held = Gate::new();
    let gate = held.clone();
    house.upstream.respond_with(move |request| {
        let reply = Scripted::chunks(["one ", "two"]);
        if request.body["stream"] == json!(true) { reply.held_before_end(&gate) } else { reply }
    });
    let several = |n: u32| json!({"model": "openclaw", "n": n, "messages": [{"role": "user", "content": "x"}]});
    let all = house.http().post(CHAT, &several(3)).await;
    assert_eq!((all.status, limits(&all)[1]), (200, Some("7")), "{}", all.text);
    let beyond = house.http().post(CHAT, &several(4)).await;
    assert_eq!((beyond.status, &beyond.json()["error"]["param"]), (400, &json!("n")));
    assert_eq!(
        beyond.json()["error"]["message"],
        json!("this key may have 3 answers generated at once, and 4 are asked for in one request")
    );
    let mut open = house.http().stream(CHAT, &streamed()).await;
    open.until("one ").await;
    let refused = house.http().post(CHAT, &several(3)).await;
    assert_eq!((refused.status, limits(&refused)[1]), (429, Some("6")), "refused whole, and nothing counted");
    let both = house.http().post(CHAT, &several(2)).await;
    assert_eq!((both.status, limits(&both)[1]), (200, Some("4")), "{}", both.text);
    held.open_for_good();
    assert!(open.reply().await.text.ends_with("[DONE]\n\n"));
    assert_eq!(limits(&house.http().post(CHAT, &several(2)).await)[1], Some("2"));
    let refused = house.http().post(CHAT, &several(3)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")));
    assert_eq!(house.upstream.requests().len(), 8);
    house.stop().await;
}

/// G4, K19.
#[tokio::test]
async fn what_is_told_again_under_its_key_is_neither_counted_nor_refused() {
    let background = json!({"model": "openclaw", "input": "hi", "background": true});
    let kept = doors().into_iter().filter(|(path, _)| *path != "/v1/embeddings");
    for (path, body) in kept.chain([("/v1/responses", background)]) {
        let (house, _clock) = house(quota(1, 1), Quota::NONE).await;
        let keyed = house.http().with("idempotency-key", "k-1");
        let first = keyed.stream(path, &body).await.reply().await;
        assert_eq!((first.status, limits(&first)[1]), (200, Some("0")), "{path}: {}", first.text);
        for _ in 0..3 {
            let again = keyed.stream(path, &body).await.reply().await;
            assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{path}");
            assert_eq!(limits(&again), [None, None, None], "{path}");
        }
        let new = house.http().with("idempotency-key", "k-2").post(path, &body).await;
        assert_eq!((new.status, new.code().as_str()), (429, "rate_limited"), "{path}");
        house.stop().await;
    }
}

/// G4: what cannot be done once is not begun under a key.
#[tokio::test]
async fn a_key_is_refused_where_nothing_is_kept_under_it() {
    let house = House::open().await;
    let invoke = json!({"tool": "session_status", "arguments": {}});
    for (path, body) in [
        ("/v1/tools/invoke", invoke.clone()),
        ("/tools/invoke", invoke),
        ("/v1/embeddings", json!({"model": "mock/mock-1", "input": "hi"})),
    ] {
        let refused = house.http().with("idempotency-key", "k-1").post(path, &body).await;
        assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("Idempotency-Key")), "{path}");
    }
    for path in ["/v1/tools/invoke", "/tools/invoke"] {
        let body = json!({"tool": "session_status", "arguments": {}, "idempotencyKey": "k-1"});
        let refused = house.http().post(path, &body).await;
        assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("idempotencyKey")), "{path}");
    }
    let params = json!({"name": "session_status", "idempotencyKey": "k-1"});
    let refused = house.socket().await.call("tools.invoke", &params).await;
    let message = "invalid tools.invoke params: at idempotencyKey: nothing obeys it here: leave it out";
    assert_eq!(refused["error"]["message"], json!(message));
    assert_eq!(house.upstream.counts().requests, 0);
    house.stop().await;
}

/// G4: what a response says is no summary of the same words.
#[tokio::test]
async fn a_key_of_a_response_is_none_of_a_compaction() {
    let house = House::open().await;
    let body = json!({"model": "openclaw", "input": "hi"});
    for (key, first, second) in
        [("k-1", "/v1/responses", "/v1/responses/compact"), ("k-2", "/v1/responses/compact", "/v1/responses")]
    {
        let keyed = house.http().with("idempotency-key", key);
        assert_eq!(keyed.post(first, &body).await.status, 200);
        let other = keyed.post(second, &body).await;
        assert_eq!((other.status, other.code().as_str()), (409, "idempotency_key_reuse"), "{second}");
    }
    house.stop().await;
}

/// G4, K19.
#[tokio::test]
async fn a_run_under_a_key_keeps_its_place_when_its_caller_hangs_up() {
    let (house, _clock) = house(quota(0, 2), Quota::NONE).await;
    let held = Gate::new();
    let gate = held.clone();
    house.upstream.respond_with(move |_| Scripted::chunks(["one ", "two"]).held_before_end(&gate));
    for key in ["k-1", "k-2"] {
        let mut open = house.http().with("idempotency-key", key).stream(CHAT, &streamed()).await;
        open.until("one ").await;
        drop(open);
    }
    for number in 0..50 {
        let more = house.http().with("idempotency-key", &format!("more-{number}")).post(CHAT, &ask()).await;
        assert_eq!((more.status, more.code().as_str()), (429, "rate_limited"), "request {number}");
    }
    // Whoever comes back finds the run, although all places are taken.
    let mut back = house.http().with("idempotency-key", "k-1").stream(CHAT, &streamed()).await;
    back.until("one ").await;
    assert_eq!(house.upstream.requests().len(), 2);
    held.open_for_good();
    assert!(back.reply().await.text.ends_with("[DONE]\n\n"));
    assert_eq!(until_admitted(&house, &ask()).await.status, 200);
    house.stop().await;
}

#[tokio::test]
async fn a_response_in_the_background_is_accepted_while_all_places_are_taken() {
    let (house, _clock) = house(quota(3, 1), Quota::NONE).await;
    let held = Gate::new();
    let gate = held.clone();
    house.upstream.respond_with(move |_| Scripted::chunks(["one ", "two"]).held_before_end(&gate));
    let mut open = house.http().stream(CHAT, &streamed()).await;
    open.until("one ").await;
    let body = json!({"model": "openclaw", "input": "hi", "background": true});
    for left in ["1", "0"] {
        let reply = house.http().post("/v1/responses", &body).await;
        assert_eq!((reply.status, limits(&reply)[1]), (200, Some(left)), "{}", reply.text);
    }
    assert_eq!(house.http().post("/v1/responses", &body).await.status, 429);
    held.open_for_good();
    assert!(open.reply().await.text.ends_with("[DONE]\n\n"));
    house.upstream.requested(3).await;
    house.upstream.answered().await;
    house.stop().await;
}

#[tokio::test]
async fn every_door_to_a_model_is_counted_and_nothing_else() {
    for (path, body) in doors() {
        let (house, _clock) = house(quota(1, 1), Quota::NONE).await;
        let first = house.http().post(path, &body).await;
        assert_eq!(limits(&first), [Some("1"), Some("0"), Some("60")], "{path}: {}", first.text);
        let second = house.http().post(path, &body).await;
        assert_eq!((second.status, second.code().as_str()), (429, "rate_limited"), "{path}");
        for free in ["/status", "/v1/models", "/v1/sessions", "/v2/tasks", "/health"] {
            let reply = house.http().get(free).await;
            assert_eq!((reply.status, limits(&reply)), (200, [None, None, None]), "{free}");
        }
        let stranger = house.stranger().post(path, &body).await;
        assert_eq!((stranger.status, limits(&stranger)), (401, [None, None, None]));
        house.stop().await;
    }
}

#[tokio::test]
async fn tasks_queue_and_are_neither_counted_nor_refused() {
    let (house, _clock) = house(quota(1, 1), quota(1, 1)).await;
    let key = with_key(&house).await;
    for http in [house.http(), key] {
        assert_eq!(http.post(CHAT, &ask()).await.status, 200);
        assert_eq!(http.post(CHAT, &ask()).await.status, 429);
        for number in 0..30 {
            let task = json!({"type": "agent", "input": {"message": format!("task {number}")}});
            let reply = http.post("/v2/tasks", &task).await;
            assert_eq!((reply.status, limits(&reply)), (202, [None, None, None]), "{}", reply.text);
            let id = reply.json()["id"].as_str().unwrap().to_owned();
            assert_eq!(http.get(&format!("/v2/tasks/{id}")).await.status, 200);
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn a_response_in_the_background_is_counted_and_takes_no_place() {
    let (house, _clock) = house(quota(3, 1), Quota::NONE).await;
    let gate = Gate::new();
    let held = gate.clone();
    house.upstream.respond_with(move |_| Scripted::text("well").held(&held));
    let body = json!({"model": "openclaw", "input": "hi", "background": true});
    for left in ["2", "1", "0"] {
        let reply = house.http().post("/v1/responses", &body).await;
        assert_eq!((reply.status, limits(&reply)[1]), (200, Some(left)), "{}", reply.text);
    }
    assert_eq!(house.http().post("/v1/responses", &body).await.status, 429);
    gate.open_for_good();
    house.upstream.requested(3).await;
    house.upstream.answered().await;
    house.stop().await;
}

#[tokio::test]
async fn each_response_of_a_socket_is_counted() {
    let (house, clock) = house(quota(1, 1), Quota::NONE).await;
    let bearer = format!("Bearer {TOKEN}");
    let mut socket = WsClient::open(house.address, "/v1/responses", &[("authorization", &bearer)]).await.unwrap();
    let body = json!({"model": "openclaw", "input": "hi", "store": false});
    create(&mut socket, body.clone()).await;
    while frame(&mut socket).await["type"] != "response.completed" {}
    create(&mut socket, body.clone()).await;
    let error = frame(&mut socket).await;
    assert_eq!((&error["status"], &error["error"]["code"]), (&json!(429), &json!("rate_limited")), "{error}");
    assert_eq!(error["error"]["retryAfterMs"], json!(60_000), "{error}");
    clock.advance(Duration::from_secs(60));
    create(&mut socket, body).await;
    while frame(&mut socket).await["type"] != "response.completed" {}
    house.stop().await;
}

#[tokio::test]
async fn the_operators_sockets_are_never_throttled() {
    let (house, _clock) = house(quota(1, 1), Quota::NONE).await;
    let mut socket = house.socket().await;
    for number in 0..30 {
        let params =
            json!({"sessionKey": format!("s{number}"), "message": "hi", "idempotencyKey": format!("k{number}")});
        let answer = socket.call("chat.send", &params).await;
        assert_eq!(answer["ok"], json!(true), "{answer}");
    }
    house.stop().await;
}

#[tokio::test]
async fn one_keys_limits_are_not_anothers() {
    let (house, _clock) = house(quota(2, 0), quota(1, 0)).await;
    let (one, other) = (with_key(&house).await, with_key(&house).await);
    assert_eq!(one.post(CHAT, &ask()).await.status, 200);
    assert_eq!(one.post(CHAT, &ask()).await.status, 429);
    assert_eq!(other.post(CHAT, &ask()).await.status, 200);
    let own = house.http().post(CHAT, &ask()).await;
    assert_eq!((own.status, limits(&own)), (200, [Some("2"), Some("1"), Some("60")]));
    house.stop().await;
}
