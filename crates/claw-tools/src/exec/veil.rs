//! Takes out of what a command says the values that nobody is to read.
//!
//! A guard against accidents (`env`, `set -x`, a client that shows its headers): what a command makes of a
//! value in another form passes.

use claw_core::Secret;

/// Stands for a value.
const INSTEAD: &[u8] = b"***";
/// A shorter value would be found everywhere.
const BYTES_MIN: usize = 6;

/// Reads piece by piece; what may be the beginning of a value is held back until it is known.
#[derive(Default)]
pub(super) struct Veil {
    /// The longest first.
    values: Vec<Secret>,
    held: Vec<u8>,
}

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Veil").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

impl Veil {
    /// Over these values, as far as they are long enough to be told from chance.
    pub(super) fn over(values: impl IntoIterator<Item = Secret>) -> Self {
        let mut values: Vec<Secret> = values.into_iter().filter(|value| value.expose().len() >= BYTES_MIN).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.expose().len()));
        Self { values, held: Vec::new() }
    }

    /// What of this piece, and of what was held back, is for readers.
    pub(super) fn text_of(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        self.shown(false)
    }

    /// What is still held back, once nothing more comes.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        self.shown(true)
    }

    fn shown(&mut self, is_all: bool) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.held);
        let mut shown = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            match self.at(rest, is_all) {
                Here::Nothing => {
                    shown.push(*first);
                    rest = behind;
                }
                Here::Perhaps => break,
                Here::Value(length) => {
                    shown.extend_from_slice(INSTEAD);
                    rest = rest.get(length..).unwrap_or_default();
                }
            }
        }
        self.held = rest.to_vec();
        shown
    }

    /// What begins here.
    fn at(&self, rest: &[u8], is_all: bool) -> Here {
        for value in self.values.iter().map(|value| value.expose().as_bytes()) {
            if rest.starts_with(value) {
                return Here::Value(value.len());
            }
            if !is_all && value.starts_with(rest) {
                return Here::Perhaps;
            }
        }
        Here::Nothing
    }
}

enum Here {
    Nothing,
    /// A value, as far as can be seen yet.
    Perhaps,
    Value(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_out_wherever_it_is_cut() {
        let said = b"key=sk-abcdef\nsk-abcdefgh sk-abc! sk-abcde";
        for size in 1..=said.len() {
            let mut veil = Veil::over(["sk-abcdef", "sk-abcdefgh", "a", "key"].map(Secret::new));
            let mut shown: Vec<u8> = said.chunks(size).flat_map(|piece| veil.text_of(piece)).collect();
            shown.extend(veil.rest());
            assert_eq!(String::from_utf8(shown).unwrap(), "key=***\n*** sk-abc! sk-abcde", "{size}");
        }
        assert_eq!(Veil::default().text_of(b"all"), b"all");
        assert_eq!(format!("{:?}", Veil::over([Secret::new("sk-abcdef")])), "Veil { values: 1, .. }");
    }
}
