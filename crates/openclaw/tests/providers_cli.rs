//! `openclaw providers` and what `models list` knows, against scripted model servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use claw_testkit::{Reply, Upstream};
use serde_json::{Value, json};

async fn openclaw(home: &Path, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_openclaw"));
    command.args(arguments).env_clear().env("HOME", home).env("OPENCLAW_STATE_DIR", home).output().await.unwrap()
}

fn write(home: &Path, config: &Value) {
    let file = home.join("openclaw.json");
    std::fs::write(&file, config.to_string()).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn read(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test]
async fn every_key_of_every_provider_is_tried_and_each_failure_says_how_to_mend_it() {
    let (home, upstream, gone) = (tempfile::tempdir().unwrap(), Upstream::start().await, Upstream::start().await);
    let nowhere = gone.base_url();
    gone.stop().await;
    upstream.respond_with(|seen| match seen.headers["authorization"].to_str().unwrap() {
        "Bearer bad-key" => Reply::status(401, "who is bad-key?"),
        _ => Reply::text("ok"),
    });
    write(
        home.path(),
        &json!({
            "models": {"providers": {
                "dead": {"baseUrl": nowhere, "models": [{"id": "m"}]},
                "live": {"baseUrl": upstream.base_url(), "apiKey": "good-key", "apiKeys": ["bad-key", "good-key"]},
                "vague": {"baseUrl": upstream.base_url()},
            }},
            "agents": {"defaults": {"model": "live/small"}},
        }),
    );
    let tried = openclaw(home.path(), &["providers", "test", "--json"]).await;
    assert_eq!(tried.status.code(), Some(70));
    let mut tried = read(&tried);
    for one in tried.as_array_mut().unwrap() {
        let latency = one.as_object_mut().unwrap().remove("latencyMs").unwrap();
        assert_eq!(latency.is_u64(), one["ok"] == json!(true), "{one}");
    }
    let error = tried[0]["error"].take();
    assert!(error.as_str().unwrap().starts_with("dead cannot be reached: "), "{error}");
    assert_eq!(
        tried,
        json!([
            {"provider": "dead", "key": 1, "model": "m", "ok": false, "error": null,
             "fix": "see that it runs, and that models.providers.dead.baseUrl is right"},
            {"provider": "live", "key": 1, "model": "small", "ok": true, "error": null, "fix": null},
            {"provider": "live", "key": 2, "model": "small", "ok": false,
             "error": "live answered HTTP 401: who is ***?",
             "fix": "put a key that is valid into models.providers.live.apiKey"},
            {"provider": "vague", "key": 1, "model": null, "ok": false, "error": "no model of it is known",
             "fix": "list one under models.providers.vague.models"},
        ])
    );
    let one = openclaw(home.path(), &["providers", "test", "nobody"]).await;
    assert_eq!(one.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&one.stderr).contains("there is no provider \"nobody\""), "{one:?}");
    let listed = read(&openclaw(home.path(), &["providers", "list", "--json"]).await);
    let keys: Vec<(&str, u64)> =
        listed.as_array().unwrap().iter().map(|p| (p["id"].as_str().unwrap(), p["keys"].as_u64().unwrap())).collect();
    assert_eq!(keys, [("dead", 0), ("live", 3), ("vague", 0)]);
    assert!(!listed.to_string().contains("good-key"));
}

#[tokio::test]
async fn models_are_listed_with_their_context_and_price() {
    let home = tempfile::tempdir().unwrap();
    let model = json!({"id": "m", "contextWindow": 128_000, "cost": {"input": 2.5, "output": 10}});
    write(home.path(), &json!({"models": {"providers": {"p": {"baseUrl": "http://x", "models": [model]}}}}));
    let listed = read(&openclaw(home.path(), &["models", "list", "--json"]).await);
    let known = listed["models"].as_array().unwrap().iter().find(|model| model["id"] == "p/m").unwrap();
    assert_eq!(known["contextTokens"], json!(128_000));
    assert_eq!(known["cost"], json!({"input": 2.5, "output": 10.0, "cacheRead": 0.0, "cacheWrite": 0.0}));
    let table = openclaw(home.path(), &["models", "list"]).await;
    assert!(String::from_utf8_lossy(&table.stdout).contains("$2.5 / $10"), "{table:?}");
}

#[tokio::test]
async fn a_model_is_tested_with_one_question_and_its_speed_is_told() {
    let (home, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    upstream.respond_with(|seen| match seen.model() {
        "bad" => Reply::status(400, "no such model"),
        _ => Reply::chunks(["one ", "two ", "three"]).paced(std::time::Duration::from_millis(5)),
    });
    let models = json!([{"id": "good"}, {"id": "bad"}]);
    write(
        home.path(),
        &json!({
            "models": {"providers": {"p": {"baseUrl": upstream.base_url(), "models": models}}},
            "agents": {"defaults": {"model": "p/good", "models": {"p/bad": {"alias": "worse"}}}},
        }),
    );
    let tested = openclaw(home.path(), &["models", "test", "--json"]).await;
    assert_eq!(tested.status.code(), Some(0), "{tested:?}");
    let tested = read(&tested);
    assert_eq!((&tested["model"], &tested["ok"], &tested["outputTokens"]), (&json!("p/good"), &json!(true), &json!(3)));
    assert!(tested["firstTokenMs"].is_u64() && tested["tokensPerSecond"].is_f64(), "{tested}");
    assert_eq!(tested["text"], json!("one two three"));
    let shown = openclaw(home.path(), &["models", "test", "good"]).await;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("tokens/s"), "{shown:?}");
    let bad = openclaw(home.path(), &["models", "test", "worse", "--json"]).await;
    assert_eq!(
        (bad.status.code(), read(&bad)["error"].clone()),
        (Some(70), json!("p answered HTTP 400: no such model"))
    );
    let unknown = openclaw(home.path(), &["models", "test", "p/none"]).await;
    assert_eq!(unknown.status.code(), Some(64), "{unknown:?}");
}
