//! `openclaw keys`: API keys for other programs. A key's text is shown once, when it is made.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::Context;
use super::asking::Asking;
use super::config::print;
use super::terminal::{note, table, time};
use crate::client::answers::{CreatedKey, Key, KeyList};
use crate::exit::Fatal;

/// Arguments of `openclaw keys`.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; its text is printed once and never again
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may do; several are possible
        #[arg(long = "scope", value_enum, default_values_t = [KeyScope::Write])]
        scopes: Vec<KeyScope>,
        /// What it may have generated: default, free, pro, enterprise, or one of the configuration's own
        #[arg(long)]
        plan: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// List the keys, without their texts
    List(Asking),
    /// Make a key worthless, at once
    Revoke {
        /// Its id, as `openclaw keys list` shows it
        id: String,
        #[command(flatten)]
        asking: Asking,
    },
}

/// What a key may do; each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeyScope {
    /// See
    Read,
    /// Start and change work
    Write,
    /// Change the gateway
    Admin,
}

impl KeyScope {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "operator.read",
            Self::Write => "operator.write",
            Self::Admin => "operator.admin",
        }
    }
}

/// Runs `openclaw keys`.
pub(crate) fn run(keys: Keys, context: &Context) -> Result<ExitCode, Fatal> {
    match keys.action {
        Action::Create { name, scopes, plan, asking } => {
            let scopes: Vec<&str> = scopes.into_iter().map(KeyScope::name).collect();
            let params = json!({"name": name, "scopes": scopes, "plan": plan});
            asking.answered(context, "keys.create", &params, created)
        }
        Action::List(asking) => asking.answered(context, "keys.list", &json!({}), list),
        Action::Revoke { id, asking } => {
            asking.told(context, "keys.revoke", &json!({"id": id}), &format!("{id} opens nothing any more"))
        }
    }
}

fn created(created: CreatedKey) -> Result<ExitCode, Fatal> {
    let CreatedKey { key, secret } = created;
    let scopes = key.scopes.join(", ");
    note(&format!("{} ({scopes}; plan {}): keep this text, it is not shown again", key.id, key.plan));
    print(&secret)
}

fn list(KeyList { keys }: KeyList) -> Result<ExitCode, Fatal> {
    if keys.is_empty() {
        note("no keys; `openclaw keys create --name …` makes one");
        return Ok(ExitCode::SUCCESS);
    }
    let rows = keys.into_iter().map(row).collect();
    print(&table(&["ID", "NAME", "SCOPES", "PLAN", "CREATED (UTC)", "REVOKED (UTC)"], rows))
}

fn row(key: Key) -> Vec<String> {
    let Key { id, name, scopes, plan, plan_in_force, created_at, revoked_at } = key;
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.strip_prefix("operator.").unwrap_or(scope)).collect();
    let revoked = revoked_at.map_or_else(|| "-".to_owned(), |at| time(&at));
    // A plan that the configuration has no more is another one in truth.
    let plan = if plan == plan_in_force { plan } else { format!("{plan} (gone: {plan_in_force})") };
    vec![id, name, scopes.join(","), plan, time(&created_at), revoked]
}
