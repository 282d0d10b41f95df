//! Before a call: what it would do exactly, whether it may, and whether somebody has said so.
//!
//! Policy stands here and in the tools, never in a prompt. Whatever goes wrong denies: a plan that
//! cannot be made or shown, a question that cannot be read, nobody's answer in time, another plan.

use claw_core::approval::{Approval, ApprovalState, Plan, Reason, SHOWN_BYTES_MAX, Verdict, visible};
use claw_core::permission::{Asker, acts, canonical};
use claw_core::run::{JournalEntry, RunEvent, ToolOutcome};
use claw_core::tool::ToolContext;
use claw_core::{ApprovalId, Text, Visibility};
use claw_runtime::failpoint;
use claw_store::{ApprovalUse, UseApproval};
use sha2::{Digest as _, Sha256};

use super::context::Conversation;
use super::tool_round::outcome;
use super::{Produced, Stop};
use crate::agent::Attempt;
use crate::limits::APPROVALS_PER_TASK_MAX;
use crate::sessions::StopReason;
use crate::tools::in_time;

/// What becomes of a call.
pub(super) enum Gate {
    /// It is made, as this plan says; nobody has to be asked.
    Open(Option<[u8; 32]>),
    /// It is made, because somebody allowed this plan; its intent is written, and the approval used up.
    Granted {
        /// What the tool itself compares.
        plan: [u8; 32],
        /// What the approval is known by in the audit log.
        digest: [u8; 32],
    },
    /// It is not made; what the model is told.
    Shut(ToolOutcome),
    /// Not before somebody has said so.
    Ask(Box<Approval>),
}

/// A plan that somebody has to be asked for.
struct Asked {
    tool: String,
    reason: Reason,
    shown: String,
    /// What the tool itself compares.
    plan: [u8; 32],
    /// Of the plan, the text that is shown, and whose call it is.
    digest: [u8; 32],
}

fn shut(why: impl Into<Text>) -> Gate {
    Gate::Shut(ToolOutcome { text: why.into(), is_error: true })
}

impl Attempt {
    /// Decides about one call. What is not there is let through, to be answered as such.
    pub(super) async fn gate(
        &mut self,
        entry: &JournalEntry,
        talk: &Conversation,
        produced: &Produced,
    ) -> Result<Gate, Stop> {
        let Some(tool) = talk.tool(&entry.call.name).cloned() else { return Ok(Gate::Open(None)) };
        let context = self.tool_context(talk, produced);
        let plan = tokio::select! {
            reason = self.control.stopped() => return Err(Stop::Told(reason)),
            plan = in_time(self.catalog.time_of(&*tool), &entry.call.name, tool.plan(&context, &entry.call.arguments)) => plan,
        };
        let plan = match plan {
            Ok(Plan { verdict: Verdict::Deny(why), .. }) => return Ok(shut(why)),
            Err(error) => return Ok(Gate::Shut(outcome(Err(error)))),
            Ok(plan) => plan,
        };
        // It would be done with strangers' words.
        if context.run.strangers.are_noted()
            && let Some(refused) = self.mark_untrusted().await?
        {
            return Ok(Gate::Shut(refused));
        }
        let own = canonical(&entry.call.name).to_owned();
        if !self.untrusted && (plan.acts || acts(&own)) {
            self.untrusted = self.has_heard_strangers().await;
        }
        let gate = self.decided(own, plan, entry, talk).await?;
        if tool.brings_untrusted()
            && matches!(gate, Gate::Open(_) | Gate::Granted { .. })
            && let Some(refused) = self.mark_untrusted().await?
        {
            return Ok(Gate::Shut(refused));
        }
        Ok(gate)
    }

