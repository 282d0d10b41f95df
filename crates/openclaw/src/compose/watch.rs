//! Notices by itself that the configuration file has changed.
//!
//! It asks the file's metadata twice a second instead of the kernel's notifications: that also sees
//! a file that was renamed over, one behind a link, and one on a network disk. A file is read once
//! it has stood still, so an editor that truncates first and writes then is not caught in between.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::live::{self, LiveConfig, Trigger};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the file has to stand still.
const SETTLED: Duration = Duration::from_millis(200);

/// Reloads whenever the file has changed; for ever.
pub(super) async fn watch(live: Arc<LiveConfig>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let file = &live.location().config_file;
    let mut known = live.stamp();
    loop {
        looks.tick().await;
        let mut stamp = Stamp::of(file);
        if stamp == known {
            continue;
        }
        loop {
            sleep(SETTLED).await;
            let later = Stamp::of(file);
            if later == stamp {
                break;
            }
            stamp = later;
        }
        known = stamp;
        if live.watches() {
            live::reload(&live, Trigger::Watch).await;
        }
    }
}

/// What changes when a file does; nothing of a file that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(Option<[i64; 6]>);

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        let number = |value: u64| value.cast_signed();
        Self(fs::metadata(path).ok().map(|file| {
            [number(file.ino()), number(file.len()), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()]
        }))
    }
}
