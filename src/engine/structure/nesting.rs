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
use super::{Container, Heard, Sink};

/// Deeper containers are read as part of the one at this depth. Against: `[[[[...` that costs a frame a byte.
const DEPTH_MAX: usize = 128;
/// Names that say nothing and are remembered, a power of two. 32 bytes each.
const PLAIN_NAMES_MAX: usize = 128;
/// Longer names are not remembered.
const PLAIN_BYTES_MAX: usize = 16;

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
    levels: Vec<Level>,
    /// So many of `levels`, from the outermost, were told; <= `levels.len()`.
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
}

/// A name of the chunk under way that says nothing.
#[derive(Clone)]
struct Name {
    range: Range<usize>,
    hash: u64,
}

/// One open container.
struct Level {
    object: bool,
    at: u64,
    /// The name it stands under, if that was not told.
    under: Option<Name>,
    /// `wanted` around it.
    wanted: bool,
    /// Whether the sink reads its members as records, and so must hear of each.
    map: bool,
    /// Names that were passed over and not told of yet: the sum of their hashes, and how many.
    names: u64,
    count: u32,
}

impl Level {
    fn pass(&mut self, name: &Name) {
        self.names = self.names.wrapping_add(name.hash);
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
}

impl Nesting {
    /// No container; `all`: every value is told.
    pub(super) fn new(all: bool) -> Self {
        Self {
            levels: Vec::new(),
            told: 0,
            beyond: 0,
            name: None,
            wanted: all,
            all,
            plain: PlainNames::default(),
        }
    }

    /// Whether the value under way is told even if nothing in it wakes a search.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether no container is open.
    pub(super) fn is_root(&self) -> bool {
        self.levels.is_empty()
    }

    /// Whether the innermost container is an object.
    pub(super) fn is_object(&self) -> bool {
        self.levels.last().is_some_and(|level| level.object)
    }

    /// A container begins at offset `at`; says whether it is one of its own.
    pub(super) fn open(&mut self, object: bool, at: u64, chunk: Chunk<'_>, sink: &mut impl Sink) -> bool {
        if self.levels.len() >= DEPTH_MAX {
            self.beyond += 1;
            return false;
        }
        let wanted = self.wanted;
        self.levels.push(Level {
            object,
            at,
            under: self.name.take(),
            wanted,
            map: false,
            names: 0,
            count: 0,
        });
        // An array's elements stand under its name.
        self.wanted = self.all || (wanted && !object);
        // A document parts what stands before it from what comes after.
        if wanted || self.levels.len() == 1 {
            self.tell(chunk, sink);
        }
        true
    }

    /// The innermost container ends before offset `end`.
    pub(super) fn close(&mut self, end: u64, sink: &mut impl Sink) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        let Some(mut level) = self.levels.pop() else { return };
        // The member it was the value of is still under way.
        self.name = level.under.take();
        self.wanted = level.wanted;
        if self.told > self.levels.len() {
            self.told = self.levels.len();
            level.tell_passed(sink);
            sink.close(end);
            self.look(sink);
        }
    }

    /// The body ended at `end`.
    pub(super) fn finish(&mut self, end: u64, sink: &mut impl Sink) {
        self.beyond = 0;
        while !self.levels.is_empty() {
            self.close(end, sink);
        }
    }

    /// A member of the innermost container begins with this name.
    #[inline]
    pub(super) fn name(&mut self, range: Range<usize>, chunk: Chunk<'_>, sink: &mut impl Sink) {
        let bytes = chunk.bytes.get(range.clone()).unwrap_or_default();
        let plain = self.plain.find(bytes);
        if let (Some(hash), Some(level)) = (plain, self.levels.last_mut())
            && !level.map
        {
            let name = Name { range, hash };
            level.pass(&name);
            self.name = Some(name);
            self.wanted = self.all;
            return;
        }
        self.name = None;
        self.tell(chunk, sink);
        let heard = sink.key(&chunk.string(range));
        if let Some(hash) = heard.plain {
            self.plain.learn(bytes, hash);
        }
        self.heard(heard, sink);
    }

