//! `/v1/agent/run`, its stream, and `/v1/sessions`: the API reference's routes.

use claw_core::Scope;
use claw_testkit::{Gate, Reply as Scripted};
use serde_json::{Value, json};

use crate::house::{House, Plan};
use crate::http::events;

/// The JSON under each event's name.
fn named(text: &str) -> Vec<(String, Value)> {
    events(text).into_iter().map(|(name, data)| (name, serde_json::from_str(&data).unwrap())).collect()
}

/// C23, C41, C42, C47, K7.
#[tokio::test]
async fn a_run_answers_with_its_response_and_what_it_used() {
    let house = House::open().await;
    let body = json!({"message": "one two three", "sessionKey": "agent:default:main", "agentId": "default",
                      "options": {"thinking": "medium", "model": "mock/mock-2"}});
    let reply = house.http().post("/v1/agent/run", &body).await;
    let answer = reply.json();
    assert_eq!(reply.status, 200, "{answer}");
    let fields: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["response", "runId", "sessionKey", "usage"], "C23's, and no more of a whole answer");
    let task = reply.header("x-openclaw-task-id").unwrap();
    assert_eq!(answer["runId"], json!(task.replace("task_", "run_")));
    assert_eq!((&answer["sessionKey"], &answer["response"]), (&json!("agent:main:main"), &json!("one two three")));
    let usage = &answer["usage"];
    let sum = usage["promptTokens"].as_u64().unwrap() + usage["completionTokens"].as_u64().unwrap();
    assert_eq!(usage["totalTokens"], json!(sum));
    assert_eq!(house.upstream.requests().pop().unwrap().model(), "mock-2");
    let task = house.http().get(&format!("/v2/tasks/{task}")).await.json();
    assert_eq!((&task["status"], &task["result"]["response"]), (&json!("completed"), &json!("one two three")));
    house.upstream.script([Scripted::text("one two").finish("length")]);
    let cut = house.http().post("/v1/agent/run", &body).await.json();
    assert_eq!((&cut["response"], &cut["finishReason"]), (&json!("one two"), &json!("length")), "{cut}");
    house.stop().await;
}

/// C24, G8.
#[tokio::test]
async fn a_streamed_run_ends_with_done_or_with_an_error() {
    let house = House::open().await;
    let body = json!({"message": "one two three", "sessionKey": "agent:default:main", "stream": true});
    for path in ["/v1/agent/run/stream", "/v1/agent/run"] {
        let reply = house.http().stream(path, &body).await.reply().await;
        assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let run = json!(reply.header("x-openclaw-task-id").unwrap().replace("task_", "run_"));
        let all = named(&reply.text);
        let (last, deltas) = all.split_last().unwrap();
        assert_eq!(*last, ("done".to_owned(), json!({"runId": run, "finishReason": "stop"})));
        assert!(deltas.iter().all(|(name, data)| name == "delta" && data["runId"] == run), "{all:?}");
        let said: String = deltas.iter().map(|(_, data)| data["delta"].as_str().unwrap()).collect();
        assert_eq!(said, "one two three");
    }
    house.upstream.script([Scripted::chunks(["one ", "two"]).cut_after(1)]);
    let reply = house.http().stream("/v1/agent/run/stream", &body).await.reply().await;
    let (name, data) = named(&reply.text).pop().unwrap();
    assert_eq!((name.as_str(), &data["error"]["type"]), ("error", &json!("server_error")), "{}", reply.text);
    assert!(data["error"]["taskId"].is_string() && !reply.text.contains("event: done"));
    house.upstream.respond_with(|_| Scripted::status(500, "no"));
    let reply = house.http().stream("/v1/agent/run/stream", &body).await.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_error"));
    assert!(reply.header("retry-after").is_some());
    house.stop().await;
}

