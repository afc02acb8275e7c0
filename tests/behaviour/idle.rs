//! Accounts that nobody used for long: they fall to a small budget until a person says that they are in use.

use serde_json::{Value, json};
use tidegate::engine::ledger::Dimension;
use tidegate::engine::policy::{Facts, Policy, Standing};
use tidegate::engine::time::Now;

use crate::support::client::get;
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};
use crate::support::token::{key_set, sign};

const SETTINGS: &str = "[[budget]]\nname = \"idle\"\nper = \"principal\"\nwhen = \"idle:90d\"\npeople = 2\nwindow = \"1d\"\n\
                        action = \"block\"\nmode = \"enforce\"\n[audit]\nfile = ";

/// Each request shows somebody else.
async fn directory() -> Origin {
    Origin::serve(|request| {
        let person: u32 = request.uri.path().trim_start_matches('/').parse().unwrap_or_default();
        Answer::new("application/json", body(Format::Json, person..person + 1))
    })
    .await
}

/// The account was last used so many days ago.
fn used(gateway: &Gateway, account: &str, days: u64) {
    let shared = gateway.shared();
    let principal = format!("shop\0{account}");
    let facts = Facts {
        principal: Some(principal.as_bytes()),
        standing: Standing::Issued,
        ..Facts::default()
    };
    let questions = shared.set().policy.questions(&facts);
    // Twice: who came once is only known to be there.
    for minutes in [5, 0] {
        let earlier = Now::from_millis(shared.clock.now().millis() - days * 86_400_000 - minutes * 60_000);
        assert!(Policy::answer(&questions, &shared.ledger, earlier).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_account_has_a_small_budget_until_a_person_says_that_it_is_in_use() {
    let origin = directory().await;
    let state = tempfile::tempdir().expect("a directory");
    std::fs::write(state.path().join("jwks.json"), key_set("k1")).expect("a key set");
    let at = |name: &str| crate::support::gateway::quoted(&state.path().join(name));
    let text = format!(
        "[identity]\nsources = [\"jwt:authorization\"]\n[identity.issuer.shop]\njwks = {}\nalgorithms = [\"EdDSA\"]\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n{SETTINGS}{}\n",
        at("jwks.json"),
        origin.address,
        at("audit.jsonl"),
    );
    let gateway = Gateway::start_in(state, &text).await;
    used(&gateway, "backup", 91);
    used(&gateway, "export", 89);
    let shown = async |account: &str, people: std::ops::Range<u32>| {
        let token = sign("k1", &json!({"sub": account, "exp": 4_000_000_000_u32}));
        let mut shown = 0;
        for person in people {
            let reply = get(
                gateway.address,
                &format!("/{person}"),
                &format!("Authorization: Bearer {token}\r\n"),
            )
            .await;
            shown += count_serials(&reply.body).len();
        }
        shown
    };
    assert_eq!(shown("backup", 10..16).await, 2, "it was idle");
    assert_eq!(shown("export", 20..26).await, 6, "it is in use");
    assert_eq!(shown("nightly", 30..36).await, 6, "it is new");

    let keys = gateway.keys(Dimension::Principal);
    assert_eq!(
        keys.len(),
        1,
        "only who is idle counts there, and actors are no people: {keys:?}"
    );
    let line = format!("POST /api/v1/keys/{}/recertify", keys[0].key);
    let reply = gateway
        .ask_admin(&line, r#"{"reason":"nightly backup, owned by ops"}"#)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.head);
    assert_eq!(shown("backup", 40..46).await, 6, "its owner said that it is in use");

    let other = format!("POST /api/v1/keys/{}/recertify", "0".repeat(24));
    assert_eq!(gateway.ask_admin(&other, r#"{"reason":"a test"}"#).await.status, 404);
    let audit = gateway.state().join("audit.jsonl");
    until("the change is in the audit file", async || {
        let lines = std::fs::read_to_string(&audit).unwrap_or_default();
        let changes = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut changes = changes.filter(|change| change["api"]["operation"] == "recertify");
        changes.any(|change| {
            change["resources"][0]["uid"] == keys[0].key.to_string() && change["actor"]["user"]["name"] == "carol"
        })
    })
    .await;
}
