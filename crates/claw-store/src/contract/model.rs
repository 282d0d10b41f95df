//! Random verbs, in random batches, against a model of a few lines.

use std::future::Future;

use claw_core::task::TaskState;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::{Cancelled, Recovered, Retried, Rework, Reworked, Steered, TakenUp};

/// One verb with everything that matters for what it comes to.
#[derive(Debug, Clone)]
enum Step {
    Submit { session: u8, owner: u8, key: Option<u8>, digest: u8, attached: bool },
    Start { task: u8, late: bool },
    Append { task: u8, late: bool },
    TakeUp { task: u8, late: bool },
    Finish { task: u8, late: bool, outcome: u8 },
    Cancel { task: u8, who: u8 },
    Retry { task: u8, who: u8 },
    Detach { task: u8 },
    Rework { session: u8, who: u8, deletes: bool },
    Recover,
}

fn step() -> impl Strategy<Value = Step> {
    let task = 0..16_u8;
    let late = prop::bool::weighted(0.1);
    prop_oneof![
        6 => (0..4_u8, 0..3_u8, prop::option::weighted(0.3, 0..3_u8), 0..2_u8, prop::bool::weighted(0.2))
            .prop_map(|(session, owner, key, digest, attached)| Step::Submit { session, owner, key, digest, attached }),
        8 => (task.clone(), late).prop_map(|(task, late)| Step::Start { task, late }),
        3 => (task.clone(), late).prop_map(|(task, late)| Step::Append { task, late }),
        4 => (task.clone(), late).prop_map(|(task, late)| Step::TakeUp { task, late }),
        6 => (task.clone(), late, 0..5_u8).prop_map(|(task, late, outcome)| Step::Finish { task, late, outcome }),
        2 => (task.clone(), 0..3_u8).prop_map(|(task, who)| Step::Cancel { task, who }),
        3 => (task.clone(), 0..3_u8).prop_map(|(task, who)| Step::Retry { task, who }),
        1 => task.prop_map(|task| Step::Detach { task }),
        2 => (0..4_u8, 0..3_u8, any::<bool>())
            .prop_map(|(session, who, deletes)| Step::Rework { session, who, deletes }),
        1 => Just(Step::Recover),
    ]
}

#[derive(Debug, Clone)]
struct ModelTask {
    n: u128,
    session: u8,
    owner: u8,
    state: StateName,
    attempt: u32,
    failures: u32,
    crashes: u32,
    attached: bool,
    asked: bool,
    /// Its session was deleted.
    is_forgotten: bool,
    steers: bool,
    /// The task and attempt that took it up.
    taken: Option<(u128, u32)>,
}

/// Tasks in accept order, sessions by owner, used keys.
#[derive(Debug, Default)]
struct Model {
    tasks: Vec<ModelTask>,
    owners: [Option<u8>; 4],
    keys: Vec<(u8, u8, u8, u128)>,
}

fn principal(owner: u8) -> Principal {
    if owner == 0 { Principal::operator() } else { tenant(owner.into()) }
}

impl Model {
    fn get(&mut self, task: u8) -> Option<&mut ModelTask> {
        self.tasks.get_mut(usize::from(task))
    }
    fn open(&self, session: u8) -> impl Iterator<Item = &ModelTask> {
        self.tasks.iter().filter(move |task| task.session == session && !task.state.is_terminal())
    }
    /// Whose turn it is.
    fn due(&self, session: u8) -> Option<u128> {
        let runs = self.open(session).any(|task| task.state == StateName::Running);
        self.open(session).next().filter(|_| !runs).map(|task| task.n)
    }

    fn submit(&mut self, n: u128, step: &Step) -> String {
        let Step::Submit { session, owner, key, digest, attached } = *step else { unreachable!() };
        let known = self.keys.iter().find(|(who, used, ..)| *who == owner && Some(*used) == key);
        if let Some((.., before, task)) = known {
            return if *before == digest { format!("replayed {task}") } else { format!("reused {task}") };
        }
        let place = &mut self.owners[usize::from(session)];
        if place.is_some_and(|first| first != owner) {
            return "foreign".into();
        }
        if attached && self.tasks.iter().any(|task| task.session == session && !task.state.is_terminal()) {
            return "error".into();
        }
        place.get_or_insert(owner);
        self.keys.extend(key.map(|key| (owner, key, digest, n)));
        let (state, attempt) = if attached { (StateName::Running, 1) } else { (StateName::Queued, 0) };
        let task = ModelTask {
            n,
            session,
            owner,
            state,
            attempt,
            failures: 0,
            crashes: 0,
            attached,
            asked: false,
            is_forgotten: false,
            steers: digest == 1 && !attached,
            taken: None,
        };
        self.tasks.push(task);
        format!("created {}", self.due(session) == Some(n))
    }

