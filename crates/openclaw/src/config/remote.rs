//! Changes that come over the wire: made to the text, comments kept, and held to more than those of
//! the owner at the terminal.
//!
//! Who changes the configuration from outside may neither read the machine's environment through it
//! (a new `${NAME}` is allowed only where a secret stands) nor say which files the gateway writes.

use jsonc_parser::cst::CstRootNode;

use super::edit::{self, EditError};
use super::path::old_spelling;
use super::problem::{Cause, Problem, is_secret};
use super::redact;
use super::reference;
use super::settings::Location;
use super::tree::{Kind, Node};

/// Keys that name files, or say what may run; they are changed on the machine itself.
const FILES: &[&[&str]] = &[
    &["store", "path"],
    &["logging", "file"],
    &["embedded", "path"],
    &["agents", "defaults", "workspace"],
    &["tools", "exec"],
];

/// The text with `value` at `path`.
pub(crate) fn set(location: &Location, text: &str, path: &[String], value: &Node) -> Result<String, EditError> {
    let root = edit::parse(location, text)?;
    let stored = edit::read(location, text)?;
    let value = redact::restore(value, stored.at(path), &mut path.to_vec()).map_err(EditError::Refused)?;
    put(&root, path, &value)?;
    Ok(root.to_string())
}

/// The text after a merge patch (RFC 7396).
pub(crate) fn patch(location: &Location, text: &str, patch: &str) -> Result<String, EditError> {
    let stored = edit::read(location, text)?;
    let patch = edit::read(location, patch)?;
    if !matches!(patch.kind, Kind::Object(_)) {
        return Err(EditError::Refused(problem(&patch, &[], "a patch is an object")));
    }
    let patch = redact::restore(&patch, Some(&stored), &mut Vec::new()).map_err(EditError::Refused)?;
    let root = edit::parse(location, text)?;
    merge(&root, &stored, &patch, &mut Vec::new())?;
    Ok(root.to_string())
}

/// A whole new text, with the secrets that stand in the old one.
pub(crate) fn apply(location: &Location, text: &str, new: &str) -> Result<String, EditError> {
    // A text that cannot be read holds no secret that could be meant: this is also the way to mend it.
    let stored = edit::read(location, text).ok();
    let new = redact::restore_comments(new, text);
    let tree = edit::read(location, &new)?;
    let restored = redact::restore(&tree, stored.as_ref(), &mut Vec::new()).map_err(EditError::Refused)?;
    let mut places = Vec::new();
    redact::placeholders(&tree, &mut Vec::new(), &mut places);
    let root = edit::parse(location, &new)?;
    for path in places {
        if let Some(value) = restored.at(&path) {
            edit::put(&root, &path, edit::input(value))?;
        }
    }
    Ok(root.to_string())
}

/// Refuses what may not come from outside, and placeholders that are left.
pub(crate) fn check(location: &Location, old: &str, new: &str) -> Result<(), EditError> {
    let old = edit::read(location, old).ok();
    let new = edit::read(location, new)?;
    for path in FILES {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        let before = old.as_ref().and_then(|old| old.at(&path));
        let after = new.at(&path);
        if !is_same(before, after) {
            let message = format!(
                "names a file or what may run: change it on the machine itself, with `openclaw config set {} …`",
                path.join(".")
            );
            return Err(EditError::Refused(problem(after.unwrap_or(&new), &path, &message)));
        }
    }
    check_workspaces(&new, old.as_ref()).map_err(EditError::Refused)?;
    check_variables(&new, old.as_ref()).map_err(EditError::Refused)?;
    check_texts(&new, old.as_ref(), &mut Vec::new()).map_err(EditError::Refused)
}

