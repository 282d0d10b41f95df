//! The port to whoever carries a letter to an address outside: a callback, a webhook.
//!
//! Knows no schedule and no signature: what is in a letter and when it is sent again is decided
//! by the sender of the letter.

use std::time::Duration;

use async_trait::async_trait;

/// Carries letters.
///
/// Laws: one call is at most one request, a `POST`; no redirect is followed. The address is
/// judged before anything is sent, and a refused one sees no connection. The body arrives byte
/// for byte. Every answer with a status is a [`Receipt`], whatever the status. Each call ends
/// within a limit of the courier's own. Cancel-safe: dropping the future closes the connection;
/// the receiver may have the letter all the same.
#[async_trait]
pub trait Courier: Send + Sync {
    /// Carries a letter and waits for the receiver's answer.
    ///
    /// Errors: [`CourierError::Refused`] – it must not be sent, and trying again is of no use;
    /// [`CourierError::Failed`] – it could not be handed over, now.
    async fn deliver(&self, letter: Letter) -> Result<Receipt, CourierError>;

    /// Whether an address might be called, as far as its text tells: no name is looked up, so it is judged again
    /// before a letter leaves.
    ///
    /// Errors: [`CourierError::Refused`] – it never will be.
    async fn may_call(&self, url: &str) -> Result<(), CourierError>;
}

/// What is to be carried, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// `http` or `https` address.
    pub url: String,
    /// Headers to send along, in this order; a name may come twice.
    pub headers: Vec<(String, String)>,
    /// The exact bytes.
    pub body: Vec<u8>,
}

/// What the receiver answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The HTTP status.
    pub status: u16,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Why a letter was not handed over. The reasons leave the address out: it may hold a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CourierError {
    /// It must not be sent: the address is none of ours to call, or a header cannot be sent.
    #[error("refused: {0}")]
    Refused(String),
    /// Nobody answered, or not in time.
    #[error("failed: {0}")]
    Failed(String),
}
