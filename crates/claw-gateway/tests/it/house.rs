//! A gateway on port 0 over a database in a temporary directory.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claw_agent::{AgentProfile, Catalog};
use claw_app::limiter::Quotas;
use claw_app::memory::Keeper;
use claw_app::{App, Callbacks, Parts};
use claw_core::audit::Door;
use claw_core::courier::{Courier, CourierError, Letter, Receipt};
use claw_core::permission::Permissions;
use claw_core::provider::{ModelInfo, Provider};
use claw_core::{AgentId, Clock, IdSource, Principal, Scope, Scopes, Secret, retry};
use claw_gateway::Settings;
use claw_gateway::auth::Credentials;
use claw_net::HttpClient;
use claw_net::egress::{AllowList, Egress};
use claw_providers::{OpenAi, Responses};
use claw_queue::memory::{self, MemoryQueue};
use claw_queue::worker;
use claw_runtime::{SystemClock, SystemIds, TaskScope};
use claw_store::Store;
use claw_testkit::clock::{FakeClock, SeededIds};
use claw_testkit::{Upstream, WsClient};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::http::Http;
use crate::paper::Paper;

/// Long enough for anything that happens at all.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) const TOKEN: &str = "oc_gw_right";
pub(crate) const PASSWORD: &str = "pa:ss word";

/// A gateway and everything behind it.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) app: App,
    pub(crate) upstream: Upstream,
    pub(crate) credentials: watch::Sender<Arc<Credentials>>,
    paper: Arc<Paper>,
    store: Arc<dyn Store>,
    work: TaskScope,
    doors: TaskScope,
    store_scope: TaskScope,
    serving: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

/// What a test may bend before the house opens.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) wait_max: Duration,
    pub(crate) permissions: Permissions,
    /// None, unless a test is about them.
    pub(crate) quotas: Quotas,
    /// Whether there is `sealing/o4-mini`, too, which speaks OpenAI's responses.
    has_sealing: bool,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    credentials: watch::Sender<Arc<Credentials>>,
}

impl Plan {
    pub(crate) fn new() -> Self {
        let (token, password) = (Secret::new(TOKEN), Secret::new(PASSWORD));
        let in_force = Credentials::required(Some(&token), Some(&password));
        let (credentials, heard) = watch::channel(Arc::new(in_force));
        Self {
            settings: Settings::new(heard),
            wait_max: Duration::from_secs(300),
            permissions: Permissions::default(),
            quotas: Quotas::NONE,
            has_sealing: false,
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            credentials,
        }
    }

    /// Time stands still, ids come from a seed, and the version is the contract's (C7).
    pub(crate) fn seeded(mut self) -> Self {
        self.settings.version = "2026.2.13".into();
        Self { clock: Arc::new(FakeClock::default()), ids: Arc::new(SeededIds::default()), ..self }
    }

    /// Time is what this clock says.
    pub(crate) fn by(self, clock: Arc<FakeClock>) -> Self {
        Self { clock, ..self }
    }

    /// With `sealing/o4-mini`, and models of Google's and DeepSeek's, which want something back with their calls.
    pub(crate) fn with_sealing(self) -> Self {
        Self { has_sealing: true, ..self }
    }

    pub(crate) fn open_to_all(self) -> Self {
        self.credentials.send_replace(Arc::new(Credentials::open()));
        self
    }

    pub(crate) async fn build(self) -> House {
        claw_net::install_crypto();
        let directory = tempfile::tempdir().unwrap();
        let (work, doors, store_scope) = (TaskScope::new(), TaskScope::new(), TaskScope::new());
        let upstream = Upstream::start().await;
        let path = directory.path().join("openclaw.db");
        let store =
            claw_store::sqlite::SqliteStore::open(claw_store::sqlite::Settings::at(path), &store_scope).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let parts = Parts {
            store: Arc::clone(&store),
            queue: Arc::new(MemoryQueue::new(memory::Settings::default())),
            catalog: Arc::new(catalog(&upstream, self.has_sealing).with_tools(Vec::new(), self.permissions)),
            memory: Arc::new(Keeper::new(
                Arc::clone(&store),
                Arc::clone(&self.clock) as _,
                Arc::clone(&self.ids) as _,
                Arc::new(()),
            )),
            more_tools: Vec::new(),
            callbacks: Callbacks { courier: Arc::new(Nobody), render: |_task| None, secret: None, look_every: SOON },
            clock: self.clock,
            ids: self.ids,
            scope: work.clone(),
            settings: claw_app::Settings {
                retry: retry::Policy { base: Duration::from_millis(1), cap: Duration::from_millis(2), attempts_max: 3 },
                workers: worker::Settings { drain: Duration::ZERO, ..worker::Settings::default() },
                wait_max: self.wait_max,
                memory_retention: None,
                compaction: claw_app::Compaction::default(),
                quotas: self.quotas,
            },
        };
        let (app, _recovered) = App::start(parts).await.unwrap();
        let paper = Arc::new(Paper::default());
        app.open_config(Arc::<Paper>::clone(&paper));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = claw_gateway::serve(self.settings, app.clone(), listener, doors.clone());
        let serving = store_scope.spawn(|_ends_with_the_doors| served);
        let credentials = self.credentials;
        House {
            address,
            app,
            upstream,
            credentials,
            paper,
            store,
            work,
            doors,
            store_scope,
            serving,
            _directory: directory,
        }
    }
}

