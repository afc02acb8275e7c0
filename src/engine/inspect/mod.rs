//! One body: chunks in, records settled, bytes released. It knows no ledger and nothing in it waits.
//!
//! ```text
//!   push ──▶ decode ──▶ structure ──▶ assemble ──▶ Settle ──▶ resolve ──▶ Release
//!                                                    │ the caller reserves │
//!   released_to <= granted_to <= holds_from <= decoded
//! ```
//!
//! What is found and asked, and what of an uncoded body is released, depends on the bytes of the body alone, never on how
//! they were cut into chunks. A coded body may be released at the end of each chunk too, or an event of a coded stream would
//! wait for the next: one that comes in small chunks may be cut nearer to the denied record, and never behind it. So may one in which
//! somebody is found who stands in it roughly (`rough`).

mod beside;
mod opaque;
mod packed;
mod read;
mod release;
mod rough;

use std::collections::VecDeque;
use std::sync::Arc;

use beside::{Beside, Told};
use bytes::Bytes;
use opaque::Opaque;
use packed::Packed;
use rough::Rough;
use smallvec::SmallVec;

use crate::engine::apart::Apart;
use crate::engine::charset::Reader;
pub use crate::engine::charset::{Charset, CodePage};
use crate::engine::container::Meter;
use crate::engine::decode::{Coding, Compression, Decoder, GrpcForm};
use crate::engine::detect::{RuleSet, Usage};
use crate::engine::ledger::Ask;
use crate::engine::record::{Assembler, Details, Place, Record};
use crate::engine::secret::HashKey;
use crate::engine::step::Phase;
pub use crate::engine::step::{Bounds, Failure, Mode, Piece, Resolution, Step, Tally};
use crate::engine::structure::{CellSettings, Declared, Structure, is_grpc_text};

/// What a head says of its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Content {
    /// `None` is one that cannot be looked into.
    pub coding: Option<Coding>,
    /// The character set.
    pub charset: Charset,
    /// Whether the head says one: a document is heard in what it says of itself only where it does not.
    pub says_charset: bool,
    /// The structure.
    pub structure: Declared,
    /// How messages of gRPC are written, where it has any.
    pub grpc: GrpcForm,
}

impl Content {
    /// Content with this coding and `Content-Type`.
    pub fn new(coding: Option<Coding>, content_type: &[u8]) -> Self {
        Self {
            coding,
            charset: Charset::from_content_type(content_type),
            says_charset: Charset::is_said(content_type),
            structure: Declared::from_content_type(content_type),
            grpc: GrpcForm {
                text: is_grpc_text(content_type),
                ..GrpcForm::default()
            },
        }
    }

    /// The same with this `grpc-encoding`.
    #[must_use]
    pub fn with_grpc_encoding(mut self, value: &[u8]) -> Self {
        self.grpc.compression = Compression::from_header(value);
        self
    }

    /// What decodes it in `mode`, if anything must; or why it cannot be.
    fn decoder(&self, mode: Mode) -> Result<Option<Decoder>, Failure> {
        let coding = self.coding.ok_or(Failure::UnknownCoding)?;
        if self.structure != Declared::Grpc {
            return Ok(Decoder::new(coding));
        }
        if coding != Coding::Identity {
            return Err(Failure::UnknownCoding);
        }
        // What is masked leaves as it was written, and so must have come.
        let masks = mode == Mode::Rewrite;
        if masks && self.grpc.text {
            return Err(Failure::Undecodable);
        }
        let form = if masks { GrpcForm::default() } else { self.grpc };
        Ok(Some(Decoder::grpc(form)))
    }
}

impl From<Declared> for Content {
    /// Content in UTF-8 of this structure, uncoded.
    fn from(structure: Declared) -> Self {
        Self {
            coding: Some(Coding::Identity),
            charset: Charset::Utf8,
            says_charset: false,
            structure,
            grpc: GrpcForm::default(),
        }
    }
}

