//! What a socket is let in with, once its `connect` is there: secrets, keys, devices.
//!
//! A device adds to a secret and is never asked for beside one (K5). Alone it comes in by its own
//! token, or by the token that somebody approved for it, which it gets here; else it waits.

use claw_app::Error;
use claw_app::devices::{Arrival, Held, Issued};
use claw_core::audit::Door;
use claw_core::{Principal, PrincipalId, Role, Scope, Scopes, Secret};
use tokio::time::Instant;

use super::device::Identity;
use super::lockout::Class;
use super::presented::{Form, Presented};
use super::{Caller, Client, Denied, Digest, Gate, Proof, culprit, is_of_device};

/// Who came in, and what the device is to present from now on.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    pub(crate) caller: Caller,
    pub(crate) issued: Option<Issued>,
}

impl Gate {
    /// Decides about a `connect` with the scopes it asks for: all it may have when it does not say.
    pub(crate) async fn admit_connect(
        &self,
        presented: &Presented,
        client: Client,
        identity: Option<&Identity>,
        asked: Option<Scopes>,
    ) -> Result<Admission, Denied> {
        let arrival = identity.map(arrival);
        let items = presented.items.iter().filter(|item| is_of_device(item));
        let tokens: Vec<&Secret> = items.map(|(_, token)| token).collect();
        if let Some(caller) = self.by_secret_or_key(Door::WebSocket, presented, client).await? {
            let caller = caller.limited_to(asked.unwrap_or(everything()));
            return Ok(match (&caller.proof, &arrival) {
                (Proof::Secret(..), Some(arrival)) => self.enrol(caller, arrival, &tokens).await,
                // An API key is a tenant of its own, and an open gateway gives out nothing that lasts.
                _ => Admission { caller, issued: None },
            });
        }
        match (&arrival, tokens.first()) {
            (None, None) => Err(Denied::Missing),
            (None, Some(_)) => Err(Denied::NoDevice),
            (Some(arrival), None) => self.by_approval(arrival, client, asked).await,
            (Some(arrival), Some(token)) => {
                let first = Digest::of(token.expose());
                if tokens.iter().any(|other| !Digest::of(other.expose()).matches(&first)) {
                    return Err(Denied::Conflicting);
                }
                self.by_token(arrival, token, client, asked).await
            }
        }
    }

    /// A device beside the gateway's secret is paired on the way. That it cannot be is no reason to
    /// keep out who has the secret.
    async fn enrol(&self, caller: Caller, arrival: &Arrival, tokens: &[&Secret]) -> Admission {
        match self.devices.enrol(arrival, caller.principal.scopes, tokens).await {
            Ok((issued, held)) => Admission { caller: Caller { held, ..caller }, issued },
            Err(error) => {
                tracing::warn!("the device {} could not be paired: {error}", arrival.id);
                Admission { caller, issued: None }
            }
        }
    }

    async fn by_token(
        &self,
        arrival: &Arrival,
        token: &Secret,
        client: Client,
        asked: Option<Scopes>,
    ) -> Result<Admission, Denied> {
        if !client.is_exempt() {
            self.lockout.check(culprit(Class::Device, client), Instant::now())?;
        }
        let found = self.devices.admit(arrival, token).await.map_err(unavailable)?;
        self.attempt(Class::Device, client, || found.is_some())?;
        let Some((issued, held)) = found else {
            self.note_device(client).await;
            return Err(Denied::Wrong(Form::Device));
        };
        match asked {
            Some(asked) if !issued.scopes.contains(asked) => Err(self.ask(arrival, client, asked, true).await?),
            _ => Ok(admission(issued, held, asked)),
        }
    }

    async fn by_approval(&self, arrival: &Arrival, client: Client, asked: Option<Scopes>) -> Result<Admission, Denied> {
        match self.devices.claim(arrival).await.map_err(unavailable)? {
            Some((issued, held)) => Ok(admission(issued, held, asked)),
            None => Err(self.ask(arrival, client, asked.unwrap_or(everything()), false).await?),
        }
    }

    /// Lets a device wait; asking for ever new things counts like guessing.
    async fn ask(&self, arrival: &Arrival, client: Client, scopes: Scopes, is_upgrade: bool) -> Result<Denied, Denied> {
        if !client.is_exempt() {
            self.lockout.check(culprit(Class::Pairing, client), Instant::now())?;
        }
        match self.devices.ask(arrival, scopes, is_upgrade).await {
            Ok((request, is_new)) => {
                self.attempt(Class::Pairing, client, || !is_new)?;
                Ok(Denied::NotPaired { device: arrival.id, request, is_upgrade })
            }
            Err(Error::Overloaded { retry_after, .. }) => Err(Denied::Crowded(retry_after)),
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// A device acts for the operator, with no more than its token's scopes.
fn admission(issued: Issued, held: Held, asked: Option<Scopes>) -> Admission {
    let principal = Principal { id: PrincipalId::operator(), scopes: issued.scopes };
    let caller = Caller { principal, proof: Proof::Device, held: Some(held) };
    Admission { caller: caller.limited_to(asked.unwrap_or(everything())), issued: Some(issued) }
}

fn arrival(identity: &Identity) -> Arrival {
    let info = identity.info().clone();
    Arrival { id: identity.id(), public_key: identity.public_key(), info, role: Role::Operator }
}

fn everything() -> Scopes {
    Scopes::of(&[Scope::Admin])
}

fn unavailable(error: Error) -> Denied {
    tracing::warn!("a device's token cannot be looked up, so it is not let in: {error}");
    Denied::Unavailable
}
