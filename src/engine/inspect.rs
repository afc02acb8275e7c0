//! One body: chunks in, records settled, bytes released. It knows no ledger and nothing in it waits.
//!
//! ```text
//!   push ──▶ decode ──▶ structure ──▶ assemble ──▶ Settle ──▶ resolve ──▶ Release
//!                                                    │ the caller reserves │
//!   released_to <= granted_to <= holds_from <= decoded
//! ```
//!
//! What is released, found and asked depends on the bytes of the body alone, never on how they were cut into chunks.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::engine::charset::Charset;
use crate::engine::decode::{Coding, Decoder};
use crate::engine::detect::RuleSet;
use crate::engine::record::{Assembler, Place, Record};
use crate::engine::redact;
use crate::engine::secret::{HashKey, Subject};
use crate::engine::step::Phase;
pub use crate::engine::step::{Bounds, Failure, Mode, Piece, Resolution, Step, Tally};
use crate::engine::structure::{CellSettings, Declared, Structure};

/// Records are looked for, and the hold-back measured, every so many decoded bytes: a fixed grid, whatever the chunks.
const GRID: u64 = 4096;
/// Coded bytes between two checkpoints of gzip, deflate and br.
const SLICE: usize = 512;
/// Decoded bytes written at one step of a decoder.
const OUTPUT: usize = 16 * 1024;

/// Ratios are measured beyond this many decoded bytes: small bodies may be as repetitive as they like.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// The inspector of one body.
pub struct Inspector {
    mode: Mode,
    bounds: Bounds,
    decoder: Option<Decoder>,
    charset: Charset,
    structure: Structure,
    assembler: Assembler,
    /// Settled, not resolved.
    ready: Vec<Record>,
    asks: Vec<SmallVec<[Subject; 2]>>,
    masks: VecDeque<Place>,
    /// First bytes of granted records that have not left.
    leaving: VecDeque<u64>,
    asks_left: u64,
    /// Input bytes pushed and released.
    pushed: u64,
    released: u64,
    /// Decoded bytes seen and released.
    decoded: u64,
    decoded_released: u64,
    /// Of a coded body: (coded, decoded) offsets at which the decoder was drained.
    checkpoints: VecDeque<(u64, u64)>,
    /// Of a coded body in `Rewrite`: decoded bytes that wait.
    rewritten: VecDeque<Bytes>,
    phase: Phase,
    /// `finish` was called.
    ended: bool,
    failure: Option<Failure>,
    /// The first input byte of the chunk that failed.
    failed_at: u64,
    tally: Tally,
    /// Where a decoder writes.
    output: Vec<u8>,
}

impl Inspector {
    /// An inspector for one body with this coding and declared structure; `coding` `None` is one that cannot be looked
    /// into, which fails at the first byte.
    pub fn new(
        mode: Mode,
        bounds: Bounds,
        coding: Option<Coding>,
        declared: Declared,
        rules: Arc<RuleSet>,
        secret: HashKey,
    ) -> Self {
        Self {
            mode,
            bounds,
            decoder: coding.and_then(Decoder::new),
            charset: Charset::default(),
            structure: Structure::new(
                declared,
                CellSettings::new(bounds.segment_bytes, rules.has_expressions()),
            ),
            assembler: Assembler::new(rules, secret),
            ready: Vec::new(),
            asks: Vec::new(),
            masks: VecDeque::new(),
            leaving: VecDeque::new(),
            asks_left: 0,
            pushed: 0,
            released: 0,
            decoded: 0,
            decoded_released: 0,
            checkpoints: VecDeque::new(),
            rewritten: VecDeque::new(),
            phase: Phase::Open,
            ended: false,
            output: Vec::new(),
            failure: coding.is_none().then_some(Failure::UnknownCoding),
            failed_at: 0,
            tally: Tally::default(),
        }
    }

    /// The next chunk of the body as it came.
    pub fn push(&mut self, chunk: &Bytes) -> Step {
        self.pushed += chunk.len() as u64;
        match self.phase {
            Phase::Open if self.failure.is_none() => {
                if let Err(failure) = self.inspect(chunk) {
                    self.failure = Some(failure);
                    self.failed_at = self.pushed - chunk.len() as u64;
                }
            }
            Phase::Blind => self.tally.uninspected_bytes += chunk.len() as u64,
            Phase::Open | Phase::Complete | Phase::Cut(_) | Phase::Stopped => {}
        }
        self.step()
    }

