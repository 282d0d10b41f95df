//! Settings, good and bad.

use super::*;
use crate::OpenAi;

fn provider(settings: Settings) -> Result<OpenAi, BadSettings> {
    claw_net::install_crypto();
    OpenAi::new(settings, HttpClient::new(claw_net::Settings::default()).unwrap())
}

#[test]
fn a_base_url_may_end_in_a_slash_and_keeps_its_query() {
    for (base_url, url) in [
        ("http://h/v1", "http://h/v1/chat/completions"),
        ("http://h/v1/", "http://h/v1/chat/completions"),
        ("http://h", "http://h/chat/completions"),
        (" https://h/a?api-version=1#x ", "https://h/a/chat/completions?api-version=1"),
    ] {
        assert_eq!(endpoint(base_url, &["chat", "completions"]).unwrap().as_str(), url);
    }
}

#[test]
fn settings_that_cannot_work_are_refused_by_name_and_without_the_key() {
    let refused = |settings| provider(settings).unwrap_err().to_string();
    assert_eq!(refused(Settings::new("p", "ftp://h")), "provider p: \"ftp://h\" is no http or https address");
    let keyed = Settings { api_key: Some(Secret::new("hunter\n2")), ..Settings::new("p", "http://h") };
    assert_eq!(refused(keyed), "provider p: the API key has letters that no HTTP header may have");
    let named = Settings { headers: vec![("a b".into(), Secret::new("c"))], ..Settings::new("p", "http://h") };
    assert_eq!(refused(named), "provider p: a b has letters that no HTTP header may have");
}

#[test]
fn a_provider_prints_without_its_key() {
    let keyed = Settings { api_key: Some(Secret::new("hunter2")), ..Settings::new("p", "http://h") };
    assert!(!format!("{:?}", provider(keyed).unwrap()).contains("hunter2"));
}
