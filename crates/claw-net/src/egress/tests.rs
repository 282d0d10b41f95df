//! A canary on loopback that counts who comes, and a resolver that says what a test wants.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

/// Answers every connection with the same bytes and keeps what was asked.
struct Canary {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Canary {
    fn start(answer: &'static [u8]) -> Self {
        Self::start_until(answer, b"}")
    }

    fn start_until(answer: &'static [u8], end: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut piece = [0; 1024];
                while !request.ends_with(end) {
                    match stream.read(&mut piece) {
                        Ok(read @ 1..) => request.extend_from_slice(&piece[..read]),
                        Ok(0) | Err(_) => break,
                    }
                }
                kept.lock().unwrap().push(String::from_utf8(request).unwrap());
                stream.write_all(answer).ok();
            }
        });
        Self { address, seen }
    }

    /// For requests without a body.
    fn start_plain(answer: &'static [u8]) -> Self {
        Self::start_until(answer, b"\r\n\r\n")
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Gives each answer once, the last one for ever after, and counts the questions.
struct Scripted {
    answers: Vec<Vec<IpAddr>>,
    asked: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> (Box<Self>, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let answers = answers.iter().map(|all| all.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        (Box::new(Self { answers, asked: Arc::clone(&asked) }), asked)
    }
}

#[async_trait]
impl Lookup for Scripted {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Ok(self.answers[number].clone())
    }
}

fn allow(entries: &[&str]) -> AllowList {
    AllowList::new(entries.iter().map(|entry| entry.parse().unwrap()))
}

fn courier(entries: &[&str], answers: &[&[&str]]) -> (Egress, Arc<AtomicUsize>) {
    crate::install_crypto();
    let (lookup, asked) = Scripted::new(answers);
    (Egress::with(allow(entries), lookup, Duration::from_secs(5), Duration::from_secs(5)), asked)
}

fn letter(url: impl Into<String>) -> Letter {
    Letter { url: url.into(), headers: vec![("x-a".into(), "b".into())], body: b"{\"a\":1}".to_vec() }
}

async fn is_refused(url: &str) -> bool {
    let (lookup, _) = Scripted::new(&[&["127.0.0.1"]]);
    matches!(guard::check(url, &AllowList::default(), &*lookup).await, Err(guard::Denied::Refused(_)))
}

const OK: &[u8] = b"HTTP/1.1 204 No Content\r\nretry-after: 7\r\n\r\n";

#[tokio::test]
async fn adv_33_every_spelling_of_an_address_that_is_not_global_is_refused() {
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "0177.0x0.0.01",
        "127.0.0.1.",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "0",
        "0.0.0.0",
        "0x0",
        "localhost",
        "LOCALHOST.",
        "internal",
        "10.0.0.1",
        "012.0.0.1",
        "0xa000001",
        "172.16.0.1",
        "192.168.1.1",
        "3232235777",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::FFFF:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[fe80::1]",
        "[fe80::5efe:a00:1]",
        "[2606:4700::5efe:127.0.0.1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[100::1]",
    ] {
        for url in [format!("http://{host}/x"), format!("https://{host}:8443/x"), format!("HTTP://{host}")] {
            assert!(is_refused(&url).await, "{url}");
        }
    }
}

#[tokio::test]
async fn adv_39_what_is_no_plain_web_address_is_refused() {
    for url in [
        "",
        "x",
        "/x",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "unix:/x",
        "data:,x",
        "http://",
        "http:///",
        "http://user@93.184.215.14/",
        "http://:pw@93.184.215.14/",
        "http://[fe80::1%25eth0]/",
        "http://93.184.215.14:0/",
        "http://93.184.215.14:70000/",
        "http://a b/",
        "http://./",
        "http://x../",
        "http://0x7f.0x0.0x0.0x1.0x1/",
        "http://1.2.3.256/",
    ] {
        assert!(is_refused(url).await, "{url}");
    }
}

