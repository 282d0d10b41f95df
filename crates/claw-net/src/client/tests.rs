//! A listener that answers with fixed bytes, or does not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use super::*;

/// Answers one connection with `bytes`, waits for the client to leave, tells that it has.
fn serve(bytes: &'static [u8]) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (left, seen) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let head = read_head(&mut stream);
        stream.write_all(bytes).unwrap();
        stream.read_to_end(&mut Vec::new()).ok();
        left.send(head).ok();
    });
    (address, seen)
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn client(settings: Settings) -> HttpClient {
    crate::install_crypto();
    HttpClient::new(settings).unwrap()
}

fn get(address: SocketAddr) -> Request {
    let url = format!("http://{address}/path?key=hidden").parse().unwrap();
    Request { method: Method::GET, url, headers: HeaderMap::new(), body: RequestBody::default() }
}

#[tokio::test]
async fn a_whole_body_is_read_and_capped() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello";
    let client = client(Settings::default());
    let mut response = client.send(get(serve(answer).0)).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-a"]), (200, &"b".parse().unwrap()));
    assert_eq!(response.read_whole(5).await.unwrap(), "hello");
    let mut response = client.send(get(serve(answer).0)).await.unwrap();
    assert!(matches!(response.read_whole(4).await, Err(Error::TooLarge { max_bytes: 4 })));
    let unannounced = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let mut response = client.send(get(serve(unannounced).0)).await.unwrap();
    assert!(matches!(response.read_whole(4).await, Err(Error::TooLarge { max_bytes: 4 })));
    let mut response = client.send(get(serve(unannounced).0)).await.unwrap();
    assert_eq!(response.read_whole(5).await.unwrap(), "abcde");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (address, _) = serve(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
    let response = client(Settings::default()).send(get(address)).await.unwrap();
    assert_eq!(response.status().as_u16(), 302);
}

#[tokio::test]
async fn each_phase_has_its_own_limit() {
    let limit = Duration::from_millis(50);
    let mute = client(Settings { first_byte_ms: 50, ..Settings::default() });
    let silent = mute.send(get(serve(b"").0)).await.unwrap_err();
    assert!(matches!(silent, Error::Timeout { phase: Phase::FirstByte, limit: l } if l == limit), "{silent:?}");
    let stalling = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    let client = client(Settings { idle_ms: 300, ..Settings::default() });
    let mut response = client.send(get(serve(stalling).0)).await.unwrap();
    assert_eq!(response.next_piece().await.unwrap().unwrap(), "abc");
    let stalled = response.next_piece().await.unwrap_err();
    assert!(matches!(stalled, Error::Timeout { phase: Phase::NextByte, .. }), "{stalled:?}");
    assert_eq!(stalled.to_string(), "no next byte within 300 ms");
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_the_address_stays_out_of_the_message() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failed = client(Settings::default()).send(get(closed)).await.unwrap_err();
    assert!(matches!(failed, Error::Unreachable(_)), "{failed:?}");
    let said = failed.chain();
    assert!(said.contains("refused") && !said.contains("hidden"), "{said}");
}

#[tokio::test]
async fn a_body_that_ends_early_is_interrupted() {
    let client = client(Settings::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").unwrap();
    });
    let mut response = client.send(get(address)).await.unwrap();
    let failed = response.read_whole(100).await.unwrap_err();
    assert!(matches!(failed, Error::Interrupted(_)), "{failed:?}");
}

#[tokio::test]
async fn dropping_a_response_closes_the_connection() {
    let (address, left) = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc");
    let mut response = client(Settings::default()).send(get(address)).await.unwrap();
    response.next_piece().await.unwrap();
    drop(response);
    let head = tokio::task::spawn_blocking(move || left.recv_timeout(Duration::from_secs(1))).await.unwrap().unwrap();
    assert!(head.starts_with("GET /path?key=hidden HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("user-agent: openclaw/"), "{head}");
}

#[tokio::test]
async fn https_is_dialled_with_the_systems_certificates() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("https://{closed}/").parse().unwrap();
    let client = client(Settings::default());
    let failed = client.send(Request { url, ..get(closed) }).await.unwrap_err();
    // A machine without certificates says so instead, and only here.
    assert!(matches!(failed, Error::Unreachable(_) | Error::Build(_)), "{failed:?}");
    assert_eq!(client.downloads().is_ok(), matches!(failed, Error::Unreachable(_)));
}
