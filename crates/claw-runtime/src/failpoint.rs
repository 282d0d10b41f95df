//! Named places where a crash test may kill the process.
//!
//! Without the feature `failpoints` a point is nothing. With it, the binary arms one point from
//! its environment, and the process aborts – as by `kill -9`, no destructor runs – the n-th time
//! it is passed.

/// All points, so that the crash test can visit each.
pub const NAMES: &[&str] = &[
    "submit.before_commit",
    "submit.after_commit",
    "start.before_commit",
    "start.after_commit",
    "events.before_commit",
    "journal.after_intent",
    "journal.after_effect",
    "take_up.after_commit",
    "approval.before_resolve",
    "approval.after_resolve",
    "approval.before_use",
    "approval.after_use",
    "finish.before_commit",
    "finish.after_commit",
    "queue.after_claim",
];

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static POINT: OnceLock<(String, AtomicU64)> = OnceLock::new();

    /// Arms one point: `<name>` or `<name>:<n>`. Only the first call counts.
    ///
    /// # Errors
    /// The name is not in [`super::NAMES`], or the number is none.
    pub fn arm(spec: &str) -> Result<(), String> {
        let (name, passes) = spec.split_once(':').unwrap_or((spec, "1"));
        let passes: u64 = passes.parse().map_err(|_| format!("not a number of passes: {passes:?}"))?;
        if !super::NAMES.contains(&name) {
            return Err(format!("no failpoint {name:?}; there are: {}", super::NAMES.join(", ")));
        }
        let _armed_before = POINT.set((name.to_owned(), AtomicU64::new(passes)));
        Ok(())
    }

    /// Passes a point; aborts when it is armed and its count is used up.
    pub fn pass(name: &str) {
        if let Some((armed, left)) = POINT.get()
            && armed == name
            && left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            std::process::abort();
        }
    }
}

#[cfg(feature = "failpoints")]
pub use armed::{arm, pass};

/// Passes a point; nothing in this build.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn pass(_name: &str) {}
