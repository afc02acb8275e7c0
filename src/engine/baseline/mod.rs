//! What is usual: how many people accounts are shown in a day, at each hour of the week, each account beside its group.
//!
//! ```text
//!  each hour, for each account: people of the last 24 hours ──▶ its own median at this hour of earlier weeks, or its group's
//!                                                        └────▶ far above: told, with the numbers
//! ```
//! Nothing here refuses: a baseline proposes limits, and a person takes them over.

mod history;
mod saved;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

pub use history::Usual;
use history::{History, median_and_deviation};
pub use saved::{Saved, SavedError};

use super::ledger::KeyId;
use super::time::Now;

/// Accounts that are followed, at most; about 800 bytes each. Others are compared with nobody, and counted.
const KEYS_MAX: usize = 16_384;
/// Groups, as many as a configuration may have.
const GROUPS_MAX: usize = 256;
/// A group says what is usual from so many accounts on that were shown somebody within a day.
const MEMBERS_MIN: usize = 5;
/// Seconds of an hour.
const HOUR_S: u32 = 3_600;
/// A power of two: exchanges meet on a lock only when their accounts share it.
const SHARDS: usize = 16;

/// The window in seconds in which the people of an account are counted.
pub const WINDOW_SECONDS: u32 = 86_400;

/// What is usual for all who are followed.
#[derive(Default)]
pub struct Baselines {
    shards: [Mutex<HashMap<KeyId, Account>>; SHARDS],
    groups: Mutex<Vec<Group>>,
}

/// One account that is followed.
struct Account {
    group: u16,
    history: History,
    /// Whether it was far above what is usual when it was last looked at.
    is_over: bool,
}

/// What is usual in one group: the median of its accounts, and their deviation from it.
#[derive(Default)]
struct Group {
    name: Box<str>,
    medians: History,
    deviations: History,
}

/// An account was shown far more people than is usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// The key of the account.
    pub key: KeyId,
    /// Its group.
    pub group: Box<str>,
    /// People of the last day.
    pub people: u32,
    /// What is usual at this hour of the week.
    pub usual: Usual,
    /// Whether that is usual for its group: the account is too new to have a baseline of its own.
    pub is_of_group: bool,
    /// Whether it was not so an hour ago.
    pub is_news: bool,
}

/// What is usual in a group, and the limit that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The group.
    pub group: Box<str>,
    /// Accounts of it that are followed.
    pub accounts: usize,
    /// What is usual at the hour of the week with most people.
    pub usual: Usual,
    /// People a day: the lowest of 1, 2, 5, 10, ... above all of what is usual.
    pub people_per_day: u32,
    /// Accounts that are usually shown more, each with a limit of its own; at most [`EXCEPTIONS_MAX`].
    pub exceptions: Vec<(KeyId, u32)>,
}

/// Accounts of a group that a proposal names.
pub const EXCEPTIONS_MAX: usize = 20;

impl Baselines {
    /// Follows an account of a group from now on; false where there is no room for one more.
    pub fn follow(&self, key: KeyId, group: &str) -> bool {
        let is_known = |accounts: &HashMap<KeyId, Account>| accounts.contains_key(&key);
        if is_known(&self.shard(key)) {
            return true;
        }
        let Some(group) = self.number(group) else {
            return false;
        };
        let mut accounts = self.shard(key);
        if accounts.len() >= KEYS_MAX / SHARDS {
            return is_known(&accounts);
        }
        accounts.entry(key).or_insert_with(|| Account {
            group,
            history: History::default(),
            is_over: false,
        });
        true
    }

    /// The last hour is over: looks at how many people each account was shown in the last [`WINDOW_SECONDS`], notes it, and tells of
    /// those that are far above what is usual. To be called once in an hour.
    pub fn look(&self, now: Now, people: &dyn Fn(KeyId) -> u32) -> Vec<Deviation> {
        let hour = now.second() / HOUR_S;
        let mut groups = self.groups();
        let usual: Vec<Option<Usual>> = groups.iter().map(|group| group.usual(hour)).collect();
        let mut of_groups: Vec<Vec<u32>> = vec![Vec::new(); groups.len()];
        let mut deviations = Vec::new();
        for shard in &self.shards {
            let mut accounts = lock(shard);
            for (key, account) in accounts.iter_mut() {
                let people = people(*key);
                let at = usize::from(account.group);
                let members = of_groups.get_mut(at).into_iter();
                members.for_each(|members| members.extend((people > 0).then_some(people)));
                let of_group = usual.get(at).copied().flatten();
                let name = groups.get(at).map_or("", |group| &group.name);
                deviations.extend(account.look(hour, people, of_group).map(|found| Deviation {
                    key: *key,
                    group: name.into(),
                    ..found
                }));
            }
            accounts.retain(|_, account| !account.history.is_empty());
        }
        for (group, members) in groups.iter_mut().zip(of_groups) {
            group.note(hour, members);
        }
        deviations
    }

