//! The typed table of methods: name, scope, parameters, handler. What is not in it is refused.
//!
//! A method is one file with one type; adding one is a `mod` line and an entry in [`METHODS`].

mod agent;
mod agent_identity_get;
mod agent_wait;
mod agents_list;
mod audit_list;
mod browser_screenshot;
mod channel_list;
mod channel_status;
mod channels_status;
mod chat_abort;
mod chat_history;
mod chat_inject;
mod chat_run;
mod chat_send;
mod commands_list;
mod config_apply;
mod config_get;
mod config_patch;
mod config_schema;
mod config_set;
#[cfg(test)]
mod contract;
mod cron_list;
mod cron_status;
mod device_pair_approve;
mod device_pair_list;
mod device_pair_reject;
mod device_pair_remove;
mod device_token_revoke;
mod device_token_rotate;
mod exec_approval_get;
mod exec_approval_list;
mod exec_approval_resolve;
mod exec_approvals_get;
mod health;
mod keys_create;
mod keys_list;
mod keys_revoke;
mod last_heartbeat;
mod logs_tail;
mod memory_add;
mod memory_delete;
mod memory_get;
mod memory_list;
mod memory_search;
mod models_list;
mod models_set;
mod node_list;
mod node_pair_list;
mod openclaw_approval_list;
mod plugin_approval_list;
mod question_list;
mod runs_resume;
mod send;
mod session_get;
mod session_list;
mod sessions_abort;
mod sessions_compact;
mod sessions_create;
mod sessions_delete;
mod sessions_describe;
mod sessions_get;
mod sessions_history;
mod sessions_list;
mod sessions_patch;
mod sessions_preview;
mod sessions_reset;
mod sessions_resolve;
mod sessions_send;
mod sessions_subscribe;
mod sessions_unsubscribe;
mod sessions_update;
mod sessions_usage;
mod set_heartbeats;
mod skills_status;
mod skills_update;
mod status;
mod system_event;
mod system_presence;
mod system_status;
mod tasks_cancel;
mod tasks_get;
mod tasks_list;
mod tasks_retry;
mod tasks_submit;
mod tasks_watch;
mod tools_catalog;
mod tools_invoke;
mod tools_trust;
mod usage_cost;
mod usage_status;
mod wake;

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use claw_core::{Principal, Scope, SessionKey, Visibility};
use claw_wire::BadRequest;
use claw_wire::error::FrameError;
use claw_wire::ws::frame::{self, FrameId, Request};
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use tracing::Instrument;

use super::connection::Line;
use crate::doors::Doors;
use crate::error::Problem;

/// One method.
trait Method {
    /// As it is called.
    const NAME: &'static str;
    /// What the caller must be allowed.
    const SCOPE: Scope;
    /// What it takes.
    type Params: DeserializeOwned + JsonSchema + Send + 'static;
    /// Carries it out; answers by [`Call::answer`], a refusal is answered for it.
    fn run(call: &Call, params: Self::Params) -> impl Future<Output = Result<(), Problem>> + Send;
}

