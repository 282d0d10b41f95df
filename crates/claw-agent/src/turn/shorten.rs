//! What a run has done so far, in fewer words: what its tools answered is shortened, the oldest first, then left out, and
//! at last whole rounds are. What it was given stays, and the newest answers stay longest.
//!
//! It is cut in steps of a quarter of the room: what was shown once is shown alike for a while, so that a provider's
//! cache finds it again.

use std::borrow::Cow;

use claw_core::{Message, Text, ToolCall, estimate};

use crate::limits::{ANSWER_SHORT_BYTES, ANSWER_SHORT_BYTES_MIN, CALL_LINE_BYTES};

/// Bytes that count as one token where a room is shared out; rather few.
const BYTES_PER_TOKEN: u64 = 3;

/// What fits of a run into so many tokens, and the calls that are left out of it, a line for each of the last.
pub(super) fn run(said: &[Message], room: u64) -> (Cow<'_, [Message]>, Vec<String>) {
    let total = estimate::tokens(said, &[]);
    if total <= room {
        return (Cow::Borrowed(said), Vec::new());
    }
    let step = (room / 4).max(1);
    let target = total.saturating_sub((total - room).div_ceil(step) * step);
    let mut cut = Cutting { left: said.to_vec(), total, target };
    let newest = newest_round(said);
    cut.older(newest, ANSWER_SHORT_BYTES);
    // Half of it is the newest round's, before older ones are hardly more than their calls.
    cut.newest(cut.target / 2);
    cut.older(newest, ANSWER_SHORT_BYTES_MIN);
    let calls = cut.rounds(room);
    cut.newest(0);
    (Cow::Owned(cut.left), calls)
}

/// The same messages, with every long answer of a tool shortened.
pub(super) fn answers(messages: &[Message]) -> Vec<Message> {
    messages.iter().map(|message| shortened(message, ANSWER_SHORT_BYTES).unwrap_or_else(|| message.clone())).collect()
}

/// Messages that become fewer tokens.
struct Cutting {
    left: Vec<Message>,
    total: u64,
    /// As few as they are to become.
    target: u64,
}

impl Cutting {
    fn is_done(&self) -> bool {
        self.total <= self.target
    }

    /// Shortens the answers before the newest round, the oldest first, as long as there is need.
    fn older(&mut self, newest: usize, bytes: usize) {
        for index in 0..newest {
            if self.is_done() {
                return;
            }
            self.shorten(index, bytes);
        }
    }

    fn shorten(&mut self, index: usize, bytes: usize) {
        let Some(place) = self.left.get_mut(index) else { return };
        if let Some(short) = shortened(place, bytes) {
            self.total -= of(place).saturating_sub(of(&short)).min(self.total);
            *place = short;
        }
    }

    /// Leaves whole rounds out, the oldest first, but never the newest; what was called in them, as far as an eighth of
    /// the room goes.
    fn rounds(&mut self, room: u64) -> Vec<String> {
        let mut calls = Vec::new();
        if !self.is_done() {
            self.target = self.target.min(room - room / 8);
        }
        while !self.is_done() {
            let is_round = |message: &Message| matches!(message, Message::Assistant { .. });
            let mut starts = self.left.iter().enumerate().filter(|(_, message)| is_round(message));
            let (Some((first, _)), Some((next, _))) = (starts.next(), starts.next()) else { break };
            // What the user said in between stays.
            let is_of_it = |message: &Message| matches!(message, Message::Assistant { .. } | Message::Tool { .. });
            let mut place = 0;
            let mut freed = 0;
            calls.extend(self.left.get(first..next).unwrap_or_default().iter().flat_map(called));
            self.left.retain(|message| {
                let is_out = (first..next).contains(&place) && is_of_it(message);
                place += 1;
                freed += if is_out { of(message) } else { 0 };
                !is_out
            });
            self.total = self.total.saturating_sub(freed);
        }
        let mut bytes = usize::try_from(room / 8 * BYTES_PER_TOKEN).unwrap_or(usize::MAX);
        let last = calls.iter().rev().take_while(|call: &&String| {
            let fits = call.len() < bytes;
            bytes = bytes.saturating_sub(call.len() + 1);
            fits
        });
        let first = calls.len() - last.count();
        calls.split_off(first)
    }

