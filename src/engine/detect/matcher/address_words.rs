//! The words around a house number: where they lie, and what of them an address may have.

use std::ops::Range;

use smallvec::SmallVec;

/// Bytes behind a house number in which the rest of an address is looked for.
const AFTER_BYTES_MAX: usize = 128;
/// Bytes before a number in which the name of its street is looked for: what a segment shows before `within`.
const BEFORE_BYTES_MAX: usize = 64;
/// Words on either side.
const WORDS_MAX: usize = 16;

/// Words that stand in a row, each with its place.
pub(super) struct Line<'h> {
    words: SmallVec<[Word<'h>; WORDS_MAX]>,
}

/// One word.
#[derive(Clone)]
pub(super) struct Word<'h> {
    /// The word, without the comma behind it.
    pub(super) text: &'h str,
    /// Its bytes in the haystack.
    pub(super) span: Range<usize>,
    /// Whether a comma or a line's end stands behind it.
    pub(super) parted: bool,
}

impl<'h> Line<'h> {
    /// The words from `first` on, up to the end of a sentence or a byte that no address has.
    pub(super) fn from(haystack: &'h [u8], first: usize) -> Self {
        let mut line = Self { words: SmallVec::new() };
        line.read(haystack, first, first.saturating_add(AFTER_BYTES_MAX), false);
        line
    }

    /// The words before `end`, from the last end of a sentence or byte that no address has.
    pub(super) fn before(haystack: &'h [u8], end: usize) -> Self {
        let mut line = Self { words: SmallVec::new() };
        let mut start = end.saturating_sub(BEFORE_BYTES_MAX);
        // A window that begins inside a word, or inside a letter, loses it.
        if start > 0 {
            let window = haystack.get(start..end).unwrap_or_default();
            start += window
                .iter()
                .position(|byte| *byte == b' ' || *byte == b'\n')
                .unwrap_or(window.len());
        }
        line.read(haystack, start, end, true);
        line
    }

    /// The words.
    pub(super) fn words(&self) -> &[Word<'h>] {
        &self.words
    }

    fn read(&mut self, haystack: &'h [u8], start: usize, end: usize, keep_last: bool) {
        let window = haystack.get(start..end.min(haystack.len())).unwrap_or_default();
        let text = window.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let mut from = 0;
        for (index, letter) in text.char_indices().chain([(text.len(), ' ')]) {
            if is_inner(letter) {
                continue;
            }
            let goes_on = self.push(text, from..index, start, letter) && matches!(letter, ' ' | ',' | '\n' | '\r');
            from = index + letter.len_utf8();
            if !goes_on && keep_last {
                self.words.clear();
            } else if !goes_on || (self.words.len() == WORDS_MAX && !keep_last) {
                return;
            }
        }
    }

    /// Adds a word; `false` if it ends a sentence.
    fn push(&mut self, text: &'h str, place: Range<usize>, at: usize, behind: char) -> bool {
        let word = text.get(place.clone()).unwrap_or_default();
        let bare = word.trim_end_matches('.');
        let long = bare.chars().count() > 4 && !bare.ends_with("str");
        let ends = bare.len() < word.len() && (long || bare.bytes().any(|byte| byte.is_ascii_digit()));
        let word = if ends { bare } else { word };
        let parted = matches!(behind, ',' | '\n' | '\r');
        if word.is_empty() {
            if let Some(last) = self.words.last_mut() {
                last.parted |= parted;
            }
            return true;
        }
        if self.words.len() == WORDS_MAX {
            self.words.remove(0);
        }
        let span = at + place.start..at + place.start + word.len();
        self.words.push(Word {
            text: word,
            span,
            parted,
        });
        !ends
    }
}

impl Word<'_> {
    /// Begins with a capital, or with a letter of a script without case.
    pub(super) fn is_capital(&self) -> bool {
        let is_capital = |letter: char| letter.is_alphabetic() && !letter.is_lowercase();
        self.text.starts_with(is_capital)
    }

    /// Has a digit.
    pub(super) fn has_digit(&self) -> bool {
        self.text.bytes().any(|byte| byte.is_ascii_digit())
    }

    /// So many digits and nothing else.
    pub(super) fn is_digits(&self, count: usize) -> bool {
        self.text.len() == count && self.text.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// `12`, `12-14`, `64/86`, `89A`, `33i`: begins with a digit, at most six of them.
    pub(super) fn is_house_number(&self) -> bool {
        let digits = self.text.bytes().filter(u8::is_ascii_digit).count();
        let letters = self.text.bytes().filter(u8::is_ascii_alphabetic).count();
        self.text.starts_with(|first: char| first.is_ascii_digit())
            && digits <= 6
            && letters <= 1
            && self.text.len() <= 10
            && !self.text.contains('.')
    }

    /// A word between the names of streets and towns: `de la`, `sur`, `am`.
    pub(super) fn is_particle(&self) -> bool {
        matches!(
            self.text,
            "de" | "la"
                | "las"
                | "los"
                | "el"
                | "del"
                | "do"
                | "da"
                | "dos"
                | "das"
                | "du"
                | "des"
                | "le"
                | "les"
                | "en"
                | "sur"
                | "sous"
                | "et"
                | "y"
                | "e"
                | "am"
                | "an"
                | "der"
                | "dem"
                | "den"
                | "im"
                | "in"
                | "zum"
                | "zur"
                | "von"
                | "von-der"
                | "bei"
                | "of"
                | "the"
                | "on"
                | "upon"
                | "l"
                | "d"
                | "i"
                | "van"
        )
    }
}

/// What stands inside words of addresses.
fn is_inner(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '\'' | '’' | '-' | '.' | '/' | 'º' | 'ª' | '°' | '#' | '&')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &Line<'_>) -> String {
        let words = line
            .words()
            .iter()
            .map(|word| format!("{}{}", word.text, if word.parted { "," } else { "" }));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_go_to_the_end_of_the_sentence() {
        let rows = [
            (
                "9, chemin Laure Jacques\n91203 Teixeira. Tel: 1",
                "9, chemin Laure Jacques, 91203 Teixeira",
            ),
            ("12 Main St. Apt. 4B (rear)", "12 Main St. Apt. 4B"),
            ("5 Caf\u{e9} R\u{ed}o; x", "5 Caf\u{e9} R\u{ed}o"),
            ("", ""),
        ];
        for (text, expected) in rows {
            assert_eq!(texts(&Line::from(text.as_bytes(), 0)), expected, "{text}");
        }
    }

    #[test]
    fn words_before_begin_after_the_last_stop() {
        let text = "Lives there. Ship to: Rua das Flores, 21";
        assert_eq!(texts(&Line::before(text.as_bytes(), text.len() - 2)), "Rua das Flores,");
        let long = format!("{} Rua das Flores, ", "ab".repeat(60));
        assert_eq!(texts(&Line::before(long.as_bytes(), long.len())), "Rua das Flores,");
        assert!(Line::before(b"", 0).words().is_empty());
    }
}
