//! `sessions.create` (B20): makes a conversation, and begins a run in it when there is a message.

use claw_app::tasks::NewRun;
use claw_core::{Lane, Scope, Turn};
use claw_wire::BadRequest;
use claw_wire::ws::agent::checked_key;
use claw_wire::ws::frame;
use claw_wire::ws::sessions::settings::{Changed, CreateParams};

use super::{Call, Method};
use crate::error::Problem;
use crate::{sessions, submit};

pub(super) struct SessionsCreate;

impl Method for SessionsCreate {
    const NAME: &'static str = "sessions.create";
    const SCOPE: Scope = Scope::Write;
    type Params = CreateParams;

    async fn run(call: &Call, mut params: CreateParams) -> Result<(), Problem> {
        let (agent, key) = params.target()?;
        let message = params.message.take();
        if message.as_ref().is_some_and(|message| message.trim().is_empty()) {
            return Err(BadRequest::of("message", "must be a text that is not empty").into());
        }
        let idempotency_key = checked_key(params.idempotency_key.take())?;
        let app = &call.doors().app;
        let settings = sessions::create(params);
        let (session, is_new) = app.sessions.create(call.principal(), &agent, key, settings).await?;
        let mut answer = Changed {
            created: Some(is_new),
            run_started: Some(message.is_some()),
            ..sessions::changed(call.doors(), call.principal(), &session)
        };
        if let Some(message) = message {
            let turn = Turn::text(session.key.clone(), message);
            let digested = frame::to_json(&turn);
            let run = NewRun {
                is_labelled: idempotency_key.is_some(),
                idempotency: idempotency_key.map(|key| submit::idempotency(key, digested.as_bytes())),
                ..NewRun::of(turn, Lane::Interactive)
            };
            let accepted = app.tasks.submit(call.principal(), run).await?;
            answer.task_id = Some(accepted.id.to_string());
            answer.run_id = Some(accepted.run_id);
            answer.status = Some("started");
        }
        call.answer(&answer);
        Ok(())
    }
}
