//! How one request is answered, well or badly.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::gate::Gate;
use super::seen::Seen;

/// One scripted answer.
///
/// Made by a constructor and bent by the methods: `Reply::chunks(["a", "b"]).cut_after(1)`.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) before_head: Vec<Hold>,
    pub(super) headers: Vec<(String, String)>,
    /// When the answer has taken so long, these steps take the place of the rest.
    pub(super) limit: Option<(Duration, Vec<Step>)>,
    /// Dropped when the answer has ended.
    pub(super) kept: Option<Kept>,
    pub(super) answer: Answer,
}

/// Something that lives as long as an answer does.
#[derive(Clone)]
pub(super) struct Kept(#[expect(dead_code, reason = "only its end counts")] Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// A chat completion, streamed or whole as the client asked.
    Completion(Vec<Step>),
    /// A status with an error object.
    Refusal { status: u16, message: String },
    /// A status with these words and nothing around them.
    Words { status: u16, words: String },
    /// These bytes, whatever was asked for.
    Verbatim { content_type: String, body: Vec<u8> },
}

/// One step of a chat completion.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Text(String),
    Thinking(String),
    Refusal(String),
    ToolCall {
        index: usize,
        name: String,
        arguments: String,
    },
    Finish(String),
    /// An error object in the stream.
    Error(String),
    /// Bytes that are no event.
    Garbage(String),
    Wait(Hold),
    /// The connection is closed without an end.
    Cut,
    Done,
}

/// Something to wait for.
#[derive(Debug, Clone)]
pub(super) enum Hold {
    Gate(Gate),
    Delay(Duration),
    Forever,
}

impl Hold {
    pub(super) async fn pass(&self) {
        match self {
            Self::Gate(gate) => gate.pass().await,
            Self::Delay(delay) => tokio::time::sleep(*delay).await,
            Self::Forever => std::future::pending().await,
        }
    }
}

impl Reply {
    /// A text in one chunk.
    pub fn text(text: impl Into<String>) -> Self {
        Self::chunks([text])
    }

    /// A text in these chunks.
    pub fn chunks(chunks: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::completion(chunks.into_iter().map(|chunk| Step::Text(chunk.into())).collect(), "stop")
    }

    /// A refusal in these chunks, which is no text.
    pub fn refusal(chunks: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::completion(chunks.into_iter().map(|chunk| Step::Refusal(chunk.into())).collect(), "stop")
    }

    /// The last user message, word by word.
    pub fn echo(seen: &Seen) -> Self {
        Self::chunks(seen.last_user().split_inclusive(' '))
    }

    /// One tool call, its arguments in two shreds.
    pub fn tool_call(name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self::completion(Vec::new(), "tool_calls").and_tool_call(name, arguments)
    }

    /// An HTTP error with OpenAI's error object.
    pub fn status(status: u16, message: impl Into<String>) -> Self {
        Self::of(Answer::Refusal { status, message: message.into() })
    }

    /// An HTTP status with a plain text.
    pub fn words(status: u16, words: impl Into<String>) -> Self {
        Self::of(Answer::Words { status, words: words.into() })
    }

    /// These bytes with status 200.
    pub fn verbatim(content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::of(Answer::Verbatim { content_type: content_type.into(), body: body.into() })
    }

    /// A stream that turns into nonsense.
    pub fn garbage() -> Self {
        Self::text("so far so ").garbage_after(1)
    }

    /// No answer at all, the connection stays open.
    pub fn silence() -> Self {
        Self { before_head: vec![Hold::Forever], ..Self::text("") }
    }

    /// Another tool call in the same answer.
    #[must_use]
    pub fn and_tool_call(mut self, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        if let Answer::Completion(steps) = &mut self.answer {
            let index = steps.iter().filter(|step| matches!(step, Step::ToolCall { .. })).count();
            let call = Step::ToolCall { index, name: name.into(), arguments: arguments.into() };
            steps.insert(end_of_content(steps), call);
        }
        self
    }

    /// Thinks this first.
    #[must_use]
    pub fn thinking(self, thought: impl Into<String>) -> Self {
        self.with_step(0, Step::Thinking(thought.into()))
    }

    /// Says this before it calls tools.
    #[must_use]
    pub fn saying(self, text: impl Into<String>) -> Self {
        self.with_step(0, Step::Text(text.into()))
    }

    /// Waits at the gate before the head of the answer.
    #[must_use]
    pub fn held(mut self, gate: &Gate) -> Self {
        self.before_head.push(Hold::Gate(gate.clone()));
        self
    }

    /// Waits so long before the head of the answer.
    #[must_use]
    pub fn late(mut self, delay: Duration) -> Self {
        self.before_head.push(Hold::Delay(delay));
        self
    }

    /// Waits at the gate before each chunk.
    #[must_use]
    pub fn gated(self, gate: &Gate) -> Self {
        self.with_holds(&Hold::Gate(gate.clone()))
    }

    /// Waits so long before each chunk.
    #[must_use]
    pub fn paced(self, delay: Duration) -> Self {
        self.with_holds(&Hold::Delay(delay))
    }

