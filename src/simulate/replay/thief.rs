//! The breach: visits at an even pace, from one address after the other, each for the next person that was not given yet.

use super::honest::{NOBODY, USUAL_BROWSER, carrier_addresses};
use super::scenario::{Breach, Credential, DAY_MS, Scenario};
use super::visit::{Group, Provenance, Visit, Who, place};
use crate::simulate::random::mix;

/// What the thief's client looks like: the two worlds that a scenario declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Like no honest client.
    Rare,
    /// Like the most usual browser.
    Browser,
}

/// The fingerprint of a client that nobody honest has.
const RARE: u64 = 0;

/// The thief of a scenario.
pub(super) struct Thief<'s> {
    breach: &'s Breach,
    start_ms: u64,
    /// Within the scenario, in milliseconds.
    from_ms: u64,
    until_ms: u64,
    seed: u64,
    sample: u64,
    carrier_addresses: u64,
    fingerprint: u64,
    /// Visits so far.
    visits: u64,
}

impl<'s> Thief<'s> {
    pub(super) fn new(scenario: &'s Scenario, world: World) -> Self {
        let breach = &scenario.breach;
        Self {
            breach,
            start_ms: scenario.time.start_ms(),
            from_ms: breach.day * DAY_MS,
            until_ms: (breach.day + breach.days) * DAY_MS,
            seed: scenario.time.seed,
            sample: scenario.honest.sample,
            carrier_addresses: carrier_addresses(&scenario.honest),
            fingerprint: match world {
                World::Rare => RARE,
                World::Browser => USUAL_BROWSER,
            },
            visits: 0,
        }
    }

    /// Adds the visits of one minute, which begins `elapsed_ms` after the scenario.
    pub(super) fn minute(&mut self, elapsed_ms: u64, into: &mut Vec<Visit>) {
        if elapsed_ms < self.from_ms || elapsed_ms >= self.until_ms {
            return;
        }
        let minutes = (self.until_ms - self.from_ms) / 60_000;
        let minute = (elapsed_ms - self.from_ms) / 60_000;
        let due = share(self.breach.people, minute + 1, minutes);
        let count = due - self.visits;
        for within in 0..count {
            let at_ms = self.start_ms + elapsed_ms + within * 60_000 / count;
            let visit = self.visit(self.visits);
            self.visits += 1;
            into.push(Visit { at_ms, ..visit });
        }
    }

    fn visit(&self, number: u64) -> Visit {
        let breach = self.breach;
        let split = |all: u64| (share(all, number + 1, breach.people) - share(all, number, breach.people)) as u32;
        let (group, principal, session, provenance) = match breach.credential {
            // Each token is another customer's, and nobody issued it.
            Credential::Forged => (
                Group::Customer,
                number,
                mix(self.seed ^ 0xf0, number),
                Provenance::Unissued,
            ),
            Credential::Issued => {
                let account = number % breach.accounts.max(1);
                (
                    Group::Thief,
                    account,
                    mix(self.seed ^ 0xf1, account),
                    Provenance::Issued,
                )
            }
            Credential::None => (Group::Nobody, 0, 0, Provenance::None),
        };
        Visit {
            who: Who::Thief,
            group,
            principal,
            session,
            address: self.address(number % breach.addresses),
            people: 1,
            views: split(breach.views),
            misses: split(breach.misses),
            fingerprint: self.fingerprint,
            provenance,
            ..NOBODY
        }
    }

    fn address(&self, number: u64) -> u32 {
        if mix(self.seed ^ 0xad, number) % 100 < self.breach.shared_percent {
            // Any carrier address, simulated with its honest customers or not.
            let chosen = mix(self.seed ^ 0xca, number) % self.carrier_addresses.next_multiple_of(self.sample);
            return place::CARRIERS + chosen as u32;
        }
        // Rented by the handful, in networks of eight.
        place::THIEF + (number / 8 * 256 + number % 8) as u32
    }
}

/// What of `all` has come after `part` of `whole`.
fn share(all: u64, part: u64, whole: u64) -> u64 {
    (u128::from(all) * u128::from(part) / u128::from(whole.max(1))) as u64
}
