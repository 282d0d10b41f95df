//! What differs between two configurations, key by key, and whether a restart is needed for it.
//!
//! Taken apart field by field, so that a key which is added and forgotten here does not compile.
//! Says which keys differ and never what stands there: some are secrets.

use std::collections::BTreeSet;

use super::file::{
    Agent, AgentDefaults, Agents, Compaction, Embedded, Endpoints, Executor, Hooks, Memory, Provider, Tasks, Webhooks,
    Workers,
};
use super::limits::Limits;
use super::settings::{Fixed, Live, Logging, Settings};
use super::skills::Skills;
use super::tools::{AgentToAgent, Exec, Fetch, Search, ToolRules, Tools, Web};
use super::values::ModelChoice;

/// Dotted paths of keys, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// A running gateway takes these up.
    pub(crate) live: Vec<String>,
    /// These hold from the next start on.
    pub(crate) fixed: Vec<String>,
}

/// The keys in which two configurations differ.
pub(crate) fn between(old: &Settings, new: &Settings) -> Changes {
    Changes { live: live(&old.live, &new.live), fixed: fixed(&old.fixed, &new.fixed) }
}

/// The keys in which two configurations differ that hold for the life of a gateway.
pub(crate) fn fixed(old: &Fixed, new: &Fixed) -> Vec<String> {
    let Fixed { port, bind, auth_mode, allow_query, store_path, embedded, models_dir: _, logging } = old;
    // The filter is the environment's and cannot change while the process lives.
    let Logging { format, filter: _, file } = logging;
    let Embedded { enabled, model, path, threads, idle_unload_seconds, context_tokens } = embedded;
    let mut keys = Keys::default();
    keys.note("gateway.port", *port == new.port);
    keys.note("gateway.bind", *bind == new.bind);
    keys.note("gateway.auth.mode", *auth_mode == new.auth_mode);
    keys.note("gateway.auth.allowQuery", *allow_query == new.allow_query);
    keys.note("store.path", *store_path == new.store_path);
    keys.note("embedded.enabled", *enabled == new.embedded.enabled);
    keys.note("embedded.model", *model == new.embedded.model);
    keys.note("embedded.path", *path == new.embedded.path);
    keys.note("embedded.threads", *threads == new.embedded.threads);
    keys.note("embedded.idleUnloadSeconds", *idle_unload_seconds == new.embedded.idle_unload_seconds);
    keys.note("embedded.contextTokens", *context_tokens == new.embedded.context_tokens);
    keys.note("logging.format", *format == new.logging.format);
    keys.note("logging.file", *file == new.logging.file);
    keys.0
}

