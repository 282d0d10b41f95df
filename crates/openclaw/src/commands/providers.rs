//! `openclaw providers`: who is configured to answer, and whether they do.
//!
//! Works without a gateway: each key is tried by itself with one tiny question, so that a
//! forgotten one is found before a fallback hides it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use claw_core::message::Message;
use claw_core::provider::{ModelEvent, ModelRequest, Provider, ProviderError, Sampling, ToolChoice};
use futures::StreamExt as _;
use serde::Serialize;

use super::Context;
use super::config::{print, print_json};
use super::gateway::client_settings;
use super::terminal::table;
use crate::client;
use crate::compose::{self, Source};
use crate::config::settings::Settings;
use crate::exit::Fatal;

/// Not every provider answered.
const FAILED: u8 = 70;

/// Longest wait for the whole of a tiny answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// As few as every protocol takes.
const ANSWER_TOKENS: u32 = 16;

/// Arguments of `openclaw providers`.
#[derive(Debug, Args)]
pub(crate) struct Providers {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the configured providers, those found in the environment included, and executors
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask each provider, with each of its keys, and each executor one tiny question
    Test {
        /// Only this one
        id: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs `openclaw providers`.
pub(crate) fn run(providers: Providers, context: &Context) -> Result<ExitCode, Fatal> {
    let settings = client_settings(context)?;
    match providers.action {
        Action::List { json } => list(&settings, json),
        Action::Test { id, json } => test(&settings, id.as_deref(), json),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    id: &'a str,
    base_url: &'a str,
    api: &'static str,
    keys: usize,
    models: usize,
}

fn list(settings: &Settings, json: bool) -> Result<ExitCode, Fatal> {
    let listed = settings.live.providers.iter().map(|(id, provider)| Listed {
        id,
        base_url: provider.base_url.as_str(),
        api: provider.api.as_str(),
        keys: provider.api_key.iter().chain(&provider.api_keys).filter(|key| !key.is_blank()).count(),
        models: provider.models.len(),
    });
    let executors = settings.live.executors.iter().map(|(id, executor)| Listed {
        id,
        base_url: executor.url.as_str(),
        api: "executor",
        keys: executor.token.iter().filter(|token| !token.is_blank()).count(),
        models: 1,
    });
    let listed: Vec<Listed<'_>> = listed.chain(executors).collect();
    if json {
        return print_json(&listed);
    }
    if listed.is_empty() {
        return print("none is configured: set a key such as OPENAI_API_KEY, or add one under models.providers");
    }
    let row = |provider: Listed<'_>| {
        let Listed { id, base_url, api, keys, models } = provider;
        let models = if models == 0 { "any".to_owned() } else { models.to_string() };
        vec![id.to_owned(), base_url.to_owned(), api.to_owned(), keys.to_string(), models]
    };
    print(&table(&["PROVIDER", "ADDRESS", "API", "KEYS", "MODELS"], listed.into_iter().map(row).collect()))
}

/// How one key of one provider did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tried {
    provider: String,
    /// From 1.
    key: usize,
    model: Option<String>,
    ok: bool,
    latency_ms: Option<u64>,
    error: Option<String>,
    /// What can be done about it.
    fix: Option<String>,
}

fn test(settings: &Settings, only: Option<&str>, json: bool) -> Result<ExitCode, Fatal> {
    let sources = compose::sources(settings)?;
    let sources: Vec<Source> =
        sources.into_iter().filter(|source| only.is_none_or(|id| id == source.provider.id())).collect();
    if sources.is_empty() {
        return Err(match only {
            Some(id) => Fatal::asked(format!("there is no provider {id:?}"), "see `openclaw providers list`"),
            None => Fatal::asked(
                "no provider is configured",
                "set a key such as OPENAI_API_KEY, or add one under models.providers",
            ),
        });
    }
    let tried = client::block_on(async {
        Ok(futures::stream::iter(sources).map(attempt).buffered(8).collect::<Vec<Tried>>().await)
    })?;
    let answer = if tried.iter().all(|tried| tried.ok) { ExitCode::SUCCESS } else { ExitCode::from(FAILED) };
    if json {
        print_json(&tried)?;
        return Ok(answer);
    }
    let row = |tried: Tried| {
        let Tried { provider, key, model, ok, latency_ms, error, fix } = tried;
        let state = if ok { "ok" } else { "failed" }.to_owned();
        let latency = latency_ms.map_or_else(|| "-".to_owned(), |millis| format!("{millis} ms"));
        let said = [error, fix].into_iter().flatten().collect::<Vec<_>>().join("; ");
        vec![provider, key.to_string(), model.unwrap_or_else(|| "-".to_owned()), state, latency, said]
    };
    print(&table(&["PROVIDER", "KEY", "MODEL", "STATE", "LATENCY", ""], tried.into_iter().map(row).collect()))?;
    Ok(answer)
}

async fn attempt(source: Source) -> Tried {
    let Source { provider, key, model, path } = source;
    let id = provider.id().to_owned();
    let failed = |model, error: String, fix: Option<String>| {
        let provider = id.clone();
        Tried { provider, key, model, ok: false, latency_ms: None, error: Some(error), fix }
    };
    let Some(model) = model else {
        let fix = format!("list one under {path}.models");
        return failed(None, "no model of it is known".to_owned(), Some(fix));
    };
    let began = Instant::now();
    match tokio::time::timeout(PATIENCE, answer(&*provider, &model)).await {
        Ok(Ok(())) => {
            let latency_ms = u64::try_from(began.elapsed().as_millis()).ok();
            Tried { provider: id, key, model: Some(model), ok: true, latency_ms, error: None, fix: None }
        }
        Ok(Err(error)) => {
            let fix = fix(&path, &error);
            failed(Some(model), error.to_string(), fix)
        }
        Err(_elapsed) => failed(Some(model), format!("no whole answer within {} s", PATIENCE.as_secs()), None),
    }
}

/// Asks, and reads to the end.
async fn answer(provider: &dyn Provider, model: &str) -> Result<(), ProviderError> {
    let mut events = provider.stream(ModelRequest {
        model: model.to_owned(),
        messages: [Message::user("Say ok.")].into(),
        tools: [].into(),
        tool_choice: ToolChoice::Auto,
        sampling: Sampling { max_tokens: Some(ANSWER_TOKENS), ..Sampling::default() },
        thinking: None,
        conversation: String::new(),
        stream: false,
    });
    while let Some(event) = events.next().await {
        if let ModelEvent::Done(_) = event? {
            return Ok(());
        }
    }
    let cause = "the answer ended without saying that it was finished".to_owned();
    Err(ProviderError::Interrupted { provider: provider.id().to_owned(), cause })
}

fn fix(key: &str, error: &ProviderError) -> Option<String> {
    let is_executor = key.starts_with("executors.");
    let (address, secret) = if is_executor { ("url", "token") } else { ("baseUrl", "apiKey") };
    Some(match error {
        ProviderError::Unreachable { .. } | ProviderError::Timeout { .. } => {
            format!("see that it runs, and that {key}.{address} is right")
        }
        ProviderError::Status { status: 401 | 403, .. } => format!("put a key that is valid into {key}.{secret}"),
        ProviderError::Status { status: 402, .. } => "top up the account".to_owned(),
        ProviderError::Status { status: 404, .. } if is_executor => {
            format!("see that {key}.agentId is an agent there, and that its chat completions are enabled")
        }
        ProviderError::Status { status: 404 | 300..=399, .. } => {
            format!("see that {key}.baseUrl ends as its documentation says (often /v1), and that it has the model")
        }
        ProviderError::Status { status: 429, .. } if is_executor => "wait: it has as many runs as it takes".to_owned(),
        ProviderError::Status { status: 429, .. } => format!("wait, or add a key to {key}.apiKeys"),
        ProviderError::Interrupted { .. } if is_executor => return None,
        ProviderError::Interrupted { .. } => format!("see that {key}.api is the protocol it speaks"),
        ProviderError::Status { .. }
        | ProviderError::Busy { .. }
        | ProviderError::SetAside { .. }
        | ProviderError::Unsupported { .. } => return None,
    })
}
