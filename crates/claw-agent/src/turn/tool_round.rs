//! One round of tools: each call journaled, run, and answered.

use std::collections::VecDeque;
use std::sync::Arc;

use claw_core::approval::{Plan, Verdict};
use claw_core::message::JsonText;
use claw_core::permission::{Asker, canonical, is_for_callers};
use claw_core::provider::ToolChoice;
use claw_core::run::{Beside, JournalEntry, RunEvent, ToolOutcome};
use claw_core::tool::{RunFacts, Strangers, Tool, ToolContext, ToolError};
use claw_core::{Approval, Message, Text, Thoughts, ToolCall};

use super::context::Conversation;
use super::gate::Gate;
use super::live::Live;
use super::{Produced, Stop};
use crate::agent::{Agent, Attempt, Invoked};
use crate::catalog::Catalog;
use crate::journal::NotWritten;
use crate::limits::{CALLS_PER_ROUND_MAX, REPEATS_MAX, REPEATS_TOLD, RUN_RESULTS_BYTES_MAX, TOOL_RESULT_BYTES_MAX};
use crate::sessions::StopReason;
use crate::tools::{call_in_time, in_time};

/// What the model asks for in one round.
pub(super) struct Asked {
    /// What the gateway does.
    pub(super) ours: Vec<ToolCall>,
    /// What is handed over afterwards.
    pub(super) callers: Vec<ToolCall>,
}

impl Asked {
    /// What is journaled with the first call, so that whoever goes on after this attempt knows the whole round.
    fn beside(&self) -> Option<Box<Beside>> {
        let ours = || self.ours.iter().skip(1).cloned().collect();
        (!self.callers.is_empty()).then(|| Box::new(Beside { ours: ours(), callers: self.callers.clone() }))
    }
}

impl Attempt {
    /// Runs our calls, at once where none changes anything, and adds them and their answers to the conversation.
    pub(super) async fn tool_round(
        &mut self,
        round: u32,
        asked: Asked,
        talk: &mut Conversation,
        produced: &mut Produced,
    ) -> Result<(), Stop> {
        let Asked { ours: mut calls, callers } = asked;
        calls.truncate(CALLS_PER_ROUND_MAX);
        let refused = calls.clone().split_off(self.calls_left(produced).min(calls.len()));
        let reasoned = produced.reasoning.clone();
        let text = produced.end_round();
        let thoughts = produced.thoughts.take();
        let said = Message::Assistant { text: text.clone(), tool_calls: calls.clone(), thoughts: thoughts.clone() };
        append(talk, produced, said);
        calls.truncate(calls.len() - refused.len());
        let asked = Asked { ours: calls, callers };
        self.make((round, text, reasoned), thoughts, asked, talk, produced).await?;
        for call in refused {
            self.recorder.emit(RunEvent::ToolCall { call: call.clone() });
            let text = "not called: as many tools have been called as this request allows".into();
            self.answer(&call, ToolOutcome { text, is_error: true }, talk, produced);
        }
        Ok(())
    }

    /// How many more tools may be called.
    fn calls_left(&self, produced: &Produced) -> usize {
        let called = produced.messages.iter().filter(|message| matches!(message, Message::Tool { .. })).count();
        let turn = &self.task.turn;
        let most = match turn.tool_choice {
            // Whoever wants no call, or one of a function of his own, wants none of ours, whatever the model does.
            ToolChoice::None | ToolChoice::Named(_) => 0,
            ToolChoice::Auto | ToolChoice::Required => turn.tool_calls_max.unwrap_or(u32::MAX),
        };
        usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(called)
    }

    /// Makes the calls of one round.
    async fn make(
        &mut self,
        (round, text, mut reasoned): (u32, Text, Option<String>),
        mut thoughts: Option<Box<Thoughts>>,
        asked: Asked,
        talk: &mut Conversation,
        produced: &mut Produced,
    ) -> Result<(), Stop> {
        let mut used = Some(self.used(produced));
        let mut beside = asked.beside();
        let entries: Vec<JournalEntry> = asked
            .ours
            .into_iter()
            .map(|call| JournalEntry {
                round,
                text: text.clone(),
                reasoned: reasoned.take(),
                thoughts: thoughts.take(),
                used: used.take(),
                beside: beside.take(),
                is_idempotent: is_idempotent(talk, &call),
                call,
                is_planned: false,
                result: None,
            })
            .collect();
        // What changes nothing may run at once; what changes something keeps its place in the order.
        if entries.len() > 1 && entries.iter().all(|entry| entry.is_idempotent) {
            return self.together(entries, talk, produced).await;
        }
        self.one_by_one(entries, talk, produced).await
    }

