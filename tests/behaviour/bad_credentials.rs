//! Bad input in the place of each credential, and from each service that is asked about one: nobody is believed for it, the gateway
//! serves on, and who is good is known as ever. Bad events are in `signals`.

use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tidegate::engine::ledger::Dimension;
use tokio::sync::mpsc;

use super::fail_modes::counted;
use crate::support::client::{get, http1};
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body};
use crate::support::token::{PUBLIC, key_set, sign, sign_as};

const LOGIN: &str = "https://login.shop.example";

async fn shop() -> Origin {
    Origin::serve(|_| Answer::new("application/json", body(Format::Json, 0..1))).await
}

/// The rest of a configuration: a route, and a budget by which those are told who are believed.
fn behind(origin: &Origin) -> String {
    format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"believed\"\nper = \"kid + principal\"\npeople = 1000\nwindow = \"1d\"\naction = \"alert\"\n\
         [[budget]]\nname = \"session\"\nper = \"session\"\npeople = 1000\nwindow = \"1d\"\naction = \"alert\"\n",
        origin.address
    )
}

/// How many bearers were believed so far.
fn believed(gateway: &Gateway) -> usize {
    gateway
        .keys(Dimension::parse("kid + principal").expect("two dimensions"))
        .len()
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({ "iss": LOGIN, "aud": "shop", "sub": "eve", "sid": "s-eve", "exp": 4_000_000_000_u32 });
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .expect("an object")
        .retain(|_, value| !value.is_null());
    claims
}

/// Base64url without padding.
fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| {
            bits << 8 | u32::from(group.get(at).copied().unwrap_or_default())
        });
        let letters = (0..=group.len()).map(|at| char::from(LETTERS[(bits >> (18 - 6 * at) & 0x3f) as usize]));
        text.extend(letters);
    }
    text
}

/// A token of these parts with somebody's good signature behind it.
fn assembled(header: &Value, payload: &[u8]) -> String {
    let good = sign("k1", &claims(&json!({})));
    let signature = good.rsplit_once('.').expect("three parts").1.to_owned();
    format!(
        "{}.{}.{signature}",
        encode(header.to_string().as_bytes()),
        encode(payload)
    )
}

/// Signed by whoever knows nothing but the public key: as if it were a shared secret.
fn confused(secret: &[u8]) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("k1".to_owned());
    jsonwebtoken::encode(&header, &claims(&json!({})), &EncodingKey::from_secret(secret)).expect("it can be signed")
}

fn bad_tokens() -> Vec<(&'static str, String)> {
    let good = sign("k1", &claims(&json!({})));
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let of = |changes: Value| sign("k1", &claims(&changes));
    let payload = claims(&json!({})).to_string();
    let unsigned = |alg: &str| {
        let header = encode(json!({ "alg": alg }).to_string().as_bytes());
        format!("{header}.{}.", encode(payload.as_bytes()))
    };
    let with_header = |header: Value| assembled(&header, payload.as_bytes());
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    vec![
        ("garbage", "a.b.c".to_owned()),
        ("dots", "....".to_owned()),
        ("no token", "eyJ".to_owned()),
        ("empty parts", "eyJ..".to_owned()),
        ("no base64", format!("{signed}!.{signature}")),
        ("a signature of nothing", format!("{signed}.")),
        ("a signature cut short", format!("{signed}.{}", &signature[..20])),
        ("expired", of(json!({ "exp": 1_600_000_000 }))),
        ("not yet valid", of(json!({ "nbf": 4_000_000_000_u32 }))),
        ("times that are none", of(json!({ "exp": "never" }))),
        ("a time below nought", of(json!({ "exp": -1 }))),
        ("foreign aud", of(json!({ "aud": "another" }))),
        ("foreign auds", of(json!({ "aud": ["another", "third"] }))),
        ("no aud", of(json!({ "aud": null }))),
        ("foreign iss", of(json!({ "iss": "https://evil.example" }))),
        ("no iss", of(json!({ "iss": null }))),
        ("nobody", of(json!({ "sub": null, "sid": null }))),
        ("a number for a name", of(json!({ "sub": 7, "sid": 7 }))),
        ("an event", sign_as(Some("secevent+jwt"), "k1", &claims(&json!({})))),
        ("oversize", of(json!({ "sub": "x".repeat(9_000) }))),
        ("an unknown key", sign("k9", &claims(&json!({})))),
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        (
            "alg none with a signature",
            with_header(json!({ "alg": "none", "kid": "k1" })),
        ),
        ("another algorithm", with_header(json!({ "alg": "ES256", "kid": "k1" }))),
        (
            "an algorithm that there is not",
            with_header(json!({ "alg": "XX512", "kid": "k1" })),
        ),
        ("no algorithm", with_header(json!({ "kid": "k1" }))),
        (
            "its own key",
            with_header(json!({ "alg": "EdDSA", "jwk": { "kty": "OKP", "crv": "Ed25519", "x": PUBLIC } })),
        ),
        (
            "a key elsewhere",
            with_header(json!({ "alg": "EdDSA", "kid": "k1", "jku": "http://127.0.0.1:1/" })),
        ),
        (
            "a path for a key",
            with_header(json!({ "alg": "EdDSA", "kid": "../../jwks.json" })),
        ),
        (
            "a critical extension",
            with_header(json!({ "alg": "EdDSA", "kid": "k1", "crit": ["exp"] })),
        ),
        (
            "a header of another form",
            assembled(&json!([1, 2]), payload.as_bytes()),
        ),
        (
            "a payload of another form",
            assembled(&json!({ "alg": "EdDSA", "kid": "k1" }), b"[]"),
        ),
        (
            "a deep payload",
            assembled(&json!({ "alg": "EdDSA", "kid": "k1" }), deep.as_bytes()),
        ),
        (
            "no payload",
            assembled(&json!({ "alg": "EdDSA", "kid": "k1" }), b"\xff\xfe"),
        ),
        ("the public key as a secret", confused(PUBLIC.as_bytes())),
        ("the bytes of the public key as a secret", confused(&public_bytes())),
        ("the key set as a secret", confused(key_set("k1").as_bytes())),
    ]
}

