//! Where a request says who it is from beside tokens and cookies: users with a password, users whom a proxy names, opaque tokens
//! of which their issuer is asked; and what becomes of a request that says two things at once.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::StatusCode;
use serde_json::{Value, json};
use tidegate::engine::ledger::Dimension;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::fail_modes::counted;
use crate::support::client::{get, http1_from};
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body};
use crate::support::shop::{identity, token};

/// Somebody new with each request.
async fn origin() -> Origin {
    let next = AtomicU32::new(0);
    Origin::serve(move |_| {
        let person = next.fetch_add(1, Ordering::Relaxed);
        Answer::new("application/json", body(Format::Json, person..person + 1))
    })
    .await
}

fn route(origin: &Origin, more: &str) -> String {
    format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n{more}\n",
        origin.address
    )
}

/// A budget that tells of these keys.
fn told(per: &str) -> String {
    format!("[[budget]]\nname = \"{per}\"\nper = \"{per}\"\npeople = 1000\nwindow = \"1d\"\naction = \"alert\"\n")
}

/// How many people each key of a dimension was shown, most first.
fn people(gateway: &Gateway, dimension: Dimension) -> Vec<u32> {
    let keys = gateway.keys(dimension).into_iter();
    keys.filter_map(|key| key.people.first().map(|(_, people)| *people))
        .collect()
}

#[tokio::test]
async fn a_user_with_a_password_is_one_session_whatever_the_password() {
    let origin = origin().await;
    let identity = "[identity]\nsources = [\"basic\"]\n";
    let gateway = Gateway::start(&format!("{identity}{}{}", route(&origin, ""), told("session"))).await;
    // kim:one, the same without padding and in other letters, kim:two; lee:one.
    for value in [
        "Basic a2ltOm9uZQ==",
        "bAsIc  a2ltOm9uZQ",
        "Basic a2ltOnR3bw==",
        "Basic bGVlOm9uZQ==",
    ] {
        let reply = get(gateway.address, "/", &format!("Authorization: {value}\r\n")).await;
        assert_eq!(reply.status, 200, "{}", reply.head);
    }
    assert_eq!(people(&gateway, Dimension::Session), [3, 1]);
    let passed: Vec<_> = origin
        .seen()
        .iter()
        .map(|seen| seen.headers["authorization"].clone())
        .collect();
    assert_eq!(passed[1], "bAsIc  a2ltOm9uZQ", "the origin gets what was sent");
    gateway.revoke("principal", "basic:kim").await;
    assert_eq!(
        get(gateway.address, "/", "Authorization: Basic a2ltOm5ldw==\r\n")
            .await
            .status,
        403
    );
    assert_eq!(
        get(gateway.address, "/", "Authorization: Basic bGVlOm9uZQ==\r\n")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_user_whom_a_proxy_names_is_believed_of_trusted_peers_and_taken_away_from_others() {
    let origin = origin().await;
    let text = format!(
        "[listen.behind]\naddress = \"127.0.0.1:0\"\ntrusted = [\"127.0.0.1/32\"]\n\
         [identity]\nsources = [\"trusted:x-forwarded-user\"]\n{}{}",
        route(&origin, ""),
        told("principal")
    );
    let gateway = Gateway::start(&text).await;
    let from = |last: u8, lines: &'static str| {
        let request = format!("GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{lines}\r\n");
        let address = gateway.address;
        async move {
            let reply = http1_from(Ipv4Addr::new(127, 0, 0, last), address, request.as_bytes()).await;
            assert_eq!(reply.status, 200, "{}", reply.head);
        }
    };
    for _ in 0..2 {
        from(1, "X-Forwarded-User: kim\r\n").await;
    }
    from(1, "X-Forwarded-User: lee\r\n").await;
    assert_eq!(people(&gateway, Dimension::Principal), [2, 1]);
    let ignored = async || counted(&gateway, "tidegate_credentials_ignored_total", "untrusted").await;
    let before = ignored().await;
    from(9, "X-Forwarded-User: kim\r\n").await;
    from(9, "X_Forwarded_User: kim\r\n").await;
    from(1, "X-Forwarded_User: kim\r\n").await;
    until("what was ignored is counted", async || ignored().await >= before + 3).await;
    assert_eq!(
        people(&gateway, Dimension::Principal),
        [2, 2, 1, 1],
        "they count by their addresses"
    );
    from(1, "X-Forwarded-User: kim\r\nX-Forwarded-User: lee\r\n").await;
    assert_eq!(people(&gateway, Dimension::Principal).iter().sum::<u32>(), 7);
    assert_eq!(
        people(&gateway, Dimension::Principal).len(),
        4,
        "of two names neither is believed"
    );
    let seen = origin.seen();
    let named = seen.iter().map(|seen| {
        let names = seen
            .headers
            .keys()
            .filter(|name| name.as_str().replace('_', "-") == "x-forwarded-user");
        names.count()
    });
    assert_eq!(named.collect::<Vec<_>>(), [1, 1, 1, 0, 0, 0, 1]);
    gateway.revoke("principal", "trusted:kim").await;
    let request = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nX-Forwarded-User: kim\r\n\r\n";
    let refused = http1_from(Ipv4Addr::LOCALHOST, gateway.address, request.as_bytes()).await;
    assert_eq!(refused.status, 403, "{}", refused.head);
}

/// What the issuer says of a token by its first word: `kim-...` is of kim, `gone` is not active.
fn introspected(token: &str) -> Answer {
    let whose = token.split('-').next().unwrap_or_default();
    let answer = match whose {
        "gone" => json!({ "active": false }),
        "foreign" => json!({ "active": true, "sub": "kim", "aud": "another" }),
        "over" => json!({ "active": true, "sub": "kim", "aud": "gateway", "exp": 1_600_000_000 }),
        "nobody" => json!({ "active": true, "aud": ["gateway"] }),
        "broken" => return Answer::new("text/html", "<html>"),
        "down" => return Answer::new("text/plain", "no").status(StatusCode::SERVICE_UNAVAILABLE),
        whose => json!({ "active": true, "sub": whose, "aud": "gateway", "role": "agent" }),
    };
    Answer::new("application/json", answer.to_string())
}

/// The token that a question names.
fn asked(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).expect("a form");
    let token = text
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="))
        .expect("a token");
    token.replace("%20", " ")
}

