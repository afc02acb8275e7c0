//! The masks of a block with the vector instructions of x86-64. The only file with `unsafe`: loads through a pointer, and
//! the call of a function whose instructions were found at run time.
//!
//! A byte's classes come from two table look-ups by nibble (Mula and Lemire, "Faster Base64 Encoding and Decoding using
//! AVX2 Instructions", 2018, describe the method): a class whose members are every pairing of some high nibbles with some
//! low ones is one bit of `HIGH[byte >> 4] & LOW[byte & 15]`. SSE2, which every x86-64 has, lacks the look-up and compares instead. AVX-512 looks at a whole block at once and
//! makes a mask of one class with one instruction.

#![expect(
    unsafe_code,
    reason = "vector loads, and calls of functions whose instructions the processor was asked for"
)]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm_sub_epi8, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16,
    _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_cmpeq_epi8_mask, _mm512_loadu_si512, _mm512_movepi8_mask,
    _mm512_set1_epi8, _mm512_shuffle_epi8, _mm512_srli_epi16, _mm512_test_epi8_mask,
};

use super::{BLOCK, Masks};

/// Writes the masks of each block into `out`, as many as both have; not `ALL` of them, those that a search reads.
pub(super) fn classify<const ALL: bool>(blocks: &[[u8; BLOCK]], delimiter: u8, out: &mut [Masks]) {
    if is_x86_feature_detected!("avx512bw") {
        // SAFETY: the processor has just been asked for AVX-512BW, of which AVX-512F is a part.
        unsafe { classify_avx512::<ALL>(blocks, delimiter, out) }
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just been asked for AVX2.
        unsafe { classify_avx2::<ALL>(blocks, delimiter, out) }
    } else {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { classify_sse2::<ALL>(blocks, delimiter, out) }
    }
}

/// Bits of the first pair of tables.
const COMMA: u8 = 1;
const COLON: u8 = 1 << 1;
const BRACKET: u8 = 1 << 2;
const QUOTE: u8 = 1 << 3;
const BACKSLASH: u8 = 1 << 4;
const DIGIT: u8 = 1 << 5;
const SIGN: u8 = 1 << 6;
const BLANK: u8 = 1 << 7;
/// Bits of the second pair: `( ) + - .`, which share their high nibble, and `<`.
const PUNCTUATION: u8 = 1 << 7;
const LESS: u8 = 1 << 6;
/// `# % & (`, and letters by the half of the alphabet: `A` to `O` and `P` to `Z`, large and small.
const VEIL: u8 = 1 << 5;
const LETTER: u8 = 1 << 4;
const LATER_LETTER: u8 = 1 << 3;
/// The first byte of letters of the full width, in UTF-8.
const WIDE: u8 = 0xef;

/// By high nibble: the classes that have a member there.
const HIGH: [u8; 16] = [
    0,
    0,
    COMMA | QUOTE | BLANK,
    COLON | DIGIT,
    SIGN,
    BRACKET | BACKSLASH,
    0,
    BRACKET,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
];
/// By low nibble: the classes that have a member there.
const LOW: [u8; 16] = [
    DIGIT | SIGN | BLANK,
    DIGIT,
    DIGIT | QUOTE,
    DIGIT,
    DIGIT,
    DIGIT,
    DIGIT,
    DIGIT,
    DIGIT,
    DIGIT,
    COLON,
    BRACKET,
    COMMA | BACKSLASH,
    BRACKET,
    0,
    0,
];
const OTHER_HIGH: [u8; 16] = [
    0,
    0,
    PUNCTUATION | VEIL,
    LESS,
    LETTER,
    LATER_LETTER,
    LETTER,
    LATER_LETTER,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
];
const OTHER_LOW: [u8; 16] = [
    LATER_LETTER,
    LETTER | LATER_LETTER,
    LETTER | LATER_LETTER,
    LETTER | LATER_LETTER | VEIL,
    LETTER | LATER_LETTER,
    LETTER | LATER_LETTER | VEIL,
    LETTER | LATER_LETTER | VEIL,
    LETTER | LATER_LETTER,
    LETTER | LATER_LETTER | VEIL | PUNCTUATION,
    LETTER | LATER_LETTER | PUNCTUATION,
    LETTER | LATER_LETTER,
    LETTER | PUNCTUATION,
    LETTER | LESS,
    LETTER | PUNCTUATION,
    LETTER | PUNCTUATION,
    LETTER,
];

