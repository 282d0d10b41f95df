//! Questions whether a call may be made: parked for, decided, used once, voided.

use claw_core::approval::{Approval, ApprovalState, Decision};
use claw_core::audit::{Actor, Door, Entry, Kind, Outcome};
use claw_core::task::StateName;
use claw_core::{ApprovalId, SessionKey, TaskId, Timestamp};

use super::Verb;
use super::finish::due;
use super::journal::{held, put_intent};
use crate::unit::{Unit, Wanted};
use crate::{ApprovalUse, Resolved, StoreError, UseApproval};

/// Who decided, where nobody did.
const GATEWAY: &str = "gateway";

/// Somebody's decision.
pub(crate) struct ResolveApproval {
    pub(crate) id: ApprovalId,
    pub(crate) task: TaskId,
    pub(crate) decision: Decision,
    pub(crate) by: Actor,
    pub(crate) at: Timestamp,
}

impl Verb for ResolveApproval {
    type Answer = Resolved;
    const FAILPOINTS: [Option<&'static str>; 2] = [Some("approval.before_resolve"), Some("approval.after_resolve")];

    fn wants(&self, wanted: &mut Wanted) {
        wanted.task(self.task);
        wanted.approvals.insert(self.task);
    }

    fn apply(&self, unit: &mut Unit) -> Result<Resolved, StoreError> {
        let Some(mut approval) = unit.approval(self.task, self.id).cloned() else { return Ok(Resolved::Absent) };
        let Some(row) = unit.task(self.task) else { return Ok(Resolved::Absent) };
        let (session, waits) = (row.session, row.parked == Some(self.id));
        if row.state.is_terminal() && !approval.state.is_closed() {
            approval.state = ApprovalState::Void;
        }
        if approval.state_at(self.at) != ApprovalState::Pending {
            approval.state = approval.state_at(self.at);
            return Ok(Resolved::Decided(Box::new(approval)));
        }
        approval.state = match self.decision {
            Decision::AllowOnce => ApprovalState::Allowed,
            Decision::Deny => ApprovalState::Denied,
        };
        approval.decided_by = Some(self.by.name.to_string());
        approval.decided_at = Some(self.at);
        unit.put_approval(approval.clone());
        note(unit, Kind::ApprovalDecided, &approval, self.by.clone(), self.at);
        if waits {
            unit.change_task(self.task, |row| row.state_at = self.at);
        }
        let ticket = due(unit, session).filter(|ticket| waits && ticket.id == self.task);
        Ok(Resolved::Done { approval: Box::new(approval), ticket })
    }
}

impl Verb for UseApproval {
    type Answer = ApprovalUse;
    const FAILPOINTS: [Option<&'static str>; 2] = [Some("approval.before_use"), Some("approval.after_use")];

    fn wants(&self, wanted: &mut Wanted) {
        wanted.task(self.task);
        wanted.approvals.insert(self.task);
        wanted.journals.insert(self.task);
    }

    fn apply(&self, unit: &mut Unit) -> Result<ApprovalUse, StoreError> {
        let Some(n) = held(unit, self.task, self.attempt).map(|row| row.n) else { return Ok(ApprovalUse::Lost) };
        let Some(approval) = unit.approval(self.task, self.id) else {
            return Ok(ApprovalUse::Refused(ApprovalState::Void));
        };
        let is_same = approval.digest == self.digest
            && approval.round == self.entry.round
            && approval.call_id == self.entry.call.id;
        match approval.state_at(self.at) {
            ApprovalState::Allowed if is_same => {
                put_intent(unit, self.task, n, &self.entry)?;
                close(unit, self.task, self.id, ApprovalState::Used, self.at);
                Ok(ApprovalUse::Granted)
            }
            ApprovalState::Allowed => {
                close(unit, self.task, self.id, ApprovalState::Void, self.at);
                Ok(ApprovalUse::Refused(ApprovalState::Void))
            }
            ApprovalState::Pending => Ok(ApprovalUse::Refused(ApprovalState::Pending)),
            state @ (ApprovalState::Denied | ApprovalState::Expired | ApprovalState::Used | ApprovalState::Void) => {
                close(unit, self.task, self.id, state, self.at);
                Ok(ApprovalUse::Refused(state))
            }
        }
    }

    fn bytes(&self) -> usize {
        self.entry.text.len() + self.entry.call.arguments.as_str().len()
    }
}

fn close(unit: &mut Unit, task: TaskId, id: ApprovalId, state: ApprovalState, at: Timestamp) {
    let Some(approval) = unit.approval(task, id).filter(|approval| !approval.state.is_closed()) else { return };
    let nobody = approval.decided_by.is_none();
    let closed = Approval {
        state,
        decided_by: approval.decided_by.clone().or(Some(GATEWAY.to_owned())),
        decided_at: if nobody { Some(at) } else { approval.decided_at },
        ..approval.clone()
    };
    note(unit, Kind::ApprovalClosed, &closed, Actor::gateway(Door::Run), at);
    unit.put_approval(closed);
}

/// One line of the audit log about an approval: which plan, of which run, until when.
fn note(unit: &mut Unit, kind: Kind, approval: &Approval, by: Actor, at: Timestamp) {
    let outcome = match approval.state {
        ApprovalState::Pending => Outcome::Done,
        ApprovalState::Allowed => Outcome::Allowed,
        ApprovalState::Denied => Outcome::Denied,
        ApprovalState::Expired => Outcome::Expired,
        ApprovalState::Used => Outcome::Used,
        ApprovalState::Void => Outcome::Void,
    };
    let entry = Entry::new(at, kind, by, &approval.id.to_string())
        .ended(outcome)
        .with("task", approval.task.to_string())
        .with("call", &approval.call_id)
        .with("tool", &approval.tool)
        .with("agent", approval.agent.as_str())
        .with("owner", approval.owner.as_str())
        .with("reason", approval.reason.as_str())
        .with("expiresAt", approval.expires_at.to_string())
        .with_digest("plan", &approval.digest);
    unit.difference.audit.push(entry);
}

/// Nothing can come any more of what the task asked for; its approvals are loaded.
pub(super) fn void_all(unit: &mut Unit, task: TaskId, at: Timestamp) {
    let open: Vec<ApprovalId> = unit
        .approvals(task)
        .iter()
        .filter(|approval| !approval.state.is_closed())
        .map(|approval| approval.id)
        .collect();
    for id in open {
        close(unit, task, id, ApprovalState::Void, at);
    }
}

/// Writes a question down, unless it stands already; until when the task waits for it.
pub(super) fn ask(unit: &mut Unit, approval: &Approval, at: Timestamp) -> Timestamp {
    match unit.approval(approval.task, approval.id) {
        Some(known) if known.state_at(at) == ApprovalState::Pending => known.expires_at,
        Some(_) => at,
        None => {
            unit.put_approval(approval.clone());
            note(unit, Kind::ApprovalAsked, approval, Actor::of(&approval.owner, Door::Run), at);
            approval.expires_at
        }
    }
}

/// Strangers' words come into a conversation.
pub(crate) struct MarkUntrusted {
    pub(crate) task: TaskId,
    pub(crate) attempt: u32,
}

impl Verb for MarkUntrusted {
    type Answer = bool;

    fn wants(&self, wanted: &mut Wanted) {
        wanted.task(self.task);
    }

    fn apply(&self, unit: &mut Unit) -> Result<bool, StoreError> {
        let Some(row) = unit.task(self.task) else { return Ok(false) };
        if row.state != StateName::Running || row.attempt != self.attempt {
            return Ok(false);
        }
        let session = row.session;
        unit.mark_untrusted(session);
        Ok(true)
    }
}

/// The same for a conversation by its key.
pub(crate) struct MarkSession {
    pub(crate) key: SessionKey,
}

impl Verb for MarkSession {
    type Answer = ();

    fn wants(&self, wanted: &mut Wanted) {
        wanted.session(&self.key);
    }

    fn apply(&self, unit: &mut Unit) -> Result<(), StoreError> {
        if let Some(session) = unit.session_by_key(&self.key).map(|row| row.n) {
            unit.mark_untrusted(session);
        }
        Ok(())
    }
}
