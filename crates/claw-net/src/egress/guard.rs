//! Judges an address before anything is sent to it.
//!
//! The name is resolved here, once, and what is returned holds the addresses to dial: whoever
//! resolved a second time could be told something else (DNS rebinding).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use async_trait::async_trait;
use thiserror::Error;
use url::{Host, Url};

use super::allow::{AllowList, canonical};
use super::special::special;

/// Most addresses one name may lead to.
const ADDRESSES_MAX: usize = 64;

/// The system's resolver, or a test's.
#[async_trait]
pub(super) trait Lookup: Send + Sync {
    /// Every address of a name. Cancel-safe.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
pub(super) struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // One more than allowed, so that too many can be told from just enough.
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).take(ADDRESSES_MAX + 1).collect())
    }
}

/// Knows no name but that of this machine itself (RFC 6761), and asks nobody.
pub(super) struct ByTheLetter;

#[async_trait]
impl Lookup for ByTheLetter {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        match name == "localhost" || name.ends_with(".localhost") {
            true => Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// An address that may be called, and where exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pinned {
    /// With its host in canonical form.
    pub(super) url: Url,
    /// The host, without brackets.
    pub(super) host: String,
    /// What to dial; never empty.
    pub(super) addresses: Vec<SocketAddr>,
}

/// Why an address is not called.
#[derive(Debug, Error)]
pub(super) enum Denied {
    /// It never will be.
    #[error("{0}")]
    Refused(String),
    /// Its name could not be resolved, now.
    #[error("the name of the host cannot be resolved: {0}")]
    Unresolved(io::Error),
}

fn refused<T>(why: impl Into<String>) -> Result<T, Denied> {
    Err(Denied::Refused(why.into()))
}

/// Parses, resolves and judges. Cancel-safe.
pub(super) async fn check(address: &str, allow: &AllowList, lookup: &dyn Lookup) -> Result<Pinned, Denied> {
    let (url, host, port) = parse(address)?;
    let found = match url.host() {
        Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
        Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
        Some(Host::Domain(_)) => lookup.addresses(&host).await.map_err(Denied::Unresolved)?,
        None => return refused("the address has no host"),
    };
    if found.is_empty() {
        return Err(Denied::Unresolved(io::Error::new(io::ErrorKind::NotFound, "it has no address")));
    }
    if found.len() > ADDRESSES_MAX {
        return refused(format!("the host has more than {ADDRESSES_MAX} addresses"));
    }
    if !allow.has_host(&host, port) {
        // All of them: one that passes must not carry in one that does not.
        let special = found.iter().filter(|address| !allow.has_address(**address)).find_map(|found| special(*found));
        if let Some(what) = special {
            return refused(format!("the host's address is {what}, and the operator's list does not name the host"));
        }
    }
    Ok(Pinned { url, host, addresses: found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect() })
}

fn parse(address: &str) -> Result<(Url, String, u16), Denied> {
    let Ok(mut url) = Url::parse(address) else { return refused("the address cannot be read") };
    if !matches!(url.scheme(), "http" | "https") {
        return refused("the address is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("the address holds a user name or password; send a header instead");
    }
    let Some(host) = url.host().and_then(|host| canonical(&host)) else {
        return refused("the address has no host");
    };
    if matches!(url.host(), Some(Host::Domain(_))) && url.set_host(Some(&host)).is_err() {
        return refused("the address has no host");
    }
    url.set_fragment(None);
    match url.port_or_known_default() {
        Some(port) if port != 0 => Ok((url, host, port)),
        _ => refused("the address has no port that can be called"),
    }
}
