//! `system-event` (B17): a text about something outside, shown as presence and told to the main
//! conversation's next turn.

use claw_core::Scope;
use claw_wire::ws::system::{Done, EventParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SystemEvent;

impl Method for SystemEvent {
    const NAME: &'static str = "system-event";
    const SCOPE: Scope = Scope::Admin;
    type Params = EventParams;

    async fn run(call: &Call, params: EventParams) -> Result<(), Problem> {
        call.require_overview()?;
        let doors = call.doors();
        doors.stage.note(params.into_entry(doors.app.now())?);
        call.answer(&Done::OK);
        Ok(())
    }
}
