//! What a reader of JSON complains of, in JSON's words instead of our types'.
//!
//! Knows serde's sentences and nothing of how they came about.

/// The complaint without its place in the text, which means nothing to whoever wrote one line.
pub fn unplaced(complaint: &str) -> &str {
    complaint.rfind(" at line ").and_then(|end| complaint.get(..end)).unwrap_or(complaint)
}

/// The same, and what was expected in JSON's words. Of fields that come twice only those are left to tell
/// that do so under two names: whoever reads the same name twice has refused that before.
pub fn plain(complaint: &str) -> String {
    let complaint = unplaced(complaint);
    if let Some(field) = complaint.strip_prefix("duplicate field ") {
        return format!("{field} is given twice, once by another of its names");
    }
    let Some((found, expected)) = complaint.rsplit_once(", expected ") else { return complaint.to_owned() };
    if let Some(found) = found.strip_prefix("unknown variant `") {
        let allowed = expected.trim_start_matches("one of ").replace('`', "\"");
        return format!("found the string {:?}; allowed: {allowed}", found.trim_end_matches('`'));
    }
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "an object",
        expected if expected.starts_with("struct ") => "an object",
        expected if expected.starts_with("internally tagged enum ") => "an object with a type that is known",
        expected => expected,
    };
    let Some(found) = found.strip_prefix("invalid type: ").or_else(|| found.strip_prefix("invalid value: ")) else {
        return format!("{found}, expected {expected}");
    };
    let number = ["integer `", "floating point `"].iter().find_map(|kind| found.strip_prefix(kind));
    let found = match (found, number) {
        (_, Some(number)) => format!("the number {}", number.trim_end_matches('`')),
        ("sequence", _) => "an array".to_owned(),
        ("map", _) => "an object".to_owned(),
        ("boolean `true`", _) => "true".to_owned(),
        ("boolean `false`", _) => "false".to_owned(),
        (text, _) if text.starts_with("string ") => format!("the {text}"),
        (other, _) => other.to_owned(),
    };
    format!("found {found}; allowed: {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_says_of_our_types_is_said_of_json() {
        for (serde, said) in [
            (
                "invalid type: map, expected u32 at line 1 column 5",
                "found an object; allowed: a whole number, 0 or more",
            ),
            ("invalid value: integer `-1`, expected u32", "found the number -1; allowed: a whole number, 0 or more"),
            ("invalid type: floating point `1.5`, expected i64", "found the number 1.5; allowed: a whole number"),
            (
                "invalid type: string \"a, expected `b`\", expected f64",
                "found the string \"a, expected `b`\"; allowed: a number",
            ),
            ("invalid type: sequence, expected a string", "found an array; allowed: a string"),
            ("invalid type: boolean `true`, expected a sequence", "found true; allowed: an array"),
            ("invalid type: null, expected a boolean", "found null; allowed: true or false"),
            ("invalid type: integer `7`, expected struct Inner", "found the number 7; allowed: an object"),
            (
                "invalid type: integer `7`, expected internally tagged enum Choice",
                "found the number 7; allowed: an object with a type that is known",
            ),
            ("unknown field `x`, expected `a` or `b` at line 2 column 1", "unknown field `x`, expected `a` or `b`"),
            ("unknown variant `x`, expected `a` or `b`", "found the string \"x\"; allowed: \"a\" or \"b\""),
            (
                "unknown variant `x`, expected one of `a`, `b`, `c`",
                "found the string \"x\"; allowed: \"a\", \"b\", \"c\"",
            ),
            ("duplicate field `path` at line 1 column 9", "`path` is given twice, once by another of its names"),
            ("missing field `path`", "missing field `path`"),
        ] {
            assert_eq!(plain(serde), said);
        }
        assert_eq!(unplaced("it stands at line 3 at line 1 column 2"), "it stands at line 3");
    }
}
