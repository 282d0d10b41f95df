//! What every command that asks the gateway understands, and one question to it.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;
use super::config::print;
use crate::client::{self, Connection, Payload, Reach, Target};
use crate::exit::Fatal;

/// How a command shows what it finds by itself.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Shown {
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Which gateway is asked, and how its answer is shown.
#[derive(Debug, Args)]
pub(super) struct Asking {
    /// Print the gateway's answer as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

impl Asking {
    /// The gateway that is meant.
    pub(super) fn target(&self, context: &Context) -> Result<Target, Fatal> {
        Target::find(context, &self.reach)
    }

    /// Asks it one thing, and prints its answer as JSON or as `show` does.
    pub(super) fn answered<T: DeserializeOwned>(
        &self,
        context: &Context,
        method: &'static str,
        params: &impl Serialize,
        show: impl FnOnce(T) -> Result<ExitCode, Fatal>,
    ) -> Result<ExitCode, Fatal> {
        let payload = self.once(context, method, params)?;
        if self.json { print(&payload.pretty()) } else { show(payload.read()?) }
    }

    /// The same for an answer that says no more than that it was done.
    pub(super) fn told(
        &self,
        context: &Context,
        method: &'static str,
        params: &impl Serialize,
        done: &str,
    ) -> Result<ExitCode, Fatal> {
        self.answered(context, method, params, |_: serde::de::IgnoredAny| print(done))
    }

    /// Asks it one thing.
    pub(super) fn once(
        &self,
        context: &Context,
        method: &'static str,
        params: &impl Serialize,
    ) -> Result<Payload, Fatal> {
        once(&self.target(context)?, method, params)
    }
}

/// Connects, asks one thing and leaves.
pub(super) fn once(target: &Target, method: &'static str, params: &impl Serialize) -> Result<Payload, Fatal> {
    client::block_on(async {
        let mut connection = Connection::open(target).await?;
        let payload = connection.call(method, params).await?;
        connection.close().await;
        Ok(payload)
    })
}
