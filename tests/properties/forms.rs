//! Values in other forms: escapes within escapes, other alphabets, characters that are not seen. The same people, each masked
//! where they stand.

use std::fmt::Write as _;
use std::io::Write as _;

use tidegate::engine::inspect::{Bounds, Resolution};
use tidegate::engine::structure::Declared;

use super::{Limit, inspect};

const PEOPLE: usize = 50;
const GRANTED: usize = 7;

/// A form that a value, or a whole body, is written in.
type Form = fn(&str) -> String;

fn encoded(text: &[u8], alphabet: &[u8], bits: u32, pad: usize) -> String {
    let (mut held, mut count, mut out) = (0_u32, 0, String::new());
    let mut put = |value: u32| out.push(char::from(alphabet[value as usize]));
    for byte in text {
        held = (held << 8 | u32::from(*byte)) & 0xffff;
        count += 8;
        while count >= bits {
            count -= bits;
            put(held >> count & ((1 << bits) - 1));
        }
    }
    if count > 0 {
        put(held << (bits - count) & ((1 << bits) - 1));
    }
    while out.len() % pad != 0 {
        out.push('=');
    }
    out
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64(text: &str) -> String {
    encoded(text.as_bytes(), BASE64, 6, 4)
}

fn base64_url(text: &str) -> String {
    encoded(text.as_bytes(), BASE64_URL, 6, 1)
}

fn base32(text: &str) -> String {
    encoded(text.as_bytes(), b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8)
}

fn hex(text: &str) -> String {
    encoded(text.as_bytes(), b"0123456789abcdef", 4, 1)
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "%{byte:02X}").expect("memory");
        out
    })
}

fn quoted_printable(text: &str) -> String {
    percent(text).replace('%', "=")
}

fn gzip_base64(text: &str) -> String {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoded(&encoder.finish().expect("memory"), BASE64, 6, 4)
}

fn wide(text: &str) -> String {
    let wide = |letter: char| char::from_u32(letter as u32 - 0x21 + 0xff01).unwrap_or(letter);
    text.chars().map(wide).collect()
}

fn letters(text: &str, between: &str) -> String {
    text.chars().map(|letter| format!("{letter}{between}")).collect()
}

/// Forms of one value.
const VALUES: [(&str, Form); 19] = [
    ("base64", base64),
    ("base64url", base64_url),
    ("base32", base32),
    ("base32, small", |text| base32(text).to_lowercase()),
    ("hex", hex),
    ("HEX", |text| hex(text).to_uppercase()),
    ("percent", percent),
    ("percent twice", |text| percent(text).replace('%', "%25")),
    ("percent, three times", |text| percent(text).replace('%', "%2525")),
    ("quoted-printable", quoted_printable),
    ("entities", |text| text.replace('@', "&#64;").replace('.', "&#x2e;")),
    ("entities twice", |text| text.replace('@', "&amp;#64;")),
    ("full width", wide),
    ("zero width", |text| letters(text, "\u{200b}")),
    ("soft hyphens", |text| letters(text, "\u{ad}")),
    ("tags", |text| text.replace('@', "<b>@</b>")),
    ("words", |text| text.replace('@', " (at) ").replace('.', "[dot]")),
    ("base64 twice", |text| base64(&base64(text))),
    ("base64 of percent", |text| base64(&percent(text))),
];

fn person(number: usize) -> String {
    format!("person{number}@mail.example")
}

/// Bodies of values in this form, by their structure.
fn bodies(form: Form) -> Vec<(Declared, String)> {
    let all = || (0..PEOPLE).map(|number| form(&person(number)));
    let json = all()
        .map(|value| format!("{{\"no\":\"x\",\"v\":\"{value}\"}}"))
        .collect::<Vec<_>>();
    vec![
        (Declared::Json, format!("[{}]", json.join(","))),
        (Declared::Unknown, format!("[{}]", json.join(","))),
        (
            Declared::Lines,
            all().map(|value| format!("to {value} now\n")).collect(),
        ),
        (
            Declared::Table,
            format!("a,b\n{}", all().map(|value| format!("x,{value}\n")).collect::<String>()),
        ),
    ]
}

