//! The bytes of one body that wait: for their people to be granted, then for downstream.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::terms::HeldTotal;
use crate::engine::inspect::Piece;

/// Smaller chunks are copied when they are held, so that they do not pin the large buffer they were cut from.
const PINNED_BYTES_MIN: usize = 4096;

/// What of one body was pushed and has not left.
pub(super) struct Backlog {
    /// Pushed and not released, in order.
    waiting: VecDeque<Bytes>,
    waiting_bytes: u64,
    /// Released, not yet taken by downstream; the first of a release carries its number of asks.
    released: VecDeque<(Bytes, Option<u64>)>,
    asks_left: Option<u64>,
    /// What all streams hold together.
    total: Arc<HeldTotal>,
}

impl Backlog {
    pub(super) fn new(total: Arc<HeldTotal>) -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            released: VecDeque::new(),
            asks_left: None,
            total,
        }
    }

    /// Bytes that were pushed and not released.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// Whether something can be handed downstream.
    pub(super) fn has_output(&self) -> bool {
        !self.released.is_empty()
    }

    /// Nothing of what was released leaves.
    pub(super) fn drop_released(&mut self) {
        self.released.clear();
    }

    /// The first of what was released, with what follows it if all are small: a record that came byte by byte does not
    /// leave as so many frames, which peers refuse over HTTP/2. And how many asks leave with it, if that is known.
    pub(super) fn next(&mut self) -> Option<(Bytes, Option<u64>)> {
        let (first, mut asks) = self.released.pop_front()?;
        let fits = |length: usize, next: &Bytes| length + next.len() <= PINNED_BYTES_MIN;
        if self.released.front().is_none_or(|(next, _)| !fits(first.len(), next)) {
            return Some((first, asks));
        }
        let mut joined = BytesMut::from(&first[..]);
        while let Some((next, more)) = self.released.pop_front_if(|(next, _)| fits(joined.len(), next)) {
            joined.extend_from_slice(&next);
            asks = more.or(asks);
        }
        Some((joined.freeze(), asks))
    }

    /// A chunk that waits; copied if it is small and may wait for long.
    pub(super) fn hold(&mut self, chunk: Bytes, may_last: bool) {
        let held = if chunk.len() < PINNED_BYTES_MIN && may_last {
            Bytes::copy_from_slice(&chunk)
        } else {
            chunk
        };
        self.waiting_bytes += held.len() as u64;
        self.total.add(held.len() as u64);
        self.waiting.push_back(held);
    }

    /// Releases `pieces` of what waits; with them leave the first `asks` asks.
    pub(super) fn release(&mut self, pieces: Vec<Piece>, asks: u64) {
        self.asks_left = Some(asks);
        for piece in pieces {
            match piece {
                Piece::Keep(count) => self.keep(count),
                Piece::Replace(count, bytes) => {
                    self.drop_waiting(count);
                    self.put(bytes);
                }
            }
        }
    }

    /// Releases bytes that did not wait.
    pub(super) fn put(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.released.push_back((bytes, self.asks_left.take()));
        }
    }

    /// Moves `count` bytes from waiting to released, uncopied.
    fn keep(&mut self, mut count: usize) {
        while let Some(first) = self.first(count) {
            count -= first.len();
            self.put(first);
        }
    }

    fn drop_waiting(&mut self, mut count: usize) {
        while let Some(first) = self.first(count) {
            count -= first.len();
        }
    }

    /// The first of what waits, `count` bytes at most; it waits no more.
    fn first(&mut self, count: usize) -> Option<Bytes> {
        let mut first = (count > 0).then(|| self.waiting.pop_front()).flatten()?;
        if first.len() > count {
            self.waiting.push_front(first.split_off(count));
        }
        self.waiting_bytes -= first.len() as u64;
        self.total.subtract(first.len() as u64);
        Some(first)
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.total.subtract(self.waiting_bytes);
    }
}