#[tokio::test]
async fn a_global_address_passes_and_is_pinned() {
    let (lookup, asked) = Scripted::new(&[&["93.184.215.14", "2606:4700::1111"], &["127.0.0.1"]]);
    let pinned = guard::check("https://Bücher.Example.:8443/p?q#f", &AllowList::default(), &*lookup).await.unwrap();
    assert_eq!(pinned.url.as_str(), "https://xn--bcher-kva.example:8443/p?q");
    assert_eq!(pinned.host, "xn--bcher-kva.example");
    let dialled: Vec<_> = pinned.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(dialled, ["93.184.215.14:8443", "[2606:4700::1111]:8443"]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_address_that_is_not_global_spoils_the_name() {
    for answers in [["93.184.215.14", "10.0.0.1"], ["::1", "93.184.215.14"]] {
        let (courier, _) = courier(&["10.0.0.0/32"], &[&answers]);
        let refused = courier.deliver(letter("http://mixed.example/")).await.unwrap_err();
        assert!(matches!(refused, CourierError::Refused(_)), "{refused:?}");
    }
    let (courier, _) = courier(&[], &[&[]]);
    let nowhere = courier.deliver(letter("http://nowhere.example/")).await.unwrap_err();
    assert!(matches!(nowhere, CourierError::Failed(_)), "a name without an address may get one later");
}

#[tokio::test]
async fn a_listener_on_loopback_sees_nobody_unless_it_is_listed() {
    let canary = Canary::start(OK);
    let port = canary.address.port();
    let hosts = ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]", "rebound.example"];
    for entries in [&[][..], &["127.0.0.1:1", "localhost:1", "10.0.0.0/8"]] {
        let (courier, _) = courier(entries, &[&["127.0.0.1"]]);
        for host in hosts {
            let refused = courier.deliver(letter(format!("http://{host}:{port}/"))).await.unwrap_err();
            assert!(matches!(refused, CourierError::Refused(_)), "{host}: {refused:?}");
        }
    }
    assert_eq!(canary.seen().len(), 0);

    for entry in ["127.0.0.1", &format!("127.0.0.1:{port}"), "127.0.0.0/8"] {
        let (courier, _) = courier(&[entry], &[&["10.0.0.1"]]);
        let receipt = courier.deliver(letter(format!("http://127.0.0.1:{port}/p?q=1"))).await.unwrap();
        assert_eq!(receipt, Receipt { status: 204, retry_after: Some(Duration::from_secs(7)) });
    }
    let seen = canary.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen[0].starts_with("POST /p?q=1 HTTP/1.1\r\n") && seen[0].ends_with("\r\n\r\n{\"a\":1}"), "{}", seen[0]);
    assert!(seen[0].contains("content-type: application/json\r\n") && seen[0].contains("x-a: b\r\n"), "{}", seen[0]);
}

#[tokio::test]
async fn a_name_is_resolved_once_and_what_was_judged_is_dialled() {
    let canary = Canary::start(OK);
    let port = canary.address.port();
    // The second answer would be refused, the third dialled elsewhere.
    let (courier, asked) = courier(&["127.0.0.0/8"], &[&["127.0.0.1"], &["10.0.0.1"], &["93.184.215.14"]]);
    courier.deliver(letter(format!("http://Hooks.Example.:{port}/"))).await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), canary.seen().len()), (1, 1));
    assert!(canary.seen()[0].contains(&format!("host: hooks.example:{port}\r\n")), "{}", canary.seen()[0]);
    let rebound = courier.deliver(letter(format!("http://hooks.example:{port}/"))).await.unwrap_err();
    assert!(matches!(rebound, CourierError::Refused(_)), "nothing is kept from the first call");
}

