//! What a page of PDF shows: the strings of its text operators (ISO 32000-2, section 9.4), in lines by where they stand.

use super::{Fault, Told};

/// Bytes of an operator or a number.
const WORD_BYTES_MAX: usize = 32;
/// Operands that are remembered, of which the longest list has six.
const NUMBERS_MAX: usize = 6;
/// Bytes of a string that is kept until its operator is known; a longer one is shown in parts.
const STRING_BYTES_MAX: usize = 4096;
/// Thousandths of a letter's height to the right that show as a blank.
const BLANK: f64 = -180.0;
/// Shown bytes after which it is seen that they are numbers of a font's own, and not letters.
const SHOWN_BYTES_MIN: u32 = 32;

/// The reader of one page.
pub(super) struct PageText {
    state: State,
    word: Vec<u8>,
    numbers: Vec<f64>,
    /// What the next operator may show.
    string: Vec<u8>,
    /// The line under way, and the one in which something was shown last.
    line: f64,
    shown_in: Option<f64>,
    has_moved: bool,
    /// Bytes shown, and those of them that are no letters.
    shown: u32,
    strange: u32,
}

#[derive(Clone, Copy)]
enum State {
    Between,
    Word,
    /// A string in so many brackets.
    String(u32),
    /// Behind a backslash in it: digits of an octal number so far, and their value.
    Escape(u32, u32, u32),
    /// A string in hex, and its first digit.
    Hex(Option<u8>),
    Comment,
}

impl PageText {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Between,
            word: Vec::new(),
            numbers: Vec::new(),
            string: Vec::new(),
            line: 0.0,
            shown_in: None,
            has_moved: false,
            shown: 0,
            strange: 0,
        }
    }

    pub(super) const fn is_drained(&self) -> bool {
        self.string.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        for byte in bytes {
            self.state = self.next(*byte, told)?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        self.word(told)?;
        self.show(told)?;
        if self.shown >= SHOWN_BYTES_MIN && self.strange > self.shown / 2 {
            return Err(Fault::Unreadable);
        }
        Ok(())
    }

    fn next(&mut self, byte: u8, told: &mut Told<'_>) -> Result<State, Fault> {
        let state = match (self.state, byte) {
            (State::Comment, b'\n' | b'\r') | (State::Hex(_), b'>') => State::Between,
            (State::Comment, _) => State::Comment,
            (State::String(depth), b'\\') => State::Escape(depth, 0, 0),
            (State::String(depth), _) => self.string(depth, byte, told)?,
            (State::Escape(depth, digits, value), b'0'..=b'7') if digits < 3 => {
                State::Escape(depth, digits + 1, value * 8 + u32::from(byte - b'0'))
            }
            (State::Escape(depth, 0, _), _) => {
                self.escaped(byte, told)?;
                State::String(depth)
            }
            (State::Escape(depth, _, value), _) => {
                self.put(value as u8, told)?;
                self.state = State::String(depth);
                return self.next(byte, told);
            }
            (State::Hex(first), _) => self.hex(first, byte, told)?,
            (State::Between | State::Word, _) => self.between(byte, told)?,
        };
        Ok(state)
    }

    fn string(&mut self, depth: u32, byte: u8, told: &mut Told<'_>) -> Result<State, Fault> {
        match (byte, depth) {
            (b')', 1) => Ok(State::Between),
            (b')', _) => {
                self.put(byte, told)?;
                Ok(State::String(depth - 1))
            }
            (b'(', _) => {
                self.put(byte, told)?;
                Ok(State::String(depth.saturating_add(1)))
            }
            _ => {
                self.put(byte, told)?;
                Ok(State::String(depth))
            }
        }
    }

    fn escaped(&mut self, byte: u8, told: &mut Told<'_>) -> Result<(), Fault> {
        match byte {
            b'n' | b'r' => self.put(b'\n', told),
            b't' => self.put(b'\t', told),
            b'\n' | b'\r' => Ok(()),
            _ => self.put(byte, told),
        }
    }

    fn hex(&mut self, first: Option<u8>, byte: u8, told: &mut Told<'_>) -> Result<State, Fault> {
        let digit = char::from(byte).to_digit(16).map(|digit| digit as u8);
        match (first, digit) {
            // Two brackets begin a dictionary.
            (None, None) if byte == b'<' => Ok(State::Between),
            (_, None) => Ok(State::Hex(first)),
            (None, Some(digit)) => Ok(State::Hex(Some(digit))),
            (Some(high), Some(low)) => {
                self.put(high << 4 | low, told)?;
                Ok(State::Hex(None))
            }
        }
    }

    fn between(&mut self, byte: u8, told: &mut Told<'_>) -> Result<State, Fault> {
        let is_part =
            byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'\'' | b'"' | b'.' | b'-' | b'+' | b'/' | b'_');
        if is_part {
            if self.word.len() < WORD_BYTES_MAX {
                self.word.push(byte);
            }
            return Ok(State::Word);
        }
        self.word(told)?;
        Ok(match byte {
            b'(' => State::String(1),
            b'<' => State::Hex(None),
            b'%' => State::Comment,
            _ => State::Between,
        })
    }

    /// A byte of a string.
    fn put(&mut self, byte: u8, told: &mut Told<'_>) -> Result<(), Fault> {
        self.string.push(byte);
        if self.string.len() >= STRING_BYTES_MAX {
            self.show(told)?;
        }
        Ok(())
    }

    /// A number or an operator ended, if one was under way.
    fn word(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        if self.word.is_empty() {
            return Ok(());
        }
        let word = std::mem::take(&mut self.word);
        let number = std::str::from_utf8(&word)
            .ok()
            .and_then(|text| text.parse::<f64>().ok());
        if let Some(number) = number {
            // Within a list of strings a number moves what comes behind it.
            if !self.string.is_empty() && number < BLANK {
                self.string.push(b' ');
            }
            if self.numbers.len() == NUMBERS_MAX {
                self.numbers.remove(0);
            }
            self.numbers.push(number);
            return Ok(());
        }
        let last = self.numbers.last().copied().unwrap_or_default();
        match word.as_slice() {
            b"Tj" | b"TJ" => self.show(told)?,
            b"'" | b"\"" => {
                self.line -= 1.0;
                self.show(told)?;
            }
            b"T*" => self.line -= 1.0,
            b"Td" | b"TD" => self.line += last,
            b"Tm" => self.line = last,
            b"BT" => self.line = 0.0,
            _ => {
                // An operator that shows nothing: a string of it is told all the same.
                self.show(told)?;
            }
        }
        self.has_moved |= matches!(word.as_slice(), b"Td" | b"TD" | b"Tm" | b"BT");
        self.numbers.clear();
        Ok(())
    }

    /// Tells the strings so far.
    fn show(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        if self.string.is_empty() {
            return Ok(());
        }
        let string = std::mem::take(&mut self.string);
        let is_strange = |byte: &&u8| **byte < b' ' && !matches!(byte, b'\n' | b'\t');
        self.strange = self
            .strange
            .saturating_add(string.iter().filter(is_strange).count() as u32);
        self.shown = self.shown.saturating_add(string.len() as u32);
        let is_same = self.shown_in.is_none_or(|line| (line - self.line).abs() < 0.5);
        let between: &[u8] = match (is_same, self.has_moved && self.shown_in.is_some()) {
            (false, _) => b"\n",
            (true, true) => b"\t",
            (true, false) => b"",
        };
        told.text(between)?;
        told.text(&string)?;
        self.shown_in = Some(self.line);
        self.has_moved = false;
        Ok(())
    }
}
