//! A conversation becomes the tokens of a prompt.

use llama_cpp_2::model::{LlamaChatMessage, LlamaChatTemplate, LlamaModel};
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;
use tracing::debug;

use crate::chat::{self, Part};
use crate::engine::EngineError;
use crate::message::{Message, Role};

/// What the model is told when the conversation tells it nothing.
///
/// Found by experiment: with the prompt of SmolLM2's own template ("You are a helpful AI assistant
/// named SmolLM…") the capital of France comes out wrong; so it does with "friendly" for "helpful".
/// It promises no tools.
const SYSTEM_PROMPT: &str = "You are a helpful assistant. Answer briefly, clearly and correctly.";

/// Markup tokens a foreign template may put around one message; an estimate, checked afterwards.
const FOREIGN_MARKUP_TOKENS: usize = 16;

/// How messages are marked up.
pub(super) enum Template {
    /// `<|im_start|>role … <|im_end|>`: SmolLM2, Qwen and many others.
    ChatMl,
    /// The one in the model file, rendered by llama.cpp.
    Foreign(LlamaChatTemplate),
}

impl Template {
    /// ChatML where the model has its control tokens, or nothing better of its own.
    pub(super) fn of(model: &LlamaModel) -> Self {
        let vocabulary = model.vocab();
        let is_token = |text: &str| vocabulary.tokenize(text.as_bytes(), false, true).len() == 1;
        match model.chat_template(None) {
            Ok(own) if !(is_token("<|im_start|>") && is_token("<|im_end|>")) => Self::Foreign(own),
            _ => Self::ChatMl,
        }
    }
}

/// Renders as much of `messages` as fits `budget_tokens`, inviting the model to speak.
///
/// Errors: [`EngineError::PromptTooLong`] when the system prompt and everything from the last
/// user message on do not fit; [`EngineError::Failed`] when the model's template is unusable.
pub(super) fn tokens(
    model: &LlamaModel,
    template: &Template,
    messages: &[Message],
    budget_tokens: usize,
) -> Result<Vec<LlamaToken>, EngineError> {
    let vocabulary = model.vocab();
    let mut messages = messages.to_vec();
    if messages.iter().all(|message| message.role != Role::System) {
        messages.insert(0, Message { role: Role::System, text: SYSTEM_PROMPT.to_owned() });
    }
    let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
    let costs: Vec<usize> = messages.iter().map(|message| cost(&vocabulary, template, message)).collect();
    let frame = frame_tokens(&vocabulary);
    let left_out = chat::cut(&roles, &costs, budget_tokens.saturating_sub(frame.len()))
        .map_err(|too_long| EngineError::PromptTooLong { prompt_tokens: too_long.tokens, tokens_max: budget_tokens })?;
    if !left_out.is_empty() {
        debug!(messages = left_out.len(), "the oldest messages do not fit the context and are left out");
    }
    let kept: Vec<&Message> = messages
        .iter()
        .enumerate()
        .filter(|(index, message)| !left_out.contains(index) || message.role == Role::System)
        .map(|(_, message)| message)
        .collect();
    let parts = match template {
        Template::ChatMl => kept.into_iter().flat_map(chat::chatml).chain(chat::chatml_invitation()).collect(),
        Template::Foreign(own) => foreign(model, own, &kept)?,
    };
    let tokens = tokenize(&vocabulary, &parts);
    if tokens.len() > budget_tokens {
        return Err(EngineError::PromptTooLong { prompt_tokens: tokens.len(), tokens_max: budget_tokens });
    }
    Ok(tokens)
}

fn cost(vocabulary: &LlamaVocab<'_>, template: &Template, message: &Message) -> usize {
    match template {
        Template::ChatMl => chat::chatml(message).iter().map(|part| part_tokens(vocabulary, part).len()).sum(),
        Template::Foreign(_) => {
            part_tokens(vocabulary, &Part::Text(message.text.clone())).len() + FOREIGN_MARKUP_TOKENS
        }
    }
}

/// Tokens every prompt has beside its messages.
fn frame_tokens(vocabulary: &LlamaVocab<'_>) -> Vec<LlamaToken> {
    tokenize(vocabulary, &chat::chatml_invitation())
}

fn tokenize(vocabulary: &LlamaVocab<'_>, parts: &[Part]) -> Vec<LlamaToken> {
    let mut tokens: Vec<LlamaToken> = parts.iter().flat_map(|part| part_tokens(vocabulary, part)).collect();
    let first = vocabulary.bos();
    if vocabulary.should_add_bos() && tokens.first() != Some(&first) {
        tokens.insert(0, first);
    }
    tokens
}

fn part_tokens(vocabulary: &LlamaVocab<'_>, part: &Part) -> Vec<LlamaToken> {
    match part {
        Part::Markup(markup) => vocabulary.tokenize(markup.as_bytes(), false, true),
        Part::Text(text) => vocabulary.tokenize(text.as_bytes(), false, false),
    }
}

/// Renders the model's own template around marks, so that the words stay apart from the markup.
fn foreign(model: &LlamaModel, own: &LlamaChatTemplate, messages: &[&Message]) -> Result<Vec<Part>, EngineError> {
    let unusable = |reason: String| EngineError::Failed { reason: format!("the model's chat template: {reason}") };
    let marks: Vec<String> = (0..messages.len()).map(|index| format!("\u{1}{index}\u{1}")).collect();
    let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
    let marked: Vec<LlamaChatMessage> = messages
        .iter()
        .zip(&marks)
        .map(|(message, mark)| LlamaChatMessage::new(message.role.word().to_owned(), mark.clone()))
        .collect::<Result<_, _>>()
        .map_err(|refused| unusable(refused.to_string()))?;
    let rendered = model.apply_chat_template(own, &marked, true).map_err(|refused| unusable(refused.to_string()))?;
    Ok(chat::split_at_marks(&rendered, &marks, &texts))
}
