//! What others send to `/hooks/wake` and `/hooks/agent`, in stock OpenClaw's shape.

use claw_core::message::JsonText;
use claw_core::turn::THINKING_LEVELS;
use serde::{Deserialize, Serialize};

use crate::BadRequest;
use crate::error::Unobeyed;
use crate::limits::{HOOK_NAME_CHARS_MAX, HOOK_TIMEOUT_SECONDS_MAX};
use crate::openai::model::Selection;

/// The body of `POST /hooks/wake`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WakeHook {
    /// What the main conversation is told.
    pub text: Option<String>,
    /// `now` or `next-heartbeat`.
    pub mode: Option<String>,
    /// Refused: a run from here has the tools that its agent has.
    pub tools: Option<Unobeyed>,
}

/// When the main conversation is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WakeMode {
    /// In a turn that begins now.
    Now,
    /// With its next turn.
    NextHeartbeat,
}

impl WakeMode {
    fn parse(field: &str, word: &str) -> Result<Self, BadRequest> {
        match word {
            "now" => Ok(Self::Now),
            "next-heartbeat" => Ok(Self::NextHeartbeat),
            found => Err(BadRequest::of(field, format!("{field} must be now or next-heartbeat, found {found:?}"))),
        }
    }
}

impl WakeHook {
    /// The text and when it is told; now unless said otherwise.
    ///
    /// # Errors
    /// No text, an unknown mode.
    pub fn read(self) -> Result<(String, WakeMode), BadRequest> {
        let Self { text, mode, tools: _ } = self;
        let mode = mode.map_or(Ok(WakeMode::Now), |word| WakeMode::parse("mode", word.trim()))?;
        Ok((said("text", text)?, mode))
    }
}

/// The answer of `/hooks/wake`.
#[derive(Debug, Serialize)]
pub struct HookWoken {
    /// True.
    pub ok: bool,
    /// As it was taken.
    pub mode: WakeMode,
}

/// The body of `POST /hooks/agent`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AgentHook {
    /// What the agent is asked.
    pub message: Option<String>,
    /// Who asks, for people.
    pub name: Option<String>,
    /// Which agent.
    #[serde(alias = "agent_id", alias = "bot_id")]
    pub agent_id: Option<String>,
    /// The conversation; only where the configuration lets hooks choose.
    #[serde(alias = "session_key")]
    pub session_key: Option<String>,
    /// The same event twice is one run.
    pub idempotency_key: Option<String>,
    /// When the main conversation is told what came of it.
    pub wake_mode: Option<String>,
    /// Whether the answer is sent to a channel; there is none, and [`HookAccepted`] says so.
    pub deliver: Option<bool>,
    /// Which channel.
    pub channel: Option<String>,
    /// Whom there.
    pub to: Option<String>,
    /// Another model.
    pub model: Option<String>,
    /// `off` to `high`.
    pub thinking: Option<String>,
    /// The run ends after so long.
    pub timeout_seconds: Option<f64>,
    /// Refused: a run from here has the tools that its agent has.
    pub tools: Option<Unobeyed>,
}

/// What `/hooks/agent` asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct HookRun {
    /// What the agent is asked.
    pub message: String,
    /// Who asks, for people.
    pub name: String,
    /// Which agent, as spelled.
    pub agent: Option<String>,
    /// The conversation, as spelled.
    pub session: Option<String>,
    /// The same event twice is one run.
    pub idempotency_key: Option<String>,
    /// When the main conversation is told what came of it.
    pub wake: WakeMode,
    /// Another model.
    pub model: Option<String>,
    /// `off` to `high`.
    pub thinking: Option<String>,
    /// The run ends after so many seconds.
    pub time_limit_s: Option<u32>,
    /// Fields that were sent and have nothing behind them.
    pub unserved: Vec<&'static str>,
}

impl AgentHook {
    /// What it asks for, every complaint naming its field.
    ///
    /// # Errors
    /// No message, or a value that is not allowed.
    pub fn read(self) -> Result<HookRun, BadRequest> {
        let Self { message, name, agent_id, session_key, idempotency_key, wake_mode, .. } = &self;
        let Self { deliver, channel, to, model, thinking, timeout_seconds, .. } = &self;
        let filled =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let name = filled(name).unwrap_or_else(|| "Hook".to_owned());
        let selection = Selection::parse(model.as_deref().unwrap_or_default())?;
        let chosen = selection.agent.map(|agent| agent.as_str().to_owned());
        let wake = filled(wake_mode).map_or(Ok(WakeMode::Now), |word| WakeMode::parse("wakeMode", &word))?;
        let unserved = [("deliver", *deliver == Some(true)), ("channel", channel.is_some()), ("to", to.is_some())];
        Ok(HookRun {
            message: said("message", message.clone())?,
            name: name.chars().filter(|c| !c.is_control()).take(HOOK_NAME_CHARS_MAX).collect(),
            agent: filled(agent_id).or(chosen),
            session: filled(session_key),
            idempotency_key: filled(idempotency_key),
            wake,
            model: selection.model,
            thinking: filled(thinking).map(level).transpose()?,
            time_limit_s: timeout_seconds.map(time_limit).transpose()?,
            unserved: unserved.into_iter().filter_map(|(field, is_sent)| is_sent.then_some(field)).collect(),
        })
    }
}

