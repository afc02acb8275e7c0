//! A body inside a value: read as any body is, with its own structure and records, which are told where they stand in the body
//! around it.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::{Assembler, Details, Record};
use crate::engine::container::{Fault, Guess, Look, Meter, Texts, Told, Unpacker, look};
use crate::engine::decode::{Coding, Decoder, Unescaped};
use crate::engine::detect::{RuleSet, Span};
use crate::engine::secret::HashKey;
use crate::engine::structure::{CellSettings, Declared, Sink as _, Structure};

/// First bytes that tell what it is.
const FIRST_BYTES: usize = 16;
/// Bytes that are unpacked at once.
const UNPACKED_AT_ONCE_BYTES: usize = 4096;
/// Bytes of a value between two places that are known on both sides.
const UNIT_BYTES: usize = 24;

/// A body inside a value, or another reading of the body around it.
pub(in crate::engine) struct Inner {
    packed: Packed,
    read: Read,
    map: Map,
    /// Whether it is another reading of the body, of which it is known where parts of it stand.
    is_rough: bool,
    /// Whether what comes of it is measured by itself.
    has_meter: bool,
    /// Whether it told a record.
    has_told: bool,
}

/// How its text is packed.
enum Packed {
    /// Until it is known: its first bytes.
    Unknown(SmallVec<[u8; FIRST_BYTES]>),
    No,
    Zlib(Box<Decoder>),
    Container(Box<Unpacker>),
    /// In a coding that nothing names.
    Guess(Box<Guess>),
    /// It broke its coding: what comes now is not read.
    Broken,
}

/// What reads its text.
struct Read {
    settings: CellSettings,
    structure: Structure,
    assembler: Assembler,
    /// Bytes of the text so far.
    text: u64,
}

impl Texts for Read {
    fn begin(&mut self, declared: Declared) {
        self.structure.finish(&mut self.assembler);
        self.assembler.line(self.text);
        self.structure = Structure::at(self.text, declared, self.settings);
    }

    fn text(&mut self, text: &[u8]) {
        self.text += text.len() as u64;
        self.structure.push(text, &mut self.assembler);
    }

    fn meter(&mut self) -> &mut Meter {
        &mut self.assembler.meter
    }
}

impl Inner {
    /// One whose text begins at `raw` of the body around it, in which so many layers are looked behind.
    pub(super) fn new((rules, secret): (&Arc<RuleSet>, &HashKey), details: Details, layers: u32, raw: u64) -> Self {
        let mut assembler = Assembler::new(Arc::clone(rules), secret.clone());
        assembler.tell_details(details);
        assembler.layers = layers;
        let settings = CellSettings::new(CellSettings::default().segment, rules.has_expressions());
        Self {
            packed: Packed::Unknown(SmallVec::new()),
            read: Read {
                settings,
                structure: Structure::new(Declared::Unknown, settings),
                assembler,
                text: 0,
            },
            map: Map::new(raw),
            is_rough: false,
            has_meter: false,
            has_told: false,
        }
    }

    /// The same, of a text of this structure that is packed in nothing.
    pub(super) fn of_text(mut self, declared: Declared) -> Self {
        self.map.is_fine = true;
        self.packed = Packed::No;
        self.read.structure = Structure::new(declared, self.read.settings);
        self
    }

    /// The same, of which it is known where parts of it stand.
    pub(super) fn of_rough_text(self, declared: Declared) -> Self {
        let mut inner = self.of_text(declared);
        inner.map.is_fine = false;
        inner.is_rough = true;
        inner
    }

    /// The same, of what may be in this coding.
    pub(super) fn guessing(mut self, guess: Guess, meter: Meter) -> Self {
        self.packed = Packed::Guess(Box::new(guess));
        self.is_rough = true;
        self.has_meter = true;
        self.read.assembler.meter = meter;
        self
    }

    /// More of another reading of the body `around`, which may be coded: these bytes of it, which end in the first reading at `raw`.
    pub(in crate::engine) fn read_roughly(&mut self, around: &mut Assembler, bytes: &[u8], raw: u64) {
        self.read.assembler.meter.read_as(&around.meter);
        let stops_at = around.stops_at(self.holds_from());
        self.lend(around, stops_at);
        self.push(bytes, raw);
        self.give_back(around);
        self.tell(around, false);
    }

    /// Whether nothing more is read of it.
    pub(in crate::engine) const fn is_broken(&self) -> bool {
        matches!(self.packed, Packed::Broken)
    }

    /// Whether it told a record.
    pub(in crate::engine) const fn has_told(&self) -> bool {
        self.has_told
    }

    /// What went wrong in it: to be told once.
    pub(in crate::engine) const fn take_fault(&mut self) -> Option<Fault> {
        self.read.assembler.fault.take()
    }

    fn tell(&mut self, around: &mut Assembler, all: bool) {
        self.has_told |= around.take_reading(self, all);
    }