/// The inspector of one body.
pub struct Inspector {
    mode: Mode,
    bounds: Bounds,
    decoder: Option<Decoder>,
    packed: Packed,
    charset: Reader,
    settings: CellSettings,
    structure: Structure,
    assembler: Assembler,
    /// The text in other character sets, where it is not sure which it is in, and what the readings have told.
    beside: Vec<Beside>,
    /// The body in codings that nothing names, and in character sets that are none of the first.
    rough: Rough,
    told: Told,
    /// What could not be read in another reading than the first, which goes on.
    beside_failure: Option<Failure>,
    /// Why one of these could not, and it passed: each once, and what comes counts as uninspected.
    passed: SmallVec<[Failure; 2]>,
    /// Settled, not resolved.
    ready: Vec<Record>,
    /// For each of them, who and what is to be reserved.
    asks: Vec<Ask>,
    /// So many of both, from the front, were resolved all the same; < `ready.len()`, or 0.
    resolved: usize,
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
    /// Where the text begins that is read: behind others in a container.
    text_from: u64,
    /// Bytes that were decoded, and those of them that were released, where they are a container and are rewritten.
    unpackable: u64,
    unpackable_released: u64,
    /// Of a coded body or a container: (coded, decoded) offsets at which the decoder was drained.
    checkpoints: VecDeque<(u64, u64)>,
    /// Of a coded body in `Rewrite`: decoded bytes that wait.
    rewritten: VecDeque<Bytes>,
    phase: Phase,
    /// `finish` was called.
    ended: bool,
    failure: Option<Failure>,
    /// The first input byte of the chunk that failed.
    failed_at: u64,
    opaque: Opaque,
    tally: Tally,
    /// Where a decoder writes.
    output: Vec<u8>,
}

impl Inspector {
    /// An inspector for one body with this content; one that cannot be looked into fails at the first byte.
    pub fn new(mode: Mode, bounds: Bounds, content: Content, rules: Arc<RuleSet>, secret: HashKey) -> Self {
        let (masks, is_events) = (mode == Mode::Rewrite, content.structure == Declared::Events);
        let charset = if content.structure.is_binary() {
            Reader::bytes()
        } else {
            // Streams of events are in UTF-8 (HTML Living Standard, section 9.2.5), and none of them waits.
            let (said, hears) = if masks && is_events {
                (Charset::Utf8, false)
            } else {
                (content.charset, !content.says_charset)
            };
            let reader = Reader::new(said).hearing(hears).watching(!is_events);
            if masks { reader.masked() } else { reader }
        };
        let (decoder, failure) = match content.decoder(mode) {
            Ok(decoder) => (decoder, None),
            Err(failure) => (None, Some(failure)),
        };
        let settings = CellSettings::new(bounds.segment_bytes, rules.has_expressions());
        let mut assembler = Assembler::new(rules, secret);
        assembler.usage = Usage::new(bounds.rule_searched_bytes_max);
        assembler.meter = Meter::new(packed::limits(&bounds));
        Self {
            mode,
            bounds,
            decoder,
            packed: Packed::default(),
            charset,
            settings,
            structure: Structure::new(content.structure, settings),
            assembler,
            beside: Vec::new(),
            // Messages of gRPC have codings of their own, and wait for nothing.
            rough: Rough::new(content.structure != Declared::Grpc),
            beside_failure: None,
            passed: SmallVec::new(),
            told: Told::default(),
            ready: Vec::new(),
            asks: Vec::new(),
            resolved: 0,
            masks: VecDeque::new(),
            leaving: VecDeque::new(),
            asks_left: 0,
            pushed: 0,
            released: 0,
            decoded: 0,
            decoded_released: 0,
            text_from: 0,
            unpackable: 0,
            unpackable_released: 0,
            checkpoints: VecDeque::new(),
            rewritten: VecDeque::new(),
            phase: Phase::Open,
            ended: false,
            output: Vec::new(),
            failure,
            failed_at: 0,
            opaque: Opaque::default(),
            tally: Tally::default(),
        }
    }

    /// The records and asks of this body tell this too.
    #[must_use]
    pub fn details(mut self, details: Details) -> Self {
        self.assembler.tell_details(details);
        self
    }

