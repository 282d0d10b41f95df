//! `sessions.list` (B13): conversations, last changed first.

use claw_app::limits::{PAGE_DEFAULT, PAGE_MAX};
use claw_app::{Ends, PageStart, Session, SessionFilter};
use claw_core::{Scope, Timestamp};
use claw_wire::BadRequest;
use claw_wire::ws::sessions::{ListParams, SessionList, SessionRow, excerpt};

use super::{Call, Method};
use crate::error::Problem;
use crate::http::tasks::parse_cursor;
use crate::limits::{PREVIEW_CHARS, TITLE_CHARS};
use crate::{sessions, view};

pub(super) struct SessionsList;

impl Method for SessionsList {
    const NAME: &'static str = "sessions.list";
    const SCOPE: Scope = Scope::Read;
    type Params = ListParams;

    async fn run(call: &Call, params: ListParams) -> Result<(), Problem> {
        let doors = call.doors();
        let offset = params.offset.unwrap_or(0);
        let from = match params.cursor.as_deref().map(parse_cursor).transpose()? {
            Some(cursor) => PageStart::Cursor(cursor),
            None => PageStart::Offset(offset),
        };
        let limit = params.limit.map(|limit| limit.clamp(1, PAGE_MAX));
        let page = doors.app.sessions.list(call.principal(), &filter(call, &params)?, from, limit).await?;
        let wants = (params.include_derived_titles == Some(true), params.include_last_message == Some(true));
        let rows = rows(call, &page.items, wants).await?;
        let next_cursor = page.next.map(|place| place.0.to_string());
        let next_offset = (next_cursor.is_some() && params.cursor.is_none() && !rows.is_empty())
            .then(|| u64::from(offset) + rows.len() as u64);
        call.answer(&SessionList {
            ts: doors.app.now().millis(),
            path: view::state_dir(doors, call.principal()),
            count: rows.len(),
            total_count: page.total,
            limit_applied: limit.unwrap_or(PAGE_DEFAULT),
            next_offset,
            has_more: next_cursor.is_some(),
            next_cursor,
            defaults: view::defaults(doors),
            sessions: rows,
        });
        Ok(())
    }
}

fn filter(call: &Call, params: &ListParams) -> Result<SessionFilter, BadRequest> {
    let text =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let since = |minutes: u32| call.doors().app.now().millis() - i64::from(minutes) * 60_000;
    Ok(SessionFilter {
        agent: params.agent()?,
        label: text(&params.label),
        search: text(&params.search),
        active_since: params.active_minutes.map(|minutes| Timestamp::from_millis(since(minutes))),
    })
}

/// Rows with what the history says of them, where that is wanted: (title, last message).
pub(super) async fn rows(call: &Call, found: &[Session], wants: (bool, bool)) -> Result<Vec<SessionRow>, Problem> {
    let mut rows: Vec<SessionRow> = found.iter().map(|session| sessions::row(session, call.is_stock())).collect();
    if wants == (false, false) {
        return Ok(rows);
    }
    for Ends { key, first, last } in call.doors().app.sessions.ends(found).await? {
        let Some(row) = rows.iter_mut().find(|row| row.key == key.as_str()) else { continue };
        let shown = |text: claw_core::Text, chars| Some(excerpt(&text, chars)).filter(|text| !text.is_empty());
        if wants.0 {
            row.derived_title = row.label.clone().or_else(|| shown(first?.text(), TITLE_CHARS));
        }
        if wants.1 {
            row.last_message_preview = last.and_then(|last| shown(last.text(), PREVIEW_CHARS));
        }
    }
    Ok(rows)
}
