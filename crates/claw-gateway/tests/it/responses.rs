//! `/v1/responses`, as OpenAI's clients see it.

use std::sync::Arc;

use claw_core::Scope;
use claw_gateway::settings::Surface;
use claw_testkit::{Gate, Reply as Scripted};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::house::{House, Plan};
use crate::http::{Http, events};

pub(crate) const PATH: &str = "/v1/responses";

/// Every field a response object has, whatever its state.
pub(crate) const FIELDS: [&str; 33] = [
    "background",
    "completed_at",
    "conversation",
    "created_at",
    "error",
    "frequency_penalty",
    "id",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "object",
    "output",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "status",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "usage",
    "user",
];

pub(crate) fn fields(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

pub(crate) async fn ask(http: &Http, body: &Value) -> Value {
    let reply = http.post(PATH, body).await;
    assert_eq!(reply.status, 200, "{body}: {}", reply.text);
    reply.json()
}

pub(crate) fn text_of(response: &Value) -> &str {
    response["output"][0]["content"][0]["text"].as_str().unwrap()
}

/// The events as (name, data), and whether `[DONE]` came last.
pub(crate) fn told(text: &str) -> (Vec<(String, Value)>, bool) {
    let mut all = events(text);
    let is_done = all.last().is_some_and(|(_, data)| data == "[DONE]");
    all.retain(|(_, data)| data != "[DONE]");
    (all.into_iter().map(|(name, data)| (name, serde_json::from_str(&data).unwrap())).collect(), is_done)
}

pub(crate) fn names(events: &[(String, Value)]) -> Vec<&str> {
    let mut names: Vec<&str> = events.iter().map(|(name, _)| name.strip_prefix("response.").unwrap_or(name)).collect();
    names.dedup();
    names
}

async fn until(http: &Http, id: &str, status: &str) -> Value {
    for _ in 0..400 {
        let response = http.get(&format!("{PATH}/{id}")).await.json();
        if response["status"] == json!(status) {
            return response;
        }
        tokio::task::yield_now().await;
    }
    panic!("{id} did not become {status}");
}

#[tokio::test]
async fn a_whole_response_has_every_field_and_is_found_again() {
    let house = House::open().await;
    let body = json!({"model": "openclaw", "input": "one two three", "instructions": "Be brief.", "temperature": 0.5,
                      "metadata": {"a": "b"}, "reasoning": {"effort": "low"}, "max_output_tokens": 50,
                      "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}});
    let reply = house.http().post(PATH, &body).await;
    let response = reply.json();
    assert_eq!(reply.status, 200, "{response}");
    let task = reply.header("x-openclaw-task-id").unwrap();
    assert_eq!(fields(&response), FIELDS);
    assert_eq!(response["id"], json!(task.replace("task_", "resp_")));
    assert_eq!((&response["object"], &response["status"]), (&json!("response"), &json!("completed")));
    assert_eq!((text_of(&response), &response["output"][0]["role"]), ("one two three", &json!("assistant")));
    assert_eq!(response["output"][0]["content"][0]["annotations"], json!([]));
    assert_eq!((&response["temperature"], &response["top_p"]), (&json!(0.5), &json!(1.0)));
    assert_eq!((&response["metadata"], &response["instructions"]), (&json!({"a": "b"}), &json!("Be brief.")));
    assert_eq!(response["reasoning"], json!({"effort": "low", "summary": null}));
    assert_eq!(response["text"]["format"]["name"], json!("n"));
    let usage = &response["usage"];
    let sum = usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], json!(sum));
    assert!(usage["input_tokens_details"]["cached_tokens"].is_u64());
    let seen = house.upstream.requests().pop().unwrap().body;
    assert_eq!(seen["messages"][0], json!({"role": "system", "content": "Be brief."}));
    assert_eq!(seen["response_format"]["json_schema"]["name"], json!("n"));
    assert_eq!((&seen["reasoning_effort"], &seen["temperature"]), (&json!("low"), &json!(0.5)));
    let again = house.http().get(&format!("{PATH}/{}", response["id"].as_str().unwrap())).await.json();
    assert_eq!(again, response);
    house.stop().await;
}

/// The order of the contract, and numbers without a gap.
#[tokio::test]
async fn a_stream_tells_its_events_in_order_and_ends_with_done() {
    let house = House::open().await;
    let body = json!({"model": "openclaw", "input": [{"role": "user", "content": "one two"}], "stream": true});
    let reply = house.http().stream(PATH, &body).await.reply().await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let (all, is_done) = told(&reply.text);
    assert!(is_done, "{}", reply.text);
    let order = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names(&all), order);
    for (number, (name, data)) in all.iter().enumerate() {
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(name), &json!(number)));
    }
    let said: String = all.iter().filter_map(|(_, data)| data["delta"].as_str()).collect();
    assert_eq!(said, "one two");
    assert_eq!(fields(&all[0].1["response"]), FIELDS);
    let last = &all.last().unwrap().1["response"];
    assert_eq!((fields(last), text_of(last)), (FIELDS.to_vec(), "one two"));
    let path = format!("{PATH}/{}?stream=true", last["id"].as_str().unwrap());
    let again = house.http().get(&path).await;
    assert_eq!(told(&again.text), (all.clone(), true));
    let rest = house.http().get(&format!("{path}&starting_after=4")).await;
    assert_eq!(told(&rest.text), (all[5..].to_vec(), true));
    house.stop().await;
}

