//! LZ4 blocks, as Parquet packs its pages: one by itself ("Compression", `LZ4_RAW`), or as Hadoop frames them (LZ4).
//!
//! ```text
//!   bytes of a text, bytes of its block, both big-endian │ block │ ...
//! ```

/// What `packed` unpacks to, if that is exactly `length` bytes and nothing in it is left over.
pub(super) fn unpack(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut text = vec![0; length];
    framed(packed, &mut text).or_else(|| block(packed, &mut text))?;
    Some(text)
}

/// A block that fills `text`.
fn block(block: &[u8], text: &mut [u8]) -> Option<()> {
    let written = lz4_flex::block::decompress_into(block, text).ok()?;
    (written == text.len()).then_some(())
}

fn framed(mut packed: &[u8], mut text: &mut [u8]) -> Option<()> {
    while !packed.is_empty() {
        let (unpacked, rest) = packed.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (part, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let (filled, left) = text.split_at_mut_checked(u32::from_be_bytes(*unpacked) as usize)?;
        block(part, filled)?;
        (packed, text) = (rest, left);
    }
    text.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_unpacked_or_refused() {
        // Four letters, a copy of eight from four before the end, and a last letter ("LZ4 Block Format Description").
        let block = [0x44, b'a', b'b', b'c', b'd', 4, 0, 0x50, b'v', b'w', b'x', b'y', b'z'];
        let text = b"abcdabcdabcdvwxyz";
        assert_eq!(unpack(&block, text.len()).as_deref(), Some(&text[..]));
        let head = |text: usize, block: usize| [(text as u32).to_be_bytes(), (block as u32).to_be_bytes()].concat();
        let framed = [head(text.len(), block.len()), block.to_vec()].concat();
        let twice = [framed.clone(), framed.clone()].concat();
        assert_eq!(unpack(&framed, text.len()).as_deref(), Some(&text[..]));
        assert_eq!(unpack(&twice, 2 * text.len()), Some([&text[..], text].concat()));
        for (packed, length) in [
            (&block[..], text.len() - 1),
            (&block[..], text.len() + 1),
            (&block[..5], text.len()),
            (&framed[..framed.len() - 1], text.len()),
            (&twice, text.len()),
            (&[0x44, b'a', b'b', b'c', b'd', 5, 0, 0x50], 12),
        ] {
            assert_eq!(unpack(packed, length), None, "{packed:?}, {length}");
        }
    }
}
