//! What one answer takes of a month, whatever its provider says of it (K19).
//!
//! A provider tells at the end, or not at all, and whoever hangs up before the end hears nothing of it. So
//! what is asked and what comes is counted here, too, and stands in where nothing was told.

use std::sync::Arc;

use claw_core::Message;
use claw_core::estimate::{self, Tally};
use claw_core::provider::{ModelEvent, ModelRequest, ToolSpec, Usage};

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The provider said that it was done.
    Whole,
    /// The provider failed.
    Failed,
    /// Nobody wanted more of it.
    Left,
}

/// One answer under way.
#[derive(Debug)]
pub(crate) struct Spent {
    messages: Arc<[Message]>,
    tools: Arc<[ToolSpec]>,
    /// Used before this answer.
    pub(super) earlier: Usage,
    told: Usage,
    made: Tally,
    has_begun: bool,
}

impl Spent {
    /// Nothing yet of the answer to `request`.
    pub(super) fn begin(request: &ModelRequest, earlier: Usage) -> Self {
        let (messages, tools) = (Arc::clone(&request.messages), Arc::clone(&request.tools));
        Self { messages, tools, earlier, told: Usage::default(), made: Tally::default(), has_begun: false }
    }

    /// Counts what came.
    pub(super) fn note(&mut self, event: &ModelEvent) {
        self.has_begun = true;
        match event {
            ModelEvent::Text(text) | ModelEvent::Refusal(text) | ModelEvent::Thinking(text) => self.made.add(text),
            ModelEvent::ToolCall(call) => {
                self.made.add(&call.name);
                self.made.add(call.arguments.as_str());
            }
            ModelEvent::Usage(usage) => self.told = *usage,
            ModelEvent::Thoughts(_) | ModelEvent::Cut(_) | ModelEvent::Done(_) => {}
        }
    }

    /// All that was used by the end of this answer. A whole answer used what its provider says, if it says
    /// anything; of one that was left or broke off the provider has told the question at best.
    pub(super) fn settle(&self, end: End) -> Usage {
        let Self { earlier, told, .. } = *self;
        let used = match end {
            End::Whole if told.total() > 0 => told,
            End::Failed if !self.has_begun => Usage::default(),
            End::Whole | End::Failed | End::Left => Usage {
                input_tokens: match told.input_tokens {
                    0 => estimate::tokens(&self.messages, &self.tools),
                    told => told,
                },
                output_tokens: told.output_tokens.max(self.made.tokens()),
                ..told
            },
        };
        earlier.plus(used)
    }
}
