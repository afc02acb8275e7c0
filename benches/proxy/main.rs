//! What does one exchange cost in a proxy: the smallest on hyper, Tidegate that reads nothing, that watches, that holds?
//! And beside nginx, which reads nothing?
//!
//! The proxies are processes of their own on loopback and on one core, everything else is on the others. Measured are the processor time of each, in alternating rounds,
//! and its instructions under callgrind; ratios of these mean something on another machine, the times do not.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "../corpus/mod.rs"]
#[expect(dead_code, reason = "of the corpora, only pages are served here")]
mod corpus;

mod beside;
mod load;
mod minproxy;
mod process;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::net::TcpListener;

use corpus::bulk;
use load::Pages;
use process::{Kind, Proxy};

type Fault = Box<dyn Error + Send + Sync>;

/// Rounds in which every case is measured once, after one that is not counted.
const ROUNDS: usize = 15;
/// Exchanges of one measurement.
const EXCHANGES: usize = 4_000;
/// Connections that the clients keep busy.
const CONNECTIONS: usize = 4;
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

/// What all measurements share.
struct Setting {
    upstream: SocketAddr,
    pages: Pages,
    /// The core of the proxies.
    core: Option<usize>,
}

fn main() -> Result<(), Fault> {
    let core = keep_off_last_core()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().collect();
    runtime.block_on(async {
        if let [_, role, listen, upstream] = arguments.as_slice()
            && role == process::MINIMAL_ROLE
        {
            return minproxy::serve(listen.parse()?, upstream.parse()?).await;
        }
        let pages = Pages {
            clean: Bytes::from(corpus::clean_page()),
            dense: bulk::dense_page(10_000).bytes,
            long: bulk::dense_page(100_000).bytes,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let upstream = listener.local_addr()?;
        tokio::spawn(load::origin(listener, pages.clone()));
        let setting = Setting { upstream, pages, core };
        print_time(&processor_time(&setting).await?);
        if process::has_valgrind() {
            print_instructions(instructions(&setting).await?);
        } else {
            println!("instructions: skipped: valgrind not installed");
        }
        if process::has_nginx() {
            beside::measure(&setting).await?;
        } else {
            println!("beside nginx: skipped: nginx not installed");
        }
        Ok(())
    })
}

/// Leaves the last core to the proxies, if there are two; its number. A proxy of this program is kept where it was put.
fn keep_off_last_core() -> Result<Option<usize>, Fault> {
    let mut allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|core| allowed.is_set(*core));
    if let Some(last) = last.filter(|_| allowed.count() > 1) {
        allowed.unset(last);
        sched_setaffinity(None, &allowed)?;
    }
    Ok(last)
}

/// A number for each case.
type Row = [f64; CASES.len()];

/// Nanoseconds per exchange of each case, one row a round.
async fn processor_time(setting: &Setting) -> Result<Vec<Row>, Fault> {
    let mut proxies = Vec::new();
    for (_, kind, _) in CASES {
        proxies.push(Proxy::start(kind, setting.upstream, setting.core, false).await?);
    }
    let mut rounds = Vec::new();
    for _ in 0..=ROUNDS {
        let mut round = [0.0; CASES.len()];
        for (((_, _, path), proxy), nanos) in CASES.iter().zip(&proxies).zip(&mut round) {
            let before = proxy.processor_nanos()?;
            exchange(proxy, path, EXCHANGES, CONNECTIONS, &setting.pages).await?;
            *nanos = (proxy.processor_nanos()? - before) as f64 / EXCHANGES as f64;
        }
        rounds.push(round);
    }
    Ok(rounds.split_off(1))
}

/// Instructions per exchange of each case.
async fn instructions(setting: &Setting) -> Result<Row, Fault> {
    let mut counts = [0.0; CASES.len()];
    for ((_, kind, path), count) in CASES.iter().zip(&mut counts) {
        let mut totals = Vec::new();
        for exchanges in COUNTED {
            let proxy = Proxy::start(*kind, setting.upstream, setting.core, true).await?;
            exchange(&proxy, path, exchanges, CONNECTIONS, &setting.pages).await?;
            totals.push(proxy.end_and_count()?);
        }
        if let ([small, large], [few, many]) = (totals.as_slice(), COUNTED) {
            *count = large.saturating_sub(*small) as f64 / (many - few) as f64;
        }
    }
    Ok(counts)
}

/// Fetches, and fails unless every byte of every page came.
async fn exchange(
    proxy: &Proxy,
    path: &'static str,
    exchanges: usize,
    connections: usize,
    pages: &Pages,
) -> Result<(), Fault> {
    let bytes = load::fetch(proxy.address, path, exchanges, connections).await?;
    let expected = exchanges * pages.get(path).len();
    assert_eq!(bytes, expected as u64, "{path} came whole, every time");
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
