//! `openclaw config`: get, set, unset, validate, schema, path.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use claw_app::audit::{ConfigChange, config_digest};
use claw_core::audit::{Actor, Door};
use claw_core::{Clock as _, PrincipalId};
use claw_runtime::SystemClock;
use serde::Serialize;

use super::{Context, audit, taken_up};
use crate::config::file::File;
use crate::config::problem::{ConfigError, located};
use crate::config::render::View;
use crate::config::settings::Location;
use crate::config::tree::{self, Kind, Node, Origin};
use crate::config::{disk, edit, examine, path, redact, schema};
use crate::exit::Fatal;

/// Arguments of `openclaw config`.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print a value, or without a path the whole file with secrets hidden
    Get {
        /// Dotted path, such as gateway.port or agents.list.0.name
        path: Option<String>,
        /// Print JSON even where a bare word would do
        #[arg(long)]
        json: bool,
    },
    /// Change a value; comments and everything else stay
    Set {
        /// Dotted path
        path: String,
        /// JSON5 where it is some and fits, else a string
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a value away, so that its default holds
    Unset {
        /// Dotted path
        path: String,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Check the file and everything that overrides it
    Validate {
        /// Print the findings as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON schema of the file
    Schema,
    /// Print the file's path
    Path {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs `openclaw config`.
pub(crate) fn run(config: Config, context: &Context) -> Result<ExitCode, Fatal> {
    let location = Location::find(&context.environment, &context.flags)?;
    match config.action {
        Action::Get { path, json } => get(&location, path.as_deref(), json),
        Action::Set { path, value, json } => set(&location, context, &path, &value, json),
        Action::Unset { path, json } => unset(&location, context, &path, json),
        Action::Validate { json } => validate(&location, context, json),
        Action::Schema => print(schema::text().trim_end()),
        Action::Path { json } => {
            let file = location.config_file.display().to_string();
            if json { print_json(&PathAnswer { path: &file }) } else { print(&file) }
        }
    }
}

#[derive(Serialize)]
struct PathAnswer<'answer> {
    path: &'answer str,
}

#[derive(Serialize)]
struct ChangeAnswer {
    path: String,
    changed: bool,
    warnings: Vec<String>,
}

fn get(location: &Location, dotted: Option<&str>, json: bool) -> Result<ExitCode, Fatal> {
    let text = disk::read(&location.config_file)?.unwrap_or_default();
    let tree =
        tree::parse(&text).map_err(|source| ConfigError::Syntax { path: location.config_file.clone(), source })?;
    let Some(dotted) = dotted else {
        return print_json(&View::of(&tree, &[]));
    };
    let path = parse(dotted)?;
    let old = path::old_spelling(&path);
    let written = tree.at(&path).or_else(|| old.and_then(|old| tree.at(&old)));
    let node = match written {
        Some(node) => node.clone(),
        None => default_at(&path).ok_or_else(|| {
            Fatal::Setting(format!("{dotted} is not set in {} and has no default", location.config_file.display()))
        })?,
    };
    match &node.kind {
        Kind::Text(text) if !json => print(text),
        _ => print_json(&View::of(&node, &path)),
    }
}

/// The value that holds where the file is silent.
fn default_at(path: &[String]) -> Option<Node> {
    let defaults = serde_json::to_string(&File::default()).ok()?;
    let node = tree::parse(&defaults).ok()?.at(path)?.clone();
    (node.kind != Kind::Null).then_some(node)
}

fn set(location: &Location, context: &Context, dotted: &str, value: &str, json: bool) -> Result<ExitCode, Fatal> {
    let path = parse(dotted)?;
    let warnings: Vec<String> = edit::set(location, &path, value, &context.environment)?
        .iter()
        .map(|warning| located(&location.config_file, warning.origin.as_ref(), warning))
        .collect();
    written_down(context, "set", location, &path);
    let taken_up = taken_up::at_once(context, location);
    if json {
        return print_json(&ChangeAnswer { path: path.join("."), changed: true, warnings });
    }
    warn(&warnings);
    print(&format!("{} is set; {taken_up}", path.join(".")))
}

fn unset(location: &Location, context: &Context, dotted: &str, json: bool) -> Result<ExitCode, Fatal> {
    let path = parse(dotted)?;
    let changed = edit::unset(location, &path, &context.environment)?;
    if changed {
        written_down(context, "unset", location, &path);
    }
    let taken_up = if changed { taken_up::at_once(context, location) } else { "" };
    if json {
        return print_json(&ChangeAnswer { path: path.join("."), changed, warnings: Vec::new() });
    }
    match changed {
        true => print(&format!("{} is no longer set; {}", path.join("."), taken_up)),
        false => print(&format!("{} was not set", path.join("."))),
    }
}

/// Which key was changed, for the audit log; what stands there is not in it.
pub(super) fn written_down(context: &Context, how: &'static str, location: &Location, path: &[String]) {
    let text = disk::read(&location.config_file).ok().flatten();
    let digest = text.and_then(|text| redact::text(&text)).as_deref().map(config_digest);
    let change = ConfigChange { how: Some(how), applied: vec![path.join(".")], digest, ..ConfigChange::default() };
    let by = Actor::of(&PrincipalId::operator(), Door::Cli);
    audit::written_down(context, change.entry(SystemClock.now(), by));
}

#[derive(Serialize)]
struct ValidateAnswer {
    valid: bool,
    file: String,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
}

/// Something found, with its place for editors.
#[derive(Serialize)]
struct Finding {
    path: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

impl Finding {
    fn new(path: &[String], origin: Option<&Origin>, message: String) -> Self {
        let (line, column) = match origin {
            Some(Origin::File { line, column }) => (Some(*line), Some(*column)),
            Some(Origin::Environment(_) | Origin::Flag(_)) | None => (None, None),
        };
        Self { path: path.join("."), line, column, message }
    }
}

fn validate(location: &Location, context: &Context, json: bool) -> Result<ExitCode, Fatal> {
    let file = &location.config_file;
    let (problems, warnings) = match examine(location, &context.environment, &context.flags) {
        Ok(reading) => (reading.problems, reading.warnings),
        Err(ConfigError::Syntax { source, .. }) if json => {
            let origin = Origin::File { line: source.line, column: source.column };
            let problem = Finding::new(&[], Some(&origin), source.message);
            let answer = ValidateAnswer {
                valid: false,
                file: file.display().to_string(),
                problems: vec![problem],
                warnings: Vec::new(),
            };
            return print_json(&answer).map(|_| ExitCode::from(1));
        }
        Err(error) => return Err(error.into()),
    };
    let valid = problems.is_empty();
    if json {
        let answer = ValidateAnswer {
            valid,
            file: file.display().to_string(),
            problems: problems
                .iter()
                .map(|problem| Finding::new(&problem.path, problem.origin.as_ref(), problem.cause.to_string()))
                .collect(),
            warnings: warnings
                .iter()
                .map(|warning| Finding::new(&warning.path, warning.origin.as_ref(), warning.to_string()))
                .collect(),
        };
        print_json(&answer)?;
    } else {
        let lines: Vec<String> =
            warnings.iter().map(|warning| located(file, warning.origin.as_ref(), warning)).collect();
        warn(&lines);
        for problem in &problems {
            to_stderr(&format!("error: {}", located(file, problem.origin.as_ref(), problem)));
        }
        if valid {
            print(&format!("{} is valid", file.display()))?;
        }
    }
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn parse(dotted: &str) -> Result<Vec<String>, Fatal> {
    path::parse(dotted).map_err(|error| Fatal::Usage(error.to_string()))
}

/// Prints warnings where they do not mix with the answer.
pub(super) fn warn(warnings: &[String]) {
    for warning in warnings {
        to_stderr(&format!("warning: {warning}"));
    }
}

fn to_stderr(line: &str) {
    // Nobody may be listening.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints one answer. A reader that closed the pipe had what it wanted.
pub(super) fn print(text: &str) -> Result<ExitCode, Fatal> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fatal::other(format!("cannot write the answer: {error}"), "check where the output goes"))
        }
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

/// Prints one answer as JSON.
pub(super) fn print_json(answer: &impl Serialize) -> Result<ExitCode, Fatal> {
    let text = serde_json::to_string_pretty(answer).map_err(anyhow::Error::from)?;
    print(&text)
}
