//! One content coding of a body (RFC 9110, section 8.4): push coded bytes, get decoded bytes, bounded at every step.

use std::fmt;

use smallvec::SmallVec;

use super::br::Br;
use super::deflate::Inflate;
use super::grpc::{GrpcForm, Messages};
use super::stack::{CODINGS_MAX, Codings, Stack};
use super::zstd::Zstd;

/// A content coding that can be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// No coding.
    Identity,
    /// RFC 1952, one member or many.
    Gzip,
    /// RFC 1950, or the raw RFC 1951 stream that many senders mean by it.
    Deflate,
    /// RFC 7932, without large windows.
    Br,
    /// RFC 8878, window up to 8 MiB (RFC 9659).
    Zstd,
    /// Several, one in another.
    Stacked(Codings),
}

impl Coding {
    /// From a `Content-Encoding` value, which may list several; `None` for what cannot be looked into.
    pub fn from_header(value: &[u8]) -> Option<Self> {
        Self::from_headers(std::iter::once(value))
    }

    /// The same of all values of the field, in their order.
    pub fn from_headers<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let mut applied = SmallVec::<[Self; 2]>::new();
        for item in values.flat_map(|value| value.split(|byte| *byte == b',')) {
            match Self::one(item)? {
                Self::Identity => {}
                // More than any reader takes.
                _ if applied.len() == CODINGS_MAX => return None,
                coding @ (Self::Gzip | Self::Deflate | Self::Br | Self::Zstd | Self::Stacked(_)) => {
                    applied.push(coding);
                }
            }
        }
        match applied.as_slice() {
            [] => Some(Self::Identity),
            [one] => Some(*one),
            several => Codings::of(several).map(Self::Stacked),
        }
    }

    fn one(item: &[u8]) -> Option<Self> {
        match item.trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Some(Self::Identity),
            b"gzip" | b"x-gzip" => Some(Self::Gzip),
            b"deflate" => Some(Self::Deflate),
            b"br" => Some(Self::Br),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The value for `Accept-Encoding` that names all of them.
    pub const ACCEPTED: &'static str = "gzip, deflate, br, zstd";

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Stacked(_) => "stacked",
        }
    }
}

/// A body that is not what its coding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The coded bytes break the coding's format.
    Corrupt,
    /// The body ended inside the coded stream.
    Truncated,
    /// The stream asks for a window beyond the coding's bound.
    Window,
    /// More came between two codings than may.
    Ratio,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "the coded bytes break the format of their coding",
            Self::Truncated => "the body ended inside its coded stream",
            Self::Window => "the coded stream asks for a larger window than is allowed",
            Self::Ratio => "more comes of one coding inside another than is allowed",
        })
    }
}

impl std::error::Error for DecodeError {}

/// What one step read and wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Coded bytes consumed.
    pub read: usize,
    /// Decoded bytes written.
    pub written: usize,
}

/// The decoder of one body.
pub enum Decoder {
    /// gzip and both deflates.
    Inflate(Box<Inflate>),
    /// br.
    Br(Box<Br>),
    /// zstd.
    Zstd(Box<Zstd>),
    /// The messages of gRPC.
    Grpc(Box<Messages>),
    /// Codings in codings.
    Stack(Box<Stack>),
}

impl Decoder {
    /// A decoder for `coding`; `None` for identity, which needs none.
    pub fn new(coding: Coding) -> Option<Self> {
        match coding {
            Coding::Identity => None,
            Coding::Gzip => Some(Self::Inflate(Box::new(Inflate::gzip()))),
            Coding::Deflate => Some(Self::Inflate(Box::new(Inflate::deflate()))),
            Coding::Br => Some(Self::Br(Box::new(Br::new()))),
            Coding::Zstd => Some(Self::Zstd(Box::new(Zstd::new()))),
            Coding::Stacked(codings) => Some(Self::Stack(Box::new(Stack::new(codings)))),
        }
    }

    /// A decoder for a body of gRPC in this form.
    pub fn grpc(form: GrpcForm) -> Self {
        Self::Grpc(Box::new(Messages::new(form)))
    }

    /// Decodes from `input` into `output`. The input is used up and the decoder drained when all of `input` was read and
    /// `output` not filled; until then call again with what is left.
    ///
    /// # Errors
    /// When the bytes break the coding.
    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        match self {
            Self::Inflate(inflate) => inflate.step(input, output),
            Self::Br(br) => br.step(input, output),
            Self::Zstd(zstd) => zstd.step(input, output),
            Self::Grpc(messages) => messages.step(input, output),
            Self::Stack(stack) => stack.step(input, output),
        }
    }

    /// Whether more can be decoded of what was read, though there was room for it.
    pub fn has_more(&self) -> bool {
        match self {
            Self::Inflate(_) | Self::Br(_) | Self::Zstd(_) | Self::Stack(_) => false,
            Self::Grpc(messages) => messages.has_more(),
        }
    }

    /// Whether a reader of the coded bytes so far can have no more than the decoded bytes so far. Meaningful only when
    /// the decoder is drained.
    pub fn is_checkpoint(&self) -> bool {
        match self {
            // Symbol by symbol: what the bytes so far can yield, they have yielded.
            Self::Inflate(_) | Self::Br(_) => true,
            Self::Zstd(zstd) => zstd.is_checkpoint(),
            Self::Grpc(messages) => messages.is_checkpoint(),
            Self::Stack(stack) => stack.is_checkpoint(),
        }
    }

    /// Whether its stream ended and nothing may follow.
    pub(in crate::engine) fn has_ended(&self) -> bool {
        match self {
            Self::Inflate(inflate) => inflate.is_over(),
            Self::Br(br) => br.has_ended(),
            Self::Zstd(_) | Self::Grpc(_) | Self::Stack(_) => false,
        }
    }

    /// How many coded bytes more reach to the next place that may be a checkpoint, where not every one is.
    pub fn wanted(&self) -> Option<usize> {
        match self {
            Self::Zstd(zstd) => Some(zstd.wanted()),
            Self::Inflate(_) | Self::Br(_) | Self::Grpc(_) | Self::Stack(_) => None,
        }
    }

    /// The body ended here.
    ///
    /// # Errors
    /// When the coded stream was not complete.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let complete = match self {
            Self::Inflate(inflate) => inflate.is_complete(),
            Self::Br(br) => br.is_complete(),
            Self::Zstd(zstd) => zstd.is_complete(),
            Self::Grpc(messages) => messages.is_complete(),
            Self::Stack(stack) => stack.is_complete(),
        };
        if complete { Ok(()) } else { Err(DecodeError::Truncated) }
    }
}
