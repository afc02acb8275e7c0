//! Percent-encoding (RFC 3986, section 2.1) of a whole value.

/// Decodes `%41`; what is no such triplet stays as it is.
pub fn percent_decode(value: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, tail)) = rest.split_first() {
        let triplet = match *tail {
            [high, low, ..] if first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        decoded.push(triplet.map_or(first, |(high, low)| high << 4 | low));
        rest = if triplet.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    decoded
}