/// Advisory 38: each step of a redirected way is judged like the first.
#[tokio::test]
async fn adv_38_a_page_that_redirects_inside_is_not_followed_there() {
    let canary = Canary::start(OK);
    let port = canary.address.port();
    let spelled: Vec<String> =
        spellings(Ipv4Addr::LOCALHOST).iter().map(|host| format!("http://{host}:{port}/")).collect();
    for url in &spelled {
        let (egress, _) = courier(&[], &[&["127.0.0.1"]]);
        assert!(egress.get(url, 100).await.is_err(), "{url}");
    }
    let head = format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{port}/\r\ncontent-length: 0\r\n\r\n{{}}");
    let door = Canary::start_plain(head.leak().as_bytes());
    let listed = format!("door.test:{}", door.address.port());
    let (egress, _) = courier(&[&listed], &[&["127.0.0.1"]]);
    let refused = egress.get(&format!("http://{listed}/"), 100).await;
    assert!(matches!(refused, Err(CourierError::Refused(_))), "{refused:?}");
    assert_eq!((canary.seen(), door.seen().len()), (vec![], 1), "0 hits inside");
}

/// adv_36: a key that goes with a question goes to the named host, and nowhere it redirects to.
#[tokio::test]
async fn adv_36_a_key_is_not_carried_across_a_redirect() {
    let thief = Canary::start_plain(OK);
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} x\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", thief.address);
        let service = Canary::start_until(head.leak().as_bytes(), b"}");
        let (egress, _) = courier(&["127.0.0.0/8"], &[&["127.0.0.1"]]);
        let question = Question {
            url: format!("http://{}/search", service.address),
            headers: vec![("authorization".into(), "Bearer s3cret".into())],
            body: Some(b"{}".to_vec()),
        };
        assert_eq!(format!("{question:?}"), "Question");
        let refused = egress.ask(question, 1000).await;
        assert!(matches!(refused, Err(CourierError::Refused(_))), "{status}: {refused:?}");
        assert!(service.seen()[0].contains("authorization: Bearer s3cret"));
    }
    assert_eq!(thief.seen().len(), 0, "0 secret headers and no body");
}

/// adv_35: whatever proxy the environment names, the judged address is dialled.
#[test]
fn adv_35_no_proxy_is_taken_from_the_environment() {
    // In a process of its own: the environment belongs to all tests.
    let test = "egress::tests::a_name_is_resolved_once_and_what_was_judged_is_dialled";
    let canary = Canary::start_plain(OK);
    let proxy = format!("http://{}", canary.address);
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", test]).envs(names.map(|name| (name, &proxy)));
    let output = again.output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    assert_eq!(canary.seen().len(), 0, "the proxy hears of nothing");
}

/// adv_34: one spelling of a host is compared, whatever was written.
#[tokio::test]
async fn adv_34_a_last_dot_and_upper_case_lead_around_no_list() {
    let list = allow(&["Hooks.Example"]);
    for host in ["hooks.example", "hooks.example.", "HOOKS.EXAMPLE", "Hooks.Example.", "hooks%2Eexample"] {
        let (lookup, _) = Scripted::new(&[&["10.0.0.1"]]);
        let pinned = guard::check(&format!("http://{host}/"), &list, &*lookup).await.unwrap();
        assert_eq!((pinned.host.as_str(), pinned.url.as_str()), ("hooks.example", "http://hooks.example/"), "{host}");
        assert!(is_refused(&format!("http://{host}/")).await, "and without the list it is refused");
    }
    for host in ["localhost", "localhost.", "LOCALHOST.", "LocalHost"] {
        assert!(is_refused(&format!("http://{host}/")).await, "{host}");
    }
}

/// adv_38: a name that leads outside and inside by turns: what is judged is dialled, in every try.
#[tokio::test]
async fn adv_38_a_name_that_flips_reaches_nothing_inside() {
    let canary = Canary::start(OK);
    let inside = ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "::ffff:127.0.0.1"];
    let mut judged = (0, 0);
    for number in 0..10_000 {
        let turns: [&[&str]; 2] = [&["93.184.215.14"], &[inside[number % inside.len()]]];
        let (lookup, asked) = Scripted::new(if number % 2 == 0 { &turns } else { &turns[1..] });
        let url = format!("http://flip.example:{}/", canary.address.port());
        match guard::check(&url, &AllowList::default(), &*lookup).await {
            Ok(pinned) => {
                judged.0 += 1;
                assert!(pinned.addresses.iter().all(|to| special::special(to.ip()).is_none()));
            }
            Err(_) => judged.1 += 1,
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1, "nobody asks a second time");
    }
    assert_eq!((judged, canary.seen().len()), ((5_000, 5_000), 0), "0 hits");
    for _ in 0..200 {
        let (egress, _) = courier(&[], &[&["127.0.0.1"], &["93.184.215.14"]]);
        assert!(egress.get(&format!("http://flip.example:{}/", canary.address.port()), 100).await.is_err());
    }
    assert_eq!(canary.seen().len(), 0, "0 hits");
}

