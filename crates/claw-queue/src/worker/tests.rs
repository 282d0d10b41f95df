use std::sync::Mutex;

use claw_core::{Lane, Priority};
use uuid::Uuid;

use super::*;
use crate::{MemoryQueue, Ticket, TicketKind};

struct Done;

#[async_trait]
impl Handler for Done {
    async fn handle(&self, _claim: &Claim, _cancel: CancellationToken) -> Verdict {
        Verdict::Done
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_pushed_is_done() {
    let queue = Arc::new(MemoryQueue::default());
    let scope = TaskScope::new();
    Workers::new(queue.clone(), Arc::new(Done), Settings::default()).run(&scope);
    let ticket = Ticket {
        kind: TicketKind::Run,
        subject: Uuid::from_u128(1),
        attempt: 1,
        lane: Lane::Standard,
        priority: Priority::NORMAL,
    };
    queue.push(ticket, Duration::ZERO).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(queue.depth().await.unwrap(), crate::Depth::default());
    assert_eq!(scope.close(Duration::from_secs(1)).await, 0);
    let _ = Mutex::new(());
}
