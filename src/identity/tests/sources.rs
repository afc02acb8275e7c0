//! Users with a password, users whom a proxy names, tokens of which their issuer is asked, and who is shown beside whom.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use http::Request;
use serde_json::{Value, json};

use super::super::{Actor, Identity, Peer, Provenance, Settings, Unanswered, listed_key_hash};
use super::provenance::behind_url;
use super::{CONFIG, ask, bearer, compile, issue, key, now, read, token};
use crate::engine::births::Doubt;
use crate::engine::time::Now;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

const OTHERS: &str = r#"
    sources = ["trusted:x-user", "basic", "jwt:authorization", "introspect:authorization", "introspect:cookie:at", "header:x-api-key"]
    [issuer.shop]
    jwks = "jwks.json"
    algorithms = ["EdDSA"]
    [introspection]
    url = "https://login.example/introspect"
    client = "client"
    accounts_of = "shop"
    issuer = "https://login.example"
    [group]
    agent = { claim = "role=agent" }
    partner = { api_keys = "users.keys" }
"#;

fn others(more: &str) -> Identity {
    let settings: Settings = toml::from_str(&format!("{more}\n{OTHERS}")).expect("the configuration parses");
    let read = |path: &Path| match path.to_str() {
        Some("client") => Ok(b"gateway:s3cret\n".to_vec()),
        Some("users.keys") => Ok(format!("{} acme\n", listed_key_hash(&key(), b"kim:one")).into()),
        _ => read(path),
    };
    let identity = Identity::compile(&settings, "tidegate.toml", key(), &read);
    identity.unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn a_user_with_a_listed_password_is_who_the_list_says() {
    let identity = others("");
    let kim = ask(&identity, &[("authorization", "Basic a2ltOm9uZQ==")]);
    assert_eq!(kim.principal.as_deref(), Some(b"api-key:acme".as_slice()));
    assert_eq!(
        (kim.group.as_deref(), kim.provenance),
        (Some("partner"), Provenance::Issued)
    );
    let wrong = ask(&identity, &[("authorization", "Basic a2ltOnR3bw==")]);
    assert!(
        wrong.principal.is_none() && !wrong.is_known,
        "another password is nobody's"
    );
    let again = ask(&identity, &[("authorization", "Basic a2ltOnRocmVl")]);
    assert!(
        wrong.session == again.session && wrong.session.is_some(),
        "and the next makes no new session"
    );
    assert!(wrong.session != kim.session, "nor fills up that of the user");
    for garbage in ["Basic !!!", "Basic a2lt", "Basic OnB3"] {
        let nobody = ask(&identity, &[("authorization", garbage)]);
        assert!(nobody.session.is_none() && nobody.principal.is_none(), "{garbage}");
    }
}

#[test]
fn a_user_whom_nobody_listed_is_unissued_where_logins_are_seen() {
    let identity = others("logs_in_at = [\"POST /login\"]\nwarm_up_s = 0");
    identity.remember_births(Now::from_millis(now().millis() - 1_000));
    let unlisted = ask(&identity, &[("authorization", "Basic a2ltOnR3bw==")]);
    assert_eq!(unlisted.provenance, Provenance::Unissued);
}

fn asked_by_proxy(identity: &Identity, headers: &[(&str, &str)], trusted: &str) -> Actor {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let peer = Peer {
        trusted: &[trusted.parse().expect("a network")],
        ..Peer::at(CLIENT)
    };
    identity.identify(&head, &peer, now())
}

#[test]
fn only_a_trusted_proxy_names_a_user() {
    let identity = others("");
    let kim = asked_by_proxy(&identity, &[("x-user", "kim")], "192.0.2.0/24");
    assert_eq!(kim.principal.as_deref(), Some(b"trusted\0kim".as_slice()));
    assert!(kim.is_known && kim.provenance == Provenance::Issued && kim.group.is_none());
    let spoofed = asked_by_proxy(&identity, &[("x-user", "kim")], "198.51.100.0/24");
    assert!(spoofed.principal.is_none() && spoofed.session.is_none());
    let two = asked_by_proxy(&identity, &[("x-user", "kim"), ("x-user", "lee")], "192.0.2.0/24");
    assert!(two.principal.is_none() && two.session.is_none());
    // The token behind the proxy's word is of the same user, or of another.
    let bearer = |sub: &str| format!("Bearer {}", token(sub, &json!({})));
    let same = [("x-user", "kim"), ("authorization", &*bearer("kim"))];
    assert!(asked_by_proxy(&identity, &same, "192.0.2.0/24").others.is_empty());
    let odd = [("x-user", "kim"), ("authorization", &*bearer("lee"))];
    let odd = asked_by_proxy(&identity, &odd, "192.0.2.0/24");
    assert_eq!(odd.others[0].principal.as_deref(), Some(b"shop\0lee".as_slice()));
    assert!(
        asked_by_proxy(
            &identity,
            &[("x-user", "kim"), ("authorization", &*bearer("lee"))],
            "198.51.100.0/24"
        )
        .others
        .is_empty()
    );
}

#[test]
fn a_known_credential_beside_another_counts_too_and_one_that_may_be_made_up_does_not() {
    let identity = compile(CONFIG).unwrap_or_else(|problems| panic!("{problems:?}"));
    issue(&identity, b"stolen");
    let own = format!("Bearer {}", token("c-17", &json!({})));
    let stolen = ask(&identity, &[("cookie", "sid=stolen")]).session;
    let both = ask(&identity, &[("authorization", &*own), ("cookie", "sid=stolen")]);
    assert_eq!(both.principal.as_deref(), Some(b"shop\0c-17".as_slice()));
    assert!(
        both.others.len() == 1 && both.others[0].session == stolen,
        "the origin may go by the cookie"
    );
    assert_eq!(both.accounts_at_odds().count(), 0, "a cookie names no account");
    let cart = ask(&identity, &[("authorization", &*own), ("cookie", "sid=cart")]);
    assert!(cart.others.is_empty());
    let another = format!("token={}", token("c-18", &json!({})));
    let odds = ask(&identity, &[("authorization", &*own), ("cookie", &*another)]);
    let named: Vec<_> = odds.accounts_at_odds().collect();
    assert_eq!(named, [&b"shop\0c-17"[..], b"shop\0c-18"]);
    let again = format!("token={}", token("c-17", &json!({ "sid": "s2" })));
    let same = ask(&identity, &[("authorization", &*own), ("cookie", &*again)]);
    assert!(same.others.is_empty(), "one account has many sessions");
}

/// Has the issuer answer this of the one token that is to be asked for.
fn answer(identity: &Identity, actor: &Actor, answer: &Value, at: Now) -> Option<bool> {
    let [asked] = actor.unanswered.as_slice() else {
        panic!("{} tokens are to be asked for", actor.unanswered.len())
    };
    identity.answered(asked, answer.to_string().as_bytes(), at)
}

fn cookie_at(identity: &Identity, value: &str, at: Now) -> Actor {
    let request = Request::builder().header("cookie", format!("at={value}"));
    let (head, ()) = request.body(()).expect("a request").into_parts();
    identity.identify(&head, &Peer::at(CLIENT), at)
}

#[test]
fn an_answer_holds_for_its_time_and_outlives_a_reload() {
    // In the warm-up of births nobody can say what was issued, but for its issuer.
    let identity = others("logs_in_at = [\"POST /login\"]");
    identity.remember_births(now());
    let first = bearer(&identity, "opaque");
    assert_eq!((first.doubt, first.is_known), (Some(Doubt::NoAnswer), false));
    assert!(first.session.is_some() && first.principal.is_none());
    let active = json!({ "active": true, "iss": "https://login.example", "sub": "kim", "role": "agent", "sid": "s1" });
    assert_eq!(answer(&identity, &first, &active, now()), Some(true));
    let known = bearer(&identity, "opaque");
    assert!(known.unanswered.is_empty());
    assert_eq!(
        known.principal.as_deref(),
        Some(b"shop\0kim".as_slice()),
        "an account of its issuer"
    );
    assert_eq!(
        (known.group.as_deref(), known.provenance),
        (Some("agent"), Provenance::Issued)
    );
    let by_token = bearer(&identity, &token("kim", &json!({ "sid": "s1" })));
    assert!(
        by_token.session == known.session,
        "one session, whichever token shows it"
    );
    let mut reloaded = others("leavers_percent = 10");
    reloaded.inherit_births(&identity, now());
    assert!(bearer(&reloaded, "opaque").unanswered.is_empty());
    let elsewhere = OTHERS.replace("https://login.example/introspect", "https://other.example/introspect");
    let settings: Settings = toml::from_str(
        &elsewhere
            .replace("client = \"client\"", "")
            .replace("users.keys", "partners.keys"),
    )
    .expect("settings");
    let mut elsewhere =
        Identity::compile(&settings, "x", key(), &read).unwrap_or_else(|problems| panic!("{problems:?}"));
    elsewhere.inherit_births(&identity, now());
    assert_eq!(
        bearer(&elsewhere, "opaque").unanswered.len(),
        1,
        "another has not answered"
    );
    let at = |seconds: u64| cookie_at(&identity, "other", now().after(seconds * 1000));
    assert_eq!(answer(&identity, &at(0), &active, now()), Some(true));
    assert!(at(59).principal.is_some() && at(60).principal.is_none() && at(60).unanswered.len() == 1);
    let (known, asked) = (at(59).revocable, at(60).revocable);
    assert!(
        known.iter().all(|name| asked.contains(name)),
        "silence takes no revocation back"
    );
}

#[test]
fn a_client_that_asks_for_itself_is_no_account_of_its_issuer() {
    let told = |told: Value| {
        let identity = others("");
        let asked = bearer(&identity, "opaque");
        let mut said = json!({"active": true, "iss": "https://login.example"});
        said.as_object_mut()
            .expect("an object")
            .extend(told.as_object().expect("an object").clone());
        assert_eq!(answer(&identity, &asked, &said, now()), Some(true));
        let principal = bearer(&identity, "opaque").principal;
        principal.map(|principal| String::from_utf8_lossy(&principal).into_owned())
    };
    for (said, principal) in [
        (json!({"sub": "ann", "client_id": "app"}), Some("shop\0ann")),
        (json!({"username": "ann", "client_id": "app"}), Some("shop\0ann")),
        (json!({"client_id": "ann"}), Some("shop\0client:ann")),
        (json!({"sub": "", "client_id": "app"}), Some("shop\0client:app")),
        (json!({"username": "client:app"}), None),
        (
            json!({"sub": "client:app", "client_id": "other"}),
            Some("shop\0client:other"),
        ),
        (json!({"sub": "client:app"}), None),
        (json!({}), None),
    ] {
        assert_eq!(told(said.clone()).as_deref(), principal, "{said}");
    }
}

#[test]
fn a_token_that_ended_is_no_forgery_and_one_that_never_was_is() {
    let identity = others("");
    let gone = json!({ "active": false });
    let first = bearer(&identity, "never");
    assert_eq!(answer(&identity, &first, &gone, now()), Some(false));
    let never = bearer(&identity, "never");
    assert_eq!((never.provenance, never.doubt), (Provenance::Unissued, None));
    assert!(never.session.is_none() && never.unanswered.is_empty());
    let kim = json!({ "active": true, "iss": "https://login.example", "sub": "kim", "exp": now().second() + 10 });
    let was = bearer(&identity, "was");
    assert_eq!(answer(&identity, &was, &kim, now()), Some(true));
    let over = |seconds: u64| {
        let request = Request::builder().header("authorization", "Bearer was");
        let (head, ()) = request.body(()).expect("a request").into_parts();
        identity.identify(&head, &Peer::at(CLIENT), now().after(seconds * 1000))
    };
    assert!(over(30).principal.is_some(), "within the leeway of clocks");
    let later = over(60);
    assert_eq!(
        (later.provenance, later.principal.is_none()),
        (Provenance::Unknown, true),
        "to be asked for anew"
    );
    assert_eq!(
        identity.answered(&later.unanswered[0], gone.to_string().as_bytes(), now()),
        Some(false)
    );
    assert_eq!(
        bearer(&identity, "was").provenance,
        Provenance::Issued,
        "it was good once"
    );
    issue(&identity, b"born");
}

#[test]
fn introspection_makes_no_signed_token_good_that_was_never_issued() {
    let identity = others("logs_in_at = [\"POST /login\"]\nwarm_up_s = 1");
    let start = now().after(60_000);
    identity.remember_births(now());
    let shown = |value: &str, at| {
        let request = Request::builder().header("cookie", format!("at={value}"));
        let (head, ()) = request.body(()).expect("a request").into_parts();
        identity.identify(&head, &Peer::at(CLIENT), at)
    };
    // A blank before the JSON of its head, and five parts, are tokens of somebody's key as well.
    for forged in ["eyJ9.eyJ9.c2ln", "IHsiYWxnIn0.eyJ9.c2ln", "eyJ9.a.b.c.d"] {
        let active =
            json!({ "active": true, "iss": "https://login.example", "sub": "kim", "exp": start.second() + 10 });
        let asked = shown(forged, start);
        assert_eq!(answer(&identity, &asked, &active, start), Some(true), "{forged}");
        assert_eq!(shown(forged, start).provenance, Provenance::Unissued, "{forged}");
        let over = start.after(120_000);
        let asked = shown(forged, over);
        assert_eq!(
            answer(&identity, &asked, &json!({ "active": false }), over),
            Some(false)
        );
        assert_eq!(shown(forged, over).provenance, Provenance::Unissued, "{forged}, ended");
    }
}

#[test]
fn more_credentials_than_are_looked_at_are_a_flood() {
    let identity = others("");
    let cookies = |count: usize| {
        (0..count)
            .map(|number| format!("at=v{number}"))
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert!(!ask(&identity, &[("cookie", &cookies(4))]).is_flooded);
    assert!(ask(&identity, &[("cookie", &cookies(5))]).is_flooded);
    let accounts = |count: usize| {
        let tokens = (0..count).map(|number| format!("Bearer {}", token(&format!("c-{number}"), &json!({}))));
        let tokens: Vec<String> = tokens.collect();
        let headers: Vec<_> = tokens.iter().map(|token| ("authorization", token.as_str())).collect();
        ask(&identity, &headers)
    };
    let four = accounts(4);
    assert_eq!((four.is_flooded, four.others.len()), (false, 3));
}

#[test]
fn what_is_no_answer_says_nothing_and_what_is_for_others_is_not_active() {
    let identity = others("");
    let asked = Unanswered {
        id: crate::engine::births::CredentialId([7; 16]),
        token: b"opaque".as_slice().into(),
    };
    for (text, active) in [
        ("", None),
        ("[]", None),
        ("{}", None),
        ("{\"active\":\"true\"}", None),
        ("{\"active\":1}", None),
        ("{\"active\":false}", Some(false)),
        ("{\"active\":true}", Some(false)),
        (
            "{\"active\":true,\"iss\":\"https://evil.example\",\"sub\":\"kim\"}",
            Some(false),
        ),
        (
            "{\"active\":true,\"iss\":\"https://login.example\",\"sub\":\"kim\",\"exp\":\"never\"}",
            None,
        ),
        (
            "{\"active\":true,\"iss\":\"https://login.example\",\"sub\":\"kim\",\"exp\":1}",
            Some(false),
        ),
        (
            "{\"active\":true,\"iss\":\"https://login.example\",\"sub\":4711,\"username\":\"kim\"}",
            Some(true),
        ),
        ("{\"active\":true,\"iss\":\"https://login.example\"}", Some(true)),
    ] {
        assert_eq!(identity.answered(&asked, text.as_bytes(), now()), active, "{text}");
    }
}

#[test]
fn who_is_revoked_is_named_also_while_a_key_set_was_never_had() {
    let named = |identity: &Identity, shown: &str| {
        let actor = bearer(identity, shown);
        actor.revocable.iter().map(|name| name.key).collect::<Vec<_>>()
    };
    let shown = token("c-17", &json!({ "email": "c17@mail.example", "jti": "j1" }));
    let known = compile(CONFIG).unwrap_or_else(|problems| panic!("{problems:?}"));
    let keyless = behind_url(None);
    let actor = bearer(&keyless, &shown);
    assert!(
        actor.is_keyless && actor.principal.is_none() && actor.session.is_none(),
        "nothing of it is believed"
    );
    assert_eq!(
        named(&keyless, &shown),
        named(&known, &shown),
        "but who it names may not be let in"
    );
    let foreign = token("c-17", &json!({ "iss": "https://evil.example" }));
    assert!(
        !bearer(&keyless, &foreign).is_keyless,
        "of another issuer it is no doubt"
    );
    assert!(!bearer(&behind_url(Some(&["k1"])), &shown).is_keyless);
}
