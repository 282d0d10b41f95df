//! A configuration that lies in memory: what the doors need of one, without a file.

use std::sync::{Mutex, MutexGuard};

use claw_app::config::{Change, ConfigFile, Issue, Refusal, Snapshot, Written};
use claw_core::message::JsonText;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The configuration; a change is a merge patch in JSON.
pub(crate) struct Paper(Mutex<Value>);

impl Default for Paper {
    fn default() -> Self {
        Self(Mutex::new(json!({"gateway": {"bind": "loopback"}, "logging": {"level": "info"}})))
    }
}

impl Paper {
    /// What a change has to name.
    pub(crate) fn hash(&self) -> String {
        snapshot(&self.value()).hash
    }

    fn value(&self) -> MutexGuard<'_, Value> {
        self.0.lock().unwrap()
    }
}

impl ConfigFile for Paper {
    fn read(&self) -> Snapshot {
        snapshot(&self.value())
    }

    fn schema(&self) -> JsonText {
        JsonText::new(r#"{"type":"object"}"#)
    }

    fn change(&self, change: Change, base_hash: Option<&str>) -> Result<Written, Refusal> {
        let mut value = self.value();
        let hash = snapshot(&value).hash;
        match base_hash {
            None => return Err(Refusal::NoBase),
            Some(base) if base != hash => return Err(Refusal::Changed(hash)),
            Some(_) => {}
        }
        let unread = |message: String| Refusal::Invalid(vec![Issue { path: String::new(), message }]);
        let Change::Patch(text) = change else { return Err(unread("this configuration takes patches alone".into())) };
        let patch = serde_json::from_str(&text).map_err(|error| unread(error.to_string()))?;
        let mut applied = Vec::new();
        merge(&mut value, patch, "", &mut applied);
        Ok(Written { snapshot: snapshot(&value), applied, needs_restart: Vec::new() })
    }
}

fn snapshot(value: &Value) -> Snapshot {
    let text = value.to_string();
    let hash = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Snapshot {
        path: "openclaw.json".into(),
        exists: true,
        raw: Some(text.clone()),
        value: JsonText::new(text),
        hash,
        issues: Vec::new(),
        warnings: Vec::new(),
    }
}

/// RFC 7396; `applied` gets the path of each value.
fn merge(target: &mut Value, patch: Value, path: &str, applied: &mut Vec<String>) {
    let Value::Object(patch) = patch else {
        applied.push(path.to_owned());
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let fields = target.as_object_mut().unwrap();
    for (name, value) in patch {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if value.is_null() {
            fields.remove(&name);
            applied.push(path);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value, &path, applied);
        }
    }
}
