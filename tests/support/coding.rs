//! Content codings for tests: encoders, and decoders that give back whatever a truncated body still says.

use std::io::{Read, Write};

/// A content coding, as a peer may send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// None.
    Identity,
    /// RFC 1952.
    Gzip,
    /// What RFC 9110 8.4.1.2 means by deflate: a zlib stream.
    DeflateZlib,
    /// What some origins send for it: a bare deflate stream.
    DeflateRaw,
    /// RFC 7932.
    Br,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Identity,
        Self::Gzip,
        Self::DeflateZlib,
        Self::DeflateRaw,
        Self::Br,
        Self::Zstd,
    ];

    /// The value of `Content-Encoding`; none for identity.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::DeflateZlib | Self::DeflateRaw => Some("deflate"),
            Self::Br => Some("br"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// Encodes `bytes`, flushing the encoder after every `flush_bytes` of them, as an origin that streams does; with
    /// `usize::MAX` never, as one that sends files.
    pub(crate) fn encode(self, bytes: &[u8], flush_bytes: usize) -> Vec<u8> {
        use flate2::Compression;
        use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
        let level = Compression::default();
        let done = match self {
            Self::Identity => Ok(bytes.to_vec()),
            Self::Gzip => feed(GzEncoder::new(Vec::new(), level), bytes, flush_bytes).finish(),
            Self::DeflateZlib => feed(ZlibEncoder::new(Vec::new(), level), bytes, flush_bytes).finish(),
            Self::DeflateRaw => feed(DeflateEncoder::new(Vec::new(), level), bytes, flush_bytes).finish(),
            Self::Br => Ok(feed(
                brotli::CompressorWriter::new(Vec::new(), 4_096, 5, 22),
                bytes,
                flush_bytes,
            )
            .into_inner()),
            Self::Zstd => {
                let encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("libzstd makes an encoder");
                feed(encoder, bytes, flush_bytes).finish()
            }
        };
        done.expect("memory takes every byte")
    }

    /// Everything that a client can read out of the beginning of a coded body: it decodes as far as it gets and keeps
    /// what came out before the error.
    pub(crate) fn decode_prefix(self, coded: &[u8]) -> Vec<u8> {
        match self {
            Self::Identity => coded.to_vec(),
            Self::Gzip => read_what_comes(flate2::read::MultiGzDecoder::new(coded)),
            Self::DeflateZlib => read_what_comes(flate2::read::ZlibDecoder::new(coded)),
            Self::DeflateRaw => read_what_comes(flate2::read::DeflateDecoder::new(coded)),
            Self::Br => read_what_comes(brotli::Decompressor::new(coded, 4_096)),
            Self::Zstd => zstd::stream::read::Decoder::new(coded)
                .map(read_what_comes)
                .unwrap_or_default(),
        }
    }
}

fn feed<W: Write>(mut encoder: W, bytes: &[u8], flush_bytes: usize) -> W {
    for (nth, piece) in bytes.chunks(flush_bytes).enumerate() {
        if nth > 0 {
            encoder.flush().expect("memory takes every byte");
        }
        encoder.write_all(piece).expect("memory takes every byte");
    }
    encoder
}

fn read_what_comes(mut decoder: impl Read) -> Vec<u8> {
    let (mut plain, mut buffer) = (Vec::new(), [0; 4_096]);
    while let Ok(length @ 1..) = decoder.read(&mut buffer) {
        plain.extend(buffer.iter().take(length));
    }
    plain
}
