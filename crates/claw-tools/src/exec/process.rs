//! `process`: looks after commands in the background.

use std::time::Duration;

use async_trait::async_trait;
use claw_core::approval::{Plan, Verdict, visible};
use claw_core::message::JsonText;
use claw_core::provider::ToolSpec;
use claw_core::tool::{Tool, ToolContext, ToolError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};

use super::Processes;
use super::hearing::Hearing;
use crate::arguments;
use crate::limits::{INPUT_BYTES_MAX, POLL_WAIT, POLL_WAIT_MAX};

/// What `process` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Process {
    /// `list`; `poll` (what it has said since, and whether it has ended); `log` (lines of all it has
    /// said); `write` (to what it reads); `send-keys` (to its terminal); `kill`; `clear` (forget what
    /// has ended); `remove` (kill and forget).
    action: Action,
    /// Milliseconds a poll waits for the end, 5000 if unset, at most 120000.
    #[serde(default, alias = "timeoutMs")]
    timeout: Option<u64>,
    /// Which, as `exec` said.
    #[serde(default, alias = "sessionId", deserialize_with = "number")]
    #[schemars(schema_with = "number_or_text")]
    id: Option<u32>,
    /// What to write.
    #[serde(default)]
    data: Option<String>,
    /// Whether nothing more will be written.
    #[serde(default)]
    eof: bool,
    /// Keys to press: `Enter`, `Tab`, `Escape`, `Up`, `C-c`, …, or text.
    #[serde(default)]
    keys: Vec<String>,
    /// The first line of the log to show, from 1; the last ones are shown if it is not said.
    #[serde(default)]
    offset: Option<usize>,
    /// How many lines of the log to show.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Action {
    List,
    Poll,
    Log,
    Write,
    SendKeys,
    Kill,
    Clear,
    Remove,
}

/// A number, also one that a model wrote as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("must be the number that exec said");
    match value {
        None => Ok(None),
        Some(serde_json::Value::String(text)) => text.trim().parse().map(Some).map_err(|_| wrong()),
        Some(other) => other.as_u64().and_then(|number| u32::try_from(number).ok()).map(Some).ok_or_else(wrong),
    }
}

fn number_or_text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["integer", "string", "null"] })
}

/// Looks after commands.
pub(super) struct ProcessTool {
    pub(super) processes: Processes,
    pub(super) hearing: Hearing,
}

impl Process {
    fn id(&self) -> Result<u32, ToolError> {
        self.id.ok_or_else(|| ToolError::Arguments("id: is missing".into()))
    }

    fn wait(&self) -> Duration {
        self.timeout.map_or(POLL_WAIT, Duration::from_millis).min(POLL_WAIT_MAX)
    }

    /// What would be written where; nothing where nothing would.
    fn written(&self) -> Result<Option<Vec<u8>>, ToolError> {
        let bytes = match self.action {
            Action::Write => match (&self.data, self.eof) {
                (Some(data), _) => data.clone().into_bytes(),
                (None, true) => Vec::new(),
                (None, false) => return Err(ToolError::Arguments("data: is missing".into())),
            },
            Action::SendKeys if self.keys.is_empty() => {
                return Err(ToolError::Arguments("keys: must name at least one".into()));
            }
            Action::SendKeys => self.keys.iter().flat_map(|key| key_bytes(key)).collect(),
            Action::List | Action::Poll | Action::Log | Action::Kill | Action::Clear | Action::Remove => {
                return Ok(None);
            }
        };
        if bytes.len() > INPUT_BYTES_MAX {
            return Err(ToolError::Arguments(format!("data: must be at most {INPUT_BYTES_MAX} bytes")));
        }
        Ok(Some(bytes))
    }
}

/// What a key sends.
fn key_bytes(key: &str) -> Vec<u8> {
    if let Some(letter) = key.strip_prefix("C-").filter(|rest| rest.len() == 1) {
        return letter.bytes().map(|byte| byte.to_ascii_lowercase() & 0x1f).collect();
    }
    let bytes: &[u8] = match key {
        "Enter" => b"\r",
        "Tab" => b"\t",
        "Space" => b" ",
        "Escape" => b"\x1b",
        "Backspace" | "BSpace" => b"\x7f",
        "Up" => b"\x1b[A",
        "Down" => b"\x1b[B",
        "Right" => b"\x1b[C",
        "Left" => b"\x1b[D",
        "Home" => b"\x1b[H",
        "End" => b"\x1b[F",
        "PageUp" => b"\x1b[5~",
        "PageDown" => b"\x1b[6~",
        "Delete" => b"\x1b[3~",
        text => text.as_bytes(),
    };
    bytes.to_vec()
}