    /// Runs calls in their order, and gives up before the first that somebody has to allow.
    async fn one_by_one(
        &mut self,
        entries: Vec<JournalEntry>,
        talk: &mut Conversation,
        produced: &mut Produced,
    ) -> Result<(), Stop> {
        let mut rest = VecDeque::from(entries);
        while let Some(entry) = rest.front().cloned() {
            match entry.result.clone() {
                Some(outcome) => {
                    self.tell(RunEvent::ToolCall { call: entry.call.clone() });
                    self.answer(&entry.call, outcome, talk, produced);
                }
                None => {
                    let resumes = self.resumes.take();
                    if let Some(approval) = self.step(entry, talk, produced).await? {
                        self.resumes = resumes;
                        let planned = rest.into_iter().map(|entry| JournalEntry { is_planned: true, ..entry });
                        return Err(Stop::Parked { approval, planned: planned.collect() });
                    }
                }
            }
            rest.pop_front();
        }
        Ok(())
    }

    /// Runs calls that change nothing at once, and answers them in their order.
    async fn together(
        &mut self,
        entries: Vec<JournalEntry>,
        talk: &mut Conversation,
        produced: &mut Produced,
    ) -> Result<(), Stop> {
        for entry in &entries {
            if !matches!(self.gate(entry, talk, produced).await?, Gate::Open(_)) {
                return self.one_by_one(entries, talk, produced).await;
            }
        }
        let calls: Vec<ToolCall> = entries.iter().map(|entry| entry.call.clone()).collect();
        for entry in entries {
            self.begin(entry).await?;
        }
        let context = self.tool_context(talk, produced);
        let catalog = Arc::clone(&self.catalog);
        let all = futures::future::join_all(calls.iter().map(|call| perform(&catalog, talk, &context, call)));
        let outcomes = tokio::select! {
            reason = self.control.stopped() => return Err(Stop::Told(reason)),
            outcomes = all => outcomes,
        };
        for (call, outcome) in calls.iter().zip(outcomes) {
            let outcome = self.let_in(&context, outcome).await?;
            self.journal.result(call, outcome.clone()).await;
            self.answer(call, outcome, talk, produced);
        }
        Ok(())
    }

    /// Puts a round of an earlier attempt back, running only what had not come to its end, and says what the model asked
    /// the caller for in it.
    pub(super) async fn replay_round(
        &mut self,
        mut entries: Vec<JournalEntry>,
        talk: &mut Conversation,
        produced: &mut Produced,
    ) -> Result<Vec<ToolCall>, Stop> {
        let for_caller = whole(&mut entries, talk);
        let first = entries.first();
        let text = first.map(|entry| entry.text.clone()).unwrap_or_default();
        let (reasoned, thoughts) =
            first.map(|entry| (entry.reasoned.clone(), entry.thoughts.clone())).unwrap_or_default();
        let tool_calls = entries.iter().map(|entry| entry.call.clone()).collect();
        if let Some(delta) = reasoned.clone() {
            self.tell(RunEvent::Thinking { delta });
        }
        if !text.is_empty() {
            self.tell(RunEvent::Text { delta: text.to_string() });
        }
        produced.keep_round(reasoned, &text);
        append(talk, produced, Message::Assistant { text, tool_calls, thoughts });
        self.one_by_one(entries, talk, produced).await?;
        Ok(for_caller)
    }

    /// Runs one call under the journal and answers it; or the question that has to be answered first.
    async fn step(
        &mut self,
        entry: JournalEntry,
        talk: &mut Conversation,
        produced: &mut Produced,
    ) -> Result<Option<Box<Approval>>, Stop> {
        let gate = self.gate(&entry, talk, produced).await?;
        let entry = JournalEntry { is_planned: false, ..entry };
        let call = entry.call.clone();
        let (approved, planned) = match gate {
            Gate::Ask(approval) => return Ok(Some(approval)),
            Gate::Shut(outcome) => {
                self.begin(JournalEntry { result: Some(outcome.clone()), ..entry }).await?;
                self.answer(&call, outcome, talk, produced);
                return Ok(None);
            }
            Gate::Open(planned) => {
                self.begin(entry).await?;
                (None, planned)
            }
            // Its intent was written with the use of the approval.
            Gate::Granted { plan, digest } => {
                self.recorder.emit(RunEvent::ToolCall { call: call.clone() });
                (Some(plan), Some(digest))
            }
        };
        let mut context = ToolContext { approved, ..self.tool_context(talk, produced) };
        context.run.planned = planned;
        let outcome = self.watched(&call, context.clone(), talk).await?;
        let outcome = self.let_in(&context, outcome).await?;
        self.journal.result(&call, outcome.clone()).await;
        self.answer(&call, outcome, talk, produced);
        Ok(None)
    }

