//! `POST /v1/embeddings` as OpenAI has it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claw_core::embedding::{EmbeddingInput, Embeddings};
use claw_core::provider::Usage;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::checks::counted;
use crate::BadRequest;
use crate::limits::{EMBEDDING_DIMENSIONS_MAX, EMBEDDING_INPUTS_MAX};

/// The body.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's; what they mean here stands in `Wanted`")]
pub struct EmbeddingsRequest {
    pub model: Option<String>,
    pub input: Option<Input>,
    pub encoding_format: Option<String>,
    pub dimensions: Option<i64>,
    pub user: Option<String>,
}

/// What the body asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The model, as spelled.
    pub model: String,
    /// What is to become vectors.
    pub input: EmbeddingInput,
    /// How the vectors are written.
    pub encoding: Encoding,
    /// How long they are to be.
    pub dimensions: Option<u32>,
    /// The caller's name for its user.
    pub user: Option<String>,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As numbers.
    Float,
    /// As the bytes of 32-bit floats, little-endian, in base64.
    Base64,
}

/// A text, a list of tokens, or a list of either.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// Anything that can be read.
    Good(EmbeddingInput),
    /// What is wrong with it.
    Bad(BadRequest),
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputVisitor)
    }
}

/// One member of the list.
enum Item {
    Text(String),
    Token(u32),
    Tokens(Vec<u32>),
    Other,
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a token, or a list of tokens")
    }

    fn visit_str<E>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, token: u64) -> Result<Item, E> {
        Ok(u32::try_from(token).map_or(Item::Other, Item::Token))
    }

    fn visit_i64<E>(self, _negative: i64) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_bool<E>(self, _word: bool) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_unit<E>(self) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Item, A::Error> {
        let (mut tokens, mut is_odd) = (Vec::new(), false);
        while let Some(item) = items.next_element()? {
            match item {
                Item::Token(token) => tokens.push(token),
                Item::Text(_) | Item::Tokens(_) | Item::Other => is_odd = true,
            }
        }
        Ok(if is_odd { Item::Other } else { Item::Tokens(tokens) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Item, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Item::Other)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = Input;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a list of texts, a list of tokens, or a list of such lists")
    }

    fn visit_str<E>(self, text: &str) -> Result<Input, E> {
        Ok(Input::Good(EmbeddingInput::Texts(vec![text.to_owned()])))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Input, A::Error> {
        let (mut texts, mut tokens, mut lists, mut odd) = (Vec::new(), Vec::new(), Vec::new(), None);
        let mut place = 0;
        while let Some(item) = items.next_element()? {
            match item {
                Item::Text(text) => texts.push(text),
                Item::Token(token) => tokens.push(token),
                Item::Tokens(list) => lists.push(list),
                Item::Other => drop(odd.get_or_insert(place)),
            }
            place += 1;
        }
        let kinds = [!texts.is_empty(), !tokens.is_empty(), !lists.is_empty()];
        Ok(match (odd, kinds) {
            (Some(place), _) => {
                let message = format!("input[{place}] is neither a text nor a list of tokens");
                Input::Bad(BadRequest::of(format!("input[{place}]"), message))
            }
            (None, [false, false, false]) => Input::Bad(BadRequest::of("input", "input must not be empty")),
            (None, [true, false, false]) => Input::Good(EmbeddingInput::Texts(texts)),
            (None, [false, true, false]) => Input::Good(EmbeddingInput::Tokens(vec![tokens])),
            (None, [false, false, true]) => Input::Good(EmbeddingInput::Tokens(lists)),
            (None, _) => Input::Bad(BadRequest::of("input", "input must hold texts alone or tokens alone")),
        })
    }
}

impl TryFrom<EmbeddingsRequest> for Wanted {
    type Error = BadRequest;

    fn try_from(raw: EmbeddingsRequest) -> Result<Self, BadRequest> {
        let EmbeddingsRequest { model, input, encoding_format, dimensions, user } = raw;
        let model = model.map(|model| model.trim().to_owned()).filter(|model| !model.is_empty());
        let encoding = match encoding_format.as_deref() {
            None | Some("float") => Encoding::Float,
            Some("base64") => Encoding::Base64,
            Some(found) => {
                let message = format!("encoding_format must be float or base64, found {found:?}");
                return Err(BadRequest::of("encoding_format", message));
            }
        };
        let input = match input {
            Some(Input::Good(input)) => checked(input)?,
            Some(Input::Bad(problem)) => return Err(problem),
            None => return Err(BadRequest::of("input", "missing field `input`")),
        };
        Ok(Self {
            model: model.ok_or_else(|| BadRequest::of("model", "model must name a model that makes embeddings"))?,
            input,
            encoding,
            dimensions: counted("dimensions", dimensions, EMBEDDING_DIMENSIONS_MAX)?,
            user,
        })
    }
}

fn checked(input: EmbeddingInput) -> Result<EmbeddingInput, BadRequest> {
    if input.len() > EMBEDDING_INPUTS_MAX {
        let message = format!("input must hold at most {EMBEDDING_INPUTS_MAX} entries, found {}", input.len());
        return Err(BadRequest::of("input", message));
    }
    let empty = match &input {
        EmbeddingInput::Texts(texts) => texts.iter().position(String::is_empty),
        EmbeddingInput::Tokens(lists) => lists.iter().position(Vec::is_empty),
    };
    match empty {
        Some(_) if input.len() == 1 => Err(BadRequest::of("input", "input must not be empty")),
        Some(place) => Err(BadRequest::of(format!("input[{place}]"), format!("input[{place}] must not be empty"))),
        None => Ok(input),
    }
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct EmbeddingList<'a> {
    object: &'static str,
    data: Vec<Embedding<'a>>,
    model: &'a str,
    usage: EmbeddingUsage,
}

#[derive(Debug, Serialize)]
struct Embedding<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Debug)]
enum Vector<'a> {
    Numbers(&'a [f32]),
    Bytes(&'a [f32]),
}

impl Serialize for Vector<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Numbers(numbers) => numbers.serialize(serializer),
            Self::Bytes(numbers) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    }
}

