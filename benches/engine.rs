//! How many bytes a second does the engine read: nothing to find, much to find, each content coding; and a peer?
//!
//! Every measurement first asserts what is found, so that a fast wrong engine fails. `cargo test` runs each once.

#[path = "corpus/mod.rs"]
#[expect(
    dead_code,
    reason = "the page of the proxy's bench and the bulk of that of speed are not measured here"
)]
mod corpus;

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use tidegate::engine::decode::Coding;
use tidegate::engine::detect::RuleSet;
use tidegate::engine::inspect::{Bounds, Content, Inspector, Mode, Resolution, Step};
use tidegate::engine::secret::HashKey;
use tidegate::engine::structure::Declared;

use corpus::{Corpus, peer};

/// What hyper hands over at once, about.
const CHUNK_BYTES: usize = 16 << 10;

/// What does a body of each kind cost, in the mode that holds bytes back, and what does the peer need for it?
fn identity(criterion: &mut Criterion) {
    let (rules, regex) = (Arc::new(RuleSet::builtin()), peer::compile());
    for corpus in corpus::all() {
        let mut group = group(criterion, corpus.name, &corpus);
        let chunks = chunks(&corpus.bytes);
        for (name, mode) in [("watch", Mode::Watch), ("guard", Mode::Guard)] {
            let read = || inspect(&chunks, mode, Coding::Identity, corpus.declared, &rules);
            assert_eq!(read(), (corpus.findings, corpus.people), "{}, {name}", corpus.name);
            group.bench_function(name, |bencher| bencher.iter(read));
        }
        assert_eq!(
            peer::count(&regex, &corpus.bytes).iter().sum::<u64>(),
            corpus.peer,
            "{}, peer",
            corpus.name
        );
        group.bench_function("peer", |bencher| bencher.iter(|| peer::count(&regex, &corpus.bytes)));
        group.finish();
    }
}

/// What does a coded body cost, per decoded byte?
fn coded(criterion: &mut Criterion) {
    let rules = Arc::new(RuleSet::builtin());
    for corpus in corpus::all() {
        if corpus.declared != Declared::Json || corpus.bytes.len() < 100_000 {
            continue;
        }
        let mut group = group(criterion, &format!("coded, {}", corpus.name), &corpus);
        for coding in [
            Coding::Identity,
            Coding::Gzip,
            Coding::Deflate,
            Coding::Br,
            Coding::Zstd,
        ] {
            let chunks = chunks(&encode(coding, &corpus.bytes));
            let read = || inspect(&chunks, Mode::Guard, coding, corpus.declared, &rules);
            assert_eq!(
                read(),
                (corpus.findings, corpus.people),
                "{}, {}",
                corpus.name,
                coding.name()
            );
            group.bench_function(coding.name(), |bencher| bencher.iter(read));
        }
        group.finish();
    }
}

fn group<'a>(criterion: &'a mut Criterion, name: &str, corpus: &Corpus) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(Throughput::Bytes(corpus.bytes.len() as u64))
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    group
}

fn chunks(bytes: &[u8]) -> Vec<Bytes> {
    bytes.chunks(CHUNK_BYTES).map(Bytes::copy_from_slice).collect()
}

/// One body from its first chunk to its end, everything granted: findings and different people.
fn inspect(chunks: &[Bytes], mode: Mode, coding: Coding, declared: Declared, rules: &Arc<RuleSet>) -> (u64, usize) {
    let (rules, secret) = (Arc::clone(rules), HashKey::new([7; 32]));
    let content = Content {
        coding: Some(coding),
        ..Content::from(declared)
    };
    let mut inspector = Inspector::new(mode, Bounds::default(), content, rules, secret);
    let mut people = HashSet::new();
    let mut chunks = chunks.iter();
    let mut step = Step::More;
    loop {
        step = match step {
            Step::More => match chunks.next() {
                Some(chunk) => inspector.push(chunk),
                None => inspector.finish(),
            },
            Step::Settle => {
                people.extend(inspector.asks().iter().flat_map(|ask| &ask.people).copied());
                inspector.resolve(usize::MAX, Resolution::Granted)
            }
            Step::Release { .. } => inspector.step(),
            Step::Fail(_) | Step::Stopped | Step::Done => break,
        };
    }
    let findings = inspector
        .tally()
        .findings
        .iter()
        .map(|(_, count)| u64::from(*count))
        .sum();
    (findings, people.len())
}

fn encode(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    let coded = match coding {
        Coding::Identity => Ok(bytes.to_vec()),
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        Coding::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        Coding::Br => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4_096, 5, 22);
            encoder.write_all(bytes).map(|()| encoder.into_inner())
        }
        Coding::Zstd => zstd::stream::encode_all(bytes, 3),
        Coding::Stacked(_) => Err(std::io::Error::other("one coding is measured at a time")),
    };
    coded.expect("memory takes every byte")
}

criterion_group!(engine, identity, coded);
criterion_main!(engine);
