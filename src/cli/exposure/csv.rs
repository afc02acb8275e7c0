//! Reads a CSV file row by row (RFC 4180, with any of three separators), whatever its size.

use std::io::{self, BufRead};

/// Bytes of one row; a longer one is no row of customers.
const ROW_BYTES_MAX: usize = 1 << 20;
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// The rows of a file.
pub(super) struct Rows<R> {
    input: R,
    separator: u8,
    /// Lines that were read, for errors.
    line: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Rows<R> {
    /// The rows behind the first, and the names of the columns in it.
    ///
    /// # Errors
    /// Those of `input`, or a file without a first row.
    pub(super) fn new(input: R) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let mut rows = Self {
            input,
            separator: b',',
            line: 0,
            text: Vec::new(),
        };
        if !rows.fill()? {
            return Err(rows.wrong("it is empty"));
        }
        if rows.text.starts_with(b"\xef\xbb\xbf") {
            rows.text.drain(..3);
        }
        let count = |separator: u8| memchr::memchr_iter(separator, &rows.text).count();
        rows.separator = SEPARATORS
            .into_iter()
            .rev()
            .max_by_key(|separator| count(*separator))
            .unwrap_or(b',');
        let names = rows.cells();
        Ok((rows, names))
    }

    /// The cells of the next row.
    ///
    /// # Errors
    /// Those of the input, a row that is too long, or a quote that does not end.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<Vec<u8>>>> {
        while self.fill()? {
            // An empty line is no row.
            if !self.text.is_empty() {
                return Ok(Some(self.cells()));
            }
        }
        Ok(None)
    }

    /// Reads one row, of as many lines as its quotes reach over; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.text.clear();
        let mut is_quoted = false;
        while is_quoted || self.text.last() != Some(&b'\n') {
            let before = self.text.len();
            let room = (ROW_BYTES_MAX - self.text.len()) as u64;
            let read = io::Read::take(&mut self.input, room).read_until(b'\n', &mut self.text)?;
            let new = self.text.get(before..).unwrap_or_default();
            is_quoted ^= memchr::memchr_iter(b'"', new).count() % 2 == 1;
            if read == 0 {
                return match (is_quoted, self.text.len()) {
                    (_, ROW_BYTES_MAX) => Err(self.wrong("a row of more than a mebibyte")),
                    (true, _) => Err(self.wrong("a quote that does not end")),
                    (false, length) => Ok(length > 0),
                };
            }
            self.line += u64::from(self.text.last() == Some(&b'\n'));
        }
        while matches!(self.text.last(), Some(b'\n' | b'\r')) {
            self.text.pop();
        }
        Ok(true)
    }

    fn cells(&self) -> Vec<Vec<u8>> {
        let (mut cells, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), false);
        let mut bytes = self.text.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            if byte == b'"' && is_quoted && bytes.next_if_eq(&b'"').is_some() {
                cell.push(b'"');
            } else if byte == b'"' && (is_quoted || cell.is_empty()) {
                is_quoted = !is_quoted;
            } else if byte == self.separator && !is_quoted {
                cells.push(std::mem::take(&mut cell));
            } else {
                cell.push(byte);
            }
        }
        cells.push(cell);
        cells
    }

    fn wrong(&self, what: &str) -> io::Error {
        let line = self.line + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line}: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<Vec<String>>, String> {
        let told = |error: io::Error| error.to_string();
        let cells = |cells: Vec<Vec<u8>>| cells.into_iter().map(|cell| String::from_utf8(cell).unwrap()).collect();
        let (mut rows, names) = Rows::new(text.as_bytes()).map_err(told)?;
        let mut all = vec![cells(names)];
        while let Some(row) = rows.next().map_err(told)? {
            all.push(cells(row));
        }
        Ok(all)
    }

    #[test]
    fn rows_are_read_as_they_are_written() {
        let expected = [["id", "mail"], ["1", "a@b.example"], ["2", "say \"x\", y\nz"]];
        for (separator, end) in [(',', "\n"), (';', "\r\n"), ('\t', "\n")] {
            let text =
                format!("id{separator}mail{end}1{separator}a@b.example{end}{end}2{separator}\"say \"\"x\"\", y\nz\"");
            assert_eq!(rows(&text).unwrap(), expected, "{separator}");
        }
        assert_eq!(rows("\u{feff}id\n").unwrap(), [["id"]]);
        assert_eq!(rows("a,b\n,\n").unwrap()[1], ["", ""]);
        assert_eq!(rows("").unwrap_err(), "line 1: it is empty");
        assert_eq!(rows("a\n\"b\nc").unwrap_err(), "line 3: a quote that does not end");
        let long = "x".repeat(ROW_BYTES_MAX + 1);
        assert!(rows(&format!("a\n{long}")).unwrap_err().contains("mebibyte"));
    }
}
