//! `sessions.unsubscribe`: no more news of conversations; with a key, only that one goes out of view.

use std::sync::atomic::Ordering;

use claw_core::Scope;
use claw_wire::ws::sessions::{SubscribeParams, Subscribed};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SessionsUnsubscribe;

impl Method for SessionsUnsubscribe {
    const NAME: &'static str = "sessions.unsubscribe";
    const SCOPE: Scope = Scope::Read;
    type Params = SubscribeParams;

    async fn run(call: &Call, params: SubscribeParams) -> Result<(), Problem> {
        match params.session()? {
            Some(key) => call.line().viewed.turn_away(&call.place(&key).await?),
            None => call.line().is_subscribed.store(false, Ordering::Relaxed),
        }
        call.answer(&Subscribed { subscribed: call.line().is_subscribed.load(Ordering::Relaxed) });
        Ok(())
    }
}
