//! Devices on real sockets: who signed, what a token opens, who has to wait – and for how long.

use claw_core::audit::Door;
use claw_core::{DeviceId, Principal, Scope, Scopes};
use claw_testkit::WsClient;
use claw_testkit::device::{Device, now};
use claw_testkit::ws_client::connect_params;
use serde_json::{Value, json};

use crate::house::{House, Plan, TOKEN};

fn operator() -> Principal {
    Principal::operator()
}

fn wanting(auth: Value, scopes: &[&str]) -> Value {
    let mut params = connect_params(None);
    (params["auth"], params["scopes"]) = (auth, json!(scopes));
    params
}

async fn refused(house: &House, device: &Device, params: &Value) -> Value {
    let (mut socket, answer) = device.connect(house.address, params).await;
    assert_eq!(answer["ok"], json!(false), "{answer}");
    assert_eq!(socket.closed().await.0, 1008);
    answer["error"].clone()
}

async fn admitted(house: &House, device: &Device, params: &Value) -> (WsClient, Value) {
    let (socket, mut answer) = device.connect(house.address, params).await;
    assert_eq!(answer["ok"], json!(true), "{answer}");
    (socket, answer["payload"]["auth"].take())
}

/// Enrols the device beside the gateway's token; gives the token it got.
async fn enrolled(house: &House, device: &Device, scopes: &[&str]) -> String {
    let (_socket, auth) = admitted(house, device, &wanting(json!({"token": TOKEN}), scopes)).await;
    auth["deviceToken"].as_str().unwrap().to_owned()
}

