//! The audit log in its file: only growing, one chain for two processes, and every tampering named.

use claw_core::PrincipalId;
use claw_core::audit::{Actor, Door, Entry, Kind};
use sqlx::Executor as _;

use super::*;
use crate::sqlite::{append_beside, base_beside, check_beside, prune_beside};
use crate::{Audit as _, AuditFilter, Broken, Checked, Flaw, Link};

fn entry(n: i64) -> Entry {
    let actor = Actor::of(&PrincipalId::operator(), Door::WebSocket);
    Entry::new(Timestamp::from_millis(n), Kind::ConfigChanged, actor, "it").with("paths", format!("a.b{n}"))
}

/// A closed database with so many entries.
async fn written(entries: i64) -> Place {
    let place = Place::new();
    let store = place.open().await.unwrap();
    store.append_audit((1..=entries).map(entry).collect()).await.await.unwrap();
    store.close().await;
    place
}

async fn checked(path: &Path) -> Checked {
    let mut link = base_beside(path).await.unwrap().unwrap();
    loop {
        match check_beside(path, link, 3).await.unwrap().unwrap() {
            Checked::SoFar(next) => link = next,
            told => return told,
        }
    }
}

#[tokio::test]
async fn no_entry_is_changed_or_deleted_by_mistake() {
    let place = written(3).await;
    let mut connection = place.connect().await;
    let whole = checked(&place.path()).await;
    for (sql, told) in [
        ("UPDATE audit SET subject = 'x' WHERE n = 2", "never changed"),
        ("DELETE FROM audit WHERE n = 3", "never deleted"),
        ("DELETE FROM audit", "never deleted"),
        (
            "INSERT OR REPLACE INTO audit SELECT n, at, kind, actor, door, 'x', outcome, details, hash, form FROM audit",
            "follow each other",
        ),
        (
            "INSERT INTO audit SELECT n + 9, at, kind, actor, door, 'x', outcome, details, hash, form FROM audit",
            "follow each other",
        ),
        ("UPDATE audit_head SET n = 0", "only moves on"),
        ("UPDATE audit_head SET hash = x'00'", "only moves on"),
        ("DELETE FROM audit_head", "stays"),
        ("INSERT OR REPLACE INTO audit_head VALUES (1, 0, x'00')", "one head"),
        ("UPDATE audit_base SET n = 2", "only moves on"),
        ("UPDATE audit_base SET (n, hash) = (9, zeroblob(32))", "only moves on"),
        ("DELETE FROM audit_base", "stays"),
        ("INSERT OR REPLACE INTO audit_base VALUES (1, 3, x'00')", "one beginning"),
    ] {
        let error = connection.execute(sql).await.unwrap_err().to_string();
        assert!(error.contains(told), "{sql}: {error}");
    }
    assert!(matches!(whole, Checked::Whole(Link { n: 3, .. })));
    assert_eq!(checked(&place.path()).await, whole);
}

