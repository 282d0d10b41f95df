//! `openclaw approvals`: calls of agents that somebody has to allow.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::asking::Asking;
use super::config::print;
use super::terminal::{harmless, note, table};
use crate::client::answers::{Approval, DecidedApproval};
use crate::exit::Fatal;

/// Arguments of `openclaw approvals`.
#[derive(Debug, Args)]
pub(crate) struct Approvals {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the calls that wait for leave, newest first
    List(Asking),
    /// Show the whole of one
    Show {
        /// Its id, as `openclaw approvals list` shows it
        id: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Let exactly this call be made, once
    Allow {
        /// Its id, as `openclaw approvals list` shows it
        id: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Have the agent told that it may not
    Deny {
        /// Its id, as `openclaw approvals list` shows it
        id: String,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Runs `openclaw approvals`.
pub(crate) fn run(approvals: Approvals, context: &Context) -> Result<ExitCode, Fatal> {
    match approvals.action {
        Action::List(asking) => asking.answered(context, "exec.approval.list", &json!({}), list),
        Action::Show { id, asking } => asking.answered(context, "exec.approval.get", &json!({"id": id}), show),
        Action::Allow { id, asking } => decide(context, &asking, &id, "allow-once"),
        Action::Deny { id, asking } => decide(context, &asking, &id, "deny"),
    }
}

fn list(waiting: Vec<Approval>) -> Result<ExitCode, Fatal> {
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

fn show(approval: Approval) -> Result<ExitCode, Fatal> {
    let Approval { id, state, request } = approval;
    print(&harmless(&format!(
        "{id} is {state}\n{} of agent {} in {} ({})\n\n{}",
        request.tool, request.agent_id, request.session_key, request.reason, request.command
    )))
}

fn decide(context: &Context, asking: &Asking, id: &str, decision: &str) -> Result<ExitCode, Fatal> {
    let params = json!({"id": id, "decision": decision});
    asking.answered(context, "exec.approval.resolve", &params, |DecidedApproval { approval }| {
        print(&format!("{} is {}", approval.id, approval.state))
    })
}
