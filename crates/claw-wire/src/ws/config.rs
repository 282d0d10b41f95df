//! The configuration: `config.get`, `config.schema`, `config.set`, `config.patch`, `config.apply`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::BadRequest;

/// Parameters of `config.set`: one value at a path, or like stock clients a whole text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetParams {
    /// Dotted.
    pub path: Option<String>,
    /// What to put there.
    #[schemars(with = "Option<serde_json::Value>")]
    pub value: Option<Box<RawValue>>,
    /// A whole text in JSON5.
    pub raw: Option<String>,
    /// The hash of the file as the caller read it.
    pub base_hash: Option<String>,
}

/// What `config.set` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// One value, as JSON.
    Value {
        /// Dotted.
        path: String,
        /// The value.
        value: String,
    },
    /// A whole text.
    Whole(String),
}

impl SetParams {
    /// What is meant, and the hash.
    ///
    /// # Errors
    /// Neither a path with its value nor a text, or both.
    pub fn meaning(self) -> Result<(Set, Option<String>), BadRequest> {
        let Self { path, value, raw, base_hash } = self;
        let set = match (path, value, raw) {
            (Some(path), Some(value), None) => Set::Value { path, value: value.get().to_owned() },
            (None, None, Some(raw)) => Set::Whole(raw),
            (Some(_), None, None) => {
                return Err(BadRequest::of("value", "is missing; null takes the place of nothing"));
            }
            _ => return Err(BadRequest::of("path", "name a path with its value, or send a whole text in raw")),
        };
        Ok((set, base_hash))
    }
}

/// Parameters of `config.patch`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatchParams {
    /// The merge patch as text in JSON5.
    pub raw: Option<String>,
    /// The merge patch as an object.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub patch: Option<Box<RawValue>>,
    /// The hash of the file as the caller read it.
    pub base_hash: Option<String>,
}

impl PatchParams {
    /// The patch as text, and the hash.
    ///
    /// # Errors
    /// There is none, or two.
    pub fn meaning(self) -> Result<(String, Option<String>), BadRequest> {
        let Self { raw, patch, base_hash } = self;
        match (raw, patch) {
            (Some(raw), None) => Ok((raw, base_hash)),
            (None, Some(patch)) => Ok((patch.get().to_owned(), base_hash)),
            _ => Err(BadRequest::of("raw", "send the merge patch as text in raw, or as an object in patch")),
        }
    }
}

/// Parameters of `config.apply`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyParams {
    /// The whole text in JSON5.
    pub raw: String,
    /// The hash of the file as the caller read it.
    pub base_hash: Option<String>,
}

/// Something found in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Finding {
    pub path: String,
    pub message: String,
}

/// The answer to `config.get`; a placeholder stands for each secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The file.
    pub path: String,
    /// Whether it is there.
    pub exists: bool,
    /// Its text; null if it is not there or cannot be read.
    pub raw: Option<String>,
    /// What the text says.
    pub parsed: Box<RawValue>,
    /// The same under the names that stock clients of either protocol look for.
    pub source_config: Box<RawValue>,
    /// The same.
    pub resolved: Box<RawValue>,
    /// The same.
    pub config: Box<RawValue>,
    /// Whether it can be used.
    pub valid: bool,
    /// What a change has to name as `baseHash`.
    pub hash: String,
    /// Why it cannot be used.
    pub issues: Vec<Finding>,
    /// What is odd about it.
    pub warnings: Vec<Finding>,
    /// Empty: what is old is read like what is new.
    pub legacy_issues: [Finding; 0],
}

/// The answer to `config.schema`.
#[derive(Debug, Serialize)]
pub struct Schema {
    /// JSON schema, draft 2020-12.
    pub schema: Box<RawValue>,
    /// The version of the gateway it belongs to.
    pub version: String,
}

/// The answer to a change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// True.
    pub ok: bool,
    /// The file.
    pub path: String,
    /// What the next change has to name as `baseHash`.
    pub hash: String,
    /// What the file says now.
    pub config: Box<RawValue>,
    /// Dotted keys that are in effect.
    pub applied: Vec<String>,
    /// Dotted keys that wait for the next start.
    pub needs_restart: Vec<String>,
    /// What is odd about the file.
    pub warnings: Vec<Finding>,
}

/// Text that is known to be JSON, as a part of an answer.
pub fn raw_json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_one_value_or_a_whole_text() {
        let read = |text: &str| serde_json::from_str::<SetParams>(text).unwrap().meaning();
        let value = Set::Value { path: "a.b".into(), value: "[1]".into() };
        assert_eq!(read(r#"{"path":"a.b","value":[1],"baseHash":"h"}"#), Ok((value, Some("h".into()))));
        assert_eq!(read(r#"{"raw":"{}"}"#), Ok((Set::Whole("{}".into()), None)));
        for wrong in [r"{}", r#"{"path":"a"}"#, r#"{"value":1}"#, r#"{"path":"a","value":1,"raw":"{}"}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_patch_is_a_text_or_an_object() {
        let read = |text: &str| serde_json::from_str::<PatchParams>(text).unwrap().meaning();
        assert_eq!(read(r#"{"raw":"{a:1}","baseHash":"h"}"#), Ok(("{a:1}".into(), Some("h".into()))));
        assert_eq!(read(r#"{"patch":{"a":1}}"#), Ok((r#"{"a":1}"#.into(), None)));
        assert_eq!(read("{}").unwrap_err().param.as_deref(), Some("raw"));
    }
}
