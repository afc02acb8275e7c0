//! What identity providers and directories push to the admin address: whom it shuts out, and what is refused.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::client::{RawReply, get, http1};
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin};
use crate::support::token::{PUBLIC, key_set, sign, sign_as};

const IDP: &str = "https://idp.example";
const LOGIN: &str = "https://login.shop.example";
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

async fn start() -> (Gateway, Origin) {
    start_with("").await
}

/// The same with more settings of the transmitter.
async fn start_with(transmitter: &str) -> (Gateway, Origin) {
    let state = tempfile::tempdir().expect("a directory");
    let path = |name: &str| quoted(&state.path().join(name));
    std::fs::write(state.path().join("jwks.json"), key_set("k1")).expect("a key set");
    std::fs::write(state.path().join("idp.json"), key_set("idp-1")).expect("a key set");
    let origin = Origin::serve(|_| Answer::new("text/plain", "here")).await;
    let text = format!(
        "[identity]\nsources = [\"jwt:authorization\"]\n\
         [identity.issuer.shop]\njwks = {}\nalgorithms = [\"EdDSA\"]\nissuer = \"{LOGIN}\"\n\
         [identity.transmitter.idp]\njwks = {}\nalgorithms = [\"EdDSA\"]\nissuer = \"{IDP}\"\naudience = \"gateway\"\n\
         accounts_of = \"shop\"\n{transmitter}[audit]\nfile = {}\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n",
        path("jwks.json"),
        path("idp.json"),
        path("audit.jsonl"),
        origin.address
    );
    (Gateway::start_in(state, &text).await, origin)
}

fn second(gateway: &Gateway) -> u32 {
    gateway.shared().clock.now().second()
}

/// A token of `sub` that was issued so many seconds after now.
fn token(gateway: &Gateway, sub: &str, after: i64) -> String {
    let issued = i64::from(second(gateway)) + after;
    let claims = json!({ "iss": LOGIN, "sub": sub, "sid": format!("sid-{sub}"), "email": format!("{sub}@mail.example"), "iat": issued });
    format!("Authorization: Bearer {}\r\n", sign("k1", &claims))
}

/// An event of the provider about a subject.
fn event(gateway: &Gateway, jti: &str, uri: &str, subject: &Value, more: &Value) -> Value {
    json!({ "iss": IDP, "aud": ["other", "gateway"], "jti": jti, "iat": second(gateway), "sub_id": subject,
        "events": { uri: more } })
}

fn signed(claims: &Value) -> String {
    sign_as(Some("secevent+jwt"), "idp-1", claims)
}

async fn push(gateway: &Gateway, media_type: &str, body: &str) -> RawReply {
    let head = format!(
        "POST /ssf/events HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        gateway.admin,
        body.len()
    );
    http1(gateway.admin, [head.as_bytes(), body.as_bytes()].concat().as_slice()).await
}