    /// Has files of fragile formats read by those whom `apart` lends.
    #[must_use]
    pub fn reading_apart(mut self, apart: Option<&Arc<dyn Apart>>) -> Self {
        if let Some(apart) = apart {
            self.assembler.meter.reads_apart(Arc::clone(apart));
        }
        self
    }

    /// The next chunk of the body as it came.
    pub fn push(&mut self, chunk: &Bytes) -> Step {
        self.pushed += chunk.len() as u64;
        match self.phase {
            Phase::Open if self.failure.is_none() => {
                let read = self.inspect(chunk);
                self.failure = self.first_failure(read);
                if !self.passed.is_empty() {
                    self.tally.uninspected_bytes += chunk.len() as u64;
                }
                if self.failure.is_some() {
                    self.failed_at = self.pushed - chunk.len() as u64;
                }
            }
            Phase::Blind => self.tally.uninspected_bytes += chunk.len() as u64,
            Phase::Open | Phase::Complete | Phase::Cut(_) | Phase::Stopped => {}
        }
        self.step()
    }

    /// Whether what comes now is not looked into.
    pub fn is_blind(&self) -> bool {
        matches!(self.phase, Phase::Blind)
    }

    /// Whether what came last says nothing in any form that is known.
    pub fn is_opaque(&self) -> bool {
        self.opaque.is_opaque()
    }

    /// The body ended.
    pub fn finish(&mut self) -> Step {
        self.ended = true;
        if self.pushed == 0 {
            self.failure = None;
        }
        if self.phase == Phase::Open && self.failure.is_none() {
            // What is missing at the end has no bytes: the last one counts for it, or nothing would be told.
            self.failed_at = self.pushed.saturating_sub(1);
            let read = self.read_end();
            self.failure = self.first_failure(read);
        }
        if self.phase == Phase::Open && self.failure.is_none() {
            self.structure.finish(&mut self.assembler);
            self.assembler.finish(self.decoded);
            self.finish_beside();
            self.finish_rough();
            self.failure = self.spent();
            self.end();
        }
        self.step()
    }

    /// Everything was searched: what is left is settled, up to where an expression spent its budget.
    fn end(&mut self) {
        self.collect(self.stopped_at().unwrap_or(u64::MAX));
        if self.failure.is_some() {
            return;
        }
        match self.decoder.as_ref().map_or(Ok(()), Decoder::finish) {
            Ok(()) => self.phase = Phase::Complete,
            Err(error) => self.failure = Some(error.into()),
        }
    }

    /// Why it cannot be read further, as `read` says or a part of it.
    fn first_failure(&mut self, read: Result<(), Failure>) -> Option<Failure> {
        self.note_faults();
        if read.is_err() || self.assembler.fault.is_some() {
            // Not even the first reading goes on: what it has waited for in the others is settled.
            self.finish_beside();
            self.finish_rough();
            self.collect(self.holds_from());
            self.beside_failure = None;
        }
        read.err().or_else(|| self.spent())
    }

    /// Whether an expression has spent its budget, or another reading cannot go on, and the others may not go on without it yet.
    fn spent(&self) -> Option<Failure> {
        let fault = self.assembler.fault.map(Failure::from).or(self.beside_failure);
        fault.or_else(|| self.stopped_at().map(|_| Failure::RuleBudget))
    }

    /// Where the record begins in which that was.
    fn stopped_at(&self) -> Option<u64> {
        self.assembler.usage.stopped_at(self.structure.is_lines())
    }

    /// What is to be reserved after [`Step::Settle`]: one entry a record, in the order of their bytes.
    pub fn asks(&self) -> &[Ask] {
        self.asks.get(self.resolved..).unwrap_or_default()
    }

    /// The records behind [`Inspector::asks`].
    pub fn records(&self) -> &[Record] {
        self.ready.get(self.resolved..).unwrap_or_default()
    }

