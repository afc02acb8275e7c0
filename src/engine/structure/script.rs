//! Scripts: code as running text, and the JSON that stands in it (`__STATE__ = {"users": [...]}`, `callback([...])`) as JSON.

use memchr::{memchr, memchr_iter, memchr2};
use smallvec::SmallVec;

use super::Sink;
use super::balance::Balance;
use super::cells::{Carry, CellForm, CellSettings};
use super::json::Json;

/// Blanks between a bracket and the byte that tells JSON from code. Against: a bracket and a megabyte of blanks.
const BLANKS_MAX: usize = 64;

/// The reader of one script, up to its closing tag if it has one.
pub(super) struct Script {
    at: u64,
    /// The element that it stands in; empty for a script by itself.
    tag: SmallVec<[u8; 80]>,
    /// What may be the closing tag.
    withheld: SmallVec<[u8; 80]>,
    is_over: bool,
    state: State,
    /// The last byte of code that was no blank.
    previous: u8,
    settings: CellSettings,
    carry: Carry,
}

enum State {
    Code,
    /// An opening bracket and blanks.
    Bracket(SmallVec<[u8; BLANKS_MAX]>),
    Json(Box<Json>, Balance),
}

impl Script {
    /// A script that begins at `at` and ends with `</tag`.
    pub(super) fn new(at: u64, settings: CellSettings, tag: &[u8]) -> Self {
        let mut carry = Carry::new(settings);
        carry.begin(at);
        Self {
            at,
            tag: SmallVec::from_slice(tag),
            withheld: SmallVec::new(),
            is_over: false,
            state: State::Code,
            previous: b'=',
            settings,
            carry,
        }
    }

    /// Whether the closing tag was read as far as its name.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// What was read of the closing tag.
    pub(super) fn closing_tag(&mut self) -> SmallVec<[u8; 80]> {
        std::mem::take(&mut self.withheld)
    }

    pub(super) fn decided_to(&self) -> u64 {
        match &self.state {
            State::Code | State::Bracket(_) => self.carry.searched_to(),
            State::Json(json, _) => json.decided_to(),
        }
    }

