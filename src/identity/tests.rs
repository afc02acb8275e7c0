//! Who a head is from, with tokens signed by the published key of RFC 8037, appendix A.

use std::io;
use std::path::Path;

use http::Request;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{Actor, Certificate, Identity, Peer, Provenance, Settings, listed_key_hash};
use crate::engine::births::Tag;
use crate::engine::ledger::Dimension;
use crate::engine::problem::Problem;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

mod problems;
mod provenance;
mod sources;

const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"k1",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// The private key of RFC 8037, appendix A.1 (test 1 of RFC 8032, section 7.1), as PKCS #8.
const PRIVATE: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1,
    0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

const CONFIG: &str = r#"
    sources = ["jwt:authorization", "jwt:cookie:token", "cookie:sid", "header:x-api-key"]
    logs_in_at = ["POST /login"]
    [issuer.shop]
    jwks = "jwks.json"
    algorithms = ["EdDSA"]
    issuer = "https://login.shop.example"
    refreshes_at = ["POST /refresh"]
    [group]
    customer = { claim = "role=customer", people_per_day = 10 }
    partner = { api_keys = "partners.keys", people_per_day = 0 }
"#;

fn key() -> HashKey {
    HashKey::new([3; 32])
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    match path.to_str() {
        Some("jwks.json") => Ok(JWKS.into()),
        Some("shared.json") => Ok(br#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#.into()),
        Some("empty.json") => Ok(br#"{"keys":[]}"#.into()),
        Some("partners.keys") => Ok(format!("{} acme\n", listed_key_hash(&key(), b"partner-key-1")).into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn compile(config: &str) -> Result<Identity, Vec<Problem>> {
    let settings: Settings = toml::from_str(config).expect("the configuration parses");
    Identity::compile(&settings, "tidegate.toml", key(), &read)
}

/// An identity whose issuer `shop` has this key set.
pub(super) fn compile_with(key_set: &Value) -> Identity {
    let settings: Settings = toml::from_str(CONFIG).expect("the configuration parses");
    let read = |path: &Path| match path.to_str() {
        Some("jwks.json") => Ok(key_set.to_string().into_bytes()),
        _ => read(path),
    };
    Identity::compile(&settings, "tidegate.toml", key(), &read).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The public key of the tests under these ids.
pub(super) fn key_set(kids: &[&str]) -> Value {
    let keys = kids.iter().map(|kid| {
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid,
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    });
    json!({ "keys": keys.collect::<Vec<_>>() })
}

fn identity() -> Identity {
    compile(CONFIG).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub(super) fn now() -> Now {
    Now::from_millis(1_700_000_000_000)
}

fn sign(header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_der(&PRIVATE)).expect("it can be signed")
}

fn header() -> Header {
    Header {
        kid: Some("k1".into()),
        ..Header::new(Algorithm::EdDSA)
    }
}

/// A good token of `sub`, with `changes` merged in; a null takes a claim away.
fn token(sub: &str, changes: &Value) -> String {
    let mut claims = json!({"iss": "https://login.shop.example", "sub": sub, "sid": "s1", "role": "customer",
        "exp": 1_700_000_600, "nbf": 1_699_999_000});
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .expect("an object")
        .retain(|_, value| !value.is_null());
    sign(&header(), &claims)
}

fn ask(identity: &Identity, headers: &[(&str, &str)]) -> Actor {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    identity.identify(&head, &Peer::at("192.0.2.1".parse().expect("an address")), now())
}

/// A login issues this.
fn issue(identity: &Identity, token: &[u8]) {
    for id in identity.in_body(token, now()).ids {
        identity.births().issue(id, Tag::Issued, None, now());
    }
}

fn bearer(identity: &Identity, token: &str) -> Actor {
    ask(identity, &[("authorization", &format!("Bearer {token}"))])
}

#[test]
fn a_verified_token_names_session_principal_and_group() {
    let identity = identity();
    let first = token("c-17", &json!({}));
    for round in ["verified", "from memory"] {
        let actor = bearer(&identity, &first);
        assert_eq!(actor.principal.as_deref(), Some(b"shop\0c-17".as_slice()), "{round}");
        assert_eq!(actor.group.as_deref(), Some("customer"));
        assert!(actor.session.is_some() && actor.session_cookie.is_none());
    }
    let session = |token: &str| bearer(&identity, token).session;
    let renewed = token("c-17", &json!({"exp": 1_700_009_999, "jti": "other"}));
    assert!(
        session(&first) == session(&renewed),
        "a renewed token of one sid is one session"
    );
    assert!(session(&first) != session(&token("c-17", &json!({"sid": "s2"}))));
    assert!(session(&first) != session(&token("c-18", &json!({}))));
    assert!(
        session(&token("c-17", &json!({"sid": null, "jti": "s1"}))) != session(&first),
        "a jti is no sid"
    );
}

#[test]
fn a_token_that_is_not_good_is_nobody() {
    let identity = identity();
    let good = token("c-17", &json!({}));
    let (signed, _) = good.rsplit_once('.').expect("three parts");
    let with_header = |header: Header| sign(&header, &json!({"iss": "https://login.shop.example", "sub": "c-17"}));
    let bad = [
        ("expired", token("c-17", &json!({"exp": 1_699_999_900}))),
        ("not yet", token("c-17", &json!({"nbf": 1_700_000_100}))),
        ("times that are none", token("c-17", &json!({"exp": "never"}))),
        ("another issuer", token("c-17", &json!({"iss": "https://evil.example"}))),
        ("no issuer", token("c-17", &json!({"iss": null}))),
        ("nobody", token("", &json!({"sid": null}))),
        (
            "a signature of another",
            format!(
                "{signed}.{}",
                token("c-18", &json!({})).rsplit_once('.').expect("parts").1
            ),
        ),
        ("no signature", format!("{signed}.")),
        ("alg none", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjLTE3In0.".to_owned()),
        (
            "an unknown kid",
            with_header(Header {
                kid: Some("k2".into()),
                ..header()
            }),
        ),
        (
            "a logout token",
            with_header(Header {
                typ: Some("logout+jwt".into()),
                ..header()
            }),
        ),
        (
            "a critical extension",
            with_header(Header {
                crit: Some(vec!["b64".into()]),
                ..header()
            }),
        ),
        ("too long", token(&"x".repeat(9000), &json!({}))),
        ("garbage", "a.b.c".to_owned()),
    ];
    // The good one first, so that a memory that is too generous would be caught.
    assert!(bearer(&identity, &good).session.is_some());
    for (why, token) in bad {
        let actor = bearer(&identity, &token);
        assert!(
            actor.session.is_none() && actor.principal.is_none() && actor.group.is_none(),
            "{why}"
        );
        let fallen = ask(
            &identity,
            &[("authorization", &format!("Bearer {token}")), ("cookie", "sid=abc")],
        );
        assert_eq!(
            fallen.session_cookie.as_deref(),
            Some("sid"),
            "{why}: the next source counts"
        );
    }
    let no_kid = with_header(Header { kid: None, ..header() });
    assert!(
        bearer(&identity, &no_kid).session.is_some(),
        "the only key that fits needs no name"
    );
}

#[test]
fn a_remembered_token_ends_when_it_expires() {
    let identity = identity();
    let request = Request::builder().header("authorization", format!("Bearer {}", token("c-17", &json!({}))));
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let at = |second: u64| {
        let peer = Peer::at("192.0.2.1".parse().expect("an address"));
        identity
            .identify(&head, &peer, Now::from_millis(second * 1000))
            .session
            .is_some()
    };
    assert!(at(1_700_000_000) && at(1_700_000_660), "valid up to exp and the leeway");
    assert!(!at(1_700_000_661), "not beyond, though it is remembered");
}

#[test]
fn sources_are_tried_in_their_order_and_listed_keys_bind() {
    let identity = identity();
    let token = token("c-17", &json!({}));
    let both = ask(
        &identity,
        &[
            ("cookie", &format!("sid=abc; token={token}")),
            ("x-api-key", "whatever"),
        ],
    );
    assert_eq!(both.session_cookie.as_deref(), Some("token"));
    assert_eq!(both.group.as_deref(), Some("customer"));
    let partner = ask(&identity, &[("x-api-key", "partner-key-1")]);
    assert_eq!(partner.principal.as_deref(), Some(b"api-key:acme".as_slice()));
    assert_eq!(partner.group.as_deref(), Some("partner"));
    let stranger = ask(&identity, &[("x-api-key", "partner-key-2")]);
    assert!(stranger.session.is_some() && stranger.principal.is_none() && stranger.group.is_none());
    let bare = ask(&identity, &[]);
    assert!(bare.session.is_none() && bare.session_cookie.is_none());
    let cookie = ask(&identity, &[("cookie", "sid=same")]).session;
    assert!(
        cookie != ask(&identity, &[("x-api-key", "same")]).session,
        "one value in two places is two sessions"
    );
}

#[test]
fn of_two_cookies_only_an_issued_one_counts() {
    let identity = identity();
    assert!(ask(&identity, &[("cookie", "sid=junk1; sid=stolen")]).session.is_none());
    issue(&identity, b"mine");
    let mine = ask(&identity, &[("cookie", "sid=mine")]).session;
    assert!(ask(&identity, &[("cookie", "sid=junk2; sid=mine")]).session == mine);
    assert!(ask(&identity, &[("cookie", "sid=mine; sid=mine")]).session == mine);
}

#[test]
fn a_fresh_value_makes_no_new_session_beside_a_known_credential() {
    let unordered = CONFIG.replace(
        r#"["jwt:authorization", "jwt:cookie:token", "cookie:sid", "header:x-api-key"]"#,
        r#"["header:x-fresh", "cookie:sid", "header:x-api-key", "jwt:authorization"]"#,
    );
    let identity = compile(&unordered).unwrap_or_else(|problems| panic!("{problems:?}"));
    issue(&identity, b"mine");
    let bearer = format!("Bearer {}", token("c-17", &json!({})));
    let known = [
        ("x-api-key", "partner-key-1"),
        ("cookie", "sid=mine"),
        ("authorization", bearer.as_str()),
    ];
    for credential in known {
        let alone = ask(&identity, &[credential]);
        assert!(alone.is_known && alone.session.is_some());
        for fresh in ["1", "2"] {
            let actor = ask(&identity, &[("x-fresh", fresh), credential]);
            assert!(actor.session == alone.session, "{}", credential.0);
            assert!(actor.principal == alone.principal && actor.provenance == alone.provenance);
            assert_eq!(actor.session_cookie, alone.session_cookie);
        }
    }
    // Among equals the order decides.
    let (key, cookie) = (ask(&identity, &known[..1]), ask(&identity, &known[1..2]));
    assert!(ask(&identity, &known).session == cookie.session && key.session != cookie.session);
    let unknown = ask(&identity, &[("x-fresh", "1"), ("x-api-key", "partner-key-2")]);
    assert!(unknown.session == ask(&identity, &[("x-fresh", "1")]).session && !unknown.is_known);
    // Nor does it in the place of a listed key.
    let twice = ask(&identity, &[("x-api-key", "fresh"), ("x-api-key", "partner-key-1")]);
    assert!(twice.session == key.session);
}

#[test]
fn who_shows_a_certificate_is_known_by_it_and_may_be_revoked_under_all_its_names() {
    let settings: Settings = toml::from_str("sources = [\"certificate:spiffe\", \"cookie:sid\"]").expect("it parses");
    let identity =
        Identity::compile(&settings, "tidegate.toml", key(), &read).unwrap_or_else(|found| panic!("{found:?}"));
    let ask = |cookie: &str, spiffe| {
        let request = Request::builder().header("cookie", cookie);
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let certificate = Certificate {
            spiffe,
            subject: Some("CN=billing"),
            digest: "00",
        };
        let peer = Peer {
            certificate: Some(certificate),
            ..Peer::at("192.0.2.1".parse().expect("an address"))
        };
        identity.identify(&head, &peer, now())
    };
    let id = "spiffe://shop.example/billing";
    let known = ask("sid=made-up", Some(id));
    let principal = format!("certificate\0{id}");
    assert_eq!(known.principal.as_deref(), Some(principal.as_bytes()));
    assert!(known.is_known && known.provenance == Provenance::Issued);
    assert_eq!(known.certificate.as_deref(), Some(id));
    assert_eq!(ask("sid=another", Some(id)).session, known.session, "not the cookie's");
    let nobody = ask("", None);
    assert_eq!(
        (nobody.principal.as_deref(), nobody.certificate.as_deref()),
        (None, Some("CN=billing"))
    );
    let may_be_revoked = |actor: &Actor, dimension| actor.revocable.iter().any(|name| name.dimension == dimension);
    for dimension in [Dimension::Certificate, Dimension::Principal, Dimension::Session] {
        assert!(may_be_revoked(&known, dimension), "{dimension:?}");
    }
    assert!(may_be_revoked(&nobody, Dimension::Certificate));
    assert!(may_be_revoked(&nobody, Dimension::Session), "by its address");
}
