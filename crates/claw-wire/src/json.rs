//! Reads JSON within limits, and says which field is wrong.
//!
//! The nesting is counted before anything is built, because a parser's stack is not ours to spend. A key
//! that comes twice, and the one that JavaScript takes for an object's own nature, are refused wherever
//! they stand: what is given to us is given to others again, who may read it otherwise than we did.

use std::fmt::Display;

use claw_core::complaint;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::BadRequest;
use crate::limits::JSON_DEPTH_MAX;

mod keys;
mod objects;

use objects::Objects;

/// Reads one JSON text into a wire type; unknown fields are ignored.
///
/// # Errors
/// Not JSON, too deep, or a field of the wrong type: named by its path.
pub fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, BadRequest> {
    within_limits(bytes)?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    objects::read(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| explained::<T>(bytes, &error))
}

/// The same; `unknown` hears the path of each field that was ignored.
///
/// # Errors
/// As [`from_slice`].
pub fn from_slice_noting<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    mut unknown: impl FnMut(&dyn Display),
) -> Result<T, BadRequest> {
    within_limits(bytes)?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    serde_ignored::deserialize(Objects(&mut reader), |path| unknown(&path))
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| explained::<T>(bytes, &error))
}

fn within_limits(bytes: &[u8]) -> Result<(), BadRequest> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(BadRequest::whole("the body is empty; a JSON object is expected"));
    }
    if !is_depth_within(bytes, JSON_DEPTH_MAX) {
        return Err(BadRequest::whole(format!("JSON is nested deeper than {JSON_DEPTH_MAX} levels")));
    }
    if bytes.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<IgnoredAny>(bytes)
            .map_err(|error| BadRequest::whole(format!("not valid JSON: {error}")))?;
        return Err(BadRequest::whole(objects::REFUSED));
    }
    // What is no JSON at all is told by whoever reads it for its own sake.
    match serde_json::from_slice::<keys::Plain>(bytes) {
        Err(error) if error.is_data() => Err(keys::blame(&error)),
        Err(_) | Ok(keys::Plain) => Ok(()),
    }
}

fn explained<'a, T: Deserialize<'a>>(bytes: &'a [u8], error: &serde_json::Error) -> BadRequest {
    if error.is_data() { blame::<T>(bytes, error) } else { BadRequest::whole(format!("not valid JSON: {error}")) }
}

