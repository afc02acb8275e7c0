//! `SQLite` files (its file format, sections 1 and 2), page by page: the rows of tables and indexes where they lie, the rest of
//! long ones as text.

use super::bytes::{big, gather, part};
use super::{Fault, Told};
use crate::engine::structure::Declared;

/// The header of the file, which is a part of its first page (section 1.3).
const HEADER_BYTES: usize = 100;
const PAGE_BYTES_MAX: usize = 64 << 10;
/// Pages with rows: leaves of tables and of indexes, and what is within indexes (section 1.6).
const TABLE_LEAF: u8 = 13;
const INDEX_LEAF: u8 = 10;
const INDEX_INNER: u8 = 2;
const TABLE_INNER: u8 = 5;
/// Columns of a row that are read.
const COLUMNS_MAX: usize = 2_000;

/// The reader of one file.
pub(super) struct Sqlite {
    page: Vec<u8>,
    page_bytes: usize,
    is_first: bool,
}

impl Sqlite {
    pub(super) fn new() -> Self {
        Self {
            page: Vec::new(),
            page_bytes: HEADER_BYTES,
            is_first: true,
        }
    }

    pub(super) const fn is_drained(&self) -> bool {
        self.page.is_empty()
    }

    /// Bytes up to the end of the page.
    pub(super) const fn wanted(&self) -> usize {
        self.page_bytes.saturating_sub(self.page.len())
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        while gather(&mut self.page, self.page_bytes, &mut bytes) {
            if self.page_bytes == HEADER_BYTES {
                self.page_bytes = match big(part(&self.page, 16, 2)) {
                    1 => PAGE_BYTES_MAX,
                    size @ 512..=0x8000 => size as usize,
                    _ => return Err(Fault::Unreadable),
                };
                continue;
            }
            let page = std::mem::take(&mut self.page);
            tell(&page, std::mem::take(&mut self.is_first), told)?;
            if bytes.is_empty() {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        let page = std::mem::take(&mut self.page);
        tell(&page, self.is_first, told)
    }
}

/// Tells one page.
fn tell(page: &[u8], is_first: bool, told: &mut Told<'_>) -> Result<(), Fault> {
    let begin = if is_first { HEADER_BYTES } else { 0 };
    let kind = page.get(begin).copied().unwrap_or_default();
    told.begin(Declared::Lines);
    let head_bytes = match kind {
        TABLE_LEAF | INDEX_LEAF => 8,
        INDEX_INNER => 12,
        // Numbers of rows and pages.
        TABLE_INNER => return Ok(()),
        _ => return strings(page, told),
    };
    let cells = big(part(page, begin + 3, 2)) as usize;
    let mut first = page.len();
    for number in 0..cells {
        let pointer = part(page, begin + head_bytes + 2 * number, 2);
        if pointer.is_empty() {
            break;
        }
        let at = big(pointer) as usize;
        first = first.min(at);
        row(page.get(at..).unwrap_or_default(), kind, told)?;
        told.text(b"\n")?;
    }
    // What was deleted is still there.
    let free = begin + head_bytes + 2 * cells;
    strings(page.get(free..first).unwrap_or_default(), told)
}

/// Tells the row that `cell` begins with.
fn row(cell: &[u8], kind: u8, told: &mut Told<'_>) -> Result<(), Fault> {
    let cell = if kind == INDEX_INNER {
        cell.get(4..).unwrap_or_default()
    } else {
        cell
    };
    let Some((payload_bytes, rest)) = number(cell) else {
        return Ok(());
    };
    let rest = if kind == TABLE_LEAF {
        number(rest).map_or(rest, |(_, rest)| rest)
    } else {
        rest
    };
    let payload = rest.get(..(payload_bytes as usize).min(rest.len())).unwrap_or_default();
    let Some((head_bytes, _)) = number(payload) else {
        return Ok(());
    };
    let head = payload.get(..head_bytes as usize).unwrap_or_default();
    let mut values = payload.get(head_bytes as usize..).unwrap_or_default();
    let mut kinds = number(head).map_or(head, |(_, kinds)| kinds);
    for column in 0..COLUMNS_MAX {
        let Some((kind, rest)) = number(kinds) else {
            return Ok(());
        };
        kinds = rest;
        told.text(if column > 0 { b"\t" } else { b"" })?;
        let length = usize::try_from(value_bytes(kind))
            .unwrap_or(usize::MAX)
            .min(values.len());
        let (value, rest) = values.split_at(length);
        values = rest;
        if kind >= 12 {
            line(value, told)?;
        } else if matches!(kind, 1..=6) {
            told.text(integer(value).to_string().as_bytes())?;
        }
    }
    Ok(())
}

/// The bytes of a value of this kind (section 2.1).
const fn value_bytes(kind: u64) -> u64 {
    match kind {
        0 | 8..=11 => 0,
        1..=4 => kind,
        5 => 6,
        6 | 7 => 8,
        _ => (kind - 12) / 2,
    }
}

fn integer(value: &[u8]) -> i64 {
    let sign = value.first().map_or(0, |first| i64::from(first.cast_signed() >> 7));
    value.iter().fold(sign, |sum, byte| sum << 8 | i64::from(*byte))
}

/// A number of up to nine bytes at the front (section 1.6), and what comes behind it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        if at == 8 {
            return Some((value << 8 | u64::from(*byte), bytes.get(9..)?));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

/// Tells a value within a line; a text of two bytes a character without its zeros.
fn line(value: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
    for part in value.split(|byte| matches!(byte, b'\n' | b'\r' | b'\t' | 0)) {
        told.text(part)?;
        if value.len() > part.len() && value.get(1) != Some(&0) && value.first() != Some(&0) {
            told.text(b" ")?;
        }
    }
    Ok(())
}

/// Tells bytes of no known layout, each part of them between zeros as a line.
fn strings(bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
    for part in bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty()) {
        told.line(part)?;
    }
    Ok(())
}
