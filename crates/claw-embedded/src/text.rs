//! Bytes of tokens to text that may be shown.
//!
//! Pure. A token may end in the middle of a character, and a stop string may begin in one token
//! and end in another: both are held back until it is clear what they are.

/// Collects token bytes and gives out text that can no longer change.
#[derive(Debug, Default)]
pub(crate) struct TextOutput {
    /// Bytes of a character that is not complete yet.
    bytes: Vec<u8>,
    /// Text that may be the beginning of a stop string.
    held: String,
    stops: Vec<String>,
}

/// What a token added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Text to show now; may be empty.
    Text(String),
    /// A stop string was completed; this is the text before it.
    Stopped(String),
}

impl TextOutput {
    /// An output that ends at the first of `stops`; empty ones are ignored.
    pub(crate) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self { bytes: Vec::new(), held: String::new(), stops }
    }

    /// Adds the bytes of one token.
    pub(crate) fn push(&mut self, token: &[u8]) -> Step {
        self.bytes.extend_from_slice(token);
        self.held.push_str(&take_complete(&mut self.bytes));
        let first_stop = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(at) = first_stop {
            self.held.truncate(at);
            return Step::Stopped(std::mem::take(&mut self.held));
        }
        let keep_from = self.held.len() - self.open_stop_bytes();
        let undecided = self.held.split_off(keep_from);
        Step::Text(std::mem::replace(&mut self.held, undecided))
    }

    /// What was still held back when the model ended.
    pub(crate) fn finish(mut self) -> String {
        self.held.push_str(&String::from_utf8_lossy(&self.bytes));
        self.held
    }

    /// Length of the longest end of `held` with which some stop string begins.
    fn open_stop_bytes(&self) -> usize {
        let open = |stop: &String| {
            let starts = stop.char_indices().map(|(at, _)| at).skip(1);
            starts.filter(|&at| stop.get(..at).is_some_and(|start| self.held.ends_with(start))).max()
        };
        self.stops.iter().filter_map(open).max().unwrap_or(0)
    }
}

/// Takes all complete characters out of `bytes`; invalid ones become U+FFFD.
fn take_complete(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut used = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        used += chunk.valid().len();
        let at_end = used + chunk.invalid().len() == bytes.len();
        if chunk.invalid().is_empty() || (at_end && may_continue(chunk.invalid())) {
            break;
        }
        text.push(char::REPLACEMENT_CHARACTER);
        used += chunk.invalid().len();
    }
    bytes.drain(..used);
    text
}

/// Whether more bytes can still make a character of `start`.
fn may_continue(start: &[u8]) -> bool {
    std::str::from_utf8(start).is_err_and(|wrong| wrong.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stops: &[&str], tokens: &[&[u8]]) -> (Vec<String>, Option<String>) {
        let stops: Vec<String> = stops.iter().map(|&stop| stop.to_owned()).collect();
        let mut output = TextOutput::new(&stops);
        let mut shown = Vec::new();
        for token in tokens {
            match output.push(token) {
                Step::Text(text) => shown.push(text),
                Step::Stopped(text) => {
                    shown.push(text);
                    return (shown, None);
                }
            }
        }
        (shown, Some(output.finish()))
    }

    #[test]
    fn a_character_split_over_tokens_comes_out_whole() {
        let euro = "€".as_bytes();
        let (shown, rest) = all(&[], &[b"1 ", &euro[..1], &euro[1..2], &euro[2..], b"!"]);
        assert_eq!(shown, ["1 ", "", "", "€", "!"]);
        assert_eq!(rest.as_deref(), Some(""));
    }

    #[test]
    fn bytes_that_can_never_be_text_are_replaced_at_once() {
        let (shown, rest) = all(&[], &[b"a\xff\xfeb", b"\xe2\x82"]);
        assert_eq!(shown, ["a\u{fffd}\u{fffd}b", ""]);
        assert_eq!(rest.as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn a_stop_string_split_over_tokens_is_never_shown() {
        let (shown, rest) = all(&["END"], &[b"one E", b"N", b"D two"]);
        assert_eq!((shown.concat().as_str(), rest), ("one ", None));
    }

    #[test]
    fn what_only_looks_like_a_stop_string_is_shown_later() {
        let (shown, rest) = all(&["END"], &[b"one E", b"N", b"OUGH E"]);
        assert_eq!((shown, rest.as_deref()), (vec!["one ".into(), String::new(), "ENOUGH ".into()], Some("E")));
    }

    #[test]
    fn the_earliest_of_several_stop_strings_ends_the_text() {
        let (shown, rest) = all(&["ll", "l", ""], &[b"Hello"]);
        assert_eq!((shown, rest), (vec!["He".to_owned()], None));
    }

    #[test]
    fn a_stop_string_of_wide_characters_is_held_back_by_whole_characters() {
        let (shown, _) = all(&["äö"], &["xä".as_bytes(), "y".as_bytes()]);
        assert_eq!(shown, ["x", "äy"]);
    }
}