fn live(old: &Live, new: &Live) -> Vec<String> {
    let Live {
        token,
        password,
        endpoints: Endpoints { chat_completions, responses },
        allowed_origins,
        allowed_hosts,
        limits: Limits { requests_per_minute, max_concurrent: answers },
        plans,
        reload,
        providers,
        agents,
        executors,
        tools,
        skills: Skills { allow_bundled, allow_hosts: skill_hosts, entries },
        // Follows from the agents.
        workspaces: _,
        memory: Memory { retention },
        // Does not change, or follows from everything else.
        skills_dir: _,
        surroundings: _,
        workers: Workers { max_concurrent },
        tasks: Tasks { max_attempts },
        webhooks: Webhooks { secret, allow_hosts },
        hooks,
        log_level,
    } = old;
    let mut keys = Keys::default();
    keys.note("gateway.auth.token", *token == new.token);
    keys.note("gateway.auth.password", *password == new.password);
    keys.note("gateway.http.endpoints.chatCompletions.enabled", *chat_completions == new.endpoints.chat_completions);
    keys.note("gateway.http.endpoints.responses.enabled", *responses == new.endpoints.responses);
    keys.note("gateway.allowedOrigins", *allowed_origins == new.allowed_origins);
    keys.note("gateway.allowedHosts", *allowed_hosts == new.allowed_hosts);
    keys.note("gateway.limits.requestsPerMinute", *requests_per_minute == new.limits.requests_per_minute);
    keys.note("gateway.limits.maxConcurrent", *answers == new.limits.max_concurrent);
    let names: BTreeSet<&String> = plans.keys().chain(new.plans.keys()).collect();
    for name in names {
        keys.note(format!("plans.{}", quoted(name)), plans.get(name) == new.plans.get(name));
    }
    keys.note("gateway.reload.mode", *reload == new.reload);
    let ids: BTreeSet<&String> = providers.keys().chain(new.providers.keys()).collect();
    for id in ids {
        keys.provider(id, providers.get(id), new.providers.get(id));
    }
    keys.agents(agents, &new.agents);
    let ids: BTreeSet<&String> = executors.keys().chain(new.executors.keys()).collect();
    for id in ids {
        keys.executor(id, executors.get(id), new.executors.get(id));
    }
    keys.tools(tools, &new.tools);
    keys.note("memory.retention", *retention == new.memory.retention);
    keys.note("skills.allowBundled", *allow_bundled == new.skills.allow_bundled);
    keys.note("skills.allowHosts", *skill_hosts == new.skills.allow_hosts);
    let names: BTreeSet<&String> = entries.keys().chain(new.skills.entries.keys()).collect();
    for name in names {
        keys.note(format!("skills.entries.{name}"), entries.get(name) == new.skills.entries.get(name));
    }
    keys.note("workers.maxConcurrent", *max_concurrent == new.workers.max_concurrent);
    keys.note("tasks.maxAttempts", *max_attempts == new.tasks.max_attempts);
    keys.note("webhooks.secret", *secret == new.webhooks.secret);
    keys.note("webhooks.allowHosts", *allow_hosts == new.webhooks.allow_hosts);
    keys.hooks(hooks, &new.hooks);
    keys.note("logging.level", *log_level == new.log_level);
    keys.0
}

/// A name as it stands in a path.
fn quoted(id: &str) -> String {
    if id.contains('.') { format!("\"{id}\"") } else { id.to_owned() }
}

#[derive(Default)]
struct Keys(Vec<String>);

impl Keys {
    fn note(&mut self, key: impl Into<String>, is_same: bool) {
        if !is_same {
            self.0.push(key.into());
        }
    }

    fn provider(&mut self, id: &str, old: Option<&Provider>, new: Option<&Provider>) {
        let key = format!("models.providers.{}", quoted(id));
        let (Some(old), Some(new)) = (old, new) else {
            self.note(key, false);
            return;
        };
        let Provider { base_url, api_key, api_keys, api, timeout_seconds, models } = old;
        self.note(format!("{key}.baseUrl"), *base_url == new.base_url);
        self.note(format!("{key}.apiKey"), *api_key == new.api_key);
        self.note(format!("{key}.apiKeys"), *api_keys == new.api_keys);
        self.note(format!("{key}.api"), *api == new.api);
        self.note(format!("{key}.timeoutSeconds"), *timeout_seconds == new.timeout_seconds);
        self.note(format!("{key}.models"), *models == new.models);
    }

    fn hooks(&mut self, old: &Hooks, new: &Hooks) {
        let Hooks { enabled, token, path, max_body_bytes, default_session_key, allow_request_session_key, .. } = old;
        let Hooks { allowed_session_key_prefixes, allowed_agent_ids, .. } = old;
        self.note("hooks.enabled", *enabled == new.enabled);
        self.note("hooks.token", *token == new.token);
        self.note("hooks.path", *path == new.path);
        self.note("hooks.maxBodyBytes", *max_body_bytes == new.max_body_bytes);
        self.note("hooks.defaultSessionKey", *default_session_key == new.default_session_key);
        self.note("hooks.allowRequestSessionKey", *allow_request_session_key == new.allow_request_session_key);
        self.note("hooks.allowedSessionKeyPrefixes", *allowed_session_key_prefixes == new.allowed_session_key_prefixes);
        self.note("hooks.allowedAgentIds", *allowed_agent_ids == new.allowed_agent_ids);
    }

