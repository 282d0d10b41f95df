//! The conversation of a request: messages read one by one, and split into what was said before and what is new.

use claw_core::message::Message;
use claw_core::{JsonText, ToolCall, Unpaired, unpaired};
use serde_json::value::RawValue;

use super::{ChatMessage, Content, GivenCall, GivenFunction};
use crate::BadRequest;
use crate::openai::checks::word_of;
use crate::openai::kept::Kept;

/// Splits after the last assistant message; leading instructions of the new part count as known. Where nothing
/// is said behind it, the new part begins with what was said last, or holds the instructions alone.
pub(super) fn split(raw: Vec<ChatMessage>) -> Result<(Vec<Message>, Vec<Message>), BadRequest> {
    let messages = raw.into_iter().enumerate().map(|(index, raw)| message(index, raw));
    let mut head = messages.collect::<Result<Vec<Message>, BadRequest>>()?;
    if head.is_empty() {
        return Err(BadRequest::of("messages", "messages must not be empty"));
    }
    let is_said = |message: &Message| matches!(message, Message::User { .. } | Message::Tool { .. });
    let answered = head.iter().rposition(|message| matches!(message, Message::Assistant { .. }));
    let begin = answered.map_or(0, |index| index + 1);
    let instructions = head.iter().skip(begin).take_while(|message| matches!(message, Message::System { .. })).count();
    let begin = match head.iter().rposition(is_said) {
        Some(last) => last.min(begin + instructions),
        None => 0,
    };
    let tail = head.split_off(begin);
    Ok((head, tail))
}

fn message(index: usize, raw: ChatMessage) -> Result<Message, BadRequest> {
    let ChatMessage { role, name: _, content, mut tool_calls, tool_call_id, refusal, .. } = raw;
    let kept = kept(raw.reasoning_content, raw.reasoning_details, tool_calls.as_deref_mut());
    let at = |field: &str| format!("messages[{index}].{field}");
    let missing = || BadRequest::of(at("content"), "content must be a string or an array of content parts, found none");
    let text = |content: Option<Content>| content.ok_or_else(missing)?.into_text(&at("content"));
    match role.as_str() {
        "system" | "developer" => Ok(Message::System { text: text(content)? }),
        "user" => Ok(Message::User { content: content.ok_or_else(missing)?.into_parts(&at("content"))? }),
        "assistant" => {
            let calls = tool_calls.unwrap_or_default().into_iter().enumerate();
            let calls = calls.map(|(place, raw)| call(&at(&format!("tool_calls[{place}]")), raw));
            let calls = calls.collect::<Result<Vec<ToolCall>, BadRequest>>()?;
            // Whoever only called tools, or declined, has said nothing.
            let said = content.or(refusal.map(Content::Text));
            let said = said.or_else(|| (!calls.is_empty()).then(|| Content::Text("".into())));
            Ok(Message::Assistant { text: text(said)?, tool_calls: calls, thoughts: kept.into_thoughts() })
        }
        "tool" => {
            let call_id = tool_call_id.filter(|id| !id.is_empty());
            let call_id =
                call_id.ok_or_else(|| BadRequest::of(at("tool_call_id"), "a tool message needs a tool_call_id"))?;
            Ok(Message::Tool { call_id, text: text(content)?, is_error: false })
        }
        found => {
            let message = format!("role must be system, developer, user, assistant or tool, found {found:?}");
            Err(BadRequest::of(at("role"), message))
        }
    }
}

/// What an assistant's message brings back of what its model's server wants with its calls.
fn kept(reasoning: Option<String>, details: Option<Box<RawValue>>, calls: Option<&mut [GivenCall]>) -> Kept {
    let Some(calls) = calls.filter(|calls| !calls.is_empty()) else { return Kept::default() };
    let extra = |call: &mut GivenCall| Some((call.id.clone(), call.extra_content.take()?));
    Kept {
        reasoning_content: reasoning.unwrap_or_default(),
        reasoning_details: details,
        calls: calls.iter_mut().filter_map(extra).collect(),
    }
}

fn call(at: &str, raw: GivenCall) -> Result<ToolCall, BadRequest> {
    let GivenCall { id, kind, function: GivenFunction { name, arguments }, extra_content: _ } = raw;
    word_of(&format!("{at}.type"), kind, &["function"])?;
    for (field, value) in [("id", &id), ("function.name", &name)] {
        if value.is_empty() {
            return Err(BadRequest::of(format!("{at}.{field}"), format!("{field} must not be empty")));
        }
    }
    Ok(ToolCall { id, name, arguments: JsonText::new(arguments) })
}

/// Checks that tools' answers follow the calls that they answer, and every call has its answer, in a
/// conversation that the client keeps.
///
/// # Errors
/// The message that stands alone.
pub fn check_calls(head: &[Message], tail: &[Message]) -> Result<(), BadRequest> {
    match unpaired(head.iter().chain(tail), true) {
        None => Ok(()),
        Some(Unpaired::Answer { place, call }) => Err(unasked(place, call)),
        Some(Unpaired::Call { place, call }) => {
            let message = format!("the call {call:?} must be followed by a message of role tool that answers it");
            Err(BadRequest::of(format!("messages[{place}].tool_calls"), message))
        }
    }
}

/// The complaint about a tool's answer to a call that nobody has made.
pub fn unasked(place: usize, call: &str) -> BadRequest {
    let message = format!(
        "a message of role tool must answer a call of the assistant's message before it; there is no call {call:?}"
    );
    BadRequest::of(format!("messages[{place}].role"), message)
}