    /// Waits at the gate after the last chunk, before it says that it finished.
    #[must_use]
    pub fn held_before_end(self, gate: &Gate) -> Self {
        let end = self.steps().map_or(0, end_of_content);
        self.with_step(end, Step::Wait(Hold::Gate(gate.clone())))
    }

    /// Falls silent after so many chunks, the connection stays open.
    #[must_use]
    pub fn stall_after(self, chunks: usize) -> Self {
        self.ending_after(chunks, Step::Wait(Hold::Forever))
    }

    /// Closes the connection after so many chunks.
    #[must_use]
    pub fn cut_after(self, chunks: usize) -> Self {
        self.ending_after(chunks, Step::Cut)
    }

    /// Sends an unreadable event after so many chunks.
    #[must_use]
    pub fn garbage_after(self, chunks: usize) -> Self {
        self.ending_after(chunks, Step::Garbage("data: {\"choices\":[{\"delta\":{\"con\n\n".to_owned()))
    }

    /// Sends an error object after so many chunks.
    #[must_use]
    pub fn error_after(self, chunks: usize, message: impl Into<String>) -> Self {
        self.ending_after(chunks, Step::Error(message.into()))
    }

    /// Finishes for another reason: `length`, `content_filter`, …
    #[must_use]
    pub fn finish(mut self, reason: impl Into<String>) -> Self {
        if let Answer::Completion(steps) = &mut self.answer
            && let Some(Step::Finish(finish)) = steps.iter_mut().find(|step| matches!(step, Step::Finish(_)))
        {
            *finish = reason.into();
        }
        self
    }

    /// Leaves out the final `[DONE]`, as some servers do.
    #[must_use]
    pub fn without_done(mut self) -> Self {
        if let Answer::Completion(steps) = &mut self.answer {
            steps.retain(|step| !matches!(step, Step::Done));
        }
        self
    }

    /// Is cut, wherever it stands, when it has taken so long.
    #[must_use]
    pub fn cut_at(self, limit: Duration) -> Self {
        self.ended_at(limit, vec![Step::Cut])
    }

    /// Ends in order, without a reason, when it has taken so long.
    #[must_use]
    pub fn done_at(self, limit: Duration) -> Self {
        self.ended_at(limit, vec![Step::Done])
    }

    /// Says this in place of the rest, and ends, when it has taken so long.
    #[must_use]
    pub fn saying_at(self, limit: Duration, words: impl Into<String>) -> Self {
        self.ended_at(limit, vec![Step::Text(words.into()), Step::Done])
    }

    /// Sends an error object, and ends, when it has taken so long.
    #[must_use]
    pub fn error_at(self, limit: Duration, message: impl Into<String>) -> Self {
        self.ended_at(limit, vec![Step::Error(message.into()), Step::Done])
    }

    /// Drops this when the answer has ended, whichever way.
    #[must_use]
    pub fn keeping(self, kept: Arc<dyn Any + Send + Sync>) -> Self {
        Self { kept: Some(Kept(kept)), ..self }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Asks to be tried again: seconds or a date.
    #[must_use]
    pub fn retry_after(self, value: impl Into<String>) -> Self {
        self.header("retry-after", value)
    }

    fn completion(mut steps: Vec<Step>, reason: &str) -> Self {
        steps.extend([Step::Finish(reason.to_owned()), Step::Done]);
        Self::of(Answer::Completion(steps))
    }

    fn of(answer: Answer) -> Self {
        Self { before_head: Vec::new(), headers: Vec::new(), limit: None, kept: None, answer }
    }

    fn ended_at(self, limit: Duration, last: Vec<Step>) -> Self {
        Self { limit: Some((limit, last)), ..self }
    }

    fn steps(&self) -> Option<&[Step]> {
        match &self.answer {
            Answer::Completion(steps) => Some(steps),
            Answer::Refusal { .. } | Answer::Words { .. } | Answer::Verbatim { .. } => None,
        }
    }

    fn with_step(mut self, place: usize, step: Step) -> Self {
        if let Answer::Completion(steps) = &mut self.answer {
            steps.insert(place, step);
        }
        self
    }

    fn with_holds(mut self, hold: &Hold) -> Self {
        if let Answer::Completion(steps) = &mut self.answer {
            let plain = std::mem::take(steps);
            for step in plain {
                if is_chunk(&step) {
                    steps.push(Step::Wait(hold.clone()));
                }
                steps.push(step);
            }
        }
        self
    }

    fn ending_after(mut self, chunks: usize, last: Step) -> Self {
        if let Answer::Completion(steps) = &mut self.answer {
            let beyond = steps.iter().enumerate().filter(|(_, step)| is_chunk(step)).nth(chunks);
            let end = beyond.map_or_else(|| end_of_content(steps), |(place, _)| place);
            steps.truncate(end);
            steps.push(last);
        }
        self
    }
}

fn is_chunk(step: &Step) -> bool {
    matches!(step, Step::Text(_) | Step::Thinking(_) | Step::Refusal(_) | Step::ToolCall { .. })
}

fn end_of_content(steps: &[Step]) -> usize {
    steps.iter().position(|step| matches!(step, Step::Finish(_))).unwrap_or(steps.len())
}
