//! What a schema asks of one value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use claw_core::message::JsonText;
use serde_json::{Map, Value};

/// The kinds of JSON's values; whole numbers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Null,
    Boolean,
    Whole,
    Number,
    Text,
    Array,
    Object,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Null, Self::Boolean, Self::Whole, Self::Number, Self::Text, Self::Array, Self::Object];

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Whole,
            "number" => Self::Number,
            "string" => Self::Text,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return None,
        })
    }
}

/// What may stand in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    kinds: BTreeSet<Kind>,
    /// The texts there may be; any if none is named.
    words: Vec<String>,
    least: Option<i128>,
    most: Option<i128>,
    fields: BTreeMap<String, Rule>,
    required: Vec<String>,
    /// Of fields that have no name here.
    other: Option<Box<Rule>>,
    item: Option<Box<Rule>>,
}

static ANYTHING: std::sync::LazyLock<Rule> = std::sync::LazyLock::new(Rule::anything);

impl Rule {
    /// As this schema says. One that cannot be read refuses nothing: the tool has the last word.
    pub(super) fn of(schema: &JsonText) -> Self {
        serde_json::from_str(schema.as_str()).map_or_else(|_| Self::anything(), |schema| Self::read(&schema))
    }

    fn anything() -> Self {
        Self {
            kinds: Kind::ALL.into(),
            words: Vec::new(),
            least: None,
            most: None,
            fields: BTreeMap::new(),
            required: Vec::new(),
            other: None,
            item: None,
        }
    }

    fn read(schema: &Value) -> Self {
        let Value::Object(schema) = schema else { return Self::anything() };
        if let Some(Value::Array(ways)) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
            return ways.iter().map(Self::read).reduce(Self::or).unwrap_or_else(Self::anything);
        }
        let below =
            |name: &str| schema.get(name).filter(|rule| rule.is_object()).map(|rule| Box::new(Self::read(rule)));
        let fields = match schema.get("properties") {
            Some(Value::Object(fields)) => fields.iter().map(|(name, rule)| (name.clone(), Self::read(rule))).collect(),
            _ => BTreeMap::new(),
        };
        let (least, most) = range(schema);
        Self {
            kinds: kinds(schema),
            words: words(schema),
            least,
            most,
            fields,
            required: texts(schema.get("required")),
            other: below("additionalProperties"),
            item: below("items"),
        }
    }

    /// What one of the two takes. Objects of two shapes are not told apart.
    fn or(self, other: Self) -> Self {
        let has_shape = |rule: &Self| rule.takes(Kind::Object) || rule.takes(Kind::Array);
        let (shaped, plain) = if has_shape(&other) { (other, self) } else { (self, other) };
        if has_shape(&plain) {
            return Self::anything();
        }
        let is_free = |rule: &Self| rule.takes(Kind::Text) && rule.words.is_empty();
        let words = match is_free(&shaped) || is_free(&plain) {
            true => Vec::new(),
            false => [shaped.words.as_slice(), &plain.words].concat(),
        };
        let counts = |rule: &Self| rule.takes(Kind::Whole) || rule.takes(Kind::Number);
        let (least, most) = match (counts(&shaped), counts(&plain)) {
            (true, true) => (None, None),
            (true, false) => (shaped.least, shaped.most),
            (false, _) => (plain.least, plain.most),
        };
        Self { kinds: shaped.kinds.union(&plain.kinds).copied().collect(), words, least, most, ..shaped }
    }

    pub(super) fn takes(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    pub(super) fn has_word(&self, text: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| word == text)
    }

    pub(super) fn is_within(&self, value: i128) -> bool {
        self.least.is_none_or(|least| least <= value) && self.most.is_none_or(|most| value <= most)
    }

    /// Of each value of an array.
    pub(super) fn item(&self) -> &Self {
        self.item.as_deref().unwrap_or(&ANYTHING)
    }

    /// Of the field of that name, and whether it need not be there; nothing where the name is strange. How a name's
    /// words are put together makes no difference: many write `max_chars` for `maxChars`.
    pub(super) fn field(&self, name: &str) -> Option<(&Self, bool)> {
        let alike = || self.fields.iter().find(|(known, _)| plain(known).eq(plain(name)));
        match self.fields.get_key_value(name).or_else(alike) {
            Some((known, rule)) => Some((rule, !self.required.contains(known))),
            None => self.other.as_deref().map(|rule| (rule, false)),
        }
    }

    /// The first field that must be there and is not among these.
    pub(super) fn missing(&self, seen: &BTreeSet<String>) -> Option<(&str, &Self)> {
        let is_there = |name: &str| seen.iter().any(|there| plain(there).eq(plain(name)));
        let name = self.required.iter().find(|name| !is_there(name))?;
        Some((name, self.fields.get(name).unwrap_or(&ANYTHING)))
    }
}

