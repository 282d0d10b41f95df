//! `openclaw sessions`: the conversations, and what was said in one.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use claw_core::Timestamp;
use serde_json::json;

use super::Context;
use super::config::print;
use super::health::once;
use super::terminal::{Colour, Terminal, cell, harmless, note, table, time};
use crate::client::answers::{History, HistoryMessage, Session, SessionList};
use crate::client::{Reach, Target};
use crate::exit::Fatal;

/// Arguments of `openclaw sessions`.
#[derive(Debug, Args)]
pub(crate) struct Sessions {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the conversations, the latest first
    List {
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Print the gateway's answer as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Print what was said in a conversation
    History {
        /// Its key, as `openclaw sessions list` shows it
        key: String,
        /// How many messages at most, the latest
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Print the gateway's answer as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
}

/// Runs `openclaw sessions`.
pub(crate) fn run(sessions: Sessions, context: &Context) -> Result<ExitCode, Fatal> {
    match sessions.action {
        Action::List { limit, json, reach } => list(&Target::find(context, &reach)?, limit, json),
        Action::History { key, limit, json, reach } => {
            let payload =
                once(&Target::find(context, &reach)?, "sessions.history", &json!({"sessionKey": key, "limit": limit}))?;
            if json { print(&payload.pretty()) } else { history(&payload.read()?, Terminal::of(&context.environment)) }
        }
    }
}

fn list(target: &Target, limit: u32, json: bool) -> Result<ExitCode, Fatal> {
    let payload = once(target, "sessions.list", &json!({"limit": limit}))?;
    if json {
        return print(&payload.pretty());
    }
    let SessionList { sessions, has_more } = payload.read()?;
    if sessions.is_empty() {
        note("no conversations yet; `openclaw agent --message \"Hello\"` begins one");
        return Ok(ExitCode::SUCCESS);
    }
    let answer = print(&table(
        &["KEY", "UPDATED (UTC)", "MESSAGES", "TOKENS", "MODEL"],
        sessions.into_iter().map(row).collect(),
    ))?;
    if has_more {
        note("there are more; see --limit");
    }
    Ok(answer)
}

fn row(session: Session) -> Vec<String> {
    let Session { key, updated_at, message_count, total_tokens, model_provider, model } = session;
    let model = match (model_provider, model) {
        (Some(provider), Some(model)) => format!("{provider}/{model}"),
        (_, model) => model.unwrap_or_default(),
    };
    let updated = time(&Timestamp::from_millis(updated_at).to_string());
    vec![key, updated, message_count.to_string(), total_tokens.to_string(), model]
}

fn history(history: &History, terminal: Terminal) -> Result<ExitCode, Fatal> {
    if history.messages.is_empty() {
        note("nothing was said there yet");
    }
    for HistoryMessage { role, content, timestamp, tool_calls } in &history.messages {
        let head = terminal.paint(Colour::Faint, &format!("{} {}", time(timestamp), cell(role)));
        let calls: Vec<String> = tool_calls.iter().map(|call| format!("[calls {}]", cell(&call.name))).collect();
        let content = if terminal.is_output_shown { harmless(content) } else { content.clone() };
        let parts: Vec<String> = [content].into_iter().chain(calls).filter(|part| !part.is_empty()).collect();
        print(&format!("{head}\n{}\n", parts.join("\n")))?;
    }
    Ok(ExitCode::SUCCESS)
}
