//! The triggers of a text counted, and nothing else done: what the first step of a search costs by itself.

use super::trigger::Triggers;
use super::{BLOCK, Batch, CHUNK_BLOCKS};

/// How many places of `text` wake a search: every `@`, and every place at which a run has been long enough.
pub fn triggers(text: &[u8]) -> u64 {
    let mut triggers = Triggers::default();
    let mut batch = Batch::<CHUNK_BLOCKS, false>::new();
    let mut count = 0;
    for part in text.chunks(CHUNK_BLOCKS * BLOCK) {
        batch.read(part, 0xff);
        for masks in batch.masks() {
            count += u64::from(triggers.next(masks).count_ones());
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_that_wakes_a_search_counts() {
        for (text, expected) in [
            ("", 0),
            ("blue shirt", 0),
            ("a@b.kr", 1),
            ("1234567", 1),
            ("123456789", 3),
        ] {
            assert_eq!(triggers(text.as_bytes()), expected, "{text}");
            let far = format!("{}{text}{}", " ".repeat(61), " ".repeat(500));
            assert_eq!(triggers(far.as_bytes()), expected, "{text}, across blocks");
        }
    }
}
