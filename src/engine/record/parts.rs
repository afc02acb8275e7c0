//! Values split over fields: `{"area":"010","exchange":"1234","line":"5678"}` is one telephone number, as it is dialled, and so is
//! `{"phone":[10,1234,5678]}`, whose numbers have lost their zeros.

use smallvec::SmallVec;

use super::Item;
use super::assembler::Assembler;
use super::frame::Frame;
use crate::engine::detect::{Category, Context, Finding, Part, Span};
use crate::engine::structure::{Cell, Container};

/// Parts of one value. Against: a value that is tried again with each of a thousand.
const PARTS_MAX: usize = 5;
/// Digits of a part of a number.
const DIGITS_MAX: usize = 8;
/// Digits of the shortest number of which parts are: fewer are not searched.
pub(super) const WHOLE_DIGITS_MIN: usize = 7;
/// Bytes of a part of an e-mail address (RFC 5321, section 4.5.3.1: a local part has 64 at most).
const MAIL_PART_BYTES_MAX: usize = 64;
/// Bytes between the first of the parts in running text and the last: so many are held back for those that come.
const FREE_BYTES_MAX: u64 = 512;
/// Digits of a last part that may be two, and those of the latter.
const WRITTEN_AS_TWO: std::ops::RangeInclusive<usize> = 7..=8;
const LINE_DIGITS: usize = 4;

/// Parts of a value that stand beside one another, while there may be more.
#[derive(Default)]
pub(super) struct Parts {
    /// What they are of, and the object that they stand in.
    whole: Box<[u8]>,
    object: u32,
    list: SmallVec<[Held; PARTS_MAX]>,
}

struct Held {
    place: u8,
    is_sure: bool,
    text: SmallVec<[u8; 16]>,
    span: Span,
    is_number: bool,
    is_elsewhere: bool,
}

/// Which zeros of a number that a table or a reader of numbers has dropped are put back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zeros {
    None,
    OfLine,
    OfTrunk,
}

impl Parts {
    /// Nothing that comes belongs to what came.
    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    /// Where the first of them in running text stands, if others may come of which it is a part.
    pub(super) fn free_from(&self, decided: u64) -> Option<u64> {
        let first = self.list.iter().map(|part| part.span.start).min()?;
        (first + FREE_BYTES_MAX >= decided).then_some(first)
    }

    /// The place of the next element of the array `object`, if all before it were parts of what is not whole yet.
    fn next_place(&self, object: u32) -> Option<u8> {
        let held = u8::try_from(self.list.len()).ok()?;
        match (self.object == object, held) {
            (false, _) => Some(1),
            (true, 0) => None,
            (true, held) => Some(held + 1),
        }
    }

    /// Holds one more in its place, the first of another value if it is none of the same: keys may be sorted, and then `last` stands
    /// before `middle`.
    fn hold(&mut self, part: &Part, object: u32, held: Held) {
        let goes_on = self.object == object && self.whole == part.whole && self.list.len() < PARTS_MAX;
        if !goes_on || self.list.iter().any(|before| before.place == held.place) {
            self.list.clear();
        }
        self.whole.clone_from(&part.whole);
        self.object = object;
        let place = self.list.partition_point(|before| before.place < held.place);
        self.list.insert(place, held);
    }

    /// The value as it is written in one piece, if it may be whole: with an `@` or hyphens between its parts.
    fn text(&self, is_mail: bool, zeros: Zeros) -> Option<Vec<u8>> {
        let (last, before) = self.list.split_last()?;
        // Of anything else there is an area and a line too.
        let is_enough = before.len() > 1 || self.list.iter().any(|part| part.is_sure);
        let has_lost = match zeros {
            Zeros::None => true,
            Zeros::OfLine => !is_mail && last.text.len() < LINE_DIGITS,
            Zeros::OfTrunk => !is_mail && before.first().is_some_and(|first| !first.text.starts_with(b"0")),
        };
        if before.is_empty() || !is_enough || !has_lost {
            return None;
        }
        let mut text = Vec::new();
        let has_country = before.first().is_some_and(|first| first.place == 0);
        if has_country && !before.iter().any(|part| part.text.starts_with(b"+")) {
            text.push(b'+');
        }
        if zeros == Zeros::OfTrunk && !has_country {
            text.push(b'0');
        }
        for part in before {
            text.extend_from_slice(&part.text);
            text.push(if is_mail { b'@' } else { b'-' });
        }
        let missing = if zeros == Zeros::None {
            0
        } else {
            LINE_DIGITS.saturating_sub(last.text.len())
        };
        text.extend(std::iter::repeat_n(b'0', missing));
        text.extend_from_slice(&last.text);
        let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
        (is_mail || digits >= WHOLE_DIGITS_MIN).then_some(text)
    }
}

