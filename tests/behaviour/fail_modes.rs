//! Bodies that cannot be looked into: open lets them pass and counts, closed refuses, monitor does neither.

use http::header;

use crate::support::client::{H2, get};
use crate::support::coding::Coding;
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};

/// Coded bytes that may wait in these tests.
const HELD_CODED_BYTES_MAX: usize = 2_048;

/// What an origin sends, and why it cannot be inspected.
const CASES: [(&str, &str); 5] = [
    ("unknown", "unknown_coding"),
    ("stacked", "unknown_coding"),
    ("lying", "undecodable"),
    ("bomb", "ratio"),
    ("block", "holdback_exhausted"),
];

/// The body of a case and its `Content-Encoding`.
fn case(name: &str) -> (Vec<u8>, &'static str) {
    let people = body(Format::Json, 0..3);
    match name {
        "unknown" => (people, "x-tide"),
        "stacked" => (
            Coding::Gzip.encode(&Coding::Gzip.encode(&people, usize::MAX), usize::MAX),
            "gzip, gzip",
        ),
        "lying" => (people, "gzip"),
        "bomb" => (Coding::Gzip.encode(&vec![b' '; 4 << 20], usize::MAX), "gzip"),
        // Text that hardly compresses, in one block.
        "block" => (Coding::Zstd.encode(&noise(60_000), usize::MAX), "zstd"),
        other => panic!("{other}"),
    }
}

/// Letters without people.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + (state >> 24) as u8 % 26
    };
    (0..length).map(|_| letter()).collect()
}

async fn origin() -> Origin {
    Origin::serve(|request| {
        let (body, coding) = case(request.uri.path().rsplit('/').next().unwrap_or_default());
        Answer::new("application/json", body)
            .header(header::CONTENT_ENCODING, coding)
            .chunked(1_500)
    })
    .await
}

async fn gateway(origin: &Origin, mode: &str) -> Gateway {
    let route = |path: &str, fail: &str| {
        format!(
            "[[route]]\nmatch = \"*/{path}\"\nupstream = [\"http://{}\"]\n{fail}\n",
            origin.address
        )
    };
    let one = "fail_on = { unknown_coding = \"closed\" }";
    let routes = [
        route("open", ""),
        route("closed", "fail = \"closed\""),
        route("one", one),
    ]
    .concat();
    Gateway::start(&format!(
        "{routes}[body]\nheld_coded_bytes_max = {HELD_CODED_BYTES_MAX}\n\
         [[budget]]\nname = \"limit\"\nper = \"address\"\npeople = 500\nwindow = \"1d\"\naction = \"block\"\nmode = \"{mode}\"\n"
    ))
    .await
}

/// Bytes that passed uninspected for this reason. Metrics are the process's: other tests' routes are among them.
pub(super) async fn uninspected(gateway: &Gateway, reason: &str) -> u64 {
    counted(gateway, "tidegate_uninspected_bytes_total", reason).await
}

/// What a family of counters sums to, of those with this value of a label.
pub(super) async fn counted(gateway: &Gateway, family: &str, value: &str) -> u64 {
    let text = gateway.metrics().await;
    let lines = text
        .lines()
        .filter(|line| line.starts_with(&format!("{family}{{")) && line.contains(&format!("\"{value}\"")));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_passes_and_counts_closed_refuses_and_monitor_does_neither() {
    let origin = origin().await;
    let (enforcing, watching) = (gateway(&origin, "enforce").await, gateway(&origin, "monitor").await);
    let h2 = H2::connect(enforcing.address).await;
    for (name, reason) in CASES {
        let (body, coding) = case(name);
        let before = uninspected(&enforcing, reason).await;
        let open = get(enforcing.address, &format!("/open/{name}"), "").await;
        assert!(
            open.status == 200 && open.is_whole && open.body == body,
            "{name}: {}",
            open.head
        );
        assert_eq!(open.header("content-encoding"), Some(coding));
        until(name, async || uninspected(&enforcing, reason).await > before).await;

        let closed = get(enforcing.address, &format!("/closed/{name}"), "").await;
        assert_eq!(
            (closed.status, closed.header("content-type")),
            (502, Some("application/problem+json")),
            "{name}"
        );
        let problem: serde_json::Value = serde_json::from_slice(&closed.body).expect("JSON");
        assert_eq!(problem["type"], "urn:tidegate:problem:uninspectable");
        assert!(count_serials(&closed.wire).is_empty() && closed.header("content-encoding").is_none());
        let closed = h2.get(&format!("/closed/{name}"), &[]).await;
        assert_eq!(
            (closed.status, closed.headers[header::CONTENT_TYPE].as_bytes()),
            (502, &b"application/problem+json"[..])
        );

        let one = get(enforcing.address, &format!("/one/{name}"), "").await;
        assert_eq!(one.status, if reason == "unknown_coding" { 502 } else { 200 }, "{name}");

        let watched = get(watching.address, &format!("/closed/{name}"), "").await;
        assert!(
            watched.status == 200 && watched.is_whole && watched.body == body,
            "{name} in monitor"
        );
    }
}