/// Bits come by themselves where one instruction looks at a whole block.
#[target_feature(enable = "avx512bw")]
fn classify_avx512<const ALL: bool>(blocks: &[[u8; BLOCK]], delimiter: u8, out: &mut [Masks]) {
    // SAFETY: sixteen bytes are read where sixteen are.
    let table = |bytes: &[u8; 16]| unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(bytes.as_ptr().cast())) };
    let all = |byte: u8| _mm512_set1_epi8(byte.cast_signed());
    let [high, low, other_high, other_low] = [&HIGH, &LOW, &OTHER_HIGH, &OTHER_LOW].map(table);
    for (block, masks) in blocks.iter().zip(out) {
        // SAFETY: 64 bytes are read where 64 are.
        let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        let nibble = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), all(0x0f));
        let classes = _mm512_and_si512(_mm512_shuffle_epi8(high, nibble), _mm512_shuffle_epi8(low, bytes));
        let others = _mm512_and_si512(
            _mm512_shuffle_epi8(other_high, nibble),
            _mm512_shuffle_epi8(other_low, bytes),
        );
        let has = |class: u8| _mm512_test_epi8_mask(classes, all(class));
        masks.set::<ALL>(Masks {
            quote: has(QUOTE),
            backslash: has(BACKSLASH),
            bracket: has(BRACKET),
            comma: has(COMMA),
            colon: has(COLON),
            newline: _mm512_cmpeq_epi8_mask(bytes, all(b'\n')),
            delimiter: _mm512_cmpeq_epi8_mask(bytes, all(delimiter)),
            digit: has(DIGIT),
            punctuation: _mm512_test_epi8_mask(others, all(PUNCTUATION)),
            less: _mm512_test_epi8_mask(others, all(LESS)),
            sign: has(SIGN),
            blank: has(BLANK),
            high: _mm512_movepi8_mask(bytes),
            letter: _mm512_test_epi8_mask(others, all(LETTER | LATER_LETTER)),
            veil: _mm512_test_epi8_mask(others, all(VEIL)) | _mm512_cmpeq_epi8_mask(bytes, all(WIDE)),
        });
    }
}

#[target_feature(enable = "avx2")]
fn classify_avx2<const ALL: bool>(blocks: &[[u8; BLOCK]], delimiter: u8, out: &mut [Masks]) {
    let tables = Tables::new(delimiter);
    for (block, masks) in blocks.iter().zip(out) {
        let (low, high) = block.split_at(BLOCK / 2);
        let (Some(low), Some(high)) = (low.first_chunk(), high.first_chunk()) else {
            return;
        };
        masks.set::<ALL>(join(&tables.half(low), &tables.half(high)));
    }
}

/// The look-up tables, in registers.
struct Tables {
    high: __m256i,
    low: __m256i,
    other_high: __m256i,
    other_low: __m256i,
    nibble: __m256i,
    newline: __m256i,
    delimiter: __m256i,
    wide: __m256i,
}

/// Half a block's masks, in their low 32 bits.
struct Half {
    first: [u32; 8],
    punctuation: u32,
    less: u32,
    newline: u32,
    delimiter: u32,
    high: u32,
    letter: u32,
    veil: u32,
}

