//! The contract of the WebSocket as a file: each method's scope and parameters, and the events.

use claw_wire::ws::EVENTS;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{METHODS, Method};
use crate::ws::handshake::PROTOCOLS;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/ws.schema.json");

/// The schema of a method's parameters.
pub(super) fn params_of<M: Method>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<M::Params>()
}

/// The contract as pretty JSON, methods sorted by name.
fn text() -> String {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut generator = settings.into_generator();
    let mut methods: Vec<(String, Value)> = METHODS
        .iter()
        .map(|entry| {
            let mut params = (entry.params)(&mut generator);
            params.remove("title");
            (entry.name.to_owned(), json!({"scope": entry.scope.name(), "params": params}))
        })
        .collect();
    methods.sort_by(|(one, _), (other, _)| one.cmp(other));
    let contract = json!({
        "description": "The gateway's WebSocket: what each method needs and takes, and the events it may send.",
        "protocols": PROTOCOLS.collect::<Vec<_>>(),
        "methods": methods.into_iter().collect::<Map<_, _>>(),
        "events": EVENTS,
    });
    format!("{contract:#}\n")
}

/// Run with `UPDATE_CONTRACTS=1` to write the file anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "the switch that renews contracts comes from outside")]
fn the_committed_contract_is_the_one_the_code_makes() {
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(PATH, text()).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(committed == text(), "contracts/ws.schema.json is stale: run this test with UPDATE_CONTRACTS=1");
}
