//! What a socket may send before it is trusted.
//!
//! Counts bytes below the WebSocket library, whose own limit cannot change during a socket's life:
//! a stranger's frame of 25 MiB stops after the first 64 KiB of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::INTAKE_BYTES_MAX;

/// A stream with a budget of bytes until it is trusted.
#[derive(Debug)]
pub(crate) struct Intake<S> {
    inner: S,
    /// Bytes that may still be read; nothing when there is no limit any more.
    budget: Option<usize>,
}

/// The budget is used up.
#[derive(Debug, thiserror::Error)]
#[error("more than {INTAKE_BYTES_MAX} bytes came before authentication")]
pub(crate) struct Exceeded;

impl<S> Intake<S> {
    pub(crate) const fn new(inner: S) -> Self {
        Self { inner, budget: Some(INTAKE_BYTES_MAX) }
    }
    /// What is below.
    pub(crate) const fn inner(&mut self) -> &mut S {
        &mut self.inner
    }
    /// Lifts the limit.
    pub(crate) const fn trust(&mut self) {
        self.budget = None;
    }
}

/// Whether the library failed because of the budget.
pub(crate) fn is_exceeded(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Exceeded>())
}

impl<S: AsyncRead + Unpin> AsyncRead for Intake<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, budget } = self.get_mut();
        let Some(left) = budget else { return Pin::new(inner).poll_read(context, buffer) };
        if *left == 0 {
            return Poll::Ready(Err(io::Error::other(Exceeded)));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(inner).poll_read(context, buffer);
        *left = left.saturating_sub(buffer.filled().len() - before);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Intake<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_stranger_is_cut_off_and_a_trusted_one_is_not() {
        let flood = vec![7_u8; INTAKE_BYTES_MAX + 8192];
        let mut stranger = Intake::new(flood.as_slice());
        let error = stranger.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert!(is_exceeded(&error));
        let mut trusted = Intake::new(flood.as_slice());
        trusted.trust();
        assert_eq!(trusted.read_to_end(&mut Vec::new()).await.unwrap(), flood.len());
    }
}
