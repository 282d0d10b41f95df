//! `openclaw approvals`: calls of agents that somebody has to allow.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::config::print;
use super::health::once;
use super::terminal::{note, table};
use crate::client::answers::{Approval, DecidedApproval};
use crate::client::{Reach, Target};
use crate::exit::Fatal;

/// Arguments of `openclaw approvals`.
#[derive(Debug, Args)]
pub(crate) struct Approvals {
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
    /// List the calls that wait for leave, newest first
    List(Common),
    /// Show the whole of one
    Show {
        /// Its id, as `openclaw approvals list` shows it
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Let exactly this call be made, once
    Allow {
        /// Its id, as `openclaw approvals list` shows it
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Have the agent told that it may not
    Deny {
        /// Its id, as `openclaw approvals list` shows it
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

/// Runs `openclaw approvals`.
pub(crate) fn run(approvals: Approvals, context: &Context) -> Result<ExitCode, Fatal> {
    match approvals.action {
        Action::List(Common { json, reach }) => list(&Target::find(context, &reach)?, json),
        Action::Show { id, common: Common { json, reach } } => show(&Target::find(context, &reach)?, &id, json),
        Action::Allow { id, common } => decide(context, common, &id, "allow-once"),
        Action::Deny { id, common } => decide(context, common, &id, "deny"),
    }
}

fn list(target: &Target, json: bool) -> Result<ExitCode, Fatal> {
    let payload = once(target, "exec.approval.list", &json!({}))?;
    if json {
        return print(&payload.pretty());
    }
    let waiting: Vec<Approval> = payload.read()?;
    if waiting.is_empty() {
        note("nothing waits for leave");
        return Ok(ExitCode::SUCCESS);
    }
    print(&table(&["ID", "TOOL", "AGENT", "WHY", "WHAT"], waiting.into_iter().map(row).collect()))
}

/// The plan's first line; `show` has the whole.
fn row(approval: Approval) -> Vec<String> {
    let Approval { id, request, .. } = approval;
    let first = request.command.lines().next().unwrap_or_default();
    let short: String = first.chars().take(60).collect();
    let is_whole = short == request.command;
    let what = if is_whole { short } else { format!("{short} …") };
    vec![id, request.tool, request.agent_id, request.reason, what]
}

fn show(target: &Target, id: &str, json: bool) -> Result<ExitCode, Fatal> {
    let payload = once(target, "exec.approval.get", &json!({"id": id}))?;
    if json {
        return print(&payload.pretty());
    }
    let Approval { id, state, request } = payload.read()?;
    print(&format!(
        "{id} is {state}\n{} of agent {} in {} ({})\n\n{}",
        request.tool, request.agent_id, request.session_key, request.reason, request.command
    ))
}

fn decide(context: &Context, common: Common, id: &str, decision: &str) -> Result<ExitCode, Fatal> {
    let Common { json, reach } = common;
    let target = Target::find(context, &reach)?;
    let payload = once(&target, "exec.approval.resolve", &json!({"id": id, "decision": decision}))?;
    if json {
        return print(&payload.pretty());
    }
    let DecidedApproval { approval } = payload.read()?;
    print(&format!("{} is {}", approval.id, approval.state))
}
