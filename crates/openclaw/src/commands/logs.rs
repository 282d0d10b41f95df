//! `openclaw logs`: the gateway's log, its end and what is added to it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::Context;
use super::asking::Asking;
use super::terminal::{Terminal, note, write};
use crate::client::answers::Tail;
use crate::client::{self, Connection, Payload};
use crate::exit::Fatal;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Arguments of `openclaw logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Stay, and print lines as they are written
    #[arg(long, short)]
    follow: bool,
    /// How many of the last lines
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5000))]
    limit: u32,
    // With --follow one answer per line.
    #[command(flatten)]
    asking: Asking,
}

/// Runs `openclaw logs`.
pub(crate) fn run(arguments: Logs, context: &Context) -> Result<ExitCode, Fatal> {
    let target = arguments.asking.target(context)?;
    let terminal = Terminal::of(&context.environment);
    client::block_on(async {
        let mut connection = Connection::open(&target).await?;
        let payload = connection.call("logs.tail", &json!({"limit": arguments.limit})).await?;
        let mut cursor = payload.read::<Tail>()?.cursor;
        let mut is_read = show(&payload, &arguments, terminal)?;
        while arguments.follow && is_read {
            tokio::time::sleep(LOOK_EVERY).await;
            let payload = connection.call("logs.tail", &json!({"cursor": cursor, "limit": arguments.limit})).await?;
            let tail: Tail = payload.read()?;
            if tail.reset {
                note("the log was begun anew");
            }
            cursor = tail.cursor;
            if !tail.lines.is_empty() {
                is_read = show(&payload, &arguments, terminal)?;
            }
        }
        connection.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Prints one answer; false once nobody reads it.
fn show(payload: &Payload, arguments: &Logs, terminal: Terminal) -> Result<bool, Fatal> {
    if arguments.asking.json {
        let text = if arguments.follow { payload.compact() } else { payload.pretty() };
        return write(&format!("{text}\n"));
    }
    let mut text = String::new();
    for line in payload.read::<Tail>()?.lines {
        text.push_str(&terminal.shown(&line));
        text.push('\n');
    }
    write(&text)
}
