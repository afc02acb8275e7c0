//! The assembler looks behind a cell: values go to the record around the cell, bodies settle by themselves.

use std::sync::Arc;

use super::assembler::Assembler;
use super::frame;
use super::inner::Inner;
use super::layers::{End, Layers};
use super::stream::{Form, Stream};
use crate::engine::container::Guess;
use crate::engine::decode::{Reader, Run, Unescaped};
use crate::engine::detect::{Context, Finding, Key, Span};
use crate::engine::structure::{Cell, Declared};

/// Characters of a line that may go on in the next, as MIME writes it (RFC 2045, section 6.8: up to 76).
const LINE_BYTES_MIN: usize = 60;

impl Assembler {
    /// Looks behind `cell`, in which this was `found`, with spans of its raw text; adds what is found behind.
    /// `escaped`: its text is there already.
    pub(super) fn look_behind(&mut self, cell: &Cell<'_>, escaped: bool, found: Vec<Finding>) -> Vec<Finding> {
        let mut view = std::mem::take(&mut self.unescaped);
        if !escaped {
            view.plain(cell.raw);
        }
        let mut within = view.from_raw(cell.within.0)..view.from_raw(cell.within.1);
        within.start = self.go_on(cell, &view, (within.start, within.end));
        let is_line = self.is_free() && view.text.len() >= LINE_BYTES_MIN && self.layers > 1;
        let end = match (cell.last, is_line) {
            (false, _) => End::Open,
            (true, true) => End::Line,
            (true, false) => End::Closed,
        };
        let field = frame::field(&self.frames, &self.fields);
        let key = field.map(|field| Arc::clone(&field.key));
        let context = Context {
            key: key.as_deref().unwrap_or(Key::NONE),
            ..Context::default()
        };
        let rules = Arc::clone(&self.rules);
        let mut layers = Layers::new(&rules, context, &mut self.usage, found);
        let cut = layers.look(&view, within.clone(), end, self.layers);
        let (found, bodies) = (layers.found, layers.bodies);
        for (body, left) in bodies {
            if self.fault.is_some() {
                break;
            }
            self.settle_body(&body, left, cell);
        }
        if let Some(run) = cut {
            self.begin_stream(cell, &view, &run, within.end);
        }
        self.unescaped = view;
        found
    }

    /// Says of `found` where it stands in the raw text of its cell.
    pub(super) fn place_in_raw(&self, found: &mut [Finding]) {
        for finding in found {
            let (start, end) = (finding.span.start as usize, finding.span.end as usize);
            let (start, end) = self.unescaped.raw(start, end);
            finding.span = Span {
                start: start as u64,
                end: end as u64,
            };
        }
    }

    /// Reads `body`, which stands behind `cell`, and settles who is in it.
    fn settle_body(&mut self, body: &Unescaped, layers: u32, cell: &Cell<'_>) {
        let begin = cell.at + body.raw(0, 0).0 as u64;
        let mut inner = self.inner(layers, begin);
        let stops_at = self.stops_at(begin);
        inner.lend(self, stops_at);
        inner.push_view(body, cell.at);
        inner.finish(cell.at + body.raw(0, body.text.len()).1 as u64);
        inner.give_back(self);
        self.take(&mut inner, true);
    }

    pub(super) fn inner(&self, layers: u32, begin: u64) -> Inner {
        Inner::new((&self.rules, &self.secret), self.settled.details.clone(), layers, begin)
    }

    /// Another reading of the body, of what comes from `at` on.
    pub(in crate::engine) fn another(&self, declared: Declared, at: u64) -> Inner {
        self.inner(self.layers, at).of_text(declared)
    }

    /// The same, of which it is not known letter by letter where it stands.
    pub(in crate::engine) fn rough(&self, declared: Declared, at: u64) -> Inner {
        self.inner(self.layers, at).of_rough_text(declared)
    }

    /// The same, of what may be in this coding.
    pub(in crate::engine) fn guessing(&self, guess: Guess, at: u64) -> Inner {
        self.inner(self.layers, at).guessing(guess, self.meter.beside())
    }

    /// Takes over what was settled inside a value, and what went wrong there.
    pub(super) fn take(&mut self, inner: &mut Inner, all: bool) {
        self.take_reading(inner, all);
        self.fault = self.fault.or_else(|| inner.assembler().fault);
    }

    /// Takes over what was settled in another reading of the body; whether that is something.
    pub(super) fn take_reading(&mut self, inner: &mut Inner, all: bool) -> bool {
        let known = self.settled.records.len();
        inner.take(all, &mut self.settled.records);
        if all {
            self.findings += inner.assembler().findings();
            self.orders.join(inner.assembler().orders());
        }
        self.settled.records.len() > known
    }

    /// Begins with `run`, which the cell cuts, unless another goes on.
    fn begin_stream(&mut self, cell: &Cell<'_>, view: &Unescaped, run: &Run, to: usize) {
        let Some(layers) = self.layers.checked_sub(1).filter(|_| self.stream.is_none()) else {
            return;
        };
        let begin = cell.at + view.raw(run.range.start, run.range.start).0 as u64;
        let stream = Stream::new(self.inner(layers, begin), Form::Coded(Reader::new(run.alphabet)), begin);
        self.stream = Some(Box::new(stream));
        self.go_on(cell, view, (run.range.start, to));
    }

    /// The value that goes on, if one does, goes on in `from..to` of `view`, the text of `cell`; returns where it ends.
    fn go_on(&mut self, cell: &Cell<'_>, view: &Unescaped, (from, to): (usize, usize)) -> usize {
        let Some(mut stream) = self.stream.take() else {
            return from;
        };
        let begin = cell.at + view.raw(from, from).0 as u64;
        let (free, is_start) = (self.is_free(), cell.within.0 == 0);
        if !stream.goes_on_at(begin, free && is_start) {
            self.end(*stream);
            return from;
        }
        let stops_at = self.stops_at(begin);
        stream.inner.lend(self, stops_at);
        let end = stream.read(view, (from, to), cell.at);
        stream.inner.give_back(self);
        self.take(&mut stream.inner, false);
        let is_blank = |range| {
            view.text
                .get(range)
                .is_some_and(|rest: &[u8]| rest.trim_ascii().is_empty())
        };
        let is_line = free && cell.last && end > from && is_blank(end..view.text.len());
        if !cell.last && is_blank(end..to) {
            stream.next = cell.at + view.raw(to, to).0 as u64;
            self.stream = Some(stream);
        } else if is_line {
            self.stream = Some(stream);
        } else {
            self.end(*stream);
        }
        end
    }

    /// What goes on ends here, if anything does.
    pub(super) fn end_stream(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.end(*stream);
        }
    }

    pub(super) fn end(&mut self, mut stream: Stream) {
        let stops_at = self.stops_at(stream.next);
        stream.inner.lend(self, stops_at);
        stream.inner.finish(stream.next);
        stream.inner.give_back(self);
        self.take(&mut stream.inner, true);
    }

    /// Settles by force what the value that goes on holds, if that is from before `own`.
    pub(super) fn force_stream(&mut self, own: u64) -> bool {
        let Some(mut stream) = self.stream.take_if(|stream| stream.inner.holds_from() <= own) else {
            return false;
        };
        stream.inner.force();
        self.take(&mut stream.inner, false);
        self.stream = Some(stream);
        true
    }
}
