//! Rows of SQLite in the store's words.

pub(super) mod approvals;
pub(super) mod audit;
pub(super) mod devices;

use std::sync::Arc;

use claw_core::provider::Usage;
use claw_core::task::StateName;
use claw_core::{
    AgentId, ApprovalId, Failure, Output, Principal, PrincipalId, SessionId, SessionKey, Task, TaskId, TaskState, Text,
    Timestamp, Turn,
};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::fault::Fault;
use super::pieces::turn;
use crate::stored::{fit, lane, on_crash, priority, scopes, state, value};
use crate::unit::{SessionRow, Steer, TaskRow};
use crate::{Counts, Profile, Session, StoreError};

/// The columns of a task without its turn, of table alias `t`, as [`task_row`] reads them.
pub(super) const TASK_COLUMNS: &str = "t.n, t.id, t.session, t.owner, t.scopes, t.lane, t.priority, t.label, \
    t.on_crash, t.callback, t.attached, t.attempt, t.failures, t.attempts_max, t.crashes, t.progress, \
    t.cancel_at, t.created_at, t.started_at, t.state, t.state_at, t.steer, t.parked";

/// The columns of a whole task, of `t`, its session `s` or `d` and its input `i`, as [`task`] reads them.
pub(super) const WHOLE_TASK_COLUMNS: &str = concat!(
    "t.n, t.id, t.session, t.owner, t.scopes, t.lane, t.priority, t.label, t.on_crash, t.callback, t.attached, \
     t.attempt, t.failures, t.attempts_max, t.crashes, t.progress, t.cancel_at, t.created_at, t.started_at, t.state, \
     t.state_at, t.steer, t.parked, t.result, t.form, s.id, ",
    turn!("i"),
    ", i.form, d.id, d.key, d.agent"
);

/// The columns of a session, of table alias `s`, as [`session_row`] reads them.
pub(super) const SESSION_COLUMNS: &str = "s.n, s.id, s.key, s.owner, s.agent, s.created_at, s.updated_at, s.changed, \
    s.message_count, s.input_tokens, s.output_tokens, s.cached_tokens, s.cache_write_tokens, s.reasoning_tokens, \
    s.model, s.label, s.profile, s.form, s.history_after, s.context_after, s.reset_at, s.untrusted";

/// What is said of a failure whose words were erased.
const FORGOTTEN: &str = "its session was deleted";

/// A task without its turn.
pub(super) fn task_row(row: &SqliteRow) -> Result<TaskRow, Fault> {
    Ok(TaskRow {
        n: row.try_get(0)?,
        id: TaskId::from_uuid(uuid(row, 1)?),
        session: row.try_get(2)?,
        principal: Principal { id: PrincipalId::from_stored(row.try_get(3)?), scopes: scopes(row.try_get(4)?)? },
        lane: lane(row.try_get(5)?)?,
        priority: priority(row.try_get(6)?)?,
        label: row.try_get::<Option<String>, _>(7)?.map(Into::into),
        on_crash: on_crash(row.try_get(8)?)?,
        callback: row.try_get::<Option<String>, _>(9)?.map(Into::into),
        attached: row.try_get::<i64, _>(10)? != 0,
        attempt: number(row, 11, "attempt")?,
        failures: number(row, 12, "failures")?,
        attempts_max: number(row, 13, "attempts_max")?,
        crashes: number(row, 14, "crashes")?,
        progress: number(row, 15, "progress")?,
        cancel_at: row.try_get::<Option<i64>, _>(16)?.map(Timestamp::from_millis),
        created_at: moment(row, 17)?,
        started_at: row.try_get::<Option<i64>, _>(18)?.map(Timestamp::from_millis),
        state: state(row.try_get(19)?)?,
        state_at: moment(row, 20)?,
        result: None,
        last_seq: None,
        turn: None,
        turn_is_small: false,
        steer: row.try_get::<Option<i64>, _>(21)?.map(Steer::from_stored),
        parked: match row.try_get::<Option<&[u8]>, _>(22)? {
            Some(_) => Some(ApprovalId::from_uuid(uuid(row, 22)?)),
            None => None,
        },
    })
}

/// A whole task.
pub(super) fn task(row: &SqliteRow) -> Result<Task, Fault> {
    let bare = task_row(row)?;
    let result: Option<&str> = row.try_get(23)?;
    let form: i64 = row.try_get(24)?;
    if row.try_get::<Option<&[u8]>, _>(25)?.is_none() {
        return forgotten(row, &bare, result, form);
    }
    let session = SessionId::from_uuid(uuid(row, 25)?);
    let turn = value(row.try_get(26)?, row.try_get(27)?, "a task's turn")?;
    let callback = bare.callback.as_deref().map(|text| value(text, form, "a task's callback")).transpose()?;
    let at = bare.state_at;
    let ended = || result.ok_or_else(|| StoreError::Corrupt(format!("{} has no result", bare.id)));
    let state = match bare.state {
        StateName::Queued => TaskState::Queued { not_before: at },
        StateName::Running => TaskState::Running { since: at },
        StateName::Completed => TaskState::Completed { output: value(ended()?, form, "a task's output")?, at },
        StateName::Failed => TaskState::Failed { failure: value(ended()?, form, "a task's failure")?, at },
        StateName::Cancelled => TaskState::Cancelled { at },
    };
    Ok(Task { state, ..bare.running(session, turn, callback) })
}

