//! Who is asking, and what they may do.
//!
//! A `Principal` is made by the gateway's one authentication function and by nothing else.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::ApiKeyId;
use crate::session::SessionKey;

/// The name is asked for with every request.
static OPERATOR: LazyLock<Arc<str>> = LazyLock::new(|| "operator".into());

/// Whose objects these are: the operator's or one API key's. Stored with every object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrincipalId(Arc<str>);

impl PrincipalId {
    /// Whoever holds the gateway's own token or password.
    pub fn operator() -> Self {
        Self(Arc::clone(&OPERATOR))
    }
    /// Whether it is whoever holds the gateway's own token or password.
    pub fn is_operator(&self) -> bool {
        self.0 == *OPERATOR
    }
    /// The holder of an API key.
    pub fn api_key(id: ApiKeyId) -> Self {
        Self(id.to_string().into())
    }
    /// Whether it is the holder of an API key.
    pub fn is_api_key(&self) -> bool {
        self.0.parse::<ApiKeyId>().is_ok()
    }
    /// Programs outside, at the hooks.
    pub fn hook() -> Self {
        Self("hook".into())
    }
    /// As read back from the store.
    pub fn from_stored(text: String) -> Self {
        Self(text.into())
    }
    /// As stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// As stored, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One permission. read ⊂ write ⊂ admin; approvals and pairing stand apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// See.
    Read,
    /// Start and change work.
    Write,
    /// Change the gateway.
    Admin,
    /// Decide approvals.
    Approvals,
    /// Pair devices.
    Pairing,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 5] = [Scope::Read, Scope::Write, Scope::Admin, Scope::Approvals, Scope::Pairing];

    /// The wire's name: `operator.read`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "operator.read",
            Self::Write => "operator.write",
            Self::Admin => "operator.admin",
            Self::Approvals => "operator.approvals",
            Self::Pairing => "operator.pairing",
        }
    }
    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Admin => 4,
            Self::Approvals => 8,
            Self::Pairing => 16,
        }
    }
}

/// A set of permissions, closed under implication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// No permission.
    pub const NONE: Self = Self(0);

    /// The set with `scopes` and what they imply; admin implies all.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| {
            bits | match scope {
                Scope::Admin => 31,
                Scope::Write => Scope::Write.bit() | Scope::Read.bit(),
                Scope::Read | Scope::Approvals | Scope::Pairing => scope.bit(),
            }
        }))
    }
    /// Whether `scope` is in it.
    pub const fn allows(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
    /// Whether all of `other` is in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// What is in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// As stored.
    pub const fn bits(self) -> u8 {
        self.0
    }
    /// As read back from the store; unknown bits are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 31)
    }
    /// The members, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.allows(*scope))
    }
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// Whose objects it makes.
    pub id: PrincipalId,
    /// What it may do.
    pub scopes: Scopes,
}

impl Principal {
    /// The operator with every permission.
    pub fn operator() -> Self {
        Self { id: PrincipalId::operator(), scopes: Scopes::of(&[Scope::Admin]) }
    }
    /// Programs outside: they start work and see what they started.
    pub fn hook() -> Self {
        Self { id: PrincipalId::hook(), scopes: Scopes::of(&[Scope::Write]) }
    }
    /// Where its conversation of this name lies: the holder of an API key has names of its own, so that
    /// it neither meets nor finds what others call the same (G13).
    pub fn place(&self, key: &SessionKey) -> SessionKey {
        if self.id.is_operator() {
            return key.clone();
        }
        let own = format!("{}:", self.id);
        if key.rest().starts_with(&own) {
            key.clone()
        } else {
            SessionKey::of(&key.agent(), &format!("{own}{}", key.rest()))
        }
    }
    /// Which objects it may see: an API key only its own, the operator all.
    pub fn visibility(&self) -> Visibility {
        if self.id.is_operator() { Visibility::All } else { Visibility::Owner(self.id.clone()) }
    }
}

/// The filter every store query takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility {
    /// Everything.
    All,
    /// What this principal owns.
    Owner(PrincipalId),
}

impl Visibility {
    /// Whether an object of `owner` is visible.
    pub fn sees(&self, owner: &PrincipalId) -> bool {
        match self {
            Self::All => true,
            Self::Owner(id) => id == owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_implies_everything_and_write_implies_read() {
        let admin = Scopes::of(&[Scope::Admin]);
        assert!(Scope::ALL.iter().all(|scope| admin.allows(*scope)));
        let write = Scopes::of(&[Scope::Write]);
        assert_eq!(write.iter().collect::<Vec<_>>(), [Scope::Read, Scope::Write]);
        assert!(!Scopes::of(&[Scope::Approvals, Scope::Pairing]).allows(Scope::Read));
        assert!(!Scopes::NONE.allows(Scope::Read));
    }

    #[test]
    fn a_keys_names_are_its_own() {
        let key = PrincipalId::api_key(ApiKeyId::from_uuid(uuid::Uuid::from_u128(1)));
        let principal = Principal { id: key.clone(), scopes: Scopes::of(&[Scope::Write]) };
        let main = SessionKey::main(&crate::session::AgentId::main());
        let placed = principal.place(&main);
        assert_eq!(placed.as_str(), format!("agent:main:{key}:main"));
        assert_eq!(principal.place(&placed), placed, "its canonical key leads back to it");
        assert_eq!(Principal::operator().place(&main), main);
    }

    #[test]
    fn a_key_sees_only_its_own() {
        let key = PrincipalId::api_key(ApiKeyId::from_uuid(uuid::Uuid::from_u128(1)));
        let principal = Principal { id: key.clone(), scopes: Scopes::of(&[Scope::Write]) };
        assert!(principal.visibility().sees(&key));
        assert!(!principal.visibility().sees(&PrincipalId::operator()));
        assert!(Principal::operator().visibility().sees(&key));
    }
}
