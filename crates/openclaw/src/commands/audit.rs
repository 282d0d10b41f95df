//! `openclaw audit`: what is written down for good, and whether it is still what was written.
//!
//! `list` asks the gateway. `verify` reads the database itself, whether a gateway runs over it or not.

use std::path::Path;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use claw_core::audit::{Actor, Door, Entry, Kind, hex};
use claw_core::{Clock as _, PrincipalId, Timestamp};
use claw_runtime::SystemClock;
use claw_store::sqlite::{append_beside, base_beside, check_beside, prune_beside};
use claw_store::{Broken, Checked, Flaw, Link};
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::asking::{Asking, Shown};
use super::config::{print, print_json};
use super::gateway::client_settings;
use super::terminal::{note, table, time};
use crate::client::answers::{AuditEntry, AuditPage};
use crate::client::{self, Connection};
use crate::config;
use crate::config::period::Period;
use crate::exit::Fatal;

/// So many rows are read at once.
const ROWS_AT_ONCE: u32 = 1000;
/// So many entries are asked for at once.
const ENTRIES_AT_ONCE: u32 = 200;
/// So many entries are listed when nothing is said.
const LISTED_DEFAULT: u32 = 50;

/// Arguments of `openclaw audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what happened, newest first
    List {
        /// Only this kind, as key.created, or all that begin with a word, as key
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        kind: Option<String>,
        /// Only what this principal did: operator, key_…, nobody, gateway
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        actor: Option<String>,
        /// Only from then on: a length of time, as 24h, or a moment, as 2026-02-16T00:00:00Z
        #[arg(long, value_name = "WHEN", value_parser = since)]
        since: Option<Timestamp>,
        /// How many at most
        #[arg(long, default_value_t = LISTED_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Go on behind an earlier list
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Take away rows that are older; the rest begins at the hash of the last of them. Also without a running gateway
    Prune {
        /// How old: a length of time, as 90d, or a moment, as 2026-02-16T00:00:00Z
        #[arg(long, value_name = "WHEN", value_parser = since)]
        before: Timestamp,
        #[command(flatten)]
        shown: Shown,
    },
    /// Say whether every row is as it was written; also without a running gateway
    Verify {
        /// Say, too, whether it goes on from what an earlier look told: a row's number and hash
        #[arg(long, value_name = "ROW:HASH", value_parser = noted)]
        expect: Option<Link>,
        #[command(flatten)]
        shown: Shown,
    },
}

