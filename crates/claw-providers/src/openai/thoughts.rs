//! What a server wants back with the answers of tools, beside what its model said: reasoning, and what it added to calls.
//!
//! DeepSeek demands the reasoning in the field in which it came, OpenRouter its details, Google the signature on the
//! call. Servers differ in what else they take: the plain field `reasoning` is refused by some that send it, and
//! demanded by none, so it is not given back.

use std::collections::BTreeMap;

use claw_core::message::JsonText;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Most bytes that are kept; beyond, the turn goes on without its reasoning.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most pieces of details that are kept.
const DETAILS_MAX: usize = 4096;

/// Fields of a detail that come in pieces.
const PIECEMEAL: [&str; 2] = ["text", "summary"];

/// What is kept of an answer. Its names are those of chat completions: clients keep it under them, too.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) reasoning_content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reasoning_details: Vec<Value>,
    /// The field `extra_content` of calls, by their ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) calls: BTreeMap<String, Box<RawValue>>,
    #[serde(skip)]
    pub(super) bytes: usize,
}

impl Kept {
    /// Adds what came.
    pub(super) fn add(&mut self, reasoning: &str, details: Option<&RawValue>) {
        self.bytes += reasoning.len() + details.map_or(0, |details| details.get().len());
        if self.bytes > BYTES_MAX {
            return;
        }
        self.reasoning_content.push_str(reasoning);
        let details = details.and_then(|details| serde_json::from_str::<Vec<Value>>(details.get()).ok());
        for detail in details.unwrap_or_default() {
            if !self.reasoning_details.last_mut().is_some_and(|last| join(last, &detail)) {
                self.reasoning_details.push(detail);
            }
        }
    }

    /// All of it with what belongs to calls, if there are calls and something is wanted back.
    pub(super) fn with_calls(
        mut self,
        calls: impl ExactSizeIterator<Item = (String, Option<Box<RawValue>>)>,
    ) -> Option<JsonText> {
        let has_called = calls.len() > 0;
        self.calls = calls.filter_map(|(id, extra)| Some((id, extra?))).collect();
        self.bytes += self.calls.values().map(|extra| extra.get().len()).sum::<usize>();
        let is_empty = self.reasoning_content.is_empty() && self.reasoning_details.is_empty() && self.calls.is_empty();
        let fits = self.bytes <= BYTES_MAX && self.reasoning_details.len() <= DETAILS_MAX;
        (has_called && !is_empty && fits)
            .then(|| JsonText::new(serde_json::to_string(&self).expect("texts and JSON always serialise")))
    }

    /// What was kept; nothing where it is not ours.
    pub(super) fn read(payload: &JsonText) -> Option<Self> {
        serde_json::from_str(payload.as_str()).ok()
    }
}

/// Puts a piece of a detail to the piece before it; false where it begins another one.
fn join(last: &mut Value, next: &Value) -> bool {
    let (Value::Object(last), Value::Object(next)) = (last, next) else { return false };
    let is_same = ["type", "index"].iter().all(|name| last.get(*name) == next.get(*name));
    let is_piece = next.get("index").is_some() && PIECEMEAL.iter().any(|name| next.contains_key(*name));
    if !is_same || !is_piece {
        return false;
    }
    for (name, value) in next {
        match (last.get_mut(name), value) {
            (Some(Value::String(before)), Value::String(more)) if PIECEMEAL.contains(&name.as_str()) => {
                before.push_str(more);
            }
            (_, Value::Null) => {}
            _ => drop(last.insert(name.clone(), value.clone())),
        }
    }
    true
}
