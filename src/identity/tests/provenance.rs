//! Was it ever issued? The three states, and what is passed on.

use std::path::Path;

use http::header::SET_COOKIE;
use http::{HeaderMap, Method, StatusCode};
use jsonwebtoken::Header;
use serde_json::json;

use super::super::{Actor, Identity, Provenance, Settings};
use super::{CONFIG, ask, bearer, compile, header, issue, key, key_set, now, read, sign, token};
use crate::engine::births::{Doubt, Tag};
use crate::engine::time::Now;

/// Births are remembered since long ago.
fn identity() -> Identity {
    let identity = compile(CONFIG).unwrap_or_else(|problems| panic!("{problems:?}"));
    identity.remember_births(Now::from_millis(now().millis() - 10 * 86_400_000));
    identity
}

fn cookie(identity: &Identity, value: &str) -> Actor {
    ask(identity, &[("cookie", &format!("sid={value}"))])
}

fn is_unissued(actor: &Actor) -> bool {
    actor.provenance == Provenance::Unissued && actor.doubt.is_none()
}

#[test]
fn only_what_was_seen_being_issued_is_issued() {
    let identity = identity();
    let nobody = ask(&identity, &[]);
    assert_eq!((nobody.provenance, nobody.doubt), (Provenance::Unknown, None));
    assert!(is_unissued(&cookie(&identity, "forged")) && !cookie(&identity, "forged").is_known);
    issue(&identity, b"fresh");
    assert_eq!(cookie(&identity, "fresh").provenance, Provenance::Issued);
    let listed = ask(&identity, &[("x-api-key", "partner-key-1")]);
    assert_eq!(listed.provenance, Provenance::Issued, "the configuration lists it");
    assert!(is_unissued(&ask(&identity, &[("x-api-key", "partner-key-2")])));
}

#[test]
fn nobody_can_say_in_the_warm_up_and_who_was_seen_in_it_stays_unknown() {
    let cold = compile(CONFIG).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(
        cookie(&cold, "a").doubt,
        Some(Doubt::NoLogin),
        "births are not remembered"
    );
    cold.remember_births(now());
    assert_eq!(cookie(&cold, "a").doubt, Some(Doubt::WarmUp));
    let identity = compile(&CONFIG.replace("logs_in_at", "warm_up_s = 0\nlogs_in_at"));
    let mut warm = identity.unwrap_or_else(|problems| panic!("{problems:?}"));
    warm.inherit_births(&cold, now());
    assert_eq!(cookie(&warm, "a").doubt, Some(Doubt::Remembered));
    assert!(is_unissued(&cookie(&warm, "b")));
    let without = compile(&CONFIG.replace("logs_in_at", "refreshes_at"));
    let without = without.unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(cookie(&without, "b").doubt, Some(Doubt::NoLogin));
}

#[test]
fn a_token_is_known_by_its_session_and_else_by_what_was_signed() {
    let identity = identity();
    let issued = token("c-17", &json!({}));
    issue(&identity, issued.as_bytes());
    let renewed = token("c-17", &json!({"exp": 1_700_000_601}));
    for known in [&issued, &renewed] {
        assert_eq!(bearer(&identity, known).provenance, Provenance::Issued);
    }
    let others = [
        json!({"sid": "s2"}),
        json!({"sid": null, "jti": "s1"}),
        json!({"sid": null}),
    ];
    for other in others {
        let forged = bearer(&identity, &token("c-17", &other));
        assert!(
            is_unissued(&forged) && forged.is_known,
            "{other}: signed well, never issued"
        );
    }
    let bare = json!({"sid": null});
    issue(&identity, token("c-18", &bare).as_bytes());
    assert_eq!(bearer(&identity, &token("c-18", &bare)).provenance, Provenance::Issued);
    let another = token("c-18", &json!({"sid": null, "exp": 1_700_000_601}));
    assert!(
        is_unissued(&bearer(&identity, &another)),
        "the same subject is not the same token"
    );
}

