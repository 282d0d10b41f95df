//! Answers that survive the failure of their providers (G8), over real HTTP.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claw_agent::{AgentProfile, BreakerState, Catalog, Position};
use claw_app::chat::Place;
use claw_app::{Error, Settings};
use claw_core::provider::{ModelInfo, Provider, Usage};
use claw_core::run::RunEvent;
use claw_core::task::{StateName, TaskState};
use claw_core::{AgentId, Clock, FailureReason, Output, Secret};
use claw_net::HttpClient;
use claw_providers::OpenAi;
use claw_testkit::{Gate, Reply, Upstream};

use crate::house::{Calls, House, SOON, all, operator, task, text_of, turn};

const QUICK: Duration = Duration::from_millis(400);

fn provider(id: &str, base_url: &str, key: &str) -> Arc<dyn Provider> {
    claw_net::install_crypto();
    let limit = u64::try_from(QUICK.as_millis()).unwrap();
    let net = claw_net::Settings { first_byte_ms: limit, idle_ms: limit, ..claw_net::Settings::default() };
    let mut settings = claw_providers::Settings::new(id, base_url);
    settings.api_key = Some(Secret::new(key));
    settings.models = vec![ModelInfo::named("m")];
    Arc::new(OpenAi::new(settings, HttpClient::new(net).unwrap()).unwrap())
}

fn main_agent(fallbacks: &[&str]) -> Vec<AgentProfile> {
    let fallbacks = fallbacks.iter().map(|name| (*name).to_owned()).collect();
    vec![AgentProfile {
        id: AgentId::main(),
        name: None,
        system_prompt: None,
        model: Some("a/m".into()),
        fallbacks: Some(fallbacks),
    }]
}

/// A house with the providers `a`, `b`, `c`, … and all but the first as fallbacks.
async fn house_of(directory: &Path, addresses: &[String]) -> House {
    let ids = ["a", "b", "c"];
    let providers = ids.iter().zip(addresses).map(|(id, address)| provider(id, address, "key-of-one")).collect();
    let fallbacks: Vec<String> = ids.iter().take(addresses.len()).skip(1).map(|id| format!("{id}/m")).collect();
    let fallbacks: Vec<&str> = fallbacks.iter().map(String::as_str).collect();
    let catalog = Catalog::new(providers, main_agent(&fallbacks), AgentId::main(), None);
    House::open_over(directory, catalog, Vec::new(), Settings::default(), Calls::default()).await
}

/// An address nobody listens at.
async fn nowhere() -> String {
    let gone = Upstream::start().await;
    let address = gone.base_url();
    gone.stop().await;
    address
}

async fn ask(house: &House, text: &str) -> Result<Output, Error> {
    let run = house.app.chat.start(&operator(), turn("chat", text), Place::Fresh).await.unwrap();
    tokio::time::timeout(SOON, run.output()).await.expect("the run ends")
}

fn breakers(house: &House) -> Vec<BreakerState> {
    house.app.models.breakers(house.clock.now())
}

