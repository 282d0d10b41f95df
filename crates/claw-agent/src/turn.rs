//! The turn loop: ask the model, run its tools, ask again, until it is done.

mod ask;
mod briefing;
mod closing;
mod context;
mod delegate;
pub(crate) mod failover;
mod fit;
mod gate;
mod heard;
mod live;
mod media;
mod pairs;
mod repeats;
mod shorten;
mod spent;
mod steering;
mod thoughts;
mod tool_round;

use std::sync::Arc;
use std::time::Duration;

use claw_core::provider::{Cut, FinishReason, ToolChoice, Usage};
use claw_core::run::JournalEntry;
use claw_core::run::RunEvent;
use claw_core::task::Reasoned;
use claw_core::{Approval, Failure, Message, Output, Text, Thoughts, ToolCall};
use claw_store::Steered;

use crate::agent::Attempt;
use crate::catalog::UnknownExecutor;
use crate::recorder::Fenced;
use crate::sessions::StopReason;

use context::Conversation;
use spent::{End, Spent};
use tool_round::Asked;

/// What a run has produced so far; kept by the attempt, also when the turn fails.
#[derive(Debug, Default)]
pub(crate) struct Produced {
    /// New history: assistant messages with tool calls, and the tools' answers.
    pub(crate) messages: Vec<Message>,
    /// Tasks that were taken up, with their part of the messages.
    pub(crate) steered: Vec<Steered>,
    /// What the model has said in the current round.
    pub(crate) text: String,
    /// Where in it the model began to refuse.
    pub(crate) refused_from: Option<usize>,
    /// Whether what it says next begins anew behind that.
    pub(crate) is_continued: bool,
    /// What it said in the rounds before, where it said something.
    pub(crate) asides: Vec<String>,
    /// What it has reasoned in the current round before it said something, if it did and the turn keeps that.
    pub(crate) reasoning: Option<String>,
    /// The same of the rounds before.
    pub(crate) reasoned: Vec<Reasoned>,
    /// What it thought, for its provider alone.
    pub(crate) thoughts: Option<Box<Thoughts>>,
    /// How many bytes it has thought, in all rounds.
    pub(crate) thought_bytes: usize,
    /// Of all rounds.
    pub(crate) usage: Usage,
    /// What the answer that comes in right now takes.
    pub(crate) spent: Option<Spent>,
    /// `<provider>/<model>`.
    pub(crate) model: String,
    /// Whether the conversation should be compacted.
    pub(crate) is_crowded: bool,
}

impl Produced {
    /// Counts the answer that came in, if there is one that was not counted yet.
    fn settle(&mut self, end: End) {
        if let Some(spent) = self.spent.take() {
            self.usage = spent.settle(end);
        }
    }

    /// Keeps what was said and reasoned in a round behind which others follow; what it had said.
    fn end_round(&mut self) -> Text {
        let text = Text::from(std::mem::take(&mut self.text));
        self.refused_from = None;
        let reasoning = self.reasoning.take();
        self.keep_round(reasoning, &text);
        text
    }

    /// What was reasoned so far came to nothing: the words that were told of it stay by themselves.
    fn leave_reasoning(&mut self) {
        let told = self.reasoning.take().filter(|text| !text.is_empty());
        self.keep_round(told, "");
    }

    fn keep_round(&mut self, reasoning: Option<String>, said: &str) {
        let behind = self.asides.len();
        self.reasoned.extend(reasoning.map(|text| Reasoned { behind, text, thoughts: None }));
        self.asides.extend(Some(said.to_owned()).filter(|said| !said.is_empty()));
    }

    /// All that was reasoned, the last with what its provider wants back.
    fn all_reasoned(&mut self) -> Vec<Reasoned> {
        let reasoning = self.reasoning.take();
        self.keep_round(reasoning, "");
        let mut all = std::mem::take(&mut self.reasoned);
        if let Some(last) = all.last_mut() {
            last.thoughts.clone_from(&self.thoughts);
        }
        all
    }

    /// Takes what was thought in the last round of tools.
    fn thoughts_of_last_round(&mut self) -> Option<Box<Thoughts>> {
        let mut latest = self.messages.iter_mut().rev();
        latest.find_map(|message| match message {
            Message::Assistant { thoughts, .. } => Some(thoughts.take()),
            Message::System { .. } | Message::User { .. } | Message::Tool { .. } => None,
        })?
    }

    /// The same where nobody waits for more of it.
    pub(crate) fn leave(&mut self) {
        self.settle(End::Left);
    }

    /// What is said next as it is appended: a run that was told to go on begins a paragraph of its own.
    fn next_to_what_was_said(&mut self, delta: String) -> String {
        let is_apart = self.text.is_empty() || self.text.ends_with('\n');
        match std::mem::take(&mut self.is_continued) && !is_apart {
            true => format!("\n\n{delta}"),
            false => delta,
        }
    }
}