    /// Makes one call, and shows what the tool says while it works.
    async fn watched(
        &mut self,
        call: &ToolCall,
        mut context: ToolContext,
        talk: &Conversation,
    ) -> Result<ToolOutcome, Stop> {
        let live = Arc::new(Live::new());
        context.run.call = Some((self.task.id, call.id.clone()));
        context.run.listener = Some(Arc::<Live>::clone(&live));
        let catalog = Arc::clone(&self.catalog);
        let work = perform(&catalog, talk, &context, call);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                reason = self.control.stopped() => return Err(Stop::Told(reason)),
                outcome = &mut work => return Ok(outcome),
                delta = live.next() => {
                    let (call_id, name) = (call.id.clone(), call.name.clone());
                    self.recorder.emit(RunEvent::ToolOutput { call_id, name, delta });
                }
                () = self.recorder.page_due() => self.recorder.flush().await?,
            }
        }
    }

    /// Shows that a call is about to be made, and writes it down.
    async fn begin(&mut self, entry: JournalEntry) -> Result<(), Stop> {
        self.recorder.emit(RunEvent::ToolCall { call: entry.call.clone() });
        match self.journal.intent(entry).await {
            Ok(()) => Ok(()),
            Err(NotWritten::Fenced) => Err(Stop::Told(StopReason::Fenced)),
            Err(NotWritten::Failed(failure)) => Err(Stop::Transient { failure, shown: true }),
        }
    }

    /// Adds what a call came to; a model that only repeats itself is told, and has to come to its end at last.
    fn answer(&mut self, call: &ToolCall, outcome: ToolOutcome, talk: &mut Conversation, produced: &mut Produced) {
        let ToolOutcome { mut text, is_error } = outcome;
        let waits = talk.tool(&call.name).is_some_and(|tool| tool.waits(&text));
        let times = talk.repeats.count(call, &text, waits);
        if (REPEATS_TOLD..REPEATS_MAX).contains(&times) {
            text = format!(
                "{text}\n[this call has had this same result {times} times; do something else, or say why you cannot go on]"
            )
            .into();
        }
        let (call_id, name) = (call.id.clone(), call.name.clone());
        self.tell(RunEvent::ToolResult { call_id: call_id.clone(), name, text: text.clone(), is_error });
        talk.result_bytes += text.len();
        append(talk, produced, Message::Tool { call_id, text, is_error });
        if times >= REPEATS_MAX {
            let why = format!(
                "the model made the same call of {:?} {times} times, with the same result each time",
                call.name
            );
            talk.closed.get_or_insert(why);
        } else if talk.result_bytes > RUN_RESULTS_BYTES_MAX {
            let why = format!("its tools have answered with more than {RUN_RESULTS_BYTES_MAX} bytes");
            talk.closed.get_or_insert(why);
        }
    }

    pub(super) fn tool_context(&self, talk: &Conversation, produced: &Produced) -> ToolContext {
        ToolContext {
            principal: self.task.principal.clone(),
            agent: talk.agent.clone(),
            session: self.task.turn.session.clone(),
            model: talk.model_name.clone(),
            usage: produced.usage,
            message_count: talk.message_count,
            approved: None,
            run: RunFacts {
                call: None,
                origin: self.task.turn.origin.clone(),
                own_tools: self.task.turn.own_tools.clone(),
                planned: None,
                untrusted: self.untrusted,
                strangers: Strangers::default(),
                listener: None,
            },
        }
    }
}

impl Agent {
    /// Makes one call outside of any run, with what the agent may use for the caller; nothing when
    /// that tool is not there. Cancel-safe: dropping the future ends the work.
    pub async fn invoke(&self, context: &ToolContext, name: &str, arguments: &JsonText) -> Option<Invoked> {
        let own = canonical(name);
        let tool = self.for_caller(context, own)?;
        let result = match self.planned(context, own, &*tool, arguments).await {
            Err(error) => Err(error),
            Ok(Plan { verdict: Verdict::Deny(why), .. }) => Err(ToolError::Failed(why)),
            // Outside of a run nobody can be asked, and what nobody can be asked for is not done.
            Ok(Plan { verdict: Verdict::Ask, .. }) => {
                Err(ToolError::Failed(format!("{own} needs an approval, which only a run can ask for")))
            }
            Ok(Plan { digest, verdict, .. }) => {
                let mut context = context.clone();
                context.run.planned = (!matches!(verdict, Verdict::Unbound(_))).then_some(digest);
                call(&self.catalog(), &*tool, own, &context, arguments).await
            }
        };
        Some(invoked(result))
    }

