//! Any split of a body gives the same findings, people and released bytes; masks keep lengths; a cut is byte-exact.

#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::unwrap_used,
    clippy::excessive_nesting,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    clippy::similar_names,
    reason = "a test says what went wrong where it went wrong, helpers included"
)]

#[path = "properties/budgets.rs"]
mod budgets;
#[path = "properties/charsets.rs"]
mod charsets;
#[path = "properties/containers.rs"]
mod containers;
#[path = "properties/documents.rs"]
mod documents;
#[path = "properties/forms.rs"]
mod forms;
#[path = "properties/hostile.rs"]
mod hostile;
#[path = "properties/laid_out.rs"]
mod laid_out;
#[path = "properties/layouts.rs"]
mod layouts;
#[path = "properties/parquet.rs"]
mod parquet;
#[path = "properties/questions.rs"]
mod questions;
#[path = "properties/readings.rs"]
mod readings;
#[path = "properties/soup.rs"]
mod soup;
#[path = "properties/unnamed.rs"]
mod unnamed;
#[path = "properties/unread.rs"]
mod unread;
#[path = "support/forms.rs"]
mod written;

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use tidegate::engine::detect::RuleSet;
use tidegate::engine::inspect::{Bounds, Content, Inspector, Mode, Piece, Resolution, Step, Tally};
use tidegate::engine::ledger::Ask;
use tidegate::engine::secret::HashKey;
use tidegate::engine::structure::Declared;

/// So many cases, or as many as `PROPTEST_CASES` asks for.
fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    // The default is 256, whoever asked for it.
    let cases = if config.cases == 256 { cases } else { config.cases };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..config
    }
}

/// What one body became.
#[derive(Debug, PartialEq)]
struct Outcome {
    released: Vec<u8>,
    asked: Vec<Ask>,
    stopped: bool,
    tally: Tally,
}

/// What to answer after `granted` different people.
#[derive(Clone, Copy, Debug)]
struct Limit {
    people: usize,
    then: Resolution,
}

fn rules() -> Arc<RuleSet> {
    static RULES: std::sync::OnceLock<Arc<RuleSet>> = std::sync::OnceLock::new();
    Arc::clone(RULES.get_or_init(|| Arc::new(RuleSet::builtin())))
}

fn inspect(body: &[u8], chunk: usize, content: impl Into<Content>, bounds: Bounds, limit: Option<Limit>) -> Outcome {
    let mode = if limit.is_some() { Mode::Guard } else { Mode::Watch };
    let inspector = Inspector::new(mode, bounds, content.into(), rules(), HashKey::new([7; 32]));
    inspect_by(inspector, body, chunk, limit)
}

