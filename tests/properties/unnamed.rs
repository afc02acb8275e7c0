//! Bodies in codings that nothing names, and what only looks like them: read beside the body, never instead of it.

use std::io::Write as _;

use tidegate::engine::decode::{Coding, Decoder};
use tidegate::engine::inspect::{Failure, Mode, Resolution};

use super::containers::{Plan, WATCH, gzip, inspect};

const PEOPLE: usize = 200;
const GRANTED: usize = 7;

fn rows(from: usize, people: usize) -> Vec<u8> {
    let row = |n: usize| format!("kim{n}@mail.example,S{n:03}, of {}\n", n * 7919 % 1000);
    (from..from + people).map(row).collect::<String>().into_bytes()
}

/// Deflate, with the header of zlib or without it.
fn deflate(text: &[u8], level: u32, has_header: bool, window_bits: u8) -> Vec<u8> {
    let level = flate2::Compression::new(level);
    let writer = flate2::Compress::new_with_window_bits(level, has_header, window_bits);
    let mut writer = flate2::write::ZlibEncoder::new_with_compress(Vec::new(), writer);
    writer.write_all(text).expect("bytes in memory");
    writer.finish().expect("bytes in memory")
}

fn raw(text: &[u8]) -> Vec<u8> {
    deflate(text, 6, false, 15)
}

fn br(text: &[u8], quality: u32) -> Vec<u8> {
    let mut coded = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut coded, 4096, quality, 22);
    writer.write_all(text).expect("bytes in memory");
    drop(writer);
    coded
}

/// A frame of zstd that is skipped, with this in it.
fn skipped(text: &[u8]) -> Vec<u8> {
    let size = u32::try_from(text.len()).expect("a short text").to_le_bytes();
    [&b"\x50\x2a\x4d\x18"[..], &size, text].concat()
}

/// A block of br that is skipped, with this in it (RFC 7932, section 9.2): a window of 16 bits, not the last, no nibbles, its length.
fn metadata(text: &[u8]) -> Vec<u8> {
    let (bits, bytes) = if text.len() > 256 {
        (0b100_1100, 3)
    } else {
        (0b010_1100, 2)
    };
    let bits: usize = bits | (text.len() - 1) << 7;
    [&bits.to_le_bytes()[..bytes], text].concat()
}

/// Stored bytes of raw deflate (RFC 1951, section 3.2.4), behind which another block comes.
fn stored(bytes: &[u8], padding: u8) -> Vec<u8> {
    let size = u16::try_from(bytes.len()).expect("a short text");
    let sizes = [size.to_le_bytes(), (!size).to_le_bytes()].concat();
    [&[padding], &sizes[..], bytes].concat()
}

fn noise(seed: usize, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    let mut source = blake3::Hasher::new();
    source.update(&seed.to_le_bytes()).finalize_xof().fill(&mut noise);
    noise
}

/// Coded bodies, with a coding in which what left of them can be read.
fn coded() -> Vec<(&'static str, Vec<u8>, Coding)> {
    let text = rows(0, PEOPLE);
    let (half, rest) = (rows(0, PEOPLE / 2), rows(PEOPLE / 2, PEOPLE / 2));
    vec![
        ("raw deflate", raw(&text), Coding::Deflate),
        (
            "raw deflate of fixed codes",
            deflate(&text, 1, false, 15),
            Coding::Deflate,
        ),
        ("raw deflate, stored", deflate(&text, 0, false, 15), Coding::Deflate),
        (
            "raw deflate, two streams",
            [raw(&half), raw(&rest)].concat(),
            Coding::Deflate,
        ),
        (
            "raw deflate behind stored bytes",
            [stored(b"x", 0x78), raw(&text)].concat(),
            Coding::Deflate,
        ),
        ("zlib of a small window", deflate(&text, 6, true, 10), Coding::Deflate),
        ("fast br", br(&text, 1), Coding::Br),
        ("br", br(&text, 5), Coding::Br),
        ("slow br", br(&text, 11), Coding::Br),
        ("br, two streams", [br(&half, 5), br(&rest, 5)].concat(), Coding::Br),
        (
            "br behind what is skipped",
            [metadata(b"nobody"), br_inside(&text)].concat(),
            Coding::Identity,
        ),
        ("gzip in raw deflate", raw(&gzip(&text)), Coding::Deflate),
        (
            "zstd behind a frame that is skipped",
            [skipped(b"nobody"), zstd(&text)].concat(),
            Coding::Zstd,
        ),
    ]
}

