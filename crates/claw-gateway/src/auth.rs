//! Who is asking: one function from what a request presents to a caller with scopes.
//!
//! A `Caller` can be made nowhere else, and without one no handler can reach a verb. Any error on
//! the way denies. The count of wrong guesses stands outside all branches, so that nothing a client
//! adds to its request avoids it.
//!
//! - `presented` what a request carries; `credentials` the gateway's own secrets
//! - `device` whether a machine is the one it says; `entry` what machines are let in with
//! - `lockout` who guessed too often; `border` which pages and host names are ours

pub(crate) mod border;
mod credentials;
pub(crate) mod device;
mod entry;
pub(crate) mod lockout;
pub(crate) mod presented;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use claw_app::App;
use claw_app::audit::{Audit, FailedLogin};
use claw_app::devices::{self, Devices, Held};
use claw_app::keys::{self, ApiKeys};
use claw_core::audit::Door;
use claw_core::{DeviceId, PairingId, Principal, Scopes, Secret};
use http::header::{HeaderMap, HeaderName, ORIGIN};
use tokio::sync::watch;
use tokio::time::Instant;

pub use credentials::{Credentials, Digest};
pub(crate) use entry::Admission;

use device::Untrusted;
use lockout::{Class, Culprit, Locked, Lockout, Source};
use presented::{Form, Presented};

/// Headers by which proxies say that the real client is somebody else.
const FORWARDED: [HeaderName; 4] = [
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-forwarded-host"),
];

/// Where a request comes from, as far as the connection itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// The peer's address.
    pub(crate) address: IpAddr,
    /// A web page sent it.
    pub(crate) is_browser: bool,
    /// A proxy sent it.
    pub(crate) is_forwarded: bool,
}

impl Client {
    /// Reads what matters of a request's headers; what proxies claim is never believed.
    pub(crate) fn of(address: IpAddr, headers: &HeaderMap) -> Self {
        let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(name));
        Self { address: address.to_canonical(), is_browser: headers.contains_key(ORIGIN), is_forwarded }
    }
    /// Whether it is a program on this machine, and not a page or a proxy there.
    pub(crate) const fn is_local(&self) -> bool {
        self.address.is_loopback() && !self.is_forwarded
    }
    const fn is_exempt(&self) -> bool {
        self.is_local() && !self.is_browser
    }
}

/// An authenticated caller.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    principal: Principal,
    proof: Proof,
    /// Of the device whose socket it is.
    held: Option<Held>,
}

/// Why it is believed, so that this can be asked again.
#[derive(Debug, Clone)]
enum Proof {
    Open,
    Secret(Form, Digest),
    Key(Secret),
    Device,
}

impl Caller {
    /// Who it is.
    pub(crate) const fn principal(&self) -> &Principal {
        &self.principal
    }
    /// The same caller with no more than `scopes`.
    pub(crate) fn limited_to(mut self, scopes: Scopes) -> Self {
        self.principal.scopes = self.principal.scopes.and(scopes);
        self
    }
    /// How it proved itself, for `hello-ok`.
    pub(crate) const fn method(&self) -> &'static str {
        match self.proof {
            Proof::Open => "none",
            Proof::Secret(Form::Bearer, _) => "token",
            Proof::Secret(Form::Password | Form::Device, _) => "password",
            Proof::Key(_) => "api-key",
            Proof::Device => "device-token",
        }
    }
}

/// Why nobody was let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// Nothing was presented.
    #[error("no credential was given; send Authorization: Bearer <token>")]
    Missing,
    /// What was presented does not fit.
    #[error("the credential is wrong")]
    Wrong(Form),
    /// Two that do not belong together.
    #[error("the request carries two conflicting credentials")]
    Conflicting,
    /// A device's token without the device.
    #[error("a device's token is only good together with the device's signature, on a WebSocket")]
    NoDevice,
    /// A device's identity that is none.
    #[error("{0}")]
    Device(#[from] Untrusted),
    /// A device that nobody has approved for what it wants; it waits for that now.
    #[error("pairing required")]
    NotPaired {
        /// Which.
        device: DeviceId,
        /// Under which id it waits.
        request: PairingId,
        /// Whether it is paired and wants more.
        is_upgrade: bool,
    },
    /// As many devices wait as may.
    #[error("too many devices wait to be paired")]
    Crowded(Duration),
    /// In the query of a plain request from another machine.
    #[error(
        "a credential in the query is only accepted from this machine; send a header or set gateway.auth.allowQuery"
    )]
    Query,
    /// A hook's token in the query.
    #[error("a hook's token belongs into a header: Authorization: Bearer, or X-OpenClaw-Token; addresses are logged")]
    HookQuery,
    /// Too many wrong ones before.
    #[error("too many wrong credentials came from this address; wait before trying again")]
    Locked(Duration),
    /// Keys could not be looked up.
    #[error("credentials cannot be checked at the moment")]
    Unavailable,
}

