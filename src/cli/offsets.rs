//! Where the characters of a text stand in the bytes of its body, for bodies that are not in UTF-8.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::engine::inspect::Charset;

/// The places of one body.
pub(super) struct Offsets {
    /// For each character that begins a run of others of its length: its offset in the text, that in the body, and the
    /// lengths of each of them there.
    runs: Vec<Run>,
}

struct Run {
    text: u64,
    raw: u64,
    lengths: (u64, u64),
}

impl Offsets {
    /// Those of `body`, which is declared to be in this character set.
    pub(super) fn of(body: &[u8], charset: Charset) -> Self {
        let declared = match charset {
            // Of what is read beside, places are those of the bytes.
            Charset::Utf8 | Charset::Utf7 | Charset::Ebcdic(_) => UTF_8,
            Charset::Other(encoding) => encoding,
        };
        let (encoding, mark) = Encoding::for_bom(body).unwrap_or((declared, 0));
        if encoding == UTF_8 {
            return Self { runs: Vec::new() };
        }
        let (text, _) = encoding.decode_with_bom_removal(body);
        let (mut runs, mut at) = (Vec::<Run>::new(), (0, mark as u64));
        for letter in text.chars() {
            let lengths = (letter.len_utf8() as u64, raw_len(letter, encoding) as u64);
            if runs.last().is_none_or(|run| run.lengths != lengths) {
                runs.push(Run {
                    text: at.0,
                    raw: at.1,
                    lengths,
                });
            }
            at = (at.0 + lengths.0, at.1 + lengths.1);
        }
        Self { runs }
    }

    /// The offset in the body of the character that begins at offset `text` of the text.
    pub(super) fn raw(&self, text: u64) -> u64 {
        let run = self.runs.partition_point(|run| run.text <= text).checked_sub(1);
        run.and_then(|run| self.runs.get(run))
            .map_or(text, |run| run.raw + (text - run.text) / run.lengths.0 * run.lengths.1)
    }
}

fn raw_len(letter: char, encoding: &'static Encoding) -> usize {
    if encoding == UTF_16LE || encoding == UTF_16BE {
        return 2 * letter.len_utf16();
    }
    encoding.encode(letter.encode_utf8(&mut [0; 4])).0.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_body() {
        let text = "a이름b";
        let (body, encoding, _) = encoding_rs::EUC_KR.encode(text);
        let offsets = Offsets::of(&body, Charset::Other(encoding));
        let places: Vec<u64> = [0, 1, 4, 7, 8].map(|at| offsets.raw(at)).into();
        assert_eq!(places, [0, 1, 3, 5, 6]);
        let wide: Vec<u8> = "\u{feff}a이".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let offsets = Offsets::of(&wide, Charset::Utf8);
        assert_eq!((offsets.raw(0), offsets.raw(1), offsets.raw(4)), (2, 4, 6));
        assert_eq!(Offsets::of(b"abc", Charset::Utf8).raw(2), 2);
    }
}
