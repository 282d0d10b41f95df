//! `openclaw tools`: what an agent can do, and one call of it by hand (K9).

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::Context;
use super::config::print;
use super::health::once;
use super::terminal::{Terminal, note, table};
use crate::client::answers::{InvokedTool, ToolCatalog};
use crate::client::{self, Connection, Reach, Target};
use crate::exit::Fatal;

/// The gateway gives a tool 300 s (K18), and then says so.
const CALL_MAX: Duration = Duration::from_secs(330);

/// Arguments of `openclaw tools`.
#[derive(Debug, Args)]
pub(crate) struct Tools {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Args)]
struct Common {
    /// Which agent [default: the default one]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    agent: Option<String>,
    /// Print the gateway's answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the tools an agent may use
    List(Common),
    /// Call one tool as that agent would, and print what it says
    Invoke {
        /// The tool
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        tool: String,
        /// Its arguments, each as name=value; a value that is JSON is taken as such
        #[arg(value_name = "NAME=VALUE", value_parser = pair)]
        arguments: Vec<(String, Value)>,
        /// All its arguments as one JSON object
        #[arg(long, value_name = "JSON", conflicts_with = "arguments", value_parser = object)]
        args: Option<Map<String, Value>>,
        /// The conversation it is called in [default: the agent's main one]
        #[arg(long, value_name = "KEY")]
        session: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

fn pair(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("must be name=value")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("must be a JSON object: {error}"))
}

/// Runs `openclaw tools`.
pub(crate) fn run(tools: Tools, context: &Context) -> Result<ExitCode, Fatal> {
    match tools.action {
        Action::List(Common { agent, json, reach }) => list(&Target::find(context, &reach)?, agent.as_deref(), json),
        Action::Invoke { tool, arguments, args, session, common: Common { agent, json, reach } } => {
            let args = args.unwrap_or_else(|| arguments.into_iter().collect());
            let params = json!({"name": tool, "args": args, "sessionKey": session, "agentId": agent});
            invoke(&Target::find(context, &reach)?, &params, json, Terminal::of(&context.environment))
        }
    }
}

fn list(target: &Target, agent: Option<&str>, json: bool) -> Result<ExitCode, Fatal> {
    let payload = once(target, "tools.catalog", &json!({"agentId": agent}))?;
    if json {
        return print(&payload.pretty());
    }
    let ToolCatalog { agent_id, groups } = payload.read()?;
    if groups.is_empty() {
        note(&format!("{agent_id} may use no tool; see `tools` in the configuration"));
        return Ok(ExitCode::SUCCESS);
    }
    let rows = groups.into_iter().flat_map(|group| {
        let label = group.label;
        group.tools.into_iter().map(move |tool| vec![tool.id, label.clone(), tool.description])
    });
    print(&table(&["TOOL", "GROUP", "WHAT IT DOES"], rows.collect()))
}

fn invoke(target: &Target, params: &Value, json: bool, terminal: Terminal) -> Result<ExitCode, Fatal> {
    let payload = client::block_on(async {
        let mut connection = Connection::open(target).await?;
        let payload = connection.call_within("tools.invoke", params, CALL_MAX).await?;
        connection.close().await;
        Ok(payload)
    })?;
    let called: InvokedTool = payload.read()?;
    match called.error {
        Some(error) => {
            if json {
                print(&payload.pretty())?;
            }
            Err(Fatal::Other { cause: error.message, mend: None })
        }
        None if json => print(&payload.pretty()),
        None => print(&terminal.shown(&called.text())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_json_where_it_can_be_and_text_otherwise() {
        assert_eq!(pair("limit=3"), Ok(("limit".into(), json!(3))));
        assert_eq!(pair("path=a=b"), Ok(("path".into(), json!("a=b"))));
        assert_eq!(pair("all=true"), Ok(("all".into(), json!(true))));
        assert!(pair("path").is_err() && pair("=x").is_err() && object("[]").is_err());
    }
}
