//! `logs.tail`: the last lines of the gateway's own log.
//!
//! Whoever may read and sees everything reads it, as with the stock gateway, whose clients ask with no
//! more than `operator.read`. The log tells of all tenants: whoever sees only its own has to be an admin.

use std::sync::Arc;

use claw_core::Scope;
use claw_wire::ws::logs::{Tail, TailParams, with_old_words};
use http::StatusCode;
use tokio::sync::Semaphore;

use super::{Call, Method};
use crate::error::Problem;
use crate::limits::LOG_READS_MAX;
use crate::settings::LogPage;

/// Lines in one answer when nothing is said.
const LINES_DEFAULT: usize = 200;
/// And at most.
const LINES_MAX: usize = 5000;

pub(super) struct LogsTail;

impl Method for LogsTail {
    const NAME: &'static str = "logs.tail";
    const SCOPE: Scope = Scope::Read;
    type Params = TailParams;

    async fn run(call: &Call, params: TailParams) -> Result<(), Problem> {
        let TailParams { cursor, limit, max_bytes: _ } = params;
        call.require_overview()?;
        let limit = limit.unwrap_or(LINES_DEFAULT).clamp(1, LINES_MAX);
        let page = match call.doors().settings.logs.clone() {
            None => LogPage::default(),
            // It reads a file.
            Some(logs) => read(logs, cursor, limit).await?,
        };
        let LogPage { file, cursor, size, lines, is_truncated, is_reset } = page;
        let is_old = call.is_stock() && call.line().peer.protocol < 4;
        let lines = if is_old { lines.into_iter().map(with_old_words).collect() } else { lines };
        call.answer(&Tail { file, cursor, size, lines, truncated: is_truncated, reset: is_reset });
        Ok(())
    }
}

async fn read(logs: Arc<dyn crate::settings::LogTail>, cursor: Option<u64>, limit: usize) -> Result<LogPage, Problem> {
    // Few at once: the threads are everybody's.
    static AT_ONCE: Semaphore = Semaphore::const_new(LOG_READS_MAX);
    let _permit = AT_ONCE.acquire().await;
    tokio::task::spawn_blocking(move || logs.tail(cursor, limit)).await.map_err(|_panicked| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the log cannot be read")
    })
}