    /// What the rules of this moment say, and what somebody has said. A question that was asked once stands, whatever the
    /// rules have become since: who denied a call, or left it undecided, must not find it made, nor be asked for the very
    /// same again by this run.
    async fn decided(
        &mut self,
        own: String,
        plan: Plan,
        entry: &JournalEntry,
        talk: &Conversation,
    ) -> Result<Gate, Stop> {
        let by_rules = self.reason(&own, &plan, talk);
        let known = match entry.is_planned || by_rules.is_some() || self.has_asked {
            true => self.parts.store.approvals_of(self.task.id).await,
            false => Ok(Vec::new()),
        };
        let Ok(known) = known else {
            return Ok(shut("the call was denied: whether it is approved cannot be read"));
        };
        let is_denied = |known: &&Approval| known.state == ApprovalState::Denied;
        let denied: Vec<[u8; 32]> = known.iter().filter(is_denied).map(|known| known.digest).collect();
        let is_same = |known: &&Approval| known.round == entry.round && known.call_id == entry.call.id;
        let (count, known) = (known.len(), known.into_iter().rev().find(|known| is_same(&known)));
        let standing = known.filter(|known| !matches!(known.state, ApprovalState::Used | ApprovalState::Void));
        let reason = by_rules.or(standing.as_ref().map(|known| known.reason));
        let digest = plan.digest;
        if let Verdict::Unbound(why) = plan.verdict {
            return Ok(if reason.is_none() { Gate::Open(None) } else { shut(why) });
        }
        if reason.is_none() && denied.is_empty() {
            return Ok(Gate::Open(Some(digest)));
        }
        let asked = self.asked(own, reason.unwrap_or(Reason::Tool), plan, entry, talk);
        match (asked, standing) {
            (Some(asked), Some(known)) => self.answered(&asked, known, entry).await,
            // The very same once more in this run: the answer is known.
            (Some(asked), None) if denied.contains(&asked.digest) => Ok(shut(refusal(ApprovalState::Denied))),
            (_, None) if reason.is_none() => Ok(Gate::Open(Some(digest))),
            (None, _) => Ok(shut("the call was denied: it is too long to be shown whole to whoever has to allow it")),
            (Some(_), None) if count >= APPROVALS_PER_TASK_MAX => {
                Ok(shut("the call was denied: this task has asked too often already"))
            }
            (Some(asked), None) => {
                self.has_asked = true;
                Ok(Gate::Ask(Box::new(self.question(asked, entry, talk))))
            }
        }
    }

    /// Why somebody has to be asked, if anybody.
    fn reason(&self, own: &str, plan: &Plan, talk: &Conversation) -> Option<Reason> {
        let permissions = self.catalog.permissions();
        let (principal, origin) = (&self.task.principal.id, &self.task.turn.origin);
        if plan.verdict == Verdict::Ask {
            Some(Reason::Tool)
        } else if permissions.asks(Asker { agent: &talk.agent, principal, origin }, own) {
            Some(Reason::Listed)
        } else if self.untrusted && permissions.asking.after_untrusted && (plan.acts || acts(own)) {
            Some(Reason::Untrusted)
        } else {
            None
        }
    }

    /// The plan with the text for people; none where that text would be too long to be read.
    fn asked(
        &self,
        tool: String,
        reason: Reason,
        plan: Plan,
        entry: &JournalEntry,
        talk: &Conversation,
    ) -> Option<Asked> {
        let Plan { verdict: _, acts: _, shown, digest: own } = plan;
        let arguments = entry.call.arguments.as_str();
        let shown = shown.unwrap_or_else(|| format!("call: {tool} {}", visible(arguments)));
        if shown.len() > SHOWN_BYTES_MAX {
            return None;
        }
        let (principal, session) = (self.task.principal.id.as_str(), self.task.turn.session.as_str());
        let mut digest = Sha256::new();
        for part in [tool.as_str(), &shown, arguments, talk.agent.as_str(), principal, session] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.update(own);
        Some(Asked { tool, reason, shown, plan: own, digest: digest.finalize().into() })
    }

    /// What somebody has said to a question, or the question again while nobody has.
    async fn answered(&mut self, asked: &Asked, known: Approval, entry: &JournalEntry) -> Result<Gate, Stop> {
        self.has_asked = true;
        match known.state_at(self.parts.clock.now()) {
            ApprovalState::Pending => Ok(Gate::Ask(Box::new(known))),
            ApprovalState::Allowed
            | ApprovalState::Denied
            | ApprovalState::Expired
            | ApprovalState::Used
            | ApprovalState::Void => self.use_up(known.id, asked, entry).await,
        }
    }

