//! The assembler: listens to the structure of a body, searches its cells, and settles records.

use std::sync::Arc;

use super::fields::{self, FieldRef, Fields};
use super::frame::{self, Frame, Gather, Shape};
use super::gather::Element;
use super::layers::LAYERS_MAX;
use super::parts::Parts;
use super::settled::Settled;
use super::stream::Stream;
use super::subject::{self, Common};
use super::{Details, Item, Record};
use crate::engine::container::{Fault, Limits, Meter};
use crate::engine::decode::Unescaped;
use crate::engine::detect::{Finding, OrderSigns, RuleSet, Usage, names_mail};
use crate::engine::secret::HashKey;
use crate::engine::structure::{Cell, CellForm, Container, Sink};

/// Between identifiers of one record in running text: more bytes apart and they are two records.
pub(super) const GAP_BYTES_MAX: u64 = 96;

/// Lists that are kept to be used again, and the room of one: as much as most records need.
const SPARE_LISTS_MAX: usize = 4;
const SPARE_ITEMS_MAX: usize = 32;

/// The assembler of one body.
pub struct Assembler {
    pub(super) rules: Arc<RuleSet>,
    pub(super) secret: HashKey,
    pub(super) frames: Vec<Frame>,
    pub(super) fields: Fields,
    objects: u32,
    /// A scalar that is a record by itself, while its segments arrive.
    pub(super) scalar: Vec<Item>,
    pub(super) scalar_start: Option<u64>,
    /// Neighbours in text outside any container.
    pub(super) free: Vec<Item>,
    /// Text before this offset belongs to what was settled.
    pub(super) free_from: u64,
    /// Whether a person's name stood among them.
    free_has_name: bool,
    /// Text bytes outside any container so far, and how many there were at the end of the last neighbour.
    free_text: u64,
    pub(super) free_last: u64,
    pub(super) common: Common,
    pub(super) settled: Settled,
    pub(super) found: Vec<Finding>,
    /// Lists of containers that ended, for those that begin.
    spare: Vec<Vec<Item>>,
    pub(super) unescaped: Unescaped,
    pub(super) findings: u64,
    pub(super) orders: OrderSigns,
    /// Layers that are still looked behind.
    pub(super) layers: u32,
    /// A value in another alphabet that goes on.
    pub(super) stream: Option<Box<Stream>>,
    /// Parts of a value that is split over fields.
    pub(super) parts: Parts,
    /// What came of all containers of the body, those inside values included, and what went wrong in one of these: then
    /// nothing more is looked behind.
    pub(in crate::engine) meter: Meter,
    pub(in crate::engine) fault: Option<Fault>,
    /// Of a body inside a value: where the record around it begins.
    pub(super) stops_at: Option<[u64; 2]>,
    /// What the operator's expressions do, and their budget.
    pub(in crate::engine) usage: Usage,
}

impl Assembler {
    /// An assembler that searches with `rules` and hashes with `secret`.
    pub fn new(rules: Arc<RuleSet>, secret: HashKey) -> Self {
        Self {
            rules,
            secret,
            frames: Vec::new(),
            fields: Fields::new(),
            objects: 0,
            scalar: Vec::new(),
            scalar_start: None,
            free: Vec::new(),
            free_from: 0,
            free_has_name: false,
            free_text: 0,
            free_last: 0,
            common: Common::default(),
            settled: Settled::default(),
            found: Vec::new(),
            spare: Vec::new(),
            unescaped: Unescaped::default(),
            findings: 0,
            orders: OrderSigns::default(),
            layers: LAYERS_MAX,
            stream: None,
            parts: Parts::default(),
            meter: Meter::new(Limits::default()),
            fault: None,
            stops_at: None,
            usage: Usage::default(),
        }
    }

    /// Records tell this too.
    pub fn tell_details(&mut self, details: Details) {
        self.settled.details = details;
    }

    /// Moves the records that begin before `holds_from` to `ready`, by their first byte.
    pub fn take_settled(&mut self, holds_from: u64, ready: &mut Vec<Record>) {
        let settled = &mut self.settled.records;
        if settled.is_empty() {
            return;
        }
        let first = ready.len();
        ready.extend(settled.extract_if(.., |record| record.start < holds_from));
        if let Some(added) = ready.get_mut(first..) {
            added.sort_by_key(|record| (record.start, std::cmp::Reverse(record.end)));
        }
    }

    /// How many identifiers were found so far.
    pub fn findings(&self) -> u64 {
        self.findings
    }

    /// What the field names so far said about orders.
    pub fn orders(&self) -> OrderSigns {
        self.orders
    }

