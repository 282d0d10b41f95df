//! An app over a database in a temporary directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claw_agent::{AgentProfile, Catalog, EventReader};
use claw_app::memory::Keeper;
use claw_app::tasks::NewRun;
use claw_app::{App, Callbacks, Parts, Settings};
use claw_core::message::JsonText;
use claw_core::provider::{ModelInfo, Provider, ToolSpec};
use claw_core::retry;
use claw_core::run::{RunEvent, Sequenced};
use claw_core::tool::{Tool, ToolContext, ToolError};
use claw_core::{AgentId, Lane, Principal, PrincipalId, Scope, Scopes, Secret, SessionKey, Turn};
use claw_net::HttpClient;
use claw_net::egress::{AllowList, Egress};
use claw_providers::OpenAi;
use claw_queue::memory::{self, MemoryQueue};
use claw_queue::worker;
use claw_runtime::TaskScope;
use claw_store::{Recovered, Store};
use claw_testkit::{FakeClock, Gate, Upstream};
use claw_tools::Workspaces;
use claw_tools::notes::WorkspaceNotes;

/// Long enough for anything that happens at all.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// An app, its upstream and its clock.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) recovered: Recovered,
    scope: TaskScope,
    store_scope: TaskScope,
}

impl House {
    /// Opens the house over `directory`; a second one over the same continues where the first stopped.
    pub(crate) async fn open(directory: &Path, upstream: &Upstream) -> Self {
        Self::open_with(directory, upstream, Vec::new(), Settings::default()).await
    }

    pub(crate) async fn open_with(
        directory: &Path,
        upstream: &Upstream,
        more_tools: Vec<Arc<dyn Tool>>,
        settings: Settings,
    ) -> Self {
        Self::open_calling(directory, upstream, more_tools, settings, Calls::default()).await
    }

    pub(crate) async fn open_calling(
        directory: &Path,
        upstream: &Upstream,
        more_tools: Vec<Arc<dyn Tool>>,
        settings: Settings,
        calls: Calls,
    ) -> Self {
        Self::open_over(directory, catalog(upstream), more_tools, settings, calls).await
    }

    pub(crate) async fn open_over(
        directory: &Path,
        catalog: Catalog,
        more_tools: Vec<Arc<dyn Tool>>,
        settings: Settings,
        calls: Calls,
    ) -> Self {
        claw_net::install_crypto();
        let clock = Arc::new(FakeClock::default());
        let (scope, store_scope) = (TaskScope::new(), TaskScope::new());
        let settings = Settings {
            retry: retry::Policy { base: Duration::from_millis(1), cap: Duration::from_millis(2), attempts_max: 3 },
            workers: worker::Settings { drain: Duration::ZERO, ..worker::Settings::default() },
            ..settings
        };
        let path = directory.join("openclaw.db");
        let store =
            claw_store::sqlite::SqliteStore::open(claw_store::sqlite::Settings::at(path), &store_scope).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let queue = Arc::new(MemoryQueue::new(memory::Settings::default()));
        let keeper = keeper(directory, &store, &clock);
        let parts = Parts {
            store: Arc::clone(&store),
            queue: Arc::clone(&queue) as Arc<dyn claw_queue::Queue>,
            catalog: Arc::new(catalog),
            memory: Arc::clone(&keeper),
            more_tools,
            callbacks: calls.callbacks(),
            clock: Arc::clone(&clock) as Arc<dyn claw_core::Clock>,
            ids: Arc::new(claw_runtime::SystemIds),
            scope: scope.clone(),
            settings,
        };
        let (app, recovered) = App::start(parts).await.unwrap();
        Self { app, store, queue, clock, keeper, recovered, scope, store_scope }
    }

    /// Stops as a signal does: runs in progress are given back.
    pub(crate) async fn stop(self) {
        self.app.drain();
        assert_eq!(self.scope.close(SOON).await, 0, "every future has an owner that ends it");
        self.store.close().await;
        self.store_scope.close(SOON).await;
    }

    /// Stops as `kill -9` does, as far as one process can: nothing more is committed.
    pub(crate) async fn die(self) {
        self.store.close().await;
        self.store_scope.close(SOON).await;
        self.scope.close(SOON).await;
    }
}

