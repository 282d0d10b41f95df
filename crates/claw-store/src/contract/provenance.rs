//! Places with strangers' words are noted, found again and forgotten.

use claw_core::PrincipalId;
use claw_core::audit::{Actor, Door, Entry, Kind};

use super::*;
use crate::AuditFilter;

pub(super) async fn places_of_strangers_are_noted_found_and_forgotten(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let places = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let noted = places(&["file:/w/a", "file:/w/a/b", "file:/w/ab", "file:/x", "answer:1"]);
    assert!(store.note_strangers(noted.clone(), at(1)).await.await.unwrap());
    assert!(store.note_strangers(noted, at(2)).await.await.unwrap(), "again is no harm");
    let table = [
        (&["file:/w/a"][..], true),
        (&["file:/w"], false),
        (&["nothing", "answer:1"], true),
        (&["nothing"], false),
        (&[], false),
    ];
    for (wanted, is_there) in table {
        assert_eq!(store.strangers_at(&places(wanted)).await.unwrap(), is_there, "{wanted:?}");
    }
    assert_eq!(store.strangers_below("file:/w/a/", 10).await.unwrap(), ["file:/w/a/b"]);
    assert_eq!(store.strangers_below("file:/w/", 2).await.unwrap(), ["file:/w/a", "file:/w/a/b"]);
    store.forget_strangers(places(&["file:/w/a", "never"])).await.await.unwrap();
    assert_eq!(store.strangers_below("file:", 10).await.unwrap(), ["file:/w/a/b", "file:/w/ab", "file:/x"]);
    let entry =
        |subject: &str| Entry::new(at(3), Kind::FilesTrusted, Actor::of(&PrincipalId::operator(), Door::Cli), subject);
    let trust = async |place: &str, below: &str| {
        let commit = store.trust_strangers(place.into(), below.into(), entry(place)).await;
        commit.await.unwrap()
    };
    store.note_strangers(places(&["file:/w/a", "file:/w/a/\u{10ffff}b", "file:/w/a!"]), at(3)).await.await.unwrap();
    assert_eq!(store.strangers_below("file:/w/a/", 10).await.unwrap(), ["file:/w/a/b", "file:/w/a/\u{10ffff}b"]);
    assert_eq!(trust("file:/w/a", "file:/w/a/").await, 3, "itself and what lies below it");
    assert_eq!(trust("file:/w/a", "file:/w/a/").await, 0);
    assert_eq!(store.strangers_below("file:", 10).await.unwrap(), ["file:/w/a!", "file:/w/ab", "file:/x"]);
    let rows = store.audit(&AuditFilter::default(), None, 10).await.unwrap().items;
    let told: Vec<_> = rows.iter().map(|row| (row.entry.kind, row.entry.subject.as_str())).collect();
    assert_eq!(told, [(Kind::FilesTrusted, "file:/w/a")], "where something was forgotten, and in the same commit");
    fixture.restart().await;
    assert!(fixture.store().strangers_at(&places(&["file:/x"])).await.unwrap(), "it outlives the process");
}
