//! `openclaw status`: version, uptime, load and counts of the gateway.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Context;
use super::asking::Asking;
use super::config::print;
use super::terminal::{Colour, Terminal, cell, pairs, span};
use crate::client::answers::{Counts, Listening, Queue, Status as Answer};
use crate::exit::Fatal;

/// Arguments of `openclaw status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    asking: Asking,
}

/// Runs `openclaw status`.
pub(crate) fn run(arguments: Status, context: &Context) -> Result<ExitCode, Fatal> {
    let terminal = Terminal::of(&context.environment);
    arguments.asking.answered(context, "status", &json!({}), |answer| print(&words(&answer, terminal)))
}

fn words(answer: &Answer, terminal: Terminal) -> String {
    let Answer { status, version, uptime, gateway, channels, tasks, sessions, queue, workers, models } = answer;
    let colour = if status == "ok" { Colour::Good } else { Colour::Bad };
    let mut lines = vec![
        ("gateway", format!("{} {}", terminal.paint(colour, &cell(status)), listening(gateway))),
        ("version", cell(version)),
        ("uptime", span(*uptime)),
    ];
    if let Some(workers) = workers {
        lines.push(("running", format!("{} ({} at most)", by_lane(&workers.running), workers.capacity)));
    }
    if let Some(queue) = queue {
        lines.push(("waiting", waiting(queue)));
    }
    lines.push(("tasks", counted(&tasks.by_status)));
    lines.push(("sessions", sessions.count.to_string()));
    let default = match (&sessions.defaults.model_provider, &sessions.defaults.model) {
        (Some(provider), Some(model)) => format!("{provider}/{model}"),
        (None, Some(model)) => model.clone(),
        (_, None) => "none; see `openclaw models list`".to_owned(),
    };
    lines.push(("model", cell(&default)));
    let others: Vec<String> = models.iter().filter(|model| **model != default).map(|model| cell(model)).collect();
    if !others.is_empty() {
        lines.push(("others", others.join(", ")));
    }
    if !channels.is_empty() {
        let said: Vec<String> = channels.iter().map(|(name, state)| cell(&format!("{name} {state}"))).collect();
        lines.push(("channels", said.join(", ")));
    }
    pairs(&lines)
}

fn listening(gateway: &Listening) -> String {
    let Listening { port, bind, auth, connections, accepting } = gateway;
    let connections = connections.map_or_else(String::new, |count| format!(", connections {count}"));
    let stopping = if *accepting == Some(false) { ", stopping" } else { "" };
    format!("on {} port {port}, auth {}{connections}{stopping}", cell(bind), cell(auth))
}

fn waiting(queue: &Queue) -> String {
    let Queue { lanes, delayed, oldest_queued_ms } = queue;
    let delayed = if *delayed > 0 { format!(", later {delayed}") } else { String::new() };
    let oldest = oldest_queued_ms.map_or_else(String::new, |ms| format!("; the oldest for {}", span(ms / 1_000)));
    format!("{}{delayed}{oldest}", by_lane(lanes))
}

fn by_lane(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<String> = counts.iter().map(|(lane, count)| format!("{} {count}", cell(lane))).collect();
    counts.join(", ")
}

fn counted(counts: &Counts) -> String {
    let Counts { queued, running, completed, failed, cancelled } = counts;
    format!("{queued} queued, {running} running, {completed} completed, {failed} failed, {cancelled} cancelled")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Environment;

    #[test]
    fn a_status_is_a_few_aligned_lines() {
        let answer: Answer = serde_json::from_str(
            r#"{"status":"ok","version":"2026.11.20","uptime":61,"gateway":{"port":1,"bind":"127.0.0.1","auth":"token"},
                "tasks":{"byStatus":{"queued":2}},"sessions":{"count":3,"defaults":{"modelProvider":"p","model":"m"}},
                "queue":{"lanes":{"long":1,"standard":2},"delayed":0,"claimed":4,"oldestQueuedMs":5000},
                "workers":{"running":{"long":4},"capacity":9},"models":["p/m","p/n"]}"#,
        )
        .unwrap();
        let plain = Terminal::of(&Environment::of(&[("NO_COLOR", "1")]));
        assert_eq!(
            words(&answer, plain),
            "gateway   ok on 127.0.0.1 port 1, auth token\n\
             version   2026.11.20\n\
             uptime    1 min 1 s\n\
             running   long 4 (9 at most)\n\
             waiting   long 1, standard 2; the oldest for 5 s\n\
             tasks     2 queued, 0 running, 0 completed, 0 failed, 0 cancelled\n\
             sessions  3\n\
             model     p/m\n\
             others    p/n"
        );
    }
}
