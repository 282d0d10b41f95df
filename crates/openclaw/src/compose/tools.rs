//! What agents can do and who may, from the configuration.

use std::sync::Arc;
use std::time::Duration;

use claw_app::memory::Keeper;
use claw_core::audit::Ledger;
use claw_core::briefing::Briefing;
use claw_core::memory::{Notes, Recall};
use claw_core::permission::{Asker, Permissions};
use claw_core::provenance::Provenance;
use claw_core::skill::Skills;
use claw_core::tool::Tool;
use claw_core::{AgentId, PrincipalId};
use claw_net::egress::{AllowList, Allowed, Egress};
use claw_runtime::SystemClock;
use claw_skills::Library;
use claw_skills::briefing::Index;
use claw_skills::tool::SkillsRead;
use claw_tools::briefing::WorkspaceFiles;
use claw_tools::exec::{self, Launcher, Processes};
use claw_tools::notes::WorkspaceNotes;
use claw_tools::sandbox::Walls;
use claw_tools::web::WebFetch;
use claw_tools::web::search::{self, Service, WebSearch};
use claw_tools::{Rooms, files, memory};

use crate::config::secret::SecretText;
use crate::config::settings::Live;
use crate::config::tools::{Ask, Exec, Sandbox, Search, SearchProvider, Security, named};
use crate::config::values::AllowedHost;

/// The first word this program is started with when it is to become a sandbox.
pub(crate) const SANDBOX_WORD: &str = "--become-sandbox";

/// Every tool beside the built-in ones.
pub(super) fn tools(
    settings: &Live,
    processes: &Processes,
    (keeper, ledger): (&Arc<Keeper>, &Arc<dyn Ledger>),
    skills: &Library,
) -> Vec<Arc<dyn Tool>> {
    let workspaces = Arc::new(settings.workspaces.clone());
    let (recall, provenance) = (Arc::clone(keeper) as Arc<dyn Recall>, followed(keeper, processes));
    let rooms = Rooms::new(settings.tools.workspace_mb.get() << 20);
    let mut tools = files::tools(&workspaces, &provenance, &rooms, processes);
    tools.push(Arc::new(WebFetch::new(way_out(settings))));
    if let Some(search) = web_search(&settings.tools.web.search) {
        tools.push(Arc::new(search));
    }
    tools.extend(memory::tools(&recall));
    tools.push(Arc::new(SkillsRead::new(skills.clone())));
    let commands = commands(&settings.tools.exec);
    // A tool whose every call would be denied is not there.
    if commands.permits_any() {
        let skills: Arc<dyn Skills> = Arc::new(skills.clone());
        tools.extend(exec::tools(&workspaces, commands, processes, (&provenance, ledger), &rooms, &skills));
    }
    tools
}

/// Which files hold strangers' words, also by commands that still run.
fn followed(keeper: &Arc<Keeper>, processes: &Processes) -> Arc<dyn Provenance> {
    Arc::new(exec::Followed::new(Arc::clone(keeper) as Arc<dyn Provenance>, processes.clone()))
}

/// The way to pages, pictures and files that others name: no address of this house or its network, unless the
/// operator lists it.
pub(super) fn way_out(settings: &Live) -> Egress {
    Egress::new(AllowList::new(settings.tools.web.fetch.allow_hosts.iter().map(AllowedHost::allowed)))
}

/// Ends the commands that these settings do not permit any more.
pub(super) fn end_what_is_denied(settings: &Live, processes: &Processes) {
    let (commands, permissions) = (commands(&settings.tools.exec), permissions(settings));
    processes.permit(move |started| {
        let exec::Started { agent, principal, origin, .. } = started;
        permissions.permits(Asker { agent, principal, origin }, "exec") && started.may_go_on(&commands)
    });
}

/// Who knows what agents are told before their conversations.
pub(super) fn briefings(
    settings: &Live,
    processes: &Processes,
    keeper: &Arc<Keeper>,
    skills: &Library,
) -> Vec<Arc<dyn Briefing>> {
    let workspaces = Arc::new(settings.workspaces.clone());
    let files = WorkspaceFiles::new(workspaces, Arc::new(SystemClock), followed(keeper, processes));
    vec![Arc::new(Index::new(skills.clone())), Arc::new(files)]
}

/// What agents have written down.
pub(super) fn notes(settings: &Live) -> Arc<dyn Notes> {
    Arc::new(WorkspaceNotes::new(Arc::new(settings.workspaces.clone()), Arc::new(SystemClock)))
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
        principals: named(&settings.tools.by_principal)
            .into_iter()
            .map(|(id, rules)| (PrincipalId::from_stored(id), rules))
            .collect(),
        channels: named(&settings.tools.by_channel),
        senders: named(&settings.tools.tools_by_sender),
        meeting: settings.tools.agent_to_agent.meeting(),
        asking: settings.tools.asking(),
    }
}

/// The tool that searches the web, where a service is configured.
fn web_search(settings: &Search) -> Option<WebSearch> {
    let Search { enabled, provider, base_url, api_key, max_results } = settings;
    let service = match provider.filter(|_| *enabled)? {
        SearchProvider::Searxng => Service::Searxng,
        SearchProvider::Brave => Service::Brave,
        SearchProvider::Tavily => Service::Tavily,
    };
    let api_key = api_key.as_ref().filter(|key| !key.is_blank()).map(SecretText::secret);
    let Some(address) = base_url.as_ref().map(|url| url.as_str()).or(service.address()) else {
        tracing::warn!("configuration: web_search is not there: tools.web.search.baseUrl has to say where SearXNG is");
        return None;
    };
    if api_key.is_none() && service != Service::Searxng {
        tracing::warn!("configuration: web_search is not there: tools.web.search.apiKey is missing");
        return None;
    }
    // The address is the operator's own choice, so that host may be private; nothing else may.
    let allow = AllowList::new(base_url.as_ref().and_then(|url| Allowed::of_address(url.as_str())));
    let results_max = usize::try_from(max_results.get()).unwrap_or(1);
    let settings = search::Settings { service, base_url: address.to_owned(), api_key, results_max };
    Some(WebSearch::new(settings, Egress::new(allow)))
}

fn commands(settings: &Exec) -> exec::Settings {
    let Exec { security, ask, allowlist, network, timeout_sec, max_timeout_sec, memory_mb, sandbox } = settings;
    let timeout = Duration::from_secs(timeout_sec.get());
    let launcher = |walls| Launcher {
        // This very program, also after another was put in its place on the disk.
        program: "/proc/self/exe".into(),
        argument: Some(SANDBOX_WORD.to_owned()),
        walls,
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
        memory_bytes: memory_mb.get() << 20,
        timeout,
        timeout_max: timeout.max(Duration::from_secs(max_timeout_sec.get())),
        launcher: match sandbox {
            Sandbox::Require => Some(launcher(Walls::Whole)),
            Sandbox::Auto => Some(launcher(Walls::Some)),
            Sandbox::Off => cfg!(target_os = "linux").then(|| launcher(Walls::None)),
        },
    }
}
