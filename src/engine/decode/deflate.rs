//! gzip with its members, zlib, and the raw deflate that some senders mean by `deflate`.

use flate2::{Decompress, FlushDecompress, Status};

use super::coding::{DecodeError, Progress};

/// The largest window of deflate (RFC 1951, section 2).
const WINDOW_BITS: u8 = 15;

/// An inflater for one body.
pub struct Inflate {
    stream: Decompress,
    kind: Kind,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gzip,
    /// Decided by the first byte: zlib or raw.
    Deflate,
    /// As containers have it.
    Raw,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Inside,
    /// After a complete stream; a gzip body may go on with another member.
    Ended,
}

impl Inflate {
    pub(super) fn gzip() -> Self {
        Self {
            stream: Decompress::new_gzip(WINDOW_BITS),
            kind: Kind::Gzip,
            state: State::Start,
        }
    }

    pub(super) fn deflate() -> Self {
        Self {
            stream: Decompress::new(true),
            kind: Kind::Deflate,
            state: State::Start,
        }
    }

    /// For a raw stream and nothing else.
    pub(in crate::engine) fn raw() -> Self {
        Self {
            stream: Decompress::new(false),
            kind: Kind::Raw,
            state: State::Start,
        }
    }

    /// Whether its stream ended.
    pub(in crate::engine) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// The same, and no other may follow.
    pub(super) fn is_over(&self) -> bool {
        self.has_ended() && self.kind != Kind::Gzip
    }

    pub(in crate::engine) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        let Some(first) = input.first() else {
            return if self.state == State::Inside {
                self.inflate(input, output)
            } else {
                Ok(Progress::default())
            };
        };
        match (self.state, self.kind) {
            (State::Inside, _) | (State::Start, Kind::Gzip | Kind::Raw) => {}
            (State::Start, Kind::Deflate) => {
                // A zlib header's first byte names method 8 and a window of at most 32 KiB (RFC 1950, section 2.2); as
                // the start of raw deflate it would be a stored block with garbage in its padding.
                let zlib = first & 0x0f == 8 && first >> 4 <= 7;
                if !zlib {
                    self.stream = Decompress::new(false);
                }
            }
            (State::Ended, Kind::Gzip) => self.stream = Decompress::new_gzip(WINDOW_BITS),
            (State::Ended, Kind::Deflate | Kind::Raw) => return Err(DecodeError::Corrupt),
        }
        self.state = State::Inside;
        self.inflate(input, output)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.state != State::Inside
    }

    fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let status = self
            .stream
            .decompress(input, output, FlushDecompress::None)
            .map_err(|_| DecodeError::Corrupt)?;
        let progress = Progress {
            read: (self.stream.total_in() - read) as usize,
            written: (self.stream.total_out() - written) as usize,
        };
        if status == Status::StreamEnd {
            self.state = State::Ended;
        } else if progress == Progress::default() && !input.is_empty() && !output.is_empty() {
            return Err(DecodeError::Corrupt);
        }
        Ok(progress)
    }
}
