//! Why providers give no answer, and what that means for whoever asks.

use std::time::Duration;

/// Why a provider gave no (whole) answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// There is no connection, so it has not heard the question.
    #[error("{provider} cannot be reached: {cause}")]
    Unreachable {
        /// The provider's name.
        provider: String,
        /// What went wrong.
        cause: String,
    },
    /// It answered with an error.
    #[error("{provider} answered HTTP {status}: {message}")]
    Status {
        /// The provider's name.
        provider: String,
        /// The HTTP status.
        status: u16,
        /// Its own words, cut.
        message: String,
        /// When it asked to be tried again.
        retry_after: Option<Duration>,
    },
    /// A phase took too long.
    #[error("{provider} gave no {phase} within {seconds} s")]
    Timeout {
        /// The provider's name.
        provider: String,
        /// `connection`, `first byte` or `next byte`.
        phase: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// The stream ended or was damaged before it was finished.
    #[error("{provider} broke off: {cause}")]
    Interrupted {
        /// The provider's name.
        provider: String,
        /// What was missing or unreadable.
        cause: String,
    },
    /// Too many requests wait for it already.
    #[error("{provider} is busy: {waiting} requests wait")]
    Busy {
        /// The provider's name.
        provider: String,
        /// How many wait.
        waiting: usize,
        /// When there is likely to be room.
        retry_after: Option<Duration>,
    },
    /// It is left alone for now: it failed too often, or asked for it.
    #[error("{provider} is left alone for {} s more, since {cause}", wait.as_secs_f32().ceil())]
    SetAside {
        /// The provider's name.
        provider: String,
        /// The failure that led to it.
        cause: String,
        /// How long yet.
        wait: Duration,
        /// Whether it had asked for that itself (429).
        is_asked: bool,
    },
    /// It cannot do this at all.
    #[error("{provider} cannot serve this: {cause}")]
    Unsupported {
        /// The provider's name.
        provider: String,
        /// What it cannot, and what can be done about it.
        cause: String,
    },
}

impl ProviderError {
    /// Whether it was refused because it is too long: a shorter one may be answered.
    pub fn is_too_long(&self) -> bool {
        let Self::Status { status: status @ (400 | 413 | 422), message, .. } = self else { return false };
        const SAID: [&str; 9] = [
            "context_length",
            "context length",
            "context window",
            "maximum context",
            "context size",
            "prompt is too long",
            "input is too long",
            "too many tokens",
            "token limit",
        ];
        let message = message.to_ascii_lowercase();
        *status == 413 || SAID.iter().any(|words| message.contains(words))
    }

    /// Whether a "bad request" is none: the operator's key or account is refused. By how its words begin, since
    /// further on they may repeat what somebody asked.
    pub fn is_operators(&self) -> bool {
        let Self::Status { status: 400, message, .. } = self else { return false };
        const SAID: [&str; 9] = [
            "your credit balance is too low",
            "this organization has been disabled",
            "you have reached your specified api usage limits",
            "api key not valid",
            "api key not found",
            "api key expired",
            "user location is not supported",
            "billing hard limit has been reached",
            "access denied, please make sure your account is in good standing",
        ];
        let message = message.trim_start().to_ascii_lowercase();
        SAID.iter().any(|words| message.starts_with(words))
    }

    /// Whether the question is refused for what it is. Another model may take it, the same one with another key does not.
    pub fn is_at_fault(&self) -> bool {
        // What is too long for one may be shown to it in part.
        matches!(self, Self::Status { status: 400 | 413 | 422, .. }) && !self.is_too_long() && !self.is_operators()
    }

    /// What went wrong without the provider's own words: those may repeat what somebody asked, and
    /// must not be told to anybody else (G13).
    pub fn outline(&self) -> String {
        match self {
            Self::Status { provider, status, .. } => format!("{provider} answered HTTP {status}"),
            Self::Interrupted { provider, .. } => format!("{provider} broke off"),
            Self::Unsupported { provider, .. } => format!("{provider} could not serve it"),
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Busy { .. } | Self::SetAside { .. } => {
                self.to_string()
            }
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Interrupted { .. }
            | Self::Busy { .. }
            | Self::SetAside { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 409 | 425 | 429 | 500..=599),
            Self::Unsupported { .. } => false,
        }
    }
    /// When the provider asked to be tried again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::Busy { retry_after, .. } => *retry_after,
            Self::SetAside { wait, .. } => Some(*wait),
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Interrupted { .. } | Self::Unsupported { .. } => {
                None
            }
        }
    }
}