/// C38, C39, K8: one of seven codes whatever went wrong, the exact one beside it; and `retryable` only where asking
/// again may help. OpenAI's routes keep OpenAI's codes, and tell its SDKs whether to ask again.
#[tokio::test]
async fn whatever_an_upstream_does_the_api_references_codes_are_its_own() {
    let house = House::open().await;
    for (upstream, status, [openai, reference], retryable) in [
        (400, 400, ["invalid_request", "invalid_request"], false),
        (401, 500, ["upstream_error", "internal_error"], false),
        (403, 500, ["upstream_error", "internal_error"], false),
        (404, 404, ["model_not_found", "not_found"], false),
        (429, 429, ["rate_limited", "rate_limited"], true),
        (500, 503, ["upstream_error", "service_unavailable"], true),
        (503, 503, ["upstream_error", "service_unavailable"], true),
    ] {
        house.upstream.respond_with(move |_| Scripted::status(upstream, "no"));
        let chat = json!({"messages": [{"role": "user", "content": "x"}]});
        for (path, body, code, kinds) in [
            ("/v1/agent/run", json!({"message": "x"}), reference, ["client_error", "server_error"]),
            ("/v1/agent/run/stream", json!({"message": "x"}), reference, ["client_error", "server_error"]),
            ("/v1/chat/completions", chat, openai, ["", ""]),
            ("/v1/responses", json!({"input": "x"}), openai, ["", ""]),
        ] {
            let reply = house.http().post(path, &body).await;
            let error = reply.json()["error"].clone();
            let found = (reply.status, error["code"].as_str().unwrap(), error["retryable"].as_bool());
            assert_eq!(found, (status, code, Some(retryable)), "{path} {upstream}: {error}");
            let is_ours = path.starts_with("/v1/agent");
            let exact = (is_ours && code != openai).then(|| json!({"code": openai}));
            assert_eq!(error.get("details"), exact.as_ref(), "{path} {upstream}");
            let hint = reply.header("x-should-retry");
            assert_eq!(hint, (!is_ours).then_some(if retryable { "true" } else { "false" }), "{path} {upstream}");
            if is_ours {
                assert_eq!(error["type"], kinds[usize::from(status >= 500)], "{path} {upstream}");
            }
        }
    }
    for (method, path, status, code) in [
        ("GET", "/v1/sessions/none", 404, "not_found"),
        ("GET", "/v1/sessions?limit=0", 400, "invalid_request"),
        ("PATCH", "/v1/sessions", 405, "invalid_request"),
        ("DELETE", "/v1/sessions/agent:main:none", 404, "not_found"),
        ("GET", "/nowhere", 404, "not_found"),
    ] {
        let reply = house.http().send(method, path, None).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (status, &json!(code)), "{method} {path}");
    }
    let unknown = json!({"message": "x", "options": {"model": "nobody/knows"}});
    let unknown = house.http().post("/v1/agent/run", &unknown).await.json()["error"].clone();
    assert_eq!((&unknown["code"], &unknown["details"]), (&json!("not_found"), &json!({"code": "model_not_found"})));
    house.stop().await;
}

/// G4, K8.
#[tokio::test]
async fn the_same_key_runs_once_and_wrong_fields_are_named() {
    let house = House::open().await;
    let body = json!({"message": "once", "sessionKey": "x"});
    let http = house.http().with("idempotency-key", "k1");
    let first = http.post("/v1/agent/run", &body).await;
    let second = http.post("/v1/agent/run", &body).await;
    assert_eq!(first.json(), second.json());
    assert_eq!((first.header("idempotent-replayed"), second.header("idempotent-replayed")), (None, Some("true")));
    assert_eq!(house.upstream.requests().len(), 1);
    let other = http.post("/v1/agent/run", &json!({"message": "twice", "sessionKey": "x"})).await;
    assert_eq!((other.status, other.code().as_str()), (409, "idempotency_key_reuse"));
    for (body, param) in [
        (json!({}), "message"),
        (json!({"message": " "}), "message"),
        (json!({"message": 5}), "message"),
        (json!({"message": "x", "sessionKey": "agent:main:"}), "sessionKey"),
        (json!({"message": "x", "sessionKey": 7}), "sessionKey"),
        (json!({"message": "x", "agentId": "no agent"}), "agentId"),
        (json!({"message": "x", "options": {"thinking": "loud"}}), "options.thinking"),
        (json!({"message": "x", "options": {"thinking": 1}}), "options.thinking"),
        (json!({"message": "x", "options": []}), "options"),
        (json!({"message": "x", "options": ["medium", true, "mock/mock-1"]}), "options"),
        (json!({"message": "x", "options": {"model": ""}}), "options.model"),
        (json!({"message": "x", "queueMode": "later"}), "queueMode"),
        (json!({"message": "x", "stream": "yes"}), "stream"),
    ] {
        for path in ["/v1/agent/run", "/v1/agent/run/stream"] {
            let reply = house.http().post(path, &body).await;
            let error = reply.json();
            let found = (reply.status, reply.code(), error["error"]["type"].as_str().unwrap());
            assert_eq!(found, (400, "invalid_request".to_owned(), "client_error"), "{body} {error}");
            assert!(error["error"]["param"].as_str().unwrap().starts_with(param), "{body} {error}");
        }
    }
    let unknown = house.http().post("/v1/agent/run", &json!({"message": "x", "agentId": "nobody"})).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "not_found"));
    for (body, param) in [
        (json!({"message": "x", "agentId": "nobody"}), "agentId"),
        (json!({"message": "x", "sessionKey": "agent:nobody:x"}), "sessionKey"),
        (json!({"message": "x", "options": {"model": "openclaw:nobody"}}), "options.model"),
        (json!({"message": "x", "options": {"model": "nobody/knows"}}), "options.model"),
        (json!({"message": "x", "model": "nobody/knows"}), "model"),
    ] {
        for key in [None, Some("k-1")] {
            let http = key.map_or_else(|| house.http(), |key| house.http().with("idempotency-key", key));
            let unknown = http.post("/v1/agent/run", &body).await;
            assert_eq!((unknown.status, &unknown.json()["error"]["param"]), (404, &json!(param)), "{body}");
        }
    }
    let model = json!({"message": "x", "options": {"model": "nobody/knows"}});
    let unknown = house.http().post("/v1/agent/run", &model).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "model_not_found"));
    let (_, reader) = house.key(&[Scope::Read]).await;
    let refused = house.stranger().with("x-api-key", &reader).post("/v1/agent/run", &json!({"message": "x"})).await;
    assert_eq!(refused.status, 403);
    house.stop().await;
}

