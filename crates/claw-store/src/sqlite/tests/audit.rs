//! The audit log in its file: only growing, one chain for two processes, and every tampering named.

use claw_core::PrincipalId;
use claw_core::audit::{Actor, Door, Entry, Kind};
use sqlx::Executor as _;

use super::*;
use crate::sqlite::{append_beside, check_beside};
use crate::{Audit as _, Broken, Checked, Flaw, Link};

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
    let mut link = Link::START;
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
        let triggers = ["only_grows", "moves_its_head", "is_never_changed", "is_never_deleted", "head_only_grows"];
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
