use super::*;

fn status(status: u16) -> ProviderError {
    ProviderError::Status { provider: "p".into(), status, message: "m".into(), retry_after: None }
}

#[test]
fn thinking_levels_are_read_as_they_are_written() {
    for level in [Thinking::Off, Thinking::Minimal, Thinking::Low, Thinking::Medium, Thinking::High] {
        assert_eq!(Thinking::parse(level.as_str()), Some(level));
    }
    assert_eq!(Thinking::parse(" HIGH "), Some(Thinking::High));
    assert_eq!(Thinking::parse("very"), None);
}

#[test]
fn counts_that_no_model_can_reach_add_up_to_the_largest_number() {
    let all = Usage { input_tokens: u64::MAX, output_tokens: 1, cached_tokens: u64::MAX, ..Usage::default() };
    assert_eq!(all.total(), u64::MAX);
    let twice = Usage { input_tokens: u64::MAX, output_tokens: 2, cached_tokens: u64::MAX, ..Usage::default() };
    assert_eq!(all.plus(all), twice);
}

#[test]
fn a_bad_request_is_the_operators_only_by_its_first_words() {
    let said = |message: &str| ProviderError::Status {
        provider: "p".into(),
        status: 400,
        message: message.into(),
        retry_after: None,
    };
    for operators in [
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
        "API key not valid. Please pass a valid API key.",
        "User location is not supported for the API use.",
    ] {
        assert!(said(operators).is_operators() && !said(operators).is_at_fault(), "{operators}");
    }
    let echoed = said("no tool is called \"API key not valid\"");
    assert!(!echoed.is_operators() && echoed.is_at_fault());
    assert!(!said("this model's maximum context length is 5").is_at_fault());
    assert!(!status(401).is_at_fault() && status(422).is_at_fault());
}

#[test]
fn a_refusal_is_final_and_an_overload_is_not() {
    let retryable: Vec<u16> =
        [400, 401, 403, 404, 408, 422, 429, 500, 503].into_iter().filter(|code| status(*code).is_retryable()).collect();
    assert_eq!(retryable, [408, 429, 500, 503]);
    assert_eq!(status(429).to_string(), "p answered HTTP 429: m");
}
