//! br (RFC 7932), without the large windows that a short prefix could ask a gigabyte for.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::coding::{DecodeError, Progress};

/// A br decoder for one body.
pub struct Br {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    total: usize,
    progress: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Inside,
    Ended,
}

impl Br {
    pub(super) fn new() -> Self {
        let state = BrotliState::new_strict(
            StandardAlloc::default(),
            StandardAlloc::default(),
            StandardAlloc::default(),
        );
        Self {
            state,
            total: 0,
            progress: Stage::Start,
        }
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        match self.progress {
            Stage::Start | Stage::Ended if input.is_empty() => return Ok(Progress::default()),
            // Bytes after the end: a lenient reader may take them for more.
            Stage::Ended => return Err(DecodeError::Corrupt),
            Stage::Start | Stage::Inside => self.progress = Stage::Inside,
        }
        let (mut left, mut read) = (input.len(), 0);
        let (mut room, mut written) = (output.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            input,
            &mut room,
            &mut written,
            output,
            &mut self.total,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultSuccess => self.progress = Stage::Ended,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultFailure => return Err(DecodeError::Corrupt),
        }
        Ok(Progress { read, written })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.progress == Stage::Ended
    }

    pub(super) fn is_complete(&self) -> bool {
        self.progress != Stage::Inside
    }
}
