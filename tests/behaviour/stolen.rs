//! What is stolen and good: a key that the gateway does not have, and a session that was issued.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{Method, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};

use crate::support::client::{get, http1, http1_from};
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin, Seen};
use crate::support::people::{Format, body, count_serials};
use crate::support::shop::{forged, identity, login, post, session, shop};

const LIMIT: usize = 20;
/// What the origin signs with, and nobody else should.
const SECRET: &[u8] = b"a secret that the origin shares with nobody";

/// A token as the origin signs it, or whoever stole its secret.
fn token(customer: u32, session: &str) -> String {
    let claims = json!({"sub": customer.to_string(), "sid": session, "exp": 4_000_000_000_u32});
    jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &EncodingKey::from_secret(SECRET),
    )
    .expect("a token")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Whoever shows a good token is shown one's own page.
fn own_page(request: &Seen) -> Answer {
    let shown = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let key = DecodingKey::from_secret(SECRET);
    match jsonwebtoken::decode::<Value>(shown, &key, &Validation::new(Algorithm::HS256)) {
        Ok(good) => {
            let customer: u32 = good.claims["sub"]
                .as_str()
                .and_then(|sub| sub.parse().ok())
                .expect("a number");
            Answer::new("application/json", body(Format::Json, customer..customer + 1))
        }
        Err(_) => Answer::new("text/plain", "no").status(StatusCode::UNAUTHORIZED),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_cannot_be_verified_here_is_known_by_its_issue() {
    who_logs_in_is_known("access_token", "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_known_by_its_issue_under_the_name_that_a_rule_gives_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let list = "[words]\ncredential = [\"my ticket\"]\n[[rule]]\nname = \"token\"\nclass = \"credential\"\n\
        builtin = \"token\"\ncontext = [\"@credential\"]\nexamples = [\"myTicket => 12345678\"]\n";
    std::fs::write(dir.path().join("credential.toml"), list).expect("it is written");
    who_logs_in_is_known("my_ticket", &format!("[rules]\ndir = {:?}\n", dir.path())).await;
}

/// Whoever logs in and is given a token under this name in the answer is known; whoever forges one is not.
async fn who_logs_in_is_known(name: &'static str, rules: &str) {
    let origin = Origin::serve(move |request| {
        if request.method != Method::POST {
            return own_page(request);
        }
        let customer: u32 = request.headers["x-customer"]
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .expect("it");
        let issued = json!({name: token(customer, &format!("login-{customer}"))});
        Answer::new("application/json", issued.to_string())
    })
    .await;
    // No issuer and no key: the gateway knows what was handed out.
    let gateway = Gateway::start(&format!(
        "{rules}[identity]\nsources = [\"header:authorization\"]\nlogs_in_at = [\"POST /login\"]\nwarm_up_s = 0\nreauth_per_s_max = 1000\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"made-up\"\nper = \"service\"\nwhen = \"unissued\"\npeople = {LIMIT}\nwindow = \"30d\"\n\
         action = \"reauth\"\nmode = \"enforce\"\n",
        origin.address
    ))
    .await;
    let mut honest = Vec::new();
    for customer in 0..30 {
        let reply = http1(gateway.address, login(customer).as_bytes()).await;
        let issued: Value = serde_json::from_slice(&reply.body).expect("JSON");
        honest.push(bearer(issued[name].as_str().expect("a token")));
    }
    let mut stolen = BTreeSet::new();
    for customer in 1_000..1_000 + 2 * LIMIT as u32 {
        let reply = get(gateway.address, "/me", &bearer(&token(customer, "forged"))).await;
        assert!(matches!(reply.status, 200 | 401), "{}", reply.head);
        stolen.extend(count_serials(&reply.body));
    }
    assert_eq!(stolen.len(), LIMIT);
    for (customer, shown) in honest.iter().enumerate() {
        let reply = get(gateway.address, "/me", shown).await;
        assert_eq!(
            (reply.status, count_serials(&reply.body)),
            (200, BTreeSet::from([customer as u32]))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_cookie_that_was_issued_is_bounded_by_the_budget_of_its_session() {
    const PEOPLE: usize = 7;
    let origin = Origin::serve(|request| {
        if request.method == Method::POST {
            return Answer::new("text/plain", "welcome").header(SET_COOKIE, "sid=issued; HttpOnly");
        }
        let number = request.uri.path().trim_start_matches('/').parse().expect("a number");
        Answer::new("application/json", body(Format::Json, number..number + 1))
    })
    .await;
    let budget = |name: &str, per: &str, more: &str, people: usize| {
        format!(
            "[[budget]]\nname = \"{name}\"\nper = \"{per}\"\n{more}people = {people}\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n"
        )
    };
    let gateway = Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\nlogs_in_at = [\"POST /login\"]\nwarm_up_s = 0\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n{}{}",
        origin.address,
        budget("session", "session", "", PEOPLE),
        budget("made-up", "service", "when = \"unissued\"\n", 0),
    ))
    .await;
    assert_eq!(http1(gateway.address, post("/login", "").as_bytes()).await.status, 200);
    let page =
        |number: u32| format!("GET /{number} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: sid=issued\r\n\r\n");
    // The owner reads two pages; whoever stole the cookie as many as there are, from an address each.
    for number in 0..2 {
        assert_eq!(http1(gateway.address, page(number).as_bytes()).await.status, 200);
    }
    let mut stolen = BTreeSet::new();
    for number in 100..150_u8 {
        let from = Ipv4Addr::new(127, 50, number, 1);
        let reply = http1_from(from, gateway.address, page(u32::from(number)).as_bytes()).await;
        assert!(matches!(reply.status, 200 | 403), "{}", reply.head);
        stolen.extend(count_serials(&reply.body));
    }
    assert_eq!(stolen.len(), PEOPLE - 2, "of one session, from fifty networks");
    assert_eq!(
        http1(gateway.address, page(0).as_bytes()).await.status,
        200,
        "the owner reads on"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thief_holds_no_carriers_address_against_those_who_logged_in_behind_it() {
    let origin = shop().await;
    let state = tempfile::tempdir().expect("a directory");
    let text = format!(
        "{}[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"crowd\"\nper = \"network\"\nwhen = \"unissued\"\npeople = 3\nwindow = \"1d\"\naction = \"hold\"\n\
         hold_for = \"1h\"\nmode = \"enforce\"\n",
        identity(state.path(), "warm_up_s = 0"),
        origin.address,
    );
    let gateway = Gateway::start_in(state, &text).await;
    let carrier = Ipv4Addr::new(127, 60, 0, 1);
    let me = |shown: &str| format!("GET /me HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{shown}\r\n");
    let early = session(&http1_from(carrier, gateway.address, login(1).as_bytes()).await);
    let mut statuses = Vec::new();
    for customer in 1_000..1_030 {
        let reply = http1_from(carrier, gateway.address, me(&forged(customer)).as_bytes()).await;
        statuses.push(reply.status);
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        3,
        "{statuses:?}"
    );
    assert!(!gateway.holds().is_empty(), "who forges is held");
    let late = session(&http1_from(carrier, gateway.address, login(2).as_bytes()).await);
    for shown in [&early.bearer, &early.cookie, &late.bearer, &late.cookie] {
        let reply = http1_from(carrier, gateway.address, me(shown).as_bytes()).await;
        assert_eq!(reply.status, 200, "{}", reply.head);
    }
}
