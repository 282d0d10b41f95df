//! The laws of [`Store`] as tests, for every backend.
//!
//! A backend takes them all with one `contract!` line. After each law the counters are compared
//! with a recount, and every task's attempts, events and messages with its state.

mod approvals;
mod audit;
mod devices;
mod life;
mod memories;
mod model;
mod order;
mod outside;
mod provenance;
mod reading;
mod recovery;
mod sessions;
mod steering;
mod submit;

use std::sync::Arc;

use async_trait::async_trait;
use claw_core::audit::{Actor, Door, Entry, Kind};
use claw_core::message::Message;
use claw_core::provider::{FinishReason, Usage};
use claw_core::run::{RunEvent, Sequenced};
use claw_core::task::{Outcome, StateName};
use claw_core::{
    AgentId, ApiKeyId, Failure, FailureReason, Lane, OnCrash, Output, Principal, PrincipalId, Priority, Scope, Scopes,
    SessionId, SessionKey, Task, TaskId, Timestamp, Turn, Visibility,
};
use claw_runtime::TaskScope;
use uuid::Uuid;

use crate::sqlite::Settings;
use crate::{
    Begin, Counts, Finish, Finished, Idempotency, NewTask, PageStart, SessionFilter, SqliteStore, Started, StartedRun,
    Store, Submitted,
};

/// A fresh, empty backend that can lose its process.
#[async_trait]
trait Fixture: Send + Sync {
    /// The store.
    fn store(&self) -> &dyn Store;
    /// Opens the same truth again, as another process would after the first one died.
    async fn restart(&mut self);
}

/// A database in a directory of its own.
struct SqliteFixture {
    directory: tempfile::TempDir,
    scope: TaskScope,
    store: SqliteStore,
}

impl SqliteFixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let scope = TaskScope::new();
        let store = SqliteStore::open(Settings::at(directory.path().join("truth.db")), &scope).await.unwrap();
        Self { directory, scope, store }
    }
}

#[async_trait]
impl Fixture for SqliteFixture {
    fn store(&self) -> &dyn Store {
        &self.store
    }
    async fn restart(&mut self) {
        self.store.close().await;
        let settings = Settings::at(self.directory.path().join("truth.db"));
        self.store = SqliteStore::open(settings, &self.scope).await.unwrap();
    }
}

