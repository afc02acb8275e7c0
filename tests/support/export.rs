//! An export that a test asks for by its path: which people, how written down, how coded, in which chunks.

use std::ops::Range;

use tidegate::cli::demo::people::person;

use super::coding::Coding;
use super::origin::{Answer, Origin};
use super::people::{FORMATS, Format, body};

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Export {
    pub(crate) format: Format,
    pub(crate) coding: Coding,
    /// Plain bytes after which the encoder is flushed.
    pub(crate) flush_bytes: usize,
    /// Bytes on the wire at once.
    pub(crate) chunk_bytes: usize,
    pub(crate) people: Range<u32>,
}

impl Export {
    /// In one piece.
    pub(crate) fn new(format: Format, coding: Coding, people: Range<u32>) -> Self {
        Self {
            format,
            coding,
            flush_bytes: usize::MAX,
            chunk_bytes: usize::MAX,
            people,
        }
    }

    /// An origin that answers every path of an export with it.
    pub(crate) async fn origin() -> Origin {
        Origin::serve(|request| Self::of_path(request.uri.path()).answer()).await
    }

    /// The path to ask for, below `/`.
    pub(crate) fn path(&self) -> String {
        let Self {
            format,
            coding,
            flush_bytes,
            chunk_bytes,
            people: Range { start, end },
        } = self;
        format!("export/{format:?}/{coding:?}/{flush_bytes}/{chunk_bytes}/{start}/{end}")
    }

    /// What a path asks for; whatever stands before `export/` is passed over.
    pub(crate) fn of_path(path: &str) -> Self {
        let (_, path) = path.split_once("export/").expect("the path of an export");
        let parts: Vec<&str> = path.split('/').collect();
        let number = |at: usize| parts[at].parse::<usize>().expect("a number");
        Self {
            format: *FORMATS
                .iter()
                .find(|format| format!("{format:?}") == parts[0])
                .expect("a format"),
            coding: *Coding::ALL
                .iter()
                .find(|coding| format!("{coding:?}") == parts[1])
                .expect("a coding"),
            flush_bytes: number(2),
            chunk_bytes: number(3),
            people: number(4) as u32..number(5) as u32,
        }
    }

    /// The body before it is coded.
    pub(crate) fn plain(&self) -> Vec<u8> {
        body(self.format, self.people.clone())
    }

    /// The body on the wire.
    pub(crate) fn wire(&self) -> Vec<u8> {
        self.coding.encode(&self.plain(), self.flush_bytes)
    }

    /// The answer of the origin.
    pub(crate) fn answer(&self) -> Answer {
        Answer::new(self.format.media_type(), self.plain())
            .coded(self.coding, self.flush_bytes)
            .chunked(self.chunk_bytes)
    }

    /// Where each record of the plain body begins, what separates it from the one before aside.
    pub(crate) fn starts(&self) -> Vec<usize> {
        let mut at = self.format.opening().len();
        let mut starts = Vec::new();
        for number in self.people.clone() {
            let record = self.format.record(&person(number), number == self.people.start);
            let separator = record.bytes().take_while(|byte| matches!(byte, b',' | b'\n')).count();
            starts.push(at + separator);
            at += record.len();
        }
        starts
    }
}
