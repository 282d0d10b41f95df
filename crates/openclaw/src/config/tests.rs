//! The configuration as a whole: texts in, settings or messages out.

use std::fs;

use super::edit::{self, EditError};
use super::file::{AuthMode, Format, Level};
use super::path;
use super::problem::ConfigError;
use super::settings::{Flags, Location, Settings};
use super::values::Bind;
use super::{Loaded, load};
use crate::env::Environment;

/// A state directory of its own and an environment that names it.
struct Home {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
    flags: Flags,
}

impl Home {
    fn with(text: &str) -> Self {
        let home = Self::empty();
        super::disk::write(&home.location().config_file, text).unwrap();
        home
    }

    fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), variables: Vec::new(), flags: Flags::default() }
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn environment(&self) -> Environment {
        let directory = self.directory.path().to_str().unwrap();
        let pairs: Vec<(&str, &str)> = std::iter::once(("OPENCLAW_STATE_DIR", directory))
            .chain(self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .collect();
        Environment::of(&pairs)
    }

    fn location(&self) -> Location {
        Location::find(&self.environment(), &self.flags).unwrap()
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        load(&self.environment(), &self.flags)
    }

    fn settings(&self) -> Settings {
        self.load().unwrap().settings
    }

    /// The message of the error, the directory's name left out.
    fn message(&self) -> String {
        self.strip(&self.load().unwrap_err().to_string())
    }

    fn warnings(&self) -> Vec<String> {
        let loaded = self.load().unwrap();
        loaded.warnings.iter().map(|line| self.strip(line)).collect()
    }

    fn strip(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.directory.path().display()), "")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.location().config_file).unwrap()
    }

    fn set(&self, dotted: &str, value: &str) -> Result<Vec<String>, EditError> {
        let path = path::parse(dotted).unwrap();
        let warnings = edit::set(&self.location(), &path, value, &self.environment())?;
        Ok(warnings.iter().map(ToString::to_string).collect())
    }

    fn unset(&self, dotted: &str) -> bool {
        let path = path::parse(dotted).unwrap();
        edit::unset(&self.location(), &path, &self.environment()).unwrap()
    }
}

#[test]
fn without_a_file_everything_has_its_default() {
    let settings = Home::empty().settings();
    assert_eq!(settings.fixed.port, 18_789);
    assert_eq!(settings.fixed.bind, Bind::Loopback);
    assert!(settings.live.endpoints.chat_completions.enabled);
    assert!(settings.live.token.is_none());
    assert!(settings.fixed.store_path.ends_with("openclaw.db"));
    assert!(settings.fixed.embedded.enabled);
    assert_eq!(settings.live.log_level, Level::Info);
}

#[test]
fn the_sample_of_the_old_documents_is_read() {
    let home = Home::with(
        "{\n  gateway: {\n    // Token\n    authToken: \"oc_gw_x\",\n\n    password: \"pw\",\n    port: 8080\n  }\n}",
    );
    let settings = home.settings();
    assert_eq!((settings.fixed.port, settings.fixed.auth_mode), (8080, None));
    assert_eq!(settings.live.token.unwrap().expose(), "oc_gw_x");
    assert_eq!(settings.live.password.unwrap().expose(), "pw");
    assert!(home.warnings().is_empty());
}

