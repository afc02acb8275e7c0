//! Bodies in other character sets: the same people, cut at the limit between two characters.

use bytes::Bytes;
use encoding_rs::Encoding;
use tidegate::engine::decode::Coding;
use tidegate::engine::inspect::{Bounds, Content, Inspector, Mode, Piece, Resolution, Step};
use tidegate::engine::secret::HashKey;

use super::written::{VALUES, gzip_base64, person};
use super::{Limit, Outcome, inspect, inspect_by, rules};

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

/// All of a packed value stands in the same few bytes of the text around it, and is no less many people for that.
#[test]
fn people_in_a_packed_value_are_counted_in_a_text_that_is_read_in_two_ways() {
    let letters: String = (0..200)
        .map(|n| char::from_u32(0xac00 + 28 * n).expect("Hangul"))
        .collect();
    let korean = encoding_rs::EUC_KR.encode(&letters).0.into_owned();
    let table: String = (0..50).map(|n| format!("person{n}@mail.example\n")).collect();
    let packed = gzip_base64(&table);
    let body = [
        &b"{\"note\":\""[..],
        &korean,
        b"\",\"packed\":\"",
        packed.as_bytes(),
        b"\"}",
    ]
    .concat();
    for chunk in [7, 511, body.len()] {
        let all = inspect(
            &body,
            chunk,
            Content::new(Some(Coding::Identity), b"application/json"),
            Bounds::default(),
            None,
        );
        assert_eq!(different(&all), 50, "{chunk}");
    }
}

/// A quote that is half a letter in another reading hides an e-mail there, by which the owner of the card is known here.
#[test]
fn who_is_known_by_another_value_in_another_reading_is_one() {
    let head = b"{\"fullName\":\"\xe6\x9e\x97\xe6\xb7\x91\xe6b\x8f";
    let body = [
        &head[..],
        br#"","card":"5374 7690 3988 2631","email":"person1@mail.example"}"#,
    ]
    .concat();
    let content = Content::new(Some(Coding::Identity), b"application/json");
    let all = inspect(&body, body.len(), content, Bounds::default(), None);
    assert_eq!(different(&all), 1);
}

/// Where what is declared and what the bytes say disagree, whoever reads it either way finds people: they are all counted.
#[test]
fn people_are_counted_in_each_reading_of_a_text_that_has_two() {
    let rows = |from: usize| -> String {
        (from..from + 20)
            .map(|n| format!("x,{},S{n:02}x\n", wide_phone(n)))
            .collect()
    };
    let encoded = |label: &str, text: &str| {
        let encoding = Encoding::for_label(label.as_bytes()).expect("a label of the WHATWG");
        encoding.encode(text).0.into_owned()
    };
    let korean = encoded("euc-kr", &rows(20));
    let utf8 = format!("no,phone,serial\n가나다라마바사\n{}", rows(0)).into_bytes();
    let strays = [&b"no,phone,serial\n"[..], &b"\x81\x8d\x81\x8d,".repeat(120)].concat();
    let cases: [(&str, &str, Vec<u8>, usize); 4] = [
        (
            "UTF-8 first, and then what is declared",
            "text/csv; charset=euc-kr",
            [utf8.clone(), korean.clone()].concat(),
            40,
        ),
        (
            "what is no UTF-8 first, and then UTF-8",
            "text/csv",
            [strays, b"\n".to_vec(), rows(0).into_bytes()].concat(),
            20,
        ),
        (
            "Latin-1 that is EUC-KR",
            "text/csv; charset=iso-8859-1",
            [b"no,phone,serial\n".to_vec(), korean].concat(),
            20,
        ),
        (
            "UTF-8 in which a letter is broken",
            "text/csv; charset=euc-kr",
            [utf8, b"\xb1".to_vec()].concat(),
            20,
        ),
    ];
    for (name, declared, body, people) in cases {
        let content = Content::new(Some(Coding::Identity), declared.as_bytes());
        for chunk in [1, 2, 100, 1_000, body.len()] {
            let cut = counted_and_cut(&format!("{name}, {chunk}"), (&body, chunk), content, people);
            assert_eq!(different(&cut), GRANTED, "{name}, {chunk}");
        }
    }
}

/// Asserts that so many people are counted in a body that stays as it is, and that it is cut before it shows more than are granted:
/// what became of it then.
pub(super) fn counted_and_cut(name: &str, (body, chunk): (&[u8], usize), content: Content, people: usize) -> Outcome {
    let all = inspect(body, chunk, content, Bounds::default(), None);
    assert_eq!((different(&all), all.released == body), (people, true), "{name}");
    let limit = Limit {
        people: GRANTED,
        then: Resolution::Cut,
    };
    let cut = inspect(body, chunk, content, Bounds::default(), Some(limit));
    assert!(cut.stopped && body.starts_with(&cut.released), "{name}");
    let shown = (0..40).filter(|n| memchr::memmem::find(&cut.released, format!("S{n:02}x").as_bytes()).is_some());
    assert!(shown.count() <= GRANTED, "{name}");
    cut
}

