//! One input to an agent, with everything the caller may choose about it.

use serde::{Deserialize, Serialize};

use crate::message::{JsonText, Message};
use crate::provider::{Sampling, ToolChoice, ToolSpec};
use crate::session::{AgentId, SessionKey};
use crate::text::Text;

/// How much a model can be told to reason.
pub const THINKING_LEVELS: [&str; 5] = ["off", "minimal", "low", "medium", "high"];

/// What a run is asked to do. Stored as the task's input; version 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Who answers.
    pub agent: AgentId,
    /// The conversation it belongs to.
    pub session: SessionKey,
    /// What is new: appended to the session's history when the run starts.
    pub input: Vec<Message>,
    /// What the model sees before `input`.
    #[serde(default)]
    pub context: Context,
    /// `<provider>/<model>`, or a bare name; the agent's own when absent.
    #[serde(default)]
    pub model: Option<String>,
    /// The executor that carries the run out; the agent's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
    /// How to sample.
    #[serde(default)]
    pub sampling: Sampling,
    /// The caller's own tools: a call of one ends the run and is handed to the caller.
    #[serde(default)]
    pub client_tools: Vec<ToolSpec>,
    /// Whether a tool must be called.
    #[serde(default)]
    pub tool_choice: ToolChoice,
    /// One of [`THINKING_LEVELS`]: how much the model should reason.
    #[serde(default)]
    pub thinking: Option<String>,
    /// How much of its reasoning stays with the answer.
    #[serde(default, skip_serializing_if = "Reasoning::is_none")]
    pub reasoning: Reasoning,
    /// Whether somebody wants the answer piece by piece; if not, providers may answer whole.
    #[serde(default = "yes")]
    pub stream: bool,
    /// What this run alone is told, behind the agent's own prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Text>,
    /// The only ones of our tools that may be used, by their own names; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_tools: Option<Vec<String>>,
    /// Most calls of our tools; without it, what a run may at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls_max: Option<u32>,
    /// Seconds it may take from its start, without what it waits for somebody's leave; as long as it needs
    /// when absent (A17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit_s: Option<u32>,
    /// Whether strangers wrote of it: its conversation holds their words from then on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untrusted: bool,
    /// What the door that took it needs to tell of it later; nobody else looks into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<JsonText>,
    /// How it came here, for the permissions of tools.
    #[serde(default, skip_serializing_if = "Origin::is_direct")]
    pub origin: Origin,
}

/// How much of a model's reasoning stays with its answer. Watchers hear of it in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reasoning {
    /// Nothing.
    #[default]
    None,
    /// Where it reasoned, and what its provider wants back of it.
    Places,
    /// That, and its words.
    Words,
}

impl Reasoning {
    /// Whether nothing of it stays.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// How a turn came here. A turn that a run passes on keeps the origin of that run, so that nobody
/// gets more by asking through another conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The channel it came by (`telegram`, `hook`, …); absent at the gateway's own doors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Who said it there, as the channel names people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// How many runs have passed it on.
    #[serde(skip_serializing_if = "is_zero")]
    pub hops: u8,
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// The channel of those who knock at the hooks.
pub const HOOK: &str = "hook";

impl Origin {
    /// Set off by a program outside, which calls itself so.
    pub fn hook(sender: Option<String>) -> Self {
        Self { channel: Some(HOOK.to_owned()), sender, hops: 0 }
    }
    /// Whether a program outside set it off.
    pub fn is_hook(&self) -> bool {
        self.channel.as_deref() == Some(HOOK)
    }
    /// Whether it came by one of the gateway's own doors, from whoever is authenticated there.
    pub fn is_direct(&self) -> bool {
        *self == Self::default()
    }
}

fn yes() -> bool {
    true
}

/// What the model sees before the new input.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// The session's stored history.
    #[default]
    Session,
    /// These messages, kept by the caller (OpenAI's way); nothing from the store.
    Given(Vec<Message>),
}

/// What becomes of a message whose conversation has a run already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenBusy {
    /// It waits for its turn.
    #[default]
    Follow,
    /// What runs and waits there is cancelled first.
    Interrupt,
    /// The run takes it up at its next step; if it takes no further step, it waits for its turn.
    Steer,
    /// It is refused.
    Reject,
}

