//! What a client that does not read can make the gateway hold.

use std::fmt::Write as _;
use std::pin::pin;
use std::time::Duration;

use http::header;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::process::{Tidegate, eventually};
use crate::support::coding::Coding;
use crate::support::origin::{Answer, Origin};

const CLIENTS: usize = 12;
/// What one of them may make the gateway hold: both sockets' buffers in hyper, and what a piece of the body decodes to.
const HELD_KIB_MAX: u64 = 2_048;

/// Text of which a hundred and fifty bytes come of each coded one.
fn text() -> String {
    let mut text = String::new();
    for row in 0..150_000 {
        writeln!(
            text,
            "{{\"colour\":\"blue\",\"stock\":true,\"sizes\":[{},2,3],\"note\":\"{:0>90}\"}}",
            row % 7,
            ""
        )
        .expect("a string takes every byte");
    }
    text
}

/// Between two looks at its memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What comes of `work`, and the most that each of these processes had meanwhile.
pub(crate) async fn most_resident_kib<T, const N: usize>(
    ids: [u32; N],
    work: impl Future<Output = T>,
) -> (T, [u64; N]) {
    let (mut work, mut most) = (pin!(work), [0; N]);
    loop {
        tokio::select! {
            done = &mut work => return (done, most),
            () = tokio::time::sleep(LOOK_EVERY) => {
                for (most, id) in most.iter_mut().zip(ids) {
                    *most = resident_kib(id).max(*most);
                }
            }
        }
    }
}

pub(crate) fn resident_kib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("a number of KiB")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_has_little_decoded() {
    let coded = Coding::Gzip.encode(text().as_bytes(), usize::MAX);
    assert!(text().len() / coded.len() > 100, "{} of {}", coded.len(), text().len());
    let origin = Origin::serve(move |_| {
        Answer::new("application/x-ndjson", coded.clone()).header(header::CONTENT_ENCODING, "gzip")
    })
    .await;
    let gateway = Tidegate::start(&format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"limit\"\nper = \"address\"\npeople = 500\nwindow = \"1d\"\naction = \"redact\"\nmode = \"enforce\"\n",
        origin.address
    ))
    .await;
    let before = resident_kib(gateway.id());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(gateway.address("http")).await.expect("it listens");
        let request = b"GET / HTTP/1.1\r\nHost: shop.example\r\nAccept-Encoding: gzip\r\n\r\n";
        client.write_all(request).await.expect("it reads");
        clients.push(client);
    }
    let asked = async || (origin.seen().len() == CLIENTS).then_some(());
    eventually("every request is with the origin", asked).await;
    let mut last = 0;
    let settled = async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = resident_kib(gateway.id());
        (std::mem::replace(&mut last, now) == now).then_some(now)
    };
    let held = eventually("nothing more is read", settled).await - before;
    assert!(held < CLIENTS as u64 * HELD_KIB_MAX, "{held} KiB for {CLIENTS} clients");
}
