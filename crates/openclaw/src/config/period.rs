//! A length of time, written as people say it: `90s`, `15m`, `12h`, `30d`, `8w`.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Unexpected};
use serde::{Serialize, Serializer};

const ALLOWED: &str = "a length of time from 1s to 10000d, such as \"12h\" or \"30d\"";
const SECONDS_MAX: u64 = 10_000 * 24 * 60 * 60;

/// A length of time, at least a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Period {
    text: String,
    seconds: u64,
}

impl Period {
    /// The length that the text says.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let unit = match text.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return None,
        };
        let number = text.get(..text.len() - 1)?;
        let is_plain = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        let seconds = number.parse::<u64>().ok().filter(|_| is_plain)?.checked_mul(unit)?;
        (1..=SECONDS_MAX).contains(&seconds).then_some(Self { text, seconds })
    }

    /// How long.
    pub(crate) const fn get(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::invalid_value(Unexpected::Str(&text), &ALLOWED))
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+[smhdw]$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_number_and_a_unit() {
        let seconds = |text: &str| Period::parse(text).map(|period| period.get().as_secs());
        for (text, expected) in
            [("1s", 1), ("15m", 900), ("12H", 43_200), (" 30d ", 2_592_000), ("10000d", SECONDS_MAX)]
        {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for bad in ["", "d", "30", "0d", "-1d", "+1d", "1.5h", "30 d", "1y", "10001d", "99999999999999999999w", "日"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