    /// The sink was told a name of the innermost container.
    pub(super) fn heard(&mut self, heard: Heard, sink: &impl Sink) {
        self.wanted = self.all || heard.wanted;
        self.look(sink);
    }

    /// Tells all containers, and the name of the member under way: a value in it is to be told, or the chunk ends.
    #[inline]
    pub(super) fn tell(&mut self, chunk: Chunk<'_>, sink: &mut impl Sink) {
        if self.told < self.levels.len() {
            self.tell_levels(chunk, sink);
        }
        let Some(level) = self.levels.last_mut() else { return };
        let name = self.name.take();
        if let Some(name) = &name {
            level.recall(name);
        }
        level.tell_passed(sink);
        if let Some(name) = name {
            sink.key(&chunk.string(name.range));
        }
    }

    fn tell_levels(&mut self, chunk: Chunk<'_>, sink: &mut impl Sink) {
        for index in self.told..self.levels.len() {
            let Some((level, around)) = self.levels.get_mut(..=index).and_then(<[Level]>::split_last_mut) else {
                return;
            };
            if let (Some(name), Some(parent)) = (level.under.take(), around.last_mut()) {
                parent.recall(&name);
                parent.tell_passed(sink);
                sink.key(&chunk.string(name.range));
            }
            let container = if level.object {
                Container::Object
            } else {
                Container::Array
            };
            sink.open(container, level.at);
        }
        self.told = self.levels.len();
    }

    /// Looks whether the innermost container is a map by now.
    fn look(&mut self, sink: &impl Sink) {
        let told = self.told == self.levels.len();
        if let (Some(level), true) = (self.levels.last_mut(), told) {
            level.map = sink.is_map();
        }
    }
}

/// Names that say nothing of their values, of persons or of orders: each at one of the two places that its bytes choose.
#[derive(Default)]
struct PlainNames {
    /// Empty until there is one.
    places: Vec<PlainName>,
}

#[derive(Clone, Copy, Default)]
struct PlainName {
    ends: [u64; 2],
    /// 0 is none.
    length: usize,
    hash: u64,
}

impl PlainNames {
    #[inline]
    fn find(&self, name: &[u8]) -> Option<u64> {
        let ends = ends(name);
        let first = place(ends);
        let is_it = |known: &&PlainName| known.ends == ends && known.length == name.len();
        let at = |place| self.places.get(place).filter(is_it);
        at(first).or_else(|| at(first ^ 1)).map(|known| known.hash)
    }

    fn learn(&mut self, name: &[u8], hash: u64) {
        if !(1..=PLAIN_BYTES_MAX).contains(&name.len()) {
            return;
        }
        if self.places.is_empty() {
            self.places.resize(PLAIN_NAMES_MAX, PlainName::default());
        }
        let ends = ends(name);
        let first = place(ends);
        let is_taken = self.places.get(first).is_some_and(|known| known.length > 0);
        if let Some(known) = self.places.get_mut(first ^ usize::from(is_taken)) {
            *known = PlainName {
                ends,
                length: name.len(),
                hash,
            };
        }
    }
}

fn place([first, last]: [u64; 2]) -> usize {
    let mixed = (first ^ last.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % PLAIN_NAMES_MAX
}

/// The first and the last eight bytes of a name, or what it has: all of it, up to [`PLAIN_BYTES_MAX`].
#[inline]
fn ends(name: &[u8]) -> [u64; 2] {
    if let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        [u64::from_le_bytes(*first), u64::from_le_bytes(*last)]
    } else if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        [
            u64::from(u32::from_le_bytes(*first)),
            u64::from(u32::from_le_bytes(*last)),
        ]
    } else {
        [0, name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_known_by_all_its_bytes() {
        let mut names = PlainNames::default();
        let text: Vec<u8> = (1..60).collect();
        for length in 0..text.len() {
            names.learn(&text[..length], length as u64);
            let known = names.find(&text[..length]);
            assert_eq!(known, (1..=PLAIN_BYTES_MAX).contains(&length).then_some(length as u64));
        }
        assert_eq!(names.find(b"another"), None);
    }
}