    /// The body ended.
    pub fn finish(&mut self) -> Step {
        self.ended = true;
        if self.pushed == 0 {
            self.failure = None;
        }
        if self.phase == Phase::Open && self.failure.is_none() {
            self.structure.finish(&mut self.assembler);
            self.assembler.finish(self.decoded);
            self.collect(u64::MAX);
            match self.decoder.as_ref().map_or(Ok(()), Decoder::finish) {
                Ok(()) => self.phase = Phase::Complete,
                Err(error) => self.failure = Some(error.into()),
            }
        }
        self.step()
    }

    /// What is to be reserved after [`Step::Settle`]: one entry a record, in the order of their bytes.
    pub fn asks(&self) -> &[SmallVec<[Subject; 2]>] {
        &self.asks
    }

    /// The records behind [`Inspector::asks`].
    pub fn records(&self) -> &[Record] {
        &self.ready
    }

    /// The answer to [`Step::Settle`]: the first `granted` asks are granted, `then` holds for the next.
    pub fn resolve(&mut self, granted: usize, then: Resolution) -> Step {
        let granted = granted.min(self.ready.len());
        self.leaving
            .extend(self.ready.drain(..granted).map(|record| record.start));
        let next = self.ready.first();
        match (then, next) {
            (Resolution::Cut, Some(denied)) => {
                // Where a byte-by-byte stream would stand: all before it was granted or belongs to nobody.
                self.phase = Phase::Cut(denied.start.max(self.decoded_released));
                self.ready.clear();
            }
            (Resolution::Mask, Some(_)) => {
                let masked = self.ready.remove(0);
                self.tally.masked += masked.places.len() as u64;
                // A record around others settles before them, and yet has identifiers after theirs.
                self.masks.extend(masked.places);
                self.masks.make_contiguous().sort_unstable_by_key(|place| place.span);
            }
            (Resolution::Later, _) => {
                self.asks.clear();
                return self.release(self.grantable(), Step::More);
            }
            (Resolution::Granted | Resolution::Mask | Resolution::Cut, _) => {}
        }
        self.step()
    }

    /// The answer to [`Step::Fail`]: let the rest pass uninspected. In `Rewrite` what was coded cannot be passed on.
    pub fn pass_blind(&mut self) -> Step {
        self.failure = None;
        self.tally.uninspected_bytes += self.pushed - self.failed_at;
        self.phase = Phase::Blind;
        self.ready.clear();
        self.step()
    }

    /// Whether the rest can pass uninspected after a failure.
    pub fn can_pass_blind(&self) -> bool {
        self.mode != Mode::Rewrite || self.decoder.is_none()
    }

    /// What to do next; call after each [`Step::Release`].
    pub fn step(&mut self) -> Step {
        match self.phase {
            Phase::Cut(cut) => {
                self.phase = Phase::Stopped;
                self.release(cut, Step::Stopped)
            }
            Phase::Stopped => Step::Stopped,
            Phase::Blind => self.release_blind(),
            Phase::Open | Phase::Complete => {
                if !self.ready.is_empty() {
                    self.asks.clear();
                    self.asks
                        .extend(self.ready.iter().map(|record| record.subjects.clone()));
                    return Step::Settle;
                }
                let otherwise = self.failure.map_or_else(|| self.idle(), Step::Fail);
                self.release(self.grantable(), otherwise)
            }
        }
    }

