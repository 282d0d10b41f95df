//! What only SQLite has to prove: its file, its plans, its faults.

mod audit;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use claw_core::provider::Usage;
use claw_core::{
    AgentId, JsonText, Lane, Message, OnCrash, Principal, Priority, SessionId, SessionKey, TaskId, Thoughts, Timestamp,
    Turn, Visibility,
};
use claw_runtime::TaskScope;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use uuid::Uuid;

use super::flush::Flush;
use super::load::Load;
use super::read::{CONTEXT, DUE_TICKETS, ENDS, HISTORY, STEERING, TENANT_COUNTS, USAGE_OF_ONE, Walk, list_conditions};
use super::{Settings, SqliteStore};
use crate::{
    Begin, Idempotency, NewTask, PageStart, SessionFilter, Store, StoreError, Submitted, TaskFilter, UsageDay,
};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn task(n: u128, text: &str) -> NewTask {
    NewTask {
        id: TaskId::from_uuid(Uuid::from_u128(n)),
        session_id: SessionId::from_uuid(Uuid::from_u128(1_000_000 + n)),
        principal: Principal::operator(),
        turn: Turn::text(SessionKey::of(&AgentId::main(), &format!("s{n}")), text),
        lane: Lane::Standard,
        priority: Priority::NORMAL,
        label: None,
        on_crash: OnCrash::Fail,
        attempts_max: 3,
        callback: None,
        idempotency: None,
        steers: false,
        begin: Begin::Queued { not_before: NOW, attached: false },
        at: NOW,
    }
}

struct Place {
    directory: tempfile::TempDir,
    scope: TaskScope,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), scope: TaskScope::new() }
    }
    fn path(&self) -> PathBuf {
        self.directory.path().join("state/truth.db")
    }
    async fn open(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(Settings::at(self.path()), &self.scope).await
    }
    /// A database with so many tasks, closed.
    async fn filled(tasks: u128) -> Self {
        let place = Self::new();
        let store = place.open().await.unwrap();
        for n in 1..=tasks {
            drop(store.submit(task(n, "hello")).await);
        }
        store.close().await;
        place
    }
    async fn connect(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path()).connect().await.unwrap()
    }
    /// Changes the closed database by hand.
    async fn run(&self, sql: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    store.submit(task(1, "x")).await.await.unwrap();
    store.counts().await.unwrap();
    assert_eq!(mode(place.path().parent().unwrap()), 0o700);
    for name in ["truth.db", "truth.db-wal", "truth.db-shm"] {
        assert_eq!(mode(&place.path().with_file_name(name)), 0o600, "{name}");
    }
    store.close().await;
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o644)).unwrap();
    place.open().await.unwrap().close().await;
    assert_eq!(mode(&place.path()), 0o600);
}

#[tokio::test]
async fn the_connections_are_durable_and_the_library_is_sound() {
    let place = Place::filled(1).await;
    let (opened, mut writing) = super::open::open(&Settings::at(place.path())).await.unwrap();
    let mut reading = opened.reading.connect().await.unwrap();
    for (pragma, expected) in [("journal_mode", "wal"), ("synchronous", "2"), ("wal_autocheckpoint", "0")] {
        let row = sqlx::query(AssertSqlSafe(format!("PRAGMA {pragma}"))).fetch_one(&mut writing).await.unwrap();
        let found = row.try_get::<String, _>(0).or_else(|_| row.try_get::<i64, _>(0).map(|n| n.to_string())).unwrap();
        assert_eq!(found, expected, "{pragma}");
    }
    for connection in [&mut writing, &mut reading] {
        let mapped: Option<i64> =
            sqlx::query_scalar("PRAGMA mmap_size").fetch_optional(&mut *connection).await.unwrap();
        assert_eq!(mapped.unwrap_or(0), 0);
    }
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut reading).await.unwrap();
    let numbers: Vec<u32> = version.split('.').map(|number| number.parse().unwrap()).collect();
    assert!(numbers >= vec![3, 51, 3], "{version}: before 3.51.3 the log can be corrupted at its reset");
    let refused = sqlx::query("DELETE FROM tasks").execute(&mut reading).await;
    assert!(refused.is_err(), "a reading connection cannot write");
}

