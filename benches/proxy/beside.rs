//! One exchange beside nginx: processor time of Tidegate that counts, and of nginx as it comes and tuned.

use super::process::{Kind, Proxy};
use super::{Fault, Setting, exchange, load};

/// Rounds in which every case is measured once, after one that is not counted.
const ROUNDS: usize = 11;
/// Connections that the clients keep busy: a gateway before a shop has many.
const CONNECTIONS: usize = 32;

/// The pages, how often each is fetched in a round, and what the aims say of the ratio: to which nginx, at most, aim.
const PAGES: [(&str, &str, usize, Kind, &str, &str); 3] = [
    ("10 KB clean", load::READ, 2_000, Kind::Nginx, "1.5", "1.2"),
    ("10 KB dense", load::DENSE, 2_000, Kind::Nginx, "1.6", "1.35"),
    ("100 KB dense", load::LONG, 400, Kind::TunedNginx, "3.1", "2.1"),
];

/// The proxies.
const KINDS: [(&str, Kind); 4] = [
    ("nginx", Kind::Nginx),
    ("nginx, tuned", Kind::TunedNginx),
    ("minimal hyper proxy", Kind::Minimal),
    ("Tidegate, counting", Kind::Counting),
];

/// Nanoseconds per exchange, one a kind.
type Row = [f64; KINDS.len()];

/// Measures all pages through all proxies and prints the tables.
pub(crate) async fn measure(setting: &Setting) -> Result<(), Fault> {
    let mut proxies = Vec::new();
    for (_, kind) in KINDS {
        proxies.push(Proxy::start(kind, setting.upstream, setting.core, false).await?);
    }
    println!("\nbeside nginx: processor time per exchange, {CONNECTIONS} connections, {ROUNDS} rounds");
    println!("| page | proxy | least, us | to that nginx: least, middle | at most | aim |\n|---|---|---|---|---|---|");
    for (page, path, exchanges, base, at_most, aim) in PAGES {
        let mut rounds = Vec::new();
        for _ in 0..=ROUNDS {
            let mut round = [0.0; KINDS.len()];
            for (proxy, nanos) in proxies.iter().zip(&mut round) {
                let before = proxy.processor_nanos()?;
                exchange(proxy, path, exchanges, CONNECTIONS, &setting.pages).await?;
                *nanos = (proxy.processor_nanos()? - before) as f64 / exchanges as f64;
            }
            rounds.push(round);
        }
        print(page, base, &rounds.split_off(1), (at_most, aim));
    }
    Ok(())
}

fn print(page: &str, base: Kind, rounds: &[Row], (at_most, aim): (&str, &str)) {
    let column = |at: usize| rounds.iter().filter_map(move |round| round.get(at).copied());
    let least = |at: usize| column(at).fold(f64::INFINITY, f64::min);
    let base = KINDS.iter().position(|(_, kind)| *kind == base).unwrap_or_default();
    for (at, (name, kind)) in KINDS.iter().enumerate() {
        let mut ratios: Vec<f64> = column(at).zip(column(base)).map(|(nanos, base)| nanos / base).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let middle = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
        let (micros, ratio) = (least(at) / 1_000.0, least(at) / least(base));
        let (at_most, aim) = if *kind == Kind::Counting {
            (at_most, aim)
        } else {
            ("", "")
        };
        println!("| {page} | {name} | {micros:.1} | {ratio:.2}, {middle:.2} | {at_most} | {aim} |");
    }
}
