//! Every spawned future belongs to a scope; closing the scope ends them and waits.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Owns spawned futures. Clones share the same futures; `child` makes a smaller scope inside.
#[derive(Debug, Clone)]
pub struct TaskScope {
    cancel: CancellationToken,
    tracker: TaskTracker,
}

impl Default for TaskScope {
    fn default() -> Self {
        Self::new()
    }
}

impl TaskScope {
    /// A scope that nothing above cancels.
    pub fn new() -> Self {
        Self { cancel: CancellationToken::new(), tracker: TaskTracker::new() }
    }

    /// A scope that is cancelled with this one, and whose futures this one waits for.
    pub fn child(&self) -> Self {
        Self { cancel: self.cancel.child_token(), tracker: self.tracker.clone() }
    }

    /// Runs a future until it ends; it gets the scope's token and is expected to heed it.
    #[expect(clippy::disallowed_methods, reason = "this is the replacement that clippy.toml names")]
    pub fn spawn<F, T>(&self, work: impl FnOnce(CancellationToken) -> F) -> tokio::task::JoinHandle<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        tokio::spawn(self.tracker.track_future(work(self.cancel.clone())))
    }

    /// Asks everything inside to end.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Resolves when somebody asked. Cancel-safe.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// The token itself, for APIs that take one.
    pub fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// How many futures run in this scope and its children.
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Cancels, then waits at most `grace`; returns how many futures had not ended.
    ///
    /// The tracker is shared with the children, so only the outermost scope should close.
    pub async fn close(&self, grace: Duration) -> usize {
        self.cancel.cancel();
        self.tracker.close();
        let _ended_in_time = tokio::time::timeout(grace, self.tracker.wait()).await;
        self.tracker.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closing_a_scope_ends_its_children_and_waits_for_them() {
        let scope = TaskScope::new();
        let (told, mut hears) = tokio::sync::mpsc::channel(2);
        let child = scope.child();
        let told_too = told.clone();
        drop(scope.spawn(|cancel| async move {
            cancel.cancelled().await;
            told.send("parent").await.unwrap();
        }));
        drop(child.spawn(|cancel| async move {
            cancel.cancelled().await;
            told_too.send("child").await.unwrap();
        }));
        assert_eq!(scope.running(), 2);
        assert_eq!(scope.close(Duration::from_secs(5)).await, 0);
        let mut names = [hears.recv().await, hears.recv().await];
        names.sort_unstable();
        assert_eq!(names, [Some("child"), Some("parent")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_does_not_listen_is_reported() {
        let scope = TaskScope::new();
        drop(scope.spawn(|_deaf| std::future::pending::<()>()));
        assert_eq!(scope.close(Duration::from_secs(1)).await, 1);
    }
}
