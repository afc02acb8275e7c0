//! Tables in running text, as Markdown writes them: cells between bars, and a line of dashes under the header.

use std::ops::Range;

use super::name::Name;

/// Columns whose header is kept.
const COLUMNS_MAX: usize = 64;

/// The table that the lines so far are of.
#[derive(Default)]
pub(super) struct Bars {
    /// The last row, which is the header if dashes follow.
    row: Vec<Name>,
    headers: Vec<Name>,
}

impl Bars {
    /// The table, if there was one, is over.
    pub(super) fn clear(&mut self) {
        self.row.clear();
        self.headers.clear();
    }

    /// A line of cells was read. Answers whether it is a row under a header.
    pub(super) fn is_row(&mut self, line: &[u8]) -> bool {
        if !self.headers.is_empty() {
            return true;
        }
        let is_rule = |cell: &[u8]| cell.iter().all(|byte| matches!(byte, b'-' | b':' | b' ')) && cell.contains(&b'-');
        if !self.row.is_empty() && cells(line).all(|cell| is_rule(line.get(cell).unwrap_or_default())) {
            self.headers = std::mem::take(&mut self.row);
        } else {
            let names = cells(line).map(|cell| Name::of(line.get(cell).unwrap_or_default()));
            self.row = names.take(COLUMNS_MAX).collect();
        }
        false
    }

    /// A line without bars was read: a rule of a box (`+----+----+`) stands over and under the header, anything else ends the
    /// table.
    pub(super) fn pass(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        let is_rule = line.len() > 2 && line.starts_with(b"+") && line.iter().all(|byte| b"+-=".contains(byte));
        if !is_rule {
            self.clear();
        } else if self.headers.is_empty() {
            self.headers = std::mem::take(&mut self.row);
        }
    }

    /// The header of a column.
    pub(super) fn header(&self, column: usize) -> Name {
        self.headers.get(column).cloned().unwrap_or_default()
    }
}

/// Whether a line is cells between bars.
pub(super) fn is_bars(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line.len() > 2
        && line.starts_with(b"|")
        && (line.ends_with(b"|") || memchr::memchr_iter(b'|', line).nth(2).is_some())
}

/// The cells of a line that begins with a bar, without the bars; what stands behind the last is one too, if it is not blank.
pub(super) fn cells(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut bars = memchr::memchr_iter(b'|', line);
    // A bar behind a backslash is text.
    let is_bar = |bar: &usize| *bar == 0 || line.get(bar - 1) != Some(&b'\\');
    let mut from = bars.find(is_bar).map(|bar| bar + 1);
    std::iter::from_fn(move || {
        let begun = from?;
        let Some(bar) = bars.find(is_bar) else {
            from = None;
            let rest = line.get(begun..).unwrap_or_default();
            return (!rest.trim_ascii().is_empty()).then_some(begun..line.len());
        };
        from = Some(bar + 1);
        Some(begun..bar)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_stands_over_dashes() {
        let mut bars = Bars::default();
        assert!(!bars.is_row(b"| Name | Phone \\| Fax |\n") && !bars.is_row(b"|---|:--:|\n"));
        let line = b"| Kim | 010 |\n";
        assert!(bars.is_row(line) && is_bars(line));
        assert_eq!(bars.header(1).as_slice(), b"Phone \\| Fax");
        assert_eq!(cells(line).collect::<Vec<_>>(), [1..6, 7..12]);
        bars.clear();
        assert!(!bars.is_row(line) && !is_bars(b"a | b | c"));
    }

    #[test]
    fn what_stands_behind_the_last_bar_is_a_cell() {
        let texts = |line: &'static str| {
            cells(line.as_bytes())
                .filter_map(|cell| line.get(cell))
                .collect::<Vec<_>>()
        };
        assert_eq!(texts("| Kim | 010"), [" Kim ", " 010"]);
        assert_eq!(texts("| Kim | 010 |\n"), [" Kim ", " 010 "]);
        assert_eq!(texts("| a \\| b |"), [" a \\| b "]);
    }
}
