//! What each search service is asked, and how it answers.

use claw_core::Secret;
use claw_net::egress::Question;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::{Found, Freshness, Service, Settings};

/// What to send.
pub(super) fn question(settings: &Settings, query: &str, count: usize, freshness: Option<Freshness>) -> Question {
    let Settings { service, base_url, api_key, results_max: _ } = settings;
    let base = base_url.trim_end_matches('/');
    let key = api_key.as_ref().map(Secret::expose);
    let bearer = || key.map(|key| ("authorization".to_owned(), format!("Bearer {key}"))).into_iter().collect();
    match service {
        Service::Searxng => {
            let mut pairs = vec![("q", query.to_owned()), ("format", "json".to_owned())];
            pairs.extend(freshness.map(|age| ("time_range", word(age).to_owned())));
            // Some are behind a door that wants a token.
            Question { url: address(base, "search", &pairs), headers: bearer(), body: None }
        }
        Service::Brave => {
            let mut pairs =
                vec![("q", query.to_owned()), ("count", count.to_string()), ("text_decorations", "false".to_owned())];
            pairs.extend(freshness.map(|age| {
                let code = match age {
                    Freshness::Day => "pd",
                    Freshness::Week => "pw",
                    Freshness::Month => "pm",
                    Freshness::Year => "py",
                };
                ("freshness", code.to_owned())
            }));
            let headers = key.map(|key| ("x-subscription-token".to_owned(), key.to_owned())).into_iter().collect();
            Question { url: address(base, "web/search", &pairs), headers, body: None }
        }
        Service::Tavily => {
            let asked =
                TavilyQuestion { query, max_results: count, search_depth: "basic", time_range: freshness.map(word) };
            let body = serde_json::to_vec(&asked).expect("texts and numbers always serialise");
            Question { url: format!("{base}/search"), headers: bearer(), body: Some(body) }
        }
    }
}

fn word(age: Freshness) -> &'static str {
    match age {
        Freshness::Day => "day",
        Freshness::Week => "week",
        Freshness::Month => "month",
        Freshness::Year => "year",
    }
}

fn address(base: &str, path: &str, pairs: &[(&str, String)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{base}/{path}?{query}")
}

#[derive(Serialize)]
struct TavilyQuestion<'a> {
    query: &'a str,
    max_results: usize,
    search_depth: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_range: Option<&'static str>,
}

/// SearXNG's and Tavily's answers: both call a snippet `content`.
#[derive(Deserialize)]
struct Contents {
    results: Vec<Content>,
}

#[derive(Deserialize)]
struct Content {
    url: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    content: Option<String>,
}

/// Brave's answer; without any result it has no `web`.
#[derive(Deserialize)]
struct BraveAnswer {
    #[serde(default)]
    web: Option<BraveWeb>,
}

#[derive(Deserialize)]
struct BraveWeb {
    #[serde(default)]
    results: Vec<BraveResult>,
}

