//! A scenario as a person writes it: the honest shop, the breach in it, the policy that is tried, and what stands beside it.

use serde::Deserialize;

use super::honest::carrier_addresses;
use crate::engine::detect::{place_of, read_toml};
use crate::engine::policy::{AllowSyntax, BudgetSyntax, Text, units};
use crate::engine::problem::{Bounded, Problem, Severity, bounded};

/// A scenario file is at most so large.
pub const SCENARIO_BYTES_MAX: u64 = 1 << 20;

/// Limits that one scenario tries at most, all peers included: each is a ledger of its own.
const LIMITS_MAX: usize = 32;

/// Takes in a problem: its code, its place, what is wrong, and what to do.
type Tell<'t> = dyn FnMut(&'static str, Option<std::ops::Range<usize>>, String, &str) + 't;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One line for people.
    pub title: String,
    /// The virtual time.
    pub time: Time,
    /// Who else is there.
    pub honest: Honest,
    /// What is hidden among them.
    pub breach: Breach,
    /// What the gateway is asked to do.
    pub budget: Vec<BudgetSyntax>,
    /// Routes of the shop; customers meet the first, partners the last.
    pub route: Vec<RouteSyntax>,
    /// Which limit is tried, and at which numbers.
    pub sweep: Sweep,
    /// What else one could build.
    pub beside: Beside,
    /// `[ledger]`: bounds of each ledger.
    #[serde(default)]
    pub ledger: crate::engine::ledger::Settings,
}

/// `[time]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// The first day, `2025-04-14` (UTC).
    pub start: Text,
    /// Days that are lived through.
    pub days: u64,
    /// The seed of everything that looks random.
    pub seed: u64,
}

/// `[honest]`: the world without a thief.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Honest {
    /// One in so many is simulated, by whole addresses; figures are multiplied, and the factor is printed. 1: everybody.
    pub sample: u64,
    /// Customers that come.
    pub customers: u64,
    /// Visits of each in thirty days.
    pub visits_a_month: u64,
    /// Views of one visit that show somebody: the own record, again.
    pub views_a_visit: u64,
    /// Of a hundred visits, how many show two more people (recipients, a household).
    pub others_percent: u64,
    /// Of a hundred customers, how many come through their carrier's shared addresses.
    pub carrier_percent: u64,
    /// Customers behind one carrier address in a day.
    pub customers_a_carrier_address: u64,
    /// Of a hundred customers, how many come from an office.
    pub office_percent: u64,
    /// Customers behind one office address.
    pub customers_an_office_address: u64,
    /// Of a hundred customers, how many come through the pooled connections of a delivery network.
    pub pooled_percent: u64,
    /// Of a hundred customers, how many have the most usual browser.
    pub browser_percent: u64,
    /// Support agents.
    pub agents: u64,
    /// People that an agent looks up on a working day.
    pub people_an_agent: u64,
    /// Partners.
    pub partners: u64,
    /// People that a partner is given a day.
    pub people_a_partner: u64,
    /// Crawlers that see public pages only.
    pub bots: u64,
    /// Requests of a crawler in a day.
    pub requests_a_bot: u64,
    /// Days between two deploys, after which everybody logs in again and applications have a new fingerprint.
    pub deploy_days: u64,
    /// Days between two rotations of the signing key.
    pub key_days: u64,
    /// The day of the outage of the identity provider, and its minutes.
    pub idp_outage: Outage,
    /// The day of the outage of the store, and its minutes.
    pub store_outage: Outage,
}

/// Something does not answer from noon of a day on.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// The day, from 0.
    pub day: u64,
    /// For how long.
    pub minutes: u64,
}

impl Outage {
    /// Whether it lasts at this millisecond of the scenario.
    pub(super) fn covers(self, elapsed_ms: u64) -> bool {
        let from = self.day * DAY_MS + DAY_MS / 2;
        (from..from + self.minutes * 60_000).contains(&elapsed_ms)
    }
}

/// Milliseconds of a day.
pub(super) const DAY_MS: u64 = 86_400_000;

/// What the thief shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// A token forged for each person, with a stolen key: valid, and never issued.
    Forged,
    /// Accounts that were issued to the thief.
    Issued,
    /// Nothing: the route asks for nothing.
    None,
}

