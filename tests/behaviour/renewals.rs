//! Who renews a credential has one as good as what was sent, and no better.

use std::collections::BTreeSet;

use super::provenance::{LIMIT, STRANGERS, gateway, honest, live_on, log_in, people};
use crate::support::client::{get, http1};
use crate::support::coding::Coding;
use crate::support::shop::{Session, forged, head, post, renewal, session, shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_renews_a_forged_token_has_a_forged_token() {
    let origin = shop().await;
    let gateway = gateway(&origin, "warm_up_s = 0\nreauth_per_s_max = 1000", "enforce").await;
    let others = honest(&gateway).await;
    let mut seen = BTreeSet::new();
    for stranger in STRANGERS..STRANGERS + 3 * LIMIT as u32 {
        let mut shown = forged(stranger);
        for round in 0..3 {
            let reply = http1(gateway.address, post("/refresh", &shown).as_bytes()).await;
            let renewed = session(&reply);
            shown = if round % 2 == 0 { renewed.cookie } else { renewed.bearer };
        }
        let made_up = renewal(&format!("{}-made-up", stranger + 1_000));
        let made_up = session(&http1(gateway.address, made_up.as_bytes()).await);
        for shown in [&shown, &made_up.bearer, &made_up.cookie] {
            seen.extend(people(&get(gateway.address, "/me", shown).await.body));
        }
    }
    assert_eq!(seen.len(), LIMIT);
    live_on(&gateway, others, "renewed").await;
    let honest = log_in(&gateway, 7).await;
    let by_cookie = session(&http1(gateway.address, post("/refresh", &honest.cookie).as_bytes()).await);
    let by_body = session(&http1(gateway.address, honest.renewal.as_bytes()).await);
    let again = session(&http1(gateway.address, by_body.renewal.as_bytes()).await);
    for renewed in [&honest, &by_cookie, &by_body, &again] {
        for shown in [&renewed.bearer, &renewed.cookie] {
            assert_eq!(get(gateway.address, "/me", shown).await.status, 200);
        }
    }
}

/// A refresh token that was never issued, where some origin finds it, beside one that was: the head of a request and its body.
type Hidden = fn(&str, &Session) -> (String, Vec<u8>);
const HIDDEN: [(&str, Hidden); 11] = [
    ("first of two in a form", |forged, own| {
        form(format!("refresh_token={forged}&refresh_token={}", own.refresh))
    }),
    ("under another spelling", |forged, own| {
        json_of(format!(
            "{{\"refreshToken\":\"{forged}\",\"refresh_token\":\"{}\"}}",
            own.refresh
        ))
    }),
    ("first of two of one name", |forged, own| {
        json_of(format!(
            "{{\"refresh_token\":\"{forged}\",\"refresh_token\":\"{}\"}}",
            own.refresh
        ))
    }),
    ("deeper", |forged, own| {
        json_of(format!(
            "{{\"refresh_token\":\"{}\",\"variables\":{{\"refreshToken\":\"{forged}\"}}}}",
            own.refresh
        ))
    }),
    ("in a form that is JSON as well", |forged, own| {
        form(format!(
            "{{\"refresh_token\":\"{}\",\"x\":\"&refresh_token={forged}&\"}}",
            own.refresh
        ))
    }),
    ("under a name that is escaped", |forged, own| {
        form(format!("refresh%5Ftoken={forged}&refresh_token={}", own.refresh))
    }),
    ("coded", |forged, own| {
        let body = format!("{{\"refresh_token\":\"{forged}\"}}");
        let head = format!("{}Content-Encoding: gzip\r\n", own.cookie);
        (head, Coding::Gzip.encode(body.as_bytes(), usize::MAX))
    }),
    ("behind more than is read", |forged, own| {
        let body = format!("{{\"x\":\"{}\",\"refresh_token\":\"{forged}\"}}", "x".repeat(70_000));
        (own.cookie.clone(), body.into_bytes())
    }),
    ("alone, filled up to four letters", |forged, own| {
        (own.cookie.clone(), format!("{forged}a==").into_bytes())
    }),
    ("alone, as a text of JSON", |forged, own| {
        (own.cookie.clone(), format!("\"{forged}\"").into_bytes())
    }),
    ("in parts", |forged, own| {
        let part = "--b\r\nContent-Disposition: form-data; name=\"refresh_token\"\r\n\r\n";
        let head = format!("{}Content-Type: multipart/form-data; boundary=b\r\n", own.cookie);
        (head, format!("{part}{forged}\r\n--b--\r\n").into_bytes())
    }),
];

fn form(body: String) -> (String, Vec<u8>) {
    let head = "Content-Type: application/x-www-form-urlencoded\r\n";
    (head.to_owned(), body.into_bytes())
}

fn json_of(body: String) -> (String, Vec<u8>) {
    ("Content-Type: application/json\r\n".to_owned(), body.into_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hides_a_forged_token_in_a_refresh_has_a_forged_token() {
    let origin = shop().await;
    for (name, hide) in HIDDEN {
        let gateway = gateway(&origin, "warm_up_s = 0\nreauth_per_s_max = 1000", "enforce").await;
        let (own, honest) = (log_in(&gateway, 7).await, honest(&gateway).await);
        let mut seen = BTreeSet::new();
        for stranger in STRANGERS..STRANGERS + 2 * LIMIT as u32 {
            let (lines, body) = hide(&format!("FORGED-{stranger}"), &own);
            let request = [head("/refresh", body.len(), &lines).as_bytes(), &body].concat();
            let renewed = session(&http1(gateway.address, &request).await);
            for shown in [&renewed.bearer, &renewed.cookie] {
                seen.extend(people(&get(gateway.address, "/me", shown).await.body));
            }
        }
        assert_eq!(seen.len(), LIMIT, "{name}");
        live_on(&gateway, honest, name).await;
    }
}