/// G8.
#[tokio::test]
async fn a_response_that_breaks_is_failed_and_never_done() {
    let house = House::open().await;
    let body = json!({"model": "openclaw", "input": "x", "stream": true});
    house.upstream.script([Scripted::chunks(["one ", "two"]).cut_after(1)]);
    let reply = house.http().stream(PATH, &body).await.reply().await;
    let (all, is_done) = told(&reply.text);
    let (name, data) = all.last().unwrap();
    assert_eq!((name.as_str(), is_done), ("response.failed", false), "{}", reply.text);
    assert_eq!(
        (&data["response"]["status"], &data["response"]["error"]["code"]),
        (&json!("failed"), &json!("server_error"))
    );
    let order = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "failed",
    ];
    assert_eq!(names(&all), order, "what was announced ends");
    let item = &data["response"]["output"][0];
    assert_eq!((&item["status"], &item["content"][0]["text"]), (&json!("incomplete"), &json!("one ")));
    assert_eq!((&all[7].1["item"], &data["response"]["output"]), (item, &json!([item])));
    let id = data["response"]["id"].as_str().unwrap();
    let stored = house.http().get(&format!("{PATH}/{id}")).await.json();
    assert_eq!((&stored["status"], &stored["error"]), (&json!("failed"), &data["response"]["error"]));
    assert_eq!(stored["output"], data["response"]["output"]);
    house.upstream.respond_with(|_| Scripted::status(429, "slow down"));
    for body in [body, json!({"input": "x"})] {
        let reply = house.http().post(PATH, &body).await;
        let error = reply.json();
        assert_eq!((reply.status, &error["error"]["type"]), (429, &json!("rate_limit_error")), "{error}");
        // G9: also where the upstream has not said when.
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    house.stop().await;
}

