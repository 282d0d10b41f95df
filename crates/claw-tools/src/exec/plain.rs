//! A terminal's text without what a terminal obeys: colours, movements, titles.

/// Where in a sequence the text stands; sequences may be cut anywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    /// After the escape.
    Escape,
    /// Inside `ESC [ …`, which ends with a letter.
    Control,
    /// Inside `ESC ] …` and its kin, which end with a bell or `ESC \\`.
    Words,
    /// After an escape in there.
    WordsEscape,
    /// After `ESC (` and its kin: one more.
    One,
}

/// Reads piece by piece.
#[derive(Debug, Default)]
pub(super) struct Plain(Place);

impl Plain {
    /// What of this piece is for readers.
    pub(super) fn text_of(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(piece.len());
        for byte in piece {
            self.0 = match (self.0, *byte) {
                (Place::Text, 0x1b) => Place::Escape,
                (Place::Text, byte) => {
                    // The rest of the control characters move the cursor; `\r` before `\n` among them.
                    if byte >= b' ' && byte != 0x7f || matches!(byte, b'\n' | b'\t') {
                        text.push(byte);
                    }
                    Place::Text
                }
                (Place::Escape, b'[') => Place::Control,
                (Place::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Place::Words,
                (Place::Escape, b'(' | b')' | b'*' | b'+' | b'#' | b'%' | b' ') => Place::One,
                (Place::Control, 0x40..=0x7e) | (Place::Words, 0x07) | (Place::WordsEscape, b'\\') => Place::Text,
                (Place::Words, 0x1b) => Place::WordsEscape,
                (Place::Words | Place::WordsEscape, _) => Place::Words,
                (Place::Control, _) => Place::Control,
                (Place::Escape | Place::One, _) => Place::Text,
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_left_out_wherever_it_is_cut() {
        let screen =
            b"\x1b]0;title\x07\x1b[1;31mred\x1b[0m\r\n\x1b(Btab\there\x08\x1b]8;;http://x\x1b\\link \xc3\xa4\x1b[?25l";
        for size in 1..screen.len() {
            let mut plain = Plain::default();
            let text: Vec<u8> = screen.chunks(size).flat_map(|piece| plain.text_of(piece)).collect();
            assert_eq!(String::from_utf8(text).unwrap(), "red\ntab\therelink \u{e4}", "{size}");
        }
    }
}
