//! A text that nothing says the character set of, or something else than what it is in: its first bytes that are not what they were
//! taken for tell, with those around them.
//!
//! ```text
//!   name,phone\n ........ 이│름,...                what stands before is ASCII or UTF-8 and passes as it is
//!                           └── up to WINDOW_BYTES ──┤  then one character set for all that comes
//! ```
//! Where the cut between two chunks is changes nothing: all is decided by the bytes.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, DecoderResult, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, SHIFT_JIS};
use memchr::memchr;
use smallvec::{SmallVec, smallvec};

use super::letters::Another;

/// Bytes from the first that tells, by which it is decided; they wait for it.
pub(super) const WINDOW_BYTES: usize = 512;
/// Bytes within which a text that is declared to be in UTF-8, or to be in nothing, shows that it is not: looking at all of each body
/// would cost more than it is worth.
const FOLLOWED_BYTES_MAX: usize = 64 << 10;
/// Letters of UTF-8 outside ASCII that settle it.
const SURE_LETTERS: usize = 16;
/// Bytes in whole windows that are no UTF-8 and settle that the text is in something else: fewer are strays, which must not turn all
/// that comes into other letters.
const SURE_STRAYS: usize = 16;
/// Letters of UTF-8 in a window of what is declared to be something else, of three bytes and of any, that no text in another
/// character set has by chance.
const SURE_LONG: usize = 2;
const SURE_ANY: usize = 6;
/// Bytes of a letter of UTF-8.
const LETTER_BYTES_MAX: usize = 4;

/// What begins a text that goes on in letters of two bytes, which are those of ASCII (ISO/IEC 2022): in ISO-2022-JP (RFC 1468), and
/// in ISO-2022-KR (RFC 1557).
const ESCAPE: u8 = 0x1b;
const ESCAPES: [(&[u8], Another); 3] = [
    (b"\x1b$B", Another::In(ISO_2022_JP)),
    (b"\x1b$@", Another::In(ISO_2022_JP)),
    (b"\x1b$)C", Another::Iso2022Kr),
];

/// Bytes that wait.
pub(super) type Kept = SmallVec<[u8; 8]>;

/// What comes of the next bytes.
pub(super) enum Seen {
    /// So many are text as they are, behind those that waited.
    Same(Kept, usize),
    /// So many wait.
    Kept(usize),
    /// From here on the text is to be read so too.
    Beside(Another),
    /// All that waited, and what comes.
    Decided(Kept, Readings),
}

/// How a text is read.
#[derive(Default)]
pub(super) struct Readings {
    /// In this character set, or in UTF-8.
    pub(super) first: Option<&'static Encoding>,
    /// And so too, as what is declared, or what it was taken for, and its bytes disagree.
    pub(super) besides: SmallVec<[Another; 2]>,
}

/// Watches one text.
pub(super) struct Watch {
    /// What it is declared to be in, if that is not UTF-8.
    declared: Option<&'static Encoding>,
    followed: usize,
    /// Letters of UTF-8 outside ASCII so far.
    letters: usize,
    /// Bytes in windows so far that are none.
    strays: usize,
    /// The first bytes of a letter that the chunk cut, or a window under way.
    kept: Kept,
    is_window: bool,
    /// Whether what is kept, or the next byte, is an escape that has been looked at.
    passes: bool,
    /// What escapes have told.
    told: SmallVec<[Another; 2]>,
}