/// `[breach]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breach {
    /// The day on which it begins, from 0.
    pub day: u64,
    /// How many days it goes on.
    pub days: u64,
    /// People whom the thief was shown.
    pub people: u64,
    /// Views that showed one of them.
    pub views: u64,
    /// Requests that met nobody.
    pub misses: u64,
    /// Addresses.
    pub addresses: u64,
    /// Of a hundred of these, how many are carrier addresses that honest customers share.
    pub shared_percent: u64,
    /// What the thief shows.
    pub credential: Credential,
    /// Accounts, where they were issued; else 0.
    pub accounts: u64,
    /// The group of these accounts, if any.
    pub group: Option<String>,
}

/// A route, as far as a policy asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSyntax {
    /// As in a configuration.
    #[serde(rename = "match")]
    pub pattern: Text,
    /// As in a configuration.
    pub allow: Option<AllowSyntax>,
}

/// `[sweep]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The budget.
    pub budget: Text,
    /// Its `people`, one gateway each.
    pub people: Vec<u32>,
}

/// `[beside]`: what else one could build in two days.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// Requests a minute and address that a rate limit lets through.
    pub requests_a_minute: Vec<u32>,
    /// People that a session may be given in a day.
    pub people_a_session: Vec<u32>,
    /// People of an address in a day, above which a counter of log lines has it cut off 60 seconds later.
    pub people_in_the_log: Vec<u32>,
}

impl Scenario {
    /// Reads the text of the file `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let scenario: Self = read_toml(file, text, "S001", "S002")?;
        let mut problems = Vec::new();
        let mut problem = |code, span, message: String, help: &str| {
            problems.push(Problem {
                code,
                severity: Severity::Error,
                file: file.to_owned(),
                span,
                message,
                help: Some(help.to_owned()).filter(|help| !help.is_empty()),
            });
        };
        let sections = [
            ("time", scenario.time.bounded()),
            ("honest", scenario.honest.bounded()),
            ("breach", scenario.breach.bounded()),
            ("ledger", scenario.ledger.bounded()),
        ];
        for (section, numbers) in sections {
            let wrong = numbers
                .iter()
                .filter_map(|number| Some((number.name, number.problem()?)));
            wrong.for_each(|(name, message)| problem("S003", place_of(text, section, name), message, ""));
        }
        let (time, breach) = (&scenario.time, &scenario.breach);
        if time.start_s().is_none() {
            let message = "this is no date since 1970".to_owned();
            problem("S003", Some(time.start.span()), message, "start = \"2025-04-14\"");
        }
        if breach.day.saturating_add(breach.days) > time.days {
            let message = format!(
                "the breach goes on for longer than the {} days of the scenario",
                time.days
            );
            problem("S003", place_of(text, "breach", "days"), message, "");
        }
        if breach.views < breach.people {
            let message = "more people than views".to_owned();
            let help = "each person is seen in one view at least";
            problem("S003", place_of(text, "breach", "views"), message, help);
        }
        for (name, number, most) in [
            ("views", breach.views, VIEWS_A_PERSON_MAX),
            ("misses", breach.misses, MISSES_A_PERSON_MAX),
        ] {
            if number > breach.people.saturating_mul(most) {
                let message = format!("`{name}` is {number}, and must be at most {most} for each of the `people`");
                problem("S003", place_of(text, "breach", name), message, "");
            }
        }
        scenario.check_size(text, &mut problem);
        let is_issued = breach.credential == Credential::Issued;
        if is_issued != (breach.accounts > 0) {
            let message = "accounts go with the credential `issued`, and only with it".to_owned();
            problem("S003", place_of(text, "breach", "accounts"), message, "");
        }
        scenario.check_sweep(&mut problem);
        if problems.is_empty() {
            Ok(scenario)
        } else {
            Err(problems)
        }
    }

    /// How many addresses there are, and how much comes at once.
    fn check_size(&self, text: &str, problem: &mut Tell<'_>) {
        let honest = &self.honest;
        let offices = honest.customers.saturating_mul(honest.office_percent) / 100;
        for (name, addresses) in [
            ("customers_a_carrier_address", carrier_addresses(honest)),
            (
                "customers_an_office_address",
                offices / honest.customers_an_office_address.max(1),
            ),
        ] {
            // The last ones make the number a multiple of the sample.
            if addresses.saturating_add(honest.sample) > ADDRESSES_MAX {
                let message = format!("that makes {addresses} addresses: at most {ADDRESSES_MAX} of one kind");
                problem(
                    "S003",
                    place_of(text, "honest", name),
                    message,
                    "more customers behind one",
                );
            }
        }
        let minutes = self.breach.days.saturating_mul(1_440).max(1);
        let visits = honest
            .visits_a_minute_max()
            .saturating_add(self.breach.people / minutes);
        if visits > VISITS_A_MINUTE_MAX {
            let message = format!("up to {visits} visits come in a minute: at most {VISITS_A_MINUTE_MAX}");
            problem("S003", place_of(text, "honest", "sample"), message, "a larger `sample`");
        }
    }

    /// What is tried, and on what.
    fn check_sweep(&self, problem: &mut Tell<'_>) {
        let swept = &self.sweep.budget;
        if !self
            .budget
            .iter()
            .any(|budget| budget.name.get_ref() == swept.get_ref())
        {
            let message = format!("there is no budget `{}`", swept.get_ref());
            problem("S004", Some(swept.span()), message, "the name of one `[[budget]]`");
        }
        let beside = &self.beside;
        let limits = self.sweep.people.len()
            + beside.requests_a_minute.len()
            + beside.people_a_session.len()
            + beside.people_in_the_log.len();
        if self.sweep.people.is_empty() || limits > LIMITS_MAX {
            let message = format!("{limits} limits are tried: from one of the sweep to {LIMITS_MAX} together");
            problem("S004", Some(swept.span()), message, "people = [20, 50, 100]");
        }
        for other in self.budget.iter().filter(|budget| budget.people.is_none()) {
            let message = format!(
                "`{}` counts no people, and a replay knows nothing else",
                other.name.get_ref()
            );
            problem("S004", Some(other.name.span()), message, "people = 100");
        }
        if self.route.is_empty() {
            problem("S004", None, "the shop has no route".to_owned(), "[[route]] with match");
        }
    }
}

