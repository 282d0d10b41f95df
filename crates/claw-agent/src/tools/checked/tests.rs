use super::*;

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"required":["path"],"properties":{
"path":{"type":"string"},
"limit":{"type":["integer","null"],"format":"uint","minimum":0},
"max_chars":{"type":["integer","null"],"format":"uint32","minimum":0},
"count":{"type":"integer","minimum":1,"maximum":20},
"ratio":{"type":"number"},
"deep":{"type":"boolean"},
"kind":{"anyOf":[{"type":"string","enum":["day","week"]},{"type":"null"}]},
"action":{"oneOf":[{"const":"list","type":"string"},{"const":"poll","type":"string","description":"x"}]},
"keys":{"type":"array","items":{"type":"string"}},
"env":{"type":"object","additionalProperties":{"type":"string"}},
"at":{"type":"object","required":["line"],"properties":{"line":{"type":"integer"},"column":{"type":"integer"}}},
"id":{"type":["integer","string"]},
"any":true}}"#;

fn told(arguments: &str) -> Result<(), String> {
    match check(&Rule::of(&JsonText::new(SCHEMA)), &JsonText::new(arguments)) {
        Ok(()) => Ok(()),
        Err(ToolError::Arguments(why)) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_does_not_fit_is_named_by_its_path_in_the_words_of_json() {
    let table = [
        (r#"{"path":1}"#, "path: expected a string, found 1"),
        (r#"{"path":null}"#, "path: expected a string, found null"),
        (r#"{"path":["a"]}"#, "path: expected a string, found an array"),
        (r#"{"path":"a","limit":"x"}"#, "limit: expected a whole number, 0 or more, found the text \"x\""),
        (r#"{"path":"a","limit":-1}"#, "limit: expected a whole number, 0 or more, found -1"),
        (r#"{"path":"a","limit":1.5}"#, "limit: expected a whole number, 0 or more, found 1.5"),
        (
            r#"{"path":"a","max_chars":5000000000}"#,
            "max_chars: expected a whole number from 0 to 4294967295, found 5000000000",
        ),
        (r#"{"path":"a","maxChars":true}"#, "maxChars: expected a whole number from 0 to 4294967295, found true"),
        (r#"{"path":"a","count":21}"#, "count: expected a whole number from 1 to 20, found 21"),
        (r#"{"path":"a","ratio":"x"}"#, "ratio: expected a number, found the text \"x\""),
        (r#"{"path":"a","deep":"yes"}"#, "deep: expected true or false, found the text \"yes\""),
        (r#"{"path":"a","kind":"year"}"#, "kind: expected one of \"day\", \"week\", found the text \"year\""),
        (r#"{"path":"a","action":"stop"}"#, "action: expected one of \"list\", \"poll\", found the text \"stop\""),
        (r#"{"path":"a","keys":"x"}"#, "keys: expected an array, found the text \"x\""),
        (r#"{"path":"a","keys":["x",{}]}"#, "keys[1]: expected a string, found an object"),
        (r#"{"path":"a","env":{"A":"1","B":2}}"#, "env.B: expected a string, found 2"),
        (r#"{"path":"a","env":["A","1"]}"#, "env: expected an object, found an array"),
        (r#"{"path":"a","at":[1,2]}"#, "at: expected an object, found an array"),
        (r#"{"path":"a","at":{"column":1}}"#, "at.line: is missing, expected a whole number"),
        (r#"{"path":"a","id":true}"#, "id: expected a whole number or a string, found true"),
        (r#"{"path":"a","path":"b"}"#, "path: is there twice"),
        (r#"["a",1]"#, "expected an object, found an array"),
        (r#""a""#, "expected an object, found the text \"a\""),
        ("{}", "path: is missing, expected a string"),
        ("", "path: is missing, expected a string"),
        (r#"{"path":"#, "they are not JSON: EOF while parsing a value"),
        (r#"{"path":"a"} x"#, "they are not JSON: trailing characters"),
    ];
    for (arguments, why) in table {
        assert_eq!(told(arguments), Err(why.to_owned()), "{arguments}");
    }
    let long = format!(r#"{{"path":"a","limit":"{}"}}"#, "x".repeat(1_000_000));
    assert!(told(&long).unwrap_err().len() < 200);
}

#[test]
fn what_fits_passes_and_other_names_are_left_to_the_tool() {
    let fine = [
        r#"{"path":"a"}"#,
        r#"{"path":"a","limit":null,"count":null,"deep":null,"kind":null}"#,
        r#"{"path":"a","limit":18446744073709551615,"ratio":1,"id":"7","keys":[],"env":{},"any":[{"x":[]}]}"#,
        // A second name of what must be there, perhaps, or none at all.
        r#"{"file_path":7}"#,
        r#"{"path":"a","nope":1}"#,
    ];
    for arguments in fine {
        assert_eq!(told(arguments), Ok(()), "{arguments}");
    }
    let free = Rule::of(&JsonText::new("true"));
    assert_eq!(check(&free, &JsonText::new("[1]")), Ok(()));
    let unreadable = Rule::of(&JsonText::new("{"));
    assert_eq!(check(&unreadable, &JsonText::new("7")), Ok(()));
}
