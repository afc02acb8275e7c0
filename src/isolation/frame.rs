//! What crosses the pipes: a tag, a length, so many bytes; and what the bytes of each tag are.

use std::io::{self, Read, Write};

use crate::engine::apart::{Fault, Limits, Said, Standing, Used};
use crate::engine::structure::Declared;

/// Bytes of one frame; longer texts are told in several.
pub(super) const FRAME_BYTES_MAX: usize = 64 << 10;

/// Orders: a file begins, goes on, ends.
pub(super) const OPEN: u8 = 1;
pub(super) const PUSH: u8 = 2;
pub(super) const FINISH: u8 = 3;
/// Answers: a text begins, goes on; the order is carried out.
const BEGIN: u8 = 4;
const TEXT: u8 = 5;
const DONE: u8 = 6;

/// Writes a frame.
pub(super) fn write(to: &mut (impl Write + ?Sized), tag: u8, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&[tag])?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(bytes)
}

/// Reads a frame: its tag, and its bytes into `bytes`.
pub(super) fn read(from: &mut (impl Read + ?Sized), bytes: &mut Vec<u8>) -> io::Result<u8> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [tag, length @ ..] = head;
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    bytes.resize(length, 0);
    from.read_exact(bytes)?;
    Ok(tag)
}

/// What a process that reads tells.
#[derive(Clone, Copy)]
pub enum Told<'b> {
    /// Of its file.
    Said(Said<'b>),
    /// That it has carried out its order.
    Done(Result<Standing, Fault>),
}

impl<'b> Told<'b> {
    /// Reads what is told next; its bytes go into `bytes`, which hold at most 64 KiB.
    ///
    /// # Errors
    /// When the pipe ends or breaks, or tells nonsense: nobody knows what that process does.
    pub fn read(from: &mut (impl Read + ?Sized), bytes: &'b mut Vec<u8>) -> io::Result<Self> {
        let nonsense = || io::Error::from(io::ErrorKind::InvalidData);
        match read(from, bytes)? {
            TEXT => Ok(Self::Said(Said::Text(bytes))),
            BEGIN => read_structure(bytes)
                .map(|declared| Self::Said(Said::Begin(declared)))
                .ok_or_else(nonsense),
            DONE => read_done(bytes).map(Self::Done).ok_or_else(nonsense),
            _ => Err(nonsense()),
        }
    }

    /// Tells it.
    ///
    /// # Errors
    /// When the pipe breaks.
    pub fn write(self, to: &mut (impl Write + ?Sized)) -> io::Result<()> {
        match self {
            Self::Said(Said::Begin(declared)) => write(to, BEGIN, &[structure(declared)]),
            Self::Said(Said::Text(text)) => text.chunks(FRAME_BYTES_MAX).try_for_each(|part| write(to, TEXT, part)),
            Self::Done(ended) => write(to, DONE, &done(ended)),
        }
    }
}

/// A file at this level, with these limits.
pub(super) fn open(level: u32, limits: Limits) -> [u8; 28] {
    let numbers = level.to_le_bytes().into_iter().chain(limits.depth.to_le_bytes());
    let numbers = numbers.chain(limits.entries.to_le_bytes());
    let numbers = numbers
        .chain(limits.bytes.to_le_bytes())
        .chain(limits.ratio.to_le_bytes());
    filled(numbers)
}

fn filled<const N: usize>(numbers: impl Iterator<Item = u8>) -> [u8; N] {
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().zip(numbers) {
        *place = byte;
    }
    bytes
}

pub(super) fn read_open(bytes: &[u8]) -> Option<(u32, Limits)> {
    let (level, rest) = bytes.split_first_chunk::<4>()?;
    let (depth, rest) = rest.split_first_chunk::<4>()?;
    let (entries, rest) = rest.split_first_chunk::<4>()?;
    let (unpacked, ratio) = rest.split_first_chunk::<8>()?;
    let limits = Limits {
        depth: u32::from_le_bytes(*depth),
        entries: u32::from_le_bytes(*entries),
        bytes: u64::from_le_bytes(*unpacked),
        ratio: u64::from_le_bytes(ratio.try_into().ok()?),
    };
    Some((u32::from_le_bytes(*level), limits))
}

/// Bytes of what was used, which stands before those of a file and behind how an order ended.
pub(super) const USED_BYTES: usize = 20;

