//! `/v1/agent/run`: a message to an agent, in the API reference's words (C23, C24).

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use claw_app::limiter::Claim;
use claw_app::tasks::NewRun;
use claw_core::{Lane, Output, TaskId, Timestamp};
use claw_wire::v1::agent::{self, RunAnswer};
use claw_wire::ws::agent::{AgentCall, RunParams};
use http::StatusCode;
use http::header::HeaderMap;

use super::body::Json;
use super::caller::Generating;
use super::front::Arrival;
use super::render;
use super::stream::{self, Wording, error_event};
use crate::doors::Doors;
use crate::error::Problem;
use crate::submit;

/// `POST /v1/agent/run`: whole, unless the body says `stream`.
pub(crate) async fn run(
    state: State<Arc<Doors>>,
    caller: Generating,
    arrival: Extension<Arrival>,
    headers: HeaderMap,
    body: Json<RunParams>,
) -> Result<Response, Problem> {
    answer(state, caller, arrival, headers, body, false).await
}

/// `POST /v1/agent/run/stream`.
pub(crate) async fn stream(
    state: State<Arc<Doors>>,
    caller: Generating,
    arrival: Extension<Arrival>,
    headers: HeaderMap,
    body: Json<RunParams>,
) -> Result<Response, Problem> {
    answer(state, caller, arrival, headers, body, true).await
}

async fn answer(
    State(doors): State<Arc<Doors>>,
    caller: Generating,
    Extension(arrival): Extension<Arrival>,
    headers: HeaderMap,
    Json { value, bytes }: Json<RunParams>,
    must_stream: bool,
) -> Result<Response, Problem> {
    let (asked, is_wanted) = AgentCall::try_from(value)?.streamed_unless_said(false);
    let AgentCall { mut turn, tools, idempotency_key, when_busy, named, stream: _ } = asked;
    let named_tools = submit::name_tools(&doors.app, caller.principal(), &mut turn, tools);
    named_tools.map_err(|problem| problem.named(named))?;
    let is_stream = must_stream || is_wanted;
    turn.stream = is_stream;
    let by_body = idempotency_key.map(|key| submit::idempotency(key, &bytes));
    let key = submit::idempotency_of(&headers, &bytes)?.or(by_body);
    drop(bytes);
    let pass = caller.admit(&doors, Claim::ONE, key.as_ref()).await?;
    let (chat, principal) = (&doors.app.chat, caller.principal());
    let begun = match key {
        None => chat.start_named(principal, turn, when_busy).await.map(|run| run.holding(pass)),
        Some(_) => {
            let run = NewRun { idempotency: key, when_busy, ..NewRun::of(turn, Lane::Interactive) };
            chat.start_keyed(principal, run, pass).await
        }
    };
    let run = begun.map_err(|error| Problem::from(error).named(named))?;
    let (task, session, is_replay) = (run.id, run.session.clone(), run.is_replay);
    let run_id = task.as_run();
    let answered = if is_stream {
        stream::answer(&doors, run, Events { run_id }, arrival.request_id).await
    } else {
        let output = run.output().await;
        let shown = |output| render::json(StatusCode::OK, &RunAnswer::new(&run_id, session.as_str(), &output));
        output.map(shown).map_err(|error| Problem::of_run(error, is_replay))
    };
    Ok(render::of_task(answered.unwrap_or_else(IntoResponse::into_response), task, is_replay))
}

/// A stream in the API reference's events.
struct Events {
    run_id: String,
}

impl Wording for Events {
    fn opening(&mut self) -> Vec<Bytes> {
        Vec::new()
    }

    fn text(&mut self, delta: &str) -> Bytes {
        agent::delta(&self.run_id, delta).into()
    }

    fn complete(&mut self, output: &Output, said: bool, _at: Timestamp) -> Vec<Bytes> {
        let unsaid = (!said && !output.text.is_empty()).then(|| self.text(&output.text));
        unsaid.into_iter().chain([agent::done(&self.run_id, output.finish).into()]).collect()
    }

    fn fail(&mut self, problem: &Problem, request_id: &str, task: TaskId) -> Vec<Bytes> {
        vec![error_event(problem, request_id, task, false)]
    }
}
