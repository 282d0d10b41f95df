//! Makes a stranger's words fit to be shown: without keys, on one line, short.

use claw_core::Secret;

/// Most bytes of an upstream's words that are repeated.
const MESSAGE_BYTES_MAX: usize = 1024;

/// Shortest key that is searched for; anything shorter is no key but would hide half the text.
const KEY_BYTES_MIN: usize = 6;

/// How the keys of the well-known services begin.
const KEY_STARTS: [&str; 4] = ["sk-", "gsk_", "xai-", "AIza"];

/// Replaces each of `secrets`, and all that looks like a key, by `***`; joins lines; cuts.
pub(crate) fn message(words: &str, secrets: &[Secret]) -> String {
    let text = hidden(words, secrets);
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        match KEY_STARTS.iter().filter_map(|start| word.find(start)).min() {
            Some(at) => line.extend([word.get(..at).unwrap_or_default(), "***"]),
            None => line.push_str(word),
        }
        if line.len() > MESSAGE_BYTES_MAX {
            break;
        }
    }
    line.retain(|letter| !letter.is_control());
    cut(&mut line);
    line
}

/// Shortest run of letters behind a key's beginning that is taken for a key where all else stays as it is.
const KEY_REST_MIN: usize = 12;

/// The words as they are, but for each of `secrets`, all that looks like a key, and letters that steer
/// a terminal.
pub(crate) fn verbatim(words: &str, secrets: &[Secret]) -> String {
    let mut text = without_keys(&hidden(words, secrets));
    text.retain(|letter| !letter.is_control() || matches!(letter, '\n' | '\t'));
    text
}

fn hidden(words: &str, secrets: &[Secret]) -> String {
    let mut text = words.to_owned();
    for secret in secrets.iter().filter(|secret| secret.expose().len() >= KEY_BYTES_MIN) {
        text = text.replace(secret.expose(), "***");
    }
    text
}

fn without_keys(words: &str) -> String {
    let belongs = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let (mut shown, mut rest) = (String::with_capacity(words.len()), words);
    while let Some(at) = KEY_STARTS.iter().filter_map(|start| rest.find(start)).min() {
        let (before, key) = rest.split_at(at);
        let (key, after) = key.split_at(key.find(|letter| !belongs(letter)).unwrap_or(key.len()));
        let is_within_a_word = before.ends_with(belongs);
        shown.push_str(before);
        shown.push_str(if is_within_a_word || key.len() < KEY_REST_MIN { key } else { "***" });
        rest = after;
    }
    shown + rest
}

fn cut(line: &mut String) {
    if line.len() > MESSAGE_BYTES_MAX {
        line.truncate(line.floor_char_boundary(MESSAGE_BYTES_MAX - '…'.len_utf8()));
        line.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_as_they_are_but_for_keys() {
        let secrets = [Secret::new("hunter22")];
        for (words, shown) in [
            ("{\"error\": \"no sk-UPSECRET1234567890\"}", "{\"error\": \"no ***\"}"),
            ("a task-force-of-many, sk-short, hunter22", "a task-force-of-many, sk-short, ***"),
            ("sk-é", "sk-é"),
        ] {
            assert_eq!(verbatim(words, &secrets), shown);
        }
    }

    #[test]
    fn keys_lines_and_length_are_taken_out() {
        let secrets = [Secret::new("hunter22"), Secret::new("a")];
        for (words, shown) in [
            ("bad key hunter22.", "bad key ***."),
            ("Incorrect key: sk-abc***xyz. Look\n there", "Incorrect key: *** Look there"),
            ("key=\"gsk_123\"", "key=\"***"),
            ("a task\u{1b}[31m at risk", "a task[31m at risk"),
        ] {
            assert_eq!(message(words, &secrets), shown);
        }
        let long = message(&"é".repeat(4000), &secrets);
        assert!(long.len() <= MESSAGE_BYTES_MAX && long.ends_with('…'), "{}", long.len());
    }
}
