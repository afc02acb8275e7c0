//! The operator's own rules in a running gateway: each has a budget and its numbers.

use crate::support::client::get;
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin};

/// One rule that finds badges.
const BADGES: &str = "[[rule]]\nname = \"badge\"\nclass = \"badge\"\ncategory = \"account\"\nregex = 'EMP-[0-9]{6}'\n\
    keywords = [\"EMP-\"]\nexamples = [\"EMP-000123\"]\n";

/// A directory with this rule file.
fn rules(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("rules.toml"), text).expect("the directory is ours");
    dir
}

/// A thousand people, each with a badge of ten bytes and an e-mail address.
fn badges() -> Vec<u8> {
    let line = |n| format!("{{\"badge\":\"EMP-{n:06}\",\"email\":\"p{n}@example.com\"}}\n");
    (0..1_000).map(line).collect::<String>().into_bytes()
}

/// What the series of a family come to that have this label. Names are those of the gateway that was started last, so that another
/// test's gateway may make them `other`.
async fn metric(gateway: &Gateway, family: &str, label: &str) -> u64 {
    let text = gateway.metrics().await;
    let lines = text
        .lines()
        .filter(|line| line.starts_with(&format!("{family}{{")) && line.contains(label));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expression_has_a_budget_a_metric_and_a_fail_mode() {
    let origin = Origin::serve(|_| Answer::new("application/x-ndjson", badges()).chunked(1_500)).await;
    let dir = rules(BADGES);
    let route = |path: &str, fail: &str| {
        let upstream = origin.address;
        format!("[[route]]\nmatch = \"*/{path}\"\nupstream = [\"http://{upstream}\"]\n{fail}\n")
    };
    let gateway = Gateway::start(&format!(
        "{}{}[rules]\ndir = {}\nsearched_bytes_max = 4096\n\
         [[budget]]\nname = \"many\"\nper = \"exchange\"\npeople = 5000\naction = \"block\"\nmode = \"enforce\"\n",
        route("open", ""),
        route("closed", "fail_on = { rule_budget = \"closed\" }"),
        quoted(dir.path()),
    ))
    .await;
    let open = get(gateway.address, "/open", "").await;
    assert!(
        open.is_whole && open.body == badges(),
        "the others go on: {}",
        open.head
    );
    // Badges of ten bytes: 409 fit into the budget.
    for (family, label, expected) in [
        ("tidegate_rule_searched_bytes_total", "rule=", 4_090),
        ("tidegate_rule_skipped_bytes_total", "rule=", 5_910),
        ("tidegate_rule_findings_total", "rule=", 409),
        ("tidegate_partly_inspected_bytes_total", "\"rule_budget\"", 5_910),
    ] {
        until(family, async || metric(&gateway, family, label).await == expected).await;
    }

    let closed = get(gateway.address, "/closed", "").await;
    assert!(!closed.is_whole, "what the rule did not search does not leave");
    let last = String::from_utf8_lossy(&closed.body).into_owned();
    assert!(
        last.contains("EMP-000408") && !last.contains("EMP-000409"),
        "cut at the record"
    );
    let refused = "action=\"rule_budget\"";
    until("the refusal is told", async || {
        metric(&gateway, "tidegate_refusals_total", refused).await == 1
    })
    .await;
}

/// A gateway that lets one exchange show five people, in front of ten badges, with these rules in shadow.
async fn trying(origin: &Origin, dir: &tempfile::TempDir, more: &str) -> Gateway {
    let (upstream, dir) = (origin.address, quoted(dir.path()));
    Gateway::start(&format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{upstream}\"]\nfail = \"closed\"\n\
         [rules]\nshadow_dir = {dir}\n{more}\n\
         [[budget]]\nname = \"few\"\nper = \"exchange\"\npeople = 5\naction = \"block\"\nmode = \"enforce\"\n"
    ))
    .await
}

/// Ten badges in JSON lines, of which nobody knows anything without a rule.
fn ten_badges() -> Vec<u8> {
    badges()
        .split_inclusive(|byte| *byte == b'\n')
        .take(10)
        .flat_map(|line| {
            let line = String::from_utf8_lossy(line).into_owned();
            line.split(",\"email\"")
                .next()
                .map(|badge| format!("{badge}}}\n"))
                .unwrap_or_default()
                .into_bytes()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_in_shadow_see_bodies_and_decide_nothing() {
    let origin = Origin::serve(|_| Answer::new("application/x-ndjson", ten_badges()).chunked(64)).await;
    let dir = rules(BADGES);
    let gateway = trying(&origin, &dir, "shadow_percent = 100").await;
    let differ = async |gateway: &Gateway| {
        let (found, people) = ("tidegate_shadow_findings_total", "tidegate_shadow_people_total");
        [
            metric(gateway, found, "only=\"shadow\"").await,
            metric(gateway, found, "only=\"active\"").await,
            metric(gateway, people, "only=\"shadow\"").await,
            metric(gateway, "tidegate_shadow_bodies_total", "\"different\"").await,
        ]
    };
    let reply = get(gateway.address, "/", "").await;
    assert!(
        reply.is_whole && reply.body == ten_badges(),
        "five are the limit, and nobody counts"
    );
    until("the difference is counted", async || {
        differ(&gateway).await == [10, 0, 10, 1]
    })
    .await;
    assert!(!gateway.metrics().await.contains("EMP-0"));

    // Nothing is tried on a body whose turn it is not, and broken rules in shadow keep nothing from starting.
    let never = trying(&origin, &dir, "shadow_percent = 0").await;
    let broken = rules("[[rule]]\nname = 7\n");
    let broken = trying(&origin, &broken, "shadow_percent = 100").await;
    for gateway in [&never, &broken] {
        let reply = get(gateway.address, "/", "").await;
        assert!(reply.is_whole && reply.status == 200, "{}", reply.head);
    }
    let reply = get(gateway.address, "/", "").await;
    assert!(reply.is_whole, "{}", reply.head);
    until("one body more", async || differ(&gateway).await == [20, 0, 20, 2]).await;
}
