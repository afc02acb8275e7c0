//! Tables in running text whose columns are parted by blanks, as reports and terminals write them.
//!
//! ```text
//!   NAME            PHONE            ID        names over the columns, two blanks or more between them
//!   --------------- ---------------- ---       rules under them, or none: with rules one blank is enough
//!   Kim Minsu       010-0000-1234    7
//! ```
//! A letter of Korean, Chinese or Japanese is as wide as two others, or counts as one: programs differ.

use std::ops::Range;

use super::Sink;
use super::name::{Name, is_data};

/// Columns of a table.
const COLUMNS_MAX: usize = 64;
/// A longer text is no name of a column, in bytes.
const NAME_BYTES_MAX: usize = 48;
/// A longer line has no names of columns, in bytes.
const LINE_BYTES_MAX: usize = 512;
/// Dashes of a rule at least.
const DASHES_MIN: usize = 3;
/// Blanks between two columns without rules, at least.
const GAP: usize = 2;

/// The table that the lines so far are of.
#[derive(Default)]
pub(super) struct Spaced {
    columns: Vec<Column>,
    has_rules: bool,
    /// The line before, over which rules may stand, and how many columns it has: names stand where a table begins.
    before: Vec<u8>,
    before_columns: usize,
}

/// A column: its name, and how many letters stand before it.
struct Column {
    name: Name,
    place: usize,
}

/// How wide letters are.
type Width = fn(char) -> usize;

impl Spaced {
    /// The cells of a line that stands under names of columns, if it does: one for each column.
    pub(super) fn row(&mut self, line: &[u8], sink: &mut impl Sink) -> Option<Vec<Range<usize>>> {
        let text = std::str::from_utf8(line).ok()?.trim_end();
        if is_rule(text) {
            self.rule(text);
            return None;
        }
        let words = words(text, GAP);
        let is_like = words.len() == std::mem::replace(&mut self.before_columns, words.len());
        let cells = self.cells(text, &words);
        if cells.is_some() {
            return cells;
        }
        self.columns.clear();
        self.before.clear();
        let is_short = text.len() <= LINE_BYTES_MAX;
        if is_short {
            self.before.extend_from_slice(text.as_bytes());
        }
        if is_short && !is_like {
            (self.columns, self.has_rules) = (columns(text, words, sink), false);
        }
        None
    }

    /// The name of a column.
    pub(super) fn name(&self, column: usize) -> Name {
        let column = self.columns.get(column);
        column.map(|column| column.name.clone()).unwrap_or_default()
    }

    /// Rules, each of which is as wide as a column, whose names are on the line before.
    fn rule(&mut self, text: &str) {
        let (rules, before) = (words(text, 1), std::mem::take(&mut self.before));
        self.before_columns = 0;
        let names = std::str::from_utf8(&before).ok().filter(|names| !names.is_empty());
        let Some(names) = names.filter(|_| (2..=COLUMNS_MAX).contains(&rules.len())) else {
            return;
        };
        let places: Vec<usize> = rules.iter().map(|rule| rule.start).collect();
        let Some(cells) = cut(names, &places, 1) else { return };
        let column = |(place, cell): (usize, Range<usize>)| Column {
            name: Name::of(names.get(cell).unwrap_or_default().as_bytes()),
            place,
        };
        self.columns = places.into_iter().zip(cells).map(column).collect();
        self.has_rules = true;
    }

    /// The cells of `text`, which has these words.
    fn cells(&self, text: &str, words: &[Range<usize>]) -> Option<Vec<Range<usize>>> {
        if self.columns.is_empty() || words.is_empty() {
            return None;
        }
        if words.len() == self.columns.len() {
            return Some(words.to_vec());
        }
        let places: Vec<usize> = self.columns.iter().map(|column| column.place).collect();
        let cells = cut(text, &places, if self.has_rules { 1 } else { GAP });
        cells.filter(|cells| cells.iter().filter(|cell| !cell.is_empty()).count() > 1)
    }
}

/// The columns that `text` names by these cells, if it names some.
fn columns(text: &str, cells: Vec<Range<usize>>, sink: &mut impl Sink) -> Vec<Column> {
    let is_name = |cell: &Range<usize>| {
        let name = text.get(cell.clone()).unwrap_or_default();
        name.len() <= NAME_BYTES_MAX && !is_data(name.as_bytes()) && name.chars().any(char::is_alphabetic)
    };
    if !(2..=COLUMNS_MAX).contains(&cells.len()) || !cells.iter().all(is_name) {
        return Vec::new();
    }
    let column = |cell: Range<usize>| Column {
        place: text.get(..cell.start).unwrap_or_default().chars().map(wide).sum(),
        name: Name::of(text.get(cell).unwrap_or_default().as_bytes()),
    };
    let columns: Vec<Column> = cells.into_iter().map(column).collect();
    // A letter alone may be anything.
    let says = |column: &Column| column.name.as_slice().len() > 1 && sink.plain(column.name.as_slice()).is_none();
    if columns.iter().any(says) { columns } else { Vec::new() }
}

