//! `openclaw models test`: one tiny question, and how fast the answer came.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use claw_agent::catalog::Resolved;
use claw_core::message::Message;
use claw_core::provider::{ModelEvent, ModelRequest, ProviderError, Sampling, ToolChoice};
use futures::StreamExt as _;
use serde::Serialize;

use crate::client;
use crate::commands::config::{print, print_json};
use crate::compose;
use crate::config::settings::Settings;
use crate::exit::Fatal;

/// Longest wait for the whole of a tiny answer; the embedded model may have to be loaded first.
const PATIENCE: Duration = Duration::from_mins(2);

/// Long enough to be measured.
const ANSWER_TOKENS: u32 = 64;

/// The answer was not whole.
const FAILED: u8 = 70;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tested {
    /// `<provider>/<model>`.
    model: String,
    ok: bool,
    /// Until the first text or thought, in milliseconds.
    first_token_ms: Option<u64>,
    total_ms: u64,
    output_tokens: u64,
    /// After the first.
    tokens_per_second: Option<f64>,
    text: String,
    error: Option<String>,
}

/// Asks the model of that name, or the one the default agent uses.
pub(super) fn test(settings: &Settings, model: Option<&str>, json: bool) -> Result<ExitCode, Fatal> {
    let tested = client::block_on(async {
        let chosen = compose::chosen(settings, model)?;
        let tested = ask(&chosen).await;
        Ok(tested)
    })?;
    let answer = if tested.ok { ExitCode::SUCCESS } else { ExitCode::from(FAILED) };
    if json {
        print_json(&tested)?;
        return Ok(answer);
    }
    let Tested { model, ok: _, first_token_ms, total_ms, output_tokens, tokens_per_second, text, error } = tested;
    let shown = |number: Option<String>| number.unwrap_or_else(|| "-".to_owned());
    let first = shown(first_token_ms.map(|millis| format!("{millis} ms")));
    let speed = shown(tokens_per_second.map(|speed| format!("{speed:.1} tokens/s")));
    match error {
        Some(error) => Err(Fatal::other(
            format!("{model} failed after {total_ms} ms: {error}"),
            "`openclaw providers test` says what can be done",
        )),
        None => print(&format!(
            "{model} answered {:?}\nfirst token {first}, {output_tokens} tokens in {total_ms} ms, {speed}",
            text.trim()
        )),
    }
}

async fn ask(chosen: &Resolved) -> Tested {
    let began = Instant::now();
    let mut tested = Tested { model: chosen.full_name(), ..Tested::default() };
    let ended = tokio::time::timeout(PATIENCE, listen(chosen, began, &mut tested)).await;
    tested.error = match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_elapsed) => Some(format!("no whole answer within {} s", PATIENCE.as_secs())),
    };
    tested.ok = tested.error.is_none();
    tested.total_ms = millis(began.elapsed());
    let writing = tested.first_token_ms.map(|first| tested.total_ms.saturating_sub(first)).filter(|spent| *spent > 0);
    let rest = u32::try_from(tested.output_tokens.saturating_sub(1)).unwrap_or(u32::MAX);
    tested.tokens_per_second = writing
        .filter(|_| rest > 0)
        .and_then(|spent| Some(f64::from(rest) * 1000.0 / f64::from(u32::try_from(spent).ok()?)));
    tested
}

async fn listen(chosen: &Resolved, began: Instant, tested: &mut Tested) -> Result<(), ProviderError> {
    let mut events = chosen.provider.stream(ModelRequest {
        model: chosen.model.clone(),
        messages: [Message::user("Count from one to ten.")].into(),
        tools: [].into(),
        tool_choice: ToolChoice::Auto,
        sampling: Sampling { max_tokens: Some(ANSWER_TOKENS), ..Sampling::default() },
        thinking: None,
        conversation: String::new(),
        stream: true,
    });
    while let Some(event) = events.next().await {
        match event? {
            ModelEvent::Text(text) | ModelEvent::Refusal(text) => {
                tested.first_token_ms.get_or_insert_with(|| millis(began.elapsed()));
                tested.text.push_str(&text);
            }
            ModelEvent::Thinking(_) => {
                tested.first_token_ms.get_or_insert_with(|| millis(began.elapsed()));
            }
            ModelEvent::Usage(usage) => tested.output_tokens = usage.output_tokens,
            ModelEvent::Done(_) => return Ok(()),
            _ => {}
        }
    }
    let cause = "the answer ended without saying that it was finished".to_owned();
    Err(ProviderError::Interrupted { provider: chosen.provider.id().to_owned(), cause })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