#[test]
fn a_whole_configuration_is_read() {
    let home = Home::with(
        r#"{
          $schema: "x",
          gateway: {
            mode: "local", port: 0x4650, bind: "127.0.0.1",
            auth: { mode: "password", password: "${PW}", allowQuery: true },
            http: { endpoints: { chatCompletions: { enabled: false }, responses: { enabled: true } } },
            allowedOrigins: ["https://a.example"], allowedHosts: ["box"],
          },
          models: { providers: { local: {
            baseUrl: "http://127.0.0.1:9/v1/", apiKey: { source: "env", provider: "default", id: "PW" },
            api: "openai-completions",
            models: [{ id: "m", name: "M", contextWindow: 8192 }],
          } } },
          agents: {
            defaults: { model: { primary: "local/m", fallbacks: ["embedded/x"] } },
            list: [{ id: "main", default: true, name: "Main", model: "local/m", systemPrompt: "Say ${name} $${PW}" }],
          },
          store: { path: "db/truth.db" }, workers: { maxConcurrent: 5 }, tasks: { maxAttempts: 2 },
          embedded: { enabled: false, threads: 1, idleUnloadSeconds: 0, contextTokens: 512 },
          logging: { level: "debug", format: "json", file: "off" },
        }"#,
    )
    .variable("PW", "s3cret");
    assert_eq!(home.warnings(), Vec::<String>::new());
    let settings = home.settings();
    assert_eq!(settings.fixed.port, 18_000);
    assert!(settings.fixed.bind.is_loopback());
    assert_eq!(settings.fixed.auth_mode, Some(AuthMode::Password));
    let local = settings.live.providers.get("local").unwrap();
    assert_eq!(local.base_url.as_str(), "http://127.0.0.1:9/v1");
    assert_eq!(local.api_key.as_ref().unwrap().expose(), "s3cret");
    let default = settings.live.agents.defaults.model.unwrap();
    assert_eq!((default.primary(), default.fallbacks().len()), ("local/m", 1));
    let agent = settings.live.agents.list.first().unwrap();
    assert_eq!(agent.system_prompt.as_deref(), Some("Say ${name} ${PW}"));
    assert!(settings.fixed.store_path.ends_with("db/truth.db"));
    assert_eq!((settings.fixed.logging.format, settings.fixed.logging.file), (Format::Json, None));
}

/// Texts and the message each is answered with.
const WRONG: &[(&str, &str)] = &[
    (
        "{ gateway: { port: 'abc' } }",
        "openclaw.json:1:20: gateway.port: found the string \"abc\"; allowed: a whole number from 0 to 65535",
    ),
    (
        "{\n  gateway: {\n    port: 70000 } }",
        "openclaw.json:3:11: gateway.port: found the number 70000; allowed: a whole number from 0 to 65535",
    ),
    (
        "{ gateway: { port: -1 } }",
        "openclaw.json:1:20: gateway.port: found the number -1; allowed: a whole number from 0 to 65535",
    ),
    (
        "{ gateway: { port: 1.5 } }",
        "openclaw.json:1:20: gateway.port: found the number 1.5; allowed: a whole number from 0 to 65535",
    ),
    (
        "{ gateway: { port: null } }",
        "openclaw.json:1:20: gateway.port: found null; allowed: a whole number from 0 to 65535",
    ),
    ("{ gateway: 5 }", "openclaw.json:1:12: gateway: found the number 5; allowed: an object"),
    ("[]", "openclaw.json:1:1: found a list; allowed: an object"),
    (
        "{ gateway: { bind: 'everywhere' } }",
        "openclaw.json:1:20: gateway.bind: found the string \"everywhere\"; allowed: \"loopback\", \"lan\", \"tailnet\" or an IP address such as \"192.168.1.5\"",
    ),
    (
        "{ gateway: { auth: { mode: 'magic' } } }",
        "openclaw.json:1:28: gateway.auth.mode: found the string \"magic\"; allowed: \"none\", \"token\", \"password\"",
    ),
    (
        "{ gateway: { auth: { mode: 3 } } }",
        "openclaw.json:1:28: gateway.auth.mode: found the number 3; allowed: \"none\", \"token\", \"password\"",
    ),
    (
        "{ gateway: { auth: { token: 12345 } } }",
        "openclaw.json:1:29: gateway.auth.token: found a number; allowed: a string, \"${NAME}\" or {source: \"env\", id: \"NAME\"}",
    ),
    (
        "{ gateway: { auth: { token: '${NOT_THERE}' } } }",
        "openclaw.json:1:29: gateway.auth.token: refers to ${NOT_THERE}, but the environment variable NOT_THERE is not set",
    ),
    (
        "{ gateway: { auth: { token: { source: 'file', id: 'x' } } } }",
        "openclaw.json:1:29: gateway.auth.token: found an object; allowed: a string, \"${NAME}\" or {source: \"env\", id: \"NAME\"}",
    ),
    (
        "{ gateway: { http: { endpoints: { responses: { enabled: 'yes' } } } } }",
        "openclaw.json:1:57: gateway.http.endpoints.responses.enabled: found the string \"yes\"; allowed: true or false",
    ),
    (
        "{ gateway: { allowedHosts: ['a', 7] } }",
        "openclaw.json:1:34: gateway.allowedHosts.1: found the number 7; allowed: a string",
    ),
    (
        "{ models: { providers: { p: { apiKey: 'k' } } } }",
        "openclaw.json:1:29: models.providers.p: the key \"baseUrl\" is missing",
    ),
    (
        "{ models: { providers: { p: { baseUrl: 'ftp://x' } } } }",
        "openclaw.json:1:40: models.providers.p.baseUrl: found the string \"ftp://x\"; allowed: an http:// or https:// address such as \"https://api.example.com/v1\"",
    ),
    (
        "{ agents: { defaults: { model: 7 } } }",
        "openclaw.json:1:32: agents.defaults.model: found the number 7; allowed: a model name or an object {primary: \"…\", fallbacks: [\"…\"]}",
    ),
    (
        "{ agents: { list: [{ id: 'Not Good' }] } }",
        "openclaw.json:1:26: agents.list.0.id: found the string \"Not Good\"; allowed: 1 to 64 characters of a-z, 0-9, \"-\" and \"_\"",
    ),
    (
        "{ gateway: { port: 'a', bind: 'b' }, workers: { maxConcurrent: 0 } }",
        "openclaw.json:1:20: gateway.port: found the string \"a\"; allowed: a whole number from 0 to 65535 (and 2 more problems)",
    ),
    (
        "{ gateway: { limits: { requestsPerMinute: -1 } } }",
        "openclaw.json:1:43: gateway.limits.requestsPerMinute: found the number -1; allowed: a whole number from 0 to 1000000",
    ),
    (
        "{ plans: { default: { maxConcurrent: 1.5 } } }",
        "openclaw.json:1:38: plans.default.maxConcurrent: found the number 1.5; allowed: a whole number from 0 to 100000",
    ),
    (
        "{\n  gateway: {\n    port 5\n  } }",
        "openclaw.json:3:10: expected colon after the string or word in object property",
    ),
    ("{ gateway: { port: 1 bind: 'lan' } }", "openclaw.json:1:21: expected comma"),
];

