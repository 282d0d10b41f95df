//! What each writing verb does to a [`Unit`]: the laws of the store, without SQL.
//!
//! A verb is prepared in its caller's context (JSON is written there, not in the writer), says
//! what it wants loaded, and is applied in its place in the order of writes. It may be applied
//! twice: when a batch fails, its verbs are tried again one by one.

mod add_usage;
mod approvals;
mod audit;
mod cancel;
mod change_session;
mod detach;
mod events;
mod finish;
mod journal;
mod recover;
mod retry;
mod rework_session;
mod start;
mod submit;
mod summarise;
mod take_up;

pub(crate) use add_usage::AddUsage;
pub(crate) use approvals::{MarkSession, MarkUntrusted, ResolveApproval};
pub(crate) use audit::AppendAudit;
pub(crate) use cancel::Cancel;
pub(crate) use change_session::ChangeSession;
pub(crate) use detach::Detach;
pub(crate) use events::AppendEvents;
pub(crate) use finish::FinishRun;
pub(crate) use journal::{JournalIntent, JournalResult};
pub(crate) use recover::{Found, recover};
pub(crate) use retry::Retry;
pub(crate) use rework_session::ReworkSession;
pub(crate) use start::Start;
pub(crate) use submit::Submit;
pub(crate) use summarise::Summarise;
pub(crate) use take_up::TakeUp;

use claw_runtime::failpoint;

use crate::unit::{Unit, Wanted};
use crate::{Commit, Committer, StoreError};

/// One write, prepared.
pub(crate) trait Verb: Send + 'static {
    /// What it comes to.
    type Answer: Send + 'static;

    /// The failpoints before and after its commit.
    const FAILPOINTS: [Option<&'static str>; 2] = [None, None];

    /// Says what it needs loaded.
    fn wants(&self, wanted: &mut Wanted);

    /// Changes the unit, wholly or – with an error – not at all.
    fn apply(&self, unit: &mut Unit) -> Result<Self::Answer, StoreError>;

    /// Whether nobody is kept by its commit, so that it may wait a moment for company.
    fn is_patient(&self, _unit: &Unit) -> bool {
        false
    }

    /// About how many bytes it holds, for the limit on what waits.
    fn bytes(&self) -> usize {
        0
    }
}

/// A verb with somebody waiting, its answer type forgotten.
pub(crate) trait Work: Send {
    /// See [`Verb::wants`].
    fn wants(&self, wanted: &mut Wanted);
    /// See [`Verb::is_patient`].
    fn is_patient(&self, unit: &Unit) -> bool;
    /// See [`Verb::apply`]; keeps the answer.
    fn apply(&mut self, unit: &mut Unit);
    /// Passes the failpoint before (0) or after (1) the commit.
    fn pass(&self, moment: usize);
    /// Tells the waiting end: the answer after a commit, else the error.
    fn resolve(self: Box<Self>, fate: Result<(), StoreError>);
}

struct Pending<V: Verb> {
    verb: V,
    answer: Option<Result<V::Answer, StoreError>>,
    committer: Committer<V::Answer>,
}

/// The verb as work for the writer, and the end to wait at.
pub(crate) fn work<V: Verb>(verb: V) -> (Box<dyn Work>, Commit<V::Answer>) {
    let (committer, commit) = Commit::pair();
    (Box::new(Pending { verb, answer: None, committer }), commit)
}

impl<V: Verb> Work for Pending<V> {
    fn wants(&self, wanted: &mut Wanted) {
        self.verb.wants(wanted);
    }

    fn is_patient(&self, unit: &Unit) -> bool {
        self.verb.is_patient(unit)
    }
    fn apply(&mut self, unit: &mut Unit) {
        self.answer = Some(self.verb.apply(unit));
    }
    fn pass(&self, moment: usize) {
        if let Some(Some(name)) = V::FAILPOINTS.get(moment) {
            failpoint::pass(name);
        }
    }
    fn resolve(self: Box<Self>, fate: Result<(), StoreError>) {
        let Self { verb: _, answer, committer } = *self;
        committer.resolve(fate.and_then(|()| answer.unwrap_or(Err(StoreError::Closed))));
    }
}
