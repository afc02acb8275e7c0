//! What does a decoder cost beside the plain library under it? Each coding reads the same text in the chunks in which bodies
//! come, both ways in one run on one core; and gzip also by another inflater, which is the choice that matters.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "corpus/mod.rs"]
#[expect(dead_code, reason = "only dense JSON is decoded here")]
mod corpus;
#[path = "speed/measure.rs"]
mod measure;

use std::io::{self, Read, Write as _};

use tidegate::engine::decode::{Coding, Decoder};

use corpus::bulk;
use measure::{Cases, Number, timed};

/// Bytes of the text.
const BYTES: usize = 8 << 20;
/// Bytes of a coded chunk, and of the room that it is decoded into.
const CHUNK_BYTES: usize = 16 << 10;

const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Br, Coding::Zstd];

fn main() {
    // `cargo test --benches` only looks whether it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let core = measure::pin().map_or_else(|error| format!("no one core ({error})"), |core| format!("core {core}"));
    let text = bulk::dense_json(BYTES).bytes;
    let mut cases = Cases::default();
    let rows: Vec<(Coding, usize, Number, Number)> = CODINGS
        .into_iter()
        .map(|coding| {
            let coded = coded(coding, &text).expect("memory takes what is written");
            let (bytes, length) = (text.len(), coded.len());
            let (ours, theirs) = (coded.clone(), coded);
            let ours = cases.add(coding.name(), bytes, move || asserted(bytes, || decoded(coding, &ours)));
            let theirs = cases.add(coding.name(), bytes, move || asserted(bytes, || plain(coding, &theirs)));
            (coding, length, ours, theirs)
        })
        .collect();
    let member = coded(Coding::Deflate, &text).expect("memory takes what is written");
    let bytes = text.len();
    let other = cases.add("miniz_oxide", bytes, move || asserted(bytes, || miniz(&member)));
    let measured = cases.measure();
    println!("On {core}: processor time, {} rounds.\n", measure::ROUNDS);
    println!(
        "| coding | to one byte coded | MB/s | plain library, MB/s | ratio, middle | fastest |\n|---|---|---|---|---|---|"
    );
    for (coding, length, ours, theirs) in &rows {
        let ratio = measured.ratio(*ours, *theirs);
        println!(
            "| {} | {:.1} | {:.0} | {:.0} | {:.2} | {:.2} |",
            measured.name(*ours),
            bytes as f64 / *length as f64,
            1000.0 * measured.speed(*ours),
            1000.0 * measured.speed(*theirs),
            ratio.middle,
            ratio.fastest
        );
        if *coding == Coding::Deflate {
            let ratio = measured.ratio(*ours, other);
            println!(
                "| deflate, beside {} | | | {:.0} | {:.2} | {:.2} |",
                measured.name(other),
                1000.0 * measured.speed(other),
                ratio.middle,
                ratio.fastest
            );
        }
    }
}

/// Runs `work`, which is to decode `bytes` bytes; the processor time that it took.
fn asserted(bytes: usize, work: impl FnOnce() -> usize) -> u64 {
    let (found, nanos) = timed(work);
    assert_eq!(found, bytes, "everything is decoded");
    nanos
}

fn coded(coding: Coding, text: &[u8]) -> io::Result<Vec<u8>> {
    let level = flate2::Compression::default();
    let mut out = Vec::new();
    match coding {
        Coding::Identity => out.extend_from_slice(text),
        Coding::Gzip => flate2::write::GzEncoder::new(&mut out, level).write_all(text)?,
        Coding::Deflate => flate2::write::ZlibEncoder::new(&mut out, level).write_all(text)?,
        Coding::Br => brotli::CompressorWriter::new(&mut out, 4096, 5, 22).write_all(text)?,
        Coding::Zstd => out = zstd::stream::encode_all(text, 3)?,
        Coding::Stacked(_) => return Err(io::Error::other("one coding is measured at a time")),
    }
    Ok(out)
}

/// The bytes that our decoder makes of `coded`, as a body is decoded.
fn decoded(coding: Coding, coded: &[u8]) -> usize {
    let mut decoder = Decoder::new(coding).expect("a coding");
    let mut room = vec![0; CHUNK_BYTES];
    let mut total = 0;
    for mut chunk in coded.chunks(CHUNK_BYTES) {
        loop {
            let progress = decoder.step(chunk, &mut room).expect("what was coded");
            total += progress.written;
            chunk = chunk.get(progress.read..).unwrap_or_default();
            if chunk.is_empty() && progress.written < room.len() {
                break;
            }
        }
    }
    decoder.finish().expect("whole");
    total
}

/// The bytes that the library makes of it by its own reader.
fn plain(coding: Coding, coded: &[u8]) -> usize {
    match coding {
        Coding::Identity | Coding::Stacked(_) => coded.len(),
        Coding::Gzip => drained(flate2::bufread::MultiGzDecoder::new(coded)),
        Coding::Deflate => drained(flate2::bufread::ZlibDecoder::new(coded)),
        Coding::Br => drained(brotli::Decompressor::new(coded, CHUNK_BYTES)),
        Coding::Zstd => drained(zstd::stream::read::Decoder::with_buffer(coded).expect("a decoder")),
    }
}

fn drained(mut reader: impl Read) -> usize {
    let mut room = vec![0; CHUNK_BYTES];
    std::iter::from_fn(|| Some(reader.read(&mut room).expect("what was coded")).filter(|read| *read > 0)).sum()
}

/// The bytes that the inflater of most Rust programs makes of a zlib stream.
fn miniz(coded: &[u8]) -> usize {
    use miniz_oxide::inflate::stream::{InflateState, inflate};
    use miniz_oxide::{DataFormat, MZFlush, MZStatus};

    let mut state = InflateState::new_boxed(DataFormat::Zlib);
    let mut room = vec![0; CHUNK_BYTES];
    let (mut rest, mut total) = (coded, 0);
    loop {
        let step = inflate(&mut state, rest, &mut room, MZFlush::None);
        rest = rest.get(step.bytes_consumed..).unwrap_or_default();
        total += step.bytes_written;
        if step.status.expect("what was coded") == MZStatus::StreamEnd {
            return total;
        }
    }
}
