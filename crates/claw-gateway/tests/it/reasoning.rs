//! What a model reasons and refuses, at the doors that have words for it.

use claw_testkit::Reply as Scripted;
use serde_json::{Value, json};

use crate::house::{House, Plan};
use crate::http::{Http, events};
use crate::responses::{PATH, ask, names, told};

const CHAT: &str = "/v1/chat/completions";

/// The text of a field, put together of all chunks.
fn joined(chunks: &[(String, String)], field: &str) -> String {
    let chunks = chunks.iter().filter(|(_, data)| data != "[DONE]");
    let chunks = chunks.map(|(_, data)| serde_json::from_str::<Value>(data).unwrap());
    chunks.filter_map(|chunk| chunk["choices"][0]["delta"][field].as_str().map(str::to_owned)).collect()
}

/// OpenAI's `refusal`, streamed and whole; a door without a word for it tells it as what was said.
#[tokio::test]
async fn a_refusal_is_told_as_one() {
    let house = House::open().await;
    let http = house.http();
    let no = || Scripted::refusal(["I ", "will not."]);
    let mut body = json!({"model": "openclaw", "messages": [{"role": "user", "content": "x"}]});
    house.upstream.script([no()]);
    let message = http.post(CHAT, &body).await.json()["choices"][0]["message"].clone();
    assert_eq!(message, json!({"role": "assistant", "content": null, "refusal": "I will not."}));
    body["stream"] = json!(true);
    house.upstream.script([no()]);
    let chunks = events(&http.post(CHAT, &body).await.text);
    assert_eq!((joined(&chunks, "content"), joined(&chunks, "refusal")), (String::new(), "I will not.".to_owned()));

    house.upstream.script([no(), no()]);
    let whole = ask(&http, &json!({"input": "x"})).await;
    assert_eq!(whole["output"][0]["content"], json!([{"type": "refusal", "refusal": "I will not."}]));
    assert_eq!(whole["status"], "completed");
    let (all, is_done) = told(&http.post(PATH, &json!({"input": "x", "stream": true})).await.text);
    let part = ["output_item.added", "content_part.added", "refusal.delta", "refusal.done"];
    let end = ["content_part.done", "output_item.done", "completed"];
    assert_eq!((names(&all), is_done), ([&["created", "in_progress"][..], &part, &end].concat(), true));
    let (item, last) = (&all[all.len() - 2].1["item"], &all[all.len() - 1].1["response"]);
    assert_eq!((&last["output"], &item["content"]), (&json!([item]), &whole["output"][0]["content"]));
    let refused: Vec<&Value> = all.iter().filter_map(|(_, data)| data.get("refusal")).collect();
    assert_eq!(refused, [&json!("I will not.")]);

    house.upstream.script([no()]);
    let told = http.post("/v1/agent/run", &json!({"agentId": "main", "message": "x"})).await.json();
    assert!(told.to_string().contains("I will not."), "{told}");
    house.stop().await;
}

/// Text before a refusal is a part by itself.
#[tokio::test]
async fn what_was_said_before_a_refusal_stays_text() {
    let house = House::open().await;
    let http = house.http();
    let turns = || Scripted::refusal(["but no."]).saying("Well, ");
    house.upstream.script([turns(), turns(), turns()]);
    let whole = ask(&http, &json!({"input": "x"})).await;
    let parts = &whole["output"][0]["content"];
    assert_eq!((&parts[0]["text"], &parts[1]), (&json!("Well, "), &json!({"type": "refusal", "refusal": "but no."})));
    let (all, _) = told(&http.post(PATH, &json!({"input": "x", "stream": true})).await.text);
    assert_eq!(all.last().unwrap().1["response"]["output"][0]["content"], *parts);
    let places = all.iter().filter(|(name, _)| name == "response.content_part.done");
    let places: Vec<&Value> = places.map(|(_, data)| &data["content_index"]).collect();
    assert_eq!(places, [0, 1]);
    let body = json!({"model": "openclaw", "messages": [{"role": "user", "content": "x"}]});
    let message = &http.post(CHAT, &body).await.json()["choices"][0]["message"];
    assert_eq!((&message["content"], &message["refusal"]), (&json!("Well, "), &json!("but no.")));
    house.stop().await;
}

