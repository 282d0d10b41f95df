//! `openclaw skills`: what agents were taught, and what is installed for them.
//!
//! Works without a gateway; one that runs takes up what is installed or removed at its next run.

mod install;
mod pin;

use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use claw_core::audit::{Actor, Door, Entry, Kind};
use claw_core::skill::{Broken, Report, Requirements, Source, Status};
use claw_core::{AgentId, Clock as _, Principal, PrincipalId};
use claw_runtime::SystemClock;
use claw_skills::install::{Checked, Managed, State};
use claw_skills::scan::{Finding, Scanner};
use claw_wire::ws::skills::{SkillRow, SkillsStatus};
use serde::Serialize;

use super::Context;
use super::asking::Shown;
use super::config::{print, print_json};
use super::gateway::client_settings;
use super::terminal::{cell, note, pairs, table};
use crate::compose::skills::library;
use crate::config::settings::Settings;
use crate::exit::{Fatal, chain};

/// So much of what a skill is for stands in a list.
const DESCRIPTION_CHARS_SHOWN: usize = 60;

/// So many skills that nobody has let in are told of by name.
const NOTED_MAX: usize = 10;

/// Arguments of `openclaw skills`.
#[derive(Debug, Args)]
pub(crate) struct Skills {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the skills of an agent, and what stands in the way of each
    List {
        /// Only those that can be used here
        #[arg(long)]
        eligible: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Show one skill
    Info {
        /// Its name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Look whether installed skills are what was installed, and scan them again
    Check(Shown),
    /// Install a skill from a folder, an archive or an address; nothing of it is run
    Install(install::Arguments),
    /// Say that a skill is right as it is now: an installed one that was changed since or put there by hand, or one in a workspace
    Pin(pin::PinArguments),
    /// Remove an installed skill, or one in a workspace
    #[command(alias = "uninstall")]
    Remove(pin::RemoveArguments),
}

#[derive(Debug, Args)]
struct Common {
    /// Which agent [default: the default one]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    agent: Option<String>,
    /// As the agent works for this API key (or `hook`)
    #[arg(long, value_name = "ID", value_parser = pin::holder)]
    key: Option<PrincipalId>,
    #[command(flatten)]
    shown: Shown,
}

/// Whose skills: an agent's that works for somebody.
struct Whose {
    agent: AgentId,
    principal: Principal,
}

/// Runs `openclaw skills`.
pub(crate) fn run(skills: Skills, context: &Context) -> Result<ExitCode, Fatal> {
    let settings = client_settings(context)?;
    match skills.action {
        Action::List { eligible, common } => list(&settings, &common, eligible),
        Action::Info { name, common } => info(&settings, &name, &common),
        Action::Check(shown) => check(&settings, shown.json),
        Action::Install(arguments) => install::run(&settings, context, arguments),
        Action::Pin(arguments) => pin::pin(&settings, context, &arguments),
        Action::Remove(arguments) => pin::remove(&settings, context, &arguments),
    }
}

fn whose(settings: &Settings, agent: Option<&str>, key: Option<&PrincipalId>) -> Result<Whose, Fatal> {
    let list = &settings.live.agents.list;
    let first = list.iter().find(|agent| agent.default).or(list.first()).map(|agent| agent.id.as_str());
    let name = agent.filter(|name| *name != "main").or(first).unwrap_or("main");
    let known = name == "main" || list.iter().any(|agent| agent.id.as_str() == name);
    let id = AgentId::parse(name).ok().filter(|_| known);
    let agent = id.ok_or_else(|| Fatal::Usage(format!("there is no agent {name:?} in the configuration")))?;
    let id = key.cloned().unwrap_or(PrincipalId::operator());
    Ok(Whose { agent, principal: Principal { id, ..Principal::operator() } })
}

fn report(settings: &Settings, common: &Common) -> Result<(Whose, Report), Fatal> {
    let whose = whose(settings, common.agent.as_deref(), common.key.as_ref())?;
    let report = library(&settings.live).look(&whose.agent, &whose.principal);
    Ok((whose, report))
}

fn list(settings: &Settings, common: &Common, eligible: bool) -> Result<ExitCode, Fatal> {
    let (whose, mut report) = report(settings, common)?;
    for not_let_in in report.skills.iter().filter(|status| status.is_changed || status.is_unpinned).take(NOTED_MAX) {
        note(&pin::mend(not_let_in, &whose));
    }
    if eligible {
        report.skills.retain(Status::is_eligible);
    }
    for Broken { path, problems } in &report.broken {
        for problem in problems {
            note(&format!("{path}: {problem}"));
        }
    }
    if common.shown.json {
        return print_json(&SkillsStatus::of(whose.agent.to_string(), report));
    }
    let rows = report.skills.iter().map(|status| {
        vec![status.name.clone(), status.source.as_str().to_owned(), state(status), beginning(&status.description)]
    });
    print(&table(&["NAME", "FROM", "STATE", "DESCRIPTION"], rows.collect()))
}

/// As many whole words as fit a line, and a sign that there are more.
fn beginning(text: &str) -> String {
    let shown = cell(text);
    match shown.char_indices().nth(DESCRIPTION_CHARS_SHOWN) {
        None => shown,
        Some((end, _)) => {
            let cut = shown.get(..end).unwrap_or_default();
            let words = cut.rsplit_once(' ').map_or(cut, |(words, _)| words);
            format!("{}…", words.trim_end_matches([' ', ',', ';', '.', '-']))
        }
    }
}

/// Whether it can be used, and if not, why.
fn state(status: &Status) -> String {
    let Requirements { bins, any_bins, env, config, os } = &status.missing;
    let lacks = [bins, env, config].into_iter().flatten().cloned();
    let any = (!any_bins.is_empty()).then(|| any_bins.join(" or "));
    let lacks: Vec<String> = lacks.chain(any).collect();
    match status {
        off if off.is_disabled => "off".to_owned(),
        blocked if blocked.is_blocked => "not allowed".to_owned(),
        changed if changed.is_changed && changed.source == Source::Workspace => {
            "changed since it was pinned".to_owned()
        }
        changed if changed.is_changed => "changed since it was installed".to_owned(),
        by_hand if by_hand.is_unpinned => "not pinned".to_owned(),
        _ if !os.is_empty() => format!("for {} only", os.join(", ")),
        _ if !lacks.is_empty() => format!("lacks {}", lacks.join(", ")),
        filtered if filtered.is_filtered => "not this agent's".to_owned(),
        _ => "ready".to_owned(),
    }
}

fn info(settings: &Settings, name: &str, common: &Common) -> Result<ExitCode, Fatal> {
    let (whose, report) = report(settings, common)?;
    let absent = || Fatal::asked(format!("there is no skill {name:?}"), "see `openclaw skills list`");
    let status = report.skills.into_iter().find(|status| status.name == name).ok_or_else(absent)?;
    if status.is_changed || status.is_unpinned {
        note(&pin::mend(&status, &whose));
    }
    if common.shown.json {
        return print_json(&SkillRow::from(status));
    }
    let mut lines = vec![
        ("name", status.name.clone()),
        ("description", cell(&status.description)),
        ("from", status.source.as_str().to_owned()),
        ("state", state(&status)),
        ("file", cell(&status.file_path)),
    ];
    let optional = [("homepage", &status.homepage), ("license", &status.license), ("secret in", &status.primary_env)];
    lines.extend(optional.into_iter().filter_map(|(name, value)| Some((name, cell(value.as_deref()?)))));
    let Requirements { bins, any_bins, env, config, os } = &status.needs;
    let needs = [("programs", bins), ("one of", any_bins), ("variables", env), ("configuration", config), ("on", os)];
    let needs = needs.into_iter().filter(|(_, list)| !list.is_empty());
    lines.extend(needs.map(|(name, list)| (name, cell(&list.join(", ")))));
    lines.extend(status.installers.iter().map(|way| ("can be had by", cell(&way.label))));
    print(&pairs(&lines))
}

/// One installed skill as `check` tells it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckedRow<'a> {
    name: &'a str,
    state: &'static str,
    is_well: bool,
    origin: Option<&'a claw_skills::install::Origin>,
    problems: &'a [String],
    findings: Vec<FindingRow>,
}

/// Something a scan found.
#[derive(Serialize)]
struct FindingRow {
    path: String,
    line: usize,
    rule: &'static str,
    why: &'static str,
    text: String,
}

impl From<&Finding> for FindingRow {
    fn from(finding: &Finding) -> Self {
        let Finding { path, line, rule, why, text } = finding.clone();
        Self { path, line, rule, why, text }
    }
}

/// Whether nobody has to look at it: it is what was installed, with no more findings than were accepted.
fn is_well(checked: &Checked) -> bool {
    let accepted = checked.origin.as_ref().map_or(0, |origin| origin.accepted_findings);
    checked.state == State::Intact && checked.problems.is_empty() && checked.findings.len() <= accepted
}

fn check(settings: &Settings, json: bool) -> Result<ExitCode, Fatal> {
    let scanner = scanner()?;
    let managed = Managed::at(&settings.live.skills_dir);
    let checked = managed.check(&scanner).map_err(|error| Fatal::other(chain(&error), "mend its permissions"))?;
    let bad = checked.iter().filter(|one| !is_well(one)).count();
    let answer = if json {
        let rows: Vec<CheckedRow<'_>> = checked.iter().map(row).collect();
        print_json(&serde_json::json!({ "skills": rows }))?
    } else if checked.is_empty() {
        note("no skill is installed; `openclaw skills list` shows those that are there without");
        ExitCode::SUCCESS
    } else {
        for one in &checked {
            one.problems.iter().for_each(|problem| note(&format!("{}: {problem}", one.name)));
            one.findings.iter().for_each(|finding| note(&told(&one.name, finding)));
        }
        let rows = checked.iter().map(|one| {
            let found = one.findings.len() + one.problems.len();
            vec![one.name.clone(), one.state.as_str().to_owned(), found.to_string()]
        });
        print(&table(&["NAME", "STATE", "FINDINGS"], rows.collect()))?
    };
    if bad == 0 {
        return Ok(answer);
    }
    Err(Fatal::other(
        format!("{bad} of {} installed skills should be looked at", checked.len()),
        "look at them, then `openclaw skills pin`, `remove` or `install --force`",
    ))
}

fn row(checked: &Checked) -> CheckedRow<'_> {
    CheckedRow {
        name: &checked.name,
        state: checked.state.as_str(),
        is_well: is_well(checked),
        origin: checked.origin.as_ref(),
        problems: &checked.problems,
        findings: checked.findings.iter().map(FindingRow::from).collect(),
    }
}

fn scanner() -> Result<Scanner, Fatal> {
    Scanner::new().map_err(|error| Fatal::other(format!("skills cannot be scanned: {error}"), "report this"))
}

/// A finding on one line.
fn told(name: &str, finding: &Finding) -> String {
    let Finding { path, line, rule, why, text } = finding;
    let place = if *line == 0 { path.clone() } else { format!("{path}:{line}") };
    format!("{name}: {place}: {rule}: {why}: {text}")
}

/// A skill's line in the audit log.
fn line(kind: Kind, name: &str) -> Entry {
    Entry::new(SystemClock.now(), kind, Actor::of(&PrincipalId::operator(), Door::Cli), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_cut_between_words_and_shows_it() {
        let long = format!("{} end", "word ".repeat(20));
        let table = [
            ("short", "short".to_owned()),
            (&*"x".repeat(60), "x".repeat(60)),
            (&*"x".repeat(61), format!("{}…", "x".repeat(60))),
            (&*long, format!("{}…", ["word"; 12].join(" ").trim_end())),
        ];
        for (text, expected) in table {
            assert_eq!(beginning(text), expected);
        }
    }
}
