//! What is revoked is refused before the origin is asked, and cut where it is live: by a person, by the list, with no budget at all.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::client::{End, H2, RawReply, get};
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin, Step};
use crate::support::token::{key_set, sign};

/// Far longer than a revocation may take to arrive, far shorter than any other limit.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

fn state() -> tempfile::TempDir {
    let state = tempfile::tempdir().expect("a directory");
    std::fs::write(state.path().join("jwks.json"), key_set("k1")).expect("a key set");
    state
}

/// A configuration without a budget before these origins, `/raw` for the second.
fn configuration(state: &tempfile::TempDir, origin: &Origin, raw: &Origin, identity: &str) -> String {
    format!(
        "[identity]\nsources = [\"jwt:authorization\", \"cookie:sid\"]\n{identity}\
         [identity.issuer.shop]\njwks = {}\nalgorithms = [\"EdDSA\"]\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n[[route]]\nmatch = \"*/raw\"\nupstream = [\"http://{}\"]\n",
        quoted(&state.path().join("jwks.json")),
        origin.address,
        raw.address
    )
}

async fn plain() -> Origin {
    Origin::serve(|_| Answer::new("text/plain", "here")).await
}

/// An origin whose `/live` is fed by the test, one answer a sender.
async fn live(streams: usize) -> (Origin, Vec<mpsc::Sender<Bytes>>) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..streams).map(|_| mpsc::channel(4)).unzip();
    let receivers = Mutex::new(receivers);
    let origin = Origin::serve(move |_| {
        let next = receivers
            .lock()
            .expect("no panic")
            .pop()
            .expect("a stream for each request");
        Answer::fed("application/x-ndjson", next)
    });
    (origin.await, senders)
}

