//! Health as it is shown: looked up at most once a second, however many ask.
//!
//! Nobody waits for a store that is stuck while there is something to show: after a moment the
//! older picture is given, which says itself when it was taken.

use std::sync::{Arc, Mutex, PoisonError};

use claw_core::Principal;
use claw_wire::ws::frame;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};

use crate::doors::Doors;
use crate::limits::{HEALTH_FRESH, HEALTH_WAIT};
use crate::view;

/// The last picture.
#[derive(Default)]
pub(crate) struct Pulse {
    last: Mutex<Option<Picture>>,
    /// Held by whoever looks; the others wait for what it sees.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Picture {
    taken: Instant,
    health: Arc<RawValue>,
}

impl Pulse {
    /// Health, as JSON: what was seen a moment ago, or, for a probe, now.
    pub(crate) async fn health(&self, doors: &Doors, is_probe: bool) -> Arc<RawValue> {
        let asked = Instant::now();
        let last = self.last();
        let since = if is_probe { asked } else { asked.checked_sub(HEALTH_FRESH).unwrap_or(asked) };
        match last {
            Some(picture) if picture.taken > since => picture.health,
            Some(picture) if !is_probe => timeout(HEALTH_WAIT, self.look(doors, since)).await.unwrap_or(picture.health),
            _ => self.look(doors, since).await,
        }
    }

    fn last(&self) -> Option<Picture> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks, unless somebody else did after `since`.
    async fn look(&self, doors: &Doors, since: Instant) -> Arc<RawValue> {
        let _only_one = self.looking.lock().await;
        if let Some(picture) = self.last().filter(|picture| picture.taken > since) {
            return picture.health;
        }
        let taken = Instant::now();
        let health = view::health(doors, &Principal::operator()).await;
        doors.stage.see(&health);
        let text = frame::to_json(&health);
        let health: Arc<RawValue> = RawValue::from_string(text).expect("what was just written is JSON").into();
        let picture = Picture { taken, health: Arc::clone(&health) };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(picture);
        health
    }
}