/// What each class of failure before the first text comes to: the next one answers, nothing of
/// the failed answer is heard, and the switch is told.
#[tokio::test]
async fn every_failure_before_the_first_text_is_answered_elsewhere() {
    let table = [
        ("500", Reply::status(500, "broken"), "HTTP 500"),
        ("503", Reply::status(503, "overloaded"), "HTTP 503"),
        ("429", Reply::status(429, "slow down").retry_after("30"), "HTTP 429"),
        ("401", Reply::status(401, "bad key"), "HTTP 401"),
        ("404", Reply::status(404, "no such model"), "HTTP 404"),
        ("silence before the head", Reply::silence(), "no first byte"),
        ("silence after the head", Reply::chunks(["x"]).stall_after(0), "no next byte"),
        ("408", Reply::status(408, "too slow"), "HTTP 408"),
        ("402", Reply::status(402, "no credit"), "HTTP 402"),
        ("403", Reply::status(403, "not yours"), "HTTP 403"),
        ("a redirect", Reply::status(302, "elsewhere"), "HTTP 302"),
        ("cut before the first text", Reply::chunks(["x"]).cut_after(0), "broke off"),
        ("an error before the first text", Reply::chunks(["x"]).error_after(0, "melted"), "melted"),
        ("garbage", Reply::chunks(["x"]).garbage_after(0), "unreadable"),
        ("nothing at all", Reply::verbatim("text/event-stream", ""), "ended before"),
        ("another page", Reply::verbatim("text/html", "<html>proxy</html>"), "no answer of a model"),
    ];
    for (class, reply, words) in table {
        let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
        let house = house_of(directory.path(), &[a.base_url(), b.base_url()]).await;
        a.script([reply]);
        b.script([Reply::text("from b")]);
        let mut new = task("t", "hi");
        new.lane = claw_core::Lane::Interactive;
        let accepted = house.app.tasks.submit(&operator(), new).await.unwrap();
        let events = all(house.app.tasks.read(accepted.id, 0)).await;
        let switches: Vec<&RunEvent> =
            events.iter().map(|e| &e.event).filter(|e| matches!(e, RunEvent::Switched { .. })).collect();
        let [RunEvent::Switched { from, to, reason }] = switches[..] else { panic!("{class}: {events:?}") };
        assert_eq!((from.as_str(), to.as_str()), ("a/m", "b/m"), "{class}");
        assert!(reason.contains(words), "{class}: {reason}");
        assert_eq!(text_of(&events), "from b", "{class}");
        let RunEvent::Completed { output } = &events.last().unwrap().event else { panic!("{class}: {events:?}") };
        assert_eq!((output.text.as_str(), output.model.as_str()), ("from b", "b/m"), "{class}");
        let attempts = house.app.tasks.runs(accepted.id).await.unwrap();
        assert_eq!(attempts.len(), 1, "{class}: a switch is no new attempt");
        assert_eq!((a.counts().requests, b.counts().requests), (1, 1), "{class}");
        house.stop().await;
    }
}