    /// Shares what the others leave among the answers of the newest round, or so much at least.
    fn newest(&mut self, at_least: u64) {
        if self.is_done() {
            return;
        }
        let newest = newest_round(&self.left);
        let places: Vec<usize> = (newest..self.left.len()).filter(|index| self.is_answer(*index)).collect();
        let answered: u64 = places.iter().filter_map(|index| self.left.get(*index)).map(of).sum();
        let rest = self.total.saturating_sub(answered);
        let share = self.target.saturating_sub(rest).max(at_least) * BYTES_PER_TOKEN / (places.len() as u64).max(1);
        let share = usize::try_from(share).unwrap_or(usize::MAX).max(ANSWER_SHORT_BYTES_MIN);
        for index in places {
            self.shorten(index, share);
        }
    }

    fn is_answer(&self, index: usize) -> bool {
        matches!(self.left.get(index), Some(Message::Tool { .. }))
    }
}

/// A line for each call of a message.
fn called(message: &Message) -> Vec<String> {
    let Message::Assistant { tool_calls, .. } = message else { return Vec::new() };
    let line = |call: &ToolCall| {
        let arguments = call.arguments.as_str();
        let shown = before(arguments, CALL_LINE_BYTES);
        let more = if shown.len() < arguments.len() { "…" } else { "" };
        format!("- {} {}{more}", call.name, shown.replace('\n', " "))
    };
    tool_calls.iter().map(line).collect()
}

/// Where the newest calls stand, else the answers to calls that were made before.
fn newest_round(said: &[Message]) -> usize {
    let calls = |message: &Message| matches!(message, Message::Assistant { tool_calls, .. } if !tool_calls.is_empty());
    let answer = |message: &Message| matches!(message, Message::Tool { .. });
    said.iter().rposition(calls).or_else(|| said.iter().position(answer)).unwrap_or(said.len())
}

fn of(message: &Message) -> u64 {
    estimate::tokens(std::slice::from_ref(message), &[])
}

/// An answer of a tool with its beginning and end, about so many bytes; nothing where it is no longer than that.
fn shortened(message: &Message, bytes: usize) -> Option<Message> {
    let Message::Tool { call_id, text, is_error } = message else { return None };
    if text.len() <= bytes + ANSWER_SHORT_BYTES_MIN {
        return None;
    }
    let (head, tail) = (before(text, bytes * 2 / 3), after(text, bytes / 3));
    let left_out = text.len() - head.len() - tail.len();
    let note = format!(
        "[{left_out} bytes are left out here, since all of it is too long for the model; call the tool again for what is \
         needed of them]"
    );
    let text = Text::from(format!("{head}\n{note}\n{tail}"));
    Some(Message::Tool { call_id: call_id.clone(), text, is_error: *is_error })
}