fn details(error: &Value) -> &str {
    error["details"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn a_device_beside_a_valid_secret_never_waits_and_gets_a_token() {
    // K5.
    let house = House::open().await;
    for older in [false, true] {
        let device = if older { Device::older(2) } else { Device::new(1) };
        let params = wanting(json!({"token": TOKEN}), &["operator.read", "operator.write"]);
        let (_socket, auth) = admitted(&house, &device, &params).await;
        let token = auth["deviceToken"].as_str().unwrap();
        assert!(token.starts_with("oc_dt_") && token.len() == 49, "{token}");
        assert!(auth["issuedAtMs"].is_i64());
        assert_eq!((&auth["role"], &auth["method"]), (&json!("operator"), &json!("token")));
        assert_eq!(auth["scopes"], json!(["operator.read", "operator.write"]));
        let (_socket, auth) = admitted(&house, &device, &params).await;
        assert!(auth.get("deviceToken").is_none(), "it has one: {auth}");
        let both = wanting(json!({"token": TOKEN, "deviceToken": token}), &["operator.read"]);
        assert_eq!(admitted(&house, &device, &both).await.1["deviceToken"], json!(token));
        let stale = wanting(json!({"token": TOKEN, "deviceToken": "oc_dt_old"}), &["operator.read"]);
        assert!(admitted(&house, &device, &stale).await.1.get("deviceToken").is_none());
    }
    assert_eq!(house.app.devices.list(&operator()).await.unwrap().paired.len(), 2);
    house.stop().await;
}

#[tokio::test]
async fn a_devices_token_opens_with_its_signature_only_and_never_more_than_it_may() {
    let house = House::open().await;
    let device = Device::new(1);
    let token = enrolled(&house, &device, &["operator.read"]).await;
    for auth in [json!({"deviceToken": token}), json!({"token": token}), json!({"token": token, "deviceToken": token})]
    {
        let (mut socket, auth) = admitted(&house, &device, &wanting(auth, &["operator.read"])).await;
        assert_eq!((&auth["method"], &auth["deviceToken"]), (&json!("device-token"), &json!(token)));
        assert_eq!(auth["scopes"], json!(["operator.read"]));
        let refused = socket.call("agent", &json!({"message": "x"})).await;
        assert_eq!(refused["error"]["message"], json!("missing scope: operator.write"));
        assert_eq!(socket.call("health", &json!({})).await["ok"], json!(true));
    }
    // Another device, and nobody at all, can do nothing with it.
    let error = refused(&house, &Device::new(2), &wanting(json!({"deviceToken": token}), &["operator.read"])).await;
    assert_eq!(details(&error), "AUTH_DEVICE_TOKEN_MISMATCH");
    let (_socket, answer) = WsClient::connect_with(house.address, &wanting(json!({"token": token}), &[])).await;
    assert_eq!(details(&answer["error"]), "DEVICE_IDENTITY_REQUIRED");
    let http = crate::http::Http::new(house.address, &[("authorization", &format!("Bearer {token}"))]);
    assert_eq!(http.get("/status").await.status, 401);
    house.stop().await;
}

#[tokio::test]
async fn adv_8_a_false_identity_refuses_even_the_right_token() {
    let house = House::open().await;
    let device = Device::new(1);
    let right = wanting(json!({"token": TOKEN}), &["operator.read"]);
    let forged = async |code: &str, forge: &dyn Fn(&mut Value)| {
        let (mut socket, nonce) = Device::challenged(house.address).await;
        let mut params = device.signed(&right, &nonce, now());
        forge(&mut params);
        let answer = socket.call("connect", &params).await;
        let error = &answer["error"];
        assert_eq!((&error["code"], details(error)), (&json!("INVALID_REQUEST"), code), "{answer}");
        assert_eq!(socket.closed().await.0, 1008);
    };
    forged("DEVICE_AUTH_SIGNATURE_INVALID", &|params| params["scopes"] = json!(["operator.admin"])).await;
    forged("DEVICE_AUTH_SIGNATURE_INVALID", &|params| params["client"]["id"] = json!("cli")).await;
    forged("DEVICE_AUTH_DEVICE_ID_MISMATCH", &|params| params["device"]["id"] = json!("x")).await;
    forged("DEVICE_AUTH_PUBLIC_KEY_INVALID", &|params| params["device"]["publicKey"] = json!("x")).await;
    forged("DEVICE_AUTH_NONCE_REQUIRED", &|params| params["device"]["nonce"] = Value::Null).await;
    forged("DEVICE_AUTH_NONCE_MISMATCH", &|params| params["device"]["nonce"] = json!("mine")).await;
    forged("DEVICE_AUTH_PUBLIC_KEY_INVALID", &|params| params["device"] = json!({})).await;
    // Clocks that are off.
    for skew in [-11, 11] {
        let (mut socket, nonce) = Device::challenged(house.address).await;
        let answer = socket.call("connect", &device.signed(&right, &nonce, now() + skew * 60_000)).await;
        assert_eq!(details(&answer["error"]), "DEVICE_AUTH_SIGNATURE_EXPIRED");
    }
    // And a good identity saves no wrong token.
    let error = refused(&house, &device, &wanting(json!({"token": "wrong"}), &["operator.read"])).await;
    assert_eq!(details(&error), "AUTH_TOKEN_MISMATCH");
    assert_eq!(house.app.devices.list(&operator()).await.unwrap().paired, []);
    house.stop().await;
}

#[tokio::test]
async fn a_recorded_connect_opens_nothing_a_second_time() {
    let house = House::open().await;
    let device = Device::new(1);
    let (mut socket, nonce) = Device::challenged(house.address).await;
    let recorded = device.signed(&wanting(json!({"token": TOKEN}), &["operator.read"]), &nonce, now());
    assert_eq!(socket.call("connect", &recorded).await["ok"], json!(true));
    let again = socket.call("connect", &recorded).await;
    assert_eq!(again["error"]["message"], json!("connect is only valid as the first request"));
    let (mut replayed, _fresh) = Device::challenged(house.address).await;
    let answer = replayed.call("connect", &recorded).await;
    assert_eq!(details(&answer["error"]), "DEVICE_AUTH_NONCE_MISMATCH");
    assert_eq!(replayed.closed().await.0, 1008);
    house.stop().await;
}

#[tokio::test]
async fn who_has_no_credential_waits_for_an_approval_and_gets_one_token_for_it() {
    let house = House::open().await;
    let device = Device::new(1);
    let params = wanting(Value::Null, &["operator.read"]);
    let mut notices = house.app.devices.notices();
    let error = refused(&house, &device, &params).await;
    let waiting = house.app.devices.list(&operator()).await.unwrap().pending;
    let [wish] = &waiting[..] else { panic!("{waiting:?}") };
    let details = json!({
        "code": "PAIRING_REQUIRED", "reason": "not-paired", "requestId": wish.id.to_string(),
        "deviceId": device.id(),
    });
    assert_eq!(error, json!({"code": "NOT_PAIRED", "message": "pairing required", "details": details}));
    assert_eq!(refused(&house, &device, &params).await["details"], details, "it is the same wish");
    let claw_app::devices::PairingNotice::Requested(told) = notices.recv().await.unwrap() else { panic!("a wish") };
    assert_eq!(*told, *wish);
    house.app.devices.approve(&operator(), Door::WebSocket, wish.id).await.unwrap();
    let (_socket, auth) = admitted(&house, &device, &params).await;
    assert_eq!((&auth["method"], &auth["scopes"]), (&json!("device-token"), &json!(["operator.read"])));
    let token = auth["deviceToken"].as_str().unwrap();
    admitted(&house, &device, &wanting(json!({"deviceToken": token}), &["operator.read"])).await;
    // Whoever lost it asks again.
    assert_eq!(refused(&house, &device, &params).await["code"], json!("NOT_PAIRED"));
    house.stop().await;
}

#[tokio::test]
async fn who_wants_more_waits_and_keeps_what_it_has() {
    let house = House::open().await;
    let device = Device::new(1);
    let token = enrolled(&house, &device, &["operator.read"]).await;
    let more = wanting(json!({"deviceToken": token}), &["operator.write"]);
    let error = refused(&house, &device, &more).await;
    assert_eq!(error["details"]["reason"], json!("scope-upgrade"));
    admitted(&house, &device, &wanting(json!({"deviceToken": token}), &["operator.read"])).await;
    let wish = error["details"]["requestId"].as_str().unwrap().parse().unwrap();
    // adv_5: nobody grants what they do not have.
    let pairer = Principal { scopes: Scopes::of(&[Scope::Pairing, Scope::Read]), ..operator() };
    let forbidden = house.app.devices.approve(&pairer, Door::WebSocket, wish).await;
    assert_eq!(forbidden.unwrap_err(), claw_app::Error::Forbidden("operator.write"));
    house.app.devices.approve(&operator(), Door::WebSocket, wish).await.unwrap();
    let (_socket, auth) = admitted(&house, &device, &more).await;
    assert_eq!(auth["deviceToken"], json!(token));
    // The gateway's own secret needs nobody's approval.
    let all = wanting(json!({"token": TOKEN, "deviceToken": token}), &["operator.admin"]);
    admitted(&house, &device, &all).await;
    admitted(&house, &device, &wanting(json!({"deviceToken": token}), &["operator.admin"])).await;
    house.stop().await;
}

#[tokio::test]
async fn adv_11_a_token_that_is_revoked_rotated_or_removed_closes_its_sockets() {
    // G12.
    let house = House::open().await;
    let device = Device::new(1);
    let id: DeviceId = device.id().parse().unwrap();
    let scopes = &["operator.read"];
    for end in 0..3 {
        let token = match enrolled_again(&house, &device).await {
            Some(token) => token,
            None => house
                .app
                .devices
                .rotate(&operator(), Door::WebSocket, (id, claw_core::Role::Operator), None)
                .await
                .unwrap()
                .secret
                .expose()
                .to_owned(),
        };
        let params = wanting(json!({"deviceToken": token}), scopes);
        let (mut socket, _auth) = admitted(&house, &device, &params).await;
        let mut unharmed = house.socket().await;
        assert_eq!(socket.call("health", &json!({})).await["ok"], json!(true));
        let devices = &house.app.devices;
        match end {
            0 => drop(devices.revoke(&operator(), Door::WebSocket, id, claw_core::Role::Operator).await.unwrap()),
            1 => {
                drop(devices.rotate(&operator(), Door::WebSocket, (id, claw_core::Role::Operator), None).await.unwrap())
            }
            _ => devices.remove(&operator(), Door::WebSocket, id).await.unwrap(),
        }
        // A second, and half of one for a machine that is busy.
        let closed = tokio::time::timeout(std::time::Duration::from_millis(1500), socket.closed()).await;
        assert_eq!(closed.expect("within a second"), (1008, "credential revoked".to_owned()));
        assert_eq!(refused(&house, &device, &params).await["details"]["code"], json!("AUTH_DEVICE_TOKEN_MISMATCH"));
        assert_eq!(unharmed.call("health", &json!({})).await["ok"], json!(true));
    }
    house.stop().await;
}

async fn enrolled_again(house: &House, device: &Device) -> Option<String> {
    let (_socket, auth) = admitted(house, device, &wanting(json!({"token": TOKEN}), &["operator.read"])).await;
    auth["deviceToken"].as_str().map(ToOwned::to_owned)
}

#[tokio::test]
async fn a_removed_device_loses_its_sockets_beside_the_secret_too() {
    let house = House::open().await;
    let device = Device::new(1);
    let (mut socket, _auth) = admitted(&house, &device, &wanting(json!({"token": TOKEN}), &["operator.read"])).await;
    house.app.devices.remove(&operator(), Door::WebSocket, device.id().parse().unwrap()).await.unwrap();
    assert_eq!(socket.closed().await.0, 1008);
    house.stop().await;
}

#[tokio::test]
async fn an_api_key_and_an_open_gateway_give_out_no_device_tokens() {
    let house = House::open().await;
    let (_, key) = house.key(&[Scope::Read]).await;
    let (_socket, auth) = admitted(&house, &Device::new(1), &wanting(json!({"token": key}), &["operator.read"])).await;
    assert_eq!((&auth["method"], auth.get("deviceToken")), (&json!("api-key"), None));
    assert_eq!(house.app.devices.list(&operator()).await.unwrap().paired, []);
    house.stop().await;
    let open = Plan::new().open_to_all().build().await;
    let (_socket, auth) = admitted(&open, &Device::new(1), &wanting(Value::Null, &["operator.read"])).await;
    assert_eq!((&auth["method"], auth.get("deviceToken")), (&json!("none"), None));
    open.stop().await;
}

/// An operator's socket with these scopes.
async fn operating(house: &House, scopes: &[&str]) -> WsClient {
    let params = wanting(json!({"token": TOKEN}), scopes);
    let (socket, answer) = WsClient::connect_with(house.address, &params).await;
    assert_eq!(answer["ok"], json!(true), "{answer}");
    socket
}

#[tokio::test]
async fn devices_are_listed_approved_and_refused_over_a_socket() {
    let house = House::open().await;
    let mut admin = operating(&house, &["operator.admin"]).await;
    let none = json!({"pending": [], "paired": []});
    assert_eq!(admin.payload("device.pair.list", &json!({})).await, none);
    let (one, other) = (Device::new(1), Device::new(2));
    let params = wanting(Value::Null, &["operator.write"]);
    let error = refused(&house, &one, &params).await;
    let request = error["details"]["requestId"].clone();
    let told = admin.event("device.pair.requested").await["payload"].clone();
    assert_eq!((&told["requestId"], &told["deviceId"]), (&request, &json!(one.id())));
    let (key, ts) = (one.public_key(), admin.payload("device.pair.list", &json!({})).await["pending"][0]["ts"].clone());
    let described = json!({
        "deviceId": one.id(), "publicKey": key, "platform": "linux", "clientId": "vscode-extension",
        "clientMode": "operator", "role": "operator", "roles": ["operator"],
        "scopes": ["operator.read", "operator.write"],
    });
    let with = |more: Value| {
        let mut all = described.clone();
        all.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        all
    };
    let waiting = with(json!({"requestId": request, "isRepair": false, "ts": ts}));
    assert_eq!(admin.payload("device.pair.list", &json!({})).await, json!({"pending": [waiting], "paired": []}));
    let approved = admin.payload("device.pair.approve", &json!({"requestId": request})).await;
    let at = approved["device"]["approvedAtMs"].clone();
    let device = with(json!({"createdAtMs": at, "approvedAtMs": at, "tokens": []}));
    assert_eq!(approved, json!({"requestId": request, "device": device}));
    let told = admin.event("device.pair.resolved").await["payload"].clone();
    assert_eq!((&told["requestId"], &told["decision"]), (&request, &json!("approved")));
    let again = admin.call("device.pair.approve", &json!({"requestId": request})).await;
    assert_eq!(again["error"]["code"], json!("NOT_FOUND"));
    admitted(&house, &one, &params).await;
    let error = refused(&house, &other, &params).await;
    let about = json!({"requestId": error["details"]["requestId"]});
    let rejected = admin.payload("device.pair.reject", &about).await;
    assert_eq!(rejected, json!({"requestId": about["requestId"], "deviceId": other.id()}));
    assert_eq!(admin.call("device.pair.reject", &about).await["error"]["code"], json!("NOT_FOUND"));
    let list = admin.payload("device.pair.list", &json!({})).await;
    assert_eq!((&list["pending"], list["paired"].as_array().unwrap().len()), (&json!([]), 1));
    assert_eq!(list["paired"][0]["tokens"][0]["scopes"], json!(["operator.read", "operator.write"]));
    house.stop().await;
}

#[tokio::test]
async fn adv_5_nobody_mints_a_token_beyond_what_they_may() {
    let house = House::open().await;
    let device = Device::new(1);
    let first = enrolled(&house, &device, &["operator.admin"]).await;
    let mut pairer = operating(&house, &["operator.pairing", "operator.read"]).await;
    let about = |more: Value| {
        let mut params = json!({"deviceId": device.id()});
        params.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        params
    };
    for (method, more) in [
        ("device.token.rotate", json!({})),
        ("device.token.rotate", json!({"scopes": ["operator.admin"]})),
        ("device.token.rotate", json!({"scopes": ["operator.read"]})),
        ("device.token.revoke", json!({})),
        ("device.pair.remove", json!({})),
    ] {
        let answer = pairer.call(method, &about(more)).await;
        assert_eq!(answer["error"]["message"], json!("missing scope: operator.write"), "{method}");
    }
    let (_, key) = house.key(&[Scope::Read, Scope::Pairing]).await;
    let params = wanting(json!({"token": key}), &["operator.pairing"]);
    let (mut tenant, _hello) = WsClient::connect_with(house.address, &params).await;
    let answer = tenant.call("device.pair.list", &json!({})).await;
    assert_eq!(answer["error"]["message"], json!("missing scope: operator.admin"), "a tenant pairs nobody");
    // What was refused changed nothing.
    admitted(&house, &device, &wanting(json!({"deviceToken": first}), &["operator.admin"])).await;
    let mut admin = operating(&house, &["operator.admin"]).await;
    let rotated = admin.payload("device.token.rotate", &about(json!({"scopes": ["operator.pairing"]}))).await;
    let token = rotated["token"].as_str().unwrap();
    let expected = json!({
        "deviceId": device.id(), "role": "operator", "token": token, "scopes": ["operator.pairing"],
        "rotatedAtMs": rotated["rotatedAtMs"],
    });
    assert_eq!(rotated, expected);
    // With its token the device renews itself as it is, and in no way wider.
    let (mut own, auth) =
        admitted(&house, &device, &wanting(json!({"deviceToken": token}), &["operator.pairing"])).await;
    assert_eq!(auth["scopes"], json!(["operator.pairing"]));
    let wider = own.call("device.token.rotate", &about(json!({"scopes": ["operator.admin"]}))).await;
    assert_eq!(wider["error"]["message"], json!("missing scope: operator.read"));
    assert_eq!(own.payload("device.token.rotate", &about(json!({}))).await["scopes"], json!(["operator.pairing"]));
    let revoked = admin.payload("device.token.revoke", &about(json!({"role": "operator"}))).await;
    let expected = json!({"deviceId": device.id(), "role": "operator", "revokedAtMs": revoked["revokedAtMs"]});
    assert_eq!(revoked, expected);
    assert_eq!(admin.payload("device.pair.remove", &about(json!({}))).await, json!({"deviceId": device.id()}));
    assert_eq!(admin.call("device.pair.remove", &about(json!({}))).await["error"]["code"], json!("NOT_FOUND"));
    let beyond = enrolled(&house, &device, &["operator.read"]).await;
    assert!(!beyond.is_empty());
    let answer = admin.call("device.token.rotate", &about(json!({"scopes": ["operator.write"]}))).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.ends_with("scopes: must be among those the device was granted"), "{message}");
    house.stop().await;
}

#[tokio::test]
async fn adv_29_guesses_at_a_devices_token_lock_out_and_leave_other_ways_open() {
    let house = House::open().await;
    let device = Device::new(1);
    let token = enrolled(&house, &device, &["operator.read"]).await;
    // A page is not the console, which is never locked out.
    let origin = format!("http://{}", house.address);
    let from_a_page = async |auth: Value| {
        let mut socket = WsClient::open(house.address, "/", &[("origin", &origin)]).await.unwrap();
        let challenge = socket.event("connect.challenge").await;
        let nonce = challenge["payload"]["nonce"].as_str().unwrap();
        socket.call("connect", &device.signed(&wanting(auth, &["operator.read"]), nonce, now())).await
    };
    for _ in 0..10 {
        let answer = from_a_page(json!({"deviceToken": "oc_dt_guess"})).await;
        assert_eq!(details(&answer["error"]), "AUTH_DEVICE_TOKEN_MISMATCH");
    }
    let locked = from_a_page(json!({"deviceToken": token})).await;
    assert_eq!(details(&locked["error"]), "AUTH_RATE_LIMITED");
    assert_eq!(from_a_page(json!({"token": TOKEN})).await["ok"], json!(true));
    admitted(&house, &device, &wanting(json!({"deviceToken": token}), &["operator.read"])).await;
    house.stop().await;
}