/// br that goes on behind a block in a window of 16 bits: the same bits, but for those of the window.
fn br_inside(text: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut coded, 4096, 5, 16);
    writer.write_all(text).expect("bytes in memory");
    drop(writer);
    assert_eq!(coded[0] & 1, 0, "a window of 16 bits is one bit");
    // Everything moves by that bit.
    let bits = |at: usize| coded[at] >> 1 | coded.get(at + 1).map_or(0, |next| next << 7);
    (0..coded.len()).map(bits).collect()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(text, 3).expect("bytes in memory")
}

/// What of coded bytes can be read.
fn decoded(coding: Coding, coded: &[u8]) -> Vec<u8> {
    let Some(mut decoder) = Decoder::new(coding) else {
        return coded.to_vec();
    };
    let (mut text, mut output, mut left) = (Vec::new(), [0; 4096], coded);
    while let Ok(progress) = decoder.step(left, &mut output) {
        text.extend_from_slice(&output[..progress.written]);
        left = &left[progress.read..];
        if left.is_empty() && progress.written < output.len() {
            break;
        }
    }
    text
}

#[test]
fn people_in_a_coding_that_nothing_names_are_counted_and_stopped_at_the_limit() {
    for (name, body, coding) in coded() {
        for chunk in [1, 2, 7, 511, 513, body.len()] {
            let all = inspect(WATCH, &body, chunk);
            assert_eq!((all.people.len(), all.failure), (PEOPLE, None), "{name}, {chunk}");
            assert!(all.released == body, "{name}, {chunk}");
            for (mode, then) in [(Mode::Guard, Resolution::Cut), (Mode::Rewrite, Resolution::Mask)] {
                let then = Some(then);
                let cut = inspect(Plan { mode, then, ..WATCH }, &body, chunk);
                assert!(
                    cut.is_stopped && body.starts_with(&cut.released),
                    "{name}, {chunk}, {mode:?}"
                );
                let shown = decoded(coding, &cut.released);
                let shown = memchr::memmem::find_iter(&shown, "@mail.example").count();
                assert!(shown <= GRANTED, "{name}, {chunk}, {mode:?}: {shown}");
            }
        }
    }
}

/// Bodies in which somebody can be read as they are, whatever else they are: how many, and what is said of the guess.
fn clear() -> Vec<(&'static str, Vec<u8>, usize, Option<Failure>)> {
    let (text, behind) = (rows(0, PEOPLE), rows(PEOPLE, 20));
    // By its checksum it breaks for sure.
    let coded = deflate(&text, 6, true, 10);
    let broken = [&coded[..coded.len() / 2], &[0xff; 9], &behind].concat();
    let lines: String = (0..20).map(|n| format!("{{\"m\":\"p{n}@mail.example\"}}\n")).collect();
    vec![
        ("a frame that zstd skips", skipped(&behind), 20, None),
        ("a block that br skips", metadata(&behind), 20, None),
        (
            "more blocks that br skips",
            [metadata(b"x"), metadata(&behind)].concat(),
            20,
            None,
        ),
        ("bytes that deflate stores", stored(&behind, 0), 20, None),
        (
            "behind bytes that deflate stores",
            [stored(&noise(1, 4096), 0), behind.clone()].concat(),
            20,
            None,
        ),
        (
            "behind raw deflate",
            [raw(b"nobody"), behind.clone()].concat(),
            20,
            None,
        ),
        ("behind br", [br(b"nobody", 5), behind.clone()].concat(), 20, None),
        ("behind noise", [noise(2, 500), behind.clone()].concat(), 20, None),
        (
            "behind half of zlib",
            [&deflate(&text, 6, true, 10)[..30], &behind].concat(),
            20,
            None,
        ),
        ("lines of JSON", lines.into_bytes(), 20, None),
        ("a control character", [b"\x01", &behind[..]].concat(), 20, None),
        ("an escape", [b"\x1b[1m", &behind[..]].concat(), 20, None),
        (
            "letters that are no UTF-8",
            [b"\xe9\xe8,", &behind[..]].concat(),
            20,
            None,
        ),
        ("behind zlib that breaks", broken, 80, Some(Failure::Unreadable)),
    ]
}

