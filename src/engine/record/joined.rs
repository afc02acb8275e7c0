//! Values split over the `data:` lines of an event: its reader may join the lines with nothing between.

use crate::engine::decode::Unescaped;
use crate::engine::detect::{Context, Finding, RuleSet, Usage};
use crate::engine::structure::{Cell, CellForm};

/// Searches the data of an event that `cell` is, if it is one, as if no line end were in it, and adds to `found` what begins in the
/// cell and lies on more than one line. The end of a value may be one by itself, as that of `k\nim@mail.example` is: then nobody
/// can say which is meant, and both count.
pub(super) fn search(
    rules: &RuleSet,
    cell: &Cell<'_>,
    unescaped: &Unescaped,
    usage: &mut Usage,
    found: &mut Vec<Finding>,
) {
    if cell.form != CellForm::Event || !cell.is_escaped() {
        return;
    }
    let within = unescaped.from_raw(cell.within.0)..unescaped.from_raw(cell.within.1);
    let is_end = |byte: u8| matches!(byte, b'\r' | b'\n');
    let kept = unescaped.text.iter().enumerate().filter(|(_, byte)| !is_end(**byte));
    let (places, text): (Vec<usize>, Vec<u8>) = kept.map(|(at, byte)| (at, *byte)).unzip();
    let mut more = Vec::new();
    rules.scan_within_budget(&text, 0..text.len(), Context::default(), usage, &mut more);
    for mut finding in more {
        let [first, last] = [finding.span.start, finding.span.end.saturating_sub(1)]
            .map(|at| places.get(at as usize).map_or(0, |place| *place as u64));
        let is_split = last + 1 - first > finding.span.end - finding.span.start;
        (finding.span.start, finding.span.end) = (first, last + 1);
        let is_same = |known: &Finding| known.category == finding.category && known.normal == finding.normal;
        if is_split && within.contains(&(first as usize)) && !found.iter().any(is_same) {
            found.push(finding);
        }
    }
    found.sort_by_key(|finding| finding.span);
}
