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

/// So many letters of each end of a plan are listed.
const SHOWN_CHARS: usize = 40;

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

/// What is said where somebody watches a run that now waits for leave.
pub(crate) fn waiting(id: &str, tool: &str, command: &str) -> String {
    format!(
        "[waits for leave to call {tool}]\n{}\n[allow it: openclaw approvals allow {id} – or deny it: openclaw approvals deny {id}]",
        harmless(command)
    )
}

fn list(waiting: Vec<Approval>) -> Result<ExitCode, Fatal> {
    if waiting.is_empty() {
        note("nothing waits for leave");
        return Ok(ExitCode::SUCCESS);
    }
    print(&table(&["ID", "TOOL", "AGENT", "WHY", "WHAT"], waiting.into_iter().map(row).collect()))
}

/// The plan's first line, both its ends; `show` has the whole.
fn row(approval: Approval) -> Vec<String> {
    let Approval { id, request, .. } = approval;
    let what = brief(&request.command);
    vec![id, request.tool, request.agent_id, request.reason, what]
}

/// What does not fit is cut out of the middle, and how much that is stands there: a harmless beginning is not all.
fn brief(command: &str) -> String {
    let first = command.lines().next().unwrap_or_default();
    let left_out = first.chars().count().saturating_sub(2 * SHOWN_CHARS);
    let shown = match left_out {
        0 => first.to_owned(),
        _ => {
            let (head, tail) = (first.chars().take(SHOWN_CHARS), first.chars().skip(SHOWN_CHARS + left_out));
            let (head, tail): (String, String) = (head.collect(), tail.collect());
            format!("{head} …({left_out} more)… {tail}")
        }
    };
    if first == command { shown } else { format!("{shown} …") }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_listed_with_both_its_ends() {
        assert_eq!(brief("run: ls"), "run: ls");
        assert_eq!(brief("run: ls\nin: x"), "run: ls …");
        let padded = format!("run: sh -c \"echo safe{}; id\"", " ".repeat(3000));
        let shown = brief(&padded);
        assert!(shown.starts_with("run: sh -c \"echo safe ") && shown.ends_with("; id\""), "{shown}");
        assert!(shown.contains(&format!("…({} more)…", padded.len() - 80)), "{shown}");
    }
}
