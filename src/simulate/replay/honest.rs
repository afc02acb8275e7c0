//! The honest shop: customers, agents, partners and crawlers, by the minute and by the hour of the day.

use super::scenario::{DAY_MS, Honest, Scenario};
use super::visit::{Group, Provenance, Visit, Who, place};
use crate::simulate::random::{Random, mix};

/// Of ten thousand visits of a day, how many come in each hour: quiet at night, most in the evening. An assumption.
const HOURS: [u64; 24] = [
    230, 140, 90, 70, 60, 80, 150, 270, 390, 460, 500, 520, 560, 520, 490, 480, 480, 490, 530, 610, 720, 800, 760, 600,
];

/// A visit is due when the sum reaches that of thirty days, of all parts of a day, and of the minutes of an hour.
const WEIGHTS_A_MONTH: u64 = 30 * 10_000 * 60;

/// People of one household that share an address. An assumption.
const CUSTOMERS_A_HOME: u64 = 2;

/// Agents behind one address of the shop.
const AGENTS_AN_ADDRESS: u64 = 200;

/// People in one answer to a partner.
const PEOPLE_AN_EXPORT: u64 = 50;

/// Fingerprints of honest clients beside the most usual one, before versions are told apart. An assumption.
const FINGERPRINTS: u64 = 400;

/// The fingerprint of the most usual browser, and of a delivery network's pooled connections.
pub(super) const USUAL_BROWSER: u64 = 1;
const POOLED: u64 = 2;

/// The sampled shop: how much of each kind is simulated.
pub(super) struct Shop<'s> {
    honest: &'s Honest,
    start_ms: u64,
    seed: u64,
    random: Random,
    customers: u64,
    carrier_addresses: u64,
    kept: Kept,
    visits_a_month: [u64; 4],
    due: [u64; 4],
}

/// How many of each kind are simulated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) customers: u64,
    pub(super) agents: u64,
    pub(super) partners: u64,
    pub(super) bots: u64,
}

impl Kept {
    pub(super) fn of(honest: &Honest) -> Self {
        let of = |all: u64| all.div_ceil(honest.sample.max(1));
        Self {
            customers: of(honest.customers),
            agents: of(honest.agents),
            // Few, and each with many people: all of them.
            partners: honest.partners,
            bots: of(honest.bots),
        }
    }

    /// Visits in thirty days of customers, agents, partners and crawlers.
    fn visits_a_month(self, honest: &Honest) -> [u64; 4] {
        let exports = honest.people_a_partner.div_ceil(PEOPLE_AN_EXPORT);
        [
            self.customers.saturating_mul(honest.visits_a_month),
            self.agents.saturating_mul(honest.people_an_agent).saturating_mul(30),
            self.partners.saturating_mul(exports).saturating_mul(30),
            // A crawler comes every ten minutes.
            self.bots.saturating_mul(144 * 30),
        ]
    }
}

impl Honest {
    /// Simulated visits of one minute, of the hour with most of them.
    pub(super) fn visits_a_minute_max(&self) -> u64 {
        let visits = Kept::of(self).visits_a_month(self);
        let visits = visits.into_iter().fold(0, u64::saturating_add);
        let most = HOURS.into_iter().max().unwrap_or(0);
        visits.saturating_mul(most).div_ceil(WEIGHTS_A_MONTH)
    }
}

impl<'s> Shop<'s> {
    pub(super) fn new(scenario: &'s Scenario) -> Self {
        let honest = &scenario.honest;
        let kept = Kept::of(honest);
        Self {
            honest,
            start_ms: scenario.time.start_ms(),
            seed: scenario.time.seed,
            random: Random::new(mix(scenario.time.seed, 1)),
            customers: honest.customers,
            carrier_addresses: carrier_addresses(honest),
            kept,
            visits_a_month: kept.visits_a_month(honest),
            due: [0; 4],
        }
    }

    /// Adds the visits of one minute, which begins `elapsed_ms` after the scenario.
    pub(super) fn minute(&mut self, elapsed_ms: u64, into: &mut Vec<Visit>) {
        let hour = (elapsed_ms % DAY_MS / 3_600_000) as usize;
        let weight = HOURS.get(hour).copied().unwrap_or(0);
        let kinds = [Self::customer, Self::agent, Self::partner, Self::bot];
        for (at, (a_month, kind)) in self.visits_a_month.into_iter().zip(kinds).enumerate() {
            let Some(due) = self.due.get_mut(at) else { continue };
            *due += a_month * weight;
            let count = *due / WEIGHTS_A_MONTH;
            *due %= WEIGHTS_A_MONTH;
            for _ in 0..count {
                let at_ms = elapsed_ms + self.random.below(60_000);
                let visit = kind(self, at_ms);
                into.push(Visit {
                    at_ms: self.start_ms + at_ms,
                    ..visit
                });
            }
        }
    }

