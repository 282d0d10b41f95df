//! Parts of the configuration as JSON for the terminal, secrets left out.
//!
//! A secret shows only when it is asked for by its exact path: the file is the owner's, and
//! needing one's own token is no leak. References show as written, not what they stand for.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::redact::{self, is_hidden};
use super::tree::{Kind, Node, Number, parse_number};

/// A node as serde sees it.
pub(crate) struct View<'tree> {
    node: &'tree Node,
    path: Vec<String>,
    exact: bool,
    mask: &'static str,
}

impl<'tree> View<'tree> {
    /// Shows `node`, which stands at `path`.
    pub(crate) fn of(node: &'tree Node, path: &[String]) -> Self {
        Self { node, path: path.to_vec(), exact: true, mask: "***" }
    }

    /// Shows the whole to somebody who is to see no secret, and may send back what stands for one.
    pub(crate) fn redacted(node: &'tree Node) -> Self {
        Self { node, path: Vec::new(), exact: false, mask: redact::PLACEHOLDER }
    }

    fn child(&self, name: &str, node: &'tree Node) -> Self {
        let mut path = self.path.clone();
        path.push(name.to_owned());
        Self { node, path, exact: false, mask: self.mask }
    }
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.node.kind {
            Kind::Null => serializer.serialize_unit(),
            Kind::Boolean(value) => serializer.serialize_bool(*value),
            kind if !self.exact && is_hidden(&self.path, kind) => serializer.serialize_str(self.mask),
            Kind::Number(written) => match parse_number(written) {
                Some(Number::Unsigned(value)) => serializer.serialize_u64(value),
                Some(Number::Negative(value)) => serializer.serialize_i64(value),
                Some(Number::Float(value)) => serializer.serialize_f64(value),
                None => serializer.serialize_str(written),
            },
            Kind::Text(text) | Kind::Loose(text) => serializer.serialize_str(text),
            Kind::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for (index, item) in items {
                    list.serialize_element(&self.child(&index.to_string(), item))?;
                }
                list.end()
            }
            Kind::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for member in members {
                    map.serialize_entry(&member.name, &self.child(&member.name, &member.value))?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    #[test]
    fn secrets_show_only_when_asked_for_exactly() {
        let text = "{ gateway: { auth: { token: 'abc', password: '${PW}' }, port: 0x10 } }";
        let tree = tree::parse(text).unwrap();
        let whole = serde_json::to_string(&View::of(&tree, &[])).unwrap();
        assert_eq!(whole, r#"{"gateway":{"auth":{"token":"***","password":"${PW}"},"port":16}}"#);
        let path = ["gateway", "auth", "token"].map(str::to_owned);
        let token = tree.at(&path).unwrap();
        let exact = serde_json::to_string(&View::of(token, &path)).unwrap();
        assert_eq!(exact, r#""abc""#);
    }
}
