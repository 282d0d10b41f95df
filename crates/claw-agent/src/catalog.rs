//! Which provider has which model, and which agents there are (K7, K11).
//!
//! A *source* is a provider with one of its keys: several keys of one provider are several sources
//! of the same id, asked in turn. A *route* is the list of candidates for one question, best
//! first: the sources of the model, then those of the agent's fallbacks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use claw_core::briefing::{Briefing, BriefingContext, Section};
use claw_core::guard::Guard;
use claw_core::permission::{Asker, Permissions, canonical};
use claw_core::provider::{ModelInfo, Price, Provider};
use claw_core::skill::Skills;
use claw_core::tool::Tool;
use claw_core::turn::Origin;
use claw_core::{AgentId, Failure, FailureReason, PrincipalId, Text, Timestamp, Turn};

use crate::breaker::{Breakers, Position};
use crate::equipment::{Equipment, Offered};
use crate::executors::Executor;
use crate::limits::{ROUNDS_DEFAULT, TOOL_TIME_DEFAULT};
use crate::tools::Offer;

mod route;

pub use route::UnknownModel;

/// An agent as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProfile {
    /// Its id.
    pub id: AgentId,
    /// A name for people.
    pub name: Option<String>,
    /// What every conversation with it begins with.
    pub system_prompt: Option<Text>,
    /// `<provider>/<model>` it uses unless told otherwise.
    pub model: Option<String>,
    /// What serves when that does not, in this order; the catalogue's own unless said otherwise.
    pub fallbacks: Option<Vec<String>>,
}

/// There is no such executor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no executor {0:?}")]
pub struct UnknownExecutor(pub String);

impl From<UnknownExecutor> for Failure {
    fn from(unknown: UnknownExecutor) -> Self {
        Self::new(FailureReason::Request, unknown.to_string())
    }
}

/// A source and its provider's own name for the model.
#[derive(Clone)]
pub struct Resolved {
    /// Who answers.
    pub provider: Arc<dyn Provider>,
    /// The provider's name of the model.
    pub model: String,
    /// Whether it can call tools.
    pub tools: bool,
    /// How many tokens fit, when known.
    pub(crate) context_tokens: Option<u32>,
    /// How many tokens it answers with at most, when known.
    pub(crate) output_tokens_max: Option<u32>,
    /// Whether it is known that it answers at once.
    pub(crate) never_thinks: bool,
    /// Which of the catalogue's sources this is.
    pub(crate) source: usize,
}

impl Resolved {
    /// `<provider>/<model>`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.provider.id(), self.model)
    }
}

/// A source that has failed lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerState {
    /// The provider's id.
    pub provider: String,
    /// Which of its keys, from 1.
    pub key: usize,
    /// The provider's name of the model.
    pub model: String,
    /// How it stands.
    pub position: Position,
    /// The newest failure.
    pub cause: String,
}

/// Everything that can be asked.
pub struct Catalog {
    sources: Vec<Source>,
    agents: Vec<AgentProfile>,
    default_agent: AgentId,
    default_model: Option<String>,
    fallbacks: Vec<String>,
    aliases: BTreeMap<String, String>,
    executors: Vec<Executor>,
    /// Whose runs go to which of them.
    assigned: BTreeMap<AgentId, String>,
    tools: Vec<Offer>,
    permissions: Permissions,
    tool_time: Option<Duration>,
    rounds_max: u32,
    briefings: Vec<Arc<dyn Briefing>>,
    skills: Option<Arc<dyn Skills>>,
    guard: Option<Arc<dyn Guard>>,
    equipment: Equipment,
    breakers: Arc<Breakers>,
    /// Counts questions, so that keys take turns.
    turn: AtomicUsize,
}

struct Source {
    provider: Arc<dyn Provider>,
    models: Vec<ModelInfo>,
    /// Which key of its provider, from 1, and whether there are others.
    key: usize,
    has_siblings: bool,
}

