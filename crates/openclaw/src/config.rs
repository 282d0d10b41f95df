//! The configuration: one JSON5 file, the environment and the flags, in one typed value.
//!
//! text → [`tree`] (values that know their place) → [`reader`] (types, problems, warnings) →
//! [`mod@file`] (what was written) → [`settings`] (what holds). [`edit`] changes single values and
//! leaves every other byte, comments and `${NAME}` references included, as it was.
//!
//! Precedence: flag, environment, file, default. The first two join the tree before it is read,
//! so a wrong one is reported like any other value, under its own name.

mod apart;
pub(crate) mod change;
pub(crate) mod credentials;
pub(crate) mod disk;
pub(crate) mod edit;
pub(crate) mod file;
pub(crate) mod known;
pub(crate) mod limits;
pub(crate) mod path;
pub(crate) mod period;
pub(crate) mod price;
pub(crate) mod problem;
pub(crate) mod reader;
pub(crate) mod redact;
pub(crate) mod reference;
pub(crate) mod remote;
pub(crate) mod render;
pub(crate) mod schema;
pub(crate) mod secret;
pub(crate) mod settings;
pub(crate) mod skills;
pub(crate) mod token;
pub(crate) mod tools;
pub(crate) mod tree;
pub(crate) mod values;
mod wide;

#[cfg(test)]
mod tests;

use self::file::File;
use self::problem::{ConfigError, Oddity, Warning, is_secret, located};
use self::reader::{Reading, Unset};
use self::settings::{Flags, Location, Settings};
use self::tree::{Kind, Node, Origin};
use crate::env::Environment;

/// Environment variables that stand for a key of the file.
const VARIABLES: &[(&str, &[&str])] = &[
    ("OPENCLAW_GATEWAY_PORT", &["gateway", "port"]),
    ("OPENCLAW_GATEWAY_BIND", &["gateway", "bind"]),
    ("OPENCLAW_GATEWAY_TOKEN", &["gateway", "auth", "token"]),
    ("OPENCLAW_GATEWAY_PASSWORD", &["gateway", "auth", "password"]),
    ("OPENCLAW_LOG_LEVEL", &["logging", "level"]),
    ("OPENCLAW_LOG_FORMAT", &["logging", "format"]),
];

/// What stays the same each time the configuration is read: the environment and the flags.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) environment: Environment,
    pub(crate) flags: Flags,
}

/// A configuration that can be used, and what is odd about it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    /// One line each, with the place.
    pub(crate) warnings: Vec<String>,
}

/// Reads everything and resolves it. Writes nothing.
///
/// Errors: [`ConfigError`], whose text names file, line, column, what was found and what is
/// allowed.
pub(crate) fn load(environment: &Environment, flags: &Flags) -> Result<Loaded, ConfigError> {
    let location = Location::find(environment, flags)?;
    let text = disk::read(&location.config_file)?.unwrap_or_default();
    resolve(location, &text, environment, flags)
}

/// The same for a text that stands in the file, or is to.
///
/// Errors: as [`load`].
pub(crate) fn resolve(
    location: Location,
    text: &str,
    environment: &Environment,
    flags: &Flags,
) -> Result<Loaded, ConfigError> {
    let Reading { value, problems, warnings } = examine_text(&location, text, environment, flags)?;
    let file = match value {
        Some(file) if problems.is_empty() => file,
        _ => {
            return Err(ConfigError::Invalid { path: location.config_file, problems });
        }
    };
    let warnings =
        warnings.iter().map(|warning| located(&location.config_file, warning.origin.as_ref(), warning)).collect();
    Ok(Loaded { settings: Settings::resolve(file, location, environment), warnings })
}

/// Reads the file with everything that overrides it, and lists all that is wrong or odd.
///
/// Errors: [`ConfigError::Unreadable`], [`ConfigError::Syntax`].
pub(crate) fn examine(
    location: &Location,
    environment: &Environment,
    flags: &Flags,
) -> Result<Reading<File>, ConfigError> {
    let text = disk::read(&location.config_file)?.unwrap_or_default();
    examine_text(location, &text, environment, flags)
}

/// The same for a text that stands in the file, or is to.
///
/// Errors: [`ConfigError::Syntax`].
pub(crate) fn examine_text(
    location: &Location,
    text: &str,
    environment: &Environment,
    flags: &Flags,
) -> Result<Reading<File>, ConfigError> {
    let path = &location.config_file;
    let mut tree = tree::parse(text).map_err(|source| ConfigError::Syntax { path: path.clone(), source })?;
    let mut oddities = double_spellings(&tree);
    oddities.extend(idle_batches(&tree));
    oddities.extend(wide::entries(&tree));
    if disk::is_readable_by_others(path) && holds_secrets(&tree, &mut Vec::new()) {
        oddities.push(Warning {
            path: Vec::new(),
            origin: None,
            kind: Oddity::Other("holds secrets and others can read it; run `chmod 600` on it".to_owned()),
        });
    }
    // A file that is no object at all is told so; overriding would hide it.
    if matches!(tree.kind, Kind::Object(_)) {
        override_from(&mut tree, environment, flags);
    }
    let mut reading: Reading<File> = reader::read(&tree, environment, Unset::Refuse);
    reading.warnings.extend(oddities);
    if let Some(file) = &reading.value {
        reading.problems.extend(apart::problems(&file.agents, location, environment));
    }
    Ok(reading)
}

