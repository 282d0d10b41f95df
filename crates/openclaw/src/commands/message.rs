//! `openclaw message`: says something to somebody on a channel (B12). Which channels there are, the
//! gateway knows; the command asks it and repeats what it says.

use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::asking::Asking;
use crate::exit::Fatal;

/// Arguments of `openclaw message`.
#[derive(Debug, Args)]
pub(crate) struct Message {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send a message by one of the gateway's channels
    Send {
        /// Whom, in the channel's own spelling: a number, a name, a room
        #[arg(long, short, value_parser = NonEmptyStringValueParser::new())]
        target: String,
        /// What to say
        #[arg(long, short, value_parser = NonEmptyStringValueParser::new())]
        message: String,
        /// Which channel; needless when only one is configured
        #[arg(long)]
        channel: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Runs `openclaw message`.
pub(crate) fn run(message: Message, context: &Context) -> Result<ExitCode, Fatal> {
    let Action::Send { target, message, channel, asking } = message.action;
    let params = json!({"to": target, "message": message, "channel": channel});
    asking.told(context, "send", &params, &format!("sent to {target}"))
}
