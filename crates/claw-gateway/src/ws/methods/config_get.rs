//! `config.get`: the configuration, a placeholder for each secret (K15).

use claw_app::config::{Issue, Snapshot};
use claw_core::Scope;
use claw_wire::ws::config::{Config, Finding, raw_json};
use claw_wire::ws::none::NoParams;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ConfigGet;

impl Method for ConfigGet {
    const NAME: &'static str = "config.get";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        let read = call.doors().app.config.read(call.principal()).await?;
        let Snapshot { path, exists, raw, value, hash, issues, warnings } = read;
        let value = raw_json(value.as_str());
        call.answer(&Config {
            path,
            exists,
            raw,
            parsed: value.clone(),
            source_config: value.clone(),
            resolved: value.clone(),
            config: value,
            valid: issues.is_empty(),
            hash,
            issues: findings(issues),
            warnings: findings(warnings),
            legacy_issues: [],
        });
        Ok(())
    }
}

/// What was found, as the wire says it.
pub(super) fn findings(issues: Vec<Issue>) -> Vec<Finding> {
    issues.into_iter().map(|Issue { path, message }| Finding { path, message }).collect()
}
