//! Tables in JSON: rows that are arrays, under a first row of names or beside an array of them.
//!
//! ```text
//!   [["name","phone"], ["Kim","010-0000-1234"], ...]
//!   {"columns":["name","phone"], "rows":[["Kim","010-0000-1234"], ...]}
//! ```

use super::Sink;
use super::cells::{Cell, CellForm};
use super::name::{Name, is_data};

/// Columns whose header is kept.
const COLUMNS_MAX: usize = 64;
/// A longer text is no header, in bytes.
const HEADER_BYTES_MAX: usize = 48;

/// What an array is to a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    #[default]
    None,
    /// It may be the names of the columns.
    Header,
    /// An object in that array, one of whose members may be a name, and one in which that member is under way.
    Column,
    Naming,
    /// The arrays in it are rows.
    Table,
    Row,
}

/// One column, by its header.
struct Column {
    header: Name,
    /// Whether its values are told even if nothing in them wakes a search.
    wanted: bool,
}

/// The columns of the table under way.
#[derive(Default)]
pub(super) struct Columns {
    /// What the array under way would be as a header; `None` once it is none.
    names: Option<Vec<Name>>,
    headers: Vec<Column>,
    /// How deep the container is in which they are the columns.
    depth: usize,
}

impl Columns {
    /// An array that may be a header begins.
    pub(super) fn begin(&mut self) {
        self.names = Some(Vec::new());
    }

    /// A string of that array.
    pub(super) fn collect(&mut self, piece: &Cell<'_>) {
        let text = piece.raw;
        let is_name = !is_data(text) && piece.within.0 == 0 && (1..=HEADER_BYTES_MAX).contains(&text.len());
        self.names = self.names.take().filter(|names| is_name && names.len() < COLUMNS_MAX);
        if let Some(names) = &mut self.names {
            names.push(Name::of(text));
        }
    }

    /// What is no string stands in that array.
    pub(super) fn refuse(&mut self) {
        self.names = None;
    }

    /// That array, of `values` values, ended: if it is a header, it is that of the container `depth` deep.
    pub(super) fn end(&mut self, values: usize, depth: usize, sink: &mut impl Sink) -> bool {
        let Some(names) = self
            .names
            .take()
            .filter(|names| names.len() > 1 && names.len() == values)
        else {
            return false;
        };
        let column = |header: Name| Column {
            wanted: sink.plain(header.as_slice()).is_none(),
            header,
        };
        let columns: Vec<Column> = names.into_iter().map(column).collect();
        if !columns.iter().any(|column| column.wanted) {
            return false;
        }
        (self.headers, self.depth) = (columns, depth);
        true
    }

    /// Whether there are columns for the arrays in the container `depth` deep.
    pub(super) fn are_of(&self, depth: usize) -> bool {
        !self.headers.is_empty() && self.depth == depth
    }

    /// A container ended, the one `depth` deep is the innermost now.
    pub(super) fn leave(&mut self, depth: usize) {
        if self.depth > depth {
            self.headers.clear();
        }
    }

    /// Whether the values of a column are told even if nothing in them wakes a search.
    pub(super) fn wants(&self, column: usize) -> bool {
        self.headers.get(column).is_some_and(|column| column.wanted)
    }

    /// Tells the header of a column, whose value at `at` comes.
    pub(super) fn tell(&self, column: usize, at: u64, sink: &mut impl Sink) {
        if let Some(column) = self.headers.get(column) {
            column.header.tell_as(CellForm::JsonString, at, sink);
        } else {
            Name::default().tell(at, sink);
        }
    }
}

/// Whether a member of this name may be the name of a column: `{"name":"phone","type":"text"}`.
pub(super) fn is_naming(name: &[u8]) -> bool {
    matches!(
        name,
        b"name" | b"title" | b"label" | b"field" | b"column" | b"header" | b"key" | b"columnName" | b"column_name"
    )
}

/// Whether an array of this name may hold the names of columns.
pub(super) fn is_heading(name: &[u8]) -> bool {
    matches!(
        name,
        b"columns"
            | b"cols"
            | b"fields"
            | b"header"
            | b"headers"
            | b"columnNames"
            | b"column_names"
            | b"keys"
            | b"names"
            | b"head"
            | b"schema"
            | b"labels"
            | b"colnames"
            | b"Columns"
            | b"Fields"
            | b"Header"
            | b"meta"
            | b"columnMetadata"
            | b"ColumnMetadata"
            | b"columnInfo"
    )
}
