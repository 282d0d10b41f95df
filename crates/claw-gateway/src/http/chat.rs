//! `POST /v1/chat/completions`: a run whose caller stays on the line.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use claw_app::chat::{AttachedRun, Place};
use claw_app::limiter::Claim;
use claw_app::tasks::NewRun;
use claw_app::{Error, Idempotency};
use claw_core::message::Message;
use claw_core::provider::Usage;
use claw_core::turn::{Context, Origin, Reasoning};
use claw_core::{AgentId, Lane, Output, Principal, SessionKey, TaskId, Timestamp, Turn};
use claw_wire::BadRequest;
use claw_wire::openai::chat::{Chat, ChatRequest, check_calls, unasked};
use claw_wire::openai::chunk::{ChunkWriter, DONE};
use claw_wire::openai::completion::{ChatCompletion, completion_id};
use claw_wire::openai::kept::Kept;
use claw_wire::openai::model::Selection;
use claw_wire::target::{Named, Target, is_said};
use futures::future::try_join_all;
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue};

use super::body::Json;
use super::caller::Generating;
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
    caller: Generating,
    Extension(arrival): Extension<Arrival>,
    headers: HeaderMap,
    body: Json<ChatRequest>,
) -> Result<Response, Problem> {
    // Whoever sends slowly takes no room for an answer.
    Box::pin(answered(doors, caller, arrival, headers, body)).await
}

async fn answered(
    doors: Arc<Doors>,
    caller: Generating,
    arrival: Arrival,
    headers: HeaderMap,
    Json { value, bytes }: Json<ChatRequest>,
) -> Result<Response, Problem> {
    let idempotency = idempotency(&headers, &bytes)?;
    let mut chat = Chat::try_from(value)?;
    // It would be held for as long as the answer takes.
    drop(bytes);
    let model = chat.model.take().unwrap_or_else(|| MODEL.to_owned());
    let (stream, include_usage, n) = (chat.stream, chat.include_usage, chat.n);
    let Asked { turn, place, named } = asked(&doors, caller.principal(), chat, &model, &headers).await?;
    if n > 1 && idempotency.is_some() {
        return Err(alone("an Idempotency-Key names one answer"));
    }
    if n > 1 && place == Place::Named {
        return Err(alone("a conversation with a name has one answer"));
    }
    let mut pass = caller.admit(&doors, Claim::several(n), idempotency.as_ref()).await?;
    let (mut runs, is_replay) = match idempotency {
        None => {
            let runs = several(&doors, caller.principal(), turn, place, n).await;
            let mut runs = runs.map_err(|error| Problem::from(error).named(named))?;
            runs.iter_mut().for_each(|run| run.hold(&mut pass));
            (runs, false)
        }
        Some(key) => {
            let run = NewRun { idempotency: Some(key), ..NewRun::of(turn, Lane::Interactive) };
            let run = doors.app.chat.start_keyed(caller.principal(), run, pass).await;
            let run = run.map_err(|error| Problem::from(error).named(named))?;
            let is_replay = run.is_replay;
            (vec![run], is_replay)
        }
    };
    let Some(first) = runs.first() else { return Err(alone("there must be an answer")) };
    let (task, created) = (first.id, first.created_at.seconds());
    let id = completion_id(task);
    let answered = if stream {
        let writer = ChunkWriter::new(&id, created, &model, include_usage);
        let tally = Arc::new(Tally { left: AtomicUsize::new(n), usage: Mutex::default() });
        let chunks =
            |choice| Chunks { writer: writer.clone().of_choice(choice), include_usage, tally: Arc::clone(&tally) };
        match runs.pop() {
            Some(run) if runs.is_empty() => stream::answer(&doors, run, chunks(0), arrival.request_id).await,
            last => {
                let runs = runs.into_iter().chain(last).enumerate().map(|(choice, run)| (run, chunks(choice)));
                stream::answer_many(&doors, runs.collect(), arrival.request_id).await
            }
        }
    } else {
        // Joining costs as much as the handler itself, and one answer is what is nearly always asked for.
        let outputs = match <[AttachedRun; 1]>::try_from(runs) {
            Ok([run]) => run.output().await.map(|output| vec![output]),
            Err(runs) => try_join_all(runs.into_iter().map(AttachedRun::output)).await,
        };
        outputs
            .map(|outputs| render::json(StatusCode::OK, &ChatCompletion::new(&id, created, &model, &outputs)))
            .map_err(|error| Problem::of_run(error, is_replay))
    };
    Ok(render::of_task(answered.unwrap_or_else(IntoResponse::into_response), task, is_replay))
}

/// As many runs as answers are wanted, each in a conversation of its own.
async fn several(
    doors: &Doors,
    principal: &Principal,
    turn: Turn,
    place: Place,
    n: usize,
) -> Result<Vec<AttachedRun>, Error> {
    let mut runs = Vec::with_capacity(n);
    for _ in 1..n {
        let session = doors.app.chat.fresh_session(&turn.agent);
        runs.push(doors.app.chat.start(principal, Turn { session, ..turn.clone() }, place).await?);
    }
    runs.push(doors.app.chat.start(principal, turn, place).await?);
    Ok(runs)
}

fn alone(why: &str) -> Problem {
    BadRequest::of("n", format!("n must be 1 here: {why}")).into()
}

/// A stream in OpenAI's chunks; one of several, where several answers were asked for.
struct Chunks {
    writer: ChunkWriter,
    include_usage: bool,
    tally: Arc<Tally>,
}

