//! Character sets: which one a body is in, and its bytes as UTF-8.
//!
//! A byte-order mark decides before what is declared (WHATWG Encoding, section 4.2). Where there is none and nothing else says so,
//! a page or an XML document is heard in what it says of itself, and zeros beside the first letters tell UTF-16 and UTF-32. A body
//! without any of these is read as UTF-8, and what is declared as ASCII, until its bytes say something else: see [`watch`].

use encoding_rs::{CoderResult, Decoder, Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};
use smallvec::SmallVec;

mod declared;
mod letters;
mod plausible;
mod said;
mod spelled;
mod utf32;
mod watch;

pub use declared::Charset;
pub(in crate::engine) use letters::{Another, LetterEnd, Letters};
use plausible::Plausible;
use said::{DOCUMENT_BYTES_MAX, Said, said};
pub use spelled::CodePage;
use utf32::Utf32;
use watch::{Kept, Seen, Watch};

/// The byte-order marks (Unicode 16, table 23-7), and what they are of.
const MARKS: [(&[u8], Set); 5] = [
    (&[0xff, 0xfe, 0, 0], Set::Utf32 { is_big: false }),
    (&[0, 0, 0xfe, 0xff], Set::Utf32 { is_big: true }),
    (&[0xff, 0xfe], Set::Named(UTF_16LE)),
    (&[0xfe, 0xff], Set::Named(UTF_16BE)),
    (&[0xef, 0xbb, 0xbf], Set::Named(UTF_8)),
];
/// Bytes of the longest, and those that tell UTF-32 without one.
const MARK_BYTES_MAX: usize = 8;
/// Bytes that tell UTF-16 without one.
const PAIRS_BYTES: usize = 4;

/// A character set that a text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Named(&'static Encoding),
    Utf32 { is_big: bool },
}

impl Set {
    /// What zeros beside the first letters tell: letters of ASCII in two bytes, or in four.
    fn told_by_zeros(first: &[u8]) -> Option<Self> {
        let is_letter = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
        match first {
            [a, 0, b, 0, ..] if is_letter(a) && is_letter(b) => Some(Self::Named(UTF_16LE)),
            [0, a, 0, b, ..] if is_letter(a) && is_letter(b) => Some(Self::Named(UTF_16BE)),
            [a, 0, 0, 0, b, 0, 0, 0, ..] if is_letter(a) && is_letter(b) => Some(Self::Utf32 { is_big: false }),
            [0, 0, 0, a, 0, 0, 0, b, ..] if is_letter(a) && is_letter(b) => Some(Self::Utf32 { is_big: true }),
            _ => None,
        }
    }

    /// Bytes of a letter of ASCII.
    fn unit_bytes(self) -> u32 {
        match self {
            Self::Utf32 { .. } => 4,
            Self::Named(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => 2,
            Self::Named(_) => 1,
        }
    }

    fn is_big(self) -> bool {
        self == Self::Named(UTF_16BE) || self == Self::Utf32 { is_big: true }
    }
}

/// A body cannot be read: it is not in the character set that it seems to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// What becomes of other readings than the first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    Beside,
    /// Where they stand in the first need not be known letter by letter.
    Rough,
    /// The first are the bytes where they can be, so that something in them may be masked, and all others are beside it.
    Masked,
}

/// Reads the text of one body.
pub(super) struct Reader {
    declared: Charset,
    /// Whether a document is heard in what it says of itself.
    hears: bool,
    /// Whether its bytes are asked too, whatever is said.
    watches: bool,
    others: Others,
    /// Whether something is read beside it letter by letter.
    is_beside: bool,
    /// Readings that begin with what comes next.
    besides: SmallVec<[Another; 2]>,
    state: State,
}

enum State {
    /// The bytes so far may be the beginning of a mark.
    Undecided(Kept),
    /// The bytes are the text so far.
    Watched(Watch),
    /// The bytes are the text.
    Same,
    Other(Box<Other>),
}

/// A text in another character set.
struct Other {
    set: Set,
    decoder: Decode,
    /// Bytes read, and the last two of them: whether a character ends there is seen from these.
    read: u64,
    last: [u8; 2],
    /// What is told of it, where it has more than one byte for a letter of ASCII.
    plausible: Option<Plausible>,
}

