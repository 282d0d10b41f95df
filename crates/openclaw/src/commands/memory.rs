//! `openclaw memory`: what agents remember.

use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::config::print;
use super::health::once;
use super::terminal::{Terminal, cell, note, table, time};
use crate::client::answers::{FoundMemories, FoundMemory, MemoryList, OneMemory};
use crate::client::{Reach, Target};
use crate::exit::Fatal;

/// Arguments of `openclaw memory`.
#[derive(Debug, Args)]
pub(crate) struct Memory {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Args)]
struct Common {
    /// Print the gateway's answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
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
        common: Common,
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
        common: Common,
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
        common: Common,
    },
    /// Show a stored memory whole
    Get {
        /// Its id, as `openclaw memory list` shows it
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Forget a stored memory
    Rm {
        /// Its id, as `openclaw memory list` shows it
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

/// Runs `openclaw memory`.
pub(crate) fn run(memory: Memory, context: &Context) -> Result<ExitCode, Fatal> {
    match memory.action {
        Action::Search { query, agent, limit, common } => {
            let params = json!({"query": query.join(" "), "agentId": agent, "maxResults": limit});
            search(&params, context, &common)
        }
        Action::Add { text, agent, common } => {
            let target = Target::find(context, &common.reach)?;
            let payload = once(&target, "memory.add", &json!({"text": text, "agentId": agent}))?;
            if common.json {
                return print(&payload.pretty());
            }
            let OneMemory { memory } = payload.read()?;
            print(&memory.id)
        }
        Action::List { agent, limit, cursor, common } => {
            list(&json!({"agentId": agent, "limit": limit, "cursor": cursor}), context, &common)
        }
        Action::Get { id, common } => {
            let payload = once(&Target::find(context, &common.reach)?, "memory.get", &json!({"id": id}))?;
            if common.json {
                return print(&payload.pretty());
            }
            let OneMemory { memory } = payload.read()?;
            print(&Terminal::of(&context.environment).shown(&memory.text))
        }
        Action::Rm { id, common } => {
            let payload = once(&Target::find(context, &common.reach)?, "memory.delete", &json!({"id": id}))?;
            if common.json { print(&payload.pretty()) } else { print(&format!("{id} is forgotten")) }
        }
    }
}

fn search(params: &serde_json::Value, context: &Context, common: &Common) -> Result<ExitCode, Fatal> {
    let payload = once(&Target::find(context, &common.reach)?, "memory.search", params)?;
    if common.json {
        return print(&payload.pretty());
    }
    let FoundMemories { results } = payload.read()?;
    if results.is_empty() {
        note("nothing like it is remembered");
        return Ok(ExitCode::SUCCESS);
    }
    let row = |FoundMemory { citation, score, snippet }| vec![cell(&citation), format!("{score:.2}"), cell(&snippet)];
    print(&table(&["WHERE", "SCORE", "WHAT"], results.into_iter().map(row).collect()))
}

fn list(params: &serde_json::Value, context: &Context, common: &Common) -> Result<ExitCode, Fatal> {
    let payload = once(&Target::find(context, &common.reach)?, "memory.list", params)?;
    if common.json {
        return print(&payload.pretty());
    }
    let MemoryList { memories, next_cursor } = payload.read()?;
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
