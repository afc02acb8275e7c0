//! The assembler searches a cell: its text, the names and bodies inside it and what is behind it, judged by what its column has
//! shown.

use super::assembler::Assembler;
use super::layers::repeats;
use super::parts::WHOLE_DIGITS_MIN;
use super::subject;
use super::{Item, Place};
use super::{embedded, fields, frame, joined};
use crate::engine::block::Masks;
use crate::engine::decode::hides;
use crate::engine::detect::{Category, Context, Finding, Key, Role, Span};
use crate::engine::structure::{Cell, CellForm};

/// What stands around a value: whose it is, its field and the object that holds that, whether the field's name is a word for
/// some kind of value, whether it is none of those that records tell of, and whether it is a shop's.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    role: Role,
    field: u64,
    object: u32,
    is_named: bool,
    pub(super) is_elsewhere: bool,
    is_shops: bool,
}

impl Assembler {
    /// Searches one cell; what it finds goes to `keep`.
    pub(super) fn search(&mut self, cell: &Cell<'_>, mut keep: impl FnMut(&mut Self, Item)) {
        if cell.raw.is_empty() && self.hear_empty(cell) {
            return;
        }
        if cell.raw.len() < WHOLE_DIGITS_MIN && cell.is_number() && cell.is_whole() {
            // A number that is too short for anything else has no vote.
            for item in self.part(cell, false) {
                keep(self, item);
            }
            return;
        }
        // Most cells are one block, which is looked at once.
        let block = cell.is_whole().then(|| Masks::of(cell.raw)).flatten();
        let (mut found, escaped) = self.find(cell, block.as_ref());
        let is_read = if cell.is_whole() {
            found.len() > 1 && repeats(&found) && self.settle_nested(cell, found.len())
        } else {
            self.go_on_nested(cell, &found)
        };
        if is_read {
            found.clear();
            self.found = found;
            return;
        }
        if escaped {
            self.place_in_raw(&mut found);
        }
        let known = found.len();
        let may_hide = || match &block {
            _ if escaped => hides(&self.unescaped.text),
            Some(block) => block.may_hide() && hides(cell.raw),
            None => hides(cell.raw),
        };
        if self.fault.is_none() && (self.stream.is_some() || may_hide()) {
            found = self.look_behind(cell, escaped, found);
        }
        if found.is_empty() {
            for item in self.part(cell, escaped) {
                keep(self, item);
            }
        } else {
            self.keep(cell, &mut found, known, keep);
        }
        self.found = found;
    }

    /// Gives what was `found` in a cell to `keep`; the first `known` stand in its own text.
    fn keep(&mut self, cell: &Cell<'_>, found: &mut Vec<Finding>, known: usize, mut keep: impl FnMut(&mut Self, Item)) {
        let (number, origin) = (cell.is_number(), self.origin());
        // What is behind a text is found after what is in it and may stand before it: neighbours are joined, and masks set, in order.
        if !number && !found.is_sorted_by_key(|finding| finding.span.start) {
            found.sort_by_key(|finding| finding.span.start);
        }
        for (place, finding) in found.drain(..).enumerate() {
            let span = Span {
                start: cell.at + finding.span.start,
                end: cell.at + finding.span.end,
            };
            let item = self.item(&finding, span, number && place < known, origin);
            self.findings += 1;
            keep(self, item);
        }
    }

