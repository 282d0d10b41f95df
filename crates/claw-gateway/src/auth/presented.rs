//! What a request presents: every credential form of K14, from headers, query and `connect`.
//!
//! Nothing is judged here. Blank values count as absent; an `Authorization` we cannot read counts as
//! a credential that will not fit.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use claw_core::Secret;
use claw_wire::ws::connect::ConnectAuth;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

const PASSWORD: HeaderName = HeaderName::from_static("x-openclaw-password");
const HOOK_TOKEN: HeaderName = HeaderName::from_static("x-openclaw-token");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Most credentials one request may carry; the rest makes it conflict with itself.
const ITEMS_MAX: usize = 8;

/// How a secret was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a bearer token or key: either secret of the gateway, or an API key.
    Bearer,
    /// As a password.
    Password,
    /// As the token of a device.
    Device,
}

/// Everything one request presents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Presented {
    pub(crate) items: Vec<(Form, Secret)>,
    /// Whether one of them stood in the query, where logs and referers would show it.
    pub(crate) is_in_query: bool,
}

impl Presented {
    /// Reads headers and query.
    pub(crate) fn read(headers: &HeaderMap, query: Option<&str>) -> Self {
        let mut presented = Self::default();
        for value in headers.get_all(AUTHORIZATION) {
            let (form, secret) = authorization(value.to_str().unwrap_or("\u{fffd}"));
            presented.add(form, secret);
        }
        for (name, form) in [(PASSWORD, Form::Password), (API_KEY, Form::Bearer)] {
            for value in headers.get_all(name) {
                presented.add(form, value.to_str().unwrap_or("\u{fffd}").to_owned());
            }
        }
        for (name, value) in query.into_iter().flat_map(query_pairs) {
            let form = match name {
                "token" => Form::Bearer,
                "password" => Form::Password,
                _ => continue,
            };
            presented.is_in_query |= presented.add(form, value);
        }
        presented
    }

    /// Reads what a hook may be presented with; its token is never looked for anywhere else.
    pub(crate) fn of_hook(headers: &HeaderMap, query: Option<&str>) -> Self {
        let mut presented = Self::default();
        for value in headers.get_all(AUTHORIZATION) {
            let (form, secret) = authorization(value.to_str().unwrap_or("\u{fffd}"));
            presented.add(form, secret);
        }
        for value in headers.get_all(HOOK_TOKEN) {
            presented.add(Form::Bearer, value.to_str().unwrap_or("\u{fffd}").to_owned());
        }
        presented.is_in_query = query.into_iter().flat_map(query_pairs).any(|(name, _)| name == "token");
        presented
    }

    /// Adds what a `connect` frame carries.
    pub(crate) fn with_connect(mut self, auth: Option<&ConnectAuth>) -> Self {
        let ConnectAuth { token, password, device_token, bootstrap_token: _ } = auth.cloned().unwrap_or_default();
        for (form, secret) in [(Form::Bearer, token), (Form::Password, password), (Form::Device, device_token)] {
            if let Some(secret) = secret {
                self.add(form, secret.expose().to_owned());
            }
        }
        self
    }

    fn add(&mut self, form: Form, secret: String) -> bool {
        let is_new = !secret.trim().is_empty() && self.items.len() < ITEMS_MAX;
        if is_new {
            self.items.push((form, Secret::new(secret)));
        }
        is_new
    }
}

/// `Bearer …` or `Basic …`; anything else becomes a text that fits nothing.
fn authorization(value: &str) -> (Form, String) {
    let value = value.trim();
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return (Form::Bearer, rest.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(rest.trim()).or_else(|_| STANDARD_NO_PAD.decode(rest.trim()));
        let text = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        // The user's name says nothing: there is one operator.
        let password = text.as_deref().and_then(|text| text.split_once(':')).map(|(_user, password)| password);
        return (Form::Password, password.unwrap_or("\u{fffd}").to_owned());
    }
    (Form::Bearer, "\u{fffd}".to_owned())
}

/// The pairs of a query, values decoded as forms encode them.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (&str, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let spaced = value.replace('+', " ");
        (name, percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &str)], query: Option<&str>) -> Vec<(Form, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let items = Presented::read(&map, query).items;
        items.into_iter().map(|(form, secret)| (form, secret.expose().to_owned())).collect()
    }

    #[test]
    fn every_form_is_read() {
        let bearer = |secret: &str| vec![(Form::Bearer, secret.to_owned())];
        let password = |secret: &str| vec![(Form::Password, secret.to_owned())];
        assert_eq!(read(&[("authorization", "Bearer t")], None), bearer("t"));
        assert_eq!(read(&[("authorization", "bEARER  t ")], None), bearer("t"));
        assert_eq!(read(&[("authorization", "Basic dXNlcjpwYTpzcw==")], None), password("pa:ss"));
        assert_eq!(read(&[("authorization", "Basic !")], None), password("\u{fffd}"));
        assert_eq!(read(&[("authorization", "Digest x")], None), bearer("\u{fffd}"));
        assert_eq!(read(&[("x-openclaw-password", "p")], None), password("p"));
        assert_eq!(read(&[("x-api-key", "k")], None), bearer("k"));
        assert_eq!(read(&[], Some("a=1&token=a%2Fb%2B+c&b")), bearer("a/b+ c"));
        assert_eq!(read(&[], Some("password=p%3D")), password("p="));
    }

    #[test]
    fn blank_is_absent_and_doubled_is_kept() {
        assert_eq!(read(&[("authorization", "Bearer "), ("x-api-key", " ")], Some("token=&password")), []);
        assert_eq!(read(&[("authorization", "Bearer a"), ("authorization", "Bearer b")], None).len(), 2);
        assert_eq!(read(&[], Some("token=a&token=b")).len(), 2);
    }

    #[test]
    fn connect_adds_to_what_the_upgrade_carried() {
        let auth =
            ConnectAuth { token: Some(Secret::new("t")), password: Some(Secret::new("")), ..ConnectAuth::default() };
        let presented = Presented::read(&HeaderMap::new(), Some("token=u")).with_connect(Some(&auth));
        assert_eq!(presented.items.len(), 2);
        assert!(presented.is_in_query);
        assert!(!format!("{presented:?}").contains("\"t\""));
    }
}
