//! What a page is about, without what stands around it on every page of its site.
//!
//! By what pages say of themselves (`article`, `main`, the names of their parts) and, where they say
//! nothing, by how much of a piece of text is links. Passes over the text and no tree: a library that
//! builds one was weighed and left, for forty crates and a depth that strangers choose.

use url::Url;

use super::markdown::{self, Aim};

/// Less text than this is no article.
const ARTICLE_LETTERS_MIN: usize = 200;
/// An article has at least this share of its page's text.
const ARTICLE_SHARE: usize = 8;

/// A page as readers want it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Article {
    pub(super) text: String,
    /// Whether something of the page was left out on purpose.
    pub(super) is_part: bool,
}

/// The main content of a page as markdown; the whole page where nothing stands out.
pub(super) fn of(html: &str, base: Option<&Url>) -> Article {
    let whole = markdown::of(html, Aim::Page, base);
    let letters = letters(&whole);
    let enough = |text: &str| {
        let own = self::letters(text);
        own >= ARTICLE_LETTERS_MIN && own * ARTICLE_SHARE >= letters
    };
    let marked = ["article", "main"].into_iter().filter_map(|name| only(html, name)).find_map(|inside| {
        let text = markdown::of(inside, Aim::Article, base);
        enough(&text).then(|| titled(html, text))
    });
    let found = marked
        .or_else(|| Some(without_lists_of_links(&markdown::of(html, Aim::Article, base))).filter(|text| enough(text)));
    let text = found.unwrap_or_else(|| whole.clone());
    Article { is_part: text != whole, text }
}

fn letters(text: &str) -> usize {
    text.chars().filter(|letter| letter.is_alphanumeric()).count()
}

/// The inside of the element of this name that has most of the text in such elements.
fn only<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    let (mut rest, mut all, mut largest) = (html, 0, "");
    while let Some(at) = markdown::opening(rest, name) {
        let inside = rest.get(at..).unwrap_or_default();
        let end = markdown::closing(inside, name).unwrap_or(inside.len());
        let element = inside.get(..end).unwrap_or_default();
        all += element.len();
        if element.len() > largest.len() {
            largest = element;
        }
        rest = inside.get(end..).unwrap_or_default();
    }
    // A list of many articles is about none of them.
    (largest.len() * 2 > all).then_some(largest)
}

/// With the page's title, where the text does not begin with the same.
fn titled(html: &str, text: String) -> String {
    let title = markdown::opening(html, "title").and_then(|at| {
        let inside = html.get(at..)?;
        Some(markdown::of(inside.get(..markdown::closing(inside, "title")?)?, Aim::Page, None))
    });
    let begins_so = |title: &str| text.trim_start_matches(['#', ' ']).starts_with(title);
    match title.filter(|title| !title.is_empty() && !begins_so(title)) {
        Some(title) => format!("{title}\n\n{text}"),
        None => text,
    }
}

/// Without blocks that are links for the most part.
fn without_lists_of_links(text: &str) -> String {
    let is_read = |block: &&str| {
        let all = letters(block);
        block.starts_with('#') || block.starts_with("```") || letters_of_links(block) * 5 < all * 3
    };
    let mut in_code = false;
    let kept = text.split("\n\n").filter(|block| {
        let was_in_code = in_code;
        in_code ^= block.matches("```").count() % 2 == 1;
        was_in_code || is_read(block)
    });
    kept.collect::<Vec<_>>().join("\n\n")
}

/// Letters of the words of links and of their addresses.
fn letters_of_links(block: &str) -> usize {
    let (mut rest, mut count) = (block, 0);
    while let Some(open) = rest.find('[') {
        let inside = rest.get(open + 1..).unwrap_or_default();
        let Some(end) = inside.find("](").and_then(|middle| Some(middle + 2 + inside.get(middle + 2..)?.find(')')?))
        else {
            break;
        };
        count += letters(inside.get(..end).unwrap_or_default());
        rest = inside.get(end..).unwrap_or_default();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "The river had risen in the night, and by morning the lower fields stood under water. \
                         Nobody in the village remembered such a spring; the oldest spoke of one when they were children. \
                         They carried what they could to the church, and waited there for the boats from the town to come.";

    fn page(body: &str) -> String {
        format!(
            "<html><head><title>News</title></head><body><header><a href='/'>Home</a></header><nav><a href='/a'>A</a></nav>\
             <div class=\"cookie banner\">We use cookies <div>a lot</div> of them</div>{body}\
             <ul><li><a href='/1'>One more story you may like</a><li><a href='/2'>Another story you may like</a></ul>\
             <aside>Buy this</aside><footer>Imprint</footer></body></html>"
        )
    }

    #[test]
    fn the_article_is_found_and_what_stands_around_it_is_not() {
        let inside = format!("<h1>Flood</h1><p>{WORDS}</p><div class='share'>Share <div>this</div></div><p>Later.</p>");
        let expected = format!("News\n\n# Flood\n\n{WORDS}\n\nLater.");
        for body in [
            format!("<article>{inside}</article>"),
            format!("<main><div>{inside}</div></main>"),
            format!("<ARTICLE class=x>{inside}</ARTICLE><article><p>teaser</p></article>"),
        ] {
            assert_eq!(of(&page(&body), None), Article { text: expected.clone(), is_part: true }, "{body}");
        }
    }

    #[test]
    fn a_page_that_says_nothing_of_itself_loses_its_lists_of_links() {
        let article = of(&page(&format!("<h2>Flood</h2><p>{WORDS} <a href='/x'>more</a></p>")), None);
        assert_eq!(article.text, format!("News\n\n## Flood\n\n{WORDS} [more](/x)"));
        assert!(article.is_part);
    }

    #[test]
    fn where_nothing_stands_out_the_page_is_whole() {
        for html in ["<p>short</p>", "<article></article><p>x</p>", "<a href='/1'>one</a><a href='/2'>two</a>", ""] {
            let article = of(html, None);
            assert_eq!((article.text, article.is_part), (markdown::of(html, Aim::Page, None), false), "{html}");
        }
        let form = format!("<form><p>{WORDS}</p></form>");
        assert_eq!(of(&form, None).text, WORDS, "some put the whole page into one");
    }

    #[test]
    fn no_page_takes_more_than_its_size() {
        let begun = std::time::Instant::now();
        for piece in
            ["<article>", "<div class=ad>", "<div class='share'><div>", "</article>", "[", "<main><nav>", "<title>"]
        {
            let _any = of(&piece.repeat(500_000 / piece.len()), None);
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
    }
}
