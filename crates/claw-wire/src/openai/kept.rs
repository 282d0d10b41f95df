//! What a model's server wants back with its calls, in the keeping of a client of chat completions.
//!
//! It leaves and comes back in the fields in which such servers send it themselves, so that a client that appends the
//! assistant's message to its conversation as it came needs to know nothing of it.

use std::collections::BTreeMap;

use claw_core::{JsonText, Output, Thoughts};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The fields.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The reasoning that led to the calls.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning_content: String,
    /// The same in pieces, signed or sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_details: Option<Box<RawValue>>,
    /// The field `extra_content` of calls, by their ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, Box<RawValue>>,
}

impl Kept {
    /// What goes out with the calls of an answer; nothing where its provider speaks another protocol.
    pub fn of(output: &Output) -> Self {
        let thoughts = output.reasoned.last().and_then(|reasoned| reasoned.thoughts.as_deref());
        let payload = thoughts.filter(|_| !output.tool_calls.is_empty()).map(|thoughts| thoughts.payload.as_str());
        // A list would be taken for the fields in their order.
        let payload = payload.filter(|payload| payload.starts_with('{'));
        payload.and_then(|payload| serde_json::from_str(payload).ok()).unwrap_or_default()
    }

    /// What came back, by nobody in particular: the client does not say who wrote it.
    pub(crate) fn into_thoughts(self) -> Option<Box<Thoughts>> {
        let is_empty = self.reasoning_content.is_empty() && self.reasoning_details.is_none() && self.calls.is_empty();
        let payload = || JsonText::new(serde_json::to_string(&self).expect("texts and JSON always serialise"));
        (!is_empty).then(|| Box::new(Thoughts { by: String::new(), payload: payload() }))
    }
}
