//! A thief plants other people's numbers where everybody reads them: honest readers are stopped by that until a person has said that
//! they are nobody's.

use http::header;
use serde_json::{Value, json};

use crate::support::client::{get, http1};
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};

/// People of a session in a day.
const LIMIT: usize = 10;
/// What stands in the review.
const PLANTED: std::ops::Range<u32> = 5_000..5_030;

/// `POST /login` issues a session, `/review` shows what was planted, `/N` somebody.
async fn shop() -> Origin {
    Origin::serve(|request| match request.uri.path() {
        "/login" => {
            let account = request.headers.get("x-account").and_then(|name| name.to_str().ok());
            let cookie = format!("sid={}-0123456789; Path=/", account.unwrap_or_default());
            Answer::new("text/plain", "welcome").header(header::SET_COOKIE, &cookie)
        }
        "/review" => Answer::new("application/json", body(Format::Json, PLANTED)),
        path => {
            let person: u32 = path.trim_start_matches('/').parse().unwrap_or_default();
            Answer::new("application/json", body(Format::Json, person..person + 1))
        }
    })
    .await
}

/// Logs in; the line that shows the session.
async fn log_in(gateway: &Gateway, account: u32) -> String {
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nX-Account: {account}\r\nContent-Length: 0\r\n\r\n"
    );
    let reply = http1(gateway.address, request.as_bytes()).await;
    let cookie = reply.header("set-cookie").and_then(|line| line.split(';').next());
    format!("Cookie: {}\r\n", cookie.expect("a session"))
}

/// Whether the review is read to its end: where people left before the one too many it is cut, else it is refused.
async fn reads(gateway: &Gateway, session: &str) -> bool {
    let reply = get(gateway.address, "/review", session).await;
    assert!(matches!(reply.status, 200 | 403), "{}", reply.head);
    reply.status == 200 && reply.is_whole
}

async fn proposed(gateway: &Gateway) -> Vec<Value> {
    let reply = gateway.ask_admin("GET /api/v1/public?limit=1000", "").await;
    let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
    answer["public"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_planted_stops_honest_readers_until_a_person_says_that_it_is_nobodys() {
    let origin = shop().await;
    let state = tempfile::tempdir().expect("a directory");
    let list = state.path().join("public.list");
    std::fs::write(&list, "# nobody yet\n").expect("a file");
    let text = format!(
        "[rules]\npublic_people = {}\n[identity]\nsources = [\"cookie:sid\"]\nlogs_in_at = [\"POST /login\"]\nwarm_up_s = 0\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"day\"\nper = \"session\"\npeople = {LIMIT}\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n",
        quoted(&list),
        origin.address,
    );
    let gateway = Gateway::start_watched(state, &text).await;
    // Whom no login knows proposes nobody, however many there are of them.
    for stranger in 0..40 {
        let forged = format!("Cookie: sid=forged-{stranger}\r\n");
        assert!(!reads(&gateway, &forged).await, "stranger {stranger}");
    }
    for account in 0..21 {
        assert_eq!(
            proposed(&gateway).await,
            Vec::<Value>::new(),
            "after {account} accounts"
        );
        let reader = log_in(&gateway, account).await;
        for _ in 0..2 {
            assert!(!reads(&gateway, &reader).await, "account {account}");
        }
    }
    let proposals = proposed(&gateway).await;
    assert_eq!(proposals.len(), PLANTED.len(), "all of them, and nobody else");
    assert!(proposals.iter().all(|one| one["route"] == json!("*/")), "{proposals:?}");
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains("tidegate_proposals_total{kind=\"public\"}"),
        "it is told"
    );

    // Nothing follows from a proposal; a person has to look, and to say until when.
    let reader = log_in(&gateway, 30).await;
    assert!(!reads(&gateway, &reader).await);
    let accepted = proposals.iter().map(|one| one["subject"].as_str().expect("a subject"));
    let lines: String = accepted
        .map(|subject| format!("{subject} 2099-12-31 planted in a review\n"))
        .collect();
    std::fs::write(gateway.state().join("public.list"), lines).expect("a file");
    until("the list is in force", async || reads(&gateway, &reader).await).await;
    assert_eq!(proposed(&gateway).await, Vec::<Value>::new(), "they are accepted");
    // They use up nothing from now on, and everybody else counts as ever.
    let reader = log_in(&gateway, 31).await;
    assert!(reads(&gateway, &reader).await);
    let mut shown = 0;
    for person in 0..2 * LIMIT {
        shown += count_serials(&get(gateway.address, &format!("/{person}"), &reader).await.body).len();
    }
    assert_eq!(shown, LIMIT);
    assert!(reads(&gateway, &reader).await);
}
