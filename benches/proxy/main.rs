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

/// Rounds in which every case is measured once, after one that is not counted.
const ROUNDS: usize = 15;
/// Exchanges of one measurement.
const EXCHANGES: usize = 4_000;
/// Exchanges under callgrind, where start-up is taken out as the difference of two runs.
const COUNTED: [usize; 2] = [200, 600];

/// A row of the table: which proxy, and which page is fetched through it.
const CASES: [(&str, Kind, &str); 5] = [
    ("minimal hyper proxy", Kind::Minimal, load::READ),
    ("Tidegate, scanning off", Kind::Unread, load::READ),
    ("Tidegate, unknown coding", Kind::Watching, load::UNREAD),
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
        print_time(&processor_time(upstream, page.len() as u64).await?);
        if process::has_valgrind() {
            print_instructions(instructions(upstream, page.len() as u64).await?);
        } else {
            println!("instructions: skipped: valgrind not installed");
        }
        Ok(())
    })
}

/// A number for each case.
type Row = [f64; CASES.len()];

/// Nanoseconds per exchange of each case, one row a round.
async fn processor_time(upstream: SocketAddr, page_bytes: u64) -> Result<Vec<Row>, Fault> {
    let mut proxies = Vec::new();
    for (_, kind, _) in CASES {
        proxies.push(Proxy::start(kind, upstream, false).await?);
    }
    let mut rounds = Vec::new();
    for _ in 0..=ROUNDS {
        let mut round = [0.0; CASES.len()];
        for (((_, _, path), proxy), nanos) in CASES.iter().zip(&proxies).zip(&mut round) {
            let before = proxy.processor_nanos()?;
            exchange(proxy, path, EXCHANGES, page_bytes).await?;
            *nanos = (proxy.processor_nanos()? - before) as f64 / EXCHANGES as f64;
        }
        rounds.push(round);
    }
    Ok(rounds.split_off(1))
}

/// Instructions per exchange of each case.
async fn instructions(upstream: SocketAddr, page_bytes: u64) -> Result<Row, Fault> {
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

/// The least of each case, since other work only adds; and the middle of the ratios within a round, which other work
/// meets alike.
fn print_time(rounds: &[Row]) {
    println!(
        "\nprocessor time per exchange: least, and to the minimal proxy: ratio of the least, middle ratio of {ROUNDS} rounds"
    );
    let column = |at: usize| rounds.iter().filter_map(move |round| round.get(at).copied());
    let least = |at: usize| column(at).fold(f64::INFINITY, f64::min);
    for (at, (name, _, _)) in CASES.iter().enumerate() {
        let mut ratios: Vec<f64> = column(at)
            .zip(column(0))
            .map(|(nanos, minimal)| nanos / minimal)
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let middle = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
        let (micros, ratio) = (least(at) / 1_000.0, least(at) / least(0));
        println!("  {name:<26} {micros:>7.1} us   {ratio:>5.2}   {middle:>5.2}");
    }
}

fn print_instructions(counts: Row) {
    println!("\nthousand instructions per exchange, and to the minimal proxy");
    let [minimal, ..] = counts;
    for ((name, _, _), count) in CASES.iter().zip(counts) {
        println!("  {name:<26} {:>7.1}      {:>5.2}", count / 1_000.0, count / minimal);
    }
}