/// Whether no bracket is nested deeper than `max`; says nothing about other syntax.
pub fn is_depth_within(bytes: &[u8], max: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > max {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Reads once more, slowly, to learn the path of the wrong field.
fn blame<'a, T: Deserialize<'a>>(bytes: &'a [u8], first: &serde_json::Error) -> BadRequest {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(Objects(&mut reader)) else {
        return BadRequest::whole(first.to_string());
    };
    let path = error.path().to_string();
    let complained = error.inner().to_string();
    let message = complaint::plain(&complained);
    let at = ["missing field `", "duplicate field `"].iter().find_map(|said| complained.strip_prefix(said));
    let missing = at.and_then(|rest| rest.split('`').next());
    let param = match (path.as_str(), missing) {
        (".", None) => None,
        (".", Some(field)) => Some(field.to_owned()),
        (path, None) => Some(path.to_owned()),
        (path, Some(field)) => Some(format!("{path}.{field}")),
    };
    BadRequest { param, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Outer {
        inner: Vec<Inner>,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        number: u32,
    }

    fn refused(text: &str) -> (Option<String>, String) {
        let error = from_slice::<Outer>(text.as_bytes()).unwrap_err();
        (error.param, error.message)
    }

    #[test]
    fn a_wrong_type_is_named_by_its_path() {
        let (param, message) = refused(r#"{"inner":[{"number":1},{"number":"x"}]}"#);
        assert_eq!(param.as_deref(), Some("inner[1].number"));
        assert_eq!(message, "found the string \"x\"; allowed: a whole number, 0 or more");
        assert_eq!(refused(r#"{"inner":[7]}"#).1, "found the number 7; allowed: an object");
        assert_eq!(refused(r#"{"inner":7}"#).1, "found the number 7; allowed: an array");
        assert_eq!(refused(r#"{"inner":[{}]}"#).0.as_deref(), Some("inner[0].number"));
        assert_eq!(refused("{}").0.as_deref(), Some("inner"));
        assert_eq!(refused("[]").0, None);
        let list = "found an array; allowed: an object";
        assert_eq!(refused(" [[]]").1, list);
        for (text, param) in [(r#"{"inner":[{"number":1},[2]]}"#, "inner[1]"), (r#"{"inner":[[]]}"#, "inner[0]")] {
            assert_eq!(refused(text), (Some(param.to_owned()), list.to_owned()), "{text}");
            let noted = from_slice_noting::<Outer>(text.as_bytes(), |_path| {}).unwrap_err();
            assert_eq!((noted.param.as_deref(), noted.message.as_str()), (Some(param), list));
        }
        assert!(refused("[").1.starts_with("not valid JSON: "));
    }

    #[test]
    fn fields_that_nobody_reads_are_named_by_their_path() {
        let noted = |text: &str| {
            let mut paths = Vec::new();
            let read = from_slice_noting::<Outer>(text.as_bytes(), |path| paths.push(path.to_string()));
            (read.map_err(|bad| bad.param.unwrap_or(bad.message)), paths)
        };
        let one = || Ok(Outer { inner: vec![Inner { number: 1 }] });
        let found = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        assert_eq!(noted(r#"{"inner":[{"number":1}]}"#), (one(), found(&[])));
        let strange = r#"{"x":{"y":1},"inner":[{"number":1,"z":[]}]}"#;
        assert_eq!(noted(strange), (one(), found(&["x", "inner.0.z"])));
        assert_eq!(noted(r#"{"inner":[{"number":"x"}]}"#), (Err("inner[0].number".to_owned()), found(&[])));
        assert_eq!(
            noted("{\"inner\":[]} x").0,
            Err("not valid JSON: trailing characters at line 1 column 14".to_owned())
        );
    }

    #[test]
    fn what_is_not_json_is_said_to_be_none() {
        assert_eq!(refused(" \n").1, "the body is empty; a JSON object is expected");
        assert!(refused("{\"inner\":").1.starts_with("not valid JSON: "));
        assert!(from_slice::<Outer>(b"{\"inner\":\"\xff\"}").is_err());
    }

    /// adv_80.
    #[test]
    fn adv_80_a_key_that_comes_twice_or_is_built_in_is_refused_wherever_it_stands() {
        for (text, key) in [
            (r#"{"inner":[],"inner":[]}"#, "inner"),
            (r#"{"inner":[],"x":{"a":1,"b":2,"\u0061":3}}"#, "a"),
            (r#"{"inner":[{"number":1,"number":2}]}"#, "number"),
            (r#"{"inner":[],"x":[[{"__proto__":{}}]]}"#, "__proto__"),
            (r#"{"__pro\u0074o__":1,"inner":[]}"#, "__proto__"),
        ] {
            assert_eq!(refused(text).0.as_deref(), Some(key), "{text}");
        }
        let many: Vec<String> = (0..100).map(|number| format!("\"k{number}\":1")).collect();
        let wide = |last: &str| format!("{{\"inner\":[],\"x\":{{{},{last}:1}}}}", many.join(","));
        assert!(from_slice::<Outer>(wide("\"other\"").as_bytes()).is_ok());
        assert_eq!(refused(&wide("\"k7\"")), (Some("k7".to_owned()), "duplicate field `k7`".to_owned()));
    }

    #[test]
    fn depth_counts_brackets_but_not_those_in_texts() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_depth_within(nested(64).as_bytes(), 64));
        assert!(!is_depth_within(nested(65).as_bytes(), 64));
        assert!(is_depth_within(br#"["[[[[\"[[[["]"#, 1));
        let deep = format!("{{\"ignored\":{}}}", nested(100_000));
        assert_eq!(refused(&deep).1, "JSON is nested deeper than 64 levels");
    }
}
