//! The configuration through the gateway: read without its secrets, changed by whoever has read it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use claw_testkit::{Reply, Upstream, WsClient};
use serde_json::{Value, json};

use crate::house::{Home, with_provider};

const PLACEHOLDER: &str = "__OPENCLAW_REDACTED__";

async fn home(upstream: &Upstream) -> Home {
    upstream.respond_with(Reply::echo);
    Home::with(&with_provider(
        upstream,
        "one",
        "\n  // apiKey: 'sk-old', kept for later\n  webhooks: { secret: 'hook-secret' },",
    ))
    .await
}

async fn hash(client: &mut WsClient) -> Value {
    client.payload("config.get", &json!({})).await["hash"].take()
}

/// The code, the code of the details, and the message.
fn refusal(answer: &Value) -> (&str, &str, &str) {
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    (text("/error/code"), text("/error/details/code"), text("/error/message"))
}

/// K15: what is read holds the comments and a placeholder for each secret, wherever it stands.
#[tokio::test]
async fn what_is_read_holds_comments_and_no_secret() {
    let upstream = Upstream::start().await;
    let home = home(&upstream).await;
    let mut client = home.admin("tok").await;
    let got = client.payload("config.get", &json!({})).await;
    let whole = got.to_string();
    for secret in ["'tok'", "\"tok\"", "sk-one", "sk-old", "hook-secret"] {
        assert!(!whole.contains(secret), "{secret}: {whole}");
    }
    assert_eq!(got["path"], home.file().to_str().unwrap());
    assert_eq!((&got["exists"], &got["valid"], &got["issues"]), (&json!(true), &json!(true), &json!([])));
    assert_eq!(got["parsed"]["gateway"]["auth"]["token"], PLACEHOLDER);
    assert_eq!(got["config"]["models"]["providers"]["mock"]["apiKey"], PLACEHOLDER);
    assert_eq!(got["config"]["agents"]["defaults"]["model"], "mock/one");
    let expected = home
        .text()
        .replace("'tok'", &format!("\"{PLACEHOLDER}\""))
        .replace("'sk-one'", &format!("\"{PLACEHOLDER}\""))
        .replace("'hook-secret'", &format!("\"{PLACEHOLDER}\""))
        .replace("'sk-old'", PLACEHOLDER);
    assert_eq!(got["raw"], expected.as_str());
    assert_eq!(got["hash"].as_str().unwrap().len(), 64);
}

