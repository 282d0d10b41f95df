//! Changes a session's settings, or makes a session with them.

use std::sync::Arc;

use super::Verb;
use crate::unit::{SessionRow, Unit, Wanted};
use crate::{Profile, SessionChange, SessionChanged, StoreError};

/// A wish for other settings.
pub(crate) struct ChangeSession(pub(crate) SessionChange);

impl Verb for ChangeSession {
    type Answer = SessionChanged;

    fn wants(&self, wanted: &mut Wanted) {
        wanted.session(&self.0.key);
    }

    fn apply(&self, unit: &mut Unit) -> Result<SessionChanged, StoreError> {
        let SessionChange { key, visibility, make, at, .. } = &self.0;
        let known = unit.session_by_key(key).map(|row| (row.n, visibility.sees(&row.owner)));
        let (n, is_new) = match (known, make) {
            (Some((_, false)), _) | (None, None) => return Ok(SessionChanged::Absent),
            (Some((n, true)), _) => (n, false),
            (None, Some((id, owner))) => (unit.make_session(*id, key, &key.agent(), owner, *at)?, true),
        };
        let mut settings = unit.session(n).map(Settings::of).unwrap_or_default();
        if settings.change(&self.0) {
            let Settings { label, profile } = settings;
            unit.reshape_session(n, |row| {
                row.label = label;
                row.profile = Some(Arc::new(profile)).filter(|profile| !profile.is_empty());
            });
            unit.touch_session(n, *at);
        }
        let Some(row) = unit.session(n) else { return Ok(SessionChanged::Absent) };
        Ok(SessionChanged::Done { session: Box::new(row.shown()), is_new })
    }

    fn bytes(&self) -> usize {
        self.0.metadata.keys().map(String::len).sum()
    }
}

#[derive(Default)]
struct Settings {
    label: Option<String>,
    profile: Profile,
}

impl Settings {
    fn of(row: &SessionRow) -> Self {
        Self { label: row.label.clone(), profile: row.profile.as_deref().cloned().unwrap_or_default() }
    }

    /// Says whether anything differs.
    fn change(&mut self, change: &SessionChange) -> bool {
        let SessionChange { label, model, thinking, verbose, metadata, key: _, visibility: _, make: _, at: _ } = change;
        let mut differs = label.apply(&mut self.label);
        differs |= model.apply(&mut self.profile.model);
        differs |= thinking.apply(&mut self.profile.thinking);
        differs |= verbose.apply(&mut self.profile.verbose);
        for (name, change) in metadata {
            let mut place = self.profile.metadata.remove(name);
            differs |= change.apply(&mut place);
            self.profile.metadata.extend(place.map(|value| (name.clone(), value)));
        }
        differs
    }
}