#[tokio::test]
async fn a_damaged_file_is_told_and_left_alone() {
    let place = Place::filled(500).await;
    let sound = fs::read(place.path()).unwrap();
    assert!(sound.len() > 40 * 4096);
    // The first bytes of pages, where SQLite keeps their structure; page 1 is the header's.
    for page in [0, 1, 7, 20, sound.len() / 4096 - 1] {
        let mut damaged = sound.clone();
        damaged[page * 4096..page * 4096 + 64].iter_mut().for_each(|byte| *byte ^= 0xa5);
        fs::write(place.path(), &damaged).unwrap();
        let told = place.open().await.map(drop);
        assert!(matches!(told, Err(StoreError::Corrupt(_))), "page {page}: {told:?}");
        assert!(fs::read(place.path()).unwrap() == damaged, "page {page}");
    }
    fs::write(place.path(), &sound).unwrap();
    assert_eq!(place.open().await.unwrap().counts().await.unwrap().queued, 500);
}

#[tokio::test]
async fn a_cut_file_is_told_and_left_alone() {
    let place = Place::filled(500).await;
    let sound = fs::read(place.path()).unwrap();
    fs::write(place.path(), &sound[..sound.len() / 2]).unwrap();
    assert!(matches!(place.open().await, Err(StoreError::Corrupt(_))));
    assert_eq!(fs::read(place.path()).unwrap().len(), sound.len() / 2);
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_left_alone() {
    let place = Place::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    fs::write(place.path(), "dear diary, ".repeat(1000)).unwrap();
    assert!(matches!(place.open().await, Err(StoreError::Corrupt(_))));
    assert!(fs::read(place.path()).unwrap().starts_with(b"dear diary"));
    fs::remove_file(place.path()).unwrap();
    fs::write(place.path(), "").unwrap();
    place.run("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").await;
    let told = place.open().await.map(drop);
    assert!(matches!(&told, Err(StoreError::Corrupt(text)) if text.contains("another program")), "{told:?}");
}

#[tokio::test]
async fn a_database_from_the_future_is_refused() {
    let place = Place::filled(1).await;
    place.run("PRAGMA user_version = 99").await;
    let before = fs::read(place.path()).unwrap();
    let told = place.open().await.map(drop);
    assert!(matches!(told, Err(StoreError::TooNew { found: 99, .. })), "{told:?}");
    assert!(fs::read(place.path()).unwrap() == before);
}

#[tokio::test]
async fn json_of_an_unknown_form_is_not_guessed_at() {
    let place = Place::filled(2).await;
    place.run("UPDATE inputs SET form = 2 WHERE task = 1; UPDATE inputs SET turn = '{' WHERE task = 2").await;
    let store = place.open().await.unwrap();
    let read = |n| store.task(task(n, "").id, &Visibility::All);
    assert_eq!(read(1).await.map(drop), Err(StoreError::TooNew { found: 2, known: 1 }));
    assert!(matches!(read(2).await, Err(StoreError::Corrupt(_))));
}

/// What an older program wrote is read, and what it does not know stays out of its way.
#[test]
fn thoughts_are_one_more_field_of_what_the_assistant_said() {
    let old = serde_json::json!({"role": "assistant", "text": "a"});
    let read: Message = serde_json::from_value(old.clone()).unwrap();
    assert_eq!(read, Message::assistant("a", vec![]));
    assert_eq!(serde_json::to_value(&read).unwrap(), old);
    let thoughts = Thoughts { by: "p/m".into(), payload: JsonText::new("[]") };
    let new = Message::Assistant { text: "a".into(), tool_calls: vec![], thoughts: Some(Box::new(thoughts)) };
    let mut written = serde_json::to_value(&new).unwrap();
    assert_eq!(serde_json::from_value::<Message>(written.clone()).unwrap(), new);
    written.as_object_mut().unwrap().remove("thoughts");
    assert_eq!(written, old, "an older reader finds all it knows");
}

#[tokio::test]
async fn an_unusable_path_is_told() {
    let place = Place::new();
    fs::create_dir_all(place.path()).unwrap();
    assert!(matches!(place.open().await, Err(StoreError::Unavailable(_))));
}

/// A database that may not grow beyond what it needs for a start.
async fn nearly_full(place: &Place) -> SqliteStore {
    let settings = Settings { bytes_max: Some(76 * 4096), ..Settings::at(place.path()) };
    SqliteStore::open(settings, &place.scope).await.unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_reads_go_on() {
    let place = Place::new();
    let store = nearly_full(&place).await;
    let long_key = |n: u128| Idempotency { key: format!("{n:0>255}"), digest: [0; 32] };
    let mut accepted = 0;
    let full = loop {
        let new = NewTask { idempotency: Some(long_key(accepted + 1)), ..task(accepted + 1, "hello") };
        match store.submit(new).await.await {
            Ok(Submitted::Created { .. }) => accepted += 1,
            told => break told,
        }
    };
    assert_eq!(full, Err(StoreError::Full));
    assert_eq!(store.submit(task(5000, &"x".repeat(100_000))).await.await, Err(StoreError::Full));
    let queued = u64::try_from(accepted).unwrap();
    assert_eq!(store.counts().await.unwrap().queued, queued);
    assert!(store.task(task(1, "").id, &Visibility::All).await.unwrap().is_some());
    assert_eq!(store.task(task(5000, "").id, &Visibility::All).await, Ok(None));
    // Room comes back, without a restart.
    assert_eq!(store.expire(Timestamp::from_millis(i64::MAX)).await.await, Ok(queued));
    assert!(matches!(store.submit(task(6000, "hello")).await.await, Ok(Submitted::Created { .. })));
    assert_eq!(store.counts().await.unwrap().queued, queued + 1);
    store.close().await;
    let mut connection = place.connect().await;
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(verdict, "ok");
}

/// A filesystem of 4 MB in memory; none where mounting is not allowed.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(directory.path()).output();
        mounted.is_ok_and(|told| told.status.success()).then(|| Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _told = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_disk_that_others_filled_is_waited_out() {
    // Without the right to mount, `a_full_disk_refuses_writes_and_reads_go_on` still holds.
    let Some(disk) = SmallDisk::mount() else { return };
    let scope = TaskScope::new();
    let store = SqliteStore::open(Settings::at(disk.0.path().join("truth.db")), &scope).await.unwrap();
    store.submit(task(1, "hello")).await.await.unwrap();
    let ballast = disk.0.path().join("ballast");
    let _fills_what_is_left = fs::write(&ballast, vec![0; 8 << 20]);
    let mut last = 1;
    let full = loop {
        match store.submit(task(last + 1, &"x".repeat(3000))).await.await {
            Ok(_) => last += 1,
            told => break told,
        }
    };
    assert_eq!(full, Err(StoreError::Full));
    for n in 0..20 {
        assert_eq!(store.submit(task(9000 + n, &"x".repeat(9000))).await.await, Err(StoreError::Full));
    }
    let accepted = u64::try_from(last).unwrap();
    assert_eq!(store.counts().await.unwrap().queued, accepted);
    fs::remove_file(ballast).unwrap();
    assert!(matches!(store.submit(task(9100, "hello")).await.await, Ok(Submitted::Created { .. })));
    assert_eq!(store.counts().await.unwrap().queued, accepted + 1);
    store.close().await;
}

#[tokio::test]
async fn the_log_is_copied_into_the_database_before_it_grows_long() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    let text = "x".repeat(20_000);
    for batch in 0..30 {
        let writes = (1..=100).map(|n| store.submit(task(batch * 1000 + n, &text)));
        for commit in futures::future::join_all(writes).await {
            commit.await.unwrap();
        }
    }
    let log = fs::metadata(place.path().with_file_name("truth.db-wal")).unwrap().len();
    assert!(log < 48 * 1024 * 1024, "{log}");
    assert!(fs::metadata(place.path()).unwrap().len() > 20 * 1024 * 1024);
}

#[tokio::test]
async fn a_cancelled_scope_writes_what_waits_and_closes() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    let commits: Vec<_> =
        futures::future::join_all((1..=50).map(|n| store.submit(task(n, "x")))).await.into_iter().collect();
    assert_eq!(place.scope.close(std::time::Duration::from_secs(10)).await, 0);
    for commit in commits {
        assert!(matches!(commit.await, Ok(Submitted::Created { .. })));
    }
    assert_eq!(store.submit(task(99, "x")).await.await, Err(StoreError::Closed));
}

/// As the first version left it: a session with a run and two messages.
const FIRST_SCHEMA: &str = concat!(
    include_str!("../../migrations/0001_first.sql"),
    r#"
    INSERT INTO sessions VALUES (1, zeroblob(16), 'agent:main:old', 'operator', 'main', 1, 2, 7, 2, 3, 4, 0, 'p/m');
    INSERT INTO tasks VALUES (1, x'0000000000000000000000000000000a', 1, 'operator', 2, 0, 3, NULL, 0, NULL, 0, 1, 3, 0,
        0, 100, NULL, 1, 1, 4, 2, NULL, 1);
    INSERT INTO inputs VALUES (1, '{"agent":"main","session":"agent:main:old","input":[]}', 1);
    INSERT INTO messages VALUES ((1 << 31) | 1, 1, 1, '{"role":"user","content":[{"type":"text","text":"hi"}]}', 1),
        ((1 << 31) | 2, 1, 2, '{"role":"assistant","text":"ho"}', 1);
    INSERT INTO runs VALUES ((1 << 31) | 1, 1, 86400000, 'completed', NULL, 'p/m', 3, 4, 0);
    UPDATE counts SET cancelled = 1, sessions = 1;
    PRAGMA application_id = 1668047223; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;
    "#
);

#[tokio::test]
async fn a_database_of_the_first_form_takes_the_later_steps() {
    let place = Place::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    let mut connection =
        SqliteConnectOptions::new().filename(place.path()).create_if_missing(true).connect().await.unwrap();
    sqlx::raw_sql(FIRST_SCHEMA).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let store = place.open().await.unwrap();
    assert_eq!(crate::Devices::devices(&store).await, Ok(vec![]));
    let page = store.sessions(&SessionFilter::default(), &Visibility::All, PageStart::Offset(0), 9).await.unwrap();
    assert_eq!((page.total, page.items.len()), (Some(1), 1));
    let old = page.items.first().unwrap();
    assert_eq!((old.message_count, old.context_count, old.label.clone()), (2, 2, None));
    let said = store.context(old.id, 9).await.unwrap();
    assert_eq!(said.iter().map(|stored| stored.message.text()).collect::<Vec<_>>(), ["hi", "ho"]);
    let days = store.usage_days(&Visibility::All, 0, 9).await.unwrap();
    let usage = Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() };
    assert_eq!(days, [UsageDay { day: 1, model: "p/m".into(), runs: 1, usage }]);
    store.close().await;
}