impl Tables {
    #[target_feature(enable = "avx2")]
    fn new(delimiter: u8) -> Self {
        // SAFETY: sixteen bytes are read where sixteen are.
        let table = |bytes: &[u8; 16]| unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        Self {
            high: _mm256_broadcastsi128_si256(table(&HIGH)),
            low: _mm256_broadcastsi128_si256(table(&LOW)),
            other_high: _mm256_broadcastsi128_si256(table(&OTHER_HIGH)),
            other_low: _mm256_broadcastsi128_si256(table(&OTHER_LOW)),
            nibble: _mm256_set1_epi8(0x0f),
            newline: _mm256_set1_epi8(b'\n'.cast_signed()),
            delimiter: _mm256_set1_epi8(delimiter.cast_signed()),
            wide: _mm256_set1_epi8(WIDE.cast_signed()),
        }
    }

    #[target_feature(enable = "avx2")]
    fn half(&self, bytes: &[u8; BLOCK / 2]) -> Half {
        // SAFETY: 32 bytes are read where 32 are.
        let bytes: __m256i = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        let nibble = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), self.nibble);
        // A byte over 127 selects zero from the table by its low nibble, and so belongs to no class.
        let classes = _mm256_and_si256(
            _mm256_shuffle_epi8(self.high, nibble),
            _mm256_shuffle_epi8(self.low, bytes),
        );
        let others = _mm256_and_si256(
            _mm256_shuffle_epi8(self.other_high, nibble),
            _mm256_shuffle_epi8(self.other_low, bytes),
        );
        let bits = |vector| _mm256_movemask_epi8(vector).cast_unsigned();
        let letters = _mm256_or_si256(_mm256_slli_epi16::<3>(others), _mm256_slli_epi16::<4>(others));
        let veils = _mm256_or_si256(_mm256_slli_epi16::<2>(others), _mm256_cmpeq_epi8(bytes, self.wide));
        Half {
            first: [
                bits(_mm256_slli_epi16::<7>(classes)),
                bits(_mm256_slli_epi16::<6>(classes)),
                bits(_mm256_slli_epi16::<5>(classes)),
                bits(_mm256_slli_epi16::<4>(classes)),
                bits(_mm256_slli_epi16::<3>(classes)),
                bits(_mm256_slli_epi16::<2>(classes)),
                bits(_mm256_slli_epi16::<1>(classes)),
                bits(classes),
            ],
            punctuation: bits(others),
            less: bits(_mm256_slli_epi16::<1>(others)),
            newline: bits(_mm256_cmpeq_epi8(bytes, self.newline)),
            delimiter: bits(_mm256_cmpeq_epi8(bytes, self.delimiter)),
            high: bits(bytes),
            letter: bits(letters),
            veil: bits(veils),
        }
    }
}

fn join(low: &Half, high: &Half) -> Masks {
    let word = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let [comma, colon, bracket, quote, backslash, digit, sign, blank] = low.first;
    let [
        comma_2,
        colon_2,
        bracket_2,
        quote_2,
        backslash_2,
        digit_2,
        sign_2,
        blank_2,
    ] = high.first;
    Masks {
        quote: word(quote, quote_2),
        backslash: word(backslash, backslash_2),
        bracket: word(bracket, bracket_2),
        comma: word(comma, comma_2),
        colon: word(colon, colon_2),
        newline: word(low.newline, high.newline),
        delimiter: word(low.delimiter, high.delimiter),
        digit: word(digit, digit_2),
        punctuation: word(low.punctuation, high.punctuation),
        less: word(low.less, high.less),
        sign: word(sign, sign_2),
        blank: word(blank, blank_2),
        high: word(low.high, high.high),
        letter: word(low.letter, high.letter),
        veil: word(low.veil, high.veil),
    }
}

#[target_feature(enable = "sse2")]
fn classify_sse2<const ALL: bool>(blocks: &[[u8; BLOCK]], delimiter: u8, out: &mut [Masks]) {
    for (block, masks) in blocks.iter().zip(out) {
        let mut joined = Masks::default();
        let (quarters, _) = block.as_chunks::<16>();
        for (quarter, bytes) in quarters.iter().enumerate() {
            add_quarter(&mut joined, bytes, delimiter, 16 * quarter);
        }
        masks.set::<ALL>(joined);
    }
}

