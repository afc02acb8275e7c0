//! One visit: who comes, from where, and how many people are shown.

use crate::engine::secret::Subject;
use crate::simulate::random::mix;

/// Whose credential it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::simulate) enum Group {
    /// A customer of the shop.
    Customer,
    /// A support agent.
    Agent,
    /// A partner's key.
    Partner,
    /// An account of the thief's, in the group that the scenario names.
    Thief,
    /// Nobody's: no credential is shown.
    Nobody,
}

/// What the gateway knows of how the credential came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulate) enum Provenance {
    /// It was seen being issued.
    Issued,
    /// It was not.
    Unissued,
    /// Nobody can say: the store or the identity provider was away.
    Unknown,
    /// There is none.
    None,
}

/// Who is behind a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulate) enum Who {
    /// Someone honest who is shown people.
    Honest,
    /// A crawler, which is shown nobody.
    Bot,
    /// The thief.
    Thief,
}

/// One visit.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulate) struct Visit {
    /// Unix milliseconds.
    pub(in crate::simulate) at_ms: u64,
    /// Who is behind it.
    pub(in crate::simulate) who: Who,
    /// Whose credential.
    pub(in crate::simulate) group: Group,
    /// The number of the principal in its group.
    pub(in crate::simulate) principal: u64,
    /// The number of the session.
    pub(in crate::simulate) session: u64,
    /// The address, as IPv4.
    pub(in crate::simulate) address: u32,
    /// The number of the first person that is shown; of the thief's, each gateway decides.
    pub(in crate::simulate) person: u64,
    /// How many people are shown.
    pub(in crate::simulate) people: u32,
    /// Views of each.
    pub(in crate::simulate) views: u32,
    /// Requests that show nobody.
    pub(in crate::simulate) misses: u32,
    /// The fingerprint of the client.
    pub(in crate::simulate) fingerprint: u64,
    /// The number of the key that signed the credential: one more with each rotation.
    pub(in crate::simulate) key: u64,
    /// How the credential came to be.
    pub(in crate::simulate) provenance: Provenance,
}

impl Visit {
    /// Requests of the visit.
    pub(super) fn requests(&self) -> u32 {
        self.misses.saturating_add(self.people.saturating_mul(self.views))
    }
}

/// The person of this number.
pub(super) fn subject(person: u64) -> Subject {
    Subject(mix(0x7469_6465, person))
}

/// Where the addresses of each kind of client begin, so that no network holds two kinds.
pub(super) mod place {
    /// Households.
    pub(in crate::simulate::replay) const HOMES: u32 = 0x1000_0000;
    /// Offices.
    pub(in crate::simulate::replay) const OFFICES: u32 = 0x5000_0000;
    /// Carriers.
    pub(in crate::simulate::replay) const CARRIERS: u32 = 0x6000_0000;
    /// The shop's own agents.
    pub(in crate::simulate::replay) const AGENTS: u32 = 0x7000_0000;
    /// Partners.
    pub(in crate::simulate::replay) const PARTNERS: u32 = 0x7100_0000;
    /// Crawlers.
    pub(in crate::simulate::replay) const BOTS: u32 = 0x7200_0000;
    /// What the thief rents.
    pub(in crate::simulate::replay) const THIEF: u32 = 0x7300_0000;
}
