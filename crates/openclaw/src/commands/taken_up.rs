//! Has a running gateway take up at once what was changed in its file, rather than at its next look.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Context;
use crate::config;
use crate::config::file::ReloadMode;
use crate::config::settings::Location;
use crate::life::lock::{self, Occupancy};

/// Tells it, and says what comes of that.
pub(super) fn at_once(context: &Context, location: &Location) -> &'static str {
    let Ok(Occupancy::Held(holder)) = lock::look(&location.state_dir) else {
        return "the next gateway to start takes it up";
    };
    let Ok(loaded) = config::load(&context.environment, &context.flags) else {
        return "a running gateway keeps what it has until the rest of the file is right (`openclaw config validate`)";
    };
    if loaded.settings.live.reload != ReloadMode::Hot {
        return "`openclaw gateway reload` has the running gateway take it up";
    }
    let told = i32::try_from(holder.pid).is_ok_and(|pid| kill(Pid::from_raw(pid), Signal::SIGUSR1).is_ok());
    match told {
        true => "the running gateway takes it up now, or says in its log that it needs a restart",
        // Somebody else's; it looks at its file twice a second.
        false => "the running gateway takes it up within a second, or says in its log that it needs a restart",
    }
}
