//! `openclaw agent`: one question, its answer printed as it comes.
//!
//! Ctrl-C and `--timeout` end the run itself. A broken connection does not: the run goes on in the
//! gateway, and the command says how to watch it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::Context;
use super::approvals;
use super::asking::Asking;
use super::config::print;
use super::streamed::Streamed;
use super::terminal::{Terminal, message, note};
use crate::client::answers::{AgentEvent, AgentEventData, Run};
use crate::client::{self, ClientError, Connection, Incoming, Payload};
use crate::exit::Fatal;

/// Ended by Ctrl-C, as shells count.
pub(super) const INTERRUPTED: u8 = 130;
/// How long the gateway may take to stop a run before we leave all the same.
const ABORT_MAX: Duration = Duration::from_secs(3);
/// Where no `--timeout` stands.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

/// Arguments of `openclaw agent`.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// What to say; - reads it from standard input
    #[arg(long, short)]
    message: String,
    /// The conversation it belongs to [default: the agent's main one]
    #[arg(long, value_name = "KEY")]
    session: Option<String>,
    /// Who answers [default: main]
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Another model than the agent's, as `openclaw models list` shows it
    #[arg(long)]
    model: Option<String>,
    /// How much to think: off, minimal, low, medium, high
    #[arg(long, value_name = "LEVEL", value_parser = ["off", "minimal", "low", "medium", "high"])]
    thinking: Option<String>,
    /// What to do while the conversation is busy: wait, end its run, be heard by its run, or give up
    #[arg(long, value_name = "MODE", default_value = "followup", value_parser = ["followup", "interrupt", "steer", "reject"])]
    queue_mode: String,
    /// Give up, and end the run, after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    timeout: Option<u64>,
    #[command(flatten)]
    asking: Asking,
}

/// Runs `openclaw agent`.
pub(crate) fn run(arguments: Agent, context: &Context) -> Result<ExitCode, Fatal> {
    let Agent { message: text, session, agent, model, thinking, queue_mode, timeout: seconds, asking } = arguments;
    let params = json!({
        "message": message(&text)?,
        "sessionKey": session,
        "agentId": agent,
        "model": model,
        "thinking": thinking,
        "queueMode": queue_mode,
        "stream": true,
    });
    let (target, json) = (asking.target(context)?, asking.json);
    let terminal = Terminal::of(&context.environment);
    client::block_on(async {
        let mut connection = Connection::open(&target).await?;
        let asked = connection.ask("agent", &params).await?;
        let mut question = Question { asked, run: Run::default(), streamed: Streamed::new(terminal, json) };
        let code = question.wait(&mut connection, seconds, json).await;
        connection.close().await;
        code
    })
}

/// A question that has been asked.
struct Question {
    asked: String,
    /// What is known of the run; its id is empty before it was accepted.
    run: Run,
    streamed: Streamed,
}

impl Question {
    async fn wait(&mut self, connection: &mut Connection, seconds: Option<u64>, json: bool) -> Result<ExitCode, Fatal> {
        let mut interrupts = signal(SignalKind::interrupt()).map_err(anyhow::Error::from)?;
        let out_of_time = tokio::time::sleep(seconds.map_or(NEVER, Duration::from_secs));
        tokio::pin!(out_of_time);
        loop {
            tokio::select! {
                incoming = connection.next() => {
                    let incoming = incoming.map_err(|error| self.cut_off(error))?;
                    if let Some(payload) = self.hear(incoming)? {
                        return self.finish(&payload, json);
                    }
                }
                _ = interrupts.recv() => {
                    self.streamed.end(None)?;
                    self.abort(connection).await;
                    return Ok(ExitCode::from(INTERRUPTED));
                }
                () = &mut out_of_time => {
                    self.streamed.end(None)?;
                    self.abort(connection).await;
                    let seconds = seconds.unwrap_or_default();
                    return Err(Fatal::other(
                        format!("no answer within {seconds} s; the run was ended"),
                        "give it longer with --timeout, or submit it with `openclaw tasks submit`",
                    ));
                }
            }
        }
    }

