//! `openclaw tasks`: durable work – submit, list, get, watch, cancel, retry.

mod show;
mod watch;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::Context;
use super::asking::Asking;
use super::config::print;
use super::terminal::{Terminal, message, note, table};
use crate::client::answers::{TaskAnswer, TaskPage};
use crate::client::{self, Connection};
use crate::exit::Fatal;

/// Arguments of `openclaw tasks`.
#[derive(Debug, Args)]
pub(crate) struct Tasks {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Hand in a task; it runs whether or not anybody waits
    Submit(Submit),
    /// List tasks, the newest first
    List {
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Go on behind an earlier page
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Show a task and what came of it
    Get(One),
    /// Follow a task to its end; exits 0 if it completes and 70 if not
    Watch(One),
    /// Cancel a task that waits or runs
    Cancel(One),
    /// Put a failed or cancelled task in the queue again
    Retry(One),
}

#[derive(Debug, Args)]
struct One {
    /// The task's id: task_…
    id: String,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
struct Submit {
    /// What to say; - reads it from standard input
    #[arg(long, short)]
    message: String,
    /// The conversation it belongs to [default: one of its own]
    #[arg(long, value_name = "KEY")]
    session: Option<String>,
    /// Who answers [default: main]
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Another model than the agent's
    #[arg(long)]
    model: Option<String>,
    /// The gateway that carries it out, as `executors` in the configuration names it
    #[arg(long, value_name = "ID")]
    executor: Option<String>,
    /// The tier it waits in
    #[arg(long, value_enum)]
    lane: Option<Lane>,
    /// 0 last, 9 first, within the tier
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// How many attempts may fail
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=20))]
    max_attempts: Option<u32>,
    /// The same key twice is the same task
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Stay and watch, as `openclaw tasks watch` does
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lane {
    Interactive,
    Standard,
    Long,
}

impl Lane {
    const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Standard => "standard",
            Self::Long => "long",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Runs `openclaw tasks`.
pub(crate) fn run(tasks: Tasks, context: &Context) -> Result<ExitCode, Fatal> {
    let terminal = Terminal::of(&context.environment);
    match tasks.action {
        Action::Submit(arguments) => submit(arguments, context, terminal),
        Action::List { state, limit, cursor, asking } => {
            let params = json!({"status": state.map(State::name), "limit": limit, "cursor": cursor});
            asking.answered(context, "tasks.list", &params, list)
        }
        Action::Get(One { id, asking }) => {
            let words = |answer: TaskAnswer| print(&show::words(&answer.task, terminal));
            asking.answered(context, "tasks.get", &json!({"id": id}), words)
        }
        Action::Watch(One { id, asking }) => {
            let target = asking.target(context)?;
            client::block_on(watch::follow(&target, None, &id, asking.json, terminal))
        }
        Action::Cancel(one) => change("tasks.cancel", one, context, terminal),
        Action::Retry(one) => change("tasks.retry", one, context, terminal),
    }
}

fn submit(arguments: Submit, context: &Context, terminal: Terminal) -> Result<ExitCode, Fatal> {
    let Submit { message: text, session, agent, model, executor, lane, priority, .. } = &arguments;
    let params = json!({
        "type": "agent",
        "input": {
            "message": message(text)?,
            "sessionKey": session,
            "agentId": agent,
            "model": model,
            "executor": executor,
        },
        "lane": lane.map(Lane::name),
        "priority": priority,
        "maxAttempts": arguments.max_attempts,
        "idempotencyKey": arguments.idempotency_key,
    });
    let Submit { wait, asking, .. } = arguments;
    let (json, target) = (asking.json, asking.target(context)?);
    client::block_on(async {
        let mut connection = Connection::open(&target).await?;
        let payload = connection.call("tasks.submit", &params).await?;
        let id = payload.read::<TaskAnswer>()?.task.id;
        if wait {
            if !json {
                note(&id);
            }
            return watch::follow(&target, Some(connection), &id, json, terminal).await;
        }
        connection.close().await;
        if json {
            return print(&payload.pretty());
        }
        note(&format!("accepted; follow it with `openclaw tasks watch {id}`"));
        print(&id)
    })
}

fn list(TaskPage { tasks, next_cursor }: TaskPage) -> Result<ExitCode, Fatal> {
    if tasks.is_empty() {
        note("no such tasks; `openclaw tasks submit --message …` hands one in");
        return Ok(ExitCode::SUCCESS);
    }
    let headings = ["ID", "STATE", "PROGRESS", "ATTEMPT", "LANE", "CREATED (UTC)", "SESSION"];
    let answer = print(&table(&headings, tasks.into_iter().map(show::row).collect()))?;
    if let Some(cursor) = next_cursor {
        note(&format!("there are more: --cursor {cursor}"));
    }
    Ok(answer)
}

fn change(method: &'static str, one: One, context: &Context, terminal: Terminal) -> Result<ExitCode, Fatal> {
    one.asking.answered(context, method, &json!({"id": one.id}), |TaskAnswer { task }| {
        print(&format!("{} is {}", task.id, show::state(&task.status, terminal)))
    })
}