/// A time in which neither the gateway's secrets nor any device changed.
pub(crate) struct Epoch {
    credentials: watch::Receiver<Arc<Credentials>>,
    devices: u64,
}

impl Epoch {
    /// Whether it is over; then the next one has begun.
    pub(crate) fn has_passed(&mut self, gate: &Gate) -> bool {
        let now = gate.epoch();
        // A sender that is gone changes nothing any more.
        let has_passed = self.credentials.has_changed().unwrap_or(false) || self.devices != now.devices;
        *self = now;
        has_passed
    }
}

/// The one place where callers are made.
#[derive(Clone)]
pub(crate) struct Gate {
    credentials: watch::Receiver<Arc<Credentials>>,
    lockout: Arc<Lockout>,
    keys: ApiKeys,
    devices: Devices,
    audit: Audit,
    allow_query: bool,
}

impl Gate {
    pub(crate) fn new(credentials: watch::Receiver<Arc<Credentials>>, app: &App, allow_query: bool) -> Self {
        let (keys, devices, audit) = (app.keys.clone(), app.devices.clone(), app.audit.clone());
        Self { credentials, lockout: Arc::default(), keys, devices, audit, allow_query }
    }

    /// The word for the mode in force.
    pub(crate) fn mode(&self) -> &'static str {
        self.credentials.borrow().mode()
    }

    /// Decides about a plain HTTP request.
    pub(crate) async fn admit(&self, presented: &Presented, client: Client) -> Result<Caller, Denied> {
        if presented.is_in_query && !self.allow_query && !client.is_local() {
            return Err(Denied::Query);
        }
        self.admit_by(Door::Http, presented, client).await
    }

    /// Decides about somebody at the hooks, whose token is none of the gateway's credentials.
    pub(crate) async fn admit_hook(
        &self,
        token: &Digest,
        headers: &HeaderMap,
        query: Option<&str>,
        client: Client,
    ) -> Result<(), Denied> {
        let presented = Presented::of_hook(headers, query);
        if presented.is_in_query {
            return Err(Denied::HookQuery);
        }
        if presented.items.is_empty() {
            return Err(Denied::Missing);
        }
        let fits =
            |(form, secret): &(Form, Secret)| *form == Form::Bearer && Digest::of(secret.expose()).matches(token);
        if self.attempt(Class::Hook, client, || presented.items.iter().all(fits))? {
            return Ok(());
        }
        self.note(Class::Hook, Door::Hook, client).await;
        Err(Denied::Wrong(Form::Bearer))
    }

    /// Decides about a socket, whose upgrade may carry credentials in its query.
    pub(crate) async fn admit_socket(&self, presented: &Presented, client: Client) -> Result<Caller, Denied> {
        self.admit_by(Door::WebSocket, presented, client).await
    }

    async fn admit_by(&self, door: Door, presented: &Presented, client: Client) -> Result<Caller, Denied> {
        let has_device = presented.items.iter().any(is_of_device);
        let nobody = if has_device { Denied::NoDevice } else { Denied::Missing };
        self.by_secret_or_key(door, presented, client).await?.ok_or(nobody)
    }

    /// The caller behind a secret of the gateway or an API key; nobody when there is neither. What is wrong is noted.
    async fn by_secret_or_key(
        &self,
        door: Door,
        presented: &Presented,
        client: Client,
    ) -> Result<Option<Caller>, Denied> {
        let found = self.by_either(presented, client).await;
        if let Err(Denied::Wrong(_) | Denied::Conflicting) = &found {
            let class = if presented.items.iter().any(is_key) { Class::ApiKey } else { Class::Secret };
            self.note(class, door, client).await;
        }
        found
    }

    /// Writes a wrong credential down; the one too many, too.
    async fn note(&self, class: Class, door: Door, client: Client) {
        let checked = (!client.is_exempt()).then(|| self.lockout.check(culprit(class, client), Instant::now()));
        let locked = checked.and_then(Result::err).map(|Locked(remaining)| remaining);
        let via = match client {
            Client { is_forwarded: true, .. } => Some("proxy"),
            Client { is_browser: true, .. } => Some("browser"),
            Client { .. } => None,
        };
        self.audit.login_failed(FailedLogin { address: client.address, class: class.name(), door, via, locked }).await;
    }

    /// Notes a device that is not the one it says, or not with this token.
    pub(crate) async fn note_device(&self, client: Client) {
        self.note(Class::Device, Door::WebSocket, client).await;
    }

    async fn by_either(&self, presented: &Presented, client: Client) -> Result<Option<Caller>, Denied> {
        let credentials = Arc::clone(&self.credentials.borrow());
        if credentials.is_open() && client.is_local() {
            return Ok(Some(Caller { principal: Principal::operator(), proof: Proof::Open, held: None }));
        }
        let items = presented.items.iter().filter(|item| !is_of_device(item));
        let (keys, secrets): (Vec<_>, Vec<_>) = items.partition(|item| is_key(item));
        let by_secret = self.try_secrets(&credentials, &secrets, client)?;
        let by_key = self.try_keys(&keys, client).await?;
        match (by_secret, by_key) {
            (None, None) => Ok(None),
            (Some(caller), None) | (None, Some(caller)) => Ok(Some(caller)),
            (Some(_), Some(_)) => Err(Denied::Conflicting),
        }
    }

    /// Whether what admitted this caller still would (G12). An error denies.
    pub(crate) async fn still_admits(&self, caller: &Caller) -> bool {
        if let Some(held) = &caller.held
            && !self.devices.still_holds(held).await
        {
            return false;
        }
        match &caller.proof {
            Proof::Open => self.credentials.borrow().is_open(),
            Proof::Secret(form, digest) => self.credentials.borrow().admits(digest, *form == Form::Bearer),
            Proof::Key(key) => {
                let found = self.keys.principal(key.expose()).await;
                found.is_ok_and(|found| found.is_some_and(|principal| principal.id == caller.principal.id))
            }
            Proof::Device => caller.held.is_some(),
        }
    }

    /// Whether only the store can say if this caller is still welcome; an [`Epoch`] tells of the others.
    pub(crate) const fn must_ask_again(&self, caller: &Caller) -> bool {
        matches!(caller.proof, Proof::Key(_))
    }

    /// What counts now.
    pub(crate) fn epoch(&self) -> Epoch {
        let mut credentials = self.credentials.clone();
        credentials.mark_unchanged();
        Epoch { credentials, devices: self.devices.changes() }
    }

    /// All of them have to fit.
    fn try_secrets(
        &self,
        credentials: &Credentials,
        secrets: &[&(Form, Secret)],
        client: Client,
    ) -> Result<Option<Caller>, Denied> {
        let digests: Vec<(Form, Digest)> =
            secrets.iter().map(|(form, secret)| (*form, Digest::of(secret.expose()))).collect();
        let Some((form, first)) = digests.first().copied() else { return Ok(None) };
        let trial = || digests.iter().all(|(form, digest)| credentials.admits(digest, *form == Form::Bearer));
        let is_right = self.attempt(Class::Secret, client, trial)?;
        if is_right {
            let proof = Proof::Secret(form, first);
            return Ok(Some(Caller { principal: Principal::operator(), proof, held: None }));
        }
        let is_one = digests.iter().all(|(_, digest)| digest.matches(&first));
        Err(if is_one { Denied::Wrong(form) } else { Denied::Conflicting })
    }

    /// Several spellings of one key are one key.
    async fn try_keys(&self, keys: &[&(Form, Secret)], client: Client) -> Result<Option<Caller>, Denied> {
        let Some((form, key)) = keys.first() else { return Ok(None) };
        if keys.iter().any(|(_, other)| !Digest::of(other.expose()).matches(&Digest::of(key.expose()))) {
            return Err(Denied::Conflicting);
        }
        let culprit = culprit(Class::ApiKey, client);
        if !client.is_exempt() {
            self.lockout.check(culprit, Instant::now())?;
        }
        let found = match self.keys.principal(key.expose()).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!("an API key cannot be looked up, so its holder is not let in: {error}");
                return Err(Denied::Unavailable);
            }
        };
        // Guesses that raced each other to this line count before any of them is answered.
        self.attempt(Class::ApiKey, client, || found.is_some())?;
        let caller = found.map(|principal| Caller { principal, proof: Proof::Key(key.clone()), held: None });
        caller.map(Some).ok_or(Denied::Wrong(*form))
    }

    fn attempt(&self, class: Class, client: Client, trial: impl FnOnce() -> bool) -> Result<bool, Denied> {
        if client.is_exempt() {
            return Ok(trial());
        }
        Ok(self.lockout.attempt(culprit(class, client), Instant::now(), trial)?)
    }
}

/// Whether it is a device's token, wherever it stands.
fn is_of_device((form, secret): &(Form, Secret)) -> bool {
    *form == Form::Device || (*form == Form::Bearer && secret.expose().starts_with(devices::PREFIX))
}

/// Whether it is an API key.
fn is_key((form, secret): &(Form, Secret)) -> bool {
    *form == Form::Bearer && secret.expose().starts_with(keys::PREFIX)
}

fn culprit(class: Class, client: Client) -> Culprit {
    Culprit { source: Source::of(client.address), class, is_forwarded: client.is_forwarded }
}

impl From<Locked> for Denied {
    fn from(Locked(remaining): Locked) -> Self {
        Self::Locked(remaining)
    }
}
