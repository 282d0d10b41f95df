//! Runs that another gateway ends because their time there is over, and that are told to go on (A17).

use claw_agent::Continuation;
use claw_core::run::Sequenced;
use claw_testkit::v1_gateway::Ending;

use super::*;

const LIMIT: Duration = Duration::from_millis(300);
const GO_ON: &str = "Go on.";

fn going_on(times_max: u32, run_limit: Duration) -> Continuation {
    Continuation { message: GO_ON.into(), times_max, run_limit }
}

/// A gateway that ends runs like this when their time is over, and how often they are told to go on.
async fn pair(ending: Ending, times_max: u32) -> Pair {
    let double = Double { run_limit: LIMIT, ending, ..Double::default() };
    Pair::with(double, |url| executor(url, "v1-token", 10).continuing(going_on(times_max, LIMIT))).await
}

/// A gateway of which every end without a reason is taken for the limit's.
async fn hasty(patience: Duration) -> Pair {
    let continuation = going_on(3, Duration::ZERO);
    Pair::with(Double::default(), |url| patient_executor(url, "v1-token", 10, patience).continuing(continuation)).await
}

/// Says this, and ends without a reason.
fn over(text: &str) -> Reply {
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 1}}});
    Reply::verbatim("text/event-stream", format!("data: {chunk}\n\ndata: {usage}\n\ndata: [DONE]\n\n"))
}

fn continuations(events: &[Sequenced]) -> Vec<(u32, &str)> {
    let told = events.iter().filter_map(|event| match &event.event {
        RunEvent::Continued { number, reason } => Some((*number, reason.as_str())),
        _ => None,
    });
    told.collect()
}

/// What it was asked, in order.
fn asked(pair: &Pair) -> Vec<String> {
    pair.double.upstream().requests().iter().map(claw_testkit::upstream::Seen::last_user).collect()
}

/// Issue 4: the ten minutes are survived where the gateway ends a run in order, whichever way.
#[tokio::test]
async fn a_run_whose_time_is_over_goes_on_in_its_conversation() {
    let table = [
        (Ending::Done, vec!["one ", "two"], "one two\n\nthree", "it ended just when its time there was over"),
        (Ending::Error, vec!["one\n"], "one\nthree", "the run's time limit was reached"),
        (Ending::Sentence, vec![], "three", "Request timed out before a response was generated."),
    ];
    for (ending, first, whole, reason) in table {
        let (pair, never) = (pair(ending, 3).await, Gate::new());
        let held = never.clone();
        pair.double.respond_with(move |seen| match seen.number {
            1 => Reply::chunks(first.clone()).held_before_end(&held),
            _ => Reply::text("three"),
        });
        let mut new = there("long", "count");
        new.turn.instructions = Some("Be brief.".into());
        new.turn.thinking = Some("high".into());
        let id = pair.submit(new).await;
        let events = all(pair.house.app.tasks.read(id, 0)).await;
        assert_eq!(text_of(&events), whole, "{ending:?}");
        let told = continuations(&events);
        assert!(matches!(told[..], [(1, said)] if said.starts_with(reason)), "{ending:?}: {told:?}");
        let task = pair.ended(id).await;
        assert_eq!((answer(&task).0.as_str(), task.attempt), (whole, 1), "{ending:?}");
        let seen = pair.double.upstream().requests();
        let system = json!({"role": "system", "content": "Be brief."});
        assert_eq!(seen[1].messages(), [system, json!({"role": "user", "content": GO_ON})]);
        assert_eq!((seen.len(), &seen[1].body["reasoning_effort"]), (2, &json!("high")));
        for seen in seen {
            assert_eq!(seen.header("x-openclaw-session-key"), "agent:main:v2:main:long");
        }
        pair.house.stop().await;
    }
}

/// K13: what all of it used is one sum, with its finer counts.
#[tokio::test]
async fn what_a_run_uses_is_the_sum_of_all_that_it_was_asked() {
    let pair = hasty(SOON).await;
    pair.double.respond_with(|seen| if seen.number < 3 { over("part ") } else { Reply::text("end") });
    let task = pair.run(there("s", "long")).await;
    let TaskState::Completed { output, .. } = &task.state else { panic!("{task:?}") };
    assert_eq!(output.text, "part \n\npart \n\nend");
    let usage = output.usage;
    assert_eq!((usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens), (2 + 2 + 1, 2, 2));
    assert!(usage.input_tokens > 10, "{usage:?}");
    assert_eq!(pair.house.app.tasks.runs(task.id).await.unwrap()[0].usage, usage);
    assert_eq!(asked(&pair), ["long", GO_ON, GO_ON]);
    // Each was read to its end, so the next went the same way.
    assert_eq!(pair.double.upstream().counts().connections, 1);
    pair.house.stop().await;
}