impl Assembler {
    /// A cell in which nothing was found may be a part of a value: the identifiers that end with it, each part of them one, so that a
    /// mask covers all of it. `escaped`: its text is there already.
    pub(super) fn part(&mut self, cell: &Cell<'_>, escaped: bool) -> Vec<Item> {
        if !cell.is_whole() {
            return Vec::new();
        }
        let text = if escaped { &self.unescaped.text } else { cell.raw };
        let text = text.trim_ascii();
        let Some((part, object)) = self.said_part(text) else {
            return Vec::new();
        };
        let origin = self.origin();
        let held = Held {
            place: part.place,
            is_sure: part.is_sure,
            text: SmallVec::from_slice(text),
            span: Span {
                start: cell.at,
                end: cell.end(),
            },
            is_number: cell.is_number(),
            is_elsewhere: origin.is_elsewhere,
        };
        self.parts.hold(&part, object, held);
        let Some(finding) = self.whole(&part) else {
            return Vec::new();
        };
        self.findings += 1;
        // What is held back is the record around; in text outside any, what stands near and behind the record before.
        let is_free = self.is_free();
        let list = std::mem::take(&mut self.parts.list);
        let is_held = |held: &&Held| {
            !is_free || (held.span.start >= self.free_from && held.span.start + FREE_BYTES_MAX >= cell.at)
        };
        let mut items: Vec<Item> = list
            .iter()
            .filter(is_held)
            .map(|held| {
                let mut origin = origin;
                origin.is_elsewhere = held.is_elsewhere;
                self.item(&finding, held.span, held.is_number, origin)
            })
            .collect();
        items.sort_by_key(|item| item.place.span.start);
        items
    }

    /// What the name of the value under way says of the part that `text` may be, and the object in which it stands, if that holds its
    /// parts together. An array under the name of a number may be its parts.
    fn said_part(&self, text: &[u8]) -> Option<(Part, u32)> {
        let mut around = self.frames.iter().rev();
        let named = around.next()?;
        if named.container == Container::Array {
            let holder = around.next().filter(|holder| holder.container == Container::Object)?;
            let is_held = holder.pieces.is_none() && !Frame::values_are_records(holder);
            let key = &self.fields.get(&holder.field).filter(|_| is_held)?.key;
            // Few elements are digits, and all of such parts are.
            text.last().filter(|byte| byte.is_ascii_digit())?;
            let part = Part::element(key, self.parts.next_place(named.object)?)?;
            return may_be(&part, text).then_some((part, named.object));
        }
        let part = self.fields.get(&named.field)?.key.part();
        let part = part.filter(|part| may_be(part, text))?;
        // An element that has only text is a field of the one around it.
        let holder = match named.container {
            Container::Element if named.children == 0 && named.members <= 1 => around.next()?,
            Container::Element | Container::Object | Container::Array | Container::Row | Container::Flow => named,
        };
        let is_held = holder.pieces.is_none() && !Frame::values_are_records(holder);
        is_held.then(|| (part.clone(), holder.object))
    }

    /// What the parts so far are together. The last of a phone may be written as two are: `(212)` and `5550123`.
    fn whole(&mut self, part: &Part) -> Option<Finding> {
        [Zeros::None, Zeros::OfLine, Zeros::OfTrunk]
            .into_iter()
            .find_map(|zeros| {
                let text = self.parts.text(part.is_mail, zeros)?;
                self.whole_text(part, &text)
            })
    }

    /// The same of this text.
    fn whole_text(&mut self, part: &Part, text: &[u8]) -> Option<Finding> {
        let length = self.parts.list.last().map_or(0, |last| last.text.len());
        let as_two = WRITTEN_AS_TWO.contains(&length).then(|| {
            let (front, back) = text.split_at_checked(text.len() - LINE_DIGITS).unwrap_or((text, &[]));
            [front, b"-", back].concat()
        });
        let found = as_two.and_then(|text| self.meant(part, &text));
        found.or_else(|| self.meant(part, text))
    }

    /// What all of `text` is, if that may be in such parts.
    fn meant(&mut self, part: &Part, text: &[u8]) -> Option<Finding> {
        let key = self.rules.key(&part.whole);
        let context = Context {
            key: &key,
            ..Context::default()
        };
        let mut found = Vec::new();
        let usage = &mut self.usage;
        self.rules
            .scan_within_budget(text, 0..text.len(), context, usage, &mut found);
        let is_whole = |finding: &Finding| (finding.span.start, finding.span.end) == (0, text.len() as u64);
        let is_meant = |finding: &Finding| match finding.category {
            Category::Email => part.is_mail,
            Category::NationalId | Category::Phone => !part.is_mail,
            // Four numbers in a row are any account.
            Category::Account => self.rules.class_name(finding.class) == "card",
            Category::Address | Category::Name | Category::Weak | Category::Credential => false,
        };
        found.retain(|finding| !finding.tentative && is_whole(finding) && is_meant(finding));
        found.pop()
    }
}

/// Whether a text may be such a part.
fn may_be(part: &Part, text: &[u8]) -> bool {
    if part.is_mail {
        let is_letter = |byte: &u8| byte.is_ascii_graphic() && *byte != b'@';
        return (1..=MAIL_PART_BYTES_MAX).contains(&text.len()) && text.iter().all(is_letter);
    }
    let digits = text.strip_prefix(b"+").filter(|_| part.place == 0).unwrap_or(text);
    (1..=DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}
