//! What a file is by its first bytes, where they say so themselves.

use super::parquet;
use crate::engine::decode::Coding;

/// Bytes that tell it; the longest name of a format.
pub(super) const FIRST_BYTES: usize = 16;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A coding that a body begins with, though nothing names it.
    Coded(Coding),
    Zip,
    Pdf,
    Png,
    Jpeg,
    Sqlite,
    Parquet,
    Tar,
    /// One that is packed in a way that is not read.
    Unread,
}

impl Kind {
    /// Whether its layout leads a reader to and fro, and so is read apart where that can be.
    pub(super) const fn is_fragile(self) -> bool {
        matches!(self, Self::Pdf | Self::Sqlite | Self::Parquet)
    }
}

/// How a file of each begins. Of those that are not read: XZ, 7z, RAR, CAB, LZ4, framed Snappy, `compress`, lzip, lzop.
const MAGICS: [(&[u8], Kind); 17] = [
    (&[0x1f, 0x8b, 8], Kind::Coded(Coding::Gzip)),
    (&[0x28, 0xb5, 0x2f, 0xfd], Kind::Coded(Coding::Zstd)),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x07\x08PK\x03\x04", Kind::Zip),
    (b"%PDF-", Kind::Pdf),
    (b"\x89PNG\r\n\x1a\n", Kind::Png),
    (&[0xff, 0xd8, 0xff], Kind::Jpeg),
    (b"SQLite format 3\0", Kind::Sqlite),
    (b"\xfd7zXZ\0", Kind::Unread),
    (b"7z\xbc\xaf\x27\x1c", Kind::Unread),
    (b"Rar!\x1a\x07", Kind::Unread),
    (b"MSCF\0\0\0\0", Kind::Unread),
    (&[0x04, 0x22, 0x4d, 0x18], Kind::Unread),
    (b"\xff\x06\0\0sNaPpY", Kind::Unread),
    (&[0x1f, 0x9d, 0x90], Kind::Unread),
    (b"LZIP\x01", Kind::Unread),
    (b"\x89LZO\0\r\n\x1a\n", Kind::Unread),
];
/// What stands behind the first four bytes of bzip2: a block, or the end of an empty file.
const BZIP2: [&[u8]; 2] = [
    &[0x31, 0x41, 0x59, 0x26, 0x53, 0x59],
    &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90],
];

/// What begins so.
#[derive(Clone, Copy)]
pub(super) enum Seen {
    More,
    Text,
    File(Kind),
}

/// What the first bytes say; `ends`: there are no more of them.
pub(super) fn magic(first: &[u8], ends: bool) -> Seen {
    if let Some((_, kind)) = MAGICS.iter().find(|(magic, _)| first.starts_with(magic)) {
        return Seen::File(*kind);
    }
    // A text may begin with these letters too; whatever stands behind them in a file, it is not twelve more.
    if parquet::MAGICS.iter().any(|magic| first.starts_with(magic)) {
        let is_letter = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
        return match first.iter().all(is_letter) {
            false => Seen::File(Kind::Parquet),
            true if ends || first.len() >= FIRST_BYTES => Seen::Text,
            true => Seen::More,
        };
    }
    if let [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] = first {
        return bzip2(rest, ends);
    }
    match first {
        // LZMA by itself: its usual properties, and a dictionary of 64 KiB to 16 MiB.
        [0x5d, 0, 0, 1..=0xff, 0, ..] => return Seen::File(Kind::Unread),
        [0x5d] | [0x5d, 0] | [0x5d, 0, 0] | [0x5d, 0, 0, 1..=0xff] if !ends => return Seen::More,
        _ => {}
    }
    let mut magics = MAGICS.iter().map(|(magic, _)| *magic).chain(parquet::MAGICS);
    let may_be = magics.any(|magic| magic.starts_with(first)) || b"BZh".starts_with(first);
    if may_be && !ends { Seen::More } else { Seen::Text }
}

/// What the bytes behind the size of its blocks say.
fn bzip2(rest: &[u8], ends: bool) -> Seen {
    if BZIP2.iter().any(|magic| rest.starts_with(magic)) {
        return Seen::File(Kind::Unread);
    }
    let may_be = BZIP2.iter().any(|magic| magic.starts_with(rest));
    if may_be && !ends { Seen::More } else { Seen::Text }
}
