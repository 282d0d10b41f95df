//! How many tokens a prompt has, about. Pure and cheap: it counts bytes, no tokenizer is asked.
//!
//! A rule of thumb: four bytes of ASCII make a token, and three of other scripts, which is about one
//! letter of Chinese. Callers should allow for an error of a factor of two either way; long runs of
//! digits or of one letter may lie outside even that. It has not been measured against tokenizers.

use crate::message::{Message, Part};
use crate::provider::ToolSpec;

/// What surrounds a message, its role included.
const TOKENS_PER_MESSAGE: u64 = 4;

/// A picture or a document, whose price goes by its size in most places.
const TOKENS_PER_IMAGE: u64 = 1_000;

/// About how many tokens this is; allow for a factor of two either way.
pub fn tokens(messages: &[Message], tools: &[ToolSpec]) -> u64 {
    let said: u64 = messages.iter().map(|message| TOKENS_PER_MESSAGE + of_message(message)).sum();
    let offered: u64 = tools
        .iter()
        .map(|ToolSpec { name, description, parameters, strict: _ }| {
            TOKENS_PER_MESSAGE + of_text(name) + of_text(description) + of_text(parameters.as_str())
        })
        .sum();
    said + offered
}

/// Bytes of text: no prompt has more tokens than that, but for pictures.
pub fn text_bytes(messages: &[Message]) -> u64 {
    messages.iter().map(|message| texts(message).map(|text| text.len() as u64).sum::<u64>()).sum()
}

/// More than this they cannot have: bytes, not letters, are counted, which is cheaper.
pub fn tokens_at_most(messages: &[Message]) -> u64 {
    text_bytes(messages) + messages.iter().map(|message| TOKENS_PER_MESSAGE + images(message)).sum::<u64>()
}

/// Text that comes in pieces, counted as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    ascii: u64,
    other: u64,
}

impl Tally {
    /// Adds a piece.
    pub fn add(&mut self, text: &str) {
        let ascii = text.bytes().filter(u8::is_ascii).count();
        self.ascii += ascii as u64;
        self.other += (text.len() - ascii) as u64;
    }
    /// About how many tokens it has so far.
    pub const fn tokens(self) -> u64 {
        self.ascii.div_ceil(4) + self.other.div_ceil(3)
    }
}

fn of_message(message: &Message) -> u64 {
    texts(message).map(of_text).sum::<u64>() + images(message)
}

fn images(message: &Message) -> u64 {
    let images = match message {
        Message::User { content } => content.iter().filter(|part| !matches!(part, Part::Text { .. })).count() as u64,
        Message::System { .. } | Message::Assistant { .. } | Message::Tool { .. } => 0,
    };
    images * TOKENS_PER_IMAGE
}

fn texts(message: &Message) -> Box<dyn Iterator<Item = &str> + '_> {
    match message {
        Message::System { text } | Message::Tool { text, .. } => Box::new(std::iter::once(text.as_str())),
        Message::User { content } => Box::new(content.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            Part::Image { .. } | Part::File { .. } => None,
        })),
        Message::Assistant { text, tool_calls, thoughts: _ } => {
            let called = tool_calls.iter().flat_map(|call| [call.name.as_str(), call.arguments.as_str()]);
            Box::new(std::iter::once(text.as_str()).chain(called))
        }
    }
}

/// Four bytes of ASCII are a token, or three of any other script.
pub fn of_text(text: &str) -> u64 {
    let mut tally = Tally::default();
    tally.add(text);
    tally.tokens()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::JsonText;

    #[test]
    fn four_bytes_of_ascii_or_a_letter_of_another_script_are_a_token() {
        let samples = [("", 0), ("a", 1), ("word", 1), ("words", 2), ("世界", 2), ("ok世界", 3)];
        for (text, tokens) in samples {
            assert_eq!(of_text(text), tokens, "{text}");
        }
    }

    #[test]
    fn pictures_calls_and_tools_count() {
        let call = crate::ToolCall { id: "i".into(), name: "read".into(), arguments: JsonText::new("{\"a\":1}") };
        let messages = [
            Message::User { content: vec![Part::Text { text: "look".into() }, Part::image("data:,")] },
            Message::assistant("", vec![call]),
        ];
        let tool = ToolSpec::new("read", "reads", JsonText::new("{}"));
        assert_eq!(tokens(&messages, &[tool]), (4 + 1 + 1_000) + (4 + 1 + 2) + (4 + 1 + 2 + 1));
        assert_eq!(text_bytes(&messages), 4 + 4 + 7);
        assert_eq!(tokens_at_most(&messages), 4 + 4 + 7 + 4 + 4 + 1_000);
    }
}
