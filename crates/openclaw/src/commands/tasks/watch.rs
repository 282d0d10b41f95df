//! Following a task to its end.
//!
//! Every event has a number; when the connection drops, watching goes on behind the last one, so
//! nothing is shown twice or missed, also over a restart of the gateway.

use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::client::answers::{Task, TaskAnswer, TaskEvent, Watched};
use crate::client::{ClientError, Connection, Incoming, Payload, Target};
use crate::commands::agent::INTERRUPTED;
use crate::commands::approvals;
use crate::commands::config::print;
use crate::commands::streamed::Streamed;
use crate::commands::terminal::{Terminal, note};
use crate::exit::Fatal;

/// The task ended, but not well.
const NOT_COMPLETED: u8 = 70;
/// How long a gateway may be away before we give up: a graceful restart takes half a minute.
const AWAY_MAX: Duration = Duration::from_secs(90);
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Watches `id` until it has ended, over `connection` as long as that lasts.
///
/// Exits 0 when it completed, 70 when not, 130 on Ctrl-C, which leaves the task alone.
pub(super) async fn follow(
    target: &Target,
    connection: Option<Connection>,
    id: &str,
    json: bool,
    terminal: Terminal,
) -> Result<ExitCode, Fatal> {
    let mut interrupts = signal(SignalKind::interrupt()).map_err(anyhow::Error::from)?;
    let mut view = View::new(terminal, json);
    let watched = tokio::select! {
        watched = to_the_end(target, connection, id, &mut view) => watched,
        _ = interrupts.recv() => {
            view.leave()?;
            note(&format!("the task goes on; `openclaw tasks cancel {id}` ends it"));
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let payload = match watched {
        Ok(payload) => payload,
        Err(fatal) => {
            view.leave()?;
            return Err(fatal);
        }
    };
    let task = payload.read::<TaskAnswer>()?.task;
    view.end(&task)?;
    if json {
        print(&payload.pretty())?;
    }
    Ok(if task.status == "completed" { ExitCode::SUCCESS } else { ExitCode::from(NOT_COMPLETED) })
}

async fn to_the_end(
    target: &Target,
    mut connection: Option<Connection>,
    id: &str,
    view: &mut View,
) -> Result<Payload, Fatal> {
    let mut away_since = None;
    let mut is_first = connection.is_none();
    loop {
        let opened = match connection.take() {
            Some(open) => Ok(open),
            None => Connection::open(&target.again()?).await,
        };
        let error = match opened {
            Ok(mut open) => {
                is_first = false;
                let seen = view.after;
                match watch(&mut open, id, view).await {
                    Ok(payload) => {
                        open.close().await;
                        return Ok(payload);
                    }
                    Err(Stop::Here(fatal)) => return Err(fatal),
                    Err(Stop::Connection(error)) => {
                        if view.after > seen {
                            away_since = None;
                        }
                        error
                    }
                }
            }
            Err(error) => error,
        };
        let is_worth_it = match &error {
            ClientError::Lost { .. } | ClientError::TooSlow { .. } => true,
            ClientError::NotRunning { .. } | ClientError::Unreachable { .. } => !is_first,
            ClientError::Unauthorized { .. } | ClientError::Refused(_) | ClientError::Unexpected { .. } => false,
        };
        let since = *away_since.get_or_insert_with(|| {
            if is_worth_it {
                view.aside(&format!("{error}; going on as soon as it answers"));
            }
            Instant::now()
        });
        if !is_worth_it || since.elapsed() > AWAY_MAX {
            return Err(error.into());
        }
        sleep(AGAIN_AFTER).await;
    }
}

/// Why one connection was not enough.
enum Stop {
    Connection(ClientError),
    Here(Fatal),
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::Connection(error)
    }
}

async fn watch(connection: &mut Connection, id: &str, view: &mut View) -> Result<Payload, Stop> {
    let asked = connection.ask("tasks.watch", &json!({"id": id, "after": view.after})).await?;
    loop {
        match connection.next().await? {
            Incoming::Answer { id, result } if id == asked => {
                let payload = result.map_err(ClientError::Refused)?;
                // The first answer has no task, the last one has.
                if payload.read::<TaskAnswer>().is_ok_and(|answer| answer.task.has_ended()) {
                    return Ok(payload);
                }
            }
            Incoming::Event { name, payload } if name == "task.event" => {
                let Watched { task_id, event } = payload.read()?;
                if task_id == id {
                    view.show(&event).map_err(Stop::Here)?;
                }
            }
            Incoming::Answer { .. } | Incoming::Event { .. } => {}
        }
    }
}

/// What is shown of a task while it runs: its answer on standard output, the rest on standard
/// error, there as a bar where somebody looks.
struct View {
    /// The last event shown.
    after: u64,
    percent: u8,
    is_silent: bool,
    bar: Option<ProgressBar>,
    streamed: Streamed,
}

impl View {
    fn new(terminal: Terminal, is_silent: bool) -> Self {
        let bar = (terminal.is_error_shown && !is_silent).then(|| {
            let style = ProgressStyle::with_template("{spinner} [{bar:30}] {pos:>3} % {elapsed} {wide_msg}");
            let bar = ProgressBar::new(100);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let streamed = Streamed::new(terminal, is_silent).beside(bar.clone());
        Self { after: 0, percent: 0, is_silent, bar, streamed }
    }

    fn show(&mut self, event: &TaskEvent) -> Result<(), Fatal> {
        // Told again by a gateway that is more generous than asked.
        if event.seq <= self.after {
            return Ok(());
        }
        self.after = event.seq;
        match event.kind.as_str() {
            "text" => self.streamed.add(&event.delta)?,
            "started" => {
                if event.attempt > 1 {
                    self.streamed.restart()?;
                }
                self.aside(&format!("attempt {} with {}", event.attempt, event.model));
            }
            "progress" => self.progress(event.percent),
            "tool_call" => {
                let name = event.call.as_ref().map_or("a tool", |call| call.name.as_str());
                self.aside(&format!("[calls {name}]"));
            }
            "tool_result" if event.is_error => self.aside(&format!("[{} failed]", event.name)),
            "continued" => self.aside(&format!("told to go on: {}", event.reason)),
            "approval_requested" => {
                for line in approvals::waiting(&event.approval_id, &event.name, &event.shown).lines() {
                    self.aside(line);
                }
            }
            "approval_resolved" => self.aside(&format!("[{}]", event.state)),
            "retrying" => {
                let why = event.error.as_ref().map_or("", |error| error.message.as_str());
                self.aside(&format!("attempt {} failed: {why}; again at {}", event.attempt, event.retry_at));
            }
            // The last answer tells the end; other kinds are no news for a person.
            _ => {}
        }
        Ok(())
    }

    fn progress(&mut self, percent: u8) {
        if percent == self.percent {
            return;
        }
        self.percent = percent;
        match &self.bar {
            Some(bar) => bar.set_position(percent.into()),
            None => self.aside(&format!("{percent} %")),
        }
    }

    fn aside(&mut self, line: &str) {
        if !self.is_silent {
            // Standard output is written only where it is a terminal, and a closed one is no news.
            let _ = self.streamed.aside(line);
        }
    }

    fn end(&mut self, task: &Task) -> Result<(), Fatal> {
        let whole = task.result.as_ref().map(|result| result.response.as_str());
        self.streamed.end(whole)?;
        self.clear();
        if self.is_silent {
            return Ok(());
        }
        match &task.error {
            Some(error) => note(&format!("{} {}: {} ({})", task.id, task.status, error.message, error.reason)),
            None => note(&format!("{} {}", task.id, task.status)),
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Fatal> {
        self.streamed.end(None)?;
        self.clear();
        Ok(())
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
