//! `${NAME}` in configuration strings: values that live in the environment, not in the file.
//!
//! Only upper-case names count, so that a prompt may hold `${name}` untouched; `$${NAME}` is the
//! way to write a literal `${NAME}`. Both rules are stock OpenClaw's.

/// A piece of a configuration string.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'text> {
    Literal(&'text str),
    Variable(&'text str),
}

/// Replaces every reference in `text`; the error is the first name `lookup` does not know.
pub(crate) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    for piece in Pieces(text) {
        match piece {
            Piece::Literal(literal) => expanded.push_str(literal),
            Piece::Variable(name) => expanded.push_str(&lookup(name).ok_or_else(|| name.to_owned())?),
        }
    }
    Ok(expanded)
}

/// Whether `text` takes anything from the environment.
pub(crate) fn is_present(text: &str) -> bool {
    Pieces(text).any(|piece| matches!(piece, Piece::Variable(_)))
}

struct Pieces<'text>(&'text str);

impl<'text> Iterator for Pieces<'text> {
    type Item = Piece<'text>;

    fn next(&mut self) -> Option<Piece<'text>> {
        let text = self.0;
        let Some(dollar) = text.find('$') else {
            self.0 = "";
            return (!text.is_empty()).then_some(Piece::Literal(text));
        };
        let (before, from_dollar) = text.split_at(dollar);
        if !before.is_empty() {
            self.0 = from_dollar;
            return Some(Piece::Literal(before));
        }
        if let Some(escaped) = from_dollar.strip_prefix('$').filter(|rest| variable(rest).is_some()) {
            // The `${` goes out as it is; the name after it is then plain text.
            let (literal, rest) = escaped.split_at(2);
            self.0 = rest;
            return Some(Piece::Literal(literal));
        }
        if let Some((name, rest)) = variable(from_dollar) {
            self.0 = rest;
            return Some(Piece::Variable(name));
        }
        let (literal, rest) = from_dollar.split_at(1);
        self.0 = rest;
        Some(Piece::Literal(literal))
    }
}

/// Splits `${NAME}…` into the name and what follows.
fn variable(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix("${")?.split_once('}')?;
    let starts_well = name.bytes().next().is_some_and(|byte| byte == b'_' || byte.is_ascii_uppercase());
    let goes_on_well = name.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (starts_well && goes_on_well).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("k-1".to_owned()),
            "_HOST2" => Some("h".to_owned()),
            "TRICK" => Some("${KEY}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn references_are_replaced_once() {
        let table = [
            ("plain", "plain"),
            ("${KEY}", "k-1"),
            ("a${KEY}b${_HOST2}c", "ak-1bhc"),
            ("${TRICK}", "${KEY}"),
            ("$${KEY}", "${KEY}"),
            ("$$${KEY}", "$${KEY}"),
            ("${lower}", "${lower}"),
            ("${1KEY}", "${1KEY}"),
            ("${KEY", "${KEY"),
            ("$", "$"),
            ("5 $ and $KEY", "5 $ and $KEY"),
            ("", ""),
            ("é${KEY}é", "ék-1é"),
        ];
        for (text, expanded) in table {
            assert_eq!(expand(text, lookup).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn an_unset_variable_is_named() {
        assert_eq!(expand("x${KEY}${GONE}", lookup), Err("GONE".to_owned()));
    }

    #[test]
    fn an_escaped_reference_is_none() {
        assert!(is_present("a${KEY}"));
        assert!(!is_present("a$${KEY}") && !is_present("${lower}"));
    }
}
