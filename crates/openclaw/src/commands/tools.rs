//! `openclaw tools`: what an agent can do, and one call of it by hand (K9).

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use claw_core::complaint::plain;
use claw_core::permission::canonical;
use serde_json::{Map, Value, json};

use super::Context;
use super::asking::Asking;
use super::config::print;
use super::terminal::{Terminal, cell, note, table};
use crate::client::answers::{InvokedTool, ToolCatalog, TrustedFiles};
use crate::client::{self, Connection, Target};
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
    #[command(flatten)]
    asking: Asking,
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
        /// Its arguments, each as name=value, read as the tool wants it: a text as it stands, anything else as JSON
        #[arg(value_name = "NAME=VALUE", value_parser = pair)]
        arguments: Vec<(String, String)>,
        /// All its arguments as one JSON object
        #[arg(long, value_name = "JSON", conflicts_with = "arguments", value_parser = object)]
        args: Option<Map<String, Value>>,
        /// The conversation it is called in [default: the agent's main one]
        #[arg(long, value_name = "KEY")]
        session: Option<String>,
        /// Only say what would become of the call, and make none
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Say that what lies in a file is right, although strangers' words may be in it: agents take it as yours
    Trust(Trust),
}

/// Which files.
#[derive(Debug, Args)]
struct Trust {
    /// A file of the workspace, or a directory for all that lies in it; `.` is the whole workspace
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    path: String,
    /// Only say which files it is about
    #[arg(long)]
    dry_run: bool,
    /// The workspace in which the agent works for this API key (or `hook`)
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    #[command(flatten)]
    common: Common,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("must be name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("must be a JSON object: {}", plain(&error.to_string())))
}

/// Runs `openclaw tools`.
pub(crate) fn run(tools: Tools, context: &Context) -> Result<ExitCode, Fatal> {
    match tools.action {
        Action::List(Common { agent, asking }) => {
            // Whoever reads it as JSON may want to know what each takes.
            let params = json!({"agentId": agent, "withParameters": asking.json});
            asking.answered(context, "tools.catalog", &params, list)
        }
        Action::Trust(Trust { path, dry_run, key, common: Common { agent, asking } }) => {
            let params = json!({"path": path, "agentId": agent, "keyId": key, "dryRun": dry_run});
            let flag =
                |name, value: Option<String>| value.map(|value| format!(" --{name} {value}")).unwrap_or_default();
            let whose = flag("agent", agent) + &flag("key", key);
            asking.answered(context, "tools.trust", &params, |answer| trusted(answer, dry_run, &whose))
        }
        Action::Invoke { tool, arguments, args, session, dry_run, common: Common { agent, asking } } => {
            let call = Call { tool, arguments, args, session, dry_run, agent };
            invoke(call, &asking, &asking.target(context)?, Terminal::of(&context.environment))
        }
    }
}

/// What was noted there, and what became of it.
fn trusted(answer: TrustedFiles, dry: bool, whose: &str) -> Result<ExitCode, Fatal> {
    let TrustedFiles { path, files, has_more, trusted, above } = answer;
    if let Some(above) = above {
        let cause = format!("{path} counts as strangers', because {above:?} does as a whole");
        return Err(Fatal::asked(cause, format!("look through it, then `openclaw tools trust {above}{whose}`")));
    }
    if files.is_empty() {
        note(&format!("no strangers' words are noted in {path}"));
        return Ok(ExitCode::SUCCESS);
    }
    let rows = files.iter().map(|file| vec![cell(file)]);
    let told = print(&table(&["FILE"], rows.collect()))?;
    if has_more {
        note("and more");
    }
    if !dry {
        note(&format!("{trusted} of what was noted is yours now: the next run takes it so"));
    }
    Ok(told)
}

fn list(ToolCatalog { agent_id, groups }: ToolCatalog) -> Result<ExitCode, Fatal> {
    if groups.is_empty() {
        note(&format!("{agent_id} may use no tool; see `tools` in the configuration"));
        return Ok(ExitCode::SUCCESS);
    }
    let rows = groups.into_iter().flat_map(|group| {
        let label = group.label;
        group.tools.into_iter().map(move |tool| {
            let what = if tool.only_in_runs { tool.description + " (in runs only)" } else { tool.description };
            vec![tool.id, label.clone(), what]
        })
    });
    print(&table(&["TOOL", "GROUP", "WHAT IT DOES"], rows.collect()))
}

/// What the command line asks for.
struct Call {
    tool: String,
    arguments: Vec<(String, String)>,
    args: Option<Map<String, Value>>,
    session: Option<String>,
    dry_run: bool,
    agent: Option<String>,
}

fn invoke(call: Call, asking: &Asking, target: &Target, terminal: Terminal) -> Result<ExitCode, Fatal> {
    let Call { tool, arguments, args, session, dry_run, agent } = call;
    let payload = client::block_on(async {
        let mut connection = Connection::open(target).await?;
        let args = match args {
            Some(args) => args,
            None if arguments.is_empty() => Map::new(),
            None => {
                let about = json!({"agentId": agent, "sessionKey": session, "withParameters": true});
                let catalog: ToolCatalog = connection.call("tools.catalog", &about).await?.read()?;
                let parameters = catalog.parameters(canonical(&tool));
                arguments.into_iter().map(|(name, text)| typed(parameters, name, text)).collect()
            }
        };
        let params = json!({"name": tool, "args": args, "sessionKey": session, "agentId": agent, "dryRun": dry_run});
        let payload = connection.call_within("tools.invoke", &params, CALL_MAX).await?;
        connection.close().await;
        Ok(payload)
    })?;
    let called: InvokedTool = payload.read()?;
    match called.error {
        Some(error) => {
            if asking.json {
                print(&payload.pretty())?;
            }
            if error.blames_arguments() {
                return Err(Fatal::asked(
                    format!("{tool}: {}", error.message),
                    "`openclaw tools list --json` has what it takes",
                ));
            }
            if !asking.json {
                error.message.lines().for_each(note);
            }
            Err(Fatal::other(format!("{tool} failed"), "what it said stands above"))
        }
        None if asking.json => print(&payload.pretty()),
        None => print(&terminal.shown(&called.text())),
    }
}

/// An argument as the tool wants it: a text where it takes one, else what it says as JSON.
fn typed(parameters: Option<&Value>, name: String, text: String) -> (String, Value) {
    let kind = parameters.and_then(|schema| schema.get("properties")?.get(&name)?.get("type"));
    let is_text = match kind {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    };
    let value = if is_text { None } else { serde_json::from_str(&text).ok() };
    (name, value.unwrap_or(Value::String(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_what_the_tool_takes_and_json_where_nobody_knows() {
        let schema = json!({"properties": {"path": {"type": "string"}, "limit": {"type": "integer"},
                            "either": {"type": ["string", "null"]}, "list": {"type": "array"}}});
        let read = |text: &str| pair(text).map(|(name, text)| typed(Some(&schema), name, text).1).unwrap();
        for (text, value) in [
            ("path=2024", json!("2024")),
            ("path=true", json!("true")),
            ("path=a=b", json!("a=b")),
            ("either=null", json!("null")),
            ("limit=3", json!(3)),
            ("limit=many", json!("many")),
            ("list=[1,2]", json!([1, 2])),
            ("other=3", json!(3)),
            ("other=text", json!("text")),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
        assert_eq!(typed(None, "x".into(), "5".into()).1, json!(5));
        assert!(pair("path").is_err() && pair("=x").is_err() && object("[]").is_err());
    }
}