#[test]
fn an_issued_credential_does_not_make_a_forged_token_good() {
    let identity = identity();
    issue(&identity, b"mine");
    let forged = token("c-17", &json!({}));
    for place in [
        vec![
            ("authorization", format!("Bearer {forged}")),
            ("cookie", "sid=mine".to_owned()),
        ],
        vec![("cookie", format!("sid=mine; token={forged}"))],
        vec![
            ("x-api-key", "partner-key-1".to_owned()),
            ("authorization", format!("Bearer {forged}")),
        ],
    ] {
        let headers: Vec<(&str, &str)> = place.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert!(is_unissued(&ask(&identity, &headers)), "{}", headers.len());
    }
    let issued = token("c-9", &json!({"sid": "mine"}));
    issue(&identity, issued.as_bytes());
    let both = [
        ("authorization", format!("Bearer {issued}")),
        ("authorization", format!("Bearer {forged}")),
    ];
    let both: Vec<(&str, &str)> = both.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert!(is_unissued(&ask(&identity, &both)), "the origin may read the other");
    // An opaque one that nobody issued is nobody's: a shop sets many.
    let cart = ask(
        &identity,
        &[("authorization", &format!("Bearer {issued}")), ("cookie", "sid=cart")],
    );
    assert_eq!(cart.provenance, Provenance::Issued);
    let doubled = ask(&identity, &[("cookie", "sid=forged; sid=another")]);
    assert!(is_unissued(&doubled) && doubled.session.is_none());
}

#[test]
fn a_token_that_is_not_good_here_may_be_at_the_origin() {
    let identity = identity();
    let good = token("c-17", &json!({}));
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let other: String = signature.chars().rev().collect();
    for other in [
        format!("{signed}.{other}"),
        format!("{signed}.{signature}="),
        format!("{signed}.x"),
        token("c-17", &json!({"iss": "https://another.example"})),
        token(&"x".repeat(9_000), &json!({})),
    ] {
        let shown = bearer(&identity, &other);
        assert!(
            is_unissued(&shown) && shown.session.is_none() && shown.kid.is_none(),
            "{}",
            other.len()
        );
        issue(&identity, b"mine");
        let beside = ask(
            &identity,
            &[("authorization", &format!("Bearer {other}")), ("cookie", "sid=mine")],
        );
        assert!(is_unissued(&beside) && beside.session.is_some());
    }
    for no_token in [
        "Bearer opaque",
        "Bearer a.b",
        "Bearer a..b",
        &format!("Bearer {signed}.+"),
        &format!("Bearer {good} x"),
        &format!("Bearer Basic {good}"),
        &format!("Basic {good}"),
        "Token abc",
    ] {
        assert!(
            is_unissued(&ask(&identity, &[("authorization", no_token)])),
            "{no_token}"
        );
        let beside = ask(&identity, &[("authorization", no_token), ("cookie", "sid=mine")]);
        assert!(is_unissued(&beside), "{no_token}");
    }
    for scheme in ["", "JWT ", "dPoP "] {
        let shown = ask(&identity, &[("authorization", &format!("{scheme}{good}"))]);
        assert!(is_unissued(&shown) && shown.is_known, "{scheme}");
    }
    let basic = ask(&identity, &[("authorization", "Basic dTpw")]);
    assert_eq!((basic.provenance, basic.doubt), (Provenance::Unknown, None));
}

#[test]
fn what_stands_in_the_place_of_a_token_is_known_if_it_was_issued() {
    let identity = identity();
    issue(&identity, b"opaque access token");
    issue(&identity, b"opaque");
    for value in ["Bearer opaque", "Token opaque", "Bearer opaque access token"] {
        let shown = ask(&identity, &[("authorization", value)]);
        assert_eq!(shown.provenance, Provenance::Issued, "{value}");
    }
}

#[test]
fn an_issued_value_does_not_make_another_of_its_source_good() {
    let identity = identity();
    for value in ["mine", "2", "3", "4", "5"] {
        issue(&identity, value.as_bytes());
    }
    for forged in ["sid=mine; sid=forged", "sid=forged; sid=mine"] {
        assert!(
            is_unissued(&ask(&identity, &[("cookie", forged)])),
            "the origin may choose the other"
        );
    }
    let both = ask(
        &identity,
        &[("x-api-key", "partner-key-1"), ("x-api-key", "partner-key-2")],
    );
    assert!(is_unissued(&both));
    let four = ask(&identity, &[("cookie", "sid=mine; sid=2; sid=3; sid=4; sid=mine")]);
    assert_eq!(four.provenance, Provenance::Issued);
    let five = ask(&identity, &[("cookie", "sid=mine; sid=2; sid=3; sid=4; sid=5")]);
    assert!(is_unissued(&five), "not all are looked at");
}

/// An issuer whose key set is behind a URL and has these keys; none: it was never had.
pub(super) fn behind_url(kids: Option<&[&str]>) -> Identity {
    let config = CONFIG.replace("\"jwks.json\"", "\"https://login.shop.example/jwks.json\"");
    let settings: Settings = toml::from_str(&config).expect("the configuration parses");
    let set = |path: &Path| match (path.to_str(), kids) {
        (Some("https://login.shop.example/jwks.json"), Some(kids)) => Ok(key_set(kids).to_string().into_bytes()),
        _ => read(path),
    };
    let identity = Identity::compile(&settings, "tidegate.toml", key(), &set);
    let identity = identity.unwrap_or_else(|problems| panic!("{problems:?}"));
    identity.remember_births(Now::from_millis(now().millis() - 10 * 86_400_000));
    identity
}

