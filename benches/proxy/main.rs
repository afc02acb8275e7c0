//! What does one exchange cost in a proxy: the smallest on hyper, Tidegate that reads nothing, that watches, that holds?
//!
//! The proxies are processes of their own on loopback. Measured are the processor time of each, in alternating rounds,
//! and its instructions under callgrind; ratios of these mean something on another machine, the times do not.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "../corpus/mod.rs"]
#[expect(dead_code, reason = "of the corpora, only the clean page is served here")]
mod corpus;

mod load;
mod minproxy;
mod process;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use tokio::net::TcpListener;

use process::{Kind, Proxy};

type Fault = Box<dyn Error + Send + Sync>;

/// Rounds in which every case is measured once; the least counts, since other work only adds.
const ROUNDS: usize = 7;
/// Exchanges of one measurement.
const EXCHANGES: usize = 4_000;
/// Exchanges under callgrind, where start-up is taken out as the difference of two runs.
const COUNTED: [usize; 2] = [200, 600];

/// A row of the table: which proxy, and which page is fetched through it.
const CASES: [(&str, Kind, &str); 4] = [
    ("minimal hyper proxy", Kind::Minimal, load::READ),
    ("Tidegate, body not read", Kind::Watching, load::UNREAD),
    ("Tidegate, watching", Kind::Watching, load::READ),
    ("Tidegate, enforcing", Kind::Enforcing, load::READ),
];

fn main() -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().collect();
    runtime.block_on(async {
        if let [_, role, listen, upstream] = arguments.as_slice()
            && role == process::MINIMAL_ROLE
        {
            return minproxy::serve(listen.parse()?, upstream.parse()?).await;
        }
        let page = Bytes::from(corpus::clean_page());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let upstream = listener.local_addr()?;
        tokio::spawn(load::origin(listener, page.clone()));
        let time = processor_time(upstream, page.len() as u64).await?;
        print_table(
            "processor time per exchange, microseconds",
            time.map(|nanos| nanos / 1_000.0),
        );
        if process::has_valgrind() {
            let counts = instructions(upstream, page.len() as u64).await?;
            print_table(
                "instructions per exchange, thousands",
                counts.map(|count| count / 1_000.0),
            );
        } else {
            println!("instructions: skipped: valgrind not installed");
        }
        Ok(())
    })
}

/// Nanoseconds per exchange of each case.
async fn processor_time(upstream: SocketAddr, page_bytes: u64) -> Result<[f64; CASES.len()], Fault> {
    let mut proxies = Vec::new();
    for (_, kind, _) in CASES {
        proxies.push(Proxy::start(kind, upstream, false).await?);
    }
    let mut least = [f64::INFINITY; CASES.len()];
    for _ in 0..=ROUNDS {
        for (((_, _, path), proxy), least) in CASES.iter().zip(&proxies).zip(&mut least) {
            let before = proxy.processor_nanos()?;
            exchange(proxy, path, EXCHANGES, page_bytes).await?;
            *least = least.min((proxy.processor_nanos()? - before) as f64 / EXCHANGES as f64);
        }
    }
    Ok(least)
}

/// Instructions per exchange of each case.
async fn instructions(upstream: SocketAddr, page_bytes: u64) -> Result<[f64; CASES.len()], Fault> {
    let mut counts = [0.0; CASES.len()];
    for ((_, kind, path), count) in CASES.iter().zip(&mut counts) {
        let mut totals = Vec::new();
        for exchanges in COUNTED {
            let proxy = Proxy::start(*kind, upstream, true).await?;
            exchange(&proxy, path, exchanges, page_bytes).await?;
            totals.push(proxy.end_and_count()?);
        }
        if let ([small, large], [few, many]) = (totals.as_slice(), COUNTED) {
            *count = large.saturating_sub(*small) as f64 / (many - few) as f64;
        }
    }
    Ok(counts)
}

/// Fetches, and fails unless every byte of every page came.
async fn exchange(proxy: &Proxy, path: &'static str, exchanges: usize, page_bytes: u64) -> Result<(), Fault> {
    let bytes = load::fetch(proxy.address, path, exchanges).await?;
    assert_eq!(bytes, exchanges as u64 * page_bytes, "{path} came whole, every time");
    Ok(())
}

fn print_table(title: &str, values: [f64; CASES.len()]) {
    println!("\n{title}");
    let [minimal, unread, ..] = values;
    for ((name, _, _), value) in CASES.iter().zip(values) {
        let (to_minimal, to_unread) = (value / minimal, value / unread);
        println!("  {name:<24} {value:>9.1}   {to_minimal:>5.2} x minimal   {to_unread:>5.2} x not read");
    }
}
