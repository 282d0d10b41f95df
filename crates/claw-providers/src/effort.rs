//! How hard a model thinks: what each family takes for a level, in the words of OpenAI's protocols.
//!
//! A family is known by its models' names, whoever serves them (`openai/gpt-5.1`). What a family has no word for
//! becomes the nearest one above it: a model that cannot leave thinking off thinks as little as it can. Models
//! that never think are told nothing, since they refuse to hear of it; so are those that nobody here knows
//! where they are to leave it off.
//!
//! Source: OpenAI's reference of `reasoning_effort` and its models' pages, and what its API says when it
//! refuses a value; Google's page on OpenAI compatibility; Z.ai's on thinking mode. As of November 2026.

use claw_core::provider::Thinking;

/// What is said for `off`, `minimal`, `low`, `medium` and `high`.
type Scale = [Option<&'static str>; 5];

/// `gpt-5.1` and its later kin.
const FROM_NONE: Scale = [Some("none"), Some("low"), Some("low"), Some("medium"), Some("high")];
/// `gpt-5` and its smaller kin.
const FROM_MINIMAL: Scale = [Some("minimal"), Some("minimal"), Some("low"), Some("medium"), Some("high")];
/// The o-series, models for code, open weights, and what came after GPT-5.
const FROM_LOW: Scale = [Some("low"), Some("low"), Some("low"), Some("medium"), Some("high")];
/// Later models that think longer.
const FROM_MEDIUM: Scale = [Some("medium"), Some("medium"), Some("medium"), Some("medium"), Some("high")];
/// The first of those.
const HIGH: Scale = [Some("high"), Some("high"), Some("high"), Some("high"), Some("high")];
/// Models that do not think, or as they like.
const UNTOLD: Scale = [None, None, None, None, None];
/// Models nobody here knows: what was asked for is said as it was.
const UNKNOWN: Scale = [None, Some("minimal"), Some("low"), Some("medium"), Some("high")];

/// What `model` is told of `level`; nothing where it is better told nothing.
pub(crate) fn effort(model: &str, level: Thinking) -> Option<&'static str> {
    let [off, minimal, low, medium, high] = scale(&bare(model));
    match level {
        Thinking::Off => off,
        Thinking::Minimal => minimal,
        Thinking::Low => low,
        Thinking::Medium => medium,
        Thinking::High => high,
    }
}

/// Whether it is one of OpenAI's that reason without being asked.
pub(crate) fn reasons(model: &str) -> bool {
    let name = bare(model);
    is_o_series(&name) || generation(&name).is_some_and(|(number, rest)| number >= 5 && !rest.contains("chat"))
}

/// Whether it reasons for long before it says anything, unasked.
pub(crate) fn is_slow(model: &str) -> bool {
    const NAMED_SO: [&str; 9] = [
        "reasoner",
        "reasoning",
        "thinking",
        "deepseek-r",
        "deepseek-v4",
        "deep-research",
        "gemini-2.5-pro",
        "gemini-3",
        "qwq",
    ];
    let name = bare(model);
    reasons(&name) || name.starts_with("gpt-oss") || NAMED_SO.iter().any(|part| name.contains(part))
}

/// Whether a model of Z.ai's is to think, which has a switch of its own; nothing for others.
pub(crate) fn switch(model: &str, level: Thinking) -> Option<bool> {
    const HYBRID: [&str; 4] = ["glm-4.5", "glm-4.6", "glm-4.7", "glm-5"];
    let name = bare(model);
    HYBRID.iter().any(|start| name.starts_with(start)).then_some(level != Thinking::Off)
}

/// A model's own name, whoever serves it.
fn bare(model: &str) -> String {
    model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase()
}

fn scale(name: &str) -> Scale {
    if is_o_series(name) {
        let is_untold = ["o1-mini", "o1-preview"].iter().any(|early| name.starts_with(early));
        return if is_untold || name.contains("deep-research") { UNTOLD } else { FROM_LOW };
    }
    if let Some((number, rest)) = generation(name) {
        return of_generation(number, rest);
    }
    let begins = |start: &str| name.starts_with(start);
    match () {
        () if begins("gpt-oss") => FROM_LOW,
        () if begins("chatgpt-") => UNTOLD,
        () if begins("gemini-2.5-flash") => FROM_NONE,
        () if begins("gemini-3") && name.contains("flash") => FROM_MINIMAL,
        () if begins("gemini-2.5-pro") || begins("gemini-3") => FROM_LOW,
        () => UNKNOWN,
    }
}

