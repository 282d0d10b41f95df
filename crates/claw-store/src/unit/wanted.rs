//! What a batch has to know before its verbs can decide.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use claw_core::{PrincipalId, SessionKey, TaskId};

/// The rows that the verbs of a batch will ask for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Tasks, with the number of verbs that touch each.
    pub(crate) tasks: HashMap<TaskId, usize>,
    /// Tasks that the batch makes; they need no load.
    pub(crate) makes: HashSet<TaskId>,
    /// Sessions by key, with the number of verbs that touch each.
    pub(crate) sessions: HashMap<SessionKey, usize>,
    /// Idempotency keys.
    pub(crate) keys: HashSet<(PrincipalId, Arc<str>)>,
    /// Tasks about to start: their turns, and journals after an earlier attempt.
    pub(crate) starts: HashSet<TaskId>,
    /// Tasks whose last event's number is needed.
    pub(crate) last_seqs: HashSet<TaskId>,
    /// Tasks whose journals are needed.
    pub(crate) journals: HashSet<TaskId>,
    /// Tasks whose approvals are needed.
    pub(crate) approvals: HashSet<TaskId>,
}

impl Wanted {
    /// A verb touches this task.
    pub(crate) fn task(&mut self, id: TaskId) {
        *self.tasks.entry(id).or_default() += 1;
    }
    /// A verb touches this session.
    pub(crate) fn session(&mut self, key: &SessionKey) {
        *self.sessions.entry(key.clone()).or_default() += 1;
    }
}