/// Forms of a whole text.
const TEXTS: [(&str, Form); 8] = [
    ("base64", base64),
    ("base64url", base64_url),
    ("base32", base32),
    ("hex", hex),
    ("gzip in base64", gzip_base64),
    ("base64 twice", |text| base64(&base64(text))),
    ("gzip in base64 in base64", |text| base64(&gzip_base64(text))),
    ("base64 in lines", |text| {
        let text = base64(text).into_bytes();
        let lines = text.chunks(76).map(|line| String::from_utf8_lossy(line).into_owned());
        lines.collect::<Vec<_>>().join("\r\n")
    }),
];

fn table(extra: usize) -> String {
    let rows = (0..PEOPLE).map(|n| format!("Kim {n},person{n}@mail.example,010-2000-{n:04}{}\n", "x".repeat(extra)));
    format!("name,email,phone\n{}", rows.collect::<String>())
}

#[test]
fn values_in_every_form_are_people_and_are_cut_at_the_limit() {
    for (name, form) in VALUES {
        for (declared, body) in bodies(form) {
            for chunk in [1, 7, 100, body.len()] {
                let all = inspect(body.as_bytes(), chunk, declared, Bounds::default(), None);
                assert_eq!(all.asked.len(), PEOPLE, "{name}, {declared:?}, {chunk}: {body:.200}");
            }
            let limit = Limit {
                people: GRANTED,
                then: Resolution::Cut,
            };
            let cut = inspect(body.as_bytes(), 100, declared, Bounds::default(), Some(limit));
            let shown = String::from_utf8_lossy(&cut.released).into_owned();
            assert!(
                cut.stopped && shown.contains(&form(&person(GRANTED - 1))),
                "{name}, {declared:?}"
            );
            assert!(
                !shown.contains(&form(&person(GRANTED))),
                "{name}, {declared:?}: {shown}"
            );
        }
    }
}

#[test]
fn a_text_in_every_form_is_a_body_of_its_own() {
    for (name, form) in TEXTS {
        for extra in [0, 400] {
            let text = form(&table(extra));
            let bodies = [
                (
                    Declared::Json,
                    format!("{{\"file\":\"{}\"}}", text.replace("\r\n", "\\r\\n")),
                ),
                (Declared::Lines, format!("Here it is:\n\n{text}\n\nGood bye\n")),
                (Declared::Unknown, text.clone()),
            ];
            for (declared, body) in bodies {
                let counted: Vec<usize> = [1, 100, 3000, body.len()]
                    .map(|chunk| inspect(body.as_bytes(), chunk, declared, Bounds::default(), None))
                    .iter()
                    .map(|all| all.asked.iter().map(|ask| ask.people.len()).sum())
                    .collect();
                assert_eq!(counted, [PEOPLE; 4], "{name}, {extra}, {declared:?}");
                let limit = Limit {
                    people: GRANTED,
                    then: Resolution::Cut,
                };
                let cut = inspect(body.as_bytes(), 100, declared, Bounds::default(), Some(limit));
                assert!(
                    cut.stopped && cut.released.len() < body.len(),
                    "{name}, {extra}, {declared:?}"
                );
            }
        }
    }
}

#[test]
fn what_is_masked_in_another_form_is_nobody_and_keeps_its_length() {
    let limit = Limit {
        people: GRANTED,
        then: Resolution::Mask,
    };
    for (name, form) in VALUES {
        for (declared, body) in bodies(form) {
            let masked = inspect(body.as_bytes(), 64, declared, Bounds::default(), Some(limit));
            assert_eq!(masked.released.len(), body.len(), "{name}, {declared:?}");
            let again = inspect(&masked.released, 64, declared, Bounds::default(), None);
            assert_eq!(
                again.asked.len(),
                GRANTED,
                "{name}, {declared:?}: {:?}",
                String::from_utf8_lossy(&masked.released)
            );
        }
    }
    for (name, form) in TEXTS {
        let body = format!("{{\"file\":\"{}\"}}", form(&table(0)).replace("\r\n", "\\r\\n"));
        let masked = inspect(body.as_bytes(), 64, Declared::Json, Bounds::default(), Some(limit));
        assert_eq!(masked.released.len(), body.len(), "{name}");
        let again = inspect(&masked.released, 64, Declared::Json, Bounds::default(), None);
        let people: usize = again.asked.iter().map(|ask| ask.people.len()).sum();
        assert!(people <= GRANTED, "{name}: {people}");
    }
}
