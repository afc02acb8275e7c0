//! How much may come of a file: how deep, how many entries, how many bytes, and how many for each of its own.

/// Unpacked bytes beyond which ratios are measured: small files may be as repetitive as they like.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// The most of each that may come of one body's containers. Against: bombs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Limits {
    /// Containers inside one another.
    pub(in crate::engine) depth: u32,
    /// Entries of all of them together.
    pub(in crate::engine) entries: u32,
    /// Bytes that come of them.
    pub(in crate::engine) bytes: u64,
    /// Bytes that come of one byte of the body.
    pub(in crate::engine) ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 4,
            entries: 10_000,
            bytes: 1 << 30,
            ratio: 250,
        }
    }
}

/// Why a container cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Fault {
    /// It, or an entry of it, is encrypted.
    Encrypted,
    /// It breaks its format, or is packed in a way that is not read here.
    Unreadable,
    /// More would come of it than may.
    Limit,
}

/// What came of one body's containers so far, those inside values included.
#[derive(Debug)]
pub(in crate::engine) struct Meter {
    limits: Limits,
    read: u64,
    unpacked: u64,
    entries: u32,
}

impl Meter {
    pub(in crate::engine) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            read: 0,
            unpacked: 0,
            entries: 0,
        }
    }

    /// So many more bytes of the body itself.
    pub(in crate::engine) const fn read(&mut self, bytes: u64) {
        self.read = self.read.saturating_add(bytes);
    }

    /// So many more came of it, on whatever level.
    pub(in crate::engine) fn unpacked(&mut self, bytes: u64) -> Result<(), Fault> {
        self.unpacked = self.unpacked.saturating_add(bytes);
        let is_bomb = self.unpacked > RATIO_FREE_BYTES && self.unpacked / self.read.max(1) > self.limits.ratio;
        if is_bomb || self.unpacked > self.limits.bytes {
            return Err(Fault::Limit);
        }
        Ok(())
    }

    /// Another entry.
    pub(super) fn entry(&mut self) -> Result<(), Fault> {
        self.entries = self.entries.saturating_add(1);
        if self.entries > self.limits.entries {
            return Err(Fault::Limit);
        }
        Ok(())
    }

    /// Another container at this level; the outermost is 1.
    pub(super) fn level(&self, level: u32) -> Result<(), Fault> {
        if level > self.limits.depth {
            return Err(Fault::Limit);
        }
        Ok(())
    }
}
