//! Statements over many rows at once.
//!
//! Each statement crosses to SQLite's thread and back, which costs more than a row does. So a
//! statement exists in several sizes, each prepared once; what a size has too much stays unbound,
//! is NULL to SQLite and drops out.

use std::sync::Arc;

use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, Type};

use super::fault::Fault;
use crate::limits::STATEMENT_BYTES_MAX;

/// The largest size; 24 columns of it stay well below SQLite's 32,766 parameters.
const ROWS_MAX: usize = 128;
const SIZES: [usize; 11] = [1, 2, 3, 4, 6, 8, 16, 32, 64, 96, ROWS_MAX];

/// One statement in all sizes.
#[derive(Debug)]
pub(super) struct Bulk {
    texts: Vec<(usize, Arc<str>)>,
    /// Values of one row.
    columns: usize,
}

/// Values on their way into a statement.
#[derive(Debug, Default)]
pub(super) struct Values(SqliteArguments);

impl Values {
    /// None yet, with room for so many.
    fn with_room(values: usize) -> Self {
        let mut empty = SqliteArguments::default();
        empty.reserve(values, 0);
        Self(empty)
    }

    /// Adds the next value.
    pub(super) fn add<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        // Encoding fails for numbers that do not fit only, and ours are `i64`; a value left out
        // would shift the rest, so NULL takes its place and the schema refuses the row.
        if self.0.add(value).is_err() {
            let _null_always_fits = self.0.add(None::<i64>);
        }
        self
    }

    /// Leaves out so many values; they are NULL.
    pub(super) fn skip(&mut self, values: usize) -> &mut Self {
        for _ in 0..values {
            self.add(None::<i64>);
        }
        self
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Bulk {
    /// `before`, then as many `row`s as the size says with commas between, then `after`.
    fn new(before: &str, columns: usize, row: &str, after: &str) -> Self {
        let text = |size: usize| Arc::from(format!("{before}{}{after}", vec![row; size].join(",")));
        Self { texts: SIZES.iter().map(|size| (*size, text(*size))).collect(), columns }
    }

    /// Inserts rows; `verb` is `INSERT` or `INSERT OR REPLACE`.
    pub(super) fn insert(verb: &str, table: &str, columns: &[&str]) -> Self {
        let before = format!("{verb} INTO {table} ({}) SELECT * FROM (VALUES ", columns.join(","));
        Self::new(&before, columns.len(), &tuple(columns.len()), ") WHERE column1 IS NOT NULL")
    }

    /// Inserts rows of all columns into something, after another statement; a failure ends the
    /// transaction, which spares SQLite the copies it would need to undo the statement alone.
    pub(super) fn insert_all(first: &str, table: &str, columns: usize) -> Self {
        let before = format!("{first}INSERT OR ROLLBACK INTO {table} SELECT * FROM (VALUES ");
        Self::new(&before, columns, &tuple(columns), ") WHERE column1 IS NOT NULL")
    }

    /// Selects by a list: `(?,?,…)` with one value each stands between `before` and `after`.
    pub(super) fn select(before: &str, after: &str) -> Self {
        Self::new(before, 1, "?", after)
    }

    /// Selects from a list of rows: `(?),(?),…` stands between `before` and `after`.
    pub(super) fn select_each(before: &str, columns: usize, after: &str) -> Self {
        Self::new(before, columns, &tuple(columns), after)
    }

    fn text(&self, rows: usize) -> AssertSqlSafe<Arc<str>> {
        let fits = self.texts.iter().find(|(size, _)| *size >= rows).or(self.texts.last());
        AssertSqlSafe(fits.map_or_else(|| Arc::from(""), |(_, text)| text.clone()))
    }

    /// Runs it over all rows, as often as needed; `weight` tells the bytes of their long texts.
    pub(super) async fn write<T>(
        &self,
        connection: &mut SqliteConnection,
        mut rows: &[T],
        weight: impl Fn(&T) -> usize,
        bind: impl Fn(&mut Values, &T),
    ) -> Result<(), Fault> {
        while !rows.is_empty() {
            rows = self.write_some(connection, rows, &weight, &bind).await?;
        }
        Ok(())
    }

    /// Runs it once, over as many rows as fit, and returns the rest.
    pub(super) async fn write_some<'r, T>(
        &self,
        connection: &mut SqliteConnection,
        rows: &'r [T],
        weight: impl Fn(&T) -> usize,
        bind: impl Fn(&mut Values, &T),
    ) -> Result<&'r [T], Fault> {
        let mut bytes = 0;
        let fits = |row: &&T| {
            bytes += weight(row);
            bytes <= STATEMENT_BYTES_MAX
        };
        let count = rows.iter().take(ROWS_MAX).take_while(fits).count().max(1);
        let (some, rest) = rows.split_at(rows.len().min(count));
        let mut values = Values::with_room(some.len() * self.columns);
        some.iter().for_each(|row| bind(&mut values, row));
        sqlx::query_with(self.text(some.len()), values.0).execute(&mut *connection).await?;
        Ok(rest)
    }

    /// Reads all rows that it finds for the list.
    pub(super) async fn read<T>(
        &self,
        connection: &mut SqliteConnection,
        list: &[T],
        bind: impl Fn(&mut Values, &T),
    ) -> Result<Vec<SqliteRow>, Fault> {
        let mut found = Vec::new();
        for chunk in list.chunks(ROWS_MAX) {
            let mut values = Values::with_room(chunk.len() * self.columns);
            chunk.iter().for_each(|row| bind(&mut values, row));
            found.extend(sqlx::query_with(self.text(chunk.len()), values.0).fetch_all(&mut *connection).await?);
        }
        Ok(found)
    }

    /// Every text, for checking the plans.
    #[cfg(test)]
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|(_, text)| &**text)
    }
}

fn tuple(columns: usize) -> String {
    format!("({})", vec!["?"; columns].join(","))
}