impl House {
    pub(crate) async fn open() -> Self {
        Plan::new().build().await
    }

    /// The configuration.
    pub(crate) fn paper(&self) -> &Paper {
        &self.paper
    }

    /// HTTP with the right token.
    pub(crate) fn http(&self) -> Http {
        Http::new(self.address, &[("authorization", &format!("Bearer {TOKEN}"))])
    }

    /// HTTP with no credential.
    pub(crate) fn stranger(&self) -> Http {
        Http::new(self.address, &[])
    }

    /// A socket of the contracts' client.
    pub(crate) async fn socket(&self) -> WsClient {
        WsClient::connect(self.address, TOKEN).await
    }

    /// Waits until so many sockets are open.
    pub(crate) async fn sockets_are(&self, count: usize) {
        let counted = async { while self.http().get("/status").await.json()["gateway"]["connections"] != count {} };
        tokio::time::timeout(SOON, counted).await.expect("sockets come and go in time");
    }

    /// A fresh API key with these scopes.
    pub(crate) async fn key(&self, scopes: &[Scope]) -> (claw_core::ApiKeyId, String) {
        self.key_of_plan(scopes, None).await
    }

    /// The same with a plan.
    pub(crate) async fn key_of_plan(&self, scopes: &[Scope], plan: Option<&str>) -> (claw_core::ApiKeyId, String) {
        let by = (&Principal::operator(), Door::WebSocket);
        let (key, text) = self.app.keys.create(by.0, by.1, "test", Scopes::of(scopes), plan).await.unwrap();
        (key.id, text.expose().to_owned())
    }

    /// Stops the doors as a signal does; sockets are told.
    pub(crate) fn begin_stop(&self) {
        self.app.drain();
        self.doors.cancel();
    }

    /// Stops everything and checks that nothing is left over.
    pub(crate) async fn stop(self) {
        self.begin_stop();
        tokio::time::timeout(SOON, self.serving).await.expect("the doors close").unwrap();
        assert_eq!(self.doors.close(SOON).await, 0, "a connection or socket has no end");
        assert_eq!(self.work.close(SOON).await, 0, "a run has no end");
        self.store.close().await;
        self.store_scope.close(SOON).await;
    }
}

/// Carries no letters: the doors' tests ask for none.
struct Nobody;

#[async_trait]
impl Courier for Nobody {
    async fn deliver(&self, _letter: Letter) -> Result<Receipt, CourierError> {
        Err(CourierError::Refused("nobody carries letters here".into()))
    }
    async fn may_call(&self, _url: &str) -> Result<(), CourierError> {
        Ok(())
    }
}

fn catalog(upstream: &Upstream, has_sealing: bool) -> Catalog {
    let client = HttpClient::new(claw_net::Settings::default()).unwrap();
    let mut settings = claw_providers::Settings::new("mock", upstream.base_url());
    settings.models = ["mock-1", "mock-2"].map(ModelInfo::named).to_vec();
    let mut providers: Vec<Arc<dyn Provider>> = vec![Arc::new(OpenAi::new(settings, client.clone()).unwrap())];
    if has_sealing {
        let mut settings = claw_providers::Settings::new("sealing", upstream.base_url());
        settings.models = vec![ModelInfo::named("o4-mini")];
        providers.push(Arc::new(Responses::new(settings, client.clone()).unwrap()));
        for (id, model) in [("gemini", "gemini-3-pro"), ("deepseek", "deepseek-v4-pro")] {
            let mut settings = claw_providers::Settings::new(id, upstream.base_url());
            settings.models = vec![ModelInfo::named(model)];
            providers.push(Arc::new(OpenAi::new(settings, client.clone()).unwrap()));
        }
    }
    let ops = AgentId::parse("ops").unwrap();
    let ops =
        AgentProfile { id: ops, name: None, system_prompt: None, model: Some("mock/mock-2".into()), fallbacks: None };
    let guard = Arc::new(Egress::new(AllowList::default()));
    Catalog::new(providers, vec![ops], AgentId::main(), None).with_guard(guard)
}
