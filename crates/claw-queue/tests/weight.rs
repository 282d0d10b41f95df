//! What a waiting ticket weighs; alone in its process, because it asks the system for its size.
#![cfg(target_os = "linux")]

use std::time::Duration;

use claw_core::{Lane, Priority};
use claw_queue::{MemoryQueue, Queue, Ticket, TicketKind};
use uuid::Uuid;

const TICKETS: u64 = 100_000;
const TICKET_BYTES_MAX: u64 = 200;

#[tokio::test]
async fn a_hundred_thousand_tickets_weigh_at_most_two_hundred_bytes_each() {
    let resident_bytes = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    };
    let queue = MemoryQueue::default();
    let before = resident_bytes();
    for number in 0..TICKETS {
        // In the order of time, as version 7 is: the tree's least compact case.
        let subject = Uuid::from_u64_pair(0x0190_0000_0000_7000 + (number << 16), u64::MAX);
        let (kind, lane, priority) = (TicketKind::Run, Lane::Standard, Priority::NORMAL);
        let delay = Duration::from_secs(number % 2 * 3600);
        queue.push(Ticket { kind, subject, attempt: 1, lane, priority }, delay).await.unwrap();
    }
    let each = (resident_bytes() - before) / TICKETS;
    assert!(each <= TICKET_BYTES_MAX, "{each} bytes each");
    println!("{each} bytes each");
}