/// An ended task whose session was deleted: what was asked and answered is not shown any more.
fn forgotten(row: &SqliteRow, bare: &TaskRow, result: Option<&str>, form: i64) -> Result<Task, Fault> {
    let session = SessionId::from_uuid(uuid(row, 28)?);
    let key = SessionKey::from_stored(row.try_get(29)?);
    let turn = Turn { agent: agent(row.try_get(30)?)?, input: Vec::new(), ..Turn::text(key, "") };
    let at = bare.state_at;
    let ended = || result.ok_or_else(|| StoreError::Corrupt(format!("{} has no result", bare.id)));
    let state = match bare.state {
        StateName::Completed => {
            let output: Output = value(ended()?, form, "a task's output")?;
            let (text, asides, tool_calls) = (Text::default(), Vec::new(), Vec::new());
            let output = Output { text, refused_from: None, asides, reasoned: Vec::new(), tool_calls, ..output };
            TaskState::Completed { output, at }
        }
        StateName::Failed => {
            let failure: Failure = value(ended()?, form, "a task's failure")?;
            TaskState::Failed { failure: Failure { message: FORGOTTEN.to_owned(), ..failure }, at }
        }
        StateName::Cancelled => TaskState::Cancelled { at },
        StateName::Queued | StateName::Running => {
            return Err(StoreError::Corrupt(format!("{} has not ended, but its session was deleted", bare.id)).into());
        }
    };
    Ok(Task { state, ..bare.running(session, turn, None) })
}

/// A session, its line not known.
pub(super) fn session_row(row: &SqliteRow) -> Result<SessionRow, Fault> {
    Ok(SessionRow {
        n: row.try_get(0)?,
        id: SessionId::from_uuid(uuid(row, 1)?),
        key: SessionKey::from_stored(row.try_get(2)?),
        owner: PrincipalId::from_stored(row.try_get(3)?),
        agent: agent(row.try_get(4)?)?,
        created_at: moment(row, 5)?,
        updated_at: moment(row, 6)?,
        changed: row.try_get(7)?,
        message_count: number(row, 8, "message_count")?,
        usage: usage(row, 9)?,
        model: row.try_get::<Option<String>, _>(14)?.map(Into::into),
        label: row.try_get(15)?,
        profile: profile(row)?,
        history_after: number(row, 18, "history_after")?,
        context_after: number(row, 19, "context_after")?,
        reset_at: row.try_get::<Option<i64>, _>(20)?.map(Timestamp::from_millis),
        untrusted: row.try_get::<i64, _>(21)? != 0,
        line: None,
    })
}

fn profile(row: &SqliteRow) -> Result<Option<Arc<Profile>>, Fault> {
    let Some(text) = row.try_get::<Option<&str>, _>(16)? else { return Ok(None) };
    Ok(Some(Arc::new(value(text, row.try_get(17)?, "a session's profile")?)))
}

/// A session as listed.
pub(super) fn session(row: &SqliteRow) -> Result<Session, Fault> {
    Ok(session_row(row)?.shown())
}

/// Five columns of tokens.
pub(super) fn usage(row: &SqliteRow, first: usize) -> Result<Usage, Fault> {
    Ok(Usage {
        input_tokens: number(row, first, "input_tokens")?,
        output_tokens: number(row, first + 1, "output_tokens")?,
        cached_tokens: number(row, first + 2, "cached_tokens")?,
        cache_write_tokens: number(row, first + 3, "cache_write_tokens")?,
        reasoning_tokens: number(row, first + 4, "reasoning_tokens")?,
    })
}

/// The counters, from the first six columns.
pub(super) fn counts(row: &SqliteRow) -> Result<Counts, Fault> {
    Ok(Counts {
        queued: number(row, 0, "queued")?,
        running: number(row, 1, "running")?,
        completed: number(row, 2, "completed")?,
        failed: number(row, 3, "failed")?,
        cancelled: number(row, 4, "cancelled")?,
        sessions: number(row, 5, "sessions")?,
    })
}

/// A number that must fit its type.
pub(super) fn number<T: TryFrom<i64>>(row: &SqliteRow, column: usize, what: &str) -> Result<T, Fault> {
    Ok(fit(row.try_get(column)?, what)?)
}

/// A moment.
pub(super) fn moment(row: &SqliteRow, column: usize) -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

/// The sixteen bytes of an id.
pub(super) fn uuid(row: &SqliteRow, column: usize) -> Result<Uuid, Fault> {
    let bytes: &[u8] = row.try_get(column)?;
    Uuid::from_slice(bytes).map_err(|_| StoreError::Corrupt(format!("an id of {} bytes", bytes.len())).into())
}

/// The 32 bytes of a digest.
pub(super) fn digest(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt(format!("a digest of {} bytes", bytes.len())))
}

/// The number in a place.
pub(super) fn number_of_place(place: i64) -> u64 {
    u64::try_from(place & 0x7fff_ffff).unwrap_or(0)
}

/// The task or session in a place.
pub(super) fn owner_of_place(place: i64) -> i64 {
    place >> 31
}

fn agent(text: &str) -> Result<AgentId, StoreError> {
    AgentId::parse(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}
