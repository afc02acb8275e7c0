//! How much may come of a file: how deep, how many entries, how many bytes, and how many for each of its own.

use std::sync::Arc;

use super::apart::{Apart, Session};

/// Unpacked bytes beyond which ratios are measured: small files may be as repetitive as they like.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// The most of each that may come of one body's containers. Against: bombs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Containers inside one another.
    pub depth: u32,
    /// Entries of all of them together.
    pub entries: u32,
    /// Bytes that come of them.
    pub bytes: u64,
    /// Bytes that come of one byte of the body.
    pub ratio: u64,
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

/// What was read of one body, and came of its containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Bytes of the body itself.
    pub read: u64,
    /// Bytes that came of it, on whatever level.
    pub unpacked: u64,
    /// Entries of all its containers together.
    pub entries: u32,
}

/// Why a container cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It, or an entry of it, is encrypted.
    Encrypted,
    /// It breaks its format, or is packed in a way that is not read here.
    Unreadable,
    /// More would come of it than may.
    Limit,
    /// Its reader, which runs apart, is gone, or none was to be had.
    Isolation,
}

/// What came of one body's containers so far, those inside values included.
pub(in crate::engine) struct Meter {
    limits: Limits,
    /// Who lends readers for fragile formats; without it they are read here.
    apart: Option<Arc<dyn Apart>>,
    used: Used,
}

impl Meter {
    pub(in crate::engine) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            apart: None,
            used: Used {
                read: 0,
                unpacked: 0,
                entries: 0,
            },
        }
    }

    /// Has fragile formats read by those whom `apart` lends.
    pub(in crate::engine) fn reads_apart(&mut self, apart: Arc<dyn Apart>) {
        self.apart = Some(apart);
    }

    /// One for another reading of the same body, of which as much comes as of this one.
    pub(in crate::engine) fn beside(&self) -> Self {
        Self {
            limits: self.limits,
            apart: self.apart.clone(),
            used: Used {
                read: self.used.read,
                ..Used::default()
            },
        }
    }

    /// As much of the body was read as `other` says.
    pub(in crate::engine) const fn read_as(&mut self, other: &Self) {
        self.used.read = other.used.read;
    }

    /// A reader that runs apart, for a file at this level; none where they are read here.
    pub(super) fn open(&self, level: u32) -> Result<Option<Box<dyn Session>>, Fault> {
        let lent = self.apart.as_ref().map(|apart| apart.open(level, self.limits));
        lent.transpose()
    }

    /// So many more bytes of the body itself.
    pub(in crate::engine) const fn read(&mut self, bytes: u64) {
        self.used.read = self.used.read.saturating_add(bytes);
    }

    /// What was used so far.
    pub(super) const fn used(&self) -> Used {
        self.used
    }

    /// Goes on where another stands, which read the same body: what is known of it already is not forgotten, whatever that says.
    pub(super) fn goes_on(&mut self, other: Used) {
        self.used = Used {
            read: self.used.read.max(other.read),
            unpacked: self.used.unpacked.max(other.unpacked),
            entries: self.used.entries.max(other.entries),
        };
    }

    /// So many more came of it, on whatever level.
    pub(in crate::engine) fn unpacked(&mut self, bytes: u64) -> Result<(), Fault> {
        let used = &mut self.used;
        used.unpacked = used.unpacked.saturating_add(bytes);
        let is_bomb = used.unpacked > RATIO_FREE_BYTES && used.unpacked / used.read.max(1) > self.limits.ratio;
        if is_bomb || used.unpacked > self.limits.bytes {
            return Err(Fault::Limit);
        }
        Ok(())
    }

    /// Another entry.
    pub(super) fn entry(&mut self) -> Result<(), Fault> {
        self.used.entries = self.used.entries.saturating_add(1);
        if self.used.entries > self.limits.entries {
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
