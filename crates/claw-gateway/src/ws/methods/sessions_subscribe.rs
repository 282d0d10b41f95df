//! `sessions.subscribe`: news of conversations from now on; with a key, its runs as well.

use std::sync::atomic::Ordering;

use claw_core::Scope;
use claw_wire::ws::sessions::{SubscribeParams, Subscribed};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SessionsSubscribe;

impl Method for SessionsSubscribe {
    const NAME: &'static str = "sessions.subscribe";
    const SCOPE: Scope = Scope::Read;
    type Params = SubscribeParams;

    async fn run(call: &Call, params: SubscribeParams) -> Result<(), Problem> {
        if let Some(key) = params.session()? {
            call.line().viewed.look(&call.place(&key).await?);
        }
        call.line().is_subscribed.store(true, Ordering::Relaxed);
        call.answer(&Subscribed { subscribed: true });
        Ok(())
    }
}
