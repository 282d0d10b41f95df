//! HTML as markdown that can be read: one pass over the text, no tree, so that no depth and no
//! size of a page can do more than take its time once.

use url::Url;

use super::table::Tables;

/// How far a tag's quotes are looked at; a page of open quotes would else cost its size squared.
const TAG_BYTES_MAX: usize = 4096;
/// Elements whose inside is not for readers.
const SKIPPED: [&str; 6] = ["script", "style", "noscript", "svg", "template", "iframe"];
/// Elements that stand around what is to be read.
const AROUND: [&str; 2] = ["nav", "footer"];
/// And around an article.
const AROUND_ARTICLE: [&str; 1] = ["aside"];
/// Elements whose class, id or role may say that they do.
const NAMED: [&str; 7] = ["div", "section", "ul", "header", "p", "table", "span"];
/// The words that say it.
const NAMES: [&str; 22] = [
    "ad",
    "ads",
    "advert",
    "banner",
    "breadcrumb",
    "breadcrumbs",
    "comments",
    "consent",
    "cookie",
    "cookies",
    "footer",
    "menu",
    "nav",
    "navbar",
    "navigation",
    "newsletter",
    "promo",
    "related",
    "share",
    "sharing",
    "sidebar",
    "social",
];
/// Elements that begin a line of their own.
const BLOCKS: [&str; 16] = [
    "p",
    "div",
    "section",
    "article",
    "main",
    "header",
    "aside",
    "ul",
    "ol",
    "blockquote",
    "figure",
    "dl",
    "dt",
    "dd",
    "hr",
    "title",
];

/// What is wanted of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Aim {
    /// All that is for readers.
    #[default]
    Page,
    /// What it is about.
    Article,
}

/// The page as markdown; its links lead on from `base`, where that is known.
pub(super) fn of(html: &str, aim: Aim, base: Option<&Url>) -> String {
    let mut page = Writer { aim, base: base.cloned(), ..Writer::default() };
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        let (text, tagged) = rest.split_at(open);
        page.text(text);
        rest = page.tag(tagged);
    }
    page.text(rest);
    page.tables.end(&mut page.out);
    page.out.trim().to_owned()
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Inside `pre`, where spaces count.
    is_verbatim: bool,
    /// Where the open link leads.
    link: Option<String>,
    /// What links lead on from.
    base: Option<Url>,
    tables: Tables,
    aim: Aim,
    /// A part without an end was met; no other is looked for, which would cost the page's size each.
    is_unclosed: bool,
}