/// A22: a circuit breaker stands before every provider.
#[tokio::test]
async fn one_dead_provider_of_three_fails_no_request_and_its_breaker_opens() {
    let (directory, b, c) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let house = house_of(directory.path(), &[nowhere().await, b.base_url(), c.base_url()]).await;
    for number in 0..20 {
        assert_eq!(ask(&house, &format!("hi {number}")).await.unwrap().model, "b/m");
    }
    let open = breakers(&house);
    assert!(
        matches!(&open[..], [BreakerState { provider, key: 1, model, position: Position::Open { .. }, cause }]
            if provider == "a" && model == "m" && cause.contains("cannot be reached")),
        "{open:?}"
    );
    assert_eq!((b.counts().requests, c.counts().requests), (20, 0));

    // Its time over, one question probes it; a failure costs that question nothing.
    house.clock.advance(Duration::from_mins(2));
    assert_eq!(breakers(&house)[0].position, Position::HalfOpen);
    assert_eq!(ask(&house, "probe").await.unwrap().model, "b/m");
    assert!(matches!(breakers(&house)[0].position, Position::Open { .. }));
    house.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_back_is_used_again_after_one_probe() {
    let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let house = house_of(directory.path(), &[a.base_url(), b.base_url()]).await;
    a.script((0..5).map(|_| Reply::status(500, "broken")));
    for _ in 0..8 {
        assert_eq!(ask(&house, "hi").await.unwrap().model, "b/m");
    }
    assert_eq!(a.counts().requests, 5, "it is left alone once it has failed five times");
    house.clock.advance(Duration::from_mins(2));
    assert_eq!(ask(&house, "hi").await.unwrap().model, "a/m");
    assert_eq!(breakers(&house), []);
    house.stop().await;
}

/// G8: what was heard is never silently begun anew.
#[tokio::test]
async fn an_answer_that_breaks_after_its_first_text_is_not_restarted_elsewhere() {
    let table = [
        Reply::chunks(["so ", "far"]).cut_after(1),
        Reply::chunks(["so ", "far"]).garbage_after(1),
        Reply::chunks(["so ", "far"]).error_after(1, "melted"),
        Reply::chunks(["so ", "far"]).stall_after(1),
    ];
    for reply in table {
        let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
        let house = house_of(directory.path(), &[a.base_url(), b.base_url()]).await;
        a.script([reply]);
        let mut run = house.app.chat.start(&operator(), turn("chat", "hi"), Place::Fresh).await.unwrap();
        let mut events = Vec::new();
        while let Some(event) = run.next().await.unwrap() {
            events.push(event.as_ref().clone());
        }
        assert_eq!(text_of(&events), "so ");
        let RunEvent::Failed { failure, partial } = &events.last().unwrap().event else { panic!("{events:?}") };
        assert_eq!((failure.reason, partial.as_str()), (FailureReason::Provider, "so "));
        assert_eq!(b.counts().requests, 0);
        house.stop().await;
    }
}

/// Each vendor has rules of its own: what one finds wrong the other models are asked, no other key of the same one is,
/// and nobody is left alone for it. What all that were asked find wrong is wrong.
#[tokio::test]
async fn a_question_that_one_model_finds_wrong_is_put_to_the_others_and_to_no_other_key() {
    let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let keys = ["one", "two"].map(|key| provider("a", &a.base_url(), key));
    let providers = keys.into_iter().chain([provider("b", &b.base_url(), "key")]).collect();
    let catalog = Catalog::new(providers, main_agent(&["b/m"]), AgentId::main(), None);
    let house = House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await;
    a.respond_with(|_| Reply::status(400, "no such parameter"));
    let output = ask(&house, "hi").await.unwrap();
    assert_eq!((output.text.as_str(), output.model.as_str()), ("hi", "b/m"));
    assert_eq!((a.counts().requests, b.counts().requests), (1, 1));
    b.script([Reply::status(422, "nor here")]);
    let Err(Error::Run(failure)) = ask(&house, "hi").await else { panic!("a refusal is no answer") };
    assert_eq!((failure.reason, failure.is_transient), (FailureReason::Request, false));
    assert_eq!(failure.message, "a answered HTTP 400: no such parameter; b answered HTTP 422: nor here");
    assert_eq!((a.counts().requests, b.counts().requests), (2, 2));
    // Who is merely busy is asked again, and the other one is not.
    b.script([Reply::status(503, "for a moment")]);
    assert_eq!(ask(&house, "hi").await.unwrap().model, "b/m");
    assert_eq!((a.counts().requests, b.counts().requests), (3, 4));
    assert!(breakers(&house).iter().all(|breaker| breaker.position == Position::Closed), "{:?}", breakers(&house));
    house.stop().await;
}

/// A model that is silent for too long is at work on the question: it is put neither to it again nor to its other keys, and
/// the fallback comes at once.
#[tokio::test]
async fn a_silent_model_is_not_asked_again_with_another_key() {
    let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let keys = ["one", "two"].map(|key| provider("a", &a.base_url(), key));
    let providers = keys.into_iter().chain([provider("b", &b.base_url(), "key")]).collect();
    let catalog = Catalog::new(providers, main_agent(&["b/m"]), AgentId::main(), None);
    let house = House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await;
    a.respond_with(|_| Reply::silence());
    assert_eq!(ask(&house, "hi").await.unwrap().model, "b/m");
    assert_eq!((a.counts().requests, b.counts().requests), (1, 1));
    b.respond_with(|_| Reply::silence());
    let Err(Error::Run(failure)) = ask(&house, "hi").await else { panic!("nobody has answered") };
    assert!(failure.is_transient, "{failure:?}");
    assert_eq!((a.counts().requests, b.counts().requests), (2, 2));
    house.stop().await;
}

/// "No credit" and "wrong key" are the operator's trouble also where they come as a bad request: the next key is asked, the
/// next candidate, and the caller has done nothing wrong (C39).
#[tokio::test]
async fn a_bad_request_that_is_the_operators_trouble_goes_on_and_is_nobodys_bad_request() {
    for words in ["Your credit balance is too low to access the Anthropic API.", "API key not valid. Please pass one."]
    {
        let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
        let keys = ["one", "two"].map(|key| provider("a", &a.base_url(), key));
        let providers = keys.into_iter().chain([provider("b", &b.base_url(), "key")]).collect();
        let catalog = Catalog::new(providers, main_agent(&["b/m"]), AgentId::main(), None);
        let house =
            House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await;
        a.respond_with(move |_| Reply::status(400, words));
        assert_eq!(ask(&house, "hi").await.unwrap().model, "b/m");
        assert_eq!((a.counts().requests, b.counts().requests), (2, 1));
        // It is left alone, and asked all the same where nobody else answers.
        assert_eq!(ask(&house, "hi").await.unwrap().model, "b/m");
        assert_eq!((a.counts().requests, b.counts().requests), (2, 2));
        b.respond_with(|_| Reply::status(403, "not yours"));
        let Err(Error::Run(failure)) = ask(&house, "hi").await else { panic!("a refusal is no answer") };
        assert_eq!(failure.reason, FailureReason::Provider);
        assert!(failure.message.contains(words), "{}", failure.message);
        house.stop().await;
    }
}

#[tokio::test]
async fn keys_take_turns_and_a_refused_one_rests() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let keys = ["key-one", "key-two", "key-three"];
    let providers = keys.map(|key| provider("a", &upstream.base_url(), key)).to_vec();
    let catalog = Catalog::new(providers, main_agent(&[]), AgentId::main(), None);
    let house = House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await;
    upstream.respond_with(|seen| match seen.headers["authorization"].to_str().unwrap() {
        "Bearer key-two" => Reply::status(429, "slow down").retry_after("60"),
        key => Reply::text(key),
    });
    let mut said = Vec::new();
    for _ in 0..6 {
        said.push(ask(&house, "hi").await.unwrap().text);
    }
    let (one, three) = ("Bearer key-one", "Bearer key-three");
    assert_eq!(said, [one, three, three, one, three, three]);
    assert_eq!(upstream.counts().requests, 7, "the limited key was asked once");
    assert!(matches!(&breakers(&house)[..], [BreakerState { key: 2, position: Position::Open { .. }, .. }]));
    house.clock.advance(Duration::from_mins(2));
    upstream.respond_with(|_| Reply::text("all well"));
    for _ in 0..3 {
        ask(&house, "hi").await.unwrap();
    }
    assert_eq!(breakers(&house), []);
    house.stop().await;
}

