//! The route's scope in its handler's signature.
//!
//! A handler that wants to know who asks must name the scope it needs, and there is no other way to
//! reach the app's verbs: a route without a declared scope does not compile into anything useful.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use claw_app::limiter::Pass;
use claw_core::{Principal, Scope};
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

impl Needs for Read {
    const SCOPE: Scope = Scope::Read;
}
impl Needs for Approvals {
    const SCOPE: Scope = Scope::Approvals;
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

/// A caller who has the scope [`Write`], and leave to have one answer generated (K19).
///
/// Comes before the body: who has had enough is not listened to.
pub(crate) struct Generating {
    allowed: Allowed<Write>,
    /// To be held until the answer is there or nobody waits for it.
    pub(crate) pass: Pass,
}

impl Generating {
    /// Who it is, for verbs.
    pub(crate) const fn principal(&self) -> &Principal {
        self.allowed.principal()
    }
}

impl FromRequestParts<Arc<Doors>> for Generating {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Self, Problem> {
        let allowed = Allowed::from_request_parts(parts, doors).await?;
        let admitted = doors.app.limiter.admit(allowed.principal());
        let standing = match &admitted {
            Ok(pass) => pass.standing(),
            Err(refusal) => refusal.standing,
        };
        if let (Some(standing), Some(arrival)) = (standing, parts.extensions.get::<Arrival>()) {
            let _counted_once = arrival.standing.set(standing);
        }
        Ok(Self { allowed, pass: admitted.map_err(claw_app::Error::from)? })
    }
}

impl<S: Needs + Send> FromRequestParts<Arc<Doors>> for Allowed<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Self, Problem> {
        let presented = Presented::read(&parts.headers, parts.uri.query());
        let client = parts.extensions.get::<Arrival>().map(|arrival| arrival.client);
        // Only `front` routes requests, and it always says where they come from.
        let client = client.ok_or_else(|| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the request's origin is unknown")
        })?;
        let caller = doors.gate.admit(&presented, client).await?;
        if !caller.principal().scopes.allows(S::SCOPE) {
            return Err(claw_app::Error::Forbidden(S::SCOPE.name()).into());
        }
        Ok(Self { caller, scope: PhantomData })
    }
}
