//! The one connection that writes.

use std::path::Path;

use anyhow::Context;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor};
use tokio::sync::{mpsc, oneshot};

/// Acts waiting for a transaction; more wait with their callers.
const WAITING_MAX: usize = 4096;

/// One statement of a task's life.
#[derive(Debug)]
pub(super) enum Act {
    Insert { id: i64, body: Vec<u8> },
    Claim { id: i64 },
    Complete { id: i64, result: Vec<u8> },
}

type Waiting = (Act, oneshot::Sender<()>);

/// A handle to the writer. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    acts: mpsc::Sender<Waiting>,
}

impl Writer {
    /// Makes the table and starts writing; `per_commit` is the most acts in one transaction.
    pub(super) async fn open(path: &Path, per_commit: usize) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let mut connection = options.connect().await.context("cannot open the queue's database")?;
        let table = "CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, \
                     body BLOB NOT NULL, result BLOB)";
        connection.execute(table).await?;
        let (acts, inbox) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(connection, inbox, per_commit.max(1)));
        Ok(Self { acts })
    }

    /// Does it and waits for the disk; false when the writer has stopped.
    pub(super) async fn commit(&self, act: Act) -> bool {
        let (told, done) = oneshot::channel();
        self.acts.send((act, told)).await.is_ok() && done.await.is_ok()
    }
}

async fn run(mut connection: SqliteConnection, mut inbox: mpsc::Receiver<Waiting>, per_commit: usize) {
    let mut group = Vec::new();
    while inbox.recv_many(&mut group, per_commit).await > 0 {
        if let Err(error) = commit(&mut connection, &mut group).await {
            eprintln!("the queue's writer stops: {error}");
            return;
        }
    }
}

async fn commit(connection: &mut SqliteConnection, group: &mut Vec<Waiting>) -> sqlx::Result<()> {
    let mut answers = Vec::with_capacity(group.len());
    connection.execute("BEGIN IMMEDIATE").await?;
    for (act, told) in group.drain(..) {
        let statement = match act {
            Act::Insert { id, body } => {
                sqlx::query("INSERT INTO tasks (id, state, body) VALUES (?, 0, ?)").bind(id).bind(body)
            }
            Act::Claim { id } => sqlx::query("UPDATE tasks SET state = 1 WHERE id = ? AND state = 0").bind(id),
            Act::Complete { id, result } => {
                sqlx::query("UPDATE tasks SET state = 2, result = ?2 WHERE id = ?1 AND state = 1").bind(id).bind(result)
            }
        };
        statement.execute(&mut *connection).await?;
        answers.push(told);
    }
    connection.execute("COMMIT").await?;
    for told in answers {
        // Whoever does not wait any more need not be told.
        let _gone = told.send(());
    }
    Ok(())
}
