//! What is written down for good: the verbs and their laws, and the chain of hashes.
//!
//! A row's hash covers the hash of the row before it and every column of its own, as they are stored. So a
//! row that was changed, left out or put in is found, unless everything behind it was computed anew; and
//! whoever has noted a hash elsewhere finds that, too.

use async_trait::async_trait;
use claw_core::Timestamp;
use claw_core::audit::{Entry, Kind, Recorded};
use sha2::{Digest as _, Sha256};

use crate::{Commit, Cursor, Page, StoreError};

/// A place in the chain: a row's number and hash; number 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The row's number.
    pub n: i64,
    /// Of everything up to it.
    pub hash: [u8; 32],
}

impl Link {
    /// Before the first row.
    pub const START: Self = Self { n: 0, hash: [0; 32] };
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of these kinds; of all when empty.
    pub kinds: Vec<Kind>,
    /// By this actor.
    pub actor: Option<String>,
    /// From this moment on.
    pub since: Option<Timestamp>,
}

/// How far the chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Up to here, and there is more.
    SoFar(Link),
    /// To its end, which is this.
    Whole(Link),
    /// Up to the row before this one.
    Broken(Broken),
}

/// Where the chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// The first row that is not as it was written, or not there.
    pub n: i64,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is not there.
    Missing,
    /// It is not what was written, or does not follow the row before it.
    Changed,
}

/// The verbs of the audit log; the laws of writes are those of [`crate::Store`].
///
/// Verbs that change what is to be audited take an entry and append it in their own transaction, if they
/// change anything. There is no verb that changes or takes away an entry.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Appends entries in their order.
    async fn append_audit(&self, entries: Vec<Entry>) -> Commit<()>;

    /// Entries, newest first. Of a log in which few fit, only a part is looked at for one page; the next goes on there.
    async fn audit(&self, filter: &AuditFilter, from: Option<Cursor>, limit: u32)
    -> Result<Page<Recorded>, StoreError>;

    /// The end of the chain.
    async fn audit_head(&self) -> Result<Link, StoreError>;

    /// Whether the rows after `from` are as they were written; at most `limit` of them are looked at.
    async fn check_audit(&self, from: Link, limit: u32) -> Result<Checked, StoreError>;
}

/// A row as it is stored. Nothing of one that is read is believed before its hash was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) n: i64,
    pub(crate) at: i64,
    pub(crate) form: i64,
    /// Kind, actor, door, subject, outcome, details.
    pub(crate) texts: [Vec<u8>; 6],
}

impl Row {
    /// The hash of the chain that ends with it.
    pub(crate) fn hash(&self, before: &[u8; 32]) -> [u8; 32] {
        let Self { n, at, form, texts } = self;
        let mut digest = Sha256::new();
        digest.update(b"openclaw audit 1\n");
        digest.update(before);
        for number in [n, at, form] {
            digest.update(number.to_be_bytes());
        }
        for text in texts {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        digest.finalize().into()
    }
}

/// Follows the chain over rows that stand behind `from`, to `end` at most. `end` was read before the rows were.
pub(crate) fn follow(from: Link, rows: &[(Row, Vec<u8>)], limit: u32, end: Link) -> Checked {
    let mut link = from;
    for (row, stored) in rows {
        let broken = |flaw| Checked::Broken(Broken { n: link.n + 1, flaw });
        if row.n != link.n + 1 {
            return broken(Flaw::Missing);
        }
        let hash = row.hash(&link.hash);
        if stored.as_slice() != hash {
            return broken(Flaw::Changed);
        }
        link = Link { n: row.n, hash };
    }
    let is_page_full = u32::try_from(rows.len()).is_ok_and(|count| count >= limit);
    match link.n.cmp(&end.n) {
        std::cmp::Ordering::Equal if link.hash == end.hash => Checked::Whole(link),
        std::cmp::Ordering::Equal => Checked::Broken(Broken { n: link.n, flaw: Flaw::Changed }),
        std::cmp::Ordering::Less if is_page_full => Checked::SoFar(link),
        std::cmp::Ordering::Less => Checked::Broken(Broken { n: link.n + 1, flaw: Flaw::Missing }),
        // More rows than the head knows of: somebody put them there.
        std::cmp::Ordering::Greater => Checked::Broken(Broken { n: end.n + 1, flaw: Flaw::Changed }),
    }
}
