//! Changes single values in the file's text and leaves every other byte alone.
//!
//! A change that would make its own value wrong is refused before anything is written. Faults
//! elsewhere in the file do not stand in the way: this is also the tool to mend them with.

use jsonc_parser::cst::{CstContainerNode, CstInputValue, CstNode, CstObject, CstRootNode};

use super::apart;
use super::disk::{self, EditLock};
use super::file::File;
use super::path::old_spelling;
use super::problem::{Cause, ConfigError, Oddity, Problem, Warning};
use super::reader::{self, Unset};
use super::settings::Location;
use super::tree::{self, Kind, Node};
use crate::env::Environment;

/// What a new file begins with.
pub(crate) const SKELETON: &str = "\
// The configuration of OpenClaw: JSON5, comments welcome.
// `openclaw config schema` prints every key, `openclaw config validate` checks this file.
{
}
";

/// Why a value was not changed; the file is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The new value is not allowed there.
    #[error("{0}")]
    Refused(Problem),
    /// Something on the way to the value is no object.
    #[error("{path} is {found}, so nothing can stand under it")]
    NotAnObject { path: String, found: &'static str },
    /// Nobody of that id is in the list.
    #[error("there is no agent {0:?} in agents.list")]
    NoAgent(String),
    /// A list has no such place.
    #[error("the list {path} has {length} entries, so there is no number {index}")]
    NoSuchEntry { path: String, length: usize, index: String },
}

/// Puts a value, written as on a command line, at `path`.
///
/// The text is taken as JSON5 if it is some and fits there, else as a string. Returns what is
/// odd about the new value. Blocks while another editor is at work.
pub(crate) fn set(
    location: &Location,
    path: &[String],
    written: &str,
    environment: &Environment,
) -> Result<Vec<Warning>, EditError> {
    let file = &location.config_file;
    let _lock = EditLock::take(file)?;
    let text = disk::read(file)?.unwrap_or_else(|| SKELETON.to_owned());
    let mut first_refusal = None;
    for value in readings(written) {
        let changed = with_value(location, &text, path, &value)?;
        match check(location, &changed, path, environment) {
            Ok(warnings) => {
                disk::write(file, &changed)?;
                return Ok(warnings);
            }
            Err(EditError::Refused(problem)) => {
                first_refusal.get_or_insert(problem);
            }
            Err(error) => return Err(error),
        }
    }
    Err(first_refusal.map_or_else(|| unreachable_reading(path), EditError::Refused))
}

/// Makes `model` the one that agents use, or one agent; gives the path where it is written.
///
/// Errors: there is no such agent; and those of [`set`].
pub(crate) fn set_model(
    location: &Location,
    model: &str,
    agent: Option<&str>,
    environment: &Environment,
) -> Result<Vec<String>, EditError> {
    let text = disk::read(&location.config_file)?.unwrap_or_default();
    let path = model_path(location, &text, agent)?;
    set(location, &path, model, environment).map(|_warnings| path)
}

/// Where the model of all agents, or of one, is written; fallbacks beside it stay.
pub(crate) fn model_path(location: &Location, text: &str, agent: Option<&str>) -> Result<Vec<String>, EditError> {
    let tree = read(location, text)?;
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let list: &[(usize, Node)] = match tree.at(&owned(&["agents", "list"])).map(|list| &list.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    };
    // Without a list there is one agent, and the defaults are its own.
    let mut path = match agent.filter(|_| !list.is_empty()) {
        None => owned(&["agents", "defaults", "model"]),
        Some(agent) => {
            let is_it = |item: &Node| item.member("id").is_some_and(|id| id.kind == Kind::Text(agent.to_owned()));
            let index = list.iter().position(|(_, item)| is_it(item));
            let index = index.ok_or_else(|| EditError::NoAgent(agent.to_owned()))?;
            owned(&["agents", "list", &index.to_string(), "model"])
        }
    };
    if tree.at(&path).is_some_and(|node| matches!(node.kind, Kind::Object(_))) {
        path.push("primary".to_owned());
    }
    Ok(path)
}

/// Takes the value at `path` away; false if there was none.
///
/// Refused if what is left would not do.
pub(crate) fn unset(location: &Location, path: &[String], environment: &Environment) -> Result<bool, EditError> {
    let file = &location.config_file;
    let _lock = EditLock::take(file)?;
    let Some(text) = disk::read(file)? else {
        return Ok(false);
    };
    let root = parse(location, &text)?;
    let mut removed = remove_at(&root, path);
    if let Some(old) = old_spelling(path) {
        removed |= remove_at(&root, &old);
    }
    if removed {
        let changed = root.to_string();
        check(location, &changed, path, environment)?;
        disk::write(file, &changed)?;
    }
    Ok(removed)
}

