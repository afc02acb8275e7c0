//! Readings beside the first that are told where some bytes of the body stand in it, not letter by letter: codings that nothing names,
//! and character sets in which nothing can be masked. They are read beside it, never instead of it.

use smallvec::SmallVec;

use super::{Failure, Inspector, Mode};
use crate::engine::charset::{Another, Letters};
use crate::engine::container::{FIRST_BYTES, Guess, Opening, opening};
use crate::engine::record::Inner;

/// Bytes that are read at once: as fine are the places of who is in them.
const ROUGH_BYTES: usize = 512;
/// What one of them holds at most is so small a part of the coded bytes that may wait: of a text in UTF-32 each letter is four of these, and
/// its bytes as they are have open ends that it does not have.
const HELD_PART: u64 = 8;
/// Readings of one text: three guesses, two of what is declared and seen, and two of escapes.
const READINGS_MAX: usize = 7;

/// The readings of one text.
pub(super) struct Rough {
    /// The first bytes of the body, until they say whether it is a text.
    first: Option<SmallVec<[u8; FIRST_BYTES]>>,
    /// Those that go on.
    pub(super) readings: Vec<Reading>,
    /// Whether one that is over has told a record.
    has_told: bool,
}

/// One reading.
pub(super) struct Reading {
    /// None of a guess.
    letters: Option<Letters>,
    inner: Inner,
}

impl Rough {
    /// `guesses`: the body may be in a coding that nothing names.
    pub(super) fn new(guesses: bool) -> Self {
        Self {
            first: guesses.then(SmallVec::new),
            readings: Vec::new(),
            has_told: false,
        }
    }

    pub(super) fn inners(&self) -> impl Iterator<Item = &Inner> {
        self.readings.iter().map(|reading| &reading.inner)
    }

    pub(super) fn inners_mut(&mut self) -> impl Iterator<Item = &mut Inner> {
        self.readings.iter_mut().map(|reading| &mut reading.inner)
    }

    /// Whether one has told a record: nobody in it can be masked.
    pub(super) fn has_told(&self) -> bool {
        self.has_told || self.inners().any(Inner::has_told)
    }

    /// Looks at `bytes`, which come next: those before them, if it is known now that all of these are no text.
    fn look(&mut self, bytes: &[u8]) -> Option<SmallVec<[u8; FIRST_BYTES]>> {
        let first = self.first.as_mut()?;
        let before = first.clone();
        first.extend_from_slice(bytes.get(..FIRST_BYTES - before.len()).unwrap_or(bytes));
        match opening(first) {
            Opening::More => None,
            Opening::Text => {
                self.first = None;
                None
            }
            Opening::Other => Some(before),
        }
    }
}

impl Inspector {
    /// Has `first` read bytes, which come next, and reads them in the others too.
    pub(super) fn each_way(&mut self, mut bytes: &[u8], first: fn(&mut Self, &[u8])) {
        self.guess(bytes);
        while !self.rough.readings.is_empty() && !bytes.is_empty() {
            let (part, rest) = bytes.split_at_checked(ROUGH_BYTES).unwrap_or((bytes, &[]));
            first(self, part);
            self.read_rough(part);
            bytes = rest;
        }
        first(self, bytes);
    }

    /// Guesses what `bytes` are, which come next, if it is known now that they are no text.
    fn guess(&mut self, bytes: &[u8]) {
        let Some(before) = self.rough.look(bytes) else { return };
        let first = self.rough.first.take().unwrap_or_default();
        for guess in Guess::of(&first) {
            let mut inner = self.assembler.guessing(guess, self.decoded);
            inner.read_roughly(&mut self.assembler, &before, self.decoded);
            self.begin(None, inner);
        }
    }

    /// What comes now is read so too.
    pub(super) fn begin_rough(&mut self, another: Another) {
        let inner = self.assembler.rough(self.declared_beside(), self.decoded);
        self.begin(Some(Letters::new(another)), inner);
    }

    fn begin(&mut self, letters: Option<Letters>, inner: Inner) {
        if self.rough.readings.len() < READINGS_MAX {
            self.told.is_used = true;
            self.rough.readings.push(Reading { letters, inner });
        }
    }

    /// Reads bytes, which the first reading has read, in the others.
    pub(super) fn read_rough(&mut self, bytes: &[u8]) {
        let mut readings = std::mem::take(&mut self.rough.readings);
        readings.retain_mut(|Reading { letters, inner }| {
            let text = letters.as_mut().map(|letters| letters.read(bytes).0);
            let bytes = text.as_deref().unwrap_or(bytes);
            inner.read_roughly(&mut self.assembler, bytes, self.decoded);
            let coded_max = self.bounds.held_coded_bytes_max;
            let held = self.decoded.saturating_sub(inner.holds_from());
            if held > coded_max / HELD_PART {
                inner.force_in(&mut self.assembler);
            }
            let is_stuck = self.mode != Mode::Watch && !inner.is_drained() && held > coded_max;
            if is_stuck {
                self.fails_beside(Failure::HoldBack);
            }
            let goes_on = !is_stuck && !inner.is_broken();
            if !goes_on {
                self.end_rough(inner);
            }
            goes_on
        });
        self.rough.readings = readings;
        self.collect(self.holds_from());
    }

    /// The text ended.
    pub(super) fn finish_rough(&mut self) {
        for mut reading in std::mem::take(&mut self.rough.readings) {
            self.end_rough(&mut reading.inner);
        }
    }

    fn end_rough(&mut self, inner: &mut Inner) {
        inner.end(&mut self.assembler, self.decoded);
        if let Some(fault) = inner.take_fault() {
            self.fails_beside(fault.into());
        }
        self.rough.has_told |= inner.has_told();
    }
}
