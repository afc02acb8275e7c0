//! The memory of births: asked by every exchange, told to store and fleet, bounded in every part.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::birth::{Birth, CredentialId, Tag};
use super::doubt::{Doubt, Doubts};
use crate::engine::generations::Generations;
use crate::engine::ledger::Carrier;
use crate::engine::time::Now;

/// Credentials that one login may have live by renewing them. Past it the oldest is forgotten: who renews without end fills
/// only what is theirs.
const FAMILY_MAX: usize = 32;
/// Of so many credentials that are remembered one is unknown at most.
const UNKNOWN_SHARE: usize = 4;
/// Credentials of which the shared store said lately that it knows nothing.
const ABSENT_MAX: usize = 100_000;
/// It is asked again after so many seconds: a birth that was told late is found then.
const ABSENT_S: u32 = 30;
/// An issued credential that is issued again is told again after so many seconds.
const RENEWED_S: u32 = 3_600;
/// Forgotten credentials that wait for the disk to forget them too; the next start sorts out all others.
const DROPPED_MAX: usize = 1_000_000;

/// What is known of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// This was said.
    Said(Tag),
    /// Nothing was.
    Absent,
    /// Nothing was here; the store that gateways share may know.
    Unheard,
}

/// All births that are remembered. About 60 bytes for each login, and up to 4,000 for one that renews its credentials.
pub struct Births {
    memory: RwLock<Memory>,
    known_max: usize,
}

struct Memory {
    /// What was issued, to whomever.
    known: Generations<CredentialId, Entry>,
    /// Seconds in which others were first seen.
    unknown: Generations<CredentialId, u32>,
    /// Credentials that were issued to one another, by their login.
    families: Generations<u64, SmallVec<[CredentialId; 4]>>,
    /// Until which second the shared store is not asked again.
    absent: Generations<CredentialId, u32>,
    doubts: Doubts,
    /// What each carrier is to be told; none where nobody carries.
    changed: [Option<HashSet<CredentialId>>; 2],
    /// What was forgotten: on disk it is of no use any more.
    dropped: Vec<CredentialId>,
}

#[derive(Clone, Copy)]
struct Entry {
    birth: Birth,
    family: u64,
}

impl Births {
    /// Remembers at most so many credentials.
    pub fn new(known_max: usize) -> Self {
        Self {
            memory: RwLock::new(Memory {
                known: Generations::new(known_max),
                unknown: Generations::new(known_max / UNKNOWN_SHARE),
                families: Generations::new(known_max),
                absent: Generations::new(ABSENT_MAX),
                doubts: Doubts::default(),
                changed: [None, None],
                dropped: Vec::new(),
            }),
            known_max,
        }
    }

