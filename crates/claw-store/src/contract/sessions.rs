//! What becomes of conversations: settings, resets, ends, lists, sums.

use std::collections::BTreeMap;

use claw_core::message::JsonText;

use super::*;
use crate::{
    Change, Ends, ModelUsed, NewSummary, Profile, Retried, Rework, Reworked, Session, SessionChange, SessionChanged,
    UsageDay,
};

fn session_id(n: u128) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(2_000_000 + n))
}

fn change(name: &str) -> SessionChange {
    SessionChange {
        key: key(name),
        visibility: Visibility::All,
        make: Some((session_id(1), PrincipalId::operator())),
        label: Change::Keep,
        model: Change::Keep,
        thinking: Change::Keep,
        verbose: Change::Keep,
        metadata: BTreeMap::new(),
        at: at(3),
    }
}

async fn changed(store: &dyn Store, change: SessionChange) -> Option<Session> {
    match store.change_session(change).await.await.unwrap() {
        SessionChanged::Done { session, is_new: _ } => Some(*session),
        SessionChanged::Absent => None,
    }
}

async fn rework(store: &dyn Store, name: &str, rework: Rework) -> Reworked {
    store.rework_session(key(name), Visibility::All, rework, at(4)).await.await.unwrap()
}

async fn reworked(store: &dyn Store, name: &str, what: Rework) -> (Session, bool) {
    match rework(store, name, what).await {
        Reworked::Done { session, is_changed } => (*session, is_changed),
        told @ (Reworked::Busy(_) | Reworked::Absent) => panic!("{told:?}"),
    }
}

async fn erased(store: &dyn Store) {
    while store.erase().await.await.unwrap() {}
}

async fn get(store: &dyn Store, name: &str) -> Option<Session> {
    store.session(&key(name), &Visibility::All).await.unwrap()
}

/// A whole run in a session.
async fn talk(store: &dyn Store, n: u128, name: &str) {
    submit(store, task(n, name)).await;
    won(store, n, 0).await;
    complete(store, n, 1, 1).await;
}

async fn said(store: &dyn Store, session: &Session) -> Vec<String> {
    store.history(session.id, None, 100).await.unwrap().iter().map(|stored| stored.message.text().into()).collect()
}

pub(super) async fn settings_change_one_by_one_and_stay(fixture: &mut dyn Fixture) {
    let set = |text: &str| Change::Set(text.to_owned());
    let entry = |name: &str, change| BTreeMap::from([(name.to_owned(), change)]);
    let store = fixture.store();
    let first = changed(store, SessionChange { label: set("Home"), model: set("p/m"), ..change("s") }).await.unwrap();
    assert_eq!((first.id, first.created_at, first.label.as_deref()), (session_id(1), at(3), Some("Home")));
    let json = |text: &str| Change::Set(JsonText::new(text));
    changed(store, SessionChange { metadata: entry("a", json("1")), thinking: set("low"), ..change("s") }).await;
    changed(store, SessionChange { metadata: entry("b", json("{}")), verbose: set("on"), ..change("s") }).await;
    changed(store, SessionChange { metadata: entry("a", Change::Clear), model: Change::Clear, ..change("s") }).await;
    fixture.restart().await;
    let store = fixture.store();
    let profile = Profile {
        model: None,
        thinking: Some("low".into()),
        verbose: Some("on".into()),
        metadata: BTreeMap::from([("b".to_owned(), JsonText::new("{}"))]),
    };
    let found = get(store, "s").await.unwrap();
    assert_eq!((&found.profile, found.label.as_deref()), (&profile, Some("Home")));
    // What changes nothing is no change.
    submit(store, task(1, "other")).await;
    assert_eq!(changed(store, SessionChange { label: set("Home"), at: at(99), ..change("s") }).await, Some(found));
    let page = store.sessions(&filter(), &Visibility::All, PageStart::Offset(0), 9).await.unwrap();
    assert_eq!(page.items.first().map(|session| session.key.clone()), Some(key("other")));
}

