//! Fields that OpenAI allows in several shapes, read with complaints that say which.

use std::fmt;

use claw_core::message::Detail;
use claw_core::{Part, Text};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::file;
use crate::BadRequest;
use crate::openai::checks::word_of;

/// A message's content: a text or a list of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A plain text.
    Text(Text),
    /// Parts in order.
    Parts(Vec<ContentPart>),
}

/// One part of a content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ContentPart {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: Option<Text>,
    pub refusal: Option<Text>,
    pub image_url: Option<ImageUrl>,
    pub detail: Option<String>,
    pub file: Option<GivenFile>,
    pub filename: Option<String>,
    pub file_data: Option<Text>,
    pub file_url: Option<Text>,
    pub file_id: Option<String>,
}

/// A file that comes along.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct GivenFile {
    pub filename: Option<String>,
    pub file_data: Option<Text>,
    pub file_url: Option<Text>,
    pub file_id: Option<String>,
}

/// Where a picture is: `{url, detail}` or the bare address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUrl {
    url: Text,
    detail: Option<String>,
    /// Where the address stands below the part.
    field: &'static str,
}

/// Texts that end the output: one or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopTexts(pub Vec<String>);

/// Whether a tool must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are OpenAI's")]
pub enum ToolChoice {
    Auto,
    None,
    Required,
    Named(String),
    /// Only these, as the word says.
    Allowed {
        mode: Mode,
        names: Vec<String>,
    },
}

/// Whether one of several tools must be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are OpenAI's")]
pub enum Mode {
    #[default]
    Auto,
    None,
    Required,
}

impl Content {
    /// Its text; parts joined by a newline.
    ///
    /// # Errors
    /// A part is not text, or there are none.
    pub fn into_text(self, param: &str) -> Result<Text, BadRequest> {
        let parts = match self {
            Self::Text(text) => return Ok(text),
            Self::Parts(parts) if parts.is_empty() => {
                return Err(BadRequest::of(param, "content must not be empty"));
            }
            Self::Parts(parts) => parts,
        };
        let texts = parts.into_iter().enumerate().map(|(index, part)| match part.into_core(param, index)? {
            Part::Text { text } => Ok(text),
            Part::Image { .. } | Part::File { .. } => {
                Err(BadRequest::of(format!("{param}[{index}]"), "only text is allowed in this role"))
            }
        });
        let texts = texts.collect::<Result<Vec<Text>, BadRequest>>()?;
        Ok(match texts.as_slice() {
            [only] => only.clone(),
            texts => texts.iter().map(Text::as_str).collect::<Vec<_>>().join("\n").into(),
        })
    }

    /// Its parts; at least one.
    ///
    /// # Errors
    /// A part of an unknown kind, or no parts.
    pub fn into_parts(self, param: &str) -> Result<Vec<Part>, BadRequest> {
        match self {
            Self::Text(text) => Ok(vec![Part::Text { text }]),
            Self::Parts(parts) if parts.is_empty() => Err(BadRequest::of(param, "content must not be empty")),
            Self::Parts(parts) => {
                parts.into_iter().enumerate().map(|(index, part)| part.into_core(param, index)).collect()
            }
        }
    }
}

impl ContentPart {
    fn into_core(self, param: &str, index: usize) -> Result<Part, BadRequest> {
        let Self { kind, text, refusal, image_url, detail, file, filename, file_data, file_url, file_id } = self;
        let missing =
            |field: &str| Err(BadRequest::of(format!("{param}[{index}].{field}"), format!("missing field `{field}`")));
        match (kind.as_str(), text.or(refusal), image_url) {
            ("text" | "input_text" | "output_text" | "refusal", Some(text), _) => Ok(Part::Text { text }),
            ("image_url" | "input_image", _, Some(image)) => image.into_core(detail, &format!("{param}[{index}]")),
            ("text" | "refusal", ..) => missing(&kind),
            ("input_text" | "output_text", ..) => missing("text"),
            ("image_url" | "input_image", ..) => missing("image_url"),
            ("file", ..) => match file {
                Some(file) => file.into_core(|field| format!("{param}[{index}].file.{field}")),
                None => missing("file"),
            },
            ("input_file", ..) => {
                let file = GivenFile { filename, file_data, file_url, file_id };
                file.into_core(|field| format!("{param}[{index}].{field}"))
            }
            _ => Err(BadRequest::of(
                format!("{param}[{index}].type"),
                format!("a part must be a text, an image or a file, found type {kind:?}"),
            )),
        }
    }
}

