//! What is written on and into a letter.

use claw_core::courier::Letter;
use claw_core::{Callback, TaskId, Timestamp};

use super::signature::Signer;

/// What a caller writes where the signature is to stand (K23).
const PLACEHOLDER: &str = "sha256=...";

/// D20's name of the signature; the caller's own value counts.
const SIGNATURE: &str = "X-Signature";

/// The header that waits for a signature, if one does.
pub(super) fn placeholder(callback: &Callback) -> Option<&str> {
    callback.headers.iter().find(|(_, value)| value.contains(PLACEHOLDER)).map(|(name, _)| name.as_str())
}

/// The delivery's name outside, the same in every attempt: `msg_…`.
pub(super) fn id(task: TaskId, delivery: i64) -> String {
    format!("msg_{}_{delivery}", task.uuid().as_simple())
}

/// The host in an address, for people; the rest may hold keys.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// The letter; `None` when it waits for a signature and nobody can sign.
pub(super) fn write(
    callback: Callback,
    id: &str,
    at: Timestamp,
    body: Vec<u8>,
    signer: Option<&Signer>,
) -> Option<Letter> {
    if signer.is_none() && placeholder(&callback).is_some() {
        return None;
    }
    let Callback { url, mut headers } = callback;
    let seconds = at.seconds();
    let ours = |name: &str, value: String| (name.to_owned(), value);
    if let Some(signer) = signer {
        let signature = signer.plain(&body);
        for (_, value) in &mut headers {
            *value = value.replace(PLACEHOLDER, &signature);
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(SIGNATURE)) {
            headers.push(ours(SIGNATURE, signature.clone()));
        }
        headers.push(ours("X-OpenClaw-Signature", signature));
        headers.push(ours("webhook-signature", signer.standard(id, seconds, &body)));
    }
    headers.push(ours("webhook-id", id.to_owned()));
    headers.push(ours("webhook-timestamp", seconds.to_string()));
    Some(Letter { url, headers, body })
}

#[cfg(test)]
mod tests {
    use claw_core::Secret;

    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_771_200_000_999);

    fn headers(given: &[(&str, &str)], signer: Option<&Signer>) -> Option<Vec<(String, String)>> {
        let headers = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let callback = Callback { url: "https://x.test/h".into(), headers };
        write(callback, "msg_1", AT, b"{}".to_vec(), signer).map(|letter| letter.headers)
    }

    fn find<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
        headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn without_a_secret_the_callers_headers_go_out_as_given() {
        let found = headers(&[("Authorization", "Bearer x"), ("X-Signature", "own")], None).unwrap();
        assert_eq!(find(&found, "authorization"), ["Bearer x"]);
        assert_eq!(find(&found, "x-signature"), ["own"]);
        assert_eq!(
            (find(&found, "webhook-id"), find(&found, "webhook-timestamp")),
            (vec!["msg_1"], vec!["1771200000"])
        );
        assert!(find(&found, "webhook-signature").is_empty() && find(&found, "x-openclaw-signature").is_empty());
        assert_eq!(headers(&[("X-Signature", "sha256=...")], None), None);
    }

    #[test]
    fn with_a_secret_the_placeholder_is_replaced_and_a_value_of_the_callers_own_is_not() {
        let signer = Signer::new(&Secret::new("s"));
        let signed = signer.plain(b"{}");
        for (given, shown) in [
            (vec![], vec![signed.as_str()]),
            (vec![("x-signature", "sha256=...")], vec![signed.as_str()]),
            (vec![("X-Signature", "own")], vec!["own"]),
        ] {
            let found = headers(&given, Some(&signer)).unwrap();
            assert_eq!(find(&found, "X-Signature"), shown);
            assert_eq!(find(&found, "X-OpenClaw-Signature"), [signed.as_str()]);
            assert_eq!(find(&found, "webhook-signature"), [signer.standard("msg_1", 1_771_200_000, b"{}")]);
        }
        let elsewhere = headers(&[("X-Hub", "t=1,sha256=...")], Some(&signer)).unwrap();
        assert_eq!(find(&elsewhere, "x-hub"), [format!("t=1,{signed}")]);
    }

    #[test]
    fn only_the_host_of_an_address_is_shown() {
        let table = [("https://x.test:8/h?k=1", "x.test:8"), ("http://x", "x"), ("https://u:p@x/", "x"), ("", "")];
        for (url, shown) in table {
            assert_eq!(host(url), shown, "{url}");
        }
    }
}