pub(super) async fn a_session_is_made_once(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let told = |make| {
        let wish = SessionChange { make, ..change("s") };
        async move {
            match store.change_session(wish).await.await.unwrap() {
                SessionChanged::Done { session, is_new } => format!("{} {is_new}", session.id == session_id(1)),
                SessionChanged::Absent => "absent".into(),
            }
        }
    };
    let of = |n| Some((session_id(n), PrincipalId::operator()));
    assert_eq!(told(None).await, "absent");
    assert_eq!(told(of(1)).await, "true true");
    assert_eq!(told(of(2)).await, "true false");
    assert_eq!(told(None).await, "true false");
    assert_eq!(store.counts().await.unwrap().sessions, 1);
}

pub(super) async fn runs_use_their_sessions_settings_unless_they_name_their_own(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let set = |text: &str| Change::Set(text.to_owned());
    changed(store, SessionChange { model: set("p/chosen"), thinking: set("high"), ..change("s") }).await;
    submit(store, task(1, "s")).await;
    let mut own = task(2, "s");
    own.turn.model = Some("p/own".into());
    submit(store, own).await;
    changed(store, SessionChange { model: Change::Clear, ..change("s") }).await;
    submit(store, task(3, "s")).await;
    for (n, model) in [(1, Some("p/chosen")), (2, Some("p/own")), (3, None)] {
        let turn = won(store, n, 0).await.task.turn;
        assert_eq!((turn.model.as_deref(), turn.thinking.as_deref()), (model, Some("high")));
        assert_eq!(read(store, n).await.turn, turn);
        complete(store, n, 1, 1).await;
    }
}

pub(super) async fn a_reset_begins_anew_under_another_id(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    changed(store, SessionChange { label: Change::Set("L".into()), ..change("s") }).await;
    talk(store, 1, "s").await;
    let (after, is_changed) = reworked(store, "s", Rework::Reset(session_id(7))).await;
    assert!(is_changed);
    assert_eq!((after.id, after.message_count, after.context_count), (session_id(7), 0, 0));
    assert_eq!((after.usage, after.reset_at, after.label.as_deref()), (Usage::default(), Some(at(4)), Some("L")));
    fixture.restart().await;
    let store = fixture.store();
    assert_eq!(get(store, "s").await.as_ref(), Some(&after));
    assert_eq!(store.session_by_id(session_id(1), &Visibility::All).await, Ok(None));
    assert!(said(store, &after).await.is_empty() && store.context(after.id, 9).await.unwrap().is_empty());
    talk(store, 2, "s").await;
    assert_eq!(said(store, &after).await, ["input 2", "answer"]);
    assert_eq!(read(store, 1).await.session, session_id(7), "its tasks stay in it");
}