    fn customer(&mut self, elapsed_ms: u64) -> Visit {
        let honest = self.honest;
        let number = self.random.below(self.kept.customers);
        let traits = mix(self.seed ^ 0xc0, number);
        let home = traits % 100;
        let address = if home < honest.carrier_percent {
            let kept = self.carrier_addresses.div_ceil(honest.sample);
            place::CARRIERS + (self.random.below(kept) * honest.sample) as u32
        } else if home < honest.carrier_percent + honest.office_percent {
            let among = number * honest.office_percent / 100;
            place::OFFICES + (among / honest.customers_an_office_address) as u32
        } else {
            let percent = 100 - honest.carrier_percent - honest.office_percent;
            place::HOMES + (number * percent / 100 / CUSTOMERS_A_HOME) as u32
        };
        // Who is logged in stays so until the next deploy: then everybody is asked again.
        let deploy = elapsed_ms / (honest.deploy_days * DAY_MS);
        let fingerprint = match mix(traits, 1) % 100 {
            pooled if pooled < honest.pooled_percent => POOLED,
            usual if usual < honest.pooled_percent + honest.browser_percent => USUAL_BROWSER,
            // Applications change theirs with each version.
            _ => 3 + mix(mix(traits, 2) % FINGERPRINTS, deploy),
        };
        let shows_others = self.random.percent(honest.others_percent);
        Visit {
            who: Who::Honest,
            group: Group::Customer,
            principal: number,
            session: mix(mix(self.seed, number), deploy),
            address,
            // The others are near in number, as a household's are.
            person: number,
            people: if shows_others { 3 } else { 1 },
            views: honest.views_a_visit as u32,
            misses: 0,
            fingerprint,
            key: elapsed_ms / (honest.key_days * DAY_MS),
            provenance: self.provenance(elapsed_ms),
            at_ms: 0,
        }
    }

    fn agent(&mut self, elapsed_ms: u64) -> Visit {
        let number = self.random.below(self.kept.agents);
        let person = self.random.below(self.customers);
        Visit {
            group: Group::Agent,
            principal: number,
            session: mix(mix(self.seed ^ 0xa9, number), elapsed_ms / DAY_MS),
            address: place::AGENTS + (number / AGENTS_AN_ADDRESS) as u32,
            person,
            people: 1,
            views: 2,
            fingerprint: USUAL_BROWSER,
            key: elapsed_ms / (self.honest.key_days * DAY_MS),
            provenance: self.provenance(elapsed_ms),
            ..NOBODY
        }
    }

    fn partner(&mut self, _: u64) -> Visit {
        // A few partners do most of the business: the lower the number, the more.
        let among = self.random.below(self.kept.partners) + 1;
        let number = self.random.below(among);
        let people = self.honest.people_a_partner.clamp(1, PEOPLE_AN_EXPORT);
        let person = self.random.below(self.customers);
        Visit {
            group: Group::Partner,
            principal: number,
            session: mix(self.seed ^ 0x9a, number),
            address: place::PARTNERS + (number * 256) as u32,
            person,
            people: people as u32,
            views: 1,
            fingerprint: mix(0x9a, number),
            // A key of a list was never a matter of issuing.
            provenance: Provenance::None,
            ..NOBODY
        }
    }

    fn bot(&mut self, _: u64) -> Visit {
        let number = self.random.below(self.kept.bots);
        Visit {
            who: Who::Bot,
            principal: number,
            address: place::BOTS + number as u32,
            misses: (self.honest.requests_a_bot / 144) as u32,
            fingerprint: mix(0xb0, number % 8),
            ..NOBODY
        }
    }

    /// A credential is looked up where it was born; while that cannot be asked, nobody can say.
    fn provenance(&self, elapsed_ms: u64) -> Provenance {
        let is_away = self.honest.idp_outage.covers(elapsed_ms) || self.honest.store_outage.covers(elapsed_ms);
        if is_away {
            Provenance::Unknown
        } else {
            Provenance::Issued
        }
    }
}

/// A visit of nobody, to begin with.
pub(super) const NOBODY: Visit = Visit {
    at_ms: 0,
    who: Who::Honest,
    group: Group::Nobody,
    principal: 0,
    session: 0,
    address: 0,
    person: 0,
    people: 0,
    views: 0,
    misses: 0,
    fingerprint: 0,
    key: 0,
    provenance: Provenance::None,
};

/// Addresses of all carriers, so many that each has its customers a day.
pub(super) fn carrier_addresses(honest: &Honest) -> u64 {
    let customers = honest.customers.saturating_mul(honest.carrier_percent) / 100;
    let visits_a_day = customers.saturating_mul(honest.visits_a_month) / 30;
    (visits_a_day / honest.customers_a_carrier_address.max(1)).max(1)
}