fn kinds(response: &Value) -> Vec<&str> {
    response["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect()
}

/// A stream's items are those of the response at its end, each closed at its place.
fn agree(all: &[(String, Value)]) -> Value {
    let last = all.last().unwrap().1["response"].clone();
    let mut items = vec![Value::Null; last["output"].as_array().unwrap().len()];
    for (_, data) in all.iter().filter(|(name, _)| name == "response.output_item.done") {
        items[data["output_index"].as_u64().unwrap() as usize] = data["item"].clone();
    }
    assert_eq!(last["output"], json!(items));
    last
}

/// Open Responses: reasoning is an item before what it led to, with a summary for whoever asks for one.
#[tokio::test]
async fn reasoning_is_an_item_and_its_words_are_for_whoever_wants_them() {
    let house = House::open().await;
    let http = house.http();
    let answer = || Scripted::text("Yes.").thinking("Is it?");
    let call = || Scripted::tool_call("session_status", "{}").thinking("Look.");
    let mut body = json!({"input": "x", "reasoning": {"summary": "auto"}, "stream": true});
    house.upstream.script([call(), answer()]);
    let (all, is_done) = told(&http.stream(PATH, &body).await.reply().await.text);
    let thought = [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ];
    let said = ["output_item.added", "content_part.added", "output_text.delta", "output_text.done"];
    let rest = ["content_part.done", "output_item.done", "completed"];
    let order = [&["created", "in_progress"][..], &thought, &thought, &said, &rest].concat();
    assert_eq!((names(&all), is_done), (order, true));
    let last = agree(&all);
    assert_eq!(kinds(&last), ["reasoning", "reasoning", "message"]);
    let summary = |text: &str| json!([{"type": "summary_text", "text": text}]);
    assert_eq!((&last["output"][0]["summary"], &last["output"][1]["summary"]), (&summary("Look."), &summary("Is it?")));
    let id = last["id"].as_str().unwrap();
    assert_eq!(http.get(&format!("{PATH}/{id}")).await.json()["output"], last["output"]);
    let again = told(&http.get(&format!("{PATH}/{id}?stream=true&starting_after=4")).await.text).0;
    assert_eq!(again, all[5..], "a stream that is taken up counts as the first one did");

    body["stream"] = json!(false);
    house.upstream.script([call(), answer()]);
    assert_eq!(ask(&http, &body).await["output"][1]["summary"], summary("Is it?"));
    // Nobody asked for its words: they are not kept either.
    house.upstream.script([answer(), answer()]);
    let silent = ask(&http, &json!({"input": "x"})).await;
    assert_eq!((kinds(&silent), &silent["output"][0]["summary"]), (vec!["reasoning", "message"], &json!([])));
    let (all, _) = told(&http.stream(PATH, &json!({"input": "x", "stream": true})).await.reply().await.text);
    assert!(!json!(agree(&all)).to_string().contains("Is it?"), "{all:?}");
    house.stop().await;
}

/// The stream of a model that speaks OpenAI's responses: it reasons, speaks and calls the caller's function.
fn sealed_call() -> Scripted {
    let reasoning = json!({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA="});
    let call =
        json!({"id": "fc_1", "type": "function_call", "call_id": "call_a", "name": "weather", "arguments": "{}"});
    let said = json!({"id": "m", "type": "message", "role": "assistant",
                      "content": [{"type": "output_text", "text": "Let me look."}]});
    let output = [reasoning.clone(), said.clone(), call.clone()];
    let events = [
        json!({"type": "response.output_item.added", "item": {"type": "reasoning", "summary": []}}),
        json!({"type": "response.output_item.done", "item": reasoning}),
        json!({"type": "response.output_text.delta", "delta": "Let me look."}),
        json!({"type": "response.output_item.done", "item": said}),
        json!({"type": "response.output_item.done", "item": call}),
        json!({"type": "response.completed", "response": {"status": "completed", "output": output}}),
    ];
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    Scripted::verbatim("text/event-stream", body)
}

fn sealed_end() -> Scripted {
    let said = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Rain."}]});
    Scripted::verbatim("application/json", json!({"status": "completed", "output": [said]}).to_string())
}

/// What the model's provider was sent last, by type; the sealed reasoning must be there as it came.
fn asked_last(house: &House) -> (Vec<String>, bool) {
    let body = house.upstream.requests().pop().unwrap().body;
    let kinds = body["input"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap().to_owned());
    (kinds.collect(), body.to_string().contains("gAAA="))
}

async fn weather(http: &Http, input: Value) -> Value {
    let function = json!({"type": "function", "name": "weather", "parameters": {"type": "object"}});
    ask(
        http,
        &json!({"model": "sealing/o4-mini", "input": input, "tools": [function], "store": false,
                      "include": ["reasoning.encrypted_content"]}),
    )
    .await
}

/// Open Responses, stateless: the client sends back what it was given, and the model goes on from its reasoning.
#[tokio::test]
async fn sealed_reasoning_goes_to_the_client_and_comes_back_to_its_model() {
    let house = Plan::new().with_sealing().build().await;
    let http = house.http();
    let function = json!({"type": "function", "name": "weather", "parameters": {"type": "object"}});
    let asked = json!({"role": "user", "content": "Weather?"});
    let body = json!({"model": "sealing/o4-mini", "input": [asked], "tools": [function], "store": false, "stream": true,
                      "include": ["reasoning.encrypted_content"]});
    house.upstream.script([sealed_call()]);
    let (all, _) = told(&http.stream(PATH, &body).await.reply().await.text);
    let last = agree(&all);
    assert_eq!(kinds(&last), ["reasoning", "message", "function_call"]);
    assert!(last["output"][0]["encrypted_content"].as_str().is_some_and(|sealed| sealed.len() > 20), "{last}");
    let done = all.iter().filter(|(name, _)| name == "response.output_item.done");
    let order: Vec<&Value> = done.map(|(_, data)| &data["item"]["type"]).collect();
    assert_eq!(order, ["reasoning", "message", "function_call"], "a client that keeps what is done keeps the order");

    let mut input = vec![asked.clone()];
    input.extend(last["output"].as_array().unwrap().iter().cloned());
    input.push(json!({"type": "function_call_output", "call_id": "call_a", "output": "rain"}));
    house.upstream.script([sealed_end()]);
    let whole = weather(&http, json!(input)).await;
    assert_eq!(whole["output"][0]["content"][0]["text"], "Rain.");
    let expected = ["message", "reasoning", "message", "function_call", "function_call_output"].map(str::to_owned);
    assert_eq!(asked_last(&house), (expected.to_vec(), true));

    // Another gateway's is passed over, a damaged one refused.
    let sealed = input[1]["encrypted_content"].as_str().unwrap().to_owned();
    input[1]["encrypted_content"] = json!("gAAAAABpM0Yj");
    house.upstream.script([sealed_end()]);
    weather(&http, json!(input)).await;
    assert!(!asked_last(&house).1);
    input[1]["encrypted_content"] = json!(sealed[..sealed.len() - 6]);
    let wrong = http.post(PATH, &json!({"input": input})).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["param"]), (400, &json!("input[1].encrypted_content")));
    house.stop().await;
}

/// Stored reasoning is named by its id alone, as OpenAI's clients do that keep nothing else of it.
#[tokio::test]
async fn stored_reasoning_is_found_by_its_id_and_another_callers_is_passed_over() {
    let house = Plan::new().with_sealing().build().await;
    let http = house.http();
    let function = json!({"type": "function", "name": "weather", "parameters": {"type": "object"}});
    let body = json!({"model": "sealing/o4-mini", "input": "Weather?", "tools": [function]});
    house.upstream.script([sealed_call()]);
    let whole = ask(&http, &body).await;
    assert_eq!((kinds(&whole)[0], whole["output"][0].get("encrypted_content")), ("reasoning", None));
    let path = format!("{PATH}/{}", whole["id"].as_str().unwrap());
    let sealed = http.get(&format!("{path}?include[]=reasoning.encrypted_content")).await.json();
    assert!(sealed["output"][0]["encrypted_content"].is_string(), "{sealed}");
    let wrong = http.get(&format!("{path}?include[]=everything")).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["param"]), (400, &json!("include[0]")));
    let mut input = vec![json!({"role": "user", "content": "Weather?"})];
    input.extend(whole["output"].as_array().unwrap().iter().cloned());
    input.push(json!({"type": "function_call_output", "call_id": "call_a", "output": "rain"}));
    house.upstream.script([sealed_end()]);
    weather(&http, json!(input)).await;
    assert!(asked_last(&house).1, "it came out of the store");
    for reference in ["item_reference", "reasoning"] {
        let mut named = input.clone();
        named[1] = json!({"type": reference, "id": whole["output"][0]["id"]});
        house.upstream.script([sealed_end()]);
        weather(&http, json!(named)).await;
        assert!(asked_last(&house).1, "{reference}");
    }
    let (_, key) = house.key(&[claw_core::Scope::Write, claw_core::Scope::Read]).await;
    let other = Http::new(house.address, &[("authorization", &format!("Bearer {key}"))]);
    house.upstream.script([sealed_end()]);
    weather(&other, json!(input)).await;
    assert!(!asked_last(&house).1, "G13: it is not this caller's");
    house.stop().await;
}

