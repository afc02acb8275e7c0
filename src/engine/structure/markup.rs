//! Markup: tags, attributes, texts, comments and CDATA of HTML and XML, told to a [`Page`] that knows what they mean.
//! Forgiving as browsers are; what is no tag is text. Memory per stream: a segment, two names and a withheld tag of 80 bytes.

use memchr::{memchr, memchr2};
use smallvec::SmallVec;

use super::Sink;
use super::cells::{Carry, Cell, CellForm, CellSettings};
use super::name::Name;
use super::page::Page;
use super::script::Script;
use super::tag;
use crate::engine::block::WakeMap;
use crate::engine::decode::is_inline;

mod attributes;
mod whole;

/// Bytes of a chunk that are read at once: their map of what wakes a search takes half as many.
const WINDOW_BYTES: usize = 16 << 10;

/// The reader of one page.
pub(super) struct Markup<P> {
    at: u64,
    state: State,
    page: P,
    /// A tag from its `<`, while it may yet be text or part of a value.
    withheld: SmallVec<[u8; 80]>,
    /// The beginning of the text or value under way, and where it begins.
    head: Name,
    head_at: u64,
    attribute: Name,
    /// The last two bytes of a comment or CDATA.
    last: [u8; 2],
    is_closing: bool,
    /// Whether the last byte of the tag was a slash.
    slash: bool,
    script: Option<Script>,
    begun: bool,
    settings: CellSettings,
    carry: Carry,
    map: WakeMap,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// From `<` to the end of the name.
    TagName,
    InTag,
    AttributeName,
    AfterName,
    BeforeValue,
    /// Until this quote; `None` until a blank or the tag's end.
    Value(Option<u8>),
    /// `<!-- -->`.
    Comment,
    /// `<!doctype>`, `<?xml?>`.
    Declaration,
    Cdata,
    Script,
}

impl<P: Page> Markup<P> {
    pub(super) fn new(at: u64, settings: CellSettings, page: P) -> Self {
        let mut carry = Carry::new(settings);
        carry.begin(at);
        Self {
            at,
            state: State::Text,
            page,
            withheld: SmallVec::new(),
            head: Name::default(),
            head_at: at,
            attribute: Name::default(),
            last: [0; 2],
            is_closing: false,
            slash: false,
            script: None,
            begun: false,
            settings,
            carry,
            map: WakeMap::default(),
        }
    }

    pub(super) fn decided_to(&self) -> u64 {
        match self.state {
            State::InTag | State::AfterName | State::BeforeValue => self.at,
            State::Script => self.script.as_ref().map_or(self.at, Script::decided_to),
            State::Text
            | State::TagName
            | State::AttributeName
            | State::Value(_)
            | State::Comment
            | State::Declaration
            | State::Cdata => self.carry.searched_to(),
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8], sink: &mut impl Sink) {
        if !self.begun {
            self.begun = true;
            self.page.begin(self.at, sink);
        }
        for window in chunk.chunks(WINDOW_BYTES) {
            self.window(window, sink);
        }
    }

    fn window(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        self.map.read(bytes);
        let mut taken = 0;
        while taken < bytes.len() {
            if self.state == State::Text && self.at == self.head_at {
                taken = self.whole(bytes, taken, sink);
            }
            taken += self.step(bytes.get(taken..).unwrap_or_default(), sink);
        }
    }

    /// Reads what comes next, of which something may have come before; returns how much that is, 0 of nothing.
    fn step(&mut self, mut chunk: &[u8], sink: &mut impl Sink) -> usize {
        let length = chunk.len();
        while !chunk.is_empty() {
            let taken = match self.state {
                State::Text => self.text(chunk, sink),
                State::TagName => self.tag_name(chunk, sink),
                State::InTag => self.in_tag(chunk, sink),
                State::AttributeName => self.attribute_name(chunk, sink),
                State::AfterName => self.after_name(chunk),
                State::BeforeValue => self.before_value(chunk, sink),
                State::Value(quote) => self.value(chunk, quote, sink),
                State::Comment => self.until(chunk, *b"--", sink),
                State::Cdata => self.until(chunk, *b"]]", sink),
                State::Declaration => self.declaration(chunk, sink),
                State::Script => self.script(chunk, sink),
            };
            chunk = chunk.get(taken..).unwrap_or_default();
            if self.state == State::Text && self.at == self.head_at {
                break;
            }
        }
        length - chunk.len()
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        if self.state == State::TagName {
            self.withheld_is_text(sink);
        }
        if let Some(mut script) = self.script.take() {
            script.finish(sink);
            self.carry.begin(self.at);
        }
        if matches!(self.state, State::Text | State::Cdata) {
            self.end_text(&[], CellForm::Markup, sink);
        } else if matches!(self.state, State::Value(_)) {
            self.end_value(&[], sink);
        } else {
            self.carry.end(&[], CellForm::Plain, &mut |cell| sink.cell(cell));
        }
        if self.begun {
            self.page.finish(self.at, sink);
        }
    }

