//! Places with strangers' words, noted and forgotten.

use claw_core::Timestamp;
use claw_core::audit::Entry;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::{Slot, append_if};
use crate::StoreError;
use crate::limits::{STRANGERS_ANSWERS_MAX, STRANGERS_PLACES_MAX};
use crate::sqlite::fault::Fault;
use crate::sqlite::read::behind;

/// A write about places with somebody waiting.
pub(in crate::sqlite) enum ProvenanceAct {
    Note { places: Vec<String>, at: Timestamp, told: Slot<bool> },
    Forget { places: Vec<String>, told: Slot<()> },
    Trust { place: String, below: String, entry: Entry, told: Slot<u64> },
}

impl ProvenanceAct {
    pub(super) fn resolve(self, fate: Result<(), StoreError>) {
        match self {
            Self::Note { told, .. } => told.resolve(fate),
            Self::Forget { told, .. } => told.resolve(fate),
            Self::Trust { told, .. } => told.resolve(fate),
        }
    }

    pub(super) async fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        match self {
            Self::Note { places, at, told } => told.answer = Some(note(connection, places, *at).await?),
            Self::Forget { places, told } => {
                for place in places {
                    let delete = sqlx::query("DELETE FROM strangers_words WHERE place = ?1").bind(&*place);
                    delete.execute(&mut *connection).await?;
                }
                told.answer = Some(());
            }
            Self::Trust { place, below, entry, told } => {
                let delete = "DELETE FROM strangers_words WHERE place = ?1 OR place >= ?2 AND place < ?3";
                let delete = sqlx::query(delete).bind(&*place).bind(&*below).bind(behind(below));
                let delete = delete.execute(&mut *connection).await?;
                append_if(delete.rows_affected() > 0, connection, entry).await?;
                told.answer = Some(delete.rows_affected());
            }
        }
        Ok(())
    }
}

/// Of very many answers the oldest are forgotten: whoever keeps such a conversation has long gone on. Of files
/// none is, so that there is an end to them.
async fn note(connection: &mut SqliteConnection, places: &[String], at: Timestamp) -> Result<bool, Fault> {
    for place in places {
        let is_answer = place.starts_with("answer:");
        let (like, most) = if is_answer { ("answer:", STRANGERS_ANSWERS_MAX) } else { ("file:", STRANGERS_PLACES_MAX) };
        let count = "SELECT count(*) FROM strangers_words WHERE place >= ?1 AND place < ?1 || char(1114111)";
        let row = sqlx::query(count).bind(like).fetch_one(&mut *connection).await?;
        if row.try_get::<i64, _>(0)? >= most {
            if !is_answer {
                return Ok(false);
            }
            let oldest = "DELETE FROM strangers_words WHERE place IN (SELECT place FROM strangers_words \
                          WHERE place >= 'answer:' AND place < 'answer;' ORDER BY at LIMIT 1000)";
            sqlx::query(oldest).execute(&mut *connection).await?;
        }
        let insert =
            "INSERT INTO strangers_words (place, at) VALUES (?1, ?2) ON CONFLICT (place) DO UPDATE SET at = ?2";
        sqlx::query(insert).bind(place).bind(at.millis()).execute(&mut *connection).await?;
    }
    Ok(true)
}
