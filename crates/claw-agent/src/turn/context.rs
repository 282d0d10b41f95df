//! What the model is shown: the agent's prompt, its briefing, history, the new input, and the tools.
//!
//! Kept in parts, because what fits differs from candidate to candidate (`fit`). What is the same
//! from run to run stands first, so that a provider's cache finds it again.

use std::sync::Arc;

use claw_core::briefing::BriefingContext;
use claw_core::estimate;
use claw_core::permission::canonical;
use claw_core::provider::{ProviderError, ToolSpec};
use claw_core::tool::Tool;
use claw_core::turn::Context;
use claw_core::{AgentId, Failure, FailureReason, Message, Task, Turn};
use claw_store::{StoreError, StoredMessage};

use super::fit::{Material, Window};
use super::media::Media;
use super::repeats::Repeats;
use super::{Stop, pairs, thoughts};
use crate::agent::Parts;
use crate::catalog::{Catalog, Resolved, UnknownModel};
use crate::equipment::Offered;
use crate::limits::HISTORY_MESSAGES_MAX;

/// The conversation as it grows during a turn.
pub(super) struct Conversation {
    /// Who may be asked, best first; never empty.
    pub(super) route: Vec<Resolved>,
    /// The place in the route of the one that answered last.
    pub(super) answered: usize,
    /// `<provider>/<model>` that was asked last.
    pub(super) model_name: String,
    /// What comes before this run.
    pub(super) material: Material,
    /// The new input, and what has been said since.
    pub(super) messages: Vec<Message>,
    /// Where in them the input ends.
    pub(super) input_end: usize,
    pub(super) specs: Arc<[ToolSpec]>,
    pub(super) message_count: u64,
    /// Who answers, by its own id.
    pub(super) agent: AgentId,
    client_tools: Vec<String>,
    /// Whether the history is the session's, and not the caller's.
    is_stored: bool,
    /// What the agent may use; the rest is not there.
    tools: Arc<Offered>,
    /// Calls made so far, with what came of them.
    pub(super) repeats: Repeats,
    /// What the tools have answered so far, in bytes.
    pub(super) result_bytes: usize,
    /// Why no more tools may be called, where that is so.
    pub(super) closed: Option<String>,
    /// What was fetched in place of addresses.
    pub(super) media: Media,
}

impl Conversation {
    /// Resolves the model, loads the history and asks for the briefing.
    pub(super) async fn open(parts: &Parts, catalog: &Catalog, task: &Task) -> Result<Self, Stop> {
        let turn = &task.turn;
        let agent = catalog.agent(&turn.agent).ok_or_else(|| {
            Failure::new(FailureReason::Request, format!("there is no agent {:?}", turn.agent.as_str()))
        })?;
        let unknown = |unknown: UnknownModel| Failure::new(FailureReason::UnknownModel, unknown.to_string());
        let route = catalog.route(turn.model.as_deref(), agent).map_err(unknown)?;
        let offered = catalog.offered(&parts.tools, &turn.agent, &task.principal.id, &turn.origin);
        let tools = admitted(offered, turn);
        let about = BriefingContext {
            principal: task.principal.clone(),
            agent: agent.id.clone(),
            tools: tools.offers.iter().map(|offer| offer.spec.name.clone()).collect(),
        };
        let agent_id = about.agent.clone();
        let (stored, sections) = futures::join!(stored(parts, task), catalog.briefing(about, parts.clock.now()));
        let Stored { history, summary, message_count } = stored?;
        let (history, messages) = pairs::paired(history, turn.input.clone());
        let material = Material {
            prompt: agent.system_prompt.clone(),
            sections,
            instructions: turn.instructions.clone(),
            summary,
            history,
            tokens_max: None,
            is_narrowed: false,
        };
        let model_name = route.first().map(Resolved::full_name).unwrap_or_default();
        Ok(Self {
            route,
            answered: 0,
            model_name,
            material,
            input_end: messages.len(),
            messages,
            specs: specs(task, &tools),
            message_count,
            agent: agent_id,
            is_stored: turn.context == Context::Session,
            client_tools: turn.client_tools.iter().map(|tool| tool.name.clone()).collect(),
            tools,
            repeats: Repeats::default(),
            result_bytes: 0,
            closed: None,
            media: Media::default(),
        })
    }

    /// Adds what somebody says meanwhile.
    pub(super) fn join(&mut self, input: Vec<Message>) {
        let (history, said) = pairs::paired(std::mem::take(&mut self.material.history), input);
        self.material.history = history;
        self.messages.extend(said);
    }

    /// What this candidate is shown.
    pub(super) fn shown_to(&self, candidate: &Resolved, answer: Option<u32>) -> Arc<[Message]> {
        let window = Window { tokens: candidate.context_tokens, answer };
        let shown = self.material.shown(window, self.offered_to(candidate), &self.messages);
        let keeps = candidate.provider.keeps_thoughts(&candidate.model);
        thoughts::shown_to(&candidate.full_name(), keeps, shown).into()
    }