/// The public key of RFC 8037, appendix A.2.
fn public_bytes() -> Vec<u8> {
    let digits = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let bytes = (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("two digits"));
    bytes.collect()
}

#[tokio::test]
async fn a_bad_token_is_nobodys_wherever_it_stands() {
    assert_eq!(encode(&public_bytes()), PUBLIC);
    let origin = shop().await;
    let state = tempfile::tempdir().expect("a directory");
    let jwks = state.path().join("jwks.json");
    std::fs::write(&jwks, key_set("k1")).expect("a key set");
    let text = format!(
        "[identity]\nsources = [\"jwt:authorization\", \"jwt:cookie:token\", \"jwt:query:token\", \"jwt:header:x-token\"]\n\
         [identity.issuer.shop]\njwks = {}\nalgorithms = [\"EdDSA\"]\nissuer = \"{LOGIN}\"\naudience = \"shop\"\n{}",
        quoted(&jwks),
        behind(&origin)
    );
    let gateway = Gateway::start_in(state, &text).await;
    for (why, token) in bad_tokens() {
        for (path, lines) in [
            ("/".to_owned(), format!("Authorization: Bearer {token}\r\n")),
            ("/".to_owned(), format!("Cookie: token={token}\r\n")),
            (format!("/?token={token}"), String::new()),
            ("/".to_owned(), format!("X-Token: {token}\r\n")),
        ] {
            assert_eq!(get(gateway.address, &path, &lines).await.status, 200, "{why}");
        }
        assert_eq!(believed(&gateway), 0, "{why}");
    }
    let good = sign("k1", &claims(&json!({ "sub": "ann" })));
    assert_eq!(
        get(gateway.address, "/", &format!("Authorization: Bearer {good}\r\n"))
            .await
            .status,
        200
    );
    assert_eq!(believed(&gateway), 1);
}