    /// `part` of a text or value that goes on.
    fn more(&mut self, part: &[u8], form: CellForm, sink: &mut impl Sink) {
        self.read_head(part);
        self.carry.extend_long(part, form, &mut |cell| sink.cell(cell));
        self.at += part.len() as u64;
    }

    fn read_head(&mut self, part: &[u8]) {
        if self.head.is_empty() {
            self.head.extend(part.trim_ascii_start());
        } else {
            self.head.extend(part);
        }
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.head.clear();
        self.head_at = self.at;
        self.carry.begin(self.at);
    }

    fn end_text(&mut self, part: &[u8], form: CellForm, sink: &mut impl Sink) {
        self.end_text_with(part, form, 0, sink);
    }

    /// The same of a text whose last `ending` bytes are none of its.
    fn end_text_with(&mut self, part: &[u8], form: CellForm, ending: usize, sink: &mut impl Sink) {
        self.read_head(part);
        self.head.trim_end();
        self.at += part.len() as u64;
        let part = self.carry.last(part, form, &mut |cell| sink.cell(cell));
        let (page, head, at, all) = (&mut self.page, &self.head, self.head_at, self.settings.all);
        self.carry.end(part, form, &mut |cell| {
            let length = cell.raw.len().saturating_sub(ending).max(cell.within.0);
            let cell = &Cell {
                raw: cell.raw.get(..length).unwrap_or_default(),
                within: (cell.within.0, length.min(cell.within.1)),
                ..*cell
            };
            if !head.is_empty() && page.text(head.as_slice(), at, all || cell.wakes(), sink) {
                sink.cell(cell);
            } else {
                sink.skipped(cell.within().len() as u64);
            }
        });
    }

    fn end_aside(&mut self, part: &[u8], sink: &mut impl Sink) {
        self.at += part.len() as u64;
        let part = self.carry.last(part, CellForm::Plain, &mut |cell| sink.cell(cell));
        let (page, at, all) = (&mut self.page, self.head_at, self.settings.all);
        self.carry.end(part, CellForm::Plain, &mut |cell| {
            if all || cell.wakes() {
                page.aside(at, sink);
                sink.cell(cell);
            }
        });
    }

    fn text(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let to = memchr(b'<', chunk).unwrap_or(chunk.len());
        let (text, tag) = chunk.split_at(to);
        if let Some(name) = tag::whole_name(tag) {
            self.withheld.clear();
            self.withheld.extend_from_slice(name);
            self.end_text(text, CellForm::Markup, sink);
            self.at += name.len() as u64;
            self.begin_tag(sink);
            return to + name.len();
        }
        self.more(text, CellForm::Markup, sink);
        if tag.is_empty() {
            return to;
        }
        self.withheld.clear();
        self.withheld.push(b'<');
        self.state = State::TagName;
        self.at += 1;
        to + 1
    }

    /// What began like a tag is text.
    fn withheld_is_text(&mut self, sink: &mut impl Sink) {
        let withheld = std::mem::take(&mut self.withheld);
        self.at -= withheld.len() as u64;
        self.more(&withheld, CellForm::Markup, sink);
        self.state = State::Text;
    }

    /// The text before the withheld tag ends with it; what comes next begins here.
    fn end_text_before(&mut self, state: State, sink: &mut impl Sink) {
        let here = self.at;
        self.at -= self.withheld.len() as u64;
        self.end_text(&[], CellForm::Markup, sink);
        self.at = here;
        self.begin(state);
    }

    fn tag_name(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        for (taken, byte) in chunk.iter().enumerate() {
            let begins = self.withheld.len() == 1 || (self.withheld.len() == 2 && self.withheld.get(1) == Some(&b'/'));
            let special = matches!(self.withheld.get(1), Some(b'!' | b'?'));
            let is_name = if begins {
                byte.is_ascii_alphabetic()
                    || !byte.is_ascii()
                    || *byte == b'_'
                    || matches!(byte, b'/' | b'!' | b'?') && self.withheld.len() == 1
            } else if special {
                matches!(byte, b'-' | b'[') || byte.is_ascii_alphanumeric()
            } else {
                tag::is_name_byte(*byte)
            };
            let is_full = self.withheld.len() >= tag::BYTES_MAX;
            if is_name && !is_full {
                self.withheld.push(*byte);
                self.at += 1;
                self.special(sink);
            }
            if self.state != State::TagName {
                return taken + 1;
            }
            if is_name && !is_full {
                continue;
            }
            let ends = *byte == b'?' || tag::ends_name(*byte);
            if special {
                self.end_text_before(State::Declaration, sink);
                let withheld = std::mem::take(&mut self.withheld);
                self.at -= withheld.len() as u64;
                self.begin(State::Declaration);
                self.more(&withheld, CellForm::Plain, sink);
            } else if begins || !ends {
                self.withheld_is_text(sink);
            } else if *byte == b'>' && self.is_inline() {
                self.withheld.push(b'>');
                self.at += 1;
                self.withheld_is_text(sink);
                return taken + 1;
            } else {
                self.end_text_before(State::InTag, sink);
                self.begin_tag(sink);
            }
            return taken;
        }
        chunk.len()
    }