pub(super) async fn a_compacted_session_shows_a_model_less(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=3 {
        talk(store, n, "s").await;
    }
    let (after, is_changed) = reworked(store, "s", Rework::Compact(2)).await;
    assert_eq!((after.message_count, after.context_count, is_changed), (6, 2, true));
    assert!(!reworked(store, "s", Rework::Compact(5)).await.1, "what was cut does not come back");
    fixture.restart().await;
    let store = fixture.store();
    let context = store.context(after.id, 100).await.unwrap();
    assert_eq!(context.iter().map(|stored| stored.seq).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(said(store, &after).await.len(), 6);
}

fn summary(session: SessionId, upto: u64, text: &str) -> NewSummary {
    let usage = Usage { input_tokens: 7, output_tokens: 2, ..Usage::default() };
    NewSummary { session, key: key("s"), upto, text: text.into(), usage, model: "p/m".into(), at: at(5) }
}

pub(super) async fn a_summary_stands_for_what_it_covers(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=3 {
        talk(store, n, "s").await;
    }
    let before = get(store, "s").await.unwrap();
    assert_eq!(store.summary(before.id).await, Ok(None));
    // While a run of the session waits and runs, too.
    let waiting = task(4, "s");
    store.submit(waiting).await.await.unwrap();
    assert_eq!(store.summarise(summary(before.id, 4, "the first four")).await.await, Ok(true));
    fixture.restart().await;
    let store = fixture.store();
    let after = get(store, "s").await.unwrap();
    assert_eq!((after.message_count, after.context_count), (6, 2));
    assert_eq!(after.usage.input_tokens, before.usage.input_tokens + 7);
    assert_eq!(store.summary(after.id).await, Ok(Some("the first four".into())));
    let context = store.context(after.id, 100).await.unwrap();
    assert_eq!(context.iter().map(|stored| stored.seq).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(said(store, &after).await.len(), 6, "people still see everything");
    assert_eq!(store.summarise(summary(before.id, 5, "the first five")).await.await, Ok(true));
    assert_eq!(store.summary(after.id).await, Ok(Some("the first five".into())));
}

pub(super) async fn a_summary_of_what_is_gone_changes_nothing(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=3 {
        talk(store, n, "s").await;
    }
    let old = get(store, "s").await.unwrap();
    reworked(store, "s", Rework::Compact(2)).await;
    for upto in [3, 4, 7] {
        assert_eq!(store.summarise(summary(old.id, upto, "late")).await.await, Ok(false), "{upto}");
    }
    assert_eq!(store.summarise(summary(old.id, 5, "in time")).await.await, Ok(true));
    reworked(store, "s", Rework::Compact(0)).await;
    assert_eq!(store.summary(old.id).await, Ok(None), "something else has cut the context since");
    let (reset, _) = reworked(store, "s", Rework::Reset(session_id(9))).await;
    assert_eq!(store.summarise(summary(old.id, 6, "of another life")).await.await, Ok(false));
    assert_eq!(store.summary(reset.id).await, Ok(None));
    assert_eq!(store.summarise(summary(session_id(77), 1, "of nobody")).await.await, Ok(false));
}

pub(super) async fn what_is_injected_is_said_by_no_run(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    talk(store, 1, "s").await;
    let note = Message::assistant("note", Vec::new());
    let (session, _) = reworked(store, "s", Rework::Inject(Box::new(note.clone()))).await;
    assert_eq!(session.message_count, 3);
    let last = store.history(session.id, None, 1).await.unwrap().pop().unwrap();
    assert_eq!((last.seq, last.message, last.task, last.at), (3, note, None, at(4)));
}

pub(super) async fn a_busy_session_is_left_alone(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let note = || Rework::Inject(Box::new(Message::user("x")));
    let all = || [Rework::Reset(session_id(9)), Rework::Compact(0), note(), Rework::Delete];
    submit(store, task(1, "s")).await;
    submit(store, task(2, "s")).await;
    for what in all() {
        assert_eq!(rework(store, "s", what).await, Reworked::Busy(vec![id(1), id(2)]));
    }
    won(store, 1, 0).await;
    fixture.restart().await;
    let store = fixture.store();
    for what in all() {
        assert_eq!(rework(store, "s", what).await, Reworked::Busy(vec![id(1), id(2)]));
    }
    complete(store, 1, 1, 1).await;
    store.cancel(id(2), Visibility::All, at(3)).await.await.unwrap();
    // Decided in the order of the verbs, also where they share a commit.
    let submitted = store.submit(task(3, "s")).await;
    let late = store.rework_session(key("s"), Visibility::All, Rework::Delete, at(4)).await;
    submitted.await.unwrap();
    assert_eq!(late.await, Ok(Reworked::Busy(vec![id(3)])));
    store.cancel(id(3), Visibility::All, at(3)).await.await.unwrap();
    assert!(reworked(store, "s", Rework::Delete).await.1);
}

pub(super) async fn a_deleted_session_is_gone_and_its_tasks_keep_no_texts(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    talk(store, 1, "s").await;
    submit(store, task(2, "s")).await;
    won(store, 2, 0).await;
    fail(store, 2, 1, 1).await;
    talk(store, 3, "other").await;
    let before = get(store, "s").await.unwrap();
    assert_eq!(reworked(store, "s", Rework::Delete).await, (before.clone(), true));
    for restarts in [false, true] {
        if restarts {
            erased(fixture.store()).await;
            fixture.restart().await;
        }
        let store = fixture.store();
        assert_eq!(get(store, "s").await, None);
        assert!(said(store, &before).await.is_empty());
        let ended = read(store, 1).await;
        assert_eq!((ended.session, ended.turn.session.clone(), ended.turn.input), (before.id, key("s"), vec![]));
        let expected = Output { text: "".into(), asides: Vec::new(), ..output("") };
        assert_eq!(ended.state, claw_core::TaskState::Completed { output: expected, at: at(2) });
        assert_eq!(state(store, 2).await, StateName::Failed);
        assert!(event_numbers(store, 1).await.is_empty());
        assert_eq!(store.runs(id(2)).await.unwrap().len(), 1);
        let retried = store.retry(id(2), Visibility::All, at(9)).await.await.unwrap();
        assert_eq!(retried, Retried::Gone);
        assert_eq!(all_tasks(store).await.len(), 3);
        assert_eq!(said(store, &get(store, "other").await.unwrap()).await, ["input 3", "answer"]);
    }
    assert_eq!(fixture.store().erase().await.await, Ok(false), "nothing is left to erase");
}

pub(super) async fn a_deleted_key_can_be_used_again(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    talk(store, 1, "s").await;
    // In one batch.
    let gone = store.rework_session(key("s"), Visibility::All, Rework::Delete, at(4)).await;
    let made = store.submit(task(2, "s")).await;
    gone.await.unwrap();
    assert!(matches!(made.await, Ok(Submitted::Created { is_head: true, .. })));
    store.cancel(id(2), Visibility::All, at(3)).await.await.unwrap();
    // Made and deleted without ever having been on disk.
    let made = store.change_session(SessionChange { key: key("t"), ..change("t") }).await;
    let gone = store.rework_session(key("t"), Visibility::All, Rework::Delete, at(4)).await;
    assert!(made.await.is_ok() && gone.await.is_ok());
    reworked(store, "s", Rework::Delete).await;
    fixture.restart().await;
    // The highest numbers belong to the deleted; a new session must not come upon their messages.
    let store = fixture.store();
    talk(store, 3, "s").await;
    assert_eq!(said(store, &get(store, "s").await.unwrap()).await, ["input 3", "answer"]);
    erased(store).await;
    assert_eq!(said(store, &get(store, "s").await.unwrap()).await, ["input 3", "answer"]);
    assert_eq!(store.counts().await.unwrap().sessions, 1);
}

pub(super) async fn a_foreign_session_is_an_absent_one(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, NewTask { principal: tenant(1), ..task(1, "s") }).await;
    won(store, 1, 0).await;
    complete(store, 1, 1, 1).await;
    let stranger = tenant(2);
    let visibility = || stranger.visibility();
    for make in [None, Some((session_id(1), stranger.id.clone()))] {
        assert_eq!(changed(store, SessionChange { visibility: visibility(), make, ..change("s") }).await, None);
    }
    for what in [Rework::Reset(session_id(2)), Rework::Delete] {
        let told = store.rework_session(key("s"), visibility(), what, at(4)).await.await;
        assert_eq!(told, Ok(Reworked::Absent));
    }
    assert!(store.rework_session(key("s"), tenant(1).visibility(), Rework::Delete, at(4)).await.await.is_ok());
    assert_eq!(get(store, "s").await, None);
}

fn filter() -> SessionFilter {
    SessionFilter::default()
}

/// The names on all pages.
async fn names(store: &dyn Store, filter: &SessionFilter, who: &Visibility, limit: u32) -> Vec<String> {
    let (mut names, mut from) = (Vec::new(), PageStart::Offset(0));
    loop {
        let page = store.sessions(filter, who, from, limit).await.unwrap();
        names.extend(page.items.iter().map(|session| session.key.as_str().rsplit(':').next().unwrap().to_owned()));
        match page.next {
            Some(next) => from = PageStart::Cursor(next),
            None => return names,
        }
    }
}

pub(super) async fn lists_are_filtered_counted_and_paged(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let ops = AgentId::parse("ops").unwrap();
    for (n, name) in (1..).zip(["a1", "a2", "a3", "a4"]) {
        submit(store, NewTask { at: at(n * 10), ..task(u128::try_from(n).unwrap(), name) }).await;
    }
    let mut foreign = NewTask { principal: tenant(1), at: at(50), ..task(5, "") };
    foreign.turn.session = SessionKey::of(&ops, "o5");
    foreign.turn.agent = ops.clone();
    submit(store, foreign).await;
    let label = SessionChange { label: Change::Set("Mine".into()), at: at(60), ..change("a2") };
    changed(store, label).await;
    let of_ops = SessionFilter { agent: Some(ops), ..filter() };
    let of_main = SessionFilter { agent: Some(AgentId::main()), ..filter() };
    let labelled = SessionFilter { label: Some("Mine".into()), ..filter() };
    let like = |text: &str| SessionFilter { search: Some(text.to_owned()), ..filter() };
    let lately = SessionFilter { active_since: Some(at(40)), ..filter() };
    let (all, tenant) = (Visibility::All, tenant(1).visibility());
    for (filter, who, expected, total) in [
        (&filter(), &all, "a2 o5 a4 a3 a1", Some(5)),
        (&filter(), &tenant, "o5", Some(1)),
        (&of_ops, &all, "o5", Some(1)),
        (&of_ops, &tenant, "o5", Some(1)),
        (&of_main, &all, "a2 a4 a3 a1", Some(4)),
        (&of_main, &tenant, "", Some(0)),
        (&labelled, &all, "a2", None),
        (&labelled, &tenant, "", None),
        (&like("MINE"), &all, "a2", None),
        (&like("ops:"), &all, "o5", None),
        (&like("a"), &tenant, "o5", None),
        (&lately, &all, "a2 o5 a4", None),
    ] {
        for limit in [1, 2, 9] {
            assert_eq!(names(store, filter, who, limit).await.join(" "), expected, "{filter:?} {who:?}");
        }
        let page = store.sessions(filter, who, PageStart::Offset(0), 1).await.unwrap();
        assert_eq!(page.total, total, "{filter:?} {who:?}");
    }
    for (offset, expected) in [(0, "a2"), (1, "o5"), (4, "a1"), (5, ""), (500, "")] {
        let page = store.sessions(&filter(), &all, PageStart::Offset(offset), 1).await.unwrap();
        let name = page.items.first().map_or("", |session| session.key.as_str().rsplit(':').next().unwrap());
        assert_eq!((name, page.next.is_some()), (expected, offset < 4));
    }
    let found = store.session_by_label("Mine", &all).await.unwrap();
    assert_eq!(found.map(|(session, is_one_of_many)| (session.key, is_one_of_many)), Some((key("a2"), false)));
    assert_eq!(store.session_by_label("Mine", &tenant).await, Ok(None));
}

pub(super) async fn a_search_goes_on_behind_its_window(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let window = crate::limits::SEARCHED_MAX;
    let name = |n: u32| if n == 3 { "needle".to_owned() } else { format!("s{n}") };
    for n in 0..window + 10 {
        let make = Some((session_id(n.into()), PrincipalId::operator()));
        drop(store.change_session(SessionChange { make, ..change(&name(n)) }).await);
    }
    store.settled().await.unwrap();
    let like = SessionFilter { search: Some("need".into()), ..filter() };
    let first = store.sessions(&like, &Visibility::All, PageStart::Offset(0), 5).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some());
    assert_eq!(names(store, &like, &Visibility::All, 5).await, ["needle"]);
    // The law's own check reads a thousand sessions only.
    store.close().await;
}