#[test]
fn while_the_keys_of_an_issuer_cannot_be_had_nobody_can_say_of_its_tokens() {
    let fresh = token("c-17", &json!({}));
    for kids in [None, Some(&["k0"][..])] {
        let identity = behind_url(kids);
        let shown = bearer(&identity, &fresh);
        assert_eq!(
            (shown.provenance, shown.doubt),
            (Provenance::Unknown, Some(Doubt::NoKey))
        );
        assert!(shown.session.is_none() && !shown.is_known, "nothing of it is believed");
        let renewed = identity.in_body(fresh.as_bytes(), now());
        assert_eq!(identity.provenance_of(&renewed, now()), Provenance::Unknown);
        let others = [
            token("c-17", &json!({"iss": "https://another.example"})),
            sign(
                &Header {
                    typ: Some("logout+jwt".into()),
                    ..header()
                },
                &json!({"iss": "https://login.shop.example", "sub": "c"}),
            ),
        ];
        for other in others {
            assert!(
                is_unissued(&bearer(&identity, &other)),
                "no key of this issuer's is lacking"
            );
        }
        assert!(is_unissued(&cookie(&identity, &fresh)), "nothing is read there");
    }
    let in_file = identity();
    let unknown_key = Header {
        kid: Some("k2".into()),
        ..header()
    };
    let claims = json!({"iss": "https://login.shop.example", "sub": "c-17", "exp": 1_700_000_600});
    assert!(
        is_unissued(&bearer(&in_file, &sign(&unknown_key, &claims))),
        "a file is the operator's word"
    );
}

#[test]
fn a_key_that_is_not_in_a_set_of_this_minute_is_nobodys() {
    let identity = behind_url(Some(&["k0"]));
    let shown = || bearer(&identity, &token("c-17", &json!({})));
    let had = |seconds_ago| {
        identity
            .remote_keys()
            .for_each(|set| set.was_had(now().second() - seconds_ago));
    };
    had(60);
    assert!(is_unissued(&shown()), "a name of a key is made up with each request");
    had(61);
    assert_eq!(shown().doubt, Some(Doubt::NoKey));
}

#[test]
fn a_token_that_was_issued_is_known_whether_its_key_was_there_or_not() {
    let issued = token("c-17", &json!({}));
    let (without, with) = (behind_url(None), behind_url(Some(&["k1"])));
    for (mut now_known, before) in [(behind_url(None), &with), (behind_url(Some(&["k1"])), &without)] {
        issue(before, issued.as_bytes());
        now_known.inherit_births(before, now());
        assert_eq!(bearer(&now_known, &issued).provenance, Provenance::Issued);
    }
}

#[test]
fn what_has_expired_is_good_to_be_renewed() {
    let identity = identity();
    issue(&identity, token("c-17", &json!({})).as_bytes());
    let expired = bearer(&identity, &token("c-17", &json!({"exp": 1_699_999_000})));
    assert!(expired.session.is_none());
    let refresh = (&Method::POST, "/refresh");
    let passed = identity.passes_on(refresh, StatusCode::OK, &expired, None);
    assert_eq!(passed, Some(Tag::Issued));
    issue(&identity, b"mine");
    let stale = token("c-18", &json!({"exp": 1_699_999_000}));
    let beside = ask(
        &identity,
        &[("authorization", &format!("Bearer {stale}")), ("cookie", "sid=mine")],
    );
    assert_eq!(beside.provenance, Provenance::Issued);
    let early = format!("Bearer {}", token("c-19", &json!({"nbf": 1_700_000_300})));
    let early = ask(&identity, &[("authorization", &early), ("cookie", "sid=mine")]);
    assert!(is_unissued(&early), "what is not valid yet may be to the origin");
    let alone = bearer(&identity, &stale);
    assert_eq!(
        identity.passes_on(refresh, StatusCode::OK, &alone, None),
        Some(Tag::Unissued)
    );
}

