//! Names: what a value is called, kept short and told as its key; and which names a record has had.

use smallvec::SmallVec;

use super::Sink;
use super::cells::{Cell, CellForm};

/// Bytes of a name that are kept; what comes after is still searched, only not part of the name.
const NAME_BYTES_MAX: usize = 64;
/// Names of one record that are remembered; beyond them a repetition is not noticed.
const NAMES_MAX: usize = 64;

/// What of `bytes` is kept of a name.
pub(super) fn beginning(bytes: &[u8]) -> &[u8] {
    bytes.get(..NAME_BYTES_MAX).unwrap_or(bytes)
}

/// Whether no more of a name would be kept.
pub(super) const fn is_full(name: &[u8]) -> bool {
    name.len() >= NAME_BYTES_MAX
}

/// Whether a text has what names do not have: an `@`, or four digits in a row.
pub(super) fn is_data(text: &[u8]) -> bool {
    let mut digits = 0;
    text.iter().any(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits == 4 || *byte == b'@'
    })
}

/// A name, bounded.
#[derive(Clone, Default)]
pub(super) struct Name(SmallVec<[u8; NAME_BYTES_MAX]>);

impl Name {
    /// The beginning of `bytes`, without blanks around it.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut name = Self::default();
        name.extend(bytes.trim_ascii());
        name
    }

    /// Becomes the beginning of `bytes`, without blanks around it.
    pub(super) fn set(&mut self, bytes: &[u8]) {
        self.clear();
        self.extend(bytes.trim_ascii());
    }

    /// Without blanks at its end.
    pub(super) fn trim_end(&mut self) {
        self.0.truncate(self.0.trim_ascii_end().len());
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let room = NAME_BYTES_MAX - self.0.len();
        self.0.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells the sink that the value at `at` stands under this name.
    pub(super) fn tell(&self, at: u64, sink: &mut impl Sink) {
        self.tell_as(CellForm::Plain, at, sink);
    }

    /// The same of a name that is written in this form.
    pub(super) fn tell_as(&self, form: CellForm, at: u64, sink: &mut impl Sink) {
        sink.key(&Cell {
            raw: &self.0,
            at,
            within: (0, 0),
            form,
            last: true,
        });
    }

    /// A number for comparing names: letter case does not matter.
    pub(super) fn hash(&self) -> u64 {
        self.0.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

/// The names that the record under way has had: one that comes back begins the next record.
#[derive(Default)]
pub(super) struct Names {
    seen: SmallVec<[u64; 16]>,
    last: Option<u64>,
}

impl Names {
    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.last = None;
    }

    /// Whether `name` begins another record; remembers it either way. A name twice in a row is one field with several
    /// values.
    pub(super) fn begins_another(&mut self, name: &Name) -> bool {
        let hash = name.hash();
        let repeats = self.last != Some(hash) && self.seen.contains(&hash);
        if repeats {
            self.clear();
        }
        if self.seen.len() < NAMES_MAX && !self.seen.contains(&hash) {
            self.seen.push(hash);
        }
        self.last = Some(hash);
        repeats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_back_begins_another_record() {
        let mut names = Names::default();
        let told: Vec<bool> = ["name", "phone", "phone", "mail", "Name", "mail"]
            .map(|name| names.begins_another(&Name::of(name.as_bytes())))
            .into();
        assert_eq!(told, [false, false, false, false, true, false]);
    }
}
