//! Pictures and files at addresses, before a question goes out.
//!
//! A model's server fetches what its question names. One that stands outside may, where the guard would call
//! the address, too. One that stands inside is given what lies there instead: it would reach what no
//! stranger may, and follow redirects that nobody has judged (advisory 38). What cannot be had is left out
//! and said so; the rest of the question is asked. A run fetches each address once, whatever came of it: every
//! round and candidate is shown the same.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claw_core::guard::{Found, Guard, Reach};
use claw_core::provider::ModelRequest;
use claw_core::{Message, Part, Text};
use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use super::Stop;
use crate::agent::Attempt;
use crate::catalog::Resolved;
use crate::limits::{MEDIA_AT_ONCE_MAX, MEDIA_BYTES_MAX, MEDIA_TIME_MAX};

/// What lay at one address, or why it cannot be had.
type Brought = Result<Kept, String>;

#[derive(Debug, Clone)]
struct Kept {
    media_type: String,
    /// As a `data:` URL.
    data: Text,
    bytes: usize,
}

/// What was fetched in this run, by its address.
#[derive(Debug, Default)]
pub(super) struct Media(HashMap<Text, Brought>);

impl Attempt {
    /// The question with no address that `candidate` must not be given.
    ///
    /// Errors: somebody stopped the run meanwhile.
    pub(super) async fn guarded(
        &self,
        candidate: &Resolved,
        request: ModelRequest,
        media: &mut Media,
    ) -> Result<ModelRequest, Stop> {
        let addresses = addresses(&request.messages);
        if addresses.is_empty() {
            return Ok(request);
        }
        let mut messages = request.messages.to_vec();
        tokio::select! {
            reason = self.control.stopped() => return Err(Stop::Told(reason)),
            found = found(self.catalog.guard(), candidate, addresses, media) => put_in(&mut messages, &found),
        }
        Ok(ModelRequest { messages: messages.into(), ..request })
    }
}

/// What a question names, each once, the newest first.
fn addresses(messages: &[Message]) -> Vec<Text> {
    let mut addresses: Vec<Text> = Vec::new();
    for url in messages.iter().rev().flat_map(|message| message.parts().iter().rev()).filter_map(Part::address) {
        if !addresses.contains(url) {
            addresses.push(url.clone());
        }
    }
    addresses
}

/// What `candidate` is given for each address: the address itself where there is nothing in its place.
async fn found(
    guard: Option<Arc<dyn Guard>>,
    candidate: &Resolved,
    addresses: Vec<Text>,
    media: &mut Media,
) -> HashMap<Text, Result<Option<Kept>, String>> {
    let until = Instant::now() + MEDIA_TIME_MAX;
    let Some(guard) = guard else {
        let nobody = || Err("nobody here may judge its address".to_owned());
        return addresses.into_iter().map(|url| (url, nobody())).collect();
    };
    let is_inside = match candidate.provider.address() {
        None => true,
        Some(address) => guard.judge(address).await != Ok(Reach::Outside),
    };
    if is_inside {
        media.fetch(&*guard, &addresses, until).await;
        let kept = |url: &Text| media.0.get(url).cloned().unwrap_or_else(|| Err(late())).map(Some);
        return addresses.iter().map(|url| (url.clone(), kept(url))).collect();
    }
    let judged = stream::iter(addresses).map(async |url| {
        let judged = tokio::time::timeout_at(until, guard.judge(&url)).await;
        let verdict = judged.map_err(|_late| late()).and_then(|reach| reach.map_err(|error| error.to_string()));
        (url, verdict.map(|_| None))
    });
    judged.buffered(MEDIA_AT_ONCE_MAX).collect().await
}

impl Media {
    /// Fetches what was not fetched before, several at once; the newest come first where there is not time or room
    /// for all.
    async fn fetch(&mut self, guard: &dyn Guard, addresses: &[Text], until: Instant) {
        let new: Vec<Text> = addresses.iter().filter(|url| !self.0.contains_key(*url)).cloned().collect();
        if new.is_empty() {
            return;
        }
        // What this question does not name makes room for what it does.
        self.0.retain(|url, _| addresses.contains(url));
        let bytes = |brought: &Brought| brought.as_ref().map_or(0, |kept| kept.bytes);
        let mut room = MEDIA_BYTES_MAX.saturating_sub(self.0.values().map(bytes).sum());
        let most = room;
        let fetched = stream::iter(new).map(async |url| {
            let brought = tokio::time::timeout_at(until, brought(guard, &url, most)).await;
            (url, brought.unwrap_or_else(|_late| Err(late())))
        });
        let mut fetched = std::pin::pin!(fetched.buffered(MEDIA_AT_ONCE_MAX));
        while let Some((url, brought)) = fetched.next().await {
            let brought = match brought {
                Ok(kept) if kept.bytes > room => Err("there is no room left for it".to_owned()),
                brought => brought,
            };
            room = room.saturating_sub(bytes(&brought));
            self.0.insert(url, brought);
        }
    }
}

fn late() -> String {
    "there was no time left to fetch it".to_owned()
}

/// What lies at an address, if its type can stand in a `data:` URL.
async fn brought(guard: &dyn Guard, url: &str, room: usize) -> Brought {
    let Found { media_type, body } = guard.fetch(url, room).await.map_err(|error| error.to_string())?;
    if media_type.is_empty() {
        return Err("its server does not say what it is".to_owned());
    }
    if !is_plain(&media_type) {
        return Err(format!("{media_type:?} is no media type"));
    }
    let data = format!("data:{media_type};base64,{}", STANDARD.encode(&body)).into();
    Ok(Kept { media_type, data, bytes: body.len() })
}

/// Whether it is one type and one subtype and nothing else: a comma or a semicolon would end it in a `data:` URL.
fn is_plain(media_type: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    media_type.split_once('/').is_some_and(|(kind, name)| is_name(kind) && is_name(name))
}

/// Puts what was found in the place of its address.
fn put_in(messages: &mut [Message], found: &HashMap<Text, Result<Option<Kept>, String>>) {
    for message in messages {
        let Message::User { content } = message else { continue };
        for part in content {
            let Some(found) = part.address().and_then(|url| found.get(url)) else { continue };
            match found {
                Ok(None) => {}
                Ok(Some(kept)) => *part = kept.instead_of(part),
                Err(why) => *part = left_out(part, why),
            }
        }
    }
}

impl Kept {
    fn instead_of(&self, part: &Part) -> Part {
        match part {
            Part::Image { detail, .. } if self.media_type.starts_with("image/") => {
                Part::Image { url: self.data.clone(), detail: *detail }
            }
            Part::Image { .. } => left_out(part, &format!("{:?} is no picture", self.media_type)),
            Part::File { name, .. } => Part::File { url: self.data.clone(), name: name.clone() },
            Part::Text { .. } => part.clone(),
        }
    }
}

fn left_out(part: &Part, why: &str) -> Part {
    let what = if matches!(part, Part::Image { .. }) { "picture" } else { "file" };
    Part::Text { text: format!("[a {what} was left out: {why}]").into() }
}
