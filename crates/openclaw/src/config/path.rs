//! Dotted paths: `gateway.auth.token`, `agents.list[0].name`, `models.providers."my.host".baseUrl`.

/// A path that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the path is empty")]
    Empty,
    #[error("the path {0:?} has an empty part")]
    EmptyPart(String),
    #[error("the path {0:?} has a quote or bracket that is not closed")]
    Open(String),
}

/// Splits a path into names; list indices come as their digits.
///
/// The old spellings of the gateway's credentials are turned into the new ones, which is how
/// both are read and one is written.
pub(crate) fn parse(text: &str) -> Result<Vec<String>, PathError> {
    if text.is_empty() {
        return Err(PathError::Empty);
    }
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = part(rest).ok_or_else(|| PathError::Open(text.to_owned()))?;
        if name.is_empty() {
            return Err(PathError::EmptyPart(text.to_owned()));
        }
        names.push(name.to_owned());
        rest = match after {
            "" => return Ok(modern(names)),
            bracket if bracket.starts_with('[') => bracket,
            dotted => dotted.strip_prefix('.').unwrap_or(dotted),
        };
    }
}

/// The first part of `text` and what follows it, its separator included.
fn part(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted.split_once('"');
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        return bracketed.split_once(']');
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    Some(text.split_at(end))
}

fn modern(names: Vec<String>) -> Vec<String> {
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let new = match words.as_slice() {
        ["gateway", "authToken"] => ["gateway", "auth", "token"],
        ["gateway", "password"] => ["gateway", "auth", "password"],
        _ => return names,
    };
    new.map(str::to_owned).to_vec()
}

/// The old spelling of a path, if it has one.
pub(crate) fn old_spelling(path: &[String]) -> Option<[String; 2]> {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let old = match words.as_slice() {
        ["gateway", "auth", "token"] => ["gateway", "authToken"],
        ["gateway", "auth", "password"] => ["gateway", "password"],
        _ => return None,
    };
    Some(old.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_into_names() {
        let table: [(&str, &[&str]); 8] = [
            ("a", &["a"]),
            ("gateway.port", &["gateway", "port"]),
            ("agents.list[0].name", &["agents", "list", "0", "name"]),
            ("agents.list.0.name", &["agents", "list", "0", "name"]),
            ("m.\"a.b\".c", &["m", "a.b", "c"]),
            ("m.\"a.b\"", &["m", "a.b"]),
            ("gateway.authToken", &["gateway", "auth", "token"]),
            ("gateway.password", &["gateway", "auth", "password"]),
        ];
        for (text, names) in table {
            assert_eq!(parse(text).unwrap(), names, "{text}");
        }
    }

    #[test]
    fn broken_paths_are_refused() {
        for text in ["", ".", "a..b", "a.", ".a", "a.\"b", "a[0", "a[].b"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
