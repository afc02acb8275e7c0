//! The chunks of an encapsulated body (RFC 3507 sections 4.4 and 4.5): pure; the caller keeps the bytes.
//!
//! ```text
//!  preview:  4 CRLF data CRLF  0 CRLF CRLF            more is to come, if it is asked for
//!            4 CRLF data CRLF  0; ieof CRLF CRLF      that was all
//!  body:     4 CRLF data CRLF  0 CRLF CRLF
//! ```

use bytes::{Buf as _, Bytes, BytesMut};

use super::fault::IcapFault;
use crate::proxy::framing::{Fault, chunk_size, whole};

/// Bytes of a line with a chunk's size and its extensions.
const LINE_BYTES_MAX: usize = 256;

/// What comes next of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some of it, not empty.
    Data(Bytes),
    /// The preview ended, and is not all.
    PreviewEnd,
    /// It ended.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    /// Behind the last chunk, which said whether the body ends with a preview.
    LastLine {
        is_all: bool,
    },
    PreviewEnded,
    Ended,
}

/// Reads the chunks of one body.
#[derive(Debug)]
pub struct Chunks {
    state: State,
    /// Bytes that the preview may still have; none where there is none, or behind it.
    preview_left: Option<u64>,
}

impl Chunks {
    /// Before a body, which begins with a preview of at most so many bytes if there is one.
    pub fn new(preview: Option<u64>) -> Self {
        Self {
            state: State::Size,
            preview_left: preview,
        }
    }

    /// Of what has no body.
    pub fn none() -> Self {
        Self {
            state: State::Ended,
            preview_left: None,
        }
    }

    /// Whether all of the body was read.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether a preview was read that is not all.
    pub fn is_previewed(&self) -> bool {
        self.state == State::PreviewEnded
    }

    /// The rest was asked for.
    pub fn go_on(&mut self) {
        if self.is_previewed() {
            (self.state, self.preview_left) = (State::Size, None);
        }
    }

