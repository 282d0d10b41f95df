//! Text that must not be seen.

use std::fmt;

/// A token, password or key. Prints `***`, cannot be serialised and is not compared with `==`.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes the text into hiding.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }
    /// The text itself; only for the one place that compares or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.expose(), "hunter2");
    }
}
