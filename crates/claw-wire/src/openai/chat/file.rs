//! Files that come along: a text is read here, so that every model can; the rest is carried to those that can.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claw_core::{Part, Text};

use super::content::GivenFile;
use crate::BadRequest;

/// What a file's name tells of its kind.
const KINDS: [(&str, &str); 12] = [
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("toml", "application/toml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
];

impl GivenFile {
    /// As a part of a message; `at` names a field.
    ///
    /// # Errors
    /// No data and no address, or what cannot be read.
    pub(super) fn into_core(self, at: impl Fn(&str) -> String) -> Result<Part, BadRequest> {
        let Self { filename, file_data, file_url, file_id } = self;
        let refuse = |field: &str, message: &str| Err(BadRequest::of(at(field), message));
        let (file_data, file_url) = (file_data.map(spelled), file_url.map(spelled));
        if file_id.is_some() {
            return refuse("file_id", "files are not kept here: send file_data or file_url");
        }
        match (file_data, file_url) {
            (Some(data), None) => given(filename, data).or_else(|message| refuse("file_data", message)),
            (None, Some(url)) if url.starts_with("https://") || url.starts_with("http://") => {
                Ok(Part::File { url, name: filename })
            }
            (None, Some(_)) => refuse("file_url", "file_url must be an http or https address"),
            (Some(_), Some(_)) => refuse("file_url", "send file_data or file_url, not both"),
            (None, None) => refuse("file_data", "missing field `file_data`"),
        }
    }
}

/// An address or `data:` URL with its scheme in small letters, as everybody looks for it; schemes know no case.
pub(super) fn spelled(url: Text) -> Text {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let known = ["data", "http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known));
    match known.filter(|known| *known != scheme) {
        Some(known) => format!("{known}{}", url.strip_prefix(scheme).unwrap_or_default()).into(),
        None => url,
    }
}

/// Whether a picture's address leads anywhere: a web address, or a `data:` URL that can be read.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_image(url: &str) -> Result<(), &'static str> {
    let Some(rest) = url.strip_prefix("data:") else {
        let is_web = url.strip_prefix("https://").or(url.strip_prefix("http://")).is_some_and(|rest| !rest.is_empty());
        return if is_web { Ok(()) } else { Err("an image is an http or https address, or a data: URL in base64") };
    };
    match rest.split_once(";base64,") {
        Some((kind, _)) if !kind.starts_with("image/") => Err("a data: URL of an image needs an image's MIME type"),
        Some((_, data)) if !data.is_empty() && is_base64(data) => Ok(()),
        _ => Err("the data: URL is not base64, or is empty"),
    }
}

/// Whether it can be decoded: nothing but base64's letters, padded to fours.
fn is_base64(text: &str) -> bool {
    let body = text.strip_suffix("==").or(text.strip_suffix('=')).unwrap_or(text);
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    // In pieces, so that a machine can look at many letters at once.
    let is_plain = |piece: &[u8]| piece.iter().fold(true, |all, byte| all & is_letter(*byte));
    text.len().is_multiple_of(4) && body.as_bytes().chunks(4096).all(is_plain)
}

fn given(name: Option<String>, data: Text) -> Result<Part, &'static str> {
    let by_name = || {
        let ending = name.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        let known = KINDS.iter().find(|(known, _)| ending.is_some_and(|ending| ending.eq_ignore_ascii_case(known)));
        known.map_or("application/octet-stream", |(_, kind)| *kind)
    };
    let (kind, base64) = match data.strip_prefix("data:") {
        Some(rest) => {
            let (head, base64) = rest.split_once(";base64,").ok_or("file_data must be base64, or a data: URL of it")?;
            let kind = head.split(';').next().unwrap_or_default();
            (if kind.is_empty() { by_name() } else { kind }, base64)
        }
        None => (by_name(), data.as_str()),
    };
    if base64.is_empty() || !is_base64(base64) {
        return Err("file_data must be base64, or a data: URL of it");
    }
    if !is_text(kind) {
        let url = format!("data:{kind};base64,{base64}");
        return Ok(Part::File { url: if data == *url { data.clone() } else { url.into() }, name });
    }
    let bytes = STANDARD.decode(base64).map_err(|_| "file_data must be base64, or a data: URL of it")?;
    let text = String::from_utf8(bytes).map_err(|_| "the file says that it is text, and is not UTF-8")?;
    let title = name.map(|name| format!("{name}:\n")).unwrap_or_default();
    Ok(Part::Text { text: format!("{title}{text}").into() })
}

