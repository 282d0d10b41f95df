//! Reads typed settings out of the tree, remembering path and place.
//!
//! A serde deserializer of our own, because only it sees the three things a good message needs:
//! what was found, what the type allows and where the value was written. Keys nobody asks for
//! become warnings on the way. `${NAME}` is resolved here and not in the tree, so that an unset
//! variable in a section we do not use disturbs nobody.

use std::cell::RefCell;
use std::fmt::Display;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};

use super::known;
use super::problem::{Cause, Oddity, Problem, Warning, is_secret};
use super::reference;
use super::tree::{Kind, Member, Node, Number, Origin, parse_number};
use crate::env::Environment;

/// The name by which a secret's type asks for its text; see [`super::secret`].
pub(crate) const SECRET: &str = "$openclaw::secret";

/// More wrong values than this are not worth a list.
const PROBLEMS_MAX: usize = 50;

/// What to do about `${NAME}` when `NAME` is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unset {
    /// It is a problem: the value is needed now.
    Refuse,
    /// Stand something of the right type in: only the file's shape is being checked.
    StandIn,
}

/// What reading a tree gave.
#[derive(Debug)]
pub(crate) struct Reading<Value> {
    /// The value, without the parts that had problems; absent if even that was none.
    pub(crate) value: Option<Value>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Warning>,
}

/// Reads a `Value`, collecting every problem instead of stopping at the first.
///
/// Each wrong part is cut out and the rest read again, so the cost is linear in the number of
/// problems, which is capped.
pub(crate) fn read<Value: for<'de> Deserialize<'de>>(
    tree: &Node,
    environment: &Environment,
    unset: Unset,
) -> Reading<Value> {
    let mut tree = tree.clone();
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    while problems.len() < PROBLEMS_MAX {
        let context = Context { environment, unset, warnings: RefCell::default() };
        let result = Value::deserialize(Reader::root(&tree, &context));
        // A later pass no longer sees the parts cut out, but repeats every other warning.
        for warning in context.warnings.into_inner() {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        match result {
            Ok(value) => {
                return Reading { value: Some(value), problems, warnings };
            }
            Err(Failure(problem)) => {
                let cut = tree.remove(&problem.path);
                if !follows(&problem, &problems) {
                    problems.push(*problem);
                }
                if !cut {
                    break;
                }
            }
        }
    }
    Reading { value: None, problems, warnings }
}

/// Whether a key is only missing because its wrong value has just been cut out.
fn follows(problem: &Problem, earlier: &[Problem]) -> bool {
    let Cause::Missing { key } = problem.cause else {
        return false;
    };
    earlier
        .iter()
        .any(|other| other.path.split_last().is_some_and(|(last, parent)| last == key && parent == problem.path))
}

struct Context<'tree> {
    environment: &'tree Environment,
    unset: Unset,
    warnings: RefCell<Vec<Warning>>,
}

#[derive(Clone)]
struct Reader<'tree> {
    node: &'tree Node,
    path: Vec<String>,
    /// The keys known beside this one, to suggest from when nobody asks for it.
    siblings: &'static [&'static str],
    /// Where the key stands, if the value has one.
    key: &'tree Origin,
    context: &'tree Context<'tree>,
}

/// A problem on its way out through serde; boxed because `Result`s carry it everywhere.
#[derive(Debug)]
struct Failure(Box<Problem>);

impl Failure {
    fn new(cause: Cause) -> Self {
        Self(Box::new(Problem { path: Vec::new(), origin: None, cause }))
    }

    /// Fills in the place, unless a place further in already did.
    fn at(mut self, reader: &Reader<'_>) -> Self {
        if self.0.origin.is_none() {
            self.0.path.clone_from(&reader.path);
            self.0.origin = Some(reader.node.origin.clone());
            if let Cause::Unfit { found, .. } = &mut self.0.cause
                && reader.is_private()
            {
                *found = reader.kind_name().to_owned();
            }
        }
        self
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<Message: Display>(message: Message) -> Self {
        Self::new(Cause::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, allowed: &dyn de::Expected) -> Self {
        Self::new(Cause::Unfit { found: describe(found), allowed: plain_words(&allowed.to_string()) })
    }

    fn invalid_value(found: Unexpected<'_>, allowed: &dyn de::Expected) -> Self {
        Self::invalid_type(found, allowed)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Cause::Unfit { found: describe(Unexpected::Str(variant)), allowed: one_of(expected) })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Cause::Missing { key: field })
    }
}