/// Adds the masks of sixteen bytes, which stand `shift` bytes into the block.
#[target_feature(enable = "sse2")]
fn add_quarter(masks: &mut Masks, bytes: &[u8; 16], delimiter: u8, shift: usize) {
    // SAFETY: sixteen bytes are read where sixteen are.
    let bytes: __m128i = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    let word = |vector| u64::from(_mm_movemask_epi8(vector).cast_unsigned()) << shift;
    let all = |byte: u8| _mm_set1_epi8(byte.cast_signed());
    let is = |byte: u8| _mm_cmpeq_epi8(bytes, all(byte));
    let or = |left, right| _mm_or_si128(left, right);
    // `[` and `{`, `]` and `}` differ in one bit.
    let lower = or(bytes, all(0x20));
    let brackets = or(_mm_cmpeq_epi8(lower, all(b'{')), _mm_cmpeq_epi8(lower, all(b'}')));
    let above_zero = _mm_sub_epi8(bytes, all(b'0'));
    let digit = _mm_cmpeq_epi8(_mm_min_epu8(above_zero, all(9)), above_zero);
    let blank = is(b' ');
    let signs = or(or(is(b'+'), is(b'-')), is(b'.'));
    masks.quote |= word(is(b'"'));
    masks.backslash |= word(is(b'\\'));
    masks.bracket |= word(brackets);
    masks.comma |= word(is(b','));
    masks.colon |= word(is(b':'));
    masks.newline |= word(is(b'\n'));
    masks.delimiter |= word(is(delimiter));
    masks.digit |= word(digit);
    masks.punctuation |= word(or(signs, or(is(b'('), is(b')'))));
    masks.less |= word(is(b'<'));
    masks.sign |= word(is(b'@'));
    masks.blank |= word(blank);
    masks.high |= word(bytes);
    let above_a = _mm_sub_epi8(lower, all(b'a'));
    masks.letter |= word(_mm_cmpeq_epi8(_mm_min_epu8(above_a, all(25)), above_a));
    let references = or(or(is(b'#'), is(b'%')), or(is(b'&'), is(b'(')));
    masks.veil |= word(or(references, is(WIDE)));
}

#[cfg(test)]
mod tests {
    use super::super::portable;
    use super::super::testing::Chance;
    use super::*;

    /// Every byte at every place of a block, and blocks of pseudo-random bytes.
    fn blocks() -> Vec<[u8; BLOCK]> {
        let mut blocks: Vec<[u8; BLOCK]> = (0..=u8::MAX)
            .map(|first| std::array::from_fn(|place| first.wrapping_add(place as u8)))
            .collect();
        let mut chance = Chance(1);
        blocks.extend((0..1_000).map(|_| std::array::from_fn(|_| chance.below(256) as u8)));
        blocks
    }

    fn agree<const ALL: bool>(blocks: &[[u8; BLOCK]], delimiter: u8) {
        let mut expected = vec![Masks::default(); blocks.len()];
        portable::classify::<ALL>(blocks, delimiter, &mut expected);
        let mut found = vec![Masks::default(); blocks.len()];
        // SAFETY: SSE2 is part of x86-64.
        unsafe { classify_sse2::<ALL>(blocks, delimiter, &mut found) };
        assert!(found == expected, "SSE2");
        if is_x86_feature_detected!("avx2") {
            found.fill(Masks::default());
            // SAFETY: the processor has just been asked for AVX2.
            unsafe { classify_avx2::<ALL>(blocks, delimiter, &mut found) };
            assert!(found == expected, "AVX2");
        }
        found.fill(Masks::default());
        classify::<ALL>(blocks, delimiter, &mut found);
        assert!(found == expected, "what this processor has");
    }

    #[test]
    fn all_ways_agree() {
        let blocks = blocks();
        for delimiter in [b',', b'\t', b';', b'|', 0xff] {
            agree::<true>(&blocks, delimiter);
            agree::<false>(&blocks, delimiter);
        }
    }
}
