//! Files that people keep lists in, written by the programs that people use: the same people, however the file is cut.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tidegate::engine::apart::{Apart, Fault, Hears, Limits, Order, Reading, Session, Standing, Used};
use tidegate::engine::decode::Coding;
use tidegate::engine::inspect::{Bounds, Content, Failure, Inspector, Mode, Piece, Resolution, Step};
use tidegate::engine::secret::{HashKey, Subject};

use super::rules;

const PEOPLE: usize = 50;
const GRANTED: usize = 7;

/// Each file of people, and how many are found in it.
const FILES: [(&str, usize); 31] = [
    ("deflated.zip", PEOPLE),
    ("stored.zip", PEOPLE),
    ("descriptors.zip", PEOPLE),
    ("descriptors-stored.zip", PEOPLE),
    ("descriptors-zip64.zip", PEOPLE),
    ("nested.zip", PEOPLE),
    ("people.tgz", PEOPLE),
    ("tar.zip", PEOPLE),
    ("people.csv.gz", PEOPLE),
    ("shared.xlsx", PEOPLE),
    ("inline.xlsx", PEOPLE),
    ("numbers.xlsx", PEOPLE),
    ("runs.docx", PEOPLE),
    ("slides.pptx", PEOPLE),
    ("table.pdf", PEOPLE),
    ("lines.pdf", PEOPLE),
    ("people.sqlite", PEOPLE),
    ("texts.png", PEOPLE),
    ("tail.png", PEOPLE),
    ("tail.jpeg", PEOPLE),
    ("dictionary.parquet", PEOPLE),
    ("plain.parquet", PEOPLE),
    ("stored.parquet", PEOPLE),
    ("second.parquet", PEOPLE),
    ("br.parquet", PEOPLE),
    ("delta.parquet", PEOPLE),
    ("lz4.parquet", PEOPLE),
    ("wide.zip", PEOPLE),
    ("legacy.zip", PEOPLE),
    ("widest.csv.gz", PEOPLE),
    ("zip.tar", PEOPLE),
];

/// Each file that cannot be read, and why.
const UNREADABLE: [(&str, Failure); 8] = [
    ("encrypted.zip", Failure::Encrypted),
    ("encrypted.pdf", Failure::Unreadable),
    ("lzma.zip", Failure::Unreadable),
    ("bzip2.zip", Failure::Unreadable),
    ("people.csv.bz2", Failure::Unreadable),
    ("people.csv.xz", Failure::Unreadable),
    ("people.csv.lz4", Failure::Unreadable),
    ("hidden.zip", Failure::Unreadable),
];

pub(super) fn file(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "containers", name]
        .iter()
        .collect();
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What one file became.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) people: HashSet<Subject>,
    pub(super) released: Vec<u8>,
    pub(super) failure: Option<Failure>,
    pub(super) is_stopped: bool,
}

/// How a file is inspected.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) mode: Mode,
    pub(super) coding: Coding,
    pub(super) bounds: Bounds,
    /// What the person after [`GRANTED`] meets.
    pub(super) then: Option<Resolution>,
}

pub(super) const WATCH: Plan = Plan {
    mode: Mode::Watch,
    coding: Coding::Identity,
    bounds: Bounds {
        held_bytes_max: 64 << 10,
        held_decoded_bytes_max: 256 << 10,
        held_coded_bytes_max: 256 << 10,
        decoded_ratio_max: 250,
        container_depth_max: 4,
        container_entries_max: 10_000,
        container_bytes_max: 1 << 30,
        segment_bytes: 2048,
        rule_searched_bytes_max: 64 << 20,
    },
    then: None,
};

pub(super) fn inspect(plan: Plan, body: &[u8], chunk: usize) -> Outcome {
    let content = Content::new(Some(plan.coding), b"application/octet-stream");
    let mut inspector = Inspector::new(plan.mode, plan.bounds, content, rules(), HashKey::new([7; 32]));
    let mut outcome = Outcome::default();
    let mut waiting: Vec<u8> = Vec::new();
    let mut chunks = body.chunks(chunk.max(1)).map(Bytes::copy_from_slice);
    let mut step = Step::More;
    loop {
        step = match step {
            Step::More => match chunks.next() {
                Some(chunk) => {
                    waiting.extend_from_slice(&chunk);
                    inspector.push(&chunk)
                }
                None => inspector.finish(),
            },
            Step::Settle => {
                let asks = inspector.asks().iter();
                let mut granted = 0;
                let mut then = Resolution::Granted;
                for ask in asks {
                    let mut all = outcome.people.clone();
                    all.extend(ask.people.iter().copied());
                    if let Some(meets) = plan.then.filter(|_| all.len() > GRANTED) {
                        then = meets;
                        break;
                    }
                    outcome.people = all;
                    granted += 1;
                }
                inspector.resolve(granted, then)
            }
            Step::Release { pieces, .. } => {
                for piece in pieces {
                    match piece {
                        Piece::Keep(count) => outcome.released.extend(waiting.drain(..count)),
                        Piece::Replace(count, bytes) => {
                            waiting.drain(..count);
                            outcome.released.extend_from_slice(&bytes);
                        }
                    }
                }
                inspector.step()
            }
            Step::Fail(failure) => {
                outcome.failure = Some(failure);
                if plan.mode != Mode::Watch {
                    return outcome;
                }
                inspector.pass_blind()
            }
            Step::Stopped => {
                outcome.is_stopped = true;
                return outcome;
            }
            Step::Done => return outcome,
        };
    }
}

