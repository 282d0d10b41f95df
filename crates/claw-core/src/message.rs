//! What a conversation is made of.

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// A JSON text that is carried but not looked into here (tool arguments, schemas).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonText(Text);

impl JsonText {
    /// Wraps a text that the caller knows to be JSON, or that a model claims to be.
    pub fn new(text: impl Into<Text>) -> Self {
        Self(text.into())
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Message {
    /// Instructions by whoever runs the agent.
    System {
        /// The instruction.
        text: Text,
    },
    /// What a person or program said.
    User {
        /// Text and images, in order.
        content: Vec<Part>,
    },
    /// What the model said and wants done.
    Assistant {
        /// What it said; empty when it only called tools.
        text: Text,
        /// Tools it wants called, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
        /// What its provider wants back with the rest of the turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thoughts: Option<Box<Thoughts>>,
    },
    /// What a tool answered.
    Tool {
        /// The call this answers.
        call_id: String,
        /// The answer.
        text: Text,
        /// Whether the tool failed.
        #[serde(default)]
        is_error: bool,
    },
}

/// A model's reasoning as its provider wants it back; nobody else looks into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thoughts {
    /// `<provider>/<model>`; it is of no use to any other. Empty where a client has kept it and does not say.
    pub by: String,
    /// In that provider's own form.
    pub payload: JsonText,
}

/// A piece of a user's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Plain text.
    Text {
        /// The text.
        text: Text,
    },
    /// A picture by address or `data:` URL.
    Image {
        /// Where it is.
        url: Text,
        /// How closely to look at it, where its owner says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<Detail>,
    },
    /// A document by address or `data:` URL; texts are carried as such.
    File {
        /// Where it is.
        url: Text,
        /// What its owner calls it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
}

/// How closely a picture is to be looked at, which is paid by the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// As its model likes.
    Auto,
    /// In outline.
    Low,
    /// Piece by piece.
    High,
    /// In all its points.
    Original,
}

impl Detail {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Low, Self::High, Self::Original];

    /// OpenAI's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Low => "low",
            Self::High => "high",
            Self::Original => "original",
        }
    }
}

impl Part {
    /// A picture, to be looked at as its model likes.
    pub fn image(url: impl Into<Text>) -> Self {
        Self::Image { url: url.into(), detail: None }
    }
    /// Where it is, if that is elsewhere: the address of a picture or file whose content does not come along.
    pub fn address(&self) -> Option<&Text> {
        match self {
            Self::Text { .. } => None,
            Self::Image { url, detail: _ } | Self::File { url, name: _ } => (!url.starts_with("data:")).then_some(url),
        }
    }
    fn bytes(&self) -> usize {
        match self {
            Self::Text { text } => text.len(),
            Self::Image { url, detail: _ } | Self::File { url, name: _ } => url.len(),
        }
    }
}

/// A model's wish to have a tool run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments, as the model wrote them.
    pub arguments: JsonText,
}

impl Message {
    /// Whether a tool said it.
    pub const fn is_of_tool(&self) -> bool {
        matches!(self, Self::Tool { .. })
    }

    /// A user's plain text.
    pub fn user(text: impl Into<Text>) -> Self {
        Self::User { content: vec![Part::Text { text: text.into() }] }
    }
    /// What a model said and wants done.
    pub fn assistant(text: impl Into<Text>, tool_calls: Vec<ToolCall>) -> Self {
        Self::Assistant { text: text.into(), tool_calls, thoughts: None }
    }
    /// Its pictures and files.
    pub fn parts(&self) -> &[Part] {
        match self {
            Self::User { content } => content,
            Self::System { .. } | Self::Assistant { .. } | Self::Tool { .. } => &[],
        }
    }
    /// The role's name, as every dialect spells it.
    pub fn role(&self) -> &'static str {
        match self {
            Self::System { .. } => "system",
            Self::User { .. } => "user",
            Self::Assistant { .. } => "assistant",
            Self::Tool { .. } => "tool",
        }
    }
    /// About how many bytes it holds: its texts, calls and addresses, a `data:` URL's content with them.
    pub fn bytes(&self) -> usize {
        match self {
            Self::System { text } | Self::Tool { text, .. } => text.len(),
            Self::User { content } => content.iter().map(Part::bytes).sum(),
            Self::Assistant { text, tool_calls, thoughts } => {
                let calls: usize = tool_calls.iter().map(|call| call.arguments.as_str().len()).sum();
                text.len() + calls + thoughts.as_ref().map_or(0, |thoughts| thoughts.payload.as_str().len())
            }
        }
    }
    /// All its text, parts joined by a newline; images and files left out.
    pub fn text(&self) -> Text {
        match self {
            Self::System { text } | Self::Assistant { text, .. } | Self::Tool { text, .. } => text.clone(),
            Self::User { content } => {
                let mut texts = content.iter().filter_map(|part| match part {
                    Part::Text { text } => Some(text),
                    Part::Image { .. } | Part::File { .. } => None,
                });
                match (texts.next(), texts.next()) {
                    (None, _) => Text::default(),
                    (Some(only), None) => only.clone(),
                    (Some(first), Some(second)) => {
                        let all: Vec<&str> = [first, second].into_iter().chain(texts).map(Text::as_str).collect();
                        all.join("\n").into()
                    }
                }
            }
        }
    }
}