/// The words of `queueMode` mean on this door what they mean on the socket.
#[tokio::test]
async fn a_message_to_a_busy_conversation_does_what_its_queue_mode_says() {
    for keyed in [false, true] {
        let house = House::open().await;
        let gate = Gate::new();
        let call = Scripted::tool_call("session_status", "{}").held(&gate);
        house.upstream.script([call, Scripted::text("both"), Scripted::silence(), Scripted::text("instead")]);
        let first = house.http().stream("/v1/agent/run", &json!({"message": "one", "sessionKey": "busy"})).await;
        house.upstream.requested(1).await;
        let ask = |mode: &'static str| {
            let http = house.http();
            let http = if keyed { http.with("idempotency-key", mode) } else { http };
            let body = json!({"message": "two", "sessionKey": "busy", "queueMode": mode});
            async move { http.post("/v1/agent/run", &body).await }
        };
        let refused = ask("reject").await;
        assert_eq!((refused.status, refused.json()["error"]["details"]["code"].clone()), (409, json!("session_busy")));
        let (steered, ()) = tokio::join!(ask("steer"), async {
            while house.http().get("/v2/tasks?status=queued").await.json()["tasks"].as_array().unwrap().is_empty() {}
            gate.open_for_good();
        });
        assert_eq!((steered.status, &steered.json()["response"]), (200, &json!("both")), "{}", steered.text);
        assert_eq!(first.reply().await.json()["response"], json!("both"));
        let silent = house.http().stream("/v1/agent/run", &json!({"message": "three", "sessionKey": "busy"})).await;
        house.upstream.requested(3).await;
        let instead = ask("interrupt").await;
        assert_eq!((instead.status, &instead.json()["response"]), (200, &json!("instead")), "{}", instead.text);
        assert_eq!(silent.reply().await.status, 409);
        house.stop().await;
    }
}