    fn executor(&mut self, id: &str, old: Option<&Executor>, new: Option<&Executor>) {
        let key = format!("executors.{}", quoted(id));
        let (Some(old), Some(new)) = (old, new) else {
            self.note(key, false);
            return;
        };
        let Executor {
            kind,
            url,
            token,
            agent_id,
            max_concurrent,
            idle_seconds,
            run_limit_seconds,
            continuations,
            continue_with,
            allow_api_keys,
        } = old;
        self.note(format!("{key}.type"), *kind == new.kind);
        self.note(format!("{key}.url"), *url == new.url);
        self.note(format!("{key}.token"), *token == new.token);
        self.note(format!("{key}.agentId"), *agent_id == new.agent_id);
        self.note(format!("{key}.maxConcurrent"), *max_concurrent == new.max_concurrent);
        self.note(format!("{key}.idleSeconds"), *idle_seconds == new.idle_seconds);
        self.note(format!("{key}.runLimitSeconds"), *run_limit_seconds == new.run_limit_seconds);
        self.note(format!("{key}.continuations"), *continuations == new.continuations);
        self.note(format!("{key}.continueWith"), *continue_with == new.continue_with);
        self.note(format!("{key}.allowApiKeys"), *allow_api_keys == new.allow_api_keys);
    }

    fn agents(&mut self, old: &Agents, new: &Agents) {
        let Agents { defaults, list } = old;
        let AgentDefaults { model, executor, models, compaction, system_prompt, max_tool_rounds, workspace } = defaults;
        self.model("agents.defaults", model.as_ref(), new.defaults.model.as_ref());
        self.note("agents.defaults.executor", *executor == new.defaults.executor);
        self.compaction(compaction, &new.defaults.compaction);
        self.note("agents.defaults.models", *models == new.defaults.models);
        self.note("agents.defaults.systemPrompt", *system_prompt == new.defaults.system_prompt);
        self.note("agents.defaults.maxToolRounds", *max_tool_rounds == new.defaults.max_tool_rounds);
        self.note("agents.defaults.workspace", *workspace == new.defaults.workspace);
        let same_people = list.iter().map(|agent| &agent.id).eq(new.list.iter().map(|agent| &agent.id));
        if !same_people {
            return self.note("agents.list", false);
        }
        for (index, (old, new)) in list.iter().zip(&new.list).enumerate() {
            let key = format!("agents.list.{index}");
            let Agent { id: _, default, name, model, executor, system_prompt, workspace, tools, skills } = old;
            self.note(format!("{key}.default"), *default == new.default);
            self.note(format!("{key}.name"), *name == new.name);
            self.model(&key, model.as_ref(), new.model.as_ref());
            self.note(format!("{key}.executor"), *executor == new.executor);
            self.note(format!("{key}.systemPrompt"), *system_prompt == new.system_prompt);
            self.note(format!("{key}.workspace"), *workspace == new.workspace);
            self.tool_rules(&format!("{key}.tools"), tools, &new.tools);
            self.note(format!("{key}.skills"), *skills == new.skills);
        }
    }

    fn compaction(&mut self, old: &Compaction, new: &Compaction) {
        let Compaction { mode, model, keep_recent_tokens, timeout_seconds } = old;
        self.note("agents.defaults.compaction.mode", *mode == new.mode);
        self.note("agents.defaults.compaction.model", *model == new.model);
        self.note("agents.defaults.compaction.keepRecentTokens", *keep_recent_tokens == new.keep_recent_tokens);
        self.note("agents.defaults.compaction.timeoutSeconds", *timeout_seconds == new.timeout_seconds);
    }