/// Every one that is configured, however many there are, and each once.
#[tokio::test]
async fn the_last_of_forty_keys_and_models_is_asked_too_and_each_of_them_once() {
    let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let mut providers: Vec<_> = (0..39).map(|n| provider("a", &a.base_url(), &format!("key-{n}"))).collect();
    providers.push(provider("b", &b.base_url(), "key-of-b"));
    let catalog = Catalog::new(providers, main_agent(&["b/m"]), AgentId::main(), None);
    let house = House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await;
    a.script(std::iter::repeat_with(|| Reply::status(500, "broken")).take(39));
    b.script([Reply::text("the fortieth")]);
    assert_eq!(ask(&house, "hi").await.unwrap().text, "the fortieth");
    assert_eq!((a.counts().requests, b.counts().requests), (39, 1));
    house.stop().await;
}

#[tokio::test]
async fn when_nobody_answers_all_words_are_told_and_a_task_is_tried_again() {
    let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let house = house_of(directory.path(), &[a.base_url(), b.base_url()]).await;
    a.script([Reply::status(500, "a is down"), Reply::text("a is back")]);
    b.script([Reply::status(401, "b has no key")]);
    let accepted = house.app.tasks.submit(&operator(), task("t", "hi")).await.unwrap();
    let events = all(house.app.tasks.read(accepted.id, 0)).await;
    let retrying = events.iter().find_map(|event| match &event.event {
        RunEvent::Retrying { failure, .. } => Some(failure.message.clone()),
        _ => None,
    });
    assert_eq!(retrying.as_deref(), Some("a answered HTTP 500: a is down; b answered HTTP 401: b has no key"));
    assert_eq!(text_of(&events), "a is back");
    house.stop().await;
}

