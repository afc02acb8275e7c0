//! Step-up: past what is usual an account needs an approval, which is worth its number of people, to its account, until its end.

use serde_json::{Value, json};

use crate::support::client::get;
use crate::support::gateway::{Gateway, quoted};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};
use crate::support::token::{key_set, sign};

/// Free, then at a pace, then not at all.
const FREE: usize = 3;
const MOST: usize = 5;

/// Each request shows somebody else.
async fn directory() -> Origin {
    Origin::serve(|request| {
        let person: u32 = request.uri.path().trim_start_matches('/').parse().unwrap_or_default();
        Answer::new("application/json", body(Format::Json, person..person + 1))
    })
    .await
}

struct Desk {
    gateway: Gateway,
    _origin: Origin,
    next: std::cell::Cell<u32>,
}

impl Desk {
    async fn open() -> Self {
        let origin = directory().await;
        let state = tempfile::tempdir().expect("a directory");
        let at = |name: &str, kid: &str| {
            std::fs::write(state.path().join(name), key_set(kid)).expect("a key set");
            quoted(&state.path().join(name))
        };
        let text = format!(
            "[identity]\nsources = [\"jwt:authorization\"]\n[identity.issuer.shop]\njwks = {}\nalgorithms = [\"EdDSA\"]\n\
             issuer = \"login\"\n[identity.group]\nagent = {{ claim = \"role=agent\" }}\n\
             [identity.approval]\njwks = {}\nalgorithms = [\"EdDSA\"]\nissuer = \"pam\"\naudience = \"gateway\"\n\
             accounts_of = \"shop\"\nheader = \"x-pam\"\n\
             [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
             [[budget]]\nname = \"hour\"\nper = \"principal\"\nwhen = \"group:agent\"\npeople = {FREE}\nwindow = \"1h\"\n\
             action = \"throttle\"\nto = \"50/s\"\nmode = \"enforce\"\n\
             [[budget]]\nname = \"most\"\nper = \"principal\"\nwhen = \"group:agent\"\npeople = {MOST}\nwindow = \"1h\"\n\
             action = \"block\"\nmode = \"enforce\"\n",
            at("jwks.json", "k1"),
            at("pam.json", "p1"),
            origin.address,
        );
        Self {
            gateway: Gateway::start_in(state, &text).await,
            _origin: origin,
            next: std::cell::Cell::new(0),
        }
    }

    /// How many of so many more people a session is shown.
    async fn shown(&self, lines: &str, asks: u32) -> usize {
        let from = self.next.replace(self.next.get() + asks);
        let mut shown = 0;
        for person in from..from + asks {
            let reply = get(self.gateway.address, &format!("/{person}"), lines).await;
            assert!(matches!(reply.status, 200 | 403), "{}", reply.head);
            shown += count_serials(&reply.body).len();
        }
        shown
    }

    fn second(&self) -> u32 {
        self.gateway.shared().clock.now().second()
    }

    /// An approval of four people for an account, but for `changes`.
    fn approval(&self, account: &str, id: &str, changes: &Value) -> String {
        let mut claims = json!({
            "iss": "pam", "aud": ["gateway"], "sub": account, "jti": id, "people": 4, "exp": self.second() + 600,
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        sign("p1", &claims)
    }
}

/// The lines of a session of an account, with this approval.
fn lines(account: &str, approval: Option<&str>) -> String {
    let claims = json!({"iss": "login", "sub": account, "role": "agent", "exp": 4_000_000_000_u32});
    let approval = approval.map_or_else(String::new, |approval| format!("X-PAM: {approval}\r\n"));
    format!("Authorization: Bearer {}\r\n{approval}", sign("k1", &claims))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_approval_an_account_is_slowed_and_then_stopped_and_with_one_it_is_shown_that_many_more() {
    let desk = Desk::open().await;
    assert_eq!(desk.shown(&lines("ann", None), 8).await, MOST);
    let approval = desk.approval("ann", "a-1", &json!({}));
    let approved = lines("ann", Some(&approval));
    assert_eq!(desk.shown(&approved, 8).await, 4, "as many as were approved");
    assert_eq!(desk.shown(&approved, 3).await, 0, "it is spent");
    let again = desk.approval("ann", "a-1", &json!({"exp": desk.second() + 900}));
    assert_eq!(
        desk.shown(&lines("ann", Some(&again)), 3).await,
        0,
        "so is one of its name"
    );
    let next = desk.approval("ann", "a-2", &json!({"people": 2}));
    assert_eq!(desk.shown(&lines("ann", Some(&next)), 3).await, 2, "another is another");
    assert_eq!(
        desk.shown(&lines("bob", None), 8).await,
        MOST,
        "what ann was approved is hers"
    );

    // Who was shown under an approval uses up nothing of what is usual.
    let approval = desk.approval("cyd", "c-1", &json!({}));
    assert_eq!(desk.shown(&lines("cyd", Some(&approval)), 4).await, 4);
    assert_eq!(desk.shown(&lines("cyd", None), 8).await, MOST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_that_is_not_good_is_worth_nothing() {
    let desk = Desk::open().await;
    assert_eq!(desk.shown(&lines("ann", None), MOST as u32).await, MOST);
    let now = desk.second();
    let signed = |changes: &Value| desk.approval("ann", "a-1", changes);
    let good = signed(&json!({}));
    let (head, rest) = good.split_once('.').expect("a token");
    let (_, signature) = rest.split_once('.').expect("a token");
    let more = signed(&json!({"people": 4_000}));
    let payload = more.split('.').nth(1).expect("a token");
    let session = sign(
        "k1",
        &json!({"iss": "login", "sub": "ann", "jti": "a-1", "people": 9, "exp": now + 60}),
    );
    for (why, token) in [
        ("of somebody else", desk.approval("bob", "b-1", &json!({}))),
        ("over", signed(&json!({"exp": now - 1}))),
        ("not yet good", signed(&json!({"nbf": now + 300}))),
        (
            "longer than its people are remembered",
            signed(&json!({"exp": now + 31 * 86_400})),
        ),
        ("for another gateway", signed(&json!({"aud": "other"}))),
        ("of another workflow", signed(&json!({"iss": "login"}))),
        ("without a number", signed(&json!({"people": null}))),
        ("of no people", signed(&json!({"people": 0}))),
        ("of a negative number", signed(&json!({"people": -4}))),
        ("without a name", signed(&json!({"jti": ""}))),
        ("without an end", signed(&json!({"exp": null}))),
        ("signed for something else", session),
        ("with another signature", format!("{head}.{payload}.{signature}")),
        ("without one", format!("eyJhbGciOiJub25lIn0.{payload}.")),
        ("garbage", "x".repeat(9_000)),
        ("shown twice", format!("{good}\r\nX-PAM: {good}")),
    ] {
        assert_eq!(desk.shown(&lines("ann", Some(&token)), 1).await, 0, "{why}");
    }
    assert_eq!(desk.shown(&lines("ann", Some(&good)), 1).await, 1);
    let metrics = desk.gateway.metrics().await;
    for result in ["good", "foreign", "over", "long", "malformed", "unsigned", "several"] {
        let line = format!("tidegate_approvals_total{{result=\"{result}\"}}");
        assert!(metrics.contains(&line), "{line}");
    }
}
