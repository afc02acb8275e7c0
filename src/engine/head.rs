//! The people in a head: each field value is a line of text of its own, a path its segments, and a query string a form.

use std::sync::Arc;

use crate::engine::detect::RuleSet;
use crate::engine::record::{Assembler, Details, Record};
use crate::engine::secret::HashKey;
use crate::engine::structure::{Cell, CellForm, CellSettings, Declared, Sink as _, Structure};

/// Field values longer than this are searched up to it; heads are bounded by `header_bytes_max` all the same.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// Bytes of one value of a query string that are searched at once, as of a body.
const SEGMENT_BYTES: usize = 2048;

/// The records in which someone is found in the target of a request.
pub fn people_in_target(
    (path, query): (&[u8], &[u8]),
    (rules, secret): (&Arc<RuleSet>, &HashKey),
    details: &Details,
) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let assembler = || {
        let mut assembler = Assembler::new(Arc::clone(rules), secret.clone());
        assembler.tell_details(details.clone());
        assembler
    };
    let has_at = |segment: &[u8]| segment.windows(3).any(|escape| escape == b"%40");
    let segments = path.split(|byte| *byte == b'/');
    for segment in segments.filter(|segment| may_identify(segment) || has_at(segment)) {
        let mut assembler = assembler();
        assembler.cell(&Cell::whole(segment, 0, CellForm::Percent));
        assembler.line(segment.len() as u64);
        assembler.take_settled(u64::MAX, &mut records);
    }
    if !query.is_empty() {
        let mut assembler = assembler();
        let mut form = Structure::new(
            Declared::Form,
            CellSettings::new(SEGMENT_BYTES, rules.has_expressions()),
        );
        form.push(query, &mut assembler);
        form.finish(&mut assembler);
        assembler.finish(query.len() as u64);
        assembler.take_settled(u64::MAX, &mut records);
    }
    records
}

/// For each record of `fields`, names with their values, in which someone is found: the number of its field, and the record.
pub fn people<'v>(
    fields: impl Iterator<Item = (&'v [u8], &'v [u8])>,
    (rules, secret): (&Arc<RuleSet>, &HashKey),
    details: &Details,
) -> Vec<(usize, Record)> {
    let mut found = Vec::new();
    for (number, (name, value)) in fields.enumerate() {
        // Shorter values, and those with no digit run and no `@`, hold no identifier.
        if !may_identify(value) {
            continue;
        }
        let mut assembler = Assembler::new(Arc::clone(rules), secret.clone());
        assembler.tell_details(details.under(name));
        let raw = value.get(..value.len().min(VALUE_BYTES_MAX)).unwrap_or_default();
        assembler.cell(&Cell::whole(raw, 0, CellForm::Plain));
        assembler.line(raw.len() as u64);
        let mut records: Vec<Record> = Vec::new();
        assembler.take_settled(u64::MAX, &mut records);
        found.extend(records.into_iter().map(|record| (number, record)));
    }
    found
}

fn may_identify(value: &[u8]) -> bool {
    value.len() >= 6 && (value.contains(&b'@') || value.iter().filter(|byte| byte.is_ascii_digit()).count() >= 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_one_record_and_each_segment_of_a_path_another() {
        let (rules, secret) = (Arc::new(RuleSet::builtin()), HashKey::new([1; 32]));
        let people = |path: &str, query: &str| {
            let target = (path.as_bytes(), query.as_bytes());
            let records = people_in_target(target, (&rules, &secret), &Details::default());
            records.iter().map(|record| record.subjects.len()).sum::<usize>()
        };
        assert_eq!(people("/profile", "id=7&page=2"), 0);
        assert_eq!(
            people("/profile", "email=ann%40example.com&phone=%2B82-10-1234-5678"),
            1
        );
        assert_eq!(people("/profile", "email=ann@example.com&email=bob@example.com"), 2);
        assert_eq!(people("/users/ann%40example.com/bob@example.com", ""), 2);
        assert_eq!(people("/v1/2026-11-27/1234567", ""), 0);
    }
}
