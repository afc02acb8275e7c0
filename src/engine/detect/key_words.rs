//! The words of a field name, whatever its style: `custFullName`, `CUST_FULL_NM`, `Customer's full name`, `고객명`.

use smallvec::SmallVec;

use super::fold::fold;

/// Bytes of a name that are looked at.
const KEY_BYTES_MAX: usize = 64;

/// A field name as words: lower case, Latin letters without marks. Digits, punctuation, a capital behind a small letter
/// and a change between Latin and another script part two words.
pub(super) struct KeyWords {
    /// The words, each with a `_` behind it.
    text: SmallVec<[u8; 96]>,
}

impl KeyWords {
    /// The words of `key`; what is not UTF-8 ends it.
    pub(super) fn of(key: &[u8]) -> Self {
        let key = key.get(..key.len().min(KEY_BYTES_MAX)).unwrap_or_default();
        let text = key.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let mut words = Self { text: SmallVec::new() };
        let mut previous = None;
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter.is_ascii_punctuation() || letter.is_whitespace() || letter.is_numeric() {
                words.part();
                previous = None;
                continue;
            }
            if previous.is_some_and(|previous| begins(previous, letter, letters.peek().copied())) {
                words.part();
            }
            words.push(letter);
            previous = Some(letter);
        }
        words.part();
        words
    }

    /// The words, in order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.text.split(|byte| *byte == b'_').filter(|word| !word.is_empty())
    }

    /// How many words there are.
    pub(super) fn len(&self) -> usize {
        memchr::memchr_iter(b'_', &self.text).count()
    }

    /// The only word, if there is one only.
    pub(super) fn only(&self) -> Option<&[u8]> {
        self.iter().next().filter(|_| self.len() == 1)
    }

    /// Whether the name has one of `words` anywhere: for scripts that write no blanks between words.
    pub(super) fn holds_any(&self, words: &[&str]) -> bool {
        !self.text.is_ascii()
            && words
                .iter()
                .any(|word| memchr::memmem::find(&self.text, word.as_bytes()).is_some())
    }

    /// Whether every letter is Latin.
    pub(super) fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    fn push(&mut self, letter: char) {
        let mut buffer = [0; 4];
        let (first, second) = fold(letter);
        for letter in [Some(first), second].into_iter().flatten() {
            self.text.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
        }
    }

    fn part(&mut self) {
        if self.text.last().is_some_and(|last| *last != b'_') {
            self.text.push(b'_');
        }
    }
}

/// Whether a word begins at `letter`: `custName`, `IDNumber`, `고객ID`.
fn begins(previous: char, letter: char, next: Option<char>) -> bool {
    let hump = previous.is_lowercase() && letter.is_uppercase();
    let behind_capitals = previous.is_uppercase() && letter.is_uppercase() && next.is_some_and(char::is_lowercase);
    hump || behind_capitals || is_latin(previous) != is_latin(letter)
}

/// Latin letters have upper and lower case; the scripts that write no blanks have not.
fn is_latin(letter: char) -> bool {
    letter.is_lowercase() || letter.is_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_gives_the_same_words() {
        let rows = [
            ("custFullName", "cust full name"),
            ("CUST_FULL_NM", "cust full nm"),
            ("cust-full-name2", "cust full name"),
            ("Customer's Full Name:", "customer s full name"),
            ("IDNumber", "id number"),
            ("addr1", "addr"),
            ("고객명", "고객명"),
            ("고객ID", "고객 id"),
            ("Prénom", "prenom"),
            ("氏名(カナ)", "氏名 カナ"),
            ("shipping.address[0].line_1", "shipping address line"),
            ("", ""),
        ];
        for (key, expected) in rows {
            let words = KeyWords::of(key.as_bytes());
            let joined: Vec<&[u8]> = words.iter().collect();
            assert_eq!(joined.join(&b' '), expected.as_bytes(), "{key}");
            assert_eq!(words.len(), joined.len(), "{key}");
        }
        assert!(KeyWords::of(b"\xff\xfe").is_ascii() && KeyWords::of("ab".repeat(60).as_bytes()).len() == 1);
        assert_eq!(KeyWords::of(b"Name").only(), Some(&b"name"[..]));
        assert!(KeyWords::of("고객 성명".as_bytes()).holds_any(&["성명"]));
    }
}