/// How many people were asked about.
pub(super) fn different(outcome: &Outcome) -> usize {
    let people: std::collections::HashSet<_> = outcome.asked.iter().flat_map(|ask| ask.people.iter()).collect();
    people.len()
}

/// What is masked is written in the bytes of the body, whose other letters stay as they are.
#[test]
fn a_body_in_another_character_set_is_masked_in_its_own_bytes() {
    for (label, letter) in [
        ("euc-kr", "김민수"),
        ("shift_jis", "山田"),
        ("gb18030", "陈伟"),
        ("windows-1252", "Ren\u{e9}"),
    ] {
        let encoding = Encoding::for_label(label.as_bytes()).expect("a label of the WHATWG");
        let digits: fn(usize) -> String = if encoding.is_single_byte() {
            |n: usize| format!("010-2000-{n:04}")
        } else {
            wide_phone
        };
        let rows = |phone: &dyn Fn(usize) -> String| -> String {
            let rows = (0..PEOPLE).map(|n| format!("{letter},{},p{n}@mail.example,S{n:02}x\n", phone(n)));
            format!("name,phone,email,serial\n{}", rows.collect::<String>())
        };
        let body = encoding.encode(&rows(&digits)).0.into_owned();
        for declared in ["text/csv".to_owned(), format!("text/csv; charset={label}")] {
            let content = Content::new(Some(Coding::Identity), declared.as_bytes());
            for chunk in [1, 100, body.len()] {
                let masked = masked(&body, chunk, content);
                assert_eq!(masked.len(), body.len(), "{label}, {declared}, {chunk}");
                let (text, _, had_errors) = encoding.decode(&masked);
                let stars = |n: usize| "*".repeat(encoding.encode(&digits(n)).0.len() - 2);
                let expected = rows(&|n| format!("~{}~", stars(n)));
                let email = |n: usize| format!("p{n}@mail.example");
                let expected = (0..PEOPLE).fold(expected, |text, n| {
                    let mask = format!(",~{}~,", "*".repeat(email(n).len() - 2));
                    text.replace(&format!(",{},", email(n)), &mask)
                });
                assert!(!had_errors && text == expected, "{label}, {declared}, {chunk}: {text}");
            }
        }
    }
}

/// A telephone number in digits of the full width.
pub(super) fn wide_phone(n: usize) -> String {
    let digits = format!("010-2000-{n:04}");
    let wide = digits
        .chars()
        .map(|digit| char::from_u32(digit as u32 + 0xfee0).expect("a letter"));
    wide.collect()
}

/// The body with everybody in it masked.
fn masked(body: &[u8], chunk: usize, content: Content) -> Vec<u8> {
    let secret = HashKey::new([7; 32]);
    let inspector = Inspector::new(Mode::Rewrite, Bounds::default(), content, rules(), secret);
    let nobody = Limit {
        people: 0,
        then: Resolution::Mask,
    };
    let outcome = inspect_by(inspector, body, chunk, Some(nobody));
    assert!(!outcome.stopped);
    outcome.released
}

/// A text in seven bits says by itself what it is in, whether that is declared or not, and hides nobody who reads it as ASCII.
#[test]
fn escapes_say_what_a_text_is_in() {
    let row = |n: usize| format!("山田,{},S{n:02}x\n", wide_phone(n));
    let rows = |from: usize| -> String { (from..from + 20).map(row).collect() };
    let japanese = encoding_rs::ISO_2022_JP.encode(&rows(0)).0.into_owned();
    let korean = shifted(&encoding_rs::EUC_KR.encode(&rows(0).replace("山田", "김")).0);
    let hidden: Vec<u8> = (0..20)
        .flat_map(|n| format!("\x1b$Bx,p{n}@mail.example,S{n:02}x\n").into_bytes())
        .collect();
    for (name, declared, body) in [
        ("Japanese", "text/csv", japanese.clone()),
        (
            "Japanese that is said",
            "text/csv; charset=iso-2022-jp",
            japanese.clone(),
        ),
        (
            "Japanese that is said to be Korean",
            "text/plain; charset=euc-kr",
            japanese.clone(),
        ),
        ("Korean", "text/csv; charset=iso-2022-kr", korean),
        ("ASCII behind an escape", "text/csv; charset=iso-2022-jp", hidden),
        (
            "Japanese behind other escapes",
            "text/plain",
            [&b"\x1b[31mx\x1b[0m\n\x1b"[..], &japanese].concat(),
        ),
    ] {
        let content = Content::new(Some(Coding::Identity), declared.as_bytes());
        for chunk in [1, 2, 3, 100, body.len()] {
            counted_and_cut(&format!("{name}, {chunk}"), (&body, chunk), content, 20);
        }
    }
}

/// EUC-KR in seven bits (RFC 1557).
pub(super) fn shifted(bytes: &[u8]) -> Vec<u8> {
    let (mut text, mut is_shifted) = (b"\x1b$)C".to_vec(), false);
    for byte in bytes {
        if byte.is_ascii() == is_shifted {
            text.push(if is_shifted { 0x0f } else { 0x0e });
            is_shifted = !is_shifted;
        }
        text.push(byte & 0x7f);
    }
    text
}