    /// Numbers so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn held(&self) -> u64 {
        self.pushed - self.released
    }

    /// Nothing to do until the next chunk, if there is one.
    fn idle(&self) -> Step {
        if self.ended { Step::Done } else { Step::More }
    }

    fn inspect(&mut self, chunk: &Bytes) -> Result<(), Failure> {
        if self.decoder.is_none() {
            return self.search(chunk);
        }
        let mut output = std::mem::take(&mut self.output);
        output.resize(OUTPUT, 0);
        let result = self.decode(chunk, &mut output);
        self.output = output;
        result?;
        if self.mode == Mode::Guard && self.held() > self.bounds.held_coded_bytes_max && self.ready.is_empty() {
            let grantable = self.grantable();
            let releasable = self
                .checkpoints
                .iter()
                .take_while(|(_, decoded)| *decoded <= grantable)
                .last();
            if releasable.is_none_or(|(coded, _)| *coded <= self.released) {
                return Err(Failure::HoldBack);
            }
        }
        Ok(())
    }

    fn decode(&mut self, chunk: &Bytes, output: &mut [u8]) -> Result<(), Failure> {
        let mut coded = self.pushed - chunk.len() as u64;
        chunk
            .chunks(SLICE)
            .try_for_each(|slice| self.decode_slice(slice, &mut coded, output))
    }

    /// Decodes one slice to its end, and remembers where the decoder was drained.
    fn decode_slice(&mut self, mut slice: &[u8], coded: &mut u64, output: &mut [u8]) -> Result<(), Failure> {
        loop {
            let Some(decoder) = &mut self.decoder else {
                return Ok(());
            };
            let progress = decoder.step(slice, output).map_err(Failure::from)?;
            let drained = progress.written < output.len();
            let checkpoint = drained && self.mode == Mode::Guard && decoder.is_checkpoint();
            slice = slice.get(progress.read..).unwrap_or_default();
            *coded += progress.read as u64;
            let text = output.get(..progress.written).unwrap_or_default();
            if self.mode == Mode::Rewrite && !text.is_empty() {
                self.rewritten.push_back(Bytes::copy_from_slice(text));
            }
            self.search(text)?;
            if self.decoded > RATIO_FREE_BYTES && self.decoded / (*coded).max(1) > self.bounds.decoded_ratio_max {
                return Err(Failure::Ratio);
            }
            if checkpoint {
                self.checkpoint(*coded);
            }
            if slice.is_empty() && drained {
                return Ok(());
            }
        }
    }

    /// Remembers that the first `coded` bytes yield what was decoded so far, and no more.
    fn checkpoint(&mut self, coded: u64) {
        // The header of a coding alone is no reason to begin an answer that may yet be refused.
        if self.decoded == 0 {
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

    /// Searches decoded bytes, in pieces that end on a fixed grid.
    fn search(&mut self, mut text: &[u8]) -> Result<(), Failure> {
        if self.charset.is_unreadable(text) {
            return Err(Failure::Undecodable);
        }
        self.tally.inspected_bytes += text.len() as u64;
        while !text.is_empty() {
            let to_grid = (GRID - self.decoded % GRID) as usize;
            let (piece, rest) = text.split_at(to_grid.min(text.len()));
            self.structure.push(piece, &mut self.assembler);
            self.decoded += piece.len() as u64;
            if self.decoded.is_multiple_of(GRID) {
                self.bound_holding();
            }
            text = rest;
        }
        self.collect(self.holds_from());
        Ok(())
    }

    /// Settles by force what outgrew the hold-back.
    fn bound_holding(&mut self) {
        let max = if self.decoder.is_some() {
            self.bounds.held_decoded_bytes_max
        } else {
            self.bounds.held_bytes_max
        };
        // Each turn settles one open container; there are at most as many as the structure's depth limit.
        for _ in 0..256 {
            let decided = self.structure.decided_to();
            if self.decoded.saturating_sub(self.holds_from()) <= max {
                break;
            }
            self.assembler.force(decided);
        }
        self.collect(self.holds_from());
    }

    fn holds_from(&self) -> u64 {
        self.assembler
            .holds_from(self.structure.decided_to(), self.structure.is_lines())
    }

    fn collect(&mut self, holds_from: u64) {
        let before = self.ready.len();
        self.assembler.take_settled(holds_from, &mut self.ready);
        self.tally.orders = self.assembler.orders();
        for record in self.ready.get(before..).unwrap_or_default() {
            self.tally.add(record);
        }
    }

    /// The decoded offset up to which everything is granted.
    fn grantable(&self) -> u64 {
        match (self.ready.first(), self.phase) {
            (Some(record), _) => record.start,
            (None, Phase::Complete) => self.decoded,
            (None, _) if self.mode == Mode::Watch => self.decoded,
            (None, _) => self.holds_from(),
        }
    }

    /// Releases up to the decoded offset `to`; `otherwise` when nothing can be released.
    fn release(&mut self, to: u64, otherwise: Step) -> Step {
        let mut pieces = Vec::new();
        if self.mode == Mode::Watch {
            // Nothing is held, whatever was found or failed.
            self.decoded_released = self.decoded;
            self.keep(&mut pieces, self.pushed);
        } else if self.decoder.is_none() {
            self.release_identity(&mut pieces, to);
        } else if self.mode == Mode::Rewrite {
            self.release_rewritten(&mut pieces, to);
        } else {
            self.release_coded(&mut pieces, to);
        }
        if pieces.is_empty() {
            return otherwise;
        }
        while self.leaving.front().is_some_and(|start| *start < self.decoded_released) {
            self.leaving.pop_front();
            self.asks_left += 1;
        }
        Step::Release {
            pieces,
            asks: self.asks_left,
        }
    }

    fn release_identity(&mut self, pieces: &mut Vec<Piece>, to: u64) {
        while let Some(place) = self.masks.pop_front_if(|place| place.span.end <= to) {
            self.keep(pieces, place.span.start);
            // Two findings never share bytes; should they, the first mask covers them.
            if let Some(left) = place.span.end.checked_sub(self.released).filter(|left| *left > 0) {
                let mask = redact::mask(&place);
                let mask = mask.slice(mask.len().saturating_sub(left as usize)..);
                pieces.push(Piece::Replace(mask.len(), mask));
                self.released = place.span.end;
            }
        }
        self.keep(pieces, to);
        self.decoded_released = self.released;
    }

    fn release_coded(&mut self, pieces: &mut Vec<Piece>, to: u64) {
        let mut coded = self.released;
        while let Some((at, decoded)) = self.checkpoints.front().copied().filter(|(_, decoded)| *decoded <= to) {
            self.checkpoints.pop_front();
            coded = at;
            self.decoded_released = decoded;
        }
        if self.phase == Phase::Complete {
            // Trailers of the coding carry no text.
            coded = self.pushed;
            self.decoded_released = self.decoded;
        }
        self.keep(pieces, coded);
    }

    fn release_rewritten(&mut self, pieces: &mut Vec<Piece>, to: u64) {
        let mut dropped = (self.pushed - self.released) as usize;
        self.released = self.pushed;
        while self.decoded_released < to {
            let Some(mut text) = self.rewritten.pop_front() else {
                break;
            };
            let wanted = (to - self.decoded_released) as usize;
            if text.len() > wanted {
                self.rewritten.push_front(text.split_off(wanted));
            }
            let text = self.masked(text);
            self.decoded_released += text.len() as u64;
            pieces.push(Piece::Replace(std::mem::take(&mut dropped), text));
        }
        if dropped > 0 {
            pieces.push(Piece::Replace(dropped, Bytes::new()));
        }
    }

    /// `text`, which begins at `decoded_released`, with the masks that fall into it.
    fn masked(&mut self, text: Bytes) -> Bytes {
        let (from, to) = (self.decoded_released, self.decoded_released + text.len() as u64);
        if self.masks.front().is_none_or(|place| place.span.start >= to) {
            return text;
        }
        let mut text = Vec::from(text);
        while let Some(place) = self.masks.front().copied().filter(|place| place.span.start < to) {
            let (start, end) = (place.span.start.max(from), place.span.end.min(to));
            let mask = redact::mask(&place);
            let part = mask.get((start - place.span.start) as usize..(end - place.span.start) as usize);
            let target = text.get_mut((start - from) as usize..(end - from) as usize);
            if let (Some(target), Some(part)) = (target, part) {
                target.copy_from_slice(part);
            }
            if place.span.end > to {
                break;
            }
            self.masks.pop_front();
        }
        Bytes::from(text)
    }

    fn release_blind(&mut self) -> Step {
        let mut pieces = Vec::new();
        self.keep(&mut pieces, self.pushed);
        // Whoever was granted and waited for a checkpoint leaves with the rest.
        self.asks_left += self.leaving.drain(..).count() as u64;
        if pieces.is_empty() {
            self.idle()
        } else {
            Step::Release {
                pieces,
                asks: self.asks_left,
            }
        }
    }

    fn keep(&mut self, pieces: &mut Vec<Piece>, to: u64) {
        if to > self.released {
            pieces.push(Piece::Keep((to - self.released) as usize));
            self.released = to;
        }
    }
}
