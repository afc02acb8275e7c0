//! How much later do bytes come through the gateway than from the origin: the events of a stream, the first byte of a page?
//!
//! The gateway is a process of its own under an enforced budget, so that every byte is searched and held until its record
//! is granted. Direct and proxied measurements alternate; what came is counted and must be whole. The differences mean
//! something on another machine, the times do not.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

#[path = "../corpus/mod.rs"]
#[expect(dead_code, reason = "of the corpora, only the clean page is served here")]
mod corpus;

#[path = "../proxy/process.rs"]
#[expect(dead_code, reason = "instructions are counted by the bench of the price")]
mod process;

mod origin;

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use process::{Kind, Proxy};

type Fault = Box<dyn Error + Send + Sync>;

/// Rounds, each with a direct and a proxied measurement of both kinds, after one that is not counted.
const ROUNDS: usize = 12;
/// Events of one stream, two milliseconds apart.
const EVENTS: usize = 250;
/// Pages fetched one after another over one connection.
const PAGES: usize = 500;

fn main() -> Result<(), Fault> {
    let page = corpus::clean_page();
    let sent = Arc::new(origin::Sent::new(EVENTS));
    let origin = origin::start(page.clone(), Arc::clone(&sent))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let gateway = runtime.block_on(Proxy::start(Kind::Enforcing, origin, None, false))?;
    let (mut events, mut pages) = (Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        let (direct, proxied) = (stream(origin, &sent)?, stream(gateway.address, &sent)?);
        events.push([direct, proxied]);
        let (direct, proxied) = (
            first_bytes(origin, page.len())?,
            first_bytes(gateway.address, page.len())?,
        );
        pages.push([direct, proxied]);
    }
    print_table("an event, from the origin's write to the client's read", &events);
    print_table("a page of 10 KB, from the request to its first byte", &pages);
    Ok(())
}

/// Reads one stream of events; how long each was on its way. Fails unless every event came once.
fn stream(address: SocketAddr, sent: &origin::Sent) -> Result<Vec<Duration>, Fault> {
    let mut connection = ask(address, "/events")?;
    let (mut delays, mut buffer, mut last) = (Vec::new(), vec![0; 16_384], 0);
    loop {
        let read = connection.read(&mut buffer)?;
        let now = Instant::now();
        for byte in buffer.iter().take(read) {
            // An event ends with an empty line, which no frame around it has.
            if (last, *byte) == (b'\n', b'\n') {
                delays.push(now.duration_since(sent.at(delays.len())?));
            }
            last = *byte;
        }
        if read == 0 {
            break;
        }
    }
    assert_eq!(delays.len(), EVENTS, "every event came once");
    Ok(delays)
}

/// Fetches pages in turn; how long each request waited for its first byte. Fails unless every page came whole.
fn first_bytes(address: SocketAddr, page_bytes: usize) -> Result<Vec<Duration>, Fault> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    let mut waits = Vec::new();
    let mut buffer = vec![0; 65_536];
    for _ in 0..PAGES {
        let started = Instant::now();
        connection.write_all(b"GET /page HTTP/1.1\r\nhost: shop.example\r\n\r\n")?;
        let mut filled = connection.read(&mut buffer)?;
        waits.push(started.elapsed());
        let head = loop {
            let front = buffer.get(..filled).unwrap_or_default();
            if let Some(end) = front.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            filled += connection.read(buffer.get_mut(filled..).unwrap_or_default())?;
        };
        while filled < head + page_bytes {
            let read = connection.read(buffer.get_mut(filled..).unwrap_or_default())?;
            assert_ne!(read, 0, "the page came whole");
            filled += read;
        }
        assert_eq!(filled, head + page_bytes, "nothing came behind the page");
    }
    Ok(waits)
}

/// A connection that asks for `path` and is closed by the origin.
fn ask(address: SocketAddr, path: &str) -> Result<TcpStream, Fault> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n"
    )?;
    Ok(connection)
}

/// Times of one round: direct, and through the gateway.
type Round = [Vec<Duration>; 2];

/// The middle round, and the least: other work on the machine only adds.
fn print_table(title: &str, rounds: &[Round]) {
    println!("\n{title}: microseconds direct, through the gateway, later; middle and least of {ROUNDS} rounds");
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        let rounds = rounds.iter().skip(1);
        let (mut direct, mut proxied): (Vec<f64>, Vec<f64>) = rounds
            .map(|[direct, proxied]| (micros_at(direct, percent), micros_at(proxied, percent)))
            .unzip();
        direct.sort_unstable_by(f64::total_cmp);
        proxied.sort_unstable_by(f64::total_cmp);
        let row = |at: usize| [&direct, &proxied].map(|sorted| sorted.get(at).copied().unwrap_or_default());
        for (which, [direct, proxied]) in [("middle", row(ROUNDS / 2)), ("least", row(0))] {
            println!(
                "  {name} {which:<8} {direct:>8.0} {proxied:>8.0} {:>8.0}",
                proxied - direct
            );
        }
    }
}

/// The time within which so many in a hundred came.
fn micros_at(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted
        .get(sorted.len() * percent / 100)
        .map_or(0.0, |time| time.as_secs_f64() * 1e6)
}
