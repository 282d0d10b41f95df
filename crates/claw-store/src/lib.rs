//! The truth: what was accepted, what happened, what came of it.
//!
//! One [`Store`] trait; SQLite behind it now ([`sqlite`]), PostgreSQL later, one suite of laws
//! for both (`contract`). What a verb does is written once, in `verbs`, over rows in memory, the
//! `unit` of work; a backend loads those rows and writes what changed.
//!
//! A write goes: verb → the writer's bounded channel → a batch inside one transaction → one fsync
//! → every waiting [`Commit`] resolves. Reads use their own connections.
//!
//! - [`store`](Store) the verbs and their laws, [`devices`](Devices) those of devices, [`memories`](Memories) those of memories, [`provenance`](Provenance) those of places with strangers' words,
//!   [`approvals`](Approvals) those of questions whether a call may be made, [`audit`](Audit) those of what is written down for good; `types` what goes in and comes out; `commit` a write
//!   on its way; `limits` every number
//! - `verbs` what each write does to the `unit` of work; `stored` the words as they are stored, `body` long ones
//! - [`sqlite`] the backend for one machine; `contract` the laws as tests
//!
//! Knows no queue, no provider, no door. Keeps no clock: moments arrive as arguments.

mod approvals;
mod audit;
mod body;
mod commit;
#[cfg(test)]
mod contract;
mod devices;
mod error;
mod limits;
mod memories;
mod provenance;
pub mod sqlite;
mod store;
mod stored;
mod types;
mod unit;
mod verbs;

pub use approvals::{ApprovalUse, Approvals, Resolved, UseApproval};
pub use audit::{Audit, AuditFilter, Broken, Checked, Flaw, Link};
pub use commit::{Commit, Committer};
pub use devices::{Asked, Device, DeviceInfo, DeviceToken, Devices, Pairing, Waiting};
pub use error::StoreError;
pub use memories::Memories;
pub use provenance::Provenance;
pub use sqlite::SqliteStore;
pub use store::Store;
pub use types::*;
