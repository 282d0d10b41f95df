//! Whose reasoning goes back to whom.
//!
//! Providers that sign or seal a model's reasoning want it back with the answers of its tools. It means
//! something only to the model that wrote it, and to most only until the user speaks again.

use claw_core::Message;
use claw_core::message::turn_begins;

/// The conversation as the model `name` is shown it: with its own reasoning of this turn, or where it `keeps` it of all
/// turns, and nobody else's.
/// What a client has kept without saying whose it is, its provider judges.
pub(super) fn shown_to(name: &str, keeps: bool, mut shown: Vec<Message>) -> Vec<Message> {
    let begin = if keeps { 0 } else { turn_begins(&shown) };
    for (place, message) in shown.iter_mut().enumerate() {
        if let Message::Assistant { thoughts, .. } = message
            && thoughts.as_ref().is_some_and(|own| place < begin || !(own.by == name || own.by.is_empty()))
        {
            *thoughts = None;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use claw_core::{JsonText, Thoughts};

    use super::*;

    fn said(by: &str) -> Message {
        let thoughts = Thoughts { by: by.into(), payload: JsonText::new("[]") };
        Message::Assistant { text: by.into(), tool_calls: Vec::new(), thoughts: Some(Box::new(thoughts)) }
    }

    fn answered() -> Message {
        Message::Tool { call_id: "c".into(), text: "t".into(), is_error: false }
    }

    fn kept(messages: &[Message]) -> Vec<bool> {
        let shown = shown_to("p/m", false, messages.to_vec());
        let has = |message: &Message| matches!(message, Message::Assistant { thoughts: Some(_), .. });
        shown.iter().filter(|message| matches!(message, Message::Assistant { .. })).map(has).collect()
    }

    #[test]
    fn a_model_gets_its_own_thoughts_of_this_turn_back_and_nobody_elses() {
        let (user, own, other) = (|| Message::user("u"), || said("p/m"), || said("p/other"));
        assert_eq!(kept(&[user(), own(), answered(), own(), answered()]), [true, true]);
        assert_eq!(kept(&[user(), own(), answered(), other(), answered()]), [true, false]);
        assert_eq!(kept(&[user(), own(), answered(), own(), user()]), [false, false], "the turn is over");
        assert_eq!(kept(&[user(), own(), answered(), user(), own(), answered()]), [true, true], "steered");
        let shown = shown_to("p/m", true, vec![user(), own(), answered(), other(), user()]);
        let stays = |place: usize| matches!(&shown[place], Message::Assistant { thoughts: Some(_), .. });
        assert_eq!((stays(1), stays(3)), (true, false), "some keep theirs");
        let system = Message::System { text: "s".into() };
        assert_eq!(kept(&[user(), own(), answered(), system, user(), own()]), [true, true], "steered with a note");
    }
}
