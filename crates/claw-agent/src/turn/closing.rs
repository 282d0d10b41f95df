//! The end of a run that has called tools long enough: it is asked once more, for its answer.

use std::sync::Arc;

use claw_core::provider::FinishReason;
use claw_core::{Failure, FailureReason, Message, Output, ToolCall};

use super::context::Conversation;
use super::{Produced, Stop};
use crate::agent::Attempt;

impl Attempt {
    /// Tells the model, where that is so, that this question is the last one and why.
    pub(super) fn close(&self, round: u32, talk: &mut Conversation) {
        let most = self.catalog.rounds_max();
        if round >= most {
            let why = format!("the model asked for tools {most} times in a row without coming to an end");
            talk.closed.get_or_insert(why);
        }
        if let Some(why) = &talk.closed {
            tracing::info!(task.id = %self.task.id, "{} is asked for its answer: {why}", self.task.id);
            talk.messages.push(Message::user(format!(
                "[No more tools can be called in this run: {why}. Answer now with what is known, and say what is left \
                 undone.]"
            )));
        }
    }

    /// What was answered to the last question, as an answer that was cut off. A server that passes over that no tool may
    /// be called is asked once more without any.
    ///
    /// Errors: nothing was answered, and nothing said before; for `why` it was the last question.
    pub(super) async fn last_answer(
        &mut self,
        why: String,
        calls: &[ToolCall],
        talk: &mut Conversation,
        produced: &mut Produced,
    ) -> Result<Output, Stop> {
        if produced.text.trim().is_empty() && !calls.is_empty() {
            talk.specs = Arc::from([]);
            produced.text.clear();
            talk.next_question();
            self.ask(talk, produced).await?;
        }
        if produced.text.trim().is_empty() {
            let said = produced.asides.pop();
            produced.text = said.ok_or_else(|| Failure::new(FailureReason::Limit, why))?;
        }
        Ok(self.output(produced, Vec::new(), FinishReason::Length))
    }
}
