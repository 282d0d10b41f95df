//! What the vendors say of their own models: how much fits, what it costs, what it can.
//!
//! Facts of the vendors' own pages, as they were in the month that stands with each; the configuration has the
//! last word about every one of them. Only a provider under the name and at the address of its preset has these
//! models: what others run or resell under the same name has other limits and prices. A model that is not here
//! is believed to do anything, at no known price.

use claw_core::provider::{ModelInfo, Price};

use crate::presets;

/// A model, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The ids of the presets that have it.
    providers: &'static [&'static str],
    /// Its name there; a dated version of it (`<name>-20250929`, `<name>-2024-11-20`) is meant, too.
    name: &'static str,
    /// When the vendor said so.
    pub as_of: &'static str,
    /// Tokens that fit.
    pub context_tokens: u32,
    /// Tokens of one answer.
    pub output_tokens_max: u32,
    /// In millionths of a US dollar per million tokens.
    pub price: Price,
    /// Whether it is shown pictures.
    pub sees_images: bool,
    /// Whether it reasons before it answers.
    pub thinks: bool,
    /// Whether it calls tools.
    pub calls_tools: bool,
}

const OPENAI: &[&str] = &["openai"];
const ANTHROPIC: &[&str] = &["anthropic"];
const DEEPSEEK: &[&str] = &["deepseek"];
const GEMINI: &[&str] = &["gemini"];
const ZAI: &[&str] = &["zai"];

/// One that sees and thinks and calls tools; prices in thousandths of a dollar: question, answer, from the cache, into it.
const fn row(
    providers: &'static [&'static str],
    name: &'static str,
    as_of: &'static str,
    (context_tokens, output_tokens_max): (u32, u32),
    [input, output, cache_read, cache_write]: [u64; 4],
) -> Known {
    let price = Price {
        input: input * 1_000,
        output: output * 1_000,
        cache_read: cache_read * 1_000,
        cache_write: cache_write * 1_000,
    };
    Known {
        providers,
        name,
        as_of,
        context_tokens,
        output_tokens_max,
        price,
        sees_images: true,
        thinks: true,
        calls_tools: true,
    }
}

/// The same for one that answers at once.
const fn quick(row: Known) -> Known {
    Known { thinks: false, ..row }
}

/// The same for one that only reads.
const fn blind(row: Known) -> Known {
    Known { sees_images: false, ..row }
}

