//! The embedded model as a [`Provider`].
//!
//! It has no tools, sees no images and promises no output format, and says so instead of
//! pretending: [`ModelInfo::tools`] is false, and a request that insists is
//! [`ProviderError::Unsupported`]. Tools that are merely offered are left unused.
//!
//! Surprise: a client's model name is looked up inside the models folder only; the configured
//! default may be any path, since the owner wrote it.

use std::future::ready;
use std::path::PathBuf;

use claw_core::message as core_message;
use claw_core::message::Part;
use claw_core::provider as port;
use claw_core::provider::{ModelEvent, ModelInfo, ModelRequest, Price, Provider, ProviderError, ToolChoice};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryFutureExt as _, TryStreamExt as _};
use serde::Deserialize;

use crate::engine::{Engine, EngineError, Event, Events, Finish, FinishReason, Request, Sampling};
use crate::message::{Message, Role};
use crate::models::{CATALOGUE, Folder};
use crate::settings::Settings;

/// The provider's name, as in `embedded/smollm2-135m`.
pub const PROVIDER_ID: &str = "embedded";

/// The embedded model behind the provider port. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EmbeddedProvider {
    engine: Engine,
    folder: Folder,
    default_model: String,
    context_tokens_max: u32,
}

impl EmbeddedProvider {
    /// A provider on `engine` with the models of `folder`.
    #[must_use]
    pub fn new(engine: Engine, folder: Folder, settings: &Settings) -> Self {
        let Settings { model, context_tokens_max, .. } = settings;
        Self { engine, folder, default_model: model.clone(), context_tokens_max: *context_tokens_max }
    }

    /// The default's file for the default's name, else a file inside the folder.
    fn path_of(&self, model: &str) -> Option<PathBuf> {
        if model == self.default_model || model.is_empty() {
            return self.folder.resolve(&self.default_model);
        }
        self.folder.path_of(model)
    }

    /// Queues the request.
    fn start(&self, request: &ModelRequest) -> Result<Events, ProviderError> {
        refuse_the_impossible(request)?;
        let no_such = || unsupported(format!("there is no model called `{}`", request.model));
        let model = self.path_of(&request.model).ok_or_else(no_such)?;
        let session = Some(request.conversation.clone()).filter(|name| !name.is_empty());
        let messages: Vec<Message> = request.messages.iter().filter_map(translate_message).collect();
        let sampling = translate_sampling(&request.sampling);
        self.engine.generate(Request { model, session, messages, sampling }).map_err(translate_error)
    }
}

/// A model of this machine: it reads and answers, and costs nothing.
fn own(name: &str) -> ModelInfo {
    let (no, free) = (Some(false), Some(Price::default()));
    ModelInfo { tools: false, images: no, thinking: no, price: free, ..ModelInfo::named(name) }
}

impl Provider for EmbeddedProvider {
    fn id(&self) -> &str {
        PROVIDER_ID
    }

    fn models(&self) -> Vec<ModelInfo> {
        if !Engine::is_built() {
            return Vec::new();
        }
        let mut models: Vec<ModelInfo> = CATALOGUE
            .iter()
            .map(|entry| ModelInfo {
                display_name: Some(entry.title.to_owned()),
                context_tokens: Some(entry.context_tokens.min(self.context_tokens_max)),
                ..own(entry.name)
            })
            .collect();
        if models.iter().all(|model| model.name != self.default_model) {
            let name = self.default_model.clone();
            models.push(own(&name));
        }
        models
    }

    fn stream(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        let provider = self.clone();
        let wants_pieces = request.stream;
        let started = stream::once(async move { provider.start(&request) });
        let events = started.map_ok(|events| events.map_err(translate_error)).try_flatten();
        if wants_pieces { events.map_ok(translate_event).map(spread).flatten().boxed() } else { whole(events).boxed() }
    }
}

/// Refuses what cannot be done, before the queue.
fn refuse_the_impossible(request: &ModelRequest) -> Result<(), ProviderError> {
    match &request.tool_choice {
        ToolChoice::Auto | ToolChoice::None => {}
        ToolChoice::Required | ToolChoice::Named(_) => {
            return Err(unsupported("the embedded model has no tools; choose another model for this"));
        }
    }
    if request.sampling.response_format.as_ref().is_some_and(|format| !is_plain_text(format.as_str())) {
        return Err(unsupported("the embedded model promises no output format; choose another model for this"));
    }
    let is_image = |part: &Part| matches!(part, Part::Image { .. } | Part::File { .. });
    match request.messages.last() {
        Some(core_message::Message::User { content }) if content.iter().any(is_image) => {
            Err(unsupported("the embedded model sees no images and files; choose another model for this"))
        }
        Some(_) => Ok(()),
        None => Err(unsupported("a request needs a message")),
    }
}