#[test]
fn a_login_gives_fresh_proof_and_everything_else_passes_on_the_mark() {
    let identity = identity();
    issue(&identity, b"mine");
    let (nobody, mine) = (ask(&identity, &[]), cookie(&identity, "mine"));
    let forged = cookie(&identity, "forged");
    let passed =
        |method: &Method, path: &str, status, actor: &Actor| identity.passes_on((method, path), status, actor, None);
    for actor in [&nobody, &mine, &forged] {
        let login = passed(&Method::POST, "/login", StatusCode::OK, actor);
        assert_eq!(login, Some(Tag::Issued), "whatever else the request carries");
        assert_eq!(passed(&Method::POST, "/login", StatusCode::UNAUTHORIZED, actor), None);
    }
    for (method, path) in [(Method::POST, "/refresh"), (Method::GET, "/login"), (Method::GET, "/")] {
        assert_eq!(passed(&method, path, StatusCode::OK, &nobody), None);
        assert_eq!(passed(&method, path, StatusCode::OK, &mine), Some(Tag::Issued));
        assert_eq!(passed(&method, path, StatusCode::FOUND, &forged), Some(Tag::Unissued));
    }
    let refresh = (&Method::POST, "/refresh");
    for (actor, renewed, tag) in [
        (&nobody, Provenance::Issued, Tag::Issued),
        (&mine, Provenance::Unissued, Tag::Unissued),
        (&forged, Provenance::Issued, Tag::Unissued),
        (&mine, Provenance::Unknown, Tag::Unknown),
    ] {
        let passed = identity.passes_on(refresh, StatusCode::OK, actor, Some(renewed));
        assert_eq!(passed, Some(tag), "the worse of both");
    }
    let known = |token: &[u8]| identity.provenance_of(&identity.in_body(token, now()), now());
    assert_eq!(
        (known(b"mine"), known(b"another")),
        (Provenance::Issued, Provenance::Unissued)
    );
}

#[test]
fn a_login_may_be_told_by_its_status() {
    let text = CONFIG.replace("\"POST /login\"", "\"POST /login 302\", \"POST /login 303\"");
    assert_ne!(text, CONFIG);
    let identity = compile(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
    identity.remember_births(Now::from_millis(now().millis() - 10 * 86_400_000));
    let forged = cookie(&identity, "forged");
    let login = |status: StatusCode| identity.passes_on((&Method::POST, "/login"), status, &forged, None);
    assert_eq!(
        [login(StatusCode::FOUND), login(StatusCode::SEE_OTHER)],
        [Some(Tag::Issued); 2]
    );
    assert_eq!(
        [login(StatusCode::OK), login(StatusCode::UNAUTHORIZED)],
        [None; 2],
        "the form again, with a cookie"
    );
    assert_eq!(
        identity.passes_on((&Method::GET, "/"), StatusCode::OK, &forged, None),
        Some(Tag::Unissued)
    );
    // One path that is both: who renews there logs nobody in.
    let text = CONFIG
        .replace("\"POST /login\"", "\"POST /token 201\"")
        .replace("\"POST /refresh\"", "\"POST /token 200\"");
    let identity = compile(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
    identity.remember_births(Now::from_millis(now().millis() - 10 * 86_400_000));
    let forged = cookie(&identity, "forged");
    let token = |status: StatusCode| identity.passes_on((&Method::POST, "/token"), status, &forged, None);
    assert_eq!(token(StatusCode::CREATED), Some(Tag::Issued));
    assert_eq!(token(StatusCode::OK), Some(Tag::Unissued));
    assert_eq!(token(StatusCode::ACCEPTED), None);
    for wrong in [
        "POST /login 404",
        "POST /login ok",
        "POST /login 302 303",
        "POST /login ",
    ] {
        let problems = compile(&CONFIG.replace("POST /login", wrong)).err().expect(wrong);
        assert_eq!(problems[0].code, "I007", "{wrong}");
    }
}

#[test]
fn a_response_head_issues_cookies_and_headers_that_are_sources() {
    let identity = identity();
    let mut response = HeaderMap::new();
    let issued = token("c-3", &json!({}));
    for line in [
        "sid=one; Path=/; HttpOnly",
        "theme=dark",
        "sid=; Max-Age=0",
        &format!("token={issued}"),
    ] {
        response.append(SET_COOKIE, line.parse().expect("a value"));
    }
    response.append("x-api-key", "key-of-a-new-partner".parse().expect("a value"));
    for id in identity.issued_in_head(&response, now()) {
        identity.births().issue(id, Tag::Issued, None, now());
    }
    assert_eq!(identity.births().len(), 4, "a token by its session and by its bytes");
    for shown in [
        cookie(&identity, "one"),
        bearer(&identity, &issued),
        ask(&identity, &[("x-api-key", "key-of-a-new-partner")]),
    ] {
        assert_eq!(shown.provenance, Provenance::Issued);
    }
}