enum Decode {
    Named(Box<Decoder>),
    Utf32(Utf32),
    /// Letter by letter, beside another reading.
    Letters(Letters),
}

impl Other {
    fn new(set: Set) -> Self {
        let decoder = match set {
            Set::Named(encoding) => Decode::Named(Box::new(encoding.new_decoder())),
            Set::Utf32 { is_big } => Decode::Utf32(Utf32::new(is_big)),
        };
        Self {
            set,
            decoder,
            read: 0,
            last: [0; 2],
            plausible: (set.unit_bytes() > 1).then(|| Plausible::new(set.unit_bytes(), set.is_big())),
        }
    }

    /// One that is read beside others.
    fn beside(encoding: &'static Encoding) -> Self {
        Self {
            decoder: Decode::Letters(Letters::new(Another::In(encoding))),
            ..Self::new(Set::Named(encoding))
        }
    }

    /// Remembers that these bytes were read.
    fn passed(&mut self, bytes: &[u8]) {
        self.read += bytes.len() as u64;
        for byte in bytes.iter().skip(bytes.len().saturating_sub(2)) {
            self.last = [self.last[1], *byte];
        }
    }

    /// Follows `bytes`, which come next, for what is no text in this set.
    fn follow(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        self.plausible
            .as_mut()
            .map_or(Ok(()), |plausible| plausible.follow(bytes))
    }
}

/// What the next bytes are, so many of them as are said beside it.
pub(super) enum Text {
    /// Text themselves, behind these that were kept.
    Same(Kept),
    /// Kept until it is known.
    Kept,
    /// It is known now, of these too, which were kept: they are to be asked about again, before what comes.
    Again(Kept),
    /// To be read with [`Reader::read`], behind these that were kept.
    Other(Kept),
    /// From here on to be read so too; of the bytes it says nothing yet.
    Beside(Another),
}

impl Reader {
    /// One for a body that is declared so.
    pub(super) fn new(declared: Charset) -> Self {
        Self {
            declared,
            hears: false,
            watches: false,
            others: Others::Beside,
            is_beside: false,
            besides: SmallVec::new(),
            state: State::Undecided(Kept::new()),
        }
    }

    /// The same; `hears`: a document is heard in what it says of itself.
    pub(super) fn hearing(self, hears: bool) -> Self {
        Self { hears, ..self }
    }

    /// The same; `watches`: its bytes are asked too, whatever is said.
    pub(super) fn watching(self, watches: bool) -> Self {
        Self { watches, ..self }
    }

    /// The same, in which something may be masked.
    pub(super) fn masked(self) -> Self {
        let others = Others::Masked;
        Self { others, ..self }
    }

    /// The same; where other readings stand in it need not be known letter by letter.
    pub(super) fn rough(self) -> Self {
        let others = Others::Rough;
        Self { others, ..self }
    }

    /// Bytes that tell what it is in.
    const fn first_bytes_max(&self) -> usize {
        if self.hears { DOCUMENT_BYTES_MAX } else { MARK_BYTES_MAX }
    }

    /// Whether a body that begins with `first` may yet be in one character set or another.
    fn is_open(&self, first: &[u8]) -> bool {
        self.declared.is_open(first) || (self.hears && said(first) == Said::More)
    }

    /// One for a body of bytes: no mark in it means anything.
    pub(super) fn bytes() -> Self {
        Self {
            state: State::Same,
            ..Self::new(Charset::Utf8)
        }
    }

    /// Whether the bytes of the body are not its text.
    pub(super) fn is_other(&self) -> bool {
        matches!(self.state, State::Other(_))
    }

    /// Whether it is read letter by letter, by [`Reader::letters`].
    pub(super) fn has_letters(&self) -> bool {
        matches!(&self.state, State::Other(other) if matches!(other.decoder, Decode::Letters(_)))
    }

    /// Whether bytes of it wait, by which it is decided what comes.
    pub(super) fn is_asking(&self) -> bool {
        matches!(&self.state, State::Watched(watch) if watch.is_asking())
    }