/// C25, C26, C27, C21.
#[tokio::test]
async fn conversations_are_listed_read_and_deleted_by_raw_and_encoded_keys() {
    let house = House::open().await;
    for key in ["a", "b"] {
        let body = json!({"message": "hello", "sessionKey": key});
        assert_eq!(house.http().post("/v1/agent/run", &body).await.status, 200);
    }
    let list = house.http().get("/v1/sessions").await.json();
    let first = &list["sessions"][0];
    assert_eq!((&first["sessionKey"], &first["agentId"]), (&json!("agent:main:b"), &json!("main")));
    assert_eq!((&first["channel"], &first["messageCount"]), (&Value::Null, &json!(2)));
    assert!(first["createdAt"].is_string() && first["updatedAt"].is_string());
    let page = house.http().get("/v1/sessions?limit=1").await.json();
    assert_eq!((page["sessions"].as_array().unwrap().len(), &page["hasMore"]), (1, &json!(true)));
    let next = format!("/v1/sessions?limit=1&cursor={}", page["nextCursor"].as_str().unwrap());
    assert_eq!(house.http().get(&next).await.json()["sessions"][0]["sessionKey"], json!("agent:main:a"));
    for name in ["agent:main:a", "agent%3Amain%3Aa", "a"] {
        let one = house.http().get(&format!("/v1/sessions/{name}")).await.json();
        assert_eq!((&one["sessionKey"], one["messages"].as_array().unwrap().len()), (&json!("agent:main:a"), 2));
        assert_eq!(one["messages"][0]["role"], json!("user"), "{one}");
    }
    let (_, reader) = house.key(&[Scope::Read]).await;
    let other = house.stranger().with("x-api-key", &reader).get("/v1/sessions/a").await;
    assert_eq!((other.status, other.code().as_str()), (404, "not_found"));
    assert_eq!(house.http().send("DELETE", "/v1/sessions/agent%3Amain%3Aa", None).await.status, 200);
    assert_eq!(house.http().get("/v1/sessions/a").await.status, 404);
    for (path, param) in [
        ("/v1/sessions?limit=x", "limit"),
        ("/v1/sessions?limit=0", "limit"),
        ("/v1/sessions?cursor=x", "cursor"),
        ("/v1/sessions/b?limit=0", "limit"),
    ] {
        let reply = house.http().get(path).await;
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!(param)), "{path}");
    }
    house.stop().await;
}

/// C26: whatever is longer than one answer is read page by page.
#[tokio::test]
async fn a_long_conversation_says_that_there_is_more_and_whose_agent_is_unknown_is_not_there() {
    let house = House::open().await;
    for message in ["one", "two"] {
        let body = json!({"message": message, "sessionKey": "a"});
        assert_eq!(house.http().post("/v1/agent/run", &body).await.status, 200);
    }
    let (mut before, mut roles) = (String::new(), Vec::new());
    for (has_more, shown) in [(true, 3), (false, 1)] {
        let page = house.http().get(&format!("/v1/sessions/a?limit=3{before}")).await.json();
        let messages = page["messages"].as_array().unwrap();
        assert_eq!((messages.len(), &page["hasMore"], &page["messageCount"]), (shown, &json!(has_more), &json!(4)));
        let older = messages.iter().map(|message| message["role"].as_str().unwrap().to_owned());
        roles = older.chain(roles).collect();
        before = format!("&before={}", page["nextBefore"]);
    }
    assert_eq!(
        (before.as_str(), roles),
        ("&before=null", vec!["user".into(), "assistant".into(), "user".into(), "assistant".into()])
    );
    assert_eq!(house.http().get("/v1/sessions/a?agentId=default").await.json()["hasMore"], json!(false));
    for path in ["/v1/sessions?agentId=nope", "/v1/sessions/a?agentId=nope"] {
        let reply = house.http().get(path).await;
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (404, &json!("agentId")), "{path}");
    }
    let list = house.http().get("/v1/sessions?agentId=ops").await.json();
    assert_eq!(list["sessions"], json!([]));
    house.stop().await;
}

/// E11, K9.
#[tokio::test]
async fn a_tool_is_invoked_in_both_spellings_and_refused_by_its_own_words() {
    let house = House::open().await;
    let http = house.http();
    for path in ["/v1/tools/invoke", "/tools/invoke"] {
        for body in [
            json!({"tool": "session_status", "arguments": {}}),
            json!({"tool": "session_status", "args": {}, "sessionKey": "agent:main:main"}),
            // Stock's own example: the tool takes no `action`.
            json!({"tool": "session_status", "action": "json", "args": {}, "sessionKey": "main", "dryRun": false}),
        ] {
            let reply = http.post(path, &body).await;
            let answer = reply.json();
            assert_eq!((reply.status, &answer["ok"]), (200, &json!(true)), "{answer}");
            assert_eq!(answer["result"]["details"]["session"], json!("agent:main:main"));
            assert_eq!(answer["result"]["content"][0]["type"], json!("text"));
        }
        for (body, status, code, param) in [
            (json!({"tool": "no_such_tool"}), 404, "not_found", json!("tool")),
            (json!({"tool": "session_status", "agentId": "nobody"}), 404, "not_found", json!("agentId")),
            (json!({"tool": ""}), 400, "invalid_request", json!("tool")),
            (json!({}), 400, "invalid_request", json!("tool")),
            (json!({"tool": 5}), 400, "invalid_request", json!("tool")),
            (json!({"tool": "session_status", "args": []}), 400, "invalid_request", json!("args")),
            (json!({"tool": "sessions_history", "args": {}}), 400, "tool_error", json!("args.sessionKey")),
            (json!({"tool": "session_status", "args": {}, "arguments": {}}), 400, "invalid_request", json!("args")),
            (
                json!({"tool": "session_status", "sessionKey": "agent:main:"}),
                400,
                "invalid_request",
                json!("sessionKey"),
            ),
        ] {
            let reply = http.post(path, &body).await;
            let error = reply.json();
            let found = (reply.status, reply.code(), error["error"]["param"].clone());
            assert_eq!(found, (status, code.to_owned(), param), "{body} {error}");
            assert_eq!(error["ok"], json!(false));
        }
    }
    let (_, reader) = house.key(&[Scope::Read]).await;
    let body = json!({"tool": "session_status"});
    assert_eq!(house.stranger().with("x-api-key", &reader).post("/tools/invoke", &body).await.status, 403);
    house.stop().await;
}

