use proptest::prelude::*;

use super::*;

fn read(head: &str) -> Result<Manifest, Vec<String>> {
    let text = format!("---\n{head}\n---\nDo it.\n");
    parse(text.as_bytes()).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_skill_of_the_open_format_is_read_whole() {
    let head = "\
name: pdf-forms
description: >
  Fills in forms.
  Use when there is one.
license: Apache-2.0
compatibility: Needs qpdf
allowed-tools: Bash(git:*) Read
metadata:
  author: somebody
  version: \"1.2\"
something-of-others: [1, {a: b}]";
    let expected = Manifest {
        name: "pdf-forms".into(),
        key: "pdf-forms".into(),
        description: "Fills in forms. Use when there is one.".into(),
        license: Some("Apache-2.0".into()),
        compatibility: Some("Needs qpdf".into()),
        allowed_tools: list(&["Bash(git:*)", "Read"]),
        version: Some("1.2".into()),
        is_invocable: true,
        body_line: 14,
        ..Manifest::default()
    };
    assert_eq!(read(head), Ok(expected));
}

/// The three ways in which stock OpenClaw's own skills write their metadata.
#[test]
fn stock_metadata_is_read_as_yaml_as_json_in_yaml_and_as_json_in_a_text() {
    let yaml = "\
metadata:
  openclaw:
    emoji: \"\u{1f510}\"
    os: [darwin, linux]
    primaryEnv: OP_TOKEN
    requires:
      bins: [op]
      anyBins: [tmux, screen]
      env: [OP_TOKEN]
      config: [browser.enabled]
    install:
      - {id: brew, kind: brew, formula: op, bins: [op], label: Install by Homebrew}";
    let json = "\
metadata:
  {
    \"openclaw\":
      {
        \"emoji\": \"\u{1f510}\",
        \"os\": [\"darwin\", \"linux\"],
        \"primaryEnv\": \"OP_TOKEN\",
        \"requires\": { \"bins\": [\"op\"], \"anyBins\": [\"tmux\", \"screen\"], \"env\": [\"OP_TOKEN\"], \"config\": [\"browser.enabled\"] },
        \"install\":
          [
            { \"id\": \"brew\", \"kind\": \"brew\", \"formula\": \"op\", \"bins\": [\"op\"], \"label\": \"Install by Homebrew\" },
          ],
      },
  }";
    let text = "metadata: '{\"clawdbot\":{\"emoji\":\"\u{1f510}\",\"os\":[\"darwin\",\"linux\"],\"primaryEnv\":\"OP_TOKEN\",\"requires\":{\"bins\":[\"op\"],\"anyBins\":[\"tmux\",\"screen\"],\"env\":[\"OP_TOKEN\"],\"config\":[\"browser.enabled\"]},\"install\":[{\"id\":\"brew\",\"kind\":\"brew\",\"bins\":[\"op\"],\"label\":\"Install by Homebrew\"}]}}'";
    for metadata in [yaml, json, text] {
        let read = read(&format!("name: one\ndescription: D\n{metadata}")).unwrap();
        let needs = Requirements {
            bins: list(&["op"]),
            any_bins: list(&["tmux", "screen"]),
            env: list(&["OP_TOKEN"]),
            config: list(&["browser.enabled"]),
            os: list(&["darwin", "linux"]),
        };
        assert_eq!(read.needs, needs, "{metadata}");
        assert_eq!(read.emoji.as_deref(), Some("\u{1f510}"));
        assert_eq!(read.primary_env.as_deref(), Some("OP_TOKEN"));
        let (id, kind, label) = ("brew".into(), "brew".into(), "Install by Homebrew".into());
        assert_eq!(read.installers, [Installer { id, kind, label, bins: list(&["op"]) }]);
    }
}

#[test]
fn what_is_wrong_is_told_with_line_field_what_was_found_and_what_is_allowed() {
    let name = "allowed: 1 to 64 of a to z, 0 to 9 and single hyphens inside";
    let text = "allowed: a text of at most 1024 characters";
    let table: &[(&str, &[&str])] = &[
        (
            "title: x",
            &[
                &format!("SKILL.md:2: name: found nothing, {name}"),
                "SKILL.md:2: description: found nothing, allowed: 1 to 1024 characters: what it does, and when to use it",
            ],
        ),
        ("name: My Skill\ndescription: D", &[&format!("SKILL.md:2: name: found \"My Skill\", {name}")]),
        ("description: D\nname: ../up", &[&format!("SKILL.md:3: name: found \"../up\", {name}")]),
        ("name: a--b\ndescription: D", &[&format!("SKILL.md:2: name: found \"a--b\", {name}")]),
        ("name: [a]\ndescription: D", &[&format!("SKILL.md:2: name: found a list, {name}")]),
        ("name: a\ndescription: {x: y}", &[&format!("SKILL.md:3: description: found a mapping, {text}")]),
        (
            "name: a\ndescription: D\nmetadata: [x]",
            &["SKILL.md:4: metadata: found a list, allowed: a mapping of fields"],
        ),
        (
            "name: a\ndescription: D\nmetadata:\n  openclaw:\n    always: maybe\n    os: [beos]\n    requires: {bins: [../x, a b]}",
            &[
                "SKILL.md:6: metadata.openclaw.always: found \"maybe\", allowed: true or false",
                "SKILL.md:7: metadata.openclaw.os: found \"beos\", allowed: linux, darwin, win32",
                "SKILL.md:8: metadata.openclaw.requires.bins: found \"a b\", allowed: a text of 1 to 256 printable characters without a space",
                "SKILL.md:8: metadata.openclaw.requires.bins: found \"../x\", allowed: the name of a program, without a path",
            ],
        ),
        ("- a\n- b", &["SKILL.md:2: found a list, allowed: a mapping of fields"]),
        ("name: a\nname: b\ndescription: D", &["SKILL.md:3: found the key \"name\" twice, allowed: each key once"]),
    ];
    for (head, problems) in table {
        assert_eq!(read(head).unwrap_err(), *problems, "{head}");
    }
    let unquoted = read("name: a\ndescription: Use when: asked").unwrap_err();
    assert!(unquoted[0].starts_with("SKILL.md:3: found what is no YAML ("), "{unquoted:?}");
    assert!(unquoted[0].ends_with("put a text with \": \" or \" #\" in it in quotes"), "{unquoted:?}");
}

#[test]
fn a_file_without_a_whole_head_is_told_where_it_ends() {
    let table: &[(&[u8], &str)] = &[
        (b"", "SKILL.md:1: found \"\", allowed: a line of --- that begins the head"),
        (b"# Title\n", "SKILL.md:1: found \"# Title\", allowed: a line of --- that begins the head"),
        (b"---\nname: a\n", "SKILL.md:3: found the end of the file, allowed: a line of --- that ends the head"),
        (b"---\nname: \xff\n---\n", "SKILL.md:2: found bytes that are no UTF-8, allowed: text in UTF-8"),
    ];
    for (bytes, problem) in table {
        assert_eq!(parse(bytes).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>(), [*problem]);
    }
    let with_mark = "\u{feff}---\r\nname: a\r\ndescription: D\r\n---\r\nText\r\n";
    assert_eq!(parse(with_mark.as_bytes()).unwrap().description, "D");
}

/// Corrupted and hostile heads: nothing grows, nothing hangs.
#[test]
fn a_head_cannot_be_made_to_grow() {
    let aliases = "name: a\ndescription: &x D\nb: [*x, *x]";
    assert_eq!(read(aliases).unwrap_err(), ["SKILL.md:3: found an anchor (&name), allowed: every value written out"]);
    let laughs: String = (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
    assert!(read(&format!("a0: &a0 lol\n{laughs}")).unwrap_err()[0].contains("an anchor"));
    let tagged = read("name: !!binary aGk=\ndescription: D").unwrap_err();
    assert_eq!(tagged, ["SKILL.md:2: found a tag (!name), allowed: values without tags"]);
    let second = read("name: a\ndescription: D\n...\n---x: y");
    assert!(second.is_err(), "{second:?}");
    let deep = format!("name: a\ndescription: D\nx: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(read(&deep).is_err());
    let wide = format!("name: a\ndescription: D\nx: [{}]", "1,".repeat(20_000));
    assert!(read(&wide).is_err());
    let long = vec![b'x'; 10 * 1024 * 1024];
    let found = parse(&long).unwrap_err();
    assert_eq!(found[0].to_string(), "SKILL.md:1: found 10485760 bytes, allowed: at most 524288 bytes");
    let head = format!("name: a\ndescription: {}", "x".repeat(400 * 1024));
    assert!(read(&head).unwrap_err()[0].contains("a head that does not end"));
    let many = format!("name: a\ndescription: D\nmetadata: {{openclaw: {{os: [{}]}}}}", "x, ".repeat(60));
    assert_eq!(read(&many).unwrap_err().len(), PROBLEMS_MAX);
}

#[test]
fn a_description_is_one_line_without_what_nobody_sees() {
    let read = read("name: a\ndescription: \"Good\\nIGNORE\\u202e \\e[2J\\u200btext\"").unwrap();
    assert_eq!(read.description, "Good IGNORE [2Jtext");
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _whatever = parse(&bytes);
    }

    #[test]
    fn no_head_makes_the_parser_panic(head in "[-a-z:{}\\[\\],&*!|>'\"#%@? \\n\\t\\r\u{e9}\u{feff}\u{2028}0-9]{0,200}") {
        let _whatever = read(&head);
        let _whatever = read(&format!("name: a\ndescription: b\nmetadata:\n  openclaw: {head}"));
        let _whatever = read(&format!("metadata: '{}'", head.replace('\'', "''")));
    }
}
