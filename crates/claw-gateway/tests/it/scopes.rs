//! Who may do what: every announced method, asked over real sockets with each set of scopes.

use claw_core::Scope;
use claw_testkit::WsClient;
use claw_testkit::ws_client::stock_params;
use serde_json::{Value, json};

use crate::house::{House, TOKEN};

/// The sets: what was granted, and what that permits. Spelled out, so that a change of what one
/// scope implies is seen here.
const SETS: [(&str, &[Scope], &[&str]); 6] = [
    ("none", &[], &[]),
    ("read", &[Scope::Read], &["operator.read"]),
    ("write", &[Scope::Write], &["operator.read", "operator.write"]),
    ("approvals", &[Scope::Approvals], &["operator.approvals"]),
    ("pairing", &[Scope::Pairing], &["operator.pairing"]),
    (
        "admin",
        &[Scope::Admin],
        &["operator.read", "operator.write", "operator.approvals", "operator.pairing", "operator.admin"],
    ),
];

/// One row of the table: the method, what it needs, and what the holder of a key needs.
fn table() -> Vec<(&'static str, &'static str, &'static str)> {
    let rows = include_str!("../../scopes.txt").lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| match row.split_whitespace().collect::<Vec<_>>()[..] {
        [method, scope] => (method, scope, scope),
        [method, scope, of_a_key] => (method, scope, of_a_key),
        _ => panic!("not a row: {row:?}"),
    })
    .collect()
}

/// The matrix as text, one line for each method and one word for each set.
fn matrix(may: impl Fn(&str, usize) -> bool, methods: &[&str]) -> String {
    let line = |method: &&str| {
        let cells = SETS.iter().enumerate().map(|(set, (name, ..))| if may(method, set) { name } else { "-" });
        format!("{method}: {}", cells.collect::<Vec<_>>().join(" "))
    };
    methods.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Which methods answer this caller with anything but a missing scope, and which there are.
async fn permitted(house: &House, credential: &str, scopes: &[Scope]) -> (Vec<String>, Vec<String>) {
    let mut params = stock_params(credential);
    params["scopes"] = scopes.iter().map(|scope| scope.name()).collect();
    let (mut socket, hello) = WsClient::connect_with(house.address, &params).await;
    let announced = hello["payload"]["features"]["methods"].as_array().unwrap();
    let announced: Vec<String> = announced.iter().map(|method| method.as_str().unwrap().to_owned()).collect();
    let mut permitted = Vec::new();
    for method in &announced {
        let answer = socket.call(method, &json!({})).await;
        let refused = answer["error"]["message"].as_str().is_some_and(|message| message.starts_with("missing scope: "));
        if refused {
            assert_eq!((&answer["ok"], &answer["payload"]), (&json!(false), &Value::Null), "{method}");
            assert_eq!(answer["error"]["code"], json!("FORBIDDEN"), "{method}");
        } else {
            permitted.push(method.clone());
        }
    }
    (permitted, announced)
}

#[tokio::test]
async fn every_method_is_refused_without_its_scope_and_only_then() {
    let house = House::open().await;
    let table = table();
    let methods: Vec<&str> = table.iter().map(|(method, ..)| *method).collect();
    let mut by_token = Vec::new();
    let mut by_key = Vec::new();
    for (_, scopes, _) in SETS {
        let (token, mut announced) = permitted(&house, TOKEN, scopes).await;
        announced.sort_unstable();
        assert_eq!(announced, methods, "scopes.txt has a row for each announced method, sorted by name");
        let (_, key) = house.key(scopes).await;
        by_token.push(token);
        by_key.push(permitted(&house, &key, scopes).await.0);
    }
    let expected = |key: bool| {
        let may = |method: &str, set: usize| {
            let (_, scope, of_a_key) = table.iter().find(|(name, ..)| *name == method).unwrap();
            SETS[set].2.contains(if key { of_a_key } else { scope })
        };
        matrix(may, &methods)
    };
    let seen = |by: &[Vec<String>]| matrix(|method, set| by[set].iter().any(|name| name == method), &methods);
    pretty_eq(&seen(&by_token), &expected(false), "the gateway's token, limited by its client");
    pretty_eq(&seen(&by_key), &expected(true), "an API key");
    house.stop().await;
}

/// Names only the rows that differ: the whole is long.
fn pretty_eq(seen: &str, expected: &str, who: &str) {
    let rows = seen.lines().zip(expected.lines()).filter(|(seen, expected)| seen != expected);
    let wrong: Vec<(&str, &str)> = rows.collect();
    assert_eq!(wrong, [], "{who}: the rows that differ, as (seen, expected)");
}
