//! Settings of well-known servers. The values come from the caller: only the binary reads the
//! environment.

use claw_core::Secret;

use crate::Settings;

/// OpenAI itself, with the key of `OPENAI_API_KEY`.
pub fn openai(api_key: Secret) -> Settings {
    Settings { api_key: Some(api_key), ..Settings::new("openai", "https://api.openai.com/v1") }
}

/// An Ollama server, as `OLLAMA_HOST` names it: `host`, `host:port` or an address.
pub fn ollama(host: &str) -> Settings {
    let host = host.trim().trim_end_matches('/');
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // An IPv6 address has colons without a port, unless it stands in brackets.
    let has_port = authority.rsplit_once(':').is_some_and(|(name, _)| !name.contains(':') || name.ends_with(']'));
    let is_bare_ipv6 = !has_port && authority.contains(':') && !authority.starts_with('[');
    let authority = match (authority.is_empty(), is_bare_ipv6) {
        (true, _) => "127.0.0.1".to_owned(),
        // The wildcard is where a server listens, not where it is reached.
        (false, _) if authority == "0.0.0.0" => "127.0.0.1".to_owned(),
        (false, true) => format!("[{authority}]"),
        (false, false) => authority.replacen("0.0.0.0:", "127.0.0.1:", 1),
    };
    let port = if has_port || scheme == "https" { "" } else { ":11434" };
    let path = if path.is_empty() { "v1" } else { path };
    Settings::new("ollama", format!("{scheme}://{authority}{port}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ollama_is_found_however_its_host_is_spelled() {
        for (host, address) in [
            ("models", "http://models:11434/v1"),
            ("127.0.0.1:11500", "http://127.0.0.1:11500/v1"),
            ("http://models:80/", "http://models:80/v1"),
            ("https://models.example", "https://models.example/v1"),
            ("https://models.example/ollama/v1", "https://models.example/ollama/v1"),
            ("0.0.0.0", "http://127.0.0.1:11434/v1"),
            ("0.0.0.0:5", "http://127.0.0.1:5/v1"),
            ("::1", "http://[::1]:11434/v1"),
            ("[::1]:5", "http://[::1]:5/v1"),
            ("", "http://127.0.0.1:11434/v1"),
        ] {
            assert_eq!(ollama(host).base_url, address, "{host}");
        }
    }
}
