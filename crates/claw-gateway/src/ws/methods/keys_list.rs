//! `keys.list`: every API key, without its text.

use claw_app::ApiKey;
use claw_app::keys::ApiKeys;
use claw_core::Scope;
use claw_wire::ws::keys::{Key, KeyList, ListParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct KeysList;

impl Method for KeysList {
    const NAME: &'static str = "keys.list";
    const SCOPE: Scope = Scope::Admin;
    type Params = ListParams;

    async fn run(call: &Call, ListParams {}: ListParams) -> Result<(), Problem> {
        let keys = &call.doors().app.keys;
        let all = keys.list(call.principal()).await?;
        call.answer(&KeyList { keys: all.iter().map(|key| shown(keys, key)).collect() });
        Ok(())
    }
}

/// A key as its owner sees it.
pub(super) fn shown(keys: &ApiKeys, key: &ApiKey) -> Key {
    let ApiKey { id, name, digest: _, scopes, plan, created_at, revoked_at } = key;
    Key {
        id: id.to_string(),
        name: name.clone(),
        scopes: scopes.iter().map(Scope::name).collect(),
        plan: plan.to_string(),
        plan_in_force: keys.plan_in_force(key).to_string(),
        created_at: created_at.to_string(),
        revoked_at: revoked_at.map(|at| at.to_string()),
    }
}