    /// Takes in what the gateway says; the last answer comes back.
    fn hear(&mut self, incoming: Incoming) -> Result<Option<Payload>, Fatal> {
        match incoming {
            Incoming::Answer { id, result } if id == self.asked => {
                let payload = match result {
                    Ok(payload) => payload,
                    Err(refusal) => {
                        self.streamed.end(None)?;
                        return Err(ClientError::Refused(refusal).into());
                    }
                };
                let run: Run = payload.read()?;
                if run.status != "accepted" {
                    return Ok(Some(payload));
                }
                self.run = run;
            }
            Incoming::Event { name, payload } if name == "agent" => self.show(&payload.read()?)?,
            Incoming::Answer { .. } | Incoming::Event { .. } => {}
        }
        Ok(None)
    }

    fn show(&mut self, event: &AgentEvent) -> Result<(), Fatal> {
        if event.run_id != self.run.run_id {
            return Ok(());
        }
        match (event.stream.as_str(), event.data.phase.as_deref()) {
            ("assistant", _) => self.streamed.add(event.data.delta.as_deref().unwrap_or_default()),
            ("tool", Some("start")) => {
                let name = event.data.name.as_deref().unwrap_or_default();
                self.streamed.aside(&format!("[calls {name}]"))
            }
            ("lifecycle", Some("steered")) => {
                let text = event.data.text.as_deref().unwrap_or_default();
                self.streamed.aside(&format!("[hears: {text}]"))
            }
            ("lifecycle", Some("approval_requested")) => {
                let told = |field: &Option<String>| field.clone().unwrap_or_default();
                let AgentEventData { approval_id, name, command, .. } = &event.data;
                for line in approvals::waiting(&told(approval_id), &told(name), &told(command)).lines() {
                    self.streamed.aside(line)?;
                }
                Ok(())
            }
            ("lifecycle", Some("approval_resolved")) => {
                self.streamed.aside(&format!("[{}]", event.data.state.as_deref().unwrap_or_default()))
            }
            ("lifecycle", Some("retrying")) => {
                self.streamed.restart()?;
                let why = event.data.message.as_deref().unwrap_or_default();
                self.streamed.aside(&format!("it failed and is tried again: {why}"))
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, payload: &Payload, json: bool) -> Result<ExitCode, Fatal> {
        let run: Run = payload.read()?;
        if run.status != "ok" {
            self.streamed.end(None)?;
            let word = if run.status == "aborted" { "was ended by somebody" } else { "failed" };
            return Err(Fatal::other(format!("the run {word}"), "see `openclaw logs`"));
        }
        let texts = run.result.map(|result| result.payloads).unwrap_or_default();
        let whole: Vec<String> = texts.into_iter().filter_map(|payload| payload.text).collect();
        self.streamed.end(Some(&whole.join("\n")))?;
        if json { print(&payload.pretty()) } else { Ok(ExitCode::SUCCESS) }
    }

    /// Asks the gateway to end the run; whether it does in time or not, we leave.
    async fn abort(&mut self, connection: &mut Connection) {
        let aborted = async {
            // It can be ended only once it has a name.
            while self.run.run_id.is_empty() {
                let incoming = connection.next().await?;
                if self.hear(incoming)?.is_some() {
                    return Ok(());
                }
            }
            connection.call("chat.abort", &json!({"runId": self.run.run_id})).await?;
            Ok::<(), Fatal>(())
        };
        if !matches!(timeout(ABORT_MAX, aborted).await, Ok(Ok(()))) {
            note("the run could not be ended in time; `openclaw tasks list` shows it");
        }
    }

    /// The connection broke: the run has not.
    fn cut_off(&self, error: ClientError) -> Fatal {
        match (&error, &self.run.task_id) {
            (ClientError::Lost { .. }, Some(task)) => {
                Fatal::other(error, format!("the run goes on: `openclaw tasks watch {task}`"))
            }
            _ => error.into(),
        }
    }
}