    /// What limits follow, for each group of which enough is known.
    pub fn proposals(&self) -> Vec<Proposal> {
        let groups = self.groups();
        let mut proposals: Vec<Option<Proposal>> = groups.iter().map(Group::propose).collect();
        for shard in &self.shards {
            add(&mut proposals, &lock(shard));
        }
        let mut proposals: Vec<Proposal> = proposals.into_iter().flatten().collect();
        for proposal in &mut proposals {
            proposal
                .exceptions
                .sort_by_key(|(key, people)| (u32::MAX - people, *key));
            proposal.exceptions.truncate(EXCEPTIONS_MAX);
        }
        proposals
    }

    fn shard(&self, key: KeyId) -> MutexGuard<'_, HashMap<KeyId, Account>> {
        let [first, ..] = key.0;
        let shard = self.shards.get(usize::from(first) % SHARDS);
        lock(shard.expect("the remainder is smaller than the number of shards"))
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Group>> {
        lock(&self.groups)
    }

    /// The number of a group, which is new or not; none where there are too many.
    fn number(&self, name: &str) -> Option<u16> {
        let mut groups = self.groups();
        let known = groups.iter().position(|group| *group.name == *name);
        if known.is_none() && groups.len() >= GROUPS_MAX {
            return None;
        }
        let at = known.unwrap_or_else(|| {
            groups.push(Group {
                name: name.into(),
                ..Group::default()
            });
            groups.len() - 1
        });
        u16::try_from(at).ok()
    }
}

impl Account {
    /// What stands out, if something does, of no key and no group yet.
    fn look(&mut self, hour: u32, people: u32, of_group: Option<Usual>) -> Option<Deviation> {
        let own = self.history.usual(hour);
        let usual = own.or(of_group);
        let limit = usual.map_or(u32::MAX, Usual::limit);
        // Who stays above what was usual for them raises it slowly; of a new one, what it does is what is usual.
        let noted = if own.is_some() { people.min(limit) } else { people };
        self.history.note(hour, noted);
        let was_over = std::mem::replace(&mut self.is_over, people > limit);
        usual.filter(|_| self.is_over).map(|usual| Deviation {
            key: KeyId([0; 12]),
            group: Box::default(),
            people,
            usual,
            is_of_group: own.is_none(),
            is_news: !was_over,
        })
    }
}

impl Group {
    /// From the first week on: accounts come and go, and the group is what is known of those that came.
    fn usual(&self, hour: u32) -> Option<Usual> {
        let median = self.medians.middle(hour)?;
        let deviation = self.deviations.middle(hour)?;
        Some(Usual { median, deviation })
    }

    fn note(&mut self, hour: u32, members: Vec<u32>) {
        if members.len() >= MEMBERS_MIN {
            let usual = median_and_deviation(members);
            self.medians.note(hour, usual.median);
            self.deviations.note(hour, usual.deviation);
        }
    }

    fn propose(&self) -> Option<Proposal> {
        let hours = (0..history::HOURS as u32).filter_map(|hour| self.usual(hour));
        let usual = hours.max_by_key(|usual| usual.limit())?;
        Some(Proposal {
            group: self.name.clone(),
            accounts: 0,
            usual,
            people_per_day: step_above(usual.limit()),
            exceptions: Vec::new(),
        })
    }
}

impl Proposal {
    /// One account of its group.
    fn add(&mut self, key: KeyId, account: &Account) {
        self.accounts += 1;
        let own = account.history.most().map(|usual| step_above(usual.limit()));
        let own = own.filter(|own| *own > self.people_per_day);
        self.exceptions.extend(own.map(|own| (key, own)));
    }
}

/// Adds `accounts` to the proposals of their groups.
fn add(proposals: &mut [Option<Proposal>], accounts: &HashMap<KeyId, Account>) {
    for (key, account) in accounts {
        if let Some(Some(proposal)) = proposals.get_mut(usize::from(account.group)) {
            proposal.add(*key, account);
        }
    }
}

/// The lowest of 1, 2, 5, 10, 20, 50, ... that is not below `limit`: what a person would write.
fn step_above(limit: u32) -> u32 {
    let steps = (0..9).flat_map(|power| [1, 2, 5].map(|step| step * 10_u32.pow(power)));
    let mut steps = steps.filter(|step| *step >= limit);
    steps.next().unwrap_or(limit)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