fn is_revoked(reply: &RawReply) -> bool {
    matches!(reply.status, 401 | 403) && String::from_utf8_lossy(&reply.body).contains("problem:revoked")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[tokio::test]
async fn who_is_revoked_is_refused_before_the_origin_is_asked_and_nobody_else() {
    let (state, origin) = (state(), plain().await);
    let text = configuration(&state, &origin, &origin, "");
    let gateway = Gateway::start_in(state, &text).await;
    let now = gateway.shared().clock.now().second();
    let token = |sub: &str, issued: u32| {
        sign(
            "k1",
            &json!({ "sub": sub, "sid": format!("sid-{sub}"), "email": format!("{sub}@mail.example"), "iat": issued }),
        )
    };
    let (ann, bob) = (bearer(&token("ann", now - 60)), bearer(&token("bob", now - 60)));
    let cookie = "Cookie: sid=c-ann\r\n".to_owned();
    for (what, name, shown, status) in [
        ("principal", "shop:ann", &ann, 403),
        ("email", "shop:Ann@Mail.example", &ann, 403),
        ("sessions", "shop:ann", &ann, 401),
        ("sid", "shop:sid-ann", &ann, 401),
        ("session", "cookie:sid=c-ann", &cookie, 401),
        ("kid", "shop:k1", &ann, 401),
    ] {
        assert_eq!(get(gateway.address, "/", shown).await.status, 200, "{what} before");
        let key = gateway.revoke(what, name).await;
        let asked = origin.seen().len();
        let reply = get(gateway.address, "/", shown).await;
        assert!(is_revoked(&reply) && reply.status == status, "{what}: {}", reply.head);
        assert_eq!(origin.seen().len(), asked, "{what}: the origin is not asked");
        // Beside another credential it is no better.
        let both = format!(
            "{shown}{}",
            if what == "session" {
                &bob
            } else {
                "Cookie: sid=other\r\n"
            }
        );
        assert!(
            is_revoked(&get(gateway.address, "/", &both).await),
            "{what} beside another"
        );
        let other = get(gateway.address, "/", &bob).await;
        assert_eq!(is_revoked(&other), what == "kid", "{what}: another account");
        if what == "sessions" {
            let renewed = bearer(&token("ann", now + 60));
            assert_eq!(
                get(gateway.address, "/", &renewed).await.status,
                200,
                "who logs in again"
            );
        }
        if what == "session" {
            assert_eq!(reply.header("set-cookie"), Some("sid=; Max-Age=0; Path=/"));
        }
        gateway.reinstate(&key).await;
        assert_eq!(get(gateway.address, "/", shown).await.status, 200, "{what} afterwards");
    }
    let metrics = gateway.metrics().await;
    for what in ["principal", "session", "kid"] {
        let name = format!("tidegate_revoked_uses_total{{what=\"{what}\"}}");
        assert!(metrics.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn a_revocation_cuts_a_stream_of_each_version_and_no_neighbour() {
    let (state, (origin, streams)) = (state(), live(3).await);
    let text = configuration(&state, &origin, &origin, "");
    let gateway = Gateway::start_in(state, &text).await;
    let address = gateway.address;
    let old = tokio::spawn(async move { get(address, "/live", "Cookie: sid=a\r\n").await });
    let h2 = H2::connect(address).await;
    let (one, other) = (h2.clone(), h2.clone());
    let cut = tokio::spawn(async move { one.get("/live", &[("cookie", "sid=a")]).await });
    let spared = tokio::spawn(async move { other.get("/live", &[("cookie", "sid=b")]).await });
    until("all are live", async || origin.seen().len() == 3).await;
    for stream in &streams {
        stream
            .send(Bytes::from_static(b"{\"a\":1}\n"))
            .await
            .expect("a live stream");
    }
    gateway.revoke("session", "cookie:sid=a").await;
    let old = tokio::time::timeout(ARRIVAL_MAX, old)
        .await
        .expect("an end")
        .expect("no panic");
    assert!(is_revoked(&old) || (old.status == 200 && !old.is_whole), "{}", old.head);
    let cut = tokio::time::timeout(ARRIVAL_MAX, cut)
        .await
        .expect("an end")
        .expect("no panic");
    assert!(
        cut.status == 401 || cut.end == End::Reset(h2::Reason::CANCEL),
        "{:?}",
        cut.end
    );
    drop(streams);
    let spared = spared.await.expect("no panic");
    assert_eq!((spared.status, spared.end), (200, End::Whole), "the connection lives");
    assert_eq!(spared.body, b"{\"a\":1}\n");
}

#[tokio::test]
async fn a_revocation_ends_a_tunnel_and_answers_who_waits() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n";
    let never = || Step::Wait(std::sync::Arc::new(tokio::sync::Notify::new()));
    for steps in [
        vec![Step::Write(Bytes::from_static(switch.as_bytes())), never()],
        vec![never()],
    ] {
        let is_tunnel = steps.len() > 1;
        let (state, origin, raw) = (state(), plain().await, Origin::raw(steps).await);
        let text = configuration(&state, &origin, &raw, "");
        let gateway = Gateway::start_in(state, &text).await;
        let mut stream = TcpStream::connect(gateway.address).await.expect("it listens");
        let offer = "GET /raw HTTP/1.1\r\nHost: a\r\nCookie: sid=a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n";
        stream.write_all(offer.as_bytes()).await.expect("it reads");
        until("the origin is asked", async || !raw.raw_heads().is_empty()).await;
        let mut line = vec![0; 13];
        if is_tunnel {
            stream.read_exact(&mut line).await.expect("a head");
            assert_eq!(line, b"HTTP/1.1 101 ");
        }
        gateway.revoke("session", "cookie:sid=a").await;
        if is_tunnel {
            let end = tokio::time::timeout(ARRIVAL_MAX, stream.read_to_end(&mut Vec::new())).await;
            assert!(end.is_ok(), "the tunnel ends");
        } else {
            let answer = tokio::time::timeout(ARRIVAL_MAX, stream.read_exact(&mut line)).await;
            answer.expect("an answer").expect("a head");
            assert_eq!(line, b"HTTP/1.1 401 ");
        }
    }
}

#[tokio::test]
async fn the_list_is_read_anew_and_a_bad_one_leaves_the_last_in_force() {
    let (state, (origin, streams)) = (state(), live(1).await);
    let list = state.path().join("revoked.list");
    std::fs::write(&list, "# nobody yet\n").expect("a list");
    let identity = format!("revoked = {}\n", quoted(&list));
    let text = configuration(&state, &origin, &origin, &identity);
    let gateway = Gateway::start_watched(state, &text).await;
    let address = gateway.address;
    let ann = bearer(&sign("k1", &json!({ "sub": "ann", "sid": "s" })));
    let shown = ann.clone();
    let live = tokio::spawn(async move { get(address, "/live", &shown).await });
    until("it is live", async || origin.seen().len() == 1).await;
    streams[0]
        .send(Bytes::from_static(b"{\"a\":1}\n"))
        .await
        .expect("a live stream");
    std::fs::write(&list, "principal shop:ann - left the company\n").expect("a list");
    let live = tokio::time::timeout(ARRIVAL_MAX, live)
        .await
        .expect("an end")
        .expect("no panic");
    assert!(is_revoked(&live) || !live.is_whole, "{}", live.head);
    assert!(is_revoked(&get(address, "/", &ann).await));
    let told = String::from_utf8(gateway.ask_admin("GET /api/v1/revocations", "").await.body).expect("text");
    assert!(told.contains("\"cause\":\"line 1\""), "{told}");
    std::fs::write(&list, "principal shpo:ann - a slip\n").expect("a list");
    until("it is refused", async || {
        let ready = gateway.ask_admin("GET /readyz", "").await;
        String::from_utf8_lossy(&ready.body).contains("reload was refused")
    })
    .await;
    assert!(
        is_revoked(&get(address, "/", &ann).await),
        "the list before it is in force"
    );
}

#[tokio::test]
async fn what_a_key_signs_after_it_has_gone_is_refused_and_an_incident() {
    let (state, (origin, streams)) = (state(), live(3).await);
    let (key_file, audit) = (state.path().join("jwks.json"), state.path().join("audit.jsonl"));
    let text = configuration(&state, &origin, &origin, "");
    let text = format!("{text}[audit]\nfile = {}\n", quoted(&audit));
    let gateway = Gateway::start_watched(state, &text).await;
    let address = gateway.address;
    let [old, new] = ["k1", "k2"].map(|kid| bearer(&sign(kid, &json!({ "sub": "ann", "sid": "s" }))));
    let shown = old.clone();
    let live = tokio::spawn(async move { get(address, "/live", &shown).await });
    until("it is live", async || origin.seen().len() == 1).await;
    // The key comes back under another id: what the old one signed is told by that alone.
    std::fs::write(&key_file, key_set("k2")).expect("a key set");
    let live = tokio::time::timeout(ARRIVAL_MAX, live)
        .await
        .expect("an end")
        .expect("no panic");
    assert!(is_revoked(&live) || !live.is_whole, "{}", live.head);
    let refused = get(address, "/", &old).await;
    assert!(is_revoked(&refused) && refused.status == 401, "{}", refused.head);
    drop(streams);
    assert_eq!(get(address, "/", &new).await.status, 200);
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains("tidegate_revoked_uses_total{what=\"retired_kid\"}"),
        "{metrics}"
    );
    until("it is in the audit file", async || {
        let told = std::fs::read_to_string(&audit).unwrap_or_default();
        told.contains("\"budget\":\"retired-kid\"")
    })
    .await;
}

#[tokio::test]
async fn who_leaves_is_shown_a_part_from_that_day_on() {
    use crate::support::coding::Coding;
    use crate::support::export::Export;
    use crate::support::people::{Format, count_serials};
    let (state, origin) = (state(), Export::origin().await);
    let list = state.path().join("leavers.list");
    let lines = "principal shop:ann 2020-01-01 has left\nprincipal shop:bob 2099-01-01 stays a while\n";
    std::fs::write(&list, lines).expect("a list");
    let identity = format!("leavers = {}\n", quoted(&list));
    let text = configuration(&state, &origin, &origin, &identity);
    let budget = "[[budget]]\nname = \"day\"\nper = \"principal\"\npeople = 10\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n";
    let gateway = Gateway::start_in(state, &format!("{text}{budget}")).await;
    let path = format!("/{}", Export::new(Format::Ndjson, Coding::Identity, 0..20).path());
    for (sub, people) in [("ann", 2), ("bob", 10), ("eve", 10)] {
        let shown = bearer(&sign("k1", &json!({ "sub": sub, "sid": "s" })));
        let reply = get(gateway.address, &path, &shown).await;
        assert_eq!(count_serials(&reply.body).len(), people, "{sub}");
    }
}