    fn tools(&mut self, old: &Tools, new: &Tools) {
        let Tools { profile, allow, also_allow, deny, ask, after_untrusted, approval_minutes, workspace_mb, .. } = old;
        self.note("tools.workspaceMb", *workspace_mb == new.workspace_mb);
        self.note("tools.ask", *ask == new.ask);
        self.note("tools.afterUntrusted", *after_untrusted == new.after_untrusted);
        self.note("tools.approvalMinutes", *approval_minutes == new.approval_minutes);
        let Tools { api_keys, exec, web, timeout_seconds, .. } = old;
        self.note("tools.timeoutSeconds", *timeout_seconds == new.timeout_seconds);
        let Tools { by_principal, by_channel, tools_by_sender, agent_to_agent, .. } = old;
        let Exec { security, ask, allowlist, network, timeout_sec, max_timeout_sec, memory_mb, sandbox } = exec;
        self.note("tools.profile", *profile == new.profile);
        self.note("tools.allow", *allow == new.allow);
        self.note("tools.alsoAllow", *also_allow == new.also_allow);
        self.note("tools.deny", *deny == new.deny);
        self.tool_rules("tools.apiKeys", api_keys, &new.api_keys);
        self.note("tools.exec.security", *security == new.exec.security);
        self.note("tools.exec.ask", *ask == new.exec.ask);
        self.note("tools.exec.allowlist", *allowlist == new.exec.allowlist);
        self.note("tools.exec.network", *network == new.exec.network);
        self.note("tools.exec.timeoutSec", *timeout_sec == new.exec.timeout_sec);
        self.note("tools.exec.maxTimeoutSec", *max_timeout_sec == new.exec.max_timeout_sec);
        self.note("tools.exec.memoryMb", *memory_mb == new.exec.memory_mb);
        self.note("tools.exec.sandbox", *sandbox == new.exec.sandbox);
        self.note("tools.byPrincipal", *by_principal == new.by_principal);
        self.note("tools.byChannel", *by_channel == new.by_channel);
        self.note("tools.toolsBySender", *tools_by_sender == new.tools_by_sender);
        let AgentToAgent { enabled, allow } = agent_to_agent;
        self.note("tools.agentToAgent.enabled", *enabled == new.agent_to_agent.enabled);
        self.note("tools.agentToAgent.allow", *allow == new.agent_to_agent.allow);
        self.web(web, &new.web);
    }

    fn web(&mut self, old: &Web, new: &Web) {
        let Web { search: Search { enabled, provider, base_url, api_key, max_results }, fetch: Fetch { allow_hosts } } =
            old;
        self.note("tools.web.search.enabled", *enabled == new.search.enabled);
        self.note("tools.web.search.provider", *provider == new.search.provider);
        self.note("tools.web.search.baseUrl", *base_url == new.search.base_url);
        self.note("tools.web.search.apiKey", *api_key == new.search.api_key);
        self.note("tools.web.search.maxResults", *max_results == new.search.max_results);
        self.note("tools.web.fetch.allowHosts", *allow_hosts == new.fetch.allow_hosts);
    }

    fn tool_rules(&mut self, key: &str, old: &ToolRules, new: &ToolRules) {
        let ToolRules { profile, allow, also_allow, deny, ask } = old;
        self.note(format!("{key}.profile"), *profile == new.profile);
        self.note(format!("{key}.allow"), *allow == new.allow);
        self.note(format!("{key}.alsoAllow"), *also_allow == new.also_allow);
        self.note(format!("{key}.deny"), *deny == new.deny);
        self.note(format!("{key}.ask"), *ask == new.ask);
    }

