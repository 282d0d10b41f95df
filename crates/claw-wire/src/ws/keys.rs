//! API keys: `keys.create`, `keys.list`, `keys.revoke`.

use claw_core::{Scope, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::BadRequest;

/// Parameters of `keys.create`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CreateParams {
    /// For people.
    pub name: String,
    /// `operator.read`, …, or without the prefix; each may imply others.
    pub scopes: Vec<String>,
    /// What it may have generated, by the name in the configuration; `default` unless said otherwise (K19).
    pub plan: Option<String>,
}

impl CreateParams {
    /// The set they name.
    ///
    /// # Errors
    /// None, or one that does not exist.
    pub fn scopes(&self) -> Result<Scopes, BadRequest> {
        scopes(&self.scopes)
    }
}

/// The set that a parameter `scopes` names.
pub(super) fn scopes(words: &[String]) -> Result<Scopes, BadRequest> {
    if words.is_empty() {
        return Err(BadRequest::of("scopes", "name at least one scope"));
    }
    let known = |word: &str| {
        let is_it = |scope: &Scope| scope.name() == word || scope.name().strip_prefix("operator.") == Some(word);
        Scope::ALL.into_iter().find(is_it)
    };
    let named = words.iter().enumerate().map(|(index, word)| {
        let names = Scope::ALL.map(Scope::name).join(", ");
        known(word).ok_or_else(|| BadRequest::of(format!("scopes[{index}]"), format!("must be one of {names}")))
    });
    Ok(Scopes::of(&named.collect::<Result<Vec<_>, _>>()?))
}

/// Parameters of `keys.revoke`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RevokeParams {
    /// `key_…`.
    pub id: String,
}

/// Parameters of `keys.list`: none.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ListParams {}

/// A key without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Key {
    pub id: String,
    pub name: String,
    pub scopes: Vec<&'static str>,
    pub plan: String,
    /// The plan that counts: `default` where the configuration has the key's own no more.
    pub plan_in_force: String,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601; null while it opens something.
    pub revoked_at: Option<String>,
}

/// The answer to `keys.create`, the only one that ever holds the key's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Created<'a> {
    /// What was made.
    pub key: Key,
    /// The text to present.
    pub secret: &'a str,
}

/// The answer to `keys.list`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyList {
    /// Revoked ones, too.
    pub keys: Vec<Key>,
}

/// The answer to `keys.revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revoked {
    /// Which.
    pub id: String,
    /// True.
    pub revoked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Scopes, BadRequest> {
        CreateParams { name: "n".to_owned(), plan: None, scopes: words.iter().map(|word| (*word).to_owned()).collect() }
            .scopes()
    }

    #[test]
    fn scopes_have_their_full_names_or_short_ones() {
        assert_eq!(read(&["operator.write"]).unwrap(), read(&["write", "read"]).unwrap());
        assert!(read(&["admin"]).unwrap().allows(Scope::Pairing));
        assert_eq!(read(&["read", "root"]).unwrap_err().param.as_deref(), Some("scopes[1]"));
        assert_eq!(read(&[]).unwrap_err().param.as_deref(), Some("scopes"));
    }
}
