//! Other gateways that carry out runs, from the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use claw_agent::{Continuation, Executor};
use claw_core::AgentId;
use claw_net::HttpClient;
use claw_providers::{V1Gateway, V1Settings};

use crate::config::file::{self, ExecutorKind};
use crate::config::secret::SecretText;
use crate::config::settings::Live;
use crate::exit::Fatal;

/// Where an executor's name stands: none.
const NONE: &str = "none";

/// Every one of them.
///
/// Errors: one that cannot be built ([`Fatal::Config`]), naming its key.
pub(super) fn all(settings: &Live, client: &HttpClient) -> Result<Vec<Executor>, Fatal> {
    settings.executors.iter().map(|(id, executor)| one(id, executor, client)).collect()
}

fn one(id: &str, executor: &file::Executor, client: &HttpClient) -> Result<Executor, Fatal> {
    let file::Executor {
        kind: ExecutorKind::V1,
        url,
        token,
        agent_id,
        max_concurrent,
        idle_seconds,
        run_limit_seconds,
        continuations,
        continue_with,
        allow_api_keys,
    } = executor;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if id == NONE || !(1..=64).contains(&id.len()) || !id.bytes().all(is_name) {
        return Err(Fatal::Config(format!(
            "executors.{id:?}: a name is 1 to 64 of a-z, A-Z, 0-9, \"-\", \"_\" and \".\", and not \"none\""
        )));
    }
    if continue_with.trim().is_empty() {
        return Err(Fatal::Config(format!(
            "executors.{id}.continueWith says nothing; executors.{id}.continuations: 0 lets no run go on"
        )));
    }
    let continuation = Continuation {
        message: continue_with.as_str().into(),
        times_max: u32::try_from(continuations.get()).unwrap_or(u32::MAX),
        run_limit: Duration::from_secs(run_limit_seconds.get()),
    };
    let token = token.as_ref().filter(|token| !token.is_blank()).map(SecretText::secret);
    let agent = agent_id.as_str().to_owned();
    let v1 = V1Settings { id: id.to_owned(), url: url.as_str().to_owned(), token };
    let patient = client.patient(Duration::from_secs(idle_seconds.get()));
    let provider = V1Gateway::new(v1, agent.as_str(), patient)
        .map_err(|error| Fatal::Config(format!("executors.{id}: {error}")))?;
    let concurrent_max = usize::try_from(max_concurrent.get()).unwrap_or(usize::MAX);
    let executor = Executor::new(Arc::new(provider), agent, concurrent_max);
    Ok(executor.serving_tenants(*allow_api_keys).continuing(continuation))
}

/// Whose runs go where by themselves.
///
/// Errors: an executor that is not there ([`Fatal::Config`]), naming the key.
pub(super) fn assigned(settings: &Live, agents: &[AgentId]) -> Result<BTreeMap<AgentId, String>, Fatal> {
    let known = |key: String, id: &str| match settings.executors.contains_key(id) {
        true => Ok(id.to_owned()),
        false => {
            let names: Vec<&str> = settings.executors.keys().map(String::as_str).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(Fatal::Config(format!("{key}: there is no executor {id:?}; known: {names}")))
        }
    };
    let general = settings.agents.defaults.executor.as_deref();
    let mut assigned = BTreeMap::new();
    for agent in agents {
        let mut listed = settings.agents.list.iter().enumerate();
        let own = listed.find(|(_, listed)| listed.id.as_str() == agent.as_str());
        let (key, chosen) = match own.and_then(|(place, own)| Some((place, own.executor.as_deref()?))) {
            Some((place, id)) => (format!("agents.list.{place}.executor"), Some(id)),
            None => ("agents.defaults.executor".to_owned(), general),
        };
        if let Some(id) = chosen.filter(|id| *id != NONE && !id.is_empty()) {
            assigned.insert(agent.clone(), known(key, id)?);
        }
    }
    Ok(assigned)
}
