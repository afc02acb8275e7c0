//! Where a text may hold an identifier at all: the one test that most cells fail.

use super::{Blocks, CHUNK_BLOCKS, Masks};

/// Digits in one piece that wake a search: the shortest identifier written so without a telling key has as many.
const DIGITS_MIN: u32 = 7;
/// Bytes of digits and phone punctuation that wake a search; a blank counts behind one of these only, so that indentation
/// does not. A date has ten (`2026-11-26`).
const NUMBER_BYTES_MIN: u32 = 11;
/// Letters and digits in one piece that may be a value in another alphabet: eleven digits are as many in base64.
pub(in crate::engine) const RUN_BYTES_MIN: u32 = 15;
/// Fewer bytes than any street address has.
const ADDRESS_BYTES_MIN: usize = 8;

/// Whether `text` may hold an identifier whose field's name does not announce it: an `@`, a run of digits, a run of digits
/// and phone punctuation, a digit in a text of several words, or an escape, which hides anything.
pub(in crate::engine) fn wakes(text: &[u8]) -> bool {
    if text.len() < DIGITS_MIN as usize {
        text.iter().any(|byte| matches!(byte, b'@' | b'\\'))
    } else if let Some(masks) = Masks::of(text) {
        block_wakes(&masks, text.len())
    } else {
        look(text).0
    }
}

/// The same of a text that is this one block.
pub(in crate::engine) fn block_wakes(masks: &Masks, length: usize) -> bool {
    Triggers::default().signs(masks).wake(length)
}

/// Whether a run of letters and digits in the text that is this one block is as long as a value in another alphabet.
pub(super) fn has_run(masks: &Masks) -> bool {
    run::<4>(masks.letter | masks.digit, &mut [Stage::default(); 4], RUN_SHIFTS) != 0
}

/// Whether `text` wakes a search, and whether it may hide an identifier, in another alphabet or behind a character that stands
/// for another. Of a text that wakes one the second may not be told.
pub(in crate::engine) fn look(text: &[u8]) -> (bool, bool) {
    if let Some(masks) = Masks::of(text) {
        let signs = Triggers::default().signs(&masks);
        return (signs.wake(text.len()), signs.veil != 0);
    }
    let (mut triggers, mut all) = (Triggers::default(), Signs::default());
    let mut blocks = Blocks::<CHUNK_BLOCKS, true>::new(text, 0xff);
    while let Some((_, masks)) = blocks.next() {
        all = all.or(triggers.signs(masks));
        if all.trigger != 0 {
            break;
        }
    }
    (all.wake(text.len()), all.veil != 0)
}

/// What of a block, or of several together, wakes a search: a bit for each byte.
#[derive(Clone, Copy, Default)]
pub(super) struct Signs {
    /// The ends of runs, `@` and backslashes: each by itself.
    pub(super) trigger: u64,
    /// A digit and, elsewhere in the text, a blank or a byte that is not ASCII.
    pub(super) digit: u64,
    pub(super) loose: u64,
    /// What may hide an identifier, and needs a closer look.
    pub(super) veil: u64,
}

impl Signs {
    /// Whether they wake a search of the text that they are of, `length` bytes long.
    #[inline]
    pub(super) fn wake(self, length: usize) -> bool {
        self.trigger != 0 || (self.digit != 0 && self.loose != 0 && length >= ADDRESS_BYTES_MIN)
    }

    #[inline]
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            trigger: self.trigger | other.trigger,
            digit: self.digit | other.digit,
            loose: self.loose | other.loose,
            veil: self.veil | other.veil,
        }
    }

    /// Those at the bytes of `mask`.
    #[inline]
    pub(super) fn within(self, mask: u64) -> Self {
        Self {
            trigger: self.trigger & mask,
            digit: self.digit & mask,
            loose: self.loose & mask,
            veil: self.veil & mask,
        }
    }
}

/// Whether `text` is a UUID (RFC 9562, section 4) or a digest in hexadecimal, which are nobody's: their digits only look like
/// numbers. No identifier has as many letters and digits in a row as the shortest digest; an IBAN has when its country's
/// letters are no digits here.
pub(in crate::engine) fn is_digest(text: &[u8]) -> bool {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    match text.len() {
        // MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
        32 | 40 | 56 | 64 | 96 | 128 => count(text, u8::is_ascii_hexdigit) == text.len(),
        36 => {
            HYPHENS.iter().all(|place| text.get(*place) == Some(&b'-'))
                && count(text, u8::is_ascii_hexdigit) == text.len() - HYPHENS.len()
        }
        _ => false,
    }
}

/// How many bytes of a short text are such: all are looked at, sixteen at once, since most are.
fn count(text: &[u8], is_such: impl Fn(&u8) -> bool) -> usize {
    usize::from(text.iter().map(|byte| u8::from(is_such(byte))).sum::<u8>())
}

/// Finds triggers block by block: `@`, and the ends of long runs.
#[derive(Clone, Copy, Default)]
pub(super) struct Triggers {
    digits: [Stage; 3],
    numbers: [Stage; 4],
    solid: Stage,
    runs: [Stage; 4],
    lead: Stage,
}

impl Triggers {
    /// The signs of the next block.
    #[inline]
    pub(super) fn signs(&mut self, masks: &Masks) -> Signs {
        Signs {
            trigger: self.next(masks) | masks.backslash,
            digit: masks.digit,
            loose: masks.blank | masks.high,
            veil: self.veil(masks),
        }
    }