#[async_trait]
impl Tool for ProcessTool {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new(
            "process",
            "Looks after commands that run in the background: what they say, what they read, their end. To wait for \
             one, poll it with a long timeout.",
            arguments::schema::<Process>(),
        )
    }

    fn is_idempotent(&self) -> bool {
        // What is written is read twice, and what is new is told once.
        false
    }

    /// As long as the command runs, whatever of it was asked for.
    fn waits(&self, answer: &str) -> bool {
        let last = answer.lines().next_back().unwrap_or_default();
        last.starts_with('[') && last.ends_with("running]") || answer.lines().any(is_listed_as_running)
    }

    /// What is written to a command does as much as the command: whoever is asked for the one is asked
    /// for the other.
    async fn plan(&self, context: &ToolContext, given: &JsonText) -> Result<Plan, ToolError> {
        let asked: Process = arguments::parse(given)?;
        match asked.written()? {
            Some(bytes) => {
                self.hearing.written(context, &String::from_utf8_lossy(&bytes)).await;
                let entry = self.processes.entry(context, asked.id()?)?;
                let shown = shown(&entry.command, asked.id()?, &bytes, asked.eof);
                let verdict = if entry.asks { Verdict::Ask } else { Verdict::Allow };
                Ok(Plan { verdict, acts: true, digest: digest(&shown), shown: Some(shown) })
            }
            None => Ok(Plan::free()),
        }
    }

    async fn call(&self, context: &ToolContext, given: &JsonText) -> Result<String, ToolError> {
        let said = self.done(context, given).await;
        self.hearing.said(context, &said).await;
        said
    }
}

impl ProcessTool {
    async fn done(&self, context: &ToolContext, given: &JsonText) -> Result<String, ToolError> {
        let asked: Process = arguments::parse(given)?;
        if let Some(bytes) = asked.written()? {
            let id = asked.id()?;
            let entry = self.processes.entry(context, id)?;
            if entry.asks || context.approved.is_some() {
                let exact = digest(&shown(&entry.command, id, &bytes, asked.eof));
                if context.approved != Some(exact) {
                    return Err(ToolError::Failed("nobody has approved what is to be written".into()));
                }
            }
            if asked.action == Action::SendKeys && !entry.is_terminal {
                return Err(ToolError::Failed(format!("command {id} has no terminal; start it with pty")));
            }
            return self.processes.write(context, id, &bytes, asked.eof).await;
        }
        // A conversation that has begun anew since has not heard them yet.
        if let Some(id) = asked.id
            && self.processes.entry(context, id).is_ok_and(|entry| entry.brings_strangers)
        {
            context.run.strangers.note();
        }
        match asked.action {
            Action::List => Ok(self.processes.list(context)),
            Action::Poll => self.processes.poll(context, asked.id()?, asked.wait()).await,
            Action::Log => self.processes.log(context, asked.id()?, asked.offset, asked.limit),
            Action::Kill => self.processes.kill(context, asked.id()?).await,
            Action::Clear => self.processes.clear(context, asked.id, false).await,
            Action::Remove => self.processes.clear(context, Some(asked.id()?), true).await,
            // Both write, and have written above.
            Action::Write | Action::SendKeys => Err(ToolError::Arguments("data: is missing".into())),
        }
    }
}

/// A line of a list: the number, the state, the command.
fn is_listed_as_running(line: &str) -> bool {
    let rest = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    rest.len() < line.len() && rest.starts_with(" running: ")
}

fn shown(command: &str, id: u32, bytes: &[u8], is_last: bool) -> String {
    let end = if is_last { "\nthen: the end of its input" } else { "" };
    format!("write: \"{}\"\nto: command {id}, {}{end}", visible(&String::from_utf8_lossy(bytes)), visible(command))
}

fn digest(shown: &str) -> [u8; 32] {
    Sha256::digest(shown).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_sends_what_its_name_says() {
        let table: [(&str, &[u8]); 6] =
            [("C-c", &[3]), ("C-D", &[4]), ("Enter", b"\r"), ("Up", b"\x1b[A"), ("ls -l", b"ls -l"), ("C-", b"C-")];
        for (key, bytes) in table {
            assert_eq!(key_bytes(key), bytes, "{key}");
        }
    }
}
