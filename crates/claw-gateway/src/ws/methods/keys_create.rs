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
        let (key, secret) =
            call.doors().app.keys.create(call.principal(), Door::WebSocket, &params.name, scopes).await?;
        call.answer(&Created { key: keys_list::shown(&key), secret: secret.expose() });
        Ok(())
    }
}
