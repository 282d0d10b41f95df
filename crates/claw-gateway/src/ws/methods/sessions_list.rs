//! `sessions.list` (B13): conversations, last changed first.

use claw_app::{PageStart, SessionFilter};
use claw_core::{Scope, SessionKey};
use claw_wire::ws::gateway::ModelDefaults;
use claw_wire::ws::sessions::{ListParams, SessionList, SessionRow};

use super::{Call, Method};
use crate::error::Problem;
use crate::http::tasks::parse_cursor;
use crate::view;

pub(super) struct SessionsList;

impl Method for SessionsList {
    const NAME: &'static str = "sessions.list";
    const SCOPE: Scope = Scope::Read;
    type Params = ListParams;

    async fn run(call: &Call, params: ListParams) -> Result<(), Problem> {
        let ListParams { limit, cursor } = params;
        let doors = call.doors();
        let from = cursor.as_deref().map(parse_cursor).transpose()?;
        let from = from.map_or(PageStart::Offset(0), PageStart::Cursor);
        let limit = limit.map(|limit| limit.clamp(1, claw_app::limits::PAGE_MAX));
        let page = doors.app.sessions.list(call.principal(), &SessionFilter::default(), from, limit).await?;
        let sessions: Vec<SessionRow> = page
            .items
            .into_iter()
            .map(|session| {
                let ModelDefaults { model_provider, model, .. } = ModelDefaults::of(session.model.as_deref(), None);
                SessionRow {
                    session_id: short_name(&session.key),
                    key: session.key.to_string(),
                    session_key: session.key.to_string(),
                    agent_id: session.agent.to_string(),
                    kind: "direct",
                    created_at: session.created_at.millis(),
                    updated_at: session.updated_at.millis(),
                    message_count: session.message_count,
                    input_tokens: session.usage.input_tokens,
                    output_tokens: session.usage.output_tokens,
                    total_tokens: session.usage.total(),
                    model_provider,
                    model,
                }
            })
            .collect();
        let next_cursor = page.next.map(|place| place.0.to_string());
        call.answer(&SessionList {
            ts: doors.app.now().millis(),
            path: doors.settings.state_dir.clone(),
            count: sessions.len(),
            total_count: sessions.len() as u64,
            limit_applied: limit.unwrap_or(claw_app::limits::PAGE_DEFAULT),
            next_offset: None,
            has_more: next_cursor.is_some(),
            next_cursor,
            defaults: view::defaults(doors),
            sessions,
        });
        Ok(())
    }
}

/// What the client called the conversation itself, as far as that leads back to it.
fn short_name(key: &SessionKey) -> String {
    key.as_str().strip_prefix("agent:main:").unwrap_or(key.as_str()).to_owned()
}
