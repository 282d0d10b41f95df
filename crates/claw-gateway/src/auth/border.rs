//! Which names we answer to, and which web pages may talk to us.
//!
//! A browser sends what any page tells it to: `Origin` says which page it was, `Host` which name it
//! believes we have. A rebound name or a foreign page is turned away before anything else is looked
//! at, in every authentication mode. Addresses as hosts are always fine: nobody can rebind a number.

use http::header::{HOST, HeaderMap, HeaderName, ORIGIN, REFERER};
use http::{Method, Uri};

/// Why a request does not cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Turned {
    /// No name, or several.
    #[error("the request must name exactly one Host")]
    NoHost,
    /// A name that is not ours.
    #[error("this host name is not served here; add it to gateway.allowedHosts if it is yours")]
    ForeignHost,
    /// A page that is not ours.
    #[error("requests from this web origin are not allowed; add it to gateway.allowedOrigins if it is yours")]
    ForeignOrigin,
}

/// The names and pages that are ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct Border {
    hosts: Vec<String>,
    origins: Vec<String>,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Border {
    /// Ours besides loopback names and addresses: these host names and these origins.
    pub(crate) fn new(hosts: &[String], origins: &[String]) -> Self {
        let hosts = hosts.iter().map(|host| canonical_name(split_port(host).0)).collect();
        let origins = origins.iter().map(|origin| origin.trim().trim_end_matches('/').to_ascii_lowercase()).collect();
        Self { hosts, origins }
    }

    /// Checks `Host` and, where a page could do harm, `Origin`.
    ///
    /// `is_upgrade` says that the request opens a WebSocket, which browsers let every page do.
    pub(crate) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        is_upgrade: bool,
    ) -> Result<(), Turned> {
        let host = named_host(uri, headers)?;
        if !self.is_ours(split_port(host).0) {
            return Err(Turned::ForeignHost);
        }
        let is_harmless = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !is_upgrade;
        if is_harmless || self.is_own_page(host, headers) { Ok(()) } else { Err(Turned::ForeignOrigin) }
    }

    fn is_ours(&self, name: &str) -> bool {
        let name = canonical_name(name);
        name == "localhost" || is_address(&name) || self.hosts.contains(&name)
    }

    fn is_own_page(&self, host: &str, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => self.is_own_referer(host, headers),
            (Some(origin), None) => origin.to_str().is_ok_and(|origin| self.is_own_origin(origin, host)),
            (Some(_), Some(_)) => false,
        }
    }

    fn is_own_origin(&self, origin: &str, host: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) || self.origins.contains(&origin)
    }

    /// Without an `Origin` the weaker signs count, where there are any.
    fn is_own_referer(&self, host: &str, headers: &HeaderMap) -> bool {
        if headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site" || site == "same-site") {
            return false;
        }
        let Some(referer) = headers.get(REFERER) else { return true };
        let Ok(referer) = referer.to_str() else { return false };
        let end = referer.match_indices('/').nth(2).map_or(referer.len(), |(index, _)| index);
        referer.get(..end).is_some_and(|origin| self.is_own_origin(origin, host))
    }
}

/// The one host a request names: in its target, else in its header.
fn named_host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Turned> {
    let mut hosts = headers.get_all(HOST).iter();
    match (uri.authority(), hosts.next(), hosts.next()) {
        (_, _, Some(_)) | (None, None, None) => Err(Turned::NoHost),
        (Some(authority), _, None) => Ok(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok().filter(|host| !host.is_empty()).ok_or(Turned::NoHost),
    }
}

/// `name:port`, `[v6]:port`, or either without a port.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let name_end = authority.rfind(']').map_or(0, |index| index + 1);
    match authority.get(name_end..).and_then(|rest| rest.rfind(':')) {
        Some(colon) => (authority.get(..name_end + colon).unwrap_or(authority), authority.get(name_end + colon + 1..)),
        None => (authority, None),
    }
}

fn canonical_name(name: &str) -> String {
    name.trim().trim_end_matches('.').to_ascii_lowercase()
}

