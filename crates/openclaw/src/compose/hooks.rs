//! What programs outside may set off, from the configuration.

use claw_core::AgentId;
use claw_core::session::SessionKey;
use claw_gateway::settings::Hooks;

use crate::config::file;
use crate::config::secret::SecretText;
use crate::config::settings::Live;
use crate::exit::Fatal;

/// The doors' own paths, below which nothing else can be.
const TAKEN: [&str; 7] = ["/v1", "/v2", "/ws", "/tools", "/health", "/status", "/metrics"];

/// The hooks; none without a token of their own (advisory 67).
///
/// Errors: what cannot be ([`Fatal::Config`]), naming its key.
pub(super) fn hooks(live: &Live) -> Result<Option<Hooks>, Fatal> {
    let file::Hooks { enabled, token, path, max_body_bytes, default_session_key, allow_request_session_key, .. } =
        &live.hooks;
    let file::Hooks { allowed_session_key_prefixes, allowed_agent_ids, .. } = &live.hooks;
    if !*enabled {
        return Ok(None);
    }
    let Some(token) = token.as_ref().filter(|token| !token.is_blank()) else {
        tracing::warn!("hooks are not there: hooks.enabled needs hooks.token, a secret of their own");
        return Ok(None);
    };
    if [&live.token, &live.password].into_iter().flatten().any(|own| own == token) {
        let message =
            "hooks.token is the gateway's own secret; give hooks another, or whoever holds theirs holds everything";
        return Err(Fatal::Config(message.to_owned()));
    }
    let default_session = default_session_key.as_deref().filter(|key| !key.trim().is_empty());
    if let Some(Err(error)) = default_session.map(|key| SessionKey::resolve(key, &AgentId::main())) {
        return Err(Fatal::Config(format!("hooks.defaultSessionKey: {error}")));
    }
    let mut hooks = Hooks::new(&SecretText::secret(token));
    hooks.path = below(path)?;
    hooks.body_bytes_max = usize::try_from(max_body_bytes.get()).unwrap_or(usize::MAX);
    hooks.default_session = default_session.map(str::to_owned);
    hooks.allow_request_session = *allow_request_session_key;
    hooks.session_prefixes.clone_from(allowed_session_key_prefixes);
    hooks.agents = allowed_agent_ids.as_deref().and_then(|ids| agents(ids).transpose()).transpose()?;
    Ok(Some(hooks))
}

/// The path with one slash before it and none behind.
fn below(path: &str) -> Result<String, Fatal> {
    let path = format!("/{}", path.trim().trim_matches('/'));
    let is_taken = TAKEN.iter().any(|taken| path == *taken || path.starts_with(&format!("{taken}/")));
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
    match path != "/" && !is_taken && is_plain {
        true => Ok(path),
        false => {
            Err(Fatal::Config(format!("hooks.path: hooks cannot be below {path:?}; allowed: a path such as /hooks")))
        }
    }
}

/// The agents that are listed; nothing where all are meant.
fn agents(ids: &[String]) -> Result<Option<Vec<AgentId>>, Fatal> {
    if ids.iter().any(|id| id == "*") {
        return Ok(None);
    }
    let read =
        |id: &String| AgentId::parse(id).map_err(|error| Fatal::Config(format!("hooks.allowedAgentIds: {error}")));
    ids.iter().map(read).collect::<Result<_, _>>().map(Some)
}
