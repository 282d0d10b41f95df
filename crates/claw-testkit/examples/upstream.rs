//! The scripted upstream as a process, for trying things by hand and for benches.
//!
//! `cargo run -p claw-testkit --example upstream -- [port] [mode]`, where mode is one of
//! `echo` (the default), `text:<n>` (n chunks at once), `paced:<n>:<ms>` (n chunks, one every ms),
//! `late:<ms>` (an echo after ms), `status:<code>`, `silence`, `cut:<n>`, `stall:<n>`, `garbage`,
//! `tool:<name>`.

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
        "tool" if seen.last_role() != "tool" => Reply::tool_call(argument, "{}"),
        _ => Reply::echo(seen),
    }
}