#[tokio::test]
async fn a_clients_function_is_called_answered_and_remembered() {
    let house = House::open().await;
    let http = house.http();
    house
        .upstream
        .script([Scripted::tool_call("look_up", "{\"key\":1}"), Scripted::tool_call("look_up", "{\"key\":1}")]);
    let parameters = json!({"type": "object"});
    let flat = json!({"type": "function", "name": "look_up", "parameters": parameters, "strict": true});
    let nested = json!({"type": "function", "function": {"name": "look_up", "parameters": parameters}});
    let mut body = json!({"model": "openclaw", "input": "look", "tools": [flat],
                          "tool_choice": {"type": "function", "name": "look_up"}});
    let first = ask(&http, &body).await;
    let call = &first["output"][0];
    assert_eq!(
        (&call["type"], &call["name"], &call["status"]),
        (&json!("function_call"), &json!("look_up"), &json!("completed"))
    );
    assert_eq!((&call["arguments"], &first["tool_choice"]), (&json!("{\"key\":1}"), &body["tool_choice"]));
    assert_eq!((&first["tools"][0]["name"], &first["tools"][0]["strict"]), (&json!("look_up"), &json!(true)));
    assert_eq!(house.upstream.requests()[0].body["tools"][0]["function"]["strict"], json!(true));
    assert_eq!(first["output"].as_array().unwrap().len(), 1);
    body["tools"] = json!([nested]);
    body["stream"] = json!(true);
    let (all, is_done) = told(&http.stream(PATH, &body).await.reply().await.text);
    assert!(is_done);
    let order = [
        "created",
        "in_progress",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names(&all), order);
    let output = json!([{"type": "function_call_output", "call_id": call["call_id"], "output": "found it"}]);
    let follow = json!({"previous_response_id": first["id"], "input": output});
    let second = ask(&http, &follow).await;
    assert_eq!(second["previous_response_id"], first["id"]);
    let seen = house.upstream.requests().pop().unwrap().body;
    let roles: Vec<&str> =
        seen["messages"].as_array().unwrap().iter().map(|said| said["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool"], "{seen}");
    assert_eq!(seen["messages"][2]["content"], json!("found it"));
    let items = http.get(&format!("{PATH}/{}/input_items?order=asc", second["id"].as_str().unwrap())).await.json();
    let kinds: Vec<&str> =
        items["data"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!((kinds, &items["has_more"]), (vec!["message", "function_call", "function_call_output"], &json!(false)));
    let page = http
        .get(&format!(
            "{PATH}/{}/input_items?limit=1&after={}",
            second["id"].as_str().unwrap(),
            items["data"][2]["id"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!((&page["first_id"], &page["has_more"]), (&items["data"][1]["id"], &json!(true)));
    unpaired_calls_are_refused(&http, &first, &output[0]).await;
    house.stop().await;
}

/// Each names the item that stands alone.
async fn unpaired_calls_are_refused(http: &Http, first: &Value, output: &Value) {
    let said = json!({"role": "user", "content": "x"});
    let orphan = json!({"type": "function_call_output", "call_id": "call_x", "output": "?"});
    let call = json!({"type": "function_call", "call_id": "call_y", "name": "f", "arguments": "{}"});
    for (input, previous, param) in [
        (json!("no output"), &first["id"], "input"),
        (json!([said, said, orphan]), &Value::Null, "input[2].call_id"),
        (json!([{"type": "reasoning"}, output, orphan]), &first["id"], "input[2].call_id"),
        (json!([said, call]), &Value::Null, "input[1].call_id"),
    ] {
        let wrong = http.post(PATH, &json!({"previous_response_id": previous, "input": input})).await;
        assert_eq!((wrong.status, &wrong.json()["error"]["param"]), (400, &json!(param)), "{}", wrong.text);
    }
    let named = json!({"conversation": "c", "input": [said, orphan]});
    let wrong = http.post(PATH, &named).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["param"]), (400, &json!("input[1].call_id")), "{}", wrong.text);
}

#[tokio::test]
async fn two_responses_go_on_from_one_and_each_is_deleted_alone() {
    let house = House::open().await;
    let http = house.http();
    let root = ask(&http, &json!({"input": "root", "instructions": "only once"})).await;
    for word in ["left", "right"] {
        let body = json!({"input": word, "previous_response_id": root["id"]});
        let branch = ask(&http, &body).await;
        let seen = house.upstream.requests().pop().unwrap().body;
        let said: Vec<&str> =
            seen["messages"].as_array().unwrap().iter().map(|said| said["content"].as_str().unwrap()).collect();
        assert_eq!(said, ["root", "root", word], "the other branch and old instructions are not seen");
        assert_eq!(text_of(&branch), word);
    }
    let path = format!("{PATH}/{}", root["id"].as_str().unwrap());
    let deleted = http.send("DELETE", &path, None).await;
    assert_eq!(deleted.json(), json!({"id": root["id"], "object": "response", "deleted": true}));
    assert_eq!(http.get(&path).await.status, 404);
    let gone = http.post(PATH, &json!({"input": "x", "previous_response_id": root["id"]})).await;
    assert_eq!((gone.status, gone.code().as_str()), (400, "previous_response_not_found"));
    assert_eq!(gone.json()["error"]["param"], json!("previous_response_id"));
    house.stop().await;
}

#[tokio::test]
async fn a_response_in_the_background_is_polled_watched_and_cancelled() {
    let house = House::open().await;
    let http = house.http();
    let gate = Gate::new();
    house.upstream.script([Scripted::chunks(["one ", "two"]).gated(&gate), Scripted::silence()]);
    let queued = ask(&http, &json!({"input": "x", "background": true})).await;
    assert_eq!((fields(&queued), &queued["status"]), (FIELDS.to_vec(), &json!("queued")));
    let id = queued["id"].as_str().unwrap();
    gate.open(1);
    let mut watching = http.watch(&format!("{PATH}/{id}?stream=true")).await;
    watching.until("\"one \"").await;
    assert_eq!(http.get(&format!("{PATH}/{id}")).await.json()["status"], json!("in_progress"));
    gate.open_for_good();
    let (all, is_done) = told(&watching.reply().await.text);
    assert_eq!((names(&all)[..3].to_vec(), is_done), (vec!["created", "queued", "in_progress"], true));
    let done = http.get(&format!("{PATH}/{id}")).await.json();
    assert_eq!((&done["status"], text_of(&done), &done["background"]), (&json!("completed"), "one two", &json!(true)));
    let late = http.get(&format!("{PATH}/{id}?stream=true&starting_after=5")).await;
    assert_eq!(told(&late.text).0, all[6..]);
    let cancelled = http.send("POST", &format!("{PATH}/{id}/cancel"), None).await;
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("completed")));

    let silent = ask(&http, &json!({"input": "x", "background": true})).await;
    let id = silent["id"].as_str().unwrap();
    until(&http, id, "in_progress").await;
    let cancelled = http.send("POST", &format!("{PATH}/{id}/cancel"), None).await;
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")), "{}", cancelled.text);
    assert_eq!(cancelled.json()["output"], json!([]), "nothing was said");
    let (all, is_done) = told(&http.get(&format!("{PATH}/{id}?stream=true")).await.text);
    assert_eq!((names(&all).last().copied(), is_done), (Some("error"), false));
    house.stop().await;
}

