//! Passages of notes: how they are cut, weighed and cited, and what hostile notes come to.

use std::path::Path;

use claw_core::{AgentId, PrincipalId};

use super::*;

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn notes(directory: &Path) -> WorkspaceNotes {
    let at = |name: &str| directory.join(name);
    let workspaces = Workspaces { default: at("workspace"), agents: Vec::new(), api_keys: at("keys") };
    // Far in the future, so that what was read is remembered.
    WorkspaceNotes::new(Arc::new(workspaces), Arc::new(At(Timestamp::from_millis(32_503_680_000_000))))
}

fn whose(owner: &str) -> Whose {
    Whose { owner: PrincipalId::from_stored(owner.into()), agent: AgentId::main() }
}

fn write(directory: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = directory.join("workspace").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

async fn found(notes: &WorkspaceNotes, query: &str) -> Vec<(String, String)> {
    let hits = notes.search(&whose("operator"), &terms(query), 10).await;
    assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{hits:?}");
    hits.into_iter().map(|hit| (hit.citation.to_string(), hit.snippet)).collect()
}

fn pair(citation: &str, snippet: &str) -> (String, String) {
    (citation.to_owned(), snippet.to_owned())
}

#[tokio::test]
async fn a_passage_is_cited_by_its_file_and_lines() {
    let directory = tempfile::tempdir().unwrap();
    let notes = notes(directory.path());
    assert_eq!(found(&notes, "tea").await, []);
    write(
        directory.path(),
        "MEMORY.md",
        "# People\n\nAda likes tea.\nBob likes coffee.\n\n# Places\nThe office is in Rome.\n",
    );
    write(directory.path(), "memory/2026-08-03.md", "Tea with Ada: tea, and more tea.\n");
    write(directory.path(), "memory/notes.txt", "tea");
    write(directory.path(), "tea.md", "tea");
    let day = pair("memory/2026-08-03.md:1-1", "Tea with Ada: tea, and more tea.");
    let people = pair("MEMORY.md:1-4", "# People\n\nAda likes tea.\nBob likes coffee.");
    assert_eq!(found(&notes, "tea").await, [day.clone(), people.clone()]);
    assert_eq!(found(&notes, "offices?").await, [pair("MEMORY.md:6-7", "# Places\nThe office is in Rome.")]);
    write(directory.path(), "MEMORY.md", "Ada likes it hot.\n");
    assert_eq!(found(&notes, "coffee").await, [], "a change is seen");
    let lines = notes.lines(&whose("operator"), "memory/2026-08-03.md", 1, 5).await;
    assert_eq!(lines.as_deref(), Some("Tea with Ada: tea, and more tea.\n"));
}

/// adv 49, G13: nothing but notes, and nobody else's.
#[tokio::test]
async fn adv_49_only_notes_are_shown_and_only_ones_own() {
    let directory = tempfile::tempdir().unwrap();
    let notes = notes(directory.path());
    write(directory.path(), "MEMORY.md", "secret one\nsecret two\nsecret three\n");
    write(directory.path(), "plan.md", "secret");
    write(directory.path(), "memory/binary.md", b"secret\0");
    std::fs::write(directory.path().join("outside.md"), "secret").unwrap();
    std::os::unix::fs::symlink(directory.path().join("outside.md"), directory.path().join("workspace/memory/out.md"))
        .unwrap();
    assert_eq!(found(&notes, "secret").await, [pair("MEMORY.md:1-3", "secret one\nsecret two\nsecret three")]);
    let operator = whose("operator");
    for path in [
        "plan.md",
        "../outside.md",
        "memory/out.md",
        "memory/../plan.md",
        "memory/../../outside.md",
        "",
        "/etc/passwd",
        "memory",
    ] {
        assert_eq!(notes.lines(&operator, path, 1, 9).await, None, "{path}");
    }
    assert_eq!(notes.lines(&operator, "./MEMORY.md", 2, 1).await.as_deref(), Some("secret two\n"));
    assert_eq!(notes.lines(&operator, "MEMORY.md", 7, 1).await.as_deref(), Some(""));
    assert_eq!(notes.lines(&operator, "MEMORY.md", usize::MAX, usize::MAX).await.as_deref(), Some(""));
    assert_eq!(notes.search(&whose("key_1"), &terms("secret"), 9).await, []);
    assert_eq!(notes.lines(&whose("key_1"), "MEMORY.md", 1, 9).await, None);
    assert_eq!(notes.lines(&whose("../workspace"), "MEMORY.md", 1, 9).await, None);
}

#[tokio::test]
async fn a_huge_note_costs_its_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let notes = notes(directory.path());
    write(directory.path(), "MEMORY.md", "needle\n".to_owned() + &"hay hay hay\n\n".repeat(200_000) + "pin\n");
    assert_eq!(found(&notes, "needle pin").await.len(), 2);
    write(directory.path(), "MEMORY.md", "needle\n".to_owned() + &"hay hay hay\n\n".repeat(350_000) + "pin\n");
    assert_eq!(found(&notes, "needle pin").await.len(), 1);
    let last = notes.lines(&whose("operator"), "MEMORY.md", 700_002, 9).await;
    assert_eq!(last.as_deref(), Some("pin\n"), "what is not searched can be shown");
}

#[tokio::test]
async fn notes_in_folders_of_the_folder_are_found_but_not_along_links() {
    let directory = tempfile::tempdir().unwrap();
    let notes = notes(directory.path());
    write(directory.path(), "memory/2026-08-03.md", "tea\n");
    write(directory.path(), "memory/people/ada.md", "tea\n");
    write(directory.path(), "elsewhere/bob.md", "tea\n");
    std::os::unix::fs::symlink("../elsewhere", directory.path().join("workspace/memory/link")).unwrap();
    let expected = ["memory/2026-08-03.md:1-1", "memory/people/ada.md:1-1"].map(|place| pair(place, "tea"));
    assert_eq!(found(&notes, "tea").await, expected);
}

#[test]
fn long_paragraphs_are_cut_and_headings_go_with_what_follows() {
    let text = format!("# One\n\n\na\nb\n\n## Two\n{}\nlast", "line\n".repeat(30));
    let cut: Vec<(usize, usize)> = passages(&text).iter().map(|passage| (passage.first, passage.last)).collect();
    assert_eq!(cut, [(1, 5), (7, 18), (19, 30), (31, 37), (39, 39)]);
    assert!(passages("\n \n\t\n").is_empty());
}
