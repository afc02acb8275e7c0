//! Names and values of attributes, byte by byte, however a chunk cuts them.

use memchr::memchr;

use super::super::Sink;
use super::super::cells::CellForm;
use super::super::page::Page;
use super::super::tag;
use super::{Markup, State};

impl<P: Page> Markup<P> {
    pub(super) fn attribute_name(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let ends = |byte: &u8| *byte == b'=' || tag::ends_name(*byte);
        let to = chunk.iter().position(ends).unwrap_or(chunk.len());
        let part = chunk.get(..to).unwrap_or_default();
        self.attribute.extend(part);
        if to == chunk.len() {
            self.more(part, CellForm::Plain, sink);
        } else if part.is_empty() && self.attribute.is_empty() {
            // A stray `=` stands for itself.
            self.attribute.extend(b"=");
            self.more(b"=", CellForm::Plain, sink);
            return 1;
        } else {
            self.end_aside(part, sink);
            self.state = State::AfterName;
        }
        to
    }

    pub(super) fn after_name(&mut self, chunk: &[u8]) -> usize {
        match chunk.first() {
            Some(byte) if tag::is_blank(*byte) => {
                self.at += 1;
                1
            }
            Some(b'=') => {
                self.at += 1;
                self.state = State::BeforeValue;
                1
            }
            _ => {
                self.state = State::InTag;
                0
            }
        }
    }

    pub(super) fn before_value(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        match chunk.first() {
            Some(byte) if tag::is_blank(*byte) => {
                self.at += 1;
                1
            }
            Some(quote @ (b'"' | b'\'')) => {
                self.at += 1;
                self.begin(State::Value(Some(*quote)));
                1
            }
            Some(b'>') => self.in_tag(chunk, sink),
            _ => {
                self.begin(State::Value(None));
                0
            }
        }
    }

    pub(super) fn value(&mut self, chunk: &[u8], quote: Option<u8>, sink: &mut impl Sink) -> usize {
        let found = match quote {
            Some(quote) => memchr(quote, chunk),
            None => chunk.iter().position(|byte| *byte == b'>' || tag::is_blank(*byte)),
        };
        let to = found.unwrap_or(chunk.len());
        let part = chunk.get(..to).unwrap_or_default();
        if found.is_none() {
            self.more(part, CellForm::Markup, sink);
            return to;
        }
        self.end_value(part, sink);
        self.state = State::InTag;
        let quotes = usize::from(quote.is_some());
        self.at += quotes as u64;
        to + quotes
    }

    pub(super) fn end_value(&mut self, part: &[u8], sink: &mut impl Sink) {
        self.read_head(part);
        self.at += part.len() as u64;
        let wanted = !self.is_closing && self.page.attribute(self.attribute.as_slice(), self.head.as_slice());
        let all = wanted || self.settings.all;
        let part = self.carry.last(part, CellForm::Markup, &mut |cell| sink.cell(cell));
        let (page, name, at) = (&mut self.page, &self.attribute, self.head_at);
        self.carry.end(part, CellForm::Markup, &mut |cell| {
            if all || cell.wakes() {
                page.attribute_key(name.as_slice(), at, sink);
                sink.cell(cell);
            }
        });
    }
}
