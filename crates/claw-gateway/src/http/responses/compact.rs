//! `POST /v1/responses/compact`: a conversation made short by its own model. Whether strangers' words were in it
//! stays with it (ADR 0009).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use claw_app::Error;
use claw_app::chat::Place;
use claw_app::limiter::Claim;
use claw_app::tasks::NewRun;
use claw_core::provider::ToolChoice;
use claw_core::turn::Context;
use claw_core::{AgentId, Failure, FailureReason, Lane, Message, Turn};
use claw_wire::openai::model::Selection;
use claw_wire::openai::responses::compaction::{ASKED, CompactRequest, Compacted};
use claw_wire::target::Target;
use http::StatusCode;
use http::header::HeaderMap;

use super::asked::{Memory, before};
use super::references;
use crate::doors::Doors;
use crate::error::Problem;
use crate::http::body::Json;
use crate::http::caller::Generating;
use crate::http::chat::{AGENT, idempotency};
use crate::http::render;

/// Asks the model for notes; no tool is called.
pub(crate) async fn compact(
    State(doors): State<Arc<Doors>>,
    caller: Generating,
    headers: HeaderMap,
    Json { value, bytes }: Json<CompactRequest>,
) -> Result<Response, Problem> {
    // A response may be asked for in the same words.
    let key = idempotency(&headers, &[b"compact".as_slice(), &bytes].concat())?;
    drop(bytes);
    let CompactRequest { model, mut input, previous_response_id, instructions, prompt_cache_key: _ } = value;
    let names_untrusted = references::resolve(&doors, caller.principal(), input.as_mut()).await?;
    let new = CompactRequest::read(&model, input, previous_response_id.as_deref())?;
    let selection = Selection::parse(&model)?;
    let header = headers.get(AGENT).map(|value| value.to_str().unwrap_or("\u{fffd}"));
    let agent = header.or(selection.agent.as_ref().map(AgentId::as_str));
    let Target { agent, session: _ } = Target::resolve((AGENT, agent), &[])?;
    let (mut said, is_untrusted) = match &previous_response_id {
        Some(id) => before(&doors, caller.principal(), id, &Memory::default()).await?,
        None => Default::default(),
    };
    new.check_calls(&said)?;
    let untrusted = names_untrusted || is_untrusted || new.untrusted || new.messages.iter().any(Message::is_of_tool);
    said.extend(new.messages);
    let turn = Turn {
        input: vec![Message::user(ASKED)],
        context: Context::Given(said.clone()),
        model: selection.model,
        tool_choice: ToolChoice::None,
        stream: false,
        instructions,
        own_tools: Some(Vec::new()),
        untrusted,
        ..Turn::text(doors.app.chat.fresh_session(&agent), "")
    };
    let pass = caller.admit(&doors, Claim::ONE, key.as_ref()).await?;
    let (chat, principal) = (&doors.app.chat, caller.principal());
    let run = match key {
        None => chat.start(principal, turn, Place::Fresh).await?.holding(pass),
        Some(_) => {
            chat.start_keyed(principal, NewRun { idempotency: key, ..NewRun::of(turn, Lane::Interactive) }, pass)
                .await?
        }
    };
    let (task, created, is_replay) = (run.id, run.created_at.seconds(), run.is_replay);
    let output = run.output().await.map_err(|error| Problem::of_run(error, is_replay))?;
    if output.text.trim().is_empty() {
        let failure = Failure::new(FailureReason::Provider, "the model gave no notes");
        return Err(Error::Run(Failure { is_transient: true, ..failure }).into());
    }
    // The run knows more than this request: answers of runs that had heard strangers are known again.
    let run = doors.app.tasks.find(caller.principal(), &task.to_string()).await?;
    let strangers = doors.app.sessions.is_untrusted(&run).await?;
    let answer = render::json(StatusCode::OK, &Compacted::new(task, created, said, &output, strangers));
    Ok(render::of_task(answer, task, is_replay))
}
