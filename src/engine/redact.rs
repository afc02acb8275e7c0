//! Masks that keep the length of what they cover.

use bytes::Bytes;

use crate::engine::record::Place;

/// Shorter text is all stars: ends would give most of it away.
const ENDED_BYTES_MIN: usize = 6;

/// The mask of one identifier: `~`, stars, `~`; all stars when short; all nines for a bare number, so that a reader of
/// numbers still reads one.
pub fn mask(place: &Place) -> Bytes {
    let length = (place.span.end - place.span.start) as usize;
    let mut mask = vec![if place.number { b'9' } else { b'*' }; length];
    if let ([first, .., last], true) = (mask.as_mut_slice(), !place.number && length >= ENDED_BYTES_MIN) {
        (*first, *last) = (b'~', b'~');
    }
    Bytes::from(mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::detect::{ClassId, Span};

    #[test]
    fn masks_keep_the_length() {
        for (length, number, expected) in [
            (11, false, "~*********~"),
            (5, false, "*****"),
            (6, false, "~****~"),
            (10, true, "9999999999"),
        ] {
            let place = Place {
                span: Span {
                    start: 4,
                    end: 4 + length,
                },
                class: ClassId(0),
                number,
                value: 0,
            };
            assert_eq!(mask(&place), expected);
        }
    }
}