pub(super) fn used(used: Used) -> [u8; USED_BYTES] {
    let numbers = used.read.to_le_bytes().into_iter().chain(used.unpacked.to_le_bytes());
    filled(numbers.chain(used.entries.to_le_bytes()))
}

/// What was used, and the bytes behind it.
pub(super) fn read_used(bytes: &[u8]) -> Option<(Used, &[u8])> {
    let (read, rest) = bytes.split_first_chunk()?;
    let (unpacked, rest) = rest.split_first_chunk()?;
    let (entries, rest) = rest.split_first_chunk()?;
    let used = Used {
        read: u64::from_le_bytes(*read),
        unpacked: u64::from_le_bytes(*unpacked),
        entries: u32::from_le_bytes(*entries),
    };
    Some((used, rest))
}

/// How an order ended.
fn done(ended: Result<Standing, Fault>) -> [u8; 6 + USED_BYTES] {
    let (fault, standing) = match ended {
        Ok(standing) => (0, standing),
        Err(fault) => (fault_number(fault), Standing::default()),
    };
    let numbers = [fault, u8::from(standing.is_drained)].into_iter();
    let numbers = numbers.chain(standing.wanted.unwrap_or(u32::MAX).to_le_bytes());
    filled(numbers.chain(used(standing.used)))
}

fn read_done(bytes: &[u8]) -> Option<Result<Standing, Fault>> {
    let ([fault, is_drained], rest) = bytes.split_first_chunk()?;
    let (wanted, rest) = rest.split_first_chunk()?;
    let wanted = u32::from_le_bytes(*wanted);
    let (used, _) = read_used(rest).filter(|(_, rest)| rest.is_empty())?;
    Some(match fault {
        0 => Ok(Standing {
            is_drained: *is_drained != 0,
            wanted: (wanted != u32::MAX).then_some(wanted),
            used,
        }),
        number => Err(fault_of(*number)?),
    })
}

const FAULTS: [Fault; 4] = [Fault::Encrypted, Fault::Unreadable, Fault::Limit, Fault::Isolation];

fn fault_number(fault: Fault) -> u8 {
    FAULTS
        .iter()
        .position(|known| *known == fault)
        .map_or(u8::MAX, |at| at as u8 + 1)
}

fn fault_of(number: u8) -> Option<Fault> {
    FAULTS.get(usize::from(number.checked_sub(1)?)).copied()
}

/// The structure of a text; what has a parameter goes without it.
fn structure(declared: Declared) -> u8 {
    Declared::ALL
        .iter()
        .position(|known| *known == declared)
        .map_or(0, |at| at as u8)
}

fn read_structure(bytes: &[u8]) -> Option<Declared> {
    let [number] = bytes else { return None };
    Declared::ALL.get(usize::from(*number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let limits = Limits {
            depth: 1,
            entries: 2,
            bytes: 3 << 40,
            ratio: 4,
        };
        assert_eq!(read_open(&open(7, limits)), Some((7, limits)));
        assert_eq!(read_open(&open(7, limits)[..27]), None);
        let standing = Standing {
            is_drained: true,
            wanted: Some(9),
            used: Used {
                read: 1 << 40,
                unpacked: 2 << 40,
                entries: 3,
            },
        };
        for ended in FAULTS
            .map(Err)
            .into_iter()
            .chain([Ok(standing), Ok(Standing::default())])
        {
            assert_eq!(read_done(&done(ended)), Some(ended));
        }
        assert_eq!((read_done(&[9; 6 + USED_BYTES]), read_done(&[0])), (None, None));
        for declared in Declared::ALL {
            assert_eq!(read_structure(&[structure(declared)]), Some(declared));
        }
        assert_eq!(read_structure(&[200]), None);
        let mut wire = Vec::new();
        write(&mut wire, TEXT, b"abc").unwrap();
        let mut bytes = Vec::new();
        assert_eq!(read(&mut &wire[..], &mut bytes).unwrap(), TEXT);
        assert_eq!(bytes, b"abc");
        for cut in 0..wire.len() {
            assert!(read(&mut &wire[..cut], &mut bytes).is_err());
        }
        assert!(read(&mut &[TEXT, 255, 255, 255, 255][..], &mut bytes).is_err());
    }
}
