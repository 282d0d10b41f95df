//! What a request for a response comes to: a turn, its place, and what is kept with it.

use std::collections::VecDeque;

use claw_app::chat::Place;
use claw_core::task::StateName;
use claw_core::turn::{Context, Origin, Reasoning};
use claw_core::{AgentId, Message, Principal, Turn};
use claw_wire::BadRequest;
use claw_wire::openai::model::Selection;
use claw_wire::openai::responses::Kept;
use claw_wire::openai::responses::request::{Ask, ResponsesRequest};
use claw_wire::openai::responses::tools::Tools;
use claw_wire::target::{Named, Target, is_said};
use http::StatusCode;
use http::header::HeaderMap;

use super::{own, references};
use crate::doors::Doors;
use crate::error::Problem;
use crate::http::chat::{AGENT, SESSION};
use crate::limits::SOCKET_RESPONSES_MAX;

/// A response that can be begun.
pub(super) struct Asked {
    pub(super) turn: Turn,
    pub(super) place: Place,
    pub(super) kept: Kept,
    pub(super) stream: bool,
    /// The fields to blame.
    pub(super) named: Named,
}

/// What a socket remembers of its own responses, beside what is stored.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Responses that can be continued here although they are not stored; the oldest is forgotten beyond the limit.
    own: VecDeque<String>,
    /// A request that was only prepared, with what was said in it and whether strangers' words are.
    warm: Option<(String, (Vec<Message>, bool))>,
}

impl Memory {
    /// A response that was made here.
    pub(super) fn remember(&mut self, id: String) {
        if self.own.len() == SOCKET_RESPONSES_MAX {
            self.own.pop_front();
        }
        self.own.push_back(id);
    }

    /// A request that was prepared here.
    pub(super) fn warm(&mut self, id: String, turn: Turn) {
        let untrusted = turn.brings_untrusted();
        self.warm = Some((id, (said(turn), untrusted)));
    }

    /// What was to go on from `id` has failed: it is not continued from here any more.
    pub(super) fn forget(&mut self, id: Option<&str>) {
        let Some(id) = id else { return };
        self.own.retain(|own| own != id);
        self.warm.take_if(|(warm, _)| warm == id);
    }

    fn has(&self, id: &str) -> bool {
        self.own.iter().any(|own| own == id)
    }
}

/// All that a turn in a conversation of its own would show a model.
fn said(turn: Turn) -> Vec<Message> {
    let given = match turn.context {
        Context::Given(given) => given,
        Context::Session => Vec::new(),
    };
    given.into_iter().chain(turn.input).collect()
}

/// Resolves agent, conversation, tools and the response before.
pub(super) async fn read(
    doors: &Doors,
    principal: &Principal,
    mut request: ResponsesRequest,
    headers: &HeaderMap,
    memory: &Memory,
) -> Result<Asked, Problem> {
    let names_untrusted = references::resolve(doors, principal, request.input.as_mut()).await?;
    let Ask { input, sampling, tools, tool_choice, thinking, tool_calls_max, stream, mut kept } = request.try_into()?;
    let selection = Selection::parse(&kept.model)?;
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
    let agent = header(AGENT).or(selection.agent.as_ref().map(AgentId::as_str));
    let by_user = kept.user.as_ref().map(|user| format!("openai-user:{user}"));
    let names =
        [(SESSION, header(SESSION)), ("conversation", kept.conversation.as_deref()), ("user", by_user.as_deref())];
    let named = Named::of(
        (AGENT, is_said(header(AGENT))),
        ("model", selection.agent.is_some()),
        &names.map(|(field, name)| (field, is_said(name))),
    );
    let Target { agent, session } = Target::first((AGENT, agent), &names)?;
    let before = match &kept.previous_response_id {
        Some(id) => Some(before(doors, principal, id, memory).await?),
        None => None,
    };
    let mut untrusted = names_untrusted || input.untrusted;
    let (session, place, context) = match (session, before) {
        (Some(session), None) => {
            if let Some((place, call)) = doors.app.sessions.unasked(principal, &session, &input.messages).await? {
                return Err(input.unasked(place, &call).into());
            }
            (session, Place::Named, Context::Session)
        }
        (_, before) => {
            let fresh = doors.app.chat.fresh_session(&agent);
            let (before, is_untrusted) = before.unwrap_or_default();
            untrusted |= is_untrusted;
            input.check_calls(&before)?;
            (fresh, Place::Fresh, Context::Given(before))
        }
    };
    kept.is_alone = place == Place::Fresh;
    let own_tools = own_tools(doors, principal, &agent, &tools).map_err(|problem| problem.named(named))?;
    let turn = Turn {
        executor: None,
        agent,
        session,
        input: input.messages,
        context,
        model: selection.model,
        sampling,
        client_tools: tools.clients,
        tool_choice,
        thinking,
        reasoning: if kept.summary.is_some() { Reasoning::Words } else { Reasoning::Places },
        // Whoever comes back may want to watch.
        stream: stream || kept.background,
        instructions: kept.instructions.clone(),
        own_tools,
        tool_calls_max,
        untrusted,
        extra: Some(kept.to_text()),
        time_limit_s: None,
        origin: Origin::default(),
    };
    Ok(Asked { turn, place, kept, stream, named })
}

/// What was said up to the end of an earlier response, and whether strangers' words are in it.
pub(super) async fn before(
    doors: &Doors,
    principal: &Principal,
    id: &str,
    memory: &Memory,
) -> Result<(Vec<Message>, bool), Problem> {
    if let Some((_, said)) = memory.warm.as_ref().filter(|(warm, _)| warm == id) {
        return Ok(said.clone());
    }
    let refuse = |code: &'static str, message: String| Problem {
        param: Some("previous_response_id".into()),
        ..Problem::new(StatusCode::BAD_REQUEST, code, message)
    };
    let (task, _) = match own(doors, principal, id, memory.has(id)).await {
        Err(problem) if problem.status == StatusCode::NOT_FOUND => {
            let message = format!("there is no response {:?}", id.chars().take(80).collect::<String>());
            return Err(refuse("previous_response_not_found", message));
        }
        found => found?,
    };
    if task.state.name() != StateName::Completed {
        let state = task.state.name().as_str();
        let message = format!("{id} is {state}; only a response with an answer, whole or incomplete, can be continued");
        return Err(refuse("invalid_request", message));
    }
    Ok((doors.app.sessions.thread(&task).await?, doors.app.sessions.is_untrusted(&task).await?))
}

/// The gateway's tools a request names, by their own names (K10).
fn own_tools(
    doors: &Doors,
    principal: &Principal,
    agent: &AgentId,
    tools: &Tools,
) -> Result<Option<Vec<String>>, Problem> {
    if !tools.is_limited {
        return Ok(None);
    }
    doors.app.models.agent(agent)?;
    let resolve = |(param, name): &(String, String)| {
        let absent = || BadRequest::of(param.clone(), format!("there is no tool {name:?}"));
        doors.app.models.tool_named(principal, agent, name).ok_or_else(absent)
    };
    Ok(Some(tools.named.iter().map(resolve).collect::<Result<_, _>>()?))
}