impl<'tree> Reader<'tree> {
    fn root(node: &'tree Node, context: &'tree Context<'tree>) -> Self {
        Self { node, path: Vec::new(), siblings: &[], key: &node.origin, context }
    }

    fn child(&self, name: String, node: &'tree Node, key: &'tree Origin) -> Self {
        let mut path = self.path.clone();
        path.push(name);
        Self { node, path, siblings: &[], key, context: self.context }
    }

    fn warn(&self, kind: Oddity) {
        self.context.warnings.borrow_mut().push(Warning {
            path: self.path.clone(),
            origin: Some(self.key.clone()),
            kind,
        });
    }

    /// Whether the value must not be quoted: a secret, or something out of the environment.
    fn is_private(&self) -> bool {
        is_secret(&self.path) || matches!(&self.node.kind, Kind::Text(text) if reference::is_present(text))
    }

    fn kind_name(&self) -> &'static str {
        match self.node.kind {
            Kind::Null => "null",
            Kind::Boolean(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::Text(_) | Kind::Loose(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Object(_) => "an object",
        }
    }

    fn lookup(&self, variable: &str, stand_in: &str) -> Option<String> {
        match (self.context.environment.get(variable), self.context.unset) {
            (Some(value), _) => Some(value.to_owned()),
            (None, Unset::StandIn) => Some(stand_in.to_owned()),
            (None, Unset::Refuse) => None,
        }
    }

    fn text(&self, written: &str, stand_in: &str) -> Result<String, Failure> {
        reference::expand(written, |name| self.lookup(name, stand_in))
            .map_err(|variable| Failure::new(Cause::Unset { variable }).at(self))
    }

    /// The text of a value that may stand for a number or a boolean: from outside the file.
    fn loose(&self, stand_in: &str) -> Result<Option<String>, Failure> {
        match &self.node.kind {
            Kind::Loose(text) => Ok(Some(text.clone())),
            Kind::Text(written) if reference::is_present(written) => self.text(written, stand_in).map(Some),
            _ => Ok(None),
        }
    }

    fn visit_number<'de, V: Visitor<'de>>(&self, written: &str, visitor: V) -> Result<V::Value, Failure> {
        let Some(number) = parse_number(written) else {
            return visitor.visit_str(written);
        };
        match number {
            Number::Unsigned(value) => visitor.visit_u64(value),
            Number::Negative(value) => visitor.visit_i64(value),
            Number::Float(value) => match whole(value) {
                Some(value) => visitor.visit_u64(value),
                None => visitor.visit_f64(value),
            },
        }
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.loose("1")? {
            Some(text) => self.visit_number(&text, visitor).map_err(|failure| failure.at(&self)),
            None => de::Deserializer::deserialize_any(self, visitor),
        }
    }

    /// The text of a secret: a string, or stock OpenClaw's `{source: "env", id: "NAME"}`.
    fn secret<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if !matches!(self.node.kind, Kind::Object(_)) {
            return de::Deserializer::deserialize_str(self, visitor);
        }
        let word = |name: &str| match self.node.member(name).map(|node| &node.kind) {
            Some(Kind::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let result = match (word("source"), word("id")) {
            (Some("env"), Some(name)) => match self.lookup(name, name) {
                Some(value) => visitor.visit_string(value),
                None => Err(Failure::new(Cause::Unset { variable: name.to_owned() })),
            },
            _ => Err(Failure::new(Cause::Unfit {
                found: "an object".to_owned(),
                allowed: "a string, \"${NAME}\" or {source: \"env\", id: \"NAME\"}".to_owned(),
            })),
        };
        result.map_err(|failure| failure.at(&self))
    }
}

/// Numbers and booleans, which text from outside the file may stand for.
macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.number(visitor)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let result = match &self.node.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Boolean(value) => visitor.visit_bool(*value),
            Kind::Number(written) => self.visit_number(written, visitor),
            Kind::Text(written) => {
                let text = self.text(written, written)?;
                visitor.visit_string(text)
            }
            Kind::Loose(text) => visitor.visit_str(text),
            Kind::List(items) => visitor.visit_seq(Items { parent: &self, items: items.iter() }),
            Kind::Object(members) => visitor.visit_map(Members::of(&self, members, &[])),
        };
        result.map_err(|failure| failure.at(&self))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.loose("true")?.as_deref() {
            Some("true" | "1") => visitor.visit_bool(true),
            Some("false" | "0") => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        if name == SECRET {
            return self.secret(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let Kind::Object(members) = &self.node.kind else {
            // Not left to the visitor, which would take a list for its fields in order.
            return Err(
                Failure::new(Cause::Unfit { found: self.describe_own(), allowed: "an object".to_owned() }).at(&self)
            );
        };
        visitor.visit_map(Members::of(&self, members, fields)).map_err(|failure| failure.at(&self))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let result = match &self.node.kind {
            Kind::Text(written) => {
                let stand_in = variants.first().copied().unwrap_or_default();
                let text = self.text(written, stand_in)?;
                visitor.visit_enum(text.into_deserializer())
            }
            Kind::Loose(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::List(_) | Kind::Object(_) => {
                Err(Failure::new(Cause::Unfit { found: self.describe_own(), allowed: one_of(variants) }))
            }
        };
        result.map_err(|failure| failure.at(&self))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if known::is_stock(&self.path) {
            self.warn(Oddity::Unused);
        } else {
            let nearest = self.path.last().and_then(|name| known::nearest(name, self.siblings));
            self.warn(Oddity::Unknown { nearest });
        }
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
        i128 u128
    }
}

impl Reader<'_> {
    fn describe_own(&self) -> String {
        match &self.node.kind {
            Kind::Boolean(value) => value.to_string(),
            Kind::Number(written) => format!("the number {written}"),
            Kind::Null | Kind::Text(_) | Kind::Loose(_) | Kind::List(_) | Kind::Object(_) => {
                self.kind_name().to_owned()
            }
        }
    }
}

struct Items<'reader, 'tree> {
    parent: &'reader Reader<'tree>,
    items: std::slice::Iter<'tree, (usize, Node)>,
}

impl<'de> de::SeqAccess<'de> for Items<'_, '_> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let Some((index, node)) = self.items.next() else {
            return Ok(None);
        };
        let child = self.parent.child(index.to_string(), node, &node.origin);
        seed.deserialize(child.clone()).map(Some).map_err(|failure| failure.at(&child))
    }
}