/// The values a text on the command line may mean, the likeliest first.
fn readings(written: &str) -> Vec<CstInputValue> {
    let text = CstInputValue::String(written.to_owned());
    let literal = match tree::parse(written) {
        Ok(node) if !written.trim().is_empty() => Some(input(&node)),
        _ => None,
    };
    match literal {
        Some(CstInputValue::String(inner)) if inner == written => vec![text],
        Some(literal) => vec![literal, text],
        None => vec![text],
    }
}

fn unreachable_reading(path: &[String]) -> EditError {
    EditError::Refused(Problem {
        path: path.to_vec(),
        origin: None,
        cause: Cause::Other("there is no value to put here".to_owned()),
    })
}

pub(super) fn input(node: &Node) -> CstInputValue {
    match &node.kind {
        Kind::Null => CstInputValue::Null,
        Kind::Boolean(value) => CstInputValue::Bool(*value),
        Kind::Number(written) => CstInputValue::Number(written.clone()),
        Kind::Text(text) | Kind::Loose(text) => CstInputValue::String(text.clone()),
        Kind::List(items) => CstInputValue::Array(items.iter().map(|(_, item)| input(item)).collect()),
        Kind::Object(members) => {
            CstInputValue::Object(members.iter().map(|member| (member.name.clone(), input(&member.value))).collect())
        }
    }
}

/// The text as a tree.
pub(super) fn read(location: &Location, text: &str) -> Result<Node, ConfigError> {
    tree::parse(text).map_err(|source| ConfigError::Syntax { path: location.config_file.clone(), source })
}

/// The text as a tree that can be changed and has every comment.
pub(super) fn parse(location: &Location, text: &str) -> Result<CstRootNode, ConfigError> {
    // The tree's parser goes first, because its error carries the place in our words.
    read(location, text)?;
    CstRootNode::parse(text, &tree::dialect()).map_err(|error| ConfigError::Syntax {
        path: location.config_file.clone(),
        source: tree::SyntaxError {
            line: error.line_display(),
            column: error.column_display(),
            message: error.kind().to_string(),
        },
    })
}

fn with_value(location: &Location, text: &str, path: &[String], value: &CstInputValue) -> Result<String, EditError> {
    let root = parse(location, text)?;
    put(&root, path, value.clone())?;
    if let Some(old) = old_spelling(path) {
        remove_at(&root, &old);
    }
    Ok(root.to_string())
}

/// Puts `value` at `path`, making objects on the way.
pub(super) fn put(root: &CstRootNode, path: &[String], value: CstInputValue) -> Result<(), EditError> {
    let Some((last, way)) = path.split_last() else {
        root.set_value(value);
        return Ok(());
    };
    let not_an_object = |depth: usize, found: &CstNode| EditError::NotAnObject {
        path: path.get(..depth).unwrap_or_default().join("."),
        found: kind_of(found),
    };
    if let Some(found) = root.value()
        && found.as_object().is_none()
    {
        return Err(EditError::NotAnObject { path: "the file".to_owned(), found: kind_of(&found) });
    }
    let mut here = CstNode::from(root.object_value_or_set());
    for (depth, name) in way.iter().enumerate() {
        here = if let Some(object) = here.as_object() {
            match last_property(&object, name).and_then(|property| property.value()) {
                Some(value) => value,
                None => object
                    .append(name, CstInputValue::Object(Vec::new()))
                    .value()
                    .ok_or_else(|| not_an_object(depth, &here))?,
            }
        } else {
            entry(&here, name, path, depth)?
        };
    }
    if let Some(object) = here.as_object() {
        match last_property(&object, last) {
            Some(property) => property.set_value(value),
            None => {
                object.append(last, value);
            }
        }
        return Ok(());
    }
    if let Some(array) = here.as_array()
        && last.parse() == Ok(array.elements().len())
    {
        array.append(value);
        return Ok(());
    }
    replace(&entry(&here, last, path, way.len())?, value);
    Ok(())
}

