//! The stage's own time: tells changes of presence, of tasks, of conversations and of credentials,
//! and looks at health now and then.

use std::sync::Arc;

use claw_app::approvals::ApprovalNotice;
use claw_app::devices::PairingNotice;
use claw_app::notice::{SessionNotice, SessionNoticeKind};
use claw_core::Scope;
use claw_core::task::StateName;
use claw_wire::ws::approvals::{Approval, Resolved};
use claw_wire::ws::sessions::SessionChanged;
use claw_wire::ws::system::Presence;
use tokio::sync::broadcast::error::RecvError;

use super::{Audience, Shared};
use crate::doors::Doors;
use crate::limits::{HEALTH_EVERY, PRESENCE_PAUSE, RECHECK};
use crate::view;

/// Runs until the gateway stops.
pub(crate) async fn run(doors: Arc<Doors>) {
    tokio::select! {
        () = doors.stop.cancelled() => {}
        () = tell_presence(&doors) => {}
        () = look(&doors) => {}
        () = tell_tasks(&doors) => {}
        () = tell_sessions(&doors) => {}
        () = tell_approvals(&doors) => {}
        () = tell_pairings(&doors) => {}
        () = watch_credentials(&doors) => {}
    }
}

async fn tell_presence(doors: &Doors) {
    let stage = &doors.stage;
    loop {
        stage.presence_changed.notified().await;
        let mut bytes = 0;
        if stage.listeners() > 0 {
            let presence = Presence { presence: stage.presence() };
            let shared = Shared::new("presence", Audience::overseers(Scope::Read), &presence, Some(stage.version()));
            bytes = shared.payload().len();
            stage.send(shared);
        }
        tokio::time::sleep(PRESENCE_PAUSE.max(stage.pause_after(bytes))).await;
    }
}

/// Looks now and then when nobody asks, so that a change is told.
async fn look(doors: &Doors) {
    loop {
        let picture = doors.pulse.health(doors, true).await;
        tokio::time::sleep(HEALTH_EVERY.max(doors.stage.pause_after(picture.get().len()))).await;
    }
}

/// One rendering of each task's change for all sockets, and of what it means for its conversation.
async fn tell_tasks(doors: &Doors) {
    let mut notices = doors.stage.gathered().await;
    loop {
        match notices.recv().await {
            Ok(_) if doors.stage.rests() => notices = doors.stage.gathered().await,
            Ok(notice) => {
                let reason = match notice.state {
                    StateName::Queued => None,
                    StateName::Running => Some("run-started"),
                    StateName::Completed | StateName::Failed | StateName::Cancelled => Some("run-ended"),
                };
                if let Some(reason) = reason {
                    let changed = SessionChanged::of(&notice.session, reason, notice.at);
                    let audience = Audience::of_session(notice.owner.clone());
                    doors.stage.share("sessions.changed", audience, &changed);
                }
                doors.stage.send(Shared::of_task(notice));
            }
            Err(RecvError::Lagged(missed)) => tracing::debug!("{missed} changes of tasks were not told"),
            // The app is gone, and with it whatever could be told.
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// What was done to conversations, beside their runs (E5).
async fn tell_sessions(doors: &Doors) {
    let mut notices = doors.app.session_notices();
    loop {
        match notices.recv().await {
            Ok(SessionNotice { key, owner, kind, at }) => {
                let reason = match kind {
                    SessionNoticeKind::Created => "create",
                    SessionNoticeKind::Changed => "patch",
                    SessionNoticeKind::Reset => "reset",
                    SessionNoticeKind::Deleted => "delete",
                    SessionNoticeKind::Injected => "inject",
                };
                let changed = SessionChanged::of(&key, reason, at);
                doors.stage.share("sessions.changed", Audience::of_session(owner), &changed);
            }
            Err(RecvError::Lagged(missed)) => tracing::debug!("{missed} changes of conversations were not told"),
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// Calls that wait for leave, and decisions about them, to those who may decide and see the run (G13).
async fn tell_approvals(doors: &Doors) {
    let mut notices = doors.app.approvals.notices();
    loop {
        match notices.recv().await {
            Ok(notice) => {
                let approval = notice.approval();
                let audience = Audience::owners(Scope::Approvals, approval.owner.clone());
                match &notice {
                    ApprovalNotice::Requested(_) => {
                        doors.stage.share("exec.approval.requested", audience, &Approval::from(approval));
                    }
                    ApprovalNotice::Resolved(_) => {
                        let resolved = Resolved::of(approval, doors.app.now());
                        doors.stage.share("exec.approval.resolved", audience, &resolved);
                    }
                }
            }
            Err(RecvError::Lagged(missed)) => tracing::debug!("{missed} questions for leave were not told"),
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// Devices that wait to be paired, and decisions about them, to those who may decide.
async fn tell_pairings(doors: &Doors) {
    let mut notices = doors.app.devices.notices();
    let audience = Audience::overseers(Scope::Pairing);
    loop {
        match notices.recv().await {
            Ok(PairingNotice::Requested(pairing)) => {
                doors.stage.share("device.pair.requested", audience.clone(), &view::devices::wish(&pairing));
            }
            Ok(PairingNotice::Resolved { id, device, is_approved, at }) => {
                let resolved = view::devices::resolved(id, device, is_approved, at);
                doors.stage.share("device.pair.resolved", audience.clone(), &resolved);
            }
            Err(RecvError::Lagged(missed)) => tracing::debug!("{missed} wishes of devices were not told"),
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// Looks for all sockets whether credentials have changed, so that an idle one costs nothing (G12).
async fn watch_credentials(doors: &Doors) {
    let mut epoch = doors.gate.epoch();
    loop {
        tokio::time::sleep(RECHECK).await;
        if epoch.has_passed(&doors.gate) {
            doors.stage.recheck();
        }
    }
}