    /// More of another reading of the body `around`: `places` are bytes of the text, and offsets of that body; between two that are
    /// as far from one another in both all others are known too.
    pub(in crate::engine) fn read(
        &mut self,
        around: &mut Assembler,
        text: &[u8],
        places: impl Iterator<Item = (usize, u64)>,
    ) {
        let from = self.read.text;
        let stops_at = around.stops_at(self.holds_from());
        self.lend(around, stops_at);
        self.more(text);
        self.give_back(around);
        for (text, raw) in places {
            self.map.push(from + text as u64, raw);
        }
        self.tell(around, false);
    }

    /// All of a text that stands inside a value of the body `around`, with `places` as in [`Inner::read`].
    pub(super) fn read_whole(
        &mut self,
        around: &mut Assembler,
        text: &[u8],
        places: impl Iterator<Item = (usize, u64)>,
    ) {
        let stops_at = around.stops_at(self.holds_from());
        self.lend(around, stops_at);
        self.more(text);
        let mut last = 0;
        for (text, raw) in places {
            self.map.push(text as u64, raw);
            last = raw;
        }
        self.finish(last);
        self.give_back(around);
    }

    /// Another reading ended at `raw` of the body `around`.
    pub(in crate::engine) fn end(&mut self, around: &mut Assembler, raw: u64) {
        let stops_at = around.stops_at(self.holds_from());
        self.lend(around, stops_at);
        self.finish(raw);
        self.give_back(around);
        self.tell(around, true);
    }

    /// Settles by force what another reading of the body `around` holds.
    pub(in crate::engine) fn force_in(&mut self, around: &mut Assembler) {
        self.force();
        self.tell(around, false);
    }

    /// Lends it what all bodies of one have in common, until it is given back; `stopped_at`: where the record around it begins.
    pub(super) fn lend(&mut self, around: &mut Assembler, stopped_at: [u64; 2]) {
        self.give_back(around);
        self.read.assembler.stops_at = Some(stopped_at);
    }

    /// Gives back what was lent.
    pub(super) fn give_back(&mut self, around: &mut Assembler) {
        std::mem::swap(&mut self.read.assembler.usage, &mut around.usage);
        if !self.has_meter {
            std::mem::swap(&mut self.read.assembler.meter, &mut around.meter);
        }
    }

    /// More of it, which ends at `raw` of the body around it.
    pub(super) fn push(&mut self, bytes: &[u8], raw: u64) {
        if let Packed::Unknown(first) = &mut self.packed {
            first.extend_from_slice(bytes);
            if first.len() >= FIRST_BYTES {
                self.begin();
            }
        } else {
            self.more(bytes);
        }
        if self.is_drained() {
            self.map.push(self.read.text, raw);
        }
    }

    /// All of `view`, which is of a cell at `at`.
    pub(super) fn push_view(&mut self, view: &Unescaped, at: u64) {
        for (place, unit) in view.text.chunks(UNIT_BYTES).enumerate() {
            let end = place * UNIT_BYTES + unit.len();
            self.push(unit, at + view.raw(0, end).1 as u64);
        }
    }

    /// It ended.
    pub(super) fn finish(&mut self, raw: u64) {
        self.begin();
        let texts = &mut self.read;
        let whole = match &mut self.packed {
            Packed::Container(unpacker) => unpacker.finish(&mut Told { texts }),
            Packed::Guess(guess) => guess.finish(&mut Told { texts }),
            Packed::Unknown(_) | Packed::No | Packed::Zlib(_) | Packed::Broken => Ok(()),
        };
        self.breaks(whole);
        let Read {
            structure,
            assembler,
            text,
            ..
        } = &mut self.read;
        structure.finish(assembler);
        assembler.finish(*text);
        self.map.push(self.read.text, raw);
    }

    /// Settles by force what it holds.
    pub(super) fn force(&mut self) {
        self.read.assembler.force(self.read.structure.decided_to());
    }

    /// Everything before this offset of the body around it is settled.
    pub(in crate::engine) fn holds_from(&self) -> u64 {
        self.map.begins(self.holds())
    }

    /// Moves its records to those of the body around it; `all`: it ended.
    pub(super) fn take(&mut self, all: bool, records: &mut Vec<Record>) {
        let holds = if all { u64::MAX } else { self.holds() };
        let mut settled = Vec::new();
        self.read.assembler.take_settled(holds, &mut settled);
        for record in &mut settled {
            record.is_rough |= self.is_rough;
            record.start = self.map.begins(record.start);
            record.end = self.map.ends(record.end);
            for place in &mut record.places {
                place.span = Span {
                    start: self.map.begins(place.span.start),
                    end: self.map.ends(place.span.end),
                };
                place.number = false;
            }
        }
        records.append(&mut settled);
        self.map.forget(self.holds());
    }

    pub(super) const fn assembler(&self) -> &Assembler {
        &self.read.assembler
    }

    fn holds(&self) -> u64 {
        let (decided, lines) = (self.read.structure.decided_to(), self.read.structure.is_lines());
        self.read.assembler.holds_from(decided, lines)
    }

