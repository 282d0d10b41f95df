//! The scripted upstream as a process, for trying things by hand and for benches.
//!
//! `cargo run -p claw-testkit --example upstream -- [port] [mode]`, where mode is one of
//! `echo` (the default), `text:<n>` (n chunks at once), `paced:<n>:<ms>` (n chunks, one every ms),
//! `late:<ms>` (an echo after ms), `status:<code>`, `silence`, `cut:<n>`, `stall:<n>`, `garbage`,
//! `tool:<name>`, `sdk` (what the scripts in scripts/sdk want to see).

use std::time::Duration;

use claw_testkit::upstream::{Reply, Seen, Settings, Upstream};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(0, |text| text.parse().expect("the first argument is a port"));
    let mode = arguments.next().unwrap_or_else(|| "echo".to_owned());
    let settings = Settings { port, requests_kept_max: 0 };
    let upstream = Upstream::start_with(settings).await.expect("the port is free");
    println!("{} answers by {mode}", upstream.base_url());
    upstream.respond_with(move |seen| reply(&mode, seen));
    std::future::pending::<()>().await;
}

fn reply(mode: &str, seen: &Seen) -> Reply {
    let mut words = mode.split(':');
    let name = words.next().unwrap_or_default();
    let argument = words.next().unwrap_or_default();
    let number = argument.parse().unwrap_or(1);
    let millis = |text: &str| Duration::from_millis(text.parse().unwrap_or(10));
    let counted = |count: usize| Reply::chunks((0..count).map(|chunk| format!("word{chunk} ")));
    match name {
        "text" => counted(number),
        "paced" => counted(number).paced(millis(words.next().unwrap_or_default())),
        "late" => Reply::echo(seen).late(millis(argument)),
        "status" => Reply::status(argument.parse().unwrap_or(500), "as the script says").retry_after("1"),
        "silence" => Reply::silence(),
        "cut" => counted(number + 1).cut_after(number),
        "stall" => counted(number + 1).stall_after(number),
        "garbage" => Reply::garbage(),
        "sdk" => for_sdk(seen),
        "tool" if seen.last_role() != "tool" => Reply::tool_call(argument, "{}"),
        _ => Reply::echo(seen),
    }
}

/// Calls the function that is offered, answers in the format that is asked for, and is busy, slow or broken
/// under those names.
fn for_sdk(seen: &Seen) -> Reply {
    let offered = |tool: &serde_json::Value| tool.pointer("/function/name").is_some_and(|name| name == "get_weather");
    let has_function =
        seen.body.get("tools").and_then(|tools| tools.as_array()).is_some_and(|all| all.iter().any(offered));
    if let Some(texts) = seen.body.get("input").and_then(|input| input.as_array()) {
        return vectors(texts.len());
    }
    match seen.model() {
        "denied" => Reply::status(401, "the key is not valid"),
        "busy" => Reply::status(429, "too many at once").retry_after("7"),
        "broken" => Reply::chunks(["one ", "two"]).cut_after(1),
        "unwilling" => Reply::refusal(["I will ", "not."]),
        "thoughtful" if has_function && seen.last_role() != "tool" => {
            Reply::tool_call("get_weather", r#"{"city":"Paris"}"#).thinking("Where?")
        }
        "thoughtful" => Reply::echo(seen).thinking("Let me think."),
        "slow" => Reply::echo(seen).late(Duration::from_secs(10)),
        _ if has_function && seen.last_role() != "tool" => Reply::tool_call("get_weather", r#"{"city":"Paris"}"#),
        _ if seen.body.get("response_format").is_some() => Reply::text(r#"{"city":"Paris","celsius":21}"#),
        _ => Reply::echo(seen),
    }
}

/// As many embeddings.
fn vectors(count: usize) -> Reply {
    let one = |index| serde_json::json!({"object": "embedding", "index": index, "embedding": [1.0, -0.5]});
    let data: Vec<_> = (0..count).map(one).collect();
    let usage = serde_json::json!({"prompt_tokens": count, "total_tokens": count});
    let list = serde_json::json!({"object": "list", "data": data, "model": "quick", "usage": usage});
    Reply::verbatim("application/json", list.to_string())
}
