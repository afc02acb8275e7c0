//! Bodies of invented people for `tidegate rules bench`, in the formats that most bodies have.

use std::fmt::Write as _;

use bytes::Bytes;

use super::rules_bench::Sample;
use crate::engine::inspect::Content;
use crate::engine::structure::Declared;

/// Bytes of each sample.
const SAMPLE_BYTES: usize = 96 << 10;

/// People in JSON, in a table, in a page and in a log, and JSON in which nobody is.
pub(super) fn all() -> Vec<Sample> {
    let person = |n: usize| {
        let (first, last) = (FIRST.get(n % FIRST.len()), LAST.get(n / 7 % LAST.len()));
        let name = format!("{} {}", first.unwrap_or(&"Kim"), last.unwrap_or(&"Lee"));
        // Numbers that nobody has: those of fiction in North America, and the example domains.
        let (email, phone) = (format!("person{n}@example.com"), format!("+1 202-555-01{:02}", n % 100));
        (name, email, phone)
    };
    [
        sample(Declared::Json, "[", |text, n| {
            let (name, email, phone) = person(n);
            writeln!(
                text,
                "{{\"id\":{n},\"customer_name\":\"{name}\",\"email\":\"{email}\",\"phone\":\"{phone}\",\"address\":\"{n} Main St, Austin, TX 78701\",\"created_at\":\"2026-01-02T03:04:05Z\"}},"
            )
        }),
        sample(Declared::Table, "name,email,phone,total\n", |text, n| {
            let (name, email, phone) = person(n);
            writeln!(text, "{name},{email},{phone},{}.50", n * 7)
        }),
        sample(Declared::Markup, "<table>\n", |text, n| {
            let (name, email, _) = person(n);
            writeln!(text, "<tr class=\"row\"><td>{name}</td><td><a href=\"/p/{n}\">{email}</a></td></tr>")
        }),
        sample(Declared::Lines, "", |text, n| {
            let (_, email, _) = person(n);
            writeln!(text, "2026-01-02T03:04:05.{:03}Z INFO order {n} of {email} took {} ms", n % 1_000, n % 90)
        }),
        sample(Declared::Json, "[", |text, n| {
            let (price, hash) = (n * 37 % 9_000, n.wrapping_mul(2_654_435_761));
            writeln!(
                text,
                "{{\"sku\":\"A{n:05}\",\"title\":\"A lamp of brass, size {}\",\"price\":{price}.90,\"stock\":{},\"image\":\"/i/{hash:016x}.webp\"}},",
                n % 9,
                n % 40
            )
        }),
    ]
    .into()
}

const FIRST: [&str; 6] = ["Minsu", "Jiwoo", "Anna", "Marie", "Peter", "Yuki"];
const LAST: [&str; 5] = ["Kim", "Lee", "Miller", "Dubois", "Sato"];

/// As many rows as fit.
fn sample(structure: Declared, head: &str, row: impl Fn(&mut String, usize) -> std::fmt::Result) -> Sample {
    let mut text = head.to_owned();
    let mut number = 0;
    // Writing to a text does not fail.
    while text.len() < SAMPLE_BYTES && row(&mut text, number).is_ok() {
        number += 1;
    }
    Sample {
        content: Content::from(structure),
        bytes: Bytes::from(text),
    }
}