pub(super) async fn the_ends_of_histories_are_read_together(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for (n, name) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
        talk(store, n, name).await;
    }
    reworked(store, "b", Rework::Reset(session_id(1))).await;
    let mut ends = store.ends(&[key("a"), key("b"), key("c"), key("unknown")]).await.unwrap();
    ends.sort_by(|one, other| one.key.cmp(&other.key));
    let answer = || Some(Message::assistant("answer", Vec::new()));
    let of = |name, n: u8| Ends { key: key(name), first: Some(Message::user(format!("input {n}"))), last: answer() };
    assert_eq!(ends, [of("a", 1), of("c", 4)]);
}

pub(super) async fn runs_are_summed_by_session_and_model_since_its_reset(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for (n, session, model) in [(1, "a", "p/m"), (2, "a", "p/m"), (3, "a", "p/n"), (4, "b", "p/m")] {
        submit(store, task(n, session)).await;
        won(store, n, 0).await;
        let ended = end(n, 1, Outcome::Completed(output("x")), 1);
        finish(store, Finish { model: model.to_owned(), ..ended }).await;
    }
    fixture.restart().await;
    let store = fixture.store();
    let used = |session, model: &str, usage| ModelUsed { session: key(session), model: model.to_owned(), usage };
    let expected = [used("a", "p/m", USAGE.plus(USAGE)), used("a", "p/n", USAGE), used("b", "p/m", USAGE)];
    assert_eq!(store.used_by_model(&[key("a"), key("b"), key("none")]).await.unwrap(), expected);
    reworked(store, "a", Rework::Reset(session_id(9))).await;
    assert_eq!(store.used_by_model(&[key("a"), key("b")]).await.unwrap(), expected[2..]);
}