#[test]
fn every_container_shows_its_people_however_it_is_cut() {
    for (name, expected) in FILES {
        let body = file(name);
        for chunk in [1, 7, 1_000, body.len()] {
            let found = inspect(WATCH, &body, chunk);
            assert_eq!((found.people.len(), found.failure), (expected, None), "{name}, {chunk}");
            assert!(found.released == body, "{name}, {chunk}: watching changes nothing");
            let guard = Plan {
                mode: Mode::Guard,
                ..WATCH
            };
            assert!(
                inspect(guard, &body, chunk).released == body,
                "{name}, {chunk}: all of it leaves"
            );
        }
    }
}

#[test]
fn a_container_is_cut_before_the_person_after_the_limit() {
    for (name, _) in FILES {
        let body = file(name);
        for (mode, then, coding) in [
            (Mode::Guard, Resolution::Cut, Coding::Identity),
            (Mode::Rewrite, Resolution::Mask, Coding::Identity),
            (Mode::Guard, Resolution::Cut, Coding::Gzip),
            (Mode::Rewrite, Resolution::Mask, Coding::Gzip),
        ] {
            let sent = if coding == Coding::Gzip {
                gzip(&body)
            } else {
                body.clone()
            };
            let plan = Plan {
                mode,
                coding,
                then: Some(then),
                ..WATCH
            };
            for chunk in [64, sent.len()] {
                let cut = inspect(plan, &sent, chunk);
                assert!(
                    cut.is_stopped && cut.people.len() <= GRANTED,
                    "{name}, {mode:?}, {chunk}: {cut:?}"
                );
                let shown = inspect(
                    Plan {
                        coding: if mode == Mode::Rewrite {
                            Coding::Identity
                        } else {
                            coding
                        },
                        ..WATCH
                    },
                    &cut.released,
                    usize::MAX,
                );
                assert!(
                    shown.people.len() <= GRANTED,
                    "{name}, {mode:?}, {coding:?}, {chunk}: {}",
                    shown.people.len()
                );
            }
        }
    }
}

pub(super) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, body).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn what_cannot_be_read_fails_and_says_why() {
    for (name, expected) in UNREADABLE {
        let body = file(name);
        for chunk in [1, 100, body.len()] {
            let found = inspect(WATCH, &body, chunk);
            assert_eq!(found.failure, Some(expected), "{name}, {chunk}");
            assert!(found.released == body, "{name}, {chunk}: watching changes nothing");
        }
    }
    for name in [
        "deflated.zip",
        "stored.zip",
        "people.tgz",
        "shared.xlsx",
        "plain.parquet",
    ] {
        let body = file(name);
        let found = inspect(WATCH, &body[..body.len() / 3], 100);
        assert!(found.failure.is_some(), "{name} is not whole");
    }
}

#[test]
fn what_would_come_of_a_container_has_limits() {
    let bomb = gzip(&gzip(&vec![b' '; 64 << 20]));
    for (name, bounds, body) in [
        (
            "depth",
            Bounds {
                container_depth_max: 2,
                ..WATCH.bounds
            },
            file("nested.zip"),
        ),
        (
            "entries",
            Bounds {
                container_entries_max: 5,
                ..WATCH.bounds
            },
            file("shared.xlsx"),
        ),
        (
            "bytes",
            Bounds {
                container_bytes_max: 2_000,
                ..WATCH.bounds
            },
            file("stored.zip"),
        ),
        ("ratio", WATCH.bounds, bomb),
    ] {
        let found = inspect(Plan { bounds, ..WATCH }, &body, 100);
        assert_eq!(found.failure, Some(Failure::ContainerLimit), "{name}");
    }
}

/// Files that are read apart, by the same reader.
struct Beside;

struct Reader(Reading);

impl Apart for Beside {
    fn open(&self, level: u32, limits: Limits) -> Result<Box<dyn Session>, Fault> {
        Ok(Box::new(Reader(Reading::new(level, limits))))
    }
}

impl Session for Reader {
    fn ask(&mut self, order: Order<'_>, used: Used, hears: Hears<'_>) -> Result<Standing, Fault> {
        self.0.answer(order, used, hears)
    }
}

