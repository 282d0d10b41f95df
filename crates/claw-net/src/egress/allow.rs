//! What may be called although its address is special: the operator's own list.

use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;
use url::Host;

use super::special::within;

/// Most entries in a list.
pub const ENTRIES_MAX: usize = 256;

/// Hosts and networks that may be called whatever their address; empty unless the operator says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Allowed>);

/// One entry: `host`, `host:port`, an address, or a network such as `10.1.0.0/16`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// A host by its canonical name or address; on this port, or on any.
    Host {
        /// As in an address: lower case, punycode, without brackets and last dot.
        name: String,
        /// `None` for every port.
        port: Option<u16>,
    },
    /// Every address that begins with the same bits.
    Network {
        /// Any address in it.
        base: IpAddr,
        /// How many bits count.
        bits: u32,
    },
}

/// A text that is no entry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found:?} is no host, host:port, address or network (such as 10.1.0.0/16)")]
pub struct BadEntry {
    /// What stood there.
    pub found: String,
}

impl AllowList {
    /// The list of these entries; those beyond [`ENTRIES_MAX`] are left out.
    pub fn new(entries: impl IntoIterator<Item = Allowed>) -> Self {
        Self(entries.into_iter().take(ENTRIES_MAX).collect())
    }

    /// Whether this host may be called on this port, wherever its name leads.
    pub(super) fn has_host(&self, host: &str, on_port: u16) -> bool {
        self.0.iter().any(|entry| match entry {
            Allowed::Host { name, port } => name == host && port.is_none_or(|port| port == on_port),
            Allowed::Network { .. } => false,
        })
    }

    /// Whether this address lies in a listed network; a mapped one counts as what it carries.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        self.0.iter().any(|entry| match entry {
            Allowed::Host { .. } => false,
            Allowed::Network { base, bits } => within(address.to_canonical(), *base, *bits),
        })
    }
}

impl Allowed {
    /// The host of this address, on its port; nothing if it is none to call.
    pub fn of_address(address: &str) -> Option<Self> {
        let url = url::Url::parse(address).ok()?;
        Some(Self::Host { name: canonical(&url.host()?)?, port: Some(url.port_or_known_default()?) })
    }
}

impl FromStr for Allowed {
    type Err = BadEntry;

    fn from_str(text: &str) -> Result<Self, BadEntry> {
        let text = text.trim();
        let bad = || BadEntry { found: text.chars().take(80).collect() };
        if let Some((base, bits)) = text.split_once('/') {
            return network(base, bits).ok_or_else(bad);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Host { name: address.to_string(), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => (host, Some(port.parse().map_err(|_| bad())?)),
            _ => (text, None),
        };
        let host = Host::parse(host).map_err(|_| bad())?;
        Ok(Self::Host { name: canonical(&host).ok_or_else(bad)?, port })
    }
}

fn network(base: &str, bits: &str) -> Option<Allowed> {
    let (base, bits) = (base.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
    let bits_max = if base.is_ipv4() { 32 } else { 128 };
    (bits <= bits_max).then_some(Allowed::Network { base, bits })
}

/// A host in its one spelling: an address as numbers, a name without its last dot.
pub(super) fn canonical<S: AsRef<str>>(host: &Host<S>) -> Option<String> {
    let name = match host {
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
        Host::Domain(name) => {
            let name = name.as_ref();
            name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
        }
    };
    (!name.is_empty() && !name.ends_with('.')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        AllowList::new(entries.iter().map(|entry| entry.parse().unwrap()))
    }

    #[test]
    fn an_entry_is_read_in_each_of_its_forms() {
        let host = |name: &str, port| Ok(Allowed::Host { name: name.into(), port });
        let table = [
            ("Hooks.Example.", host("hooks.example", None)),
            ("hooks.example:8443", host("hooks.example", Some(8443))),
            ("127.0.0.1:80", host("127.0.0.1", Some(80))),
            ("0x7f.1", host("127.0.0.1", None)),
            ("::1", host("::1", None)),
            ("[::1]:9000", host("::1", Some(9000))),
            ("[::1]", host("::1", None)),
            ("bücher.example", host("xn--bcher-kva.example", None)),
            ("10.1.0.0/16", Ok(Allowed::Network { base: "10.1.0.0".parse().unwrap(), bits: 16 })),
            ("fd00::/8", Ok(Allowed::Network { base: "fd00::".parse().unwrap(), bits: 8 })),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Allowed>(), expected, "{text}");
        }
        for text in ["", ".", "a b", "10.0.0.0/33", "::/129", "x/8", "host:port", "host:70000", "http://x", "*.x/"] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_allows_its_host_on_its_port_alone() {
        let of = |address: &str| Allowed::of_address(address);
        let host = |name: &str, port| Some(Allowed::Host { name: name.into(), port: Some(port) });
        assert_eq!(of("http://Box.local.:8888/x"), host("box.local", 8888));
        assert_eq!(of("https://[::1]/"), host("::1", 443));
        assert_eq!((of("/x"), of("data:,x")), (None, None));
    }

    #[test]
    fn a_host_is_allowed_on_its_port_and_a_network_by_its_bits() {
        let list = list(&["hooks.example:8443", "intern", "10.1.0.0/16", "fd00::/8"]);
        assert!(list.has_host("hooks.example", 8443) && list.has_host("intern", 1));
        assert!(!list.has_host("hooks.example", 443) && !list.has_host("x.intern", 1));
        let has = |text: &str| list.has_address(text.parse().unwrap());
        assert!(has("10.1.2.3") && has("::ffff:10.1.2.3") && has("fd12::1"));
        assert!(!has("10.2.0.0") && !has("127.0.0.1") && !has("fe80::1") && !has("::1"));
        assert!(!AllowList::default().has_host("localhost", 80));
    }
}
