//! Lines of a file, one after the other, none longer than it may be.

use std::io::{self, BufRead};

/// Bytes of one line at most; the rest of a longer one is read past.
pub(super) const LINE_BYTES_MAX: usize = 64 << 10;

/// Reads lines.
pub(super) struct Lines<R> {
    from: R,
    line: Vec<u8>,
    pub(super) number: u64,
    pub(super) bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }

    /// The next line without its end; `None` behind the last, and a line that is too long is an empty one, told by `true`.
    pub(super) fn next(&mut self) -> io::Result<Option<(&[u8], bool)>> {
        self.line.clear();
        let (mut is_long, mut has_begun) = (false, false);
        loop {
            let available = self.from.fill_buf()?;
            if available.is_empty() {
                break;
            }
            has_begun = true;
            let end = memchr::memchr(b'\n', available);
            let taken = end.map_or(available.len(), |end| end + 1);
            let text = available.get(..end.unwrap_or(taken)).unwrap_or_default();
            if self.line.len() + text.len() > LINE_BYTES_MAX {
                is_long = true;
                self.line.clear();
            } else if !is_long {
                self.line.extend_from_slice(text);
            }
            self.from.consume(taken);
            self.bytes += taken as u64;
            if end.is_some() {
                break;
            }
        }
        if !has_begun {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        Ok(Some((&self.line, is_long)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_end_and_none_is_longer_than_it_may_be() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let text = format!("one\r\n\n{long}\nlast");
        for capacity in [1, 7, 1 << 20] {
            let mut lines = Lines::new(io::BufReader::with_capacity(capacity, text.as_bytes()));
            let mut read = Vec::new();
            while let Some((line, is_long)) = lines.next().unwrap() {
                read.push((String::from_utf8(line.to_vec()).unwrap(), is_long));
            }
            let expected = [("one", false), ("", false), ("", true), ("last", false)];
            assert_eq!(read, expected.map(|(line, is_long)| (line.to_owned(), is_long)));
            assert_eq!((lines.number, lines.bytes), (4, text.len() as u64));
        }
    }
}