struct Members<'reader, 'tree> {
    parent: &'reader Reader<'tree>,
    members: std::vec::IntoIter<&'tree Member>,
    fields: &'static [&'static str],
    current: Option<&'tree Member>,
}

impl<'reader, 'tree> Members<'reader, 'tree> {
    fn of(parent: &'reader Reader<'tree>, members: &'tree [Member], fields: &'static [&'static str]) -> Self {
        let mut kept: Vec<&Member> = Vec::with_capacity(members.len());
        for member in members {
            if let Some(earlier) = kept.iter().position(|other| other.name == member.name) {
                let shadowed = kept.remove(earlier);
                parent.child(shadowed.name.clone(), &shadowed.value, &shadowed.origin).warn(Oddity::Twice);
            }
            kept.push(member);
        }
        Self { parent, members: kept.into_iter(), fields, current: None }
    }
}

impl<'de> de::MapAccess<'de> for Members<'_, '_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        self.current = self.members.next();
        let Some(member) = self.current else {
            return Ok(None);
        };
        let name: StrDeserializer<'_, Failure> = member.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let Some(member) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let mut child = self.parent.child(member.name.clone(), &member.value, &member.origin);
        child.siblings = self.fields;
        seed.deserialize(child.clone()).map_err(|failure| failure.at(&child))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole, not negative and far below the limit"
)]
fn whole(value: f64) -> Option<u64> {
    (value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value)).then_some(value as u64)
}

fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("the string {:?}", shortened(text)),
        Unexpected::Unit | Unexpected::Option => "null".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "an object".to_owned(),
        other => other.to_string(),
    }
}

fn shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let mut short: String = text.chars().take(CHARACTERS_MAX).collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        short.push('…');
    }
    short
}

/// Serde's words for what it wants, in words for people.
fn plain_words(expected: &str) -> String {
    match expected {
        "a boolean" => "true or false",
        "a map" => "an object",
        "a sequence" => "a list",
        "f32" | "f64" => "a number",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        structure if structure.starts_with("struct ") => "an object",
        other => other,
    }
    .to_owned()
}

fn one_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}
