//! What the tests of all protocols over recorded answers share.

use std::collections::VecDeque;

use claw_core::message::{JsonText, ToolCall};
use claw_core::provider::{ModelEvent, Usage};

use crate::body::{Assembly, Body};
use crate::fault::Fault;

/// What an answer said, and how it ended.
pub(crate) type Said = (Vec<ModelEvent>, Result<bool, Fault>);

/// All events of an answer that came in these pieces, and how it ended.
pub(crate) fn read<'a, A: Assembly>(assembly: A, pieces: impl IntoIterator<Item = &'a [u8]>) -> Said {
    let mut body = Body::new(assembly);
    let mut events = VecDeque::new();
    for piece in pieces {
        match body.take(piece, &mut events) {
            Ok(false) => {}
            Ok(true) => break,
            Err(fault) => return (events.into(), Err(fault)),
        }
    }
    let ended = body.end(&mut events);
    (events.into(), ended)
}

/// All events of an answer that finishes.
pub(crate) fn events<A: Assembly>(assembly: A, stream: &str) -> Vec<ModelEvent> {
    let (events, ended) = read(assembly, [stream.as_bytes()]);
    assert_eq!(ended, Ok(true), "{stream}");
    events
}

/// G8: cut before `finished_at`, there is no `Done` and nothing that the whole does not say; cut later, it is done.
pub(crate) fn is_done_only_from<A: Assembly>(new: impl Fn() -> A, stream: &str, finished_at: usize) {
    let (whole, _) = read(new(), [stream.as_bytes()]);
    for cut in 0..stream.len() {
        let (said, ended) = read(new(), [&stream.as_bytes()[..cut]]);
        assert_eq!(ended == Ok(true), cut >= finished_at, "{}", &stream[..stream.floor_char_boundary(cut)]);
        assert_eq!(said.iter().any(is_done), cut >= finished_at);
        assert!(cut >= finished_at || whole.starts_with(&said), "{said:?}");
    }
}

/// The pieces an answer comes in do not matter.
pub(crate) fn no_split_changes<A: Assembly>(new: impl Fn() -> A, stream: &str) {
    let whole = read(new(), [stream.as_bytes()]);
    assert_eq!(read(new(), stream.as_bytes().chunks(1)), whole);
    for cut in 0..stream.len() {
        let (head, tail) = stream.as_bytes().split_at(cut);
        assert_eq!(read(new(), [head, tail]), whole);
    }
}

/// Whether an answer with these bytes written over its own says that it is done exactly where it ends well.
pub(crate) fn stays_honest<A: Assembly>(assembly: A, stream: &str, at: usize, bytes: &[u8]) -> bool {
    let mut damaged = stream.as_bytes().to_vec();
    let at = at.min(damaged.len());
    let end = (at + bytes.len()).min(damaged.len());
    damaged.splice(at..end, bytes.iter().copied());
    let (said, ended) = read(assembly, [damaged.as_slice()]);
    said.iter().any(is_done) == (ended == Ok(true))
}

/// A text.
pub(crate) fn text(text: &str) -> ModelEvent {
    ModelEvent::Text(text.to_owned())
}

/// A thought.
pub(crate) fn thought(text: &str) -> ModelEvent {
    ModelEvent::Thinking(text.to_owned())
}

/// A call of a tool.
pub(crate) fn call(id: &str, name: &str, arguments: &str) -> ModelEvent {
    ModelEvent::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: JsonText::new(arguments) })
}

/// Counts without the finer ones.
pub(crate) fn usage(input_tokens: u64, output_tokens: u64, cached_tokens: u64) -> ModelEvent {
    ModelEvent::Usage(Usage { input_tokens, output_tokens, cached_tokens, ..Usage::default() })
}

/// Whether it ends a good answer.
pub(crate) const fn is_done(event: &ModelEvent) -> bool {
    matches!(event, ModelEvent::Done(_))
}
