//! Finding and asking a running gateway from another process.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::lock::{Occupancy, look};
use crate::config::settings::Settings;

/// A gateway on this machine that takes longer to say whether it is ready is not.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Where a client on this machine reaches the gateway: where the running one says, or where the
/// configuration would put it.
pub(crate) fn address(settings: &Settings) -> SocketAddr {
    let said = match look(&settings.location.state_dir) {
        Ok(Occupancy::Held(holder)) => holder.address,
        Ok(Occupancy::Free | Occupancy::Starting) | Err(_) => None,
    };
    let configured = || {
        let address = settings.fixed.bind.address().unwrap_or(Ipv4Addr::LOCALHOST.into());
        SocketAddr::new(address, settings.fixed.port)
    };
    reachable(said.unwrap_or_else(configured))
}

/// A wildcard is an address to listen on, not one to dial.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, address.port())
}

/// Whether the gateway at `address` says it is ready. Blocks two seconds at most per step.
pub(crate) fn is_ready(address: SocketAddr) -> bool {
    ask(reachable(address)).is_ok_and(|status| status == 200)
}

/// The status of `GET /readyz`. By hand, because an HTTP client would cost a runtime.
fn ask(address: SocketAddr) -> io::Result<u16> {
    let deadline = Instant::now() + ANSWER_WITHIN;
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut head = Vec::new();
    let mut buffer = [0_u8; 64];
    // "HTTP/1.1 200" is twelve bytes.
    while head.len() < 12 {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        head.extend(buffer.iter().take(count));
    }
    String::from_utf8_lossy(&head)
        .split(' ')
        .nth(1)
        .and_then(|status| status.get(..3)?.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no status line"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_wildcard_is_dialled_as_loopback() {
        let table = [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("10.0.0.1:3", "10.0.0.1:3")];
        for (listening, dialled) in table {
            assert_eq!(reachable(listening.parse().unwrap()), dialled.parse().unwrap());
        }
    }

    #[test]
    fn readiness_is_what_the_gateway_says() {
        let table = [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
            ("garbage", false),
            ("", false),
        ];
        for (answer, ready) in table {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0_u8; 256]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            });
            assert_eq!(is_ready(address), ready, "{answer:?}");
            server.join().unwrap();
        }
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(!is_ready(address));
    }
}
