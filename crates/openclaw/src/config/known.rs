//! Which keys exist elsewhere: stock OpenClaw's, and those nearest to a mistyped one.

/// Keys of stock OpenClaw that this version leaves alone; `*` stands for any one name.
///
/// Sections come as they are: what stands inside them is not looked at.
const STOCK: &[&str] = &[
    "acp",
    "approvals",
    "audio",
    "auth",
    "bindings",
    "broadcast",
    "browser",
    "canvasHost",
    "channels",
    "cli",
    "commands",
    "cron",
    "diagnostics",
    "discovery",
    "env",
    "hooks.gmail",
    "hooks.internal",
    "hooks.mappings",
    "hooks.presets",
    "hooks.transformsDir",
    "mcp",
    "media",
    "memory.backend",
    "memory.citations",
    "memory.qmd",
    "messages",
    "meta",
    "nodeHost",
    "plugins",
    "secrets",
    "session",
    "skills.entries.*.config",
    "skills.install",
    "skills.limits",
    "skills.load",
    "talk",
    "tools.byProvider",
    "tools.elevated",
    "tools.exec.applyPatch",
    "tools.exec.backgroundMs",
    "tools.exec.cleanupMs",
    "tools.exec.host",
    "tools.exec.node",
    "tools.exec.notifyOnExit",
    "tools.exec.pathPrepend",
    "tools.exec.safeBins",
    "tools.fs",
    "tools.links",
    "tools.loopDetection",
    "tools.media",
    "tools.message",
    "tools.sandbox",
    "tools.sessions",
    "tools.subagents",
    "tools.web.fetch.cacheTtlMinutes",
    "tools.web.fetch.enabled",
    "tools.web.fetch.firecrawl",
    "tools.web.fetch.maxChars",
    "tools.web.fetch.maxCharsCap",
    "tools.web.fetch.maxRedirects",
    "tools.web.fetch.maxResponseBytes",
    "tools.web.fetch.provider",
    "tools.web.fetch.readability",
    "tools.web.fetch.ssrfPolicy",
    "tools.web.fetch.timeoutSeconds",
    "tools.web.fetch.userAgent",
    "tools.web.search.cacheTtlMinutes",
    "tools.web.search.timeoutSeconds",
    "ui",
    "update",
    "web",
    "wizard",
    "agents.defaults.*",
    "agents.defaults.compaction.*",
    "agents.list.*.agentDir",
    "agents.list.*.groupChat",
    "agents.list.*.heartbeat",
    "agents.list.*.identity",
    "agents.list.*.memorySearch",
    "agents.list.*.sandbox",
    "agents.list.*.subagents",
    "agents.list.*.tools.byProvider",
    "agents.list.*.tools.elevated",
    "agents.list.*.tools.exec",
    "agents.list.*.tools.fs",
    "agents.list.*.tools.loopDetection",
    "agents.list.*.tools.sandbox",
    "gateway.auth.allowTailscale",
    "gateway.auth.rateLimit",
    "gateway.auth.trustedProxy",
    "gateway.channelHealthCheckMinutes",
    "gateway.controlUi",
    "gateway.customBindHost",
    "gateway.http.securityHeaders",
    "gateway.nodes",
    "gateway.push",
    "gateway.reload.debounceMs",
    "gateway.reload.deferralTimeoutMs",
    "gateway.remote",
    "gateway.tailscale",
    "gateway.tls",
    "gateway.tools",
    "gateway.trustedProxies",
    "logging.consoleLevel",
    "logging.consoleStyle",
    "logging.maxFileBytes",
    "logging.redactPatterns",
    "logging.redactSensitive",
    "models.bedrockDiscovery",
    "models.mode",
    "models.providers.*.auth",
    "models.providers.*.authHeader",
    "models.providers.*.headers",
    "models.providers.*.models.*.compat",
    "models.providers.*.models.*.cost",
    "models.providers.*.models.*.headers",
    "models.providers.*.models.*.input",
    "models.providers.*.models.*.reasoning",
];

/// Whether stock OpenClaw knows this path.
pub(crate) fn is_stock(path: &[String]) -> bool {
    STOCK.iter().any(|pattern| {
        let mut names = path.iter();
        pattern.split('.').all(|part| names.next().is_some_and(|name| part == "*" || part == name))
            && names.next().is_none()
    })
}

/// The candidate most like `name`, if one is like enough to be what was meant.
pub(crate) fn nearest<'word>(name: &str, candidates: &[&'word str]) -> Option<&'word str> {
    let wanted = name.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(2);
    candidates
        .iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase());
            (distance, *candidate)
        })
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_the_one_meant() {
        let keys = ["port", "bind", "auth", "allowedOrigins"];
        let table = [
            ("prot", Some("port")),
            ("Port", Some("port")),
            ("allowedorigin", Some("allowedOrigins")),
            ("ports", Some("port")),
            ("telemetry", None),
            ("x", None),
        ];
        for (name, expected) in table {
            assert_eq!(nearest(name, &keys), expected, "{name}");
        }
    }

    #[test]
    fn stock_sections_are_known_and_their_insides_are_not_asked() {
        let path = |dotted: &str| dotted.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert!(is_stock(&path("channels")));
        assert!(is_stock(&path("agents.defaults.workspace")));
        assert!(is_stock(&path("models.providers.x.models.0.cost")));
        assert!(!is_stock(&path("gateway.prot")));
        assert!(!is_stock(&path("agents.defaults")));
    }
}
