//! Bodies in other character sets: the same people, cut at the limit between two characters.

use bytes::Bytes;
use encoding_rs::Encoding;
use tidegate::engine::decode::Coding;
use tidegate::engine::inspect::{Bounds, Content, Inspector, Mode, Piece, Resolution, Step};
use tidegate::engine::secret::HashKey;

use super::written::{VALUES, person};
use super::{Limit, inspect, rules};

/// A label, and a letter with which the names of its rows begin.
const CASES: [(&str, &str); 8] = [
    ("utf-16le", "😀김"),
    ("utf-16be", "😀김"),
    ("euc-kr", "김"),
    ("shift_jis", "山"),
    ("big5", "陳"),
    ("gb18030", "陳"),
    ("iso-2022-jp", "山"),
    ("windows-1252", "é"),
];
const PEOPLE: usize = 40;
const GRANTED: usize = 7;

/// A table of people, and how it is declared. UTF-16 is known by its mark.
fn table(label: &str, letter: &str) -> (Vec<u8>, &'static Encoding, Content) {
    let rows = (0..PEOPLE).map(|n| format!("{letter}{n},person{n}@mail.example,S{n}\n"));
    let text = format!("name,email,serial\n{}", rows.collect::<String>());
    let encoding = Encoding::for_label(label.as_bytes()).expect("a label of the WHATWG");
    let units = || format!("\u{feff}{text}").encode_utf16().collect::<Vec<u16>>();
    let (body, declared) = match label {
        "utf-16le" => (
            units().iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            "text/csv".to_owned(),
        ),
        "utf-16be" => (
            units().iter().flat_map(|unit| unit.to_be_bytes()).collect(),
            "text/csv".to_owned(),
        ),
        _ => (
            encoding.encode(&text).0.into_owned(),
            format!("text/csv; charset={label}"),
        ),
    };
    (
        body,
        encoding,
        Content::new(Some(Coding::Identity), declared.as_bytes()),
    )
}

#[test]
fn a_body_in_another_character_set_shows_its_people_and_is_cut_at_the_limit() {
    for (label, letter) in CASES {
        let (body, encoding, content) = table(label, letter);
        for chunk in [1, 2, 3, 100, body.len()] {
            let all = inspect(&body, chunk, content, Bounds::default(), None);
            assert_eq!(
                (all.asked.len(), all.released == body),
                (PEOPLE, true),
                "{label}, {chunk}"
            );
            let limit = Limit {
                people: GRANTED,
                then: Resolution::Cut,
            };
            let cut = inspect(&body, chunk, content, Bounds::default(), Some(limit));
            assert!(cut.stopped && cut.asked.len() == GRANTED, "{label}, {chunk}");
            let (shown, had_errors) = encoding.decode_with_bom_removal(&cut.released);
            assert!(!had_errors, "{label}, {chunk}: cut within a character");
            let denied = format!("{letter}{GRANTED}");
            assert!(!shown.contains(&denied) && !shown.ends_with(letter), "{label}, {chunk}");
        }
    }
}

/// Small bodies in every form and character set, cut in two at every byte.
#[test]
fn a_small_body_shows_its_people_wherever_it_is_cut() {
    for (name, form) in VALUES {
        let values = (0..3).map(|number| format!("{{\"no\":\"x\",\"v\":\"{}\"}}", form(&person(number))));
        let text = format!("[{}]", values.collect::<Vec<_>>().join(","));
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let widest: Vec<u8> = text
            .chars()
            .flat_map(|letter| u32::from(letter).to_be_bytes())
            .collect();
        for (set, body) in [
            ("UTF-8", text.clone().into_bytes()),
            ("UTF-16", wide),
            ("UTF-32", widest),
        ] {
            let content = Content::new(Some(Coding::Identity), b"application/json");
            for cut in 0..=body.len() {
                assert_eq!(people_of(&body, cut, content), 3, "{name}, {set}, {cut}");
            }
        }
    }
}

/// How many people are in a body that comes in two chunks.
fn people_of(body: &[u8], cut: usize, content: Content) -> usize {
    let mut inspector = Inspector::new(Mode::Watch, Bounds::default(), content, rules(), HashKey::new([7; 32]));
    let (first, rest) = body.split_at(cut);
    let mut people = 0;
    let mut settle = |inspector: &mut Inspector, mut step: Step| {
        while !matches!(step, Step::More | Step::Done) {
            step = match step {
                Step::Settle => {
                    people += inspector.asks().iter().map(|ask| ask.people.len()).sum::<usize>();
                    inspector.resolve(usize::MAX, Resolution::Granted)
                }
                Step::Fail(failure) => panic!("{failure:?}"),
                Step::More | Step::Release { .. } | Step::Stopped | Step::Done => inspector.step(),
            };
        }
    };
    for part in [first, rest] {
        let step = inspector.push(&Bytes::copy_from_slice(part));
        settle(&mut inspector, step);
    }
    let step = inspector.finish();
    settle(&mut inspector, step);
    people
}

