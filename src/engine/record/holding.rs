//! What the assembler holds: records that are not settled, and how they are settled by force.

use super::assembler::{Assembler, GAP_BYTES_MAX};
use super::frame::Frame;
use super::subject;
use crate::engine::structure::Container;

impl Assembler {
    /// The offset before which every record is settled, when everything before `decided` was searched. `lines`: a line
    /// is one thing, so that a name on it waits for the phone after it.
    pub fn holds_from(&self, decided: u64, lines: bool) -> u64 {
        let from = self.own_from(decided, lines);
        self.stream
            .as_ref()
            .map_or(from, |stream| from.min(stream.inner.holds_from()))
    }

    /// The same without the value that goes on.
    fn own_from(&self, decided: u64, lines: bool) -> u64 {
        if let Some(from) = self.frames.iter().find_map(Frame::holds_from) {
            return from.min(decided);
        }
        if let Some(from) = self.scalar_start {
            return from.min(decided);
        }
        if self.frames.iter().any(|frame| frame.container != Container::Flow) {
            return decided;
        }
        let cluster = self.free.first().map(|item| item.place.span.start);
        let context = cluster
            .unwrap_or(decided)
            .saturating_sub(GAP_BYTES_MAX)
            .max(self.free_from);
        if lines {
            self.free_from.min(decided)
        } else {
            let parts = self.parts.free_from(decided).unwrap_or(decided).max(self.free_from);
            context.min(parts).min(decided)
        }
    }

    /// Settles the outermost open record by what it has shown: it outgrew the hold-back.
    pub fn force(&mut self, decided: u64) {
        if self.force_stream(self.own_from(decided, false)) {
            // It held the most.
        } else if let Some(at) = self.frames.iter().position(|frame| frame.holds_from().is_some()) {
            self.force_frame(at, decided);
        } else if self.scalar_start.is_some() {
            let items = std::mem::take(&mut self.scalar);
            let start = self.scalar_start.replace(decided).unwrap_or(decided);
            self.settle(start, decided, &items, false);
        } else {
            self.parts.clear();
            self.settle_free(decided);
            self.free_from = decided;
        }
    }

    pub(super) fn force_frame(&mut self, at: usize, decided: u64) {
        let mut items = Vec::new();
        self.parts.clear();
        let mut has_name = false;
        let mut start = decided;
        for (depth, frame) in self.frames.iter_mut().enumerate().skip(at) {
            if depth > at && frame.is_record {
                break;
            }
            if depth == at {
                start = frame.holds_from().unwrap_or(decided);
            }
            items.append(&mut frame.take_items());
            items.append(&mut frame.key_items);
            frame.awaits_value = false;
            has_name |= frame.has_name;
            frame.pieces.get_or_insert_default();
        }
        let Some(frame) = self.frames.get_mut(at) else { return };
        let people = subject::subjects(&items, has_name, &mut self.common, frame.pieces.as_deref_mut());
        self.settled.push(start, decided, &items, people);
    }

    /// Where the record stands, in a text without lines and in one with, that begins what is searched at `at`.
    pub(super) fn stops_at(&self, at: u64) -> [u64; 2] {
        self.stops_at
            .unwrap_or_else(|| [false, true].map(|lines| self.holds_from(at, lines)))
    }
}
