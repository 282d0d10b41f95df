//! The skills there are, from the configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use claw_core::AgentId;
use claw_runtime::SystemClock;
use claw_skills::Library;
use claw_skills::library::Settings;

use crate::config::settings::Live;

/// The library as the configuration has it.
pub(crate) fn library(live: &Live) -> Library {
    Library::new(settings(live))
}

pub(super) fn settings(live: &Live) -> Settings {
    let workspaces = live.workspaces.clone();
    let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
    let agents = live.agents.list.iter().filter_map(|agent| {
        let skills = agent.skills.as_ref()?;
        Some((AgentId::parse(agent.id.as_str()).ok()?, set(skills)))
    });
    Settings {
        managed: live.skills_dir.clone(),
        workspaces: Arc::new(move |agent, principal| workspaces.of(agent, &principal.id)),
        allow_bundled: live.skills.allow_bundled.as_deref().map(set),
        entries: live.skills.entries(),
        agents: agents.collect(),
        surroundings: live.surroundings.clone(),
        clock: Arc::new(SystemClock),
    }
}
