//! Tells callbacks that their task has ended, at least once (G7).
//!
//! The store's outbox holds what is owed; it was written with the change it reports, so a death
//! loses nothing. One future looks at it – woken when a task with a callback ends, and by the
//! clock for what is to be tried again – and has at most [`DELIVERIES_MAX`] attempts under way.
//!
//! Knows no HTTP client and no JSON: a courier carries the letter, and its body is rendered by a
//! function of the composition. Surprise: the body is made at each attempt from the task as it
//! is; a task that was retried by hand has an end of its own to tell, and the old one is dropped.

mod letter;
mod schedule;
mod signature;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use claw_core::courier::{Courier, CourierError, Receipt};
use claw_core::task::StateName;
use claw_core::{Callback, IdSource, Secret, Task, Visibility};
use claw_store::{Delivery, DeliveryResult};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::engine::Engine;
use crate::limits::{DELIVERIES_DRAIN, DELIVERIES_MAX, UNRECORDED_DELIVERY_WAIT};

use schedule::Verdict;
use signature::Signer;

/// What callbacks are told with.
pub struct Callbacks {
    /// Who carries the letters.
    pub courier: Arc<dyn Courier>,
    /// The body that tells how a task ended; `None` for one that has not.
    pub render: fn(&Task) -> Option<Vec<u8>>,
    /// What letters are signed with (`webhooks.secret`); none, and they are not signed.
    pub secret: Option<Secret>,
    /// How often the outbox is looked at while nothing happens.
    pub look_every: Duration,
}

/// [`Callbacks`] at work.
pub(crate) struct Desk {
    post: RwLock<Arc<Post>>,
    render: fn(&Task) -> Option<Vec<u8>>,
    look_every: Duration,
    ended: Notify,
}

/// What the next letter leaves with.
struct Post {
    courier: Arc<dyn Courier>,
    signer: Option<Signer>,
}

impl Post {
    fn of(courier: Arc<dyn Courier>, secret: Option<&Secret>) -> Arc<Self> {
        Arc::new(Self { courier, signer: secret.map(Signer::new) })
    }
}

impl Desk {
    pub(crate) fn new(callbacks: Callbacks) -> Self {
        let Callbacks { courier, render, secret, look_every } = callbacks;
        Self { post: RwLock::new(Post::of(courier, secret.as_ref())), render, look_every, ended: Notify::new() }
    }

    /// Another courier and secret, for every letter that has not left.
    pub(crate) fn replace(&self, courier: Arc<dyn Courier>, secret: Option<&Secret>) {
        *self.post.write().unwrap_or_else(PoisonError::into_inner) = Post::of(courier, secret);
    }

