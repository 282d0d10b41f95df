//! `openclaw sessions`: the conversations, what was said in one, and what can be done with one.

mod change;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use claw_core::Timestamp;
use serde_json::json;

use super::Context;
use super::asking::Asking;
use super::config::print;
use super::terminal::{Colour, Terminal, cell, harmless, note, table, time};
use crate::client::answers::{History, HistoryMessage, Session, SessionList};
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
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Those of this agent only
        #[arg(long)]
        agent: Option<String>,
        /// Those whose key or label contains this only
        #[arg(long)]
        search: Option<String>,
        /// Go on where an earlier list ended
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Show one conversation
    Get(change::One),
    /// Make a conversation
    Create(change::Create),
    /// Change a conversation's name and settings
    Update(change::Update),
    /// Let a conversation begin anew; what was said is no longer shown
    Reset(change::One),
    /// Delete a conversation and everything that was said in it
    Delete(change::One),
    /// Show the model the last messages of a conversation only
    Compact {
        #[command(flatten)]
        one: change::One,
        /// How many messages to keep
        #[arg(long, default_value_t = 100)]
        keep: u64,
    },
    /// Print what was said in a conversation
    History {
        /// Its key, as `openclaw sessions list` shows it
        key: String,
        /// How many messages at most, the latest
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Runs `openclaw sessions`.
pub(crate) fn run(sessions: Sessions, context: &Context) -> Result<ExitCode, Fatal> {
    match sessions.action {
        Action::List { limit, agent, search, cursor, asking } => {
            let params = json!({"limit": limit, "agentId": agent, "search": search, "cursor": cursor});
            asking.answered(context, "sessions.list", &params, list)
        }
        Action::Get(one) => change::get(&one, context),
        Action::Create(create) => change::create(&create, context),
        Action::Update(update) => change::update(&update, context),
        Action::Reset(one) => change::reset(&one, context),
        Action::Delete(one) => change::delete(&one, context),
        Action::Compact { one, keep } => change::compact(&one, keep, context),
        Action::History { key, limit, asking } => {
            let terminal = Terminal::of(&context.environment);
            let params = json!({"sessionKey": key, "limit": limit});
            asking.answered(context, "sessions.history", &params, |said| history(&said, terminal))
        }
    }
}

fn list(SessionList { sessions, next_cursor, total_count }: SessionList) -> Result<ExitCode, Fatal> {
    if sessions.is_empty() && total_count == Some(0) {
        note("no conversations yet; `openclaw agent --message \"Hello\"` begins one");
        return Ok(ExitCode::SUCCESS);
    }
    let answer = print(&table(
        &["KEY", "LABEL", "UPDATED (UTC)", "MESSAGES", "TOKENS", "MODEL"],
        sessions.into_iter().map(row).collect(),
    ))?;
    if let Some(cursor) = next_cursor {
        note(&format!("there may be more: --cursor {cursor}"));
    }
    Ok(answer)
}

fn row(session: Session) -> Vec<String> {
    let Session { key, label, updated_at, message_count, total_tokens, model_provider, model, .. } = session;
    let model = full_name(model_provider, model);
    let updated = time(&Timestamp::from_millis(updated_at).to_string());
    vec![
        key,
        label.map_or_else(String::new, |label| cell(&label)),
        updated,
        message_count.to_string(),
        total_tokens.to_string(),
        model,
    ]
}

/// `<provider>/<model>`.
fn full_name(provider: Option<String>, model: Option<String>) -> String {
    match (provider, model) {
        (Some(provider), Some(model)) => format!("{provider}/{model}"),
        (_, model) => model.unwrap_or_default(),
    }
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
