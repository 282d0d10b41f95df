//! The items of an answer that reasoned, in their order.
//!
//! An item of reasoning is good only before the item it led to, so the order of all items is kept:
//! reasoning whole and sealed, the others by what they are.

use claw_core::message::JsonText;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Most bytes that are kept; beyond, the turn goes on without its reasoning.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// One item, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Item {
    /// As it came.
    Reasoning(Box<RawValue>),
    /// The message's text stands here.
    Message,
    /// The call with this id stands here.
    Call(String),
}

/// The items so far.
#[derive(Debug, Default)]
pub(super) struct Items {
    items: Vec<Item>,
    bytes: usize,
}

impl Items {
    /// Adds an item.
    pub(super) fn add(&mut self, item: Item) {
        // What is empty takes room, too.
        self.bytes += 64
            + match &item {
                Item::Reasoning(raw) => raw.get().len(),
                Item::Call(id) => id.len(),
                Item::Message => 0,
            };
        if self.bytes <= BYTES_MAX {
            self.items.push(item);
        }
    }

    /// Whether there is none yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All of them, if there is reasoning and nothing is missing.
    pub(super) fn take(&mut self) -> Option<JsonText> {
        let Self { items, bytes } = std::mem::take(self);
        let reasons = items.iter().any(|item| matches!(item, Item::Reasoning(_)));
        (reasons && bytes <= BYTES_MAX)
            .then(|| JsonText::new(serde_json::to_string(&items).expect("JSON can always be written as JSON")))
    }
}

/// The items that were kept; nothing where they are not ours. A client may have kept them, so what is said to be
/// reasoning has to be that.
pub(super) fn read(payload: &JsonText) -> Option<Vec<Item>> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
    }
    let items: Vec<Item> = serde_json::from_str(payload.as_str()).ok()?;
    let is_itself = |item: &Item| match item {
        Item::Reasoning(raw) => serde_json::from_str(raw.get()).is_ok_and(|Kind { kind }| kind == "reasoning"),
        Item::Message | Item::Call(_) => true,
    };
    items.iter().all(is_itself).then_some(items)
}
