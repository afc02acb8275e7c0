//! What is usual: an account that is shown far more than it and its group ever were is told, and a limit is proposed.

use serde_json::{Value, json};
use tidegate::engine::ledger::Dimension;
use tidegate::engine::time::Now;

use crate::support::client::get;
use crate::support::gateway::{Gateway, quoted};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};
use crate::support::token::{key_set, sign};

const WEEK_MS: u64 = 7 * 86_400_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_shown_ten_times_what_is_usual_is_told_and_one_and_a_half_times_is_not() {
    // Each request shows as many others as its path says, from a number on.
    let origin = Origin::serve(|request| {
        let path = request.uri.path().trim_start_matches('/');
        let (from, count) = path.split_once('-').expect("a range");
        let (from, count): (u32, u32) = (from.parse().expect("a number"), count.parse().expect("a number"));
        Answer::new("application/json", body(Format::Json, from..from + count))
    })
    .await;
    let state = tempfile::tempdir().expect("a directory");
    std::fs::write(state.path().join("jwks.json"), key_set("k1")).expect("a key set");
    let text = format!(
        "[identity]\nsources = [\"jwt:authorization\"]\n[identity.issuer.shop]\njwks = {}\nalgorithms = [\"EdDSA\"]\n\
         [identity.group]\nagent = {{ claim = \"role=agent\", people_per_day = 10_000, baseline = true }}\n\
         other = {{ claim = \"role=other\", people_per_day = 10_000 }}\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n",
        quoted(&state.path().join("jwks.json")),
        origin.address,
    );
    let gateway = Gateway::start_in(state, &text).await;
    let shown = async |account: &str, role: &str, range: &str| {
        let token = sign("k1", &json!({"sub": account, "role": role, "exp": 4_000_000_000_u32}));
        let reply = get(
            gateway.address,
            &format!("/{range}"),
            &format!("Authorization: Bearer {token}\r\n"),
        )
        .await;
        assert_eq!(reply.status, 200);
        count_serials(&reply.body).len()
    };
    // Six agents, who were shown twenty people at this hour of each of the last weeks.
    for agent in ["ann", "bob", "cyd", "dan", "eve", "fay"] {
        assert_eq!(shown(agent, "agent", "0-1").await, 1);
    }
    assert_eq!(shown("out", "other", "0-300").await, 300);
    let shared = gateway.shared();
    for weeks in 1..=4 {
        let earlier = Now::from_millis(shared.clock.now().millis() - weeks * WEEK_MS);
        assert_eq!(shared.baselines.look(earlier, &|_| 20), []);
    }
    assert_eq!(shown("ann", "agent", "1000-200").await, 200);
    assert_eq!(shown("bob", "agent", "2000-30").await, 30);
    assert_eq!(shown("new", "agent", "3000-200").await, 200);
    let mut found = shared.look_at_baselines();
    found.sort_by_key(|found| found.people);
    let told: Vec<_> = found
        .iter()
        .map(|found| (found.people, found.is_of_group, found.is_news))
        .collect();
    assert_eq!(
        told,
        [(200, true, true), (201, false, true)],
        "of both who are far off, the new one by its group"
    );
    assert!(found.iter().all(|found| found.usual.median == 20), "{found:?}");
    let keys = gateway.keys(Dimension::Principal);
    assert!(
        keys.iter().any(|view| view.key == found[1].key),
        "the key is the one that is listed"
    );

    let reply = gateway.ask_admin("GET /api/v1/baselines", "").await;
    let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let [agents] = &answer["baselines"].as_array().expect("a list")[..] else {
        panic!("{answer}")
    };
    assert_eq!(
        (&agents["group"], &agents["median"]),
        (&json!("agent"), &json!(20)),
        "{answer}"
    );
    assert_eq!(agents["people_per_day"], 50, "the first step above six deviations");
}