    /// The body ended at `end`: settles what is still open.
    pub fn finish(&mut self, end: u64) {
        self.end_stream();
        while !self.frames.is_empty() {
            self.close(end);
        }
        self.settle_free(end);
    }

    pub(super) fn settle(&mut self, start: u64, end: u64, items: &[Item], has_name: bool) {
        if items.is_empty() {
            return;
        }
        let people = subject::subjects(items, has_name, &mut self.common, None);
        self.settled.push(start, end, items, people);
    }

    pub(super) fn settle_free(&mut self, end: u64) {
        let items = std::mem::take(&mut self.free);
        let Some(first) = items.first() else { return };
        let start = first.place.span.start.saturating_sub(GAP_BYTES_MAX).max(self.free_from);
        self.free_from = end;
        self.settle(start, end, &items, self.free_has_name);
    }

    /// Keeps a list that is done with, to be used again.
    fn spare(&mut self, mut items: Vec<Item>) {
        if self.spare.len() < SPARE_LISTS_MAX && items.capacity() <= SPARE_ITEMS_MAX {
            items.clear();
            self.spare.push(items);
        }
    }

    /// Whether text stands outside any container that would make it a record.
    pub(super) fn is_free(&self) -> bool {
        self.frames
            .last()
            .is_none_or(|frame| frame.container == Container::Flow)
    }

    /// Puts `item` into a list of the innermost container.
    fn top_items(&mut self, list: impl FnOnce(&mut Frame) -> &mut Vec<Item>, item: Item) {
        if let Some(frame) = self.frames.last_mut() {
            list(frame).push(item);
        }
    }

    /// Searches the name of the member under way, where it is data.
    fn search_name(&mut self, key: &Cell<'_>) {
        let Some(frame) = self.frames.last() else { return };
        if frame.container == Container::Object && matches!(frame.field, FieldRef::Data(_)) {
            self.search(key, |this, item| this.top_items(Frame::items_of_key, item));
        }
    }
}

impl Sink for Assembler {
    fn open(&mut self, container: Container, at: u64) {
        self.objects += 1;
        let mut frame = Frame::new(container, at, true, self.objects);
        frame.gather = self.gather_of(container);
        frame.items = self.spare.pop().unwrap_or_default();
        if let Some(parent) = self
            .frames
            .last_mut()
            .filter(|parent| parent.container != Container::Flow)
        {
            frame.is_record = container == Container::Row || parent.values_are_records();
            parent.children += 1;
            let awaits_value = std::mem::take(&mut parent.awaits_value);
            if awaits_value && container == Container::Object {
                frame.start = parent.key_at;
                frame.items = std::mem::take(&mut parent.key_items);
            } else {
                // No array joins the name it stands under.
                self.settle_name(at);
            }
        } else {
            // What stood before in plain text is a record of its own.
            self.settle_free(at);
        }
        self.frames.push(frame);
    }

    fn close(&mut self, end: u64) {
        self.settle_name(end);
        let Some(mut frame) = self.frames.pop() else { return };
        if frame.container == Container::Flow {
            self.settle_free(end);
        } else if frame.container == Container::Array && frame.first.is_some() {
            self.join_list(frame, end);
        } else if frame.is_record || frame.container == Container::Array {
            // Elements of an array are records, but for what it gathers.
            let items = frame.take_items();
            let element = Element {
                items: &items,
                start: frame.start,
                end,
                keyset: frame.keyset,
                has_name: frame.has_name,
                is_whole: frame.container == Container::Object && frame.pieces.is_none(),
            };
            if self.gather_element(&frame, &items) || self.keep_element(&element) {
                // They belong to the array, or to what it belongs to.
            } else if frame.pieces.is_some() {
                let start = items.first().map_or(end, |item| item.place.span.start);
                let people = subject::subjects(&items, frame.has_name, &mut self.common, frame.pieces.as_deref_mut());
                self.settled.push(start, end, &items, people);
            } else {
                self.settle(frame.start, end, &items, frame.has_name);
            }
            self.spare(items);
        } else if self
            .frames
            .last()
            .is_some_and(|parent| parent.container == Container::Element)
        {
            self.join_element(frame, end);
        } else {
            self.join_member(frame, end);
        }
        if self.is_free() {
            self.free_from = end;
        }
    }

