//! `/v1/responses`, as OpenAI's clients speak it.
//!
//! - [`request`] what is asked: [`request::Ask`]; [`items`] its input, [`shown`] the same again; [`tools`] its tools, by name or
//!   brought along (K10)
//! - [`object`] the response object, made anew at every look from a task and what was kept with it
//! - [`events`] the streamed answer, each event numbered; [`compaction`] a conversation made short; `sealed` reasoning in
//!   a client's keeping

pub mod compaction;
pub mod events;
pub mod items;
pub mod object;
pub mod request;
mod sealed;
pub mod shown;
pub mod tools;

use claw_core::{TaskId, message::JsonText};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const PREFIX: &str = "resp_";

/// The id that OpenAI's clients see for a run.
pub fn response_id(task: TaskId) -> String {
    format!("{PREFIX}{}", task.uuid().as_simple())
}

/// The task behind a response's id.
pub fn task_of(response_id: &str) -> Option<TaskId> {
    format!("task_{}", response_id.strip_prefix(PREFIX)?).parse().ok()
}

/// What a response says again of its request. Stored with the task; version 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct Kept {
    /// As the client spelled it.
    pub model: String,
    pub store: bool,
    pub background: bool,
    /// Whether the run has a conversation of its own, which goes when the response is deleted.
    pub is_alone: bool,
    pub parallel_tool_calls: bool,
    pub truncation: String,
    pub instructions: Option<claw_core::Text>,
    pub previous_response_id: Option<String>,
    pub conversation: Option<String>,
    pub max_output_tokens: Option<u32>,
    #[serde(default)]
    pub max_tool_calls: Option<u32>,
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub presence_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub effort: Option<String>,
    pub summary: Option<String>,
    /// Whether reasoning comes in a form that can be sent back.
    #[serde(default)]
    pub sealed: bool,
    pub user: Option<String>,
    pub safety_identifier: Option<String>,
    pub prompt_cache_key: Option<String>,
    pub metadata: std::collections::BTreeMap<String, String>,
    /// The objects as answers show them.
    pub tools: Box<RawValue>,
    pub tool_choice: Box<RawValue>,
    pub text: Box<RawValue>,
}

impl Kept {
    /// As it is stored.
    pub fn to_text(&self) -> JsonText {
        JsonText::new(serde_json::to_string(self).expect("texts and numbers always serialise"))
    }

    /// As it was stored with a task; nothing when the task came by another door.
    pub fn read(text: Option<&JsonText>) -> Option<Self> {
        serde_json::from_str(text?.as_str()).ok()
    }
}
