//! Codings in codings: what one decoder gives, the next reads.

use smallvec::SmallVec;

use super::coding::{Coding, DecodeError, Decoder, Progress};

/// Codings of one body.
pub(super) const CODINGS_MAX: usize = 5;
/// Of these, ones whose windows may be 8 MiB and more: br and zstd. Against: memory by the stack.
const WIDE_MAX: usize = 2;
/// Bytes between two decoders.
const BETWEEN_BYTES: usize = 4096;
/// Bytes that may come of all coded bytes between two decoders for each of them, beyond the first MiB. Against: bombs that are empty
/// inside, of which nothing comes in the end.
const RATIO_MAX: u64 = 250;
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// Codings as they were applied, one after another: at least two and at most five, none of them `identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Codings([Plain; CODINGS_MAX]);

/// A coding of one layer, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Plain {
    None,
    Gzip,
    Deflate,
    Br,
    Zstd,
}

impl Codings {
    /// From the items of a `Content-Encoding`; `None` for more than can be looked into.
    pub(super) fn of(items: &[Coding]) -> Option<Self> {
        let mut codings = [Plain::None; CODINGS_MAX];
        let wide = items
            .iter()
            .filter(|coding| matches!(coding, Coding::Br | Coding::Zstd));
        if items.len() > CODINGS_MAX || wide.count() > WIDE_MAX {
            return None;
        }
        for (place, coding) in codings.iter_mut().zip(items) {
            *place = match coding {
                Coding::Gzip => Plain::Gzip,
                Coding::Deflate => Plain::Deflate,
                Coding::Br => Plain::Br,
                Coding::Zstd => Plain::Zstd,
                Coding::Identity | Coding::Stacked(_) => return None,
            };
        }
        Some(Self(codings))
    }

    /// From the last that was applied to the first.
    fn outward(self) -> impl Iterator<Item = Coding> {
        let codings = self.0.into_iter().rev();
        codings.filter_map(|plain| match plain {
            Plain::None => None,
            Plain::Gzip => Some(Coding::Gzip),
            Plain::Deflate => Some(Coding::Deflate),
            Plain::Br => Some(Coding::Br),
            Plain::Zstd => Some(Coding::Zstd),
        })
    }
}

/// The decoders of one body, the outermost first.
pub struct Stack {
    layers: SmallVec<[Layer; 2]>,
    /// Coded bytes so far.
    read: u64,
}

struct Layer {
    decoder: Decoder,
    /// What came of it; the next layer has read it up to `at`.
    between: Vec<u8>,
    at: usize,
    came: u64,
}

impl Stack {
    pub(super) fn new(codings: Codings) -> Self {
        let layers = codings.outward().filter_map(Decoder::new).map(|decoder| Layer {
            decoder,
            between: Vec::new(),
            at: 0,
            came: 0,
        });
        Self {
            layers: layers.collect(),
            read: 0,
        }
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        let coded = self.read + input.len() as u64;
        let progress = run(&mut self.layers, input, output, coded)?;
        self.read += progress.read as u64;
        Ok(progress)
    }

    pub(super) fn is_checkpoint(&self) -> bool {
        self.layers.iter().all(|layer| layer.decoder.is_checkpoint())
    }

    pub(super) fn is_complete(&self) -> bool {
        let is_read = |layer: &Layer| layer.at == layer.between.len();
        self.layers
            .iter()
            .all(|layer| is_read(layer) && layer.decoder.finish().is_ok())
    }
}

/// Decodes by all `layers` until `output` is full or nothing is left of `input` and between them. `coded`: bytes of the body so far.
fn run(layers: &mut [Layer], input: &[u8], output: &mut [u8], coded: u64) -> Result<Progress, DecodeError> {
    let Some((layer, inner)) = layers.split_first_mut() else {
        return Ok(Progress::default());
    };
    if inner.is_empty() {
        return layer.decoder.step(input, output);
    }
    let mut progress = Progress::default();
    loop {
        let room = output.get_mut(progress.written..).unwrap_or_default();
        let waiting = layer.between.get(layer.at..).unwrap_or_default();
        let has_waiting = !waiting.is_empty();
        let deeper = run(inner, waiting, room, coded)?;
        layer.at += deeper.read;
        progress.written += deeper.written;
        if progress.written == output.len() {
            return Ok(progress);
        }
        if deeper.read > 0 || deeper.written > 0 {
            continue;
        }
        if has_waiting {
            return Err(DecodeError::Corrupt);
        }
        layer.between.resize(BETWEEN_BYTES, 0);
        layer.at = 0;
        let left = input.get(progress.read..).unwrap_or_default();
        let came = layer.decoder.step(left, &mut layer.between);
        layer.between.truncate(came.map_or(0, |came| came.written));
        let came = came?;
        progress.read += came.read;
        layer.came += came.written as u64;
        if layer.came > RATIO_FREE_BYTES && layer.came / coded.max(1) > RATIO_MAX {
            return Err(DecodeError::Ratio);
        }
        if came.written == 0 && came.read == left.len() {
            return Ok(progress);
        }
        if came.written == 0 && came.read == 0 {
            return Err(DecodeError::Corrupt);
        }
    }
}
