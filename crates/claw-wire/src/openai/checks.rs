//! What chat completions and responses check alike, each complaint naming its field.

use std::collections::BTreeMap;
use std::fmt::Display;

use claw_core::JsonText;
use claw_core::provider::{ToolChoice as CoreToolChoice, ToolSpec};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::chat::{Function, Mode, ToolChoice};
use crate::BadRequest;
use crate::limits::{METADATA_KEY_CHARS_MAX, METADATA_MAX, METADATA_VALUE_CHARS_MAX, TOOL_NAME_BYTES_MAX, TOOLS_MAX};

/// How many words an answer may have.
pub(super) const VERBOSITIES: [&str; 3] = ["low", "medium", "high"];
/// How urgent a request may be; all are served alike.
pub(super) const SERVICE_TIERS: [&str; 5] = ["auto", "default", "flex", "scale", "priority"];

/// What the field `model` names, where it is there.
pub(super) fn named(model: Option<String>) -> Result<Option<String>, BadRequest> {
    match model {
        Some(model) if model.trim().is_empty() => {
            Err(BadRequest::of("model", "model must not be empty; without it the default agent answers"))
        }
        fits => Ok(fits),
    }
}

/// The name of a function or a schema.
pub(super) fn checked_name(param: &str, name: &str) -> Result<(), BadRequest> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=TOOL_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    let message = format!("a name is 1 to {TOOL_NAME_BYTES_MAX} of a-z, A-Z, 0-9, `_` and `-`");
    Err(BadRequest::of(param, message))
}

/// One of these words.
pub(super) fn word_of(param: &str, word: Option<String>, known: &[&str]) -> Result<Option<String>, BadRequest> {
    match word {
        Some(found) if !known.contains(&found.as_str()) => {
            Err(BadRequest::of(param, format!("{param} must be {}, found {found:?}", known.join(" or "))))
        }
        fits => Ok(fits),
    }
}

/// A client's own notes, within their limits.
pub(super) fn checked_metadata(metadata: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, BadRequest> {
    if metadata.len() > METADATA_MAX {
        let message = format!("at most {METADATA_MAX} entries, found {}", metadata.len());
        return Err(BadRequest::of("metadata", message));
    }
    for (key, value) in &metadata {
        if key.chars().count() > METADATA_KEY_CHARS_MAX || value.chars().count() > METADATA_VALUE_CHARS_MAX {
            let message =
                format!("a key has at most {METADATA_KEY_CHARS_MAX} characters, a value {METADATA_VALUE_CHARS_MAX}");
            return Err(BadRequest::of(format!("metadata.{key}"), message));
        }
    }
    Ok(metadata)
}

/// A number in a range.
pub(crate) fn within(param: &str, value: Option<f32>, low: f32, high: f32) -> Result<Option<f32>, BadRequest> {
    match value {
        Some(found) if !(low..=high).contains(&found) => {
            Err(BadRequest::of(param, format!("{param} must be {low} to {high}, found {found}")))
        }
        fits => Ok(fits),
    }
}

/// A whole number from 1 to the most.
pub(crate) fn counted<N>(param: &str, value: Option<i64>, most: N) -> Result<Option<N>, BadRequest>
where
    N: TryFrom<i64> + PartialOrd + Display,
{
    let Some(found) = value else { return Ok(None) };
    match N::try_from(found) {
        Ok(count) if found > 0 && count <= most => Ok(Some(count)),
        _ => Err(BadRequest::of(param, format!("{param} must be 1 to {most}, found {found}"))),
    }
}

/// How much to reason, as one of the levels here.
pub(super) fn effort(param: &str, word: Option<&str>) -> Result<Option<String>, BadRequest> {
    let level = match word {
        None => return Ok(None),
        Some("none" | "off") => "off",
        Some("minimal") => "minimal",
        Some("low") => "low",
        Some("medium") => "medium",
        Some("high" | "xhigh") => "high",
        Some(found) => {
            let message = format!("{param} must be none, minimal, low, medium or high, found {found:?}");
            return Err(BadRequest::of(param, message));
        }
    };
    Ok(Some(level.to_owned()))
}

/// The first tool whose name another one has already.
pub(super) fn repeated(specs: &[ToolSpec]) -> Option<usize> {
    specs.iter().enumerate().position(|(index, spec)| specs.iter().take(index).any(|other| other.name == spec.name))
}

/// A client's function as a model is shown it; `at` names its fields.
pub(super) fn function_spec(
    at: impl Fn(&str) -> String,
    Function { name, description, parameters, strict }: Function,
) -> Result<ToolSpec, BadRequest> {
    checked_name(&at(".name"), &name)?;
    let parameters = parameters.map_or_else(|| JsonText::new(r#"{"type":"object","properties":{}}"#), json_text);
    if !is_object_schema(parameters.as_str()) {
        return Err(BadRequest::of(at(".parameters"), "parameters must be a JSON schema of type object"));
    }
    Ok(ToolSpec { strict, ..ToolSpec::new(name, description.unwrap_or_default(), parameters) })
}

/// Whether a schema is an object, and does not say itself that it describes something else than objects.
fn is_object_schema(schema: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        kind: Option<serde_json::Value>,
    }
    let head: Result<Head, _> = serde_json::from_str(schema);
    let is_object = |kind: &serde_json::Value| kind.as_str().is_none_or(|kind| kind == "object");
    schema.starts_with('{') && head.is_ok_and(|head| head.kind.as_ref().is_none_or(is_object))
}

/// Whether a tool must be called; where only some are allowed, the others of the client's leave `tools`,
/// and the names that are none of the client's come along: they are to be the gateway's.
///
/// # Errors
/// It demands what is not there.
pub(super) fn choice(
    raw: Option<ToolChoice>,
    tools: &mut Vec<ToolSpec>,
) -> Result<(CoreToolChoice, Option<Vec<String>>), BadRequest> {
    let refuse = |message: String| Err(BadRequest::of("tool_choice", message));
    let all = |choice| Ok((choice, None));
    match raw {
        None | Some(ToolChoice::Auto) => all(CoreToolChoice::Auto),
        Some(ToolChoice::None) => all(CoreToolChoice::None),
        Some(ToolChoice::Required) if tools.is_empty() => refuse("tool_choice needs tools".to_owned()),
        Some(ToolChoice::Required) => all(CoreToolChoice::Required),
        Some(ToolChoice::Named(name)) if tools.iter().any(|tool| tool.name == name) => all(CoreToolChoice::Named(name)),
        Some(ToolChoice::Named(name)) => refuse(format!("tool_choice names {name:?}, which is not among the tools")),
        Some(ToolChoice::Allowed { mode, names }) => {
            if !(1..=TOOLS_MAX).contains(&names.len()) {
                return refuse(format!("tool_choice must allow 1 to {TOOLS_MAX} tools, found {}", names.len()));
            }
            let own = names.iter().filter(|name| tools.iter().all(|tool| tool.name != **name)).cloned().collect();
            tools.retain(|tool| names.contains(&tool.name));
            let choice = match mode {
                Mode::Auto => CoreToolChoice::Auto,
                Mode::None => CoreToolChoice::None,
                Mode::Required => CoreToolChoice::Required,
            };
            Ok((choice, Some(own)))
        }
    }
}

/// JSON as it was sent.
pub(super) fn json_text(raw: Box<RawValue>) -> JsonText {
    let text: Box<str> = raw.into();
    JsonText::new(text)
}
