//! Other readings of a body of which it is not sure what it is in: who is in any of them is in the body.
//!
//! ```text
//!   first     name,phone\n ..... 이름,０１０ ...     all of it, in what it is in most likely
//!   another                     ÀÌ¸§,£°£± ...       from the first byte on that two readings read differently
//! ```
//! Each has a structure and records of its own, told where they stand in the first. It begins in the middle of a text, so it is read
//! line by line where the format has a beginning.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::{Failure, Inspector, Mode};
use crate::engine::charset::{Another, LetterEnd, Letters};
use crate::engine::detect::Span;
use crate::engine::record::{Inner, Record};
use crate::engine::structure::Declared;

/// Readings beside the first: two of what is declared and likely, and two of escapes.
const BESIDES_MAX: usize = 4;
/// One more reading.
pub(super) struct Beside {
    letters: Letters,
    inner: Inner,
}

/// Where identifiers of records stand that were told, in order, and what they are: they are those of each reading that tells them.
#[derive(Default)]
pub(super) struct Told {
    /// Whether a text was read in more than one way so far.
    pub(super) is_used: bool,
    places: Places,
    /// Those of guesses, which are larger: they say where someone stands, and not where else nobody does.
    rough: Places,
    /// Each with the end of what told it: of a packed value there are many, which all stand in the same few bytes.
    values: HashMap<u64, u64>,
}

/// Spans in order.
#[derive(Default)]
struct Places(Vec<Span>);

impl Places {
    fn add(&mut self, span: Span) {
        let at = self.0.partition_point(|told| told.start < span.start);
        if self.0.get(at) != Some(&span) {
            self.0.insert(at, span);
        }
    }

    /// Whether one stands where this one does.
    fn has(&self, span: &Span) -> bool {
        let before = self.0.partition_point(|told| told.start < span.end);
        let last = before.checked_sub(1).and_then(|last| self.0.get(last));
        last.is_some_and(|told| told.end > span.start)
    }
}

impl Told {
    /// Whether no other reading has told where all identifiers of this record stand, and what all its people are known by; then they
    /// are told now. One of them may be known by another of their values in another reading.
    fn is_new(&mut self, record: &Record) -> bool {
        let mut people = record.subjects.iter();
        let has_people = people.all(|person| self.values.contains_key(&person.0));
        if record.is_rough {
            // Whoever makes up a coding makes up what stands together in it: two who are one there are two in the text. Where it stands
            // depends on how the body was cut.
            self.values
                .extend(record.subjects.iter().map(|person| (person.0, record.end)));
            record.places.iter().for_each(|place| self.rough.add(place.span));
            return !has_people;
        }
        let is_someone = !record.subjects.is_empty();
        let is_told = |span: &Span| self.places.has(span) || is_someone && self.rough.has(span);
        let is_new = !has_people || !record.places.iter().all(|place| is_told(&place.span));
        for place in record.places.iter().filter(|_| is_new) {
            self.places.add(place.span);
        }
        self.values
            .extend(record.places.iter().map(|place| (place.value, record.end)));
        is_new
    }

    /// Forgets what stands before `holds_from`.
    fn forget(&mut self, holds_from: u64) {
        for places in [&mut self.places, &mut self.rough] {
            places.0.retain(|span| span.end > holds_from);
        }
        self.values.retain(|_, end| *end > holds_from);
    }
}

/// Where letters end in another reading and in the first, whose letters end at `ends`.
fn both(another: &Letters, places: &[LetterEnd], ends: &[LetterEnd]) -> Vec<(usize, usize)> {
    if another.are_bytes() {
        return ends.iter().map(|end| (end.read, end.text)).collect();
    }
    let mut places = places.iter().peekable();
    let mut both = Vec::new();
    for end in ends {
        while places.next_if(|place| place.read < end.read).is_some() {}
        let same = places.next_if(|place| place.read == end.read);
        both.extend(same.map(|place| (place.text, end.text)));
    }
    both
}

impl Inspector {
    /// What comes now is read so too.
    pub(super) fn begin_beside(&mut self, another: Another) {
        if self.beside.len() >= BESIDES_MAX {
            return;
        }
        self.told.is_used = true;
        let inner = self.assembler.another(self.declared_beside(), self.decoded);
        self.beside.push(Beside {
            letters: Letters::new(another),
            inner,
        });
    }