pub(super) async fn each_day_sums_its_runs(fixture: &mut dyn Fixture) {
    let day = 86_400_000;
    for n in 1..=4 {
        let store = fixture.store();
        let principal = if n == 4 { tenant(1) } else { Principal::operator() };
        submit(store, NewTask { principal, ..task(n, &format!("s{n}")) }).await;
        won(store, n, 0).await;
        let late = Timestamp::from_millis(if n < 3 { 10 * day } else { 11 * day + 5 });
        finish(store, Finish { at: late, ..end(n, 1, Outcome::Completed(output("x")), 1) }).await;
    }
    fixture.restart().await;
    let store = fixture.store();
    let sum = |day, runs: u64| UsageDay {
        day,
        model: "p/m".into(),
        runs,
        usage: (0..runs).fold(Usage::default(), |sum, _| sum.plus(USAGE)),
    };
    assert_eq!(store.usage_days(&Visibility::All, 0, 99).await.unwrap(), [sum(10, 2), sum(11, 2)]);
    assert_eq!(store.usage_days(&Visibility::All, 11, 11).await.unwrap(), [sum(11, 2)]);
    assert_eq!(store.usage_days(&tenant(1).visibility(), 0, 99).await.unwrap(), [sum(11, 1)]);
    assert_eq!(store.usage_days(&tenant(1).visibility(), 12, 11).await.unwrap(), []);
    reworked(store, "s1", Rework::Delete).await;
    assert_eq!(store.usage_days(&Visibility::All, 10, 10).await.unwrap(), [sum(10, 2)], "what was used was used");
    let late = Timestamp::from_millis(12 * day - 1);
    let sum = sum(11, 1);
    store.add_usage(tenant(1).id, sum.usage, "p/m".into(), late).await.await.unwrap();
    store.add_usage(tenant(1).id, sum.usage, "p/e".into(), late).await.await.unwrap();
    let of_none = UsageDay { model: "p/e".into(), runs: 0, ..sum.clone() };
    let twice = UsageDay { usage: sum.usage.plus(sum.usage), ..sum };
    assert_eq!(store.usage_days(&tenant(1).visibility(), 0, 99).await.unwrap(), [of_none, twice]);
}
