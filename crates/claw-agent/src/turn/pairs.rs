//! Every call with its answer right behind it, as all models demand.
//!
//! Callers answer the calls of their own functions when they like, or never. A call that was left open is
//! answered by saying so; an answer that came after other words takes its call along to where it stands, so
//! that a conversation never ends before what is new in it. Calls of ours have their answers anyway.

use std::collections::HashMap;

use claw_core::{Message, Thoughts, ToolCall};

/// What a model reads in place of an answer that never came.
const NOT_ANSWERED: &str = "[Nobody has answered this call; the conversation went on without it.]";

/// What was said before and what is new, with every call beside its answer.
///
/// A call that something new answers is new as well. An answer whose call is no longer there becomes a user's
/// words where it is new, and falls away where it is old.
pub(super) fn paired(history: Vec<Message>, said: Vec<Message>) -> (Vec<Message>, Vec<Message>) {
    let is_plain = |message: &Message| match message {
        Message::Assistant { tool_calls, .. } => tool_calls.is_empty(),
        Message::Tool { .. } => false,
        Message::System { .. } | Message::User { .. } => true,
    };
    if history.iter().chain(&said).all(is_plain) {
        return (history, said);
    }
    let begin = history.len();
    let all: Vec<Message> = history.into_iter().chain(said).collect();
    let places = Places::of(&all);
    let mut pairing = Pairing { shown: Vec::with_capacity(all.len()), begin: None, carried: None };
    for (place, message) in all.iter().enumerate() {
        if place == begin {
            pairing.begin.get_or_insert(pairing.shown.len());
        }
        pairing.add(place, message, begin, &places, &all);
    }
    let mut shown = pairing.shown;
    let said = shown.split_off(pairing.begin.unwrap_or(shown.len()).min(shown.len()));
    (shown, said)
}

/// Which answer belongs to which call.
#[derive(Debug, Default)]
struct Places {
    /// Of each answer: the message that made the call, and which of its calls it is.
    calls: HashMap<usize, (usize, usize)>,
    /// Of each message: its answers right behind it, by the call's place, with the answer's place.
    answers: HashMap<usize, Vec<(usize, usize)>>,
    /// Calls that are answered only after other words.
    late: HashMap<usize, Vec<usize>>,
}

impl Places {
    fn of(all: &[Message]) -> Self {
        let mut places = Self::default();
        // Of each call without an answer so far: its id, and where it was made.
        let mut open: Vec<(&str, (usize, usize))> = Vec::new();
        // The last message that is neither an answer nor an instruction.
        let mut latest = None;
        for (place, message) in all.iter().enumerate() {
            match message {
                Message::Tool { call_id, .. } => {
                    let Some(found) = open.iter().rposition(|(id, _)| id == call_id) else { continue };
                    let (_, (maker, call)) = open.remove(found);
                    places.calls.insert(place, (maker, call));
                    match latest == Some(maker) {
                        true => places.answers.entry(maker).or_default().push((call, place)),
                        false => places.late.entry(maker).or_default().push(call),
                    }
                }
                Message::Assistant { tool_calls, .. } => {
                    latest = Some(place);
                    let calls = tool_calls.iter().enumerate();
                    open.extend(calls.map(|(index, call)| (call.id.as_str(), (place, index))));
                }
                Message::User { .. } => latest = Some(place),
                Message::System { .. } => {}
            }
        }
        places
    }

    fn is_late(&self, maker: usize, call: usize) -> bool {
        self.late.get(&maker).is_some_and(|late| late.contains(&call))
    }
}

struct Pairing {
    shown: Vec<Message>,
    /// Where what is new begins.
    begin: Option<usize>,
    /// The place of the message with calls that late answers have brought along, while they follow each other.
    carried: Option<(usize, usize)>,
}

impl Pairing {
    fn add(&mut self, place: usize, message: &Message, begin: usize, places: &Places, all: &[Message]) {
        match message {
            Message::Tool { .. } => return self.answer(place, message, place >= begin, places, all),
            Message::Assistant { text, tool_calls, thoughts } if !tool_calls.is_empty() => {
                self.calls(place, (text, tool_calls, thoughts), begin, places, all);
            }
            Message::Assistant { .. } | Message::System { .. } | Message::User { .. } => {
                self.shown.push(message.clone());
            }
        }
        self.carried = None;
    }

    /// A message with calls, and all their answers behind it; without the calls that are answered later.
    fn calls(
        &mut self,
        place: usize,
        (text, calls, thoughts): (&claw_core::Text, &[ToolCall], &Option<Box<Thoughts>>),
        begin: usize,
        places: &Places,
        all: &[Message],
    ) {
        let kept: Vec<(usize, &ToolCall)> =
            calls.iter().enumerate().filter(|(index, _)| !places.is_late(place, *index)).collect();
        if kept.is_empty() && text.trim().is_empty() {
            return;
        }
        let answers = places.answers.get(&place).map_or(&[][..], Vec::as_slice);
        if answers.iter().any(|(_, answer)| *answer >= begin) {
            self.begin.get_or_insert(self.shown.len());
        }
        self.shown.push(Message::Assistant {
            text: text.clone(),
            tool_calls: kept.iter().map(|(_, call)| (*call).clone()).collect(),
            // They are signed together with what they led to.
            thoughts: thoughts.clone().filter(|_| kept.len() == calls.len()),
        });
        self.shown.extend(answers.iter().filter_map(|(_, answer)| all.get(*answer)).cloned());
        for (index, call) in kept {
            if answers.iter().all(|(answered, _)| *answered != index) {
                let call_id = call.id.clone();
                self.shown.push(Message::Tool { call_id, text: NOT_ANSWERED.into(), is_error: true });
            }
        }
    }