/// The entry `name` of a list that stands `depth` names down `path`.
fn entry(node: &CstNode, name: &str, path: &[String], depth: usize) -> Result<CstNode, EditError> {
    let shown = path.get(..depth).unwrap_or_default().join(".");
    let Some(array) = node.as_array() else {
        return Err(EditError::NotAnObject { path: shown, found: kind_of(node) });
    };
    let elements = array.elements();
    name.parse::<usize>().ok().and_then(|index| elements.get(index).cloned()).ok_or_else(|| EditError::NoSuchEntry {
        path: shown,
        length: elements.len(),
        index: name.to_owned(),
    })
}

fn replace(node: &CstNode, value: CstInputValue) {
    use jsonc_parser::cst::CstLeafNode as Leaf;
    let node = node.clone();
    match node {
        CstNode::Container(CstContainerNode::Object(object)) => drop(object.replace_with(value)),
        CstNode::Container(CstContainerNode::Array(array)) => drop(array.replace_with(value)),
        CstNode::Leaf(Leaf::BooleanLit(literal)) => drop(literal.replace_with(value)),
        CstNode::Leaf(Leaf::NullKeyword(literal)) => drop(literal.replace_with(value)),
        CstNode::Leaf(Leaf::NumberLit(literal)) => drop(literal.replace_with(value)),
        CstNode::Leaf(Leaf::StringLit(literal)) => drop(literal.replace_with(value)),
        CstNode::Leaf(Leaf::WordLit(literal)) => drop(literal.replace_with(value)),
        CstNode::Container(CstContainerNode::Root(_) | CstContainerNode::ObjectProp(_))
        | CstNode::Leaf(Leaf::Token(_) | Leaf::Whitespace(_) | Leaf::Newline(_) | Leaf::Comment(_)) => {}
    }
}

/// Removes what stands at `path`, of a key given twice both; false if nothing did.
pub(super) fn remove_at(root: &CstRootNode, path: &[String]) -> bool {
    let Some((last, way)) = path.split_last() else {
        return false;
    };
    let Some(mut here) = root.value() else {
        return false;
    };
    for name in way {
        let next = match (here.as_object(), here.as_array()) {
            (Some(object), _) => last_property(&object, name).and_then(|property| property.value()),
            (None, Some(array)) => name.parse::<usize>().ok().and_then(|index| array.elements().get(index).cloned()),
            (None, None) => None,
        };
        match next {
            Some(next) => here = next,
            None => return false,
        }
    }
    if let Some(object) = here.as_object() {
        let mut removed = false;
        while let Some(property) = last_property(&object, last) {
            property.remove();
            removed = true;
        }
        return removed;
    }
    let element = here.as_array().and_then(|array| {
        let index = last.parse::<usize>().ok()?;
        array.elements().get(index).cloned()
    });
    match element {
        Some(element) => {
            element.remove();
            true
        }
        None => false,
    }
}

/// The property that counts: of a key given twice, the later one.
fn last_property(object: &CstObject, name: &str) -> Option<jsonc_parser::cst::CstObjectProp> {
    object.properties().into_iter().rev().find(|property| property.decoded_name().as_deref() == Some(name))
}

fn kind_of(node: &CstNode) -> &'static str {
    match node {
        CstNode::Container(CstContainerNode::Array(_)) => "a list",
        CstNode::Container(_) => "an object",
        CstNode::Leaf(_) => "a single value",
    }
}

/// Reads the changed text and refuses it if the place that changed is at fault.
///
/// What is still missing there is a warning: an object is built up key by key.
fn check(
    location: &Location,
    text: &str,
    path: &[String],
    environment: &Environment,
) -> Result<Vec<Warning>, EditError> {
    let tree =
        tree::parse(text).map_err(|source| ConfigError::Syntax { path: location.config_file.clone(), source })?;
    let reading = reader::read::<File>(&tree, environment, Unset::StandIn);
    let mut warnings: Vec<Warning> =
        reading.warnings.into_iter().filter(|warning| touches(&warning.path, path)).collect();
    let apart = reading.value.as_ref().map(|file| apart::problems(&file.agents, location, environment));
    for problem in reading.problems.into_iter().chain(apart.unwrap_or_default()) {
        if !touches(&problem.path, path) {
            continue;
        }
        if !matches!(problem.cause, Cause::Missing { .. }) {
            return Err(EditError::Refused(problem));
        }
        warnings.push(Warning {
            path: problem.path.clone(),
            origin: problem.origin.clone(),
            kind: Oddity::Other(format!("{problem}; the gateway will not start without it")),
        });
    }
    Ok(warnings)
}

/// Whether one path leads to or through the other.
fn touches(one: &[String], other: &[String]) -> bool {
    one.iter().zip(other).all(|(left, right)| left == right)
}
