use claw_core::approval::ApprovalState;
use claw_core::task::StateName;
use claw_core::{AgentId, ApprovalId, SessionKey};
use serde_json::Value;

use super::*;
use crate::auth::device::Untrusted;
use crate::auth::presented::Form;
use crate::http::render::object;

fn session() -> SessionKey {
    SessionKey::main(&AgentId::main())
}

fn busy() -> Error {
    Error::SessionBusy { key: session(), verb: "reset", runs: vec!["run_1".into()] }
}

fn beyond() -> Error {
    let excess = Excess::Beyond { limit: 1, asked: 2, within: "at once" };
    Error::Limited(Refusal { excess, standing: None })
}

fn full() -> Error {
    Error::Limited(Refusal { excess: Excess::Concurrent { limit: 1 }, standing: None })
}

#[test]
fn a_complaint_is_as_long_as_somebody_reads_whatever_was_sent() {
    let long = "é".repeat(100_000);
    let bad = BadRequest::of(format!("metadata.{long}"), format!("found {long:?}; allowed: true or false"));
    let Problem { message, param, .. } = bad.into();
    assert!(message.starts_with("found \"éé") && message.ends_with("éé\"; allowed: true or false"), "{message}");
    assert!(message.chars().count() < 3_000 && param.is_some_and(|param| param.chars().count() < 3_000));
    let fits = "é".repeat(COMPLAINT_CHARS_MAX);
    assert_eq!(*Problem::from(BadRequest::whole(fits.clone())).message, *fits);
    let model = Problem::from(Error::UnknownModel(format!("there is no model {long:?}; known: p/m")));
    assert!(model.message.ends_with("known: p/m") && model.message.chars().count() < 3_000);
}

#[test]
fn a_busy_session_names_the_runs_that_keep_it() {
    let error = Problem::from(busy()).to_frame_error();
    assert_eq!(error.details, Some(json!({"code": "SESSION_BUSY", "activeRunIds": ["run_1"]})));
    assert_eq!((error.code, error.retryable), ("UNAVAILABLE", Some(true)));
}

