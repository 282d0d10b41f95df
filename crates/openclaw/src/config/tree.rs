//! The configuration as a tree whose every value knows where it was written.
//!
//! Values from the environment and from flags join the same tree, so a wrong one is reported
//! with its own name instead of a line it never stood on. Knows no setting.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The file, 1-based line and column (in characters).
    File {
        /// 1-based line.
        line: usize,
        /// 1-based column, in characters.
        column: usize,
    },
    /// An environment variable, by name.
    Environment(String),
    /// A command-line flag, as typed.
    Flag(&'static str),
}

/// One value and its origin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Boolean(bool),
    /// The number as written, JSON5 forms included.
    Number(String),
    Text(String),
    /// Text from outside the file: read as a number or a boolean where one is wanted.
    Loose(String),
    /// Each entry with its index, which stays when another entry is cut out.
    List(Vec<(usize, Node)>),
    Object(Vec<Member>),
}

/// One key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    pub(crate) value: Node,
}

/// Text that is not JSON5.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

/// The dialect we read: JSON5, without the parser's own extension of missing commas.
pub(crate) fn dialect() -> ParseOptions {
    ParseOptions { allow_missing_commas: false, ..ParseOptions::default() }
}

/// Reads JSON5 text. An empty text, or one of comments alone, is an empty object.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let lines = Lines::of(text);
    let parsed = parse_to_ast(text, &CollectOptions::default(), &dialect()).map_err(|error| SyntaxError {
        line: error.line_display(),
        column: error.column_display(),
        message: lower_first(&error.kind().to_string()),
    })?;
    Ok(match parsed.value {
        Some(value) => lines.node(&value),
        None => Node { origin: Origin::File { line: 1, column: 1 }, kind: Kind::Object(Vec::new()) },
    })
}

impl Node {
    /// A string that stands in no file yet.
    pub(crate) fn text(text: String) -> Self {
        Self { origin: Origin::File { line: 1, column: 1 }, kind: Kind::Text(text) }
    }

    /// The member `name`; of several the last, as JSON5 has it.
    pub(crate) fn member(&self, name: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Object(members) => {
                members.iter().rev().find(|member| member.name == name).map(|member| &member.value)
            }
            _ => None,
        }
    }

    /// The value at `path` (member names and list indices).
    pub(crate) fn at(&self, path: &[String]) -> Option<&Node> {
        path.iter().try_fold(self, |node, name| match &node.kind {
            Kind::List(items) => {
                let wanted = name.parse::<usize>().ok()?;
                let found = items.iter().find(|(index, _)| *index == wanted);
                found.map(|(_, node)| node)
            }
            _ => node.member(name),
        })
    }

    /// Puts `value` at the dotted `path`, making objects on the way and replacing what is in it.
    pub(crate) fn put(&mut self, path: &[&str], value: Node) {
        let Some((name, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self.kind, Kind::Object(_)) {
            self.kind = Kind::Object(Vec::new());
        }
        let Kind::Object(members) = &mut self.kind else {
            return;
        };
        if let Some(member) = members.iter_mut().rev().find(|member| member.name == *name) {
            member.value.put(rest, value);
            return;
        }
        let origin = value.origin.clone();
        let mut child = Node { origin: origin.clone(), kind: Kind::Object(Vec::new()) };
        child.put(rest, value);
        members.push(Member { name: (*name).to_owned(), origin, value: child });
    }

    /// Takes away the value at `path` (member names and list indices); false if there is none.
    pub(crate) fn remove(&mut self, path: &[String]) -> bool {
        let Some((name, rest)) = path.split_first() else {
            return false;
        };
        match &mut self.kind {
            Kind::Object(members) => {
                let Some(at) = members.iter().rposition(|member| member.name == *name) else {
                    return false;
                };
                if rest.is_empty() {
                    members.remove(at);
                    return true;
                }
                members.get_mut(at).is_some_and(|member| member.value.remove(rest))
            }
            Kind::List(items) => {
                let wanted = name.parse::<usize>().ok();
                let Some(at) = items.iter().position(|(index, _)| Some(*index) == wanted) else {
                    return false;
                };
                if rest.is_empty() {
                    items.remove(at);
                    return true;
                }
                items.get_mut(at).is_some_and(|(_, item)| item.remove(rest))
            }
            Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) | Kind::Loose(_) => false,
        }
    }
}

/// The starts of a text's lines, to turn byte positions into lines and columns.
struct Lines<'text> {
    text: &'text str,
    starts: Vec<usize>,
}