    fn start(&mut self, task: u8, late: bool) -> String {
        let Some(found) = self.get(task).cloned() else { return "absent".into() };
        if found.state != StateName::Queued || late {
            return format!("stale {}", found.state);
        }
        if self.due(found.session) != Some(found.n) {
            return "busy".into();
        }
        let found = self.get(task).unwrap();
        found.state = StateName::Running;
        found.attempt += 1;
        format!("won {}", found.attempt)
    }

    fn take_up(&mut self, task: u8, late: bool) -> String {
        let Some(run) = self.get(task).filter(|task| task.state == StateName::Running && !late).cloned() else {
            return "lost".into();
        };
        let by = (run.n, run.attempt);
        let waits = |task: &&mut ModelTask| {
            let is_fresh = task.state == StateName::Queued && task.attempt == 0;
            is_fresh && (task.session, task.owner) == (run.session, run.owner) && task.steers && task.taken != Some(by)
        };
        let taken: Vec<u128> =
            self.tasks.iter_mut().filter(waits).map(|task| (task.taken = Some(by), task.n).1).collect();
        format!("took {taken:?}")
    }

    /// Who runs and has taken the task up.
    fn taker(&self, task: &ModelTask) -> Option<&ModelTask> {
        self.tasks.iter().find(|run| run.state == StateName::Running && task.taken == Some((run.n, run.attempt)))
    }

    fn finish(&mut self, task: u8, late: bool, outcome: u8) -> String {
        let Some(found) = self.get(task).filter(|task| task.state == StateName::Running && !late) else {
            return "lost".into();
        };
        found.state = match outcome {
            0 => StateName::Completed,
            1 => StateName::Failed,
            2 => StateName::Cancelled,
            _ if found.asked => StateName::Cancelled,
            _ => StateName::Queued,
        };
        found.failures += u32::from(outcome == 1 || outcome == 3);
        found.asked = false;
        let (session, by) = (found.session, Some((found.n, found.attempt)));
        let mut answered = Vec::new();
        for task in self.tasks.iter_mut().filter(|task| outcome == 0 && task.taken == by) {
            if task.state == StateName::Queued {
                task.state = StateName::Completed;
                answered.push(task.n);
            }
        }
        format!("next {:?}, answered {answered:?}", self.due(session))
    }

    fn cancel(&mut self, task: u8, who: u8) -> String {
        let Some(found) = self.get(task).filter(|task| who == 0 || task.owner == who).cloned() else {
            return "absent".into();
        };
        let was_due = self.due(found.session) == Some(found.n);
        if let Some(run) = self.taker(&found)
            && found.state == StateName::Queued
            && !run.asked
        {
            return format!("taken up by {}", run.n);
        }
        let row = self.get(task).unwrap();
        match row.state {
            StateName::Queued => {
                row.state = StateName::Cancelled;
                let next = self.due(found.session).filter(|_| was_due);
                format!("done {next:?}")
            }
            StateName::Running => {
                row.asked = true;
                "asked".into()
            }
            state => format!("ended {state}"),
        }
    }

    fn retry(&mut self, task: u8, who: u8) -> String {
        let Some(found) = self.get(task).filter(|task| who == 0 || task.owner == who) else { return "absent".into() };
        if found.is_forgotten {
            return "gone".into();
        }
        if !matches!(found.state, StateName::Failed | StateName::Cancelled) {
            return format!("not ended {}", found.state);
        }
        (found.state, found.failures, found.crashes, found.attached) = (StateName::Queued, 0, 0, false);
        let (n, session) = (found.n, found.session);
        format!("queued {}", self.due(session) == Some(n))
    }

    fn rework(&mut self, session: u8, who: u8, deletes: bool) -> String {
        let place = usize::from(session);
        if !self.owners[place].is_some_and(|owner| who == 0 || owner == who) {
            return "absent".into();
        }
        if self.open(session).next().is_some() {
            return "busy".into();
        }
        if deletes {
            self.owners[place] = None;
            self.tasks.iter_mut().filter(|task| task.session == session).for_each(|task| task.is_forgotten = true);
        }
        "done".into()
    }

    fn recover(&mut self) -> Recovered {
        let mut told = Recovered::default();
        for task in &mut self.tasks {
            let ran = task.state == StateName::Running;
            let waited_for = task.attached && task.state == StateName::Queued;
            if !(ran || waited_for) {
                continue;
            }
            task.crashes += u32::from(ran);
            let (state, counter) = if task.attached {
                (StateName::Failed, &mut told.abandoned)
            } else if task.crashes >= 3 {
                (StateName::Failed, &mut told.poisoned)
            } else if task.asked {
                (StateName::Cancelled, &mut told.cancelled)
            } else {
                (StateName::Queued, &mut told.requeued)
            };
            (task.state, task.asked) = (state, false);
            *counter += 1;
        }
        told
    }
}