/// People of a scenario at most: all that a country has.
const PEOPLE_BOUND: u64 = 2_000_000_000;

/// Views of one person, and misses before one, at most: a visit is kept while it is judged.
const VIEWS_A_PERSON_MAX: u64 = 1_000;
const MISSES_A_PERSON_MAX: u64 = 1_000_000;

/// Addresses of one kind at most: so many lie between one kind and the next.
const ADDRESSES_MAX: u64 = 1 << 28;

/// Visits of one minute at most: they are kept until all limits have seen them.
pub(super) const VISITS_A_MINUTE_MAX: u64 = 1 << 19;

impl Time {
    /// The unix second at which the first day begins.
    pub(super) fn start_s(&self) -> Option<u64> {
        let end = units::end_of_day(self.start.get_ref())?;
        // Windows reach back a month.
        u64::from(end).checked_sub(86_400).filter(|start| *start >= 60 * 86_400)
    }

    /// The unix millisecond at which it begins.
    pub(super) fn start_ms(&self) -> u64 {
        self.start_s().unwrap_or_default() * 1000
    }

    fn bounded(&self) -> Vec<Bounded> {
        bounded!(self => Self {
            days: 1..=366;
            start, seed
        })
    }
}

impl Honest {
    fn bounded(&self) -> Vec<Bounded> {
        let mut numbers = bounded!(self => Self {
            sample: 1..=1_000_000,
            customers: 1..=PEOPLE_BOUND,
            visits_a_month: 0..=10_000,
            views_a_visit: 1..=1_000,
            others_percent: 0..=100,
            carrier_percent: 0..=100,
            customers_a_carrier_address: 1..=10_000_000,
            office_percent: 0..=100 - self.carrier_percent.min(100),
            customers_an_office_address: 1..=1_000_000,
            pooled_percent: 0..=100,
            browser_percent: 0..=100,
            agents: 0..=1_000_000,
            people_an_agent: 0..=100_000,
            partners: 0..=65_536,
            people_a_partner: 0..=10_000_000,
            bots: 0..=1_000_000,
            requests_a_bot: 0..=100_000_000,
            deploy_days: 1..=366,
            key_days: 1..=366;
            idp_outage, store_outage
        });
        for outage in [self.idp_outage, self.store_outage] {
            numbers.push(Bounded::new("minutes", outage.minutes, 0..=1_440));
            numbers.push(Bounded::new("day", outage.day, 0..=366));
        }
        numbers
    }
}

impl Breach {
    fn bounded(&self) -> Vec<Bounded> {
        bounded!(self => Self {
            day: 0..=365,
            days: 1..=366,
            people: 1..=PEOPLE_BOUND,
            views: 1..=100 * PEOPLE_BOUND,
            misses: 0..=100 * PEOPLE_BOUND,
            addresses: 1..=10_000_000,
            shared_percent: 0..=100,
            accounts: 0..=10_000_000;
            credential, group
        })
    }
}