    /// Bytes that births take here, whatever carriers are still to be told.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let memory = self.read();
        let members = memory.families.iter().filter(|(_, members)| members.spilled());
        let spilled = members.map(|(_, members)| members.capacity() * size_of::<CredentialId>());
        memory.known.table_bytes() + memory.families.table_bytes() + spilled.sum::<usize>()
    }

    /// From now on changes are kept for `carrier`, which must ask for them.
    pub fn carry(&self, carrier: Carrier) {
        self.write().changed_for(carrier).get_or_insert_default();
    }

    /// From now on births are remembered, unless they are already.
    pub fn begin(&self, now: Now) {
        let doubts = &mut self.write().doubts;
        if doubts.since == 0 {
            doubts.since = now.second();
        }
    }

    /// From now on they are not: no route is known that issues credentials.
    pub fn cease(&self) {
        self.write().doubts.since = 0;
    }

    /// The second since which births are remembered; 0: they are not.
    pub fn since(&self) -> u32 {
        self.read().doubts.since
    }

    /// They were remembered here before, since this second; 0: they were not.
    pub fn began(&self, second: u32) {
        self.write().doubts.since = second;
    }

    /// Other gateways remember them since this second, and so does this one through their store, if it does at all.
    pub fn joined(&self, second: u32) {
        let doubts = &mut self.write().doubts;
        if doubts.since != 0 && second != 0 {
            doubts.since = doubts.since.min(second);
        }
    }

    /// What is known of a credential. Who is asked for is not forgotten next.
    pub fn look(&self, id: CredentialId, now: Now) -> Look {
        let memory = self.read();
        let look = memory.look(id, now);
        let is_old = memory.known.is_old(&id) || memory.unknown.is_old(&id);
        drop(memory);
        if is_old {
            self.write().keep(id, now);
        }
        look
    }

    /// Why nobody can say of a credential that was not found whether it was issued: `issued` is the second in which it says
    /// it was. One that is first seen while nobody can say stays unknown.
    pub fn doubt(&self, id: CredentialId, issued: Option<u32>, warm_up_s: u32, now: Now) -> Option<Doubt> {
        let doubt = self.read().doubts.of(issued, warm_up_s, now)?;
        if doubt.stays() {
            let second = now.second();
            let unknown = Birth {
                second,
                tag: Tag::Unknown,
            };
            self.write().put(id, unknown, None, None, now);
        }
        Some(doubt)
    }

    /// `id` was issued to `sender`, or fresh proof was given where there is none; if that is news, what must be durable
    /// before it leaves. To an unissued sender only what was issued before is marked: nothing else was ever issued.
    pub fn issue(&self, id: CredentialId, tag: Tag, sender: Option<CredentialId>, now: Now) -> Option<Birth> {
        let mut memory = self.write();
        let before = memory.said(id);
        let is_news = match (before, tag) {
            (Some(before), _) if before.tag == tag => {
                tag == Tag::Issued && now.second() >= before.second.saturating_add(RENEWED_S)
            }
            (Some(_), Tag::Unknown) | (None, Tag::Unissued) => false,
            (Some(_) | None, Tag::Unknown | Tag::Issued | Tag::Unissued) => true,
        };
        if !is_news {
            return None;
        }
        let after = before
            .filter(|before| before.tag != Tag::Unknown)
            .map_or(0, |before| before.second.saturating_add(1));
        let second = now.second().max(after);
        let birth = Birth { second, tag };
        memory.put(id, birth, sender, None, now);
        Some(birth)
    }

    /// Takes in what `from` knows. What gateways say goes to disk; what is on disk is nobody's news.
    pub fn merge(&self, id: CredentialId, birth: Birth, from: Carrier, now: Now) {
        let mut memory = self.write();
        if memory.said(id).is_none_or(|known| known.rank() < birth.rank()) {
            memory.put(id, birth, None, Some(from), now);
        }
    }

    /// The shared store knows nothing of it.
    pub fn heard_nothing(&self, id: CredentialId, now: Now) {
        let until = now.second().saturating_add(ABSENT_S);
        self.write().absent.insert(id, until);
    }

    /// What changed since the last time.
    pub fn drain(&self, carrier: Carrier) -> Vec<(CredentialId, Birth)> {
        let changed = self.write().changed_for(carrier).as_mut().map(std::mem::take);
        // Exchanges look at it meanwhile; what changes now is in the next one.
        let memory = self.read();
        let ids = changed.unwrap_or_default().into_iter();
        ids.filter_map(|id| Some((id, memory.said(id)?))).collect()
    }

    /// What a drain said did not arrive: the next one says it again.
    pub fn drain_again(&self, carrier: Carrier, births: &[(CredentialId, Birth)]) {
        if let Some(changed) = self.write().changed_for(carrier) {
            changed.extend(births.iter().map(|(id, _)| *id));
        }
    }

    /// The next drain says everything.
    pub fn drain_all(&self, carrier: Carrier) {
        let memory = self.read();
        let all = memory.known.iter().map(|(id, _)| *id);
        let all: HashSet<CredentialId> = all.chain(memory.unknown.iter().map(|(id, _)| *id)).collect();
        drop(memory);
        if let Some(changed) = self.write().changed_for(carrier) {
            // What came meanwhile stays.
            let since = std::mem::replace(changed, all);
            changed.extend(since);
        }
    }

    /// What was forgotten since the last time.
    pub fn take_dropped(&self) -> Vec<CredentialId> {
        std::mem::take(&mut self.write().dropped)
    }

    /// The shared store does not answer.
    pub fn out(&self, now: Now) {
        self.write().doubts.out(now);
    }

    /// It answers again.
    pub fn back(&self, now: Now) {
        self.write().doubts.back(now);
    }

    /// How many credentials are remembered.
    pub fn len(&self) -> usize {
        let memory = self.read();
        memory.known.len() + memory.unknown.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many at most.
    pub fn known_max(&self) -> usize {
        self.known_max
    }

    fn read(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn changed_for(&mut self, carrier: Carrier) -> &mut Option<HashSet<CredentialId>> {
        let [store, fleet] = &mut self.changed;
        match carrier {
            Carrier::Store => store,
            Carrier::Fleet => fleet,
        }
    }

    fn said(&self, id: CredentialId) -> Option<Birth> {
        let known = self.known.get(&id).map(|entry| entry.birth);
        known.or_else(|| {
            let second = *self.unknown.get(&id)?;
            let tag = Tag::Unknown;
            Some(Birth { second, tag })
        })
    }

    fn look(&self, id: CredentialId, now: Now) -> Look {
        if let Some(birth) = self.said(id) {
            return Look::Said(birth.tag);
        }
        let [_, fleet] = &self.changed;
        let is_asked = self.absent.get(&id).is_some_and(|until| now.second() < *until);
        if fleet.is_none() || self.doubts.is_out() || is_asked {
            Look::Absent
        } else {
            Look::Unheard
        }
    }

    /// Puts what is known already among the youngest.
    fn keep(&mut self, id: CredentialId, now: Now) {
        if let Some(entry) = self.known.remove(&id) {
            self.remember(id, entry, now);
        } else if let Some(second) = self.unknown.remove(&id) {
            self.see(id, second);
        }
    }

    /// Puts a birth that wins over what is known, and has all carriers told but the one that it is `from`.
    fn put(&mut self, id: CredentialId, birth: Birth, sender: Option<CredentialId>, from: Option<Carrier>, now: Now) {
        match birth.tag {
            Tag::Unknown if self.known.get(&id).is_some() => return,
            Tag::Unknown => self.see(id, birth.second),
            Tag::Issued | Tag::Unissued => {
                self.unknown.remove(&id);
                let family = self.join_family(id, sender);
                self.remember(id, Entry { birth, family }, now);
            }
        }
        self.absent.remove(&id);
        let told = match from {
            Some(Carrier::Store) => &[][..],
            Some(Carrier::Fleet) => &[Carrier::Store],
            None => &[Carrier::Store, Carrier::Fleet],
        };
        for carrier in told {
            if let Some(changed) = self.changed_for(*carrier) {
                changed.insert(id);
            }
        }
    }

    fn see(&mut self, id: CredentialId, second: u32) {
        let forgotten = self.unknown.insert(id, second);
        self.drop_all(forgotten.into_keys());
    }

    fn remember(&mut self, id: CredentialId, entry: Entry, now: Now) {
        let forgotten = self.known.insert(id, entry);
        if !forgotten.is_empty() {
            self.doubts.forgotten = now.second();
            self.drop_all(forgotten.into_keys());
        }
    }

    /// The family of `id`, which was issued to `sender`.
    fn join_family(&mut self, id: CredentialId, sender: Option<CredentialId>) -> u64 {
        if let Some(known) = self.known.get(&id) {
            return known.family;
        }
        let Some(sender) = sender else { return name(id) };
        let family = self
            .known
            .get(&sender)
            .map_or_else(|| name(sender), |entry| entry.family);
        let mut members = self.families.remove(&family).unwrap_or_default();
        members.push(id);
        let oldest = (members.len() > FAMILY_MAX).then(|| members.remove(0));
        self.families.insert(family, members);
        if let Some(oldest) = oldest {
            self.known.remove(&oldest);
            self.drop_all(std::iter::once(oldest));
        }
        family
    }

    /// What is forgotten here is forgotten on disk. Without a store nobody is to be told.
    fn drop_all(&mut self, forgotten: impl Iterator<Item = CredentialId>) {
        let [store, fleet] = &mut self.changed;
        let Some(store) = store else { return };
        for id in forgotten {
            store.remove(&id);
            if let Some(fleet) = fleet {
                fleet.remove(&id);
            }
            if self.dropped.len() < DROPPED_MAX {
                self.dropped.push(id);
            }
        }
    }
}

/// What stands for the family that a login began.
fn name(id: CredentialId) -> u64 {
    let first = id.0.first_chunk().copied();
    u64::from_le_bytes(first.unwrap_or_default())
}