/// G13, K6.
#[tokio::test]
async fn what_is_not_stored_or_not_ones_own_is_not_found() {
    let house = House::open().await;
    let http = house.http();
    let (_, key) = house.key(&[Scope::Write]).await;
    let other = house.stranger().with("x-api-key", &key);
    let mine = ask(&http, &json!({"input": "x"})).await;
    let unstored = ask(&http, &json!({"input": "x", "store": false})).await;
    assert_eq!(unstored["store"], json!(false));
    let chat = json!({"model": "openclaw", "messages": [{"role": "user", "content": "x"}]});
    let chat = http.post("/v1/chat/completions", &chat).await;
    let chat = chat.header("x-openclaw-task-id").unwrap().replace("task_", "resp_");
    for (http, id) in [
        (&other, mine["id"].as_str().unwrap()),
        (&http, unstored["id"].as_str().unwrap()),
        (&http, &chat),
        (&http, "resp_x"),
    ] {
        for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")] {
            let reply = http.send(method, &format!("{PATH}/{id}{path}"), None).await;
            assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{method} {id}{path}");
            assert_eq!(reply.json()["error"]["type"], json!("invalid_request_error"));
        }
    }
    let talk = json!({"input": "hello", "conversation": {"id": "conv-1"}});
    let first = ask(&http, &talk).await;
    assert_eq!(first["conversation"], json!({"id": "conv-1"}));
    ask(&http, &talk).await;
    assert_eq!(house.upstream.requests().pop().unwrap().body["messages"].as_array().unwrap().len(), 3);
    let kept = http.send("DELETE", &format!("{PATH}/{}", first["id"].as_str().unwrap()), None).await;
    assert_eq!((kept.status, kept.code().as_str()), (409, "conflict"));
    house.stop().await;
}