    /// Looks at the first bytes of the body, so that it may be known what they are before they are read.
    pub(super) fn look(&mut self, bytes: &[u8]) {
        let first = bytes.get(..self.first_bytes_max()).unwrap_or(bytes);
        match &self.state {
            State::Undecided(kept) if kept.is_empty() && !self.is_open(first) => self.decide(first),
            State::Undecided(_) | State::Watched(_) | State::Same | State::Other(_) => {}
        }
    }

    /// What `bytes`, which are next, are, and of how many of them that is said.
    ///
    /// # Errors
    /// If they cannot be read.
    #[inline]
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<(Text, usize), Unreadable> {
        if let Some(another) = self.besides.pop() {
            return Ok((Text::Beside(another), 0));
        }
        let most = self.first_bytes_max();
        let text = match &mut self.state {
            State::Same => Text::Same(Kept::new()),
            State::Other(other) => other.follow(bytes).map(|()| Text::Other(Kept::new()))?,
            State::Watched(watch) => {
                let seen = watch.next(bytes);
                return Ok(self.seen(seen));
            }
            State::Undecided(kept) => {
                let mut first = kept.clone();
                first.extend_from_slice(bytes.get(..most.saturating_sub(kept.len())).unwrap_or(bytes));
                let is_open = self.declared.is_open(&first) || (self.hears && said(&first) == Said::More);
                if !is_open {
                    let kept = std::mem::take(kept);
                    self.decide(&first);
                    return Ok((Text::Again(kept), 0));
                }
                *kept = first;
                Text::Kept
            }
        };
        Ok((text, bytes.len()))
    }

    /// The body ends: what the bytes were that were kept. To be asked again where they are.
    ///
    /// # Errors
    /// If the last of it cannot be read.
    pub(super) fn end(&mut self) -> Result<Text, Unreadable> {
        match &mut self.state {
            State::Undecided(kept) => {
                let kept = std::mem::take(kept);
                self.decide(&kept);
                Ok(Text::Again(kept))
            }
            State::Watched(watch) => {
                let seen = watch.end();
                Ok(self.seen(seen).0)
            }
            State::Same => Ok(Text::Same(Kept::new())),
            State::Other(other) => {
                let measured = other.plausible.as_mut().map_or(Ok(()), Plausible::end);
                measured.map(|()| Text::Other(Kept::new()))
            }
        }
    }

    /// What a look at the text has shown.
    fn seen(&mut self, seen: Seen) -> (Text, usize) {
        match seen {
            Seen::Same(kept, taken) => (Text::Same(kept), taken),
            Seen::Kept(taken) => (Text::Kept, taken),
            Seen::Beside(another) => {
                self.is_beside = true;
                (Text::Beside(another), 0)
            }
            Seen::Decided(kept, readings) => {
                let (mut first, mut besides) = (readings.first, readings.besides);
                match self.others {
                    Others::Beside | Others::Rough => {}
                    Others::Masked => {
                        besides.retain(|another| *another != Another::AsItIs);
                        besides.extend(first.take().map(Another::In));
                    }
                }
                self.is_beside |= !besides.is_empty();
                self.state = first.map_or(State::Same, |encoding| self.other(encoding));
                self.besides = besides;
                (Text::Again(kept), 0)
            }
        }
    }

    /// A text in this set, which others may be read beside.
    fn other(&self, encoding: &'static Encoding) -> State {
        let is_read_by_letters = self.is_beside && self.others != Others::Rough;
        let other = if is_read_by_letters {
            Other::beside(encoding)
        } else {
            Other::new(Set::Named(encoding))
        };
        State::Other(Box::new(other))
    }

    /// What the document says of itself, if it is heard.
    fn said(&self, first: &[u8]) -> Option<Set> {
        match said(first) {
            Said::This(encoding) if self.hears => Some(Set::Named(encoding)),
            Said::This(_) | Said::More | Said::Nothing => None,
        }
    }

