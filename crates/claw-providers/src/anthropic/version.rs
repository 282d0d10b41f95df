//! What a model of this family understands, as far as its name tells.

/// The version in a model's name: `claude-opus-4-7` and `claude-opus-4.7` are 4.7, a date is none.
pub(super) fn of(model: &str) -> Option<(u8, u8)> {
    let mut numbers = model.split(['-', '.', '/', '@', ':']).map(|part| part.parse::<u8>().ok());
    let major = numbers.by_ref().flatten().next()?;
    Some((major, numbers.next().flatten().unwrap_or(0)))
}

/// Whether thinking is asked for by effort; the others want a budget of tokens.
pub(super) fn is_adaptive(model: &str) -> bool {
    model.contains("claude") && of(model).is_some_and(|version| version >= (4, 6))
}

/// Whether it can be held to the schema of a tool; older ones refuse to be told.
pub(super) fn is_strict(model: &str) -> bool {
    model.contains("claude") && of(model).is_some_and(|version| version >= (4, 5))
}

/// Whether it refuses to be told how to sample.
pub(super) fn samples_by_itself(model: &str) -> bool {
    model.contains("claude") && of(model).is_some_and(|version| version >= (4, 7))
}

/// Whether it can think at all.
pub(super) fn thinks(model: &str) -> bool {
    !model.contains("claude") || of(model).is_none_or(|version| version >= (3, 7))
}

/// The most tokens that it answers with, thoughts among them; nothing where nobody here knows.
///
/// Source: Anthropic's overview of its models, as of November 2026.
pub(super) fn answer_tokens_max(model: &str) -> Option<u32> {
    let version = of(model).filter(|_| model.contains("claude"))?;
    Some(match version {
        (3, 0) => 4_096,
        (3, 1..=6) => 8_192,
        (4, 0 | 1) if model.contains("opus") => 32_000,
        (4, 6) if model.contains("opus") => 128_000,
        (3, 7) | (4, 0..=6) => 64_000,
        _ => return None,
    })
}

/// How many tokens it may answer with where nobody says: what every model of its age can.
pub(super) fn answer_tokens(model: &str) -> u32 {
    match of(model) {
        Some((3, 0)) => 4_096,
        Some((3, _)) => 8_192,
        _ => 16_384,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_in_the_name() {
        let table = [
            ("claude-opus-4-7", Some((4, 7))),
            ("claude-opus-4.6", Some((4, 6))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("claude-3-opus-20240229", Some((3, 0))),
            ("claude-opus-5", Some((5, 0))),
            ("glm-4.6", Some((4, 6))),
            ("my-model", None),
        ];
        for (model, version) in table {
            assert_eq!(of(model), version, "{model}");
        }
        assert!(is_adaptive("claude-sonnet-4-6") && !is_adaptive("claude-opus-4-5"));
        assert!(
            is_strict("claude-haiku-4-5-20251001") && !is_strict("claude-sonnet-4-20250514") && !is_strict("glm-4.6")
        );
        assert_eq!(answer_tokens("claude-3-opus-20240229"), 4_096);
        assert!(!thinks("claude-3-5-sonnet-20241022") && thinks("claude-3-7-sonnet-20250219") && thinks("glm-4.6"));
        for (model, most) in [
            ("claude-3-haiku-20240307", Some(4_096)),
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", Some(8_192)),
            ("claude-3-7-sonnet-20250219", Some(64_000)),
            ("claude-opus-4-20250514", Some(32_000)),
            ("claude-opus-4-0", Some(32_000)),
            ("claude-opus-4-1-20250805", Some(32_000)),
            ("claude-sonnet-4-20250514", Some(64_000)),
            ("claude-opus-4-5", Some(64_000)),
            ("claude-opus-4-6", Some(128_000)),
            ("claude-opus-4-8", None),
            ("glm-4.6", None),
        ] {
            assert_eq!(answer_tokens_max(model), most, "{model}");
        }
    }
}