/// G9: a page without an end is cut.
#[tokio::test]
async fn a_page_is_read_as_far_as_it_is_wanted() {
    let page = b"HTTP/1.1 200 OK\r\ncontent-type: Text/HTML; charset=utf-8\r\ncontent-length: 10\r\n\r\n0123456789";
    let door = Canary::start_plain(page);
    let listed = format!("door.test:{}", door.address.port());
    let (egress, _) = courier(&[&listed], &[&["127.0.0.1"]]);
    let url = format!("http://{listed}/");
    let found = egress.get(&url, 4).await.unwrap();
    let expected = Page {
        url,
        status: 200,
        media_type: "text/html".into(),
        charset: "utf-8".into(),
        body: b"0123".to_vec(),
        is_cut: true,
    };
    assert_eq!(found, expected);
}

/// Some servers pack what they send whatever they were asked; adv 45: what grows without end is cut like any other page.
#[tokio::test]
async fn a_packed_page_is_unpacked_as_far_as_it_is_wanted() {
    use std::io::Write as _;
    let pack = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let text = b"It is Paris. ".repeat(1000);
    let (whole, bomb) = (pack(&text), pack(&vec![b'0'; 5_000_000]));
    let two = [pack(b"It is "), pack(b"Paris.")].concat();
    let get = async |encoding: &str, body: &[u8]| {
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {length}\r\n\r\n");
        let door = Canary::start_plain([head.as_bytes(), body].concat().leak());
        let listed = format!("door.test:{}", door.address.port());
        let (egress, _) = courier(&[&listed], &[&["127.0.0.1"]]);
        let found = egress.get(&format!("http://{listed}/"), 20_000).await;
        found.map(|page| (page.body, page.is_cut)).map_err(|error| error.to_string())
    };
    assert_eq!(get("gzip", &whole).await, Ok((text.clone(), false)));
    assert_eq!(get("X-GZip", &two).await, Ok((b"It is Paris.".to_vec(), false)));
    assert_eq!(get("identity", b"plain").await, Ok((b"plain".to_vec(), false)));
    assert_eq!(get("gzip", &bomb).await, Ok((vec![b'0'; 20_000], true)));
    assert_eq!(get("gzip", b"").await, Ok((Vec::new(), false)));
    assert!(get("br", b"x").await.unwrap_err().contains("packed as \"br\", which was not asked for"));
    for end in (1..whole.len()).step_by(7) {
        let cut = get("gzip", &whole[..end]).await;
        assert!(cut.as_ref().is_err_and(|why| why.contains("it cannot be unpacked")), "{end}: {cut:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let target = Canary::start(OK);
    let location = format!("HTTP/1.1 307 x\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", target.address);
    let canary = Canary::start(location.leak().as_bytes());
    let (courier, _) = courier(&["127.0.0.0/8"], &[&["127.0.0.1"]]);
    let receipt = courier.deliver(letter(format!("http://{}/", canary.address))).await.unwrap();
    assert_eq!((receipt.status, target.seen().len()), (307, 0));
}

#[tokio::test]
async fn an_endless_answer_and_none_at_all_come_to_an_end() {
    let endless = [&b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n"[..], &[b'x'; 256 * 1024]].concat();
    let canary = Canary::start(endless.leak());
    let (courier, _) = courier(&["127.0.0.0/8"], &[&["127.0.0.1"]]);
    assert_eq!(courier.deliver(letter(format!("http://{}/", canary.address))).await.unwrap().status, 200);

    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let (lookup, _) = Scripted::new(&[&[]]);
    let limit = Duration::from_millis(100);
    let courier = Egress::with(allow(&["127.0.0.1"]), lookup, limit, limit);
    let late = courier.deliver(letter(format!("http://{}/?key=hidden", mute.local_addr().unwrap()))).await.unwrap_err();
    assert_eq!(late, CourierError::Failed("no answer within 100 ms".into()));
    let closed = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let failed = courier.deliver(letter(format!("http://{closed}/?key=hidden"))).await.unwrap_err();
    assert!(matches!(&failed, CourierError::Failed(why) if !why.contains("hidden")), "{failed:?}");
}

#[tokio::test]
async fn a_header_that_could_break_the_request_is_refused() {
    let canary = Canary::start(OK);
    let (courier, _) = courier(&["127.0.0.0/8"], &[&["127.0.0.1"]]);
    for (name, value) in [("a b", "c"), ("a", "b\r\nc: d"), ("a\r\nb", "c"), ("", "x")] {
        let mut bad = letter(format!("http://{}/", canary.address));
        bad.headers.push((name.into(), value.into()));
        assert!(matches!(courier.deliver(bad).await, Err(CourierError::Refused(_))), "{name:?}: {value:?}");
    }
    assert_eq!(canary.seen().len(), 0);
}

#[tokio::test]
async fn https_goes_to_the_pinned_address_too() {
    let canary = Canary::start(b"not TLS");
    crate::install_crypto();
    let (lookup, _) = Scripted::new(&[&["127.0.0.1"]]);
    let courier = Egress::with(allow(&["127.0.0.0/8"]), lookup, Duration::from_secs(1), Duration::from_secs(1));
    let failed =
        courier.deliver(letter(format!("https://hooks.example:{}/", canary.address.port()))).await.unwrap_err();
    // A machine without certificates says so instead.
    assert!(matches!(failed, CourierError::Failed(_)), "{failed:?}");
}

/// All spellings of one address that a URL parser knows.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let bits = address.to_bits();
    vec![
        address.to_string(),
        format!("{address}."),
        bits.to_string(),
        format!("{bits:#x}"),
        format!("0{bits:o}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a:#x}.{b}.0{c:o}.{d:#X}").replace("0X", "0x"),
        format!("{a}.{}", bits & 0xff_ffff),
        format!("{a}.{b}.{}", bits & 0xffff),
        format!("[::ffff:{address}]"),
        format!("[0:0:0:0:0:FFFF:{address}]"),
        format!("[64:ff9b::{address}]"),
    ]
}

proptest! {
    #[test]
    fn no_spelling_changes_what_an_address_is(bits: u32, within in 0..8_usize) {
        let bases = [(0x7f00_0000, 8), (0x0a00_0000, 8), (0xa9fe_0000, 16), (0xc0a8_0000, 16), (0xac10_0000, 12),
            (0x6440_0000, 10), (0xe000_0000, 3), (0, 0)];
        let (base, kept) = bases[within];
        let mask = u32::MAX.checked_shl(32 - kept).unwrap_or(0);
        let address = Ipv4Addr::from_bits(base | (bits & !mask));
        let expected = special::special(IpAddr::V4(address)).is_some();
        prop_assert!(expected || kept == 0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for host in spellings(address) {
            let refused = runtime.block_on(is_refused(&format!("http://{host}/")));
            prop_assert_eq!(refused, expected, "{}", host);
        }
    }

    #[test]
    fn no_text_makes_the_guard_panic(text in "\\PC{0,60}", host in "[0-9a-fxX.:\\[\\]%@]{0,30}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for url in [text, format!("http://{host}/")] {
            let (lookup, _) = Scripted::new(&[&["127.0.0.1"]]);
            let passed = runtime.block_on(guard::check(&url, &AllowList::default(), &*lookup));
            if let Ok(pinned) = passed {
                prop_assert!(pinned.addresses.iter().all(|to| special::special(to.ip()).is_none()), "{}", url);
            }
        }
    }
}