impl ImageUrl {
    /// As a part of a message; `part` is where it stands, `beside` what is said of its detail there.
    fn into_core(self, beside: Option<String>, part: &str) -> Result<Part, BadRequest> {
        let Self { url, detail, field } = self;
        let url = file::spelled(url);
        let at = if detail.is_some() { format!("{part}.image_url.detail") } else { format!("{part}.detail") };
        let word = word_of(&at, detail.or(beside), &Detail::ALL.map(Detail::as_str))?;
        let detail = Detail::ALL.into_iter().find(|known| word.as_deref() == Some(known.as_str()));
        match file::check_image(&url) {
            Ok(()) => Ok(Part::Image { url, detail }),
            Err(problem) => Err(BadRequest::of(format!("{part}.{field}"), problem)),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Content;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of content parts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
                let mut all = Vec::new();
                while let Some(part) = parts.next_element()? {
                    all.push(part);
                }
                Ok(Content::Parts(all))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for StopTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = StopTexts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<StopTexts, E> {
                Ok(StopTexts(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<StopTexts, A::Error> {
                let mut all = Vec::new();
                while let Some(text) = texts.next_element()? {
                    all.push(text);
                }
                Ok(StopTexts(all))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for ImageUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ImageUrl;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the string `url`")
            }
            fn visit_str<E: Error>(self, url: &str) -> Result<ImageUrl, E> {
                Ok(ImageUrl { url: url.into(), detail: None, field: "image_url" })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ImageUrl, A::Error> {
                let (mut url, mut detail) = (None, None);
                while let Some(name) = fields.next_key::<String>()? {
                    match name.as_str() {
                        "url" => url = Some(fields.next_value()?),
                        "detail" => detail = fields.next_value()?,
                        _ => drop(fields.next_value::<IgnoredAny>()?),
                    }
                }
                let url = url.ok_or_else(|| Error::missing_field("url"))?;
                Ok(ImageUrl { url, detail, field: "image_url.url" })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ToolChoice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("auto, none, required, or an object that names functions")
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<ToolChoice, E> {
                match word {
                    "auto" => Ok(ToolChoice::Auto),
                    "none" => Ok(ToolChoice::None),
                    "required" => Ok(ToolChoice::Required),
                    found => Err(E::invalid_value(serde::de::Unexpected::Str(found), &self)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<ToolChoice, A::Error> {
                ChoiceObject::deserialize(MapAccessDeserializer::new(fields))?.read()
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// One function, or several that are allowed; one generation of clients nests the name, another does not.
#[derive(Deserialize)]
struct ChoiceObject {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    function: Option<Named>,
    allowed_tools: Option<AllowedTools>,
    mode: Option<Mode>,
    tools: Option<Vec<AllowedTool>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct AllowedTools {
    mode: Option<Mode>,
    tools: Vec<AllowedTool>,
}

#[derive(Deserialize)]
struct AllowedTool {
    name: Option<String>,
    function: Option<Named>,
}

impl ChoiceObject {
    fn read<E: Error>(self) -> Result<ToolChoice, E> {
        let Self { kind, name, function, allowed_tools, mode, tools } = self;
        if kind.as_deref() == Some("allowed_tools") {
            let AllowedTools { mode, tools } = match (allowed_tools, tools) {
                (Some(nested), _) => nested,
                (None, Some(tools)) => AllowedTools { mode, tools },
                (None, None) => return Err(E::missing_field("tools")),
            };
            let name = |tool: AllowedTool| tool.name.or(tool.function.map(|function| function.name));
            let names = tools.into_iter().map(name).collect::<Option<Vec<String>>>();
            let names = names.ok_or_else(|| E::missing_field("name"))?;
            return Ok(ToolChoice::Allowed { mode: mode.unwrap_or_default(), names });
        }
        if let Some(found) = kind.filter(|kind| kind != "function") {
            return Err(E::unknown_variant(&found, &["function", "allowed_tools"]));
        }
        let name = name.or(function.map(|function| function.name));
        name.map(ToolChoice::Named).ok_or_else(|| E::missing_field("function"))
    }
}