    /// `<!--` and `<![CDATA[`, complete.
    fn special(&mut self, sink: &mut impl Sink) {
        let state = match self.withheld.as_slice() {
            b"<!--" => State::Comment,
            b"<![CDATA[" => State::Cdata,
            _ => return,
        };
        self.end_text_before(state, sink);
        self.last = [0; 2];
    }

    /// Whether the withheld tag, once closed, may stand inside a value.
    fn is_inline(&self) -> bool {
        let name = self.withheld.get(1..).unwrap_or_default();
        is_inline(name.strip_prefix(b"/").unwrap_or(name))
    }

    /// The withheld tag's name was read.
    fn begin_tag(&mut self, sink: &mut impl Sink) {
        self.begin(State::InTag);
        let at = self.at - self.withheld.len() as u64;
        let name = self.withheld.get(1..).unwrap_or_default();
        self.is_closing = name.first() == Some(&b'/');
        self.slash = false;
        if !self.is_closing {
            self.page.tag(name, at, sink);
        }
    }

    fn in_tag(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        match chunk.first() {
            Some(b'>') => {
                self.at += 1;
                let withheld = std::mem::take(&mut self.withheld);
                self.end_tag(&withheld, sink);
                1
            }
            Some(byte) if tag::is_blank(*byte) => {
                self.at += 1;
                1
            }
            Some(b'/') => {
                self.at += 1;
                self.slash = true;
                1
            }
            _ => {
                self.slash = false;
                self.attribute.clear();
                self.begin(State::AttributeName);
                0
            }
        }
    }

    /// The tag that began with `name` ended.
    fn end_tag(&mut self, name: &[u8], sink: &mut impl Sink) {
        let is_script = if self.is_closing {
            self.page.close(name.get(2..).unwrap_or_default(), self.at, sink);
            false
        } else {
            self.page.tag_ends(self.slash, self.at, sink)
        };
        if is_script {
            let tag = name.get(1..).unwrap_or_default();
            self.script = Some(Script::new(self.at, self.settings, tag));
            self.page.aside(self.at, sink);
            self.state = State::Script;
        } else {
            self.begin(State::Text);
        }
    }

    /// A comment or CDATA, until `ending` and `>`.
    fn until(&mut self, chunk: &[u8], ending: [u8; 2], sink: &mut impl Sink) -> usize {
        let to = memchr(b'>', chunk).map_or(chunk.len(), |at| at + 1);
        let part = chunk.get(..to).unwrap_or_default();
        let ends = match part {
            [.., a, b, b'>'] => [*a, *b] == ending,
            [b, b'>'] => [self.last[1], *b] == ending,
            [b'>'] => self.last == ending,
            _ => false,
        };
        for byte in part.iter().skip(part.len().saturating_sub(2)) {
            self.last = [self.last[1], *byte];
        }
        if !ends {
            self.more(part, CellForm::Plain, sink);
            return to;
        }
        if self.state == State::Cdata {
            self.end_text_with(part, CellForm::Plain, 3, sink);
        } else {
            self.end_aside(part, sink);
        }
        self.begin(State::Text);
        to
    }

    fn declaration(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        // A doctype with declarations inside ends early here: what follows is text, and searched.
        let Some(at) = memchr2(b'>', b'<', chunk) else {
            self.more(chunk, CellForm::Plain, sink);
            return chunk.len();
        };
        let taken = at + usize::from(chunk.get(at) == Some(&b'>'));
        self.end_aside(chunk.get(..taken).unwrap_or_default(), sink);
        self.begin(State::Text);
        taken
    }

    fn script(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let Some(script) = &mut self.script else {
            self.begin(State::Text);
            return 0;
        };
        let taken = script.push(chunk, sink);
        self.at += taken as u64;
        if script.is_over() {
            // Its closing tag was taken as far as its name.
            self.withheld = script.closing_tag();
            self.script = None;
            self.is_closing = true;
            self.begin(State::InTag);
        }
        taken
    }
}