/// Runs every law on the backend that `$fixture` makes, each in its own test.
macro_rules! contract {
    ($backend:ident, $fixture:expr) => {
        mod $backend {
            use super::*;

            contract!(@laws $fixture, submit, [
                a_submitted_task_comes_back_as_it_was_given,
                the_same_key_gives_the_same_task,
                keys_of_two_principals_do_not_meet,
                of_concurrent_duplicates_one_is_made,
                a_foreign_session_is_refused_to_everybody,
                an_attached_run_runs_at_once,
                what_is_long_comes_back_whole_and_goes_with_its_session,
                a_run_cannot_attach_to_a_busy_session,
                a_write_that_breaks_harms_no_other,
                a_task_can_be_started_before_its_submit_is_on_disk,
            ]);
            contract!(@laws $fixture, life, [
                one_start_wins,
                the_first_start_brings_the_input_into_the_history,
                the_first_finish_wins,
                a_completed_task_has_its_output,
                a_failed_task_has_its_failure_and_counts_it,
                another_attempt_waits_until_it_is_due,
                a_task_given_back_neither_failed_nor_ended,
                a_waiting_task_is_cancelled_at_once,
                a_running_task_is_asked_to_stop,
                a_wish_to_cancel_outweighs_another_attempt,
                what_ended_is_not_cancelled,
                a_failed_task_is_retried_with_fresh_attempts,
                a_task_cancelled_before_its_first_start_can_be_retried,
                only_failed_and_cancelled_tasks_are_retried,
                a_detached_run_is_a_task_like_any_other,
                each_attempt_is_on_record,
            ]);
            contract!(@laws $fixture, order, [
                runs_of_a_session_go_one_at_a_time_in_accept_order,
                sessions_do_not_wait_for_each_other,
                a_delayed_head_holds_its_session,
                who_is_retried_goes_to_the_old_place,
                a_retried_task_does_not_run_beside_a_later_one,
                a_cancelled_head_makes_room,
                a_very_long_line_keeps_its_order,
                due_tickets_are_those_whose_turn_it_is,
            ]);
            contract!(@laws $fixture, reading, [
                events_are_resumed_from_any_number,
                events_of_a_lost_attempt_are_refused,
                events_that_do_not_rise_are_refused,
                progress_is_kept,
                tasks_are_listed_newest_first_in_pages,
                each_sees_only_its_own,
                sessions_are_listed_last_changed_first,
                a_history_is_read_backwards_in_pages,
                a_session_sums_its_runs,
                what_does_not_exist_is_absent,
                the_oldest_waiting_task_is_known,
                settled_waits_for_every_write_before,
                a_closed_store_says_so,
            ]);
            contract!(@laws $fixture, recovery, [
                nothing_running_is_nothing_to_recover,
                a_run_that_died_waits_again,
                numbers_after_a_death_jump_beyond_what_was_shown,
                who_waited_on_the_line_is_gone,
                a_step_cut_off_ends_the_run,
                a_step_cut_off_is_repeated_when_asked_for,
                what_an_attempt_had_used_before_it_died_counts_once,
                a_wish_to_cancel_is_kept,
                the_third_death_is_poison,
                a_thousand_runs_are_recovered,
            ]);
            contract!(@laws $fixture, sessions, [
                settings_change_one_by_one_and_stay,
                a_session_is_made_once,
                runs_use_their_sessions_settings_unless_they_name_their_own,
                a_reset_begins_anew_under_another_id,
                a_compacted_session_shows_a_model_less,
                a_summary_stands_for_what_it_covers,
                a_summary_of_what_is_gone_changes_nothing,
                what_is_injected_is_said_by_no_run,
                a_busy_session_is_left_alone,
                a_deleted_session_is_gone_and_its_tasks_keep_no_texts,
                a_deleted_key_can_be_used_again,
                a_foreign_session_is_an_absent_one,
                lists_are_filtered_counted_and_paged,
                a_search_goes_on_behind_its_window,
                the_ends_of_histories_are_read_together,
                each_day_sums_its_runs,
                runs_are_summed_by_session_and_model_since_its_reset,
            ]);
            contract!(@laws $fixture, steering, [
                what_a_run_takes_up_ends_with_it_and_stands_where_it_was_heard,
                only_what_was_said_to_the_run_is_taken_up,
                what_an_attempt_took_up_and_did_not_answer_waits_on,
                what_is_taken_up_is_cancelled_only_with_its_run,
                a_death_after_taking_up_leaves_it_waiting,
                who_took_something_up_and_lost_its_task_answers_nothing,
                an_answer_that_somebody_waits_for_is_delivered,
            ]);
            contract!(@laws $fixture, outside, [
                a_journal_is_read_back_at_the_next_attempt,
                a_step_cut_off_is_journaled_once_more_in_its_place,
                a_lost_attempt_journals_nothing,
                an_end_with_a_callback_is_delivered,
                a_delivery_is_tried_again_and_given_up,
                old_keys_and_deliveries_expire,
                an_api_key_is_found_until_it_is_revoked,
            ]);
            contract!(@laws $fixture, approvals, [
                a_parked_task_waits_and_has_not_failed,
                the_first_decision_counts_and_makes_the_task_due,
                of_fifty_uses_one_is_granted,
                adv_59_an_approval_is_for_one_call_of_one_task,
                adv_60_what_nobody_decided_in_time_is_denied,
                a_cancelled_task_voids_what_it_asked,
                a_parked_task_is_there_after_a_death,
                a_question_asked_again_stands,
                strangers_words_stay_until_a_new_beginning,
                tenants_see_their_own_approvals,
            ]);
            contract!(@laws $fixture, devices, [
                an_enrolled_device_keeps_its_token_and_grows,
                no_more_devices_are_enrolled_than_fit,
                a_wish_stands_until_it_is_old_or_replaced,
                an_approval_is_claimed_once,
                a_granted_upgrade_grows_the_token_and_opens_nothing_else,
                a_new_approval_grants_no_more_than_itself,
                a_token_is_rotated_revoked_and_revived,
                what_is_revoked_or_removed_cannot_be_claimed,
            ]);

            contract!(@laws $fixture, memories, [
                a_memory_is_found_by_its_words_best_first,
                no_query_is_a_command_or_a_mistake,
                memories_of_others_are_not_there,
                what_is_deleted_or_old_is_found_no_more,
                a_full_scope_takes_no_more_and_harms_no_other,
                memories_are_listed_newest_first_in_pages,
            ]);

            contract!(@laws $fixture, audit, [
                entries_come_back_as_they_were_given_newest_first,
                a_chain_of_ten_thousand_entries_holds_over_restarts,
                two_writers_at_once_keep_one_chain,
                a_rare_entry_is_found_beyond_many_others,
                what_is_audited_is_written_with_its_entry_or_not_at_all,
                each_act_on_a_device_leaves_its_entry_if_it_did_anything,
                an_approval_leaves_its_entries,
                a_write_that_breaks_leaves_the_chain_whole,
            ]);

            contract!(@laws $fixture, provenance, [places_of_strangers_are_noted_found_and_forgotten]);

            #[test]
            fn random_verbs_do_what_a_simple_model_says() {
                model::check(|| async { $fixture });
            }
        }
    };
    (@laws $fixture:expr, $subject:ident, [$($law:ident),* $(,)?]) => {$(
        #[tokio::test]
        async fn $law() {
            let mut fixture = $fixture;
            $subject::$law(&mut fixture).await;
            assert_consistent(fixture.store()).await;
        }
    )*};
}