/// At most so many bytes from the beginning.
fn before(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// At most so many bytes to the end.
fn after(text: &str, bytes: usize) -> &str {
    let first = text.len().saturating_sub(bytes);
    let begin = (first..=text.len()).find(|begin| text.is_char_boundary(*begin)).unwrap_or(text.len());
    text.get(begin..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use claw_core::message::JsonText;

    use super::*;

    fn round(id: usize, answer: &str) -> [Message; 2] {
        let call = ToolCall { id: id.to_string(), name: "read".into(), arguments: JsonText::new("{}") };
        let answer = Message::Tool { call_id: id.to_string(), text: answer.into(), is_error: false };
        [Message::assistant("", vec![call]), answer]
    }

    /// The question, and so many rounds of so many bytes.
    fn said(rounds: usize, bytes: usize) -> Vec<Message> {
        let answer = format!("begin {}end", "words ".repeat(bytes / 6));
        std::iter::once(Message::user("go")).chain((0..rounds).flat_map(|id| round(id, &answer))).collect()
    }

    fn answers_of(messages: &[Message]) -> Vec<usize> {
        messages.iter().filter(|message| message.role() == "tool").map(|message| message.text().len()).collect()
    }

    /// Each answer stands behind its call.
    fn is_whole(messages: &[Message]) -> bool {
        let mut open = Vec::new();
        messages.iter().all(|message| match message {
            Message::Assistant { tool_calls, .. } => {
                open = tool_calls.iter().map(|call| call.id.clone()).collect();
                true
            }
            Message::Tool { call_id, .. } => open.contains(call_id),
            Message::System { .. } | Message::User { .. } => true,
        })
    }

    #[test]
    fn what_fits_is_shown_as_it_is() {
        let said = said(3, 6_000);
        let (shown, calls) = run(&said, 5_000);
        assert_eq!((shown.as_ref(), calls.len()), (said.as_slice(), 0));
    }

    #[test]
    fn the_oldest_answers_are_shortened_first_and_the_newest_stays() {
        let said = said(4, 6_000);
        let (shown, calls) = run(&said, 4_000);
        let lengths = answers_of(&shown);
        assert!(lengths[0] < 2_400 && lengths[3] == answers_of(&said)[3], "{lengths:?}");
        let first = shown[2].text();
        assert!(first.starts_with("begin words") && first.ends_with("end"), "{first}");
        assert!(first.contains("bytes are left out here"), "{first}");
        assert_eq!((shown.len(), calls.len()), (said.len(), 0));
    }

    #[test]
    fn whatever_the_room_it_fits_as_far_as_it_can_and_no_answer_loses_its_call() {
        for rounds in [1, 2, 9, 60] {
            for bytes in [600, 25_000, 75_000] {
                let said = said(rounds, bytes);
                for room in [600, 2_000, 6_000, 30_000] {
                    let (shown, calls) = run(&said, room);
                    let told = calls.iter().map(|call| call.len() as u64 + 1).sum::<u64>() / BYTES_PER_TOKEN;
                    let about = estimate::tokens(&shown, &[]) + told;
                    assert!(about <= room, "{rounds} rounds of {bytes} in {room}: {about}");
                    assert!(is_whole(&shown) && shown[0] == said[0], "{rounds} rounds of {bytes} in {room}");
                    assert_eq!(shown.last().map(Message::role), Some("tool"));
                }
            }
        }
    }

    #[test]
    fn a_long_newest_answer_costs_no_older_round() {
        let said = said(6, 60_000);
        let (shown, calls) = run(&said, 4_000);
        let lengths = answers_of(&shown);
        assert_eq!((shown.len(), calls.len()), (said.len(), 0), "{lengths:?}");
        assert!(lengths[5] > 4_000, "{lengths:?}");
    }

    #[test]
    fn what_was_said_meanwhile_stays_where_its_round_is_left_out() {
        let mut said = said(40, 900);
        said.insert(3, Message::user("and that"));
        let (shown, calls) = run(&said, 1_000);
        assert!(calls.len() > 20 && shown[1].text() == "and that", "{calls:?}");
        assert!(calls.iter().all(|call| call == "- read {}"), "{calls:?}");
    }

    #[test]
    fn one_more_round_leaves_most_of_what_was_shown_as_it_was() {
        let both = [said(20, 6_000), said(21, 6_000)].map(|said| run(&said, 16_000).0.into_owned());
        let alike = both[0].iter().zip(&both[1]).take_while(|(one, other)| one == other).count();
        assert!(alike >= both[0].len() - 2, "{alike} of {}", both[0].len());
    }

    #[test]
    fn letters_stay_whole() {
        assert_eq!((before("äöü", 3), after("äöü", 3), before("a", 9), after("a", 9)), ("ä", "ü", "a", "a"));
    }
}
