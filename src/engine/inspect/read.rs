//! From the bytes of a body to its records: decode, read the character set, search.

use bytes::Bytes;

use super::{Failure, Inspector, Mode};
use crate::engine::charset::Text;

/// Records are looked for, and the hold-back measured, every so many decoded bytes: a fixed grid, whatever the chunks.
const GRID: u64 = 4096;
/// Coded bytes between two checkpoints of gzip, deflate and br.
const SLICE: usize = 512;
/// Decoded bytes written at one step of a decoder.
const OUTPUT: usize = 16 * 1024;

/// Ratios are measured beyond this many decoded bytes: small bodies may be as repetitive as they like.
const RATIO_FREE_BYTES: u64 = 1 << 20;
/// Bytes of text that are read from another character set at once.
const TEXT_BYTES: usize = 4096;

/// How a text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// All of it, up to a place where it is asked what it is in: from there on it may have checkpoints.
    Whole,
    /// It is a slice, behind which there may be one.
    Slices,
}

impl Inspector {
    pub(super) fn inspect(&mut self, chunk: &Bytes) -> Result<(), Failure> {
        if self.decoder.is_none() {
            self.packed.look(chunk);
        }
        // Bytes that may yet be those of a container are no text.
        if self.decoder.is_none() && self.packed.is_text() {
            self.charset.look(chunk);
        }
        self.assembler.meter.read(chunk.len() as u64);
        let mut left = &chunk[..];
        if !self.is_coded() {
            let unread = self.text(chunk, Pace::Whole)?;
            left = left.get(left.len() - unread..).unwrap_or_default();
            // Read as it is, or just found to be in another character set or a container: then all of it was read.
            if self.is_coded() {
                self.checkpoint(self.pushed - unread as u64);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        let mut output = std::mem::take(&mut self.output);
        output.resize(OUTPUT, 0);
        let result = self.decode(left, &mut output);
        self.output = output;
        result?;
        if self.is_coded() && self.is_stuck() {
            return Err(Failure::HoldBack);
        }
        Ok(())
    }

    /// Whether more waits than may, and nothing of it can be released.
    fn is_stuck(&mut self) -> bool {
        let (waiting, max, released) = match self.mode {
            Mode::Watch => return false,
            Mode::Rewrite if self.is_decoding() => (
                self.unpackable - self.unpackable_released,
                self.bounds.held_decoded_bytes_max,
                self.unpackable_released,
            ),
            Mode::Guard | Mode::Rewrite => (self.held(), self.bounds.held_coded_bytes_max, self.released),
        };
        // A text that is rewritten has no checkpoints: what it holds is settled by force.
        let has_checkpoints = self.mode == Mode::Guard || !self.is_decoding() || self.packed.is_container();
        if !has_checkpoints || waiting <= max || !self.ready.is_empty() {
            return false;
        }
        let grantable = self.grantable();
        let known = self.checkpoints.iter().take_while(|(_, decoded)| *decoded <= grantable);
        known.last().is_none_or(|(at, _)| *at <= released)
    }

    fn decode(&mut self, chunk: &[u8], output: &mut [u8]) -> Result<(), Failure> {
        let mut coded = self.pushed - chunk.len() as u64;
        let mut left = chunk;
        while !left.is_empty() {
            let slice = left.get(..SLICE).unwrap_or(left);
            let length = if self.decoder.is_none() {
                self.packed.wanted(self.charset.whole(slice)).max(1)
            } else {
                slice.len()
            };
            let (slice, rest) = left.split_at(length);
            self.decode_slice(slice, &mut coded, output)?;
            left = rest;
        }
        Ok(())
    }

    /// Decodes one slice to its end, and remembers where the decoder was drained.
    fn decode_slice(&mut self, mut slice: &[u8], coded: &mut u64, output: &mut [u8]) -> Result<(), Failure> {
        loop {
            let Some(decoder) = &mut self.decoder else {
                *coded += slice.len() as u64;
                self.text(slice, Pace::Slices)?;
                self.checkpoint(*coded);
                return Ok(());
            };
            let progress = decoder.step(slice, output).map_err(Failure::from)?;
            let drained = progress.written < output.len() && !decoder.has_more();
            let checkpoint = drained && decoder.is_checkpoint();
            slice = slice.get(progress.read..).unwrap_or_default();
            *coded += progress.read as u64;
            let text = output.get(..progress.written).unwrap_or_default();
            if self.mode == Mode::Rewrite && !text.is_empty() {
                self.rewritten.push_back(Bytes::copy_from_slice(text));
            }
            self.unpackable += text.len() as u64;
            self.text(text, Pace::Slices)?;
            if self.mode == Mode::Rewrite {
                self.checkpoint(self.unpackable);
            }
            // What a container is told to hold may be less than what it is, and more.
            let came = self.unpackable.max(self.decoded);
            if came > RATIO_FREE_BYTES && came / (*coded).max(1) > self.bounds.decoded_ratio_max {
                return Err(Failure::Ratio);
            }
            if checkpoint && self.mode != Mode::Rewrite {
                self.checkpoint(*coded);
            }
            if slice.is_empty() && drained {
                return Ok(());
            }
        }
    }

    /// Remembers that the first `coded` bytes yield what was decoded so far, and no more.
    fn checkpoint(&mut self, coded: u64) {
        let waits = self.mode == Mode::Guard || (self.mode == Mode::Rewrite && self.packed.is_container());
        if !waits || !self.charset.is_between_characters() || !self.packed.is_drained() {
            return;
        }
        // The header of a coding alone is no reason to begin an answer that may yet be refused.
        if self.decoded == 0 && !self.packed.is_container() {
            return;
        }
        // Two points with the same text in between: the later lets more coded bytes go.
        if self
            .checkpoints
            .back()
            .is_some_and(|(_, decoded)| *decoded == self.decoded)
        {
            self.checkpoints.pop_back();
        }
        self.checkpoints.push_back((coded, self.decoded));
    }

    /// Searches decoded bytes: the container that they are, or the text; how many at their end are still to be searched.
    fn text(&mut self, bytes: &[u8], pace: Pace) -> Result<usize, Failure> {
        let Some(kept) = self.packed.next(bytes) else {
            return Ok(0);
        };
        if self.packed.is_container() {
            self.unpack(Some(&kept))?;
            self.unpack(Some(bytes))?;
            return Ok(0);
        }
        self.characters(&kept, Pace::Slices)?;
        self.characters(bytes, pace)
    }

    /// Searches text, read in its character set; how many bytes at its end are still to be searched.
    fn characters(&mut self, mut bytes: &[u8], pace: Pace) -> Result<usize, Failure> {
        while !bytes.is_empty() && (pace == Pace::Slices || !self.charset.is_asking()) {
            let (text, length) = self.charset.next(bytes).map_err(|_| Failure::Undecodable)?;
            let (part, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
            self.told(text, part)?;
            bytes = rest;
        }
        Ok(bytes.len())
    }

    /// Searches what `text` says that the next bytes are, `part` of them.
    fn told(&mut self, text: Text, part: &[u8]) -> Result<(), Failure> {
        match text {
            Text::Same(kept) => {
                self.each_way(&kept, Self::search);
                self.each_way(part, Self::search);
            }
            Text::Again(kept) => {
                self.characters(&kept, Pace::Slices)?;
            }
            Text::Kept => {}
            Text::Other(_) if self.mode == Mode::Rewrite => return Err(Failure::Undecodable),
            // A mask would be other letters there.
            Text::Beside(another) if self.mode == Mode::Rewrite && another.has_escapes() => {
                return Err(Failure::Undecodable);
            }
            Text::Beside(another) if another.is_rough() => self.begin_rough(another),
            Text::Beside(another) => self.begin_beside(another),
            Text::Other(kept) if self.charset.has_letters() => {
                self.each_way(&kept, Self::read_all);
                self.each_way(part, Self::read_all);
            }
            Text::Other(kept) => {
                self.each_way(&kept, Self::read_more);
                self.each_way(part, Self::read_more);
            }
        }
        Ok(())
    }

    /// The text ends: what waited for more of it has no more to wait for.
    pub(super) fn read_end(&mut self) -> Result<(), Failure> {
        let kept = self.packed.end();
        if self.packed.is_container() {
            if !kept.is_empty() {
                self.unpack(Some(&kept))?;
            }
            self.unpack(None)?;
        } else {
            self.characters(&kept, Pace::Slices)?;
        }
        loop {
            let text = self.charset.end().map_err(|_| Failure::Undecodable)?;
            let is_all = !matches!(text, Text::Again(_));
            self.told(text, &[])?;
            if is_all {
                break;
            }
        }
        self.read(&[], true);
        Ok(())
    }

    fn read_more(&mut self, bytes: &[u8]) {
        self.read(bytes, false);
    }

    /// Searches bytes in another character set.
    fn read(&mut self, mut bytes: &[u8], last: bool) {
        let mut text = [0; TEXT_BYTES];
        loop {
            let (read, written, done) = self.charset.read(bytes, &mut text, last);
            self.search(text.get(..written).unwrap_or_default());
            bytes = bytes.get(read..).unwrap_or_default();
            if done {
                return;
            }
        }
    }

    /// Searches text, in pieces that end on a fixed grid.
    pub(super) fn search(&mut self, mut text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if self.passed.is_empty() {
            self.tally.inspected_bytes += text.len() as u64;
        }
        self.opaque.look(text);
        while !text.is_empty() {
            let to_grid = (GRID - self.decoded % GRID) as usize;
            let (piece, rest) = text.split_at(to_grid.min(text.len()));
            self.structure.push(piece, &mut self.assembler);
            let start = self.decoded;
            self.decoded += piece.len() as u64;
            if !self.beside.is_empty() && !self.charset.is_other() {
                self.read_beside(piece, start);
            }
            if self.decoded.is_multiple_of(GRID) {
                self.bound_holding();
            }
            text = rest;
        }
        self.collect(self.holds_from());
    }

    /// Settles by force what outgrew the hold-back.
    fn bound_holding(&mut self) {
        let max = if self.is_coded() {
            self.bounds.held_decoded_bytes_max
        } else {
            self.bounds.held_bytes_max
        };
        // Nothing behind the place where an expression spent its budget is settled before it is known whether that may be.
        if self.stopped_at().is_some() {
            return;
        }
        // Each turn settles one open container; there are at most as many as the structure's depth limit.
        for _ in 0..256 {
            let decided = self.structure.decided_to();
            if self.decoded.saturating_sub(self.holds_from()) <= max {
                break;
            }
            if !self.force_beside() {
                self.assembler.force(decided);
            }
        }
        self.collect(self.holds_from());
    }

    pub(super) fn holds_from(&self) -> u64 {
        let (decided, lines) = (self.structure.decided_to(), self.structure.is_lines());
        let from = self.assembler.holds_from(decided, lines).min(self.beside_holds_from());
        self.stopped_at().map_or(from, |stopped| from.min(stopped))
    }

    pub(super) fn collect(&mut self, holds_from: u64) {
        let before = self.ready.len();
        self.assembler.take_settled(holds_from, &mut self.ready);
        self.only_news(before, holds_from);
        self.tally.orders = self.assembler.orders();
        for record in self.ready.get(before..).unwrap_or_default() {
            self.asks.push(record.ask());
            self.tally.add(record);
        }
    }
}
