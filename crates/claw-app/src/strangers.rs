//! Files with strangers' words that the operator has looked at and takes as they are.
//!
//! What runs note of files they forget only where they write anew (or somebody allows it): an editor outside and a workspace
//! that counts as strangers' as a whole are the operator's to judge. What he trusts is what lies there at that moment; the
//! next run that has heard strangers notes again what it writes.

use std::path::Path;
use std::sync::Arc;

use claw_core::audit::{Actor, Door, Entry, Kind};
use claw_core::memory::Whose;
use claw_core::provenance::Provenance;
use claw_core::{AgentId, Principal, PrincipalId, Scope, Visibility};

use crate::Error;
use crate::engine::Engine;
use crate::tasks::require;

/// What strangers' words lie in.
#[derive(Clone)]
pub struct Strangers(pub(crate) Arc<Engine>);

/// Which files.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose workspace; the default agent's where none is named.
    pub agent: Option<AgentId>,
    /// For whom the agent works there.
    pub owner: PrincipalId,
    /// A file, or a directory for all that lies in it.
    pub path: String,
    /// Whether it is only to be told, and nothing forgotten.
    pub is_rehearsal: bool,
}

/// What was forgotten, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// The agent whose workspace it is.
    pub agent: AgentId,
    /// The place itself, from the workspace's root, links followed; a dot for the whole workspace.
    pub path: String,
    /// The files that were noted, from the workspace's root: a part of them where there are many.
    pub files: Vec<String>,
    /// Whether those are all.
    pub is_all: bool,
    /// How many were forgotten.
    pub forgotten: u64,
    /// The directory above that counts as strangers' as a whole, so that the place does, too.
    pub above: Option<String>,
}

impl Strangers {
    /// Forgets that strangers' words are in a file or directory of a workspace, with a row in the audit log.
    ///
    /// Errors: `NotFound` for whoever sees only their own (G13), and for an agent or a path that is not there;
    /// `Forbidden` without admin.
    pub async fn trust(&self, principal: &Principal, door: Door, wanted: Wanted) -> Result<Trusted, Error> {
        let Wanted { agent, owner, path, is_rehearsal } = wanted;
        let absent = |what, id: &str| Error::NotFound { what, id: id.chars().take(80).collect() };
        if principal.visibility() != Visibility::All {
            return Err(absent("file", &path));
        }
        require(principal, Scope::Admin)?;
        let catalog = self.0.agent.catalog();
        let agent = agent.unwrap_or_else(|| catalog.default_agent().clone());
        let known = catalog.agent(&agent).ok_or_else(|| absent("agent", agent.as_str()))?;
        let whose = Whose { owner, agent: known.id.clone() };
        let notes = self.0.keeper.notes();
        let (root, place) = futures::join!(notes.file(&whose, "."), notes.file(&whose, &path));
        let (Some(root), Some(place)) = (root, place) else { return Err(absent("file", &path)) };
        let (root, place) = (root.trim_end_matches('/'), place.trim_end_matches('/'));
        let unknown = |why: String| Error::Store(why);
        let above = self.noted_above(root, place).await.map_err(unknown)?;
        let (files, is_all) = self.0.keeper.noted(place).await.map_err(unknown)?;
        let itself = (above.is_some()).then_some(place);
        let files: Vec<String> =
            files.iter().filter(|file| Some(file.as_str()) != itself).map(|file| within(root, file)).collect();
        let forgotten = if is_rehearsal || files.is_empty() || above.is_some() {
            0
        } else {
            let entry = Entry::new(self.0.clock.now(), Kind::FilesTrusted, Actor::of(&principal.id, door), place);
            let below = format!("file:{place}/");
            self.0.noted(self.0.store.trust_strangers(format!("file:{place}"), below, entry).await.await)?
        };
        Ok(Trusted { agent: whose.agent, path: within(root, place), files, is_all, forgotten, above })
    }

    /// The directory above a place that is noted itself.
    async fn noted_above(&self, root: &str, place: &str) -> Result<Option<String>, String> {
        let mut outermost = None;
        for above in Path::new(place).ancestors().skip(1) {
            let above = above.to_string_lossy();
            // So is one that lies below another that is.
            let (noted, _) = self.0.keeper.noted(&above).await?;
            if !noted.iter().any(|file| *file == above) {
                break;
            }
            outermost = Some(within(root, &above));
        }
        Ok(outermost)
    }
}

/// A path from the root.
fn within(root: &str, path: &str) -> String {
    match path.strip_prefix(root).map(|rest| rest.trim_start_matches('/')) {
        Some("") => ".".to_owned(),
        Some(rest) => rest.to_owned(),
        None => path.to_owned(),
    }
}
