//! Text as the terms it is found by. Pure; whatever is searched and whatever it is searched for go
//! through here, so both sides agree, and nothing of a search engine's own language comes out.
//!
//! A term is a run of letters and digits, in lower case, without accents and the English plural's
//! `s`. Scripts that are written without spaces give each letter, and each pair of neighbours.

/// Longest term, in bytes; the rest of a longer word is not looked at.
const TERM_BYTES_MAX: usize = 64;

/// The terms of a text, in order, with those that repeat.
pub fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    let mut word = String::new();
    let mut before = None;
    for letter in text.chars() {
        if is_spaceless(letter) {
            finish(&mut word, &mut terms);
            terms.push(letter.to_string());
            if let Some(before) = before {
                terms.push([before, letter].iter().collect());
            }
            before = Some(letter);
            continue;
        }
        before = None;
        if !letter.is_alphanumeric() {
            // An accent that stands behind its letter belongs to the word.
            if !is_mark(letter) {
                finish(&mut word, &mut terms);
            }
        } else if word.len() < TERM_BYTES_MAX {
            fold(letter, &mut word);
        }
    }
    finish(&mut word, &mut terms);
    terms
}

/// Ends a word, in the form that its plural has, too.
fn finish(word: &mut String, terms: &mut Vec<String>) {
    if word.is_empty() {
        return;
    }
    let plain = match word.as_bytes() {
        [.., b'i', b'e', b's'] if word.len() > 4 => word.strip_suffix("ies").map(|stem| format!("{stem}y")),
        [.., b's' | b'u' | b'i', b's'] => None,
        [.., b's'] if word.len() > 3 => word.strip_suffix('s').map(str::to_owned),
        _ => None,
    };
    terms.push(plain.unwrap_or_else(|| word.clone()));
    word.clear();
}

/// Adds a letter in lower case, without its accent where it is a Latin one.
fn fold(letter: char, word: &mut String) {
    for lower in letter.to_lowercase() {
        match lower {
            'à'..='å' | 'ā' | 'ă' | 'ą' => word.push('a'),
            'ç' | 'ć' | 'ĉ' | 'č' => word.push('c'),
            'ď' | 'đ' => word.push('d'),
            'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => word.push('e'),
            'ĝ' | 'ğ' | 'ġ' | 'ģ' => word.push('g'),
            'ì'..='ï' | 'ī' | 'ĭ' | 'į' | 'ı' => word.push('i'),
            'ł' | 'ľ' | 'ļ' | 'ĺ' => word.push('l'),
            'ñ' | 'ń' | 'ň' | 'ņ' => word.push('n'),
            'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => word.push('o'),
            'ŕ' | 'ř' | 'ŗ' => word.push('r'),
            'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => word.push('s'),
            'ţ' | 'ť' | 'ț' => word.push('t'),
            'ù'..='ü' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => word.push('u'),
            'ý' | 'ÿ' => word.push('y'),
            'ź' | 'ż' | 'ž' => word.push('z'),
            'ß' => word.push_str("ss"),
            'æ' => word.push_str("ae"),
            'œ' => word.push_str("oe"),
            lower if is_mark(lower) => {}
            lower => word.push(lower),
        }
    }
}

/// Accents that stand behind their letter.
const fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}')
}

/// Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese.
const fn is_spaceless(letter: char) -> bool {
    matches!(letter,
        '\u{0e01}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3041}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whatever_their_case_accents_and_number() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            ("Meetings, on Monday!", &["meeting", "on", "monday"]),
            ("Café CAFE cafe\u{301}", &["cafe", "cafe", "cafe"]),
            ("stories story class bus its is", &["story", "story", "class", "bus", "its", "is"]),
            ("Straße Ærø", &["strasse", "aero"]),
            ("v2.0 id_7", &["v2", "0", "id", "7"]),
            ("Привет, мир", &["привет", "мир"]),
            ("世界 和", &["世", "界", "世界", "和"]),
            ("abc世d", &["abc", "世", "d"]),
        ];
        for (text, expected) in table {
            assert_eq!(terms(text), *expected, "{text}");
        }
    }

    #[test]
    fn nothing_but_letters_and_digits_comes_out() {
        let hostile = "\" OR 1=1; -- NEAR(a, b) * ^col: {x} -y + \0 ' AND NOT";
        let all = terms(hostile);
        assert_eq!(all, ["or", "1", "1", "near", "a", "b", "col", "x", "y", "and", "not"]);
        assert!(terms(&"a".repeat(1000)).iter().all(|term| term.len() <= TERM_BYTES_MAX + 4));
    }
}