    /// Takes the next piece from the front of `bytes`; none asks for more of them.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<Piece>, IcapFault> {
        loop {
            match self.state {
                State::Ended => return Ok(Some(Piece::End)),
                State::PreviewEnded => return Ok(Some(Piece::PreviewEnd)),
                State::Data(_) if bytes.is_empty() => return Ok(None),
                State::Data(left) => return Ok(Some(Piece::Data(self.data(left, bytes)))),
                State::DataEnd => match (bytes.first(), bytes.get(1)) {
                    (Some(b'\r'), Some(b'\n')) => {
                        bytes.advance(2);
                        self.state = State::Size;
                    }
                    (None, _) | (Some(b'\r'), None) => return Ok(None),
                    _ => return Err(IcapFault::Framing(Fault::ChunkEnd)),
                },
                State::Size | State::LastLine { .. } => match self.line(bytes)? {
                    Some(()) => {}
                    None => return Ok(None),
                },
            }
        }
    }

    /// What there is of a chunk of which so many bytes are left.
    fn data(&mut self, left: u64, bytes: &mut BytesMut) -> Bytes {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.state = match left - taken as u64 {
            0 => State::DataEnd,
            left => State::Data(left),
        };
        bytes.split_to(taken).freeze()
    }

    /// Reads a line; none while it is not whole.
    fn line(&mut self, bytes: &mut BytesMut) -> Result<Option<()>, IcapFault> {
        let Some(line) = whole(bytes, LINE_BYTES_MAX, Fault::ChunkSize).map_err(IcapFault::Framing)? else {
            return Ok(None);
        };
        let read = line.len() + 2;
        self.state = self.after_line(line)?;
        bytes.advance(read);
        Ok(Some(()))
    }

    fn after_line(&mut self, line: &[u8]) -> Result<State, IcapFault> {
        if let State::LastLine { is_all } = self.state {
            return match (line.is_empty(), is_all) {
                (false, _) => Err(IcapFault::Trailer),
                (true, true) => Ok(State::Ended),
                (true, false) => Ok(State::PreviewEnded),
            };
        }
        let size = chunk_size(line).map_err(IcapFault::Framing)?;
        let mut extensions = line.split(|byte| *byte == b';').skip(1);
        let says_all = extensions.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"ieof"));
        if says_all && (size > 0 || self.preview_left.is_none()) {
            return Err(IcapFault::Ieof);
        }
        if size == 0 {
            let is_all = says_all || self.preview_left.is_none();
            return Ok(State::LastLine { is_all });
        }
        if let Some(left) = &mut self.preview_left {
            *left = left.checked_sub(size).ok_or(IcapFault::PreviewExceeded)?;
        }
        Ok(State::Data(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `wire` when it comes in pieces of so many bytes: the data, and the end or the fault.
    fn read(wire: &[u8], preview: Option<u64>, slice: usize) -> (Vec<u8>, Result<Option<Piece>, IcapFault>) {
        let (mut chunks, mut bytes, mut data) = (Chunks::new(preview), BytesMut::new(), Vec::new());
        for part in wire.chunks(slice) {
            bytes.extend_from_slice(part);
            loop {
                match chunks.next(&mut bytes) {
                    Ok(Some(Piece::Data(piece))) => data.extend_from_slice(&piece),
                    Ok(None) => break,
                    ended => return (data, ended),
                }
            }
        }
        (data, Ok(None))
    }

    #[test]
    fn bodies_and_previews_end_where_they_say_however_they_are_cut() {
        let chunk_end = IcapFault::Framing(Fault::ChunkEnd);
        let size = IcapFault::Framing(Fault::ChunkSize);
        let bare = IcapFault::Framing(Fault::BareLf);
        let long = format!("1;{}\r\n", "a".repeat(300));
        for (wire, preview, data, ended) in [
            ("4\r\nabcd\r\n0\r\n\r\n", None, "abcd", Ok(Some(Piece::End))),
            (
                "1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n",
                None,
                "a0123456789",
                Ok(Some(Piece::End)),
            ),
            ("4;x=1\r\nabcd\r\n0\r\n\r\n", None, "abcd", Ok(Some(Piece::End))),
            ("4\r\nabcd\r\n0\r\n\r\n", Some(4), "abcd", Ok(Some(Piece::PreviewEnd))),
            ("4\r\nabcd\r\n0; ieof\r\n\r\n", Some(9), "abcd", Ok(Some(Piece::End))),
            ("0; ieof\r\n\r\n", Some(0), "", Ok(Some(Piece::End))),
            ("0\r\n\r\n", Some(0), "", Ok(Some(Piece::PreviewEnd))),
            ("5\r\nabcde\r\n", Some(4), "", Err(IcapFault::PreviewExceeded)),
            (
                "2\r\nab\r\n3\r\ncde\r\n",
                Some(4),
                "ab",
                Err(IcapFault::PreviewExceeded),
            ),
            ("0; ieof\r\n\r\n", None, "", Err(IcapFault::Ieof)),
            ("1; ieof\r\na\r\n", Some(4), "", Err(IcapFault::Ieof)),
            ("0\r\na: b\r\n\r\n", None, "", Err(IcapFault::Trailer)),
            ("1\r\nab\r\n", None, "a", Err(chunk_end)),
            ("x\r\n", None, "", Err(size)),
            ("\r\n", None, "", Err(size)),
            ("-1\r\n", None, "", Err(size)),
            ("1 \r\n", None, "", Err(size)),
            ("00000000000000001\r\n", None, "", Err(size)),
            ("1\na\r\n", None, "", Err(bare)),
            (long.as_str(), None, "", Err(size)),
            ("4\r\nab", None, "ab", Ok(None)),
        ] {
            for slice in 1..=wire.len() {
                let (found, end) = read(wire.as_bytes(), preview, slice);
                assert_eq!(
                    (found.as_slice(), end),
                    (data.as_bytes(), ended.clone()),
                    "{wire:?} by {slice}"
                );
            }
        }
    }

    #[test]
    fn the_rest_follows_a_preview_once_it_is_asked_for() {
        let mut chunks = Chunks::new(Some(2));
        let mut bytes = BytesMut::from("2\r\nab\r\n0\r\n\r\n1\r\nc\r\n0\r\n\r\n");
        assert_eq!(chunks.next(&mut bytes), Ok(Some(Piece::Data("ab".into()))));
        for _ in 0..2 {
            assert_eq!(chunks.next(&mut bytes), Ok(Some(Piece::PreviewEnd)));
        }
        chunks.go_on();
        assert_eq!(chunks.next(&mut bytes), Ok(Some(Piece::Data("c".into()))));
        assert_eq!(chunks.next(&mut bytes), Ok(Some(Piece::End)));
        assert!(chunks.is_ended() && bytes.is_empty());
    }
}