    fn decide(&mut self, first: &[u8]) {
        let marked = MARKS.iter().find(|(mark, _)| first.starts_with(mark));
        // As many of them as there are at least, however the body is cut.
        let front = first.get(..PAIRS_BYTES).unwrap_or(first);
        let set = match (marked, self.declared) {
            (Some((_, marked)), _) => Some(*marked),
            // What is declared to be UTF-16 and begins in ASCII is read as ASCII by those who ask no head.
            (None, charset) if charset.is_utf16() && front.is_ascii() && !front.contains(&0) => None,
            (None, charset) if charset.is_utf16() => charset.named(),
            (None, charset) => Set::told_by_zeros(first)
                .or_else(|| charset.named())
                .or_else(|| self.said(first)),
        };
        self.besides.extend(self.declared.spelled());
        if set.is_some_and(|set| set.unit_bytes() > 1) {
            // A mark, a few zeros or a head make a text look so: whoever heeds none of them reads ASCII.
            self.besides.push(Another::Strewn);
        }
        self.state = match set {
            // What is said may not be so, but for a mark.
            Some(Set::Named(encoding)) if self.watches && marked.is_none() && encoding.is_ascii_compatible() => {
                State::Watched(Watch::new(Some(encoding).filter(|encoding| *encoding != UTF_8)))
            }
            None if self.watches => State::Watched(Watch::new(None)),
            Some(Set::Named(encoding)) if self.watches && encoding == ISO_2022_JP => {
                // Behind its escapes ASCII means other letters, and whoever heeds none of them reads ASCII.
                self.besides.push(Another::AsItIs);
                self.is_beside = true;
                self.other(encoding)
            }
            Some(set) if set != Set::Named(UTF_8) => State::Other(Box::new(Other::new(set))),
            Some(_) | None => State::Same,
        };
    }

    /// Reads from the front of `bytes` into `out`: how many were read, how many written, and whether that was all of them.
    /// `last`: nothing comes behind them. What is malformed becomes a replacement character, as readers show it.
    pub(super) fn read(&mut self, bytes: &[u8], out: &mut [u8], last: bool) -> (usize, usize, bool) {
        let State::Other(other) = &mut self.state else {
            return (bytes.len(), 0, true);
        };
        let (is_done, read, written) = match &mut other.decoder {
            Decode::Named(decoder) => {
                let (result, read, written, _) = decoder.decode_to_utf8(bytes, out, last);
                (result == CoderResult::InputEmpty, read, written)
            }
            Decode::Utf32(decoder) => decoder.read(bytes, out, last),
            Decode::Letters(_) => (true, bytes.len(), 0),
        };
        other.passed(bytes.get(..read).unwrap_or_default());
        (read, written, is_done)
    }

    /// Reads all of `bytes`, beside which there are other readings: their text, and where its letters end.
    pub(super) fn letters(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<LetterEnd>) {
        if let State::Other(other) = &mut self.state {
            other.passed(bytes);
            if let Decode::Letters(letters) = &mut other.decoder {
                return letters.read(bytes);
            }
        }
        (Vec::new(), Vec::new())
    }

    /// How many bytes at the front of `part` end with a whole character, if that can be seen; else all of them.
    pub(super) fn whole(&self, part: &[u8]) -> usize {
        let State::Other(other) = &self.state else {
            return part.len();
        };
        let unit = other.set.unit_bytes() as usize;
        let whole = if unit > 1 {
            part.len().checked_sub((other.read as usize + part.len()) % unit)
        } else {
            part.iter().rposition(|byte| *byte < b'0').map(|last| last + 1)
        };
        whole.filter(|whole| *whole > 0).unwrap_or(part.len())
    }

    /// Whether all that was read are whole characters, as far as the last byte tells: so that what comes next can be cut
    /// off without a byte of it having left.
    pub(super) fn is_between_characters(&self) -> bool {
        let other = match &self.state {
            State::Other(other) => other,
            State::Undecided(kept) => return kept.is_empty(),
            State::Same => return true,
            State::Watched(watch) => return watch.is_drained(),
        };
        let [before, last] = other.last;
        let is_half = |high: u8| matches!(high, 0xd8..=0xdb);
        let encoding = match other.set {
            Set::Utf32 { .. } => return other.read.is_multiple_of(4),
            Set::Named(encoding) => encoding,
        };
        if encoding == UTF_16LE {
            other.read.is_multiple_of(2) && !is_half(last)
        } else if encoding == UTF_16BE {
            other.read.is_multiple_of(2) && !is_half(before)
        } else if encoding == ISO_2022_JP {
            last == b'\n'
        } else {
            // No second byte of a character is so low, in none of them.
            encoding.is_single_byte() || last < b'0'
        }
    }
}

#[cfg(test)]
mod tests;