/// E10, K10.
#[tokio::test]
async fn tools_by_name_are_an_allow_list_of_the_gateways() {
    let house = House::open().await;
    let http = house.http();
    let offered = |house: &House| {
        let seen = house.upstream.requests().pop().unwrap().body;
        let tools = seen["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let function = json!({"type": "function", "name": "mine"});
    let response = ask(&http, &json!({"input": "x", "tools": ["session_status", function]})).await;
    assert_eq!(offered(&house), ["mine", "session_status"]);
    let shown: Vec<&Value> = response["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(shown, [&json!("session_status"), &json!("mine")]);
    for (tools, param) in [
        (json!(["session_status", "no_such_tool"]), "tools[1]"),
        (json!(["session_status", {"type": "web_search"}]), "tools[1].type"),
        (json!([{"type": "function"}]), "tools[0].name"),
        (json!([{"name": "x"}]), "tools[0].type"),
        (json!([{"type": "function", "name": "no name"}]), "tools[0].name"),
        (json!([{"type": "function", "function": {"name": "x", "parameters": []}}]), "tools[0].function.parameters"),
        (json!([5]), "tools[0]"),
        (json!("session_status"), "tools"),
    ] {
        let reply = http.post(PATH, &json!({"input": "x", "tools": tools})).await;
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!(param)), "{}", reply.text);
    }
    house.stop().await;
}

/// K8.
#[tokio::test]
async fn a_wrong_field_is_named_in_openais_words() {
    let house = House::open().await;
    let http = house.http();
    for (mut body, param) in [
        (json!({"input": null}), "input"),
        (json!({"input": ""}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": 5}), "input"),
        (json!({"input": [{"role": "assistant", "content": "x"}]}), "input"),
        (json!({"input": [{"role": "robot", "content": "x"}]}), "input[0].role"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (json!({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}), "input[0].content[0].file_data"),
        (json!({"input": [{"type": "item_reference"}]}), "input[0].id"),
        (json!({"input": [{"type": "function_call", "name": "x"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call_output", "call_id": "x"}]}), "input[0].output"),
        (json!({"model": 5}), "model"),
        (json!({"model": "agent:no agent"}), "model"),
        (json!({"temperature": 3}), "temperature"),
        (json!({"top_p": -1}), "top_p"),
        (json!({"max_output_tokens": 0}), "max_output_tokens"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"truncation": "maybe"}), "truncation"),
        (json!({"reasoning": {"effort": "huge"}}), "reasoning.effort"),
        (json!({"reasoning": {"summary": "long"}}), "reasoning.summary"),
        (json!({"text": {"format": {"type": "xml"}}}), "text.format.type"),
        (json!({"text": {"format": {"type": "json_schema", "name": "x"}}}), "text.format.schema"),
        (json!({"text": {"verbosity": "loud"}}), "text.verbosity"),
        (json!({"tool_choice": "maybe"}), "tool_choice"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"tool_choice": {"type": "function", "name": "x"}}), "tool_choice"),
        (json!({"metadata": {"a": 5}}), "metadata.a"),
        (json!({"metadata": {"a": "x".repeat(513)}}), "metadata.a"),
        (json!({"background": true, "store": false}), "background"),
        (json!({"conversation": "x", "previous_response_id": "resp_x"}), "previous_response_id"),
        (json!({"conversation": {}}), "conversation.id"),
        (json!({"previous_response_id": "resp_x"}), "previous_response_id"),
        (json!({"top_logprobs": 1}), "top_logprobs"),
        (json!({"prompt": {"id": "x"}}), "prompt"),
    ] {
        if body.get("input").is_none() {
            body["input"] = json!("x");
        }
        let reply = http.post(PATH, &body).await;
        let error = reply.json();
        assert_eq!((reply.status, &error["error"]["param"]), (400, &json!(param)), "{body} {error}");
        assert_eq!(error["error"]["type"], json!("invalid_request_error"));
    }
    let missing = http.post(PATH, &json!({})).await;
    assert_eq!((missing.status, &missing.json()["error"]["param"]), (400, &json!("input")));
    for (body, status) in [
        (json!({"input": "x", "model": "nobody/knows"}), 404),
        (json!({"input": "x", "model": "openclaw:nobody"}), 404),
    ] {
        assert_eq!(http.post(PATH, &body).await.status, status);
    }
    let mine = ask(&http, &json!({"input": "x"})).await;
    let path = format!("{PATH}/{}", mine["id"].as_str().unwrap());
    for (query, param) in [
        ("?stream=maybe", "stream"),
        ("?starting_after=x", "starting_after"),
        ("/input_items?limit=0", "limit"),
        ("/input_items?limit=101", "limit"),
        ("/input_items?order=up", "order"),
        ("/input_items?after=x", "after"),
    ] {
        let reply = http.get(&format!("{path}{query}")).await;
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!(param)), "{query}");
    }
    house.stop().await;
}

/// G4.
#[tokio::test]
async fn a_response_under_a_key_is_made_once() {
    let house = House::open().await;
    let http = house.http().with("idempotency-key", "k");
    for body in [json!({"input": "once"}), json!({"input": "behind", "background": true})] {
        let http =
            if body.get("background").is_some() { house.http().with("idempotency-key", "k2") } else { http.clone() };
        let first = ask(&http, &body).await;
        let second = http.post(PATH, &body).await;
        assert_eq!((second.header("idempotent-replayed"), &second.json()["id"]), (Some("true"), &first["id"]));
    }
    house.stop().await;
}

/// K12.
#[tokio::test]
async fn responses_can_be_switched_off() {
    let mut plan = Plan::new();
    let mut off = Surface::default();
    off.responses = false;
    let (_keep, surface) = watch::channel(Arc::new(off));
    plan.settings.surface = surface;
    let house = plan.build().await;
    assert_eq!(house.http().post(PATH, &json!({"input": "x"})).await.status, 404);
    assert_eq!(
        house.http().get(&format!("{PATH}/resp_x")).await.json()["error"]["message"],
        json!("there is no such route")
    );
    house.stop().await;
}