/// Why a turn ended without completing.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody told it to.
    Told(StopReason),
    /// It failed, and would again.
    Final(Failure),
    /// Somebody has to allow a call first; that is no failure either.
    Parked {
        approval: Box<Approval>,
        /// The calls of the round that were not made.
        planned: Vec<JournalEntry>,
    },
    /// There is no room where it is to go; that is no failure.
    Busy {
        /// How long yet.
        wait: Duration,
        /// What it says.
        why: Failure,
    },
    /// It failed, and may work later.
    Transient {
        failure: Failure,
        /// Whether readers have seen text of this attempt.
        shown: bool,
    },
}

impl From<UnknownExecutor> for Stop {
    fn from(unknown: UnknownExecutor) -> Self {
        Self::Final(unknown.into())
    }
}

impl From<Fenced> for Stop {
    fn from(_: Fenced) -> Self {
        Self::Told(StopReason::Fenced)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

/// What the model did in one round.
#[derive(Debug)]
struct Round {
    calls: Vec<ToolCall>,
    finish: FinishReason,
    /// How another gateway ended it before it was done.
    cut: Option<Cut>,
}

impl Attempt {
    /// Runs the turn; what it produced stays in `produced` whatever happens.
    pub(crate) async fn turn(&mut self, produced: &mut Produced) -> Result<Output, Stop> {
        let catalog = Arc::clone(&self.catalog);
        if let Some(executor) = catalog.executor(&self.task.turn)? {
            return self.delegate(executor, produced).await;
        }
        self.recognise().await?;
        let mut talk = Conversation::open(&self.parts, &self.catalog, &self.task).await?;
        produced.model = talk.model_name.clone();
        self.tell(RunEvent::Started { attempt: self.task.attempt, model: produced.model.clone() });
        let mut round = 0;
        loop {
            talk.repeats.next_round();
            if let Some(entries) = self.journal.replay(round)? {
                let for_caller = self.replay_round(entries, &mut talk, produced).await?;
                if !for_caller.is_empty() {
                    return Ok(self.hand_over(produced, for_caller));
                }
                round += 1;
                continue;
            }
            self.resumes = None;
            if round > 0 {
                self.take_up(&mut talk, produced).await?;
            }
            produced.text.clear();
            (produced.refused_from, produced.reasoning, produced.thoughts) = (None, None, None);
            talk.next_question();
            self.close(round, &mut talk);
            let asked = self.ask(&mut talk, produced).await;
            produced.is_crowded = talk.is_crowded();
            let Round { calls, finish, cut: _ } = asked?;
            if let Some(why) = talk.closed.clone() {
                return self.last_answer(why, &calls, &mut talk, produced).await;
            }
            let may_call = self.task.turn.tool_choice != ToolChoice::None;
            let is_callers = |call: &ToolCall| may_call && talk.is_clients(&call.name);
            let (for_caller, ours): (Vec<_>, Vec<_>) = calls.into_iter().partition(is_callers);
            if ours.is_empty() {
                return Ok(self.output(produced, for_caller, finish));
            }
            let asked = Asked { ours, callers: for_caller.clone() };
            self.tool_round(round, asked, &mut talk, produced).await?;
            if !for_caller.is_empty() {
                return Ok(self.hand_over(produced, for_caller));
            }
            round += 1;
        }
    }

    /// Shows what happens, unless readers have seen it: who goes on after an approval repeats nothing.
    fn tell(&mut self, event: RunEvent) {
        if self.resumes.is_none() {
            self.recorder.emit(event);
        }
    }

    /// Ends a round of which our calls are answered with the caller's.
    fn hand_over(&mut self, produced: &mut Produced, for_caller: Vec<ToolCall>) -> Output {
        // The caller's come last, and the thoughts stand before what is answered next.
        produced.thoughts = produced.thoughts_of_last_round();
        self.output(produced, for_caller, FinishReason::ToolCalls)
    }

    fn output(&mut self, produced: &mut Produced, tool_calls: Vec<ToolCall>, finish: FinishReason) -> Output {
        for call in &tool_calls {
            self.recorder.emit(RunEvent::ToolCall { call: call.clone() });
        }
        // A caller that gets calls must be told so; one that gets none must not wait for any.
        let finish = match (tool_calls.is_empty(), finish) {
            (false, _) => FinishReason::ToolCalls,
            (true, FinishReason::ToolCalls) => FinishReason::Stop,
            (true, finish) => finish,
        };
        let (text, refused_from) = (Text::from(std::mem::take(&mut produced.text)), produced.refused_from.take());
        let reasoned = produced.all_reasoned();
        let (asides, usage, model) = (produced.asides.clone(), produced.usage, produced.model.clone());
        Output { text, refused_from, asides, reasoned, tool_calls, finish, usage, model, answered_by: None }
    }
}