/// One entry of the table.
struct Entry {
    name: &'static str,
    scope: Scope,
    start: fn(Call, Option<&RawValue>) -> Option<BoxFuture<'static, ()>>,
    #[cfg(test)]
    params: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

/// Every method.
const METHODS: &[Entry] = &[
    on::<health::Health>(),
    on::<status::Status>(),
    on::<agent::Agent>(),
    on::<agent_wait::AgentWait>(),
    on::<chat_abort::ChatAbort>(),
    on::<sessions_list::SessionsList>(),
    on::<sessions_history::SessionsHistory>(),
    on::<chat_history::ChatHistoryOf>(),
    on::<chat_inject::ChatInject>(),
    on::<sessions_get::SessionsGet>(),
    on::<sessions_create::SessionsCreate>(),
    on::<sessions_update::SessionsUpdate>(),
    on::<sessions_patch::SessionsPatch>(),
    on::<sessions_preview::SessionsPreview>(),
    on::<sessions_resolve::SessionsResolve>(),
    on::<sessions_reset::SessionsReset>(),
    on::<sessions_delete::SessionsDelete>(),
    on::<sessions_compact::SessionsCompact>(),
    on::<sessions_describe::SessionsDescribe>(),
    on::<sessions_usage::SessionsUsed>(),
    on::<usage_status::UsageOfProviders>(),
    on::<usage_cost::UsageCosts>(),
    on::<tasks_submit::TasksSubmit>(),
    on::<tasks_list::TasksList>(),
    on::<tasks_get::TasksGet>(),
    on::<tasks_cancel::TasksCancel>(),
    on::<tasks_retry::TasksRetry>(),
    on::<tasks_watch::TasksWatch>(),
    on::<logs_tail::LogsTail>(),
    on::<audit_list::AuditList>(),
    on::<memory_search::MemorySearch>(),
    on::<memory_add::MemoryAdd>(),
    on::<memory_list::MemoryList>(),
    on::<memory_get::MemoryGet>(),
    on::<memory_delete::MemoryDelete>(),
    on::<keys_create::KeysCreate>(),
    on::<keys_list::KeysList>(),
    on::<keys_revoke::KeysRevoke>(),
    on::<device_pair_list::DevicePairList>(),
    on::<device_pair_approve::DevicePairApprove>(),
    on::<device_pair_reject::DevicePairReject>(),
    on::<device_pair_remove::DevicePairRemove>(),
    on::<device_token_rotate::DeviceTokenRotate>(),
    on::<device_token_revoke::DeviceTokenRevoke>(),
    on::<agents_list::AgentsList>(),
    on::<agent_identity_get::AgentIdentityGet>(),
    on::<tools_catalog::ToolsCatalog>(),
    on::<tools_invoke::ToolsInvoke>(),
    on::<tools_trust::ToolsTrust>(),
    on::<skills_status::SkillsStatus>(),
    on::<skills_update::SkillsUpdate>(),
    on::<commands_list::Commands>(),
    on::<channels_status::ChannelsStatus>(),
    on::<send::Send>(),
    on::<cron_list::CronJobs>(),
    on::<cron_status::CronState>(),
    on::<node_list::Nodes>(),
    on::<node_pair_list::NodePairList>(),
    on::<exec_approvals_get::ExecApprovalsGet>(),
    on::<exec_approval_list::ExecApprovalList>(),
    on::<exec_approval_get::ExecApprovalGet>(),
    on::<exec_approval_resolve::ExecApprovalResolve>(),
    on::<plugin_approval_list::PluginApprovalList>(),
    on::<openclaw_approval_list::OpenclawApprovalList>(),
    on::<question_list::QuestionList>(),
    on::<session_list::SessionListing>(),
    on::<session_get::SessionGet>(),
    on::<channel_list::ChannelList>(),
    on::<channel_status::ChannelStatus>(),
    on::<browser_screenshot::BrowserScreenshot>(),
    on::<system_status::SystemStatus>(),
    on::<config_get::ConfigGet>(),
    on::<config_schema::ConfigSchema>(),
    on::<config_set::ConfigSet>(),
    on::<config_patch::ConfigPatch>(),
    on::<config_apply::ConfigApply>(),
    on::<models_list::ModelsList>(),
    on::<models_set::ModelsSet>(),
    on::<chat_send::ChatSend>(),
    on::<chat_run::ChatRun>(),
    on::<sessions_send::SessionsSend>(),
    on::<sessions_abort::SessionsAbort>(),
    on::<sessions_subscribe::SessionsSubscribe>(),
    on::<sessions_unsubscribe::SessionsUnsubscribe>(),
    on::<runs_resume::RunsResume>(),
    on::<system_presence::SystemPresence>(),
    on::<system_event::SystemEvent>(),
    on::<wake::Wake>(),
    on::<set_heartbeats::SetHeartbeats>(),
    on::<last_heartbeat::LastHeartbeat>(),
];

const fn on<M: Method>() -> Entry {
    Entry {
        name: M::NAME,
        scope: M::SCOPE,
        start: start::<M>,
        #[cfg(test)]
        params: contract::params_of::<M>,
    }
}

/// The names, as `hello-ok` announces them.
pub(crate) fn names() -> Vec<&'static str> {
    METHODS.iter().map(|entry| entry.name).collect()
}

