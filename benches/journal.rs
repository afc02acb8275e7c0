//! How long does it take to say whom one key was shown in thirty days, and what does a sighting take on disk?
//!
//! A month of a shop is written first: customers who are shown themselves and whom they send to, agents at work all day, and a
//! thief with a token for every ten pages. Each answer is checked against what was written. `TIDEGATE_JOURNAL_SIGHTINGS`: how
//! many, 20,000,000 by default.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time, and reads its one setting")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use tidegate::clock::Clock;
use tidegate::engine::detect::{ClassSet, RuleSet};
use tidegate::engine::ledger::{self, Dimension, KeyId};
use tidegate::engine::policy::{BudgetSyntax, Policy, Written};
use tidegate::engine::secret::{DEFAULT_TENANT, HashKey, Subject};
use tidegate::simulate::recorded::{Journal as Recorded, Simulation, Watch, simulate};
use tidegate::store::journal::{
    Actor, Asked, Exchange, Journal, Key, Page, Person, Reader, Settings, Verdict, expose, key_id,
};

type Fault = Box<dyn Error + Send + Sync>;

const HOURS: u32 = 30 * 24;
/// People whom a customer's session is shown: herself, and sometimes a friend.
const PEOPLE_A_CUSTOMER: u64 = 2;
const AGENTS: u64 = 100;
/// Pages that the thief reads with one token.
const PEOPLE_A_TOKEN: u64 = 10;
const ADDRESSES: u64 = 2_313;

/// Who is asked about.
#[derive(Clone, Copy)]
struct Known {
    customer: KeyId,
    agent: KeyId,
    /// The principal of the thief.
    thief: KeyId,
    route: KeyId,
}

struct Month {
    secret: HashKey,
    rules: Arc<RuleSet>,
    begin: u32,
    /// Sightings in an hour: of customers, of agents, of the thief.
    hourly: [u64; 3],
}

impl Month {
    fn key(&self, dimension: Dimension, value: u64) -> Key {
        Key::new(
            dimension,
            KeyId::new(&self.secret, dimension, &value.to_le_bytes(), b""),
        )
    }

    fn exchange(&self, session: u64, principal: u64, address: u64) -> Arc<Exchange> {
        let keys = [
            self.key(Dimension::Session, session),
            self.key(Dimension::Principal, principal),
            self.key(Dimension::Address, address),
            self.key(Dimension::Network, address / 64),
            self.key(Dimension::Global, 0),
        ];
        Arc::new(Exchange {
            actor: Arc::new(Actor {
                keys: SmallVec::from_slice(&keys),
                group: None,
                is_known: true,
                is_issued: true,
            }),
            route: "shop.example.com/".into(),
            route_key: Some(self.key(Dimension::Route, 0)),
            rules: Arc::clone(&self.rules),
        })
    }