    /// An answer where it came: nothing where it stands behind its call already, else with its call.
    fn answer(&mut self, place: usize, message: &Message, is_new: bool, places: &Places, all: &[Message]) {
        let Message::Tool { call_id, text, .. } = message else { return };
        let Some((maker, index)) = places.calls.get(&place).copied() else {
            if is_new {
                let earlier = format!("[The answer to the function call {call_id}, which was made before:]\n\n{text}");
                self.shown.push(Message::user(earlier));
                self.carried = None;
            }
            return;
        };
        if !places.is_late(maker, index) {
            return;
        }
        let Some(Message::Assistant { tool_calls, .. }) = all.get(maker) else { return };
        let Some(call) = tool_calls.get(index).cloned() else { return };
        match self.carried.and_then(|(by, at)| self.shown.get_mut(at).filter(|_| by == maker)) {
            Some(Message::Assistant { tool_calls, .. }) => tool_calls.push(call),
            Some(_) | None => {
                self.carried = Some((maker, self.shown.len()));
                self.shown.push(Message::assistant("", vec![call]));
            }
        }
        self.shown.push(message.clone());
    }
}

#[cfg(test)]
mod tests {
    use claw_core::JsonText;

    use super::*;

    /// `u` and `s` are a user's and an instruction, `-` says something, `abc` calls the three, `=a` answers.
    fn talk(words: &str) -> Vec<Message> {
        let call = |id: char| ToolCall { id: id.into(), name: "f".into(), arguments: JsonText::new("{}") };
        let message = |word: &str| match word {
            "u" => Message::user("u"),
            "s" => Message::System { text: "s".into() },
            "-" => Message::assistant("said", Vec::new()),
            _ => match word.strip_prefix('=') {
                Some(id) => Message::Tool { call_id: id.into(), text: "answer".into(), is_error: false },
                None => Message::assistant("", word.chars().map(call).collect()),
            },
        };
        words.split_whitespace().map(message).collect()
    }

    fn words(messages: &[Message]) -> String {
        let word = |message: &Message| match message {
            Message::User { .. } if message.text().as_str() != "u" => "told".to_owned(),
            Message::User { .. } => "u".to_owned(),
            Message::System { .. } => "s".to_owned(),
            Message::Assistant { tool_calls, .. } if tool_calls.is_empty() => "-".to_owned(),
            Message::Assistant { tool_calls, .. } => tool_calls.iter().map(|call| call.id.as_str()).collect(),
            Message::Tool { call_id, is_error: false, .. } => format!("={call_id}"),
            Message::Tool { call_id, .. } => format!("!{call_id}"),
        };
        messages.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_call_has_its_answer_right_behind_it() {
        for (history, said, expected) in [
            ("u -", "u", "u - | u"),
            ("u ab =b =a -", "u", "u ab =b =a - | u"),
            ("u a", "=a", "u | a =a"),
            ("u ab =a", "=b u", "u | ab =a =b u"),
            ("u a", "u", "u a !a | u"),
            ("u a u -", "u", "u a !a u - | u"),
            ("u ab", "=b", "u | ab =b !a"),
            ("u a u -", "=a", "u u - | a =a"),
            ("u ab =a u -", "=b", "u a =a u - | b =b"),
            ("u ab u -", "=a =b u", "u u - | ab =a =b u"),
            ("u ab u =a - u =b -", "u", "u u a =a - u b =b - | u"),
            ("u a s =a -", "u", "u a =a s - | u"),
            ("=x u -", "u", "u - | u"),
            ("u -", "=x", "u - | told"),
            ("", "u a =a", "| u a =a"),
            ("", "a u =a", "| u a =a"),
        ] {
            let (history, said) = paired(talk(history), talk(said));
            assert_eq!(format!("{} | {}", words(&history), words(&said)).trim(), expected);
        }
    }

    #[test]
    fn what_is_paired_stays_as_it_is() {
        for words_of in ["u ab !a =b - u", "u a =a b =b -", "u -"] {
            let (once, _) = paired(talk(&words_of.replace('!', "=")), Vec::new());
            assert_eq!(paired(once.clone(), Vec::new()).0, once);
        }
    }

    #[test]
    fn thoughts_fall_away_with_a_call_they_led_to() {
        let thoughts = || Some(Box::new(Thoughts { by: "p/m".into(), payload: JsonText::new("[]") }));
        for (conversation, kept) in [("u ab =a =b", true), ("u ab =a", true), ("u ab =a u =b", false)] {
            let mut all = talk(conversation);
            if let Some(Message::Assistant { thoughts: own, .. }) = all.get_mut(1) {
                *own = thoughts();
            }
            let (paired, _) = paired(all, Vec::new());
            assert_eq!(matches!(&paired[1], Message::Assistant { thoughts: Some(_), .. }), kept, "{conversation}");
        }
    }
}