async fn issuer() -> Origin {
    Origin::serve(|request| introspected(&asked(&request.body))).await
}

/// A gateway that asks `issuer`, with more of `[identity]` and `[identity.introspection]` and `budgets` behind its route.
async fn asking(issuer: &Origin, origin: &Origin, (more, asking): (&str, &str), behind: &str) -> Gateway {
    let state = tempfile::tempdir().expect("a directory");
    let client = state.path().join("introspection.client");
    std::fs::write(&client, "gateway:s3cret\n").expect("a file");
    let text = format!(
        "[identity]\nsources = [\"introspect:authorization\"]\n{more}\n\
         [identity.group]\nagent = {{ claim = \"role=agent\" }}\n\
         [identity.introspection]\nurl = \"http://{}/introspect\"\nclient = {}\naudience = \"gateway\"\n{asking}\n{}{behind}",
        issuer.address,
        quoted(&client),
        route(origin, ""),
    );
    Gateway::start_in(state, &text).await
}

async fn bearer(gateway: &Gateway, token: &str) -> u16 {
    get(gateway.address, "/", &format!("Authorization: Bearer {token}\r\n"))
        .await
        .status
}

#[tokio::test]
async fn an_opaque_token_is_whose_its_issuer_says_and_it_is_asked_once() {
    let (issuer, origin) = (issuer().await, origin().await);
    let gateway = asking(&issuer, &origin, ("", ""), &told("principal")).await;
    for token in ["kim-1", "kim-2", "kim-1", "lee-1", "kim-1"] {
        assert_eq!(bearer(&gateway, token).await, 200, "{token}");
    }
    assert_eq!(people(&gateway, Dimension::Principal), [4, 1]);
    let questions = issuer.seen();
    let tokens: Vec<String> = questions.iter().map(|question| asked(&question.body)).collect();
    assert_eq!(tokens, ["kim-1", "kim-2", "lee-1"], "what was answered is remembered");
    for question in &questions {
        assert_eq!(
            question.headers["authorization"], "Basic Z2F0ZXdheTpzM2NyZXQ=",
            "the gateway says who it is"
        );
    }
    gateway.revoke("principal", "introspection:kim").await;
    assert_eq!(bearer(&gateway, "kim-3").await, 403);
    assert_eq!(bearer(&gateway, "lee-1").await, 200);
}