contract!(sqlite, SqliteFixture::new().await);

/// Moment `n` of a test.
const fn at(n: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + n)
}

/// Entry `n` of the audit log.
fn entry(n: i64) -> Entry {
    Entry::new(at(n), Kind::LoginFailed, operator(), &format!("subject {n}"))
}

fn operator() -> Actor {
    Actor::of(&PrincipalId::operator(), Door::WebSocket)
}

fn id(n: u128) -> TaskId {
    TaskId::from_uuid(Uuid::from_u128(n))
}

fn key(name: &str) -> SessionKey {
    SessionKey::of(&AgentId::main(), name)
}

/// The holder of API key `n`.
fn tenant(n: u128) -> Principal {
    let id = PrincipalId::api_key(ApiKeyId::from_uuid(Uuid::from_u128(n)));
    Principal { id, scopes: Scopes::of(&[Scope::Write]) }
}

/// Task `n` in a session, waiting, for the operator.
fn task(n: u128, session: &str) -> NewTask {
    NewTask {
        id: id(n),
        session_id: SessionId::from_uuid(Uuid::from_u128(1_000_000 + n)),
        principal: Principal::operator(),
        turn: Turn::text(key(session), format!("input {n}")),
        lane: Lane::Standard,
        priority: Priority::NORMAL,
        label: None,
        on_crash: OnCrash::Fail,
        attempts_max: 3,
        callback: None,
        idempotency: None,
        steers: false,
        begin: Begin::Queued { not_before: at(0), attached: false },
        at: at(0),
    }
}

fn keyed(new: NewTask, key: &str, digest: u8) -> NewTask {
    NewTask { idempotency: Some(Idempotency { key: key.to_owned(), digest: [digest; 32] }), ..new }
}

async fn submit(store: &dyn Store, new: NewTask) -> Submitted {
    store.submit(new).await.await.unwrap()
}

async fn start(store: &dyn Store, n: u128, attempt: u32) -> Started {
    store.start(id(n), attempt, at(1)).await.await.unwrap()
}

async fn won(store: &dyn Store, n: u128, attempt: u32) -> StartedRun {
    match start(store, n, attempt).await {
        Started::Won(run) => *run,
        Started::Stale(_) | Started::SessionBusy | Started::Absent => panic!("task {n} did not start"),
    }
}

fn output(text: &str) -> Output {
    Output {
        text: text.into(),
        refused_from: None,
        reasoned: Vec::new(),
        asides: vec!["let me see".to_owned()],
        tool_calls: Vec::new(),
        finish: FinishReason::Stop,
        usage: USAGE,
        model: "p/m".to_owned(),
        answered_by: None,
    }
}

const USAGE: Usage =
    Usage { input_tokens: 3, output_tokens: 5, cached_tokens: 1, cache_write_tokens: 2, reasoning_tokens: 4 };

fn failure() -> Failure {
    Failure::new(FailureReason::Provider, "the provider is down")
}

/// The end of an attempt; `seq` is its only event's number, 0 for none.
fn end(n: u128, attempt: u32, outcome: Outcome, seq: u64) -> Finish {
    let event = match &outcome {
        Outcome::Completed(output) => Some(RunEvent::Completed { output: output.clone() }),
        Outcome::Failed { failure, partial } => {
            Some(RunEvent::Failed { failure: failure.clone(), partial: partial.clone() })
        }
        Outcome::Cancelled { partial } => Some(RunEvent::Cancelled { partial: partial.clone() }),
        Outcome::Retry { failure, not_before } => {
            Some(RunEvent::Retrying { attempt, failure: failure.clone(), at: *not_before })
        }
        Outcome::Yielded { .. } | Outcome::Parked { .. } => None,
    };
    let messages = match &outcome {
        Outcome::Completed(output) => vec![Message::assistant(output.text.clone(), Vec::new())],
        _ => Vec::new(),
    };
    Finish {
        id: id(n),
        attempt,
        outcome,
        messages,
        steered: Vec::new(),
        events: event
            .filter(|_| seq > 0)
            .map(|event| Arc::new(Sequenced { seq, at: at(2), event }))
            .into_iter()
            .collect(),
        usage: USAGE,
        model: "p/m".to_owned(),
        has_asked: false,
        at: at(2),
    }
}

