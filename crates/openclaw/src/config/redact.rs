//! The configuration for eyes that may not see its secrets: a placeholder stands for each, also in
//! the text with its comments, and finds its way back to the secret when the text returns.
//!
//! A placeholder means only what stands at its own place. Anywhere else it is refused: else it would
//! carry a secret to where it can be read.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, parse_to_ast};

use super::problem::{Cause, Problem, is_secret, is_secret_name};
use super::reference;
use super::tree::{self, Kind, Node};

/// What stands for a secret.
pub(crate) const PLACEHOLDER: &str = "__OPENCLAW_REDACTED__";

/// Whether this value at this path is kept from sight: a secret itself, not a reference to one.
pub(crate) fn is_hidden(path: &[String], kind: &Kind) -> bool {
    match kind {
        Kind::Text(text) | Kind::Loose(text) => {
            !text.is_empty() && !reference::is_present(text) && (is_secret(path) || carries_password(text))
        }
        Kind::Number(_) => is_secret(path),
        Kind::Null | Kind::Boolean(_) | Kind::List(_) | Kind::Object(_) => false,
    }
}

/// An address with a password in it, or a secret in its query.
fn carries_password(text: &str) -> bool {
    let carries = |url: url::Url| url.password().is_some() || url.query_pairs().any(|(name, _)| is_secret_name(&name));
    text.contains("://") && url::Url::parse(text).is_ok_and(carries)
}

/// The text without its secrets; absent if it cannot be read, for then they cannot be found.
pub(crate) fn text(text: &str) -> Option<String> {
    let tree = tree::parse(text).ok()?;
    let mut secrets = Vec::new();
    collect(&tree, &mut Vec::new(), &mut secrets);
    let parsed = parse(text)?;
    let mut cuts: Vec<Cut> = comments(text)?
        .into_iter()
        .filter_map(|(start, end, comment)| {
            let masked = mask(comment, &secrets);
            (masked != comment).then_some((start, end, masked))
        })
        .collect();
    if let Some(value) = &parsed.value {
        hide(value, &mut Vec::new(), &mut cuts);
    }
    Some(cut(text, cuts))
}

/// Puts the comments that were masked back as they were.
pub(crate) fn restore_comments(text: &str, stored: &str) -> String {
    let Some(known) = tree::parse(stored).ok().and_then(|tree| {
        let mut secrets = Vec::new();
        collect(&tree, &mut Vec::new(), &mut secrets);
        let known = comments(stored)?.into_iter().map(|(_, _, comment)| (mask(comment, &secrets), comment));
        Some(known.filter(|(masked, comment)| masked != comment).collect::<Vec<_>>())
    }) else {
        return text.to_owned();
    };
    let cuts = comments(text).unwrap_or_default().into_iter().filter_map(|(start, end, comment)| {
        let (_, original) = known.iter().find(|(masked, _)| masked == comment)?;
        Some((start, end, (*original).to_owned()))
    });
    cut(text, cuts.collect())
}

/// The same value with what stands in `stored` in the place of each placeholder.
///
/// Errors: nothing stands there, or the placeholder is part of something else.
pub(crate) fn restore(node: &Node, stored: Option<&Node>, path: &mut Vec<String>) -> Result<Node, Problem> {
    let kind = match &node.kind {
        Kind::Text(text) if text == PLACEHOLDER => match stored {
            Some(stored) if is_hidden(path, &stored.kind) => stored.kind.clone(),
            _ => return Err(nothing_there(node, path)),
        },
        Kind::Text(text) if text.contains(PLACEHOLDER) => return Err(nothing_there(node, path)),
        Kind::List(items) => {
            let mut restored = Vec::with_capacity(items.len());
            for (index, item) in items {
                path.push(index.to_string());
                restored.push((*index, restore(item, counterpart(items, *index, item, stored), path)?));
                path.pop();
            }
            Kind::List(restored)
        }
        Kind::Object(members) => {
            let mut restored = Vec::with_capacity(members.len());
            for member in members {
                path.push(member.name.clone());
                let stored = stored.and_then(|stored| stored.member(&member.name));
                restored.push(tree::Member { value: restore(&member.value, stored, path)?, ..member.clone() });
                path.pop();
            }
            Kind::Object(restored)
        }
        kind => kind.clone(),
    };
    Ok(Node { origin: node.origin.clone(), kind })
}

