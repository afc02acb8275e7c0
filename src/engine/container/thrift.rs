//! Structs in Thrift's compact protocol (its specification, 2023), of which the numbers two levels deep are wanted.

use smallvec::SmallVec;

/// Structs and lists inside one another; those of a page's header have three. Against: deep recursion.
const DEPTH_MAX: u32 = 8;

/// Why a struct could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    /// It goes on behind these bytes.
    More,
    /// It is none.
    Broken,
}

/// The numbers of a struct.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers(SmallVec<[((u16, u16), i64); 12]>);

impl Numbers {
    /// The struct that `bytes` begin with, and how many of them it is.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), Short> {
        let mut reader = Reader { rest: bytes };
        let mut numbers = Self::default();
        reader.structure(&mut numbers, 0, 0)?;
        Ok((numbers, bytes.len() - reader.rest.len()))
    }

    /// The number of a field, or of one in the struct that is the field `outer`; field 0 is the struct itself.
    pub(super) fn get(&self, outer: u16, field: u16) -> Option<i64> {
        let known = self.0.iter().find(|(key, _)| *key == (outer, field));
        known.map(|(_, number)| *number)
    }

    /// Whether the field is a struct.
    pub(super) fn has(&self, outer: u16) -> bool {
        self.get(outer, 0).is_some()
    }
}

/// Bytes that are read from the front.
pub(super) struct Reader<'b> {
    /// Those that are left.
    pub(super) rest: &'b [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Short> {
        let (byte, rest) = self.rest.split_first().ok_or(Short::More)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn pass(&mut self, length: u64) -> Result<(), Short> {
        let length = usize::try_from(length).map_err(|_| Short::Broken)?;
        self.rest = self.rest.get(length..).ok_or(Short::More)?;
        Ok(())
    }

    /// Seven bits a byte, the low ones first.
    pub(super) fn number(&mut self) -> Result<u64, Short> {
        let mut value = 0_u64;
        for place in 0..10 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Short::Broken)
    }

    /// A number whose sign is its lowest bit.
    pub(super) fn signed(&mut self) -> Result<i64, Short> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// The fields of a struct up to its end; `outer` is the field that it is.
    fn structure(&mut self, numbers: &mut Numbers, depth: u32, outer: u16) -> Result<(), Short> {
        if depth > DEPTH_MAX {
            return Err(Short::Broken);
        }
        let mut last = 0_u16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            let field = match head >> 4 {
                0 => u16::try_from(self.signed()?).map_err(|_| Short::Broken)?,
                step => last.checked_add(u16::from(step)).ok_or(Short::Broken)?,
            };
            last = field;
            let kind = head & 0x0f;
            let number = match kind {
                1 | 2 => Some(i64::from(kind == 1)),
                4..=6 => Some(self.signed()?),
                12 => {
                    self.inner(numbers, depth, field)?;
                    None
                }
                _ => {
                    self.value(kind, depth)?;
                    None
                }
            };
            if let Some(number) = number.filter(|_| outer != u16::MAX) {
                numbers.0.push(((outer, field), number));
            }
        }
    }

    /// A struct that is this field: of the outermost one its numbers are wanted too.
    fn inner(&mut self, numbers: &mut Numbers, depth: u32, field: u16) -> Result<(), Short> {
        let is_wanted = depth == 0;
        if is_wanted {
            numbers.0.push(((field, 0), 0));
        }
        self.structure(numbers, depth + 1, if is_wanted { field } else { u16::MAX })
    }

    /// Passes over a value, as one stands in a list too.
    fn value(&mut self, kind: u8, depth: u32) -> Result<(), Short> {
        if depth > DEPTH_MAX {
            return Err(Short::Broken);
        }
        match kind {
            1..=3 => self.pass(1),
            4..=6 => self.number().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.number()?;
                self.pass(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let size = if head >> 4 == 15 {
                    self.number()?
                } else {
                    u64::from(head >> 4)
                };
                self.values(size, [head & 0x0f].as_slice(), depth)
            }
            11 => {
                let size = self.number()?;
                if size == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                self.values(size, [kinds >> 4, kinds & 0x0f].as_slice(), depth)
            }
            12 => self.structure(&mut Numbers::default(), depth + 1, u16::MAX),
            _ => Err(Short::Broken),
        }
    }

    /// Each takes a byte at least, so that their number is bounded by the bytes there are.
    fn values(&mut self, size: u64, kinds: &[u8], depth: u32) -> Result<(), Short> {
        for _ in 0..size {
            for kind in kinds {
                self.value(*kind, depth + 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_two_levels_deep_and_the_rest_is_passed_over() {
        // {1: 2, 2: -3, 5: {1: 7, 4: "ab", 5: [true, false], 6: {1: 9}, 7: {..}}, 6: true}
        let bytes = [
            0x15, 4, 0x15, 5, 0x3c, 0x15, 14, 0x38, 2, b'a', b'b', 0x19, 0x21, 1, 2, 0x1c, 0x15, 18, 0, 0x1b, 1, 0x58,
            2, 1, b'c', 0, 0x11, 0,
        ];
        let (numbers, read) = Numbers::read(&[&bytes[..], b"behind"].concat()).unwrap();
        assert_eq!(read, bytes.len());
        assert_eq!((numbers.get(0, 1), numbers.get(0, 2)), (Some(2), Some(-3)));
        assert_eq!((numbers.get(5, 1), numbers.get(0, 6)), (Some(7), Some(1)));
        assert!(numbers.has(5) && !numbers.has(7));
        for cut in 0..bytes.len() {
            assert_eq!(Numbers::read(&bytes[..cut]), Err(Short::More), "{cut}");
        }
        let deep: &[u8] = &[0x1c; 40];
        let bad: [&[u8]; 3] = [
            deep,
            &[0x1d, 0],
            &[0x15, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
        ];
        for bytes in bad {
            assert_eq!(Numbers::read(bytes), Err(Short::Broken), "{bytes:?}");
        }
    }
}