/// Raw deflate of pieces, each with codes of its own (RFC 1951, section 3.2.6) or stored, as it says.
fn mixed(pieces: &[(&[u8], bool)]) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let byte = |byte: u8| (0..8).map(move |bit| byte >> bit & 1 == 1);
    for (text, is_stored) in pieces {
        if *is_stored {
            bits.extend([false; 3]);
            bits.resize(bits.len().next_multiple_of(8), false);
            bits.extend(stored(text, 0)[1..].iter().flat_map(|part| byte(*part)));
        } else {
            bits.extend([false, true, false]);
            bits.extend(text.iter().flat_map(|letter| byte((letter + 0x30).reverse_bits())));
            bits.extend([false; 7]);
        }
    }
    bits.extend([true, true, false]);
    bits.extend([false; 7]);
    let packed = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(packed).collect()
}

#[test]
fn two_who_are_one_in_a_guess_are_two_in_the_text() {
    let pairs: Vec<[String; 2]> = (0..20)
        .map(|n| [format!("\np{n}@mail.example\n"), format!("\n010-2000-{n:04}\n")])
        .collect();
    let pieces = pairs.iter().flat_map(|[email, phone]| {
        let parts = [("{\"email\":\"", email), ("\",\"phone\":\"", phone)];
        let parts = parts.map(|(name, value)| [(name.as_bytes(), false), (value.as_bytes(), true)]);
        parts.into_iter().flatten().chain([(&b"\"}\n"[..], false)])
    });
    let body = mixed(&pieces.collect::<Vec<_>>());
    for chunk in [1, 64, body.len()] {
        let found = inspect(WATCH, &body, chunk);
        assert!(found.people.len() >= 40, "{chunk}: {}", found.people.len());
    }
}

#[test]
fn no_guess_hides_who_can_be_read_without_it() {
    for (name, body, people, failure) in clear() {
        for chunk in [1, 3, 64, body.len()] {
            let found = inspect(WATCH, &body, chunk);
            assert!(found.people.len() >= people, "{name}, {chunk}: {}", found.people.len());
            assert_eq!(found.failure, failure, "{name}, {chunk}");
            assert!(found.released == body, "{name}, {chunk}");
        }
    }
}

#[test]
fn bytes_that_are_in_no_coding_pass_as_they_are() {
    for seed in 0..3_000 {
        let body = noise(seed, seed % 700);
        for mode in [Mode::Watch, Mode::Guard, Mode::Rewrite] {
            let then = Some(Resolution::Cut);
            let found = inspect(Plan { mode, then, ..WATCH }, &body, 1 + seed % 300);
            assert_eq!((found.people.len(), found.failure), (0, None), "{seed}");
            assert!(found.released == body, "{seed}");
        }
    }
}

#[test]
fn what_breaks_or_bursts_is_counted_if_it_showed_what_it_is() {
    let text = rows(0, PEOPLE);
    let bomb = vec![b' '; 8 << 20];
    let rows = [
        ("half of raw deflate", raw(&text)[..900].to_vec(), Failure::Unreadable),
        ("half of br", br(&text, 5)[..700].to_vec(), Failure::Unreadable),
        ("a bomb of raw deflate", raw(&bomb), Failure::ContainerLimit),
        ("a bomb of br", br(&bomb, 5), Failure::ContainerLimit),
    ];
    for (name, body, failure) in rows {
        for chunk in [1, 100, body.len()] {
            assert_eq!(inspect(WATCH, &body, chunk).failure, Some(failure), "{name}, {chunk}");
        }
    }
}
