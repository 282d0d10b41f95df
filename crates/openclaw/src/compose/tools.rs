//! What agents can do and who may, from the configuration.

use std::sync::Arc;

use claw_core::AgentId;
use claw_core::briefing::Briefing;
use claw_core::permission::Permissions;
use claw_core::tool::Tool;
use claw_net::egress::{AllowList, Egress};
use claw_runtime::SystemClock;
use claw_tools::briefing::WorkspaceFiles;
use claw_tools::exec::{self, Launcher, Processes};
use claw_tools::files;
use claw_tools::web::WebFetch;

use crate::config::settings::Live;
use crate::config::tools::{Ask, Exec, Sandbox, Security};

/// The first word this program is started with when it is to become a sandbox.
pub(crate) const SANDBOX_WORD: &str = "--become-sandbox";

/// Every tool beside the built-in ones.
pub(super) fn tools(settings: &Live, processes: &Processes) -> Vec<Arc<dyn Tool>> {
    let workspaces = Arc::new(settings.workspaces.clone());
    let mut tools = files::tools(&workspaces);
    // No address of this house or its network: nobody lists any here.
    tools.push(Arc::new(WebFetch::new(Egress::new(AllowList::default()))));
    tools.extend(exec::tools(&workspaces, commands(&settings.tools.exec), processes));
    tools
}

/// Who knows what agents are told before their conversations.
pub(super) fn briefings(settings: &Live) -> Vec<Arc<dyn Briefing>> {
    let workspaces = Arc::new(settings.workspaces.clone());
    vec![Arc::new(WorkspaceFiles::new(workspaces, Arc::new(SystemClock)))]
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

fn commands(settings: &Exec) -> exec::Settings {
    let Exec { security, ask, allowlist, network, sandbox } = settings;
    let launcher = |is_lenient| Launcher {
        // This very program, also after another was put in its place on the disk.
        program: "/proc/self/exe".into(),
        argument: Some(SANDBOX_WORD.to_owned()),
        is_lenient,
    };
    exec::Settings {
        security: match security {
            Security::Deny => exec::Security::Deny,
            Security::Allowlist => exec::Security::Allowlist,
            Security::Full => exec::Security::Full,
        },
        allowlist: allowlist.clone(),
        ask: match ask {
            Ask::Off => exec::Ask::Off,
            Ask::OnMiss => exec::Ask::OnMiss,
            Ask::Always => exec::Ask::Always,
        },
        network: *network,
        launcher: match sandbox {
            Sandbox::Require => Some(launcher(false)),
            Sandbox::Auto => Some(launcher(true)),
            Sandbox::Off => None,
        },
    }
}
