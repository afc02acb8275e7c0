//! Free text: lines where a line is one thing, a running text where line ends mean nothing.

use memchr::memchr;

use super::Sink;
use super::cells::{Carry, CellForm, CellSettings};

/// The reader of free text.
pub(super) struct Text {
    at: u64,
    lines: bool,
    carry: Carry,
}

impl Text {
    pub(super) fn new(at: u64, settings: CellSettings, lines: bool) -> Self {
        let mut carry = Carry::new(settings);
        carry.begin(at);
        Self { at, lines, carry }
    }

    pub(super) fn is_lines(&self) -> bool {
        self.lines
    }

    pub(super) fn decided_to(&self) -> u64 {
        self.carry.searched_to()
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        while self.lines {
            let Some(at) = memchr(b'\n', chunk) else { break };
            let (line, rest) = chunk.split_at(at + 1);
            self.carry.end(line, CellForm::Plain, &mut |cell| sink.cell(cell));
            self.at += line.len() as u64;
            sink.line(self.at);
            chunk = rest;
        }
        for bite in chunk.chunks(4096) {
            self.carry.extend(bite, CellForm::Plain, &mut |cell| sink.cell(cell));
        }
        self.at += chunk.len() as u64;
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        self.carry.end(&[], CellForm::Plain, &mut |cell| sink.cell(cell));
        sink.line(self.at);
    }
}
