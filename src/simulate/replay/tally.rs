//! What one gateway, or what stands beside it, did in a scenario.

use hashbrown::HashSet;

use super::visit::{Group, Visit, Who};
use crate::engine::ledger::{BudgetId, KeyId};
use crate::simulate::incidents::Incidents;

/// Minutes of a day.
const DAY: usize = 1_440;

/// Numbers of one run.
#[derive(Default)]
pub(super) struct Tally {
    /// People whom the thief was shown: the number of the next that is asked for.
    pub(super) exposed: u64,
    /// Of them, in each minute of the breach.
    by_minute: Vec<u32>,
    /// Visits of the thief in each minute.
    asked_by_minute: Vec<u32>,
    /// Honest principals that were refused, by group.
    customers: HashSet<u64>,
    staff: HashSet<(u8, u64)>,
    pub(super) visits_refused: [u64; 2],
    pub(super) bots: HashSet<u64>,
    incidents: Incidents,
    /// Incidents about the thief's visits, and about others.
    pub(super) incidents_of: [u64; 2],
    /// When a visit of the thief opened the first incident: one that goes on already tells nobody of the thief.
    pub(super) first_ms: Option<u64>,
    pub(super) uncounted: u64,
    pub(super) keys_max: u64,
    pub(super) ledger_bytes_max: u64,
    /// When the breach begins, in unix milliseconds.
    breach_ms: u64,
}

impl Tally {
    pub(super) fn new(breach_ms: u64, minutes: u64) -> Self {
        Self {
            by_minute: vec![0; minutes as usize],
            asked_by_minute: vec![0; minutes as usize],
            breach_ms,
            ..Self::default()
        }
    }

    /// The thief asked for one more, and was given it or not.
    pub(super) fn thief(&mut self, visit: &Visit, is_given: bool) {
        let minute = (visit.at_ms.saturating_sub(self.breach_ms) / 60_000) as usize;
        if let Some(asked) = self.asked_by_minute.get_mut(minute) {
            *asked = asked.saturating_add(1);
        }
        if is_given {
            self.exposed += 1;
            if let Some(given) = self.by_minute.get_mut(minute) {
                *given = given.saturating_add(1);
            }
        }
    }

    /// A visit of anybody was refused.
    pub(super) fn refused(&mut self, visit: &Visit) {
        match (visit.who, visit.group) {
            (Who::Thief, _) => {}
            (Who::Bot, _) => _ = self.bots.insert(visit.principal),
            (Who::Honest, Group::Customer) => {
                self.visits_refused[0] += 1;
                self.customers.insert(visit.principal);
            }
            (Who::Honest, group) => {
                self.visits_refused[1] += 1;
                self.staff.insert((group as u8, visit.principal));
            }
        }
    }

    /// Somebody is called for `key`, which is over `budget`.
    pub(super) fn called(&mut self, visit: &Visit, budget: BudgetId, key: KeyId) {
        if !self.incidents.is_new(budget, key, visit.at_ms) {
            return;
        }
        let [of_thief, of_others] = &mut self.incidents_of;
        if visit.who == Who::Thief {
            self.first_ms.get_or_insert(visit.at_ms);
            *of_thief += 1;
        } else {
            *of_others += 1;
        }
    }

    /// Distinct honest principals that were refused: customers, agents, partners.
    pub(super) fn principals(&self) -> [u64; 3] {
        let staff = |group: Group| self.staff.iter().filter(|(of, _)| *of == group as u8).count() as u64;
        [self.customers.len() as u64, staff(Group::Agent), staff(Group::Partner)]
    }

    /// Minutes from the beginning of the breach until no day that began later was given a hundredth of what it asked for;
    /// `None` if the last one was, or none was whole.
    pub(super) fn contained_after(&self) -> Option<u64> {
        let (given, asked) = (by_day(&self.by_minute), by_day(&self.asked_by_minute));
        let days = given.iter().zip(&asked).rev();
        let contained = days.take_while(|(given, asked)| *given * 100 < **asked).count();
        (contained > 0).then_some((given.len() - contained) as u64)
    }
}

/// The sum of each day, one beginning with each minute.
fn by_day(minutes: &[u32]) -> Vec<u64> {
    let mut sum = 0;
    let so_far = minutes.iter().map(|minute| {
        sum += u64::from(*minute);
        sum
    });
    let so_far: Vec<u64> = std::iter::once(0).chain(so_far).collect();
    let days = so_far.iter().zip(so_far.iter().skip(DAY));
    days.map(|(before, after)| after - before).collect()
}

#[cfg(test)]
mod tests {
    use super::super::honest::NOBODY;
    use super::*;

    fn visits(tally: &mut Tally, minutes: std::ops::Range<u64>, is_given: bool) {
        for minute in minutes {
            let visit = Visit {
                at_ms: minute * 60_000,
                who: Who::Thief,
                ..NOBODY
            };
            tally.thief(&visit, is_given);
        }
    }

    #[test]
    fn contained_is_from_when_on_hardly_anything_is_given() {
        let mut tally = Tally::new(0, 4 * 1_440);
        visits(&mut tally, 0..90, true);
        visits(&mut tally, 90..4 * 1_440, false);
        let contained = tally.contained_after().expect("it was");
        // The day that begins here asks for 1,440 and is given the last 14 people.
        assert_eq!((tally.exposed, contained), (90, 76));
    }

    #[test]
    fn what_is_given_again_each_day_was_not_contained_by_little() {
        // Less than a hundredth of all, in the first minutes of each day but the last.
        let mut tally = Tally::new(0, 4 * 1_440);
        for day in 0..3 {
            visits(&mut tally, day * 1_440..day * 1_440 + 18, true);
            visits(&mut tally, day * 1_440 + 18..(day + 1) * 1_440, false);
        }
        visits(&mut tally, 3 * 1_440..4 * 1_440, false);
        assert_eq!((tally.exposed, tally.contained_after()), (54, Some(2 * 1_440 + 4)));
    }

    #[test]
    fn what_is_given_until_the_end_was_never_contained() {
        let mut tally = Tally::new(0, 4 * 1_440);
        visits(&mut tally, 0..4 * 1_440, true);
        assert_eq!(tally.contained_after(), None);
    }
}