    /// The answer to [`Step::Settle`]: the first `granted` asks are granted, `then` holds for the next.
    pub fn resolve(&mut self, granted: usize, then: Resolution) -> Step {
        let granted = granted.min(self.records().len());
        let leave = self.ready.get(self.resolved..self.resolved + granted);
        self.leaving
            .extend(leave.unwrap_or_default().iter().map(|record| record.start));
        self.resolved += granted;
        // Nothing of a container can be masked: its people leave as they are or not at all.
        let then = if then == Resolution::Mask && !self.can_mask() {
            Resolution::Cut
        } else {
            then
        };
        match (then, self.ready.get_mut(self.resolved)) {
            (Resolution::Cut, Some(denied)) => {
                // Where a byte-by-byte stream would stand: all before it was granted or belongs to nobody.
                self.phase = Phase::Cut(denied.start.max(self.decoded_released));
                self.resolved = self.ready.len();
            }
            (Resolution::Mask, Some(masked)) => {
                let places = std::mem::take(&mut masked.places);
                self.resolved += 1;
                self.tally.masked += places.len() as u64;
                for place in places {
                    // A record around others settles before them, and yet has identifiers after theirs.
                    let at = self.masks.partition_point(|known| known.span <= place.span);
                    self.masks.insert(at, place);
                }
            }
            (Resolution::Later, Some(_)) => return self.release(self.grantable(), Step::More),
            (Resolution::Granted, _) | (_, None) => {}
        }
        if self.resolved == self.ready.len() {
            self.forget_ready();
        }
        self.step()
    }

    fn forget_ready(&mut self) {
        self.ready.clear();
        self.asks.clear();
        self.resolved = 0;
    }

    /// The answer to [`Step::Fail`], but in `Rewrite`: let the rest pass uninspected; or, where only an expression has spent its
    /// budget, searched by the others; or, where only another reading than the first cannot go on, in the first.
    pub fn pass_blind(&mut self) -> Step {
        let failure = self.failure.take();
        let beside = self.beside_failure.take().filter(|_| self.assembler.fault.is_none());
        let is_first = beside.is_none();
        if is_first {
            self.assembler.usage.go_on();
        }
        if self.passed.is_empty() && failure != Some(Failure::RuleBudget) {
            self.tally.uninspected_bytes += self.pushed - self.failed_at;
        }
        self.passed.extend(beside);
        if is_first && failure != Some(Failure::RuleBudget) {
            self.phase = Phase::Blind;
            self.forget_ready();
            return self.step();
        }
        self.failure = self.spent();
        if self.ended {
            self.end();
        } else {
            self.collect(self.holds_from());
        }
        self.step()
    }

    /// Whether the rest can pass uninspected after a failure: where identifiers are to be masked it cannot.
    pub fn can_pass_blind(&self) -> bool {
        self.mode != Mode::Rewrite
    }

    /// Whether people of this body can be masked where they stand: in a container, or a coding that nothing names, they cannot.
    pub fn can_mask(&self) -> bool {
        !self.packed.is_container() && !self.rough.has_told()
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
                    return Step::Settle;
                }
                let otherwise = self.failure.map_or_else(|| self.idle(), Step::Fail);
                self.release(self.grantable(), otherwise)
            }
        }
    }

    /// Whether people are counted and nothing waits for it.
    pub fn is_watching(&self) -> bool {
        self.mode == Mode::Watch
    }

    /// What the operator's expressions did so far.
    pub fn usage(&self) -> &Usage {
        &self.assembler.usage
    }

    /// Numbers so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether the body is coded, so that a few of its bytes may become many.
    pub fn is_decoding(&self) -> bool {
        self.decoder.is_some()
    }

    /// Whether the bytes of the body are not the text that is searched.
    fn is_coded(&self) -> bool {
        self.is_decoding() || self.charset.is_other() || self.packed.is_container()
    }

    fn held(&self) -> u64 {
        self.pushed - self.released
    }

    /// Nothing to do until the next chunk, if there is one.
    fn idle(&self) -> Step {
        if self.ended { Step::Done } else { Step::More }
    }
}
