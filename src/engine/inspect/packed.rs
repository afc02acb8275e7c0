//! Bodies that are containers: read as the texts in them, one after another.

use smallvec::SmallVec;

use super::{Bounds, Failure, Inspector};
use crate::engine::charset::Another;
use crate::engine::container::{Limits, Look, Meter, Texts, Told, Unpacker, is_container, look};
use crate::engine::record::Assembler;
use crate::engine::structure::{Declared, Sink as _, Structure};

/// First bytes of a body, kept until they tell what it is.
pub(super) type First = SmallVec<[u8; 16]>;

/// Whether a body is a container.
pub(super) enum Packed {
    Undecided(First),
    No,
    /// It is; but while it is read, when it is with its reader.
    Yes(Option<Box<Unpacker>>),
}

impl Default for Packed {
    fn default() -> Self {
        Self::Undecided(First::new())
    }
}

impl Packed {
    pub(super) const fn is_container(&self) -> bool {
        matches!(self, Self::Yes(_))
    }

    /// Whether it is known to be none.
    pub(super) const fn is_text(&self) -> bool {
        matches!(self, Self::No)
    }

    /// Whether all that was read of it was told: then what was read may be let go once that is granted.
    pub(super) fn is_drained(&self) -> bool {
        match self {
            Self::Undecided(kept) => kept.is_empty(),
            Self::No | Self::Yes(None) => true,
            Self::Yes(Some(unpacker)) => unpacker.is_drained(),
        }
    }

    /// How many of the next `bytes` are to be read at once, so that it is drained where it can be.
    pub(super) fn wanted(&self, bytes: usize) -> usize {
        match self {
            Self::Yes(Some(unpacker)) => unpacker.wanted().map_or(bytes, |wanted| wanted.min(bytes)),
            Self::Undecided(_) | Self::No | Self::Yes(None) => bytes,
        }
    }

    /// Looks at the first bytes of the body, if none were kept; see [`Packed::next`].
    pub(super) fn look(&mut self, bytes: &[u8]) {
        if matches!(self, Self::Undecided(kept) if kept.is_empty()) {
            self.decide(look(bytes));
        }
    }

    /// What stands before `bytes` and was kept, once it is known what they are; none if they are kept too.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<First> {
        let Self::Undecided(kept) = self else {
            return Some(First::new());
        };
        let before = kept.clone();
        kept.extend_from_slice(bytes);
        let seen = look(kept);
        self.decide(seen);
        (seen != Look::More).then_some(before)
    }

    /// The body ended: what was kept, which is a text or all of a small container.
    pub(super) fn end(&mut self) -> First {
        match std::mem::replace(self, Self::No) {
            Self::Undecided(kept) => {
                if is_container(&kept) {
                    self.decide(Look::Container);
                }
                kept
            }
            Self::No => First::new(),
            yes @ Self::Yes(_) => {
                *self = yes;
                First::new()
            }
        }
    }

    fn decide(&mut self, seen: Look) {
        match seen {
            Look::More => {}
            Look::Text => *self = Self::No,
            Look::Container => *self = Self::Yes(Some(Box::new(Unpacker::new(1)))),
        }
    }
}

/// What may come of the containers of a body.
pub(super) const fn limits(bounds: &Bounds) -> Limits {
    Limits {
        depth: bounds.container_depth_max,
        entries: bounds.container_entries_max,
        bytes: bounds.container_bytes_max,
        ratio: bounds.decoded_ratio_max,
    }
}

impl Inspector {
    /// Reads more of the container that the body is, or its end.
    pub(super) fn unpack(&mut self, bytes: Option<&[u8]>) -> Result<(), Failure> {
        let Packed::Yes(under_way) = &mut self.packed else {
            return Ok(());
        };
        let Some(mut unpacker) = under_way.take() else {
            return Ok(());
        };
        let mut told = Told { texts: self };
        let read = match bytes {
            Some(bytes) => unpacker.push(bytes, &mut told),
            None => unpacker.finish(&mut told),
        };
        self.packed = Packed::Yes(Some(unpacker));
        read.map_err(Failure::from)
    }
}

impl Texts for Inspector {
    fn begin(&mut self, declared: Declared) {
        next_text(&mut self.structure, &mut self.assembler, self.decoded);
        self.finish_rough();
        self.text_from = self.decoded;
        self.structure = Structure::at(self.decoded, declared, self.settings);
    }

    fn text(&mut self, text: &[u8]) {
        self.search(text);
    }

    fn beside(&mut self, another: Another) {
        self.begin_rough(another);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if !self.rough.readings.is_empty() {
            self.read_rough(bytes);
        }
    }

    fn meter(&mut self) -> &mut Meter {
        &mut self.assembler.meter
    }
}

/// A text ended, and the next has nothing to do with it.
fn next_text(structure: &mut Structure, assembler: &mut Assembler, at: u64) {
    structure.finish(assembler);
    assembler.line(at);
}