#[derive(Debug, Serialize)]
struct EmbeddingUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

impl<'a> EmbeddingList<'a> {
    /// The answer under the model's name as the client spelled it.
    pub fn new(model: &'a str, encoding: Encoding, embeddings: &'a Embeddings) -> Self {
        let Embeddings { vectors, usage: Usage { input_tokens, .. } } = embeddings;
        let data = vectors.iter().enumerate().map(|(index, vector)| Embedding {
            object: "embedding",
            index,
            embedding: match encoding {
                Encoding::Float => Vector::Numbers(vector),
                Encoding::Base64 => Vector::Bytes(vector),
            },
        });
        let usage = EmbeddingUsage { prompt_tokens: *input_tokens, total_tokens: *input_tokens };
        Self { object: "list", data: data.collect(), model, usage }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(json: &str) -> Result<Wanted, String> {
        let raw: EmbeddingsRequest = serde_json::from_str(json).unwrap();
        Wanted::try_from(raw).map_err(|bad| bad.param.unwrap_or_default())
    }

    #[test]
    fn every_form_of_input_is_read_and_nonsense_is_named() {
        let input = |json: &str| wanted(&format!(r#"{{"model":"m","input":{json}}}"#)).map(|wanted| wanted.input);
        let texts = |texts: &[&str]| Ok(EmbeddingInput::Texts(texts.iter().map(|text| (*text).to_owned()).collect()));
        assert_eq!(input(r#""hi""#), texts(&["hi"]));
        assert_eq!(input(r#"["a","b"]"#), texts(&["a", "b"]));
        assert_eq!(input("[1,2]"), Ok(EmbeddingInput::Tokens(vec![vec![1, 2]])));
        assert_eq!(input("[[1],[2,3]]"), Ok(EmbeddingInput::Tokens(vec![vec![1], vec![2, 3]])));
        for (json, field) in [
            ("[]", "input"),
            (r#""""#, "input"),
            (r#"["a",""]"#, "input[1]"),
            (r#"["a",1]"#, "input"),
            ("[true]", "input[0]"),
            ("[1,-1]", "input[1]"),
            ("null", "input"),
        ] {
            assert_eq!(input(json), Err(field.to_owned()), "{json}");
        }
        assert_eq!(wanted(r#"{"input":"a"}"#), Err("model".to_owned()));
        assert_eq!(wanted(r#"{"model":"m","input":"a","dimensions":0}"#), Err("dimensions".to_owned()));
        assert_eq!(wanted(r#"{"model":"m","input":"a","encoding_format":"int8"}"#), Err("encoding_format".to_owned()));
    }

    #[test]
    fn vectors_are_written_as_numbers_or_as_their_bytes() {
        let embeddings =
            Embeddings { vectors: vec![vec![1.0, -0.5]], usage: Usage { input_tokens: 2, ..Usage::default() } };
        let shown = |encoding| serde_json::to_string(&EmbeddingList::new("m", encoding, &embeddings)).unwrap();
        assert_eq!(
            shown(Encoding::Float),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,-0.5]}],"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}"#
        );
        assert!(shown(Encoding::Base64).contains(r#""embedding":"AACAPwAAAL8=""#));
    }
}