    /// What another reading that begins here is, which is in the middle of a text.
    pub(super) fn declared_beside(&self) -> Declared {
        // These begin with what says how to read the rest.
        let has_beginning = matches!(
            self.structure.declared(),
            Declared::Json | Declared::Table | Declared::Unknown
        );
        if has_beginning && self.decoded > self.text_from {
            Declared::Lines
        } else {
            self.structure.declared()
        }
    }

    /// Reads bytes of the body, which are the text of the first reading from `start` on, in the others too.
    pub(super) fn read_beside(&mut self, bytes: &[u8], start: u64) {
        for beside in &mut self.beside {
            let (text, ends) = beside.letters.read(bytes);
            let places = ends.iter().map(|end| (end.text, start + end.read as u64));
            beside.inner.read(&mut self.assembler, &text, places);
        }
    }

    /// Reads bytes of the body in the first reading, which are other letters than they are, and in the others.
    pub(super) fn read_all(&mut self, bytes: &[u8]) {
        let start = self.decoded;
        let (first, of_first) = self.charset.letters(bytes);
        self.search(&first);
        for beside in &mut self.beside {
            let (text, ends) = beside.letters.read(bytes);
            let ends = both(&beside.letters, &ends, &of_first).into_iter();
            let places = ends.map(|(text, first)| (text, start + first as u64));
            beside.inner.read(&mut self.assembler, &text, places);
        }
        self.collect(self.holds_from());
    }

    /// Nothing more comes of the body.
    pub(super) fn finish_beside(&mut self) {
        for beside in &mut self.beside {
            beside.inner.end(&mut self.assembler, self.decoded);
        }
        self.note_faults();
        self.beside.clear();
    }

    /// Notes what went wrong in the other readings.
    pub(super) fn note_faults(&mut self) {
        let texts = self.beside.iter_mut().map(|beside| &mut beside.inner);
        let faults = texts.chain(self.rough.inners_mut()).filter_map(Inner::take_fault);
        let failures: SmallVec<[Failure; 4]> = faults.map(Failure::from).collect();
        failures.into_iter().for_each(|failure| self.fails_beside(failure));
    }

    /// Another reading than the first cannot go on: that is told once, whatever else cannot for the same reason.
    pub(super) fn fails_beside(&mut self, failure: Failure) {
        if !self.passed.contains(&failure) {
            self.beside_failure.get_or_insert(failure);
        }
    }

    /// Where what the other readings hold begins.
    pub(super) fn beside_holds_from(&self) -> u64 {
        let texts = self.beside.iter().map(|beside| beside.inner.holds_from());
        let guesses = self.rough.inners().map(Inner::holds_from);
        texts.chain(guesses).min().unwrap_or(u64::MAX)
    }

    /// Settles by force what another reading holds, if one holds the most.
    pub(super) fn force_beside(&mut self) -> bool {
        let from = self.holds_from();
        let texts = self.beside.iter_mut().map(|beside| &mut beside.inner);
        let mut inners = texts.chain(self.rough.inners_mut());
        let Some(most) = inners.find(|inner| inner.holds_from() == from) else {
            return false;
        };
        most.force_in(&mut self.assembler);
        true
    }

    /// Of the records that were settled behind these, those that no other reading has told; `holds_from`: none comes before it.
    pub(super) fn only_news(&mut self, from: usize, holds_from: u64) {
        if !self.told.is_used {
            return;
        }
        // What one reading masks leaves unmasked in a guess, so that all of these count.
        if self.mode == Mode::Rewrite && self.rough.has_told() {
            return;
        }
        let records = self.ready.split_off(from);
        // What a guess says is compared with what is sure.
        let mut is_new = vec![false; records.len()];
        for is_rough in [false, true] {
            let records = records.iter().zip(&mut is_new);
            let of_kind = records.filter(|(record, _)| record.is_rough == is_rough);
            of_kind.for_each(|(record, is_new)| *is_new = self.told.is_new(record));
        }
        let news = records.into_iter().zip(is_new).filter(|(_, is_new)| *is_new);
        self.ready.extend(news.map(|(record, _)| record));
        self.told.forget(holds_from);
    }
}