/// Many files in one archive have its limits together, wherever they are read.
#[test]
fn a_reader_apart_has_what_is_left_of_the_limits() {
    let pdf = file("lines.pdf");
    // A local header of ZIP, stored: no time, no checksum (APPNOTE 6.3.10, section 4.3.7).
    let length = (pdf.len() as u32).to_le_bytes();
    let head = [
        &b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0"[..],
        &length,
        &length,
        b"\x01\0\0\0a",
    ]
    .concat();
    let archive = |files: usize| [&head[..], &pdf].concat().repeat(files);
    let failure = |files: usize, bounds: Bounds, apart: Option<Arc<dyn Apart>>| {
        let content = Content::new(Some(Coding::Identity), b"application/zip");
        let inspector = Inspector::new(Mode::Watch, bounds, content, rules(), HashKey::new([7; 32]));
        let mut inspector = inspector.reading_apart(apart.as_ref());
        let mut step = inspector.push(&Bytes::from(archive(files)));
        loop {
            step = match step {
                Step::More => inspector.finish(),
                Step::Settle => inspector.resolve(usize::MAX, Resolution::Granted),
                Step::Release { .. } => inspector.step(),
                Step::Fail(failure) => return Some(failure),
                Step::Stopped | Step::Done => return None,
            };
        }
    };
    let mut failed = [0; 4];
    for (bytes, entries) in (0..60).map(|n| (n * 1_000, 1_000)).chain((0..40).map(|n| (1 << 30, n))) {
        let bounds = Bounds {
            container_bytes_max: bytes,
            container_entries_max: entries,
            ..WATCH.bounds
        };
        for (files, failed) in failed.iter_mut().enumerate() {
            let here = failure(files, bounds, None);
            let apart = failure(files, bounds, Some(Arc::new(Beside)));
            assert_eq!(here, apart, "{files} files, {bytes} bytes, {entries} entries");
            *failed += usize::from(here.is_some());
        }
    }
    assert!(
        failed[0] < failed[1] && failed[1] < failed[2] && failed[2] < failed[3],
        "{failed:?}"
    );
}

#[test]
fn a_container_in_a_value_shows_its_people() {
    for name in [
        "deflated.zip",
        "people.tgz",
        "shared.xlsx",
        "texts.png",
        "people.sqlite",
    ] {
        let hex = file(name).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let body = format!("{{\"file\":\"{hex}\"}}").into_bytes();
        for chunk in [100, body.len()] {
            let found = inspect(WATCH, &body, chunk);
            assert_eq!((found.people.len(), found.failure), (PEOPLE, None), "{name}, {chunk}");
        }
    }
}

/// Each file with bytes of it changed, left out and doubled, the same in every run.
#[test]
fn a_broken_container_is_read_or_refused() {
    let mut state = 1_u64;
    let mut chance = move |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let watched = Plan {
        bounds: Bounds {
            container_bytes_max: 8 << 20,
            ..WATCH.bounds
        },
        ..WATCH
    };
    for (name, _) in FILES {
        for _ in 0..30 {
            let mut body = file(name);
            for _ in 0..=chance(8) {
                let at = chance(body.len());
                match chance(4) {
                    0 => body[at] = chance(256) as u8,
                    1 => body[at] ^= 1 << chance(8),
                    2 => drop(body.drain(at..(at + 1 + chance(40)).min(body.len()))),
                    _ => body.extend_from_within(at..(at + 1 + chance(400)).min(body.len())),
                }
                body.push(0);
            }
            let found = inspect(watched, &body, 1 + chance(2_000));
            assert!(found.released == body, "{name}: watching changes nothing");
        }
    }
}

/// zlib that nothing names, however hard its writer tried, and what only begins as it does.
#[test]
fn zlib_is_told_from_a_text_that_begins_so() {
    let text = |from: usize| -> String {
        let rows = (from..from + 5).map(|n| format!("kim{n}@mail.example,S{n}\n"));
        rows.collect()
    };
    let zlib = |text: &str, level: u32| {
        let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
        writer.write_all(text.as_bytes()).expect("bytes in memory");
        writer.finish().expect("bytes in memory")
    };
    let fast = zlib(&text(0), 3);
    assert_eq!(fast[..2], [0x78, 0x5e]);
    let rows: [(Vec<u8>, usize); 11] = [
        (zlib(&text(0), 1), 5),
        (fast, 5),
        (zlib(&text(0), 6), 5),
        (zlib(&text(0), 9), 5),
        (zlib("k@mail.example", 6), 1),
        ([zlib(&text(0), 6), zlib(&text(5), 3)].concat(), 10),
        ([zlib(&text(0), 6), text(5).into_bytes()].concat(), 10),
        ([zlib("", 6), zlib(&text(5), 3)].concat(), 5),
        ([b"x^2,a\n", text(0).as_bytes()].concat(), 5),
        ([b"x\xda,a\n", text(0).as_bytes()].concat(), 5),
        ([b"x\x9c,a\n", text(0).as_bytes()].concat(), 5),
    ];
    for (row, (body, people)) in rows.into_iter().enumerate() {
        for chunk in [1, 7, 64, body.len()] {
            let outcome = inspect(WATCH, &body, chunk);
            let found = (outcome.people.len(), outcome.failure);
            assert_eq!(found, (people, None), "{row}, {chunk}");
            assert!(outcome.released == body, "{row}, {chunk}");
        }
    }
    let whole = zlib(&text(0), 6);
    let cut = inspect(WATCH, &whole[..whole.len() - 9], 20);
    assert!(cut.failure.is_some(), "what shows a part of it is no text");
}
