//! A small server that can cut, lie and garble; no outside network.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use super::*;

/// How the server treats its next connection.
#[derive(Clone, Copy)]
enum Manner {
    /// The whole file, or the range asked for.
    Honest,
    /// Announces everything, hangs up after this many bytes of body.
    CutAfter(usize),
    /// Ignores `Range`, sends everything with 200.
    NoRanges,
    /// Only a status line.
    Refuse(u16),
}

/// Serves `content` once per manner, in order; reports each request's `Range` header.
fn serve(content: Vec<u8>, manners: Vec<Manner>) -> (url::Url, mpsc::Receiver<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (ranges, seen) = mpsc::channel();
    std::thread::spawn(move || {
        for manner in manners {
            let (stream, _) = listener.accept().unwrap();
            ranges.send(answer(stream, &content, manner)).ok();
        }
    });
    (format!("http://{address}/model.gguf").parse().unwrap(), seen)
}

fn answer(mut stream: TcpStream, content: &[u8], manner: Manner) -> Option<String> {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let head: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    let range = head.iter().find_map(|line| line.strip_prefix("range: ").map(str::to_owned));
    let asked = range.as_deref().map_or(0, |value| value["bytes=".len()..value.len() - 1].parse().unwrap());
    let (start, cut) = match manner {
        Manner::Honest => (asked, usize::MAX),
        Manner::CutAfter(bytes) => (asked, bytes),
        Manner::NoRanges => (0, usize::MAX),
        Manner::Refuse(status) => {
            write!(stream, "HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            return range;
        }
    };
    let body = &content[start..];
    let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
    let (last, all) = (content.len() - 1, content.len());
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {start}-{last}/{all}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(&body[..cut.min(body.len())]).ok();
    range
}

fn content() -> Vec<u8> {
    (0..300_000_u32).flat_map(|number| number.to_le_bytes()).collect()
}

fn expected(content: &[u8]) -> Expected {
    Expected { size_bytes: Some(content.len() as u64), sha256: Some(Sha256::digest(content).into()) }
}

fn client() -> reqwest::Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    #[expect(clippy::disallowed_methods, reason = "the module's own tests need the bare client")]
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn run(download: &Download) -> (Result<(), DownloadError>, Vec<Progress>) {
    let mut seen = Vec::new();
    let result = fetch(&client(), download, &mut |progress| seen.push(progress)).await;
    (result, seen)
}

fn prepare(url: url::Url, folder: &tempfile::TempDir, expected: Expected) -> Download {
    Download { url, destination: folder.path().join("model.gguf"), expected }
}

#[tokio::test]
async fn a_whole_file_arrives_verified_private_and_with_progress() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(content(), vec![Manner::Honest]);
    let download = prepare(url, &folder, expected(&content()));

    let (result, seen) = run(&download).await;

    result.unwrap();
    assert_eq!(std::fs::read(&download.destination).unwrap(), content());
    assert!(!part_path(&download.destination).exists());
    let all = content().len() as u64;
    assert_eq!(seen.first(), Some(&Progress { done_bytes: 0, total_bytes: Some(all) }));
    assert_eq!(seen.last(), Some(&Progress { done_bytes: all, total_bytes: Some(all) }));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&download.destination).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn an_interrupted_file_is_continued_where_it_broke_off() {
    let folder = tempfile::tempdir().unwrap();
    let (url, ranges) = serve(content(), vec![Manner::CutAfter(500_000), Manner::Honest]);
    let download = prepare(url, &folder, expected(&content()));

    let (first, _) = run(&download).await;
    let kept = std::fs::metadata(part_path(&download.destination)).unwrap().len();
    let (second, seen) = run(&download).await;

    assert!(matches!(first, Err(DownloadError::Interrupted { done_bytes, .. }) if done_bytes == kept && kept > 0));
    second.unwrap();
    assert_eq!(std::fs::read(&download.destination).unwrap(), content());
    assert_eq!(seen[0].done_bytes, kept);
    assert_eq!(ranges.recv().unwrap(), None);
    assert_eq!(ranges.recv().unwrap(), Some(format!("bytes={kept}-")));
}

#[tokio::test]
async fn a_server_without_ranges_starts_again_from_zero() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(content(), vec![Manner::CutAfter(400_000), Manner::NoRanges]);
    let download = prepare(url, &folder, expected(&content()));

    run(&download).await.0.unwrap_err();
    run(&download).await.0.unwrap();

    assert_eq!(std::fs::read(&download.destination).unwrap(), content());
}

#[tokio::test]
async fn garbage_of_the_right_length_is_refused_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut garbage = content();
    garbage[1000] ^= 1;
    let (url, _) = serve(garbage, vec![Manner::Honest]);
    let download = prepare(url, &folder, expected(&content()));

    let (result, _) = run(&download).await;

    assert!(matches!(result, Err(DownloadError::ChecksumMismatch { .. })), "{result:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn another_length_is_refused_before_the_first_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(b"<html>captive portal</html>".to_vec(), vec![Manner::Honest]);
    let download = prepare(url, &folder, expected(&content()));

    let (result, seen) = run(&download).await;

    assert!(matches!(result, Err(DownloadError::SizeMismatch { found_bytes: 27, .. })), "{result:?}");
    assert_eq!(seen, []);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_refusal_keeps_an_earlier_part() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(content(), vec![Manner::CutAfter(500_000), Manner::Refuse(503), Manner::Honest]);
    let download = prepare(url, &folder, expected(&content()));

    run(&download).await.0.unwrap_err();
    let (refused, _) = run(&download).await;
    assert!(part_path(&download.destination).exists());
    let (last, seen) = run(&download).await;

    assert!(matches!(refused, Err(DownloadError::Status { status, .. }) if status.as_u16() == 503));
    last.unwrap();
    assert!(seen[0].done_bytes > 0);
}

#[tokio::test]
async fn an_unreachable_server_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/model.gguf").parse().unwrap();
    let download = prepare(url, &folder, expected(&content()));

    let (result, _) = run(&download).await;

    assert!(matches!(result, Err(DownloadError::Unreachable { .. })), "{result:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn two_downloads_of_one_file_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(content(), vec![Manner::Honest]);
    let download = prepare(url, &folder, expected(&content()));
    let held = std::fs::File::create(part_path(&download.destination)).unwrap();
    held.lock().unwrap();

    let (result, _) = run(&download).await;

    assert!(matches!(result, Err(DownloadError::Busy { .. })), "{result:?}");
}

#[tokio::test]
async fn an_unverified_file_never_continues_an_old_part() {
    let folder = tempfile::tempdir().unwrap();
    let (url, ranges) = serve(content(), vec![Manner::Honest]);
    let download = prepare(url, &folder, Expected::default());
    std::fs::write(part_path(&download.destination), b"of another file").unwrap();

    run(&download).await.0.unwrap();

    assert_eq!(ranges.recv().unwrap(), None);
    assert_eq!(std::fs::read(&download.destination).unwrap(), content());
}
