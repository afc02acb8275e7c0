//! A hundred and twenty-eight registers of a sketch, with the times of their ranks in one list.

use std::ops::Range;

use super::super::estimate::{Highest, Top};

/// Registers of one block: inserting moves at most its times.
pub(super) const BLOCK: usize = 128;
/// Registers whose times are counted together: the bits of a few ranks are counted faster than those of many.
const GROUP: usize = 8;
/// The highest rank that is told apart here; a higher one counts as this. Beyond ten thousand million people they would matter.
pub(super) const RANKS: u8 = 24;

/// Registers with their ranks, and when each was last seen.
pub(super) struct Block {
    /// Bit `r` of a register, little-endian: there is a time for rank `r + 1`.
    ranks: [[u8; 3]; BLOCK],
    /// How many times stand before those of each group.
    starts: [u16; BLOCK / GROUP],
    /// Of each register the lower rank first, which is the later time.
    pub(super) times: Vec<u16>,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            ranks: [[0; 3]; BLOCK],
            starts: [0; BLOCK / GROUP],
            times: Vec::new(),
        }
    }
}

impl Block {
    /// What the bit `rank` of `register` at `time` changes, unless something later of at least its rank hides it; the times of the
    /// register begin at `start`.
    pub(super) fn raise_of(&self, register: usize, start: usize, rank: u32, time: u16) -> Option<Raise> {
        let ranks = read(*self.ranks.get(register)?);
        let below = (ranks & ((1 << rank) - 1)).count_ones() as usize;
        let own = start + below;
        // Of the higher ones the lowest is the latest.
        let higher = ranks >> rank != 0;
        if higher && self.times.get(own).is_some_and(|known| *known >= time) {
            return None;
        }
        let is_known = usize::from(ranks >> rank & 1 == 1);
        // Those below it that are not later are hidden from now on; the later stand first.
        let lower = self.times.get(start..own).unwrap_or_default();
        let later = lower.partition_point(|known| *known > time);
        // Of the lower ranks the later ones stay.
        let mut left = ranks;
        let stay = (0..later).fold(0, |stay, _| {
            let lowest = left & left.wrapping_neg();
            left &= !lowest;
            stay | lowest
        });
        Some(Raise {
            ranks: ranks >> rank >> 1 << rank << 1 | 1 << rank | stay,
            gone: start + later..own + is_known,
        })
    }

    /// Writes `time` in the place of what is hidden by it.
    pub(super) fn raise(&mut self, register: usize, raise: Raise, time: u16) {
        if let Some(own) = self.ranks.get_mut(register) {
            *own = write(raise.ranks);
        }
        let gone = raise.gone;
        if let Some(known) = self.times.get_mut(gone.clone()).and_then(<[u16]>::first_mut) {
            *known = time;
            if gone.len() == 1 {
                return;
            }
            self.times.drain(gone.start + 1..gone.end);
        } else {
            if self.times.len() == self.times.capacity() {
                // A vector that doubles would keep room for twice what a register ever has.
                self.times.reserve_exact(1);
            }
            self.times.insert(gone.start, time);
        }
        for start in self.starts.iter_mut().skip(register / GROUP + 1) {
            *start = *start + 1 - gone.len() as u16;
        }
    }

    /// Adds all registers to `highest`.
    pub(super) fn count(&self, highest: &mut Highest) {
        let mut times = &*self.times;
        for ranks in self.ranks.iter().map(|ranks| read(*ranks)) {
            let (own, rest) = times.split_at_checked(ranks.count_ones() as usize).unwrap_or_default();
            times = rest;
            highest.add(top(ranks, own, highest.from));
        }
    }

    /// The highest rank of `register`, whose times begin at `start`, since the time `from`.
    pub(super) fn top(&self, register: usize, start: usize, from: u32) -> Top {
        let ranks = self.ranks.get(register).map_or(0, |ranks| read(*ranks));
        let own = self.times.get(start..start + ranks.count_ones() as usize);
        top(ranks, own.unwrap_or_default(), from)
    }

    /// Each (register, bit of the rank, time).
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, u32, u16)> {
        let bits = self.ranks.iter().enumerate().flat_map(|(register, ranks)| {
            let bits = (0..u32::from(RANKS)).filter(move |bit| read(*ranks) >> bit & 1 == 1);
            bits.map(move |bit| (register, bit))
        });
        bits.zip(&self.times)
            .map(|((register, bit), time)| (register, bit, *time))
    }

    /// Gives each time another, in the same order, or none. Of a register's ranks at one time the highest hides the others.
    pub(super) fn rewrite(&mut self, to: impl Fn(u16) -> Option<u16>) {
        let entries = self
            .entries()
            .filter_map(|(register, bit, time)| Some((register, bit, to(time)?)));
        let mut kept: Vec<(usize, u32, u16)> = Vec::with_capacity(self.times.len());
        for entry in entries {
            kept.pop_if(|(register, _, time)| *register == entry.0 && *time <= entry.2);
            kept.push(entry);
        }
        *self = Self::default();
        self.times.reserve_exact(kept.len());
        for (register, bit, time) in kept {
            if let Some(ranks) = self.ranks.get_mut(register) {
                *ranks = write(read(*ranks) | 1 << bit);
            }
            for start in self.starts.iter_mut().skip(register / GROUP + 1) {
                *start += 1;
            }
            self.times.push(time);
        }
    }

    /// How many times stand before those of `register`.
    pub(super) fn before(&self, register: usize) -> usize {
        let start = self.starts.get(register / GROUP).copied().unwrap_or_default();
        let group = self.ranks.get(register / GROUP * GROUP..register).unwrap_or_default();
        // Two of 24 bits at once.
        let (pairs, last) = group.as_chunks::<2>();
        let pair = |[one, other]: &[[u8; 3]; 2]| u64::from(read(*one)) | u64::from(read(*other)) << 24;
        let within = pairs.iter().map(|ranks| pair(ranks).count_ones());
        let within: u32 = within.chain(last.iter().map(|ranks| read(*ranks).count_ones())).sum();
        usize::from(start) + within as usize
    }
}

/// What becomes of a register.
pub(super) struct Raise {
    ranks: u32,
    /// The times in whose place the new one stands.
    gone: Range<usize>,
}

/// The highest of `ranks` since the time `from`; `times` has one of each, the lowest and latest first.
#[inline]
fn top(ranks: u32, times: &[u16], from: u32) -> Top {
    let is_within = |time: &&u16| u32::from(**time) >= from;
    // Nearly always all of them are.
    if let Some(time) = times.last().filter(is_within) {
        return ((u32::BITS - ranks.leading_zeros()) as usize, u32::from(*time));
    }
    let within = times.iter().take_while(is_within);
    let (count, last) = within.fold((0, None), |(count, _), time| (count + 1, Some(time)));
    let lower = |ranks: u32, _| ranks & ranks.wrapping_sub(1);
    last.map_or((0, 0), |time| {
        let highest = (1..count).fold(ranks, lower).trailing_zeros() + 1;
        (highest as usize, u32::from(*time))
    })
}

fn read([low, middle, high]: [u8; 3]) -> u32 {
    u32::from_le_bytes([low, middle, high, 0])
}

fn write(ranks: u32) -> [u8; 3] {
    let [low, middle, high, _] = ranks.to_le_bytes();
    [low, middle, high]
}
