//! `config.set`: puts one value into the configuration, or a whole text in its place.

use claw_app::config::{Change, Written};
use claw_core::Scope;
use claw_core::audit::Door;
use claw_core::message::JsonText;
use claw_wire::ws::config::{Changed, Set, SetParams, raw_json};

use super::{Call, Method, config_get};
use crate::error::Problem;

pub(super) struct ConfigSet;

impl Method for ConfigSet {
    const NAME: &'static str = "config.set";
    const SCOPE: Scope = Scope::Admin;
    type Params = SetParams;

    async fn run(call: &Call, params: SetParams) -> Result<(), Problem> {
        let (set, base_hash) = params.meaning()?;
        let change = match set {
            Set::Value { path, value } => Change::Set { path, value: JsonText::new(value) },
            Set::Whole(raw) => Change::Apply(raw),
        };
        change_and_answer(call, change, base_hash).await
    }
}

/// What every method that changes the configuration does.
pub(super) async fn change_and_answer(call: &Call, change: Change, base_hash: Option<String>) -> Result<(), Problem> {
    let written = call.doors().app.config.change(call.principal(), Door::WebSocket, change, base_hash).await?;
    let Written { snapshot, applied, needs_restart } = written;
    call.answer(&Changed {
        ok: true,
        config: raw_json(snapshot.value.as_str()),
        path: snapshot.path,
        hash: snapshot.hash,
        applied,
        needs_restart,
        warnings: config_get::findings(snapshot.warnings),
    });
    Ok(())
}