/// No statement on the way of a task walks over a table or sorts one.
#[tokio::test]
async fn no_hot_statement_walks_over_a_table() {
    let place = Place::filled(1).await;
    let mut connection = place.connect().await;
    super::flush::prepare(&mut connection).await.unwrap();
    let mut statements: Vec<String> = Vec::new();
    let (load, flush) = (Load::new(), Flush::new());
    for bulk in load.all().into_iter().chain(flush.all()) {
        statements.extend(bulk.texts().map(str::to_owned));
    }
    statements.extend([DUE_TICKETS, STEERING].map(str::to_owned));
    statements.push("SELECT created_at FROM tasks WHERE state = 0 ORDER BY n LIMIT 1".into());
    let tenant = Visibility::Owner(claw_core::PrincipalId::from_stored("key_1".into()));
    for visibility in [Visibility::All, tenant] {
        for state in [None, Some(claw_core::task::StateName::Queued), Some(claw_core::task::StateName::Failed)] {
            for session in [None, Some(task(1, "").session_id)] {
                let conditions = list_conditions(&TaskFilter { state, session, since: None }, &visibility);
                statements.push(format!("SELECT t.id FROM tasks t {conditions}"));
            }
        }
    }
    statements.extend([HISTORY, CONTEXT, ENDS, TENANT_COUNTS, USAGE_OF_ONE].map(str::to_owned));
    let tenant = || Visibility::Owner(claw_core::PrincipalId::from_stored("key_1".into()));
    let ops = claw_core::AgentId::parse("ops").ok();
    let search = Some("x".to_owned());
    for visibility in [Visibility::All, tenant()] {
        for agent in [None, ops.clone(), Some(claw_core::AgentId::main())] {
            for search in [None, search.clone()] {
                let walk =
                    Walk::new(&SessionFilter { agent: agent.clone(), search, ..SessionFilter::default() }, &visibility);
                statements.extend([walk.page(), walk.skip()]);
            }
        }
    }
    for statement in statements {
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        for row in plan.fetch_all(&mut connection).await.unwrap() {
            let step: String = row.try_get("detail").unwrap();
            let walks =
                ["tasks", "sessions", "events", "messages", "runs", "inputs", "journal", "idempotency", "outbox"]
                    .iter()
                    .any(|table| step.starts_with(&format!("SCAN {table}")));
            let walks = walks || ["SCAN t", "SCAN s", "SCAN k", "SCAN j", "SCAN e", "SCAN u"].contains(&step.as_str());
            let sorts = step.contains("TEMP B-TREE") || step.contains("AUTOMATIC");
            assert!(!walks && !sorts, "{step}\n{statement}");
        }
    }
}