#[tokio::test]
async fn a_lone_provider_that_asked_for_a_pause_gets_it_and_the_caller_is_told() {
    let (directory, a) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = house_of(directory.path(), &[a.base_url()]).await;
    a.script([Reply::status(429, "slow down").retry_after("600")]);
    for _ in 0..3 {
        let Err(Error::Run(failure)) = ask(&house, "hi").await else { panic!("it was told to wait") };
        assert_eq!(failure.reason, FailureReason::RateLimited);
        assert!(failure.retry_after_ms.is_some_and(|wait| wait >= 600_000), "{failure:?}");
    }
    assert_eq!(a.counts().requests, 1);
    assert!(!house.app.models.can_answer(house.clock.now()));
    house.clock.advance(Duration::from_secs(700));
    assert_eq!(ask(&house, "hi").await.unwrap().text, "hi");
    house.stop().await;
}

/// Every `Retry-After` is kept, whatever the others did; who asked for no pause is asked again, as a lone one is.
#[tokio::test]
async fn of_several_each_is_asked_once_and_again_only_who_asked_for_no_pause() {
    let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let house = house_of(directory.path(), &[a.base_url(), b.base_url()]).await;
    a.respond_with(|_| Reply::status(500, "broken"));
    b.script([Reply::status(429, "slow down").retry_after("30")]);
    let Err(Error::Run(failure)) = ask(&house, "hi").await else { panic!("nobody answered") };
    assert_eq!(failure.message, "a answered HTTP 500: broken; b answered HTTP 429: slow down");
    assert_eq!((a.counts().requests, b.counts().requests), (3, 1), "three passes, and the pause is kept");
    // The next question comes while the pause lasts: `b` is not asked, and told as set aside.
    let Err(Error::Run(failure)) = ask(&house, "hi").await else { panic!("b was asked too early") };
    assert!(failure.message.contains("b is left alone"), "{}", failure.message);
    assert_eq!((a.counts().requests, b.counts().requests), (6, 1));
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(ask(&house, "hi").await.unwrap().text, "hi");
    assert_eq!((a.counts().requests, b.counts().requests), (7, 2));
    house.stop().await;
}

/// Two keys are no worse than one: a hiccup of their server is outlived, and who may not be asked again is not.
#[tokio::test]
async fn a_short_failure_of_all_keys_is_outlived_as_one_of_a_lone_key_is() {
    for keys in 1..=2 {
        let (directory, a) = (tempfile::tempdir().unwrap(), Upstream::start().await);
        let providers = (0..keys).map(|n| provider("a", &a.base_url(), &format!("key-{n}"))).collect();
        let catalog = Catalog::new(providers, main_agent(&[]), AgentId::main(), None);
        let house =
            House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await;
        a.script((0..keys).map(|_| Reply::status(500, "for a moment")));
        assert_eq!(ask(&house, "hi").await.unwrap().text, "hi", "{keys}");
        assert_eq!(a.counts().requests, keys + 1, "{keys}");
        a.respond_with(|_| Reply::status(401, "not yours"));
        assert!(ask(&house, "hi").await.is_err());
        assert_eq!(a.counts().requests, 2 * keys + 1, "{keys}");
        house.stop().await;
    }
}

