//! Lines of text: each is one thing, except that `key: value` lines that follow one another describe one thing together
//! (vCard, LDIF, YAML, INI, mail heads). An event's JSON is read as JSON; in a stream of events the data of one is what stands
//! on all its `data:` lines.

use std::ops::Range;

use memchr::{memchr, memchr_iter};
use smallvec::SmallVec;

use super::bars::{self, Bars};
use super::cells::{Carry, Cell, CellForm, CellSettings};
use super::json::Json;
use super::name::{Name, Names};
use super::pairs;
use super::spaced::Spaced;
use super::{Container, Sink};

/// A longer beginning of a line is no key, in bytes.
const KEY_BYTES_MAX: usize = 48;
/// Words of a key.
const KEY_WORDS_MAX: usize = 4;
/// How an event's data begins (HTML Living Standard, section 9.2.6).
const EVENT: &[u8] = b"data:";

/// The reader of lines.
pub(super) struct Lines {
    at: u64,
    line_at: u64,
    state: State,
    /// The beginning of the line.
    head: Name,
    names: Names,
    bars: Bars,
    spaced: Spaced,
    /// Whether the line before was a keyed one.
    in_block: bool,
    /// Whether the body is a stream of events.
    events: bool,
    /// The data of the event under way, which goes on if the next line is data too.
    data: Option<Data>,
    begun: bool,
    settings: CellSettings,
    carry: Carry,
}

enum State {
    /// Bytes of the line that may yet be [`EVENT`], a blank and a bracket.
    Start(SmallVec<[u8; 8]>),
    Line,
    Json(Box<Json>),
    /// Data of an event that is no JSON.
    Text,
}

/// The data of an event up to the end of a line.
enum Data {
    Json(Box<Json>),
    /// It is carried.
    Text,
}

impl Lines {
    /// `events`: it is a stream of events (HTML Living Standard, section 9.2).
    pub(super) fn new(at: u64, settings: CellSettings, events: bool) -> Self {
        let mut carry = Carry::new(settings);
        carry.begin(at);
        Self {
            at,
            line_at: at,
            state: State::Start(SmallVec::new()),
            head: Name::default(),
            names: Names::default(),
            bars: Bars::default(),
            spaced: Spaced::default(),
            in_block: false,
            events,
            data: None,
            begun: false,
            settings,
            carry,
        }
    }

