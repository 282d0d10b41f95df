//! Conversations.

mod change;
mod rework;

use std::sync::Arc;

use claw_core::task::TaskState;
use claw_core::turn::Context;
use claw_core::{AgentId, Message, Principal, SessionId, SessionKey, Task, Unpaired, Visibility, unpaired};
use claw_store::{Ends, ModelUsed, PageStart, Session, SessionFilter, SessionPage, StoreError, StoredMessage};

use crate::Error;
use crate::engine::Engine;
use crate::limits::THREAD_MESSAGES_MAX;
use crate::tasks::page_size;

pub use change::{Settings, VERBOSE_LEVELS};
pub use rework::{Compacted, Deleted};

/// Conversations. Reads wait for the writes before them, so that a reply is in the history the
/// moment it was given.
#[derive(Clone)]
pub struct Sessions(pub(crate) Arc<Engine>);

impl Sessions {
    /// One page, last changed first.
    pub async fn list(
        &self,
        principal: &Principal,
        filter: &SessionFilter,
        from: PageStart,
        limit: Option<u32>,
    ) -> Result<SessionPage, Error> {
        let limit = page_size(limit)?;
        self.0.store.settled().await?;
        Ok(self.0.store.sessions(filter, &principal.visibility(), from, limit).await?)
    }

    /// The last changed ones, at most `max`. Waits for nothing, so what was just written may be missing.
    pub async fn recent(&self, principal: &Principal, max: u32) -> Result<Vec<Session>, Error> {
        Ok(self
            .0
            .store
            .sessions(&SessionFilter::default(), &principal.visibility(), PageStart::Offset(0), max)
            .await?
            .items)
    }

    /// How many of them an agent has. Waits for nothing.
    pub async fn count(&self, principal: &Principal, agent: &AgentId) -> Result<u64, Error> {
        let filter = SessionFilter { agent: Some(agent.clone()), ..SessionFilter::default() };
        let page = self.0.store.sessions(&filter, &principal.visibility(), PageStart::Offset(0), 1).await?;
        Ok(page.total.unwrap_or_default())
    }

    /// What the runs of these used since their last reset, by session and model. Whose they are was asked before.
    pub async fn used_by_model(&self, sessions: &[Session]) -> Result<Vec<ModelUsed>, Error> {
        let keys: Vec<SessionKey> = sessions.iter().map(|session| session.key.clone()).collect();
        self.0.store.settled().await?;
        Ok(self.0.store.used_by_model(&keys).await?)
    }

    /// One session; nothing when there is none, or not for this caller.
    pub async fn get(&self, principal: &Principal, key: &SessionKey) -> Result<Option<Session>, Error> {
        self.0.store.settled().await?;
        let place = self.0.place(principal, key).await?;
        Ok(self.0.store.session(&place, &principal.visibility()).await?)
    }

    /// The key under which this name's session lies for the caller (K6): an id as [`Session::id`] shows it
    /// means the session it was shown for, in every verb.
    pub async fn place(&self, principal: &Principal, key: &SessionKey) -> Result<SessionKey, Error> {
        Ok(self.0.place(principal, key).await?)
    }

    /// The session of this label; nothing when there is none, or not for this caller.
    ///
    /// Errors: `Invalid` when several have it.
    pub async fn by_label(&self, principal: &Principal, label: &str) -> Result<Option<Session>, Error> {
        self.0.store.settled().await?;
        match self.0.store.session_by_label(label, &principal.visibility()).await? {
            Some((_, true)) => Err(Error::invalid("label", format!("several sessions are called {label:?}"))),
            Some((session, false)) => Ok(Some(session)),
            None => Ok(None),
        }
    }