/// What all answers come to; the last one ends the stream.
struct Tally {
    left: AtomicUsize,
    usage: Mutex<Usage>,
}

impl Tally {
    /// Counts one that has ended well; what all used, if it was the last.
    fn count(&self, usage: Usage) -> Option<Usage> {
        let mut all = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        *all = all.plus(usage);
        (self.left.fetch_sub(1, Ordering::Relaxed) == 1).then_some(*all)
    }
}

impl Wording for Chunks {
    fn opening(&mut self) -> Vec<Bytes> {
        vec![self.writer.role().into()]
    }

    fn text(&mut self, delta: &str) -> Bytes {
        self.writer.text(delta).into()
    }

    fn refusal(&mut self, delta: &str) -> Bytes {
        self.writer.refusal(delta).into()
    }

    fn complete(&mut self, output: &Output, was_told: bool, _at: Timestamp) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        if !was_told {
            let (said, refusal) = output.said();
            pieces.extend(Some(said).filter(|said| !said.is_empty()).map(|said| Bytes::from(self.writer.text(said))));
            pieces.extend(refusal.map(|refusal| Bytes::from(self.writer.refusal(refusal))));
        }
        let kept = Kept::of(output);
        pieces.extend(self.writer.reasoning(&kept).map(Bytes::from));
        let calls = output.tool_calls.iter().enumerate();
        pieces.extend(calls.map(|(index, call)| Bytes::from(self.writer.tool_call(index, call, &kept))));
        pieces.push(self.writer.finish(output.finish).into());
        let Some(usage) = self.tally.count(output.usage) else { return pieces };
        if self.include_usage {
            pieces.push(self.writer.usage(usage).into());
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
    let named = [AGENT, SESSION].map(|name| headers.get(name).map_or(&[][..], HeaderValue::as_bytes));
    if named.iter().all(|name| name.is_empty()) {
        return submit::idempotency_of(headers, body);
    }
    submit::idempotency_of(headers, &[body, &named.join(&0)].join(&0))
}

/// What a request comes to.
struct Asked {
    turn: Turn,
    place: Place,
    /// The fields to blame.
    named: Named,
}

/// The turn a request asks for. A session that the client names is a conversation of ours; without
/// one, the client keeps the conversation itself and the run has a session of its own.
async fn asked(
    doors: &Doors,
    principal: &Principal,
    chat: Chat,
    model: &str,
    headers: &HeaderMap,
) -> Result<Asked, Problem> {
    let Chat { model: _, stream, user, head, tail, sampling, tools, tool_choice, own_tools, thinking, .. } = chat;
    let selection = Selection::parse(model)?;
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
    let agent = header(AGENT).or(selection.agent.as_ref().map(|agent| agent.as_str()));
    let by_user = user.map(|user| format!("openai-user:{user}"));
    let names = [(SESSION, header(SESSION)), ("user", by_user.as_deref())];
    let by = Named::of(
        (AGENT, is_said(header(AGENT))),
        ("model", selection.agent.is_some()),
        &names.map(|(field, name)| (field, is_said(name))),
    );
    let Target { agent, session } = Target::first((AGENT, agent), &names)?;
    let (session, place) = named(doors, &agent, session);
    let is_known = head.iter().any(|message| !matches!(message, Message::System { .. }));
    let (context, input) = match place {
        Place::Named if !is_known => (Context::Session, head.into_iter().chain(tail).collect()),
        Place::Named | Place::Fresh => (Context::Given(head), tail),
    };
    match &context {
        Context::Given(head) => check_calls(head, &input)?,
        Context::Session => {
            let unasked_for = doors.app.sessions.unasked(principal, &session, &input).await?;
            unasked_for.map_or(Ok(()), |(place, call)| Err(unasked(place, &call)))?;
        }
    }
    let own_tools = own_tools.map(|names| own(doors, principal, &agent, names)).transpose();
    let own_tools = own_tools.map_err(|problem| problem.named(by))?;
    // Whoever keeps the conversation brings back what its tools answered earlier, too.
    let untrusted = matches!(&context, Context::Given(given) if given.iter().any(Message::is_of_tool));
    let model = selection.model;
    // Whoever runs calls of its own brings back what led to them.
    let reasoning = if tools.is_empty() { Reasoning::None } else { Reasoning::Places };
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
        reasoning,
        stream,
        instructions: None,
        own_tools,
        tool_calls_max: None,
        untrusted,
        extra: None,
        time_limit_s: None,
        origin: Origin::default(),
    };
    Ok(Asked { turn, place, named: by })
}

/// The gateway's tools that a choice allows, by their own names.
fn own(doors: &Doors, principal: &Principal, agent: &AgentId, names: Vec<String>) -> Result<Vec<String>, Problem> {
    doors.app.models.agent(agent)?;
    let absent = |name: &str| BadRequest::of("tool_choice", format!("tool_choice allows {name:?}, which is no tool"));
    let resolve = |name: String| doors.app.models.tool_named(principal, agent, &name).ok_or_else(|| absent(&name));
    Ok(names.into_iter().map(resolve).collect::<Result<_, _>>()?)
}

fn named(doors: &Doors, agent: &AgentId, session: Option<SessionKey>) -> (SessionKey, Place) {
    match session {
        Some(session) => (session, Place::Named),
        None => (doors.app.chat.fresh_session(agent), Place::Fresh),
    }
}
