//! How the keys of a ledger lie in rows: a small key is one row that is written anew, a large one is followed by deltas.
//!
//! ```text
//!  key 0     everything up to some flush
//!  key 1..   what changed since, in order; when they outgrow the first, all become the first
//! ```
//! Every row is a frame by itself and what is known of a key is all of its rows merged, so that any of them may be
//! dropped once nothing in it is needed.

use hashbrown::HashMap;
use redb::{ReadableTable, Table, TableDefinition};

use super::error::RowFault;
use super::fault::Fault;
use crate::engine::ledger::{FrameError, KeyFrame, KeyId};

/// The table of rows.
pub(super) const ROWS: TableDefinition<'_, &[u8; ROW_KEY_BYTES], &[u8]> = TableDefinition::new("ledger");
/// Bytes of the name of a row: a key and a part, in the order in which they are read.
pub(super) const ROW_KEY_BYTES: usize = 16;
/// Up to so many bytes a key is written whole: half a page of the file.
const WHOLE_BYTES_MAX: usize = 2048;
/// Deltas of one key at most: each is a row to look up when they are merged.
const PARTS_MAX: u32 = 1024;
/// A hold or release that is over is kept so long, in seconds: another gateway may not have heard of it yet. The longest
/// window.
const MARK_SECONDS_MAX: u32 = 30 * 86_400;

/// The name of a row.
pub(super) type RowKey = [u8; ROW_KEY_BYTES];

/// What is known of a large key without a look at its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Large {
    /// Bytes of the first row.
    base_bytes: usize,
    /// Bytes of all others.
    delta_bytes: usize,
    /// The number of the next row.
    parts: u32,
}

/// All large keys; there are few.
pub(super) type LargeKeys = HashMap<KeyId, Large>;

/// Takes note of a row that is in the file.
pub(super) fn note(large: &mut LargeKeys, key: KeyId, part: u32, bytes: usize) {
    if part == 0 && bytes <= WHOLE_BYTES_MAX {
        return;
    }
    let known = large.entry(key).or_default();
    if part == 0 {
        known.base_bytes = bytes;
    } else {
        known.delta_bytes += bytes;
    }
    known.parts = known.parts.max(part.saturating_add(1));
}

/// The name of the row with this part of a key.
pub(super) fn row_key(key: KeyId, part: u32) -> RowKey {
    let mut row = [0; ROW_KEY_BYTES];
    let bytes = key.0.into_iter().chain(part.to_be_bytes());
    row.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    row
}

/// The key and the part that a row is named after.
pub(super) fn key_and_part(row: &RowKey) -> (KeyId, u32) {
    let mut key = KeyId([0; 12]);
    key.0.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
    let part = row.iter().skip(12);
    (key, part.fold(0, |part, byte| part << 8 | u32::from(*byte)))
}

/// Reads a row.
///
/// # Errors
/// When its bytes are no frame, or that of another key.
pub(super) fn decode(row: &RowKey, bytes: &[u8]) -> Result<KeyFrame, RowFault> {
    let (key, part) = key_and_part(row);
    let fault = |why| RowFault { key, part, why };
    let frame = KeyFrame::decode(bytes).map_err(fault)?;
    if frame.key == key {
        Ok(frame)
    } else {
        Err(fault(FrameError::Content))
    }
}

/// Drops what no window reaches any more; whether anything is left, or the mark still counts.
pub(super) fn is_needed(frame: &mut KeyFrame, second: u32) -> bool {
    frame.forget(second);
    let is_marked = frame
        .mark
        .is_some_and(|mark| mark.tag.until() >= second || mark.second.saturating_add(MARK_SECONDS_MAX) >= second);
    is_marked || !(frame.elements.is_empty() && frame.registers.is_empty() && frame.sums.is_empty())
}

/// The rows as one transaction changes them.
pub(super) struct Rows<'t> {
    table: Table<'t, &'static RowKey, &'static [u8]>,
    large: &'t LargeKeys,
    /// What became of large keys, to be noted once it is on disk.
    changed: HashMap<KeyId, Option<Large>>,
    second: u32,
    buffer: Vec<u8>,
}

impl<'t> Rows<'t> {
    pub(super) fn new(table: Table<'t, &'static RowKey, &'static [u8]>, large: &'t LargeKeys, second: u32) -> Self {
        let (changed, buffer) = (HashMap::new(), Vec::new());
        Self {
            table,
            large,
            changed,
            second,
            buffer,
        }
    }