    fn model(&mut self, key: &str, old: Option<&ModelChoice>, new: Option<&ModelChoice>) {
        let primary = |choice: Option<&ModelChoice>| choice.map(|choice| choice.primary().to_owned());
        let fallbacks = |choice: Option<&ModelChoice>| choice?.own_fallbacks().map(<[String]>::to_vec);
        self.note(format!("{key}.model.primary"), primary(old) == primary(new));
        self.note(format!("{key}.model.fallbacks"), fallbacks(old) == fallbacks(new));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reader::{self, Unset};
    use crate::config::settings::Location;
    use crate::config::tree;
    use crate::env::Environment;

    fn settings(text: &str) -> Settings {
        let environment = Environment::of(&[("HOME", "/h")]);
        let reading = reader::read(&tree::parse(text).unwrap(), &environment, Unset::Refuse);
        let location = Location { state_dir: "/s".into(), config_file: "/s/openclaw.json".into() };
        assert_eq!(reading.problems, []);
        Settings::resolve(reading.value.unwrap(), location, &environment)
    }

    fn changes(old: &str, new: &str) -> (Vec<String>, Vec<String>) {
        let Changes { live, fixed } = between(&settings(old), &settings(new));
        (live, fixed)
    }

    #[test]
    fn every_key_is_found_under_its_path_and_in_its_class() {
        let live = [
            ("{ gateway: { auth: { token: 'a' } } }", "gateway.auth.token"),
            ("{ gateway: { password: 'a' } }", "gateway.auth.password"),
            ("{ hooks: { token: 'a' } }", "hooks.token"),
            ("{ hooks: { path: '/in' } }", "hooks.path"),
            ("{ executors: { v1: { url: 'http://x' } } }", "executors.v1"),
            ("{ agents: { defaults: { executor: 'v1' } } }", "agents.defaults.executor"),
            (
                "{ gateway: { http: { endpoints: { chatCompletions: { enabled: false } } } } }",
                "gateway.http.endpoints.chatCompletions.enabled",
            ),
            ("{ gateway: { allowedHosts: ['a'] } }", "gateway.allowedHosts"),
            ("{ gateway: { allowedOrigins: ['a'] } }", "gateway.allowedOrigins"),
            ("{ gateway: { limits: { requestsPerMinute: 0 } } }", "gateway.limits.requestsPerMinute"),
            ("{ gateway: { limits: { maxConcurrent: 0 } } }", "gateway.limits.maxConcurrent"),
            ("{ plans: { default: { maxConcurrent: 5 } } }", "plans.default"),
            ("{ tools: { workspaceMb: 0 } }", "tools.workspaceMb"),
            ("{ gateway: { reload: { mode: 'off' } } }", "gateway.reload.mode"),
            ("{ models: { providers: { p: { baseUrl: 'http://x' } } } }", "models.providers.p"),
            ("{ models: { providers: { 'my.p': { baseUrl: 'http://x' } } } }", "models.providers.\"my.p\""),
            ("{ agents: { defaults: { model: 'p/m' } } }", "agents.defaults.model.primary"),
            ("{ agents: { defaults: { systemPrompt: 'x' } } }", "agents.defaults.systemPrompt"),
            ("{ agents: { defaults: { maxToolRounds: 9 } } }", "agents.defaults.maxToolRounds"),
            ("{ agents: { defaults: { workspace: 'x' } } }", "agents.defaults.workspace"),
            ("{ agents: { list: [{ id: 'a' }] } }", "agents.list"),
            ("{ tools: { profile: 'minimal' } }", "tools.profile"),
            ("{ tools: { allow: ['read'] } }", "tools.allow"),
            ("{ tools: { alsoAllow: ['read'] } }", "tools.alsoAllow"),
            ("{ tools: { deny: ['group:fs'] } }", "tools.deny"),
            ("{ tools: { apiKeys: { deny: [] } } }", "tools.apiKeys.deny"),
            ("{ tools: { exec: { security: 'full' } } }", "tools.exec.security"),
            ("{ tools: { exec: { ask: 'always' } } }", "tools.exec.ask"),
            ("{ tools: { exec: { allowlist: [['/bin/ls']] } } }", "tools.exec.allowlist"),
            ("{ tools: { exec: { network: true } } }", "tools.exec.network"),
            ("{ tools: { exec: { timeoutSec: 9 } } }", "tools.exec.timeoutSec"),
            ("{ tools: { exec: { maxTimeoutSec: 9 } } }", "tools.exec.maxTimeoutSec"),
            ("{ tools: { exec: { memoryMb: 512 } } }", "tools.exec.memoryMb"),
            ("{ tools: { exec: { sandbox: 'off' } } }", "tools.exec.sandbox"),
            ("{ tools: { byPrincipal: { operator: { deny: ['exec'] } } } }", "tools.byPrincipal"),
            ("{ tools: { byChannel: { telegram: { profile: 'minimal' } } } }", "tools.byChannel"),
            ("{ tools: { toolsBySender: { '*': { deny: ['exec'] } } } }", "tools.toolsBySender"),
            ("{ tools: { agentToAgent: { enabled: true } } }", "tools.agentToAgent.enabled"),
            ("{ tools: { agentToAgent: { allow: ['a'] } } }", "tools.agentToAgent.allow"),
            ("{ tools: { web: { search: { enabled: false } } } }", "tools.web.search.enabled"),
            ("{ tools: { web: { search: { provider: 'brave' } } } }", "tools.web.search.provider"),
            ("{ tools: { web: { search: { baseUrl: 'http://box:8888' } } } }", "tools.web.search.baseUrl"),
            ("{ tools: { web: { search: { apiKey: 'k' } } } }", "tools.web.search.apiKey"),
            ("{ tools: { timeoutSeconds: 9 } }", "tools.timeoutSeconds"),
            ("{ tools: { web: { search: { maxResults: 3 } } } }", "tools.web.search.maxResults"),
            ("{ tools: { web: { fetch: { allowHosts: ['box'] } } } }", "tools.web.fetch.allowHosts"),
            ("{ skills: { allowBundled: [] } }", "skills.allowBundled"),
            ("{ skills: { allowHosts: ['h'] } }", "skills.allowHosts"),
            ("{ skills: { entries: { git: { enabled: false } } } }", "skills.entries.git"),
            ("{ skills: { entries: { git: { env: { A: 'b' } } } } }", "skills.entries.git"),
            ("{ workers: { maxConcurrent: 1 } }", "workers.maxConcurrent"),
            ("{ tasks: { maxAttempts: 1 } }", "tasks.maxAttempts"),
            ("{ webhooks: { secret: 'x' } }", "webhooks.secret"),
            ("{ webhooks: { allowHosts: ['h'] } }", "webhooks.allowHosts"),
            ("{ logging: { level: 'debug' } }", "logging.level"),
        ];
        for (text, key) in live {
            assert_eq!(changes("{}", text), (vec![key.to_owned()], vec![]), "{text}");
            assert_eq!(changes(text, "{}"), (vec![key.to_owned()], vec![]), "{text} taken away");
            assert_eq!(changes(text, text), (vec![], vec![]), "{text} kept");
        }
    }

    #[test]
    fn every_key_that_needs_a_restart_is_told_so() {
        let fixed = [
            ("{ gateway: { port: 1 } }", "gateway.port"),
            ("{ gateway: { bind: 'lan' } }", "gateway.bind"),
            ("{ gateway: { auth: { mode: 'none' } } }", "gateway.auth.mode"),
            ("{ gateway: { auth: { allowQuery: true } } }", "gateway.auth.allowQuery"),
            ("{ store: { path: 'x' } }", "store.path"),
            ("{ embedded: { enabled: false } }", "embedded.enabled"),
            ("{ embedded: { threads: 1 } }", "embedded.threads"),
            ("{ logging: { format: 'json' } }", "logging.format"),
            ("{ logging: { file: 'off' } }", "logging.file"),
        ];
        for (text, key) in fixed {
            assert_eq!(changes("{}", text), (vec![], vec![key.to_owned()]), "{text}");
        }
    }

    #[test]
    fn a_default_that_is_written_out_is_no_change() {
        let written =
            "{ gateway: { port: 18789, bind: 'auto' }, tasks: { maxAttempts: 3 }, logging: { level: 'info' } }";
        assert_eq!(changes("{}", written), (vec![], vec![]));
        assert_eq!(
            changes("{ gateway: { reload: { mode: 'hybrid' } } }", "{ gateway: { reload: { mode: 'hot' } } }"),
            (vec![], vec![])
        );
    }

    #[test]
    fn what_changed_inside_a_provider_or_an_agent_is_named() {
        let old = "{ models: { providers: { p: { baseUrl: 'http://x', apiKey: '1' } } },
                     agents: { list: [{ id: 'a', model: 'p/m' }, { id: 'b' }] } }";
        let new = "{ models: { providers: { p: { baseUrl: 'http://x', apiKey: '2', models: [{ id: 'm' }] } } },
                     agents: { list: [{ id: 'a', model: { primary: 'p/n', fallbacks: ['p/m'] } }, { id: 'b', name: 'B' }] } }";
        let keys = [
            "models.providers.p.apiKey",
            "models.providers.p.models",
            "agents.list.0.model.primary",
            "agents.list.0.model.fallbacks",
            "agents.list.1.name",
        ];
        assert_eq!(changes(old, new), (keys.map(str::to_owned).to_vec(), vec![]));
    }
}
