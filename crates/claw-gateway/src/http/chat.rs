//! `POST /v1/chat/completions`: a run whose caller stays on the line.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use claw_app::Idempotency;
use claw_app::chat::Place;
use claw_core::message::Message;
use claw_core::turn::{Context, Origin};
use claw_core::{Output, SessionKey, TaskId, Timestamp, Turn};
use claw_wire::openai::chat::{Chat, ChatRequest};
use claw_wire::openai::chunk::{ChunkWriter, DONE};
use claw_wire::openai::completion::{ChatCompletion, completion_id};
use claw_wire::openai::model::Selection;
use claw_wire::target::Target;
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue};

use super::body::Json;
use super::caller::{Allowed, Write};
use super::front::Arrival;
use super::render;
use super::stream::{self, Wording, error_event};
use crate::doors::Doors;
use crate::error::Problem;
use crate::submit;

pub(super) const AGENT: &str = "x-openclaw-agent-id";
pub(super) const SESSION: &str = "x-openclaw-session-key";
/// What answers when the field `model` is absent.
const MODEL: &str = "openclaw";

/// Answers whole or as a stream.
pub(crate) async fn complete(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    Extension(arrival): Extension<Arrival>,
    headers: HeaderMap,
    Json { value, bytes }: Json<ChatRequest>,
) -> Result<Response, Problem> {
    let idempotency = idempotency(&headers, &bytes)?;
    let mut chat = Chat::try_from(value)?;
    let model = chat.model.take().unwrap_or_else(|| MODEL.to_owned());
    let (stream, include_usage) = (chat.stream, chat.include_usage);
    let (turn, place) = turn(&doors, chat, &model, &headers)?;
    let run = match idempotency {
        None => doors.app.chat.start(allowed.principal(), turn, place).await?,
        Some(key) => doors.app.chat.start_keyed(allowed.principal(), turn, key).await?,
    };
    let (task, created, is_replay) = (run.id, run.created_at.seconds(), run.is_replay);
    let id = completion_id(task);
    let answered = if stream {
        let writer = ChunkWriter::new(&id, created, &model, include_usage);
        stream::answer(&doors, run, Chunks { writer, include_usage }, arrival.request_id).await
    } else {
        let output = run.output().await;
        output
            .map(|output| render::json(StatusCode::OK, &ChatCompletion::new(&id, created, &model, &output)))
            .map_err(Problem::from)
    };
    Ok(render::of_task(answered.unwrap_or_else(IntoResponse::into_response), task, is_replay))
}

/// A stream in OpenAI's chunks.
struct Chunks {
    writer: ChunkWriter,
    include_usage: bool,
}

impl Wording for Chunks {
    fn opening(&mut self) -> Vec<Bytes> {
        vec![self.writer.role().into()]
    }

    fn text(&mut self, delta: &str) -> Bytes {
        self.writer.text(delta).into()
    }

    fn complete(&mut self, output: &Output, said: bool, _at: Timestamp) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        if !said && !output.text.is_empty() {
            pieces.push(self.writer.text(&output.text).into());
        }
        let calls = output.tool_calls.iter().enumerate();
        pieces.extend(calls.map(|(index, call)| Bytes::from(self.writer.tool_call(index, call))));
        pieces.push(self.writer.finish(output.finish).into());
        if self.include_usage {
            pieces.push(self.writer.usage(output.usage).into());
        }
        pieces.push(Bytes::from_static(DONE));
        pieces
    }

    fn fail(&mut self, problem: &Problem, request_id: &str, task: TaskId) -> Vec<Bytes> {
        vec![error_event(problem, request_id, task, true)]
    }
}

/// The client's key. Another conversation makes another request, also where a header names it.
pub(super) fn idempotency(headers: &HeaderMap, body: &[u8]) -> Result<Option<Idempotency>, Problem> {
    let named: Vec<&[u8]> =
        [AGENT, SESSION].map(|name| headers.get(name).map_or(&[][..], HeaderValue::as_bytes)).into();
    if named.iter().all(|name| name.is_empty()) {
        return submit::idempotency_of(headers, body);
    }
    submit::idempotency_of(headers, &[body, &named.join(&0)].join(&0))
}

/// The turn a request asks for. A session that the client names is a conversation of ours; without
/// one, the client keeps the conversation itself and the run has a session of its own.
fn turn(doors: &Doors, chat: Chat, model: &str, headers: &HeaderMap) -> Result<(Turn, Place), Problem> {
    let Chat { model: _, stream, include_usage: _, user, head, tail, sampling, tools, tool_choice, thinking } = chat;
    let selection = Selection::parse(model)?;
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
    let agent = header(AGENT).or(selection.agent.as_ref().map(|agent| agent.as_str()));
    let by_user = user.map(|user| format!("openai-user:{user}"));
    let names = [(SESSION, header(SESSION)), ("user", by_user.as_deref())];
    let Target { agent, session } = Target::resolve((AGENT, agent), &names)?;
    let (session, place) = named(doors, &agent, session);
    let is_known = head.iter().any(|message| !matches!(message, Message::System { .. }));
    let (context, input) = match place {
        Place::Named if !is_known => (Context::Session, head.into_iter().chain(tail).collect()),
        Place::Named | Place::Fresh => (Context::Given(head), tail),
    };
    let model = selection.model;
    let turn = Turn {
        executor: None,
        agent,
        session,
        input,
        context,
        model,
        sampling,
        client_tools: tools,
        tool_choice,
        thinking,
        stream,
        instructions: None,
        own_tools: None,
        extra: None,
        origin: Origin::default(),
    };
    Ok((turn, place))
}

fn named(doors: &Doors, agent: &claw_core::AgentId, session: Option<SessionKey>) -> (SessionKey, Place) {
    match session {
        Some(session) => (session, Place::Named),
        None => (doors.app.chat.fresh_session(agent), Place::Fresh),
    }
}