    /// Merges `frame` into what is known of its key.
    pub(super) fn put(&mut self, frame: &KeyFrame) -> Result<(), Fault> {
        let key = frame.key;
        let known = self.changed.get(&key).copied();
        let Some(large) = known.unwrap_or_else(|| self.large.get(&key).copied()) else {
            let whole = self.joined(frame, 1)?;
            return self.put_whole(whole, 1);
        };
        self.buffer.clear();
        frame.encode(&mut self.buffer);
        let delta_bytes = large.delta_bytes + self.buffer.len();
        if delta_bytes > large.base_bytes || large.parts >= PARTS_MAX {
            let whole = self.joined(frame, large.parts)?;
            return self.put_whole(whole, large.parts);
        }
        self.table.insert(&row_key(key, large.parts), self.buffer.as_slice())?;
        let grown = Large {
            delta_bytes,
            parts: large.parts + 1,
            ..large
        };
        self.changed.insert(key, Some(grown));
        Ok(())
    }

    /// Drops a row.
    pub(super) fn remove(&mut self, row: &RowKey) -> Result<(), Fault> {
        self.table.remove(row)?;
        Ok(())
    }

    /// What became of large keys.
    pub(super) fn changed(self) -> HashMap<KeyId, Option<Large>> {
        self.changed
    }

    /// `frame`, and what the first `parts` rows of its key say.
    fn joined(&self, frame: &KeyFrame, parts: u32) -> Result<KeyFrame, Fault> {
        let mut whole = KeyFrame::new(frame.key, frame.dimension);
        for part in 0..parts {
            let row = row_key(frame.key, part);
            let Some(bytes) = self.table.get(&row)? else {
                continue;
            };
            let read = decode(&row, bytes.value())?;
            if part == 0 {
                whole = read;
            } else {
                whole.join(&read);
            }
        }
        whole.join(frame);
        Ok(whole)
    }

    /// Writes all that is known of a key into its first row, in the place of `parts` of them.
    fn put_whole(&mut self, mut whole: KeyFrame, parts: u32) -> Result<(), Fault> {
        let key = whole.key;
        let first = u32::from(is_needed(&mut whole, self.second));
        for part in first..parts {
            self.table.remove(&row_key(key, part))?;
        }
        let mut large = None;
        if first == 1 {
            self.buffer.clear();
            whole.encode(&mut self.buffer);
            self.table.insert(&row_key(key, 0), self.buffer.as_slice())?;
            large = (self.buffer.len() > WHOLE_BYTES_MAX).then_some(Large {
                base_bytes: self.buffer.len(),
                delta_bytes: 0,
                parts: 1,
            });
        }
        self.changed.insert(key, large);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::ledger::{Dimension, Mark, RevokedBy, Tag};

    #[test]
    fn a_row_is_named_after_its_key_and_part_in_order() {
        let key = KeyId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        for part in [0, 1, 255, 256, u32::MAX] {
            assert_eq!(key_and_part(&row_key(key, part)), (key, part));
        }
        assert!(row_key(key, 255) < row_key(key, 256));
    }

    #[test]
    fn a_row_is_needed_while_a_window_reaches_it_or_its_mark_counts() {
        let mut frame = KeyFrame::new(KeyId([1; 12]), Dimension::Session);
        frame.window_max = 100;
        assert!(!is_needed(&mut frame, 1_000));
        frame.elements = vec![(7, 900)];
        assert!(is_needed(&mut frame, 1_000) && !is_needed(&mut frame, 1_001));
        frame.elements.clear();
        let tag = Tag::Held {
            until: 5_000_000,
            cause: None,
        };
        frame.mark = Some(Mark { second: 900, tag });
        assert!(is_needed(&mut frame, 5_000_000) && !is_needed(&mut frame, 5_000_001));
        let tag = Tag::Released { until: 0, people: 0 };
        frame.mark = Some(Mark { second: 900, tag });
        assert!(is_needed(&mut frame, 1_000), "another gateway may not have heard of it");
        assert!(!is_needed(&mut frame, 901 + MARK_SECONDS_MAX));
        let (until, by) = (u32::MAX, RevokedBy::Person);
        let tag = Tag::Revoked { until, by };
        frame.mark = Some(Mark { second: 900, tag });
        assert!(is_needed(&mut frame, u32::MAX), "without an end it stays");
    }

    proptest! {
        #[test]
        fn any_bytes_in_a_row_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<[u8; 16]>()) {
            let _read = decode(&at, &bytes).is_ok();
        }

        #[test]
        fn a_row_under_the_name_of_another_is_refused(key in any::<[u8; 12]>(), other in any::<[u8; 12]>(), part in any::<u32>()) {
            prop_assume!(key != other);
            let mut bytes = Vec::new();
            KeyFrame::new(KeyId(key), Dimension::Session).encode(&mut bytes);
            prop_assert!(decode(&row_key(KeyId(key), part), &bytes).is_ok());
            prop_assert!(decode(&row_key(KeyId(other), part), &bytes).is_err());
        }
    }
}
