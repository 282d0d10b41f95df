//! The table of orders, read.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

/// Whose run obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Operator,
    /// The operator's agent of few tools.
    Meek,
    Key,
    Hook,
}

impl Who {
    pub(super) fn agent(self) -> &'static str {
        if self == Self::Meek { "meek" } else { "main" }
    }
}

/// What is said in one turn.
pub(super) struct Turn {
    /// Rounds of calls as JSON: `[[["read", {…}], …], …]`.
    pub(super) orders: String,
    /// Whether a page gives them.
    pub(super) by_page: bool,
    /// Whether it is said in another conversation than the turn before.
    pub(super) is_elsewhere: bool,
}

/// One line of the table.
pub(super) struct Case {
    pub(super) line: usize,
    pub(super) text: &'static str,
    pub(super) house: &'static str,
    pub(super) who: Who,
    /// Whether it ends by asking somebody.
    pub(super) asked: bool,
    /// What the last tool says.
    pub(super) words: String,
    pub(super) turns: Vec<Turn>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, {}: {}", self.line, self.house, self.text)
    }
}

/// All cases; no two of a house are the same.
pub(super) fn read(table: &'static str) -> Vec<Case> {
    let (mut house, mut cases, mut known) = ("", Vec::new(), BTreeSet::new());
    for (line, text) in (1..).zip(table.lines()) {
        if let Some(heading) = text.strip_prefix("== ") {
            house = heading.split(':').next().unwrap();
        } else if !(text.is_empty() || text.starts_with('#') || text.starts_with("-- ")) {
            assert!(known.insert((house, text)), "line {line} is there twice");
            cases.push(case(line, text, house));
        }
    }
    cases
}

fn case(line: usize, text: &'static str, house: &'static str) -> Case {
    let columns: Vec<&str> = text.splitn(4, '|').map(str::trim).collect();
    let [who, end, words, turns] = columns[..] else { panic!("line {line}: {text}") };
    let who = match who {
        "operator" => Who::Operator,
        "meek" => Who::Meek,
        "key" => Who::Key,
        "hook" => Who::Hook,
        other => panic!("line {line}: nobody is {other}"),
    };
    let asked = match end {
        "asked" => true,
        "ended" => false,
        other => panic!("line {line}: nothing ends {other}"),
    };
    let mut all = Vec::new();
    for (number, here) in turns.split(" ELSEWHERE ").enumerate() {
        for (place, said) in here.split(" THEN ").enumerate() {
            let by_page = said.trim_start().starts_with("PAGE ");
            let said = said.trim_start().trim_start_matches("PAGE ");
            let rounds: Vec<Value> = said.split(" ;; ").map(|round| calls(line, round)).collect();
            all.push(Turn { orders: json!(rounds).to_string(), by_page, is_elsewhere: number > 0 && place == 0 });
        }
    }
    Case { line, text, house, who, asked, words: words.to_owned(), turns: all }
}

/// One round: calls that are made at once, or something that is only said.
fn calls(line: usize, round: &str) -> Value {
    if let Some(said) = round.trim().strip_prefix("SAY ") {
        return json!([said.replace("\\n", "\n")]);
    }
    let calls = round.split(" ++ ").map(|call| {
        let (name, arguments) = call.trim().split_once(" {").unwrap_or_else(|| panic!("line {line}: {call}"));
        let arguments: Value =
            serde_json::from_str(&format!("{{{arguments}")).unwrap_or_else(|why| panic!("line {line}: {call}: {why}"));
        json!([name, arguments])
    });
    calls.collect()
}