    /// What is in the text of a cell, whose masks may be known, and whether that is the one of `unescaped`. Its field hears of it.
    fn find(&mut self, cell: &Cell<'_>, block: Option<&Masks>) -> (Vec<Finding>, bool) {
        let number = cell.is_number();
        let field = frame::field(&self.frames, &self.fields);
        let may_be_wide = field.is_some_and(|field| field.key.is_known()) && block.is_none_or(|block| block.high != 0);
        let wide = may_be_wide && cell.has_wide_digit();
        let escaped = wide || block.map_or_else(|| cell.is_escaped(), |block| cell.is_escaped_in(block));
        if escaped {
            cell.read(wide, &mut self.unescaped);
        }
        let context = Context {
            key: field.map_or(Key::NONE, |field| &field.key),
            number,
            column: field.is_some(),
        };
        let mut found = std::mem::take(&mut self.found);
        let usage = &mut self.usage;
        let searched = if escaped {
            let within = self.unescaped.from_raw(cell.within.0)..self.unescaped.from_raw(cell.within.1);
            let text = &self.unescaped.text;
            self.rules.scan_within_budget(text, within, context, usage, &mut found)
        } else {
            let text = (cell.raw, block);
            self.rules.scan_marked(text, cell.within(), context, usage, &mut found)
        };
        let vote = field.map(|field| {
            let vote = field.vote.get();
            // Cells that nobody need look at, and so may not be told, have no vote; and what expressions find is no reason to
            // lift what they do not.
            if searched.by_builtin && cell.last {
                let builtin = searched.builtin.as_deref().unwrap_or(&found);
                field.vote.set(vote.with(builtin, cell.raw));
            }
            vote
        });
        // Neither is what would not be told a text with names of its own.
        let is_text = || searched.by_builtin && embedded::may_begin(cell);
        if !found.is_empty() && field.is_none_or(|field| !field.key.is_known()) || is_text() {
            embedded::search(&self.rules, cell, &self.unescaped, &mut self.usage, &mut found);
        }
        joined::search(&self.rules, cell, &self.unescaped, &mut self.usage, &mut found);
        self.usage.found(&found);
        if self.usage.is_newly_spent() {
            let at = cell.at + cell.within.0 as u64;
            let record = self.stops_at(at);
            self.usage.stop_at(record);
        }
        if let Some((field, vote)) = field.zip(vote).filter(|_| !found.is_empty()) {
            let is_known = field.key.is_known();
            let is_code = |finding: &Finding| {
                !is_known && vote.vetoes(finding, cell.raw) && !self.rules.is_expression(finding.rule)
            };
            found.retain(|finding| {
                (!finding.tentative && !is_code(finding)) || (finding.tentative && vote.lifts(finding, number))
            });
        }
        (found, escaped)
    }

    /// Hears of an empty cell, in which nothing is, and which has its vote all the same. Answers whether that is all.
    fn hear_empty(&self, cell: &Cell<'_>) -> bool {
        let is_all = cell.form != CellForm::Event && !self.rules.has_expressions() && self.stream.is_none();
        let field = frame::field(&self.frames, &self.fields);
        if let Some(field) = field.filter(|field| is_all && cell.last && field.key.wakes()) {
            field.vote.set(field.vote.get().with(&[], &[]));
        }
        is_all
    }

    /// What stands around the value under way.
    pub(super) fn origin(&self) -> Origin {
        let named = frame::named(&self.frames, &self.fields);
        let field = named.and_then(|frame| self.fields.get(&frame.field));
        let role = self.frames.iter().rev().find_map(|frame| frame.role);
        let told_of = self.settled.details.fields.as_ref();
        Origin {
            role: role.unwrap_or(Role::None),
            field: field.map_or(0, |field| field.hash),
            object: named.map_or(0, |frame| frame.object),
            is_named: field.is_some_and(|field| field.key.is_known()),
            is_shops: named.is_some_and(|frame| frame.role == Some(Role::Seller)),
            is_elsewhere: told_of.is_some_and(|told_of| !told_of.have(frame::names(&self.frames, &self.fields))),
        }
    }

    pub(super) fn item(&self, finding: &Finding, span: Span, number: bool, origin: Origin) -> Item {
        let normal = finding.normal.as_bytes();
        let (value, beside) = match finding.category {
            // Nobody is known by one alone: where it is not counted, it is only compared with its neighbours.
            Category::Name | Category::Weak if !self.settled.details.values.contains(finding.class) => {
                (fields::hash(normal), 0)
            }
            Category::Name
            | Category::Weak
            | Category::NationalId
            | Category::Email
            | Category::Phone
            | Category::Account
            | Category::Address
            | Category::Credential => (
                subject::of_value(&self.secret, finding.category, normal).0,
                subject::beside_value(&self.secret, finding.category, normal),
            ),
        };
        Item {
            place: Place {
                span,
                class: finding.class,
                number,
                value,
            },
            category: finding.category,
            beside,
            role: origin.role,
            field: origin.field,
            object: origin.object,
            is_named: origin.is_named,
            is_elsewhere: origin.is_elsewhere,
            is_shops: origin.is_shops,
        }
    }
}
