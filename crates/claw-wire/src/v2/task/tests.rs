use std::time::Duration;

use claw_core::provider::FinishReason;
use claw_core::{FailureReason, Lane, OnCrash, Principal, Priority, SessionId, SessionKey, TaskId, Timestamp, Turn};
use serde_json::json;

use super::*;
use crate::target::Named;
use crate::{BadRequest, json as reader};

const CREATED: Timestamp = Timestamp::from_millis(1_771_200_000_000);
const ENDED: Timestamp = Timestamp::from_millis(1_771_200_002_500);

fn read(text: &str) -> Result<Submission, BadRequest> {
    reader::from_slice::<NewTask>(text.as_bytes())?.try_into()
}

fn task(state: TaskState) -> CoreTask {
    let session = SessionKey::from_stored("agent:main:x".into());
    let uuid = "task_00000000000000000000000000000007".parse::<TaskId>().unwrap().uuid();
    CoreTask {
        id: TaskId::from_uuid(uuid),
        principal: Principal::operator(),
        session: SessionId::from_uuid(uuid),
        turn: Turn::text(session, "hi"),
        lane: Lane::Long,
        priority: Priority::NORMAL,
        label: None,
        on_crash: OnCrash::Fail,
        attached: false,
        callback: None,
        attempt: 1,
        failures: 0,
        attempts_max: 3,
        crashes: 0,
        progress: 40,
        waits_for: None,
        created_at: CREATED,
        started_at: Some(CREATED),
        state,
    }
}

fn shown(state: TaskState) -> serde_json::Value {
    serde_json::to_value(Task::from(&task(state))).unwrap()
}

#[test]
fn the_smallest_task_is_read() {
    let task = read(r#"{"input":{"message":"hi"}}"#).unwrap();
    assert_eq!((task.lane, task.priority, task.on_crash), (Lane::Standard, Priority::NORMAL, OnCrash::Fail));
    assert_eq!((task.delay, task.attempts_max, task.callback.clone()), (Duration::ZERO, None, None));
    assert_eq!(task.turn(|| "task:7".into()), Turn::text(SessionKey::from_stored("agent:main:task:7".into()), "hi"));
}

#[test]
fn every_field_of_a_task_arrives() {
    let task = read(
        r#"{"type":"agent","lane":"long","priority":9,"maxAttempts":2,"onCrash":"retry","delayMs":1500,
            "callback":{"url":"https://x.test/h","headers":{"X-Signature":"sha256=..."}},
            "input":{"message":"hi","agentId":"ops","sessionId":"s","model":"p/m",
                     "options":{"thinking":"high","temperature":1,"maxTokens":5}},"extra":1}"#,
    )
    .unwrap();
    let callback = task.callback.clone().unwrap();
    assert_eq!(callback.headers, [("X-Signature".to_owned(), "sha256=...".to_owned())]);
    assert_eq!((task.lane, task.priority.get(), task.attempts_max), (Lane::Long, 9, Some(2)));
    assert_eq!((task.on_crash, task.delay), (OnCrash::Retry, Duration::from_millis(1500)));
    let turn = task.turn(|| "unused".into());
    assert_eq!((turn.session.as_str(), turn.model.as_deref()), ("agent:ops:s", Some("p/m")));
    assert_eq!((turn.thinking.as_deref(), turn.sampling.max_tokens), (Some("high"), Some(5)));
}

