//! `openclaw skills pin` and `remove`: of installed skills, and of those that lie in a workspace.
//!
//! Agents write in their workspaces, so which one is meant is always said: a name alone is an installed skill.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use claw_core::audit::Kind;
use claw_core::skill::{Source, Status};
use claw_core::{ApiKeyId, Clock as _, Principal, PrincipalId};
use claw_runtime::SystemClock;
use claw_skills::install::{InstallError, Managed};
use claw_skills::library::pin_command;
use serde::Serialize;

use super::install::{refused, tell};
use super::{Whose, line, scanner, whose};
use crate::commands::Context;
use crate::commands::asking::Shown;
use crate::commands::audit::written_down;
use crate::commands::config::{print, print_json};
use crate::compose::skills::library;
use crate::config::settings::Settings;
use crate::exit::{Fatal, chain};

/// Which skill.
#[derive(Debug, Args)]
struct Which {
    /// Its name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// The one in the workspace of this agent, and not an installed one
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    agent: Option<String>,
    /// The one in the workspace in which the agent works for this API key (or `hook`)
    #[arg(long, value_name = "ID", requires = "agent", value_parser = holder)]
    key: Option<PrincipalId>,
}

/// Arguments of `openclaw skills pin`.
#[derive(Debug, Args)]
pub(super) struct PinArguments {
    #[command(flatten)]
    which: Which,
    /// Keep it although the scan found something
    #[arg(long)]
    accept_findings: bool,
    #[command(flatten)]
    shown: Shown,
}

/// Arguments of `openclaw skills remove`.
#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    shown: Shown,
}

/// Who is no operator and has workspaces.
pub(super) fn holder(text: &str) -> Result<PrincipalId, String> {
    match text.parse::<ApiKeyId>() {
        Ok(id) => Ok(PrincipalId::api_key(id)),
        Err(_) if text == PrincipalId::hook().as_str() => Ok(PrincipalId::hook()),
        Err(_) => Err("must be the id of an API key, as `openclaw keys list` shows it, or `hook`".to_owned()),
    }
}

/// Why agents do not have a skill that is there, and the command that says that it is right.
pub(super) fn mend(status: &Status, whose: &Whose) -> String {
    let name = &status.name;
    match (status.source, status.is_changed) {
        (Source::Workspace, is_changed) => {
            let why = if is_changed { "is not what was pinned" } else { "was pinned by nobody" };
            let command = pin_command(name, &whose.agent, &whose.principal);
            format!(
                "{name} in the workspace {why}, so agents do not have it: look at it, then `{command}` if it is right"
            )
        }
        (Source::Managed | Source::Bundled, true) => format!(
            "{name} is not what was installed, so agents do not have it: `openclaw skills pin {name}` if that is right, \
             else install it again with --force"
        ),
        (Source::Managed | Source::Bundled, false) => format!(
            "{name} was put there by hand, so agents do not have it: `openclaw skills pin {name}` if that is right"
        ),
    }
}

/// Runs `openclaw skills pin`.
pub(super) fn pin(settings: &Settings, context: &Context, arguments: &PinArguments) -> Result<ExitCode, Fatal> {
    let PinArguments { which, accept_findings, shown } = arguments;
    let managed = Managed::at(&settings.live.skills_dir);
    let (at, scanner) = (SystemClock.now().to_string(), scanner()?);
    let pinned = match which.workspace(settings)? {
        Some(workspace) => managed.pin_in(&workspace, &which.name, at, *accept_findings, &scanner),
        None => managed.pin(&which.name, at, *accept_findings, &scanner),
    };
    let pinned = pinned.map_err(|error| which.refused(settings, "pinned", error))?;
    let entry = line(Kind::SkillPinned, &which.name).with("digest", &pinned.digest);
    written_down(context, entry.with("path", pinned.path.display().to_string()));
    tell(pinned, shown.json, "pinned")
}

#[derive(Serialize)]
struct RemoveAnswer<'a> {
    name: &'a str,
    removed: bool,
}

/// Runs `openclaw skills remove`.
pub(super) fn remove(settings: &Settings, context: &Context, arguments: &RemoveArguments) -> Result<ExitCode, Fatal> {
    let RemoveArguments { which, shown } = arguments;
    let (managed, name) = (Managed::at(&settings.live.skills_dir), &which.name);
    let removed = match which.workspace(settings)? {
        Some(workspace) => managed.remove_from(&workspace, name),
        None => managed.remove(name),
    };
    let path = removed.map_err(|error| Fatal::asked(chain(&error), "see `openclaw skills list`"))?;
    written_down(context, line(Kind::SkillRemoved, name).with("path", path.display().to_string()));
    if shown.json {
        return print_json(&RemoveAnswer { name, removed: true });
    }
    let above = path.parent().unwrap_or(&path).display();
    print(&format!("{name} is gone from {above}"))
}

impl Which {
    /// The workspace it lies in; nothing for an installed one.
    fn workspace(&self, settings: &Settings) -> Result<Option<PathBuf>, Fatal> {
        let Some(agent) = self.agent.as_deref() else { return Ok(None) };
        let Whose { agent, principal } = whose(settings, Some(agent), self.key.as_ref())?;
        let workspace = settings.live.workspaces.of(&agent, &principal.id);
        workspace.map(Some).ok_or_else(|| Fatal::Usage(format!("{} has no workspace", principal.id)))
    }

    /// A name alone is not that of a skill in a workspace: who means that one is told how it is said.
    fn refused(&self, settings: &Settings, verb: &str, error: InstallError) -> Fatal {
        if let (InstallError::Absent(_), None) = (&error, &self.agent)
            && let Ok(whose) = whose(settings, None, None)
            && let report = library(&settings.live).look(&whose.agent, &Principal::operator())
            && report.skills.iter().any(|one| one.name == self.name && one.source == Source::Workspace)
        {
            let command = pin_command(&self.name, &whose.agent, &whose.principal);
            let cause = format!("nothing was {verb}: {}", chain(&error));
            return Fatal::asked(cause, format!("`{command}` is for the one in the workspace"));
        }
        refused(verb, error)
    }
}