#[derive(Deserialize)]
struct BraveResult {
    url: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

/// The results in an answer; nothing if it is none.
pub(super) fn read(service: Service, body: &[u8]) -> Option<Vec<Found>> {
    Some(match service {
        Service::Searxng | Service::Tavily => parsed::<Contents>(body)?
            .results
            .into_iter()
            .map(|Content { url, title, content }| found(url, title, content))
            .collect(),
        Service::Brave => parsed::<BraveAnswer>(body)?
            .web
            .map(|web| web.results)
            .unwrap_or_default()
            .into_iter()
            .map(|BraveResult { url, title, description }| found(url, title, description))
            .collect(),
    })
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

fn found(url: String, title: Option<String>, snippet: Option<String>) -> Found {
    let title = title.filter(|title| !title.trim().is_empty()).unwrap_or_else(|| url.clone());
    Found { title, url, snippet: snippet.unwrap_or_default() }
}

/// What a status that is not 200 means, with the service's own words as far as they help.
pub(super) fn refusal(settings: &Settings, status: u16, body: &[u8]) -> String {
    let meaning = match status {
        401 | 403 => "does not accept the key, or its JSON format is switched off",
        402 | 432 | 433 => "says that the plan is used up",
        429 => "is asked too often; wait a little",
        500.. => "does not work at the moment",
        _ => "refuses",
    };
    let mut text = String::from_utf8_lossy(body).into_owned();
    if let Some(key) = settings.api_key.as_ref().map(Secret::expose).filter(|key| !key.is_empty()) {
        text = text.replace(key, "***");
    }
    let said: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    format!("the search service {meaning} (status {status}): {}", said.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(service: Service, key: Option<&str>) -> Settings {
        let base_url = service.address().unwrap_or("http://box:8888/").to_owned();
        Settings { service, base_url, api_key: key.map(Secret::new), results_max: 5 }
    }

    #[test]
    fn each_service_is_asked_as_its_documentation_says() {
        let asked = |service, key, age| question(&settings(service, key), "a b&c", 3, age);
        let searxng = asked(Service::Searxng, None, Some(Freshness::Week));
        assert_eq!(searxng.url, "http://box:8888/search?q=a+b%26c&format=json&time_range=week");
        assert_eq!((searxng.headers, searxng.body), (vec![], None));
        let brave = asked(Service::Brave, Some("k"), Some(Freshness::Day));
        assert_eq!(
            brave.url,
            "https://api.search.brave.com/res/v1/web/search?q=a+b%26c&count=3&text_decorations=false&freshness=pd"
        );
        assert_eq!((brave.headers, brave.body), (vec![("x-subscription-token".to_owned(), "k".to_owned())], None));
        let tavily = asked(Service::Tavily, Some("k"), None);
        assert_eq!(
            (tavily.url.as_str(), tavily.headers),
            ("https://api.tavily.com/search", vec![("authorization".to_owned(), "Bearer k".to_owned())])
        );
        let body: serde_json::Value = serde_json::from_slice(&tavily.body.unwrap()).unwrap();
        assert_eq!(body, serde_json::json!({"query": "a b&c", "max_results": 3, "search_depth": "basic"}));
    }

    #[test]
    fn each_services_answer_is_read() {
        let one = || vec![Found { title: "T".into(), url: "https://a.b/".into(), snippet: "S".into() }];
        let searxng = r#"{"query":"q","number_of_results":0,"results":[{"url":"https://a.b/","title":"T","content":"S","engine":"duckduckgo","parsed_url":["https","a.b","/","","",""],"engines":["duckduckgo"],"positions":[1],"score":1.0,"category":"general"}],"answers":[],"corrections":[],"infoboxes":[],"suggestions":[],"unresponsive_engines":[]}"#;
        let tavily = r#"{"query":"q","follow_up_questions":null,"answer":null,"images":[],"results":[{"url":"https://a.b/","title":"T","content":"S","score":0.9,"raw_content":null}],"response_time":0.5,"request_id":"r"}"#;
        let brave = r#"{"type":"search","query":{"original":"q","more_results_available":false},"mixed":{"type":"mixed","main":[],"top":[],"side":[]},"web":{"type":"search","results":[{"title":"T","url":"https://a.b/","is_source_local":false,"description":"S","profile":{"name":"a"},"language":"en","family_friendly":true,"type":"search_result","subtype":"generic"}],"family_friendly":true}}"#;
        for (service, body) in [(Service::Searxng, searxng), (Service::Tavily, tavily), (Service::Brave, brave)] {
            assert_eq!(read(service, body.as_bytes()), Some(one()), "{service:?}");
        }
        assert_eq!(read(Service::Brave, br#"{"type":"search","query":{"original":"q"}}"#), Some(vec![]));
        for body in ["<html>", "{}", "[]", ""] {
            assert_eq!(read(Service::Searxng, body.as_bytes()), None, "{body}");
        }
        let said = refusal(&settings(Service::Brave, Some("k3y")), 429, b"slow\x1bdown k3y");
        assert!(said.ends_with("(status 429): slowdown ***"), "{said}");
    }
}