    pub(super) fn decided_to(&self) -> u64 {
        match (&self.state, &self.data) {
            (State::Json(json), _) | (_, Some(Data::Json(json))) => json.decided_to(),
            (State::Start(_) | State::Line | State::Text, _) => self.carry.searched_to(),
        }
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        if !std::mem::replace(&mut self.begun, true) {
            sink.open(Container::Flow, self.at);
        }
        while !chunk.is_empty() {
            if let State::Start(start) = &mut self.state {
                start.extend_from_slice(chunk.get(..1).unwrap_or_default());
                let start = start.clone();
                self.start(&start, sink);
                chunk = chunk.get(1..).unwrap_or_default();
                continue;
            }
            let end = memchr(b'\n', chunk).map(|at| at + 1);
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            self.part(part, sink);
            if end.is_some() {
                self.end_line(sink);
            }
            chunk = chunk.get(part.len()..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        if !self.begun {
            return;
        }
        if let State::Start(start) = &mut self.state {
            let start = std::mem::take(start);
            if start.is_empty() && self.data.is_some() {
                self.end_data(sink);
                return sink.close(self.at);
            }
            self.end_data(sink);
            self.state = State::Line;
            self.part(&start, sink);
        }
        self.end_line(sink);
        self.end_data(sink);
        sink.close(self.at);
    }

    /// The line begins with `start`: is it an event's data, a line like any other, or too early to say?
    fn start(&mut self, start: &[u8], sink: &mut impl Sink) {
        let data = start.strip_prefix(EVENT);
        let first = data.and_then(|data| data.trim_ascii_start().first());
        if data.is_some() && self.data.is_some() {
            self.go_on(start, sink);
        } else if matches!(first, Some(b'{' | b'[')) {
            sink.line(self.line_at);
            self.names.clear();
            let bracket = self.at + start.len() as u64 - 1;
            self.state = State::Json(Box::new(Json::new(bracket, self.settings)));
            self.at = bracket;
            self.part(start.last_chunk::<1>().map_or(&[][..], |last| last), sink);
        } else if EVENT.starts_with(start) || data.is_some_and(|data| data.is_empty() || data == b" ") {
            // Too early.
        } else {
            if self.events && data.is_some() {
                sink.line(self.line_at);
                self.names.clear();
                Name::default().tell(self.line_at, sink);
                self.state = State::Text;
            } else {
                self.end_data(sink);
                self.state = State::Line;
            }
            self.part(start, sink);
            if start.last() == Some(&b'\n') {
                self.end_line(sink);
            }
        }
    }

    /// One more line of data of the event under way; `start` is what makes it one.
    fn go_on(&mut self, start: &[u8], sink: &mut impl Sink) {
        let is_skipped = match &mut self.data {
            Some(Data::Json(json)) => json.skip(start.len() as u64),
            Some(Data::Text) | None => false,
        };
        self.state = match self.data.take() {
            Some(Data::Json(json)) => State::Json(json),
            Some(Data::Text) | None => State::Text,
        };
        if is_skipped {
            self.at += start.len() as u64;
        } else {
            self.part(start, sink);
        }
    }

    fn part(&mut self, part: &[u8], sink: &mut impl Sink) {
        self.at += part.len() as u64;
        let form = match &mut self.state {
            State::Json(json) => return json.push(part, sink),
            State::Text => CellForm::Event,
            State::Start(_) | State::Line => {
                self.head.extend(part);
                CellForm::Plain
            }
        };
        self.carry.extend_long(part, form, &mut |cell| sink.cell(cell));
    }

    fn end_line(&mut self, sink: &mut impl Sink) {
        match std::mem::replace(&mut self.state, State::Start(SmallVec::new())) {
            State::Json(json) => self.data = Some(Data::Json(json)),
            State::Text => self.data = Some(Data::Text),
            State::Start(_) | State::Line => self.end_text(sink),
        }
        self.head.clear();
        self.line_at = self.at;
        match &self.data {
            Some(_) if !self.events => self.end_data(sink),
            Some(Data::Text) => {}
            Some(Data::Json(_)) | None => self.carry.begin(self.at),
        }
    }

    /// The data of the event under way, if there is any, ends before this line.
    fn end_data(&mut self, sink: &mut impl Sink) {
        match self.data.take() {
            Some(Data::Json(mut json)) => json.finish(sink),
            Some(Data::Text) => self.carry.end(&[], CellForm::Event, &mut |cell| sink.cell(cell)),
            None => return,
        }
        sink.line(self.line_at);
        self.in_block = false;
        self.carry.begin(self.line_at);
    }

    fn end_text(&mut self, sink: &mut impl Sink) {
        let head = self.head.as_slice();
        let is_blank = !head.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
        let continues = self.in_block && matches!(head.first(), Some(b' ' | b'\t')) && !is_blank;
        let key = key(head).map(named);
        let begins = key.as_ref().is_some_and(|key| self.names.begins_another(key));
        if begins || (key.is_none() && !continues) {
            sink.line(self.line_at);
        }
        match &key {
            Some(key) => key.tell(self.line_at, sink),
            None if !continues => Name::default().tell(self.line_at, sink),
            None => {}
        }
        let tables = (&mut self.bars, &mut self.spaced);
        let is_property = key.is_some() && property(head.trim_ascii_start()).is_some_and(|key| key.contains(&b';'));
        self.carry.end(&[], CellForm::Plain, &mut |cell| match &key {
            None if !continues => unnamed(cell, (&mut *tables.0, &mut *tables.1), sink),
            // A property's value stands behind its parameters.
            Some(_) if is_property && cell.within.0 == 0 => {
                let value = memchr(b':', cell.raw).map_or(0, |colon| colon + 1);
                let raw = cell.raw.get(value..).unwrap_or_default();
                sink.cell(&Cell::whole(raw, cell.at + value as u64, CellForm::Plain));
            }
            _ => sink.cell(cell),
        });
        self.in_block = key.is_some() || continues;
        if !self.in_block {
            self.names.clear();
            sink.line(self.at);
        }
    }
}

/// Tells a line that has no key of its own: a row of a table, pairs of keys and values, or text.
fn unnamed(line: &Cell<'_>, (bars, spaced): (&mut Bars, &mut Spaced), sink: &mut impl Sink) {
    let is_whole = line.within.0 == 0;
    let is_bars = is_whole && bars::is_bars(line.raw);
    if !is_bars {
        bars.pass(line.raw);
    }
    let piece = |range: Range<usize>, form| {
        let at = line.at + range.start as u64;
        Cell::whole(line.raw.get(range).unwrap_or_default(), at, form)
    };
    let row: Option<Vec<(Name, Range<usize>)>> = if is_bars {
        let cells = || bars::cells(line.raw).enumerate();
        let is_row = bars.is_row(line.raw);
        is_row.then(|| cells().map(|(column, cell)| (bars.header(column), cell)).collect())
    } else if is_whole {
        let cells = spaced.row(line.raw, sink).map(|cells| cells.into_iter().enumerate());
        cells.map(|cells| cells.map(|(column, cell)| (spaced.name(column), cell)).collect())
    } else {
        None
    };
    if let Some(cells) = row {
        sink.open(Container::Row, line.at);
        for (header, range) in cells {
            let cell = piece(range, CellForm::Plain);
            header.tell(cell.at, sink);
            sink.cell(&cell);
        }
        sink.close(line.end());
    } else if is_whole && !is_bars && pairs::has_pairs(line.raw) {
        for pair in pairs::pieces(line.raw) {
            let form = if pair.is_query {
                CellForm::Percent
            } else {
                CellForm::Plain
            };
            let at = line.at + pair.key.start as u64;
            Name::of(line.raw.get(pair.key).unwrap_or_default()).tell(at, sink);
            sink.cell(&piece(pair.value, form));
        }
    } else {
        sink.cell(line);
    }
}

/// Digits of a property's name and parameters: with as many they may be data.
const KEY_DIGITS_MAX: usize = 4;

/// The name of a key: of a property with parameters what they say, `TEL;CELL` for `TEL;TYPE=CELL`.
fn named(key: &[u8]) -> Name {
    let Some(at) = memchr(b';', key).filter(|_| memchr(b'=', key).is_some()) else {
        return Name::of(key);
    };
    let (property, parameters) = key.split_at(at);
    let mut name = Name::of(property);
    for parameter in parameters.split(|byte| *byte == b';').skip(1) {
        name.extend(b";");
        name.extend(parameter.rsplit(|byte| *byte == b'=').next().unwrap_or_default());
    }
    name
}

/// The key at the beginning of a line: `Phone: 010...`, `  - "phone": ...`, `TEL;TYPE=CELL:...`, `phone = ...`, `전화：...`.
fn key(head: &[u8]) -> Option<&[u8]> {
    let text = head.trim_ascii_start();
    let text = text
        .strip_prefix(b"- ")
        .or_else(|| text.strip_prefix(b"* "))
        .unwrap_or(text);
    if let Some(key) = property(text) {
        return Some(key);
    }
    let wide = memchr_iter(0xef, text)
        .find(|at| text.get(*at..*at + 3) == Some("：".as_bytes()))
        .map(|at| (at, 3));
    let narrow = text
        .iter()
        .position(|byte| matches!(byte, b':' | b'='))
        .map(|at| (at, if text.get(at..at + 2) == Some(b"=>") { 2 } else { 1 }));
    let tab = memchr(b'\t', text).map(|at| (at, 1));
    let dash = memchr_iter(b'-', text)
        .find(|at| *at > 0 && text.get(at - 1..at + 2) == Some(&b" - "[..]))
        .map(|at| (at - 1, 3));
    let (at, length) = [wide, narrow, tab, dash].into_iter().flatten().min()?;
    let is_tab = text.get(at) == Some(&b'\t');
    if is_tab && text.get(at + 1..).is_some_and(|rest| rest.contains(&b'\t')) {
        return None;
    }
    let (key, rest) = (text.get(..at)?.trim_ascii(), text.get(at + length..)?);
    let spaced = length > 1
        || is_tab
        || rest
            .first()
            .is_none_or(|byte| byte.is_ascii_whitespace() || *byte == b':');
    let is_setting = text.get(at) == Some(&b'=')
        && !key.contains(&b' ')
        && !rest.iter().any(|byte| matches!(byte, b'=' | b'&' | b'"'));
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b" _-.;'\"()/[]".contains(byte);
    let is_key = !key.is_empty()
        && key.len() <= KEY_BYTES_MAX
        && key.iter().all(is_word)
        && key.split(|byte| *byte == b' ').count() <= KEY_WORDS_MAX
        && !key.windows(4).any(|run| run.iter().all(u8::is_ascii_digit))
        && !key.first().is_some_and(u8::is_ascii_digit);
    let is_named = if length == 1 && text.get(at) == Some(&b'=') {
        is_setting || key.len() + 1 < text.len() && rest.first() == Some(&b' ') && !key.contains(&b' ')
    } else {
        spaced
    };
    (is_key && is_named).then_some(key)
}

/// A property in capitals with its parameters (RFC 6350, section 3.3): `TEL;TYPE=CELL:...`.
fn property(text: &[u8]) -> Option<&[u8]> {
    let key = text.get(..memchr(b':', text)?)?;
    let is_part = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b";=,-.".contains(byte);
    let begins = key.first().is_some_and(u8::is_ascii_uppercase);
    // Its value alone is searched, so that nothing that may be one stands before it.
    let is_short = key.iter().filter(|byte| byte.is_ascii_digit()).count() < KEY_DIGITS_MAX;
    (begins && is_short && key.len() <= KEY_BYTES_MAX && key.iter().all(is_part)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_prose() {
        let rows: [(&str, Option<&str>); 22] = [
            ("  'name' => 'Kim',\n", Some("'name'")),
            ("street=12 Main St\n", Some("street")),
            ("Full name - Kim\n", Some("Full name")),
            ("휴대폰\t010-0000-0000\n", Some("휴대폰")),
            ("a\tb\tc\n", None),
            ("Phone: 010-0000-0000\n", Some("Phone")),
            ("전화번호 : 010\n", Some("전화번호")),
            ("收件人：侯麗娟\n", Some("收件人")),
            ("  - name: Kim\n", Some("name")),
            ("  \"phone\": \"010\",\n", Some("\"phone\"")),
            ("TEL;TYPE=CELL:+82\n", Some("TEL;TYPE=CELL")),
            ("EMAIL:kim@mail.example\n", Some("EMAIL")),
            ("ORD-7;010-2037-1091;T10:30\n", None),
            ("phone=010\n", Some("phone")),
            ("phone = 010\n", Some("phone")),
            ("mail:: a2lt\n", Some("mail")),
            ("level=info user=kim phone=010\n", None),
            ("12:30:01 started\n", None),
            ("http://host/path\n", None),
            ("He said to me and you all: call\n", None),
            ("kim@mail.example: hello\n", None),
            ("no key here\n", None),
        ];
        for (line, expected) in rows {
            assert_eq!(key(line.as_bytes()), expected.map(str::as_bytes), "{line}");
        }
    }
}