#[test]
fn a_wrong_value_is_named_with_its_place_and_what_is_allowed() {
    for (text, message) in WRONG {
        assert_eq!(Home::with(text).message(), *message, "{text}");
    }
}

/// A rule about a tool that is none, or for nobody, would be without effect, and nobody would see it.
#[test]
fn a_name_that_is_no_tools_or_nobodys_is_refused() {
    let tool = "allowed: a tool (apply_patch, edit, exec, ";
    for (text, beginning, allowed) in [
        (
            "{ tools: { deny: ['exec', 'exce'] } }",
            "openclaw.json:1:27: tools.deny.1: found the string \"exce\"; ",
            tool,
        ),
        ("{ tools: { allow: ['-write'] } }", "openclaw.json:1:20: tools.allow.0: found the string \"-write\"; ", tool),
        ("{ tools: { ask: ['wbe_*'] } }", "openclaw.json:1:18: tools.ask.0: found the string \"wbe_*\"; ", tool),
        (
            "{ tools: { byPrincipal: { '*': { deny: ['exec'] } } } }",
            "openclaw.json:1:25: tools.byPrincipal: found the string \"*\"; ",
            "allowed: \"operator\" or the id of an API key, ",
        ),
    ] {
        let message = Home::with(text).message();
        assert!(message.starts_with(&format!("{beginning}{allowed}")), "{text}: {message}");
    }
    // Stock OpenClaw's names are names, although nobody has those tools here.
    Home::with("{ tools: { deny: ['browser', 'bash', 'web_*', 'group:fs', '*'] } }").settings();
}