/// How often each method was called: the counters are found once, not with each call.
pub(crate) struct Counters(HashMap<&'static str, [metrics::Counter; 2]>);

impl Counters {
    /// Those of the process's metrics, which have to be there by now.
    pub(crate) fn new() -> Self {
        let counter = |name, ok| metrics::counter!("openclaw_ws_calls_total", "method" => name, "ok" => ok);
        Self(METHODS.iter().map(|entry| (entry.name, [counter(entry.name, "0"), counter(entry.name, "1")])).collect())
    }
    fn count(&self, method: &str, is_ok: bool) {
        if let Some([refused, carried_out]) = self.0.get(method) {
            if is_ok { carried_out } else { refused }.increment(1);
        }
    }
}

/// One call of a method.
pub(crate) struct Call {
    id: FrameId,
    line: Arc<Line>,
}

impl Call {
    /// Everything behind the port.
    pub(crate) fn doors(&self) -> &Doors {
        &self.line.doors
    }
    /// The socket it came by.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }
    /// The same, to be kept beyond the call.
    pub(crate) const fn line_arc(&self) -> &Arc<Line> {
        &self.line
    }
    /// Who calls.
    pub(crate) fn principal(&self) -> &Principal {
        self.line.peer.caller.principal()
    }
    /// The key under which the caller's conversation of this name lies (K6).
    pub(crate) async fn place(&self, key: &SessionKey) -> Result<SessionKey, Problem> {
        Ok(self.doors().app.sessions.place(self.principal(), key).await?)
    }
    /// Whether one of OpenClaw's own programs calls.
    pub(crate) fn is_stock(&self) -> bool {
        self.line.peer.voice.is_stock
    }
    /// For what tells of everybody: whoever sees only its own has to be an admin.
    pub(crate) fn require_overview(&self) -> Result<(), Problem> {
        let principal = self.principal();
        let may = principal.visibility() == Visibility::All || principal.scopes.allows(Scope::Admin);
        if may { Ok(()) } else { Err(claw_app::Error::Forbidden(Scope::Admin.name()).into()) }
    }
    /// A refusal in this socket's words: a scope that is missing is told as the table tells it.
    fn refusal(&self, method: &str, problem: &Problem) -> FrameError {
        let missing =
            Scope::ALL.into_iter().find(|scope| *problem.message == *format!("missing scope: {}", scope.name()));
        missing.map_or_else(|| refusal(method, problem), |scope| missing_scope(scope, self.line.peer.protocol))
    }
    /// Sends an answer; two-stage methods send two.
    pub(crate) fn answer(&self, payload: &impl Serialize) {
        self.line.outbox.answer(&self.id, payload);
    }
    /// Sends an answer that is JSON already.
    pub(crate) fn answer_json(&self, payload: &RawValue) {
        self.line.outbox.answer_json(&self.id, payload);
    }
    /// Counts the call, and answers a refusal.
    fn done<M: Method>(&self, done: Result<(), FrameError>) {
        self.doors().counters.count(M::NAME, done.is_ok());
        if let Err(error) = done {
            tracing::debug!("refused with {}: {}", error.code, error.message);
            self.line.outbox.refuse(&self.id, &error);
        }
    }
    /// Sends a refusal with a payload beside it.
    pub(crate) fn refuse_with(&self, error: &FrameError, payload: &impl Serialize) {
        self.line.outbox.push(frame::refusal_with(&self.id, error, payload));
    }
}

/// Finds the method and begins it; what it cannot answer at once is given back and answers by itself.
///
/// # Errors
/// There is no such method, or the caller may not.
pub(crate) fn dispatch(line: &Arc<Line>, request: &Request<'_>) -> Result<Option<BoxFuture<'static, ()>>, FrameError> {
    let Some(entry) = METHODS.iter().find(|entry| entry.name == request.method) else {
        let shown: String = request.method.chars().take(80).collect();
        return Err(FrameError::new("INVALID_REQUEST", format!("unknown method: {shown}")));
    };
    if !line.peer.caller.principal().scopes.allows(entry.scope) {
        return Err(missing_scope(entry.scope, line.peer.protocol));
    }
    let call = Call { id: request.id.clone(), line: Arc::clone(line) };
    let span = tracing::info_span!("call", method = entry.name);
    Ok(span.in_scope(|| (entry.start)(call, request.params)))
}

fn start<M: Method>(call: Call, params: Option<&RawValue>) -> Option<BoxFuture<'static, ()>> {
    let note = |path: &dyn Display| call.doors().unknown_fields.note(M::NAME, path);
    let params = match frame::params_noting(M::NAME, params, note) {
        Ok(params) => params,
        Err(error) => {
            call.done::<M>(Err(error));
            return None;
        }
    };
    let run = async move {
        let done = M::run(&call, params).await.map_err(|problem| call.refusal(M::NAME, &problem));
        call.done::<M>(done);
    };
    let mut run: BoxFuture<'static, ()> = Box::pin(run.in_current_span());
    // Most methods have nothing to wait for; whoever has is asked again where it can be woken.
    match run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(()) => None,
        Poll::Pending => Some(run),
    }
}