/// Every path at which the placeholder stands.
pub(crate) fn placeholders(node: &Node, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match &node.kind {
        Kind::Text(text) if text == PLACEHOLDER => found.push(path.clone()),
        Kind::List(items) => items.iter().for_each(|(index, item)| {
            path.push(index.to_string());
            placeholders(item, path, found);
            path.pop();
        }),
        Kind::Object(members) => members.iter().for_each(|member| {
            path.push(member.name.clone());
            placeholders(&member.value, path, found);
            path.pop();
        }),
        Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) | Kind::Loose(_) => {}
    }
}

/// The stored entry that is the same thing: the one of its id, else the one at its place in a list
/// that has kept its length.
fn counterpart<'tree>(
    items: &[(usize, Node)],
    index: usize,
    item: &Node,
    stored: Option<&'tree Node>,
) -> Option<&'tree Node> {
    let Kind::List(known) = &stored?.kind else {
        return None;
    };
    let id = |node: &Node| match node.member("id").map(|id| id.kind.clone()) {
        Some(Kind::Text(id)) => Some(id),
        _ => None,
    };
    let found = match id(item) {
        Some(wanted) => known.iter().find(|(_, other)| id(other).as_ref() == Some(&wanted)),
        None => known.get(index).filter(|_| known.len() == items.len()),
    };
    found.map(|(_, node)| node)
}

fn nothing_there(node: &Node, path: &[String]) -> Problem {
    let message = format!("{PLACEHOLDER} stands for the secret that is stored in this very place, and there is none");
    Problem { path: path.to_vec(), origin: Some(node.origin.clone()), cause: Cause::Other(message) }
}

/// A stretch of text and what is to stand there instead.
type Cut = (usize, usize, String);

fn cut(text: &str, mut cuts: Vec<Cut>) -> String {
    cuts.sort_by_key(|(start, ..)| *start);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (start, end, instead) in cuts {
        out.push_str(text.get(from..start).unwrap_or_default());
        out.push_str(&instead);
        from = end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

fn parse(text: &str) -> Option<jsonc_parser::ParseResult<'_>> {
    let collect = CollectOptions { comments: CommentCollectionStrategy::Separate, tokens: false };
    parse_to_ast(text, &collect, &tree::dialect()).ok()
}

/// Every comment, its marks included, with where it stands.
fn comments(text: &str) -> Option<Vec<(usize, usize, &str)>> {
    let mut found: Vec<(usize, usize, &str)> = parse(text)?
        .comments?
        .values()
        .flat_map(|comments| comments.iter().map(|comment| (comment.range().start, comment.range().end)))
        .filter_map(|(start, end)| Some((start, end, text.get(start..end)?)))
        .collect();
    // One that stands between two tokens is known to both.
    found.sort_unstable();
    found.dedup();
    Some(found)
}

fn hide(value: &ast::Value<'_>, path: &mut Vec<String>, cuts: &mut Vec<Cut>) {
    let kind = match value {
        ast::Value::StringLit(literal) => Kind::Text(literal.value.to_string()),
        ast::Value::NumberLit(literal) => Kind::Number(literal.value.to_owned()),
        ast::Value::Array(array) => {
            for (index, item) in array.elements.iter().enumerate() {
                path.push(index.to_string());
                hide(item, path, cuts);
                path.pop();
            }
            return;
        }
        ast::Value::Object(object) => {
            for property in &object.properties {
                path.push(property.name.as_str().to_owned());
                hide(&property.value, path, cuts);
                path.pop();
            }
            return;
        }
        ast::Value::NullKeyword(_) | ast::Value::BooleanLit(_) => return,
    };
    if is_hidden(path, &kind) {
        let range = value.range();
        cuts.push((range.start, range.end, format!("\"{PLACEHOLDER}\"")));
    }
}

fn collect(node: &Node, path: &mut Vec<String>, secrets: &mut Vec<String>) {
    match &node.kind {
        Kind::Text(text) if is_hidden(path, &node.kind) => secrets.push(text.clone()),
        Kind::List(items) => items.iter().for_each(|(index, item)| {
            path.push(index.to_string());
            collect(item, path, secrets);
            path.pop();
        }),
        Kind::Object(members) => members.iter().for_each(|member| {
            path.push(member.name.clone());
            collect(&member.value, path, secrets);
            path.pop();
        }),
        Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) | Kind::Loose(_) => {}
    }
}