#[tokio::test]
async fn a_bad_value_of_any_other_source_names_nobody() {
    let origin = shop().await;
    let text = format!(
        "[listen.behind]\naddress = \"127.0.0.1:0\"\ntrusted = [\"127.0.0.0/8\"]\n\
         [identity]\nsources = [\"basic\", \"trusted:x-forwarded-user\", \"cookie:sid\", \"header:x-api-key\", \"query:key\"]\n{}",
        behind(&origin)
    );
    let gateway = Gateway::start(&text).await;
    let sessions = || gateway.keys(Dimension::Session).len();
    let ignored = async |reason: &str| counted(&gateway, "tidegate_credentials_ignored_total", reason).await;
    // The address of this machine is the one session of all who are nobody.
    assert_eq!(get(gateway.address, "/", "").await.status, 200);
    assert_eq!(sessions(), 1);
    let long = "QUFB".repeat(2_000);
    for (value, reason) in [
        ("Authorization: Basic", None),
        ("Authorization: Basic !!!!", Some("malformed")),
        ("Authorization: Basic a2lt", Some("malformed")),
        ("Authorization: Basic OnB3", Some("malformed")),
        ("Authorization: Basic AAA6AAA=", Some("malformed")),
        (&format!("Authorization: Basic {long}"), Some("oversize")),
        (&format!("X-Forwarded-User: {}", "x".repeat(300)), Some("oversize")),
        ("X-Forwarded-User: ", None),
        ("Cookie: sid", None),
        ("Cookie: sid=; =; ;;", None),
    ] {
        let before = match reason {
            Some(reason) => ignored(reason).await,
            None => 0,
        };
        let reply = get(gateway.address, "/", &format!("{value}\r\n")).await;
        assert_eq!(
            (reply.status, sessions()),
            (200, 1),
            "{}",
            &value[..30.min(value.len())]
        );
        if let Some(reason) = reason {
            until(reason, async || ignored(reason).await > before).await;
        }
    }
    // Bytes that are no text, and long ones, are values like any other.
    for (number, value) in (2..).zip([&b"\x80\xfe\xff"[..], &[b'y'; 15_000]]) {
        let request = [
            b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nX-Api-Key: ",
            value,
            b"\r\n\r\n",
        ]
        .concat();
        let reply = http1(gateway.address, &request).await;
        assert_eq!((reply.status, sessions()), (200, number), "{}", reply.head);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_key_set_lets_nobody_in_and_keeps_nobody_out() {
    let key = |kid: usize| json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid.to_string(), "x": PUBLIC });
    let many = json!({ "keys": (0..65).map(key).collect::<Vec<_>>() }).to_string();
    let huge = format!("{}{}", key_set("k1"), " ".repeat(300 * 1024));
    let secret = json!({ "keys": [{ "kty": "oct", "kid": "k1", "k": "c2VjcmV0" }] }).to_string();
    for (why, status, set, result) in [
        ("broken", 200, "{\"keys\":[".to_owned(), "refused"),
        ("a page", 200, "<html>".to_owned(), "refused"),
        ("empty", 200, "{\"keys\":[]}".to_owned(), "refused"),
        ("a shared secret", 200, secret, "refused"),
        ("too many keys", 200, many, "refused"),
        (
            "a key of another curve",
            200,
            key_set("k1").replace("Ed25519", "Ed448"),
            "refused",
        ),
        ("a short key", 200, key_set("k1").replace(PUBLIC, "AAAA"), ""),
        ("huge", 200, huge, "http"),
        ("an error", 500, key_set("k1"), "status"),
        ("elsewhere", 302, key_set("k1"), "status"),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        let login = Origin::serve(move |_| Answer::new("application/json", set.clone()).status(status)).await;
        serves_without_a_set(why, &login, result).await;
    }
    let (feed, chunks) = mpsc::channel(1);
    let chunks = tokio::sync::Mutex::new(Some(chunks));
    let slow = Origin::serve(move |_| {
        let chunks = chunks.try_lock().ok().and_then(|mut chunks| chunks.take());
        chunks.map_or_else(
            || Answer::new("text/plain", "no"),
            |chunks| Answer::fed("application/json", chunks),
        )
    });
    serves_without_a_set("slow", &slow.await, "timeout").await;
    drop(feed);
}

/// A gateway whose key set is what this service answers.
async fn serves_without_a_set(why: &str, login: &Origin, result: &str) {
    let origin = shop().await;
    let text = format!(
        "[identity]\nsources = [\"jwt:authorization\"]\n[identity.issuer.shop]\njwks = \"http://{}/jwks\"\nalgorithms = [\"EdDSA\"]\n{}",
        login.address,
        behind(&origin)
    );
    let gateway = Gateway::start(&text).await;
    let token = sign("k1", &claims(&json!({})));
    let reply = get(gateway.address, "/", &format!("Authorization: Bearer {token}\r\n")).await;
    assert_eq!((reply.status, believed(&gateway)), (200, 0), "{why}");
    if !result.is_empty() {
        let fetches = counted(&gateway, "tidegate_key_set_fetches_total", result).await;
        assert!(fetches >= 1, "{why}: {result}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_answer_about_a_token_says_nothing_of_it() {
    let origin = shop().await;
    let huge = format!("{{\"active\":true,\"sub\":\"{}\"}}", "x".repeat(70 * 1024));
    for (why, status, answer) in [
        ("broken", 200, "{\"active\":".to_owned()),
        ("a page", 200, "<html>".to_owned()),
        ("a list", 200, "[true]".to_owned()),
        ("not said", 200, "{\"sub\":\"eve\"}".to_owned()),
        (
            "a text for a truth",
            200,
            "{\"active\":\"true\",\"sub\":\"eve\"}".to_owned(),
        ),
        ("huge", 200, huge),
        ("not allowed", 401, "{\"active\":true,\"sub\":\"eve\"}".to_owned()),
        ("elsewhere", 302, "{\"active\":true,\"sub\":\"eve\"}".to_owned()),
        (
            "deep",
            200,
            format!("{{\"active\":true,\"a\":{}1{}}}", "[".repeat(2_000), "]".repeat(2_000)),
        ),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        let issuer = Origin::serve(move |_| Answer::new("application/json", answer.clone()).status(status)).await;
        let text = format!(
            "[identity]\nsources = [\"introspect:authorization\"]\n[identity.introspection]\nurl = \"http://{}/\"\n\
             [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
             [[budget]]\nname = \"account\"\nper = \"principal\"\npeople = 1000\nwindow = \"1d\"\naction = \"alert\"\n",
            issuer.address, origin.address
        );
        let gateway = Gateway::start(&text).await;
        for token in ["one", "two"] {
            let reply = get(gateway.address, "/", &format!("Authorization: Bearer {token}\r\n")).await;
            assert_eq!(reply.status, 200, "{why}");
        }
        assert_eq!(
            gateway.keys(Dimension::Principal).len(),
            2,
            "{why}: each counts by itself"
        );
        assert_eq!(issuer.seen().len(), 2, "{why}: what was no answer is not remembered");
    }
}
