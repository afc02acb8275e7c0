//! How fast is the engine beside what others would use: the table of ratios, every figure of one run on one core.
//!
//! Each case reads its body once a round, and fails if it does not find what it found the first time; the engine must
//! also find what was planted. Vectorscan takes part with `--features vectorscan`.

#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

#[path = "../corpus/mod.rs"]
#[expect(dead_code, reason = "the small bodies of the other benches are not measured here")]
mod corpus;

mod engine;
mod measure;
mod table;
#[cfg(feature = "vectorscan")]
mod vectorscan;

use std::sync::Arc;

use bytes::Bytes;
use tidegate::engine::detect::RuleSet;
use tidegate::engine::triggers;

use corpus::bulk::{self, Bulk};
use corpus::hostile::{self, Hostile};
use corpus::{pages, peer};
use engine::{Body, SCAN_CHUNK_BYTES, SMALL_CHUNK_BYTES};
use measure::{Cases, Number, timed};

/// Bytes that no cache holds: what is read at the speed of memory is measured with these.
const LARGE_BYTES: usize = 128 << 20;
/// Bytes of all other bodies, and of the part that slower peers read of a large one.
const BYTES: usize = 8 << 20;
const HOSTILE_BYTES: usize = 512 << 10;

/// A body and its cases.
pub(crate) struct Row {
    pub(crate) bulk: Bulk,
    pub(crate) memchr: Number,
    pub(crate) triggers: Number,
    pub(crate) everything: Number,
    pub(crate) regex: Number,
    pub(crate) vectorscan: Option<Number>,
}

/// The cases of one body in other ways.
pub(crate) struct Ways {
    /// In chunks of 16 KB, and in one: clean JSON, dense JSON, dense CSV.
    pub(crate) chunks: Vec<(Number, Number)>,
    /// Dense JSON: only searched; with all people new under every key; with all of them shown before.
    pub(crate) search: Number,
    pub(crate) fresh: Number,
    pub(crate) again: Number,
}

fn main() {
    let core = measure::pin().map_or_else(|error| format!("no one core ({error})"), |core| format!("core {core}"));
    let rules = Arc::new(RuleSet::builtin());
    let bulks = [
        bulk::clean(LARGE_BYTES),
        bulk::sparse(BYTES),
        bulk::dense_json(BYTES),
        bulk::dense_csv(BYTES),
        pages::pages(LARGE_BYTES),
        bulk::random(BYTES),
    ];
    let hostile = hostile::all(HOSTILE_BYTES);
    table::print_counts(&bulks, &rules);
    let mut cases = Cases::default();
    let rows: Vec<Row> = bulks.into_iter().map(|bulk| row(&mut cases, bulk, &rules)).collect();
    let ways = ways(&mut cases, &rows, &rules);
    let worst: Vec<Number> = hostile.iter().map(|body| against(&mut cases, body, &rules)).collect();
    #[cfg(feature = "vectorscan")]
    println!("\nVectorscan {}", vectorscan::Vectorscan::version());
    println!(
        "\nOn {core}: processor time, {} rounds in which every case has its turn.",
        measure::ROUNDS
    );
    let measured = cases.measure();
    table::print_speeds(&rows, &measured);
    table::print_ratios(&rows, &ways, &worst, &measured);
}

/// Every engine on one body.
fn row(cases: &mut Cases<'_>, bulk: Bulk, rules: &Arc<RuleSet>) -> Row {
    let all = bulk.bytes.clone();
    // Place by place, as a search would: `count` takes a way of its own.
    let signs = |text: &[u8]| memchr::memchr_iter(b'@', text).fold(0, |count, _| count + 1);
    let expected: usize = signs(&all);
    let memchr = cases.add("memchr", all.len(), move || expect(&expected, || signs(&all)));
    let all = bulk.bytes.clone();
    let woken = triggers(&all);
    let triggers = cases.add("triggers", all.len(), move || expect(&woken, || triggers(&all)));
    let body = Body::new(&bulk.bytes, SCAN_CHUNK_BYTES, bulk.declared, rules);
    let everything = add_scan(cases, bulk.name, body, bulk.bytes.len());
    let part = bulk.bytes.slice(..BYTES.min(bulk.bytes.len()));
    let regex = add_regex(cases, part.clone());
    Row {
        vectorscan: add_vectorscan(cases, part),
        bulk,
        memchr,
        triggers,
        everything,
        regex,
    }
}

/// Runs `work`, which is to return `expected`; the processor time that it took.
fn expect<T: PartialEq + std::fmt::Debug>(expected: &T, work: impl FnOnce() -> T) -> u64 {
    let (found, nanos) = timed(work);
    assert_eq!(&found, expected, "the same as ever");
    nanos
}

fn add_scan(cases: &mut Cases<'_>, name: &str, body: Body, bytes: usize) -> Number {
    let expected = body.scan();
    cases.add(name, bytes, move || expect(&expected, || body.scan()))
}

fn add_regex(cases: &mut Cases<'_>, part: Bytes) -> Number {
    let regex = peer::compile();
    let expected = peer::count(&regex, &part);
    cases.add("regex-automata", part.len(), move || {
        expect(&expected, || peer::count(&regex, &part))
    })
}

#[cfg(feature = "vectorscan")]
#[expect(clippy::unnecessary_wraps, reason = "there is none without the feature")]
fn add_vectorscan(cases: &mut Cases<'_>, part: Bytes) -> Option<Number> {
    let scanner = vectorscan::Vectorscan::compile();
    let expected = scanner.count(&part);
    Some(cases.add("Vectorscan", part.len(), move || {
        expect(&expected, || scanner.count(&part))
    }))
}

#[cfg(not(feature = "vectorscan"))]
fn add_vectorscan(_: &mut Cases<'_>, _: Bytes) -> Option<Number> {
    None
}

fn ways(cases: &mut Cases<'_>, rows: &[Row], rules: &Arc<RuleSet>) -> Ways {
    let [clean, _, dense, table, ..] = rows else {
        unreachable!("there are six bodies")
    };
    let mut chunks = Vec::new();
    for row in [clean, dense, table] {
        let bytes = row.bulk.bytes.slice(..BYTES);
        let [small, whole] = [SMALL_CHUNK_BYTES, BYTES].map(|chunk_bytes| {
            let body = Body::new(&bytes, chunk_bytes, row.bulk.declared, rules);
            add_scan(cases, row.bulk.name, body, BYTES)
        });
        chunks.push((small, whole));
    }
    let bytes = dense.bulk.bytes.len();
    let body = || Body::new(&dense.bulk.bytes, SMALL_CHUNK_BYTES, dense.bulk.declared, rules);
    let found = body().scan().0;
    let people = body().tell().1;
    let (search, fresh, again) = (body(), body(), body());
    let before = engine::ledger();
    again.reserve(&before);
    Ways {
        chunks,
        search: cases.add("search alone", bytes, move || expect(&found, || search.search())),
        fresh: cases.add("all people new", bytes, move || {
            let ledger = engine::ledger();
            expect(&(found, people), || fresh.reserve(&ledger))
        }),
        again: cases.add("read before", bytes, move || {
            expect(&(found, people), || again.reserve(&before))
        }),
    }
}

fn against(cases: &mut Cases<'_>, hostile: &Hostile, rules: &Arc<RuleSet>) -> Number {
    let body = Body::new(&hostile.bytes, SMALL_CHUNK_BYTES, hostile.declared, rules);
    add_scan(cases, &hostile.name, body, hostile.bytes.len())
}
