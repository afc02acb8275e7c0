//! Any chunking of a body gives the same records, in the same places and of the same people.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tidegate::engine::detect::{Layer, RuleSet, RuleSource, builtin_sources};
use tidegate::engine::inspect::{Bounds, Content, Inspector, Mode, Resolution, Step};
use tidegate::engine::record::{Crowd, Record};
use tidegate::engine::secret::HashKey;
use tidegate::engine::structure::Declared;

const DECLARED: [Declared; 9] = super::TEXTS;
const HELD: [u64; 3] = [64, 4_096, 64 << 10];
const SEGMENTS: [usize; 3] = [16, 256, 2_048];
const BUDGETS: [u64; 3] = [40, 1_000, u64::MAX];

/// What a byte of the input stands for: marks of every format, names, and values that identify people or nearly do.
const PARTS: [&str; 64] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\\"",
    "'",
    "\n",
    "\r\n",
    " ",
    ";",
    "\t",
    "<tr>",
    "</tr>",
    "<td>",
    "</td>",
    "<p>",
    "</p>",
    "<user>",
    "</user>",
    "<br>",
    "&amp;",
    "=",
    "&",
    "(",
    "),(",
    "\"email\":",
    "\"phone\":",
    "\"name\":",
    "\"buyer\":{",
    "\"recipient\":{",
    "\"items\":[",
    "\"17\":",
    "\"a\\u0062\":",
    "\"no\":1700000000,",
    "email,phone,name\n",
    "name: ",
    "tel: ",
    "INSERT INTO t (email, phone) VALUES (",
    "email=",
    "p1@mail.example",
    "p2@mail.example",
    "p3%40mail.example",
    "\"p4@mail.example\"",
    "\"p5\\u0040mail.example\"",
    "010-2000-0001",
    "\"010-2000-0002\"",
    "01020000003",
    "+82 10-2000-0004",
    "4111 1111 1111 1111",
    "900101-1234568",
    "\"Kim Minsu\"",
    "홍길동",
    "서울 강남구 테헤란로 152",
    "EMP-000123",
    "\"EMP-000124\"",
    "null",
    "7",
    "0.5",
    "so it is written here, and ",
    "-- ",
    "/*",
];

/// How one body is read.
#[derive(Clone, Copy)]
struct Plan {
    structure: Declared,
    bounds: Bounds,
    has_expressions: bool,
}

/// What one body became.
#[derive(PartialEq)]
struct Outcome {
    records: Vec<Record>,
    people: usize,
    crowd: usize,
    findings: Vec<(u8, u32)>,
    skipped: u64,
}

/// Settings: structure and rules, bounds, length of a chunk; then a part a byte.
pub(crate) fn records(data: &[u8]) {
    let Some(([structure, bounds, chunk], parts)) = super::settings(data) else {
        return;
    };
    let plan = Plan {
        structure: pick(DECLARED, structure),
        has_expressions: structure / DECLARED.len() as u8 % 2 == 1,
        bounds: Bounds {
            held_bytes_max: pick(HELD, bounds),
            segment_bytes: pick(SEGMENTS, bounds / 3),
            rule_searched_bytes_max: pick(BUDGETS, bounds / 9),
            ..Bounds::default()
        },
    };
    let body: String = parts.iter().map(|part| pick(PARTS, *part)).collect();
    let whole = read(plan, body.as_bytes(), body.len().max(1));
    for record in &whole.records {
        // The mark that closes a text counts even where the body ends without it.
        let has_order = record.start <= record.end && record.end <= body.len() as u64 + 1;
        assert!(has_order, "{}..{} of {}", record.start, record.end, body.len());
        let places = || record.places.iter().map(|place| place.span);
        let apart = places().zip(places().skip(1)).all(|(one, next)| one.end <= next.start);
        assert!(apart, "identifiers share no bytes");
        assert!(
            places().all(|span| span.start < span.end && span.end <= body.len() as u64),
            "identifiers are within the body"
        );
        assert!(
            record.subjects.len() <= record.places.len(),
            "nobody without an identifier"
        );
    }
    assert!(whole.crowd <= whole.people, "a common buyer makes a crowd smaller");
    for chunk in [usize::from(chunk) + 1, 1] {
        let split = read(plan, body.as_bytes(), chunk);
        // No message quotes a record: its places tell where identifiers are.
        assert!(
            (split.people, split.crowd, split.skipped) == (whole.people, whole.crowd, whole.skipped),
            "the same people in chunks of {chunk}"
        );
        assert!(
            split.findings == whole.findings,
            "the same findings in chunks of {chunk}"
        );
        assert!(split.records == whole.records, "the same records in chunks of {chunk}");
    }
}

fn pick<T: Copy, const N: usize>(of: [T; N], number: u8) -> T {
    of[usize::from(number) % N]
}

fn rules(has_expressions: bool) -> Arc<RuleSet> {
    static RULES: OnceLock<[Arc<RuleSet>; 2]> = OnceLock::new();
    let [plain, with_expressions] = RULES.get_or_init(|| {
        let mut sources = builtin_sources();
        sources.push(RuleSource {
            name: "staff.toml".to_owned(),
            text: "[[rule]]\nname = 'staff'\nclass = 'staff'\ncategory = 'account'\nregex = 'EMP-[0-9]{6}'\n\
                keywords = ['EMP-']\n"
                .to_owned(),
            layer: Layer::Overlay,
        });
        let (set, _) = RuleSet::load(&sources).unwrap_or_else(|problems| panic!("{problems:?}"));
        [Arc::new(RuleSet::builtin()), Arc::new(set)]
    });
    Arc::clone(if has_expressions { with_expressions } else { plain })
}

fn read(plan: Plan, body: &[u8], chunk: usize) -> Outcome {
    let secret = HashKey::new([7; 32]);
    let (content, rules) = (Content::from(plan.structure), rules(plan.has_expressions));
    let mut inspector = Inspector::new(Mode::Watch, plan.bounds, content, rules, secret);
    let (mut records, mut crowd) = (Vec::new(), Crowd::default());
    let mut chunks = body.chunks(chunk);
    let mut step = Step::More;
    loop {
        step = match step {
            Step::More => match chunks.next() {
                Some(chunk) => inspector.push(&Bytes::copy_from_slice(chunk)),
                None => inspector.finish(),
            },
            Step::Settle => {
                inspector.records().iter().for_each(|record| crowd.add(record));
                records.extend_from_slice(inspector.records());
                inspector.resolve(usize::MAX, Resolution::Granted)
            }
            Step::Release { .. } => inspector.step(),
            Step::Fail(_) => inspector.pass_blind(),
            Step::Stopped | Step::Done => break,
        };
    }
    let mut findings = inspector.tally().findings.to_vec();
    findings.sort_unstable();
    Outcome {
        records,
        people: crowd.people(),
        crowd: crowd.without_common_buyer(inspector.tally().is_own_history()),
        findings,
        skipped: inspector.usage().skipped_bytes(),
    }
}
