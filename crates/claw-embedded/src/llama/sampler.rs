//! How the next token is chosen.

use llama_cpp_2::sampling::LlamaSampler;

use crate::engine::Sampling;

/// A model of this size wanders at the usual 1, and even the authors' 0.2 spoils easy answers.
const TEMPERATURE_DEFAULT: f32 = 0.0;
const TOP_P_DEFAULT: f32 = 0.9;

/// Small models run in circles. Repeating one of the latest tokens costs this factor, unless the
/// request brings penalties of its own.
const REPEAT_PENALTY: f32 = 1.1;
const REPEAT_WINDOW_TOKENS: i32 = 64;

/// Tokens beyond the best forty are noise in a small model, and sorting all of them costs time.
const TOP_K: i32 = 40;

/// llama.cpp draws a random seed when it sees this one.
const RANDOM_SEED: u32 = u32::MAX;

/// Builds the chain of samplers; temperature 0 is greedy.
pub(super) fn build(sampling: &Sampling, vocabulary_tokens: i32, context_tokens: u32) -> LlamaSampler {
    let Sampling { temperature, top_p, seed, presence_penalty, frequency_penalty, answer_tokens_max: _, stop: _ } =
        sampling;
    let mut chain = Vec::new();
    let presence = finite(*presence_penalty).unwrap_or(0.0);
    let frequency = finite(*frequency_penalty).unwrap_or(0.0);
    chain.push(if presence == 0.0 && frequency == 0.0 {
        LlamaSampler::penalties(vocabulary_tokens, REPEAT_WINDOW_TOKENS, REPEAT_PENALTY, 0.0, 0.0)
    } else {
        let window = i32::try_from(context_tokens).unwrap_or(i32::MAX);
        LlamaSampler::penalties(vocabulary_tokens, window, 1.0, frequency, presence)
    });
    let temperature = finite(*temperature).unwrap_or(TEMPERATURE_DEFAULT);
    if temperature <= 0.0 {
        chain.push(LlamaSampler::greedy());
    } else {
        chain.push(LlamaSampler::top_k(TOP_K));
        chain.push(LlamaSampler::top_p(finite(*top_p).unwrap_or(TOP_P_DEFAULT).clamp(0.0, 1.0), 1));
        chain.push(LlamaSampler::temp(temperature));
        chain.push(LlamaSampler::dist(seed.map_or(RANDOM_SEED, fold)));
    }
    LlamaSampler::chain(chain, true)
}

fn finite(value: Option<f32>) -> Option<f32> {
    value.filter(|value| value.is_finite())
}

/// Keeps both halves of a seed, and out of the way of [`RANDOM_SEED`].
fn fold(seed: u64) -> u32 {
    let folded = (seed ^ (seed >> 32)) & u64::from(u32::MAX);
    u32::try_from(folded).unwrap_or(0).min(RANDOM_SEED - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_never_the_random_one() {
        assert_eq!(fold(7), 7);
        assert_eq!(fold(7 << 32), 7);
        assert_eq!(fold(u64::from(u32::MAX)), u32::MAX - 1);
    }
}