#[tokio::test]
async fn who_asks_with_one_token_at_once_has_its_issuer_asked_once() {
    let (feed, chunks) = mpsc::channel(1);
    let chunks = Mutex::new(Some(chunks));
    let issuer = Origin::serve(move |_| {
        let chunks = chunks.try_lock().ok().and_then(|mut chunks| chunks.take());
        chunks.map_or_else(
            || introspected("down"),
            |chunks| Answer::fed("application/json", chunks),
        )
    });
    let (issuer, origin) = (issuer.await, origin().await);
    let gateway = Arc::new(
        asking(
            &issuer,
            &origin,
            ("", "wait_ms_max = 5000\nasks_per_s_max = 1000"),
            &told("principal"),
        )
        .await,
    );
    let mut asking = JoinSet::new();
    for _ in 0..50 {
        let gateway = Arc::clone(&gateway);
        asking.spawn(async move { bearer(&gateway, "kim-1").await });
    }
    until("the issuer was asked", async || !issuer.seen().is_empty()).await;
    let answer = json!({ "active": true, "sub": "kim", "aud": "gateway" }).to_string();
    feed.send(answer.into()).await.expect("somebody listens");
    drop(feed);
    assert!(asking.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(issuer.seen().len(), 1);
    assert_eq!(people(&gateway, Dimension::Principal), [50]);
}

/// A budget that refuses the second person shown to credentials that nobody issued.
const UNISSUED: &str = "[[budget]]\nname = \"unissued\"\nper = \"service\"\nwhen = \"unissued\"\npeople = 1\nwindow = \"1d\"\n\
    action = \"reauth\"\nmode = \"enforce\"\n";

#[tokio::test]
async fn a_token_that_is_not_active_is_unissued_and_one_of_which_nobody_can_say_is_not() {
    let (issuer, origin) = (issuer().await, origin().await);
    for more in ["", "logs_in_at = [\"POST /login\"]\nwarm_up_s = 0"] {
        let gateway = asking(&issuer, &origin, (more, ""), UNISSUED).await;
        for token in ["gone-1", "gone-2"] {
            let status = bearer(&gateway, token).await;
            assert_eq!(status, if token == "gone-1" { 200 } else { 401 }, "{token}, {more}");
        }
        for token in ["foreign-1", "over-1"] {
            assert_eq!(bearer(&gateway, token).await, 401, "{token}, {more}");
        }
        for token in [
            "kim-1", "nobody-1", "nobody-2", "broken-1", "broken-2", "down-1", "down-2",
        ] {
            assert_eq!(bearer(&gateway, token).await, 200, "{token}, {more}");
        }
        // Of a JWT only the signature may have been looked at: where logins are seen its birth decides.
        let forged = bearer(&gateway, &token(7, "forged")).await;
        assert_eq!(forged, if more.is_empty() { 200 } else { 401 }, "{more}");
        let huge = bearer(&gateway, &"x".repeat(9_000)).await;
        assert_eq!(huge, 401, "what is too long is asked for nowhere, {more}");
        assert!(issuer.seen().iter().all(|question| question.body.len() < 9_000));
    }
}

#[tokio::test]
async fn an_issuer_that_fails_is_left_alone_and_nobody_waits_for_it() {
    let (issuer, origin) = (issuer().await, origin().await);
    let gateway = asking(&issuer, &origin, ("", "asks_per_s_max = 1000"), UNISSUED).await;
    let open = async || counted(&gateway, "tidegate_introspections_total", "open").await;
    let before = open().await;
    for number in 0..20 {
        assert_eq!(bearer(&gateway, &format!("down-{number}")).await, 200, "{number}");
    }
    assert_eq!(issuer.seen().len(), 5);
    assert!(open().await >= before + 15);
    let limited = asking(&issuer, &origin, ("", "asks_per_s_max = 1"), UNISSUED).await;
    let statuses = [bearer(&limited, "kim-1").await, bearer(&limited, "kim-2").await];
    assert_eq!(
        statuses,
        [200, 401],
        "whose network asks for too many may well make them up"
    );
}

#[tokio::test]
async fn who_shows_two_accounts_counts_as_both_and_both_are_told() {
    let origin = origin().await;
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().join("audit.jsonl");
    let text = format!(
        "{}[audit]\nfile = {}\n{}\
         [[budget]]\nname = \"account\"\nper = \"principal\"\npeople = 3\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n",
        identity(state.path(), ""),
        quoted(&path),
        route(&origin, ""),
    );
    let gateway = Gateway::start_in(state, &text).await;
    let both = |account: u32, place: usize| {
        let (own, victim) = (token(account, "a"), token(7, "v"));
        match place {
            0 => format!("Authorization: Bearer {own}\r\nCookie: token={victim}\r\n"),
            1 => format!("Cookie: token={own}; token={victim}\r\n"),
            _ => format!("Cookie: token={victim}; token={own}\r\n"),
        }
    };
    for account in 100..103 {
        assert_eq!(
            get(gateway.address, "/", &both(account, account as usize % 3))
                .await
                .status,
            200
        );
    }
    for place in 0..3 {
        let refused = get(gateway.address, "/", &both(200, place)).await;
        assert_eq!(refused.status, 403, "a fresh account beside it buys nothing: {place}");
    }
    let alone = get(
        gateway.address,
        "/",
        &format!("Authorization: Bearer {}\r\n", token(200, "a")),
    )
    .await;
    assert_eq!(alone.status, 200, "what was refused left no mark on it");
    let incidents = || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter(|line| line.to_string().contains("credentials-disagree"))
            .count()
    };
    until("all five accounts are told", async || incidents() >= 5).await;
}
