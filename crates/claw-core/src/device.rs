//! Machines that prove themselves by a key of their own.

use std::fmt;
use std::str::FromStr;

/// A device: SHA-256 of its public key, 64 hexadecimal digits outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId([u8; 32]);

/// A text that is no device's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a device's id: expected 64 hexadecimal digits")]
pub struct ParseDeviceIdError;

impl DeviceId {
    /// The device whose public key has this digest.
    pub const fn of_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }
    /// The digest, as stored.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for DeviceId {
    type Err = ParseDeviceIdError;
    fn from_str(text: &str) -> Result<Self, ParseDeviceIdError> {
        if text.len() != 64 {
            return Err(ParseDeviceIdError);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |at: usize| pair.get(at).and_then(|digit| char::from(*digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(0), digit(1)) else { return Err(ParseDeviceIdError) };
            *byte = u8::try_from(high * 16 + low).map_err(|_| ParseDeviceIdError)?;
        }
        Ok(Self(digest))
    }
}

/// What a device connects as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Operates the gateway.
    Operator,
}

impl Role {
    /// The wire's name, which is stored, too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
        }
    }
    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        (name == Self::Operator.name()).then_some(Self::Operator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_devices_id_prints_as_hexadecimal_digits_and_reads_back() {
        let id = DeviceId::of_digest([0xa7; 32]);
        assert_eq!(id.to_string(), "a7".repeat(32));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("A7".repeat(32).parse(), Ok(id));
    }

    #[test]
    fn what_is_no_digest_is_no_device() {
        for text in ["", "a7", &"a7".repeat(33), &"g7".repeat(32), &"ä".repeat(32), &"+7".repeat(32)] {
            assert_eq!(text.parse::<DeviceId>(), Err(ParseDeviceIdError), "{text}");
        }
    }
}