/// A short `Retry-After` is waited for, also where another key could be asked and fails.
#[tokio::test]
async fn a_short_pause_that_one_of_two_asked_for_is_waited_for() {
    let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let house = house_of(directory.path(), &[a.base_url(), b.base_url()]).await;
    a.script([Reply::status(429, "slow down").retry_after("1"), Reply::text("rested")]);
    let clock = Arc::clone(&house.clock);
    b.respond_with(move |_| {
        clock.advance(Duration::from_secs(10));
        Reply::status(500, "broken")
    });
    let began = std::time::Instant::now();
    assert_eq!(ask(&house, "hi").await.unwrap().text, "rested");
    assert!(began.elapsed() >= Duration::from_secs(1), "it was asked before its time");
    assert_eq!((a.counts().requests, b.counts().requests), (2, 2));
    house.stop().await;
}

/// One cause, one failure: a wrong question is the caller's fault whoever else rests.
#[tokio::test]
async fn a_bad_question_is_blamed_on_itself_while_others_are_set_aside() {
    let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let house = house_of(directory.path(), &[b.base_url(), a.base_url()]).await;
    b.script([Reply::status(429, "slow down").retry_after("600")]);
    assert_eq!(ask(&house, "hi").await.unwrap().text, "hi");
    a.respond_with(|_| Reply::status(400, "no such field"));
    let Err(Error::Run(failure)) = ask(&house, "hi").await else { panic!("it is wrong") };
    assert_eq!((failure.reason, failure.is_transient, failure.retry_after_ms), (FailureReason::Request, false, None));
    house.stop().await;
}

#[tokio::test]
async fn a_lone_provider_that_refuses_is_asked_again_and_speaks_for_itself() {
    let (directory, a) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = house_of(directory.path(), &[a.base_url()]).await;
    a.script([Reply::status(401, "bad key"), Reply::status(401, "still bad"), Reply::text("mended")]);
    for words in ["a answered HTTP 401: bad key", "a answered HTTP 401: still bad"] {
        let Err(Error::Run(failure)) = ask(&house, "hi").await else { panic!("a refusal is no answer") };
        assert_eq!(failure.message, words);
    }
    assert_eq!(ask(&house, "hi").await.unwrap().text, "mended");
    house.stop().await;
}

#[tokio::test]
async fn tools_go_on_with_the_model_that_answered() {
    let (directory, b) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = house_of(directory.path(), &[nowhere().await, b.base_url()]).await;
    b.script([Reply::tool_call("session_status", "{}"), Reply::text("done")]);
    let accepted = house.app.tasks.submit(&operator(), task("t", "hi")).await.unwrap();
    let events = all(house.app.tasks.read(accepted.id, 0)).await;
    let switches = events.iter().filter(|event| matches!(event.event, RunEvent::Switched { .. })).count();
    assert_eq!((switches, text_of(&events).as_str()), (1, "done"));
    let ended = house.app.tasks.wait(accepted.id, SOON).await.unwrap().unwrap();
    assert_eq!(ended.state.name(), StateName::Completed);
    house.stop().await;
}

#[tokio::test]
async fn a_conversation_too_long_for_one_model_is_answered_by_a_larger_one() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    claw_net::install_crypto();
    let client = HttpClient::new(claw_net::Settings::default()).unwrap();
    let sized = |id: &str, tokens| {
        let mut settings = claw_providers::Settings::new(id, upstream.base_url());
        settings.models = vec![ModelInfo { context_tokens: Some(tokens), ..ModelInfo::named("m") }];
        Arc::new(OpenAi::new(settings, client.clone()).unwrap()) as Arc<dyn Provider>
    };
    let providers = vec![sized("a", 1_000), sized("b", 100_000)];
    let catalog = Catalog::new(providers, main_agent(&["b/m"]), AgentId::main(), None);
    let house = House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await;
    upstream.respond_with(|_| Reply::text("ok"));
    assert_eq!(ask(&house, &"word ".repeat(10_000)).await.unwrap().model, "b/m");
    // What may fit is asked.
    assert_eq!(ask(&house, &"word ".repeat(1_000)).await.unwrap().model, "a/m");
    assert_eq!(breakers(&house), []);
    house.stop().await;
}