/// Every kind of refusal of the app: its status, OpenAI's code, C39's, dialect B's, and whether the same
/// request may succeed later.
fn table() -> Vec<(Error, u16, [&'static str; 3], Option<bool>)> {
    let task: TaskId = "task_00000000000000000000000000000007".parse().unwrap();
    let wait = Duration::from_secs(1);
    let run = |reason| Error::Run(Failure::new(reason, "m"));
    let passing = |reason| Error::Run(Failure { is_transient: true, ..Failure::new(reason, "m") });
    let decided = Error::Decided { approval: ApprovalId::from_uuid(task.uuid()), state: ApprovalState::Denied };
    let invalid = ["invalid_request", "invalid_request", "INVALID_REQUEST"];
    let conflict = ["conflict", "invalid_request", "CONFLICT"];
    let away = ["service_unavailable", "service_unavailable", "UNAVAILABLE"];
    let ours = ["internal_error", "internal_error", "INTERNAL"];
    let reused = ["idempotency_key_reuse", "idempotency_key_reuse", "CONFLICT"];
    vec![
        (Error::Invalid { field: "f".into(), problem: "p".into() }, 400, invalid, None),
        (Error::NotFound { what: "task", id: "x".into() }, 404, ["not_found", "not_found", "NOT_FOUND"], None),
        (Error::UnknownModel("m".into()), 404, ["model_not_found", "not_found", "INVALID_REQUEST"], None),
        (Error::KeyReused { task }, 409, reused, Some(false)),
        (Error::Conflict { task, state: StateName::Failed, verb: "v" }, 409, conflict, Some(false)),
        (decided, 409, conflict, Some(false)),
        (Error::TakenUp { task, by: task }, 409, conflict, Some(false)),
        (busy(), 409, ["session_busy", "invalid_request", "UNAVAILABLE"], Some(true)),
        (Error::MainSession(session()), 400, invalid, None),
        (Error::Forbidden("operator.write"), 403, ["forbidden", "forbidden", "FORBIDDEN"], None),
        (Error::Overloaded { what: "w".into(), retry_after: wait }, 503, away, Some(true)),
        (beyond(), 400, invalid, Some(false)),
        (full(), 429, ["rate_limited", "rate_limited", "RATE_LIMITED"], Some(true)),
        (
            Error::ConfigChanged { hash: "h".into() },
            409,
            ["config_changed", "invalid_request", "INVALID_REQUEST"],
            Some(false),
        ),
        (
            Error::ConfigRefused { issues: Vec::new() },
            400,
            ["config_invalid", "invalid_request", "INVALID_REQUEST"],
            None,
        ),
        (Error::ConfigUnavailable("c".into()), 503, away, Some(true)),
        (Error::DiskFull, 507, ["insufficient_storage", "service_unavailable", "UNAVAILABLE"], Some(true)),
        (Error::Stopping, 503, away, Some(true)),
        (Error::Store("s".into()), 503, away, Some(true)),
        // The provider's 401 and a run that was cut in the middle elsewhere are not mended by asking again.
        (run(FailureReason::Provider), 500, ["upstream_error", "internal_error", "UNAVAILABLE"], Some(false)),
        (passing(FailureReason::Provider), 503, ["upstream_error", "service_unavailable", "UNAVAILABLE"], Some(true)),
        (passing(FailureReason::RateLimited), 429, ["rate_limited", "rate_limited", "RATE_LIMITED"], Some(true)),
        (run(FailureReason::UnknownModel), 404, ["model_not_found", "not_found", "INVALID_REQUEST"], Some(false)),
        (run(FailureReason::Request), 400, invalid, Some(false)),
        (run(FailureReason::Interrupted), 500, ours, Some(false)),
        (run(FailureReason::Poisoned), 500, ours, Some(false)),
        (run(FailureReason::Limit), 500, ["limit_reached", "internal_error", "INTERNAL"], Some(false)),
        (passing(FailureReason::Internal), 500, ours, Some(true)),
        (Error::BegunAnew { task, cause: "c".into() }, 503, away, Some(true)),
        (Error::Cancelled(task), 409, ["cancelled", "invalid_request", "CONFLICT"], Some(false)),
        // The run goes on.
        (
            Error::StillRunning { task, waited: wait },
            504,
            ["timeout", "service_unavailable", "AGENT_TIMEOUT"],
            Some(false),
        ),
    ]
}

/// C39, K8: each door has its own words for each kind.
#[test]
fn every_refusal_of_the_app_has_its_status_and_codes_at_every_door() {
    for (error, status, [openai, reference, frame], is_retryable) in table() {
        let problem = Problem::from(error.clone());
        let found = (problem.status.as_u16(), problem.code, problem.plain_code().0, problem.frame_code);
        assert_eq!(found, (status, openai, reference, frame), "{error:?}");
        assert_eq!(problem.is_retryable, is_retryable, "{error:?}");
        assert_eq!(*problem.message, *error.to_string());
        for is_openai in [true, false] {
            let shown = serde_json::to_value(object(&problem, "req_1", is_openai)).unwrap();
            assert_eq!(shown["code"], if is_openai { openai } else { reference }, "{error:?}");
            assert_eq!(shown.get("retryable"), is_retryable.map(Value::from).as_ref(), "{error:?}");
            let exact = (!is_openai && openai != reference).then_some(openai);
            assert_eq!(shown["details"]["code"].as_str(), exact, "{error:?}");
        }
    }
}

/// C39 has seven words; G4's is the eighth.
#[test]
fn outside_openais_routes_there_are_no_codes_but_the_contracts() {
    for status in (400..=431).chain([451]).chain(500..=511) {
        let problem = Problem::new(StatusCode::from_u16(status).unwrap(), "anything", "m");
        let (code, exact) = problem.plain_code();
        let expected = match status {
            401 => "unauthorized",
            403 | 421 => "forbidden",
            404 => "not_found",
            429 => "rate_limited",
            500 => "internal_error",
            400..500 => "invalid_request",
            _ => "service_unavailable",
        };
        assert_eq!((code, exact), (expected, Some("anything")), "{status}");
    }
}

#[test]
fn what_is_not_there_is_blamed_on_the_field_that_named_it() {
    let by = Named { agent: "sessionKey", model: "options.model" };
    let blamed = |error: Error| Problem::from(error).named(by).param;
    let absent = |what| Error::NotFound { what, id: "x".into() };
    assert_eq!(blamed(absent("agent")).as_deref(), Some("sessionKey"));
    assert_eq!(blamed(Error::UnknownModel("m".into())).as_deref(), Some("options.model"));
    assert_eq!(blamed(absent("session")), None);
    assert_eq!(blamed(Error::Invalid { field: "f".into(), problem: "p".into() }).as_deref(), Some("f"));
    assert_eq!(Problem::from(absent("agent")).param.as_deref(), Some("agentId"));
}

#[test]
fn every_denial_has_its_status_and_code() {
    let table = [
        (Denied::Missing, 401, "unauthorized"),
        (Denied::Wrong(Form::Bearer), 401, "unauthorized"),
        (Denied::Conflicting, 401, "unauthorized"),
        (Denied::Query, 401, "unauthorized"),
        (Denied::HookQuery, 400, "invalid_request"),
        (Denied::NoDevice, 401, "unauthorized"),
        (Denied::Device(Untrusted::Signature), 401, "unauthorized"),
        (Denied::Crowded(Duration::from_secs(3)), 429, "rate_limited"),
        (Denied::Locked(Duration::from_secs(3)), 429, "rate_limited"),
        (Denied::Unavailable, 503, "service_unavailable"),
    ];
    for (denied, status, code) in table {
        let problem = Problem::from(denied);
        assert_eq!((problem.status.as_u16(), problem.code), (status, code));
    }
    let turned = [(Turned::NoHost, 400), (Turned::ForeignHost, 421), (Turned::ForeignOrigin, 403)];
    for (turned, status) in turned {
        assert_eq!(Problem::from(turned).status.as_u16(), status);
    }
}

#[test]
fn a_frame_error_carries_what_programs_need() {
    let task: TaskId = "task_00000000000000000000000000000007".parse().unwrap();
    let error = Problem::from(Error::KeyReused { task }).to_frame_error();
    let details = json!({"code": "idempotency_key_reuse", "taskId": "task_00000000000000000000000000000007"});
    assert_eq!(error.details, Some(details));
    let error = Problem::from(Error::Overloaded { what: "w".into(), retry_after: Duration::from_secs(2) });
    let error = error.to_frame_error();
    assert_eq!((error.retryable, error.retry_after_ms), (Some(true), Some(2000)));
}