    fn question(&self, asked: Asked, entry: &JournalEntry, talk: &Conversation) -> Approval {
        let now = self.parts.clock.now();
        let Asked { tool, reason, shown, plan: _, digest } = asked;
        Approval {
            id: ApprovalId::new(&*self.parts.ids),
            task: self.task.id,
            round: entry.round,
            call_id: entry.call.id.clone(),
            tool,
            owner: self.task.principal.id.clone(),
            agent: talk.agent.clone(),
            session: self.task.turn.session.clone(),
            shown,
            reason,
            digest,
            created_at: now,
            expires_at: now.plus(self.catalog.permissions().asking.wait),
            state: ApprovalState::Pending,
            decided_by: None,
            decided_at: None,
        }
    }

    /// Makes the one use of an approval, if there is one to make.
    async fn use_up(&mut self, id: ApprovalId, asked: &Asked, entry: &JournalEntry) -> Result<Gate, Stop> {
        let (task, attempt, at) = (self.task.id, self.task.attempt, self.parts.clock.now());
        let intent = JournalEntry { is_planned: false, ..entry.clone() };
        let wish = UseApproval { id, task, attempt, digest: asked.digest, entry: intent, at };
        let used = self.parts.store.use_approval(wish).await.await;
        failpoint::pass("journal.after_intent");
        let (state, gate) = match used {
            Ok(ApprovalUse::Granted) => {
                (ApprovalState::Allowed, Gate::Granted { plan: asked.plan, digest: asked.digest })
            }
            Ok(ApprovalUse::Lost) => return Err(Stop::Told(StopReason::Fenced)),
            Ok(ApprovalUse::Refused(state)) => (state, shut(refusal(state))),
            Err(error) => {
                tracing::warn!(task.id = %task, "{id} could not be used, so its call is denied: {error}");
                (ApprovalState::Void, shut("the call was denied: its approval could not be used"))
            }
        };
        let (call_id, state) = (entry.call.id.clone(), state.as_str().to_owned());
        self.recorder.emit(RunEvent::ApprovalResolved { approval: id, call_id, state });
        Ok(gate)
    }

    /// Whether a tool has noted it beside this run; where that cannot be read, it has.
    async fn has_heard_strangers(&self) -> bool {
        let session = self.parts.store.session_by_id(self.task.session, &Visibility::All).await;
        session.map_or(true, |session| session.is_some_and(|session| session.untrusted))
    }

    /// What comes in of a call's answer: where a tool has noted that strangers wrote it, that is noted
    /// in the store before.
    pub(super) async fn let_in(&mut self, context: &ToolContext, outcome: ToolOutcome) -> Result<ToolOutcome, Stop> {
        if !context.run.strangers.are_noted() {
            return Ok(outcome);
        }
        Ok(self.mark_untrusted().await?.unwrap_or(outcome))
    }

    /// Notes, before strangers' words come in, that they do. What cannot be noted does not come in, and
    /// this is said in its place.
    pub(super) async fn mark_untrusted(&mut self) -> Result<Option<ToolOutcome>, Stop> {
        if self.untrusted {
            return Ok(None);
        }
        match self.parts.store.mark_untrusted(self.task.id, self.task.attempt).await.await {
            Ok(true) => {
                self.untrusted = true;
                Ok(None)
            }
            Ok(false) => Err(Stop::Told(StopReason::Fenced)),
            Err(error) => {
                let text = format!("strangers wrote what this says, and the store cannot note it: {error}");
                Ok(Some(ToolOutcome { text: text.into(), is_error: true }))
            }
        }
    }
}

fn refusal(state: ApprovalState) -> &'static str {
    match state {
        ApprovalState::Denied => "the call was denied by whoever had to allow it; do not try it in another way",
        ApprovalState::Expired => "the call was denied: nobody allowed it in time",
        ApprovalState::Void => "the call was denied: it is not what was approved any more",
        ApprovalState::Used => "the call was denied: its approval was used before",
        ApprovalState::Pending | ApprovalState::Allowed => "the call was denied: nobody has allowed it",
    }
}