/// All that is known; of OpenAI and Google what goes into the cache costs as much as the question.
const TABLE: &[Known] = &[
    quick(row(OPENAI, "gpt-4o-mini", "2025-12", (128_000, 16_384), [150, 600, 75, 150])),
    quick(row(OPENAI, "gpt-4o", "2025-12", (128_000, 16_384), [2_500, 10_000, 1_250, 2_500])),
    quick(row(OPENAI, "gpt-4.1-nano", "2025-12", (1_047_576, 32_768), [100, 400, 25, 100])),
    quick(row(OPENAI, "gpt-4.1-mini", "2025-12", (1_047_576, 32_768), [400, 1_600, 100, 400])),
    quick(row(OPENAI, "gpt-4.1", "2025-12", (1_047_576, 32_768), [2_000, 8_000, 500, 2_000])),
    row(OPENAI, "o3", "2025-12", (200_000, 100_000), [2_000, 8_000, 500, 2_000]),
    row(OPENAI, "o4-mini", "2025-12", (200_000, 100_000), [1_100, 4_400, 275, 1_100]),
    row(OPENAI, "gpt-5-nano", "2025-12", (400_000, 128_000), [50, 400, 5, 50]),
    row(OPENAI, "gpt-5-mini", "2025-12", (400_000, 128_000), [250, 2_000, 25, 250]),
    row(OPENAI, "gpt-5", "2025-12", (400_000, 128_000), [1_250, 10_000, 125, 1_250]),
    row(OPENAI, "gpt-5.1", "2025-12", (400_000, 128_000), [1_250, 10_000, 125, 1_250]),
    row(OPENAI, "gpt-5.2", "2025-12", (400_000, 128_000), [1_750, 14_000, 175, 1_750]),
    row(OPENAI, "gpt-5.4", "2026-03", (1_050_000, 128_000), [2_500, 15_000, 250, 2_500]),
    row(ANTHROPIC, "claude-haiku-4-5", "2025-12", (200_000, 64_000), [1_000, 5_000, 100, 1_250]),
    row(ANTHROPIC, "claude-sonnet-4", "2025-12", (200_000, 64_000), [3_000, 15_000, 300, 3_750]),
    row(ANTHROPIC, "claude-sonnet-4-0", "2025-12", (200_000, 64_000), [3_000, 15_000, 300, 3_750]),
    row(ANTHROPIC, "claude-sonnet-4-5", "2025-12", (200_000, 64_000), [3_000, 15_000, 300, 3_750]),
    row(ANTHROPIC, "claude-sonnet-4-6", "2026-03", (1_000_000, 64_000), [3_000, 15_000, 300, 3_750]),
    row(ANTHROPIC, "claude-opus-4", "2025-12", (200_000, 32_000), [15_000, 75_000, 1_500, 18_750]),
    row(ANTHROPIC, "claude-opus-4-0", "2025-12", (200_000, 32_000), [15_000, 75_000, 1_500, 18_750]),
    row(ANTHROPIC, "claude-opus-4-1", "2025-12", (200_000, 32_000), [15_000, 75_000, 1_500, 18_750]),
    row(ANTHROPIC, "claude-opus-4-5", "2025-12", (200_000, 64_000), [5_000, 25_000, 500, 6_250]),
    row(ANTHROPIC, "claude-opus-4-6", "2026-03", (1_000_000, 128_000), [5_000, 25_000, 500, 6_250]),
    blind(quick(row(DEEPSEEK, "deepseek-chat", "2025-12", (128_000, 8_192), [280, 420, 28, 280]))),
    blind(row(DEEPSEEK, "deepseek-reasoner", "2025-12", (128_000, 65_536), [280, 420, 28, 280])),
    row(GEMINI, "gemini-2.5-flash-lite", "2025-12", (1_048_576, 65_536), [100, 400, 10, 100]),
    row(GEMINI, "gemini-2.5-flash", "2025-12", (1_048_576, 65_536), [300, 2_500, 30, 300]),
    // Questions of up to 200,000 tokens; longer ones cost more.
    row(GEMINI, "gemini-2.5-pro", "2025-12", (1_048_576, 65_536), [1_250, 10_000, 125, 1_250]),
    row(GEMINI, "gemini-3-flash-preview", "2025-12", (1_048_576, 65_536), [500, 3_000, 50, 500]),
    blind(row(ZAI, "glm-4.5-air", "2025-12", (131_072, 98_304), [200, 1_100, 30, 0])),
    blind(row(ZAI, "glm-4.5", "2025-12", (131_072, 98_304), [600, 2_200, 110, 0])),
    blind(row(ZAI, "glm-4.6", "2025-12", (204_800, 131_072), [600, 2_200, 110, 0])),
    blind(row(ZAI, "glm-4.7", "2025-12", (204_800, 131_072), [600, 2_200, 110, 0])),
];

/// What is known of the model of a provider at an address.
pub fn known(provider: &str, base_url: &str, model: &str) -> Option<&'static Known> {
    let is_dated = |rest: &str| {
        let digits = rest.bytes().filter(u8::is_ascii_digit).count();
        rest.starts_with('-') && digits == 8 && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    let means = |known: &Known| {
        known.providers.contains(&provider)
            && model.strip_prefix(known.name).is_some_and(|rest| rest.is_empty() || is_dated(rest))
    };
    TABLE.iter().find(|known| means(known)).filter(|_| presets::is_at_home(provider, base_url))
}

/// The names of all that is known of a provider at an address.
pub fn names(provider: &str, base_url: &str) -> impl Iterator<Item = &'static str> {
    let is_at_home = presets::is_at_home(provider, base_url);
    TABLE.iter().filter(move |known| is_at_home && known.providers.contains(&provider)).map(|known| known.name)
}

