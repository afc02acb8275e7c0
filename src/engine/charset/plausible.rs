//! Whether a text is in UTF-16 or UTF-32 at all: a text in ASCII or UTF-8 may pretend to be, by a mark or two letters, and would be
//! read as letters that nobody wrote.

use super::Unreadable;

/// Bytes that are measured at once.
pub(super) const WINDOW_BYTES: u32 = 512;
/// First units that are believed nothing: a mark, or the letters whose zeros told the set.
const FIRST_UNITS: u64 = 2;
/// One unit in so many, at least, is of ASCII or a separator: line ends, spaces, digits.
const SEPARATED_UNITS: u32 = 32;
/// Different units, below which a window is a line or a filling and shows nobody.
const DISTINCT_MIN: u32 = 16;

/// Measures one text, window by window from its first byte.
pub(super) struct Plausible {
    /// Bytes of a unit, 2 or 4, and whether its first is its highest.
    unit_bytes: u32,
    is_big: bool,
    window: Window,
    /// Bytes of the text so far.
    bytes: u64,
    /// The bytes of the last units.
    unit: u32,
    /// Bytes of a sequence of UTF-8 so far, and those that it still wants.
    sequence: (u32, u32),
}

#[derive(Clone, Copy, Default)]
struct Window {
    bytes: u32,
    units: u32,
    /// Units that no text in ASCII or UTF-8 can be mistaken for.
    genuine: u32,
    /// Bytes that are ASCII or sequences of UTF-8.
    plain: u32,
    /// Units seen, by a hash of eight bits.
    seen: [u64; 4],
}

impl Plausible {
    /// Of a text in units of so many bytes, 2 or 4.
    pub(super) fn new(unit_bytes: u32, is_big: bool) -> Self {
        Self {
            unit_bytes,
            is_big,
            window: Window::default(),
            bytes: 0,
            unit: 0,
            sequence: (0, 0),
        }
    }

    /// Follows `bytes`, which come next.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let unit = self.unit_bytes;
        for byte in bytes {
            self.plain(*byte);
            self.unit = if self.is_big {
                self.unit << 8 | u32::from(*byte)
            } else {
                self.unit >> 8 | u32::from(*byte) << (8 * (unit - 1))
            };
            self.bytes += 1;
            self.window.bytes += 1;
            if self.bytes.is_multiple_of(u64::from(unit)) {
                self.window
                    .count(self.unit, unit, self.bytes > FIRST_UNITS * u64::from(unit));
            }
            if self.window.bytes == WINDOW_BYTES {
                self.end()?;
            }
        }
        Ok(())
    }

    /// Measures what came of the last window.
    pub(super) fn end(&mut self) -> Result<(), Unreadable> {
        let window = std::mem::take(&mut self.window);
        // No text has four bytes for a letter by chance, however short it is.
        let distinct = if self.unit_bytes == 2 { DISTINCT_MIN } else { 0 };
        if window.is_plain_text(distinct) {
            Err(Unreadable)
        } else {
            Ok(())
        }
    }

    fn plain(&mut self, byte: u8) {
        let (length, wanted) = self.sequence;
        self.sequence = match byte {
            0x80..=0xbf if wanted > 1 => (length + 1, wanted - 1),
            0x80..=0xbf if wanted == 1 => {
                self.window.plain += length + 1;
                (0, 0)
            }
            0xc2..=0xdf => (1, 1),
            0xe0..=0xef => (1, 2),
            0xf0..=0xf4 => (1, 3),
            b'\t' | b'\n' | b'\r' | b' '..=b'~' => {
                self.window.plain += 1;
                (0, 0)
            }
            _ => (0, 0),
        };
    }
}

impl Window {
    /// Counts a unit of so many bytes.
    fn count(&mut self, number: u32, unit: u32, is_believed: bool) {
        let number = if unit == 2 { number & 0xffff } else { number };
        let is_genuine = if unit == 4 {
            char::from_u32(number).is_some()
        } else {
            // ASCII; the space, comma and full stop of Chinese and Japanese: no byte of UTF-8 is 0xff, and none of a text below a tabulator.
            matches!(number, 1..=0x7f | 0x3000..=0x3002 | 0xff0c)
        };
        self.units += 1;
        self.genuine += u32::from(is_genuine && is_believed);
        // Knuth, The Art of Computer Programming 3, section 6.4: multiplication by the golden ratio.
        let hash = number.wrapping_mul(0x9e37_79b9) >> 24;
        if let Some(seen) = self.seen.get_mut(hash as usize / 64) {
            *seen |= 1 << (hash % 64);
        }
    }

    fn is_plain_text(&self, distinct_min: u32) -> bool {
        let distinct: u32 = self.seen.iter().map(|seen| seen.count_ones()).sum();
        self.genuine * SEPARATED_UNITS < self.units && self.plain * 2 >= self.bytes && distinct >= distinct_min
    }
}