fn override_from(tree: &mut Node, environment: &Environment, flags: &Flags) {
    for (variable, path) in VARIABLES {
        if let Some(value) = environment.get(variable) {
            tree.put(
                path,
                Node { origin: Origin::Environment((*variable).to_owned()), kind: Kind::Loose(value.to_owned()) },
            );
        }
    }
    for (flag, path, value) in spoken(flags) {
        if let Some(value) = value {
            tree.put(path, Node { origin: Origin::Flag(flag), kind: Kind::Loose(value) });
        }
    }
}

/// Every flag that stands for a key, with what was said.
fn spoken(flags: &Flags) -> [(&'static str, &'static [&'static str], Option<String>); 4] {
    [
        ("--port", &["gateway", "port"], flags.port.map(|port| port.to_string())),
        ("--bind", &["gateway", "bind"], flags.bind.clone()),
        ("--log-level", &["logging", "level"], flags.log_level.clone()),
        ("--log-format", &["logging", "format"], flags.log_format.clone()),
    ]
}

/// What the file alone says, without what overrides it; none if it says nothing that can be used.
pub(crate) fn written(location: &Location, text: &str, environment: &Environment) -> Option<Settings> {
    let reading = reader::read::<File>(&tree::parse(text).ok()?, environment, Unset::StandIn);
    Some(Settings::resolve(reading.value?, location.clone(), environment))
}

/// The variable or flag that overrides the key at this dotted path, if one was given.
pub(crate) fn overriding(key: &str, sources: &Sources) -> Option<&'static str> {
    let is_it = |path: &[&str]| path.join(".") == key;
    let Sources { environment, flags } = sources;
    let flag = spoken(flags).into_iter().find(|(_, path, value)| value.is_some() && is_it(path)).map(|(flag, ..)| flag);
    let variable = VARIABLES.iter().find(|(name, path)| environment.get(name).is_some() && is_it(path));
    let filter = (key == "logging.level" && environment.get("OPENCLAW_LOG").is_some()).then_some("OPENCLAW_LOG");
    filter.or(flag).or(variable.map(|(name, _)| *name))
}

/// Whether a secret itself stands in the tree, and not a reference to one.
fn holds_secrets(node: &Node, path: &mut Vec<String>) -> bool {
    match &node.kind {
        Kind::Text(text) => is_secret(path) && !reference::is_present(text),
        Kind::List(items) => items.iter().any(|(_, item)| holds_secrets(item, path)),
        Kind::Object(members) => members.iter().any(|member| {
            path.push(member.name.clone());
            let found = holds_secrets(&member.value, path);
            path.pop();
            found
        }),
        Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Loose(_) => false,
    }
}

/// What plans say of the batch door, which is not there yet: it limits nobody.
fn idle_batches(tree: &Node) -> Vec<Warning> {
    let Some(Kind::Object(plans)) = tree.member("plans").map(|plans| &plans.kind) else {
        return Vec::new();
    };
    let said = plans.iter().filter_map(|plan| Some((plan, plan.value.member("batchSize")?)));
    said.map(|(plan, batch)| Warning {
        path: vec!["plans".to_owned(), plan.name.clone(), "batchSize".to_owned()],
        origin: Some(batch.origin.clone()),
        kind: Oddity::Other(format!(
            "\"plans.{}.batchSize\" limits nobody yet: it is for the batch door, which this version does not have",
            plan.name
        )),
    })
    .collect()
}

/// One credential in both spellings with two values: the newer counts, and that is said.
fn double_spellings(tree: &Node) -> Vec<Warning> {
    let Some(gateway) = tree.member("gateway") else {
        return Vec::new();
    };
    let auth = gateway.member("auth");
    [("authToken", "token"), ("password", "password")]
        .into_iter()
        .filter_map(|(old_name, new_name)| {
            let old = gateway.member(old_name)?;
            let new = auth?.member(new_name)?;
            (old.kind != new.kind).then(|| Warning {
                path: vec!["gateway".to_owned(), old_name.to_owned()],
                origin: Some(old.origin.clone()),
                kind: Oddity::Other(format!("gateway.{old_name} differs from gateway.auth.{new_name}, which counts")),
            })
        })
        .collect()
}