/// `rest` is what stands behind the number: `.1-codex`, `-mini`.
fn of_generation(number: u32, rest: &str) -> Scale {
    let (is_later, is_chat) = (rest.starts_with('.'), rest.contains("chat"));
    match number {
        0..=4 => UNTOLD,
        5 if is_chat => UNTOLD,
        5 if rest.contains("-pro") && is_later => FROM_MEDIUM,
        5 if rest.contains("-pro") => HIGH,
        5 if rest.contains("codex") => FROM_LOW,
        5 if is_later => FROM_NONE,
        5 => FROM_MINIMAL,
        _ if is_chat => UNTOLD,
        _ => FROM_LOW,
    }
}

/// `o1`, `o3-mini`, …
fn is_o_series(name: &str) -> bool {
    name.strip_prefix('o').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The number of a `gpt-…` and what follows it.
fn generation(name: &str) -> Option<(u32, &str)> {
    let rest = name.strip_prefix("gpt-")?;
    let (number, rest) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len()));
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [Thinking; 5] = [Thinking::Off, Thinking::Minimal, Thinking::Low, Thinking::Medium, Thinking::High];

    #[test]
    fn each_family_is_told_what_it_takes() {
        let table: [(&str, [&str; 5]); 22] = [
            ("gpt-5", ["minimal", "minimal", "low", "medium", "high"]),
            ("gpt-5-mini-2025-08-07", ["minimal", "minimal", "low", "medium", "high"]),
            ("openai/gpt-5-nano", ["minimal", "minimal", "low", "medium", "high"]),
            ("gpt-5.1", ["none", "low", "low", "medium", "high"]),
            ("OpenAI/GPT-5.6-luna", ["none", "low", "low", "medium", "high"]),
            ("gpt-5-codex", ["low", "low", "low", "medium", "high"]),
            ("gpt-5.1-codex-max", ["low", "low", "low", "medium", "high"]),
            ("gpt-5-pro", ["high", "high", "high", "high", "high"]),
            ("gpt-5.2-pro", ["medium", "medium", "medium", "medium", "high"]),
            ("gpt-6-astra", ["low", "low", "low", "medium", "high"]),
            ("gpt-oss-120b", ["low", "low", "low", "medium", "high"]),
            ("o3", ["low", "low", "low", "medium", "high"]),
            ("o4-mini", ["low", "low", "low", "medium", "high"]),
            ("o1-mini", [""; 5]),
            ("gpt-5.1-chat-latest", [""; 5]),
            ("gpt-4o-mini", [""; 5]),
            ("gpt-4.1", [""; 5]),
            ("chatgpt-4o-latest", [""; 5]),
            ("google/gemini-2.5-flash", ["none", "low", "low", "medium", "high"]),
            ("gemini-3-flash-preview", ["minimal", "minimal", "low", "medium", "high"]),
            ("gemini-3-pro-preview", ["low", "low", "low", "medium", "high"]),
            ("qwen3", ["", "minimal", "low", "medium", "high"]),
        ];
        for (model, expected) in table {
            assert_eq!(LEVELS.map(|level| effort(model, level).unwrap_or_default()), expected, "{model}");
        }
    }

    #[test]
    fn hybrid_models_have_a_switch() {
        for model in ["glm-4.7", "z-ai/glm-5", "GLM-4.5-Air"] {
            assert_eq!(LEVELS.map(|level| switch(model, level)), [false, true, true, true, true].map(Some), "{model}");
        }
        for model in ["glm-4-plus", "gpt-5", "claude"] {
            assert_eq!(switch(model, Thinking::Off), None, "{model}");
        }
    }

    #[test]
    fn those_that_reason_by_themselves_are_known() {
        let known = ["o4-mini", "gpt-5.2", "openai/o3", "gpt-6-sol"];
        let others = ["gpt-5-chat-latest", "gpt-4o", "ollama", "gpt-oss-20b"];
        assert!(known.iter().all(|model| reasons(model)) && !others.iter().any(|model| reasons(model)));
    }
}