/// Gemini 3 and DeepSeek refuse a call that comes back without what they sent with it. Whoever runs calls of his own gets it
/// in the fields in which they send it, and has only to append the assistant's message to his conversation.
#[tokio::test]
async fn what_a_server_wants_back_with_its_calls_leaves_and_comes_back_with_the_clients_message() {
    let house = Plan::new().with_sealing().build().await;
    let http = house.http();
    let function = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}});
    for (model, field, extra) in [
        ("gemini/gemini-3-pro", None, Some(json!({"google": {"thought_signature": "c2ln"}}))),
        ("deepseek/deepseek-v4-pro", Some("Look first."), None),
    ] {
        let mut call = json!({"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}});
        if let Some(extra) = &extra {
            call["extra_content"] = extra.clone();
        }
        let mut answer = json!({"role": "assistant", "content": null, "tool_calls": [call]});
        if let Some(reasoning) = field {
            answer["reasoning_content"] = json!(reasoning);
        }
        let whole = json!({"choices": [{"index": 0, "message": answer, "finish_reason": "tool_calls"}]}).to_string();
        let question = json!({"role": "user", "content": "x"});
        for stream in [false, true] {
            house.upstream.script([Scripted::verbatim("application/json", whole.clone()), Scripted::text("Found.")]);
            let mut body = json!({"model": model, "messages": [question], "tools": [function], "stream": stream});
            let reply = http.post(CHAT, &body).await;
            let message = match stream {
                false => reply.json()["choices"][0]["message"].clone(),
                true => assembled(&events(&reply.text)),
            };
            assert_eq!(message.get("reasoning_content").and_then(Value::as_str), field, "{message}");
            assert_eq!(message["tool_calls"][0].get("extra_content"), extra.as_ref(), "{message}");
            body["stream"] = json!(false);
            body["messages"] = json!([question, message, {"role": "tool", "tool_call_id": "c1", "content": "42"}]);
            let answered = http.post(CHAT, &body).await.json();
            assert_eq!(answered["choices"][0]["message"]["content"], "Found.", "{answered}");
            let given = house.upstream.requests().pop().unwrap().messages()[1].clone();
            assert_eq!(given, answer, "{model}, streamed: {stream}");

            // Another model's server is not known to take it, and gets none of it.
            house.upstream.script([Scripted::text("Found, too.")]);
            body["model"] = json!("mock/mock-1");
            http.post(CHAT, &body).await.json();
            let given = house.upstream.requests().pop().unwrap().messages()[1].to_string();
            assert!(!given.contains("extra_content") && !given.contains("reasoning"), "{given}");
        }
    }
    house.stop().await;
}

/// The message as a client puts it together: texts appended, calls as they are.
fn assembled(chunks: &[(String, String)]) -> Value {
    let mut message = json!({"role": "assistant", "content": joined(chunks, "content")});
    let reasoning = joined(chunks, "reasoning_content");
    if !reasoning.is_empty() {
        message["reasoning_content"] = json!(reasoning);
    }
    let chunks = chunks.iter().filter(|(_, data)| data != "[DONE]");
    let calls = chunks.filter_map(|(_, data)| {
        let chunk: Value = serde_json::from_str(data).unwrap();
        let mut call = chunk["choices"][0]["delta"]["tool_calls"].get(0)?.clone();
        call.as_object_mut().unwrap().remove("index");
        Some(call)
    });
    message["tool_calls"] = calls.collect();
    message
}

/// A model that reasons and comes to nothing is told of only where its words were: the stream goes on with the next.
#[tokio::test]
async fn reasoning_that_came_to_nothing_stands_in_nobodys_way() {
    let house = House::open().await;
    let http = house.http();
    let cut = || Scripted::text("never").thinking("A").cut_after(1);
    let answer = || Scripted::text("Yes.").thinking("B");
    let mut body = json!({"input": "x", "stream": true, "background": true});
    house.upstream.script([cut(), answer()]);
    let (all, is_done) = told(&http.stream(PATH, &body).await.reply().await.text);
    assert!(is_done, "{all:?}");
    assert_eq!(kinds(&agree(&all)), ["reasoning", "message"]);
    // Its words were told, and another attempt has others.
    body["reasoning"] = json!({"summary": "auto"});
    house.upstream.script([cut(), answer()]);
    let (all, is_done) = told(&http.stream(PATH, &body).await.reply().await.text);
    assert_eq!((all.last().unwrap().0.as_str(), is_done), ("error", false), "{all:?}");
    house.stop().await;
}