/// A verb on its way; resolves to the same words that the model uses.
type Told = std::pin::Pin<Box<dyn Future<Output = String>>>;

/// Sends a verb and asks the model; returns both answers, the store's still on its way.
async fn send(store: &dyn Store, model: &mut Model, step: &Step, seq: u64) -> (Told, String) {
    let ids: Vec<(u128, u32)> = model.tasks.iter().map(|task| (task.n, task.attempt)).collect();
    let of = |task: u8| ids.get(usize::from(task)).copied().unwrap_or((9999, 0));
    match *step {
        Step::Submit { .. } => submit_step(store, model, step, u128::from(seq)).await,
        Step::Start { task, late } => {
            let (n, attempt) = of(task);
            let commit = store.start(id(n), attempt + u32::from(late), at(1)).await;
            (Box::pin(async { start_told(commit.await.unwrap()) }), model.start(task, late))
        }
        Step::Append { task, late } => {
            let (n, attempt) = of(task);
            let commit = store.append_events(id(n), attempt + u32::from(late), vec![text_event(seq)], None).await;
            let holds = model.get(task).is_some_and(|task| task.state == StateName::Running) && !late;
            (Box::pin(async { commit.await.unwrap().to_string() }), holds.to_string())
        }
        Step::TakeUp { task, late } => {
            let (n, attempt) = of(task);
            let steering = ids.iter().map(|(n, _)| id(*n)).collect();
            let commit = store.take_up(id(n), attempt + u32::from(late), steering, at(9)).await;
            (Box::pin(async { taken_told(commit.await.unwrap()) }), model.take_up(task, late))
        }
        Step::Finish { task, .. } => finish_step(store, model, step, of(task), seq).await,
        Step::Cancel { task, who } => {
            let commit = store.cancel(id(of(task).0), principal(who).visibility(), at(3)).await;
            (Box::pin(async { cancel_told(commit.await.unwrap()) }), model.cancel(task, who))
        }
        Step::Retry { task, who } => {
            let commit = store.retry(id(of(task).0), principal(who).visibility(), at(4)).await;
            (Box::pin(async { retry_told(commit.await.unwrap()) }), model.retry(task, who))
        }
        Step::Detach { task } => {
            let commit = store.detach(id(of(task).0)).await;
            if let Some(task) = model.get(task) {
                task.attached &= task.state.is_terminal();
            }
            (Box::pin(async { format!("{:?}", commit.await.unwrap()) }), "()".into())
        }
        Step::Rework { session, who, deletes } => {
            let what = if deletes {
                Rework::Delete
            } else {
                // Far from the ids that submits give out.
                Rework::Reset(SessionId::from_uuid(Uuid::from_u128((1 << 64) + u128::from(seq))))
            };
            let key = key(&format!("s{session}"));
            let commit = store.rework_session(key, principal(who).visibility(), what, at(6)).await;
            let told = async {
                match commit.await.unwrap() {
                    Reworked::Done { .. } => "done".into(),
                    Reworked::Busy(_) => "busy".into(),
                    Reworked::Absent => "absent".into(),
                }
            };
            (Box::pin(told), model.rework(session, who, deletes))
        }
        Step::Recover => {
            let commit = store.recover(at(5)).await;
            (Box::pin(async { format!("{:?}", commit.await.unwrap()) }), format!("{:?}", model.recover()))
        }
    }
}

async fn submit_step(store: &dyn Store, model: &mut Model, step: &Step, n: u128) -> (Told, String) {
    let Step::Submit { session, owner, key, digest, attached } = *step else { unreachable!() };
    let mut new = NewTask { principal: principal(owner), ..task(n, &format!("s{session}")) };
    new.steers = digest == 1 && !attached;
    if attached {
        new.begin = Begin::Attached;
    }
    if let Some(key) = key {
        new = keyed(new, &format!("k{key}"), digest);
    }
    let commit = store.submit(new).await;
    let told = async {
        match commit.await {
            Ok(Submitted::Created { is_head, .. }) => format!("created {is_head}"),
            Ok(Submitted::Replayed { id }) => format!("replayed {}", id.uuid().as_u128()),
            Ok(Submitted::KeyReused { id }) => format!("reused {}", id.uuid().as_u128()),
            Ok(Submitted::Foreign) => "foreign".into(),
            Err(_) => "error".into(),
        }
    };
    (Box::pin(told), model.submit(n, step))
}