fn is_text(kind: &str) -> bool {
    let structured = ["application/json", "application/xml", "application/yaml", "application/toml"];
    kind.starts_with("text/") || structured.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: GivenFile) -> Result<Part, String> {
        file.into_core(str::to_owned).map_err(|bad| bad.param.unwrap_or(bad.message))
    }

    fn of(name: Option<&str>, data: &str) -> GivenFile {
        GivenFile { filename: name.map(Into::into), file_data: Some(data.into()), ..GivenFile::default() }
    }

    #[test]
    fn texts_are_read_and_the_rest_is_carried() {
        let text = |text: &str| Ok(Part::Text { text: text.into() });
        let file = |url: &str, name: Option<&str>| Ok(Part::File { url: url.into(), name: name.map(Into::into) });
        for (given, expected) in [
            (of(Some("a.csv"), "MSwyCg=="), text("a.csv:\n1,2\n")),
            (of(None, "data:application/json;charset=utf-8;base64,e30="), text("{}")),
            (of(Some("a.PDF"), "JVBERg=="), file("data:application/pdf;base64,JVBERg==", Some("a.PDF"))),
            (of(None, "data:application/pdf;base64,JVBERg=="), file("data:application/pdf;base64,JVBERg==", None)),
            (of(None, "AA=="), file("data:application/octet-stream;base64,AA==", None)),
            (of(Some("a.txt"), "/w=="), Err("file_data".to_owned())),
            (of(Some("a.txt"), "not base64"), Err("file_data".to_owned())),
            (of(None, "data:text/plain,x"), Err("file_data".to_owned())),
            (of(None, ""), Err("file_data".to_owned())),
            (of(None, "AA=A"), Err("file_data".to_owned())),
            (of(None, "AAA"), Err("file_data".to_owned())),
            (GivenFile::default(), Err("file_data".to_owned())),
            (GivenFile { file_id: Some("file-1".into()), ..GivenFile::default() }, Err("file_id".to_owned())),
            (GivenFile { file_url: Some("file:///etc/passwd".into()), ..GivenFile::default() }, Err("file_url".into())),
        ] {
            assert_eq!(read(given.clone()), expected, "{given:?}");
        }
        for url in ["https://x.example/a.pdf", "HTTPS://x.example/a.pdf"] {
            let url = GivenFile { file_url: Some(url.into()), ..GivenFile::default() };
            assert_eq!(read(url), file("https://x.example/a.pdf", None));
        }
        assert_eq!(
            read(of(None, "Data:application/pdf;base64,JVBERg==")),
            file("data:application/pdf;base64,JVBERg==", None)
        );
    }

    #[test]
    fn an_image_is_an_address_or_data_that_can_be_read() {
        for good in
            ["https://x.example/a.png", "http://x", "data:image/png;base64,AAAA", "data:image/x;a=b;base64,+/A="]
        {
            assert_eq!(check_image(good), Ok(()), "{good}");
        }
        assert_eq!(*spelled("DATA:image/png;base64,AAAA".into()), *"data:image/png;base64,AAAA");
        for bad in [
            "",
            "a.png",
            "https://",
            "file:///etc/passwd",
            "ftp://x/a.png",
            "iVBORw0KGgo=",
            "data:,",
            "data:image/png,AAAA",
            "data:image/png;base64,",
            "data:image/png;base64,!!!!",
            "data:image/png;base64,AAA",
            "data:image/png;base64,A===",
            "data:image/png;base64,AA=A",
            "data:text/html;base64,AAAA",
        ] {
            assert!(check_image(bad).is_err(), "{bad}");
        }
    }
}
