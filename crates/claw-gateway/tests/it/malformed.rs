//! Frames that RFC 6455 forbids, written on bare TCP: each closes its own socket with the right code,
//! before and after authentication, and harms nobody else (G9).

use claw_gateway::limits::{FRAME_BYTES_MAX, INTAKE_BYTES_MAX};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::house::House;
use crate::raw::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, Raw, Seen, TEXT, frame};

/// The head of a frame in the form of each width, and nothing behind it.
fn head(length: u64, width: u8) -> Vec<u8> {
    let mut bytes = vec![FIN | TEXT, 0x80 | width];
    match width {
        126 => bytes.extend((length as u16).to_be_bytes()),
        _ => bytes.extend(length.to_be_bytes()),
    }
    bytes.extend([0; 4]);
    bytes
}

fn join(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.concat()
}

/// What is wrong, the bytes, and the code that answers them.
fn broken() -> Vec<(&'static str, Vec<u8>, u16)> {
    let unmasked = b"\x81\x02hi".to_vec();
    let too_long = [0x31; 126];
    let close = |payload: &[u8]| frame(FIN | CLOSE, payload);
    let with_code = |code: u16, reason: &[u8]| close(&[&code.to_be_bytes(), reason].concat());
    let mut table = vec![
        ("a frame without a mask", unmasked, 1002),
        ("a control frame without a mask", b"\x89\x00".to_vec(), 1002),
        ("the first reserved bit", frame(FIN | 0x40 | TEXT, b"{}"), 1002),
        ("the second reserved bit", frame(FIN | 0x20 | TEXT, b"{}"), 1002),
        ("the third reserved bit", frame(FIN | 0x10 | PING, b""), 1002),
        ("a ping in fragments", frame(PING, b""), 1002),
        ("a pong in fragments", frame(PONG, b""), 1002),
        ("a close in fragments", frame(CLOSE, b""), 1002),
        ("a ping of 126 bytes", frame(FIN | PING, &too_long), 1002),
        ("a pong of 126 bytes", frame(FIN | PONG, &too_long), 1002),
        ("a close of 126 bytes", close(&too_long), 1002),
        ("a continuation of nothing", frame(FIN | CONTINUATION, b"{}"), 1002),
        ("an open continuation of nothing", frame(CONTINUATION, b"{}"), 1002),
        ("a text inside a text", join(&[frame(TEXT, b"{"), frame(FIN | TEXT, b"}")]), 1002),
        ("bytes inside a text", join(&[frame(TEXT, b"{"), frame(BINARY, b"}")]), 1002),
        ("a text that is no UTF-8", frame(FIN | TEXT, b"\"\xff\xfe\""), 1007),
        ("a text that ends inside a character", frame(FIN | TEXT, b"\"\xe2\x82"), 1007),
        ("an overlong slash", frame(FIN | TEXT, b"\xc0\xaf"), 1007),
        ("a surrogate in UTF-8", frame(FIN | TEXT, b"\xed\xa0\x80"), 1007),
        ("no UTF-8 across fragments", join(&[frame(TEXT, b"\xe2"), frame(FIN | CONTINUATION, b"\x28\xa1")]), 1007),
        ("a text cut inside a character", join(&[frame(TEXT, b"x\xe2\x82"), frame(FIN | CONTINUATION, b"")]), 1007),
        ("a close of one byte", close(b"x"), 1002),
        ("a close whose reason is no UTF-8", with_code(1000, b"\xff"), 1007),
        ("one byte above the limit", head(FRAME_BYTES_MAX as u64 + 1, 127), 1009),
        ("a length with 63 bits", head(u64::MAX >> 1, 127), 1009),
        ("a length with 64 bits", head(1 << 63, 127), 1009),
        ("all bits of a length", head(u64::MAX, 127), 1009),
    ];
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        table.push(("a reserved opcode", frame(FIN | opcode, b""), 1002));
    }
    // Section 7.4: below 1000, reserved, not to be sent, not assigned, beyond.
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        table.push(("a close with a code nobody may send", with_code(code, b""), 1002));
    }
    table
}

#[tokio::test]
async fn what_the_protocol_forbids_closes_its_socket_with_the_right_code() {
    let house = House::open().await;
    let mut healthy = house.socket().await;
    for (what, bytes, code) in broken() {
        let mut stranger = Raw::stranger(&house).await;
        stranger.write(&bytes).await;
        assert_eq!(stranger.closed().await, code, "{what}, before authentication: {bytes:02x?}");
        let mut caller = Raw::caller(&house).await;
        caller.write(&bytes).await;
        assert_eq!(caller.closed().await, code, "{what}, after authentication: {bytes:02x?}");
        assert_eq!(healthy.call("health", &json!({})).await["ok"], json!(true), "{what}");
    }
    house.stop().await;
}