/// Whether a line is nothing but rules.
fn is_rule(text: &str) -> bool {
    let is_part = |byte: u8| matches!(byte, b'-' | b'=' | b' ' | b'\t' | b'+');
    let dashes = text.bytes().filter(|byte| matches!(byte, b'-' | b'='));
    text.bytes().all(is_part) && dashes.count() >= DASHES_MIN
}

/// What stands between runs of `gap` blanks or more.
fn words(text: &str, gap: usize) -> Vec<Range<usize>> {
    let (mut words, mut blanks) = (Vec::<Range<usize>>::new(), 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b' ' => blanks += 1,
            b'\t' => blanks += gap,
            _ => {
                let is_full = words.len() > COLUMNS_MAX;
                match words.last_mut().filter(|_| blanks < gap) {
                    Some(word) => word.end = at + 1,
                    None if is_full => break,
                    None => words.push(at..at + 1),
                }
                blanks = 0;
            }
        }
    }
    words
}

/// `text` cut at these places, each of which has `gap` blanks before it; `None` if something stands before the first, or a number may
/// stand on both sides of one blank.
fn cut(text: &str, places: &[usize], gap: usize) -> Option<Vec<Range<usize>>> {
    let widths: [Width; 2] = [wide, |_| 1];
    widths.into_iter().find_map(|width| cut_by(text, places, gap, width))
}

fn cut_by(text: &str, places: &[usize], gap: usize, width: Width) -> Option<Vec<Range<usize>>> {
    let mut cuts = Vec::with_capacity(places.len());
    let (mut place, mut letters) = (0, text.char_indices().peekable());
    for wanted in places {
        while let Some((_, letter)) = letters.next_if(|_| place < *wanted) {
            place += width(letter);
        }
        let at = letters.peek().map_or(text.len(), |(at, _)| *at);
        let (before, behind) = text.split_at_checked(at)?;
        let left = before.trim_end_matches(' ');
        let is_in_number = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || b"+()".contains(&byte));
        let parts_number = is_in_number(left.bytes().next_back()) && is_in_number(behind.bytes().next());
        let blanks = before.len() - left.len();
        let is_apart = left.is_empty() || blanks >= gap && !(blanks == 1 && parts_number);
        let is_cut = at == text.len() || place == *wanted && is_apart;
        if !is_cut || (cuts.is_empty() && !left.is_empty()) {
            return None;
        }
        cuts.push(at);
    }
    let ends = cuts.iter().skip(1).copied().chain([text.len()]);
    let cell = |(from, to): (usize, usize)| {
        let cell = text.get(from..to).unwrap_or_default();
        let blanks = cell.len() - cell.trim_start().len();
        from + blanks..from + blanks + cell.trim().len()
    };
    Some(cuts.iter().copied().zip(ends).map(cell).collect())
}

/// How wide a letter is on a terminal (Unicode Standard Annex 11): one place, or two.
fn wide(letter: char) -> usize {
    let is_wide = matches!(letter, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}'
        | '\u{20000}'..='\u{3fffd}');
    1 + usize::from(is_wide)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Listener;
    use super::*;

    fn read(lines: &[&str]) -> Vec<String> {
        let mut table = Spaced::default();
        let mut rows = Vec::new();
        for line in lines {
            let cells = table.row(line.as_bytes(), &mut Listener).into_iter().flatten();
            let cells = cells.enumerate().map(|(column, cell)| {
                let name = String::from_utf8_lossy(table.name(column).as_slice()).into_owned();
                format!("{name}={}", line.get(cell).unwrap_or_default())
            });
            rows.push(cells.collect::<Vec<_>>().join(" "));
        }
        rows
    }

    #[test]
    fn rows_stand_under_names_or_rules() {
        let rows = read(&[
            "x name    phone  id",
            "Kim Lee   010    7",
            "김민수    010    8",
            "Lee              9",
        ]);
        assert_eq!(
            rows,
            [
                "",
                "x name=Kim Lee phone=010 id=7",
                "x name=김민수 phone=010 id=8",
                "x name=Lee phone= id=9",
            ]
        );
        let rows = read(&[
            "id name     phone",
            "-- -------- -----",
            "7  Kim Lee  010",
            "12 김민수   02",
            "(2 rows)",
        ]);
        assert_eq!(
            rows[2..4],
            ["id=7 name=Kim Lee phone=010", "id=12 name=김민수 phone=02"]
        );
    }

    #[test]
    fn what_stands_under_nothing_is_text() {
        for lines in [
            &["x name  phone", "Kim, who is at home, and others", "a  b"][..],
            &["name  phone", "Kim  010"],
            &["x 2026  phone", "Kim  010"],
            &["---- ----", "Kim  010"],
            &["x name", "=======", "Kim  010"],
            // What a cut would part or leave out is text.
            &["x name  tel      city", "Kim     010 2000 1234"],
            &["x y  z", "---- ----", "0102 3000"],
            &["          x name  tel", "kim@mail  Lee  010  02"],
            // Names stand where a table begins.
            &["a  b", "x name  tel", "Kim  010"],
        ] {
            assert!(read(lines).iter().all(String::is_empty), "{lines:?}");
        }
    }
}
