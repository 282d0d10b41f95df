//! Items of responses that are named instead of sent, and which responses can be cancelled.

use claw_core::Scope;
use claw_testkit::{Gate, Reply as Scripted};
use serde_json::{Value, json};

use crate::house::House;
use crate::responses::{PATH, ask};

/// Only what was made in the background is cancelled by its id.
#[tokio::test]
async fn a_response_that_was_waited_for_cannot_be_cancelled() {
    let house = House::open().await;
    let done = ask(&house.http(), &json!({"input": "x"})).await;
    let cancelled = house.http().send("POST", &format!("{PATH}/{}/cancel", done["id"].as_str().unwrap()), None).await;
    assert_eq!((cancelled.status, cancelled.code().as_str()), (400, "invalid_request"), "{}", cancelled.text);
    house.stop().await;
}

/// A screenshot, say. Not every protocol has a place for it in a tool's answer, so it follows the last of them.
#[tokio::test]
async fn pictures_and_files_of_outputs_follow_the_last_of_them() {
    let house = House::open().await;
    let http = house.http();
    let call = |id: &str| json!({"type": "function_call", "call_id": id, "name": "look", "arguments": "{}"});
    let output = |id: &str, parts: Value| json!({"type": "function_call_output", "call_id": id, "output": parts});
    let text = json!({"type": "input_text", "text": "a screen"});
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"});
    let pdf = "data:application/pdf;base64,JVBERg==";
    let file = json!({"type": "input_file", "filename": "a.pdf", "file_data": pdf});
    let notes = json!({"type": "input_file", "filename": "b.txt", "file_data": "data:text/plain;base64,aGk="});
    let input = json!([
        {"role": "user", "content": "look"}, call("c1"), call("c2"),
        output("c1", json!([text, image, notes])), output("c2", json!([file])), {"role": "user", "content": "and?"},
    ]);
    let response = ask(&http, &json!({"input": input})).await;
    let seen = house.upstream.requests().pop().unwrap().body["messages"].clone();
    let from = |id: &str| json!({"type": "text", "text": format!("[from the output of the call {id}]")});
    let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}});
    let paper = json!({"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}});
    assert_eq!(seen[2], json!({"role": "tool", "tool_call_id": "c1", "content": "a screen\nb.txt:\nhi"}), "{seen}");
    assert_eq!(seen[3], json!({"role": "tool", "tool_call_id": "c2", "content": "[a picture or file, which follows]"}));
    assert_eq!(seen[4], json!({"role": "user", "content": [from("c1"), picture, from("c2"), paper]}));
    assert_eq!((&seen[5]["content"], seen.as_array().unwrap().len()), (&json!("and?"), 6));
    let last = json!({"previous_response_id": response["id"], "input": [call("c3"), output("c3", json!([image]))]});
    ask(&http, &last).await;
    let seen = house.upstream.requests().pop().unwrap().body["messages"].clone();
    assert_eq!(seen.as_array().unwrap().last().unwrap()["content"], json!([from("c3"), picture]));
    let inside =
        json!([call("c4"), output("c4", json!([{"type": "input_image", "image_url": "http://127.0.0.1/a.png"}]))]);
    let refused = http.post(PATH, &json!({"input": inside})).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("image_url")), "{}", refused.text);
    house.stop().await;
}

#[tokio::test]
async fn a_cancelled_response_keeps_what_it_had_said() {
    let house = House::open().await;
    let http = house.http();
    let gate = Gate::new();
    let status = || Scripted::chunks(["Let me see."]).and_tool_call("session_status", "{}");
    house.upstream.script([status(), Scripted::chunks(["one ", "two"]).gated(&gate)]);
    gate.open(1);
    let queued = ask(&http, &json!({"input": "x", "background": true})).await;
    let path = format!("{PATH}/{}", queued["id"].as_str().unwrap());
    let mut watching = http.watch(&format!("{path}?stream=true")).await;
    watching.until("\"one \"").await;
    let cancelled = http.send("POST", &format!("{path}/cancel"), None).await.json();
    let said = |item: &Value| (item["status"].clone(), item["content"][0]["text"].clone());
    let output: Vec<_> = cancelled["output"].as_array().unwrap().iter().map(said).collect();
    let expected = [("completed", "Let me see."), ("incomplete", "one ")];
    assert_eq!(output, expected.map(|(status, text)| (json!(status), json!(text))), "{cancelled}");
    assert_eq!(cancelled["status"], json!("cancelled"));
    assert_eq!(http.get(&path).await.json(), cancelled);
    house.stop().await;
}

/// G13.
#[tokio::test]
async fn an_item_that_is_stored_is_named_instead_of_sent() {
    let house = House::open().await;
    let http = house.http();
    house.upstream.script([Scripted::tool_call("lights", "{\"on\":true}"), Scripted::text("second")]);
    let tools = json!([{"type": "function", "name": "lights", "parameters": {"type": "object"}}]);
    let asked = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "lights!"}]);
    let first = ask(&http, &json!({"input": asked, "tools": tools})).await;
    let path = format!("{PATH}/{}/input_items?order=asc", first["id"].as_str().unwrap());
    let items = http.get(&path).await.json();
    let (user, call) = (&items["data"][1]["id"], &first["output"][0]);
    let name = |id: &Value| json!({"type": "item_reference", "id": id});
    let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "on"});
    let second = ask(&http, &json!({"input": [name(user), name(&call["id"]), output], "tools": tools})).await;
    let sent = |place: usize| house.upstream.requests()[place].body["messages"].clone();
    assert_eq!(sent(1)[0], sent(0)[1], "{}", sent(1));
    assert_eq!(sent(1)[1]["tool_calls"][0]["function"]["name"], json!("lights"));
    assert_eq!(sent(1)[2]["content"], json!("on"));
    let bare = json!({"id": second["output"][0]["id"]});
    let third = ask(&http, &json!({"input": [bare, {"role": "user", "content": "go on"}]})).await;
    assert_eq!(sent(2)[0], json!({"role": "assistant", "content": "second"}), "{third}");

    let unstored = ask(&http, &json!({"input": "x", "store": false})).await;
    let (_, key) = house.key(&[Scope::Write]).await;
    let other = house.stranger().with("x-api-key", &key);
    let nobodys = json!("msg_00000000000000000000000000000007");
    for (http, id) in [(&http, &unstored["output"][0]["id"]), (&other, user), (&http, &nobodys), (&http, &json!("x"))] {
        let body = json!({"input": [{"role": "user", "content": "x"}, name(id)]});
        let absent = http.post(PATH, &body).await;
        let found = (absent.status, absent.code(), absent.json()["error"]["param"].clone());
        assert_eq!(found, (404, "not_found".to_owned(), json!("input[1].id")), "{id}: {}", absent.text);
    }
    // G13: the operator sees a key's responses, and goes on from none: their words are nobody's orders to its own runs.
    let theirs = ask(&other, &json!({"input": "x"})).await;
    assert_eq!(http.get(&format!("{PATH}/{}", theirs["id"].as_str().unwrap())).await.status, 200);
    let body = json!({"input": [name(&theirs["output"][0]["id"])]});
    assert_eq!(http.post(PATH, &body).await.status, 404);
    let follow = http.post(PATH, &json!({"input": "x", "previous_response_id": theirs["id"]})).await;
    assert_eq!((follow.status, follow.code().as_str()), (400, "previous_response_not_found"));
    let many = vec![name(user); 65];
    assert_eq!(http.post(PATH, &json!({"input": many})).await.status, 400);
    house.stop().await;
}
