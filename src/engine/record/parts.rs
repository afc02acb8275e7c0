//! Values split over fields: `{"area":"010","exchange":"1234","line":"5678"}` is one telephone number, as it is dialled.

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
const WHOLE_DIGITS_MIN: usize = 7;
/// Bytes of a part of an e-mail address (RFC 5321, section 4.5.3.1: a local part has 64 at most).
const MAIL_PART_BYTES_MAX: usize = 64;
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
}

impl Parts {
    /// Nothing that comes belongs to what came.
    pub(super) fn clear(&mut self) {
        self.list.clear();
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
    fn text(&self, is_mail: bool) -> Option<Vec<u8>> {
        let (last, before) = self.list.split_last()?;
        // Of anything else there is an area and a line too.
        let is_enough = before.len() > 1 || self.list.iter().any(|part| part.is_sure);
        let is_short = !is_mail && self.list.iter().map(|part| part.text.len()).sum::<usize>() < WHOLE_DIGITS_MIN;
        if before.is_empty() || !is_enough || is_short {
            return None;
        }
        let mut text = Vec::new();
        let has_country = before.first().is_some_and(|first| first.place == 0);
        if has_country && !before.iter().any(|part| part.text.starts_with(b"+")) {
            text.push(b'+');
        }
        for part in before {
            text.extend_from_slice(&part.text);
            text.push(if is_mail { b'@' } else { b'-' });
        }
        text.extend_from_slice(&last.text);
        Some(text)
    }
}

impl Assembler {
    /// A cell in which nothing was found may be a part of a value: the identifiers that end with it, each part of them one, so that a
    /// mask covers all of it, and in running text the last. `escaped`: its text is there already.
    pub(super) fn part(&mut self, cell: &Cell<'_>, escaped: bool) -> Vec<Item> {
        if !cell.is_whole() || cell.is_number() {
            return Vec::new();
        }
        let text = if escaped { &self.unescaped.text } else { cell.raw };
        let text = text.trim_ascii();
        let Some((part, object)) = self.said_part().filter(|(part, _)| may_be(part, text)) else {
            return Vec::new();
        };
        let part = part.clone();
        let held = Held {
            place: part.place,
            is_sure: part.is_sure,
            text: SmallVec::from_slice(text),
            span: Span {
                start: cell.at,
                end: cell.end(),
            },
        };
        self.parts.hold(&part, object, held);
        let Some(finding) = self.whole(&part) else {
            return Vec::new();
        };
        self.findings += 1;
        let origin = self.origin();
        // What is held back is the record around; in text outside any, what came before may have left.
        let is_free = self.is_free();
        let list = std::mem::take(&mut self.parts.list);
        let items = list.iter().filter(|held| !is_free || held.span.start == cell.at);
        items
            .map(|held| self.item(&finding, held.span, false, origin))
            .collect()
    }

    /// What the name of the value under way says of a part, and the object in which it stands, if that holds its parts together.
    fn said_part(&self) -> Option<(&Part, u32)> {
        let mut around = self.frames.iter().rev();
        let named = around.next()?;
        let part = self.fields.get(&named.field)?.key.part()?;
        // An element that has only text is a field of the one around it.
        let holder = match named.container {
            Container::Element if named.children == 0 && named.members <= 1 => around.next()?,
            Container::Element | Container::Object | Container::Array | Container::Row | Container::Flow => named,
        };
        let is_held = holder.pieces.is_none() && !Frame::values_are_records(holder);
        is_held.then_some((part, holder.object))
    }

    /// What the parts so far are together. The last of a phone may be written as two are: `(212)` and `5550123`.
    fn whole(&mut self, part: &Part) -> Option<Finding> {
        let text = self.parts.text(part.is_mail)?;
        let length = self.parts.list.last().map_or(0, |last| last.text.len());
        let as_two = WRITTEN_AS_TWO.contains(&length).then(|| {
            let (front, back) = text.split_at_checked(text.len() - LINE_DIGITS).unwrap_or((&text, &[]));
            [front, b"-", back].concat()
        });
        let found = as_two.and_then(|text| self.meant(part, &text));
        found.or_else(|| self.meant(part, &text))
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
