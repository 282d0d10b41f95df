//! Reading what servers write differently: null for nothing, parts for a text.

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A text, or null, or a list of typed parts of which the text counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
    fn visit_string<E>(self, text: String) -> Result<String, E> {
        Ok(text)
    }
    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<String, A::Error> {
        let mut whole = String::new();
        while let Some(part) = parts.next_element::<TextPart>()? {
            whole.push_str(&part.text.unwrap_or_default());
        }
        Ok(whole)
    }
}

#[derive(Deserialize)]
struct TextPart {
    text: Option<String>,
    #[serde(rename = "thinking")]
    _thinking: Option<IgnoredAny>,
}

/// Null where a value should be is the value's default.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A JSON string's text; any other JSON as it stands; nothing for null.
pub(crate) fn text_of(json: &RawValue) -> String {
    match serde_json::from_str(json.get()) {
        Ok(Text(text)) if !json.get().starts_with('[') => text,
        _ => json.get().to_owned(),
    }
}
