//! A conversation made short: the user's own words, and one item that stands for the rest.
//!
//! What the item holds is for this gateway to read again, and for its client to keep and send back. It is
//! no secret from the client and needs no seal: it counts as something the client says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claw_core::{Message, Output, TaskId};
use serde::{Deserialize, Serialize};

use super::items::{Input, ShownItem, shown};
use super::object::Usage;
use super::response_id;
use crate::BadRequest;

/// The body of `POST /v1/responses/compact`.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct CompactRequest {
    pub model: String,
    pub input: Option<Input>,
    pub previous_response_id: Option<String>,
    pub instructions: Option<String>,
    pub prompt_cache_key: Option<String>,
}

impl CompactRequest {
    /// What is given to be made short, and the response it goes on from.
    ///
    /// # Errors
    /// There is neither.
    pub fn read(input: Option<Input>, previous: Option<&str>) -> Result<Vec<Message>, BadRequest> {
        match (input, previous) {
            (Some(input), _) => input.into_messages(),
            (None, Some(_)) => Ok(Vec::new()),
            (None, None) => Err(BadRequest::of("input", "send input, previous_response_id, or both")),
        }
    }
}

/// What the model is asked for, behind the conversation.
pub const ASKED: &str = "Do not answer the conversation above. Write notes from which you could go on with it \
    once it is gone: what the user wants and has said about how, what was decided and why, facts, names, numbers, \
    paths and results that were found, what was tried and failed, and what is still open. Leave out greetings and \
    repetition. Write nothing but the notes.";

/// The answer.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct Compacted<'a> {
    pub id: String,
    pub object: &'static str,
    pub created_at: i64,
    pub output: Vec<ShownItem<'a>>,
    pub usage: Usage,
}

impl<'a> Compacted<'a> {
    /// The user's part of a conversation as it was, and the notes of `output` for the rest.
    pub fn new(task: TaskId, created_at: i64, said: &'a [Message], output: &Output) -> Self {
        let name = task.uuid().as_simple().to_string();
        let mut items = shown(&name, said);
        items.retain(|item| matches!(item, ShownItem::Message { role: "user", .. }));
        items.push(ShownItem::Compaction { id: format!("cmp_{name}"), encrypted_content: seal(&output.text) });
        Self {
            id: response_id(task),
            object: "response.compaction",
            created_at,
            output: items,
            usage: output.usage.into(),
        }
    }
}

/// What an item holds; version 1.
#[derive(Serialize, Deserialize)]
struct Notes {
    v: u32,
    notes: String,
}

fn seal(notes: &str) -> String {
    let notes = Notes { v: 1, notes: notes.to_owned() };
    STANDARD.encode(serde_json::to_vec(&notes).expect("texts always serialise"))
}

/// The notes of an item of ours, as something the user says; nothing when it is not ours.
pub(super) fn unseal(content: &str) -> Option<Message> {
    let bytes = STANDARD.decode(content).ok()?;
    let Notes { v, notes } = serde_json::from_slice(&bytes).ok()?;
    (v == 1).then(|| Message::user(format!("[Notes of what was said before]\n{notes}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_as_they_were_and_nothing_else_is_read() {
        let read = unseal(&seal("a\n\"ü\"")).unwrap();
        assert_eq!(read, Message::user("[Notes of what was said before]\na\n\"ü\""));
        let later = STANDARD.encode(br#"{"v":2,"notes":"x"}"#);
        for foreign in ["", "gAAAAABpM0Yj", "{}", &later] {
            assert_eq!(unseal(foreign), None, "{foreign}");
        }
    }
}