/// What agents remember, in the store and in `workspace`.
fn keeper(directory: &Path, store: &Arc<dyn Store>, clock: &Arc<FakeClock>) -> Arc<Keeper> {
    let at = |name: &str| directory.join(name);
    let workspaces = Workspaces { default: at("workspace"), agents: Vec::new(), api_keys: at("keys") };
    let clock = || Arc::clone(clock) as Arc<dyn claw_core::Clock>;
    let notes = Arc::new(WorkspaceNotes::new(Arc::new(workspaces), clock()));
    Arc::new(Keeper::new(Arc::clone(store), clock(), Arc::new(claw_runtime::SystemIds), notes))
}

/// Whom a house may call, and what it signs with.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) allow: Vec<String>,
    pub(crate) secret: Option<&'static str>,
}

impl Calls {
    pub(crate) fn callbacks(self) -> Callbacks {
        Callbacks {
            courier: Arc::new(Egress::new(AllowList::new(self.allow.iter().map(|entry| entry.parse().unwrap())))),
            render: claw_wire::v2::delivery::task_ended,
            secret: self.secret.map(Secret::new),
            look_every: Duration::from_millis(20),
        }
    }
}

pub(crate) fn catalog(upstream: &Upstream) -> Catalog {
    claw_net::install_crypto();
    let client = HttpClient::new(claw_net::Settings::default()).unwrap();
    let mut settings = claw_providers::Settings::new("mock", upstream.base_url());
    settings.models = ["mock-1", "mock-2"].map(ModelInfo::named).to_vec();
    let provider: Arc<dyn Provider> = Arc::new(OpenAi::new(settings, client).unwrap());
    let ops = AgentProfile {
        id: AgentId::parse("ops").unwrap(),
        name: None,
        system_prompt: Some("You run things.".into()),
        model: Some("mock/mock-2".into()),
        fallbacks: None,
    };
    Catalog::new(vec![provider], vec![ops], AgentId::main(), None)
}

/// A turn in the session of this name.
pub(crate) fn turn(session: &str, text: &str) -> Turn {
    Turn::text(SessionKey::resolve(session, &AgentId::main()).unwrap(), text)
}

/// A background run.
pub(crate) fn task(session: &str, text: &str) -> NewRun {
    NewRun::of(turn(session, text), Lane::Standard)
}

pub(crate) fn operator() -> Principal {
    Principal::operator()
}

/// The holder of some API key.
pub(crate) fn stranger(number: u128) -> Principal {
    let id = claw_core::ApiKeyId::from_uuid(uuid::Uuid::from_u128(number));
    Principal { id: PrincipalId::api_key(id), scopes: Scopes::of(&[Scope::Write]) }
}

/// All events up to the terminal one.
pub(crate) async fn all(mut reader: EventReader) -> Vec<Sequenced> {
    let mut events = Vec::new();
    let read = async {
        while let Some(event) = reader.next().await.unwrap() {
            events.push(event.as_ref().clone());
        }
    };
    tokio::time::timeout(SOON, read).await.expect("the run ends");
    events
}

/// The answer as a reader puts it together; a new attempt starts it over.
pub(crate) fn text_of(events: &[Sequenced]) -> String {
    events.iter().fold(String::new(), |mut text, event| {
        match &event.event {
            RunEvent::Started { .. } => text.clear(),
            RunEvent::Text { delta } => text.push_str(delta),
            _ => {}
        }
        text
    })
}

/// A tool whose effect must not be repeated: it counts, and can be held.
pub(crate) struct Effect {
    pub(crate) done: std::sync::atomic::AtomicU32,
    pub(crate) gate: Option<Gate>,
}

#[async_trait]
impl Tool for Effect {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new("effect", "Counts.", JsonText::new(r#"{"type":"object"}"#))
    }
    fn is_idempotent(&self) -> bool {
        false
    }
    async fn call(&self, _: &ToolContext, _: &JsonText) -> Result<String, ToolError> {
        self.done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
        Ok("done".into())
    }
}

/// A tool that changes nothing, and answers when two calls of it have met.
pub(crate) struct Meeting(pub(crate) tokio::sync::Barrier);

#[async_trait]
impl Tool for Meeting {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new("meet", "Meets.", JsonText::new(r#"{"type":"object"}"#))
    }
    fn is_idempotent(&self) -> bool {
        true
    }
    async fn call(&self, _: &ToolContext, arguments: &JsonText) -> Result<String, ToolError> {
        self.0.wait().await;
        Ok(arguments.as_str().to_owned())
    }
}