fn is_address(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn border() -> Border {
        Border::new(&["Gate.Example.".into()], &["https://App.example/".into()])
    }
    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }
    fn check(method: &Method, pairs: &[(&'static str, &str)], is_upgrade: bool) -> Result<(), Turned> {
        border().check(method, &Uri::from_static("/ws"), &headers(pairs), is_upgrade)
    }

    #[test]
    fn a_rebound_name_is_turned_away() {
        let host = |host: &str| check(&Method::GET, &[("host", host)], false);
        for ours in [
            "localhost:18789",
            "LOCALHOST",
            "localhost.",
            "127.0.0.1:1",
            "[::1]:18789",
            "192.168.1.5:18789",
            "gate.example",
            "gate.example.:443",
        ] {
            assert_eq!(host(ours), Ok(()), "{ours}");
        }
        for foreign in
            ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "::1", "0x7f.1", "gate.example.evil"]
        {
            assert_eq!(host(foreign), Err(Turned::ForeignHost), "{foreign}");
        }
        assert_eq!(check(&Method::GET, &[], false), Err(Turned::NoHost));
        assert_eq!(check(&Method::GET, &[("host", "localhost"), ("host", "evil")], false), Err(Turned::NoHost));
        let absolute = Uri::from_static("http://evil.example/x");
        let result = border().check(&Method::GET, &absolute, &headers(&[("host", "localhost")]), false);
        assert_eq!(result, Err(Turned::ForeignHost));
    }

    #[test]
    fn adv_6_a_foreign_page_opens_no_socket() {
        let upgrade = |pairs: &[(&'static str, &str)]| {
            let mut all = vec![("host", "localhost:18789")];
            all.extend_from_slice(pairs);
            check(&Method::GET, &all, true)
        };
        assert_eq!(upgrade(&[]), Ok(()));
        assert_eq!(upgrade(&[("origin", "http://localhost:18789")]), Ok(()));
        assert_eq!(upgrade(&[("origin", "https://app.example")]), Ok(()));
        for foreign in [
            "https://evil.example",
            "null",
            "http://localhost:9999",
            "http://localhost:18789.evil.example",
            "https://app.example.evil",
            "vscode-webview://abc",
            "",
        ] {
            assert_eq!(upgrade(&[("origin", foreign)]), Err(Turned::ForeignOrigin), "{foreign}");
            let proxied = [("origin", foreign), ("x-forwarded-for", "127.0.0.1"), ("x-forwarded-host", "evil.example")];
            assert_eq!(upgrade(&proxied), Err(Turned::ForeignOrigin), "{foreign}");
        }
        let doubled = [("origin", "http://localhost:18789"), ("origin", "https://evil.example")];
        assert_eq!(upgrade(&doubled), Err(Turned::ForeignOrigin));
        assert_eq!(upgrade(&[("sec-fetch-site", "cross-site")]), Err(Turned::ForeignOrigin));
    }

    #[test]
    fn adv_7_a_foreign_page_changes_nothing() {
        let post = |name: &'static str, value: &str| {
            check(&Method::POST, &[("host", "localhost:18789"), (name, value)], false)
        };
        assert_eq!(post("origin", "http://localhost:18789"), Ok(()));
        assert_eq!(post("referer", "http://localhost:18789/chat?x=/"), Ok(()));
        assert_eq!(post("sec-fetch-site", "none"), Ok(()));
        assert_eq!(post("origin", "https://evil.example"), Err(Turned::ForeignOrigin));
        assert_eq!(post("referer", "https://evil.example/http://localhost:18789/"), Err(Turned::ForeignOrigin));
        assert_eq!(post("referer", "http://localhost:18789.evil.example/"), Err(Turned::ForeignOrigin));
        assert_eq!(post("sec-fetch-site", "same-site"), Err(Turned::ForeignOrigin));
        let read = [("host", "localhost:18789"), ("origin", "https://evil.example")];
        assert_eq!(check(&Method::GET, &read, false), Ok(()));
    }
}
