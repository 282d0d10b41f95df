//! `openclaw memory`: what agents remember.

use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::asking::Asking;
use super::config::print;
use super::terminal::{Terminal, cell, note, table, time};
use crate::client::answers::{FoundMemories, FoundMemory, MemoryList, OneMemory};
use crate::exit::Fatal;

/// Arguments of `openclaw memory`.
#[derive(Debug, Args)]
pub(crate) struct Memory {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Find what an agent remembers, in stored memories and its notes
    Search {
        /// Words to look for
        #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
        query: Vec<String>,
        /// Whose [default: the default agent's]
        #[arg(long)]
        agent: Option<String>,
        /// Results at most
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        #[command(flatten)]
        asking: Asking,
    },
    /// Make an agent remember something
    Add {
        /// What; one fact, understandable by itself
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        text: String,
        /// Which agent [default: the default one]
        #[arg(long)]
        agent: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// List stored memories, newest first
    List {
        /// Whose [default: every agent's]
        #[arg(long)]
        agent: Option<String>,
        /// Memories at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Where an earlier list ended
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Show a stored memory whole
    Get {
        /// Its id, as `openclaw memory list` shows it
        id: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Forget a stored memory
    Rm {
        /// Its id, as `openclaw memory list` shows it
        id: String,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Runs `openclaw memory`.
pub(crate) fn run(memory: Memory, context: &Context) -> Result<ExitCode, Fatal> {
    let terminal = Terminal::of(&context.environment);
    match memory.action {
        Action::Search { query, agent, limit, asking } => {
            let params = json!({"query": query.join(" "), "agentId": agent, "maxResults": limit});
            asking.answered(context, "memory.search", &params, found)
        }
        Action::Add { text, agent, asking } => {
            let params = json!({"text": text, "agentId": agent});
            asking.answered(context, "memory.add", &params, |OneMemory { memory }| print(&memory.id))
        }
        Action::List { agent, limit, cursor, asking } => {
            let params = json!({"agentId": agent, "limit": limit, "cursor": cursor});
            asking.answered(context, "memory.list", &params, list)
        }
        Action::Get { id, asking } => {
            let show = |OneMemory { memory }| print(&terminal.shown(&memory.text));
            asking.answered(context, "memory.get", &json!({"id": id}), show)
        }
        Action::Rm { id, asking } => {
            asking.told(context, "memory.delete", &json!({"id": id}), &format!("{id} is forgotten"))
        }
    }
}

fn found(FoundMemories { results }: FoundMemories) -> Result<ExitCode, Fatal> {
    if results.is_empty() {
        note("nothing like it is remembered");
        return Ok(ExitCode::SUCCESS);
    }
    let row = |FoundMemory { citation, score, snippet }| vec![cell(&citation), format!("{score:.2}"), cell(&snippet)];
    print(&table(&["WHERE", "FITS", "WHAT"], results.into_iter().map(row).collect()))
}

fn list(MemoryList { memories, next_cursor }: MemoryList) -> Result<ExitCode, Fatal> {
    if memories.is_empty() {
        note("nothing is remembered; `openclaw memory add …` stores something");
        return Ok(ExitCode::SUCCESS);
    }
    let rows = memories
        .into_iter()
        .map(|memory| vec![memory.id, cell(&memory.agent_id), time(&memory.created_at), cell(&memory.text)]);
    let shown = print(&table(&["ID", "AGENT", "WRITTEN (UTC)", "WHAT"], rows.collect()))?;
    if let Some(cursor) = next_cursor {
        note(&format!("there are more: --cursor {cursor}"));
    }
    Ok(shown)
}
