//! The export of all customers as a body that is written while it is read: constant memory, chunks of a chosen size.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame};

use super::people::Person;

/// How an export is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a header line.
    Csv,
    /// One array of objects.
    Json,
    /// One object a line.
    Ndjson,
}

impl Format {
    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// What stands before the first record.
    pub const fn opening(self) -> &'static str {
        match self {
            Self::Csv => "serial,name,email,phone,address\r\n",
            Self::Json => "[\n",
            Self::Ndjson => "",
        }
    }

    /// One record, with what separates it from the one before.
    pub fn record(self, person: &Person, is_first: bool) -> String {
        match self {
            Self::Csv => {
                let Person {
                    serial,
                    name,
                    email,
                    phone,
                    address,
                } = person;
                format!("{serial},{name},{email},{phone},\"{address}\"\r\n")
            }
            Self::Json => format!("{}{}", if is_first { "" } else { ",\n" }, super::pages::json(person)),
            Self::Ndjson => format!("{}\n", super::pages::json(person)),
        }
    }

    /// What stands after the last record.
    pub const fn closing(self) -> &'static str {
        match self {
            Self::Csv | Self::Ndjson => "",
            Self::Json => "\n]\n",
        }
    }
}

/// The content coding of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// None.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// The largest write of an export, in bytes.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// The body. It holds one record and what the encoder has not yet handed out.
pub struct Export {
    people: Arc<[Person]>,
    format: Format,
    chunk_bytes: usize,
    next: usize,
    encoder: Encoder,
    ready: BytesMut,
    is_finished: bool,
}

enum Encoder {
    Identity,
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Export {
    /// All of `people`, in chunks of `chunk_bytes`, which is brought between 1 and [`CHUNK_BYTES_MAX`].
    ///
    /// # Errors
    /// If libzstd cannot make an encoder.
    pub fn new(people: Arc<[Person]>, format: Format, coding: Coding, chunk_bytes: usize) -> std::io::Result<Self> {
        let encoder = match coding {
            Coding::Identity => Encoder::Identity,
            Coding::Gzip => Encoder::Gzip(flate2::write::GzEncoder::new(
                Vec::new(),
                flate2::Compression::default(),
            )),
            Coding::Zstd => Encoder::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 3)?),
        };
        let chunk_bytes = chunk_bytes.clamp(1, CHUNK_BYTES_MAX);
        Ok(Self {
            people,
            format,
            chunk_bytes,
            next: 0,
            encoder,
            ready: BytesMut::new(),
            is_finished: false,
        })
    }

    /// Encodes one more record, or the end.
    fn advance(&mut self) -> std::io::Result<()> {
        let mut text = String::new();
        if self.next == 0 {
            text.push_str(self.format.opening());
        }
        if let Some(person) = self.people.get(self.next) {
            text.push_str(&self.format.record(person, self.next == 0));
        } else {
            text.push_str(self.format.closing());
            self.is_finished = true;
        }
        self.next += 1;
        self.encoder.encode(text.as_bytes(), self.is_finished, &mut self.ready)
    }
}

impl Encoder {
    fn encode(&mut self, text: &[u8], is_last: bool, ready: &mut BytesMut) -> std::io::Result<()> {
        match self {
            Self::Identity => ready.extend_from_slice(text),
            Self::Gzip(gzip) => {
                gzip.write_all(text)?;
                if is_last {
                    gzip.try_finish()?;
                }
                ready.extend_from_slice(gzip.get_ref());
                gzip.get_mut().clear();
            }
            Self::Zstd(zstd) => {
                zstd.write_all(text)?;
                if is_last {
                    zstd.do_finish()?;
                }
                ready.extend_from_slice(zstd.get_ref());
                zstd.get_mut().clear();
            }
        }
        Ok(())
    }
}

impl Body for Export {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let export = self.get_mut();
        while export.ready.len() < export.chunk_bytes && !export.is_finished {
            export.advance().expect("an encoder that writes to memory has no error");
        }
        if export.ready.is_empty() {
            return Poll::Ready(None);
        }
        let chunk = export.ready.split_to(export.chunk_bytes.min(export.ready.len()));
        Poll::Ready(Some(Ok(Frame::data(chunk.freeze()))))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::people::{count_serials, person};
    use super::*;

    fn read(format: Format, coding: Coding, chunk_bytes: usize) -> Vec<u8> {
        let people = (0..100).map(person).collect::<Arc<[_]>>();
        let mut export = Export::new(people, format, coding, chunk_bytes).expect("an encoder");
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut bytes = Vec::new();
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut export).poll_frame(&mut context) {
            let chunk = frame.into_data().expect("a body without trailers");
            assert!(!chunk.is_empty() && chunk.len() <= chunk_bytes);
            bytes.extend_from_slice(&chunk);
        }
        bytes
    }

    #[test]
    fn the_chunk_size_and_the_coding_change_no_record() {
        for format in [Format::Csv, Format::Json, Format::Ndjson] {
            let whole = read(format, Coding::Identity, CHUNK_BYTES_MAX);
            assert_eq!(count_serials(&whole).len(), 100);
            assert_eq!(read(format, Coding::Identity, 1), whole);
            let mut plain = Vec::new();
            let gzip = read(format, Coding::Gzip, 17);
            flate2::read::GzDecoder::new(gzip.as_slice())
                .read_to_end(&mut plain)
                .expect("gzip");
            assert_eq!(plain, whole);
            assert_eq!(
                zstd::decode_all(read(format, Coding::Zstd, 17).as_slice()).expect("zstd"),
                whole
            );
        }
    }

    #[test]
    fn the_json_export_is_json() {
        let json = read(Format::Json, Coding::Identity, 1_000);
        let records: Vec<serde_json::Value> = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(records.len(), 100);
    }
}
