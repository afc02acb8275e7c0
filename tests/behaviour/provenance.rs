//! A stolen signing key before the real gateway: forged tokens in every way of showing them, and honest sessions of the same key.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::json;
use tidegate::engine::ledger::Dimension;
use tidegate::engine::policy::people_key;
use tokio::task::JoinSet;

use crate::support::client::{H2, get, http1, http1_from};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::people::count_serials;
use crate::support::shop::{Session, forged, identity, login, post, session, shop, token};
use crate::support::token::{key_set, sign};

/// People whom a stolen key is shown.
pub(super) const LIMIT: usize = 20;
/// The honest sessions that share the stolen key.
const HONEST: u32 = 300;
/// The thief's first customer; those before are honest.
pub(super) const STRANGERS: u32 = 100_000;

/// A gateway before the shop, with `more` in `[identity]`.
pub(super) async fn gateway(origin: &Origin, more: &str, mode: &str) -> Gateway {
    let state = tempfile::tempdir().expect("a directory");
    let budget = |name: &str, per: &str| {
        format!(
            "[[budget]]\nname = \"{name}\"\nper = \"{per}\"\nwhen = \"unissued\"\npeople = {LIMIT}\nwindow = \"30d\"\n\
             action = \"reauth\"\nmode = \"{mode}\"\n"
        )
    };
    let text = format!(
        "{}[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n{}{}",
        identity(state.path(), more),
        origin.address,
        budget("stolen-key", "kid"),
        budget("made-up", "service"),
    );
    Gateway::start_in(state, &text).await
}

pub(super) async fn log_in(gateway: &Gateway, customer: u32) -> Session {
    session(&http1(gateway.address, login(customer).as_bytes()).await)
}

pub(super) fn people(body: &[u8]) -> BTreeSet<u32> {
    count_serials(body).into_iter().collect()
}

/// As many honest customers as share the key, who log in at once.
pub(super) async fn honest(gateway: &Gateway) -> Vec<Session> {
    let (address, mut sessions) = (gateway.address, JoinSet::new());
    for customer in 0..HONEST {
        sessions.spawn(async move { session(&http1(address, login(customer).as_bytes()).await) });
    }
    sessions.join_all().await
}

/// None of them is refused.
pub(super) async fn live_on(gateway: &Gateway, honest: Vec<Session>, name: &str) {
    let (address, mut asking) = (gateway.address, JoinSet::new());
    for own in honest {
        asking.spawn(async move {
            let by_token = get(address, "/me", &own.bearer).await.status;
            (by_token, get(address, "/me", &own.cookie).await.status)
        });
    }
    for statuses in asking.join_all().await {
        assert_eq!(statuses, (200, 200), "{name}");
    }
}

