//! The YAML of a skill's head as a small tree that knows its lines.
//!
//! Nothing in it can grow: anchors, aliases, tags and a second document are refused as they come,
//! and depth and number of values are bounded, so a text of 64 KiB stays one of 64 KiB. What a
//! plain word means (`true`, a number) is decided by whoever reads the field.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::limits::{YAML_DEPTH_MAX, YAML_NODES_MAX};

/// A value and the line it begins on, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text; a plain one stands without quotes.
    Text {
        text: String,
        is_plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) line: usize,
    pub(crate) found: String,
    pub(crate) allowed: &'static str,
}

impl Node {
    /// Whether it is `null` or nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Text { text, is_plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// What kind of value it is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads one document whose first line is line `first` of its file.
pub(crate) fn parse(text: &str, first: usize) -> Result<Node, Trouble> {
    let mut reader = Reader { events: Parser::new_from_str(text), first, nodes: 0, line: first };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Node { line: first, value: Value::Map(Vec::new()) }),
            event => {
                let root = reader.node(event, 0)?;
                reader.end()?;
                return Ok(root);
            }
        }
    }
}

struct Reader<'text> {
    events: Parser<'text, saphyr_parser::StrInput<'text>>,
    first: usize,
    nodes: usize,
    line: usize,
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<Event<'text>, Trouble> {
        match self.events.next() {
            Some(Ok((event, Span { start, .. }))) => {
                self.line = self.first + start.line().saturating_sub(1);
                Ok(event)
            }
            Some(Err(error)) => {
                self.line = self.first + error.marker().line().saturating_sub(1);
                Err(self.trouble(
                    &format!("what is no YAML ({})", error.info()),
                    "YAML; put a text with \": \" or \" #\" in it in quotes",
                ))
            }
            None => Err(self.trouble("the end in the middle of a value", "whole YAML")),
        }
    }

    fn trouble(&self, found: &str, allowed: &'static str) -> Trouble {
        Trouble { line: self.line, found: found.to_owned(), allowed }
    }

    fn end(&mut self) -> Result<(), Trouble> {
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(()),
                Event::DocumentEnd | Event::Nothing => {}
                _ => return Err(self.trouble("a second document", "one document between the lines ---")),
            }
        }
    }

    fn node(&mut self, event: Event<'text>, depth: usize) -> Result<Node, Trouble> {
        let line = self.line;
        self.nodes += 1;
        if self.nodes > YAML_NODES_MAX {
            return Err(self.trouble(&format!("more than {YAML_NODES_MAX} values"), "fewer"));
        }
        if depth > YAML_DEPTH_MAX {
            return Err(self.trouble(&format!("values more than {YAML_DEPTH_MAX} deep"), "fewer"));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain(anchor, tag.is_some())?;
                Value::Text { text: text.into_owned(), is_plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain(anchor, tag.is_some())?;
                Value::List(self.list(depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                self.plain(anchor, tag.is_some())?;
                Value::Map(self.map(depth)?)
            }
            Event::Alias(_) => return Err(self.trouble("an alias (*name)", "every value written out")),
            _ => return Err(self.trouble("what is no value", "a text, a list or a mapping")),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Trouble> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(list),
                event => list.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(String, Node)>, Trouble> {
        let mut map: Vec<(String, Node)> = Vec::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(map),
                event => self.node(event, depth + 1)?,
            };
            let Value::Text { text: key, .. } = key.value else {
                return Err(self.trouble("a key that is no text", "texts as keys"));
            };
            if map.iter().any(|(there, _)| *there == key) {
                let shown: String = key.chars().take(40).collect();
                return Err(self.trouble(&format!("the key {shown:?} twice"), "each key once"));
            }
            let event = self.next()?;
            let node = self.node(event, depth + 1)?;
            map.push((key, node));
        }
    }

    fn plain(&self, anchor: usize, has_tag: bool) -> Result<(), Trouble> {
        match (anchor, has_tag) {
            (0, false) => Ok(()),
            (0, true) => Err(self.trouble("a tag (!name)", "values without tags")),
            _ => Err(self.trouble("an anchor (&name)", "every value written out")),
        }
    }
}