    /// Whether the session's history should be compacted for whoever answered last.
    pub(super) fn is_crowded(&self) -> bool {
        let window = self.route.get(self.answered).and_then(|candidate| candidate.context_tokens);
        self.is_stored && self.material.is_crowded(window, &self.messages)
    }

    fn offered_to(&self, candidate: &Resolved) -> &[ToolSpec] {
        if candidate.tools { &self.specs } else { &[] }
    }

    /// Why this candidate need not even be asked: it calls no tools and the caller has some, or
    /// what it would have to be shown is too long for it by any guess.
    pub(super) fn refused_by(&self, candidate: &Resolved, shown: &[Message]) -> Option<ProviderError> {
        let provider = || candidate.provider.id().to_owned();
        if let Some(tool) = self.client_tools.first().filter(|_| !candidate.tools) {
            let cause = format!("{} cannot call tools, but {tool:?} was given", candidate.full_name());
            return Some(ProviderError::Unsupported { provider: provider(), cause });
        }
        let fits = u64::from(candidate.context_tokens?);
        // The estimate is looked for only where it may matter, and believed only where even half
        // of it would not fit: it may be wrong by that much.
        if estimate::text_bytes(shown) <= fits {
            return None;
        }
        let about = estimate::tokens(shown, &[]);
        (about / 2 > fits).then(|| {
            let cause =
                format!("the conversation has about {about} tokens, and {} takes {fits}", candidate.full_name());
            ProviderError::Unsupported { provider: provider(), cause }
        })
    }

    /// What is asked from here on is another question.
    pub(super) fn next_question(&mut self) {
        self.material.is_narrowed = false;
    }

    /// A candidate has refused what it was `shown` for its length: whether it can be shown less.
    pub(super) fn narrow(&mut self, candidate: &Resolved, answer: Option<u32>, shown: &[Message]) -> bool {
        let window = Window { tokens: candidate.context_tokens, answer };
        let tools = if candidate.tools { Arc::clone(&self.specs) } else { Arc::from([]) };
        self.material.narrow(shown, window, &tools, &self.messages)
    }

    /// Our tool of this name or alias, if the agent may use it.
    pub(super) fn tool(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        let own = canonical(name);
        self.tools.offers.iter().find(|offer| offer.spec.name == own).map(|offer| &offer.tool)
    }

    /// Whether the caller runs this tool itself.
    pub(super) fn is_clients(&self, name: &str) -> bool {
        self.client_tools.iter().any(|tool| tool == name)
    }
}

/// What was said before.
struct Stored {
    history: Vec<Message>,
    /// What stands for the part before that.
    summary: Option<String>,
    /// The number of the last message.
    message_count: u64,
}

async fn stored(parts: &Parts, task: &Task) -> Result<Stored, Stop> {
    match &task.turn.context {
        Context::Given(given) => Ok(Stored { history: given.clone(), summary: None, message_count: 0 }),
        Context::Session => {
            let history = parts.store.context(task.session, HISTORY_MESSAGES_MAX).await.map_err(unreadable)?;
            let message_count = history.last().map_or(0, |last| last.seq);
            // Read after the history: where a compaction comes between, something is told twice and not left out.
            let summary = match history.first() {
                Some(first) if first.seq > 1 => parts.store.summary(task.session).await.map_err(unreadable)?,
                Some(_) | None => None,
            };
            // The input is stored already, and a repeated run must not see its own first try.
            let earlier = history.into_iter().filter(|stored| stored.task != Some(task.id));
            let history = earlier.map(|StoredMessage { message, .. }| message).collect();
            Ok(Stored { history, summary, message_count })
        }
    }
}

/// What of the tools this turn lets itself use.
fn admitted(offered: Arc<Offered>, turn: &Turn) -> Arc<Offered> {
    if offered.offers.iter().all(|offer| turn.admits(&offer.spec.name)) {
        return offered;
    }
    let admitted = offered.offers.iter().filter(|offer| turn.admits(&offer.spec.name));
    Arc::new(Offered::new(admitted.cloned().collect()))
}

/// The tools offered to the model: the caller's, and ours that it does not shadow.
fn specs(task: &Task, tools: &Offered) -> Arc<[ToolSpec]> {
    let clients = &task.turn.client_tools;
    if clients.is_empty() {
        return Arc::clone(&tools.specs);
    }
    let ours = tools.specs.iter();
    let unshadowed = ours.filter(|spec| !clients.iter().any(|client| client.name == spec.name));
    clients.iter().chain(unshadowed).cloned().collect()
}

/// The store may be readable again later.
fn unreadable(error: StoreError) -> Stop {
    let failure = Failure::new(FailureReason::Internal, format!("the session's history cannot be read: {error}"));
    Stop::Transient { failure, shown: false }
}
