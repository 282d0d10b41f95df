use proptest::prelude::*;
use serde_json::Value;

use claw_core::{DeviceId, PairingId};

use super::*;
use crate::auth::device::Untrusted;

const CONNECT: &str = r#"{"type":"req","id":"1","method":"connect","params":{"minProtocol":3,"maxProtocol":4}}"#;
const HEALTH: &str = r#"{"type":"req","id":"2","method":"health"}"#;

const STATUS_OF_C: &str = r#"{"method":"system.status","id":3}"#;

fn refused(text: &str) -> (Value, u16) {
    match Handshake::new(false).receive(text) {
        Effect::Refuse(Refusal { answer: Some(answer), close }) => (serde_json::from_str(&answer).unwrap(), close.code),
        other => panic!("{text}: {other:?}"),
    }
}

fn ready() -> Handshake {
    let mut handshake = Handshake::new(false);
    assert!(matches!(handshake.receive(CONNECT), Effect::Verify(_)));
    handshake.admit();
    handshake
}

#[test]
fn the_highest_common_protocol_is_spoken() {
    for (min, max, spoken) in [
        (Some(3), Some(3), Some(3)),
        (Some(4), Some(4), Some(4)),
        (Some(3), Some(4), Some(4)),
        (Some(1), Some(99), Some(4)),
        (None, None, Some(3)),
        (Some(4), None, Some(4)),
        (None, Some(4), Some(4)),
        (Some(1), Some(2), None),
        (Some(5), Some(9), None),
        (Some(4), Some(3), None),
        (Some(0), Some(0), None),
    ] {
        assert_eq!(negotiate(min, max), spoken, "{min:?}..{max:?}");
    }
}

