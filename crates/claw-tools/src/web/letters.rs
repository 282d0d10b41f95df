//! The text of a page in whatever letters it is written: by its byte order mark, else by what its server says, else by
//! what it says of itself, as browsers do. What says nothing is UTF-8 if it can be, else Western.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

/// How far a page is looked at for what it says of itself.
const HEAD_BYTES: usize = 4096;

/// The text; nothing where it is none.
pub(super) fn of(body: &[u8], charset: &str, is_markup: bool) -> Option<String> {
    let by_mark = Encoding::for_bom(body).map(|(encoding, _)| encoding);
    let told = || Encoding::for_label(charset.as_bytes());
    let of_itself = || if is_markup { said(body) } else { None };
    let encoding = by_mark.or_else(told).or_else(of_itself).unwrap_or_else(|| guessed(body));
    let is_wide = encoding == UTF_16LE || encoding == UTF_16BE;
    if !is_wide && body.contains(&0) {
        return None;
    }
    Some(encoding.decode(body).0.into_owned())
}

fn guessed(body: &[u8]) -> &'static Encoding {
    match std::str::from_utf8(body) {
        Ok(_) => UTF_8,
        // Cut inside a letter.
        Err(error) if error.error_len().is_none() => UTF_8,
        Err(_) => WINDOWS_1252,
    }
}

/// What a page says in its `meta` or, where it is XML, before all else.
fn said(body: &[u8]) -> Option<&'static Encoding> {
    let head: String = body.iter().take(HEAD_BYTES).map(|byte| char::from(*byte).to_ascii_lowercase()).collect();
    let metas = head.match_indices("<meta").map(|(at, _)| (at, "charset"));
    let xml = head.trim_start().starts_with("<?xml").then(|| (head.find("<?xml").unwrap_or(0), "encoding"));
    let label = xml.into_iter().chain(metas).find_map(|(at, name)| {
        let tag = head.get(at..)?.split('>').next()?;
        let value = tag.get(tag.find(name)? + name.len()..)?.trim_start().strip_prefix('=')?;
        let value = value.trim_start_matches([' ', '"', '\'']);
        let end = value.find(['"', '\'', ' ', ';', '/', '?']).unwrap_or(value.len());
        Encoding::for_label(value.get(..end)?.as_bytes())
    })?;
    // Whoever reads this can read ASCII, so it is neither of these.
    match label == UTF_16LE || label == UTF_16BE || label == X_USER_DEFINED {
        true => Some(UTF_8),
        false => Some(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_in_the_letters_it_is_written_in() {
        let western: &[u8] = b"caf\xe9 stra\xdfe";
        let with_meta = |meta: &str, text: &[u8]| [b"<html><head>", meta.as_bytes(), b"</head>", text].concat();
        let read = |body: &[u8], charset: &str| of(body, charset, true).unwrap();
        assert_eq!(read(western, "iso-8859-1"), "café straße");
        assert_eq!(read(western, ""), "café straße", "no UTF-8");
        assert_eq!(read("café".as_bytes(), ""), "café");
        assert_eq!(read("café".as_bytes(), "nonsense"), "café");
        assert_eq!(&read(&"café".as_bytes()[..4], ""), "caf\u{fffd}", "cut inside a letter");
        for meta in [
            "<meta charset=shift_jis>",
            "<META Charset = 'Shift_JIS'/>",
            "<meta name=x><meta http-equiv=\"Content-Type\" content=\"text/html; charset=shift_jis\">",
        ] {
            assert!(read(&with_meta(meta, b"\x83e\x83X\x83g"), "").ends_with("テスト"), "{meta}");
        }
        assert!(read(b"<?xml version='1.0' encoding='koi8-r'?>\xd4", "").ends_with('т'));
        assert_eq!(read(&with_meta("<meta charset=utf-16>", "é".as_bytes()), "").chars().last(), Some('é'));
        assert_eq!(read(b"\xef\xbb\xbfa", "iso-8859-1"), "a", "the mark counts first");
        assert_eq!(read(b"\xff\xfea\0b\0", ""), "ab");
        assert_eq!(read(b"a\0b\0", "utf-16le"), "ab");
    }

    #[test]
    fn what_is_no_text_is_not_read_and_a_plain_text_says_nothing_of_itself() {
        assert_eq!(of(b"a\0b", "", true), None);
        assert_eq!(of(b"<meta charset=koi8-r>\xd4x", "", false).unwrap(), "<meta charset=koi8-r>Ôx");
    }
}