/// K9: nothing is done, and what would become of the call is said at both doors.
#[tokio::test]
async fn a_dry_call_is_judged_and_not_made() {
    let mut plan = Plan::new();
    plan.permissions.general.ask = vec!["sessions_list".parse().unwrap()];
    let house = plan.build().await;
    let http = house.http();
    let mut socket = house.socket().await;
    let asks = "the call needs an approval, which only a run can ask for";
    for (tool, verdict, text) in [("session_status", "allow", "the call would be made"), ("sessions_list", "ask", asks)]
    {
        let text = json!([{"type": "text", "text": text}]);
        let judged = json!({"content": text, "dryRun": true, "tool": tool, "verdict": verdict});
        for path in ["/v1/tools/invoke", "/tools/invoke"] {
            let reply = http.post(path, &json!({"tool": tool, "args": {}, "dryRun": true})).await;
            assert_eq!((reply.status, reply.json()), (200, json!({"ok": true, "result": judged})), "{path}");
        }
        let told = socket.payload("tools.invoke", &json!({"name": tool, "dryRun": true})).await;
        assert_eq!(told, json!({"ok": true, "toolName": tool, "output": judged, "source": "core"}));
    }
    for (body, status, param) in [
        (json!({"tool": "sessions_history", "args": {}, "dryRun": true}), 400, json!("args.sessionKey")),
        (json!({"tool": "no_such_tool", "dryRun": true}), 404, json!("tool")),
        (json!({"tool": "session_status", "dryRun": "yes"}), 400, json!("dryRun")),
    ] {
        let reply = http.post("/v1/tools/invoke", &body).await;
        assert_eq!((reply.status, reply.json()["error"]["param"].clone()), (status, param), "{body}");
    }
    let made = http.post("/v1/tools/invoke", &json!({"tool": "session_status", "dryRun": false})).await.json();
    assert!(made["result"]["details"]["session"].is_string(), "{made}");
    house.stop().await;
}

/// What the gateway says of a run itself is refused from whoever asks, by whichever door, and begins nothing; what is
/// merely unknown is passed over as ever.
#[tokio::test]
async fn adv_18_a_caller_says_nothing_that_only_the_gateway_may() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    for field in ["workspaceDir", "spawnedBy", "principal"] {
        for value in [json!("/etc"), json!({"id": "operator"}), json!("")] {
            let body = json!({"message": "x", "sessionKey": "main", field: value});
            for path in ["/v1/agent/run", "/v1/agent/run/stream"] {
                let reply = house.http().post(path, &body).await;
                assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!(field)), "{path} {body}");
            }
            for method in ["agent", "chat.send", "sessions.send", "chat.run"] {
                let refused = socket.call(method, &body).await;
                assert_eq!(refused["error"]["code"], json!("INVALID_REQUEST"), "{method} {body}: {refused}");
                assert!(refused["error"]["message"].as_str().unwrap().contains(field), "{method}: {refused}");
            }
        }
    }
    assert_eq!(house.upstream.counts().requests, 0);
    let unknown = json!({"message": "x", "sessionKey": "main", "somethingNew": "/etc"});
    assert_eq!(house.http().post("/v1/agent/run", &unknown).await.status, 200);
    house.stop().await;
}