    /// A bit for each byte at which a run of letters and digits is as long as a value in another alphabet, or at which
    /// something that stands for another character may go on: `%4`, `&c`, `#6`, `(a`.
    #[inline]
    fn veil(&mut self, masks: &Masks) -> u64 {
        let word = masks.letter | masks.digit;
        let lead = self.lead.shift(masks.veil, 1);
        run::<4>(word, &mut self.runs, RUN_SHIFTS) | lead & (word | masks.high)
    }

    /// A bit for each byte of the block that is an `@`, or at which a run has become long enough.
    pub(super) fn next(&mut self, masks: &Masks) -> u64 {
        let digits = run::<3>(masks.digit, &mut self.digits, DIGIT_SHIFTS);
        let solid = masks.digit | masks.punctuation;
        let blank = masks.blank & self.solid.shift(solid, 1);
        let numbers = run::<4>(solid | blank, &mut self.numbers, NUMBER_SHIFTS);
        digits | numbers | masks.sign
    }
}

/// Shifts whose sum is one less than the run's length: 2, 4, then 7 bytes.
const DIGIT_SHIFTS: [u32; 3] = [1, 2, 3];
/// 2, 4, 8, then 11 bytes.
const NUMBER_SHIFTS: [u32; 4] = [1, 2, 4, 3];
/// 2, 4, 8, then 15 bytes.
const RUN_SHIFTS: [u32; 4] = [1, 2, 4, 7];
const _: () = assert!(1 + 1 + 2 + 3 == DIGITS_MIN && 1 + 1 + 2 + 4 + 3 == NUMBER_BYTES_MIN);
const _: () = assert!(1 + 1 + 2 + 4 + 7 == RUN_BYTES_MIN);

/// The bits of the last block that a shift brings into the next.
#[derive(Clone, Copy, Default)]
struct Stage(u64);

impl Stage {
    /// `bits` moved up by `shift` places.
    fn shift(&mut self, bits: u64, shift: u32) -> u64 {
        let shifted = bits << shift | self.0;
        self.0 = bits >> (u64::BITS - shift);
        shifted
    }
}

/// The places at which all bits of a run ending there are set, across blocks.
fn run<const STAGES: usize>(mut bits: u64, stages: &mut [Stage; STAGES], shifts: [u32; STAGES]) -> u64 {
    for (stage, shift) in stages.iter_mut().zip(shifts) {
        bits &= stage.shift(bits, shift);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::super::testing::Chance;
    use super::*;

    /// The same, byte by byte.
    fn wakes_plainly(text: &[u8]) -> bool {
        let is_solid = |byte: &u8| byte.is_ascii_digit() || b"()+-.".contains(byte);
        let is_number = |at: usize| is_solid(&text[at]) || (text[at] == b' ' && at > 0 && is_solid(&text[at - 1]));
        let numbers: Vec<bool> = (0..text.len()).map(is_number).collect();
        text.contains(&b'@')
            || text.contains(&b'\\')
            || text.windows(7).any(|run| run.iter().all(u8::is_ascii_digit))
            || numbers.windows(11).any(|run| run.iter().all(|number| *number))
            || (text.len() >= 8
                && text.iter().any(u8::is_ascii_digit)
                && text.iter().any(|byte| *byte == b' ' || !byte.is_ascii()))
    }

    #[test]
    fn texts_wake_as_they_do_byte_by_byte() {
        let letters = b"7 -a1@(5x\xea\\";
        let mut chance = Chance(7);
        for length in (0..200).chain([511, 512, 513, 1500]) {
            for _ in 0..30 {
                // Long runs of one class, so that some are just long enough.
                let text = chance.runs(letters, length);
                assert_eq!(wakes(&text), wakes_plainly(&text), "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn texts_are_veiled_as_they_are_byte_by_byte() {
        let plainly = |text: &[u8]| {
            let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
            text.windows(15).any(|run| run.iter().all(u8::is_ascii_alphanumeric))
                || text
                    .windows(2)
                    .any(|pair| b"#%&(\xef".contains(&pair[0]) && goes_on(&pair[1]))
        };
        let mut chance = Chance(17);
        for length in (0..200).chain([511, 512, 513, 1500]) {
            for letters in [&b"7aZ%-"[..], b"7a(\xef.  ", b"7aZ", b" #,&"] {
                let text = chance.runs(letters, length);
                let (wakes, is_veiled) = look(&text);
                assert!(wakes || is_veiled == plainly(&text), "{}", text.escape_ascii());
                assert_eq!(wakes, wakes_plainly(&text), "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn digests_are_told_by_their_lengths() {
        for length in 0..140 {
            let is_one = is_digest(&vec![b'7'; length]);
            assert_eq!(is_one, [32, 40, 56, 64, 96, 128].contains(&length), "{length}");
        }
        assert!(is_digest(b"0f8fad5b-1234-5678-a165-70867728950e"));
        assert!(is_digest(b"D41D8CD98F00B204E9800998ECF8427E"));
        for other in [
            "0f8fad5b-1234-5678-a165-70867728950g",
            "d41d8cd98f00b204e9800998ecf8427x",
        ] {
            assert!(!is_digest(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn what_wakes_and_what_does_not() {
        for (text, expected) in [
            ("kim@example.com", true),
            ("010-0000-1234", true),
            ("1234567", true),
            ("123456", false),
            ("2026-11-26", false),
            ("2026-11-26T01:02:03Z", false),
            ("37.5665357", true),
            ("37.566535", false),
            ("350 Fifth Ave", true),
            ("blue cotton shirt", false),
            ("99.90", false),
            ("", false),
        ] {
            assert_eq!(wakes(text.as_bytes()), expected, "{text}");
        }
    }
}
