//! What others say in the session meanwhile, taken up between two questions to the model.
//!
//! Those tasks wait on in the store and take their own turns, unless this attempt completes. A store
//! that cannot be read or written costs the run nothing: who is not taken up now is so at the next
//! step, or waits for its turn.

use claw_core::run::RunEvent;
use claw_core::{Message, TaskId};
use claw_store::{Steered, TakenUp};

use super::context::Conversation;
use super::{Produced, Stop};
use crate::agent::Attempt;
use crate::limits::STEERED_MAX;
use crate::sessions::StopReason;

impl Attempt {
    /// Adds what waiting tasks say to the conversation, in the order of their acceptance.
    pub(super) async fn take_up(&mut self, talk: &mut Conversation, produced: &mut Produced) -> Result<(), Stop> {
        let steering = self.steering(produced).await;
        if steering.is_empty() {
            return Ok(());
        }
        let at = self.parts.clock.now();
        let taken = match self.parts.store.take_up(self.task.id, self.task.attempt, steering, at).await.await {
            Ok(Some(taken)) => taken,
            Ok(None) => return Err(Stop::Told(StopReason::Fenced)),
            Err(error) => {
                tracing::warn!(task.id = %self.task.id, "nothing could be taken up by {}: {error}", self.task.id);
                return Ok(());
            }
        };
        for TakenUp { id, input } in taken {
            let text = input.iter().filter(|message| matches!(message, Message::User { .. })).map(Message::text);
            self.recorder.emit(RunEvent::Steered { task: id, text: text.collect::<Vec<_>>().join("\n") });
            let first = produced.messages.len();
            talk.join(input.clone());
            produced.messages.extend(input);
            produced.steered.push(Steered { id, messages: first..produced.messages.len() });
        }
        Ok(())
    }

    /// Who waits to be taken up, and has not been yet.
    async fn steering(&self, produced: &Produced) -> Vec<TaskId> {
        if !self.task.turn.may_be_steered() {
            return Vec::new();
        }
        match self.parts.store.steering(self.task.session, STEERED_MAX).await {
            Ok(mut waiting) => {
                waiting.retain(|id| produced.steered.iter().all(|steered| steered.id != *id));
                waiting
            }
            Err(error) => {
                tracing::warn!(task.id = %self.task.id, "who steers {} cannot be read: {error}", self.task.id);
                Vec::new()
            }
        }
    }
}

impl Produced {
    /// Takes back what was taken up: its tasks will say it themselves.
    pub(crate) fn unsteer(&mut self) {
        for Steered { id: _, messages } in self.steered.drain(..).rev() {
            self.messages.drain(messages);
        }
    }
}