impl<'text> Lines<'text> {
    fn of(text: &'text str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn origin(&self, at: usize) -> Origin {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|index| self.starts.get(index)).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(0, |before| before.chars().count());
        Origin::File { line, column: column + 1 }
    }

    fn node(&self, value: &ast::Value<'_>) -> Node {
        let kind = match value {
            ast::Value::NullKeyword(_) => Kind::Null,
            ast::Value::BooleanLit(literal) => Kind::Boolean(literal.value),
            ast::Value::NumberLit(literal) => Kind::Number(literal.value.to_owned()),
            ast::Value::StringLit(literal) => Kind::Text(literal.value.to_string()),
            ast::Value::Array(array) => {
                Kind::List(array.elements.iter().map(|item| self.node(item)).enumerate().collect())
            }
            ast::Value::Object(object) => Kind::Object(
                object
                    .properties
                    .iter()
                    .map(|property| Member {
                        name: property.name.as_str().to_owned(),
                        origin: self.origin(property.range.start),
                        value: self.node(&property.value),
                    })
                    .collect(),
            ),
        };
        Node { origin: self.origin(value.range().start), kind }
    }
}

/// A number as JSON5 writes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

/// Reads a JSON5 number: decimal, hexadecimal, with a sign, with a bare point.
pub(crate) fn parse_number(written: &str) -> Option<Number> {
    let (negative, digits) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written.strip_prefix('+').unwrap_or(written)),
    };
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok(),
        None if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        None => None,
    };
    match (magnitude, negative) {
        (Some(value), false) => Some(Number::Unsigned(value)),
        (Some(0), true) => Some(Number::Unsigned(0)),
        (Some(value), true) => match i64::try_from(value) {
            Ok(value) => Some(Number::Negative(-value)),
            Err(_) => written.parse().ok().map(Number::Float),
        },
        (None, _) => {
            let float: f64 = digits.parse().ok()?;
            Some(Number::Float(if negative { -float } else { float }))
        }
    }
}

fn lower_first(message: &str) -> String {
    let mut letters = message.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_json5_form() {
        let table = [
            ("0", Number::Unsigned(0)),
            ("18789", Number::Unsigned(18789)),
            ("+5", Number::Unsigned(5)),
            ("0x1F", Number::Unsigned(31)),
            ("-7", Number::Negative(-7)),
            ("-0", Number::Unsigned(0)),
            (".5", Number::Float(0.5)),
            ("5.", Number::Float(5.0)),
            ("1e3", Number::Float(1000.0)),
            ("-2.5", Number::Float(-2.5)),
        ];
        for (written, number) in table {
            assert_eq!(parse_number(written), Some(number), "{written}");
        }
        for written in ["", "abc", "0xZZ", "1_000"] {
            assert!(parse_number(written).is_none(), "{written}");
        }
    }

    #[test]
    fn a_value_knows_its_line_and_column() {
        let tree = parse("// first\n{\n  gateway: { port: 'é', bind: 1 },\n}").unwrap();
        let gateway = tree.member("gateway").unwrap();
        let bind = gateway.member("bind").unwrap();
        assert_eq!(bind.origin, Origin::File { line: 3, column: 31 });
    }

    #[test]
    fn an_empty_text_is_an_empty_object() {
        for text in ["", "  \n", "// nothing yet\n", "{}"] {
            assert_eq!(parse(text).unwrap().kind, Kind::Object(Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn text_that_is_not_json5_names_line_and_column() {
        let table =
            [("{\n  gateway: {\n", 2), ("{ a: 1 b: 2 }", 1), ("{\n a: 1,\n b: @ }", 3), ("[1, 2", 1), ("{} {}", 1)];
        for (text, line) in table {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error:?}");
            assert!(error.column >= 1 && !error.message.is_empty());
        }
    }

    #[test]
    fn put_makes_the_way_and_remove_takes_the_leaf() {
        let mut tree = parse("{ a: 1 }").unwrap();
        let leaf = Node { origin: Origin::Flag("--x"), kind: Kind::Boolean(true) };
        tree.put(&["b", "c"], leaf.clone());
        assert_eq!(tree.member("b").unwrap().member("c"), Some(&leaf));
        assert!(tree.remove(&["b".to_owned(), "c".to_owned()]));
        assert!(!tree.remove(&["b".to_owned(), "c".to_owned()]));
        assert!(!tree.remove(&["z".to_owned()]));
    }
}
