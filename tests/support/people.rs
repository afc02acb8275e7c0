//! Bodies full of synthetic people, each with a planted serial by which a test counts them without any detector.

use std::ops::Range;

pub(crate) use tidegate::cli::demo::export::Format;
pub(crate) use tidegate::cli::demo::people::count_serials;
use tidegate::cli::demo::people::person;

/// All formats.
pub(crate) const FORMATS: [Format; 3] = [Format::Csv, Format::Json, Format::Ndjson];

/// A whole body with these people, in this order.
pub(crate) fn body(format: Format, people: Range<u32>) -> Vec<u8> {
    let mut body = cut_body(format, people);
    body.extend_from_slice(format.closing().as_bytes());
    body
}

/// The same without what closes it: up to the end of its last record, byte-exact.
pub(crate) fn cut_body(format: Format, people: Range<u32>) -> Vec<u8> {
    let mut body = format.opening().as_bytes().to_vec();
    let first = people.start;
    for number in people {
        body.extend_from_slice(format.record(&person(number), number == first).as_bytes());
    }
    body
}