impl Watch {
    pub(super) fn new(declared: Option<&'static Encoding>) -> Self {
        Self {
            declared,
            followed: 0,
            letters: 0,
            strays: 0,
            kept: Kept::new(),
            is_window: false,
            passes: false,
            told: SmallVec::new(),
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_drained(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether a window is under way.
    pub(super) const fn is_asking(&self) -> bool {
        self.is_window
    }

    /// Looks at `bytes`, which come next and are some.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Seen {
        if self.is_window {
            return self.fill(bytes);
        }
        if self.passes || self.kept.first() == Some(&ESCAPE) {
            return self.escape(bytes);
        }
        if !self.kept.is_empty() {
            return self.complete(bytes);
        }
        let followed = bytes.get(..FOLLOWED_BYTES_MAX.saturating_sub(self.followed));
        let bytes = match memchr(ESCAPE, followed.unwrap_or(bytes)) {
            Some(0) => return self.escape(bytes),
            Some(escape) => bytes.get(..escape).unwrap_or_default(),
            None => bytes,
        };
        let valid = match self.declared {
            Some(_) => {
                let valid = Encoding::ascii_valid_up_to(bytes);
                self.followed += valid;
                valid
            }
            None => self.follow(bytes),
        };
        let is_settled = self.letters >= SURE_LETTERS || self.followed >= FOLLOWED_BYTES_MAX;
        if is_settled && self.declared.is_none() {
            return Seen::Decided(Kept::new(), Readings::default());
        }
        if valid > 0 {
            return Seen::Same(Kept::new(), valid);
        }
        if self.declared.is_none() && is_cut(bytes) {
            self.kept.extend_from_slice(bytes);
            return Seen::Kept(bytes.len());
        }
        self.is_window = true;
        self.fill(bytes)
    }

    /// The text ends: what waited, and what it is in.
    pub(super) fn end(&mut self) -> Seen {
        if self.is_window {
            return self.decide();
        }
        Seen::Same(std::mem::take(&mut self.kept), 0)
    }

    /// An escape, which may be kept: what it tells, and then passes.
    fn escape(&mut self, bytes: &[u8]) -> Seen {
        let kept = self.kept.len();
        if !self.passes {
            let mut first = self.kept.clone();
            first.extend_from_slice(bytes.get(..LETTER_BYTES_MAX - kept).unwrap_or(bytes));
            let goes_on = |escape: &[u8]| escape.len() > first.len() && escape.starts_with(&first);
            if ESCAPES.iter().any(|(escape, _)| goes_on(escape)) {
                self.kept = first;
                return Seen::Kept(self.kept.len() - kept);
            }
            self.passes = true;
            let told = ESCAPES.iter().find(|(escape, _)| first.starts_with(escape));
            if let Some((_, another)) = told.filter(|(_, another)| !self.told.contains(another)) {
                self.told.push(*another);
                return Seen::Beside(*another);
            }
        }
        self.passes = false;
        let taken = usize::from(kept == 0);
        self.followed += kept + taken;
        Seen::Same(std::mem::take(&mut self.kept), taken)
    }

    /// How many of `bytes` are whole letters of UTF-8, of those that are followed.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        // A letter more, so that one that is cut here is none that the text breaks off.
        let most = FOLLOWED_BYTES_MAX.saturating_sub(self.followed) + LETTER_BYTES_MAX;
        let followed = bytes.get(..most).unwrap_or(bytes);
        let mut valid = 0;
        // What is settled need not be looked at.
        while self.letters < SURE_LETTERS {
            valid += Encoding::ascii_valid_up_to(followed.get(valid..).unwrap_or_default());
            let Some(letter) = letter(followed.get(valid..).unwrap_or_default()) else {
                break;
            };
            self.letters += 1;
            valid += letter;
        }
        self.followed += valid;
        valid
    }

    /// Completes the letter that a chunk cut.
    fn complete(&mut self, bytes: &[u8]) -> Seen {
        let mut first = self.kept.clone();
        first.extend_from_slice(bytes.get(..LETTER_BYTES_MAX - first.len()).unwrap_or(bytes));
        let before = std::mem::take(&mut self.kept);
        match letter(&first) {
            Some(letter) => {
                self.letters += 1;
                self.followed += letter;
                let taken = letter - before.len();
                Seen::Same(before, taken)
            }
            None if is_cut(&first) => {
                let taken = first.len() - before.len();
                self.kept = first;
                Seen::Kept(taken)
            }
            None => {
                self.kept = before;
                self.is_window = true;
                self.fill(bytes)
            }
        }
    }

    /// Fills the window, and decides when it is full.
    fn fill(&mut self, bytes: &[u8]) -> Seen {
        let wanted = WINDOW_BYTES - self.kept.len();
        if wanted == 0 {
            return self.full();
        }
        let taken = bytes.get(..wanted).unwrap_or(bytes);
        self.kept.extend_from_slice(taken);
        Seen::Kept(taken.len())
    }

    /// A whole window: it decides if there is enough in it and in those before, else it is text, and the watch goes on.
    fn full(&mut self) -> Seen {
        // A letter that the window cuts is none of either.
        let cut = self.kept.utf8_chunks().last().map(|chunk| chunk.invalid());
        let cut = cut.filter(|cut| is_cut(cut)).map_or(0, <[u8]>::len);
        let is_binary = is_binary(&self.kept);
        if !is_binary {
            let strays = self.kept.utf8_chunks().map(|chunk| chunk.invalid().len());
            self.strays += strays.sum::<usize>() - cut;
        }
        if self.declared.is_some() || !(is_binary || self.strays < SURE_STRAYS || self.is_utf8(&self.kept)) {
            return self.decide();
        }
        let mut window = std::mem::take(&mut self.kept);
        let whole = window.len() - cut;
        self.kept.extend(window.drain(whole..));
        self.letters += window
            .utf8_chunks()
            .map(|chunk| letters(chunk.valid().as_bytes()))
            .sum::<usize>();
        self.followed += whole;
        self.is_window = false;
        Seen::Same(window, 0)
    }

    fn decide(&mut self) -> Seen {
        let window = std::mem::take(&mut self.kept);
        // What is said of it goes before a control character in it.
        let is_utf8 = (self.declared.is_none() && is_binary(&window)) || self.is_utf8(&window);
        let readings = match self.declared {
            _ if is_utf8 => Readings {
                first: None,
                besides: self.declared.map(Another::In).into_iter().collect(),
            },
            Some(declared) => Readings {
                first: Some(declared),
                besides: disagreeing(declared, &window).map(Another::In).into_iter().collect(),
            },
            None => Readings {
                first: Some(guess(&window)),
                besides: smallvec![Another::AsItIs],
            },
        };
        Seen::Decided(window, readings)
    }

    /// Whether the window is in UTF-8, though some of it may be broken.
    fn is_utf8(&self, window: &[u8]) -> bool {
        let chunks = || window.utf8_chunks();
        let valid: usize = chunks().map(|chunk| letters(chunk.valid().as_bytes())).sum();
        let long = |chunk: std::str::Utf8Chunk<'_>| chunk.valid().bytes().filter(|byte| *byte >= 0xe0).count();
        // The last may be cut.
        let invalid = chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
        match self.declared {
            None => valid > invalid,
            Some(_) => {
                (invalid == 0 || is_cut(window))
                    && (chunks().map(long).sum::<usize>() >= SURE_LONG || valid >= SURE_ANY)
            }
        }
    }
}

/// What a text that is not in UTF-8 is in most likely. ISO-2022-JP is none of the answers: where its escapes stand ASCII means other
/// letters, and whoever reads it as ASCII finds what is hidden behind them.
fn guess(window: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(window, true);
    let guessed = detector.guess(None, Utf8Detection::Deny);
    if !guessed.is_single_byte() || !is_in_pairs(window) {
        return guessed;
    }
    // A list of names and digits of the full width is no text that the detector has learned.
    let doubles = [EUC_KR, SHIFT_JIS, GBK, BIG5];
    doubles.into_iter().find(|set| reads(set, window)).unwrap_or(guessed)
}

/// What the window is in most likely, if that is not what is declared: sets of one byte differ in no digit, and no sign.
fn disagreeing(declared: &'static Encoding, window: &[u8]) -> Option<&'static Encoding> {
    let guessed = guess(window);
    let is_same = guessed == declared || (guessed == GBK && declared == GB18030);
    let differs = !guessed.is_single_byte() || (!declared.is_single_byte() && !reads(declared, window));
    (!is_same && differs).then_some(guessed)
}

/// Whether four fifths of the bytes outside ASCII stand beside one another, or where sets of one byte have hardly a letter: as
/// letters of two bytes do.
fn is_in_pairs(window: &[u8]) -> bool {
    let is_high = |at: usize| window.get(at).is_some_and(|byte| !byte.is_ascii());
    let is_paired = |at: &usize| is_high(at + 1) || at.checked_sub(1).is_some_and(is_high);
    let high = || (0..window.len()).filter(|at| is_high(*at));
    let is_lead = |at: &usize| window.get(*at).is_some_and(|byte| matches!(byte, 0x81..=0x9f));
    high().filter(|at| is_paired(at) || is_lead(at)).count() * 5 >= high().count() * 4
}

/// Whether all of the window, but for a letter that its end cuts, is text in this set.
fn reads(set: &'static Encoding, window: &[u8]) -> bool {
    let mut decoder = set.new_decoder_without_bom_handling();
    let length = decoder.max_utf8_buffer_length_without_replacement(window.len());
    let mut text = vec![0; length.unwrap_or_default()];
    let (result, ..) = decoder.decode_to_utf8_without_replacement(window, &mut text, false);
    result == DecoderResult::InputEmpty
}

/// Whether control characters stand in it that no text has.
fn is_binary(window: &[u8]) -> bool {
    let is_control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    window.iter().any(is_control)
}

/// Letters outside ASCII in text of UTF-8.
fn letters(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte >= 0xc0).count()
}

/// The bytes of the first letter, if it is whole.
fn letter(bytes: &[u8]) -> Option<usize> {
    let first = bytes.get(..LETTER_BYTES_MAX).unwrap_or(bytes).utf8_chunks().next()?;
    first.valid().chars().next().map(char::len_utf8)
}

/// Whether the end cuts the first letter of these that is not whole.
fn is_cut(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