    fn post(&self) -> Arc<Post> {
        Arc::clone(&self.post.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A task with a callback has ended, perhaps.
    pub(crate) fn wake(&self, has_callback: bool, state: Option<StateName>) {
        if has_callback && state.is_none_or(StateName::is_terminal) {
            self.ended.notify_one();
        }
    }

    /// Refuses a callback to an address that will not be called, and one that asks for a signature which cannot
    /// be made.
    ///
    /// Errors: `Invalid`, naming the address, or the header and the setting.
    pub(crate) async fn check(&self, callback: &Callback) -> Result<(), Error> {
        let post = self.post();
        if let Err(why) = post.courier.may_call(&callback.url).await {
            return Err(Error::invalid("callback.url", format!("{why} (webhooks.allowHosts)")));
        }
        match letter::placeholder(callback).filter(|_| post.signer.is_none()) {
            None => Ok(()),
            Some(name) => Err(Error::invalid(
                format!("callback.headers.{name}"),
                "asks for a signature, and there is no secret to sign with: set webhooks.secret".to_owned(),
            )),
        }
    }
}

/// Delivers for as long as the app lives; what is under way at the end gets a moment.
pub(crate) async fn run(engine: &Engine, cancel: CancellationToken) {
    let mut looks = interval(engine.desk.look_every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = FuturesUnordered::new();
    let mut taken = HashSet::new();
    let mut is_more_due = false;
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            _ = looks.tick() => {}
            () = engine.desk.ended.notified() => {}
            Some(id) = under_way.next() => {
                taken.remove(&id);
                if !is_more_due {
                    continue;
                }
            }
        }
        let (due, is_more) = due(engine, &taken).await;
        is_more_due = is_more;
        for delivery in due {
            taken.insert(delivery.id);
            under_way.push(attempt(engine, delivery));
        }
    }
    let rest = async { while under_way.next().await.is_some() {} };
    if tokio::time::timeout(DELIVERIES_DRAIN, rest).await.is_err() {
        tracing::info!("deliveries that were under way are made again at the next start");
    }
}

/// What is due and not under way, as much as there is room for; and whether there may be more.
async fn due(engine: &Engine, taken: &HashSet<i64>) -> (Vec<Delivery>, bool) {
    let room = DELIVERIES_MAX.saturating_sub(taken.len());
    if room == 0 {
        return (Vec::new(), true);
    }
    // What is under way is due, too, and stands among the oldest.
    let rows = u32::try_from(2 * DELIVERIES_MAX).unwrap_or(u32::MAX);
    match engine.store.due_deliveries(engine.clock.now(), rows).await {
        Ok(mut due) => {
            due.retain(|delivery| !taken.contains(&delivery.id));
            let is_more = due.len() > room;
            due.truncate(room);
            (due, is_more)
        }
        Err(error) => {
            tracing::warn!("what is to be delivered cannot be read: {error}");
            (Vec::new(), false)
        }
    }
}

/// One attempt, recorded; returns the delivery's id when it may be taken again.
#[tracing::instrument(name = "delivery", skip_all, fields(delivery.id = delivery.id, task.id = %delivery.task))]
async fn attempt(engine: &Engine, delivery: Delivery) -> i64 {
    let (id, task, number) = (delivery.id, delivery.task, delivery.attempt.saturating_add(1));
    let host = letter::host(&delivery.callback.url).to_owned();
    let answer = send(engine, delivery).await;
    let verdict = schedule::judge(&answer, number, chance(&*engine.ids));
    let (result, word) = match verdict {
        Verdict::Delivered => {
            tracing::info!(attempt = number, "{host} was told that {task} has ended");
            (DeliveryResult::Delivered, "delivered")
        }
        Verdict::Again { after } => {
            let (why, wait_ms) = (reason(&answer), u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            tracing::info!(attempt = number, wait_ms, "{host} could not be told of {task}, try {number}: {why}");
            (DeliveryResult::RetryAt(engine.clock.now().plus(after)), "failed")
        }
        Verdict::Dead => {
            let why = reason(&answer);
            tracing::warn!(attempt = number, "{host} will not be told of {task}, given up at try {number}: {why}");
            (DeliveryResult::Dead, "dead")
        }
    };
    metrics::counter!("openclaw_deliveries_total", "result" => word).increment(1);
    if let Err(error) = engine.noted(engine.store.record_delivery(id, result).await.await) {
        tracing::warn!("an attempt to deliver could not be recorded and will be repeated: {error}");
        // Its place stays taken meanwhile: a full disk must not become a storm of letters.
        tokio::time::sleep(UNRECORDED_DELIVERY_WAIT).await;
    }
    id
}

async fn send(engine: &Engine, delivery: Delivery) -> Result<Receipt, CourierError> {
    let Delivery { id, task, callback, attempt: _ } = delivery;
    let desk = &engine.desk;
    let unread = |error: claw_store::StoreError| CourierError::Failed(format!("the task cannot be read: {error}"));
    let Some(found) = engine.store.task(task, &Visibility::All).await.map_err(unread)? else {
        return Err(CourierError::Refused("the task is gone".to_owned()));
    };
    let Some(body) = (desk.render)(&found) else {
        return Err(CourierError::Refused("the task was retried and will tell of its new end".to_owned()));
    };
    let post = desk.post();
    let letter = letter::write(callback, &letter::id(task, id), engine.clock.now(), body, post.signer.as_ref());
    let letter = letter.ok_or_else(|| {
        CourierError::Failed("it asks for a signature, and webhooks.secret is no longer set".to_owned())
    })?;
    post.courier.deliver(letter).await
}

fn reason(answer: &Result<Receipt, CourierError>) -> String {
    match answer {
        Ok(receipt) => format!("it answered {}", receipt.status),
        Err(error) => error.to_string(),
    }
}

/// From 0 up to 1.
fn chance(ids: &dyn IdSource) -> f64 {
    let mut bytes = [0; 4];
    ids.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}
