//! What does it cost to count a person under twelve keys, alone, in a batch and again; what do two cores lose on a key that
//! both count under; and how much room do keys take?

#![expect(clippy::print_stdout, reason = "a bench tells people")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smallvec::smallvec;
use tidegate::engine::ledger::{Ask, BudgetId, Dimension, Elements, Excess, KeyId, KeyUse, Ledger, Limit, Settings};
use tidegate::engine::secret::Subject;
use tidegate::engine::time::Now;
use tokio::time::Instant;

const NOW: Now = Now::from_millis(1_780_000_000_000);
/// Keys of one exchange: six that can refuse, six that only tell.
const KEYS: u64 = 12;
const ROUNDS: u64 = 100_000;
/// People of one batch.
const BATCH: u64 = 32;

fn main() {
    // `cargo test --benches` only looks whether it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    alone();
    batches();
    repeats();
    two_cores();
    room(1_000_000, 10);
    room(10_000_000, 3);
    crawl();
}

/// A number that looks like a hash.
fn hash(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
}

fn key(number: u64, place: u64) -> KeyId {
    let mut id = [0; 12];
    let bytes = hash(number * KEYS + place)
        .to_le_bytes()
        .into_iter()
        .chain(hash(number ^ place << 40).to_le_bytes());
    id.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    KeyId(id)
}

fn used(key: KeyId, dimension: Dimension, people: u32, excess: Excess) -> KeyUse {
    KeyUse {
        key,
        dimension,
        elements: Elements::People,
        fallback: None,
        limits: smallvec![Limit {
            budget: BudgetId(u64::from(people)),
            people,
            window: 30 * 86_400,
            excess,
            strict: false,
        }],
    }
}

/// The keys of exchange `number`.
fn keys(number: u64) -> Vec<KeyUse> {
    let excess = |place| {
        if place < KEYS / 2 {
            Excess::Refused
        } else {
            Excess::Told
        }
    };
    let dimension = |place: u64| {
        if place == 0 {
            Dimension::Session
        } else {
            Dimension::Principal
        }
    };
    (0..KEYS)
        .map(|place| used(key(number, place), dimension(place), 90_000, excess(place)))
        .collect()
}

fn ledger() -> Arc<Ledger> {
    Arc::new(Ledger::new(Settings {
        bytes_max: 16 << 30,
        ..Settings::default()
    }))
}

fn asks(from: u64, count: u64) -> Vec<Ask> {
    (from..from + count)
        .map(|number| Ask::from(Subject(hash(number))))
        .collect()
}

fn tell(what: &str, each: Duration, count: u64) {
    println!("{what:<64} {:>8.0} ns", each.as_nanos() as f64 / count as f64);
}

/// One person to each of as many exchanges whose keys nobody has seen: what a ledger out of any cache costs.
fn alone() {
    let ledger = ledger();
    let exchanges: Vec<_> = (0..ROUNDS).map(|number| (keys(number), asks(number, 1))).collect();
    let started = Instant::now();
    let mut shown = 0;
    for (keys, asks) in exchanges {
        let mut account = ledger.open(keys, None, NOW);
        shown += account.reserve(&asks, NOW).granted;
        account.hand_over(1, NOW);
    }
    tell("a first sighting under 12 new keys", started.elapsed(), ROUNDS);
    assert_eq!(shown as u64, ROUNDS);
}

/// Batches of people under the same keys, all new.
fn batches() {
    let ledger = ledger();
    let batches: Vec<_> = (0..2_000).map(|batch| asks(batch * BATCH, BATCH)).collect();
    let started = Instant::now();
    let mut shown = 0;
    for asks in &batches {
        let mut account = ledger.open(keys(0), None, NOW);
        shown += account.reserve(asks, NOW).granted;
        account.hand_over(BATCH, NOW);
    }
    tell(
        "in a batch of 32 under the same 12 keys, a person",
        started.elapsed(),
        2_000 * BATCH,
    );
    assert_eq!(shown as u64, 2_000 * BATCH);
}

/// The same people again within one exchange.
fn repeats() {
    let ledger = ledger();
    let mut account = ledger.open(keys(0), None, NOW);
    let asks = asks(0, BATCH);
    account.reserve(&asks, NOW);
    account.hand_over(BATCH, NOW);
    let started = Instant::now();
    for _ in 0..20_000 {
        assert_eq!(black_box(account.reserve(black_box(&asks), NOW)).granted as u64, BATCH);
    }
    tell("a repeat within an exchange", started.elapsed(), 20_000 * BATCH);
}

/// Two threads, each with exchanges of their own, and a twelfth key that is either of both or of each.
fn two_cores() {
    let run = |is_hot: bool| {
        let (ledger, number) = (ledger(), AtomicU64::new(0));
        let thread = |own: u64| {
            let shared = if is_hot { 0 } else { own };
            for _ in 0..20_000 {
                let number = number.fetch_add(1, Ordering::Relaxed);
                let mut keys = keys(number % 512 + own * 1_000_000);
                keys.pop();
                keys.push(used(key(shared, 99), Dimension::Global, 5, Excess::Told));
                let mut account = ledger.open(keys, None, NOW);
                account.reserve(&asks(number * BATCH, BATCH), NOW);
                account.hand_over(BATCH, NOW);
            }
        };
        let started = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| thread(1));
            scope.spawn(|| thread(2));
        });
        started.elapsed()
    };
    let (cold, hot) = (run(false).min(run(false)), run(true).min(run(true)));
    let share = cold.as_secs_f64() / hot.as_secs_f64();
    println!(
        "{:<64} {share:>8.2}",
        "two cores on one hot key / on two cold ones (of their speed)"
    );
}

/// What so many keys with so many people each take: as the ledger counts it, and as the system does.
fn room(count: u64, people: u64) {
    let ledger = ledger();
    let before = resident();
    for number in 0..count {
        let session = used(key(number, 0), Dimension::Session, 90_000, Excess::Refused);
        let mut account = ledger.open(vec![session], None, NOW);
        account.reserve(&asks(number * people, people), NOW);
        account.hand_over(people, NOW);
    }
    assert_eq!(ledger.len() as u64, count);
    let (counted, taken) = (ledger.bytes() >> 20, (resident() - before) >> 20);
    println!("{count} keys x {people} people: {counted} MiB as counted, {taken} MiB of the process");
}

/// One key that was shown 33.7 million people in thirty days.
fn crawl() {
    let ledger = ledger();
    let (people, seconds) = (33_700_000_u64, 30 * 86_400_u64);
    let crawler = used(key(0, 0), Dimension::Global, 5, Excess::Told);
    for second in 0..seconds {
        let (from, to) = (second * people / seconds, (second + 1) * people / seconds);
        let now = NOW.after(second * 1000);
        let mut account = ledger.open(vec![crawler.clone()], None, now);
        account.reserve(&asks(from, to - from), now);
        account.hand_over(to - from, now);
    }
    let now = NOW.after(seconds * 1000);
    let view = ledger.key(crawler.key, &|_| &[30 * 86_400], now).expect("it is there");
    let counted = view.people.first().map_or(0, |(_, people)| *people);
    println!(
        "33.7 million people under one key: counted {counted}, in {} bytes",
        ledger.bytes()
    );
}

/// Bytes of the process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}