/// An address of its own on this machine's loopback network.
fn address(second: u8, number: u32) -> Ipv4Addr {
    let [.., third, fourth] = number.to_be_bytes();
    Ipv4Addr::new(127, second, third, fourth)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_key_is_contained_and_the_honest_sessions_of_it_live_on() {
    const FORGED: u32 = 600;
    let origin = shop().await;
    let gateway = Arc::new(gateway(&origin, "warm_up_s = 0", "enforce").await);
    let mut honest = JoinSet::new();
    for customer in 0..HONEST {
        let gateway = Arc::clone(&gateway);
        honest.spawn(async move {
            let request = login(customer);
            let from = address(10, customer);
            let mut own = session(&http1_from(from, gateway.address, request.as_bytes()).await);
            for round in 0..4 {
                let shown = if round % 2 == 0 { &own.bearer } else { &own.cookie };
                let reply = http1_from(from, gateway.address, me(shown).as_bytes()).await;
                assert_eq!(reply.status, 200, "customer {customer}, round {round}: {}", reply.head);
                assert_eq!(people(&reply.body), BTreeSet::from([customer]));
                if round == 1 {
                    let request = post("/refresh", shown);
                    own = session(&http1_from(from, gateway.address, request.as_bytes()).await);
                }
            }
        });
    }
    let mut thief = JoinSet::new();
    for worker in 0..20 {
        let gateway = Arc::clone(&gateway);
        thief.spawn(async move {
            let mut seen = BTreeSet::new();
            for customer in (worker..FORGED).step_by(20) {
                let request = me(&forged(STRANGERS + customer));
                let reply = http1_from(address(20, customer), gateway.address, request.as_bytes()).await;
                assert!(matches!(reply.status, 200 | 401 | 429), "{}", reply.head);
                seen.extend(people(&reply.body));
            }
            seen
        });
    }
    let stolen: BTreeSet<u32> = thief.join_all().await.into_iter().flatten().collect();
    honest.join_all().await;
    assert_eq!(stolen.len(), LIMIT);
}

/// How a thief shows forged credentials: requests for one stranger each, on connections of their own.
type Trick = fn(u32, &Session) -> String;

fn me(header_lines: &str) -> String {
    format!("GET /me HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{header_lines}\r\n")
}

const TRICKS: [(&str, Trick); 13] = [
    ("header", |stranger, _| me(&forged(stranger))),
    ("cookie", |stranger, _| {
        me(&format!("Cookie: token={}\r\n", token(stranger, "c")))
    }),
    ("query", |stranger, _| {
        let line = format!("GET /me?token={}", token(stranger, "q"));
        me("").replacen("GET /me", &line, 1)
    }),
    ("each place in turn", |stranger, own| {
        let (_, trick) = TRICKS[stranger as usize % 3];
        trick(stranger, own)
    }),
    ("an account of one's own beside", |stranger, own| {
        me(&format!("{}{}", forged(stranger), own.cookie))
    }),
    ("one's own token first", |stranger, own| {
        let own = own.bearer.trim_start_matches("Authorization: Bearer ").trim();
        me(&format!("Cookie: token={own}; token={}\r\n", token(stranger, "d")))
    }),
    ("forged forwarding headers", |stranger, _| {
        let [.., a, b] = stranger.to_be_bytes();
        me(&format!(
            "{}X-Forwarded-For: 198.51.{a}.{b}\r\nForwarded: for=203.0.{b}.{a}\r\n",
            forged(stranger)
        ))
    }),
    ("other bytes of one signature", |stranger, _| {
        let forged = forged(stranger);
        me(&format!(
            "{}{}\r\n",
            forged.trim_end(),
            ["=", "A", "AA", ""][stranger as usize % 4]
        ))
    }),
    ("a fresh cookie beside", |stranger, _| {
        me(&format!("{}Cookie: sid=x{stranger}\r\n", forged(stranger)))
    }),
    ("made-up cookies", |stranger, _| {
        me(&format!("Cookie: sid={stranger}-made-up\r\n"))
    }),
    ("two cookies", |stranger, _| {
        me(&format!("Cookie: sid=x{stranger}; sid={stranger}-made-up\r\n"))
    }),
    ("made-up keys", |stranger, _| {
        me(&format!("X-Api-Key: {stranger}-made-up\r\n"))
    }),
    (
        "made-up keys under a name that the origin takes for it",
        |stranger, _| me(&format!("X_Api_Key: {stranger}-made-up\r\n")),
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_it_is_shown_a_forged_credential_meets_its_budget() {
    let origin = shop().await;
    for (name, trick) in TRICKS {
        let gateway = gateway(&origin, "warm_up_s = 0\nreauth_per_s_max = 1000", "enforce").await;
        let (own, honest) = (log_in(&gateway, HONEST).await, honest(&gateway).await);
        let mut seen = BTreeSet::new();
        for stranger in STRANGERS..STRANGERS + 3 * LIMIT as u32 {
            let reply = http1(gateway.address, trick(stranger, &own).as_bytes()).await;
            assert!(matches!(reply.status, 200 | 401), "{name}: {}", reply.head);
            seen.extend(people(&reply.body));
        }
        assert_eq!(seen.len(), LIMIT, "{name}");
        live_on(&gateway, honest, name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_logs_in_elsewhere_is_issued_by_its_key_from_its_network_alone() {
    let origin = shop().await;
    let peer = "\n[identity.issuer.partner]\njwks = \"JWKS\"\nalgorithms = [\"EdDSA\"]\nissuer = \"https://partner.example\"\n\
                peer = { kids = [\"service\"], networks = [\"127.40.0.0/16\"] }\n";
    let keys = tempfile::tempdir().expect("a directory");
    let jwks = keys.path().join("partner.json");
    let set = key_set("service").replace("]}", "") + "," + key_set("other").trim_start_matches("{\"keys\":[");
    std::fs::write(&jwks, set).expect("a key set");
    let more = format!("warm_up_s = 0{}", peer.replace("JWKS", &jwks.display().to_string()));
    let gateway = gateway(&origin, &more, "enforce").await;
    let shown = |kid: &str, customer: u32| {
        let claims =
            json!({"iss": "https://partner.example", "sub": customer.to_string(), "sid": customer.to_string()});
        me(&format!("Authorization: Bearer {}\r\n", sign(kid, &claims)))
    };
    // The last meets the budget of all that is unissued, which the one before it has used up.
    for (second, kid, expected) in [(40, "service", 2 * LIMIT), (41, "service", LIMIT), (40, "other", 0)] {
        let mut seen = BTreeSet::new();
        for customer in 0..2 * LIMIT as u32 {
            let number = STRANGERS + u32::from(second) * 1_000 + customer;
            let reply = http1_from(address(second, 9), gateway.address, shown(kid, number).as_bytes()).await;
            seen.extend(people(&reply.body));
        }
        assert_eq!(seen.len(), expected, "{kid} from 127.{second}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_is_seen_however_its_path_is_spelt() {
    let origin = shop().await;
    let gateway = gateway(&origin, "warm_up_s = 0\nreauth_per_s_max = 1000", "enforce").await;
    let at = |path: &'static str, lines: String| {
        let address = gateway.address;
        async move { session(&http1(address, post(path, &lines).as_bytes()).await) }
    };
    let mut honest = Vec::new();
    for (customer, (login, refresh)) in (0..).zip([
        ("/login/", "/refresh"),
        ("/login;jsessionid=1", "/refresh;x"),
        ("/login;a/", "/refresh/"),
    ]) {
        let own = at(login, format!("X-Customer: {customer}\r\n")).await;
        honest.push(at(refresh, own.bearer.clone()).await);
        honest.push(own);
    }
    let mut seen = BTreeSet::new();
    for stranger in STRANGERS..STRANGERS + 3 * LIMIT as u32 {
        let renewed = at("/refresh;x", forged(stranger)).await;
        for shown in [renewed.bearer, renewed.cookie] {
            seen.extend(people(&get(gateway.address, "/me", &shown).await.body));
        }
    }
    assert_eq!(seen.len(), LIMIT, "a forged token is forged there too");
    for own in &honest {
        for shown in [&own.bearer, &own.cookie] {
            assert_eq!(get(gateway.address, "/me", shown).await.status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_requests_at_once_pipelined_or_as_streams_share_one_budget() {
    let origin = shop().await;
    let at_once = Arc::new(gateway(&origin, "warm_up_s = 0\nreauth_per_s_max = 1000", "enforce").await);
    let own = honest(&at_once).await;
    let mut asking = JoinSet::new();
    for stranger in STRANGERS..STRANGERS + 200 {
        let gateway = Arc::clone(&at_once);
        asking.spawn(async move { people(&get(gateway.address, "/me", &forged(stranger)).await.body) });
    }
    let seen: BTreeSet<u32> = asking.join_all().await.into_iter().flatten().collect();
    assert!((1..=LIMIT).contains(&seen.len()), "{} at once", seen.len());
    live_on(&at_once, own, "at once").await;

    let streams = Arc::new(gateway(&origin, "warm_up_s = 0\nreauth_per_s_max = 1000", "enforce").await);
    let own = honest(&streams).await;
    let connection = H2::connect(streams.address).await;
    let mut asking = JoinSet::new();
    for stranger in STRANGERS..STRANGERS + 100 {
        let connection = connection.clone();
        asking.spawn(async move {
            let forged = format!("Bearer {}", token(stranger, "h2"));
            people(&connection.get("/me", &[("authorization", &forged)]).await.body)
        });
    }
    let seen: BTreeSet<u32> = asking.join_all().await.into_iter().flatten().collect();
    assert!((1..=LIMIT).contains(&seen.len()), "{} over streams", seen.len());
    live_on(&streams, own, "over streams").await;

    let pipelined = gateway(&origin, "warm_up_s = 0\nreauth_per_s_max = 1000", "enforce").await;
    let own = honest(&pipelined).await;
    let last = STRANGERS + 60;
    let requests: String = (STRANGERS..=last)
        .map(|stranger| {
            let request = me(&forged(stranger));
            if stranger == last {
                request
            } else {
                request.replace("Connection: close\r\n", "")
            }
        })
        .collect();
    let reply = http1(pipelined.address, requests.as_bytes()).await;
    let seen = people(&reply.wire);
    assert!((1..=LIMIT).contains(&seen.len()), "{} in one connection", seen.len());
    live_on(&pipelined, own, "in one connection").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_asked_for_at_the_pace_that_its_service_bears() {
    let origin = shop().await;
    let gateway = gateway(&origin, "warm_up_s = 0\nreauth_per_s_max = 1", "enforce").await;
    for stranger in STRANGERS..STRANGERS + LIMIT as u32 {
        assert_eq!(get(gateway.address, "/me", &forged(stranger)).await.status, 200);
    }
    let in_a_cookie = format!("Cookie: token={}\r\n", token(STRANGERS + 90, "f"));
    let asked = get(gateway.address, "/me", &in_a_cookie).await;
    assert_eq!(
        (asked.status, asked.header("set-cookie")),
        (401, Some("token=; Max-Age=0; Path=/"))
    );
    let mut statuses = BTreeSet::new();
    for stranger in STRANGERS + 100..STRANGERS + 120 {
        let reply = get(gateway.address, "/me", &forged(stranger)).await;
        assert!(
            reply.status != 429 || reply.header("retry-after") == Some("1"),
            "{}",
            reply.head
        );
        assert!(people(&reply.body).is_empty(), "never a pass");
        statuses.insert(reply.status);
    }
    assert!(
        statuses.contains(&429) && statuses.is_subset(&BTreeSet::from([401, 429])),
        "{statuses:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_unissued_in_the_warm_up_or_refused_in_monitor() {
    let origin = shop().await;
    let cold = gateway(&origin, "", "enforce").await;
    let monitor = gateway(&origin, "warm_up_s = 0", "monitor").await;
    for gateway in [&cold, &monitor] {
        for stranger in STRANGERS..STRANGERS + 2 * LIMIT as u32 {
            let reply = get(gateway.address, "/me", &forged(stranger)).await;
            assert_eq!((reply.status, people(&reply.body).len()), (200, 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fuse_stops_a_budget_that_refuses_the_honest_and_forgers_cannot_blow_it() {
    const REFUSED_MAX: usize = 20;
    let origin = shop().await;
    let state = tempfile::tempdir().expect("a directory");
    let text = format!(
        "{}[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"crowd\"\nper = \"service\"\npeople = 3\nwindow = \"1d\"\naction = \"block\"\n\
         mode = \"enforce\"\naccept_outage = true\n",
        identity(state.path(), "warm_up_s = 0"),
        origin.address,
    );
    let gateway = Gateway::start_in(state, &text).await;
    let mut sessions = Vec::new();
    for customer in 0..40 {
        sessions.push(log_in(&gateway, customer).await);
    }
    for stranger in STRANGERS..STRANGERS + 40 {
        let status = get(gateway.address, "/me", &forged(stranger)).await.status;
        assert_eq!(status, if stranger < STRANGERS + 3 { 200 } else { 403 });
    }
    let mut refused = Vec::new();
    for (customer, session) in sessions.iter().enumerate() {
        for _ in 0..2 {
            let status = get(gateway.address, "/me", &session.bearer).await.status;
            refused.extend((status == 403).then_some(customer));
        }
    }
    refused.dedup();
    assert_eq!(refused, (0..REFUSED_MAX).collect::<Vec<_>>());
    let forged = get(gateway.address, "/me", &forged(STRANGERS + 90)).await;
    assert_eq!(forged.status, 403, "unissued ones are refused as ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fuse_spares_from_the_holds_of_its_own_budget_and_from_no_others() {
    let origin = shop().await;
    let state = tempfile::tempdir().expect("a directory");
    let text = format!(
        "{}[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"crowd\"\nper = \"service\"\npeople = 3\nwindow = \"1d\"\naction = \"hold\"\n\
         mode = \"enforce\"\naccept_outage = true\n\
         [[budget]]\nname = \"own\"\nper = \"principal\"\npeople = 1000\nwindow = \"1d\"\naction = \"alert\"\nmode = \"enforce\"\n",
        identity(state.path(), "warm_up_s = 0"),
        origin.address,
    );
    let gateway = Gateway::start_in(state, &text).await;
    let mut sessions = Vec::new();
    for customer in 0..30 {
        sessions.push(log_in(&gateway, customer).await);
    }
    let mut statuses = Vec::new();
    for session in sessions.iter().chain(&sessions) {
        statuses.push(get(gateway.address, "/me", &session.bearer).await.status);
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 403).count(),
        20,
        "the fuse blew: {statuses:?}"
    );
    let shared = gateway.shared();
    let principal = people_key(&shared.secret, Dimension::Principal, b"shop\x007");
    shared
        .ledger
        .hold(principal, Dimension::Principal, 600, None, shared.clock.now());
    let status = |session: &Session| {
        let (address, bearer) = (gateway.address, session.bearer.clone());
        async move { get(address, "/me", &bearer).await.status }
    };
    let held = sessions.get(7).expect("a session");
    assert_eq!(status(held).await, 403, "a person had this one held");
    let other = sessions.get(8).expect("a session");
    assert_eq!(status(other).await, 200);
}
