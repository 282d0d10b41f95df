//! Places with strangers' words: whether some are, and which.

use sqlx::Row;

use super::Reader;
use crate::limits::PAGE_ROWS_MAX;
use crate::sqlite::fault::Fault;

const ONE: &str = "SELECT 1 FROM strangers_words WHERE place = ?1";
/// A place that begins so sorts behind the beginning and before what follows all of them.
const BELOW: &str = "SELECT place FROM strangers_words WHERE place >= ?1 AND place < ?2 ORDER BY place LIMIT ?3";

impl Reader {
    /// Whether one of these is noted.
    pub(in crate::sqlite) async fn strangers_at(&self, places: &[String]) -> Result<bool, Fault> {
        for place in places {
            if sqlx::query(ONE).bind(place).fetch_optional(&self.pool).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Those that begin so.
    pub(in crate::sqlite) async fn strangers_below(&self, prefix: &str, limit: u32) -> Result<Vec<String>, Fault> {
        let behind = format!("{prefix}\u{10ffff}");
        let query = sqlx::query(BELOW).bind(prefix).bind(behind).bind(limit.clamp(1, PAGE_ROWS_MAX));
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}
