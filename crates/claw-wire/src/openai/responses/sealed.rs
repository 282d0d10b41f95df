//! What a provider wants back of a model's reasoning, in a client's keeping.
//!
//! It is no secret from the client and needs no seal of ours: providers sign or seal what they want back themselves, and
//! it is shown to nobody but the model that wrote it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claw_core::Thoughts;
use serde::{Deserialize, Serialize};

/// What an item holds; version 1.
#[derive(Serialize, Deserialize)]
struct Held<T> {
    v: u32,
    thoughts: T,
}

/// How ours begin: `{"v":` and what follows.
const OURS: &str = "eyJ2Ijo";

/// As an item carries it.
pub(super) fn seal(thoughts: &Thoughts) -> String {
    STANDARD.encode(serde_json::to_vec(&Held { v: 1, thoughts }).expect("texts always serialise"))
}

/// What an item holds; nothing of another gateway's.
///
/// # Errors
/// It is ours and was damaged.
pub(super) fn unseal(content: &str) -> Result<Option<Thoughts>, &'static str> {
    if !content.starts_with(OURS) {
        return Ok(None);
    }
    let read = STANDARD.decode(content).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match read {
        Some(Held { v: 1, thoughts }) => Ok(Some(thoughts)),
        Some(_) | None => Err("this reasoning was damaged: send it as it was given, or leave its item out"),
    }
}

#[cfg(test)]
mod tests {
    use claw_core::JsonText;

    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_what_is_not_ours_is_nothing() {
        let thoughts = Thoughts { by: "p/m".into(), payload: JsonText::new(r#"["ü"]"#) };
        let kept = seal(&thoughts);
        assert_eq!(unseal(&kept), Ok(Some(thoughts)));
        for foreign in ["", "gAAAAABpM0Yj", "{}"] {
            assert_eq!(unseal(foreign), Ok(None), "{foreign}");
        }
        for damaged in [&kept[..kept.len() - 5], &STANDARD.encode(br#"{"v":2,"thoughts":{"by":"","payload":""}}"#)] {
            assert!(unseal(damaged).unwrap_err().contains("damaged"), "{damaged}");
        }
    }
}
