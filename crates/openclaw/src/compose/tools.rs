//! What agents can do and who may, from the configuration.

use std::sync::Arc;

use claw_core::AgentId;
use claw_core::permission::Permissions;
use claw_core::tool::Tool;

use crate::config::settings::Live;

/// Every tool beside the built-in ones.
pub(super) fn tools(settings: &Live) -> Vec<Arc<dyn Tool>> {
    claw_tools::files::tools(&Arc::new(settings.workspaces.clone()))
}

/// Who may use which.
pub(super) fn permissions(settings: &Live) -> Permissions {
    let agents = settings.agents.list.iter();
    Permissions {
        general: settings.tools.rules(),
        agents: agents
            .filter_map(|agent| Some((AgentId::parse(agent.id.as_str()).ok()?, agent.tools.rules())))
            .collect(),
        api_keys: settings.tools.api_keys.rules(),
    }
}