/// What somebody who may write the file can do to it, and which row is named.
#[tokio::test]
async fn every_changed_lost_or_added_row_is_named() {
    let changed = |n| Checked::Broken(Broken { n, flaw: Flaw::Changed });
    let missing = |n| Checked::Broken(Broken { n, flaw: Flaw::Missing });
    let columns = "at, kind, actor, door, subject, outcome, details, hash, form";
    let table = [
        ("UPDATE audit SET subject = 'other' WHERE n = 5".to_owned(), changed(5)),
        ("UPDATE audit SET at = at + 1 WHERE n = 1".to_owned(), changed(1)),
        ("UPDATE audit SET form = 2 WHERE n = 7".to_owned(), changed(7)),
        ("UPDATE audit SET details = CAST(x'ff' AS TEXT) WHERE n = 2".to_owned(), changed(2)),
        ("UPDATE audit SET hash = x'00' WHERE n = 10".to_owned(), changed(10)),
        ("UPDATE audit SET actor = 'operatorw', door = 'ebsocket' WHERE n = 4".to_owned(), changed(4)),
        ("DELETE FROM audit WHERE n = 6".to_owned(), missing(6)),
        ("DELETE FROM audit WHERE n > 8".to_owned(), missing(9)),
        ("DELETE FROM audit".to_owned(), missing(1)),
        (format!("INSERT INTO audit (n, {columns}) SELECT 11, {columns} FROM audit WHERE n = 10"), changed(11)),
        ("UPDATE audit_head SET hash = zeroblob(32)".to_owned(), changed(10)),
    ];
    for (sql, told) in table {
        let place = written(10).await;
        let triggers =
            ["only_grows", "moves_its_head", "is_never_changed", "goes_from_its_beginning", "head_only_grows"];
        let drops: Vec<String> = triggers.iter().map(|name| format!("DROP TRIGGER audit_{name};")).collect();
        place.run(&format!("{} {sql}", drops.join(" "))).await;
        assert_eq!(checked(&place.path()).await, told, "{sql}");
        let store = place.open().await.unwrap();
        assert_eq!(store.check_audit(Link::START, 1000).await.unwrap(), told, "{sql}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_byte_that_is_flipped_in_the_file_is_found_and_its_row_is_named() {
    let place = written(9).await;
    let sound = fs::read(place.path()).unwrap();
    let at = sound.windows(4).position(|bytes| bytes == b"a.b7").unwrap();
    let mut damaged = sound.clone();
    damaged[at + 2] ^= 1;
    fs::write(place.path(), &damaged).unwrap();
    assert_eq!(checked(&place.path()).await, Checked::Broken(Broken { n: 7, flaw: Flaw::Changed }));
    fs::write(place.path(), &sound).unwrap();
    assert!(matches!(checked(&place.path()).await, Checked::Whole(Link { n: 9, .. })));
}

/// The gateway and its command line over one file.
#[tokio::test]
async fn two_processes_keep_one_chain() {
    let place = Place::new();
    assert_eq!(append_beside(&place.path(), &[entry(1)]).await, Ok(false), "there is no database yet");
    let (first, second) = (place.open().await.unwrap(), place.open().await.unwrap());
    let path = place.path();
    let by = |store: SqliteStore| async move {
        for n in 0..50 {
            store.append_audit(vec![entry(n)]).await.await.unwrap();
        }
    };
    let beside = async {
        for n in 0..50 {
            assert_eq!(append_beside(&path, &[entry(n)]).await, Ok(true));
        }
    };
    tokio::join!(by(first.clone()), by(second.clone()), beside);
    assert!(matches!(checked(&place.path()).await, Checked::Whole(Link { n: 150, .. })));
    for store in [first, second] {
        store.close().await;
    }
    place.run("PRAGMA user_version = 8").await;
    assert_eq!(append_beside(&place.path(), &[entry(1)]).await, Ok(false), "an earlier form has no log");
    assert_eq!(check_beside(&place.path(), Link::START, 9).await, Ok(None));
}

/// What is old goes piece by piece beside the gateway that writes, and what is left is the same chain.
#[tokio::test]
async fn old_rows_go_from_the_beginning_and_the_rest_is_the_same_chain() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    // The clock was put back once: 7 stands behind 12.
    let moments = (1..=12).chain([7]).chain(20..=25_000);
    store.append_audit(moments.map(entry).collect()).await.await.unwrap();
    let before = store.audit_head().await.unwrap();
    let prune = async |moment| {
        let said = Entry::new(Timestamp::from_millis(moment), Kind::AuditPruned, entry(0).actor, "log");
        prune_beside(&place.path(), Timestamp::from_millis(moment), said).await.unwrap()
    };
    assert_eq!(prune(1).await, None, "none is as old");
    let (rows, last) = prune(9).await.unwrap();
    assert_eq!((rows, last.n), (8, 8));
    assert!(prune(13).await.is_some_and(|(rows, last)| (rows, last.n) == (5, 13)));
    let goes_on = async { store.append_audit((30_000..30_100).map(entry).collect()).await.await.unwrap() };
    let (pruned, ()) = tokio::join!(prune(24_001), goes_on);
    let (rows, last) = pruned.unwrap();
    assert_eq!((rows, last.n), (23_994 - 13, 23_994), "in more than one piece");
    assert_eq!(base_beside(&place.path()).await, Ok(Some(last)));

    // The head is where it would be, and everything after the cut holds.
    let head = store.audit_head().await.unwrap();
    assert_eq!(head.n, before.n + 3 + 100);
    assert_eq!(checked(&place.path()).await, Checked::Whole(head));
    assert_eq!(store.check_audit(before, 1000).await.unwrap(), Checked::Whole(head), "it goes on from what was noted");
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let page = store.audit(&AuditFilter::default(), from, 1000).await.unwrap();
        found.extend(page.items);
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!((found.first().unwrap().n, found.last().unwrap().n), (head.n as u64, 23_995));
    let said: Vec<_> = found.iter().filter(|row| row.entry.kind == Kind::AuditPruned).collect();
    let hashes: Vec<_> = said.iter().map(|row| row.entry.details["hash"].clone()).collect();
    assert_eq!((hashes.len(), &hashes[0]), (3, &claw_core::audit::hex(&last.hash)));
    store.close().await;
    let store = place.open().await.unwrap();
    assert_eq!(store.audit_head().await.unwrap(), head);
    store.close().await;
    place.run("DROP TRIGGER audit_goes_from_its_beginning; DELETE FROM audit WHERE n = 23995").await;
    assert_eq!(checked(&place.path()).await, Checked::Broken(Broken { n: 23_995, flaw: Flaw::Missing }));
}