impl Writer {
    /// Takes what begins with `<`; what follows it.
    fn tag<'a>(&mut self, tagged: &'a str) -> &'a str {
        if let Some(comment) = tagged.strip_prefix("<!--") {
            return comment.find("-->").and_then(|end| comment.get(end + 3..)).unwrap_or_default();
        }
        let Some(inside) = tagged.strip_prefix('<').filter(|rest| rest.starts_with(is_tag)) else {
            self.text("<");
            return tagged.get(1..).unwrap_or_default();
        };
        let Some(end) = end_of_tag(inside) else { return "" };
        let (whole, rest) = (inside.get(..end).unwrap_or_default(), inside.get(end + 1..).unwrap_or_default());
        let (closes, whole) = whole.strip_prefix('/').map_or((false, whole), |whole| (true, whole));
        let name_end = whole.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(whole.len());
        let name = whole.get(..name_end).unwrap_or_default().to_ascii_lowercase();
        if !closes && SKIPPED.contains(&name.as_str()) && !whole.ends_with('/') {
            return behind(rest, &name);
        }
        if !closes && !self.is_unclosed && self.is_around(&name, whole) {
            match closing(rest, &name) {
                Some(end) => return rest.get(end..).and_then(after_tag).unwrap_or_default(),
                None => self.is_unclosed = true,
            }
        }
        self.element(&name, closes, whole);
        rest
    }

    /// Whether this element stands around what is wanted.
    fn is_around(&self, name: &str, whole: &str) -> bool {
        let says = |attribute_name: &str| {
            let value = attribute(whole, attribute_name).unwrap_or_default().to_ascii_lowercase();
            value.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| NAMES.contains(&word))
        };
        let of_article =
            || AROUND_ARTICLE.contains(&name) || NAMED.contains(&name) && (says("class") || says("id") || says("role"));
        AROUND.contains(&name) || self.aim == Aim::Article && of_article()
    }

    fn element(&mut self, name: &str, closes: bool, whole: &str) {
        match (name, closes) {
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6", false) => {
                self.line(2);
                let level = name.bytes().last().map_or(1, |digit| usize::from(digit - b'0'));
                self.out.push_str(&"#".repeat(level));
                self.out.push(' ');
            }
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6", true) => self.line(2),
            ("br", _) => self.line(1),
            ("li", false) => {
                self.line(1);
                self.out.push_str("- ");
            }
            ("pre", false) => {
                self.line(2);
                self.out.push_str("```\n");
                self.is_verbatim = true;
            }
            ("pre", true) => {
                self.is_verbatim = false;
                self.line(1);
                self.out.push_str("```\n");
            }
            ("code", _) if !self.is_verbatim => self.out.push('`'),
            ("strong" | "b", _) => self.out.push_str("**"),
            ("em" | "i", _) => self.out.push('_'),
            ("table", false) => {
                self.line(2);
                self.tables.begin();
            }
            ("table", true) => {
                self.tables.end(&mut self.out);
                self.line(2);
            }
            ("tr", false) => {
                self.line(1);
                self.tables.row(&mut self.out);
            }
            ("tr", true) => self.tables.end_row(&mut self.out),
            ("td" | "th", false) => self.tables.cell(&mut self.out),
            ("img", false) => self.image(whole),
            ("base", false) => {
                let base = attribute(whole, "href").and_then(|href| self.base.as_ref()?.join(&href).ok());
                self.base = base.or(self.base.take());
            }
            ("a", false) => {
                self.link = attribute(whole, "href").and_then(|href| self.absolute(&href));
                self.out.push_str(if self.link.is_some() { "[" } else { "" });
            }
            ("a", true) => {
                if let Some(link) = self.link.take() {
                    self.out.push_str("](");
                    self.out.push_str(&link);
                    self.out.push(')');
                }
            }
            (name, _) if BLOCKS.contains(&name) => self.line(2),
            _ => {}
        }
    }

    /// Where a link or a picture is; nothing where that is no page of the web, or a place in this one.
    fn absolute(&self, href: &str) -> Option<String> {
        if href.is_empty() || href.starts_with('#') {
            return None;
        }
        let Some(base) = &self.base else {
            return (href.starts_with("http") || href.starts_with('/')).then(|| href.to_owned());
        };
        let whole = base.join(href).ok()?;
        matches!(whole.scheme(), "http" | "https").then(|| whole.to_string())
    }

    /// A picture that says what it shows.
    fn image(&mut self, whole: &str) {
        let alt = attribute(whole, "alt").unwrap_or_default();
        let alt = alt.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some(source) = attribute(whole, "src").and_then(|src| self.absolute(&src)) else { return };
        if !alt.is_empty() && !self.is_verbatim {
            self.out.push_str(&format!("![{alt}]({source})"));
        }
    }

    fn text(&mut self, text: &str) {
        let text = decoded(text);
        if self.is_verbatim {
            self.out.push_str(&text);
            return;
        }
        for (index, word) in text.split(|c: char| c.is_ascii_whitespace()).enumerate() {
            if index > 0 && !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
                self.out.push(' ');
            }
            self.out.push_str(word);
        }
    }

    /// Ends the line, with at most so many line ends in a row.
    fn line(&mut self, ends: usize) {
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        let there = self.out.bytes().rev().take_while(|byte| *byte == b'\n').count();
        if !self.out.is_empty() {
            self.out.push_str(&"\n".repeat(ends.saturating_sub(there)));
        }
    }
}

fn is_tag(letter: char) -> bool {
    letter.is_ascii_alphabetic() || matches!(letter, '/' | '!' | '?')
}

/// Where the tag ends: the first `>` outside quotes.
fn end_of_tag(inside: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in inside.bytes().take(TAG_BYTES_MAX).enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    // A quote without an end, or a long one: the tag then ends where it seems to.
    inside.find('>')
}

/// Where the inside of the first element of this name begins.
pub(super) fn opening(html: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = html.get(from..).and_then(|rest| rest.find('<')) {
        from += at + 1;
        let rest = html.get(from..)?;
        if is_named(rest, name) {
            return Some(from + end_of_tag(rest)? + 1);
        }
    }
    None
}

/// Where the closing tag of the element begins whose inside this is; elements of the same name in it have
/// their own.
pub(super) fn closing(inside: &str, name: &str) -> Option<usize> {
    let (mut from, mut depth) = (0, 0_usize);
    while let Some(at) = inside.get(from..).and_then(|rest| rest.find('<')) {
        let tag = from + at;
        let rest = inside.get(tag + 1..)?;
        match rest.strip_prefix('/') {
            Some(rest) if is_named(rest, name) && depth == 0 => return Some(tag),
            Some(rest) if is_named(rest, name) => depth -= 1,
            None if is_named(rest, name) => depth += 1,
            Some(_) | None => {}
        }
        from = tag + 1;
    }
    None
}

/// Whether what follows a `<` or `</` is a tag of this name.
fn is_named(rest: &str, name: &str) -> bool {
    let behind =
        |rest: &str| rest.starts_with(|letter: char| letter.is_ascii_whitespace() || matches!(letter, '>' | '/'));
    rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
        && rest.get(name.len()..).is_some_and(behind)
}

