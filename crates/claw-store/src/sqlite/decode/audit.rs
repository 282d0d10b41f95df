//! Rows of the audit log.

use claw_core::audit::{Actor, Door, Entry, Kind, Outcome, Recorded};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::StoreError;
use crate::sqlite::fault::Fault;
use crate::stored::{fit, value};

/// The columns of [`recorded`].
pub(in crate::sqlite) const ENTRY_COLUMNS: &str = "n, at, kind, actor, door, subject, outcome, details, form, hash";

/// An entry.
pub(in crate::sqlite) fn recorded(row: &SqliteRow) -> Result<Recorded, Fault> {
    let n: i64 = row.try_get(0)?;
    let word = |column: usize| row.try_get::<&str, _>(column);
    let strange =
        |what: &str, word: &str| StoreError::Corrupt(format!("row {n} of the audit log: {what} cannot be {word:?}"));
    let (kind, door, outcome) = (word(2)?, word(4)?, word(6)?);
    let entry = Entry {
        at: super::moment(row, 1)?,
        kind: Kind::parse(kind).ok_or_else(|| strange("kind", kind))?,
        actor: Actor { name: word(3)?.into(), door: Door::parse(door).ok_or_else(|| strange("door", door))? },
        subject: row.try_get(5)?,
        outcome: Outcome::parse(outcome).ok_or_else(|| strange("outcome", outcome))?,
        details: value(word(7)?, row.try_get(8)?, "details of the audit log")?,
    };
    Ok(Recorded { n: fit(n, "n")?, entry, hash: super::digest(row.try_get(9)?)? })
}