async fn accepted(gateway: &Gateway, claims: &Value) {
    let reply = push(gateway, "application/secevent+jwt", &signed(claims)).await;
    assert_eq!(
        (reply.status, reply.body.len()),
        (202, 0),
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
}

#[tokio::test]
async fn an_event_shuts_out_whom_it_names_and_what_came_before() {
    let (gateway, _origin) = start().await;
    let user = |sub: &str| json!({ "format": "iss_sub", "iss": LOGIN, "sub": sub });
    let mail = |sub: &str| json!({ "format": "email", "email": format!("{sub}@Mail.example") });
    let opaque = |sub: &str| json!({ "format": "opaque", "id": sub });
    let session = |sub: &str| json!({ "format": "complex", "user": user(sub), "session": { "format": "opaque", "id": format!("sid-{sub}") } });
    let update = json!({ "credential_type": "password", "change_type": "update" });
    for (number, (event_type, subject, more, old, renewed)) in (0..).zip([
        (format!("{CAEP}session-revoked"), session("a"), json!({}), 401, 401),
        (format!("{CAEP}session-revoked"), user("b"), json!({}), 401, 200),
        (format!("{CAEP}credential-change"), mail("c"), update, 401, 200),
        (
            format!("{CAEP}token-claims-change"),
            opaque("d"),
            json!({ "claims": {} }),
            401,
            200,
        ),
        (format!("{RISC}account-disabled"), user("e"), json!({}), 403, 403),
        (
            format!("{CAEP}credential-change"),
            user("f"),
            json!({ "change_type": "create" }),
            200,
            200,
        ),
        (format!("{CAEP}assurance-level-change"), user("g"), json!({}), 200, 200),
        (
            format!("{RISC}account-disabled"),
            json!({ "format": "did", "url": "did:x:h" }),
            json!({}),
            200,
            200,
        ),
        (
            format!("{RISC}account-disabled"),
            json!({ "format": "iss_sub", "iss": "https://evil.example", "sub": "i" }),
            json!({}),
            200,
            200,
        ),
    ]) {
        let sub = ["a", "b", "c", "d", "e", "f", "g", "h", "i"][number];
        let before = token(&gateway, sub, -60);
        assert_eq!(
            get(gateway.address, "/", &before).await.status,
            200,
            "{event_type} {sub}"
        );
        accepted(&gateway, &event(&gateway, sub, &event_type, &subject, &more)).await;
        assert_eq!(
            get(gateway.address, "/", &before).await.status,
            old,
            "{event_type} {sub}: a token from before"
        );
        let after = token(&gateway, sub, 60);
        assert_eq!(
            get(gateway.address, "/", &after).await.status,
            renewed,
            "{event_type} {sub}: one from after"
        );
    }
    let enabled = event(
        &gateway,
        "e2",
        &format!("{RISC}account-enabled"),
        &user("e"),
        &json!({}),
    );
    accepted(&gateway, &enabled).await;
    assert_eq!(get(gateway.address, "/", &token(&gateway, "e", -60)).await.status, 200);
    assert_nobody_is_named(&gateway).await;
}

#[tokio::test]
async fn a_session_that_was_opened_since_an_event_is_not_cut_by_it() {
    let (gateway, _origin) = start().await;
    let update = json!({ "credential_type": "password", "change_type": "update" });
    let at = |after: i64| json!(i64::from(second(&gateway)) + after);
    // When it happened, when it was told, and whether tokens from before, between and after that are good.
    for (number, (happened, issued, good)) in (0..).zip([
        (Some(at(-120)), at(-10), [401, 200, 200]),
        (None, at(-10), [401, 401, 200]),
        (Some(at(3_600)), at(-10), [401, 401, 401]),
    ]) {
        let sub = ["a", "b", "c"][number];
        let subject = json!({ "format": "iss_sub", "iss": LOGIN, "sub": sub });
        let mut more = update.clone();
        if let Some(happened) = happened {
            more["event_timestamp"] = happened;
        }
        let mut claims = event(&gateway, sub, &format!("{CAEP}credential-change"), &subject, &more);
        claims["iat"] = issued;
        accepted(&gateway, &claims).await;
        for (after, status) in [-180, -60, -1].into_iter().zip(good) {
            let reply = get(gateway.address, "/", &token(&gateway, sub, after)).await;
            assert_eq!(reply.status, status, "{sub}: a token of {after} s");
        }
    }
}

#[tokio::test]
async fn an_event_that_comes_again_changes_nothing() {
    let (gateway, _origin) = start().await;
    let user = json!({ "format": "iss_sub", "iss": LOGIN, "sub": "ann" });
    let claims = event(&gateway, "one", &format!("{RISC}account-disabled"), &user, &json!({}));
    let shown = token(&gateway, "ann", -60);
    accepted(&gateway, &claims).await;
    assert_eq!(get(gateway.address, "/", &shown).await.status, 403);
    let list = gateway.ask_admin("GET /api/v1/revocations", "").await;
    let list: Value = serde_json::from_slice(&list.body).expect("JSON");
    assert_eq!(list["revocations"][0]["cause"], "event");
    gateway
        .reinstate(list["revocations"][0]["key"].as_str().expect("a key"))
        .await;
    accepted(&gateway, &claims).await;
    assert_eq!(get(gateway.address, "/", &shown).await.status, 200, "a replay");
    // Under another name, and from before a person's word.
    let mut late = event(&gateway, "two", &format!("{RISC}account-disabled"), &user, &json!({}));
    late["iat"] = json!(second(&gateway) - 3_600);
    accepted(&gateway, &late).await;
    assert_eq!(
        get(gateway.address, "/", &shown).await.status,
        200,
        "an event that came late"
    );
    let next = event(&gateway, "three", &format!("{RISC}account-disabled"), &user, &json!({}));
    accepted(&gateway, &next).await;
    assert_eq!(get(gateway.address, "/", &shown).await.status, 403, "another event");
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains("tidegate_signals_total{result=\"known\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn an_event_that_is_not_good_is_refused_and_changes_nothing() {
    let (gateway, _origin) = start().await;
    let user = json!({ "format": "iss_sub", "iss": LOGIN, "sub": "ann" });
    let good = event(&gateway, "one", &format!("{RISC}account-disabled"), &user, &json!({}));
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signed(&claims)
    };
    let now = second(&gateway);
    let confused = {
        let mut header = Header::new(Algorithm::HS256);
        (header.typ, header.kid) = (Some("secevent+jwt".to_owned()), Some("idp-1".to_owned()));
        jsonwebtoken::encode(&header, &good, &EncodingKey::from_secret(PUBLIC.as_bytes())).expect("it can be signed")
    };
    let (head, rest) = {
        let token = signed(&good);
        let (head, rest) = token.split_once('.').expect("parts");
        (head.to_owned(), rest.to_owned())
    };
    let (payload, _) = rest.rsplit_once('.').expect("parts");
    // {"alg":"none","typ":"secevent+jwt"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoic2VjZXZlbnQrand0In0.{payload}.");
    let cases = [
        ("garbage", "garbage".to_owned(), "invalid_request"),
        ("nothing", String::new(), "invalid_request"),
        ("oversize", format!("{head}.{}.x", "a".repeat(9_000)), "invalid_request"),
        ("a body that is too large", "a".repeat(20_000), "invalid_request"),
        ("an access token", sign("idp-1", &good), "invalid_request"),
        ("alg none", unsigned, "invalid_request"),
        ("key confusion", confused, "invalid_key"),
        ("another key", sign_as(Some("secevent+jwt"), "k9", &good), "invalid_key"),
        ("no signature", format!("{head}.{payload}."), "invalid_key"),
        (
            "a foreign issuer",
            with("iss", json!("https://evil.example")),
            "invalid_issuer",
        ),
        ("a foreign audience", with("aud", json!("other")), "invalid_audience"),
        ("no audience", with("aud", Value::Null), "invalid_audience"),
        ("no jti", with("jti", Value::Null), "invalid_request"),
        ("no time", with("iat", Value::Null), "invalid_request"),
        ("too old", with("iat", json!(now - 8 * 86_400)), "invalid_request"),
        ("from the future", with("iat", json!(now + 3_600)), "invalid_request"),
        ("no events", with("events", json!({})), "invalid_request"),
        (
            "too many",
            with(
                "events",
                (0..17)
                    .map(|n| (format!("x{n}"), json!({})))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            ),
            "invalid_request",
        ),
        (
            "an event that is none",
            with("events", json!({ format!("{RISC}account-disabled"): 7 })),
            "invalid_request",
        ),
    ];
    for (what, body, code) in cases {
        let reply = push(&gateway, "application/secevent+jwt", &body).await;
        let told: Value = serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{what}: {}", reply.head));
        assert_eq!(
            (reply.status, told["err"].as_str()),
            (400, Some(code)),
            "{what}: {told}"
        );
        assert!(told["description"].is_string(), "{what}");
    }
    let reply = push(&gateway, "application/jwt", &signed(&good)).await;
    assert_eq!(reply.status, 400, "another media type");
    assert_eq!(
        get(gateway.address, "/", &token(&gateway, "ann", -60)).await.status,
        200
    );
    let list = gateway.ask_admin("GET /api/v1/revocations", "").await;
    assert_eq!(list.body, br#"{"revocations":[]}"#);
}

#[tokio::test]
async fn a_directory_shuts_out_who_has_left() {
    let (gateway, _origin) = start().await;
    let shown = token(&gateway, "ann", -60);
    let status = async || get(gateway.address, "/", &shown).await.status;
    let user = r#"{"userName":"ann@mail.example","externalId":"ann","active":true}"#;
    let made = gateway.ask_admin("POST /scim/shop/v2/Users", user).await;
    let made_body: Value = serde_json::from_slice(&made.body).expect("JSON");
    assert_eq!((made.status, &made_body["active"]), (201, &json!(true)), "{made_body}");
    let line = |method: &str| {
        format!(
            "{method} /scim/shop/v2/Users/{}",
            made_body["id"].as_str().expect("an id")
        )
    };
    let inactive = r#"{"Operations":[{"op":"Replace","path":"active","value":"False"}]}"#;
    let active = r#"{"Operations":[{"op":"replace","value":{"active":true}}]}"#;
    for (method, body, answer, after) in [
        ("PATCH", inactive, 200, 403),
        ("PATCH", active, 200, 200),
        ("PUT", r#"{"userName":"ann@mail.example","active":false}"#, 200, 403),
        ("PATCH", active, 200, 200),
        ("DELETE", "", 204, 403),
        ("GET", "", 200, 403),
        (
            "PATCH",
            r#"{"Operations":[{"op":"replace","path":"displayName","value":"x"}]}"#,
            200,
            403,
        ),
        ("PATCH", r#"{"Operations":[]}"#, 400, 403),
        ("PATCH", "{", 400, 403),
    ] {
        let reply = gateway.ask_admin(&line(method), body).await;
        assert_eq!((reply.status, status().await), (answer, after), "{method} {body}");
    }
    // Whoever looks by name finds the account, and that it is shut out.
    let found = gateway
        .ask_admin("GET /scim/shop/v2/Users?filter=externalId%20eq%20%22ann%22", "")
        .await;
    let found: Value = serde_json::from_slice(&found.body).expect("JSON");
    assert_eq!(
        (&found["totalResults"], &found["Resources"][0]["active"]),
        (&json!(1), &json!(false)),
        "{found}"
    );
    for (line, body, answer) in [
        ("GET /scim/shop/v2/Users?filter=displayName%20eq%20%22ann%22", "", 400),
        ("GET /scim/shpo/v2/Users?filter=userName%20eq%20%22ann%22", "", 404),
        ("POST /scim/shpo/v2/Users", user, 400),
        ("DELETE /scim/shop/v2/Users/ann", "", 404),
        ("DELETE /scim/shop/v2/Users", "", 405),
    ] {
        assert_eq!(gateway.ask_admin(line, body).await.status, answer, "{line}");
    }
    let reply = push_scim(&gateway, &line("PATCH"), "wrong-token", active).await;
    assert_eq!((reply.status, status().await), (401, 403), "a token that nobody knows");
    assert_nobody_is_named(&gateway).await;
}

/// What was decided is in the audit file, and no name of anybody.
async fn assert_nobody_is_named(gateway: &Gateway) {
    let path = gateway.state().join("audit.jsonl");
    let written = || std::fs::read_to_string(&path).unwrap_or_default();
    until("the audit file has lines", async || !written().is_empty()).await;
    assert!(!written().contains("mail.example"), "nobody is named");
}

async fn push_scim(gateway: &Gateway, line: &str, token: &str, body: &str) -> RawReply {
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n{body}",
        gateway.admin,
        body.len()
    );
    http1(gateway.admin, request.as_bytes()).await
}

#[tokio::test]
async fn events_are_fetched_and_what_became_of_them_is_told() {
    let user = |sub: &str| json!({ "format": "iss_sub", "iss": LOGIN, "sub": sub });
    // The clock of the gateway is the system's, near enough.
    let claims = |gateway: &Gateway, jti: &str, sub: &str| {
        event(gateway, jti, &format!("{RISC}account-disabled"), &user(sub), &json!({}))
    };
    let sets: std::sync::Arc<std::sync::Mutex<Vec<Value>>> = std::sync::Arc::default();
    let waiting = std::sync::Arc::clone(&sets);
    let transmitter = Origin::serve(move |_| {
        let mut waiting = waiting.lock().expect("no panic");
        let next = if waiting.is_empty() {
            json!({ "sets": {} })
        } else {
            waiting.remove(0)
        };
        Answer::new("application/json", next.to_string())
    })
    .await;
    let token_file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(token_file.path(), "sesame\n").expect("a token");
    let polled = format!(
        "poll = \"http://{}/poll\"\npoll_s = 1\npoll_token = {}\n",
        transmitter.address,
        quoted(token_file.path())
    );
    let (gateway, _origin) = start_with(&polled).await;
    let [ann, bob] = ["ann", "bob"].map(|sub| token(&gateway, sub, -60));
    assert_eq!(get(gateway.address, "/", &ann).await.status, 200);
    sets.lock().expect("no panic").extend([
        json!({ "sets": { "1": signed(&claims(&gateway, "1", "ann")), "2": "garbage" }, "moreAvailable": true }),
        json!({ "sets": { "3": signed(&claims(&gateway, "3", "bob")) } }),
    ]);
    for shown in [&ann, &bob] {
        until("it is in force", async || {
            get(gateway.address, "/", shown).await.status == 403
        })
        .await;
    }
    let told = |name: &str, what: &str| {
        transmitter.seen().iter().any(|seen| {
            let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
            body[name].to_string().contains(what)
        })
    };
    until("what is done is told", async || {
        told("ack", "\"1\"") && told("ack", "\"3\"")
    })
    .await;
    assert!(told("setErrs", "\"2\":{\"description\"") && !told("ack", "\"2\""));
    let seen = transmitter.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.headers["authorization"] == "Bearer sesame" && seen.uri.path() == "/poll")
    );
    assert!(
        seen.iter()
            .filter(|seen| String::from_utf8_lossy(&seen.body).contains("\"3\""))
            .count()
            == 1
    );
}