/// What follows the tag that stands first.
fn after_tag(tag: &str) -> Option<&str> {
    tag.get(tag.find('>')? + 1..)
}

/// What comes after the end of an element whose inside is skipped.
fn behind<'a>(rest: &'a str, name: &str) -> &'a str {
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|rest| rest.find("</")) {
        let start = from + at + 2;
        let is_it = rest.get(start..start + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
        if is_it {
            let end = rest.get(start..).and_then(|rest| rest.find('>'));
            return end.and_then(|end| rest.get(start + end + 1..)).unwrap_or_default();
        }
        from = start;
    }
    ""
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.to_ascii_lowercase().find(&format!("{name}="))?;
    let value = tag.get(at + name.len() + 1..)?;
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let value = match quote {
        Some(quote) => value.get(1..)?.split(quote).next()?,
        None => value.split([' ', '>']).next()?,
    };
    Some(decoded(value.trim()))
}

/// Characters that are written by name or number.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let named = rest.bytes().take(12).position(|byte| byte == b';').and_then(|end| {
            let name = rest.get(1..end)?;
            Some((character(name)?, rest.get(end + 1..)?))
        });
        match named {
            Some((letter, after)) => {
                out.push(letter);
                rest = after;
            }
            None => {
                out.push('&');
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|letter| !letter.is_control());
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "copy" => '©',
        "mdash" => '—',
        "ndash" => '–',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "euro" => '€',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_and_what_only_machines_read_is_not() {
        let html = "<!DOCTYPE html><html><head><title>T &amp; U</title><style>p{}</style><script>if (a<b) x()</script></head>\
                    <body><nav><a href='/x'>menu</a></nav><h1>Head</h1><p>One  <b>two</b>\n<a href=\"https://a.b/c?d&amp;e\">three</a>.</p>\
                    <ul><li>a<li>b</ul><pre>x  &lt; y\n  z</pre><!-- <p>no</p> --><table><tr><td>1</td><td>2</td></tr></table>\
                    <p>5 < 6 &#8364; &#x41;&bogus;</p><footer>no</footer></body></html>";
        let expected = "T & U\n\n# Head\n\nOne **two** [three](https://a.b/c?d&e).\n\n- a\n- b\n\n```\nx  < y\n  z\n```\n\n\
                        | 1 | 2 |\n| --- | --- |\n\n5 < 6 € A&bogus;";
        assert_eq!(of(html, Aim::Page, None), expected);
    }

    #[test]
    fn a_table_is_a_table_and_a_layout_is_text() {
        let table = "a<table><thead><tr><th>A</th><th> B </th></thead><tr><td>1|2<td><p>3</p></tr><tr><td></td><td>x\n y</table>b";
        assert_eq!(of(table, Aim::Page, None), "a\n\n| A | B |\n| --- | --- |\n| 1\\|2 | 3 |\n|  | x y |\n\nb");
        let words = "many words ".repeat(40);
        let words = words.trim();
        let layout = format!(
            "<table><tr><td><p>{words}</p><p>more</p></td><td><table><tr><td>1</td><td>2</td></tr></table></td></tr></table>"
        );
        assert_eq!(of(&layout, Aim::Page, None), format!("{words}\n\nmore\n\n| 1 | 2 |\n| --- | --- |"));
        assert_eq!(of("<table><tr><td>one</td></tr></table>two<tr><td>", Aim::Page, None), "one\n\ntwo");
        let deep = "<table><tr><td>a</td><td>".repeat(20_000);
        assert!(of(&deep, Aim::Page, None).len() < deep.len());
    }

    #[test]
    fn links_lead_where_they_led_on_the_page() {
        let base = Url::parse("https://a.b/c/d?e").unwrap();
        let html = "<a href='f'>1</a> <a href=/g?h>2</a> <a href='//i.j'>3</a> <a href='#k'>4</a> <a href='javascript:l()'>5</a> \
                    <img src=m.png alt='a  cat'><img src=n.png> <base href=/o/><a href=p>6</a>";
        let expected = "[1](https://a.b/c/f) [2](https://a.b/g?h) [3](https://i.j/) 4 5 ![a cat](https://a.b/c/m.png) \
                        [6](https://a.b/o/p)";
        assert_eq!(of(html, Aim::Page, Some(&base)), expected);
    }

    #[test]
    fn no_page_takes_more_than_its_size() {
        let deep = "<div>".repeat(400_000) + "x";
        assert_eq!(of(&deep, Aim::Page, None), "x");
        assert!(of(&"<a \"".repeat(100_000), Aim::Page, None).is_empty());
        for broken in ["<", "<a", "<a href=\"x", "<!--", "<script>", "</", "&#xffffffff;&", "<a href='>x</a>", "<svg"] {
            let _any = of(broken, Aim::Article, None);
        }
    }
}
