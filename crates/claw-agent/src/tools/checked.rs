//! Arguments held against the schema of their tool, before the tool sees them.
//!
//! One place for all tools, also for those that others bring. What is wrong is said in JSON's words, by its
//! path, so that a model can mend it. The arguments are read as they stand and nothing is built of them.
//!
//! Not decided here: names that the schema does not know. A tool may know an argument by a second name,
//! and refuses itself what it does not. Keywords beyond those that our own schemas use refuse nothing.

mod rule;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claw_core::approval::Plan;
use claw_core::complaint::unplaced;
use claw_core::message::JsonText;
use claw_core::provider::ToolSpec;
use claw_core::tool::{Tool, ToolContext, ToolError};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use self::rule::{Kind, Rule};
use crate::limits::MISFIT_CHARS_MAX;

/// A tool that is called with what its schema asks for, and with nothing else.
pub(super) struct Checked {
    tool: Arc<dyn Tool>,
    rule: Rule,
}

impl Checked {
    pub(super) fn new(tool: Arc<dyn Tool>, spec: &ToolSpec) -> Self {
        Self { tool, rule: Rule::of(&spec.parameters) }
    }
}

#[async_trait]
impl Tool for Checked {
    fn spec(&self) -> ToolSpec {
        self.tool.spec()
    }

    fn is_idempotent(&self) -> bool {
        self.tool.is_idempotent()
    }

    fn brings_untrusted(&self) -> bool {
        self.tool.brings_untrusted()
    }

    fn waits(&self, answer: &str) -> bool {
        self.tool.waits(answer)
    }

    fn time_max(&self) -> Option<Duration> {
        self.tool.time_max()
    }

    async fn plan(&self, context: &ToolContext, arguments: &JsonText) -> Result<Plan, ToolError> {
        check(&self.rule, arguments)?;
        self.tool.plan(context, arguments).await
    }

    async fn call(&self, context: &ToolContext, arguments: &JsonText) -> Result<String, ToolError> {
        check(&self.rule, arguments)?;
        self.tool.call(context, arguments).await
    }
}

/// No text at all counts as `{}`.
fn check(rule: &Rule, arguments: &JsonText) -> Result<(), ToolError> {
    let text = match arguments.as_str().trim() {
        "" | "null" => "{}",
        text => text,
    };
    let trail = RefCell::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = At { rule, trail: &trail }.deserialize(&mut reader).and_then(|()| reader.end());
    read.map_err(|error| {
        let told = error.to_string();
        let why = unplaced(&told);
        let path = trail.take().concat();
        ToolError::Arguments(match (error.is_data(), path.trim_start_matches('.')) {
            (true, "") => why.to_owned(),
            (true, path) => format!("{path}: {why}"),
            (false, _) => format!("they are not JSON: {why}"),
        })
    })
}

/// A value in its place.
#[derive(Clone, Copy)]
struct At<'r> {
    rule: &'r Rule,
    /// The way here, to whatever was wrong at last.
    trail: &'r RefCell<Vec<String>>,
}

impl At<'_> {
    fn wrong<E: Error>(self, found: impl fmt::Display) -> E {
        E::custom(format_args!("expected {}, found {found}", self.rule))
    }

    /// Takes one step down, and comes back from it unless something is wrong there.
    fn below<T, E>(self, step: String, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.trail.borrow_mut().push(step);
        let done = work()?;
        self.trail.borrow_mut().pop();
        Ok(done)
    }

    fn whole<E: Error>(self, value: i128) -> Result<(), E> {
        let fits = self.rule.takes(Kind::Whole) || self.rule.takes(Kind::Number);
        if fits && self.rule.is_within(value) { Ok(()) } else { Err(self.wrong(value)) }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.rule, f)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.rule.takes(Kind::Null) { Ok(()) } else { Err(self.wrong("null")) }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        if self.rule.takes(Kind::Boolean) { Ok(()) } else { Err(self.wrong(value)) }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.whole(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.whole(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        if self.rule.takes(Kind::Number) { Ok(()) } else { Err(self.wrong(value)) }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        if self.rule.takes(Kind::Text) && self.rule.has_word(value) {
            return Ok(());
        }
        let shown: String = value.chars().take(MISFIT_CHARS_MAX).collect();
        let end = if shown.len() < value.len() { "…" } else { "" };
        Err(self.wrong(format_args!("the text {shown:?}{end}")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        if !self.rule.takes(Kind::Array) {
            return Err(self.wrong("an array"));
        }
        let item = At { rule: self.rule.item(), ..self };
        let mut number = 0;
        while self.below(format!("[{number}]"), || values.next_element_seed(item))?.is_some() {
            number += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        if !self.rule.takes(Kind::Object) {
            return Err(self.wrong("an object"));
        }
        let (mut seen, mut has_strange) = (BTreeSet::new(), false);
        while let Some(name) = fields.next_key::<String>()? {
            self.below(format!(".{name}"), || {
                if seen.contains(&name) {
                    return Err(A::Error::custom("is there twice"));
                }
                match self.rule.field(&name) {
                    Some((rule, true)) => fields.next_value_seed(Optional(At { rule, ..self })),
                    Some((rule, false)) => fields.next_value_seed(At { rule, ..self }),
                    None => {
                        has_strange = true;
                        fields.next_value::<IgnoredAny>().map(drop)
                    }
                }
            })?;
            seen.insert(name);
        }
        // A name that is strange here may be another one of what seems to be missing.
        match self.rule.missing(&seen).filter(|_| !has_strange) {
            Some((name, rule)) => {
                self.below(format!(".{name}"), || Err(A::Error::custom(format_args!("is missing, expected {rule}"))))
            }
            None => Ok(()),
        }
    }
}

/// What need not be there, and so may be null as well.
struct Optional<'r>(At<'r>);

impl<'de> DeserializeSeed<'de> for Optional<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Optional<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.rule, f)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.deserialize(deserializer)
    }
}

#[cfg(test)]
#[path = "checked/tests.rs"]
mod tests;
