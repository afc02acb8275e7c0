//! What of a body may leave: as it is, up to a checkpoint of its coding, or decoded and masked.

use bytes::Bytes;

use super::{Inspector, Mode, Phase, Piece, Step};
use crate::engine::redact;

impl Inspector {
    /// The decoded offset up to which everything is granted.
    pub(super) fn grantable(&self) -> u64 {
        match (self.records().first(), self.phase) {
            (Some(record), _) => record.start,
            (None, Phase::Complete) => self.decoded,
            (None, _) if self.mode == Mode::Watch => self.decoded,
            (None, _) => self.holds_from(),
        }
    }

    /// Releases up to the decoded offset `to`; `otherwise` when nothing can be released.
    pub(super) fn release(&mut self, to: u64, otherwise: Step) -> Step {
        let mut pieces = Vec::new();
        if self.mode == Mode::Watch {
            // Nothing is held, whatever was found or failed.
            self.decoded_released = self.decoded;
            self.keep(&mut pieces, self.pushed);
        } else if !self.is_coded() {
            self.release_identity(&mut pieces, to);
        } else if self.mode == Mode::Rewrite && self.is_decoding() {
            self.release_rewritten(&mut pieces, to);
        } else {
            self.release_coded(&mut pieces, to);
        }
        if pieces.is_empty() {
            return otherwise;
        }
        while self.leaving.front().is_some_and(|start| *start < self.decoded_released) {
            self.leaving.pop_front();
            self.asks_left += 1;
        }
        Step::Release {
            pieces,
            asks: self.asks_left,
        }
    }

    fn release_identity(&mut self, pieces: &mut Vec<Piece>, to: u64) {
        while let Some(place) = self.masks.pop_front_if(|place| place.span.end <= to) {
            self.keep(pieces, place.span.start);
            // Two findings never share bytes; should they, the first mask covers them.
            if let Some(left) = place.span.end.checked_sub(self.released).filter(|left| *left > 0) {
                let mask = redact::mask(&place);
                let mask = mask.slice(mask.len().saturating_sub(left as usize)..);
                pieces.push(Piece::Replace(mask.len(), mask));
                self.released = place.span.end;
            }
        }
        // What a mask covers waits until all of that is granted.
        let to = self.masks.front().map_or(to, |place| to.min(place.span.start));
        self.keep(pieces, to);
        self.decoded_released = self.released;
    }

    fn release_coded(&mut self, pieces: &mut Vec<Piece>, to: u64) {
        let coded = self.coded_to(to, (self.released, self.pushed));
        self.keep(pieces, coded);
    }

    /// How many bytes may leave of which the text up to `to` comes; they are between these two numbers.
    fn coded_to(&mut self, to: u64, (mut coded, all): (u64, u64)) -> u64 {
        while let Some((at, decoded)) = self.checkpoints.front().copied().filter(|(_, decoded)| *decoded <= to) {
            self.checkpoints.pop_front();
            coded = at;
            self.decoded_released = decoded;
        }
        if self.phase == Phase::Complete && to >= self.decoded {
            // Trailers of the coding carry no text.
            coded = all;
            self.decoded_released = self.decoded;
        }
        coded
    }

    fn release_rewritten(&mut self, pieces: &mut Vec<Piece>, to: u64) {
        let mut dropped = (self.pushed - self.released) as usize;
        self.released = self.pushed;
        let is_container = self.packed.is_container();
        let (mut at, to) = if is_container {
            let at = self.unpackable_released;
            (at, self.coded_to(to, (at, self.unpackable)))
        } else {
            (self.decoded_released, to)
        };
        while at < to {
            let Some(mut text) = self.rewritten.pop_front() else {
                break;
            };
            let wanted = (to - at) as usize;
            if text.len() > wanted {
                self.rewritten.push_front(text.split_off(wanted));
            }
            at += text.len() as u64;
            if is_container {
                self.unpackable_released = at;
            } else {
                text = self.masked(text);
                self.decoded_released = at;
            }
            pieces.push(Piece::Replace(std::mem::take(&mut dropped), text));
        }
        if dropped > 0 {
            pieces.push(Piece::Replace(dropped, Bytes::new()));
        }
    }

    /// `text`, which begins at `decoded_released`, with the masks that fall into it.
    fn masked(&mut self, text: Bytes) -> Bytes {
        let (from, to) = (self.decoded_released, self.decoded_released + text.len() as u64);
        if self.masks.front().is_none_or(|place| place.span.start >= to) {
            return text;
        }
        let mut text = Vec::from(text);
        while let Some(place) = self.masks.front().copied().filter(|place| place.span.start < to) {
            let (start, end) = (place.span.start.max(from), place.span.end.min(to));
            let mask = redact::mask(&place);
            let within = |origin: u64| start.saturating_sub(origin) as usize..end.saturating_sub(origin) as usize;
            let part = mask.get(within(place.span.start));
            let target = text.get_mut(within(from));
            if let (Some(target), Some(part)) = (target, part) {
                target.copy_from_slice(part);
            }
            if place.span.end > to {
                break;
            }
            self.masks.pop_front();
        }
        Bytes::from(text)
    }

    pub(super) fn release_blind(&mut self) -> Step {
        let mut pieces = Vec::new();
        self.keep(&mut pieces, self.pushed);
        // Whoever was granted and waited for a checkpoint leaves with the rest.
        self.asks_left += self.leaving.drain(..).count() as u64;
        if pieces.is_empty() {
            self.idle()
        } else {
            Step::Release {
                pieces,
                asks: self.asks_left,
            }
        }
    }

    fn keep(&mut self, pieces: &mut Vec<Piece>, to: u64) {
        if to > self.released {
            pieces.push(Piece::Keep((to - self.released) as usize));
            self.released = to;
        }
    }
}