/// A patch changes what it names; comments, references and everything else stay.
#[tokio::test]
async fn a_patch_keeps_comments_and_counts_at_once() {
    let upstream = Upstream::start().await;
    let home = home(&upstream).await;
    fs::set_permissions(home.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let before = home.text();
    let mut client = home.admin("tok").await;
    let patch = json!({
        "baseHash": hash(&mut client).await,
        "raw": "{ agents: { defaults: { model: 'mock/two' } }, gateway: { auth: { token: '__OPENCLAW_REDACTED__' }, port: 1 } }",
    });
    let answer = client.payload("config.patch", &patch).await;
    assert_eq!(answer["applied"], json!(["agents.defaults.model.primary"]));
    assert_eq!(answer["needsRestart"], json!([]), "--port counts, whatever the file says");
    assert_eq!(answer["config"]["gateway"], json!({"auth": {"token": PLACEHOLDER}, "port": 1}));
    let overridden = json!([{"path": "gateway.port", "message": "--port overrides what the file says"}]);
    assert_eq!(answer["warnings"], overridden);
    let gateway = "{\n    auth: { token: 'tok' },\n    \"port\": 1\n  }";
    let expected = before.replace("'mock/one'", "\"mock/two\"").replace("{ auth: { token: 'tok' } }", gateway);
    assert_eq!(home.text(), expected);
    assert_eq!(fs::metadata(home.file()).unwrap().mode() & 0o777, 0o600);
    let ask = json!({"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(home.api("tok").post("/v1/chat/completions", &ask).await.unwrap().status, 200);
    assert_eq!(upstream.requests().last().unwrap().model(), "two");

    let patch = json!({"baseHash": answer["hash"], "patch": {"webhooks": null, "workers": {"maxConcurrent": 7}}});
    let answer = client.payload("config.patch", &patch).await;
    assert_eq!(answer["applied"], json!(["workers.maxConcurrent", "webhooks.secret"]));
    assert!(!home.text().contains("hook-secret"));
    home.hears("the configuration was changed by operator").await;
}

/// Of two changes that were made from one state, one is refused and told the new hash.
#[tokio::test]
async fn of_two_patches_from_one_state_one_wins() {
    let upstream = Upstream::start().await;
    let home = home(&upstream).await;
    let (mut one, mut other) = (home.admin("tok").await, home.admin("tok").await);
    let base = hash(&mut one).await;
    let patch = |attempts: u32| json!({"baseHash": base, "patch": {"tasks": {"maxAttempts": attempts}}});
    let (first, second) = (patch(4), patch(5));
    let (first, second) = tokio::join!(one.call("config.patch", &first), other.call("config.patch", &second));
    let (won, lost) = if first["ok"] == json!(true) { (first, second) } else { (second, first) };
    assert_eq!(won["ok"], json!(true), "{won}");
    assert_eq!((refusal(&lost).0, refusal(&lost).1), ("INVALID_REQUEST", "CONFIG_CHANGED"), "{lost}");
    assert_eq!(lost["error"]["details"]["hash"], won["payload"]["hash"]);
    assert_eq!(won["payload"]["hash"], hash(&mut one).await);

    let blind = one.call("config.patch", &json!({"patch": {"tasks": {"maxAttempts": 9}}})).await;
    assert_eq!(refusal(&blind).0, "INVALID_REQUEST");
    assert!(refusal(&blind).2.contains("baseHash"), "{blind}");
}

/// A change that would not do is refused with what was found and what is allowed; nothing is written.
#[tokio::test]
async fn a_change_that_would_not_do_writes_nothing() {
    let upstream = Upstream::start().await;
    let home = home(&upstream).await;
    let mut client = home.admin("tok").await;
    let before = home.text();
    let base = hash(&mut client).await;
    let table = [
        (json!({"tasks": {"maxAttempts": "many"}}), "found the string \"many\"; allowed: a whole number from 1 to 100"),
        (json!({"gateway": {"auth": {"mode": "password"}}}), "there is no gateway.auth.password"),
        (
            json!({"models": {"providers": {"p": {"baseUrl": "http://x", "apiKey": "two\nlines"}}}}),
            "models.providers.p",
        ),
        // Nothing but the file itself can be written to, and no secret read back.
        (json!({"logging": {"file": "/tmp/elsewhere"}}), "names a file"),
        (json!({"store": {"path": "/tmp/elsewhere"}}), "names a file"),
        (json!({"agents": {"defaults": {"workspace": "/"}}}), "names a file"),
        (json!({"agents": {"list": [{"id": "main", "workspace": "/"}]}}), "names a directory"),
        (json!({"agents": {"defaults": {"systemPrompt": PLACEHOLDER}}}), "there is none"),
        (json!({"models": {"providers": {"evil": {"baseUrl": "http://x", "apiKey": PLACEHOLDER}}}}), "there is none"),
        (json!({"agents": {"defaults": {"systemPrompt": format!("say {PLACEHOLDER}")}}}), "there is none"),
        (json!({"agents": {"defaults": {"systemPrompt": "${HOME}"}}}), "only where a secret stands"),
        (json!([1]), "a patch is an object"),
    ];
    for (patch, message) in table {
        let answer = client.call("config.patch", &json!({"baseHash": base, "patch": patch})).await;
        assert_eq!((refusal(&answer).0, refusal(&answer).1), ("INVALID_REQUEST", "CONFIG_INVALID"), "{answer}");
        assert!(refusal(&answer).2.contains(message), "{patch}: {answer}");
        assert_eq!(home.text(), before);
    }
    let broken = client.call("config.apply", &json!({"baseHash": base, "raw": "{ gateway: { port 5 } }"})).await;
    assert_eq!(refusal(&broken).1, "CONFIG_INVALID", "{broken}");
    assert_eq!(home.text(), before);
    assert_eq!(home.reloads(), Vec::<String>::new());
}

/// The text that was read can be sent back changed: comments stay, and secrets stay secrets.
#[tokio::test]
async fn a_whole_text_comes_back_with_its_secrets() {
    let upstream = Upstream::start().await;
    let home = home(&upstream).await;
    let mut client = home.admin("tok").await;
    let got = client.payload("config.get", &json!({})).await;
    let raw = got["raw"].as_str().unwrap().replace("'mock/one'", "'mock/two'");
    let answer = client.payload("config.apply", &json!({"baseHash": got["hash"], "raw": raw})).await;
    assert_eq!(answer["applied"], json!(["agents.defaults.model.primary"]));
    let text = home.text();
    assert!(!text.contains(PLACEHOLDER), "{text}");
    for kept in
        ["// Kept by every change.", "// apiKey: 'sk-old', kept for later", "\"tok\"", "\"sk-one\"", "\"hook-secret\""]
    {
        assert!(text.contains(kept), "{kept}: {text}");
    }
}

/// B18, B19: models are listed, and one of them is chosen, for all agents or for one.
#[tokio::test]
async fn a_model_is_chosen_through_the_gateway() {
    let upstream = Upstream::start().await;
    let home = home(&upstream).await;
    let mut client = home.admin("tok").await;
    let list = client.payload("models.list", &json!({})).await;
    assert_eq!(
        list,
        json!({"models": [
            {"id": "one", "name": "one", "provider": "mock", "tags": ["default"], "available": true},
            {"id": "two", "name": "two", "provider": "mock", "tags": [], "available": true},
        ]})
    );
    let set = client.payload("models.set", &json!({"model": "two"})).await;
    assert_eq!(set, json!({"ok": true, "model": "mock/two", "applied": ["agents.defaults.model.primary"]}));
    assert!(home.text().contains("model: \"mock/two\""), "{}", home.text());
    let unknown = client.call("models.set", &json!({"model": "mock/three"})).await;
    assert!(refusal(&unknown).2.contains("known: mock/one, mock/two"), "{unknown}");
    let nobody = client.call("models.set", &json!({"model": "one", "agentId": "nobody"})).await;
    assert_eq!(refusal(&nobody).0, "NOT_FOUND", "{nobody}");
    let main = client.payload("models.set", &json!({"model": "mock/one", "agentId": "main"})).await;
    assert_eq!(main["model"], "mock/one");
    let set = client.payload("config.set", &json!({"path": "agents.list", "value": [{"id": "ops"}]})).await;
    assert_eq!(set["applied"], json!(["agents.list"]));
    let ops = client.payload("models.set", &json!({"model": "two", "agentId": "ops"})).await;
    assert_eq!(
        ops,
        json!({"ok": true, "model": "mock/two", "agentId": "ops", "applied": ["agents.list.0.model.primary"]})
    );
}

/// Whoever may only read sees no secret and changes nothing.
#[tokio::test]
async fn a_reader_sees_the_configuration_and_changes_nothing() {
    let upstream = Upstream::start().await;
    let home = home(&upstream).await;
    let mut client = WsClient::connect(home.gateway.address(), "tok").await;
    assert_eq!(client.payload("config.get", &json!({})).await["parsed"]["gateway"]["auth"]["token"], PLACEHOLDER);
    for method in ["config.set", "config.patch", "config.apply", "config.schema", "models.set"] {
        let answer = client.call(method, &json!({})).await;
        assert_eq!(refusal(&answer).1, "MISSING_SCOPE", "{method}: {answer}");
    }
    let mut admin = home.admin("tok").await;
    let schema = admin.payload("config.schema", &json!({})).await;
    assert_eq!(schema["schema"]["properties"]["gateway"]["description"], "The one port and what it lets in.");
}
