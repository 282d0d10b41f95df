//! The port to a tool the agent may use.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::TaskId;
use crate::approval::Plan;
use crate::message::JsonText;
use crate::principal::Principal;
use crate::provider::{ToolSpec, Usage};
use crate::session::{AgentId, SessionKey};
use crate::turn::Origin;

/// Something an agent can do.
#[async_trait]
pub trait Tool: Send + Sync {
    /// How a model sees it.
    fn spec(&self) -> ToolSpec;
    /// Whether running it twice does no harm; if not, a crash during it ends the run (G3).
    fn is_idempotent(&self) -> bool;
    /// Whether what it answers was written by strangers, always: from then on its conversation is not
    /// trusted. A tool of which it depends on what it finds says so by [`RunFacts::strangers`].
    fn brings_untrusted(&self) -> bool {
        false
    }
    /// Whether this answer of its says that it waits for something that goes on by itself: to ask again is no
    /// repetition then.
    fn waits(&self, _answer: &str) -> bool {
        false
    }
    /// How long a call may take where that is longer than tools usually do; whoever calls ends it then.
    fn time_max(&self) -> Option<Duration> {
        None
    }
    /// Says what exactly a call would do and whether it may, without doing it. Whoever overrides it
    /// makes [`Tool::call`] do that and nothing else, and refuse where [`ToolContext::approved`]
    /// is of another plan. Errors: it cannot be carried out at all.
    async fn plan(&self, _context: &ToolContext, _arguments: &JsonText) -> Result<Plan, ToolError> {
        Ok(Plan::free())
    }
    /// Runs it. Cancel-safe: dropping the future ends the work.
    async fn call(&self, context: &ToolContext, arguments: &JsonText) -> Result<String, ToolError>;
}

/// What a tool may know about the run that calls it.
#[derive(Debug, Clone)]
pub struct ToolContext {
    /// On whose behalf.
    pub principal: Principal,
    /// The agent.
    pub agent: AgentId,
    /// The conversation.
    pub session: SessionKey,
    /// `<provider>/<model>` in use.
    pub model: String,
    /// Tokens this run has used so far.
    pub usage: Usage,
    /// Messages in the session before this run.
    pub message_count: u64,
    /// The digest of the plan that was approved for this call; none where nobody had to be asked.
    pub approved: Option<[u8; 32]>,
    /// What only single tools ask for.
    pub run: RunFacts,
}

/// What a run tells the tools that ask; empty outside of any run.
#[derive(Debug, Clone, Default)]
pub struct RunFacts {
    /// The run's task and the id of the call in it.
    pub call: Option<(TaskId, String)>,
    /// How the turn came here.
    pub origin: Origin,
    /// The only ones of our tools that the turn admits; all when absent.
    pub own_tools: Option<Vec<String>>,
    /// The digest of the plan that was judged for this call; where somebody was asked, the one of his approval.
    pub planned: Option<[u8; 32]>,
    /// Whether strangers' words are in the conversation.
    pub untrusted: bool,
    /// Takes the note that what the call answers was written by strangers.
    pub strangers: Strangers,
    /// Hears what a tool says while it works.
    pub listener: Option<Arc<dyn Listener>>,
}

/// A note that what a call answers was written by strangers; made while the call is.
#[derive(Debug, Clone, Default)]
pub struct Strangers(Arc<AtomicBool>);

impl Strangers {
    /// Makes the note.
    pub fn note(&self) {
        self.0.store(true, Ordering::Release);
    }
    /// Whether it was made.
    pub fn are_noted(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Hears what a tool says while it works. Bounded: what comes too fast or is too much is left out.
pub trait Listener: Debug + Send + Sync {
    /// Takes more of it. Never waits; pieces may end inside a character.
    fn hear(&self, piece: &[u8]);
}

/// Why a tool gave no result; the model is told and may mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The arguments do not fit.
    #[error("bad arguments: {0}")]
    Arguments(String),
    /// It tried and could not.
    #[error("{0}")]
    Failed(String),
}