impl Catalog {
    /// A catalogue; the first agent is the default one, `main` is made when there is none.
    /// Without `default_model` the first model that any provider lists serves. Providers of the
    /// same id are the same one with different keys.
    pub fn new(
        providers: Vec<Arc<dyn Provider>>,
        mut agents: Vec<AgentProfile>,
        default_agent: AgentId,
        default_model: Option<String>,
    ) -> Self {
        if !agents.iter().any(|agent| agent.id == default_agent) {
            let id = default_agent.clone();
            agents.insert(0, AgentProfile { id, name: None, system_prompt: None, model: None, fallbacks: None });
        }
        Self {
            sources: sources(providers),
            agents,
            default_agent,
            default_model,
            fallbacks: Vec::new(),
            aliases: BTreeMap::new(),
            executors: Vec::new(),
            assigned: BTreeMap::new(),
            tools: Vec::new(),
            permissions: Permissions::default(),
            tool_time: None,
            rounds_max: ROUNDS_DEFAULT,
            briefings: Vec::new(),
            skills: None,
            guard: None,
            equipment: Equipment::default(),
            breakers: Arc::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// What serves when an agent's model does not, where the agent names nothing itself.
    #[must_use]
    pub fn with_fallbacks(self, fallbacks: Vec<String>) -> Self {
        Self { fallbacks, ..self }
    }

    /// Further names of models, by name.
    #[must_use]
    pub fn with_aliases(self, aliases: BTreeMap<String, String>) -> Self {
        Self { aliases, ..self }
    }

    /// Other gateways that carry out runs, and the agents whose runs go there by themselves.
    #[must_use]
    pub fn with_executors(self, executors: Vec<Executor>, assigned: BTreeMap<AgentId, String>) -> Self {
        let first = self.sources.len();
        let numbered = executors.into_iter().enumerate();
        let executors = numbered.map(|(place, executor)| Executor { source: first + place, ..executor }).collect();
        Self { executors, assigned, ..self }
    }

    /// Whether runs may go to other gateways at all.
    pub fn has_executors(&self) -> bool {
        !self.executors.is_empty()
    }

    /// All of them.
    pub(crate) fn executors(&self) -> &[Executor] {
        &self.executors
    }

    /// The executor of that id.
    pub fn executor_named(&self, id: &str) -> Option<&Executor> {
        self.executors.iter().find(|executor| executor.id() == id)
    }

    /// Who carries out an agent's runs in place of our own loop, unless they say otherwise.
    pub fn executor_of(&self, agent: &AgentId) -> Option<&Executor> {
        self.executor_named(self.assigned.get(agent)?)
    }

    /// Who carries out `turn` in place of our own loop, if anybody: what the turn says, else its agent.
    ///
    /// Errors: nobody of that name.
    pub fn executor(&self, turn: &Turn) -> Result<Option<&Executor>, UnknownExecutor> {
        let agent = self.agent(&turn.agent).map(|agent| &agent.id);
        let assigned = || agent.and_then(|agent| self.assigned.get(agent)).map(String::as_str);
        let Some(id) = turn.executor.as_deref().or_else(assigned) else { return Ok(None) };
        self.executor_named(id).map(Some).ok_or_else(|| UnknownExecutor(id.to_owned()))
    }

    /// Tools beside the built-in ones, and who may use which of all.
    #[must_use]
    pub fn with_tools(self, tools: Vec<Arc<dyn Tool>>, permissions: Permissions) -> Self {
        let tools = tools.into_iter().map(Offer::from).collect();
        Self { tools, permissions, equipment: Equipment::default(), ..self }
    }

    /// How long a call of any tool may take; else as long as the tool itself says, or most need.
    #[must_use]
    pub fn with_tool_time(self, tool_time: Option<Duration>) -> Self {
        Self { tool_time, ..self }
    }

    /// How often a run may ask for tools in a row, unless it is as often as most need.
    #[must_use]
    pub fn with_rounds_max(self, rounds_max: Option<u32>) -> Self {
        Self { rounds_max: rounds_max.unwrap_or(ROUNDS_DEFAULT), ..self }
    }

    /// How many rounds of tools a run may have.
    pub(crate) fn rounds_max(&self) -> u32 {
        self.rounds_max
    }

    /// How long a call of this tool may take.
    pub(crate) fn time_of(&self, tool: &dyn Tool) -> Duration {
        self.tool_time.or_else(|| tool.time_max()).unwrap_or(TOOL_TIME_DEFAULT)
    }

    /// Who knows what agents are told before their conversations, in this order.
    #[must_use]
    pub fn with_briefings(self, briefings: Vec<Arc<dyn Briefing>>) -> Self {
        Self { briefings, equipment: Equipment::default(), ..self }
    }

    /// What is told before a run; as it was at most a moment ago.
    pub(crate) async fn briefing(&self, about: BriefingContext, now: Timestamp) -> Arc<[Section]> {
        match self.briefings.as_slice() {
            [] => Arc::from([]),
            briefings => self.equipment.told(briefings, about, now).await,
        }
    }

    /// Something was changed, perhaps what is told before runs.
    pub(crate) fn forget_told(&self) {
        self.equipment.forget_told();
    }

    /// What agents were taught.
    #[must_use]
    pub fn with_skills(self, skills: Arc<dyn Skills>) -> Self {
        Self { skills: Some(skills), ..self }
    }

    /// What agents were taught; nothing where nobody knows of any.
    pub fn skills(&self) -> Option<Arc<dyn Skills>> {
        self.skills.clone()
    }

    /// Who judges the addresses of pictures and files.
    #[must_use]
    pub fn with_guard(self, guard: Arc<dyn Guard>) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// Who judges addresses; where nobody does, none is handed on.
    pub fn guard(&self) -> Option<Arc<dyn Guard>> {
        self.guard.clone()
    }

    /// What of `built_in` and the catalogue's own tools `agent` may use for `principal`, where the
    /// turn came that way.
    pub fn tools(&self, built_in: &[Offer], agent: &AgentId, principal: &PrincipalId, origin: &Origin) -> Vec<Offer> {
        self.offered(built_in, agent, principal, origin).offers.clone()
    }

    /// The same, remembered: `built_in` is the same with every call.
    pub(crate) fn offered(
        &self,
        built_in: &[Offer],
        agent: &AgentId,
        principal: &PrincipalId,
        origin: &Origin,
    ) -> Arc<Offered> {
        let agent = self.agent(agent).map_or(agent, |profile| &profile.id);
        self.equipment.offered((agent.clone(), principal.clone(), origin.clone()), || {
            let asker = Asker { agent, principal, origin };
            let all = built_in.iter().chain(&self.tools);
            all.filter(|offer| self.permissions.permits(asker, canonical(&offer.spec.name))).cloned().collect()
        })
    }

    /// Who may use which tools.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// The agents, as configured.
    pub fn agents(&self) -> &[AgentProfile] {
        &self.agents
    }

    /// The default agent's id.
    pub fn default_agent(&self) -> &AgentId {
        &self.default_agent
    }

    /// The agent of that id; `main` means the default one (K7).
    pub fn agent(&self, id: &AgentId) -> Option<&AgentProfile> {
        self.agents.iter().find(|agent| agent.id == *id).or_else(|| {
            (*id == AgentId::main()).then(|| self.agents.iter().find(|a| a.id == self.default_agent)).flatten()
        })
    }

    /// Every known model as `(provider, model)`.
    pub fn models(&self) -> Vec<(String, ModelInfo)> {
        let firsts = self.sources.iter().filter(|source| source.key == 1);
        firsts.flat_map(|source| source.models.iter().map(|model| (source.id().to_owned(), model.clone()))).collect()
    }

    /// The model that `agent` uses when the caller names none.
    pub fn default_model(&self, agent: &AgentProfile) -> Option<String> {
        agent.model.clone().or_else(|| self.default_model.clone()).or_else(|| {
            self.sources.iter().find_map(|source| Some(format!("{}/{}", source.id(), source.models.first()?.name)))
        })
    }

    /// What `<provider>/<model>` costs, when that is known.
    pub fn price_of(&self, name: &str) -> Option<Price> {
        let (id, model) = name.split_once('/')?;
        let source = self.sources.iter().find(|source| source.id() == id)?;
        match source.models.iter().find(|info| info.name == model) {
            Some(info) => info.price,
            None => source.provider.known(model)?.price,
        }
    }

    /// What has failed lately, whether it is asked or not.
    pub fn breakers(&self, now: Timestamp) -> Vec<BreakerState> {
        let told = self.breakers.list(now).into_iter().filter_map(|(source, model, position, cause)| {
            let of_executor = || self.executors.iter().find(|executor| executor.source == source);
            let (provider, key) = match self.sources.get(source) {
                Some(source) => (source.id().to_owned(), source.key),
                None => (of_executor()?.id().to_owned(), 1),
            };
            Some(BreakerState { provider, key, model, position, cause })
        });
        let mut told: Vec<BreakerState> = told.collect();
        told.sort_by(|a, b| (&a.provider, a.key, &a.model).cmp(&(&b.provider, b.key, &b.model)));
        told
    }

    /// Whether the default agent's question would be put to somebody now. True where no model is
    /// configured: that is no failure of a provider.
    pub fn can_answer(&self, now: Timestamp) -> bool {
        let route = match self.assigned.get(&self.default_agent).and_then(|id| self.executor_named(id)) {
            Some(executor) => Some(vec![executor.resolved()]),
            None => self.agent(&self.default_agent).and_then(|agent| self.lined_up(None, agent).ok()),
        };
        let Some(route) = route else { return true };
        let states = self.breakers.list(now);
        route.iter().any(|candidate| {
            !states.iter().any(|(source, model, position, _)| {
                *source == candidate.source && *model == candidate.model && matches!(position, Position::Open { .. })
            })
        })
    }

    pub(crate) fn breaker(&self) -> &Arc<Breakers> {
        &self.breakers
    }
}

impl Source {
    fn id(&self) -> &str {
        self.provider.id()
    }

    /// A model of which nothing is known is believed to call tools.
    fn candidate(&self, place: usize, model: &str, info: Option<&ModelInfo>) -> Resolved {
        let known = if info.is_none() { self.provider.known(model) } else { None };
        let info = info.or(known.as_ref());
        Resolved {
            provider: Arc::clone(&self.provider),
            model: model.to_owned(),
            tools: info.is_none_or(|info| info.tools),
            context_tokens: info.and_then(|info| info.context_tokens),
            output_tokens_max: info.and_then(|info| info.output_tokens_max),
            never_thinks: info.is_some_and(|info| info.thinking == Some(false)),
            source: place,
        }
    }
}

fn sources(providers: Vec<Arc<dyn Provider>>) -> Vec<Source> {
    let ids: Vec<String> = providers.iter().map(|provider| provider.id().to_owned()).collect();
    let numbered = providers.into_iter().enumerate().map(|(place, provider)| {
        let same = |other: &&String| other.as_str() == provider.id();
        let key = ids.iter().take(place + 1).filter(same).count();
        let has_siblings = ids.iter().filter(same).count() > 1;
        Source { models: provider.models(), provider, key, has_siblings }
    });
    numbered.collect()
}

#[cfg(test)]
#[path = "catalog/tests.rs"]
mod tests;