#[test]
fn a_client_without_a_common_protocol_is_told_ours() {
    let (answer, code) =
        refused(r#"{"type":"req","id":"7","method":"connect","params":{"minProtocol":5,"maxProtocol":6}}"#);
    assert_eq!(code, 1002);
    assert_eq!((&answer["ok"], &answer["id"]), (&json!(false), &json!("7")));
    assert_eq!(answer["error"]["code"], json!("INVALID_REQUEST"));
    assert_eq!(answer["error"]["details"], json!({"code": "PROTOCOL_MISMATCH", "expectedProtocol": 4}));
}

#[test]
fn what_is_not_connect_is_refused_with_1008() {
    for text in [
        HEALTH,
        "hello",
        "{",
        "[]",
        r#"{"type":"req","id":"1","method":"connect","params":{"minProtocol":"3"}}"#,
        r#"{"type":"req","id":"1","method":"connect","params":5}"#,
        r#"{"type":"req","id":"1","method":"connect","params":{"role":"node"}}"#,
        r#"{"method":"chat.run","params":{},"id":1}"#,
    ] {
        let (answer, code) = refused(text);
        assert_eq!((code, &answer["error"]["code"]), (1008, &json!("INVALID_REQUEST")), "{text}");
    }
}

#[test]
fn whoever_is_denied_hears_why_before_the_close() {
    for (denied, word, code) in [
        (Denied::Missing, "AUTH_TOKEN_MISSING", 1008),
        (Denied::Wrong(Form::Bearer), "AUTH_TOKEN_MISMATCH", 1008),
        (Denied::Wrong(Form::Password), "AUTH_PASSWORD_MISMATCH", 1008),
        (Denied::Conflicting, "AUTH_CONFLICT", 1008),
        (Denied::Locked(Duration::from_secs(9)), "AUTH_RATE_LIMITED", 1008),
        (Denied::NoDevice, "DEVICE_IDENTITY_REQUIRED", 1008),
        (Denied::Wrong(Form::Device), "AUTH_DEVICE_TOKEN_MISMATCH", 1008),
        (Denied::Crowded(Duration::from_secs(9)), "PAIRING_CROWDED", 1008),
        (Denied::Unavailable, "AUTH_UNAVAILABLE", 1013),
    ] {
        let mut handshake = Handshake::new(false);
        assert!(matches!(handshake.receive(CONNECT), Effect::Verify(_)));
        let refusal = handshake.deny(&denied);
        let answer: Value = serde_json::from_str(&refusal.answer.unwrap()).unwrap();
        assert_eq!((&answer["id"], &answer["error"]["details"]["code"]), (&json!("1"), &json!(word)));
        assert!(answer["error"]["message"].as_str().unwrap().starts_with("unauthorized: "));
        assert_eq!(refusal.close.code, code);
        assert!(matches!(handshake.receive(HEALTH), Effect::Ignore));
    }
}

#[test]
fn a_device_hears_what_is_wrong_with_it() {
    let (device, request) =
        (DeviceId::of_digest([7; 32]), "pair_00000000000000000000000000000007".parse::<PairingId>().unwrap());
    let waits = |reason: &str| {
        let details = json!({
            "code": "PAIRING_REQUIRED", "reason": reason, "requestId": request.to_string(), "deviceId": "07".repeat(32),
        });
        json!({"code": "NOT_PAIRED", "message": "pairing required", "details": details})
    };
    let flawed = json!({
        "code": "INVALID_REQUEST", "message": "device nonce mismatch",
        "details": {"code": "DEVICE_AUTH_NONCE_MISMATCH", "reason": "device-nonce-mismatch"},
    });
    for (denied, error) in [
        (Denied::NotPaired { device, request, is_upgrade: false }, waits("not-paired")),
        (Denied::NotPaired { device, request, is_upgrade: true }, waits("scope-upgrade")),
        (Denied::Device(Untrusted::Nonce), flawed),
    ] {
        let mut handshake = Handshake::new(false);
        assert!(matches!(handshake.receive(CONNECT), Effect::Verify(_)));
        let Refusal { answer, close } = handshake.deny(&denied);
        assert_eq!(serde_json::from_str::<Value>(&answer.unwrap()).unwrap()["error"], error);
        assert_eq!(close.code, 1008);
    }
}

#[test]
fn a_second_connect_is_refused_and_the_socket_stays_open() {
    let mut handshake = ready();
    let Effect::Answer(answer) = handshake.receive(CONNECT) else { panic!("an answer") };
    assert!(answer.contains("\"ok\":false"));
    assert!(matches!(handshake.receive(HEALTH), Effect::Call(_)));
}

#[test]
fn a_ready_socket_forgives_bad_frames() {
    let mut handshake = ready();
    assert!(matches!(handshake.receive("no json"), Effect::Ignore));
    let Effect::Answer(answer) = handshake.receive(r#"{"type":"req","id":"x"}"#) else { panic!("an answer") };
    assert!(answer.contains("\"id\":\"x\"") && answer.contains("\"ok\":false"));
    let Effect::Answer(answer) = handshake.receive("{}") else { panic!("an answer") };
    assert!(answer.contains("\"id\":\"invalid\""));
    assert!(matches!(handshake.receive(HEALTH), Effect::Call(_)));
}

#[derive(Debug, Clone)]
enum Step {
    Frame(String),
    Admit,
    Deny,
    TimeOut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let frame = prop_oneof![
        Just(CONNECT.to_owned()),
        Just(HEALTH.to_owned()),
        Just("{}".to_owned()),
        Just("junk".to_owned()),
        Just(STATUS_OF_C.to_owned()),
        Just(r#"{"method":"connect","id":1}"#.to_owned()),
        Just(r#"{"method":5,"id":1}"#.to_owned()),
        ".*",
    ];
    let step = prop_oneof![
        6 => frame.prop_map(Step::Frame),
        1 => Just(Step::Admit),
        1 => Just(Step::Deny),
        1 => Just(Step::TimeOut),
    ];
    proptest::collection::vec(step, 0..24)
}

/// Where a socket must be, said as simply as possible.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Model {
    Fresh,
    Verifying,
    Ready(Dialect),
    Closed,
}

proptest! {
    /// Whatever comes in whatever order: no method before admission, nothing after the last word, one
    /// dialect for good, and dialect C only for whom the upgrade made known (K3).
    #[test]
    fn nobody_calls_before_being_admitted_or_after_being_refused(is_known in any::<bool>(), steps in steps()) {
        let (mut handshake, mut model) = (Handshake::new(is_known), Model::Fresh);
        for step in steps {
            match step {
                Step::Frame(text) => match (handshake.receive(&text), model) {
                    (Effect::Call(request), Model::Ready(dialect)) => {
                        prop_assert_ne!(&*request.method, "connect");
                        // A socket of B has only typed requests.
                        prop_assert!(dialect == Dialect::C || frame::read(&text).is_ok());
                    }
                    (Effect::Answer(answer), Model::Ready(_)) => {
                        let answer: Value = serde_json::from_str(&answer).unwrap();
                        prop_assert_eq!((&answer["type"], &answer["ok"]), (&json!("res"), &json!(false)));
                    }
                    (Effect::Ignore, Model::Ready(_)) => prop_assert_eq!(frame::read(&text).err(), Some(BadFrame::NotJson)),
                    (Effect::Ignore, Model::Verifying | Model::Closed) => {}
                    (Effect::Verify(_), Model::Fresh) => {
                        prop_assert_eq!(frame::dialect_of(&text), Dialect::B);
                        model = Model::Verifying;
                    }
                    (Effect::Enter, Model::Fresh) => {
                        prop_assert!(is_known, "nobody proved anything with the upgrade");
                        prop_assert_eq!(frame::dialect_of(&text), Dialect::C);
                        model = Model::Ready(Dialect::C);
                    }
                    (Effect::Refuse(refusal), Model::Fresh) => {
                        prop_assert!(refusal.answer.is_some() && [1002, 1008].contains(&refusal.close.code));
                        model = Model::Closed;
                    }
                    (effect, model) => prop_assert!(false, "{effect:?} to {text:?} in {model:?}"),
                },
                Step::Admit => {
                    handshake.admit();
                    if model == Model::Verifying {
                        model = Model::Ready(Dialect::B);
                    }
                }
                Step::Deny => {
                    handshake.deny(&Denied::Missing);
                    model = Model::Closed;
                }
                Step::TimeOut => {
                    handshake.give_up(Close { code: 1000, reason: "handshake timeout" });
                    model = Model::Closed;
                }
            }
        }
    }
}

#[test]
fn a_known_socket_that_leaves_out_the_type_speaks_c_for_good() {
    let mut handshake = Handshake::new(true);
    let run = r#"{"method":"chat.run","params":{},"id":1}"#;
    assert!(matches!(handshake.receive(run), Effect::Enter));
    assert!(matches!(handshake.receive(run), Effect::Call(request) if request.id.as_json() == "1"));
    // A typed request is understood, too, and answered in C.
    assert!(matches!(handshake.receive(HEALTH), Effect::Call(_)));
    assert!(matches!(handshake.receive(CONNECT), Effect::Answer(_)));
}

#[test]
fn an_unknown_socket_that_speaks_c_hears_how_to_be_let_in() {
    let (answer, code) = refused(r#"{"method":"chat.run","params":{},"id":1}"#);
    assert_eq!((code, &answer["id"]), (1008, &json!(1)));
    assert!(answer["error"]["message"].as_str().unwrap().contains("?token="), "{answer}");
}

#[test]
fn a_socket_that_speaks_b_does_not_slip_into_c() {
    let mut handshake = ready();
    let Effect::Answer(answer) = handshake.receive(r#"{"method":"health","id":5}"#) else {
        panic!("it is a bad frame")
    };
    assert!(answer.contains("at /type"), "{answer}");
}