/// An agent's workspace is a directory of this machine, too.
fn check_workspaces(new: &Node, old: Option<&Node>) -> Result<(), Problem> {
    let path = ["agents".to_owned(), "list".to_owned()];
    let (new, old) = (new.at(&path).map(agents), old.and_then(|old| old.at(&path)).map(agents));
    for agent in new.unwrap_or_default() {
        let same_id = |other: &&Node| is_same(other.member("id"), agent.member("id"));
        let before =
            old.as_ref().and_then(|old| old.iter().copied().find(same_id)).and_then(|old| old.member("workspace"));
        let after = agent.member("workspace");
        if after.is_some() && !is_same(before, after) {
            let message = "names a directory: change it on the machine itself, with `openclaw config set`";
            return Err(problem(agent, &path, message));
        }
    }
    Ok(())
}

/// What commands are given for skills is a part of what may run, and what a command has it can show.
fn check_variables(new: &Node, old: Option<&Node>) -> Result<(), Problem> {
    let path = ["skills".to_owned(), "entries".to_owned()];
    let Some(Kind::Object(entries)) = new.at(&path).map(|entries| &entries.kind) else { return Ok(()) };
    for entry in entries {
        let before = old.and_then(|old| old.at(&path)).and_then(|old| old.member(&entry.name));
        for name in ["env", "apiKey"] {
            let after = entry.value.member(name);
            if after.is_some() && !is_same(before.and_then(|before| before.member(name)), after) {
                let message = "is given to commands: change it on the machine itself, with `openclaw config set`";
                let mut path = path.to_vec();
                path.extend([entry.name.clone(), name.to_owned()]);
                return Err(problem(&entry.value, &path, message));
            }
        }
    }
    Ok(())
}

fn agents(list: &Node) -> Vec<&Node> {
    match &list.kind {
        Kind::List(items) => items.iter().map(|(_, item)| item).collect(),
        _ => Vec::new(),
    }
}

fn check_texts(node: &Node, old: Option<&Node>, path: &mut Vec<String>) -> Result<(), Problem> {
    match &node.kind {
        Kind::Text(text) if text.contains(redact::PLACEHOLDER) => {
            Err(problem(node, path, "the placeholder of a secret cannot be stored"))
        }
        Kind::Text(text) if reference::is_present(text) && !is_secret(path) && !is_same(old, Some(node)) => {
            Err(problem(
                node,
                path,
                "a reference to the environment may come from outside only where a secret stands: use `openclaw config set` on the machine itself",
            ))
        }
        Kind::List(items) => items.iter().try_for_each(|(index, item)| {
            path.push(index.to_string());
            let checked = check_texts(item, old.and_then(|old| old.at(&[index.to_string()])), path);
            path.pop();
            checked
        }),
        Kind::Object(members) => members.iter().try_for_each(|member| {
            path.push(member.name.clone());
            let checked = check_texts(&member.value, old.and_then(|old| old.member(&member.name)), path);
            path.pop();
            checked
        }),
        Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) | Kind::Loose(_) => Ok(()),
    }
}

fn merge(root: &CstRootNode, stored: &Node, patch: &Node, path: &mut Vec<String>) -> Result<(), EditError> {
    let Kind::Object(members) = &patch.kind else {
        return put(root, path, patch);
    };
    for member in members {
        path.push(member.name.clone());
        let there = stored.at(path);
        match (&member.value.kind, there.map(|node| &node.kind)) {
            (Kind::Null, _) => {
                edit::remove_at(root, path);
                if let Some(old) = old_spelling(path) {
                    edit::remove_at(root, &old);
                }
            }
            (Kind::Object(_), Some(Kind::Object(_))) => merge(root, stored, &member.value, path)?,
            // What stays the same keeps its spelling and the comments inside.
            _ if is_same(there, Some(&member.value)) => {}
            _ => put(root, path, &without_nulls(&member.value))?,
        }
        path.pop();
    }
    Ok(())
}

fn put(root: &CstRootNode, path: &[String], value: &Node) -> Result<(), EditError> {
    edit::put(root, path, edit::input(value))?;
    if let Some(old) = old_spelling(path) {
        edit::remove_at(root, &old);
    }
    Ok(())
}