/// K11: one reading of the field at every door, in both places that a task has for it.
#[test]
fn either_field_for_models_selects_an_agent_or_a_model() {
    for (fields, agent, model, [by_agent, by_model]) in [
        (r#""options":{"model":"openclaw:ops"}"#, "ops", None, ["input.options.model", "input.model"]),
        (r#""options":{"model":"openclaw/ops"}"#, "ops", None, ["input.options.model", "input.model"]),
        (r#""options":{"model":"openclaw"}"#, "main", None, ["input.agentId", "input.model"]),
        (r#""options":{"model":"p/m"}"#, "main", Some("p/m"), ["input.agentId", "input.options.model"]),
        (
            r#""model":"agent:ops","options":{"model":"p/m"}"#,
            "ops",
            Some("p/m"),
            ["input.model", "input.options.model"],
        ),
        (
            r#""model":"p/m","options":{"model":"agent:ops"}"#,
            "ops",
            Some("p/m"),
            ["input.options.model", "input.model"],
        ),
        (r#""model":"p/m","options":{"model":"p/n"}"#, "main", Some("p/m"), ["input.agentId", "input.model"]),
    ] {
        let task = read(&format!(r#"{{"input":{{"message":"x",{fields}}}}}"#)).unwrap();
        let turn = task.turn(|| "t".into());
        assert_eq!((turn.agent.as_str(), turn.model.as_deref()), (agent, model), "{fields}");
        assert_eq!(task.named, Named { agent: by_agent, model: by_model }, "{fields}");
    }
}

#[test]
fn a_wrong_field_of_a_task_is_named() {
    for (body, param) in [
        (r#"{"type":"analysis","input":{"fileUrl":"u"}}"#, "type"),
        (r#"{"type":5}"#, "type"),
        (r#"{}"#, "input"),
        (r#"{"input":"hi"}"#, "input"),
        (r#"{"input":{}}"#, "input.message"),
        (r#"{"input":{"message":" "}}"#, "input.message"),
        (r#"{"input":{"message":5}}"#, "input.message"),
        (r#"{"input":{"message":"x","agentId":"a b"}}"#, "input.agentId"),
        (r#"{"input":{"message":"x","sessionKey":"agent:main:"}}"#, "input.sessionKey"),
        (r#"{"input":{"message":"x","model":"agent:"}}"#, "input.model"),
        (r#"{"input":{"message":"x","options":{"model":"openclaw:a b"}}}"#, "input.options.model"),
        (r#"{"input":{"message":"x","options":{"model":" "}}}"#, "input.options.model"),
        (r#"{"input":{"message":"x","options":{"temperature":3}}}"#, "input.options.temperature"),
        (r#"{"input":{"message":"x","options":{"maxTokens":0}}}"#, "input.options.maxTokens"),
        (r#"{"input":{"message":"x","options":{"thinking":"loud"}}}"#, "input.options.thinking"),
        (r#"{"lane":"fast","input":{"message":"x"}}"#, "lane"),
        (r#"{"priority":10,"input":{"message":"x"}}"#, "priority"),
        (r#"{"priority":-1,"input":{"message":"x"}}"#, "priority"),
        (r#"{"maxAttempts":0,"input":{"message":"x"}}"#, "maxAttempts"),
        (r#"{"onCrash":"maybe","input":{"message":"x"}}"#, "onCrash"),
        (r#"{"delayMs":99999999999999,"input":{"message":"x"}}"#, "delayMs"),
        (r#"{"callback":{},"input":{"message":"x"}}"#, "callback.url"),
        (r#"{"callback":{"url":"file:///etc/passwd"},"input":{"message":"x"}}"#, "callback.url"),
        (r#"{"callback":{"url":"http:///x"},"input":{"message":"x"}}"#, "callback.url"),
        (r#"{"callback":{"url":"https://a:b@x/"},"input":{"message":"x"}}"#, "callback.url"),
        (r#"{"callback":{"url":"http://x","headers":{"Host":"y"}},"input":{"message":"x"}}"#, "callback.headers.Host"),
        (r#"{"callback":{"url":"http://x","headers":{"TE":"y"}},"input":{"message":"x"}}"#, "callback.headers.TE"),
        (
            r#"{"callback":{"url":"http://x","headers":{"Content-Length":"1"}},"input":{"message":"x"}}"#,
            "callback.headers.Content-Length",
        ),
        (
            r#"{"callback":{"url":"http://x","headers":{"Webhook-Id":"1"}},"input":{"message":"x"}}"#,
            "callback.headers.Webhook-Id",
        ),
        (r#"{"callback":{"url":"http://x","headers":{"a b":"c"}},"input":{"message":"x"}}"#, "callback.headers.a b"),
        (r#"{"callback":{"url":"http://x","headers":{"a":"b\r\nc"}},"input":{"message":"x"}}"#, "callback.headers.a"),
    ] {
        let error = read(body).expect_err(body);
        assert_eq!(error.param.as_deref(), Some(param), "{body}: {}", error.message);
    }
    let unknown = read(r#"{"type":"analysis"}"#).unwrap_err();
    assert_eq!(unknown.message, "unknown task type \"analysis\"; known types: agent");
}

#[test]
fn a_finished_task_shows_its_result() {
    let usage =
        claw_core::provider::Usage { input_tokens: 1, output_tokens: 2, cached_tokens: 0, ..Default::default() };
    let output = Output {
        text: "done".into(),
        refused_from: None,
        reasoned: Vec::new(),
        asides: vec![],
        tool_calls: vec![],
        finish: FinishReason::Stop,
        usage,
        model: "p/m".into(),
        answered_by: None,
    };
    assert_eq!(
        shown(TaskState::Completed { output, at: ENDED }),
        json!({"id": "task_00000000000000000000000000000007", "type": "agent", "status": "completed", "progress": 100,
               "result": {"response": "done", "model": "p/m", "finishReason": "stop",
                          "usage": {"promptTokens": 1, "completionTokens": 2, "totalTokens": 3}},
               "error": null, "createdAt": "2026-02-16T00:00:00.000Z", "startedAt": "2026-02-16T00:00:00.000Z",
               "completedAt": "2026-02-16T00:00:02.500Z", "attempt": 1, "maxAttempts": 3,
               "runId": "run_00000000000000000000000000000007", "agentId": "main", "sessionKey": "agent:main:x",
               "lane": "long", "priority": 5})
    );
}

#[test]
fn a_failed_task_shows_why_and_a_waiting_one_until_when() {
    let failure = Failure::new(FailureReason::Poisoned, "died");
    let failed = shown(TaskState::Failed { failure, at: ENDED });
    assert_eq!(failed["error"], json!({"reason": "poisoned", "code": "poisoned", "message": "died"}));
    assert_eq!((&failed["progress"], &failed["result"]), (&json!(40), &json!(null)));
    assert_eq!(shown(TaskState::Queued { not_before: ENDED })["notBefore"], json!("2026-02-16T00:00:02.500Z"));
    assert_eq!(shown(TaskState::Queued { not_before: CREATED }).get("notBefore"), None);
    assert_eq!(shown(TaskState::Cancelled { at: ENDED })["completedAt"], json!("2026-02-16T00:00:02.500Z"));
}

#[test]
fn a_callback_tells_the_end_in_bytes_that_survive_javascript() {
    assert_eq!(crate::v2::delivery::task_ended(&task(TaskState::Running { since: CREATED })), None);
    let cancelled = crate::v2::delivery::task_ended(&task(TaskState::Cancelled { at: ENDED })).unwrap();
    let cancelled: serde_json::Value = serde_json::from_slice(&cancelled).unwrap();
    assert_eq!(cancelled["type"], "task.cancelled");
    assert_eq!(cancelled["data"], shown(TaskState::Cancelled { at: ENDED }));

    let output = Output {
        text: "Grüße \u{2028}\u{7f}\u{1}\n\"</script>\" 🦀".into(),
        refused_from: None,
        reasoned: Vec::new(),
        asides: vec![],
        tool_calls: vec![],
        finish: FinishReason::Stop,
        usage: CoreUsage { input_tokens: 1 << 60, output_tokens: 2, cached_tokens: 0, ..Default::default() },
        model: "p/m".into(),
        answered_by: None,
    };
    let body = crate::v2::delivery::task_ended(&task(TaskState::Completed { output, at: ENDED })).unwrap();
    // Printed by `JSON.stringify(JSON.parse(body))` from these very bytes.
    let expected = concat!(
        r#"{"type":"task.completed","timestamp":"2026-02-16T00:00:02.500Z","data":{"#,
        r#""id":"task_00000000000000000000000000000007","type":"agent","status":"completed","progress":100,"#,
        r#""result":{"response":"Grüße "#,
        "\u{2028}\u{7f}",
        r#"\u0001\n\"</script>\" 🦀","usage":{"promptTokens":9007199254740991,"completionTokens":2,"#,
        r#""totalTokens":9007199254740991},"model":"p/m","finishReason":"stop"},"error":null,"#,
        r#""createdAt":"2026-02-16T00:00:00.000Z","startedAt":"2026-02-16T00:00:00.000Z","#,
        r#""completedAt":"2026-02-16T00:00:02.500Z","attempt":1,"maxAttempts":3,"#,
        r#""runId":"run_00000000000000000000000000000007","agentId":"main","sessionKey":"agent:main:x","#,
        r#""lane":"long","priority":5}}"#,
    );
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}
