//! Bad input on every route: one table, held against the router's own list. A route without a row fails here.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::house::House;
use crate::http::{Http, Open};

/// What is known about one method of one route.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    /// As the router has it.
    pub(crate) route: &'static str,
    /// The same with names of things that are not there.
    pub(crate) path: &'static str,
    /// What is answered when nothing is wrong but those names.
    status: u16,
    /// A body that is right, where one is read.
    pub(crate) body: Option<Value>,
    /// Fields that make it wrong, and what is blamed.
    wrong: Vec<(&'static str, Value, &'static str)>,
    /// Queries that are wrong, and what is blamed.
    queries: Vec<(&'static str, &'static str)>,
    /// Whether strangers may ask.
    is_open: bool,
}

fn row(method: &'static str, route: &'static str, path: &'static str, status: u16) -> Row {
    Row { method, route, path, status, body: None, wrong: Vec::new(), queries: Vec::new(), is_open: false }
}

impl Row {
    fn open(self) -> Self {
        Self { is_open: true, ..self }
    }
    fn queries(self, queries: &[(&'static str, &'static str)]) -> Self {
        Self { queries: queries.to_vec(), ..self }
    }
    fn body(self, body: Value, wrong: &[(&'static str, Value, &'static str)]) -> Self {
        Self { body: Some(body), wrong: wrong.to_vec(), ..self }
    }
}

/// Every route.
pub(crate) fn table() -> Vec<Row> {
    [probes(), vec![chat()], openai(), responses(), runs(), sessions(), tasks()].into_iter().flatten().collect()
}

fn probes() -> Vec<Row> {
    let mut rows: Vec<Row> =
        ["/health", "/healthz", "/ready", "/readyz"].map(|path| row("GET", path, path, 200).open()).into();
    rows.push(row("GET", "/status", "/status", 200));
    rows
}