fn inspect_by(mut inspector: Inspector, body: &[u8], chunk: usize, limit: Option<Limit>) -> Outcome {
    let mut waiting: Vec<u8> = Vec::new();
    let mut outcome = Outcome {
        released: Vec::new(),
        asked: Vec::new(),
        stopped: false,
        tally: Tally::default(),
    };
    let mut people = std::collections::HashSet::new();
    let mut chunks = body.chunks(chunk.max(1)).map(Bytes::copy_from_slice);
    let mut ended = false;
    let mut step = Step::More;
    loop {
        step = match step {
            Step::More => match chunks.next() {
                Some(chunk) => {
                    waiting.extend_from_slice(&chunk);
                    inspector.push(&chunk)
                }
                None if ended => panic!("asked for more after the end"),
                None => {
                    ended = true;
                    inspector.finish()
                }
            },
            Step::Settle => {
                let mut granted = 0;
                let mut then = Resolution::Granted;
                for ask in inspector.asks() {
                    let new = ask.people.iter().filter(|subject| !people.contains(*subject)).count();
                    if let Some(limit) = limit.filter(|limit| people.len() + new > limit.people) {
                        then = limit.then;
                        break;
                    }
                    people.extend(ask.people.iter().copied());
                    outcome.asked.push(ask.clone());
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
            Step::Fail(failure) => panic!("identity bodies do not fail: {failure:?}"),
            Step::Stopped => {
                outcome.stopped = true;
                break;
            }
            Step::Done => break,
        };
    }
    outcome.tally = inspector.tally().clone();
    if outcome.stopped {
        // How much was read before the stop depends on the chunk; what left does not.
        outcome.tally = Tally::default();
    }
    outcome
}

fn json_people(count: usize) -> Vec<u8> {
    let rows: Vec<String> = (0..count)
        .map(|n| {
            format!(
                r#"{{"serial":"S{n}","name":"Person {n}","email":"person{n}@mail.example","tags":["a","b"],"home":{{"phone":"010-{:04}-{:04}"}}}}"#,
                2000 + n / 10_000,
                n % 10_000
            )
        })
        .collect();
    format!("[{}]", rows.join(",")).into_bytes()
}

fn csv_people(count: usize) -> Vec<u8> {
    let mut text = String::from("serial,name,email,phone\n");
    for n in 0..count {
        let (high, low) = (n / 10_000, n % 10_000);
        writeln!(
            text,
            "S{n},\"Person, {n}\",person{n}@mail.example,010-2{high:03}-{low:04}"
        )
        .unwrap();
    }
    text.into_bytes()
}

/// The same people in the formats that have rows: how the body is declared, and the body.
fn people_as(format: usize, count: usize) -> (Declared, Vec<u8>) {
    let rows = |row: fn(usize, &str, &str) -> String| -> String {
        let row = |n: usize| {
            row(
                n,
                &format!("person{n}@mail.example"),
                &format!("010-{:04}-{:04}", 2000 + n / 10_000, n % 10_000),
            )
        };
        (0..count).map(row).collect()
    };
    let (content_type, body) = match format {
        0 => ("application/json", json_text(count)),
        1 => ("text/csv", String::from_utf8(csv_people(count)).unwrap()),
        2 => (
            "text/html",
            "<table><tr><th>Serial<th>Mail<th>Phone</tr>".to_owned()
                + &rows(|n, mail, phone| {
                    format!("<tr><td>S{n}<td><a href='mailto:{mail}'>{mail}</a><td>{phone}</tr>\n")
                }),
        ),
        3 => (
            "application/xml",
            format!(
                "<r><head>x</head>{}</r>",
                rows(|n, mail, phone| format!("<p id='S{n}'><mail>{mail}</mail><tel><![CDATA[{phone}]]></tel></p>\n"))
            ),
        ),
        4 => (
            "application/sql",
            "INSERT INTO p (serial, mail, phone) VALUES ".to_owned()
                + &rows(|n, mail, phone| format!("('S{n}','{mail}','{phone}'),\n")),
        ),
        5 => (
            "application/x-www-form-urlencoded",
            rows(|n, mail, phone| format!("serial=S{n}&mail={}&phone={phone}&", mail.replace('@', "%40"))),
        ),
        6 => (
            "text/plain",
            rows(|n, mail, phone| format!("Serial: S{n}\nMail: {mail}\nPhone: {phone}\n\n")),
        ),
        _ => (
            "multipart/form-data; boundary=xyz",
            rows(|n, mail, phone| {
                let part = |name: &str, value: &str| {
                    format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                };
                part("serial", &format!("S{n}")) + &part("mail", mail) + &part("phone", phone)
            }) + "--xyz--\r\n",
        ),
    };
    (Declared::from_content_type(content_type.as_bytes()), body.into_bytes())
}

fn json_text(count: usize) -> String {
    String::from_utf8(json_people(count)).unwrap()
}

#[test]
fn every_format_shows_the_same_people_and_is_cut_at_the_limit() {
    let limit = Some(Limit {
        people: 7,
        then: Resolution::Cut,
    });
    for format in 0..8 {
        let (declared, body) = people_as(format, 30);
        let counted = inspect(&body, 1 << 20, declared, Bounds::default(), None);
        let people: std::collections::HashSet<_> = counted.asked.iter().flat_map(|ask| &ask.people).collect();
        assert_eq!(people.len(), 30, "format {format}");
        for chunk in [1, 100, 1 << 20] {
            let outcome = inspect(&body, chunk, declared, Bounds::default(), limit);
            let text = String::from_utf8(outcome.released).unwrap();
            assert!(
                outcome.stopped && text.contains("person6") && !text.contains("person7"),
                "format {format}: {}",
                text.len()
            );
        }
    }
}

#[test]
fn a_greedy_identity_stream_gets_exactly_the_limit() {
    let limit = Some(Limit {
        people: 50,
        then: Resolution::Cut,
    });
    for (body, declared, last) in [
        (json_people(200), Declared::Json, &b"}},"[..]),
        (csv_people(200), Declared::Table, &b"\n"[..]),
        (
            json_people(200)[1..].split_last().unwrap().1.to_vec(),
            Declared::Lines,
            &b"}},"[..],
        ),
    ] {
        for chunk in [1, 100, 1000, 1 << 20] {
            let outcome = inspect(&body, chunk, declared, Bounds::default(), limit);
            assert!(outcome.stopped);
            let text = String::from_utf8(outcome.released).unwrap();
            assert!(
                text.contains("S49") && !text.contains("S50"),
                "{declared:?} {chunk}: {}",
                text.len()
            );
            assert!(
                text.as_bytes().ends_with(last),
                "the cut is where the next record begins"
            );
        }
    }
}

#[test]
fn masked_people_leave_no_identifier_and_every_length_stays() {
    let limit = Some(Limit {
        people: 3,
        then: Resolution::Mask,
    });
    for (body, declared) in [(json_people(20), Declared::Json), (csv_people(20), Declared::Table)] {
        let outcome = inspect(&body, 17, declared, Bounds::default(), limit);
        assert_eq!(outcome.released.len(), body.len());
        let text = String::from_utf8(outcome.released).unwrap();
        assert!(text.contains("person2@mail.example") && !text.contains("person3@mail.example"));
        assert_eq!(text.matches('@').count(), 3);
        assert!(text.contains("S19"), "what is no identifier stays");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn records_follow_the_counting_rule() {
    let count = |body: &str| {
        let outcome = inspect(body.as_bytes(), 1 << 20, Declared::Json, Bounds::default(), None);
        let people: std::collections::HashSet<_> = outcome.asked.iter().flat_map(|ask| &ask.people).collect();
        people.len()
    };
    for (body, people, why) in [
        (
            r#"{"name":"a","email":"a@mail.example","phone":"010-2000-0001"}"#,
            1,
            "one object is one person",
        ),
        (
            r#"{"a":{"email":"a@mail.example"},"home":{"phone":"010-2000-0001"}}"#,
            1,
            "nested structs join",
        ),
        (
            r#"{"phone":"010-2000-0001","phone2":"010-2000-0002"}"#,
            1,
            "a second phone is the same person's",
        ),
        (
            r#"[{"email":"a@mail.example"},{"email":"b@mail.example"}]"#,
            2,
            "elements are records",
        ),
        (
            r#"{"x":{"email":"a@mail.example"},"y":{"email":"b@mail.example"}}"#,
            2,
            "a repeated key set is a map",
        ),
        (
            r#"{"shipping":{"phone":"010-2000-0001"},"billing":{"phone":"010-2000-0001"},"email":"a@mail.example"}"#,
            1,
            "role names make a struct",
        ),
        (
            r#"[{"a":{"email":"a@mail.example"},"b":{"email":"b@mail.example","x":1},"c":{"email":"c@mail.example","y":1}}]"#,
            3,
            "two objects of one record are two people",
        ),
        (
            r#"{"4711":{"email":"a@mail.example"},"4712":{"phone":"010-2000-0001"}}"#,
            2,
            "keys that are data make a map",
        ),
        (
            r#"{"a@mail.example":1,"b@mail.example":2}"#,
            2,
            "names that are identifiers count",
        ),
        (
            r#"{"buyer_phone":"010-2000-0001","recipient_phone":"010-2000-0002"}"#,
            2,
            "two roles are two people",
        ),
        (
            r#"{"note":"a@mail.example, b@mail.example and c@mail.example"}"#,
            3,
            "several values in one field are several",
        ),
        (r#"["a@mail.example","b@mail.example"]"#, 2, "arrays never join"),
        (
            r#"[{"support":"help@shop.example","phone":"010-2000-0001"},{"support":"help@shop.example","phone":"010-2000-0002"},{"support":"help@shop.example","phone":"010-2000-0003"}]"#,
            3,
            "a footer identifies nobody: after its first record the phones count",
        ),
        (r#"{"email":"kim\u0040mail.example"}"#, 1, "escapes are undone"),
        (
            r#"{"ts":1700000000000,"id":"123e4567-e89b-12d3-a456-426614174000"}"#,
            0,
            "times and ids are nobody",
        ),
    ] {
        assert_eq!(count(body), people, "{why}: {body}");
    }
}

/// Pieces of every format, to be thrown together; `#` is the place in the body.
const PIECES: [&str; 34] = [
    "p#@mail.example",
    " 010-2000-00# ",
    "<div class='phone'>",
    "</div>",
    "<table><tr><th>Mail<th>Tel</tr>",
    "<tr><td>",
    "<td>",
    "</table>",
    "<dt>",
    "<b>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<script>x = {\"a\":",
    "\"",
    "}",
    "</script>",
    "'",
    ">",
    "<",
    "&",
    "=",
    "\n",
    "\r\n",
    "INSERT INTO t (a, b) VALUES (",
    "),(",
    ";",
    "COPY t (a) FROM stdin;\n",
    "Mail: ",
    "data: {\"a\":\"",
    "--a\r\nContent-Disposition: form-data; name=\"mail\"\r\n\r\n",
    "[0]",
    "<r><p>",
];

fn every_declared() -> impl Iterator<Item = Declared> {
    let multipart = Declared::from_content_type(b"multipart/mixed; boundary=a");
    Declared::ALL.into_iter().chain([multipart])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_answer(
        chunk in 1_usize..3000,
        people in 1_usize..60,
        segment in prop::sample::select(vec![1_usize, 16, 2048]),
        held in prop::sample::select(vec![64_u64, 4096, 64 << 10]),
        format in 0_usize..8,
        wrapped in any::<bool>(),
        then in prop::sample::select(vec![None, Some(Resolution::Cut), Some(Resolution::Mask)]),
    ) {
        let (declared, mut body) = people_as(format, people);
        if wrapped && format == 0 {
            body = [&br#"{"owner":"boss@mail.example","list":"#[..], &body, br#","total":3}"#].concat();
        }
        let bounds = Bounds { held_bytes_max: held, segment_bytes: segment, ..Bounds::default() };
        let limit = then.map(|then| Limit { people: people / 2, then });
        let whole = inspect(&body, body.len(), declared, bounds, limit);
        let split = inspect(&body, chunk, declared, bounds, limit);
        prop_assert_eq!(split, whole);
    }

    #[test]
    fn broken_markup_and_its_kin_any_split(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..80),
        chunk in 1_usize..200,
        then in prop::sample::select(vec![None, Some(Resolution::Cut), Some(Resolution::Mask)]),
    ) {
        let body: Vec<u8> = pieces.iter().enumerate().flat_map(|(n, piece)| piece.replace('#', &n.to_string()).into_bytes()).collect();
        let limit = then.map(|then| Limit { people: 2, then });
        let bounds = Bounds { held_bytes_max: 256, ..Bounds::default() };
        for declared in every_declared() {
            let whole = inspect(&body, body.len().max(1), declared, bounds, limit);
            prop_assert_eq!(inspect(&body, chunk, declared, bounds, limit), whole, "{:?}", declared);
        }
    }

    #[test]
    fn any_bytes_any_split(bytes in prop::collection::vec(any::<u8>(), 0..6000), chunk in 1_usize..500) {
        for declared in every_declared() {
            let whole = inspect(&bytes, bytes.len().max(1), declared, Bounds::default(), None);
            prop_assert_eq!(&whole.released, &bytes);
            prop_assert_eq!(inspect(&bytes, chunk, declared, Bounds::default(), None), whole);
        }
    }
}