#[tokio::test]
async fn a_run_whose_time_is_over_each_time_ends_and_says_so() {
    for (ending, words) in [
        (Ending::Error, "v1 broke off: it said: the run's time limit was reached"),
        (Ending::Done, "v1 broke off: the run ended just when its time there was over"),
    ] {
        let (pair, never) = (pair(ending, 2).await, Gate::new());
        pair.double.respond_with(move |_| Reply::text("more").held_before_end(&never));
        let id = pair.submit(there("s", "long")).await;
        let events = all(pair.house.app.tasks.read(id, 0)).await;
        let RunEvent::Failed { failure, partial } = &events.last().unwrap().event else { panic!("{events:?}") };
        assert!(failure.message.starts_with(words), "{failure:?}");
        assert!(failure.message.ends_with("it had been told to go on 2 times"), "{failure:?}");
        assert_eq!(partial, "more\n\nmore\n\nmore");
        assert_eq!(continuations(&events).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((asked(&pair), pair.ended(id).await.attempt), (vec!["long".into(), GO_ON.into(), GO_ON.into()], 1));
        pair.house.stop().await;
    }
}

/// Nobody is told anything where that is switched off, where the connection breaks, and where the caller keeps
/// the conversation.
#[tokio::test]
async fn no_run_goes_on_where_it_is_not_to_or_cannot() {
    for (ending, times_max) in [(Ending::Error, 0), (Ending::Breaks, 3)] {
        let (pair, never) = (pair(ending, times_max).await, Gate::new());
        pair.double.respond_with(move |_| Reply::text("more").held_before_end(&never));
        let task = pair.run(there("s", "long")).await;
        let (reason, message) = failure(&task);
        assert_eq!((reason, asked(&pair).len()), (FailureReason::Provider, 1), "{ending:?}");
        assert!(message.ends_with("its conversation goes on there as \"agent:main:v2:main:s\""), "{message}");
        pair.house.stop().await;
    }
    let (pair, never) = (pair(Ending::Error, 3).await, Gate::new());
    pair.double.respond_with(move |_| Reply::text("more").held_before_end(&never));
    let key = claw_core::SessionKey::resolve("agent:far:me", &AgentId::main()).unwrap();
    let turn = Turn { context: claw_core::turn::Context::Given(Vec::new()), ..Turn::text(key, "now") };
    let run = pair.house.app.chat.start(&operator(), turn, Place::Fresh).await.unwrap();
    assert!(matches!(run.output().await, Err(Error::Run(_))));
    assert_eq!(asked(&pair), ["now"]);
    pair.house.stop().await;
}

/// An end without a reason is nothing special but just when the time is over, and "timed out" may be anything.
#[tokio::test]
async fn an_end_that_comes_sooner_is_an_end() {
    let long = Duration::from_secs(600);
    let pair = Pair::with(Double::default(), |url| executor(url, "v1-token", 10).continuing(going_on(3, long))).await;
    pair.double.respond_with(|seen| match seen.last_user().as_str() {
        "done" => over("all of it"),
        "nothing" => Reply::verbatim("text/event-stream", "data: [DONE]\n\n"),
        "busy there" => Reply::verbatim(
            "text/event-stream",
            "data: {\"error\":{\"message\":\"a model is full\",\"type\":\"rate_limit_error\"}}\n\n",
        ),
        _ => Reply::text("so far").error_after(1, "LLM request timed out."),
    });
    assert_eq!(answer(&pair.run(there("a", "done")).await).0, "all of it");
    // G3: an error within a run, whatever it is about, is not that it is busy.
    for (text, words) in [
        ("slow model", "v1 broke off: it said: LLM request timed out."),
        ("nothing", "v1 broke off: the answer ended before it was finished"),
        ("busy there", "v1 broke off: it said: a model is full"),
    ] {
        let task = pair.run(there(text, text)).await;
        assert!(failure(&task).1.starts_with(words), "{task:?}");
        assert_eq!(task.attempt, 1);
    }
    assert_eq!(asked(&pair).len(), 4);
    pair.house.stop().await;
}

#[tokio::test]
async fn a_run_that_goes_on_is_cancelled_between_two_questions_and_within_the_second() {
    for busy in [false, true] {
        let (pair, gate) = (hasty(SOON).await, Gate::new());
        let held = gate.clone();
        pair.double.respond_with(move |seen| match (seen.number, busy) {
            (1, _) => over("part"),
            (_, true) => Reply::words(429, "Too many concurrent runs").retry_after("3600"),
            (_, false) => Reply::text("never").held(&held),
        });
        let id = pair.submit(there("s", "long")).await;
        pair.double.upstream().requested(2).await;
        if busy {
            pair.double.upstream().answered().await;
        }
        pair.house.app.tasks.cancel(&operator(), &id.to_string()).await.unwrap();
        let events = all(pair.house.app.tasks.read(id, 0)).await;
        let RunEvent::Cancelled { partial } = &events.last().unwrap().event else { panic!("{events:?}") };
        assert_eq!((partial.as_str(), pair.ended(id).await.state.name()), ("part", StateName::Cancelled));
        pair.double.upstream().answered().await;
        assert_eq!(asked(&pair), ["long", GO_ON]);
        pair.house.stop().await;
    }
}

#[tokio::test]
async fn silence_ends_a_run_that_goes_on_as_any_other() {
    let pair = hasty(Duration::from_millis(400)).await;
    pair.double.respond_with(|seen| if seen.number == 1 { over("part") } else { Reply::silence() });
    let task = pair.run(there("s", "long")).await;
    let (reason, message) = failure(&task);
    assert_eq!(reason, FailureReason::Provider);
    assert!(message.starts_with("v1 gave no first byte within 1 s"), "{message}");
    assert_eq!((asked(&pair), task.attempt), (vec!["long".to_owned(), GO_ON.to_owned()], 1));
    pair.house.stop().await;
}

/// A run that has begun keeps its place and its worker where there is no room, and begins nowhere anew.
#[tokio::test]
async fn a_run_that_goes_on_waits_for_room_and_never_begins_anew() {
    let pair = hasty(SOON).await;
    pair.double.respond_with(|seen| match seen.number {
        1 => over("part"),
        2 => Reply::words(429, "Too many concurrent runs").retry_after("0"),
        3 => Reply::words(503, "starting"),
        _ => Reply::text("end"),
    });
    let task = pair.run(there("s", "long")).await;
    assert_eq!((answer(&task).0.as_str(), task.attempt, task.failures), ("part\n\nend", 1, 0));
    assert_eq!(asked(&pair), ["long", GO_ON, GO_ON, GO_ON]);

    pair.double.respond_with(|seen| if seen.last_user() == "long" { over("part") } else { Reply::words(503, "") });
    let task = pair.run(there("t", "long")).await;
    assert_eq!((failure(&task).1.as_str(), task.attempt), ("HTTP 503: ; it had been told to go on 1 times", 1));
    assert_eq!(asked(&pair)[4..], ["long", GO_ON, GO_ON, GO_ON]);
    pair.house.stop().await;
}

/// G3: a death between two questions of one run is a death within it.
#[tokio::test]
async fn a_death_between_two_questions_repeats_nothing_unless_that_was_asked_for() {
    for on_crash in [OnCrash::Fail, OnCrash::Retry] {
        let pair = hasty(SOON).await;
        pair.double.respond_with(|seen| match seen.number {
            1 => over("part"),
            2 => Reply::words(429, "Too many concurrent runs").retry_after("3600"),
            _ => Reply::text("done anew"),
        });
        let id = pair.submit(NewRun { on_crash, ..there("s", "work") }).await;
        pair.double.upstream().requested(2).await;
        pair.double.upstream().answered().await;
        let pair = pair.killed().await;
        let ended = pair.ended(id).await;
        if on_crash == OnCrash::Retry {
            assert_eq!(
                (answer(&ended).0.as_str(), asked(&pair)),
                ("done anew", ["work", GO_ON, "work"].map(Into::into).to_vec())
            );
        } else {
            let (reason, message) = failure(&ended);
            assert_eq!((reason, asked(&pair)), (FailureReason::Interrupted, ["work", GO_ON].map(Into::into).to_vec()));
            assert!(message.contains("executor:v1"), "{message}");
        }
        pair.house.stop().await;
    }
}