/// In what is new a null takes nothing away.
fn without_nulls(node: &Node) -> Node {
    let Kind::Object(members) = &node.kind else {
        return node.clone();
    };
    let kept = members
        .iter()
        .filter(|member| member.value.kind != Kind::Null)
        .map(|member| super::tree::Member { value: without_nulls(&member.value), ..member.clone() });
    Node { origin: node.origin.clone(), kind: Kind::Object(kept.collect()) }
}

/// Whether both say the same, wherever they stand.
fn is_same(one: Option<&Node>, other: Option<&Node>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => match (&one.kind, &other.kind) {
            (Kind::List(one), Kind::List(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|((_, one), (_, other))| is_same(Some(one), Some(other)))
            }
            (Kind::Object(one), Kind::Object(other)) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .zip(other)
                        .all(|(one, other)| one.name == other.name && is_same(Some(&one.value), Some(&other.value)))
            }
            (one, other) => one == other,
        },
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn problem(node: &Node, path: &[String], message: &str) -> Problem {
    Problem { path: path.to_vec(), origin: Some(node.origin.clone()), cause: Cause::Other(message.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location() -> Location {
        Location { state_dir: "/s".into(), config_file: "/s/openclaw.json".into() }
    }

    #[test]
    fn a_merge_patch_merges_replaces_and_takes_away() {
        let text = "{\n  // one\n  a: { b: 1, c: [1, 2] }, // two\n  d: 'x',\n}\n";
        let table = [
            ("{ a: { b: 2 } }", text.replace("b: 1", "b: 2")),
            ("{ a: { b: 1, c: [1, 2] }, d: 'x' }", text.to_owned()),
            ("{ a: { b: null } }", text.replace("b: 1, ", "")),
            ("{ d: null, nobody: null }", text.replace("  d: 'x',\n", "")),
            ("{ d: { e: null, f: true } }", text.replace("'x'", "{\n    \"f\": true\n  }")),
            ("{}", text.to_owned()),
        ];
        for (change, expected) in table {
            let changed = patch(&location(), text, change).unwrap();
            let tree = |text: &str| edit::read(&location(), text).unwrap();
            assert!(is_same(Some(&tree(&changed)), Some(&tree(&expected))), "{change}: {changed}");
            assert!(changed.contains("// one") && changed.contains("// two"), "{change}: {changed}");
        }
    }

    #[test]
    fn a_patch_that_changes_nothing_changes_no_byte() {
        let text = "{ a: { token: 'old' /* why */ }, list: [ 1,\n 2 ] }";
        let same = format!("{{ a: {{ token: '{}' }}, list: [1, 2] }}", redact::PLACEHOLDER);
        assert_eq!(patch(&location(), text, &same).unwrap(), text);
    }

    /// Else whoever changes the configuration from outside would lead commands around their list (`LD_PRELOAD`).
    #[test]
    fn what_commands_are_given_for_skills_is_changed_on_the_machine_itself() {
        let old = "{ skills: { entries: { a: { apiKey: 'k', env: { X: 'y' } } } } }";
        for new in [
            "{ skills: { entries: { a: { apiKey: 'k', env: { X: 'z' } } } } }",
            "{ skills: { entries: { a: { apiKey: 'other' } } } }",
            "{ skills: { entries: { b: { env: { LD_PRELOAD: './x.so' } } } } }",
            "{ skills: { entries: { b: { apiKey: '${HOME}' } } } }",
        ] {
            let refused = check(&location(), old, new).unwrap_err();
            assert!(format!("{refused:?}").contains("is given to commands"), "{new}: {refused:?}");
        }
        for new in [old, "{ skills: { entries: { a: { enabled: false, apiKey: 'k', env: { X: 'y' } } } } }", "{}"] {
            assert!(check(&location(), old, new).is_ok(), "{new}");
        }
    }
}