    /// Whether all that was read was told.
    pub(in crate::engine) fn is_drained(&self) -> bool {
        match &self.packed {
            Packed::Unknown(first) => first.is_empty(),
            Packed::Container(unpacker) => unpacker.is_drained(),
            Packed::Guess(guess) => guess.is_drained(),
            Packed::No | Packed::Zlib(_) | Packed::Broken => true,
        }
    }

    /// Its first bytes tell what it is.
    fn begin(&mut self) {
        let Packed::Unknown(first) = &mut self.packed else {
            return;
        };
        let first = std::mem::take(first);
        self.packed = match first.as_slice() {
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
                Decoder::new(Coding::Deflate).map_or(Packed::No, |decoder| Packed::Zlib(Box::new(decoder)))
            }
            first if look(first) == Look::Container => Packed::Container(Box::new(Unpacker::new(1))),
            _ => Packed::No,
        };
        self.more(&first);
    }

    fn more(&mut self, bytes: &[u8]) {
        let read = &mut self.read;
        let whole = match &mut self.packed {
            Packed::No => {
                read.text(bytes);
                Ok(())
            }
            Packed::Zlib(decoder) => inflate(decoder, bytes, read),
            Packed::Container(unpacker) => unpacker.push(bytes, &mut Told { texts: read }),
            Packed::Guess(guess) => guess.push(bytes, &mut Told { texts: read }),
            Packed::Unknown(_) | Packed::Broken => Ok(()),
        };
        self.breaks(whole);
    }

    /// What a value, or a guess, only seems to be is no container that cannot be read; what is one has the last word.
    fn breaks(&mut self, read: Result<(), Fault>) {
        let Err(fault) = read else { return };
        let is_one = match std::mem::replace(&mut self.packed, Packed::Broken) {
            Packed::Guess(mut guess) => {
                let is_sure = guess.is_sure(fault);
                // What came of it was there, whatever it is.
                guess.finish(&mut Told { texts: &mut self.read }).unwrap_or_default();
                is_sure
            }
            Packed::Unknown(_) | Packed::No | Packed::Zlib(_) | Packed::Container(_) | Packed::Broken => {
                matches!(fault, Fault::Encrypted | Fault::Limit | Fault::Isolation)
            }
        };
        if is_one {
            self.read.assembler.fault.get_or_insert(fault);
        }
    }
}

/// Inflates `bytes`: what comes of them comes of a container.
fn inflate(decoder: &mut Decoder, mut bytes: &[u8], read: &mut Read) -> Result<(), Fault> {
    let mut output = [0; UNPACKED_AT_ONCE_BYTES];
    loop {
        let progress = decoder.step(bytes, &mut output).map_err(|_| Fault::Unreadable)?;
        bytes = bytes.get(progress.read..).unwrap_or_default();
        read.assembler.meter.unpacked(progress.written as u64)?;
        read.text(output.get(..progress.written).unwrap_or_default());
        if bytes.is_empty() && progress.written < output.len() {
            return Ok(());
        }
    }
}

/// Places that are known on both sides: offsets of the text, and of the body around it, both in order.
struct Map {
    /// The first holds for what was forgotten too.
    places: VecDeque<(u64, u64)>,
    /// Whether all places between two are known that are as far apart on both sides.
    is_fine: bool,
}

impl Map {
    fn new(raw: u64) -> Self {
        Self {
            places: VecDeque::from([(0, raw)]),
            is_fine: false,
        }
    }

    /// All text up to `text` comes from what stands before `raw`.
    fn push(&mut self, text: u64, raw: u64) {
        match self.places.back_mut() {
            // Nothing came of what stands between.
            Some(last) if last.0 == text => last.1 = raw,
            Some(_) | None => self.places.push_back((text, raw)),
        }
    }

    /// Where what begins at `text` begins, at the latest.
    fn begins(&self, text: u64) -> u64 {
        let behind = self.places.partition_point(|(known, _)| *known <= text);
        let place = self.places.get(behind.saturating_sub(1));
        let (known, raw) = place.copied().unwrap_or_default();
        match self.places.get(behind) {
            Some(next) if self.is_fine && next.0 - known == next.1 - raw => raw + text.saturating_sub(known),
            Some(_) | None => raw,
        }
    }

    /// Where what ends at `text` ends, at the earliest.
    fn ends(&self, text: u64) -> u64 {
        let at = self.places.partition_point(|(known, _)| *known < text);
        let place = self.places.get(at).or_else(|| self.places.back());
        let (known, raw) = place.copied().unwrap_or_default();
        match at.checked_sub(1).and_then(|before| self.places.get(before)) {
            Some(before) if self.is_fine && known - before.0 == raw - before.1 => raw - known.saturating_sub(text),
            Some(_) | None => raw,
        }
    }

    /// Nothing before `text` is asked about any more.
    fn forget(&mut self, text: u64) {
        while self.places.get(1).is_some_and(|(known, _)| *known <= text) {
            self.places.pop_front();
        }
    }
}
