//! Numbers of several bytes, and pieces of a format that come in chunks.

/// The number whose low byte comes first.
pub(super) fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The number whose high byte comes first.
pub(super) fn big(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// `length` bytes of `bytes` from `from`, or none.
pub(super) fn part(bytes: &[u8], from: usize, length: usize) -> &[u8] {
    bytes.get(from..from.saturating_add(length)).unwrap_or_default()
}

/// Takes from the front of `chunk` what `whole` needs to be `length` bytes long; whether it is.
pub(super) fn gather(whole: &mut Vec<u8>, length: usize, chunk: &mut &[u8]) -> bool {
    let wanted = length.saturating_sub(whole.len()).min(chunk.len());
    whole.extend_from_slice(take(chunk, wanted as u64));
    whole.len() >= length
}

/// Takes at most `most` bytes from the front of `chunk`.
pub(super) fn take<'c>(chunk: &mut &'c [u8], most: u64) -> &'c [u8] {
    let length = usize::try_from(most).map_or(chunk.len(), |most| most.min(chunk.len()));
    let (taken, rest) = chunk.split_at(length);
    *chunk = rest;
    taken
}

/// Follows a stream for a word whose first byte does not come again in it.
#[derive(Clone, Copy)]
pub(super) struct Word {
    word: &'static [u8],
    matched: usize,
}

impl Word {
    pub(super) const fn new(word: &'static [u8]) -> Self {
        Self { word, matched: 0 }
    }

    /// Where in `bytes` the word ends, if it does.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let first = *self.word.first()?;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.matched == 0 && *byte != first {
                at += memchr::memchr(first, bytes.get(at..)?)?;
                continue;
            }
            let goes_on = self.word.get(self.matched) == Some(byte);
            self.matched = if goes_on {
                self.matched + 1
            } else {
                usize::from(*byte == first)
            };
            at += 1;
            if self.matched == self.word.len() {
                self.matched = 0;
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_however_it_is_cut() {
        let text = b"xPKPK\x03PPK\x03\x04y";
        for chunk in 1..text.len() {
            let mut word = Word::new(b"PK\x03\x04");
            let parts = text.chunks(chunk).enumerate();
            let found: Vec<usize> = parts
                .filter_map(|(number, part)| Some(number * chunk + word.find(part)?))
                .collect();
            assert_eq!(found, [text.len() - 1], "{chunk}");
        }
    }
}
