//! The containers and names around the value under way, told to the sink only once something in them is.
//!
//! Most of a body is of no interest: objects whose names say nothing, with values that no search would find anything in. Of
//! these the sink hears nothing; of an object in which something is told it hears how many names were passed over.
//!
//! ```text
//!   [ {"sku":"A-1","tags":["x"]},            nothing is told
//!     {"sku":"A-2","email":"…"} ]            open [, open {, one name passed, key email, cell, close
//! ```

use std::ops::Range;

use super::cells::{Cell, CellForm};
use super::columns::{Columns, Part, is_heading, is_naming};
use super::labels::{self, Labels};
use super::plain_names::PlainNames;
use super::{Container, Sink};
use crate::engine::detect::is_carrier;

/// Deeper containers are read as part of the one at this depth. Against: `[[[[...` that costs a frame a byte.
const DEPTH_MAX: usize = 128;
/// A piece of the body and the offset of its first byte: the chunk in which ranges lie.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'c> {
    pub(super) bytes: &'c [u8],
    pub(super) at: u64,
}

impl<'c> Chunk<'c> {
    /// A string that lies in it, without its quotes.
    pub(super) fn string(self, range: Range<usize>) -> Cell<'c> {
        let at = self.at + range.start as u64;
        Cell::whole(self.bytes.get(range).unwrap_or_default(), at, CellForm::JsonString)
    }
}

/// The open containers.
pub(super) struct Nesting {
    /// The innermost, and those around it; the body itself is the outermost of them.
    top: Level,
    around: Vec<Level>,
    /// So many containers, from the outermost, were told; <= `around.len()`.
    told: usize,
    /// Containers open beyond [`DEPTH_MAX`].
    beyond: u64,
    /// The name of the member under way, if it was not told.
    name: Option<Name>,
    /// Whether the value under way is told even if nothing in it wakes a search.
    wanted: bool,
    /// Whether every value is.
    all: bool,
    plain: PlainNames,
    /// None before there is a header.
    columns: Option<Box<Columns>>,
    /// Whether the name that was told last may be that of an array of names.
    heading: bool,
    labels: Labels,
}

/// A name of the chunk under way that says nothing.
#[derive(Clone)]
struct Name {
    range: Range<usize>,
    hash: u64,
}

/// One open container.
#[derive(Default)]
struct Level {
    object: bool,
    at: u64,
    /// The name it stands under, if that was not told.
    under: Option<Name>,
    /// `wanted` around it.
    wanted: bool,
    /// Whether the sink reads its members as records, and so must hear of each.
    map: bool,
    /// What an array is to a table, the place of the value under way in it, and how many containers it has held.
    part: Part,
    place: usize,
    containers: u32,
    /// Names that were passed over and not told of yet: the sum of their hashes, and how many.
    names: u64,
    count: u32,
}

impl Level {
    fn pass(&mut self, hash: u64) {
        self.names = self.names.wrapping_add(hash);
        self.count += 1;
    }

    /// `name` is told after all.
    fn recall(&mut self, name: &Name) {
        self.names = self.names.wrapping_sub(name.hash);
        self.count -= 1;
    }

    fn tell_passed(&mut self, sink: &mut impl Sink) {
        let (names, count) = (std::mem::take(&mut self.names), std::mem::take(&mut self.count));
        if count > 0 {
            sink.passed(names, count);
        }
    }

    fn tell(&self, sink: &mut impl Sink) {
        let container = match self.part {
            _ if self.object => Container::Object,
            Part::Row => Container::Row,
            Part::None | Part::Header | Part::Column | Part::Naming | Part::Table => Container::Array,
        };
        sink.open(container, self.at);
    }
}

impl Nesting {
    /// No container; `all`: every value is told.
    pub(super) fn new(all: bool) -> Self {
        Self {
            top: Level::default(),
            around: Vec::new(),
            told: 0,
            beyond: 0,
            name: None,
            // Text outside containers stands beside other text.
            wanted: true,
            all,
            plain: PlainNames::default(),
            columns: None,
            heading: false,
            labels: Labels::default(),
        }
    }

    /// Whether the value under way is told even if nothing in it wakes a search.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether the innermost container is an object.
    #[inline]
    pub(super) fn is_object(&self) -> bool {
        self.top.object
    }

    /// Whether an object of which the sink would hear nothing may be passed over, as far as what is around it says.
    #[inline]
    pub(super) fn may_pass(&self) -> bool {
        let is_element = || self.top.part == Part::None && !self.top.object && !self.around.is_empty();
        !self.all && (!self.wanted || is_element()) && self.around.len() < DEPTH_MAX / 2
    }

    /// An object in the innermost container was passed over.
    pub(super) fn passed(&mut self, range: Range<u64>, sink: &mut impl Sink) {
        self.count_container();
        // With it a member of a map is over, of which the sink heard.
        if self.top.map {
            sink.open(Container::Object, range.start);
            sink.close(range.end);
        }
    }

