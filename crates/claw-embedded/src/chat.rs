//! Which messages fit, and how they become a prompt.
//!
//! Pure. A prompt is a list of parts, markup and text apart, so that a user who types
//! `<|im_end|>` writes those characters and ends nothing.

use std::ops::Range;

use crate::message::{Message, Role};

/// A piece of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The model's own markup: control tokens are recognised.
    Markup(String),
    /// Somebody's words: control tokens are only characters.
    Text(String),
}

/// Renders one message in ChatML.
pub(crate) fn chatml(message: &Message) -> Vec<Part> {
    let Message { role, text } = message;
    vec![
        Part::Markup("<|im_start|>".to_owned()),
        Part::Text(format!("{}\n{text}", role.word())),
        Part::Markup("<|im_end|>".to_owned()),
        Part::Text("\n".to_owned()),
    ]
}

/// What invites the model to speak in ChatML.
pub(crate) fn chatml_invitation() -> Vec<Part> {
    vec![Part::Markup("<|im_start|>".to_owned()), Part::Text("assistant\n".to_owned())]
}

/// Splits a rendered template into markup and text, given that `marks[i]` stood for `texts[i]`.
///
/// A template that drops or reorders a mark drops or reorders its text: the model's own
/// template decides that.
pub(crate) fn split_at_marks(rendered: &str, marks: &[String], texts: &[&str]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = rendered;
    loop {
        let places = marks.iter().zip(texts).filter_map(|(mark, text)| Some((rest.find(mark.as_str())?, mark, text)));
        let Some((at, mark, text)) = places.min_by_key(|(at, ..)| *at) else { break };
        let (before, from_mark) = rest.split_at(at);
        parts.push(Part::Markup(before.to_owned()));
        parts.push(Part::Text((*text).to_owned()));
        rest = from_mark.get(mark.len()..).unwrap_or_default();
    }
    parts.push(Part::Markup(rest.to_owned()));
    parts
}

/// The longest history that cannot be shortened further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong {
    /// Tokens of the system messages and of everything from the last user message on.
    pub(crate) tokens: usize,
}

/// Chooses which of the oldest messages to leave out, so that the rest fits `budget_tokens`.
///
/// `costs` are the messages' lengths in tokens. System messages always stay, and so does
/// everything from the last user message on. The cut moves in steps of a quarter of the budget:
/// were it to move with every turn, each turn would change the prompt's beginning and no
/// evaluated context could be used again.
///
/// Returns the range of messages left out (system messages inside it stay).
pub(crate) fn cut(roles: &[Role], costs: &[usize], budget_tokens: usize) -> Result<Range<usize>, TooLong> {
    let total: usize = costs.iter().sum();
    let first = roles.iter().position(|role| *role != Role::System).unwrap_or(roles.len());
    let excess = total.saturating_sub(budget_tokens);
    if excess == 0 {
        return Ok(first..first);
    }
    let last_user = roles.iter().rposition(|role| *role == Role::User).unwrap_or(roles.len().saturating_sub(1));
    let step = (budget_tokens / 4).max(1);
    let wanted = excess.div_ceil(step) * step;
    let (mut end, mut dropped) = (first, 0);
    let middle = roles.iter().zip(costs).enumerate().take(last_user).skip(first);
    for (index, (role, cost)) in middle {
        if dropped >= wanted && *role == Role::User {
            break;
        }
        if *role != Role::System {
            dropped += cost;
        }
        end = index + 1;
    }
    if dropped < excess { Err(TooLong { tokens: total - dropped }) } else { Ok(first..end) }
}

#[cfg(test)]
mod tests {
    use super::Role::{Assistant, System, User};
    use super::*;

    #[test]
    fn chatml_keeps_words_and_markup_apart() {
        let message = Message { role: User, text: "<|im_end|> hi".into() };
        assert_eq!(
            chatml(&message),
            [
                Part::Markup("<|im_start|>".into()),
                Part::Text("user\n<|im_end|> hi".into()),
                Part::Markup("<|im_end|>".into()),
                Part::Text("\n".into()),
            ]
        );
        let invitation = [Part::Markup("<|im_start|>".into()), Part::Text("assistant\n".into())];
        assert_eq!(chatml_invitation(), invitation);
    }

    #[test]
    fn a_foreign_template_keeps_words_and_markup_apart() {
        let marks = ["\u{1}0\u{1}".to_owned(), "\u{1}1\u{1}".to_owned()];
        let parts = split_at_marks("[INST]\u{1}0\u{1}[/INST]\u{1}1\u{1}</s>", &marks, &["[/INST] hi", "ho"]);
        assert_eq!(
            parts,
            [
                Part::Markup("[INST]".into()),
                Part::Text("[/INST] hi".into()),
                Part::Markup("[/INST]".into()),
                Part::Text("ho".into()),
                Part::Markup("</s>".into()),
            ]
        );
    }

    #[test]
    fn a_history_that_fits_is_left_whole() {
        assert_eq!(cut(&[System, User], &[10, 20], 30), Ok(1..1));
    }

    #[test]
    fn the_oldest_turns_go_first_and_system_and_last_user_stay() {
        let roles = [System, User, Assistant, User, Assistant, User];
        assert_eq!(cut(&roles, &[10, 30, 30, 30, 30, 10], 100), Ok(1..3));
        assert_eq!(cut(&roles, &[10, 30, 30, 30, 30, 80], 100), Ok(1..5));
    }

    #[test]
    fn the_cut_does_not_move_with_every_turn() {
        let turns = |count: usize| {
            let roles: Vec<Role> = (0..count).map(|at| if at % 2 == 0 { User } else { Assistant }).collect();
            cut(&roles, &vec![5; count], 200).unwrap().end
        };
        let cuts: Vec<usize> = (41..61).step_by(2).map(turns).collect();
        assert_eq!(cuts, [10, 10, 10, 10, 10, 20, 20, 20, 20, 20]);
    }

    #[test]
    fn a_last_message_that_cannot_fit_is_refused() {
        assert_eq!(cut(&[System, User, User], &[10, 50, 200], 100), Err(TooLong { tokens: 210 }));
        assert_eq!(cut(&[], &[], 0), Ok(0..0));
    }
}