    /// Writes one hour; the subjects of the thief are new ones each.
    fn write(&self, journal: &Journal, hour: u32) {
        let [customers, agents, thief] = self.hourly;
        let number = u64::from(hour);
        let mut next = 0_u64;
        let mut tell = |exchange: &Arc<Exchange>, part: u64, all: u64, subject: u64| {
            next += 1;
            while journal.waiting() > 50_000 {
                std::thread::sleep(Duration::from_micros(200));
            }
            let person = Person {
                subject: Subject(subject.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                classes: ClassSet(0b11 << (next % 3)),
                verdict: Verdict::Granted,
            };
            journal.record(Page {
                exchange: Arc::clone(exchange),
                second: self.begin + hour * 3600 + (part * 3599 / all.max(1)) as u32,
                people: SmallVec::from_slice(&[person]),
                uninspected: SmallVec::new(),
            });
        };
        // The three kinds come side by side: in slices of a minute.
        for slice in 0..60 {
            let part = |count: u64| count * slice / 60..count * (slice + 1) / 60;
            for session in part(customers / PEOPLE_A_CUSTOMER) {
                let who = number << 32 | session;
                let exchange = self.exchange(1 << 62 | who, 2 << 60 | session, session % 50_000);
                (0..PEOPLE_A_CUSTOMER).for_each(|person| tell(&exchange, slice, 60, 3 << 60 | who << 1 | person));
            }
            for sighting in part(agents) {
                let agent = sighting % AGENTS;
                let exchange = self.exchange(5 << 60 | (number / 8) << 8 | agent, 6 << 60 | agent, 1 << 40 | agent);
                tell(&exchange, slice, 60, 7 << 60 | number << 32 | sighting);
            }
            for token in part(thief / PEOPLE_A_TOKEN) {
                let who = number << 32 | token;
                let exchange = self.exchange(9 << 60 | who, 10 << 60, (2 << 40) + who % ADDRESSES);
                (0..PEOPLE_A_TOKEN).for_each(|person| tell(&exchange, slice, 60, 11 << 60 | who << 4 | person));
            }
        }
    }

    fn known(&self) -> Known {
        Known {
            customer: self.key(Dimension::Session, 1 << 62 | 77 << 32 | 3).id,
            agent: self.key(Dimension::Principal, 6 << 60 | 5).id,
            thief: self.key(Dimension::Principal, 10 << 60).id,
            route: self.key(Dimension::Route, 0).id,
        }
    }
}

fn main() -> Result<(), Fault> {
    let sightings: u64 = match std::env::var("TIDEGATE_JOURNAL_SIGHTINGS") {
        Ok(text) => text.parse()?,
        Err(_) => 20_000_000,
    };
    let hourly = sightings / u64::from(HOURS);
    let state = tempfile::tempdir()?;
    let dir = state.path().join("journal");
    let clock = Clock::start();
    let month = Month {
        secret: HashKey::new([7; 32]),
        rules: Arc::new(RuleSet::builtin()),
        begin: clock.now().second() / 3600 * 3600 - HOURS * 3600,
        // In whole sessions and tokens.
        hourly: [hourly * 4 / 10 / 2 * 2, hourly * 2 / 10, hourly * 4 / 10 / 10 * 10],
    };
    let started = Instant::now();
    let journal = Journal::start(
        &dir,
        &Settings::default(),
        (state.path(), &month.secret, &[DEFAULT_TENANT.to_owned()]),
        clock,
    )?;
    for hour in 0..HOURS {
        month.write(&journal, hour);
    }
    journal.stop();
    let written = started.elapsed().as_secs_f64();
    let total = u64::from(HOURS) * month.hourly.iter().sum::<u64>();
    let bytes = disk_bytes(&dir)?;
    println!(
        "{total} sightings of {HOURS} hours written in {written:.1} s, {:.0} a second; {:.1} MB, {:.1} bytes each",
        total as f64 / written,
        bytes as f64 / 1e6,
        bytes as f64 / total as f64
    );
    let known = month.known();
    let [_, agents, thief] = month.hourly;
    // The agent that is asked about is the sixth: of what is left over in an hour, the first ones have one more.
    let agent = agents.saturating_sub(5).div_ceil(AGENTS);
    ask(&dir, &month, "a customer's session", known.customer, PEOPLE_A_CUSTOMER)?;
    ask(&dir, &month, "an agent", known.agent, agent * u64::from(HOURS))?;
    ask(&dir, &month, "the thief", known.thief, thief * u64::from(HOURS))?;
    ask(&dir, &month, "a route, which is everybody", known.route, total)?;
    let started = Instant::now();
    let read = Reader::open(&dir)?.flatten().count() as f64;
    println!(
        "read in the order of time: {:.1} million a second",
        read / 1e6 / started.elapsed().as_secs_f64()
    );
    simulated(&dir, total)
}

/// What a policy would have done, by the sightings of the journal: as fast as `tidegate simulate` is.
fn simulated(dir: &Path, total: u64) -> Result<(), Fault> {
    let budgets = ["session", "principal", "address", "network"].map(|per| {
        let action = if per == "network" { "alert" } else { "block" };
        format!("name = \"{per}\"\nper = \"{per}\"\npeople = 500\nwindow = \"1d\"\naction = \"{action}\"\nmode = \"enforce\"")
    });
    let budgets: Vec<BudgetSyntax> = budgets
        .iter()
        .map(|text| toml::from_str(text))
        .collect::<Result<_, _>>()?;
    let written = Written {
        budgets: &budgets,
        exact_elements_max: 100_000,
        ..Written::default()
    };
    let now = Clock::start().now();
    let policy = Policy::compile(&written, HashKey::new([8; 32]), now, &mut Vec::new()).ok_or("a wrong policy")?;
    let simulation = Simulation {
        policy: Arc::new(policy),
        ledger: ledger::Settings::default(),
        secret: HashKey::new([9; 32]),
    };
    let mut recorded = Recorded::open(dir, std::iter::empty())?;
    let started = Instant::now();
    let outcome = simulate(&simulation, &mut recorded, &Watch::default())?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "simulated under 4 budgets: {:.0} sightings a second; {} refused of {}",
        outcome.sightings as f64 / seconds,
        outcome.refused,
        outcome.sightings
    );
    if outcome.sightings == total && outcome.refused > 0 {
        Ok(())
    } else {
        Err(format!("{total} were written").into())
    }
}

/// Asks once unmeasured, so that the files are in memory, and once more; `people` is the right answer, to within the sessions
/// that a slice of an hour cuts.
fn ask(dir: &Path, month: &Month, who: &str, key: KeyId, people: u64) -> Result<(), Fault> {
    let asked = Asked {
        key,
        from: month.begin,
        to: u32::MAX,
        key_id: Some(key_id(&month.secret)),
    };
    drop(expose(dir, asked)?);
    let started = Instant::now();
    let found = expose(dir, asked)?;
    let time = started.elapsed().as_secs_f64();
    let [all, read] = found.segments;
    println!(
        "{who}: {} people in {time:.3} s, {read} of {all} segments read",
        found.shown.len()
    );
    let right = people.abs_diff(found.shown.len() as u64) <= people / 100;
    if right {
        Ok(())
    } else {
        Err(format!("{who}: {people} were written").into())
    }
}

fn disk_bytes(dir: &Path) -> Result<u64, Fault> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
