//! `sessions.preview`: how some conversations ended last.

use claw_core::{AgentId, Scope, SessionKey};
use claw_wire::BadRequest;
use claw_wire::ws::sessions::{Preview, PreviewItem, PreviewParams, Previews, excerpt};

use super::{Call, Method};
use crate::error::Problem;
use crate::limits::{PREVIEW_CHARS, PREVIEW_CHARS_MAX, PREVIEW_ITEMS_DEFAULT, PREVIEW_ITEMS_MAX, PREVIEW_KEYS_MAX};

pub(super) struct SessionsPreview;

impl Method for SessionsPreview {
    const NAME: &'static str = "sessions.preview";
    const SCOPE: Scope = Scope::Read;
    type Params = PreviewParams;

    async fn run(call: &Call, params: PreviewParams) -> Result<(), Problem> {
        let PreviewParams { keys, limit, max_chars } = params;
        if keys.len() > PREVIEW_KEYS_MAX {
            let message = format!("must be at most {PREVIEW_KEYS_MAX}, found {}", keys.len());
            return Err(BadRequest::of("keys", message).into());
        }
        let limit = limit.unwrap_or(PREVIEW_ITEMS_DEFAULT).clamp(1, PREVIEW_ITEMS_MAX);
        let chars = max_chars.unwrap_or(PREVIEW_CHARS).clamp(1, PREVIEW_CHARS_MAX);
        let mut previews = Vec::with_capacity(keys.len());
        for key in keys {
            previews.push(preview(call, key, limit, chars).await?);
        }
        call.answer(&Previews { ts: call.doors().app.now().millis(), previews });
        Ok(())
    }
}

/// A name that means nothing is a conversation that is missing.
async fn preview(call: &Call, key: String, limit: u32, chars: usize) -> Result<Preview, Problem> {
    let sessions = &call.doors().app.sessions;
    let found = match SessionKey::resolve(&key, &AgentId::main()) {
        Ok(key) => sessions.get(call.principal(), &key).await?,
        Err(_) => None,
    };
    let Some(found) = found else { return Ok(Preview { key, status: "missing", items: Vec::new() }) };
    let said = sessions.messages(&found, None, limit).await?;
    let items: Vec<PreviewItem> = said
        .iter()
        .map(|stored| PreviewItem { role: stored.message.role(), text: excerpt(&stored.message.text(), chars) })
        .filter(|item| !item.text.is_empty())
        .collect();
    Ok(Preview { key, status: if items.is_empty() { "empty" } else { "ok" }, items })
}
