//! Bodies to measure with: the same bytes in every run, with known numbers of identifiers and people in them.

pub(crate) mod bulk;
pub(crate) mod hostile;
pub(crate) mod pages;
pub(crate) mod peer;
mod planted;

use std::fmt::Write as _;

use tidegate::engine::structure::Declared;

/// One body and what is to be found in it.
pub(crate) struct Corpus {
    pub(crate) name: &'static str,
    pub(crate) declared: Declared,
    pub(crate) bytes: Vec<u8>,
    /// Identifiers that the engine is to find.
    pub(crate) findings: u64,
    /// Different people that it is to count.
    pub(crate) people: usize,
    /// What the peer finds: it takes a run of digits in an identifier of a thing for a card.
    pub(crate) peer: u64,
}

/// All of them.
pub(crate) fn all() -> Vec<Corpus> {
    let clean = |name, bytes, peer| Corpus {
        name,
        declared: Declared::Json,
        bytes: clean_json(bytes),
        findings: 0,
        people: 0,
        peer,
    };
    let dense = |name, declared, bytes| Corpus {
        name,
        declared,
        bytes,
        findings: 2 * PEOPLE as u64,
        people: PEOPLE,
        peer: 2 * PEOPLE as u64,
    };
    vec![
        clean("clean JSON 10 KB", 10_000, 0),
        clean("clean JSON 1 MB", MEGABYTE, 2),
        dense("dense JSON", Declared::Json, dense_json()),
        dense("dense CSV", Declared::Table, dense_csv()),
        Corpus {
            name: "clean HTML",
            declared: Declared::Markup,
            bytes: clean_markup(),
            findings: 0,
            people: 0,
            peer: 0,
        },
        Corpus {
            name: "random bytes",
            declared: Declared::Unknown,
            bytes: random_bytes(),
            findings: 0,
            people: 0,
            peer: 0,
        },
    ]
}

/// The page of the proxy's bench: ten kilobytes in which nobody is.
pub(crate) fn clean_page() -> Vec<u8> {
    clean_json(10_000)
}

/// People in a dense body, each with an e-mail address and a telephone number.
const PEOPLE: usize = 5_000;
const MEGABYTE: usize = 1_000_000;
const WORDS: [&str; 16] = [
    "blue", "cotton", "shirt", "delivery", "summer", "size", "garden", "lamp", "paper", "kitchen", "서울", "배송",
    "wool", "table", "limited", "offer",
];

/// The generator `SplitMix64`: as random as a bench needs, and the same everywhere.
pub(crate) struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn word(&mut self) -> &'static str {
        let at = self.below(WORDS.len() as u64) as usize;
        WORDS.get(at).copied().unwrap_or_default()
    }
}

/// Products of a shop: numbers, dates, times, identifiers of things, and nobody.
fn clean_json(bytes: usize) -> Vec<u8> {
    let mut numbers = Numbers(1);
    let mut text = String::from("{\"products\":[");
    while text.len() < bytes {
        let comma = if text.ends_with('[') { "" } else { "," };
        let id = numbers.next();
        write!(
            text,
            "{comma}{{\"id\":\"{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}\",\"title\":\"{} {} {}\",\"price\":{}.{:02},\
             \"stock\":{},\"rating\":4.{},\"updated\":\"2026-1{}-{:02}T{:02}:{:02}:{:02}Z\",\"active\":true,\"tags\":[\"{}\",\"{}\"]}}",
            id >> 32,
            id & 0xffff,
            id >> 52,
            id & 0xfff,
            numbers.next() >> 16,
            numbers.word(),
            numbers.word(),
            numbers.word(),
            numbers.below(900),
            numbers.below(100),
            numbers.below(500),
            numbers.below(10),
            numbers.below(3),
            1 + numbers.below(28),
            numbers.below(24),
            numbers.below(60),
            numbers.below(60),
            numbers.word(),
            numbers.word(),
        )
        .expect("a string takes every byte");
    }
    text.push_str("]}");
    text.into_bytes()
}

fn dense_json() -> Vec<u8> {
    let row = |n: usize| {
        let (email, phone) = person(n);
        format!(
            "{{\"serial\":\"S{n}\",\"name\":\"Person {n}\",\"email\":\"{email}\",\"phone\":\"{phone}\",\"points\":{}}}",
            n % 977
        )
    };
    let rows: Vec<String> = (0..PEOPLE).map(row).collect();
    format!("[{}]", rows.join(",\n")).into_bytes()
}

fn dense_csv() -> Vec<u8> {
    let mut text = String::from("serial,name,email,phone,points\n");
    for n in 0..PEOPLE {
        let (email, phone) = person(n);
        writeln!(text, "S{n},Person {n},{email},{phone},{}", n % 977).expect("a string takes every byte");
    }
    text.into_bytes()
}

fn person(n: usize) -> (String, String) {
    let phone = format!("010-{:04}-{:04}", 2_000 + n / 7_000, (n * 7) % 10_000);
    (format!("person{n}@mail.example"), phone)
}

/// A page with a style, a script and much markup.
fn clean_markup() -> Vec<u8> {
    let mut numbers = Numbers(2);
    let mut text = String::from(
        "<!doctype html>\n<style>@media (min-width:640px){.a1{margin:0 12px;color:#a1b2c3}}</style>\n\
         <script>const t=[1,2,3].map(n=>n*0.25);let k={id:42,when:1700000000000};</script>\n",
    );
    while text.len() < MEGABYTE {
        writeln!(
            text,
            "<li class=\"item i{}\" data-id=\"{:x}\"><a href=\"/p/{}?ref={}\">{} {}</a> <b>{}.{:02}</b> &middot; {} left</li>\
             <script>f({},'{}',[{},{}]);</script>",
            numbers.below(9),
            numbers.next() >> 24,
            numbers.below(9_999),
            numbers.word(),
            numbers.word(),
            numbers.word(),
            numbers.below(900),
            numbers.below(100),
            numbers.below(50),
            numbers.below(100),
            numbers.word(),
            numbers.below(1_000),
            numbers.below(1_000),
        )
        .expect("a string takes every byte");
    }
    text.into_bytes()
}

fn random_bytes() -> Vec<u8> {
    let mut numbers = Numbers(3);
    std::iter::repeat_with(|| numbers.next().to_le_bytes())
        .flatten()
        .take(MEGABYTE)
        .collect()
}