#[test]
fn an_unknown_key_is_a_warning_with_its_line_and_the_nearest_key() {
    let table = [
        (
            "{\n  gateway: {\n    prot: 5 } }",
            "openclaw.json:3:5: unknown key \"gateway.prot\"; did you mean \"port\"? It is ignored",
        ),
        ("{ telemetry: {} }", "openclaw.json:1:3: unknown key \"telemetry\"; it is ignored"),
        (
            "{ channels: { whatsapp: { token: '${UNSET_HERE}' } } }",
            "openclaw.json:1:3: \"channels\" is not used by this version",
        ),
        (
            "{ agents: { defaults: { memorySearch: {} } } }",
            "openclaw.json:1:25: \"agents.defaults.memorySearch\" is not used by this version",
        ),
        (
            "{ gateway: { port: 1, port: 2 } }",
            "openclaw.json:1:14: \"gateway.port\" stands here and again later; the last one counts",
        ),
        (
            "{ agents: { defaults: { model: { primary: 'm', fallback: 'x' } } } }",
            "openclaw.json:1:48: unknown key \"agents.defaults.model.fallback\"; it is ignored",
        ),
        (
            "{ gateway: { authToken: 'a', auth: { token: 'b' } } }",
            "openclaw.json:1:25: gateway.authToken differs from gateway.auth.token, which counts",
        ),
        (
            "{ plans: { default: { maxConcurrent: 5 }, pro: { maxConcurrent: 20, batchSize: 9 } } }",
            "openclaw.json:1:80: \"plans.pro.batchSize\" limits nobody yet: it is for the batch door, \
             which this version does not have",
        ),
        (
            "{ tools: { exec: { allowlist: [['wc', '...'], ['git', 'status'], ['/usr/bin/python3.11', 'a.py']] } } }",
            "openclaw.json:1:66: tools.exec.allowlist permits any command: python3.11 runs what stands in files, which agents \
             write; with tools.exec.ask \"always\" each is asked for",
        ),
        (
            "{ tools: { exec: { allowlist: [['env'], ['find', '.', '...']] } } }",
            "openclaw.json:1:41: tools.exec.allowlist permits any command: find runs what its arguments say, and \"...\" \
             permits any; with tools.exec.ask \"always\" each is asked for",
        ),
        (
            "{ tools: { exec: { allowlist: [['less', '*'], ['vi', 'a']] } } }",
            "openclaw.json:1:47: tools.exec.allowlist permits any command: vi runs what is typed at it, as agents can; \
             with tools.exec.ask \"always\" each is asked for",
        ),
        (
            "{ tools: { exec: { allowlist: [['sort', '*'], ['sort', '...']] } } }",
            "openclaw.json:1:47: tools.exec.allowlist permits any command: sort runs what its arguments say, and \"...\" \
             permits any; with tools.exec.ask \"always\" each is asked for",
        ),
        (
            "{ tools: { exec: { allowlist: [['/usr/bin/gcc-12', '...']] } } }",
            "openclaw.json:1:32: tools.exec.allowlist permits any command: gcc-12 runs what its arguments say, and \"...\" \
             permits any; with tools.exec.ask \"always\" each is asked for",
        ),
    ];
    for (text, warning) in table {
        assert_eq!(Home::with(text).warnings(), [warning], "{text}");
    }
}

/// B7, K1.
#[test]
fn flag_wins_over_environment_over_file() {
    let home = Home::with("{ gateway: { port: 1, bind: 'lan', auth: { token: 'f' } } }");
    assert_eq!(home.settings().fixed.port, 1);
    let mut home = home
        .variable("OPENCLAW_GATEWAY_PORT", "2")
        .variable("OPENCLAW_GATEWAY_BIND", "loopback")
        .variable("OPENCLAW_GATEWAY_TOKEN", "12345")
        .variable("OPENCLAW_GATEWAY_PASSWORD", "")
        .variable("OPENCLAW_LOG_LEVEL", "trace")
        .variable("OPENCLAW_LOG", "claw_store=debug");
    let settings = home.settings();
    assert_eq!(settings.fixed.port, 2);
    assert_eq!(settings.fixed.bind, Bind::Loopback);
    assert_eq!(settings.live.token.unwrap().expose(), "12345");
    assert!(settings.live.password.is_none());
    assert_eq!(settings.live.log_level, Level::Trace);
    assert_eq!(settings.fixed.logging.filter.as_deref(), Some("claw_store=debug"));
    home.flags.port = Some(0);
    home.flags.bind = Some("::1".to_owned());
    let settings = home.settings();
    assert_eq!((settings.fixed.port, settings.fixed.bind.to_string()), (0, "::1".to_owned()));
}

