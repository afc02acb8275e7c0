//! The forms that a value or a text may be written in, and the people who are.

#![allow(dead_code, reason = "each suite has its own use of them")]

use std::fmt::Write as _;
use std::io::Write as _;

/// People of each body.
pub(crate) const PEOPLE: usize = 50;

/// A form that a value, or a whole body, is written in.
pub(crate) type Form = fn(&str) -> String;

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

pub(crate) fn gzip_base64(text: &str) -> String {
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
pub(crate) const VALUES: [(&str, Form); 19] = [
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

pub(crate) fn person(number: usize) -> String {
    format!("person{number}@mail.example")
}

/// Forms of a whole text.
pub(crate) const TEXTS: [(&str, Form); 8] = [
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

pub(crate) fn table(extra: usize) -> String {
    let rows = (0..PEOPLE).map(|n| format!("Kim {n},person{n}@mail.example,010-2000-{n:04}{}\n", "x".repeat(extra)));
    format!("name,email,phone\n{}", rows.collect::<String>())
}
