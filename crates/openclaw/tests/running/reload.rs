//! A gateway that runs takes up what its file says (E13, K16), and nothing of a file that is broken (G11).

use std::fs;
use std::time::Duration;

use claw_testkit::process::Api;
use claw_testkit::{Gate, Reply, Upstream};
use serde_json::json;

use crate::house::{Home, PATIENCE, with_provider};

fn with_log_level(level: &str, mode: &str) -> String {
    format!(
        "{{ gateway: {{ auth: {{ token: 'tok' }}, reload: {{ mode: '{mode}' }} }}, embedded: {{ enabled: false }}, logging: {{ level: '{level}' }} }}"
    )
}

/// E13: the signal changes the level of the log in place, one line for the key.
#[tokio::test]
async fn a_signal_changes_the_log_level_of_a_running_gateway() {
    let home = Home::with(&with_log_level("info", "off")).await;
    let api = home.api("tok");
    assert_eq!(api.get("/nothing").await.unwrap().status, 404);
    let refusals = |home: &Home| home.log().iter().filter(|line| line.contains("refused with not_found")).count();
    assert_eq!(refusals(&home), 0);

    home.write(&with_log_level("debug", "off"));
    home.signal();
    home.hears("reload: logging.level applied").await;
    assert_eq!(home.reloads(), ["reload: logging.level applied"]);
    assert_eq!(api.get("/nothing").await.unwrap().status, 404);
    home.hears("refused with not_found").await;

    home.write(&with_log_level("error", "off"));
    home.signal();
    let again = async {
        while home.reloads().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the line is written although the new level would hide it");
    let before = refusals(&home);
    assert_eq!(api.get("/nothing").await.unwrap().status, 404);
    assert_eq!(refusals(&home), before);
}

async fn ask(api: &Api) -> claw_testkit::process::Answer {
    api.post("/v1/chat/completions", &json!({"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]}))
        .await
        .unwrap()
}

/// K16: a saved file is taken up by itself, whichever way an editor saves it.
#[tokio::test]
async fn a_saved_file_changes_the_model_the_next_run_asks() {
    let upstream = Upstream::start().await;
    upstream.respond_with(Reply::echo);
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let api = home.api("tok");
    assert_eq!(ask(&api).await.status, 200);
    assert_eq!(upstream.requests().last().unwrap().model(), "one");

    // Renamed over, as most editors do.
    let neighbour = home.directory.path().join("openclaw.json~");
    fs::write(&neighbour, with_provider(&upstream, "two", "")).unwrap();
    fs::rename(&neighbour, home.file()).unwrap();
    home.hears("reload: agents.defaults.model.primary applied").await;
    assert_eq!(ask(&api).await.status, 200);
    assert_eq!(upstream.requests().last().unwrap().model(), "two");

    // Truncated first and written then, as the others do.
    home.write("");
    home.write(&with_provider(&upstream, "one", "\n  tasks: { maxAttempts: 1 },"));
    home.hears("reload: tasks.maxAttempts applied").await;
    assert_eq!(ask(&api).await.status, 200);
    assert_eq!(upstream.requests().last().unwrap().model(), "one");
    assert_eq!(
        home.reloads(),
        [
            "reload: agents.defaults.model.primary applied",
            "reload: agents.defaults.model.primary applied",
            "reload: tasks.maxAttempts applied",
        ]
    );
}

/// A provider that is taken out of the file is asked no more.
#[tokio::test]
async fn a_provider_that_is_gone_from_the_file_is_asked_no_more() {
    let upstream = Upstream::start().await;
    upstream.respond_with(Reply::echo);
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let api = home.api("tok");
    assert_eq!(ask(&api).await.status, 200);
    home.write("{ gateway: { auth: { token: 'tok' } }, embedded: { enabled: false } }");
    home.signal();
    home.hears("reload: models.providers.mock applied").await;
    assert_eq!(ask(&api).await.status, 404);
    assert_eq!(upstream.requests().len(), 1);
}

/// G11: a broken file changes nothing, and the log says where it is broken and what is allowed.
#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_told_with_its_place() {
    let upstream = Upstream::start().await;
    upstream.respond_with(Reply::echo);
    let good = with_provider(&upstream, "one", "");
    let home = Home::with(&good).await;
    let api = home.api("tok");
    let table = [
        ("{\n  gateway: {\n    port 5\n  }\n}", "openclaw.json:3:10: "),
        (
            "{ gateway: { auth: { token: 'other' } },\n  tasks: { maxAttempts: 'many' } }",
            "openclaw.json:2:25: tasks.maxAttempts: found the string \"many\"; allowed: a whole number from 1 to 100",
        ),
        (
            "{ gateway: { auth: { token: '${NOT_SET_ANYWHERE}' } } }",
            "refers to ${NOT_SET_ANYWHERE}, but the environment variable NOT_SET_ANYWHERE is not set",
        ),
        ("{ models: { providers: { p: { baseUrl: 'http://x', apiKey: 'two\\nlines' } } } }", "models.providers.p: "),
        ("\n", "the file is empty"),
    ];
    for (text, message) in table {
        home.write(text);
        home.hears(message).await;
        assert_eq!(ask(&api).await.status, 200, "{text}");
    }
    fs::remove_file(home.file()).unwrap();
    home.hears("the file is gone").await;
    assert_eq!(ask(&api).await.status, 200);
    assert!(
        home.reloads().iter().all(|line| line.starts_with("reload: nothing has changed: ")),
        "{:?}",
        home.reloads()
    );
    assert_eq!(home.reloads().len(), table.len() + 1, "each is told once: {:#?}", home.reloads());

    home.write(&with_provider(&upstream, "two", ""));
    home.hears("reload: agents.defaults.model.primary applied").await;
}

/// K16, G12: a token that was rotated out opens nothing from then on, sockets that are open included.
#[tokio::test]
async fn a_rotated_token_closes_its_sockets_and_no_log_line_holds_it() {
    let text =
        |token: &str| format!("{{ gateway: {{ auth: {{ token: '{token}' }} }}, embedded: {{ enabled: false }} }}");
    let home = Home::with(&text("oc_gw_first_secret")).await;
    let mut socket = home.admin("oc_gw_first_secret").await;
    home.write(&text("oc_gw_second_secret"));
    home.signal();
    home.hears("reload: gateway.auth.token applied").await;
    let closing = tokio::time::timeout(Duration::from_secs(2), socket.closed()).await;
    assert_eq!(closing.expect("within a second, and some slack").0, 1008);
    assert_eq!(home.api("oc_gw_first_secret").get("/v2/tasks").await.unwrap().status, 401);
    assert_eq!(home.api("oc_gw_second_secret").get("/v2/tasks").await.unwrap().status, 200);
    let log = fs::read_to_string(home.directory.path().join("logs/openclaw.log")).unwrap();
    assert!(!log.contains("first_secret") && !log.contains("second_secret"));
}

/// K16: without its last secret the gateway lets nobody in; it never opens.
#[tokio::test]
async fn a_gateway_that_loses_its_last_secret_stays_shut() {
    let home = Home::with("{ gateway: { auth: { token: 'tok' } }, embedded: { enabled: false } }").await;
    home.write("{ gateway: { auth: { mode: 'none' } }, embedded: { enabled: false } }");
    home.signal();
    home.hears("reload: gateway.auth.mode needs a restart").await;
    for token in ["tok", ""] {
        assert_eq!(home.api(token).get("/v2/tasks").await.unwrap().status, 401, "{token:?}");
    }
    home.write("{ gateway: { auth: { token: 'new' } }, embedded: { enabled: false } }");
    home.signal();
    let again = async { while home.api("new").get("/v2/tasks").await.unwrap().status != 200 {} };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

/// E13: what cannot change in place says that it needs a restart, once, and changes nothing.
#[tokio::test]
async fn a_port_needs_a_restart_and_says_so() {
    let text =
        |more: &str| format!("{{ gateway: {{ auth: {{ token: 'tok' }}{more} }}, embedded: {{ enabled: false }} }}");
    let home = Home::with(&text("")).await;
    home.write(&text(", port: 1, bind: 'lan', allowedHosts: ['box']"));
    home.signal();
    home.hears("reload: gateway.port needs a restart without --port").await;
    assert_eq!(
        home.reloads(),
        [
            "reload: gateway.allowedHosts applied",
            "reload: gateway.bind needs a restart (openclaw gateway restart)",
            "reload: gateway.port needs a restart without --port, which overrides the file",
        ]
    );
    assert_eq!(home.api("tok").get("/v2/tasks").await.unwrap().status, 200);
    home.signal();
    home.hears("reload: nothing differs").await;
}

/// Doors open and shut without a restart.
#[tokio::test]
async fn an_endpoint_is_switched_off_and_on_again() {
    let text = |enabled: bool| {
        format!(
            "{{ gateway: {{ auth: {{ token: 'tok' }}, http: {{ endpoints: {{ chatCompletions: {{ enabled: {enabled} }} }} }} }}, embedded: {{ enabled: false }} }}"
        )
    };
    let home = Home::with(&text(true)).await;
    let api = home.api("tok");
    assert_eq!(api.get("/v1/chat/completions").await.unwrap().status, 405);
    home.write(&text(false));
    home.signal();
    home.hears("reload: gateway.http.endpoints.chatCompletions.enabled applied").await;
    assert_eq!(api.get("/v1/chat/completions").await.unwrap().status, 404);
    assert_eq!(ask(&api).await.status, 404);
}

/// What is set holds for whatever begins after it: the gateway is told, and does not only look now and then.
#[tokio::test]
async fn what_is_set_beside_a_running_gateway_is_taken_up_at_once() {
    let upstream = Upstream::start().await;
    let home = Home::with(&with_provider(&upstream, "one", "\n  logging: { level: 'info' },")).await;
    let (code, said) = home.run(&["config", "set", "tasks.maxAttempts", "2"]).await;
    let told =
        "tasks.maxAttempts is set; the running gateway takes it up now, or says in its log that it needs a restart";
    assert_eq!((code, said.as_str()), (0, told));
    home.hears("reload: tasks.maxAttempts applied").await;
    let (code, said) = home.run(&["config", "unset", "tasks.maxAttempts"]).await;
    let told = "tasks.maxAttempts is no longer set; the running gateway takes it up now, or says in its log that it needs a restart";
    assert_eq!((code, said.as_str()), (0, told));
}

/// The command line tells the running gateway, and refuses what the gateway would.
#[tokio::test]
async fn the_command_line_reloads_the_gateway_and_chooses_a_model() {
    let upstream = Upstream::start().await;
    upstream.respond_with(Reply::echo);
    let quiet = "\n  logging: { level: 'info' },";
    let home =
        Home::with(&with_provider(&upstream, "one", quiet).replace("auth:", "reload: { mode: 'off' }, auth:")).await;
    let (code, said) = home.run(&["models", "set", "mock/two"]).await;
    let told = "agents use mock/two from now on (agents.defaults.model); `openclaw gateway reload` has the running gateway take it up";
    assert_eq!((code, said.as_str()), (0, told));
    assert!(home.text().contains("// Kept by every change."), "{}", home.text());
    assert_eq!(home.run(&["models", "set", "mock/three"]).await.0, 64);
    assert_eq!(home.reloads(), Vec::<String>::new(), "nobody was told yet");

    let (code, said) = home.run(&["gateway", "reload"]).await;
    assert_eq!(code, 0);
    assert!(said.starts_with(&format!("the gateway (pid {}) reads ", home.gateway.pid().unwrap())), "{said}");
    home.hears("reload: agents.defaults.model.primary applied").await;
    assert_eq!(ask(&home.api("tok")).await.status, 200);
    assert_eq!(upstream.requests().last().unwrap().model(), "two");

    home.write("{ gateway: { port 5 } }");
    assert_eq!(home.run(&["gateway", "reload"]).await.0, 1);
}

/// A run keeps the model it began with, whatever the file says meanwhile.
#[tokio::test]
async fn a_run_keeps_the_provider_it_began_with() {
    let upstream = Upstream::start().await;
    let gate = Gate::new();
    upstream.script([Reply::text("late").held(&gate)]);
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let api = home.api("tok");
    let meanwhile = async {
        upstream.requested(1).await;
        home.write("{ gateway: { auth: { token: 'tok' } }, embedded: { enabled: false } }");
        home.signal();
        home.hears("reload: models.providers.mock applied").await;
        gate.open_for_good();
    };
    let (answer, ()) = tokio::join!(ask(&api), meanwhile);
    assert_eq!((answer.status, &answer.body["choices"][0]["message"]["content"]), (200, &json!("late")));
}

/// K19: limits count from the next request on.
#[tokio::test]
async fn a_saved_file_changes_how_much_may_be_generated() {
    let upstream = Upstream::start().await;
    upstream.respond_with(Reply::echo);
    let with = |limits: &str| {
        with_provider(&upstream, "one", "")
            .replace("{ token: 'tok' }", &format!("{{ token: 'tok' }}, limits: {limits}"))
    };
    let home = Home::with(&with("{ requestsPerMinute: 1 }")).await;
    let api = home.api("tok");
    assert_eq!(ask(&api).await.status, 200);
    assert_eq!(ask(&api).await.status, 429);
    home.write(&with("{ requestsPerMinute: 0 }"));
    home.hears("reload: gateway.limits.requestsPerMinute applied").await;
    for _ in 0..5 {
        assert_eq!(ask(&api).await.status, 200);
    }
}
