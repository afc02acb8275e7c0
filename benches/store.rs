//! How long until a gateway with a million keys serves again, after an orderly stop and after `kill -9`? And what does a
//! write of what changed cost?

#![expect(clippy::print_stdout, reason = "a bench tells people")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smallvec::smallvec;
use tidegate::clock::Clock;
use tidegate::engine::ledger::{
    self, Ask, BudgetId, Carrier, Dimension, Elements, Excess, KeyFrame, KeyId, KeyUse, Ledger, Limit,
};
use tidegate::engine::secret::{HashKey, Subject};
use tidegate::store::{KeyMark, Loaded, Settings, Store, StoreError, StoreFile};
use tokio::time::Instant;

/// Keys of the ledger, and people under each.
const KEYS: u64 = 1_000_000;
const PEOPLE: u64 = 3;
/// Keys that change in one write.
const CHANGED: u64 = 25_000;
const LEDGER_FILE: &str = "ledger.redb";

fn main() {
    // `cargo test --benches` only looks whether it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (secret, clock) = (HashKey::new([7; 32]), Clock::start());
    let now = clock.now();

    let started = Instant::now();
    let mut file = StoreFile::open_or_create(dir.path(), KeyMark::of(&secret), now).expect("a new ledger");
    let frames = (0..KEYS).map(|number| Ok::<_, StoreError>(frame(number, now.second())));
    file.import(frames, now).expect("it is written");
    tell("a million keys written at once", started.elapsed());
    println!("  {} MiB", file.bytes() >> 20);
    let started = Instant::now();
    let (before, after) = file.compact().expect("it is compacted");
    tell("compacted", started.elapsed());
    println!("  {} MiB, then {} MiB", before >> 20, after >> 20);
    let killed = tempfile::tempdir().expect("a directory");
    drop(file);

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (ledger, store) = load("after an orderly stop", dir.path(), &secret, clock);
    changes(&runtime, &ledger, &store, clock);
    // As `kill -9` leaves it: what was committed, and the mark of a process that has it open.
    fs::copy(dir.path().join(LEDGER_FILE), killed.path().join(LEDGER_FILE)).expect("a copy");
    println!(
        "  {} MiB",
        fs::metadata(killed.path().join(LEDGER_FILE)).map_or(0, |about| about.len()) >> 20
    );
    store.stop();
    drop(ledger);
    drop(load("after kill -9", killed.path(), &secret, clock));
}

fn load(what: &str, dir: &Path, secret: &HashKey, clock: Clock) -> (Arc<Ledger>, Store) {
    let (started, before) = (Instant::now(), processor());
    let mut ledger = Ledger::new(ledger::Settings {
        bytes_max: 4 << 30,
        ..ledger::Settings::default()
    });
    ledger.carry(Carrier::Store);
    let loaded = Loaded::load(dir, secret, &ledger, clock).expect("it loads");
    tell(&format!("loaded {what}"), started.elapsed());
    tell("  of which a processor was busy", processor().saturating_sub(before));
    let ledger = Arc::new(ledger);
    assert_eq!(ledger.len() as u64, KEYS, "every key is there again");
    // However slow this machine is: it measures.
    let settings = Settings {
        wait_ms_max: 60_000,
        ..Settings::default()
    };
    let store = loaded.start(settings, Arc::clone(&ledger), clock).expect("a thread");
    (ledger, store)
}

/// Some keys change, and that is waited for.
fn changes(runtime: &tokio::runtime::Runtime, ledger: &Arc<Ledger>, store: &Store, clock: Clock) {
    let written = |what: &str, changed: u64| {
        let mut times = Vec::new();
        for turn in 0..10 {
            show(ledger, changed, turn, clock);
            let started = Instant::now();
            assert!(runtime.block_on(store.written()), "it is on disk in time");
            times.push(started.elapsed());
        }
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        tell(&format!("{what} (median of ten)"), median);
    };
    written("a thousand changed keys written", 1_000);
    written("25,000 changed keys written", KEYS / CHANGED);
    written("one changed key written", KEYS);
}

/// One person more under one of `every` keys.
fn show(ledger: &Arc<Ledger>, every: u64, person: u64, clock: Clock) {
    let now = clock.now();
    for number in 0..KEYS / every {
        let key = KeyUse {
            key: key(number * every),
            dimension: Dimension::Session,
            elements: Elements::People,
            fallback: None,
            limits: smallvec![Limit {
                budget: BudgetId(1),
                people: 1_000,
                window: 86_400,
                excess: Excess::Refused,
                strict: false,
            }],
        };
        let mut account = ledger.open(vec![key], None, now);
        assert_eq!(account.reserve(&[Ask::from(Subject(person))], now).granted, 1);
        account.hand_over(1, now);
    }
}

fn key(number: u64) -> KeyId {
    let mut id = [0; 12];
    let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    KeyId(id)
}

fn frame(number: u64, second: u32) -> KeyFrame {
    KeyFrame {
        enforced: true,
        window_max: 86_400,
        elements: (0..PEOPLE)
            .map(|person| (number * PEOPLE + person + 1_000, second))
            .collect(),
        ..KeyFrame::new(key(number), Dimension::Session)
    }
}

fn tell(what: &str, time: Duration) {
    println!("{what}: {:.1} ms", time.as_secs_f64() * 1_000.0);
}

/// The time of all processors that this process has had so far: what a machine does beside it does not count.
fn processor() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
