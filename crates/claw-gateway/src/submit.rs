//! Tasks from both doors: what the app is told, and how a fresh task is shown.

use claw_app::tasks::{Accepted, NewRun};
use claw_app::{App, Idempotency};
use claw_core::task::StateName;
use claw_core::{Principal, Timestamp, Turn};
use claw_wire::BadRequest;
use claw_wire::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use claw_wire::v2::task::{Submission, Task};
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use crate::error::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A client's key for a request with these bytes (G4).
pub(crate) fn idempotency(key: String, request: &[u8]) -> Idempotency {
    Idempotency { key, digest: Sha256::digest(request).into() }
}

/// A key that only others of the same `space` can meet.
pub(crate) fn apart(space: &str, key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().fold(format!("{space}:"), |text, byte| format!("{text}{byte:02x}"))
}

/// The key in a request's header, for a request with these bytes.
pub(crate) fn idempotency_of(headers: &HeaderMap, request: &[u8]) -> Result<Option<Idempotency>, Problem> {
    let key = headers.get(IDEMPOTENCY_KEY).map(checked_key).transpose()?;
    Ok(key.map(|key| idempotency(key, request)))
}

/// Refuses a key where nothing is kept by which it could be known again: who sends one counts on it.
pub(crate) fn without_key(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(IDEMPOTENCY_KEY) {
        Some(_) => Err(refused_key("is not kept on this route: what is asked twice is done twice")),
        None => Ok(()),
    }
}

fn refused_key(problem: &str) -> Problem {
    let message = format!("Idempotency-Key {problem}");
    Problem {
        param: Some("Idempotency-Key".into()),
        ..Problem::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }
}

fn checked_key(value: &http::HeaderValue) -> Result<String, Problem> {
    let key = value.to_str().map_err(|_| refused_key("must be visible ASCII"))?.trim();
    if key.is_empty() || key.chars().count() > IDEMPOTENCY_KEY_CHARS_MAX {
        return Err(refused_key("must be 1 to 255 characters"));
    }
    Ok(key.to_owned())
}

/// Puts the tools' own names in the place of those by which `field` names what a turn may use (K10).
pub(crate) fn name_tools(app: &App, principal: &Principal, turn: &mut Turn, field: &str) -> Result<(), Problem> {
    let Some(names) = turn.own_tools.take() else { return Ok(()) };
    app.models.agent(&turn.agent)?;
    let resolve = |(index, name): (usize, String)| {
        let absent = || BadRequest::of(format!("{field}[{index}]"), format!("there is no tool {name:?}"));
        app.models.tool_named(principal, &turn.agent, &name).ok_or_else(absent)
    };
    turn.own_tools = Some(names.into_iter().enumerate().map(resolve).collect::<Result<_, _>>()?);
    Ok(())
}

/// A task as the app is told it. A client that names no conversation gets one of its own.
pub(crate) fn new_run(
    app: &App,
    principal: &Principal,
    submission: &Submission,
    idempotency: Option<Idempotency>,
) -> Result<NewRun, Problem> {
    let mut turn = submission.turn(|| format!("task:{}", app.ids().next().hyphenated()));
    name_tools(app, principal, &mut turn, submission.tools_field)?;
    let Submission { lane, priority, attempts_max, on_crash, callback, delay, .. } = submission;
    Ok(NewRun {
        priority: *priority,
        on_crash: *on_crash,
        attempts_max: *attempts_max,
        delay: *delay,
        callback: callback.clone(),
        idempotency,
        ..NewRun::of(turn, *lane)
    })
}

/// What was just accepted, without reading it back: its commit is on disk and nothing else is known.
pub(crate) struct Fresh {
    accepted: Accepted,
    run: NewRun,
    at: Timestamp,
}

impl Fresh {
    /// Submits, and remembers what was submitted.
    pub(crate) async fn submit(app: &App, principal: &Principal, mut run: NewRun) -> Result<Self, Problem> {
        let at = app.now();
        // Named here, so that the answer says what was stored even if the default changes meanwhile.
        run.attempts_max.get_or_insert_with(|| app.tasks.attempts_default());
        let accepted = app.tasks.submit(principal, run.clone()).await?;
        Ok(Self { accepted, run, at })
    }

    /// What the app said.
    pub(crate) const fn accepted(&self) -> &Accepted {
        &self.accepted
    }

    /// The task as it was accepted.
    pub(crate) fn shown(&self) -> Task<'_> {
        let not_before = (!self.run.delay.is_zero()).then(|| self.at.plus(self.run.delay).to_string());
        Task {
            id: self.accepted.id.to_string(),
            kind: "agent",
            status: StateName::Queued.as_str(),
            progress: 0,
            result: None,
            error: None,
            created_at: self.at.to_string(),
            started_at: None,
            completed_at: None,
            not_before,
            waits_for_approval: None,
            attempt: 0,
            max_attempts: self.run.attempts_max.unwrap_or_default(),
            run_id: self.accepted.run_id.clone(),
            agent_id: self.run.turn.agent.as_str(),
            session_key: self.accepted.session.as_str(),
            lane: self.run.lane.as_str(),
            priority: self.run.priority.get(),
        }
    }
}