/// K10, at every door that begins a run: what is asked for is a restriction, so it holds or is refused.
#[tokio::test]
async fn only_the_tools_that_are_named_are_offered_by_whichever_door() {
    let house = House::open().await;
    let offered = || -> Vec<Value> {
        let body = house.upstream.requests().pop().unwrap().body;
        body["tools"].as_array().into_iter().flatten().map(|tool| tool["function"]["name"].clone()).collect()
    };
    let mut socket = house.socket().await;
    assert_eq!(house.http().post("/v1/agent/run", &json!({"message": "x"})).await.status, 200);
    assert!(offered().len() > 1, "all, where nothing is said");
    for (tools, expected) in [(json!(["session_status"]), vec![json!("session_status")]), (json!([]), vec![])] {
        for run in [json!({"message": "x", "tools": tools}), json!({"message": "x", "options": {"tools": tools}})] {
            for path in ["/v1/agent/run", "/v1/agent/run/stream"] {
                assert_eq!((house.http().post(path, &run).await.status, offered()), (200, expected.clone()), "{path}");
            }
            let ask = socket.ask("agent", &run).await;
            assert_eq!(socket.answer(&ask).await["payload"]["status"], json!("accepted"));
            assert_eq!((&socket.answer(&ask).await["payload"]["status"], offered()), (&json!("ok"), expected.clone()));
            let task = house.http().post("/v2/tasks", &json!({"input": run})).await.json();
            crate::tasks::ended(&house, task["id"].as_str().unwrap()).await;
            assert_eq!(offered(), expected, "{task}");
        }
    }
    let asked = house.upstream.counts().requests;
    for (field, param) in [("tools", "tools[1]"), ("options", "options.tools[1]")] {
        let names = json!(["session_status", "nothing"]);
        let run = if field == "tools" {
            json!({"message": "x", "tools": names})
        } else {
            json!({"message": "x", "options": {"tools": names}})
        };
        for path in ["/v1/agent/run", "/v1/agent/run/stream"] {
            let refused = house.http().post(path, &run).await;
            assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!(param)), "{path}");
        }
        let refused = socket.call("agent", &run).await;
        assert_eq!(refused["error"]["details"]["param"], json!(param), "{refused}");
        let refused = house.http().post("/v2/tasks", &json!({"input": run})).await;
        let param = format!("input.{param}");
        assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!(param)), "{}", refused.text);
        let refused = socket.call("tasks.submit", &json!({"input": run})).await;
        assert_eq!(refused["error"]["details"]["param"], json!(param), "{refused}");
    }
    // Where nothing obeys it, it is refused.
    let named = json!(["session_status"]);
    for (field, value) in [("tools", named.clone()), ("options", json!({"tools": named.clone()}))] {
        let task = json!({"input": {"message": "x"}, field: value});
        let refused = house.http().post("/v2/tasks", &task).await;
        assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!(field)), "{}", refused.text);
        let refused = socket.call("tasks.submit", &task).await;
        let message = format!("invalid tasks.submit params: at {field}: nothing obeys it here: leave it out");
        assert_eq!(refused["error"]["message"], json!(message));
    }
    let refused = socket.call("wake", &json!({"text": "x", "tools": named})).await;
    let message = "invalid wake params: at tools: nothing obeys it here: leave it out";
    assert_eq!(refused["error"]["message"], json!(message));
    assert_eq!(house.upstream.counts().requests, asked, "nothing was begun");
    house.stop().await;
}

/// G4, K8: what is kept under a key is told again, and whoever asks again with it hears nothing else.
#[tokio::test]
async fn a_failure_that_is_told_again_under_its_key_is_not_retryable() {
    let house = House::open().await;
    house.upstream.respond_with(|_| Scripted::status(500, "no"));
    let chat = json!({"messages": [{"role": "user", "content": "x"}]});
    for (key, path, body) in [
        ("a", "/v1/agent/run", json!({"message": "x"})),
        ("b", "/v1/agent/run/stream", json!({"message": "x"})),
        ("c", "/v1/chat/completions", chat),
        ("d", "/v1/responses", json!({"input": "x"})),
    ] {
        let http = house.http().with("idempotency-key", key);
        for retryable in [true, false] {
            let reply = http.post(path, &body).await;
            assert_eq!((reply.status, &reply.json()["error"]["retryable"]), (503, &json!(retryable)), "{path}");
        }
    }
    house.stop().await;
}
