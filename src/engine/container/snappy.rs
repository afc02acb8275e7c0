//! Snappy blocks ("Snappy compressed format description", 2011), as Parquet packs its pages.

/// What a block unpacks to, if that is exactly `length` bytes and nothing in the block is left over.
pub(super) fn unpack(block: &[u8], length: usize) -> Option<Vec<u8>> {
    let (stated, mut rest) = number(block)?;
    if stated != length {
        return None;
    }
    let mut text = Vec::with_capacity(length);
    while let Some((tag, behind)) = rest.split_first() {
        let (kind, size) = (tag & 3, usize::from(tag >> 2));
        rest = behind;
        if kind == 0 {
            // Above sixty the length stands in one to four bytes behind.
            let bytes = size.saturating_sub(59);
            let (more, data) = rest.split_at_checked(bytes)?;
            let size = if bytes > 0 { little(more) } else { size };
            let (literal, behind) = data.split_at_checked(size.checked_add(1)?)?;
            text.extend_from_slice(literal);
            rest = behind;
        } else {
            let bytes = [0, 1, 2, 4].get(usize::from(kind)).copied()?;
            let (offset, behind) = rest.split_at_checked(bytes)?;
            rest = behind;
            let (size, offset) = if kind == 1 {
                (4 + (size & 7), (size >> 3) << 8 | little(offset))
            } else {
                (size + 1, little(offset))
            };
            repeat(&mut text, offset, size)?;
        }
        if text.len() > length {
            return None;
        }
    }
    (text.len() == length).then_some(text)
}

/// Appends `size` bytes that stand `offset` before the end; they may reach into themselves.
fn repeat(text: &mut Vec<u8>, offset: usize, size: usize) -> Option<()> {
    let from = text.len().checked_sub(offset).filter(|_| offset > 0)?;
    for at in from..from + size {
        text.push(*text.get(at)?);
    }
    Some(())
}

/// A number of up to five bytes, seven bits in each, the low ones first.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(place + 1..)?));
        }
    }
    None
}

fn little(bytes: &[u8]) -> usize {
    super::bytes::little(bytes) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_unpacked_or_refused() {
        // A literal, a copy with one byte of offset that overlaps itself, and one with two.
        let block = [12, 3 << 2, b'a', b'b', b'c', b'd', 1, 4, 3 << 2 | 2, 8, 0];
        assert_eq!(unpack(&block, 12).as_deref(), Some(&b"abcdabcdabcd"[..]));
        let long = [&[70, 60 << 2, 69][..], &[b'x'; 70]].concat();
        assert_eq!(unpack(&long, 70), Some(vec![b'x'; 70]));
        let bad: [&[u8]; 7] = [
            &[],
            &[12],
            &block[..10],
            &[2, 0, b'a', 1, 0],
            &[5, 0, b'a', 1, 2],
            &[1, 4, b'a', b'b'],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0],
        ];
        for block in bad {
            for length in [1, 2, 5, 12] {
                assert_eq!(unpack(block, length), None, "{block:?}");
            }
        }
        assert_eq!(unpack(&block, 11), None, "another length");
        assert_eq!(unpack(&[0], 0), Some(Vec::new()));
    }
}
