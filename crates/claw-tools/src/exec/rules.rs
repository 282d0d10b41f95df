//! May this command run, and as what exactly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claw_core::tool::ToolError;

use crate::sandbox::Walls;

/// How the operator lets commands run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which commands.
    pub security: Security,
    /// Programs that may run under [`Security::Allowlist`], by absolute path, and their arguments, all
    /// of them: `*` stands for one that is no option, a last `...` for whatever follows.
    pub allowlist: Vec<Vec<String>>,
    /// Whether somebody is to be asked first.
    pub ask: Ask,
    /// Whether commands that ask for it reach the network; all of them where nothing holds them.
    pub network: bool,
    /// Bytes of memory a command may use, all its processes together; where there is a sandbox.
    pub memory_bytes: u64,
    /// How long a command may take unless its call says otherwise.
    pub timeout: Duration,
    /// How long any may take, in the background too.
    pub timeout_max: Duration,
    /// Starts the sandbox, or what ends a command with the gateway where the operator has switched that off; absent where
    /// this system has neither.
    pub launcher: Option<Launcher>,
}

impl Settings {
    /// Whether commands are held in the whole sandbox.
    pub(super) fn holds(&self) -> bool {
        self.launcher.as_ref().is_some_and(|launcher| launcher.walls == Walls::Whole)
    }

    /// Whether any command could run, or be asked for, at all.
    pub fn permits_any(&self) -> bool {
        let Self { security, allowlist, ask, launcher, .. } = self;
        let has_box =
            cfg!(target_os = "linux") || launcher.as_ref().is_none_or(|launcher| launcher.walls != Walls::Whole);
        has_box
            && match security {
                Security::Deny => false,
                Security::Allowlist => !allowlist.is_empty() || *ask != Ask::Off,
                Security::Full => true,
            }
    }
}

/// The program that becomes the sandbox and then the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    /// What to start.
    pub program: PathBuf,
    /// What it is told first, so that it knows what it is.
    pub argument: Option<String>,
    /// Which walls it makes.
    pub walls: Walls,
}

/// Which commands may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// None.
    Deny,
    /// The listed programs, started without a shell.
    Allowlist,
    /// All, by the shell.
    Full,
}

/// Whether somebody is asked before a command runs; what is denied is not even asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Nobody.
    Off,
    /// For what is not on the list, which is denied otherwise.
    OnMiss,
    /// For everything.
    Always,
}

/// What would be started, and whether somebody has to say so first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) argv: Vec<String>,
    pub(super) asks: bool,
}

fn denied<T>(why: &str) -> Result<T, ToolError> {
    Err(ToolError::Failed(format!("commands are not permitted: {why}")))
}

/// The program and arguments to start, if they may be.
pub(super) fn judge(settings: &Settings, command: &str, env: &BTreeMap<String, String>) -> Result<Judged, ToolError> {
    let Settings { security, allowlist, ask, network: _, memory_bytes: _, timeout: _, timeout_max: _, launcher: _ } =
        settings;
    let by_shell = || vec!["/bin/sh".into(), "-c".into(), command.into()];
    let always = *ask == Ask::Always;
    let missed = |argv: Vec<String>, why: &str| match ask {
        Ask::Off => denied(why),
        Ask::OnMiss | Ask::Always => Ok(Judged { argv, asks: true }),
    };
    match security {
        Security::Deny => denied(
            "the operator can allow them in the configuration: tools.exec.security \"allowlist\" (with tools.exec.allowlist) or \"full\"",
        ),
        Security::Full => Ok(Judged { argv: by_shell(), asks: always }),
        Security::Allowlist => {
            let Some(words) = words(command) else {
                return missed(
                    by_shell(),
                    "only listed programs may run, and without a shell: no pipes, redirections, variables, patterns or several commands",
                );
            };
            let Some(argv) = resolved(words) else { return denied("there is no such program") };
            if !env.is_empty() {
                return missed(argv, "no environment may be set where only listed programs may run");
            }
            match allowlist.iter().any(|entry| fits(entry, &argv)) {
                true => Ok(Judged { argv, asks: always }),
                false => {
                    let program = argv.first().map_or("", String::as_str);
                    let why = format!("{program} with these arguments is not in tools.exec.allowlist");
                    missed(argv, &why)
                }
            }
        }
    }
}

/// Whether an entry of the list is for this command: a program may have options that start others or
/// write files, so nothing follows that the entry does not tell of.
fn fits(entry: &[String], argv: &[String]) -> bool {
    let (entry, is_open) = match entry.split_last() {
        Some((last, before)) if last == "..." => (before, true),
        _ => (entry, false),
    };
    let (Some((program, wanted)), Some((found, words))) = (entry.split_first(), argv.split_first()) else {
        return false;
    };
    let is_meant = |wanted: &String, word: &String| wanted == word || wanted == "*" && !word.starts_with('-');
    let is_long_enough = wanted.len() == words.len() || is_open && wanted.len() < words.len();
    is_program(program, found)
        && is_long_enough
        && wanted.iter().zip(words).all(|(wanted, word)| is_meant(wanted, word))
}

/// Whether an entry's program is the one that was found. A bare name means what a command of that name starts.
fn is_program(listed: &str, found: &str) -> bool {
    located(listed).is_some_and(|path| path == Path::new(found))
}

/// The words of a command without anything a shell would act on; none if there is something.
///
/// What comes out is exactly what is started, so a difference to a real shell can only make a
/// command fail, not turn it into another.
fn words(command: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some('"'), '$' | '`' | '\\') => return None,
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(letter);
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, letter) if letter.is_control() || "$`\\|&;<>(){}[]*?~#!=".contains(letter) && word.is_none() => {
                return None;
            }
            (None, letter) if "$`\\|&;<>(){}[]*?".contains(letter) => return None,
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word.take());
    (quote.is_none() && !words.is_empty()).then_some(words)
}

/// With the program by its absolute path.
fn resolved(mut words: Vec<String>) -> Option<Vec<String>> {
    let first = words.first_mut()?;
    *first = located(first)?.to_str()?.to_owned();
    Some(words)
}

/// Where a program lies, under the name it was asked for: one that is a link may do something else under each of its
/// names, so that leave to start it by one is none to start it by another.
fn located(name: &str) -> Option<PathBuf> {
    let path = match name.contains('/') {
        true => Some(PathBuf::from(name)).filter(|path| path.is_absolute() && path.is_file()),
        false => super::child::PATH.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.is_file()),
    }?;
    Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
}