async fn finish(store: &dyn Store, finish: Finish) -> Finished {
    store.finish(finish.into()).await.await.unwrap()
}

async fn complete(store: &dyn Store, n: u128, attempt: u32, seq: u64) -> Finished {
    finish(store, end(n, attempt, Outcome::Completed(output("answer")), seq)).await
}

async fn fail(store: &dyn Store, n: u128, attempt: u32, seq: u64) -> Finished {
    finish(store, end(n, attempt, Outcome::Failed { failure: failure(), partial: String::new() }, seq)).await
}

async fn read(store: &dyn Store, n: u128) -> Task {
    store.task(id(n), &Visibility::All).await.unwrap().unwrap()
}

async fn state(store: &dyn Store, n: u128) -> StateName {
    read(store, n).await.state.name()
}

async fn event_numbers(store: &dyn Store, n: u128) -> Vec<u64> {
    store.events(id(n), 0, 1000).await.unwrap().iter().map(|event| event.seq).collect()
}

fn text_event(seq: u64) -> Arc<Sequenced> {
    Arc::new(Sequenced { seq, at: at(1), event: RunEvent::Text { delta: format!("delta {seq}") } })
}

/// Every task, newest first.
async fn all_tasks(store: &dyn Store) -> Vec<Task> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let page = store.tasks(crate::TaskFilter::default(), &Visibility::All, from, 100).await.unwrap();
        all.extend(page.items);
        match page.next {
            Some(next) => from = Some(next),
            None => return all,
        }
    }
}

/// What a tenant is told of itself equals a recount, too.
async fn assert_tenants_counted(store: &dyn Store, tasks: &[Task], sessions: &[crate::Session]) {
    let owners = tasks.iter().map(|task| &task.principal.id).chain(sessions.iter().map(|session| &session.owner));
    let tenants: std::collections::HashSet<_> = owners.filter(|owner| **owner != PrincipalId::operator()).collect();
    for tenant in tenants {
        let count =
            |name| tasks.iter().filter(|it| it.principal.id == *tenant && it.state.name() == name).count() as u64;
        let recount = Counts {
            queued: count(StateName::Queued),
            running: count(StateName::Running),
            completed: count(StateName::Completed),
            failed: count(StateName::Failed),
            cancelled: count(StateName::Cancelled),
            sessions: sessions.iter().filter(|session| session.owner == *tenant).count() as u64,
        };
        assert_eq!(store.counts_of(tenant).await.unwrap(), recount);
    }
}

/// Counters equal a recount; records agree with states; histories have no gaps.
async fn assert_consistent(store: &dyn Store) {
    if store.settled().await.is_err() {
        return;
    }
    let tasks = all_tasks(store).await;
    let count = |name| tasks.iter().filter(|task| task.state.name() == name).count() as u64;
    let page = store.sessions(&SessionFilter::default(), &Visibility::All, PageStart::Offset(0), 1000).await.unwrap();
    assert_eq!(page.total, Some(page.items.len() as u64));
    let sessions = page.items;
    let recount = Counts {
        queued: count(StateName::Queued),
        running: count(StateName::Running),
        completed: count(StateName::Completed),
        failed: count(StateName::Failed),
        cancelled: count(StateName::Cancelled),
        sessions: sessions.len() as u64,
    };
    assert_eq!(store.counts().await.unwrap(), recount);
    assert_tenants_counted(store, &tasks, &sessions).await;
    for session in &sessions {
        let history = store.history(session.id, None, 10_000).await.unwrap();
        let numbers: Vec<u64> = history.iter().map(|message| message.seq).collect();
        let first = numbers.first().copied().unwrap_or(1);
        assert_eq!(numbers, (first..first + session.message_count).collect::<Vec<_>>(), "{}", session.key);
        let context = store.context(session.id, 10_000).await.unwrap();
        assert_eq!(context.len() as u64, session.context_count);
    }
    for task in tasks.iter().take(100) {
        let runs = store.runs(task.id).await.unwrap();
        assert_eq!(runs.iter().map(|run| run.attempt).collect::<Vec<_>>(), (1..=task.attempt).collect::<Vec<_>>());
        let open = runs.iter().filter(|run| run.ended_at.is_none()).count();
        assert_eq!(open, usize::from(task.state.name() == StateName::Running));
        let events = store.events(task.id, 0, 10_000).await.unwrap();
        assert!(events.is_sorted_by(|one, next| one.seq < next.seq), "{events:?}");
        let is_forgotten = !sessions.iter().any(|session| session.id == task.session);
        assert!(!is_forgotten || (events.is_empty() && task.turn.input.is_empty()));
        if task.state.name().is_terminal() && !is_forgotten {
            assert!(events.last().is_some_and(|last| last.event.is_terminal()), "{task:?} {events:?}");
        }
    }
}