fn noted(text: &str) -> Result<Link, String> {
    let wrong = || "must be a row's number and its hash of 64 digits, as 12:9f86d0…; verify tells it".to_owned();
    let (n, hash) = text.split_once(':').ok_or_else(wrong)?;
    let n = n.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?;
    let mut bytes = [0; 32];
    let is_whole = hash.len() == 2 * bytes.len() && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
    for (at, byte) in bytes.iter_mut().enumerate().filter(|_| is_whole) {
        let digits = hash.get(2 * at..2 * at + 2).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    if is_whole { Ok(Link { n, hash: bytes }) } else { Err(wrong()) }
}

fn since(text: &str) -> Result<Timestamp, String> {
    let long_ago = |period: Period| {
        let millis = i64::try_from(period.get().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(SystemClock.now().millis().saturating_sub(millis))
    };
    let moment = Timestamp::parse(text).or_else(|| Period::parse(text).map(long_ago));
    moment.ok_or_else(|| "must be a length of time, as 24h, or a moment, as 2026-02-16T00:00:00Z".to_owned())
}

/// Runs `openclaw audit`.
pub(crate) fn run(audit: Audit, context: &Context) -> Result<ExitCode, Fatal> {
    match audit.action {
        Action::List { kind, actor, since, limit, cursor, asking } => {
            let since = since.map(|since| since.to_string());
            let params = json!({"kind": kind, "actor": actor, "since": since, "cursor": cursor});
            list(&asking, context, params, limit)
        }
        Action::Prune { before, shown } => prune(&client_settings(context)?.fixed.store_path, before, shown.json),
        Action::Verify { expect, shown } => verify(&client_settings(context)?.fixed.store_path, expect, shown.json),
    }
}

/// One page may hold fewer than there are, so it goes on until there are enough.
fn list(asking: &Asking, context: &Context, mut params: Value, limit: u32) -> Result<ExitCode, Fatal> {
    let target = asking.target(context)?;
    let page = client::block_on(async {
        let mut connection = Connection::open(&target).await?;
        let mut all = AuditPage::default();
        loop {
            let left = limit.saturating_sub(u32::try_from(all.entries.len()).unwrap_or(u32::MAX));
            if left == 0 {
                break;
            }
            if let Some(params) = params.as_object_mut() {
                params.insert("limit".to_owned(), json!(left.min(ENTRIES_AT_ONCE)));
            }
            let AuditPage { entries, next_cursor } = connection.call("audit.list", &params).await?.read()?;
            all.entries.extend(entries);
            all.next_cursor = next_cursor;
            match (&all.next_cursor, params.as_object_mut()) {
                (Some(next), Some(params)) => params.insert("cursor".to_owned(), json!(next)),
                (None, _) | (_, None) => break,
            };
        }
        connection.close().await;
        Ok(all)
    })?;
    if asking.json {
        return print_json(&page);
    }
    let AuditPage { entries, next_cursor } = page;
    if entries.is_empty() {
        note("nothing of the kind is written down");
        return Ok(ExitCode::SUCCESS);
    }
    let shown = print(&table(
        &["N", "WHEN (UTC)", "WHAT", "BY", "DOOR", "OF", "OUTCOME", "MORE"],
        entries.into_iter().map(row).collect(),
    ))?;
    if let Some(cursor) = next_cursor {
        note(&format!("there are more: --cursor {cursor}"));
    }
    Ok(shown)
}

fn row(entry: AuditEntry) -> Vec<String> {
    let AuditEntry { n, at, kind, actor, door, subject, outcome, details, hash: _ } = entry;
    let more: Vec<String> = details.iter().map(|(name, value)| format!("{name}={}", brief(value))).collect();
    vec![n.to_string(), time(&at), kind, actor, door, subject, outcome, more.join(" ")]
}

/// A digest by its beginning; `--json` has all of it.
fn brief(value: &str) -> &str {
    let is_digest = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    value.get(..12).filter(|_| is_digest).unwrap_or(value)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pruned {
    rows: u64,
    /// The last row that went, as `verify --expect` takes it.
    last: Option<String>,
}

/// Nothing goes of a log that does not hold: what is wrong with it could go along.
fn prune(path: &Path, before: Timestamp, json: bool) -> Result<ExitCode, Fatal> {
    require_there(path)?;
    let at = SystemClock.now();
    let before = before.min(at);
    let entry = Entry::new(at, Kind::AuditPruned, Actor::of(&PrincipalId::operator(), Door::Cli), "log");
    let entry = entry.with("before", before.to_string());
    let pruned = client::block_on(async {
        let Followed { broken, .. } = follow(path, None).await?;
        if let Some(Broken { n, flaw }) = broken {
            let why = format!("nothing was taken away: the audit log is broken, row {n} {}", said(flaw));
            return Err(Fatal::other(why, "keep the file as it is, and see `openclaw audit verify`"));
        }
        let unwritable = |error| Fatal::Database { path: path.to_owned(), source: Box::new(error) };
        prune_beside(path, before, entry).await.map_err(unwritable)
    })?;
    let mark = pruned.map(|(_, Link { n, hash })| format!("{n}:{}", hex(&hash)));
    if json {
        return print_json(&Pruned { rows: pruned.map_or(0, |(rows, _)| rows), last: mark });
    }
    match (pruned, mark) {
        (Some((rows, _)), Some(mark)) => {
            note("the file stays as large as it is; what comes takes the room");
            print(&format!("{rows} rows are gone; the log goes on behind {mark}"))
        }
        (_, _) => print("no row is as old"),
    }
}

fn require_there(path: &Path) -> Result<(), Fatal> {
    if path.exists() {
        return Ok(());
    }
    Err(Fatal::asked(
        format!("there is no database at {}", path.display()),
        "start the gateway once, or name the file with store.path",
    ))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    valid: bool,
    /// The first row there is: those before it were taken away.
    first: i64,
    rows: i64,
    hash: String,
    broken: Option<BrokenRow>,
}

#[derive(Serialize)]
struct BrokenRow {
    n: i64,
    flaw: &'static str,
}

fn verify(path: &Path, expect: Option<Link>, json: bool) -> Result<ExitCode, Fatal> {
    require_there(path)?;
    let Followed { base, end: link, broken } = client::block_on(follow(path, expect))?;
    let rows = broken.map_or(link.n, |broken| broken.n - 1) - base.n;
    let mark = format!("{}:{}", link.n, hex(&link.hash));
    if json {
        let broken = broken.map(|Broken { n, flaw }| BrokenRow { n, flaw: word(flaw) });
        let hash = if broken.is_some() { String::new() } else { hex(&link.hash) };
        print_json(&Verdict { valid: broken.is_none(), first: base.n + 1, rows, hash, broken })?;
    }
    let why = match broken {
        None if json => return Ok(ExitCode::SUCCESS),
        None => {
            let from = if base.n == 0 { String::new() } else { format!(" from row {} on", base.n + 1) };
            let shown = print(&format!(
                "the audit log is whole: {rows} rows{from}, the last one's hash is {}",
                hex(&link.hash)
            ))?;
            note(&format!("noted elsewhere, this finds what is taken away or written anew: --expect {mark}"));
            return Ok(shown);
        }
        Some(Broken { n, flaw: Flaw::Missing }) if n <= base.n => {
            let why = format!("row {n} was taken away by `openclaw audit prune`, so it cannot be compared");
            return Err(Fatal::asked(why, format!("expect row {} or a later one", base.n)));
        }
        Some(Broken { n, flaw: Flaw::Changed }) if expect.is_some_and(|noted| noted.n == n) => {
            format!(
                "the audit log is another one: row {n} is not the one that was noted, nor need the rows before it be"
            )
        }
        Some(Broken { n, flaw }) => {
            format!("the audit log is broken: row {n} {}, the {rows} rows before it are whole", said(flaw))
        }
    };
    Err(Fatal::other(why, "keep the file as it is, compare it with a backup, and ask who could write to it"))
}

/// How far the chain holds.
struct Followed {
    /// Behind what was taken away.
    base: Link,
    /// The last row that holds.
    end: Link,
    /// The first that does not.
    broken: Option<Broken>,
}

/// Follows the whole chain. The row that was noted must be in it.
async fn follow(path: &Path, mut noted: Option<Link>) -> Result<Followed, Fatal> {
    let unreadable = |error| Fatal::Database { path: path.to_owned(), source: Box::new(error) };
    let base = base_beside(path).await.map_err(unreadable)?.unwrap_or(Link::START);
    let mut link = base;
    let ended = |end, broken| Ok(Followed { base, end, broken });
    match noted {
        Some(Link { n, .. }) if n < base.n => return ended(base, Some(Broken { n, flaw: Flaw::Missing })),
        Some(Link { n, hash }) if n == base.n && hash != base.hash => {
            return ended(base, Some(Broken { n, flaw: Flaw::Changed }));
        }
        Some(Link { n, .. }) if n == base.n => noted = None,
        Some(_) | None => {}
    }
    loop {
        let to_noted = noted.map(|noted| u32::try_from(noted.n - link.n).unwrap_or(ROWS_AT_ONCE));
        let limit = to_noted.map_or(ROWS_AT_ONCE, |rows| rows.min(ROWS_AT_ONCE));
        let (reached, is_end) = match check_beside(path, link, limit).await.map_err(unreadable)? {
            Some(Checked::SoFar(next)) => (next, false),
            Some(Checked::Whole(end)) => (end, true),
            Some(Checked::Broken(broken)) => return ended(link, Some(broken)),
            None => {
                return Err(Fatal::other(
                    "the database was written by another version and has no audit log that this one knows",
                    "start the gateway of this version once",
                ));
            }
        };
        link = reached;
        match noted {
            Some(Link { n, hash }) if n == link.n && hash != link.hash => {
                return ended(link, Some(Broken { n, flaw: Flaw::Changed }));
            }
            Some(Link { n, .. }) if n == link.n => noted = None,
            Some(_) if is_end => return ended(link, Some(Broken { n: link.n + 1, flaw: Flaw::Missing })),
            Some(_) | None => {}
        }
        if is_end {
            return ended(link, None);
        }
    }
}

const fn word(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Missing => "missing",
        Flaw::Changed => "changed",
    }
}

const fn said(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Missing => "is missing",
        Flaw::Changed => "is not what was written, or does not follow the row before it",
    }
}

/// Writes down what a command did beside the gateway. It is done by then: what cannot be written down is told.
pub(super) fn written_down(context: &Context, entry: Entry) {
    // A configuration that cannot be read is told by whatever reads it next.
    let Ok(loaded) = config::load(&context.environment, &context.flags) else { return };
    let path = loaded.settings.fixed.store_path;
    let appended = client::block_on(async {
        append_beside(&path, &[entry]).await.map_err(|error| Fatal::other(error, "see the disk"))
    });
    if let Err(error) = appended {
        note(&format!("the audit log lacks this: {}", error.cause()));
    }
}