impl HookRun {
    /// How its end is told.
    pub fn end(&self) -> HookEnd {
        HookEnd { name: self.name.clone(), wake: self.wake }
    }
}

/// How the end of a hook's run is told; kept with its task, so that the next process knows it, too. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookEnd {
    /// Who asked, for people.
    #[serde(rename = "hookName")]
    pub name: String,
    /// When the main conversation is told.
    #[serde(rename = "hookWake")]
    pub wake: WakeMode,
}

impl HookEnd {
    /// As it is stored.
    pub fn to_text(&self) -> JsonText {
        JsonText::new(serde_json::to_string(self).expect("texts always serialise"))
    }

    /// As it was stored with a task; nothing when that came by another door.
    pub fn read(text: Option<&JsonText>) -> Option<Self> {
        serde_json::from_str(text?.as_str()).ok()
    }
}

/// The ends of hooks' runs that a turn told along with its own words; kept with its task. Version 1.
#[derive(Debug, Serialize, Deserialize)]
pub struct HooksTold {
    #[serde(rename = "hooksTold")]
    told: Vec<String>,
}

impl HooksTold {
    /// As it is stored; nothing when it told none.
    pub fn of(told: impl Iterator<Item = String>) -> Option<JsonText> {
        let told = Self { told: told.collect() };
        let text = || serde_json::to_string(&told).expect("texts always serialise");
        (!told.told.is_empty()).then(|| JsonText::new(text()))
    }

    /// As they were stored with a task; none when it told none.
    pub fn read(text: Option<&JsonText>) -> Vec<String> {
        text.and_then(|text| serde_json::from_str::<Self>(text.as_str()).ok()).map_or_else(Vec::new, |kept| kept.told)
    }
}

/// The answer of `/hooks/agent`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HookAccepted {
    /// True.
    pub ok: bool,
    /// The run, which is a task.
    pub run_id: String,
    /// What was asked for and is not done: the answer is sent to no channel.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub unserved: Vec<&'static str>,
}

fn said(field: &str, text: Option<String>) -> Result<String, BadRequest> {
    text.filter(|text| !text.trim().is_empty())
        .ok_or_else(|| BadRequest::of(field, format!("{field} must be a text that is not empty")))
}

fn level(word: String) -> Result<String, BadRequest> {
    if THINKING_LEVELS.contains(&word.as_str()) {
        return Ok(word);
    }
    let known = THINKING_LEVELS.join(", ");
    Err(BadRequest::of("thinking", format!("thinking must be one of {known}; found {word:?}")))
}

/// Whole seconds, the last one begun counted.
fn time_limit(seconds: f64) -> Result<u32, BadRequest> {
    if (1.0..=HOOK_TIMEOUT_SECONDS_MAX).contains(&seconds) {
        // The limit is far below what fits.
        return Ok(seconds.ceil() as u32);
    }
    let message = format!("timeoutSeconds must be 1 to {HOOK_TIMEOUT_SECONDS_MAX}, found {seconds}");
    Err(BadRequest::of("timeoutSeconds", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(json: &str) -> Result<HookRun, String> {
        let hook: AgentHook = serde_json::from_str(json).unwrap();
        hook.read().map_err(|bad| bad.param.unwrap_or_default())
    }

    #[test]
    fn a_hook_says_what_it_wants_and_wrong_fields_are_named() {
        let run =
            agent(r#"{"message":"look","name":" Mail ","model":"openclaw:ops","timeoutSeconds":90,"deliver":true}"#);
        let run = run.unwrap();
        assert_eq!((run.message.as_str(), run.name.as_str(), run.agent.as_deref()), ("look", "Mail", Some("ops")));
        assert_eq!((run.time_limit_s, run.wake, run.unserved), (Some(90), WakeMode::Now, vec!["deliver"]));
        for (json, field) in [
            (r"{}", "message"),
            (r#"{"message":" "}"#, "message"),
            (r#"{"message":"m","wakeMode":"soon"}"#, "wakeMode"),
            (r#"{"message":"m","thinking":"very"}"#, "thinking"),
            (r#"{"message":"m","timeoutSeconds":0}"#, "timeoutSeconds"),
            (r#"{"message":"m","model":"agent:no agent"}"#, "model"),
        ] {
            assert_eq!(agent(json), Err(field.to_owned()), "{json}");
        }
    }

    #[test]
    fn a_wake_is_now_unless_it_says_otherwise() {
        let wake = |json: &str| serde_json::from_str::<WakeHook>(json).unwrap().read().map_err(|bad| bad.param);
        assert_eq!(wake(r#"{"text":"hi"}"#), Ok(("hi".to_owned(), WakeMode::Now)));
        assert_eq!(wake(r#"{"text":"hi","mode":"next-heartbeat"}"#), Ok(("hi".to_owned(), WakeMode::NextHeartbeat)));
        assert_eq!(wake(r#"{"text":"hi","mode":"later"}"#), Err(Some("mode".to_owned())));
        assert_eq!(wake(r"{}"), Err(Some("text".to_owned())));
        assert_eq!(
            serde_json::to_string(&HookWoken { ok: true, mode: WakeMode::Now }).unwrap(),
            r#"{"ok":true,"mode":"now"}"#
        );
    }
}
