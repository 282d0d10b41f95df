//! The route's scope in its handler's signature.
//!
//! A handler that wants to know who asks must name the scope it needs, and there is no other way to
//! reach the app's verbs: a route without a declared scope does not compile into anything useful.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use claw_app::limiter::{Claim, Pass, Standing};
use claw_app::{Error, Idempotency};
use claw_core::{Principal, Scope, Visibility};
use http::StatusCode;
use http::request::Parts;

use super::front::Arrival;
use crate::auth::Caller;
use crate::auth::presented::Presented;
use crate::doors::Doors;
use crate::error::Problem;

/// A scope as a type.
pub(crate) trait Needs {
    /// The scope.
    const SCOPE: Scope;
}

/// [`Scope::Read`].
pub(crate) struct Read;
/// [`Scope::Write`].
pub(crate) struct Write;
/// [`Scope::Approvals`].
pub(crate) struct Approvals;
/// [`Scope::Admin`].
pub(crate) struct Admin;

impl Needs for Read {
    const SCOPE: Scope = Scope::Read;
}
impl Needs for Approvals {
    const SCOPE: Scope = Scope::Approvals;
}

impl Needs for Admin {
    const SCOPE: Scope = Scope::Admin;
}

impl Needs for Write {
    const SCOPE: Scope = Scope::Write;
}

/// A caller who has the scope.
pub(crate) struct Allowed<S> {
    /// Who it is.
    pub(crate) caller: Caller,
    scope: PhantomData<S>,
}

impl<S> Allowed<S> {
    /// Who it is, for verbs.
    pub(crate) const fn principal(&self) -> &Principal {
        self.caller.principal()
    }
}

/// A caller who has the scope [`Write`], and may ask for leave to have answers generated (K19).
///
/// The handler asks once it knows how many, and that they are new: nothing is generated for a repeated request.
pub(crate) struct Generating {
    allowed: Allowed<Write>,
    /// For the answer's headers.
    standing: Option<Arc<OnceLock<Standing>>>,
}

impl Generating {
    /// Who it is, for verbs.
    pub(crate) const fn principal(&self) -> &Principal {
        self.allowed.principal()
    }

    /// Leave to have this generated. Its places are to be held until the answers are there. What was accepted before
    /// under its key is neither counted nor has a place (G4).
    pub(crate) async fn admit(&self, doors: &Doors, claim: Claim, key: Option<&Idempotency>) -> Result<Pass, Problem> {
        let admitted = doors.app.chat.admit(self.principal(), claim, key).await;
        let standing = match &admitted {
            Ok(pass) => pass.standing(),
            Err(Error::Limited(refusal)) => refusal.standing,
            Err(_) => None,
        };
        if let (Some(standing), Some(shown)) = (standing, &self.standing) {
            let _counted_once = shown.set(standing);
        }
        Ok(admitted?)
    }
}

impl FromRequestParts<Arc<Doors>> for Generating {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Self, Problem> {
        let allowed = Allowed::from_request_parts(parts, doors).await?;
        let standing = parts.extensions.get::<Arrival>().map(|arrival| Arc::clone(&arrival.standing));
        Ok(Self { allowed, standing })
    }
}

/// The operator with the scope [`Admin`]: for whoever else has come in there is no such route.
pub(crate) struct Operator(Allowed<Admin>);

impl Operator {
    /// Who it is, for verbs.
    pub(crate) const fn principal(&self) -> &Principal {
        self.0.principal()
    }
}

impl FromRequestParts<Arc<Doors>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Self, Problem> {
        let caller = admit(parts, doors).await?;
        if caller.principal().visibility() != Visibility::All {
            return Err(Problem::no_route());
        }
        Ok(Self(allowed(caller)?))
    }
}

impl<S: Needs + Send> FromRequestParts<Arc<Doors>> for Allowed<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Self, Problem> {
        allowed(admit(parts, doors).await?)
    }
}

async fn admit(parts: &Parts, doors: &Doors) -> Result<Caller, Problem> {
    let presented = Presented::read(&parts.headers, parts.uri.query());
    let client = parts.extensions.get::<Arrival>().map(|arrival| arrival.client);
    // Only `front` routes requests, and it always says where they come from.
    let client = client.ok_or_else(|| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the request's origin is unknown")
    })?;
    Ok(doors.gate.admit(&presented, client).await?)
}

fn allowed<S: Needs>(caller: Caller) -> Result<Allowed<S>, Problem> {
    match caller.principal().scopes.allows(S::SCOPE) {
        true => Ok(Allowed { caller, scope: PhantomData }),
        false => Err(claw_app::Error::Forbidden(S::SCOPE.name()).into()),
    }
}