/// Whether OpenAI's `response_format` asks for nothing special.
fn is_plain_text(response_format: &str) -> bool {
    /// The only field that matters.
    #[derive(Deserialize)]
    struct Format {
        r#type: String,
    }
    serde_json::from_str::<Format>(response_format).is_ok_and(|format| format.r#type == "text")
}

fn translate_message(message: &core_message::Message) -> Option<Message> {
    let role = match message {
        core_message::Message::System { .. } => Role::System,
        core_message::Message::User { .. } | core_message::Message::Tool { .. } => Role::User,
        core_message::Message::Assistant { .. } => Role::Assistant,
    };
    let text = String::from(message.text());
    // An assistant that only called tools said nothing this model could follow.
    if text.is_empty() && role == Role::Assistant { None } else { Some(Message { role, text }) }
}

fn translate_sampling(sampling: &port::Sampling) -> Sampling {
    let port::Sampling {
        temperature,
        top_p,
        max_tokens,
        stop,
        seed,
        presence_penalty,
        frequency_penalty,
        response_format: _,
        parallel_tool_calls: _,
        verbosity: _,
        reasoning_summary: _,
    } = sampling;
    Sampling {
        temperature: *temperature,
        top_p: *top_p,
        answer_tokens_max: *max_tokens,
        stop: stop.clone(),
        seed: seed.map(i64::cast_unsigned),
        presence_penalty: *presence_penalty,
        frequency_penalty: *frequency_penalty,
    }
}

fn translate_event(event: Event) -> Vec<ModelEvent> {
    match event {
        Event::Text(text) => vec![ModelEvent::Text(text)],
        Event::Finished(Finish { reason, usage }) => {
            let usage = port::Usage {
                input_tokens: u64::from(usage.prompt_tokens),
                output_tokens: u64::from(usage.answer_tokens),
                cached_tokens: u64::from(usage.cached_prompt_tokens),
                ..port::Usage::default()
            };
            let reason = match reason {
                FinishReason::Stop => port::FinishReason::Stop,
                FinishReason::Length => port::FinishReason::Length,
            };
            vec![ModelEvent::Usage(usage), ModelEvent::Done(reason)]
        }
    }
}

fn spread(
    events: Result<Vec<ModelEvent>, ProviderError>,
) -> impl futures::Stream<Item = Result<ModelEvent, ProviderError>> + Send {
    let events: Vec<_> = match events {
        Ok(events) => events.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    };
    stream::iter(events)
}

/// The same events with all the text in one.
fn whole(
    events: impl futures::Stream<Item = Result<Event, ProviderError>> + Send + 'static,
) -> impl futures::Stream<Item = Result<ModelEvent, ProviderError>> + Send {
    let gathered = events.try_fold((String::new(), Vec::new()), |(mut text, mut last), event| {
        match event {
            Event::Text(piece) => text.push_str(&piece),
            Event::Finished(_) => last = translate_event(event),
        }
        ready(Ok((text, last)))
    });
    let all = gathered.map_ok(|(text, last)| {
        let text = Some(text).filter(|text| !text.is_empty()).map(ModelEvent::Text);
        text.into_iter().chain(last).collect()
    });
    stream::once(all).map(spread).flatten()
}

fn unsupported(cause: impl Into<String>) -> ProviderError {
    ProviderError::Unsupported { provider: PROVIDER_ID.to_owned(), cause: cause.into() }
}

fn translate_error(error: EngineError) -> ProviderError {
    let provider = PROVIDER_ID.to_owned();
    match error {
        EngineError::Overloaded { waiting, retry_after } => {
            ProviderError::Busy { provider, waiting, retry_after: Some(retry_after) }
        }
        EngineError::Stopped => ProviderError::Unreachable { provider, cause: error.to_string() },
        EngineError::Failed { reason } => ProviderError::Interrupted { provider, cause: reason },
        EngineError::NotBuilt
        | EngineError::ModelMissing { .. }
        | EngineError::ModelUnusable { .. }
        | EngineError::ProcessorTooOld { .. }
        | EngineError::PromptTooLong { .. } => unsupported(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