/// Half of a tool's call and its answer, the other half of which is not where models want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpaired<'a> {
    /// An answer without a call before it.
    Answer {
        /// The message's place.
        place: usize,
        /// The call it names.
        call: &'a str,
    },
    /// A call without an answer behind it.
    Call {
        /// The message's place.
        place: usize,
        /// The call.
        call: &'a str,
    },
}

/// The first call without its answer, or answer without its call. `at_once` when the answers have to come
/// before anything else is said.
pub fn unpaired<'a>(messages: impl IntoIterator<Item = &'a Message>, at_once: bool) -> Option<Unpaired<'a>> {
    let mut open: Vec<(usize, &str)> = Vec::new();
    let unanswered = |open: &[(usize, &'a str)]| open.first().map(|&(place, call)| Unpaired::Call { place, call });
    for (place, message) in messages.into_iter().enumerate() {
        match message {
            Message::Tool { call_id, .. } => match open.iter().position(|(_, call)| call == call_id) {
                Some(found) => drop(open.remove(found)),
                None => return Some(Unpaired::Answer { place, call: call_id }),
            },
            Message::User { .. } | Message::Assistant { .. } if at_once && !open.is_empty() => {
                return unanswered(&open);
            }
            Message::Assistant { tool_calls, .. } => {
                open.extend(tool_calls.iter().map(|call| (place, call.id.as_str())));
            }
            Message::User { .. } | Message::System { .. } => {}
        }
    }
    unanswered(&open)
}

/// The place of the user's last message. One that came between the answers of tools and the next
/// question, steering, is part of the turn.
pub fn turn_begins(messages: &[Message]) -> usize {
    let mut follows_tool = false;
    let mut begin = 0;
    for (place, message) in messages.iter().enumerate() {
        match message {
            Message::User { .. } if !follows_tool => begin = place,
            Message::User { .. } | Message::System { .. } => {}
            Message::Tool { .. } => follows_tool = true,
            Message::Assistant { .. } => follows_tool = false,
        }
    }
    begin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_text_is_its_text_parts() {
        let message = Message::User {
            content: vec![Part::Text { text: "a".into() }, Part::image("data:,"), Part::Text { text: "b".into() }],
        };
        assert_eq!((message.role(), message.text().as_str()), ("user", "a\nb"));
    }

    #[test]
    fn a_call_without_its_answer_and_an_answer_without_its_call_are_found() {
        let calls = |ids: &[&str]| {
            let call = |id: &&str| ToolCall { id: (*id).into(), name: "f".into(), arguments: JsonText::new("{}") };
            Message::assistant("", ids.iter().map(call).collect())
        };
        let answer = |id: &str| Message::Tool { call_id: id.into(), text: "r".into(), is_error: false };
        let (user, system) = (|| Message::user("u"), || Message::System { text: "s".into() });
        let nothing = None;
        for (messages, anywhere, at_once) in [
            (vec![user(), calls(&["a", "b"]), answer("b"), system(), answer("a"), user()], nothing, nothing),
            (
                vec![user(), answer("a")],
                Some(Unpaired::Answer { place: 1, call: "a" }),
                Some(Unpaired::Answer { place: 1, call: "a" }),
            ),
            (
                vec![calls(&["a"]), answer("a"), answer("a")],
                Some(Unpaired::Answer { place: 2, call: "a" }),
                Some(Unpaired::Answer { place: 2, call: "a" }),
            ),
            (
                vec![user(), calls(&["a", "b"]), answer("a")],
                Some(Unpaired::Call { place: 1, call: "b" }),
                Some(Unpaired::Call { place: 1, call: "b" }),
            ),
            (vec![calls(&["a"]), user(), answer("a")], nothing, Some(Unpaired::Call { place: 0, call: "a" })),
        ] {
            assert_eq!(unpaired(&messages, false), anywhere, "{messages:?}");
            assert_eq!(unpaired(&messages, true), at_once, "{messages:?}");
        }
    }
}
