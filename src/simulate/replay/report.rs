//! What a scenario came to, as numbers: printing is another's work.

use super::arm::Means;
use super::thief::World;

/// What became of all visits before one gateway, or before what stands beside it. Honest figures are those of the sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// People whom the thief was shown.
    pub exposed: u64,
    /// Honest customers that were refused or challenged at least once.
    pub customers: u64,
    /// The same of agents.
    pub agents: u64,
    /// The same of partners.
    pub partners: u64,
    /// The same of crawlers.
    pub bots: u64,
    /// Visits of customers that were refused.
    pub customer_visits_refused: u64,
    /// Visits of agents and partners that were refused.
    pub staff_visits_refused: u64,
    /// Incidents that a visit of the thief opened.
    pub incidents_of_thief: u64,
    /// Incidents that somebody else's did.
    pub incidents_of_others: u64,
    /// When the thief was first noticed, unix milliseconds.
    pub first_ms: Option<u64>,
    /// Minutes from the beginning of the breach until it was contained.
    pub contained_after_minutes: Option<u64>,
    /// The most keys that were in memory at the end of a day.
    pub keys_max: u64,
    /// The most bytes that the ledger had at the end of a day.
    pub ledger_bytes_max: u64,
    /// Visits that some key did not count, since it found no room.
    pub uncounted: u64,
}

impl Counts {
    /// How many people each of the thief's `accounts` was worth; none where it had none.
    pub const fn people_an_account(&self, accounts: u64) -> Option<u64> {
        self.exposed.checked_div(accounts)
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What protected.
    pub means: Means,
    /// What came of it.
    pub counts: Counts,
}

/// What of the visits a budget could know, whether or not one asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Visits of the thief.
    pub thief: u64,
    /// Of them, with a credential that nobody had issued.
    pub thief_unissued: u64,
    /// Of them, after the signing key had been rotated.
    pub thief_after_rotation: u64,
    /// Honest visits, of the sample.
    pub honest: u64,
    /// Of them, with a credential of which nobody could say: an outage.
    pub honest_unknown: u64,
    /// Of them, with the fingerprint of the most usual browser.
    pub honest_usual: u64,
    /// Requests of all kinds.
    pub requests: u64,
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the thief's client looked like.
    pub world: World,
    /// In the order of the scenario, the gateway first.
    pub outcomes: Vec<Outcome>,
    /// What could have been known.
    pub signals: Signals,
    /// When the breach began, unix milliseconds.
    pub breach_ms: u64,
    /// How many of each kind were simulated, and how many there are: customers, agents, crawlers.
    pub kept: [(u64, u64); 3],
}
