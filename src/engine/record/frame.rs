//! One open container on the assembler's stack.

use super::Item;
use super::fields::{Field, FieldRef, Fields};
use super::subject::Pieces;
use crate::engine::detect::Role;
use crate::engine::structure::Container;

/// Whether an object is a struct (its members describe one thing) or a map (each member is a thing).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Not seen yet: the first object-valued member is kept until the second, or the end, tells.
    Unknown,
    Struct,
    Map,
}

/// What becomes of the elements of an array that are no records by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gather {
    /// Boxes around one value each are a row: `{"f":[{"v":"a@mail.example"},{"v":"010..."}]}` of `BigQuery`.
    Boxes,
    /// So are bare values: an array in an array is a row.
    Row,
    /// Of an object: one of its members says what another is, and both are a member of the object around its array.
    Pair,
    /// They are what the object around it says of one person: `{"name":"Kim","emails":["..."],"phones":[{"value":"..."}]}`.
    Contacts,
}

/// An object-valued member that waits for the second to tell map from struct, or the element of a list that waits for a
/// second.
pub(super) struct Member {
    pub(super) name: u64,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) key_is_role: bool,
    pub(super) keyset: u64,
    pub(super) items: Vec<Item>,
    pub(super) has_name: bool,
}

/// The frame whose name says what the value under way is.
pub(super) fn named<'f>(frames: &'f [Frame], fields: &Fields) -> Option<&'f Frame> {
    let mut named = frames.iter().rev().filter(|frame| frame.container != Container::Array);
    let innermost = named.next()?;
    let around = named
        .next()
        .filter(|around| is_unnamed(innermost, fields) && fields.get(&around.field).is_some());
    Some(around.unwrap_or(innermost))
}

/// The field that the value under way is of.
pub(super) fn field<'f>(frames: &'f [Frame], fields: &'f Fields) -> Option<&'f Field> {
    fields.get(&named(frames, fields)?.field)
}

/// The names around the value under way, the innermost first. The text of an element is told under the element's name once more.
pub(super) fn names<'f>(frames: &'f [Frame], fields: &'f Fields) -> impl Iterator<Item = &'f [u8]> {
    let around = frames.iter().rev().skip(1).map(Some).chain([None]);
    let named = frames.iter().rev().zip(around).filter(|(frame, around)| {
        let is_same = around.is_some_and(|around| around.field_hash == frame.field_hash);
        !(is_same && frame.container == Container::Element)
    });
    named.filter_map(|(frame, _)| Some(fields.get(&frame.field)?.key.name()))
}

/// Whether the member under way has no name of its own: one that carries its value, or data, `{"phone":{"0":"010..."}}`.
fn is_unnamed(frame: &Frame, fields: &Fields) -> bool {
    matches!(frame.field, FieldRef::Data(_)) || carries(frame, fields)
}

/// Whether the name around `frame` says what the member under way is. The header of a column says it itself.
pub(super) fn carries(frame: &Frame, fields: &Fields) -> bool {
    frame.container != Container::Row && fields.get(&frame.field).is_some_and(|field| field.key.carries())
}

/// One open container.
pub(super) struct Frame {
    pub(super) container: Container,
    pub(super) start: u64,
    /// Whether it is a record by itself: the root, an array's element, a map's value, a row.
    pub(super) is_record: bool,
    pub(super) shape: Shape,
    /// A number of its own within the body.
    pub(super) object: u32,
    pub(super) items: Vec<Item>,
    pub(super) first: Option<Box<Member>>,
    /// The name of the member under way, the role it states, and where it stands.
    pub(super) field: FieldRef,
    pub(super) field_hash: u64,
    pub(super) role: Option<Role>,
    pub(super) key_at: u64,
    /// Identifiers found in the name itself, where it is data.
    pub(super) key_items: Vec<Item>,
    /// Of a map: a member's name was read, and nothing of its value that is a record.
    pub(super) awaits_value: bool,
    /// Order-free combination of all member names.
    pub(super) keyset: u64,
    pub(super) members: u32,
    pub(super) has_name: bool,
    /// Containers that were opened in it.
    pub(super) children: u32,
    /// Of an element: the name that came twice, whose elements are records. Of an array: that it has several elements.
    pub(super) listed: Option<u64>,
    /// Of an array: what becomes of elements that are no records, and how many were given to the object around it, or
    /// are people of a column. Of an object: how many strong identifiers its lists of one gave it.
    pub(super) gather: Gather,
    pub(super) given: u32,
    /// Set once the record outgrew the hold-back and was settled by what it had shown.
    pub(super) pieces: Option<Box<Pieces>>,
}

impl Frame {
    pub(super) fn new(container: Container, start: u64, is_record: bool, object: u32) -> Self {
        Self {
            container,
            start,
            is_record,
            shape: Shape::Unknown,
            object,
            items: Vec::new(),
            first: None,
            field: FieldRef::None,
            field_hash: 0,
            role: None,
            key_at: start,
            key_items: Vec::new(),
            awaits_value: false,
            keyset: 0,
            members: 0,
            has_name: false,
            children: 0,
            listed: None,
            gather: Gather::Boxes,
            given: 0,
            pieces: None,
        }
    }

    /// A member called `field` begins at `at`.
    pub(super) fn begin_member(&mut self, fields: &Fields, field: FieldRef, at: u64) {
        if let Some(said) = fields.get(&field) {
            self.role = said.key.role();
            self.has_name |= said.key.names_person();
            self.field_hash = said.hash;
        } else {
            self.role = None;
            self.field_hash = fields.hash(&field);
            if self.members == 0 && self.container == Container::Object {
                self.shape = Shape::Map;
            }
        }
        self.keyset = self.keyset.wrapping_add(self.field_hash);
        self.key_at = at;
        self.members += 1;
        self.awaits_value = self.shape == Shape::Map;
        self.field = field;
    }

    /// Where identifiers found in the name under way belong: beside the value of a map, to the struct itself.
    pub(super) fn items_of_key(&mut self) -> &mut Vec<Item> {
        if self.shape == Shape::Map {
            &mut self.key_items
        } else {
            &mut self.items
        }
    }

    /// Everything it holds, as one record's worth; what waited to tell map from struct is a struct now.
    pub(super) fn take_items(&mut self) -> Vec<Item> {
        let mut items = std::mem::take(&mut self.items);
        if let Some(first) = self.first.take() {
            self.shape = Shape::Struct;
            self.has_name |= first.has_name;
            items.extend(first.items);
        }
        items
    }

    /// Whether each value of this container is a record by itself.
    pub(super) fn values_are_records(&self) -> bool {
        match self.container {
            Container::Array => true,
            Container::Object => self.shape == Shape::Map,
            Container::Element => self.listed == Some(self.field_hash),
            Container::Row | Container::Flow => false,
        }
    }

    /// The offset from which this frame holds bytes back, if it does.
    pub(super) fn holds_from(&self) -> Option<u64> {
        match (self.container, &self.pieces) {
            (Container::Flow, _) => None,
            (Container::Array, _) if self.items.is_empty() => self.first.as_ref().map(|first| first.start),
            // A map holds no more than a name, with which its member's record begins.
            (Container::Object, _) if self.shape == Shape::Map => self.awaits_value.then_some(self.key_at),
            (_, None) => Some(self.start),
            (_, Some(_)) => self.items.first().map(|item| item.place.span.start),
        }
    }
}
