//! `keys.create`: makes an API key; its text is in this answer and nowhere else.

use claw_core::Scope;
use claw_core::audit::Door;
use claw_wire::ws::keys::{CreateParams, Created};

use super::{Call, Method, keys_list};
use crate::error::Problem;

pub(super) struct KeysCreate;

impl Method for KeysCreate {
    const NAME: &'static str = "keys.create";
    const SCOPE: Scope = Scope::Admin;
    type Params = CreateParams;

    async fn run(call: &Call, params: CreateParams) -> Result<(), Problem> {
        let scopes = params.scopes()?;
        let CreateParams { name, plan, .. } = &params;
        let keys = &call.doors().app.keys;
        let (key, secret) = keys.create(call.principal(), Door::WebSocket, name, scopes, plan.as_deref()).await?;
        call.answer(&Created { key: keys_list::shown(keys, &key), secret: secret.expose() });
        Ok(())
    }
}