    fn key(&mut self, key: &Cell<'_>) -> bool {
        let at = key.at.saturating_sub(1);
        let name = key.raw.get(key.within()).unwrap_or_default();
        // A header is named by its whole text, a member by what is not yet told of it.
        let name = if name.is_empty() { key.raw } else { name };
        self.settle_name(at);
        let Some(frame) = self.frames.last_mut() else {
            return true;
        };
        let field = self.fields.expected(name).unwrap_or_else(|| {
            let escaped = key.is_escaped();
            if escaped {
                Cell { raw: name, ..*key }.unescape(&mut self.unescaped);
            }
            let name = if escaped { &self.unescaped.text } else { name };
            self.fields.find(&self.rules, name)
        });
        let mut wanted = true;
        if let Some(said) = self.fields.get(&field) {
            // That a row has a person's name must be known, whatever the name is: its header is not told otherwise.
            wanted = said.key.wakes() || (said.key.names_person() && frame.container == Container::Row);
            self.free_has_name |= said.key.names_person() && frame.container == Container::Flow;
            self.orders.join(said.key.orders());
        }
        frame.begin_member(&self.fields, field, at);
        if frame::carries(frame, &self.fields) {
            wanted |= frame::field(&self.frames, &self.fields).is_some_and(|field| field.key.wakes());
        }
        self.settle_head(at);
        self.search_name(key);
        wanted
    }

    fn label(&mut self, label: &Cell<'_>, name: &Cell<'_>) -> bool {
        let field = self.fields.find(&self.rules, label.raw);
        let said = self
            .fields
            .get(&field)
            .map(|said| (said.key.wakes() && said.key.is_known(), names_mail(said.key.name())));
        let (says, is_mail) = said.unwrap_or_default();
        // What says nothing of its value may be somebody: `{"name":"bob77","value":"010..."}`.
        let wanted = self.key(if says { label } else { name });
        let pair = self
            .frames
            .last_mut()
            .filter(|frame| frame.container == Container::Object);
        if let Some(pair) = pair.filter(|_| says || is_mail) {
            pair.gather = Gather::Pair;
        }
        wanted
    }

    fn plain(&mut self, name: &[u8]) -> Option<u64> {
        let (number, orders) = fields::plain(&self.rules, name)?;
        self.orders.join(orders);
        Some(number)
    }

    fn passed(&mut self, names: u64, count: u32) {
        if let Some(frame) = self.frames.last_mut() {
            frame.keyset = frame.keyset.wrapping_add(names);
            frame.members += count;
        }
    }

    fn is_map(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.shape == Shape::Map)
    }

    fn cell(&mut self, cell: &Cell<'_>) {
        let free = self.is_free();
        let Some(frame) = self.frames.last_mut().filter(|_| !free) else {
            let (first, text) = (cell.at + cell.within.0 as u64, self.free_text);
            self.free_text += cell.within().len() as u64;
            // Outside a flow not every cell is told, so only the bytes between them can be counted.
            let origin = if self.frames.is_empty() { first } else { text };
            self.search(cell, |this, item| {
                let into = item.place.span.start.saturating_sub(first);
                this.join_free(item, origin + into);
            });
            return;
        };
        if !frame.values_are_records() {
            self.search(cell, |this, item| this.top_items(|frame| &mut frame.items, item));
            return;
        }
        let quote = u64::from(cell.form == CellForm::JsonString);
        if self.scalar_start.is_none() {
            self.scalar_start = Some(if frame.awaits_value {
                frame.key_at
            } else {
                cell.at.saturating_sub(quote)
            });
            self.scalar = std::mem::take(&mut frame.key_items);
        }
        self.search(cell, |this, item| this.scalar.push(item));
        if cell.last {
            let start = self.scalar_start.take().unwrap_or(cell.at);
            let items = std::mem::take(&mut self.scalar);
            if let Some(frame) = self.frames.last_mut().filter(|_| !items.is_empty()) {
                // A value in which nobody is need not be told, and so changes nothing.
                frame.awaits_value = false;
            }
            let end = cell.end() + quote;
            let element = Element {
                items: &items,
                start,
                end,
                keyset: 0,
                has_name: false,
                is_whole: true,
            };
            if !self.gather_value(start, &items) && !self.keep_element(&element) {
                self.settle(start, end, &items, false);
            }
        }
    }

    fn skipped(&mut self, bytes: u64) {
        if self.is_free() {
            self.free_text += bytes;
        }
    }

    fn line(&mut self, end: u64) {
        if self.stream.as_ref().is_some_and(|stream| stream.ends_before(end)) {
            self.end_stream();
        }
        // A long line was searched in part before it was known where the one before it ends.
        let of_next = self.free.iter().position(|item| item.place.span.start >= end);
        let next = of_next.map_or_else(Vec::new, |first| self.free.split_off(first));
        self.settle_free(end);
        self.free = next;
        self.free_from = self.free_from.max(end);
        self.free_has_name = false;
    }
}