#[test]
fn a_wrong_override_is_reported_under_its_own_name() {
    let home = Home::empty().variable("OPENCLAW_GATEWAY_PORT", "http");
    assert_eq!(
        home.message(),
        "environment variable OPENCLAW_GATEWAY_PORT: gateway.port: found the string \"http\"; allowed: a whole number from 0 to 65535"
    );
    let mut home = Home::empty();
    home.flags.bind = Some("nowhere".to_owned());
    assert!(home.message().starts_with("--bind: gateway.bind: found the string \"nowhere\""));
    assert!(home.load().unwrap_err().is_flag());
}

#[test]
fn a_reference_may_stand_for_a_number_or_a_switch_and_its_value_is_not_quoted() {
    let text = "{ gateway: { port: '${P}', http: { endpoints: { responses: { enabled: '${E}' } } } } }";
    let home = Home::with(text).variable("P", "77").variable("E", "false");
    let settings = home.settings();
    assert_eq!(settings.fixed.port, 77);
    assert!(!settings.live.endpoints.responses.enabled);
    let home = Home::with("{ gateway: { port: '${P}' } }").variable("P", "hunter2");
    assert_eq!(
        home.message(),
        "openclaw.json:1:20: gateway.port: found a string; allowed: a whole number from 0 to 65535"
    );
}