    /// Says whether [`Agent::invoke`] would make that call, and makes none; nothing when that tool is not
    /// there. Errors: what it would say of arguments that do not fit.
    pub async fn rehearse(
        &self,
        context: &ToolContext,
        name: &str,
        arguments: &JsonText,
    ) -> Option<Result<Verdict, Invoked>> {
        let own = canonical(name);
        let tool = self.for_caller(context, own)?;
        Some(match self.planned(context, own, &*tool, arguments).await {
            Ok(plan) => Ok(plan.verdict),
            Err(ToolError::Failed(why)) => Ok(Verdict::Deny(why)),
            Err(misfit @ ToolError::Arguments(_)) => Err(invoked(Err(misfit))),
        })
    }

    fn for_caller(&self, context: &ToolContext, own: &str) -> Option<Arc<dyn Tool>> {
        let mut tools = self.tools(&context.agent, &context.principal).into_iter();
        tools.find(|offer| offer.spec.name == own && is_for_callers(own)).map(|offer| offer.tool)
    }

    /// A tool's plan for a call, under the rules of who makes it.
    async fn planned(
        &self,
        context: &ToolContext,
        own: &str,
        tool: &dyn Tool,
        arguments: &JsonText,
    ) -> Result<Plan, ToolError> {
        let asker = Asker { agent: &context.agent, principal: &context.principal.id, origin: &context.run.origin };
        let catalog = self.catalog();
        let plan = in_time(catalog.time_of(tool), own, tool.plan(context, arguments)).await?;
        let is_listed = catalog.permissions().asks(asker, own) && !matches!(plan.verdict, Verdict::Deny(_));
        Ok(if is_listed { Plan { verdict: Verdict::Ask, ..plan } } else { plan })
    }
}

fn invoked(result: Result<String, ToolError>) -> Invoked {
    let blames_arguments = matches!(result, Err(ToolError::Arguments(_)));
    Invoked { outcome: outcome(result), blames_arguments }
}

/// Makes one call. What the agent may not use is answered as what is not there.
async fn perform(catalog: &Catalog, talk: &Conversation, context: &ToolContext, call: &ToolCall) -> ToolOutcome {
    let Some(tool) = talk.tool(&call.name) else {
        return ToolOutcome { text: format!("there is no tool {:?}", call.name).into(), is_error: true };
    };
    outcome(self::call(catalog, &**tool, &call.name, context, &call.arguments).await)
}

/// Makes a call that may be made, in its time. What it has changed the next run is told.
async fn call(
    catalog: &Catalog,
    tool: &dyn Tool,
    name: &str,
    context: &ToolContext,
    arguments: &JsonText,
) -> Result<String, ToolError> {
    let result = call_in_time(catalog.time_of(tool), name, tool, context, arguments).await;
    if !tool.is_idempotent() {
        catalog.forget_told();
    }
    result
}

pub(super) fn outcome(result: Result<String, ToolError>) -> ToolOutcome {
    match result {
        Ok(text) => ToolOutcome { text: capped(text), is_error: false },
        Err(error) => ToolOutcome { text: capped(error.to_string()), is_error: true },
    }
}

fn is_idempotent(talk: &Conversation, call: &ToolCall) -> bool {
    talk.tool(&call.name).is_none_or(|tool| tool.is_idempotent())
}

/// Adds the calls of a round that its attempt had not come to, where nobody would ask for them again, and takes out the
/// caller's.
fn whole(entries: &mut Vec<JournalEntry>, talk: &Conversation) -> Vec<ToolCall> {
    let Some(first) = entries.first().cloned() else { return Vec::new() };
    let Some(beside) = first.beside else { return Vec::new() };
    for call in beside.ours {
        if entries.iter().all(|entry| entry.call.id != call.id) {
            entries.push(JournalEntry {
                round: first.round,
                text: first.text.clone(),
                reasoned: None,
                thoughts: None,
                used: None,
                beside: None,
                is_idempotent: is_idempotent(talk, &call),
                call,
                is_planned: true,
                result: None,
            });
        }
    }
    beside.callers
}

fn append(talk: &mut Conversation, produced: &mut Produced, message: Message) {
    talk.messages.push(message.clone());
    produced.messages.push(message);
}

/// Cuts a flood at a character's border and says so.
fn capped(mut text: String) -> Text {
    if text.len() > TOOL_RESULT_BYTES_MAX {
        let mut end = TOOL_RESULT_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("\n[cut]");
    }
    text.into()
}
