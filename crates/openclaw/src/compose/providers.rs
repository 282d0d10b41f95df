//! Sources of model output and agents, from the configuration.

use std::sync::Arc;
use std::time::Duration;

use claw_agent::{AgentProfile, Catalog};
use claw_core::AgentId;
use claw_core::provider::{ModelInfo, Provider};
use claw_embedded::models::Folder;
use claw_embedded::{EmbeddedProvider, Engine};
use claw_net::HttpClient;
use claw_providers::OpenAi;

use crate::config::file::{self, Api};
use crate::config::settings::{Fixed, Live};
use crate::config::values::ModelChoice;
use crate::exit::Fatal;

/// What OpenAI is asked for where nothing else is said: its cheapest model that has lasted.
const OPENAI_MODEL: &str = "openai/gpt-4o-mini";

/// What every catalogue is made with, and made once.
pub(super) struct Foundation {
    client: HttpClient,
    embedded: Option<Arc<dyn Provider>>,
}

impl Foundation {
    /// Errors: no HTTP client, no thread for the embedded model.
    pub(super) fn lay(settings: &Fixed) -> Result<Self, Fatal> {
        let client = HttpClient::new(claw_net::Settings::default())
            .map_err(|error| Fatal::other(format!("no HTTP client: {}", error.chain()), "report this"))?;
        Ok(Self { client, embedded: embedded(settings)? })
    }
}

/// Builds every provider and agent.
///
/// Errors: a provider that cannot be built ([`Fatal::Config`]), naming its key.
pub(super) fn catalog(foundation: &Foundation, settings: &Live) -> Result<Catalog, Fatal> {
    let Foundation { client, embedded } = foundation;
    let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
    for (id, provider) in &settings.providers {
        providers.push(Arc::new(openai(id, provider, client.clone())?));
    }
    providers.extend(embedded.clone());
    let defaults = &settings.agents.defaults;
    let agents: Vec<AgentProfile> =
        settings.agents.list.iter().map(|agent| profile(agent, settings)).collect::<Result<_, _>>()?;
    let first = settings.agents.list.iter().find(|agent| agent.default).or(settings.agents.list.first());
    let default_agent = match first {
        Some(agent) => agent_id(agent)?,
        None => AgentId::main(),
    };
    let mut agents = agents;
    if agents.is_empty() {
        let system_prompt = defaults.system_prompt.clone();
        agents.push(AgentProfile {
            id: AgentId::main(),
            name: None,
            system_prompt,
            model: None,
            fallbacks: Vec::new(),
        });
    }
    let fallbacks = defaults.model.as_ref().map(|model| model.fallbacks().to_vec()).unwrap_or_default();
    let catalog = Catalog::new(providers, agents, default_agent, default_model(settings)).with_fallbacks(fallbacks);
    warn_of_unknown_fallbacks(&catalog, settings);
    Ok(catalog)
}

/// The configured default; else OpenAI's where only its key is known. What lists models goes by itself.
fn default_model(settings: &Live) -> Option<String> {
    let configured = settings.agents.defaults.model.as_ref().map(|model| model.primary().to_owned());
    let lists_some = settings.providers.values().any(|provider| !provider.models.is_empty());
    let has_openai = settings.providers.contains_key("openai");
    configured.or_else(|| (!lists_some && has_openai).then(|| OPENAI_MODEL.to_owned()))
}

fn openai(id: &str, provider: &file::Provider, client: HttpClient) -> Result<OpenAi, Fatal> {
    let file::Provider { base_url, api_key, api, models } = provider;
    match api {
        Api::OpenaiCompletions => {}
        Api::OpenaiResponses | Api::AnthropicMessages => {
            return Err(Fatal::Config(format!(
                "models.providers.{id}.api: this version speaks \"openai-completions\" only"
            )));
        }
    }
    let mut settings = claw_providers::Settings::new(id, base_url.as_str());
    settings.api_key = api_key.as_ref().map(|key| key.secret());
    settings.models = models.iter().map(model).collect();
    OpenAi::new(settings, client).map_err(|error| Fatal::Config(format!("models.providers.{id}: {error}")))
}

fn model(model: &file::Model) -> ModelInfo {
    let file::Model { id, name, context_window, max_tokens: _ } = model;
    let context_tokens = context_window.map(|tokens| u32::try_from(tokens.get()).unwrap_or(u32::MAX));
    ModelInfo { display_name: name.clone(), context_tokens, ..ModelInfo::named(id) }
}

fn profile(agent: &file::Agent, settings: &Live) -> Result<AgentProfile, Fatal> {
    Ok(AgentProfile {
        id: agent_id(agent)?,
        name: agent.name.clone(),
        system_prompt: agent.system_prompt.clone().or_else(|| settings.agents.defaults.system_prompt.clone()),
        model: agent.model.as_ref().map(|model| model.primary().to_owned()),
        fallbacks: agent.model.as_ref().map(|model| model.fallbacks().to_vec()).unwrap_or_default(),
    })
}

/// A fallback nobody has is passed over when it is needed, so it is told of here.
fn warn_of_unknown_fallbacks(catalog: &Catalog, settings: &Live) {
    let choices = settings.agents.list.iter().filter_map(|agent| agent.model.as_ref());
    for fallback in settings.agents.defaults.model.iter().chain(choices).flat_map(ModelChoice::fallbacks) {
        let agent = catalog.agent(catalog.default_agent());
        if let Some(Err(unknown)) = agent.map(|agent| catalog.resolve(Some(fallback), agent)) {
            tracing::warn!("configuration: a fallback of agents is passed over: {unknown}");
        }
    }
}

fn agent_id(agent: &file::Agent) -> Result<AgentId, Fatal> {
    AgentId::parse(agent.id.as_str()).map_err(|error| Fatal::Config(format!("agents.list: {error}")))
}

/// The embedded model, last: it serves where nothing else is configured.
fn embedded(settings: &Fixed) -> Result<Option<Arc<dyn Provider>>, Fatal> {
    let file::Embedded { enabled, model, path, threads, idle_unload_seconds, context_tokens } = &settings.embedded;
    if !*enabled || !Engine::is_built() {
        return Ok(None);
    }
    let mut embedded = claw_embedded::Settings {
        idle_unload: Some(Duration::from_secs(idle_unload_seconds.get())).filter(|idle| !idle.is_zero()),
        context_tokens_max: u32::try_from(context_tokens.get()).unwrap_or(u32::MAX),
        threads: threads.and_then(|threads| std::num::NonZeroUsize::new(usize::try_from(threads.get()).ok()?)),
        ..claw_embedded::Settings::default()
    };
    if let Some(model) = path.clone().or_else(|| model.clone()) {
        embedded.model = model;
    }
    let engine = Engine::start(&embedded).map_err(|error| {
        Fatal::other(format!("no thread for the embedded model: {error}"), "set embedded.enabled to false")
    })?;
    Ok(Some(Arc::new(EmbeddedProvider::new(engine, Folder::new(&settings.models_dir), &embedded))))
}
