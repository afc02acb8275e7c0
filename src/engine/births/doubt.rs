//! Why nobody can say of a credential whether it was ever issued: warm-up, outages, want of room.

use std::collections::VecDeque;

use crate::engine::time::Now;

/// After an outage births that others saw meanwhile are still on their way, for so many seconds.
const AFTERMATH_S: u32 = 60;
/// Outages that are remembered: of a credential that says it was issued in one of them nobody can say otherwise.
const OUTAGES_MAX: usize = 16;
/// So many seconds after births were forgotten for want of room nobody is taken for unissued.
const FULL_S: u32 = 86_400;

/// Why nobody can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// No route is known that issues credentials.
    NoLogin,
    /// Births are not remembered for long enough.
    WarmUp,
    /// The store that gateways share does not answer, or has not for long enough.
    Outage,
    /// Births had to be forgotten for want of room.
    Full,
    /// It says that it was issued in the warm-up or in an outage.
    Claimed,
    /// It was first seen, or issued to one that was, while nobody could say.
    Remembered,
    /// The shared store did not say in time.
    Late,
    /// Too many look-ups were under way, or its network asked for too many.
    Crowded,
    /// The keys of its issuer could not be had, or not lately enough to know the one that it names.
    NoKey,
    /// Its issuer was asked, and did not answer.
    NoAnswer,
}

impl Doubt {
    /// The value of the label `reason`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLogin => "no_login",
            Self::WarmUp => "warm_up",
            Self::Outage => "outage",
            Self::Full => "full",
            Self::Claimed => "claimed",
            Self::Remembered => "remembered",
            Self::Late => "late",
            Self::Crowded => "crowded",
            Self::NoKey => "no_key",
            Self::NoAnswer => "no_answer",
        }
    }

    /// Whether something that would say does not: it passes when that is there again.
    pub const fn is_outage(self) -> bool {
        matches!(self, Self::Outage | Self::Late | Self::Crowded | Self::NoAnswer)
    }

    /// Whether a credential that is first seen now stays unknown.
    pub(super) const fn stays(self) -> bool {
        matches!(self, Self::WarmUp | Self::Outage)
    }
}

/// Since when births are remembered, and when they were not told.
#[derive(Default)]
pub(super) struct Doubts {
    /// The second of the first start; 0: they are not remembered.
    pub(super) since: u32,
    /// The second in which births were last forgotten for want of room; 0: never.
    pub(super) forgotten: u32,
    /// The second in which the outage began that lasts.
    out_since: Option<u32>,
    /// Those that ended: first and last second, the aftermath included.
    outages: VecDeque<(u32, u32)>,
}

impl Doubts {
    /// The shared store does not answer.
    pub(super) fn out(&mut self, now: Now) {
        self.out_since.get_or_insert_with(|| now.second());
    }

    /// It answers again.
    pub(super) fn back(&mut self, now: Now) {
        if let Some(from) = self.out_since.take() {
            self.outages.truncate(OUTAGES_MAX - 1);
            self.outages
                .push_front((from, now.second().saturating_add(AFTERMATH_S)));
        }
    }

    /// Whether the shared store cannot be asked.
    pub(super) fn is_out(&self) -> bool {
        self.out_since.is_some()
    }

    /// Why nobody can say of a credential that was not found; `issued` is the second in which it says it was issued. What it
    /// says is believed only for as long as a warm-up takes: who holds the signing key says what suits.
    pub(super) fn of(&self, issued: Option<u32>, warm_up_s: u32, now: Now) -> Option<Doubt> {
        let second = now.second();
        let warm = self.since.saturating_add(warm_up_s);
        let is_in_aftermath = self.outages.front().is_some_and(|(_, to)| second <= *to);
        if self.since == 0 {
            return Some(Doubt::NoLogin);
        }
        if second < warm {
            return Some(Doubt::WarmUp);
        }
        if self.is_out() || is_in_aftermath {
            return Some(Doubt::Outage);
        }
        if self.forgotten != 0 && second < self.forgotten.saturating_add(FULL_S) {
            return Some(Doubt::Full);
        }
        let issued = issued?;
        let mut spans = self.outages.iter().copied().chain([(0, warm)]);
        let is_believed =
            spans.any(|(from, to)| (from..=to).contains(&issued) && second < to.saturating_add(warm_up_s));
        is_believed.then_some(Doubt::Claimed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u32 = 86_400;

    fn at(second: u32) -> Now {
        Now::from_millis(u64::from(second) * 1000)
    }

    #[test]
    fn nobody_can_say_before_births_are_remembered_for_long_enough() {
        let mut doubts = Doubts::default();
        assert_eq!(doubts.of(None, DAY, at(5 * DAY)), Some(Doubt::NoLogin));
        doubts.since = 10 * DAY;
        assert_eq!(doubts.of(None, DAY, at(11 * DAY - 1)), Some(Doubt::WarmUp));
        assert_eq!(doubts.of(None, DAY, at(11 * DAY)), None);
        assert_eq!(doubts.of(None, 0, at(10 * DAY)), None, "a warm-up may be nought");
    }

    #[test]
    fn what_a_credential_says_of_itself_is_believed_for_one_more_warm_up() {
        let doubts = Doubts {
            since: 10 * DAY,
            ..Doubts::default()
        };
        let said = |issued, second| doubts.of(Some(issued), DAY, at(second));
        assert_eq!(said(9 * DAY, 11 * DAY + 5), Some(Doubt::Claimed));
        assert_eq!(said(11 * DAY + 1, 11 * DAY + 5), None, "issued behind the warm-up");
        assert_eq!(said(9 * DAY, 12 * DAY), None, "a forger may write any date");
    }

    #[test]
    fn an_outage_lasts_for_a_minute_after_its_end() {
        let mut doubts = Doubts {
            since: 1,
            ..Doubts::default()
        };
        let (began, ended) = (30 * DAY, 30 * DAY + 100);
        doubts.out(at(began));
        doubts.out(at(began + 50));
        assert_eq!(doubts.of(None, DAY, at(began + 60)), Some(Doubt::Outage));
        doubts.back(at(ended));
        doubts.back(at(ended + 1_000));
        assert_eq!(doubts.of(None, DAY, at(ended + 60)), Some(Doubt::Outage));
        assert_eq!(doubts.of(None, DAY, at(ended + 61)), None);
        let claimed = |issued, second| doubts.of(Some(issued), DAY, at(second));
        assert_eq!(claimed(began - 1, ended + 61), None);
        assert_eq!(claimed(began + 1, ended + 61), Some(Doubt::Claimed));
        assert_eq!(claimed(began + 1, ended + 60 + DAY), None);
        for outage in 0..100 {
            doubts.out(at(40 * DAY + outage));
            doubts.back(at(40 * DAY + outage));
        }
        assert_eq!(doubts.outages.len(), OUTAGES_MAX);
    }

    #[test]
    fn what_was_forgotten_for_want_of_room_may_have_been_anybodys() {
        let doubts = Doubts {
            since: 1,
            forgotten: 10 * DAY,
            ..Doubts::default()
        };
        assert_eq!(doubts.of(None, 0, at(11 * DAY - 1)), Some(Doubt::Full));
        assert_eq!(doubts.of(None, 0, at(11 * DAY)), None);
    }
}
