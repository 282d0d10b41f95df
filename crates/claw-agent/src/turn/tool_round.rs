//! One round of tools: each call journaled, run, and answered.

use std::sync::Arc;

use claw_core::run::{JournalEntry, RunEvent, ToolOutcome};
use claw_core::tool::{Tool, ToolContext};
use claw_core::{Message, ToolCall};

use super::context::Conversation;
use super::{Produced, Stop};
use crate::agent::Attempt;
use crate::journal::NotWritten;
use crate::limits::{CALLS_PER_ROUND_MAX, TOOL_RESULT_BYTES_MAX};
use crate::sessions::StopReason;

impl Attempt {
    /// Runs the calls one after another and adds them and their answers to the conversation.
    pub(super) async fn tool_round(
        &mut self,
        round: u32,
        mut calls: Vec<ToolCall>,
        talk: &mut Conversation,
        produced: &mut Produced,
    ) -> Result<(), Stop> {
        calls.truncate(CALLS_PER_ROUND_MAX);
        let text = std::mem::take(&mut produced.text);
        append(talk, produced, Message::Assistant { text: text.clone(), tool_calls: calls.clone() });
        for call in calls {
            let entry = JournalEntry {
                round,
                text: text.clone(),
                is_idempotent: self.tool(&call.name).is_none_or(|tool| tool.is_idempotent()),
                call,
                result: None,
            };
            let outcome = self.step(entry, talk, produced).await?;
            append(talk, produced, outcome);
        }
        Ok(())
    }

    /// Puts a round of an earlier attempt back, running only what had not come to its end.
    pub(super) async fn replay_round(
        &mut self,
        entries: Vec<JournalEntry>,
        talk: &mut Conversation,
        produced: &mut Produced,
    ) -> Result<(), Stop> {
        let text = entries.first().map(|entry| entry.text.clone()).unwrap_or_default();
        let tool_calls = entries.iter().map(|entry| entry.call.clone()).collect();
        if !text.is_empty() {
            self.recorder.emit(RunEvent::Text { delta: text.clone() });
        }
        append(talk, produced, Message::Assistant { text, tool_calls });
        for entry in entries {
            let answer = match entry.result.clone() {
                Some(outcome) => {
                    self.recorder.emit(RunEvent::ToolCall { call: entry.call.clone() });
                    self.answered(&entry.call, outcome)
                }
                None => self.step(entry, talk, produced).await?,
            };
            append(talk, produced, answer);
        }
        Ok(())
    }

    /// Runs one call under the journal and returns its answer.
    async fn step(&mut self, entry: JournalEntry, talk: &Conversation, produced: &Produced) -> Result<Message, Stop> {
        let call = entry.call.clone();
        self.recorder.emit(RunEvent::ToolCall { call: call.clone() });
        match self.journal.intent(entry).await {
            Ok(()) => {}
            Err(NotWritten::Fenced) => return Err(Stop::Told(StopReason::Fenced)),
            Err(NotWritten::Failed(failure)) => {
                return Err(Stop::Transient { failure, shown: true });
            }
        }
        let context = self.tool_context(talk, produced);
        let outcome = match self.tool(&call.name) {
            None => ToolOutcome { text: format!("there is no tool {:?}", call.name), is_error: true },
            Some(tool) => tokio::select! {
                reason = self.control.stopped() => return Err(Stop::Told(reason)),
                result = tool.call(&context, &call.arguments) => match result {
                    Ok(text) => ToolOutcome { text: capped(text), is_error: false },
                    Err(error) => ToolOutcome { text: capped(error.to_string()), is_error: true },
                },
            },
        };
        self.journal.result(&call, outcome.clone()).await;
        Ok(self.answered(&call, outcome))
    }

    fn answered(&mut self, call: &ToolCall, outcome: ToolOutcome) -> Message {
        let ToolOutcome { text, is_error } = outcome;
        self.recorder.emit(RunEvent::ToolResult {
            call_id: call.id.clone(),
            name: call.name.clone(),
            text: text.clone(),
            is_error,
        });
        Message::Tool { call_id: call.id.clone(), text, is_error }
    }

    fn tool(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.parts.tools.iter().find(|tool| tool.spec().name == name).cloned()
    }

    fn tool_context(&self, talk: &Conversation, produced: &Produced) -> ToolContext {
        ToolContext {
            principal: self.task.principal.clone(),
            agent: self.task.turn.agent.clone(),
            session: self.task.turn.session.clone(),
            model: talk.model_name.clone(),
            usage: produced.usage,
            message_count: talk.message_count,
        }
    }
}

fn append(talk: &mut Conversation, produced: &mut Produced, message: Message) {
    talk.messages.push(message.clone());
    produced.messages.push(message);
}

/// Cuts a flood at a character's border and says so.
fn capped(mut text: String) -> String {
    if text.len() > TOOL_RESULT_BYTES_MAX {
        let mut end = TOOL_RESULT_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("\n[cut]");
    }
    text
}
