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

/// All metrics of the process, which other tests move too.
async fn metrics(gateway: &Gateway) -> String {
    let token = format!("Authorization: Bearer {}\r\n", Gateway::RELEASER);
    let reply = get(gateway.admin, "/metrics", &token).await;
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// What the series of a family come to that have this label. Names are those of the gateway that was started last, so that another
/// test's gateway may make them `other`.
async fn metric(gateway: &Gateway, family: &str, label: &str) -> u64 {
    let text = metrics(gateway).await;
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
        ("tidegate_uninspected_bytes_total", "\"rule_budget\"", 5_910),
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