    fn count_container(&mut self) {
        self.top.containers = self.top.containers.saturating_add(1);
    }

    /// The names that are known to say nothing.
    #[inline]
    pub(super) fn names(&mut self) -> &mut PlainNames {
        &mut self.plain
    }

    /// A container begins at offset `at`.
    pub(super) fn open(&mut self, object: bool, at: u64, chunk: Chunk<'_>, sink: &mut impl Sink) {
        if self.around.len() >= DEPTH_MAX {
            self.beyond += 1;
            return;
        }
        let wanted = self.wanted;
        self.labels.open();
        let part = self.part_of(object, chunk);
        // A value of a row stands under its header.
        if self.top.part == Part::Row {
            self.tell(chunk, sink);
            self.tell_header(at, sink);
        }
        // An array's elements stand under its name. All marks of headers and rows are looked at, so that values are counted.
        let counts = matches!(part, Part::Header | Part::Row);
        self.wanted = self.all || counts || (wanted && !object && !self.around.is_empty());
        let level = Level {
            object,
            at,
            under: self.name.take(),
            wanted,
            part,
            ..Level::default()
        };
        self.around.push(std::mem::replace(&mut self.top, level));
        // A document, which is always wanted, parts what stands before it from what comes after.
        if wanted {
            self.tell(chunk, sink);
        }
    }

    /// What the container that begins is to a table.
    fn part_of(&mut self, object: bool, chunk: Chunk<'_>) -> Part {
        let depth = self.around.len();
        let is_first = self.top.containers == 0;
        self.count_container();
        if self.top.part == Part::Header {
            if object && self.around.last().is_some_and(|around| around.object) {
                return Part::Column;
            }
            self.columns().refuse();
        }
        if object || depth == 0 {
            return Part::None;
        }
        let name = self.name.as_ref().and_then(|name| chunk.bytes.get(name.range.clone()));
        let is_heading = self.top.object && name.map_or(self.heading, is_heading);
        let is_header = is_heading || (!self.top.object && is_first && self.top.place == 0);
        match self.top.part {
            Part::Table => Part::Row,
            Part::None if is_header => {
                self.columns().begin();
                Part::Header
            }
            Part::None if self.top.object && self.columns.as_ref().is_some_and(|columns| columns.are_of(depth)) => {
                Part::Table
            }
            Part::None | Part::Header | Part::Column | Part::Naming | Part::Row => Part::None,
        }
    }

    /// A string ended that is a value.
    #[inline]
    pub(super) fn string(&mut self, text: &Cell<'_>) {
        if text.within.0 == 0 {
            self.labels.string(text.raw, self.around.len());
        }
        if self.is_collecting() {
            self.columns().collect(text);
            if self.top.part == Part::Naming {
                self.top.part = Part::Column;
            }
        }
    }

    /// Whether a string that comes is heard, whatever is in it.
    #[inline]
    pub(super) fn hears_string(&self) -> bool {
        self.is_collecting() || self.labels.is_next()
    }

    /// Whether it may be one of the names of columns.
    #[inline]
    fn is_collecting(&self) -> bool {
        matches!(self.top.part, Part::Header | Part::Naming)
    }

    /// A comma outside strings.
    #[inline]
    pub(super) fn comma(&mut self) {
        self.top.place += 1;
    }

    /// Whether the value under way is told even if nothing in it wakes a search.
    #[inline]
    pub(super) fn wants_value(&self) -> bool {
        self.wanted
            && (self.top.part != Part::Row
                || self.all
                || self
                    .columns
                    .as_ref()
                    .is_some_and(|columns| columns.wants(self.top.place)))
    }

