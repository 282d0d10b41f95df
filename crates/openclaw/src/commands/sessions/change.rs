//! What can be done with one conversation.

use std::process::ExitCode;

use clap::Args;
use claw_core::Timestamp;
use serde_json::{Map, Value, json};

use super::full_name;
use crate::client::answers::{Described, Session, SessionChanged};
use crate::commands::Context;
use crate::commands::asking::Asking;
use crate::commands::config::print;
use crate::commands::terminal::{cell, pairs, time};
use crate::exit::Fatal;

/// One conversation.
#[derive(Debug, Args)]
pub(super) struct One {
    /// Its key, as `openclaw sessions list` shows it
    key: String,
    #[command(flatten)]
    asking: Asking,
}

/// Arguments of `sessions create`.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Its key; a fresh one when absent
    key: Option<String>,
    /// Who answers in it
    #[arg(long)]
    agent: Option<String>,
    /// A message that begins a run in it
    #[arg(long)]
    message: Option<String>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    asking: Asking,
}

/// Arguments of `sessions update`.
#[derive(Debug, Args)]
pub(super) struct Update {
    /// Its key, as `openclaw sessions list` shows it
    key: String,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    asking: Asking,
}

/// What a conversation can be told to be; an empty text takes a setting away.
#[derive(Debug, Args)]
struct Settings {
    /// A name for people
    #[arg(long)]
    label: Option<String>,
    /// The model its runs use unless they name their own
    #[arg(long)]
    model: Option<String>,
    /// How much it reasons: off, minimal, low, medium or high
    #[arg(long)]
    thinking: Option<String>,
    /// How much of a run clients show: off, on or full
    #[arg(long)]
    verbose: Option<String>,
    /// Keep something of your own with it; several are possible
    #[arg(long, value_name = "NAME=VALUE", value_parser = entry)]
    metadata: Vec<(String, Value)>,
}

/// JSON where the value is JSON, else its text; nothing takes the entry away.
fn entry(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let value = match value {
        "" => Value::Null,
        value => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
    };
    Ok((name.to_owned(), value))
}

impl Settings {
    fn put(&self, params: &mut Map<String, Value>) {
        let Self { label, model, thinking, verbose, metadata } = self;
        for (name, value) in
            [("label", label), ("model", model), ("thinkingLevel", thinking), ("verboseLevel", verbose)]
        {
            params.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
        }
        if !metadata.is_empty() {
            params.insert("metadata".into(), metadata.iter().cloned().collect::<Map<_, _>>().into());
        }
    }
}

/// `sessions get`.
pub(super) fn get(one: &One, context: &Context) -> Result<ExitCode, Fatal> {
    let payload = one.asking.once(context, "sessions.describe", &json!({"key": one.key}))?;
    let Described { session } = payload.read()?;
    let Some(session) = session else {
        return Err(Fatal::asked(format!("there is no session {:?}", one.key), "see `openclaw sessions list`"));
    };
    if one.asking.json {
        return print(&payload.pretty());
    }
    let moment = |millis| time(&Timestamp::from_millis(millis).to_string());
    let Session {
        key,
        label,
        thinking_level,
        verbose_level,
        created_at,
        updated_at,
        message_count,
        total_tokens,
        model_provider,
        model,
    } = session;
    let shown = |text: Option<String>| text.map_or_else(|| "-".to_owned(), |text| cell(&text));
    print(&pairs(&[
        ("key", key),
        ("label", shown(label)),
        ("created", moment(created_at)),
        ("updated", moment(updated_at)),
        ("messages", message_count.to_string()),
        ("tokens", total_tokens.to_string()),
        ("last model", shown(Some(full_name(model_provider, model)).filter(|name| !name.is_empty()))),
        ("thinking", shown(thinking_level)),
        ("verbose", shown(verbose_level)),
    ]))
}

/// `sessions create`.
pub(super) fn create(create: &Create, context: &Context) -> Result<ExitCode, Fatal> {
    let Create { key, agent, message, settings, asking } = create;
    let mut params = Map::new();
    for (name, value) in [("key", key), ("agentId", agent), ("message", message)] {
        params.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
    }
    settings.put(&mut params);
    asking.answered(context, "sessions.create", &params, |SessionChanged { key, run_id, .. }| {
        print(&run_id.map_or(key.clone(), |run| format!("{key}: {run} has begun")))
    })
}

/// `sessions update`.
pub(super) fn update(update: &Update, context: &Context) -> Result<ExitCode, Fatal> {
    let Update { key, settings, asking } = update;
    let mut params = Map::from_iter([("key".to_owned(), json!(key))]);
    settings.put(&mut params);
    let said = |changed: SessionChanged| print(&format!("{} is changed", changed.key));
    asking.answered(context, "sessions.update", &params, said)
}

/// `sessions reset`.
pub(super) fn reset(one: &One, context: &Context) -> Result<ExitCode, Fatal> {
    let said = |changed: SessionChanged| print(&format!("{} begins anew", changed.key));
    one.asking.answered(context, "sessions.reset", &json!({"key": one.key}), said)
}

/// `sessions delete`.
pub(super) fn delete(one: &One, context: &Context) -> Result<ExitCode, Fatal> {
    let said = |changed: SessionChanged| match changed.deleted {
        true => print(&format!("{} is deleted", changed.key)),
        false => print(&format!("there was no {}", changed.key)),
    };
    one.asking.answered(context, "sessions.delete", &json!({"key": one.key}), said)
}

/// `sessions compact`.
pub(super) fn compact(one: &One, keep: u64, context: &Context) -> Result<ExitCode, Fatal> {
    let said = |changed: SessionChanged| match changed.compacted {
        true => print(&format!("{}: the model is shown the last {} messages", changed.key, changed.kept)),
        false => print(&format!("{}: the model is shown {} messages as before", changed.key, changed.kept)),
    };
    one.asking.answered(context, "sessions.compact", &json!({"key": one.key, "maxLines": keep}), said)
}
