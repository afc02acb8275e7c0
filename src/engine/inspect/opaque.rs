//! Bytes that say nothing: of what is enciphered, or packed in a way that is not read, each value of a byte comes about as often.

/// A sample, and how far it is from the first byte of one to that of the next.
const SAMPLE_BYTES: usize = 512;
const EVERY_BYTES: u64 = 64 << 10;
/// Pairs of equal bytes that a sample has at most which says nothing (the index of coincidence, Friedman 1922). Of random bytes it
/// has some 511, of base85 1,500, of base64 2,000, and of text in any script more.
const PAIRS_MAX: u32 = 900;

/// Samples of one body's text.
#[derive(Default)]
pub(super) struct Opaque {
    looked: u64,
    /// The beginning of the sample that is taken.
    sample: Vec<u8>,
    says_nothing: bool,
}

impl Opaque {
    /// Looks at the next bytes.
    pub(super) fn look(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let place = self.looked % EVERY_BYTES;
            let wanted = SAMPLE_BYTES - self.sample.len();
            let is_sampled = place < SAMPLE_BYTES as u64;
            let left = if is_sampled { wanted as u64 } else { EVERY_BYTES - place };
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (these, rest) = bytes.split_at(length);
            (self.looked, bytes) = (self.looked + length as u64, rest);
            if is_sampled {
                self.sample.extend_from_slice(these);
            }
            if self.sample.len() == SAMPLE_BYTES {
                self.says_nothing = pairs(&self.sample) <= PAIRS_MAX;
                self.sample.clear();
            }
        }
    }

    /// Whether the last sample said nothing.
    pub(super) fn is_opaque(&self) -> bool {
        self.says_nothing
    }
}

/// Pairs of equal bytes.
fn pairs(sample: &[u8]) -> u32 {
    let mut counts = [0_u32; 256];
    let mut pairs = 0;
    for byte in sample {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            pairs += *count;
            *count += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(bytes: usize) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        noise
    }

    fn is_opaque(bytes: &[u8], chunk: usize) -> bool {
        let mut opaque = Opaque::default();
        bytes.chunks(chunk).for_each(|chunk| opaque.look(chunk));
        opaque.is_opaque()
    }

    #[test]
    fn what_says_nothing_is_told_from_text_however_it_is_cut() {
        let noise = noise(70_000);
        let hangul: String = (0..2_000).filter_map(|n| char::from_u32(0xac00 + n * 5)).collect();
        let hexadecimal: Vec<u8> = noise
            .iter()
            .map(|byte| b"0123456789abcdef"[usize::from(byte % 16)])
            .collect();
        let base64ish: Vec<u8> = noise.iter().map(|byte| b'0' + byte % 64).collect();
        for chunk in [1, 7, 500, 70_000] {
            assert!(is_opaque(&noise, chunk) && is_opaque(&noise[..512], chunk), "{chunk}");
            for text in [hangul.as_bytes(), &hexadecimal, &base64ish, &noise[..511], b""] {
                assert!(!is_opaque(text, chunk), "{chunk}");
            }
        }
    }

    #[test]
    fn what_comes_behind_is_looked_at_again() {
        let (noise, text) = (noise(64 << 10), vec![b'a'; 64 << 10]);
        assert!(!is_opaque(&[&noise[..], &text].concat(), 5_000));
        assert!(is_opaque(&[&text[..], &noise].concat(), 5_000));
    }
}
