//! The section `skills`: which of them agents are given.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretText;
use super::values::AllowedHost;

/// Which skills agents are given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Skills {
    /// The bundled skills there are; all of them if unset, none if empty.
    pub(crate) allow_bundled: Option<Vec<String>>,
    /// Hosts (`host` or `host:port`) and networks that skills may be installed from although their
    /// addresses are private.
    pub(crate) allow_hosts: Vec<AllowedHost>,
    /// What is said of single skills, by name.
    pub(crate) entries: BTreeMap<String, Entry>,
}

/// What is said of one skill.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Entry {
    /// Whether agents have it.
    pub(crate) enabled: bool,
    /// Whether the runs of API keys have it, though it was installed for the operator.
    pub(crate) shared: bool,
    /// Variables that the operator's commands are given where agents have it, unless they are set already.
    #[serde(skip_serializing)]
    pub(crate) env: BTreeMap<String, SecretText>,
    /// The same for the variable that the skill names for its secret (`primaryEnv`).
    #[serde(skip_serializing)]
    pub(crate) api_key: Option<SecretText>,
}

impl Default for Entry {
    fn default() -> Self {
        Self { enabled: true, shared: false, env: BTreeMap::new(), api_key: None }
    }
}

impl Skills {
    /// What is said of single skills, in the library's words.
    pub(crate) fn entries(&self) -> BTreeMap<String, claw_skills::library::Entry> {
        let said = |entry: &Entry| {
            let Entry { enabled, shared, env, api_key } = entry;
            claw_skills::library::Entry {
                is_disabled: !enabled,
                is_shared: *shared,
                env: env.iter().map(|(name, value)| (name.clone(), value.secret())).collect(),
                api_key: api_key.as_ref().filter(|key| !key.is_blank()).map(SecretText::secret),
            }
        };
        self.entries.iter().map(|(name, entry)| (name.clone(), said(entry))).collect()
    }
}

/// Dotted keys of a configuration that are set and mean something: neither null, false, 0 nor empty.
pub(crate) fn set_keys(file: &serde_json::Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    note(file, "", &mut keys);
    keys
}

fn note(value: &serde_json::Value, path: &str, keys: &mut BTreeSet<String>) {
    use serde_json::Value;
    let is_set = match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => {
            for (name, field) in fields {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                note(field, &below, keys);
            }
            !fields.is_empty()
        }
    };
    if is_set && !path.is_empty() {
        keys.insert(path.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_counts_that_is_there_and_says_something() {
        let file = json!({"a": {"on": true, "off": false, "none": null, "text": "x", "empty": "", "list": []}, "n": 0});
        let keys: Vec<String> = set_keys(&file).into_iter().collect();
        assert_eq!(keys, ["a", "a.on", "a.text"]);
    }
}
