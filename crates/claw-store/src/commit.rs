//! A write on its way to the disk.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::StoreError;

/// Resolves when the write is on disk (after fsync) or was refused.
///
/// The write has its place in the order of writes from the moment this exists; dropping it does
/// not take the write back. That is how a synchronous reply writes behind without waiting.
#[derive(Debug)]
#[must_use = "await it before promising anything, or drop it on purpose"]
pub struct Commit<T>(oneshot::Receiver<Result<T, StoreError>>);

/// The other end of a [`Commit`].
#[derive(Debug)]
pub struct Committer<T>(oneshot::Sender<Result<T, StoreError>>);

impl<T> Commit<T> {
    /// A pair of ends.
    pub fn pair() -> (Committer<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (Committer(sender), Self(receiver))
    }
    /// A write that was refused at the door.
    pub fn refused(error: StoreError) -> Self {
        let (committer, commit) = Self::pair();
        committer.resolve(Err(error));
        commit
    }
}

impl<T> Committer<T> {
    /// Tells the waiting end, if anybody still waits.
    pub fn resolve(self, result: Result<T, StoreError>) {
        let _nobody_waits = self.0.send(result);
    }
}

impl<T> Future for Commit<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|told| told.unwrap_or(Err(StoreError::Closed)))
    }
}
