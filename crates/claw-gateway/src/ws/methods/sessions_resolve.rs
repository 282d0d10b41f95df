//! `sessions.resolve`: a conversation's key by its key, id or label.

use claw_app::Error;
use claw_core::Scope;
use claw_wire::ws::sessions::{ResolveParams, Resolved};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SessionsResolve;

impl Method for SessionsResolve {
    const NAME: &'static str = "sessions.resolve";
    const SCOPE: Scope = Scope::Read;
    type Params = ResolveParams;

    async fn run(call: &Call, params: ResolveParams) -> Result<(), Problem> {
        let (app, principal) = (&call.doors().app.sessions, call.principal());
        let found = match (params.key()?, params.label.as_deref()) {
            (Some(key), _) => app.get(principal, &key).await?,
            (None, label) => app.by_label(principal, label.unwrap_or_default()).await?,
        };
        let names = [&params.key, &params.session_key, &params.session_id, &params.label];
        let asked = || names.into_iter().flatten().next().cloned().unwrap_or_default();
        let found = found.ok_or_else(|| Error::NotFound { what: "session", id: asked() })?;
        call.answer(&Resolved {
            ok: true,
            key: found.key.to_string(),
            agent_id: found.agent.to_string(),
            session_id: found.id.shown(),
        });
        Ok(())
    }
}
