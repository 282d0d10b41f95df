//! The doors' settings, from the configuration; and the numbers they show.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use claw_app::App;
use claw_gateway::auth::Credentials;
use claw_gateway::settings::Surface;
use claw_runtime::TaskScope;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::credentials::Auth;
use crate::config::settings::{Live, Settings};
use crate::exit::Fatal;

/// Starts counting. Errors: somebody else counts already.
pub(super) fn metrics() -> Result<PrometheusHandle, Fatal> {
    PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| Fatal::other(format!("cannot count: {error}"), "report this"))
}

/// How often single measurements are folded into their histograms; a scrape does it, too.
const UPKEEP: Duration = Duration::from_secs(5);

/// Folds measurements while the scope lives: nobody may ever ask for them.
pub(super) fn keep_small(metrics: &PrometheusHandle, scope: &TaskScope) {
    let metrics = metrics.clone();
    drop(scope.spawn(|cancel| async move {
        let mut beat = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _now = beat.tick() => metrics.run_upkeep(),
            }
        }
    }));
}

/// The doors before and while they are open.
pub(super) struct Doors {
    settings: claw_gateway::Settings,
}

/// What changes at the doors while they are open.
pub(super) struct Locks {
    credentials: watch::Sender<Arc<Credentials>>,
    surface: watch::Sender<Arc<Surface>>,
}

impl Locks {
    /// From the next request on these count; who is inside is asked again within a second.
    pub(super) fn change(&self, auth: &Auth, live: &Live) {
        self.credentials.send_replace(Arc::new(credentials(auth)));
        self.surface.send_replace(Arc::new(surface(live)));
    }
}

impl Doors {
    pub(super) fn open(
        settings: &Settings,
        auth: &Auth,
        address: SocketAddr,
        metrics: PrometheusHandle,
    ) -> (Self, Locks) {
        let (credentials, in_force) = watch::channel(Arc::new(credentials(auth)));
        let (surface, shown) = watch::channel(Arc::new(surface(&settings.live)));
        let doors = claw_gateway::Settings {
            bind: address.ip().to_string(),
            state_dir: settings.location.state_dir.to_string_lossy().into_owned(),
            allow_query: settings.fixed.allow_query,
            surface: shown,
            metrics: Some(Arc::new(move || metrics.render())),
            logs: crate::log::tail(&settings.fixed.logging),
            ..claw_gateway::Settings::new(in_force)
        };
        (Self { settings: doors }, Locks { credentials, surface })
    }

    /// Serves until the scope is cancelled and the open connections have ended.
    pub(super) fn serve(&self, app: App, listener: TcpListener, scope: &TaskScope) -> impl Future<Output = ()> + use<> {
        claw_gateway::serve(self.settings.clone(), app, listener, scope.clone())
    }
}

fn surface(live: &Live) -> Surface {
    let mut surface = Surface::new(&live.allowed_hosts, &live.allowed_origins);
    surface.chat_completions = live.endpoints.chat_completions.enabled;
    surface.responses = live.endpoints.responses.enabled;
    // Examined when the configuration was taken; what cannot be is not there.
    surface.hooks = super::hooks::hooks(live).ok().flatten();
    surface
}

fn credentials(auth: &Auth) -> Credentials {
    match auth {
        Auth::Open => Credentials::open(),
        Auth::Required { token, password } => {
            let (token, password) = (token.as_ref().map(|t| t.secret()), password.as_ref().map(|p| p.secret()));
            Credentials::required(token.as_ref(), password.as_ref())
        }
    }
}
