//! Texts and tags that lie whole in a chunk: read where they lie, without a state between their bytes.

use std::ops::Range;

use memchr::memchr;
use smallvec::SmallVec;

use super::super::Sink;
use super::super::cells::{Cell, CellForm};
use super::super::name::beginning;
use super::super::page::Page;
use super::super::tag;
use super::{Markup, State};
use crate::engine::block::Text;

/// Attributes of a tag that are kept without the heap.
type Attributes = SmallVec<[Attribute; 8]>;

/// Where a tag of the chunk ends.
struct TagEnd {
    /// One past its `>`.
    at: usize,
    /// Whether a slash stands before that.
    slash: bool,
}

/// The name of an attribute and its value; an empty one if it has none.
struct Attribute {
    name: Range<usize>,
    value: Option<Range<usize>>,
}

impl<P: Page> Markup<P> {
    /// Reads the texts and tags that lie whole in `chunk` from `from` on, where a text begins. Returns where it stopped: before
    /// a text or tag that does not, or that is of another kind, or behind the tag of a script.
    pub(super) fn whole(&mut self, chunk: &[u8], mut from: usize, sink: &mut impl Sink) -> usize {
        let origin = self.at - from as u64;
        let mut attributes = Attributes::new();
        while let Some((text, name)) = before_tag(chunk, from) {
            attributes.clear();
            let Some(end) = read_tag(chunk, text.end + name.len(), &mut attributes) else {
                break;
            };
            if !self.is_one_piece(&text) || !attributes.iter().all(|attribute| self.is_short(attribute)) {
                break;
            }
            self.at = origin;
            self.whole_text(chunk, &text, sink);
            self.begin_whole_tag(name, origin + text.end as u64, sink);
            for attribute in &attributes {
                self.whole_attribute(chunk, attribute, sink);
            }
            self.slash = end.slash;
            self.at = origin + end.at as u64;
            self.end_tag(name, sink);
            from = end.at;
            if self.state != State::Text {
                break;
            }
        }
        from
    }

    fn is_short(&self, attribute: &Attribute) -> bool {
        let value = attribute.value.as_ref();
        self.is_one_piece(&attribute.name) && value.is_none_or(|value| self.is_one_piece(value))
    }

    fn is_one_piece(&self, part: &Range<usize>) -> bool {
        self.settings.is_one_piece(part.len())
    }

    /// Tells a text; the chunk begins at `self.at`.
    fn whole_text(&mut self, chunk: &[u8], range: &Range<usize>, sink: &mut impl Sink) {
        let cell = self.cell(chunk, range, CellForm::Markup);
        let head = beginning(cell.raw.trim_ascii_start()).trim_ascii_end();
        if !head.is_empty() && self.page.text(head, cell.at, self.wakes(&cell, range), sink) {
            sink.cell(&cell);
        } else {
            sink.skipped(cell.raw.len() as u64);
        }
    }

    fn begin_whole_tag(&mut self, name: &[u8], at: u64, sink: &mut impl Sink) {
        self.is_closing = name.get(1) == Some(&b'/');
        if !self.is_closing {
            self.page.tag(name.get(1..).unwrap_or_default(), at, sink);
        }
    }

    fn whole_attribute(&mut self, chunk: &[u8], attribute: &Attribute, sink: &mut impl Sink) {
        let name = self.cell(chunk, &attribute.name, CellForm::Plain);
        if self.wakes(&name, &attribute.name) {
            self.page.aside(name.at, sink);
            sink.cell(&name);
        }
        let Some(range) = &attribute.value else { return };
        let value = self.cell(chunk, range, CellForm::Markup);
        let (name, head) = (beginning(name.raw), beginning(value.raw.trim_ascii_start()));
        let wanted = !self.is_closing && self.page.attribute(name, head);
        if wanted || self.wakes(&value, range) {
            self.page.attribute_key(name, value.at, sink);
            sink.cell(&value);
        }
    }

    fn cell<'c>(&self, chunk: &'c [u8], range: &Range<usize>, form: CellForm) -> Cell<'c> {
        let raw = chunk.get(range.clone()).unwrap_or_default();
        Cell::whole(raw, self.at + range.start as u64, form)
    }

    /// Whether a part of the chunk is told whatever its name says.
    fn wakes(&self, cell: &Cell<'_>, range: &Range<usize>) -> bool {
        self.settings.all || (self.map.text(range) != Text::Calm && cell.wakes())
    }
}

/// The text from `from` to the next tag that ends it, and that tag's name with the bytes before it; `None` where something
/// else than a text, tags within it and such a tag stands there.
fn before_tag(chunk: &[u8], from: usize) -> Option<(Range<usize>, &[u8])> {
    let mut at = from;
    loop {
        at += memchr(b'<', chunk.get(at..)?)?;
        let rest = chunk.get(at..)?;
        if let Some(name) = tag::whole_name(rest) {
            return Some((from..at, name));
        }
        at += tag::inline(rest)?.len();
    }
}

/// The attributes of a tag whose name ends before `at`, and its end, if it lies whole in the chunk and is written as usual.
fn read_tag(chunk: &[u8], mut at: usize, attributes: &mut Attributes) -> Option<TagEnd> {
    let mut slash = false;
    loop {
        let next = *chunk.get(at)?;
        if next == b'>' {
            return Some(TagEnd { at: at + 1, slash });
        }
        if next == b'/' {
            slash = true;
            at += 1;
        } else if tag::is_blank(next) {
            at += 1;
        } else {
            slash = false;
            attributes.push(read_attribute(chunk, &mut at)?);
        }
    }
}

/// The attribute that begins at `at`, which moves behind it.
fn read_attribute(chunk: &[u8], at: &mut usize) -> Option<Attribute> {
    let position = |from: usize, ends: fn(&u8) -> bool| {
        let rest = chunk.get(from..)?;
        rest.iter().position(ends).map(|length| from + length)
    };
    let name = *at..position(*at, |byte| *byte == b'=' || tag::ends_name(*byte))?;
    let behind = position(name.end, |byte| !tag::is_blank(*byte))?;
    // A stray `=` is for the reader with a state.
    if name.is_empty() {
        return None;
    }
    if chunk.get(behind) != Some(&b'=') {
        *at = behind;
        return Some(Attribute { name, value: None });
    }
    let start = position(behind + 1, |byte| !tag::is_blank(*byte))?;
    let value = match chunk.get(start)? {
        b'>' => {
            *at = start;
            None
        }
        quote @ (b'"' | b'\'') => {
            let end = start + 1 + memchr(*quote, chunk.get(start + 1..)?)?;
            *at = end + 1;
            Some(start + 1..end)
        }
        _ => {
            let end = position(start, |byte| *byte == b'>' || tag::is_blank(*byte))?;
            *at = end;
            Some(start..end)
        }
    };
    Some(Attribute { name, value })
}
