//! Places with strangers' words: whether some are, and which.

use sqlx::Row;

use super::Reader;
use crate::limits::PAGE_ROWS_MAX;
use crate::sqlite::fault::Fault;

/// Parameter: the places as a JSON array. Each is looked up by itself.
const ANY: &str =
    "SELECT 1 FROM json_each(?1) AS wanted CROSS JOIN strangers_words w ON w.place = wanted.value LIMIT 1";
/// A place that begins so sorts behind the beginning and before what follows all of them.
const BELOW: &str = "SELECT place FROM strangers_words WHERE place >= ?1 AND place < ?2 ORDER BY place LIMIT ?3";

impl Reader {
    /// Whether one of these is noted.
    pub(in crate::sqlite) async fn strangers_at(&self, places: &[String]) -> Result<bool, Fault> {
        let wanted = crate::stored::text(&places)?;
        Ok(sqlx::query(ANY).bind(&*wanted).fetch_optional(&self.pool).await?.is_some())
    }

    /// Those that begin so.
    pub(in crate::sqlite) async fn strangers_below(&self, prefix: &str, limit: u32) -> Result<Vec<String>, Fault> {
        let query = sqlx::query(BELOW).bind(prefix).bind(behind(prefix)).bind(limit.clamp(1, PAGE_ROWS_MAX));
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

/// The first text that is behind all that begin so.
pub(in crate::sqlite) fn behind(prefix: &str) -> String {
    let mut letters = prefix.chars();
    match letters.next_back() {
        // As places do: `/` and then `0`, `:` and then `;`.
        Some(last) if last.is_ascii_punctuation() => letters.chain(char::from_u32(u32::from(last) + 1)).collect(),
        _ => format!("{prefix}\u{10ffff}"),
    }
}
