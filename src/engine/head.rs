//! The people in a response's head: each field value is a line of text of its own.

use std::sync::Arc;

use crate::engine::detect::{ClassSet, RuleSet};
use crate::engine::record::{Assembler, Record};
use crate::engine::secret::HashKey;
use crate::engine::structure::{Cell, CellForm, Sink as _};

/// Field values longer than this are searched up to it; heads are bounded by `header_bytes_max` all the same.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// For each record of `values` in which someone is found: the number of its value, and the record. It tells the values of the
/// classes that are `counted` too.
pub fn people<'v>(
    values: impl Iterator<Item = &'v [u8]>,
    (rules, secret): (&Arc<RuleSet>, &HashKey),
    counted: ClassSet,
) -> Vec<(usize, Record)> {
    let mut found = Vec::new();
    for (number, value) in values.enumerate() {
        // Shorter values, and those with no digit run and no `@`, hold no identifier.
        if !may_identify(value) {
            continue;
        }
        let mut assembler = Assembler::new(Arc::clone(rules), secret.clone());
        assembler.count_values(counted);
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
