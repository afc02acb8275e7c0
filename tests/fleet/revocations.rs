//! What is revoked at one gateway ends everything live at the others: streams of both versions, tunnels, and no neighbour.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

use super::gateways::state;
use super::server::{Server, until};
use crate::support::client::{End, H2, get};
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin, Step};

/// What is promised.
const PROMISED: Duration = Duration::from_secs(1);
/// A machine that is busy with other tests may take longer once, and not each time.
const TURNS: u32 = 5;

/// A gateway of the fleet: `/raw` is switched to bytes, everything else is a stream.
async fn gateway(origin: &Origin, raw: &Origin, server: &Server) -> Gateway {
    let text = format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[fleet]\nurl = \"{}\"\nflush_ms = 50\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n[[route]]\nmatch = \"*/raw\"\nupstream = [\"http://{}\"]\n",
        server.url(),
        origin.address,
        raw.address
    );
    let gateway = Gateway::start_in(state(7), &text).await;
    let shared = gateway.shared().fleet.clone().expect("it is configured");
    until("the store answers", async || shared.is_up()).await;
    gateway
}

/// A tunnel that stands.
async fn tunnel(gateway: &Gateway, cookie: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.expect("it listens");
    let offer =
        format!("GET /raw HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n");
    stream.write_all(offer.as_bytes()).await.expect("it reads");
    let mut line = [0; 13];
    stream.read_exact(&mut line).await.expect("a head");
    assert_eq!(&line, b"HTTP/1.1 101 ");
    stream
}

/// Revokes a session at `one` that has a stream of each version and a tunnel at `other`: for how long they lived on.
async fn turn(
    (one, other): (&Gateway, &Gateway),
    (senders, turn): (&Mutex<Vec<mpsc::Sender<Bytes>>>, u32),
) -> Duration {
    let session = format!("sid=turn-{turn}");
    let address = other.address;
    let fields = format!("Cookie: {session}\r\n");
    let plain = tokio::spawn(async move { get(address, "/live", &fields).await });
    let h2 = H2::connect(address).await;
    let (mine, theirs, cookie) = (h2.clone(), h2.clone(), session.clone());
    let stream = tokio::spawn(async move { mine.get("/live", &[("cookie", &cookie)]).await });
    let neighbour = tokio::spawn(async move { theirs.get("/live", &[("cookie", "sid=neighbour")]).await });
    let mut tunnel = tunnel(other, &session).await;
    until("all are live", async || senders.lock().expect("no panic").len() == 3).await;
    let live = std::mem::take(&mut *senders.lock().expect("no panic"));
    for sender in &live {
        sender
            .send(Bytes::from_static(b"{\"a\":1}\n"))
            .await
            .expect("a live stream");
    }
    let begun = Instant::now();
    one.revoke("session", &format!("cookie:{session}")).await;
    let ended = tokio::spawn(async move { tunnel.read_to_end(&mut Vec::new()).await.ok() });
    let (plain, stream, ended) = tokio::join!(plain, stream, ended);
    let lived = begun.elapsed();
    ended.expect("no panic");
    let (plain, stream) = (plain.expect("no panic"), stream.expect("no panic"));
    assert!(plain.status == 401 || !plain.is_whole, "{}", plain.head);
    assert!(
        stream.status == 401 || stream.end == End::Reset(h2::Reason::CANCEL),
        "{:?}",
        stream.end
    );
    drop(live);
    let neighbour = neighbour.await.expect("no panic");
    assert_eq!(
        (neighbour.status, neighbour.end),
        (200, End::Whole),
        "the connection lives"
    );
    lived
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_live_at_another_gateway_ends_within_a_second() {
    let server = Server::start(&[]).await;
    let senders: Arc<Mutex<Vec<mpsc::Sender<Bytes>>>> = Arc::default();
    let given = Arc::clone(&senders);
    let origin = Origin::serve(move |_| {
        let (sender, receiver) = mpsc::channel(4);
        given.lock().expect("no panic").push(sender);
        Answer::fed("application/x-ndjson", receiver)
    })
    .await;
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n";
    let raw = Origin::raw(vec![
        Step::Write(Bytes::from_static(switch)),
        Step::Wait(Arc::new(Notify::new())),
    ])
    .await;
    let one = gateway(&origin, &raw, &server).await;
    let other = gateway(&origin, &raw, &server).await;
    let mut lived = Vec::new();
    for number in 0..TURNS {
        lived.push(turn((&one, &other), (&senders, number)).await);
    }
    lived.sort();
    assert!(lived[TURNS as usize / 2] < PROMISED, "{lived:?}");
}
