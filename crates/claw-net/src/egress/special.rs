//! Which addresses are nobody else's: the ranges that lead back into this machine, its network
//! or its cloud, or nowhere.
//!
//! Version 4 is a list of what is refused. Version 6 is the other way round: only global unicast
//! (2000::/3) passes, less what is listed. An address that carries a version 4 one in a form that
//! a system really routes (mapped, NAT64) is judged by what it carries; tunnels (6to4, Teredo,
//! ISATAP) are refused whatever they carry.
//!
//! Source: the IANA special-purpose address registries. Stricter on purpose where they call an
//! anycast service in a special range globally reachable: no webhook lives there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range, and what to call it in a refusal.
type Range<A> = (A, u32, &'static str);

const V4: &[Range<Ipv4Addr>] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "of this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a carrier"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "a loopback"),
    // Azure's host agent answers on an address that is public by its number only.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud's host agent"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

const V6: &[Range<Ipv6Addr>] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "a loopback"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "a local translation"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "for discarding"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "a Teredo tunnel"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "for documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "a 6to4 tunnel"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "for documentation"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "unique-local"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

/// What is special about an address; `None` for one that is anybody's.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let range = V4.iter().find(|(base, bits, _)| within(IpAddr::V4(address), IpAddr::V4(*base), *bits));
    range.map(|(_, _, what)| *what)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(inner) = carried(address) {
        return special_v4(inner);
    }
    if is_isatap(address) {
        return Some("an ISATAP tunnel");
    }
    let range = V6.iter().find(|(base, bits, _)| within(IpAddr::V6(address), IpAddr::V6(*base), *bits));
    let is_unicast = address.segments().first().is_some_and(|first| first & 0xe000 == 0x2000);
    range.map(|(_, _, what)| *what).or((!is_unicast).then_some("not global unicast"))
}

/// The version 4 address inside a mapped (`::ffff:0:0/96`) or NAT64 (`64:ff9b::/96`) one.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let translated = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
    let is_translated = within(IpAddr::V6(address), IpAddr::V6(translated), 96);
    let last = u32::try_from(address.to_bits() & u128::from(u32::MAX)).ok()?;
    address.to_ipv4_mapped().or_else(|| is_translated.then(|| Ipv4Addr::from_bits(last)))
}

/// RFC 5214: an interface identifier of `0000:5efe` or `0200:5efe` and a version 4 address.
fn is_isatap(address: Ipv6Addr) -> bool {
    let [_, _, _, _, high, low, _, _] = address.segments();
    high & !0x0200 == 0 && low == 0x5efe
}

/// Whether the first `bits` of both are the same; never for two versions.
pub(super) fn within(address: IpAddr, base: IpAddr, bits: u32) -> bool {
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            let differ = address.to_bits() ^ base.to_bits();
            differ.checked_shr(32_u32.saturating_sub(bits)).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            let differ = address.to_bits() ^ base.to_bits();
            differ.checked_shr(128_u32.saturating_sub(bits)).unwrap_or(0) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &str) -> Option<&'static str> {
        special(text.parse().unwrap())
    }

    #[test]
    fn the_first_and_last_address_of_a_range_are_special_and_their_neighbours_are_not() {
        for (inside, outside) in [
            (["0.0.0.0", "0.255.255.255"], ["1.0.0.0", "1.0.0.1"]),
            (["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
            (["100.64.0.0", "100.127.255.255"], ["100.63.255.255", "100.128.0.0"]),
            (["127.0.0.0", "127.255.255.255"], ["126.255.255.255", "128.0.0.0"]),
            (["168.63.129.16", "168.63.129.16"], ["168.63.129.15", "168.63.129.17"]),
            (["169.254.0.0", "169.254.255.255"], ["169.253.255.255", "169.255.0.0"]),
            (["172.16.0.0", "172.31.255.255"], ["172.15.255.255", "172.32.0.0"]),
            (["192.0.0.0", "192.0.0.255"], ["191.255.255.255", "192.0.1.0"]),
            (["192.168.0.0", "192.168.255.255"], ["192.167.255.255", "192.169.0.0"]),
            (["198.18.0.0", "198.19.255.255"], ["198.17.255.255", "198.20.0.0"]),
            (["224.0.0.0", "255.255.255.255"], ["223.255.255.255", "8.8.8.8"]),
            (["2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"], ["2001:200::", "2001:4860:4860::8888"]),
            (["2001:db8::", "2001:db8:ffff::1"], ["2001:db7:ffff::1", "2001:db9::"]),
            (["2002::", "2002:808:808::1"], ["2003::1", "2a00::1"]),
            (["3fff::", "3fff:fff::1"], ["3ffe::1", "2606:4700::1111"]),
        ] {
            assert!(inside.iter().all(|text| what(text).is_some()), "{inside:?}");
            assert!(outside.iter().all(|text| what(text).is_none()), "{outside:?}");
        }
    }

    #[test]
    fn an_address_inside_another_is_judged_by_what_a_system_would_reach() {
        let table = [
            ("::", Some("unspecified")),
            ("::1", Some("a loopback")),
            ("::ffff:127.0.0.1", Some("a loopback")),
            ("::ffff:8.8.8.8", None),
            ("::127.0.0.1", Some("not global unicast")),
            ("64:ff9b::a9fe:a9fe", Some("link-local")),
            ("64:ff9b::808:808", None),
            ("64:ff9b:1::808:808", Some("a local translation")),
            ("2002:7f00:1::", Some("a 6to4 tunnel")),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Some("a Teredo tunnel")),
            ("2606:4700::5efe:7f00:1", Some("an ISATAP tunnel")),
            ("2606:4700::200:5efe:a00:1", Some("an ISATAP tunnel")),
            ("fe80::1", Some("link-local")),
            ("fec0::1", Some("site-local")),
            ("fd00:ec2::254", Some("unique-local")),
            ("ff02::1", Some("multicast")),
            ("100::1", Some("for discarding")),
            ("5f00::1", Some("not global unicast")),
            ("4000::1", Some("not global unicast")),
        ];
        for (text, expected) in table {
            assert_eq!(what(text), expected, "{text}");
        }
    }
}