fn chat() -> Row {
    let chat = json!({"messages": [{"role": "user", "content": "x"}]});
    let say = |content: Value| json!([{"role": "user", "content": content}]);
    row("POST", "/v1/chat/completions", "/v1/chat/completions", 200).body(
        chat,
        &[
            ("messages", Value::Null, "messages"),
            ("messages", json!([]), "messages"),
            ("messages", say(json!(5)), "messages[0].content"),
            ("messages", json!([{"role": "king", "content": "x"}]), "messages[0].role"),
            ("temperature", json!("hot"), "temperature"),
            ("n", json!(0), "n"),
            ("user", json!(5), "user"),
            ("model", json!("openclaw:no agent"), "model"),
            ("model", json!(""), "model"),
            ("model", json!(["openclaw"]), "model"),
            ("messages", json!([{"role": "user"}]), "messages[0].content"),
            ("messages", json!([{"role": "user", "content": null}]), "messages[0].content"),
            (
                "messages",
                say(json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,@@"}}])),
                "messages[0].content[0].image_url.url",
            ),
            (
                "messages",
                say(json!([{"type": "image_url", "image_url": {"url": "http://0x7f.1:1/a.png"}}])),
                "image_url",
            ),
            ("messages", say(json!([{"type": "file", "file": {"file_url": "http://[::1]/a.pdf"}}])), "file_url"),
            (
                "messages",
                say(json!([{"type": "file", "file": {"file_data": "no base64"}}])),
                "messages[0].content[0].file.file_data",
            ),
            ("messages", json!([{"role": "tool", "tool_call_id": "c", "content": "x"}]), "messages[0].role"),
            (
                "messages",
                json!([{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
                           {"role": "user", "content": "x"}]),
                "messages[0].tool_calls",
            ),
            ("stream_options", json!({"include_usage": 1}), "stream_options.include_usage"),
            (
                "response_format",
                json!({"type": "json_schema", "json_schema": {"name": "x", "schema": 1}}),
                "response_format.json_schema.schema",
            ),
            ("tools", json!([{"type": "function", "function": {"name": 5}}]), "tools[0].function.name"),
            ("store", json!("yes"), "store"),
        ],
    )
}

fn openai() -> Vec<Row> {
    vec![
        row("POST", "/v1/embeddings", "/v1/embeddings", 404).body(
            json!({"model": "nobody", "input": "x"}),
            &[
                ("model", Value::Null, "model"),
                ("input", json!([]), "input"),
                ("encoding_format", json!("hex"), "encoding_format"),
                ("dimensions", json!(-1), "dimensions"),
                ("model", json!(""), "model"),
                ("input", json!(5), "input"),
                ("input", json!(["a", ""]), "input[1]"),
                ("input", json!([[1, "a"]]), "input[0]"),
                ("user", json!(5), "user"),
            ],
        ),
        row("GET", "/v1/models", "/v1/models", 200),
        row("GET", "/v1/models/{*id}", "/v1/models/no/such", 404),
    ]
}

fn responses() -> Vec<Row> {
    let absent = "resp_00000000000000000000000000000001";
    let said = |part: Value| json!([{"role": "user", "content": [part]}]);
    let image = |url: &str| said(json!({"type": "input_image", "image_url": url}));
    let file = |field: &str, given: &str| said(json!({"type": "input_file", field: given}));
    vec![
        row("POST", "/v1/responses", "/v1/responses", 200).body(
            json!({"input": "x"}),
            &[
                ("input", Value::Null, "input"),
                ("input", json!(5), "input"),
                ("input", json!([{"type": "dream"}]), "input[0].type"),
                ("truncation", json!("some"), "truncation"),
                ("metadata", json!({"a": 1}), "metadata.a"),
                ("tools", json!(["nothing"]), "tools[0]"),
                ("previous_response_id", json!(absent), "previous_response_id"),
                ("previous_response_id", json!(5), "previous_response_id"),
                ("model", json!(" "), "model"),
                ("model", json!(5), "model"),
                ("input", json!([{"type": "function_call_output", "call_id": "c", "output": "x"}]), "input[0].call_id"),
                ("input", json!([{"type": "function_call", "call_id": "c", "name": "f"}]), "input[0].arguments"),
                ("input", json!([{"role": "user"}]), "input[0].content"),
                ("input", json!([{"role": "user", "content": "x", "id": 5}]), "input[0].id"),
                ("input", image("data:image/png;base64,@"), "input[0].content[0].image_url"),
                ("input", image("http://localhost/a.png"), "image_url"),
                ("input", file("file_url", "http://10.0.0.1/a.pdf"), "file_url"),
                ("input", file("file_data", "@"), "input[0].content[0].file_data"),
                ("text", json!({"format": {"type": "json_schema", "name": "x", "schema": 5}}), "text.format.schema"),
                ("text", json!({"verbosity": 5}), "text.verbosity"),
                ("reasoning", json!({"effort": 5}), "reasoning.effort"),
                ("reasoning", json!("high"), "reasoning"),
                ("tools", json!([{"type": "function", "name": "f", "parameters": []}]), "tools[0].parameters"),
                ("tools", json!([{"type": "function", "name": "f", "strict": "yes"}]), "tools[0].strict"),
                ("tool_choice", json!({"type": "function", "name": "f"}), "tool_choice"),
                ("include", json!(["everything"]), "include[0]"),
                ("conversation", json!({"id": 5}), "conversation.id"),
                ("stream_options", json!({"include_obfuscation": 5}), "stream_options.include_obfuscation"),
                ("stream_options", json!({"include_obfuscation": false}), "stream_options"),
                ("background", json!("yes"), "background"),
                ("store", json!(1), "store"),
                ("max_output_tokens", json!(0), "max_output_tokens"),
            ],
        ),
        // Without an upgrade.
        row("GET", "/v1/responses", "/v1/responses", 426).open(),
        row("POST", "/v1/responses/compact", "/v1/responses/compact", 200).body(
            json!({"model": "openclaw", "input": "x"}),
            &[
                ("model", Value::Null, "model"),
                ("input", json!({}), "input"),
                ("instructions", json!(1), "instructions"),
                ("model", json!(""), "model"),
                ("input", json!([{"type": "function_call_output", "call_id": "c", "output": "x"}]), "input[0].call_id"),
            ],
        ),
        row("GET", "/v1/responses/{id}", "/v1/responses/resp_00000000000000000000000000000001", 404)
            .queries(&[("stream=maybe", "stream"), ("starting_after=x", "starting_after")]),
        row("DELETE", "/v1/responses/{id}", "/v1/responses/resp_x", 404),
        row("POST", "/v1/responses/{id}/cancel", "/v1/responses/resp_x/cancel", 404),
        row("GET", "/v1/responses/{id}/input_items", "/v1/responses/resp_x/input_items", 404).queries(&[
            ("limit=0", "limit"),
            ("limit=x", "limit"),
            ("order=up", "order"),
        ]),
    ]
}

fn runs() -> Vec<Row> {
    let wrong = [
        ("message", Value::Null, "message"),
        ("message", json!(5), "message"),
        ("agentId", json!("no agent"), "agentId"),
        ("options", json!({"thinking": "very"}), "options.thinking"),
        ("stream", json!("yes"), "stream"),
        ("options", json!({"model": 5}), "options.model"),
        ("sessionKey", json!("agent:main:"), "sessionKey"),
        ("idempotencyKey", json!(5), "idempotencyKey"),
        ("idempotencyKey", json!("k".repeat(256)), "idempotencyKey"),
        // Advisory 18: only the gateway says these.
        ("workspaceDir", json!("/etc"), "workspaceDir"),
        ("spawnedBy", json!("operator"), "spawnedBy"),
        ("principal", json!({"id": "operator"}), "principal"),
    ];
    let invoke = |path| {
        row("POST", path, path, 200).body(
            json!({"tool": "session_status", "arguments": {}}),
            &[
                ("tool", Value::Null, "tool"),
                ("tool", json!(" "), "tool"),
                ("arguments", json!("x"), "arguments"),
                ("arguments", json!(["x"]), "arguments"),
                ("args", json!(5), "args"),
                ("action", json!(5), "action"),
                ("agentId", json!(5), "agentId"),
                ("sessionKey", json!({}), "sessionKey"),
            ],
        )
    };
    vec![
        row("POST", "/v1/agent/run", "/v1/agent/run", 200).body(json!({"message": "x"}), &wrong),
        row("POST", "/v1/agent/run/stream", "/v1/agent/run/stream", 200).body(json!({"message": "x"}), &wrong),
        invoke("/v1/tools/invoke"),
        invoke("/tools/invoke"),
    ]
}

fn sessions() -> Vec<Row> {
    vec![
        row("GET", "/v1/sessions", "/v1/sessions", 200).queries(&[("limit=x", "limit"), ("cursor=x", "cursor")]),
        row("GET", "/v1/sessions/{*key}", "/v1/sessions/agent:main:none", 404).queries(&[
            ("limit=x", "limit"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("before=x", "before"),
        ]),
        row("DELETE", "/v1/sessions/{*key}", "/v1/sessions/agent%3Amain%3Anone", 404),
    ]
}

fn tasks() -> Vec<Row> {
    vec![
        row("POST", "/v2/tasks", "/v2/tasks", 202).body(
            json!({"input": {"message": "x"}}),
            &[
                ("input", Value::Null, "input"),
                ("input", json!({}), "input.message"),
                ("type", json!("dance"), "type"),
                ("onCrash", json!("laugh"), "onCrash"),
                ("maxAttempts", json!(0), "maxAttempts"),
            ],
        ),
        row("GET", "/v2/tasks", "/v2/tasks", 200).queries(&[
            ("limit=x", "limit"),
            ("status=odd", "status"),
            ("cursor=x", "cursor"),
        ]),
        row("GET", "/v2/tasks/{id}", "/v2/tasks/task_x", 404),
        row("GET", "/v2/tasks/{id}/events", "/v2/tasks/task_x/events", 404).queries(&[("after=x", "after")]),
        row("POST", "/v2/tasks/{id}/cancel", "/v2/tasks/task_x/cancel", 404),
        row("POST", "/v2/tasks/{id}/retry", "/v2/tasks/task_x/retry", 404),
        row("GET", "/v2/audit", "/v2/audit", 200).queries(&[
            ("limit=x", "limit"),
            ("kind=odd", "kind"),
            ("since=soon", "since"),
            ("cursor=x", "cursor"),
        ]),
        row("GET", "/v2/approvals", "/v2/approvals", 200),
        row("GET", "/v2/approvals/{id}", "/v2/approvals/appr_x", 404),
        row("POST", "/v2/approvals/{id}", "/v2/approvals/appr_x", 404).body(
            json!({"decision": "deny"}),
            &[
                ("decision", Value::Null, "decision"),
                ("decision", json!("allow-always"), "decision"),
                ("decision", json!(true), "decision"),
            ],
        ),
    ]
}

/// A path that matches a route.
fn concrete(route: &str) -> String {
    let segment = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
    route.split('/').map(segment).collect::<Vec<_>>().join("/")
}

async fn told(http: &Http, row: &Row, path: &str, body: Option<&str>) -> (u16, Value) {
    let reply = http.send(row.method, path, body).await;
    let context = format!("{} {path} {}: {}", row.method, body.unwrap_or_default(), reply.text);
    assert!(reply.header("x-request-id").is_some(), "{context}");
    if reply.status >= 400 {
        let error = &reply.json()["error"];
        assert!(error["code"].is_string() && error["message"].is_string(), "{context}");
        assert_eq!(error["requestId"].as_str(), reply.header("x-request-id"), "{context}");
    }
    let param = if reply.status == 400 { reply.json()["error"]["param"].clone() } else { Value::Null };
    (reply.status, param)
}

#[tokio::test]
async fn every_route_has_a_row_and_says_its_methods() {
    let house = House::open().await;
    let mut found = BTreeSet::new();
    for route in claw_gateway::paths() {
        let reply = house.stranger().send("PATCH", &concrete(route), None).await;
        assert_eq!((reply.status, reply.code().as_str()), (405, "method_not_allowed"), "{route}");
        let allow = reply.header("allow").unwrap_or_else(|| panic!("{route} says its methods")).to_owned();
        found.extend(allow.split(',').filter(|method| *method != "HEAD").map(|method| format!("{method} {route}")));
    }
    let rows: BTreeSet<String> = table().iter().map(|row| format!("{} {}", row.method, row.route)).collect();
    assert_eq!(rows, found, "the rows of this table, and the routes there are");
    house.stop().await;
}

#[tokio::test]
async fn every_route_knows_who_asks_and_what_is_not_there() {
    let house = House::open().await;
    for row in table() {
        let body = row.body.as_ref().map(Value::to_string);
        let stranger = told(&house.stranger(), &row, row.path, body.as_deref()).await.0;
        let expected = if row.is_open { row.status } else { 401 };
        assert_eq!(stranger, expected, "a stranger: {} {}", row.method, row.path);
        assert_eq!(
            told(&house.http(), &row, row.path, body.as_deref()).await.0,
            row.status,
            "{} {}",
            row.method,
            row.path
        );
        for (query, param) in &row.queries {
            let (status, blamed) = told(&house.http(), &row, &format!("{}?{query}", row.path), None).await;
            assert!(
                status == 400 && blamed == json!(param) || status == 404,
                "{} {}?{query}: {status} {blamed}",
                row.method,
                row.path
            );
        }
    }
    house.stop().await;
}

/// C43 and adv_80 among them.
#[tokio::test]
async fn every_body_is_checked_before_anything_is_done() {
    let house = House::open().await;
    let http = house.http();
    let deep = format!("{{\"deep\":{}{}}}", "[".repeat(64), "]".repeat(64));
    for row in table().iter().filter(|row| row.body.is_some()) {
        let name = format!("{} {}", row.method, row.path);
        let right = row.body.as_ref().unwrap().to_string();
        let beside = |field: &str| right.replacen('{', &format!("{{{field},"), 1);
        let twice = beside(r#""doubled":1,"doubled":2"#);
        for (text, param) in [
            ("", Value::Null),
            ("{", Value::Null),
            ("nonsense", Value::Null),
            ("[]", Value::Null),
            ("\"text\"", Value::Null),
            ("5", Value::Null),
            (deep.as_str(), Value::Null),
            (twice.as_str(), json!("doubled")),
            (beside(r#""a":[{"__proto__":{"isAdmin":true}}]"#).as_str(), json!("__proto__")),
        ] {
            assert_eq!(told(&http, row, row.path, Some(text)).await, (400, param), "{name} {text}");
        }
        for (field, value, param) in &row.wrong {
            let mut body = row.body.clone().unwrap();
            body.as_object_mut().unwrap().remove(*field);
            if !value.is_null() {
                body[*field] = value.clone();
            }
            let body = body.to_string();
            assert_eq!(told(&http, row, row.path, Some(&body)).await, (400, json!(param)), "{name} {body}");
        }
        let strange = json!({"agentId": "nobody", "model": "openclaw:nobody"}).as_object().unwrap().clone();
        let mut unknown = row.body.clone().unwrap();
        unknown.as_object_mut().unwrap().extend(strange);
        let status = told(&http, row, row.path, Some(&unknown.to_string())).await.0;
        assert!(matches!(status, 400 | 404) || row.route == "/v2/tasks", "an unknown agent: {name}: {status}");
        for kind in ["text/plain", "application/x-www-form-urlencoded"] {
            let reply = http.clone().with("content-type", kind).send(row.method, row.path, Some(&right)).await;
            assert_eq!((reply.status, reply.code().as_str()), (415, "unsupported_media_type"), "{name} {kind}");
        }
        let head = http.head(row.method, row.path);
        let large = format!("{head}content-type: application/json\r\ncontent-length: 10485761\r\n\r\n");
        let reply = Open::raw(house.address, large.as_bytes()).await.reply().await;
        assert_eq!((reply.status, reply.code().as_str()), (413, "payload_too_large"), "{name}");
    }
    house.stop().await;
}

/// However a path is spelled, who may ask is decided for the route that answers: what the operator is given, a stranger
/// and the holder of a key without any scope are not.
#[tokio::test]
async fn adv_20_no_spelling_of_a_path_leads_around_its_scope() {
    let house = House::open().await;
    let nobody = Http::new(house.address, &[("x-api-key", &house.key(&[]).await.1)]);
    let mut opened = 0;
    for target in
        ["status", "v1/models", "v2/tasks", "v1/sessions", "v2/audit", "v2/approvals", "v1/models/mock/mock-1"]
    {
        let (first, rest) = target.split_at(1);
        let coded = format!("%{:02x}{rest}", first.as_bytes()[0]);
        let twice = coded.replace('%', "%25");
        let slashes = target.replace('/', "%2f");
        let backslashes = target.replace('/', "%5c");
        for path in [
            format!("/{target}"),
            format!("//{target}"),
            format!("/./{target}"),
            format!("/{target}/"),
            format!("/{target};x=1"),
            format!("/{target}%00"),
            format!("/{target}%20"),
            format!("/{target}?x=/health"),
            format!("/{coded}"),
            format!("/{twice}"),
            format!("/{slashes}"),
            format!("/%2f{target}"),
            format!("/%5c{target}"),
            format!("/{backslashes}"),
            format!("/health/../{target}"),
            format!("/health/..%2f{slashes}"),
            format!("/health/%2e%2e/{target}"),
            format!("/healthz%2f..%2f{slashes}"),
            format!("/healthz/..;/{target}"),
            format!("/hooks/../{target}"),
            format!("/hooks/..%2f{slashes}"),
            format!("/hooks%2f..%2f{slashes}"),
            format!("/{}", target.to_uppercase()),
            format!("/%ef%bc%8f{target}"),
            format!("http://{}/{target}", house.address),
        ] {
            for method in ["GET", "POST", "DELETE"] {
                let body = (method == "POST").then_some("{}");
                let by_operator = house.http().send(method, &path, body).await.status;
                let by_stranger = house.stranger().send(method, &path, body).await.status;
                let by_nobody = nobody.send(method, &path, body).await.status;
                let context = format!("{method} {path}: {by_operator} {by_stranger} {by_nobody}");
                opened += usize::from(by_operator == 200);
                match by_operator {
                    // No route: nobody is told more than that.
                    400 | 404 | 405 if by_stranger == by_operator => {}
                    _ => assert_eq!(by_stranger, 401, "{context}"),
                }
                assert!(matches!(by_nobody, 400 | 403 | 404 | 405), "{context}");
            }
        }
    }
    assert!(opened >= 14, "some of these are the routes themselves: {opened}");
    house.stop().await;
}

/// A model's id may hold slashes, written as they are or not.
#[tokio::test]
async fn a_model_is_found_by_its_id_however_its_slash_is_written() {
    let house = House::open().await;
    for path in ["/v1/models/mock/mock-1", "/v1/models/mock%2Fmock-1", "/v1/models/mock%2fmock-1"] {
        let reply = house.http().get(path).await;
        assert_eq!((reply.status, &reply.json()["id"]), (200, &json!("mock/mock-1")), "{path}");
    }
    let absent = house.http().get("/v1/models/mock%2Fmock-9").await;
    assert_eq!((absent.status, absent.code().as_str()), (404, "model_not_found"));
    house.stop().await;
}
