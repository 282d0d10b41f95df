//! The blocks of an answer that thought, in their order.
//!
//! The signature on a thought is good only where it stood, so the order of all blocks is kept: thoughts
//! and texts whole, calls by their ids, since the message has them anyway.

use claw_core::message::JsonText;
use serde::{Deserialize, Serialize};

/// Most bytes that are kept; beyond, the turn goes on without its thoughts.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// One block, as it is kept and given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Thinking { thinking: String, signature: String },
    RedactedThinking { data: String },
    Text { text: String },
    ToolUse { id: String },
}

/// The blocks so far.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: Vec<(u32, Block)>,
    bytes: usize,
}

impl Blocks {
    /// Adds the block at this place of the answer.
    pub(super) fn begin(&mut self, index: u32, block: Block) {
        // What is empty takes room, too.
        self.bytes += 64
            + match &block {
                Block::Thinking { thinking: a, signature: b } => a.len() + b.len(),
                Block::RedactedThinking { data: text } | Block::Text { text } | Block::ToolUse { id: text } => {
                    text.len()
                }
            };
        if self.bytes <= BYTES_MAX {
            self.blocks.push((index, block));
        }
    }

    /// Adds to it.
    pub(super) fn go_on(&mut self, index: u32, said: &str, thought: &str, signed: &str) {
        self.bytes += said.len() + thought.len() + signed.len();
        if self.bytes > BYTES_MAX {
            return;
        }
        match self.blocks.iter_mut().rev().find(|(place, _)| *place == index) {
            Some((_, Block::Text { text })) => text.push_str(said),
            Some((_, Block::Thinking { thinking, signature })) => {
                thinking.push_str(thought);
                signature.push_str(signed);
            }
            Some((_, Block::RedactedThinking { .. } | Block::ToolUse { .. })) | None => {}
        }
    }

    /// All of it, if it has thoughts and is whole.
    pub(super) fn take(&mut self) -> Option<JsonText> {
        let Self { blocks, bytes } = std::mem::take(self);
        let blocks: Vec<Block> = blocks.into_iter().map(|(_, block)| block).collect();
        let has = |is: fn(&Block) -> bool| blocks.iter().any(is);
        let thinks = has(|block| matches!(block, Block::Thinking { .. } | Block::RedactedThinking { .. }));
        (thinks && bytes <= BYTES_MAX)
            .then(|| JsonText::new(serde_json::to_string(&blocks).expect("texts always serialise")))
    }
}

/// The blocks that were kept; nothing where they are not ours.
pub(super) fn read(payload: &JsonText) -> Option<Vec<Block>> {
    serde_json::from_str(payload.as_str()).ok()
}
