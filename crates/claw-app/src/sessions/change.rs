//! Settings of conversations: made, changed, checked before they are stored.

use std::collections::BTreeMap;

use claw_core::message::JsonText;
use claw_core::turn::THINKING_LEVELS;
use claw_core::{AgentId, Principal, Scope, SessionId, SessionKey};
use claw_store::{Change, Session, SessionChange, SessionChanged};

use super::Sessions;
use crate::Error;
use crate::limits::{LABEL_CHARS_MAX, METADATA_BYTES_MAX, METADATA_ENTRIES_MAX};
use crate::notice::SessionNoticeKind;
use crate::tasks::require;

/// How much of a run a client can be told to show.
pub const VERBOSE_LEVELS: [&str; 3] = ["off", "on", "full"];

/// What a session is told to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// A name for people.
    pub label: Change<String>,
    /// What its runs use unless they name their own: `<provider>/<model>`, or a bare name.
    pub model: Change<String>,
    /// The same for how much the model should reason.
    pub thinking: Change<String>,
    /// How much of a run clients should show.
    pub verbose: Change<String>,
    /// Entries of the clients' own; the others stay.
    pub metadata: BTreeMap<String, Change<JsonText>>,
}

impl Sessions {
    /// Makes a session, or changes the one of that key; without a key it is a fresh one. Says
    /// whether it was made.
    ///
    /// Errors: `Forbidden`, `Invalid`, `UnknownModel`, `NotFound` (agent; a foreign session).
    pub async fn create(
        &self,
        principal: &Principal,
        agent: &AgentId,
        key: Option<SessionKey>,
        settings: Settings,
    ) -> Result<(Session, bool), Error> {
        let fresh = || SessionKey::of(agent, &format!("dashboard:{}", self.0.ids.next().hyphenated()));
        let key = key.unwrap_or_else(fresh);
        // The agent has to exist; one without any model may.
        match self.model(&key.agent(), None) {
            Ok(_) | Err(Error::UnknownModel(_)) => {}
            Err(error) => return Err(error),
        }
        self.change(principal, key, settings, true).await
    }

    /// Changes a session's settings; `may_make` it when there is none. Says whether it was made.
    ///
    /// Errors: `Forbidden`, `Invalid`, `UnknownModel`, `NotFound`.
    pub async fn change(
        &self,
        principal: &Principal,
        key: SessionKey,
        settings: Settings,
        may_make: bool,
    ) -> Result<(Session, bool), Error> {
        require(principal, Scope::Write)?;
        let engine = &self.0;
        let key = engine.place(principal, &key).await?;
        let Settings { label, model, thinking, verbose, metadata } = self.checked(&key, settings)?;
        let change = SessionChange {
            key: key.clone(),
            visibility: principal.visibility(),
            make: may_make.then(|| (SessionId::new(&*engine.ids), principal.id.clone())),
            label,
            model,
            thinking,
            verbose,
            metadata,
            at: engine.clock.now(),
        };
        match engine.noted(engine.store.change_session(change).await.await)? {
            SessionChanged::Done { session, is_new } => {
                let kind = if is_new { SessionNoticeKind::Created } else { SessionNoticeKind::Changed };
                engine.tell_session(&session, kind);
                Ok((*session, is_new))
            }
            SessionChanged::Absent => Err(Error::NotFound { what: "session", id: key.to_string() }),
        }
    }

    /// The settings with the model's whole name.
    fn checked(&self, key: &SessionKey, settings: Settings) -> Result<Settings, Error> {
        if let Change::Set(label) = &settings.label
            && (!(1..=LABEL_CHARS_MAX).contains(&label.chars().count()) || label.chars().any(char::is_control))
        {
            let problem = format!("must be 1 to {LABEL_CHARS_MAX} characters without control characters");
            return Err(Error::invalid("label", problem));
        }
        one_of("thinkingLevel", &settings.thinking, &THINKING_LEVELS)?;
        one_of("verboseLevel", &settings.verbose, &VERBOSE_LEVELS)?;
        metadata_fits(&settings.metadata)?;
        let model = match &settings.model {
            Change::Set(wanted) => Change::Set(self.model(&key.agent(), Some(wanted))?),
            Change::Keep => Change::Keep,
            Change::Clear => Change::Clear,
        };
        Ok(Settings { model, ..settings })
    }
}

fn one_of(field: &str, change: &Change<String>, allowed: &[&str]) -> Result<(), Error> {
    match change {
        Change::Set(found) if !allowed.contains(&found.as_str()) => {
            Err(Error::invalid(field, format!("must be one of {}; found {found:?}", allowed.join(", "))))
        }
        Change::Set(_) | Change::Keep | Change::Clear => Ok(()),
    }
}

fn metadata_fits(metadata: &BTreeMap<String, Change<JsonText>>) -> Result<(), Error> {
    let bytes: usize = metadata
        .iter()
        .map(|(name, change)| match change {
            Change::Set(value) => name.len() + value.as_str().len(),
            Change::Keep | Change::Clear => name.len(),
        })
        .sum();
    if metadata.len() > METADATA_ENTRIES_MAX || bytes > METADATA_BYTES_MAX {
        let problem = format!("must be at most {METADATA_ENTRIES_MAX} entries and {METADATA_BYTES_MAX} bytes");
        return Err(Error::invalid("metadata", problem));
    }
    Ok(())
}
