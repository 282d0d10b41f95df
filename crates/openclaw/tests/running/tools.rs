//! Tools in a whole gateway: what its file permits, a model may do, from the next run on (E13).

use claw_testkit::{Reply, Upstream};
use serde_json::json;

use crate::house::{Home, with_provider};

/// What the model was told by the tool it called.
async fn told(home: &Home, upstream: &Upstream, command: &str) -> String {
    upstream.script([Reply::tool_call("exec", json!({ "command": command }).to_string()), Reply::text("done")]);
    let question = json!({"model": "openclaw", "messages": [{"role": "user", "content": "go"}]});
    assert_eq!(home.api("tok").post("/v1/chat/completions", &question).await.unwrap().status, 200);
    let requests = upstream.requests();
    requests.last().unwrap().messages().last().unwrap()["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_command_runs_in_the_box_from_the_moment_the_file_permits_it() {
    let upstream = Upstream::start().await;
    let home = Home::with(&with_provider(&upstream, "one", "")).await;
    let denied = told(&home, &upstream, "echo ran > made").await;
    assert!(denied.starts_with("commands are not permitted: "), "{denied}");
    assert!(!home.directory.path().join("workspace/made").exists());

    home.write(&with_provider(&upstream, "one", " tools: { exec: { security: 'full' } }"));
    home.hears("reload: tools.exec.security applied").await;
    let secret = home.file().display().to_string();
    let ran =
        told(&home, &upstream, &format!("echo ran > made; cat made; cat {secret} 2>&1 | grep -c Permission")).await;
    assert_eq!(ran, "ran\n1\n");
    assert_eq!(std::fs::read_to_string(home.directory.path().join("workspace/made")).unwrap(), "ran\n");

    home.write(&with_provider(&upstream, "one", " tools: { exec: { security: 'full' }, deny: ['group:runtime'] }"));
    home.hears("reload: tools.deny applied").await;
    assert_eq!(told(&home, &upstream, "echo no").await, "there is no tool \"exec\"");
}