#[test]
fn no_message_holds_a_secret() {
    let texts = [
        "{ gateway: { auth: { token: ['hunter2'] } } }",
        "{ gateway: { password: { hunter2: 1 } } }",
        "{ models: { providers: { p: { baseUrl: '${S}' } } } }",
        "{ agents: { list: [{ id: '${S} ' }] } }",
    ];
    for text in texts {
        let home = Home::with(text).variable("S", "hunter2");
        assert!(!home.message().contains("hunter2"), "{text}: {}", home.message());
    }
    let settings = Home::with("{ gateway: { auth: { token: 'hunter2' } } }").settings();
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn a_file_others_can_read_is_a_warning_if_it_holds_secrets() {
    use std::os::unix::fs::PermissionsExt;
    let open = |home: &Home| {
        let file = home.location().config_file;
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
        home.warnings().len()
    };
    assert_eq!(open(&Home::with("{ gateway: { auth: { token: 't' } } }")), 1);
    assert_eq!(open(&Home::with("{ gateway: { port: 1 } }")), 0);
}

#[test]
fn set_changes_one_value_and_no_other_byte() {
    let text = "// mine\n{\n  gateway: { // here\n    port: 1, /* one */\n    auth: { token: '${TOK}' },\n  },\n  'channels': { x: [1,2,  3] }, // kept\n}\n";
    let home = Home::with(text).variable("TOK", "t");
    home.set("gateway.port", "2").unwrap();
    assert_eq!(home.text(), text.replace("port: 1", "port: 2"));
    home.set("gateway.port", "1").unwrap();
    assert_eq!(home.text(), text);
    home.set("gateway.http.endpoints.chatCompletions.enabled", "false").unwrap();
    assert!(home.text().contains("'${TOK}'") && home.text().contains("// kept"));
    assert!(!home.settings().live.endpoints.chat_completions.enabled);
    assert!(home.unset("gateway.http"));
    assert!(!home.unset("gateway.http"));
    assert_eq!(home.text(), text);
}

#[test]
fn set_makes_the_file_and_reads_the_type_of_the_value() {
    let home = Home::empty();
    let table = [
        ("gateway.port", "0x10"),
        ("gateway.http.endpoints.responses.enabled", "false"),
        ("gateway.auth.token", "12345"),
        ("gateway.allowedHosts", "['a', \"b\"]"),
        ("agents.defaults.model", "provider/model: x"),
        ("agents.list", "[{ id: 'main' }]"),
        ("agents.list[0].name", "Ada"),
        ("agents.list.1", "{ id: 'second', model: { primary: 'm' } }"),
        ("gateway.bind", "::1"),
        ("logging.level", "warn"),
    ];
    for (path, value) in table {
        assert_eq!(home.set(path, value).unwrap(), Vec::<String>::new(), "{path}");
    }
    let settings = home.settings();
    assert_eq!(settings.fixed.port, 16);
    assert_eq!(settings.live.token.unwrap().expose(), "12345");
    assert_eq!(settings.live.allowed_hosts, ["a", "b"]);
    assert_eq!(settings.live.agents.defaults.model.unwrap().primary(), "provider/model: x");
    let names: Vec<_> = settings.live.agents.list.iter().map(|agent| agent.id.as_str()).collect();
    assert_eq!(names, ["main", "second"]);
    assert!(home.text().starts_with("// The configuration of OpenClaw"));
}

#[test]
fn a_value_that_does_not_fit_is_refused_and_the_file_stays() {
    let text = "{ gateway: { port: 1 }, agents: { list: [{ id: 'a' }] } }";
    let home = Home::with(text);
    let table = [
        ("gateway.port", "abc"),
        ("gateway.port", "65536"),
        ("gateway", "5"),
        ("gateway.port.deeper", "1"),
        ("gateway.auth", "{ mode: 'magic' }"),
        ("agents.list.5.name", "x"),
        ("agents.list.0.id", "NOT GOOD"),
        ("agents.list.x", "{ id: 'b' }"),
        ("models.providers.p.baseUrl", "nowhere"),
    ];
    for (path, value) in table {
        assert!(home.set(path, value).is_err(), "{path} {value}");
        assert_eq!(home.text(), text, "{path} {value}");
    }
}

#[test]
fn of_two_wrong_entries_each_is_named_by_its_own_index() {
    let text = "{ agents: { list: [{ id: 'A' }, { id: 'fine' }, { id: 'B' }] } }";
    let home = Home::with(text);
    let Err(ConfigError::Invalid { problems, .. }) = home.load() else {
        panic!("two entries are wrong");
    };
    let paths: Vec<String> = problems.iter().map(|problem| problem.path.join(".")).collect();
    assert_eq!(paths, ["agents.list.0.id", "agents.list.2.id"]);
    assert!(home.set("agents.list.2.id", "STILL").is_err());
    home.set("agents.list.2.id", "third").unwrap();
}

#[test]
fn set_mends_a_file_and_minds_only_its_own_place() {
    let home = Home::with("{ gateway: { bind: 'bad' }, workers: { maxConcurrent: 'bad' } }");
    assert!(home.set("workers.maxConcurrent", "0").is_err());
    home.set("workers.maxConcurrent", "7").unwrap();
    assert!(home.load().is_err());
    home.set("gateway.bind", "lan").unwrap();
    assert_eq!(home.settings().live.workers.max_concurrent.get(), 7);
    // What is not set in this shell may well be set in the gateway's.
    home.set("gateway.port", "${ELSEWHERE}").unwrap();
    home.set("gateway.auth.mode", "${ELSEWHERE_TOO}").unwrap();
    assert!(home.text().contains("\"${ELSEWHERE}\""));
}

#[test]
fn an_object_is_built_key_by_key_with_a_warning_while_one_is_missing() {
    let home = Home::empty();
    let warnings = home.set("models.providers.p.apiKey", "k").unwrap();
    assert_eq!(warnings, ["models.providers.p: the key \"baseUrl\" is missing; the gateway will not start without it"]);
    assert!(home.set("models.providers.p.baseUrl", "http://x/v1").unwrap().is_empty());
    assert_eq!(home.settings().live.providers.len(), 1);
}

#[test]
fn an_unknown_key_is_written_with_a_warning() {
    let home = Home::empty();
    let warnings = home.set("gateway.prot", "5").unwrap();
    assert_eq!(warnings, ["unknown key \"gateway.prot\"; did you mean \"port\"? It is ignored"]);
}

#[test]
fn the_old_spelling_is_read_and_the_new_one_written() {
    let home = Home::with("{ gateway: { authToken: 'old', password: 'pw' } }");
    home.set("gateway.authToken", "new").unwrap();
    assert!(!home.text().contains("authToken") && home.text().contains("\"auth\": {"));
    assert_eq!(home.settings().live.token.unwrap().expose(), "new");
    assert!(home.unset("gateway.auth.password"));
    assert!(home.settings().live.password.is_none());
}

#[test]
fn a_file_that_is_not_json5_is_never_edited() {
    let home = Home::with("{ gateway: ");
    assert!(matches!(home.set("gateway.port", "1"), Err(EditError::Config(ConfigError::Syntax { .. }))));
    assert_eq!(home.text(), "{ gateway: ");
}
