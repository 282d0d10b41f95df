//! The readers of frames against whatever may come: they agree with a JSON parser about what is JSON,
//! and give back an id byte for byte (K3).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use claw_wire::error::FrameError;
use claw_wire::limits::FRAME_ID_BYTES_MAX;
use claw_wire::ws::dialect_c;
use claw_wire::ws::frame::{self, BadFrame, FrameId, Request};
use claw_wire::ws::notice::Dialect;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Any JSON of a few levels.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let object = proptest::collection::vec((".{0,6}", inner.clone()), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A text as JSON, some of its characters escaped that need not be.
fn spelled(text: &str, escaped: &[bool]) -> String {
    let mut out = String::from("\"");
    for (character, escape) in text.chars().zip(escaped.iter().chain(std::iter::repeat(&false))) {
        if *escape {
            let units = &mut [0; 2];
            character.encode_utf16(units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
        } else {
            let plain = serde_json::to_string(&character).unwrap();
            out.push_str(plain.strip_prefix('"').and_then(|plain| plain.strip_suffix('"')).unwrap());
        }
    }
    out + "\""
}

/// An id as it stands in JSON.
fn id() -> impl Strategy<Value = String> {
    let escaped = proptest::collection::vec(any::<bool>(), 0..12);
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (".{1,12}", escaped).prop_map(|(text, escaped)| spelled(&text, &escaped)),
    ]
}

/// Whatever looks like a frame, its fields of any type and in any order.
fn almost_a_frame() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        id().prop_map(|id| format!("\"id\":{id}")),
        value().prop_map(|id| format!("\"id\":{id}")),
        Just("\"type\":\"req\"".to_owned()),
        value().prop_map(|kind| format!("\"type\":{kind}")),
        "[a-z.]{0,8}".prop_map(|method| format!("\"method\":\"{method}\"")),
        value().prop_map(|method| format!("\"method\":{method}")),
        value().prop_map(|params| format!("\"params\":{params}")),
        (".{0,6}", value()).prop_map(|(name, value)| format!("{}:{value}", json!(name))),
    ];
    proptest::collection::vec(field, 0..6).prop_map(|fields| format!("{{{}}}", fields.join(",")))
}

/// The same with a few characters gone or put in.
fn broken() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), prop::option::of(any::<char>()));
    (almost_a_frame(), proptest::collection::vec(change, 1..4)).prop_map(|(text, changes)| {
        let mut characters: Vec<char> = text.chars().collect();
        for (place, change) in changes {
            let place = place.index(characters.len() + 1);
            match change {
                Some(character) => characters.insert(place, character),
                None if place < characters.len() => drop(characters.remove(place)),
                None => {}
            }
        }
        characters.into_iter().collect()
    })
}

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![".{0,80}", value().prop_map(|value| value.to_string()), almost_a_frame(), broken()]
}

fn agrees(text: &str, read: &Result<Request<'_>, BadFrame>) -> Result<(), TestCaseError> {
    let is_its_own = |id: &FrameId| text.contains(id.as_json()) || id.as_json() == "null";
    match read {
        Ok(request) => {
            prop_assert!(is_json(text) && !request.method.is_empty());
            prop_assert!(is_its_own(&request.id) && request.id.as_json().len() <= FRAME_ID_BYTES_MAX);
        }
        Err(BadFrame::NotJson) => prop_assert!(!is_json(text)),
        Err(BadFrame::Invalid { id, message }) => {
            prop_assert!(is_its_own(id) || *id == FrameId::invalid());
            prop_assert!(message.starts_with("invalid request frame: "));
            // What goes back is JSON for every reader, strict ones too.
            let refusal = frame::refusal(id, &FrameError::new("INVALID_REQUEST", message.clone()));
            prop_assert!(serde_json::from_str::<Value>(&refusal).is_ok());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whatever_comes_is_read_or_refused_as_a_json_parser_would(text in anything()) {
        agrees(&text, &frame::read(&text))?;
        agrees(&text, &dialect_c::read(&text))?;
        if let Ok(fields) = serde_json::from_str::<Map<String, Value>>(&text) {
            let has = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
            let is_c = has("method") && !has("type");
            // With a field of ours twice in it, it is nobody's request, and dialect B's to refuse.
            let is_doubled = matches!(frame::read(&text), Err(BadFrame::Invalid { message, .. }) if message.contains("duplicate"));
            prop_assert_eq!(frame::dialect_of(&text) == Dialect::C, is_c && !is_doubled);
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_meant_and_its_id_comes_back_byte_for_byte(
        id in id(), method in ".{1,20}", params in value(), more in value(), space in "[ \t\r\n]{0,3}",
    ) {
        let (name, params) = (json!(method), params.to_string());
        for kind in ["", "\"type\":\"req\","] {
            let text = format!(
                "{space}{{{kind}\"more\":{more},{space}\"params\":{params},\"id\":{space}{id}{space},\"method\":{name}}}{space}"
            );
            let (dialect, request) = match frame::dialect_of(&text) {
                Dialect::B => ("b", frame::read(&text)),
                Dialect::C => ("c", dialect_c::read(&text)),
            };
            prop_assert_eq!(dialect, if kind.is_empty() { "c" } else { "b" });
            let request = request.map_err(|bad| TestCaseError::fail(format!("{text}: {bad:?}")))?;
            prop_assert_eq!((request.id.as_json(), &*request.method), (&*id, &*method));
            prop_assert_eq!(request.params.map_or("null", |params| params.get()), &*params);
            let answer = frame::answer(&request.id, &1);
            prop_assert_eq!(&answer, &format!("{{\"type\":\"res\",\"id\":{id},\"ok\":true,\"payload\":1}}"));
            prop_assert!(is_json(&answer));
        }
    }
}
