//! What passes although it was not looked into, or not counted, and why.

use super::super::fail::Reason;
use super::Driver;
use crate::engine::time::Now;

impl Driver {
    /// So many bytes passed that nothing looked into.
    pub(in crate::proxy) fn passed_unread(&mut self, reason: Reason, bytes: u64, now: Now) {
        self.note_passed(reason);
        self.unread_bytes += bytes;
        self.sum_unread(bytes, now);
    }

    /// Something passes for this reason: told once.
    pub(in crate::proxy) fn note_passed(&mut self, reason: Reason) {
        if !self.has_passed(reason) {
            let would_refuse = self.would_refuse(reason);
            self.outcome.passed.push((reason, would_refuse));
        }
    }

    /// Whether `reason` let something pass already.
    pub(super) fn has_passed(&self, reason: Reason) -> bool {
        self.outcome.passed.iter().any(|(passed, _)| *passed == reason)
    }
}