/// Parameters that mean nothing are told like parameters of the wrong type.
fn refusal(method: &str, problem: &Problem) -> FrameError {
    match &problem.param {
        Some(param) if problem.status == http::StatusCode::BAD_REQUEST => {
            // The frame names the place itself.
            let message = problem.message.strip_prefix(&format!("{param}: ")).unwrap_or(&problem.message);
            let bad = BadRequest::of(&**param, message);
            FrameError { details: problem.to_frame_error().details, ..frame::bad_params(method, &bad) }
        }
        _ => problem.to_frame_error(),
    }
}

fn missing_scope(scope: Scope, protocol: u32) -> FrameError {
    // Clients of protocol 3 know no other word for it.
    let code = if protocol >= 4 { "FORBIDDEN" } else { "INVALID_REQUEST" };
    let name = scope.name();
    let details = json!({"code": "MISSING_SCOPE", "missingScope": name, "requiredScopes": [name]});
    FrameError::new(code, format!("missing scope: {name}")).with_details(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_one_entry_and_its_scope() {
        let rows = include_str!("../../scopes.txt").lines().filter(|line| !line.starts_with('#'));
        let written: Vec<(&str, &str)> = rows
            .map(|row| {
                let mut words = row.split_whitespace();
                (words.next().unwrap_or_default(), words.next().unwrap_or_default())
            })
            .collect();
        let mut served: Vec<(&str, &str)> = METHODS.iter().map(|entry| (entry.name, entry.scope.name())).collect();
        served.sort_unstable();
        assert_eq!(served, written, "scopes.txt is the table of what each method needs, sorted by name");
        let mut names = names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METHODS.len());
    }

    #[test]
    fn a_missing_scope_is_named_in_each_protocols_words() {
        let old = missing_scope(Scope::Read, 3);
        assert_eq!((old.code, old.message.as_str()), ("INVALID_REQUEST", "missing scope: operator.read"));
        assert_eq!(missing_scope(Scope::Admin, 4).code, "FORBIDDEN");
    }

    #[test]
    fn parameters_without_meaning_are_told_like_those_of_the_wrong_type() {
        let problem = Problem::from(BadRequest::of("sessionKey", "too long"));
        assert_eq!(refusal("agent", &problem).message, "invalid agent params: at sessionKey: too long");
        let problem = Problem::from(BadRequest::of("scopes", "scopes: must be known"));
        assert_eq!(refusal("keys.create", &problem).message, "invalid keys.create params: at scopes: must be known");
    }
}
