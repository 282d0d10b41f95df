//! The port to whoever counts what runs use, while they end.

use claw_core::PrincipalId;
use claw_core::provider::Usage;

/// Hears what each attempt has used: first before anybody hears of its end, then once that is stored.
///
/// Law: what is `stored` was `used` before, with the same numbers.
pub trait Meter: Send + Sync {
    /// It is used up, and not yet in the sums of the store.
    fn used(&self, owner: &PrincipalId, usage: Usage);
    /// It is in the sums, or the attempt had lost its task and nothing of it counts.
    fn stored(&self, owner: &PrincipalId, usage: Usage);
}
