//! What a tool is called with: one struct is both the schema a model sees and how it is read.
//!
//! Whoever calls tools has held their arguments against that schema before; what is left to say here is
//! of names that no schema has.

use claw_core::complaint;
use claw_core::message::JsonText;
use claw_core::tool::ToolError;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;

/// The JSON schema of `T`, as models are shown it.
pub(crate) fn schema<T: JsonSchema>() -> JsonText {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // The name and the doc of the struct are ours, not the model's.
    schema.remove("title");
    schema.remove("description");
    let text = serde_json::to_string(&schema).expect("a schema is plain JSON");
    JsonText::new(text)
}

/// Reads the arguments of a call. No text at all counts as `{}`.
///
/// Errors: [`ToolError::Arguments`] with the place of what does not fit and what is wanted there.
pub(crate) fn parse<T: DeserializeOwned>(arguments: &JsonText) -> Result<T, ToolError> {
    let text = match arguments.as_str().trim() {
        "" | "null" => "{}",
        text => text,
    };
    // A struct's fields could be read from a list, too, by their places: nobody means that.
    if text.starts_with('[') {
        return Err(ToolError::Arguments("expected an object, found an array".into()));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let why = complaint::plain(&error.inner().to_string());
        ToolError::Arguments(if path == "." { why } else { format!("{path}: {why}") })
    })?;
    reader.end().map_err(|_| ToolError::Arguments("there is more after the JSON object".into()))?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        /// Where.
        #[serde(alias = "file")]
        path: String,
        /// How many.
        #[serde(default)]
        limit: Option<u32>,
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place_and_what_is_wanted() {
        let table = [
            (r#"{"path":"a","limit":"x"}"#, "limit: found the string \"x\"; allowed: a whole number, 0 or more"),
            (r#"{"limit":1}"#, "missing field `path`"),
            (r#"{"path":"a","nope":1}"#, "nope: unknown field `nope`, expected one of `file`, `path`, `limit`"),
            (r#"{"path":"a","file":"b"}"#, "`path` is given twice, once by another of its names"),
            (r#"{"path":"#, "path: EOF while parsing a value"),
            (r#"["a",1]"#, "expected an object, found an array"),
            ("7", "found the number 7; allowed: an object"),
            (r#"{"path":"a"} x"#, "there is more after the JSON object"),
            ("", "missing field `path`"),
        ];
        for (text, why) in table {
            let error = parse::<Sample>(&JsonText::new(text)).unwrap_err();
            assert_eq!(error, ToolError::Arguments(why.into()), "{text}");
        }
        let read: Sample = parse(&JsonText::new(r#"{"path":"a","limit":null}"#)).unwrap();
        assert_eq!(read, Sample { path: "a".into(), limit: None });
    }

    #[test]
    fn the_schema_says_what_the_check_checks() {
        let schema: serde_json::Value = serde_json::from_str(schema::<Sample>().as_str()).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], serde_json::json!(["path"]));
        assert_eq!(schema["properties"]["path"], serde_json::json!({"type": "string", "description": "Where."}));
        assert!(schema.get("$schema").is_none() && schema.get("title").is_none());
    }
}
