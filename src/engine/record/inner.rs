//! A body inside a value: read as any body is, with its own structure and records, which are told where they stand in the body
//! around it.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::{Assembler, Record};
use crate::engine::decode::{Coding, Decoder, Unescaped};
use crate::engine::detect::{ClassSet, RuleSet, Span, Usage};
use crate::engine::secret::HashKey;
use crate::engine::structure::{CellSettings, Declared, Structure};

/// First bytes that tell what it is.
const FIRST_BYTES: usize = 4;
/// Bytes that are unpacked at once.
const UNPACKED_AT_ONCE_BYTES: usize = 4096;
/// Bytes of a value between two places that are known on both sides.
const UNIT_BYTES: usize = 24;

/// A body inside a value.
pub(super) struct Inner {
    /// Until it is known what it is.
    first: Option<SmallVec<[u8; FIRST_BYTES]>>,
    decoder: Option<Decoder>,
    /// It broke its coding: what comes now is not read.
    is_broken: bool,
    structure: Structure,
    assembler: Assembler,
    /// Bytes of its text so far.
    text: u64,
    map: Map,
}

impl Inner {
    /// One whose text begins at `raw` of the body around it, in which so many layers are looked behind.
    pub(super) fn new(rules: &Arc<RuleSet>, secret: &HashKey, counted: ClassSet, layers: u32, raw: u64) -> Self {
        let mut assembler = Assembler::new(Arc::clone(rules), secret.clone());
        assembler.count_values(counted);
        assembler.layers = layers;
        let settings = CellSettings::new(CellSettings::default().segment, rules.has_expressions());
        Self {
            first: Some(SmallVec::new()),
            decoder: None,
            is_broken: false,
            structure: Structure::new(Declared::Unknown, settings),
            assembler,
            text: 0,
            map: Map::new(raw),
        }
    }

    /// Lends what all bodies of one have in common; `stopped_at`: where the record around it begins.
    pub(super) fn lend(&mut self, usage: &mut Usage, stopped_at: [u64; 2]) {
        std::mem::swap(&mut self.assembler.usage, usage);
        self.assembler.stops_at = Some(stopped_at);
    }

    /// More of it, which ends at `raw` of the body around it.
    pub(super) fn push(&mut self, bytes: &[u8], raw: u64) {
        if let Some(first) = &mut self.first {
            first.extend_from_slice(bytes);
            if first.len() >= FIRST_BYTES {
                self.begin();
            }
        } else {
            self.more(bytes);
        }
        self.map.push(self.text, raw);
    }

    /// All of `view`, which is of a cell at `at`.
    pub(super) fn push_view(&mut self, view: &Unescaped, at: u64) {
        for (place, unit) in view.text.chunks(UNIT_BYTES).enumerate() {
            let end = place * UNIT_BYTES + unit.len();
            self.push(unit, at + view.raw(0, end).1 as u64);
        }
    }

    /// It ended.
    pub(super) fn finish(&mut self) {
        self.begin();
        self.structure.finish(&mut self.assembler);
        self.assembler.finish(self.text);
    }

    /// Settles by force what it holds.
    pub(super) fn force(&mut self) {
        self.assembler.force(self.structure.decided_to());
    }

    /// Everything before this offset of the body around it is settled.
    pub(super) fn holds_from(&self) -> u64 {
        self.map.begins(self.holds())
    }

    /// Moves its records to those of the body around it; `all`: it ended.
    pub(super) fn take(&mut self, all: bool, records: &mut Vec<Record>) {
        let holds = if all { u64::MAX } else { self.holds() };
        let mut settled = Vec::new();
        self.assembler.take_settled(holds, &mut settled);
        for record in &mut settled {
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

    /// Its text so far, in bytes.
    pub(super) const fn text_bytes(&self) -> u64 {
        self.text
    }

    pub(super) const fn assembler(&self) -> &Assembler {
        &self.assembler
    }

    fn holds(&self) -> u64 {
        let (decided, lines) = (self.structure.decided_to(), self.structure.is_lines());
        self.assembler.holds_from(decided, lines)
    }

    /// Its first bytes tell what it is.
    fn begin(&mut self) {
        let Some(first) = self.first.take() else { return };
        let coding = match first.as_slice() {
            [0x1f, 0x8b, 8, ..] => Some(Coding::Gzip),
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some(Coding::Deflate),
            _ => None,
        };
        self.decoder = coding.and_then(Decoder::new);
        self.more(&first);
    }

    fn more(&mut self, mut bytes: &[u8]) {
        let Some(decoder) = self.decoder.as_mut().filter(|_| !self.is_broken) else {
            if self.decoder.is_none() {
                self.text += bytes.len() as u64;
                self.structure.push(bytes, &mut self.assembler);
            }
            return;
        };
        let mut output = [0; UNPACKED_AT_ONCE_BYTES];
        loop {
            let Ok(progress) = decoder.step(bytes, &mut output) else {
                self.is_broken = true;
                return;
            };
            bytes = bytes.get(progress.read..).unwrap_or_default();
            let text = output.get(..progress.written).unwrap_or_default();
            self.text += text.len() as u64;
            self.structure.push(text, &mut self.assembler);
            if bytes.is_empty() && progress.written < output.len() {
                return;
            }
        }
    }
}

/// Places that are known on both sides: offsets of the text, and of the body around it, both in order.
struct Map {
    /// The first holds for what was forgotten too.
    places: VecDeque<(u64, u64)>,
}

impl Map {
    fn new(raw: u64) -> Self {
        Self {
            places: VecDeque::from([(0, raw)]),
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
        place.map_or(0, |(_, raw)| *raw)
    }

    /// Where what ends at `text` ends, at the earliest.
    fn ends(&self, text: u64) -> u64 {
        let at = self.places.partition_point(|(known, _)| *known < text);
        let place = self.places.get(at).or_else(|| self.places.back());
        place.map_or(0, |(_, raw)| *raw)
    }

    /// Nothing before `text` is asked about any more.
    fn forget(&mut self, text: u64) {
        while self.places.get(1).is_some_and(|(known, _)| *known <= text) {
            self.places.pop_front();
        }
    }
}
