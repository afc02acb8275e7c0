//! What joins what: neighbours in text, elements in elements, objects in objects; and what a map's names join.

use super::Item;
use super::assembler::{Assembler, GAP_BYTES_MAX};
use super::frame::{Frame, Member, Shape, carries};
use crate::engine::detect::Category;

/// As [`GAP_BYTES_MAX`], where the parts of a text have names.
const NAMED_GAP_BYTES_MAX: u64 = 256;
/// Neighbours that a new one is compared with. Against: one value a thousand times over.
const NEIGHBOURS_MAX: usize = 64;

impl Assembler {
    /// An identifier in text outside any container joins its neighbours or begins a new record. `at` counts text bytes, of
    /// which there are fewer than raw ones where tags stand between.
    pub(super) fn join_free(&mut self, item: Item, at: u64) {
        let gap = if self.frames.is_empty() {
            GAP_BYTES_MAX
        } else {
            NAMED_GAP_BYTES_MAX
        };
        // A given name and a surname beside it are one person's.
        let is_name = item.category == Category::Name;
        let is_part = is_name && self.free.last().is_some_and(|last| last.category == Category::Name);
        let apart = !self.free.is_empty() && at.saturating_sub(self.free_last) > gap;
        let repeats = self.free.iter().rev().take(NEIGHBOURS_MAX).any(|known| {
            // `phone` and `mobile` are one person's, two phones without a name or with one are not.
            let is_sibling = known.is_named && item.is_named && known.field != item.field;
            known.category == item.category && known.place.value != item.place.value && !is_sibling
        });
        if apart || (repeats && !is_part) {
            let end = self.free.last().map_or(0, |last| last.place.span.end);
            self.settle_free(end);
        }
        self.free_last = at + (item.place.span.end - item.place.span.start);
        // The parts of one value are found with the last of them.
        let place = self.free.partition_point(|known| known.place.span <= item.place.span);
        self.free.insert(place, item);
    }

    /// An element ended inside another: a text joins it as a field; an element beside one of the same name is a record.
    pub(super) fn join_element(&mut self, mut child: Frame, end: u64) {
        let items = child.take_items();
        let Some(parent) = self.frames.last_mut() else { return };
        let name = parent.field_hash;
        let is_field = child.children == 0 && items.iter().all(|item| item.field == name);
        let object = if is_field { parent.object } else { child.object };
        let items = items.into_iter().map(|item| Item { object, ..item });
        if is_field || parent.pieces.is_some() {
            parent.has_name |= child.has_name;
            parent.items.extend(items);
            return;
        }
        let member = Member {
            name,
            start: child.start,
            end,
            key_is_role: false,
            keyset: child.keyset,
            items: items.collect(),
            has_name: child.has_name,
        };
        let Some(first) = parent.first.replace(Box::new(member)) else {
            return;
        };
        if first.name != name {
            parent.has_name |= first.has_name;
            parent.items.extend(first.items);
            return;
        }
        parent.listed = Some(name);
        let member = parent.first.take();
        for member in [Some(first), member].into_iter().flatten() {
            self.settle(member.start, member.end, &member.items, member.has_name);
        }
        // What the list stands in has shown what it had so far, and holds the list no longer.
        if let Some(at) = self.frames.len().checked_sub(1) {
            self.force_frame(at, end);
        }
    }

    /// A nested object ended inside an object that is no map yet: join it, keep it, or learn that this is a map.
    pub(super) fn join_member(&mut self, mut child: Frame, end: u64) {
        // `buyer` is a role; `buyer_001` is one of many.
        let named = self.frames.last().and_then(|parent| self.fields.get(&parent.field));
        let key_is_role =
            named.is_some_and(|named| named.key.role().is_some() && !named.key.name().iter().any(u8::is_ascii_digit));
        let is_carried = carries(&child, &self.fields);
        let Some(parent) = self.frames.last_mut() else { return };
        let items = child.take_items();
        // One in which nobody is says nothing: it may as well not have been told.
        if items.is_empty() || parent.pieces.is_some() || parent.shape == Shape::Struct {
            parent.has_name |= child.has_name;
            parent.items.extend(items);
            return;
        }
        let member = Member {
            name: 0,
            start: parent.key_at,
            end,
            key_is_role,
            keyset: child.keyset,
            items,
            has_name: child.has_name,
        };
        let Some(first) = parent.first.take() else {
            parent.first = Some(Box::new(member));
            return;
        };
        // `{"name":{"S":"..."},"phone":{"S":"..."}}` is one thing.
        let is_map = first.keyset == member.keyset
            && child.members > 0
            && !is_carried
            && !first.key_is_role
            && !member.key_is_role;
        parent.shape = if is_map { Shape::Map } else { Shape::Struct };
        if is_map {
            if parent.is_record {
                // Its own values so far; later ones are records by themselves.
                let (start, items, has_name) = (parent.start, std::mem::take(&mut parent.items), parent.has_name);
                self.settle(start, end, &items, has_name);
            }
            for member in [*first, member] {
                self.settle(member.start, member.end, &member.items, member.has_name);
            }
        } else {
            for member in [*first, member] {
                parent.has_name |= member.has_name;
                parent.items.extend(member.items);
            }
        }
    }

    /// The innermost object turned out to be a map before `end`: the name it stands under is nobody of its members', and neither
    /// is what stood in it before its first name, where no JSON has anything.
    pub(super) fn settle_head(&mut self, end: u64) {
        let Some(frame) = self.frames.last_mut().filter(|frame| frame.shape == Shape::Map) else {
            return;
        };
        let (start, items, first) = (frame.start, std::mem::take(&mut frame.items), frame.first.take());
        self.settle(start, end, &items, false);
        if let Some(first) = first {
            self.settle(first.start, first.end, &first.items, first.has_name);
        }
    }

    /// A map's member whose name identifies someone and whose value had nothing to add ended before `end`.
    pub(super) fn settle_name(&mut self, end: u64) {
        let Some(frame) = self.frames.last_mut() else { return };
        if !frame.key_items.is_empty() {
            let (start, items) = (frame.key_at, std::mem::take(&mut frame.key_items));
            self.settle(start, end, &items, false);
        }
    }
}