async fn finish_step(
    store: &dyn Store,
    model: &mut Model,
    step: &Step,
    (n, attempt): (u128, u32),
    seq: u64,
) -> (Told, String) {
    let Step::Finish { task, late, outcome } = *step else { unreachable!() };
    // What it says that it took up is more than it did: only the marks count.
    let steered = model.tasks.iter().map(|task| Steered { id: id(task.n), messages: 0..0 }).collect();
    let end = end(n, attempt + u32::from(late), outcome_of(outcome), seq);
    let commit = store.finish(Finish { steered, ..end }.into()).await;
    let told = async {
        let Finished { accepted, next, answered } = commit.await.unwrap();
        let next = next.map(|ticket| ticket.id.uuid().as_u128());
        let answered: Vec<u128> = answered.iter().map(|answered| answered.id.uuid().as_u128()).collect();
        if accepted { format!("next {next:?}, answered {answered:?}") } else { "lost".into() }
    };
    (Box::pin(told), model.finish(task, late, outcome))
}

fn outcome_of(outcome: u8) -> Outcome {
    match outcome {
        0 => Outcome::Completed(output("x")),
        1 => Outcome::Failed { failure: failure(), partial: String::new() },
        2 => Outcome::Cancelled { partial: String::new() },
        3 => Outcome::Retry { failure: failure(), not_before: at(9) },
        _ => Outcome::Yielded { not_before: at(9), why: None },
    }
}

fn start_told(started: Started) -> String {
    match started {
        Started::Won(run) => format!("won {}", run.task.attempt),
        Started::Stale(state) => format!("stale {state}"),
        Started::SessionBusy => "busy".into(),
        Started::Absent => "absent".into(),
    }
}

fn taken_told(taken: Option<Vec<TakenUp>>) -> String {
    match taken {
        Some(taken) => {
            format!("took {:?}", taken.iter().map(|taken| taken.id.uuid().as_u128()).collect::<Vec<_>>())
        }
        None => "lost".into(),
    }
}

fn cancel_told(cancelled: Cancelled) -> String {
    match cancelled {
        Cancelled::Done { next, .. } => format!("done {:?}", next.map(|ticket| ticket.id.uuid().as_u128())),
        Cancelled::Asked => "asked".into(),
        Cancelled::TakenUp { by } => format!("taken up by {}", by.uuid().as_u128()),
        Cancelled::Ended(state) => format!("ended {state}"),
        Cancelled::Absent => "absent".into(),
    }
}

fn retry_told(retried: Retried) -> String {
    match retried {
        Retried::Queued { ticket } => format!("queued {}", ticket.is_some()),
        Retried::NotEnded(state) => format!("not ended {state}"),
        Retried::Gone => "gone".into(),
        Retried::Absent => "absent".into(),
    }
}

/// Batches are sent without waiting in between; now and then the process dies.
async fn play<F: Fixture>(mut fixture: F, batches: &[(Vec<Step>, bool)]) {
    let mut model = Model::default();
    let mut seq = 0;
    for (batch, restarts) in batches {
        let mut sent = Vec::new();
        for step in batch {
            // Beyond every jump, so that numbers rise whatever happened.
            seq += 100_000;
            sent.push((step, send(fixture.store(), &mut model, step, seq).await));
        }
        for (step, (told, expected)) in sent {
            assert_eq!(told.await, expected, "{step:?}");
        }
        if *restarts {
            fixture.restart().await;
        }
        let tasks = all_tasks(fixture.store()).await;
        assert_eq!(tasks.len(), model.tasks.len());
        for (task, model) in tasks.iter().rev().zip(&model.tasks) {
            assert_eq!(task.id, id(model.n));
            assert_eq!((task.state.name(), task.attempt, task.failures), (model.state, model.attempt, model.failures));
            assert_eq!((task.crashes, task.attached), (model.crashes, model.attached));
            assert!(!matches!(task.state, TaskState::Completed { .. }) || task.progress == 100);
        }
        let due: Vec<u128> = (0..4).filter_map(|session| model.due(session)).collect();
        let tickets = fixture.store().due_tickets(None, 100).await.unwrap().items;
        let mut tickets: Vec<u128> = tickets.iter().map(|ticket| ticket.id.uuid().as_u128()).collect();
        tickets.sort_unstable();
        let mut due = due;
        due.sort_unstable();
        assert_eq!(tickets, due);
    }
    assert_consistent(fixture.store()).await;
}

/// Plays random batches on fresh backends.
pub(super) fn check<F: Fixture, M: Future<Output = F>>(make: impl Fn() -> M) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let batch = (prop::collection::vec(step(), 1..12), prop::bool::weighted(0.15));
    let cases = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(cases).run(&prop::collection::vec(batch, 1..10), |batches| {
        runtime.block_on(async { play(make().await, &batches).await });
        Ok(())
    });
    result.unwrap();
}