/// The model with what is known of it, where it says nothing itself.
pub fn completed(provider: &str, base_url: &str, model: ModelInfo) -> ModelInfo {
    let Some(known) = known(provider, base_url, &model.name) else { return model };
    ModelInfo {
        context_tokens: model.context_tokens.or(Some(known.context_tokens)),
        output_tokens_max: model.output_tokens_max.or(Some(known.output_tokens_max)),
        price: model.price.or(Some(known.price)),
        images: model.images.or(Some(known.sees_images)),
        thinking: model.thinking.or(Some(known.thinks)),
        tools: model.tools && known.calls_tools,
        ..model
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(provider: &str) -> &'static str {
        presets::ALL.iter().find(|preset| preset.id == provider).map_or("https://models.example/v1", |it| it.base_url)
    }

    /// A proxy under a vendor's name has windows and prices of its own.
    #[test]
    fn at_another_address_than_the_vendors_nothing_is_known() {
        for preset in presets::ALL {
            let (ours, own) =
                (TABLE.iter().filter(|known| known.providers.contains(&preset.id)).count(), preset.base_url);
            assert_eq!(names(preset.id, own).count(), ours, "{}", preset.id);
            assert_eq!(names(preset.id, &format!(" {own}/")).count(), ours, "{}", preset.id);
            for other in ["http://127.0.0.1:4000/v1", "https://models.example/v1", "", &format!("{own}/elsewhere")] {
                assert_eq!(names(preset.id, other).next(), None, "{} at {other}", preset.id);
            }
        }
        assert_eq!(known("openai", "http://127.0.0.1:4000/v1", "gpt-4o"), None);
        let own = ModelInfo::named("glm-4.6");
        assert_eq!(completed("zai", "http://api.z.ai/api/paas/v4", own.clone()), own, "not even without TLS");
        assert!(known("anthropic", "https://API.anthropic.com/v1", "claude-haiku-4-5").is_some(), "its other spelling");
    }

    #[test]
    fn a_models_dated_versions_are_meant_and_its_relatives_are_not() {
        let found = |provider, model| known(provider, home(provider), model).map(|known| known.name);
        assert_eq!(found("openai", "gpt-4o"), Some("gpt-4o"));
        assert_eq!(found("openai", "gpt-4o-2024-11-20"), Some("gpt-4o"));
        assert_eq!(found("anthropic", "claude-sonnet-4-5-20250929"), Some("claude-sonnet-4-5"));
        assert_eq!(found("anthropic", "claude-sonnet-4-20250514"), Some("claude-sonnet-4"));
        assert_eq!(found("openai", "gpt-4o-mini"), Some("gpt-4o-mini"));
        for other in ["gpt-4o-audio-preview", "gpt-4o-2024", "gpt-5-pro", "gpt-5.1-codex", "gpt", ""] {
            assert_eq!(found("openai", other), None, "{other}");
        }
        assert_eq!((found("openrouter", "gpt-4o"), found("ollama", "glm-4.6")), (None, None), "others set their own");
    }

    #[test]
    fn every_row_is_of_a_preset_and_adds_up() {
        for known in TABLE {
            assert!(known.providers.iter().all(|id| presets::ALL.iter().any(|preset| preset.id == *id)), "{known:?}");
            assert!(known.output_tokens_max < known.context_tokens, "{known:?}");
            let Price { input, output, cache_read, cache_write: _ } = known.price;
            assert!(cache_read < input && input <= output, "{known:?}");
            assert_eq!(
                super::known(known.providers[0], home(known.providers[0]), known.name),
                Some(known),
                "no row hides another"
            );
        }
    }

    #[test]
    fn the_configuration_has_the_last_word_about_each_field() {
        let own = ModelInfo { context_tokens: Some(5), tools: false, ..ModelInfo::named("gpt-5") };
        let filled = completed("openai", home("openai"), own.clone());
        assert_eq!((filled.context_tokens, filled.output_tokens_max, filled.tools), (Some(5), Some(128_000), false));
        assert_eq!(filled.price.map(|price| (price.input, price.output)), Some((1_250_000, 10_000_000)));
        assert_eq!(completed("mine", home("openai"), own.clone()), own);
    }
}