/// A comment without the secrets of the file, and without what looks like one that was there once.
fn mask(comment: &str, secrets: &[String]) -> String {
    let mut masked = comment.to_owned();
    for secret in secrets {
        masked = masked.replace(secret, PLACEHOLDER);
    }
    let mut out = String::with_capacity(masked.len());
    let mut rest = masked.as_str();
    while let Some(at) = rest.find([':', '=']) {
        let (before, after) = rest.split_at(at + 1);
        let name = before.trim_end_matches([':', '=']).trim_end().trim_end_matches(['"', '\'']);
        let name =
            name.rsplit(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next().unwrap_or_default();
        out.push_str(before);
        rest = after;
        if is_secret_name(name) {
            let value = rest.trim_start();
            let length = value_length(value);
            let (value, behind) = value.split_at(length);
            if length > 0 && value != "{" && !reference::is_present(value) {
                out.push(' ');
                out.push_str(PLACEHOLDER);
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

/// How much of the text is one value: to its closing quote, else to the next gap.
fn value_length(text: &str) -> usize {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text.get(1..).and_then(|rest| rest.find(quote)).map_or(text.len(), |end| end + 2),
        _ => text.find([' ', '\t', '\r', '\n', ',', '}', ']']).unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restored(new: &str, stored: &str) -> Result<Node, Problem> {
        restore(&tree::parse(new).unwrap(), Some(&tree::parse(stored).unwrap()), &mut Vec::new())
    }

    fn at(node: &Node, path: &[&str]) -> Option<Kind> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        node.at(&path).map(|node| node.kind.clone())
    }

    #[test]
    fn every_kind_of_secret_is_hidden_and_nothing_else() {
        let table = [
            ("{ gateway: { auth: { token: 's3' } } }", true),
            ("{ gateway: { password: 's3' } }", true),
            ("{ gateway: { auth: { token: 53 } } }", true),
            ("{ channels: { telegram: { botToken: 's3' }, x: { clientSecret: ['s3'] } } }", true),
            ("{ env: { ANYTHING: 's3', vars: { A: 's3' } } }", true),
            ("{ models: { providers: { p: { headers: { 'x-any': 's3' } } } } }", true),
            ("{ models: { providers: { p: { baseUrl: 'http://u:s3@host' } } } }", true),
            ("{ channels: { x: { webhook: 'https://host/b?room=1&token=s3' } } }", true),
            ("{ channels: { x: { webhook: 'https://host/b?room=1' } } }", false),
            ("{ gateway: { auth: { token: '${TOKEN}' } } }", false),
            ("{ gateway: { auth: { token: { source: 'env', id: 'TOKEN' } } } }", false),
            ("{ models: { providers: { p: { baseUrl: 'http://host', models: [{ maxTokens: 53 }] } } } }", false),
        ];
        for (written, is_hidden) in table {
            let shown = text(written).unwrap();
            assert_eq!(shown != written, is_hidden, "{shown}");
            assert!(!is_hidden || (!shown.contains("s3") && !shown.contains("53")), "{shown}");
        }
        assert_eq!(text("{ gateway: {"), None);
    }

    #[test]
    fn a_comment_loses_what_is_or_was_a_secret_and_gets_it_back() {
        let stored = "{ // the token: see below, was token: 'old-1'\n /* apiKey = sk-2 */ a: 1, // s3 again\n b: { token: 's3' } } // end: fine";
        let shown = text(stored).unwrap();
        for secret in ["old-1", "sk-2", "s3"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("again") && shown.contains("// end: fine"), "{shown}");
        let back = restore_comments(&shown, stored);
        assert_eq!(back, stored.replace("'s3'", &format!("\"{PLACEHOLDER}\"")));
    }

    #[test]
    fn a_placeholder_finds_its_secret_by_place_and_by_id_and_nowhere_else() {
        let stored = "{ a: { token: 's1' }, list: [{ id: 'x', token: 's2' }, { id: 'y', token: 's3' }], open: 'o' }";
        let new = format!("{{ list: [{{ id: 'y', token: '{PLACEHOLDER}' }}], a: {{ token: '{PLACEHOLDER}' }} }}");
        let node = restored(&new, stored).unwrap();
        assert_eq!(at(&node, &["list", "0", "token"]), Some(Kind::Text("s3".into())));
        assert_eq!(at(&node, &["a", "token"]), Some(Kind::Text("s1".into())));
        for wrong in [
            format!("{{ b: {{ token: '{PLACEHOLDER}' }} }}"),
            format!("{{ open: '{PLACEHOLDER}' }}"),
            format!("{{ a: {{ token: 'Bearer {PLACEHOLDER}' }} }}"),
            format!("{{ list: [{{ id: 'z', token: '{PLACEHOLDER}' }}] }}"),
            format!("{{ list: [{{ token: '{PLACEHOLDER}' }}] }}"),
        ] {
            assert!(restored(&wrong, stored).is_err(), "{wrong}");
        }
    }
}