    /// The innermost container ends before offset `end`.
    pub(super) fn close(&mut self, end: u64, sink: &mut impl Sink) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        let Some(around) = self.around.pop() else { return };
        let mut level = std::mem::replace(&mut self.top, around);
        // The member it was the value of is still under way.
        self.name = level.under.take();
        self.wanted = level.wanted;
        let depth = self.around.len();
        self.labels.leave(depth);
        let is_header = level.part == Part::Header && self.columns().end(level.place + 1, depth, sink);
        if is_header && !self.top.object {
            self.top.part = Part::Table;
        }
        if let Some(columns) = &mut self.columns {
            columns.leave(depth);
        }
        if self.told > self.around.len() {
            self.told = self.around.len();
            level.tell_passed(sink);
            sink.close(end);
            self.look(sink);
        } else if self.top.map {
            level.tell(sink);
            sink.close(end);
        }
    }

    /// The body ended at `end`.
    pub(super) fn finish(&mut self, end: u64, sink: &mut impl Sink) {
        self.beyond = 0;
        while !self.around.is_empty() {
            self.close(end, sink);
        }
    }

    /// A member of the innermost container begins with this name.
    #[inline]
    pub(super) fn name(&mut self, range: Range<usize>, chunk: Chunk<'_>, sink: &mut impl Sink) {
        if self.tell_label(&range, chunk, sink) {
            return;
        }
        let carries =
            || self.top.wanted && self.around.len() > 1 && chunk.bytes.get(range.clone()).is_some_and(is_carrier);
        if !self.top.map
            && !carries()
            && let Some(hash) = self.plain.find(chunk.bytes, &range, sink)
        {
            self.top.pass(hash);
            let range_of = range.clone();
            self.name = Some(Name { range, hash });
            self.names_column(chunk.bytes.get(range_of).unwrap_or_default());
            self.wanted = self.all || self.top.part == Part::Naming;
        } else {
            self.tell_name(range, chunk, sink);
        }
    }

    /// Tells what another member says of the one that begins with this name, if one does.
    fn tell_label(&mut self, range: &Range<usize>, chunk: Chunk<'_>, sink: &mut impl Sink) -> bool {
        let name = chunk.bytes.get(range.clone()).unwrap_or_default();
        self.labels.begin(name);
        let Some(label) = self.labels.of(name, self.around.len()).cloned() else {
            return false;
        };
        self.name = None;
        self.tell(chunk, sink);
        let wanted = labels::tell(&label, &chunk.string(range.clone()), sink);
        self.heard(wanted, sink);
        true
    }

    fn tell_name(&mut self, range: Range<usize>, chunk: Chunk<'_>, sink: &mut impl Sink) {
        self.name = None;
        self.tell(chunk, sink);
        let name = chunk.string(range);
        self.note(&name);
        let wanted = sink.key(&name) || self.top.part == Part::Naming || self.labels.is_next();
        self.heard(wanted, sink);
    }

    /// The sink was told a name of the innermost container.
    pub(super) fn heard(&mut self, wanted: bool, sink: &impl Sink) {
        self.wanted = self.all || wanted;
        self.look(sink);
    }

    /// Tells all containers, and the name of the member under way: a value in it is to be told, or the chunk ends.
    #[inline]
    pub(super) fn tell(&mut self, chunk: Chunk<'_>, sink: &mut impl Sink) {
        if let Some(name) = &self.name {
            self.heading = chunk.bytes.get(name.range.clone()).is_some_and(is_heading);
        }
        if self.told < self.around.len() {
            self.tell_levels(chunk, sink);
        }
        let name = self.name.take();
        if let Some(name) = &name {
            self.top.recall(name);
        }
        self.top.tell_passed(sink);
        if let Some(name) = name {
            sink.key(&chunk.string(name.range));
        }
    }

    /// Tells a piece of a value; the first of one of a row under its header, which is not told before there is something to
    /// tell under it.
    #[inline]
    pub(super) fn tell_cell(&self, piece: &Cell<'_>, sink: &mut impl Sink) {
        if piece.within.0 == 0 {
            self.tell_header(piece.at, sink);
        }
        sink.cell(piece);
    }

    /// Tells the header of the value at offset `at`, if it is one of a row.
    #[inline]
    fn tell_header(&self, at: u64, sink: &mut impl Sink) {
        if let Some(columns) = self.columns.as_ref().filter(|_| self.top.part == Part::Row) {
            columns.tell(self.top.place, at, sink);
        }
    }

    /// A name begins a member of an object that may be a column.
    fn names_column(&mut self, name: &[u8]) {
        if matches!(self.top.part, Part::Column | Part::Naming) {
            self.top.part = if is_naming(name) { Part::Naming } else { Part::Column };
        }
    }

    fn columns(&mut self) -> &mut Columns {
        self.columns.get_or_insert_default()
    }

    /// A name that was cut is about to be told, or a piece of one that is too long; what another member says of it, if one does.
    pub(super) fn cut_name(&mut self, name: &Cell<'_>) -> Option<super::name::Name> {
        if !self.note(name) {
            return None;
        }
        self.labels.begin(name.raw);
        let label = self.labels.of(name.raw, self.around.len());
        label.filter(|_| name.last).cloned()
    }

    /// Notes what a name that is about to be told says of arrays and columns; whether it is the beginning of one.
    fn note(&mut self, name: &Cell<'_>) -> bool {
        let is_first = name.within.0 == 0;
        self.heading = is_first && is_heading(name.raw);
        if is_first {
            self.names_column(name.raw);
        }
        is_first
    }

    fn tell_levels(&mut self, chunk: Chunk<'_>, sink: &mut impl Sink) {
        let mut levels = self.around.iter_mut().chain([&mut self.top]).skip(self.told);
        let Some(mut around) = levels.next() else { return };
        for level in levels {
            if let Some(name) = level.under.take() {
                around.recall(&name);
                around.tell_passed(sink);
                sink.key(&chunk.string(name.range));
            }
            level.tell(sink);
            around = level;
        }
        self.told = self.around.len();
    }

    /// Looks whether the innermost container is a map by now.
    fn look(&mut self, sink: &impl Sink) {
        if self.told == self.around.len() {
            self.top.map = sink.is_map();
        }
    }
}
