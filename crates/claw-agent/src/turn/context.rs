//! What the model is shown: the agent's prompt, history, the new input, and the tools.

use std::sync::Arc;

use claw_core::estimate;
use claw_core::permission::canonical;
use claw_core::provider::{ProviderError, ToolSpec};
use claw_core::tool::Tool;
use claw_core::turn::Context;
use claw_core::{Failure, FailureReason, Message, Task};
use claw_store::StoreError;

use super::Stop;
use super::repeats::Repeats;
use crate::agent::Parts;
use crate::catalog::{Catalog, Resolved, UnknownModel};
use crate::limits::HISTORY_MESSAGES_MAX;
use crate::tools::Offer;

/// The conversation as it grows during a turn.
pub(super) struct Conversation {
    /// Who may be asked, best first; never empty.
    pub(super) route: Vec<Resolved>,
    /// The place in the route of the one that answered last.
    pub(super) answered: usize,
    /// `<provider>/<model>` that was asked last.
    pub(super) model_name: String,
    pub(super) messages: Vec<Message>,
    pub(super) specs: Arc<[ToolSpec]>,
    pub(super) message_count: u64,
    client_tools: Vec<String>,
    /// What the agent may use; the rest is not there.
    tools: Vec<Offer>,
    /// Calls made so far, with what came of them.
    pub(super) repeats: Repeats,
}

impl Conversation {
    /// Resolves the model and loads the history.
    pub(super) async fn open(parts: &Parts, catalog: &Catalog, task: &Task) -> Result<Self, Stop> {
        let turn = &task.turn;
        let agent = catalog.agent(&turn.agent).ok_or_else(|| {
            Failure::new(FailureReason::Request, format!("there is no agent {:?}", turn.agent.as_str()))
        })?;
        let unknown = |unknown: UnknownModel| Failure::new(FailureReason::UnknownModel, unknown.to_string());
        let route = catalog.route(turn.model.as_deref(), agent).map_err(unknown)?;
        let mut tools = catalog.tools(&parts.tools, &turn.agent, &task.principal);
        tools.retain(|offer| turn.admits(&offer.spec.name));
        let specs = specs(task, &tools);
        let mut messages = Vec::new();
        messages.extend(agent.system_prompt.clone().map(|text| Message::System { text }));
        messages.extend(turn.instructions.clone().map(|text| Message::System { text }));
        let mut message_count = 0;
        match &turn.context {
            Context::Given(given) => messages.extend_from_slice(given),
            Context::Session => {
                let history = parts.store.context(task.session, HISTORY_MESSAGES_MAX).await.map_err(unreadable)?;
                message_count = history.last().map_or(0, |last| last.seq);
                // The input is stored already, and a repeated run must not see its own first try.
                let earlier =
                    history.into_iter().filter(|stored| stored.task != Some(task.id)).map(|stored| stored.message);
                // Where the history is cut, an answer may stand without the call it answers; no provider takes that.
                messages.extend(earlier.skip_while(|message| matches!(message, Message::Tool { .. })));
            }
        }
        messages.extend_from_slice(&turn.input);
        let client_tools = turn.client_tools.iter().map(|tool| tool.name.clone()).collect();
        let model_name = route.first().map(Resolved::full_name).unwrap_or_default();
        Ok(Self {
            route,
            answered: 0,
            model_name,
            messages,
            specs,
            message_count,
            client_tools,
            tools,
            repeats: Repeats::default(),
        })
    }

    /// Why this candidate need not even be asked: it calls no tools and the caller has some, or
    /// the conversation is too long for it by any guess.
    pub(super) fn refused_by(&self, candidate: &Resolved) -> Option<ProviderError> {
        let provider = || candidate.provider.id().to_owned();
        if let Some(tool) = self.client_tools.first().filter(|_| !candidate.tools) {
            let cause = format!("{} cannot call tools, but {tool:?} was given", candidate.full_name());
            return Some(ProviderError::Unsupported { provider: provider(), cause });
        }
        let fits = u64::from(candidate.context_tokens?);
        // The estimate is looked for only where it may matter, and believed only where even half
        // of it would not fit: it may be wrong by that much.
        if estimate::text_bytes(&self.messages) <= fits {
            return None;
        }
        let about = estimate::tokens(&self.messages, &[]);
        (about / 2 > fits).then(|| {
            let cause =
                format!("the conversation has about {about} tokens, and {} takes {fits}", candidate.full_name());
            ProviderError::Unsupported { provider: provider(), cause }
        })
    }

    /// Our tool of this name or alias, if the agent may use it.
    pub(super) fn tool(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        let own = canonical(name);
        self.tools.iter().find(|offer| offer.spec.name == own).map(|offer| &offer.tool)
    }

    /// Whether the caller runs this tool itself.
    pub(super) fn is_clients(&self, name: &str) -> bool {
        self.client_tools.iter().any(|tool| tool == name)
    }
}

/// The tools offered to the model: the caller's, and ours that it does not shadow.
fn specs(task: &Task, tools: &[Offer]) -> Arc<[ToolSpec]> {
    let clients = &task.turn.client_tools;
    let ours = tools.iter().map(|offer| &*offer.spec);
    let unshadowed = ours.filter(|spec| !clients.iter().any(|client| client.name == spec.name));
    clients.iter().chain(unshadowed).cloned().collect()
}

/// The store may be readable again later.
fn unreadable(error: StoreError) -> Stop {
    let failure = Failure::new(FailureReason::Internal, format!("the session's history cannot be read: {error}"));
    Stop::Transient { failure, shown: false }
}