/// K13: what attempts that failed have used is part of the run's usage, finer counts and all.
#[tokio::test]
async fn what_failed_attempts_used_is_counted_whole() {
    let (directory, a) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = house_of(directory.path(), &[a.base_url()]).await;
    let stream = |end: &str| {
        let usage = r#"{"prompt_tokens":9,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}"#;
        let said = r#"{"choices":[{"delta":{"content":"hi"}}]}"#;
        let body = format!("data: {said}\n\ndata: {{\"choices\":[],\"usage\":{usage}}}\n\n{end}");
        Reply::verbatim("text/event-stream", body)
    };
    a.script([stream(""), stream("data: [DONE]\n\n")]);
    let accepted = house.app.tasks.submit(&operator(), task("t", "hi")).await.unwrap();
    let ended = house.app.tasks.wait(accepted.id, SOON).await.unwrap().unwrap();
    let TaskState::Completed { output, .. } = &ended.state else { panic!("{ended:?}") };
    let one = Usage { input_tokens: 9, output_tokens: 5, cached_tokens: 3, reasoning_tokens: 2, ..Usage::default() };
    assert_eq!((ended.attempt, output.usage), (2, one.plus(one)));
    let attempts = house.app.tasks.runs(accepted.id).await.unwrap();
    assert_eq!(attempts.iter().map(|run| run.usage).collect::<Vec<_>>(), [one, one]);
    house.stop().await;
}

/// What one model refuses for its length another may take, whatever is known of their windows.
#[tokio::test]
async fn a_question_too_long_for_one_is_put_to_the_next() {
    let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let house = house_of(directory.path(), &[a.base_url(), b.base_url()]).await;
    a.respond_with(|_| Reply::status(400, "This model's maximum context length is 8192 tokens"));
    assert_eq!(ask(&house, "hi").await.unwrap().model, "b/m");
    assert_eq!(breakers(&house), []);
    house.stop().await;
}

/// Advisory 47: what a task may ask is counted over all of it. Each attempt puts its question to each candidate once,
/// and once more with half of it where its length was blamed; a failure is tried three times, a death once more; what is
/// compacted is asked about once in all. No part of it begins to count anew because another does.
#[tokio::test]
async fn adv_47_what_a_task_asks_is_bounded_over_length_fallback_retry_and_a_death() {
    let (directory, a, b) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let addresses = [a.base_url(), b.base_url()];
    let house = house_of(directory.path(), &addresses).await;
    for _ in 0..4 {
        let id = house.app.tasks.submit(&operator(), task("t", &"word ".repeat(100))).await.unwrap().id;
        house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    }
    let (of_a, of_b) = (a.counts().requests, b.counts().requests);
    let (gate, is_first) = (Gate::new(), std::sync::atomic::AtomicBool::new(true));
    a.respond_with(|_| Reply::status(400, "This model's maximum context length is 4 tokens."));
    let held = gate.clone();
    b.respond_with(move |_| match is_first.swap(false, std::sync::atomic::Ordering::SeqCst) {
        true => Reply::text("late").held(&held),
        false => Reply::status(500, "broken"),
    });
    let id = house.app.tasks.submit(&operator(), task("t", "and now?")).await.unwrap().id;
    gate.reached_by(1).await;
    house.die().await;

    let house = house_of(directory.path(), &addresses).await;
    gate.open_for_good();
    let ended = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    assert_eq!((ended.state.name(), ended.attempt, ended.crashes), (StateName::Failed, 4, 1));
    let asked = (a.counts().requests - of_a, b.counts().requests - of_b);
    // Four attempts: twice the one that blames the length, once the other; and one compaction of what is so crowded.
    assert!(asked.0 <= 2 * 4 + 1 && asked.1 <= 4 + 1, "{asked:?}");
    assert!(asked.0 >= 2 * 4 && asked.1 >= 4, "each attempt asked all: {asked:?}");
    // And nothing asks on behind its end.
    house.stop().await;
    assert_eq!((a.counts().requests - of_a, b.counts().requests - of_b), asked);
}
