//! What only SQLite has to prove: its file, its plans, its faults.

use claw_core::provider::{FinishReason, Usage};
use claw_core::run::Sequenced;
use claw_core::task::Outcome;
use claw_core::*;
use claw_runtime::TaskScope;
use uuid::Uuid;

use crate::*;

#[tokio::test]
async fn smoke() {
    let directory = tempfile::tempdir().unwrap();
    let scope = TaskScope::new();
    let store = SqliteStore::open(sqlite::Settings::at(directory.path().join("x.db")), &scope).await.unwrap();
    let at = Timestamp::from_millis(5);
    let id = TaskId::from_uuid(Uuid::from_u128(1));
    let new = NewTask {
        id,
        session_id: SessionId::from_uuid(Uuid::from_u128(2)),
        principal: Principal::operator(),
        turn: Turn::text(SessionKey::main(&AgentId::main()), "hello"),
        lane: Lane::Standard,
        priority: Priority::NORMAL,
        label: None,
        on_crash: OnCrash::Fail,
        attempts_max: 3,
        callback: None,
        idempotency: None,
        begin: Begin::Queued { not_before: at, attached: false },
        at,
    };
    println!("{:?}", store.submit(new).await.await.unwrap());
    println!("{:?}", store.due_tickets(None, 10).await.unwrap());
    println!("{:?}", store.start(id, 0, at).await.await.unwrap());
    let event = |seq| Sequenced { seq, at, event: RunEvent::Progress { percent: 1 } };
    println!("{:?}", store.append_events(id, 1, vec![event(1), event(2)], Some(5)).await.await.unwrap());
    let output =
        Output { text: "x".into(), tool_calls: vec![], finish: FinishReason::Stop, usage: Usage::default(), model: "m".into() };
    let finish = Finish {
        id,
        attempt: 1,
        outcome: Outcome::Completed(output),
        messages: vec![Message::user("y")],
        events: vec![event(3)],
        usage: Usage { input_tokens: 1, output_tokens: 2, cached_tokens: 0 },
        model: "m".into(),
        at,
    };
    println!("{:?}", store.finish(finish).await.await.unwrap());
    println!("{:?}", store.task(id, &Visibility::All).await.unwrap());
    println!("{:?}", store.runs(id).await.unwrap());
    println!("{:?}", store.events(id, 1, 10).await.unwrap());
    println!("{:?}", store.counts().await.unwrap());
    println!("{:?}", store.sessions(&Visibility::All, None, 10).await.unwrap());
    println!("{:?}", store.recover(at).await.await.unwrap());
    store.settled().await.unwrap();
    store.close().await;
    let store = SqliteStore::open(sqlite::Settings::at(directory.path().join("x.db")), &scope).await.unwrap();
    println!("{:?}", store.counts().await.unwrap());
}