/// A name's letters.
fn plain(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|letter| !matches!(letter, '_' | '-')).map(|letter| letter.to_ascii_lowercase())
}

/// In JSON's words.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kinds.len() == Kind::ALL.len() {
            return f.write_str("any JSON");
        }
        let is_told = |kind: &Kind| match kind {
            // That something may be left away is no wish.
            Kind::Null => self.kinds.len() == 1,
            Kind::Whole => !self.takes(Kind::Number),
            _ => true,
        };
        for (number, kind) in self.kinds.iter().copied().filter(is_told).enumerate() {
            if number > 0 {
                f.write_str(" or ")?;
            }
            match kind {
                Kind::Null => f.write_str("null")?,
                Kind::Boolean => f.write_str("true or false")?,
                Kind::Whole => self.number("a whole number", f)?,
                Kind::Number => self.number("a number", f)?,
                Kind::Text if self.words.is_empty() => f.write_str("a string")?,
                Kind::Text => {
                    let words: Vec<String> = self.words.iter().map(|word| format!("{word:?}")).collect();
                    write!(f, "one of {}", words.join(", "))?;
                }
                Kind::Array => f.write_str("an array")?,
                Kind::Object => f.write_str("an object")?,
            }
        }
        Ok(())
    }
}

impl Rule {
    fn number(&self, what: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (Some(least), Some(most)) => write!(f, "{what} from {least} to {most}"),
            (Some(least), None) => write!(f, "{what}, {least} or more"),
            (None, Some(most)) => write!(f, "{what}, {most} at most"),
            (None, None) => f.write_str(what),
        }
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let texts = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

fn kinds(schema: &Map<String, Value>) -> BTreeSet<Kind> {
    let named = match schema.get("type") {
        Some(Value::String(name)) => Kind::named(name).into_iter().collect(),
        several @ Some(Value::Array(_)) => texts(several).iter().filter_map(|name| Kind::named(name)).collect(),
        _ => BTreeSet::new(),
    };
    match (named.is_empty(), schema.contains_key("const") || schema.contains_key("enum")) {
        (false, _) => named,
        (true, true) if !words(schema).is_empty() => BTreeSet::from([Kind::Text]),
        (true, _) => Kind::ALL.into(),
    }
}

fn words(schema: &Map<String, Value>) -> Vec<String> {
    let alone = schema.get("const").and_then(Value::as_str).map(str::to_owned);
    alone.into_iter().chain(texts(schema.get("enum"))).collect()
}

/// What is said, or follows from the width of our own numbers.
fn range(schema: &Map<String, Value>) -> (Option<i128>, Option<i128>) {
    let said = |name: &str| schema.get(name).and_then(Value::as_i64).map(i128::from);
    let wide = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => Some(i128::from(u8::MAX)),
        Some("uint16") => Some(i128::from(u16::MAX)),
        Some("uint32") => Some(i128::from(u32::MAX)),
        _ => None,
    };
    (said("minimum"), said("maximum").or(wide))
}