impl Turn {
    /// Whether a run that is on may answer this, too: it asks the session's own agent, chooses
    /// nothing for itself, and only says something.
    pub fn may_steer(&self) -> bool {
        let Self { agent, session, input, context, model, sampling, client_tools, tool_choice, thinking, .. } = self;
        let Self {
            stream: _,
            executor,
            instructions,
            own_tools,
            tool_calls_max,
            untrusted,
            extra,
            time_limit_s,
            origin,
            ..
        } = self;
        let chooses = model.is_some()
            || executor.is_some()
            || instructions.is_some()
            || own_tools.is_some()
            || tool_calls_max.is_some()
            || extra.is_some()
            // Said through others, it would be heard with the authority of the run it steers.
            || !origin.is_direct()
            || time_limit_s.is_some()
            || *untrusted
            || thinking.is_some()
            || !client_tools.is_empty()
            || *sampling != Sampling::default()
            || *tool_choice != ToolChoice::default()
            || *context != Context::Session;
        let says = input.iter().all(|message| matches!(message, Message::System { .. } | Message::User { .. }));
        *agent == session.agent() && says && !chooses
    }

    /// Whether its conversation holds strangers' words from then on. What a caller's own tools answer is
    /// nobody's that the gateway knows.
    pub fn brings_untrusted(&self) -> bool {
        self.untrusted || self.origin.is_hook() || self.input.iter().any(Message::is_of_tool)
    }

    /// Whether a run of this may take up what others say meanwhile: it answers them from the
    /// session's history as the session's own agent, and its end is nobody's tool call.
    pub fn may_be_steered(&self) -> bool {
        self.agent == self.session.agent() && self.context == Context::Session && self.client_tools.is_empty()
    }

    /// About how many bytes of others' words it holds.
    pub fn bytes(&self) -> usize {
        let given: &[Message] = match &self.context {
            Context::Session => &[],
            Context::Given(given) => given,
        };
        let told = self.instructions.as_ref().map_or(0, |text| text.len());
        let extra = self.extra.as_ref().map_or(0, |text| text.as_str().len());
        let tools = self.client_tools.iter().map(|tool| tool.description.len() + tool.parameters.as_str().len());
        let said: usize = self.input.iter().chain(given).map(Message::bytes).sum();
        said + told + extra + tools.sum::<usize>()
    }

    /// A plain text for a session.
    pub fn text(session: SessionKey, text: impl Into<Text>) -> Self {
        Self {
            agent: session.agent(),
            session,
            input: vec![Message::user(text)],
            context: Context::default(),
            model: None,
            executor: None,
            sampling: Sampling::default(),
            client_tools: Vec::new(),
            tool_choice: ToolChoice::default(),
            thinking: None,
            reasoning: Reasoning::None,
            stream: true,
            instructions: None,
            own_tools: None,
            tool_calls_max: None,
            untrusted: false,
            extra: None,
            time_limit_s: None,
            origin: Origin::default(),
        }
    }

    /// Whether a tool of ours may be used, as far as the caller has chosen.
    pub fn admits(&self, own_tool: &str) -> bool {
        self.own_tools.as_ref().is_none_or(|names| names.iter().any(|name| name == own_tool))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn() -> Turn {
        Turn::text(SessionKey::of(&AgentId::main(), "s"), "stop there")
    }

    #[test]
    fn only_what_chooses_nothing_for_itself_may_steer() {
        assert!(turn().may_steer());
        let other = || AgentId::parse("ops").unwrap();
        for choosy in [
            Turn { agent: other(), ..turn() },
            Turn { model: Some("p/m".into()), ..turn() },
            Turn { executor: Some("v1".into()), ..turn() },
            Turn { thinking: Some("high".into()), ..turn() },
            Turn { context: Context::Given(Vec::new()), ..turn() },
            Turn { input: vec![Message::assistant("I said", Vec::new())], ..turn() },
            Turn { origin: Origin { channel: Some("hook".into()), ..Origin::default() }, ..turn() },
        ] {
            assert!(!choosy.may_steer(), "{choosy:?}");
        }
    }

    #[test]
    fn a_run_on_its_callers_terms_is_not_steered() {
        assert!(Turn { model: Some("p/m".into()), ..turn() }.may_be_steered());
        assert!(!Turn { context: Context::Given(Vec::new()), ..turn() }.may_be_steered());
    }
}