    /// The last messages, oldest first; empty for a session that nobody has used yet.
    pub async fn history(
        &self,
        principal: &Principal,
        key: &SessionKey,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, Error> {
        match self.get(principal, key).await? {
            Some(session) => self.messages(&session, before, limit).await,
            None => Ok(Vec::new()),
        }
    }

    /// The first of these messages that answers a call which nobody has made in the session, and the call.
    pub async fn unasked(
        &self,
        principal: &Principal,
        key: &SessionKey,
        said: &[Message],
    ) -> Result<Option<(usize, String)>, Error> {
        if !said.iter().any(|message| matches!(message, Message::Tool { .. })) {
            return Ok(None);
        }
        let stored = self.history(principal, key, None, THREAD_MESSAGES_MAX).await?;
        let answered = unpaired(stored.iter().map(|stored| &stored.message).chain(said), false);
        Ok(match answered {
            Some(Unpaired::Answer { place, call }) => {
                place.checked_sub(stored.len()).map(|place| (place, call.to_owned()))
            }
            Some(Unpaired::Call { .. }) | None => None,
        })
    }

    /// The last messages of a session that one of the verbs gave, oldest first.
    pub async fn messages(
        &self,
        session: &Session,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, Error> {
        Ok(self.0.store.history(session.id, before, limit).await?)
    }

    /// What a run that has ended had before it and added to it, oldest first: what another one needs
    /// to go on from there. The task is one that [`Tasks::find`](crate::tasks::Tasks::find) found.
    pub async fn thread(&self, task: &Task) -> Result<Vec<Message>, Error> {
        self.0.store.settled().await?;
        let stored = self.0.store.history(task.session, None, THREAD_MESSAGES_MAX).await?;
        let Some(last) = stored.iter().rposition(|said| said.task == Some(task.id)) else {
            return Ok(retold(task));
        };
        let upto = stored.into_iter().take(last + 1);
        Ok(match &task.turn.context {
            Context::Session => upto.map(|said| said.message).collect(),
            Context::Given(head) => {
                let own = upto.filter(|said| said.task == Some(task.id)).map(|said| said.message);
                head.iter().cloned().chain(own).collect()
            }
        })
    }

    /// Whether strangers' words are in a run's conversation; whoever goes on from there has them, too.
    pub async fn is_untrusted(&self, task: &Task) -> Result<bool, Error> {
        let session = self.0.store.session_by_id(task.session, &Visibility::All).await?;
        // Of a conversation that begun anew or is gone nothing is known any more.
        Ok(session.is_none_or(|session| session.untrusted))
    }

    /// What sessions that one of the verbs gave began and ended with; those without messages are left out.
    pub async fn ends(&self, sessions: &[Session]) -> Result<Vec<Ends>, Error> {
        let keys: Vec<SessionKey> = sessions.iter().map(|session| session.key.clone()).collect();
        Ok(self.0.store.ends(&keys).await?)
    }

    /// `<provider>/<model>` that a run of the session would use now, when there is one.
    pub fn model_of(&self, session: &Session) -> Option<String> {
        self.model(&session.agent, session.profile.model.as_deref()).ok()
    }

    fn model(&self, agent: &AgentId, wanted: Option<&str>) -> Result<String, Error> {
        let catalog = self.0.agent.catalog();
        let absent = || Error::NotFound { what: "agent", id: agent.as_str().to_owned() };
        let profile = catalog.agent(agent).ok_or_else(absent)?;
        let resolved = catalog.resolve(wanted, profile);
        resolved.map(|resolved| resolved.full_name()).map_err(|unknown| Error::UnknownModel(unknown.to_string()))
    }
}

impl Engine {
    /// See [`Sessions::place`].
    pub(crate) async fn place(&self, principal: &Principal, key: &SessionKey) -> Result<SessionKey, StoreError> {
        if let Some(id) = SessionId::from_shown(key.rest())
            && let Some(found) = self.store.session_by_id(id, &principal.visibility()).await?
        {
            return Ok(found.key);
        }
        Ok(principal.place(key))
    }
}

/// The same from the task alone: the steps in between are lost.
fn retold(task: &Task) -> Vec<Message> {
    let head = match &task.turn.context {
        Context::Session => &[][..],
        Context::Given(head) => head,
    };
    let answer = match &task.state {
        TaskState::Completed { output, .. } => {
            let (text, tool_calls) = (output.text.clone(), output.tool_calls.clone());
            Some(Message::assistant(text, tool_calls))
        }
        TaskState::Queued { .. }
        | TaskState::Running { .. }
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => None,
    };
    head.iter().chain(&task.turn.input).cloned().chain(answer).collect()
}
