//! gRPC: messages behind their lengths, each a record by itself or a document of records; and the trailers of gRPC-Web, which are
//! the last of them.

use smallvec::SmallVec;

use super::cells::{Carry, CellForm, CellSettings};
use super::name::Name;
use super::protobuf::Protobuf;
use super::{Container, Sink};
use crate::engine::decode::grpc::{CONTINUES, PREFIX_BYTES, TRAILERS, prefix};

/// The reader of one body.
pub(super) struct Grpc {
    at: u64,
    /// The flags and the length of a message, as far as they were read.
    head: SmallVec<[u8; PREFIX_BYTES]>,
    left: u64,
    /// Whether the message goes on behind the next prefix.
    continues: bool,
    message: Option<Message>,
    settings: CellSettings,
    carry: Carry,
}

enum Message {
    Protobuf(Box<Protobuf>),
    Trailers,
}

impl Grpc {
    pub(super) fn new(at: u64, settings: CellSettings) -> Self {
        Self {
            at,
            head: SmallVec::new(),
            left: 0,
            continues: false,
            message: None,
            settings,
            carry: Carry::new(settings),
        }
    }

    pub(super) fn decided_to(&self) -> u64 {
        match &self.message {
            Some(Message::Protobuf(message)) => message.decided_to(),
            Some(Message::Trailers) => self.carry.searched_to(),
            None => self.at - self.head.len() as u64,
        }
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        while !chunk.is_empty() {
            let wanted = if self.left > 0 {
                usize::try_from(self.left).unwrap_or(usize::MAX)
            } else {
                PREFIX_BYTES - self.head.len()
            };
            let (part, rest) = chunk.split_at(wanted.min(chunk.len()));
            self.at += part.len() as u64;
            if self.left > 0 {
                self.left -= part.len() as u64;
                self.more(part, sink);
            } else {
                self.head.extend_from_slice(part);
                self.begin(sink);
            }
            if self.left == 0 && self.head.is_empty() && !self.continues {
                self.end(sink);
            }
            chunk = rest;
        }
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        self.end(sink);
    }

    /// A message begins, or goes on, once its prefix was read.
    fn begin(&mut self, sink: &mut impl Sink) {
        let Some((flags, length)) = prefix(&self.head) else {
            return;
        };
        self.head.clear();
        self.left = u64::from(length);
        let goes_on = std::mem::replace(&mut self.continues, flags & CONTINUES != 0);
        if goes_on {
            return;
        }
        self.message = Some(if flags & TRAILERS != 0 {
            sink.open(Container::Flow, self.at);
            Name::default().tell(self.at, sink);
            self.carry.begin(self.at);
            Message::Trailers
        } else {
            let end = (!self.continues).then_some(self.at + self.left);
            Message::Protobuf(Box::new(Protobuf::new(self.at, end, self.settings)))
        });
    }

    fn more(&mut self, part: &[u8], sink: &mut impl Sink) {
        match &mut self.message {
            Some(Message::Protobuf(message)) => message.push(part, sink),
            Some(Message::Trailers) | None => {
                self.carry
                    .extend_long(part, CellForm::Plain, &mut |cell| sink.cell(cell));
            }
        }
    }

    /// The message ends: nothing of it waits for the next.
    fn end(&mut self, sink: &mut impl Sink) {
        match self.message.take() {
            Some(Message::Protobuf(mut message)) => message.finish(sink),
            Some(Message::Trailers) => {
                self.carry.end(&[], CellForm::Plain, &mut |cell| sink.cell(cell));
                sink.close(self.at);
            }
            None => return,
        }
        sink.line(self.at);
    }
}
