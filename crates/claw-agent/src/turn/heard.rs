//! Strangers' words in conversations that their callers keep themselves.
//!
//! Of such a conversation nothing is stored under a name that comes back with the next request; what a run
//! answered after it had heard strangers is known again by its text.

use claw_core::Message;
use claw_core::turn::Context;
use sha2::{Digest as _, Sha256};

use super::Stop;
use crate::agent::Attempt;
use crate::limits::ANSWERS_KNOWN_AGAIN_MAX;

impl Attempt {
    /// Looks whether what the caller brings is an answer of a run that had heard strangers. Where that
    /// cannot be looked up, it is.
    pub(super) async fn recognise(&mut self) -> Result<(), Stop> {
        let Context::Given(given) = &self.task.turn.context else { return Ok(()) };
        let said = given.iter().rev().filter_map(|message| match message {
            Message::Assistant { text, .. } if !text.trim().is_empty() => Some(place(text)),
            Message::Assistant { .. } | Message::System { .. } | Message::User { .. } | Message::Tool { .. } => None,
        });
        let said: Vec<String> = said.take(ANSWERS_KNOWN_AGAIN_MAX).collect();
        if self.untrusted || said.is_empty() {
            return Ok(());
        }
        if self.parts.store.strangers_at(&said).await.unwrap_or(true) {
            // What cannot be noted counts all the same, for this run.
            let _told_by_nobody = self.mark_untrusted().await?;
            self.untrusted = true;
        }
        Ok(())
    }

    /// Notes what a caller is about to bring back, where strangers' words may be in it.
    pub(crate) async fn note_answer(&self, text: &str, asides: &[String]) {
        if !self.untrusted || !matches!(self.task.turn.context, Context::Given(_)) {
            return;
        }
        // A caller who heard it piece by piece has all of it in one message.
        let whole: String = asides.iter().map(String::as_str).chain([text]).collect();
        let said = asides.iter().map(String::as_str).chain([text, &whole]);
        let places: Vec<String> = said.filter(|text| !text.trim().is_empty()).map(place).collect();
        if places.is_empty() {
            return;
        }
        let noted = self.parts.store.note_strangers(places, self.parts.clock.now()).await;
        if let Err(error) = noted.await {
            let id = self.task.id;
            tracing::warn!(task.id = %id, "that strangers' words may be in the answer of {id} could not be noted: {error}");
        }
    }
}

fn place(text: &str) -> String {
    format!("answer:{:x}", Sha256::digest(text.trim()))
}