#[tokio::test]
async fn what_the_protocol_allows_is_taken() {
    let house = House::open().await;
    let health = r#"{"type":"req","id":"alive","method":"health","params":{"x":"€"}}"#.as_bytes();
    let split = |at: usize| join(&[frame(TEXT, &health[..at]), frame(FIN | CONTINUATION, &health[at..])]);
    let mut caller = Raw::caller(&house).await;
    // In pieces, cut anywhere, with a ping between, and in a wider length than it needs.
    let mut wide = vec![FIN | TEXT, 0x80 | 127];
    wide.extend((health.len() as u64).to_be_bytes());
    wide.extend([0; 4]);
    wide.extend(health);
    let mut spelled: Vec<Vec<u8>> = (0..=health.len()).map(split).collect();
    spelled.push(wide);
    spelled.push(frame(FIN | BINARY, health));
    spelled.push(join(&[
        frame(TEXT, &health[..5]),
        frame(FIN | PING, b"between"),
        frame(CONTINUATION, b""),
        frame(FIN | CONTINUATION, &health[5..]),
    ]));
    for bytes in spelled {
        caller.write(&bytes).await;
        assert_eq!(caller.answer("alive").await["ok"], json!(true), "{bytes:02x?}");
    }
    // A pong nobody asked for says nothing; a ping is answered with what it said.
    caller.write(&frame(FIN | PONG, b"unasked")).await;
    caller.write(&frame(FIN | PING, &[7; 125])).await;
    loop {
        match caller.next().await {
            Seen::Frame(PONG, said) if said == b"between" => {}
            Seen::Frame(PONG, said) => break assert_eq!(said, [7; 125]),
            Seen::Frame(..) => {}
            Seen::Closed(code) => panic!("closed with {code}"),
        }
    }
    for (payload, code) in [(&b""[..], 1005), (b"\x03\xe8bye", 1000), (b"\x0f\xa0tick timeout", 4000)] {
        let mut leaving = Raw::caller(&house).await;
        leaving.write(&frame(FIN | CLOSE, payload)).await;
        assert_eq!(leaving.closed().await, code, "a close is answered with its own code");
        let mut stranger = Raw::stranger(&house).await;
        stranger.write(&frame(FIN | CLOSE, payload)).await;
        assert_eq!(stranger.closed().await, code, "before authentication, too");
    }
    house.stop().await;
}

#[tokio::test]
async fn a_stranger_has_64_kib_in_whatever_pieces() {
    let house = House::open().await;
    let whole = INTAKE_BYTES_MAX + 1;
    for (what, bytes) in [
        ("one text", frame(FIN | TEXT, &vec![b'x'; whole])),
        ("pings", frame(FIN | PING, b"x").repeat(whole / 7 + 1)),
        ("fragments of nothing", join(&[frame(TEXT, b""), frame(CONTINUATION, b"").repeat(whole / 6)])),
        ("fragments of a byte", join(&[frame(TEXT, b"x"), frame(CONTINUATION, b"x").repeat(whole / 7)])),
    ] {
        let mut stranger = Raw::stranger(&house).await;
        stranger.write(&bytes).await;
        assert_eq!(stranger.closed().await, 1009, "{what}");
    }
    house.socket().await;
    house.stop().await;
}

#[tokio::test]
async fn a_callers_message_is_bounded_in_whatever_pieces() {
    let house = House::open().await;
    let mut caller = Raw::caller(&house).await;
    caller.write(&frame(FIN | TEXT, &vec![b'x'; FRAME_BYTES_MAX + 1])).await;
    assert_eq!(caller.closed().await, 1009, "one frame");
    let mut caller = Raw::caller(&house).await;
    let piece = vec![b'x'; FRAME_BYTES_MAX / 4 + 1];
    caller.write(&frame(TEXT, &piece)).await;
    for _ in 0..3 {
        caller.write(&frame(CONTINUATION, &piece)).await;
    }
    assert_eq!(caller.closed().await, 1009, "fragments");
    house.stop().await;
}

#[tokio::test]
async fn pings_and_empty_fragments_without_end_cost_the_others_nothing() {
    let house = House::open().await;
    let mut healthy = house.socket().await;
    let mut pinging = Raw::caller(&house).await;
    let mut dripping = Raw::caller(&house).await;
    dripping.write(&frame(TEXT, br#"{"type":"req","id":"alive","#)).await;
    for _ in 0..50 {
        pinging.write(&frame(FIN | PING, b"x").repeat(1000)).await;
        dripping.write(&frame(CONTINUATION, b"").repeat(1000)).await;
        assert_eq!(healthy.call("health", &json!({})).await["ok"], json!(true));
    }
    dripping.write(&frame(FIN | CONTINUATION, br#""method":"health"}"#)).await;
    assert_eq!(dripping.answer("alive").await["ok"], json!(true), "it was one message all the time");
    pinging.lives().await;
    house.stop().await;
}

#[tokio::test]
async fn a_socket_that_stops_halfway_is_let_go() {
    let house = House::open().await;
    for bytes in [&b""[..], b"\x81", b"\x81\xfe\x00", &frame(FIN | TEXT, b"{\"type\":\"req\"")[..12]] {
        let mut stranger = Raw::stranger(&house).await;
        let mut caller = Raw::caller(&house).await;
        for half in [&mut stranger, &mut caller] {
            half.write(bytes).await;
            half.stream.shutdown().await.unwrap();
            let code = half.closed().await;
            assert!([1000, 1002, 1006].contains(&code), "{code} after {bytes:02x?}");
        }
    }
    // A run it had started goes on; the house checks at its end that no socket is left.
    house.socket().await;
    house.stop().await;
}

/// Bytes, frames with any head, and whole texts, from a seed of their own.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..60);
    let frames = proptest::collection::vec((any::<u8>(), bytes()), 1..8);
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..400),
        frames.prop_map(|frames| frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()),
        proptest::collection::vec(".{0,60}", 1..8)
            .prop_map(|texts| texts.iter().flat_map(|text| frame(FIN | TEXT, text.as_bytes())).collect()),
    ]
}

#[tokio::test]
async fn whatever_bytes_come_the_gateway_serves_the_next() {
    let house = House::open().await;
    let mut healthy = house.socket().await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..100 {
        let bytes = anything().new_tree(&mut runner).unwrap().current();
        for mut raw in [Raw::stranger(&house).await, Raw::caller(&house).await] {
            raw.write(&bytes).await;
            let _closed_already = raw.stream.shutdown().await;
            raw.closed().await;
        }
        assert_eq!(healthy.call("health", &json!({})).await["ok"], json!(true), "after {bytes:02x?}");
    }
    house.stop().await;
}