/// Nobody says the character set, or it is said wrongly; and the numbers are in letters of it.
#[test]
fn people_in_a_character_set_that_is_not_said_are_people() {
    let rows = |letter: &str, from: usize, to: usize| -> String {
        let wide = |text: String| -> String {
            let wide = text
                .chars()
                .map(|digit| char::from_u32(digit as u32 + 0xfee0).expect("a letter"));
            wide.collect()
        };
        let rows = (from..to).map(|n| format!("{letter}{n},０１０-２０００-{},S{n:02}x\n", wide(format!("{n:04}"))));
        rows.collect()
    };
    for (label, letter) in [
        ("euc-kr", "김민수"),
        ("shift_jis", "山田"),
        ("big5", "陳大文"),
        ("gb18030", "陈伟"),
    ] {
        let encoding = Encoding::for_label(label.as_bytes()).expect("a label of the WHATWG");
        let text = format!("name,phone,serial\n{}", rows(letter, 0, PEOPLE));
        let body = encoding.encode(&text).0.into_owned();
        for (body, declared) in [
            (body.clone(), "text/csv"),
            (body, "text/csv; charset=utf-8"),
            (text.clone().into_bytes(), "text/csv; charset=euc-kr"),
        ] {
            let content = Content::new(Some(Coding::Identity), declared.as_bytes());
            for chunk in [1, 2, 100, 1_000, body.len()] {
                let all = inspect(&body, chunk, content, Bounds::default(), None);
                let found = (all.asked.len(), all.released == body);
                assert_eq!(found, (PEOPLE, true), "{label}, {declared}, {chunk}");
                let limit = Limit {
                    people: GRANTED,
                    then: Resolution::Cut,
                };
                let cut = inspect(&body, chunk, content, Bounds::default(), Some(limit));
                assert!(
                    cut.stopped && cut.asked.len() == GRANTED,
                    "{label}, {declared}, {chunk}"
                );
                let denied = format!("S{GRANTED:02}x");
                let shown = memchr::memmem::find(&cut.released, denied.as_bytes());
                assert!(
                    body.starts_with(&cut.released) && shown.is_none(),
                    "{label}, {declared}, {chunk}"
                );
            }
        }
    }
}

#[test]
fn a_mark_may_come_alone() {
    let (body, _, content) = table("utf-16le", "김");
    let secret = HashKey::new([7; 32]);
    let mut inspector = Inspector::new(Mode::Watch, Bounds::default(), content, rules(), secret);
    let (first, rest) = body.split_at(1);
    let mut people = 0;
    for part in [first, rest] {
        let mut step = inspector.push(&Bytes::copy_from_slice(part));
        while step != Step::More {
            people += inspector.asks().len();
            step = match step {
                Step::Settle => inspector.resolve(usize::MAX, Resolution::Granted),
                Step::More | Step::Release { .. } | Step::Fail(_) | Step::Stopped | Step::Done => inspector.step(),
            };
        }
    }
    assert!(people > 0, "the first byte may be that of a JPEG");
}

#[test]
fn what_is_released_goes_on_while_people_are_granted() {
    for (label, letter) in CASES {
        let (body, encoding, content) = table(label, letter);
        let limit = Limit {
            people: PEOPLE - 1,
            then: Resolution::Cut,
        };
        for chunk in [64, body.len()] {
            let cut = inspect(&body, chunk, content, Bounds::default(), Some(limit));
            let (shown, _) = encoding.decode_with_bom_removal(&cut.released);
            let shown = shown.matches("@mail.example").count();
            assert!(
                (PEOPLE / 2..PEOPLE).contains(&shown),
                "{label}, {chunk}: {shown} of {PEOPLE}"
            );
        }
    }
}

/// The last row has no line's end, so that it is known when the body has ended: all of it was read by then.
#[test]
fn who_waits_at_the_end_of_a_body_does_not_leave() {
    let body = "name,email\nx,first@mail.example\ny,second@mail.example".as_bytes();
    for declared in ["text/csv", "text/csv; charset=windows-1252"] {
        let content = Content::new(Some(Coding::Identity), declared.as_bytes());
        let secret = HashKey::new([7; 32]);
        let mut inspector = Inspector::new(Mode::Guard, Bounds::default(), content, rules(), secret);
        let mut released = 0;
        let mut step = inspector.push(&Bytes::from_static(body));
        let mut granted = 1;
        step = loop {
            step = match step {
                Step::Settle => {
                    let (grant, then) = if granted > 0 {
                        (1, Resolution::Granted)
                    } else {
                        (0, Resolution::Later)
                    };
                    granted -= grant;
                    let is_later = grant == 0;
                    let next = inspector.resolve(grant, then);
                    if is_later {
                        break next;
                    }
                    next
                }
                Step::Release { pieces, .. } => {
                    released += pieces.iter().map(kept).sum::<usize>();
                    inspector.step()
                }
                Step::More => inspector.finish(),
                other @ (Step::Fail(_) | Step::Stopped | Step::Done) => panic!("{declared}: {other:?}"),
            };
        };
        if let Step::Release { pieces, .. } = &step {
            released += pieces.iter().map(kept).sum::<usize>();
        }
        assert!(
            released <= body.len() - "y,second@mail.example".len(),
            "{declared}: {released}"
        );
        assert_eq!(inspector.step(), Step::Settle, "{declared}: it is asked again");
    }
}

fn kept(piece: &Piece) -> usize {
    match piece {
        Piece::Keep(count) | Piece::Replace(count, _) => *count,
    }
}