    /// Reads up to the end of the chunk or of the script; returns the bytes taken.
    pub(super) fn push(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let mut taken = 0;
        while let Some(rest) = chunk.get(taken..).filter(|rest| !rest.is_empty()) {
            if self.withheld.is_empty() {
                taken += self.before_tag(rest, sink);
                continue;
            }
            let place = self.withheld.len();
            let expected = if place == 1 {
                Some(&b'/')
            } else {
                self.tag.get(place - 2)
            };
            match (expected, rest.first()) {
                (Some(expected), Some(byte)) if expected.eq_ignore_ascii_case(byte) => {
                    self.withheld.push(*byte);
                    taken += 1;
                }
                (None, Some(b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n' | b'\x0c')) => {
                    self.end(sink);
                    self.is_over = true;
                    return taken;
                }
                _ => self.feed_withheld(sink),
            }
        }
        taken
    }

    /// Reads up to what may be the closing tag, and its first byte.
    fn before_tag(&mut self, part: &[u8], sink: &mut impl Sink) -> usize {
        let end = if self.tag.is_empty() { None } else { memchr(b'<', part) };
        self.feed(part.get(..end.unwrap_or(part.len())).unwrap_or_default(), sink);
        if end.is_some() {
            self.withheld.push(b'<');
        }
        end.map_or(part.len(), |end| end + 1)
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        self.feed_withheld(sink);
        self.end(sink);
    }

    fn feed_withheld(&mut self, sink: &mut impl Sink) {
        let withheld = std::mem::take(&mut self.withheld);
        self.feed(&withheld, sink);
    }

    fn end(&mut self, sink: &mut impl Sink) {
        match std::mem::replace(&mut self.state, State::Code) {
            State::Json(mut json, _) => {
                json.finish(sink);
                self.carry.begin(self.at);
            }
            State::Bracket(bracket) => self.more(&bracket, sink),
            State::Code => {}
        }
        self.carry.end(&[], CellForm::Plain, &mut |cell| sink.cell(cell));
    }

    fn feed(&mut self, mut part: &[u8], sink: &mut impl Sink) {
        while !part.is_empty() {
            let taken = match &mut self.state {
                State::Code => self.code(part, sink),
                State::Bracket(_) => self.bracket(part, sink),
                State::Json(..) => self.json(part, sink),
            };
            part = part.get(taken..).unwrap_or_default();
        }
    }

    /// JSON up to its last bracket.
    fn json(&mut self, part: &[u8], sink: &mut impl Sink) -> usize {
        let State::Json(json, balance) = &mut self.state else {
            return 0;
        };
        let end = balance.end(part);
        let taken = end.unwrap_or(part.len());
        json.push(part.get(..taken).unwrap_or_default(), sink);
        self.at += taken as u64;
        if end.is_some() {
            json.finish(sink);
            self.state = State::Code;
            self.previous = b'}';
            self.carry.begin(self.at);
        }
        taken
    }

    fn code(&mut self, part: &[u8], sink: &mut impl Sink) -> usize {
        let to = memchr2(b'{', b'[', part).unwrap_or(part.len());
        let code = part.get(..to).unwrap_or_default();
        self.more(code, sink);
        let Some(bracket) = part.get(to) else { return to };
        // JSON is a whole value: assigned, passed, or all there is, perhaps behind a guard (`while(1);`, `)]}'`).
        if matches!(self.previous, b'=' | b'(' | b';' | b'\'') {
            self.state = State::Bracket(SmallVec::from_slice(&[*bracket]));
            self.at += 1;
        } else {
            self.more(&[*bracket], sink);
        }
        to + 1
    }

    fn bracket(&mut self, part: &[u8], sink: &mut impl Sink) -> usize {
        let State::Bracket(bracket) = &mut self.state else {
            return 0;
        };
        let Some(byte) = part.first() else { return 0 };
        // `[{` and `[[` may be code as well: what stands in them tells.
        let opens = matches!(byte, b'{' | b'[') && bracket.first() == Some(&b'[');
        let is_inner = bracket.contains(&b'{');
        // `push([1,"...` of pages that come in pieces is JSON as well; other numbers are code.
        let numbers = match bracket.as_slice() {
            [b'['] | [b'[', .., b'0'..=b'9'] => byte.is_ascii_digit() || *byte == b',' && bracket.len() > 1,
            _ => false,
        };
        if (byte.is_ascii_whitespace() || (opens && !is_inner) || numbers) && bracket.len() < BLANKS_MAX {
            bracket.push(*byte);
            self.at += 1;
            return 1;
        }
        let bracket = std::mem::take(bracket);
        let is_json = if is_inner {
            matches!(byte, b'"' | b'}')
        } else {
            let has_number = bracket.get(1).is_some_and(u8::is_ascii_digit);
            *byte == b'"' || (*byte == b']' && !has_number) || memchr_iter(b'[', &bracket).count() > 1
        };
        self.state = State::Code;
        self.at -= bracket.len() as u64;
        if is_json {
            self.carry.end(&[], CellForm::Plain, &mut |cell| sink.cell(cell));
            let mut json = Json::new(self.at, self.settings);
            let mut balance = Balance::default();
            balance.end(&bracket);
            json.push(&bracket, sink);
            self.at += bracket.len() as u64;
            self.state = State::Json(Box::new(json), balance);
        } else {
            self.more(&bracket, sink);
        }
        0
    }

    fn more(&mut self, part: &[u8], sink: &mut impl Sink) {
        if let Some(byte) = part.iter().rfind(|byte| !byte.is_ascii_whitespace()) {
            self.previous = *byte;
        }
        self.carry
            .extend_long(part, CellForm::Plain, &mut |cell| sink.cell(cell));
        self.at += part.len() as u64;
    }
}
