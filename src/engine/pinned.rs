//! Hosts whose clients refuse certificates of the organisation's authority although they trust it elsewhere: most likely they pin
//! others. They are proposed as exceptions; a person accepts.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::generations::Generations;
use super::time::Now;

/// Hosts that are noted, at most: whoever makes up more of them is told nothing.
const HOSTS_MAX: usize = 1_024;
/// Clients of one host that are told apart.
const CLIENTS_MAX: usize = 32;
/// Clients that are known to trust the authority. Those that showed it longest ago are forgotten.
const TRUSTING_MAX: usize = 16_384;

/// Who refused whose certificates. Clients are keyed hashes of their addresses.
pub struct PinnedHosts(Mutex<Noted>);

struct Noted {
    hosts: HashMap<Box<str>, Seen>,
    trusting: Generations<u64, ()>,
}

struct Seen {
    clients: SmallVec<[u64; 2]>,
    refusals: u64,
    since: u32,
    last: u32,
}

/// A host whose certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedHost {
    /// The host.
    pub host: Box<str>,
    /// Handshakes that a client ended by saying that it does not believe the certificate.
    pub refusals: u64,
    /// Clients that did, up to 32.
    pub clients: usize,
    /// Of these, the ones that believe the authority of other hosts: they pin. The others may lack the authority.
    pub trusting: usize,
    /// The unix seconds of the first and the last refusal.
    pub since: u32,
    /// See `since`.
    pub last: u32,
}

impl Default for PinnedHosts {
    fn default() -> Self {
        Self(Mutex::new(Noted {
            hosts: HashMap::new(),
            trusting: Generations::new(TRUSTING_MAX),
        }))
    }
}

impl PinnedHosts {
    /// `client` refused the certificate of `host`; false where there is no room to note it.
    pub fn refused(&self, host: &str, client: u64, now: Now) -> bool {
        let mut noted = self.lock();
        if !noted.hosts.contains_key(host) && noted.hosts.len() >= HOSTS_MAX {
            return false;
        }
        let second = now.second();
        let seen = noted.hosts.entry(host.into()).or_insert_with(|| Seen {
            clients: SmallVec::new(),
            refusals: 0,
            since: second,
            last: second,
        });
        seen.refusals += 1;
        seen.last = second;
        if seen.clients.len() < CLIENTS_MAX && !seen.clients.contains(&client) {
            seen.clients.push(client);
        }
        true
    }

    /// `client` believed a certificate of the authority.
    pub fn believed(&self, client: u64) {
        self.lock().trusting.insert(client, ());
    }

    /// Up to `limit` hosts that `is_open`: those that trusting clients refused first, then by the last refusal.
    pub fn list(&self, limit: usize, is_open: impl Fn(&str) -> bool) -> Vec<PinnedHost> {
        let noted = self.lock();
        let hosts = noted.hosts.iter().filter(|(host, _)| is_open(host));
        let mut hosts: Vec<PinnedHost> = hosts.map(|(host, seen)| noted.view(host, seen)).collect();
        hosts.sort_by_key(|one| (one.trusting == 0, u32::MAX - one.last, one.host.clone()));
        hosts.truncate(limit);
        hosts
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn view(&self, host: &str, seen: &Seen) -> PinnedHost {
        let trusting = seen.clients.iter().filter(|client| self.trusting.get(client).is_some());
        PinnedHost {
            host: host.into(),
            refusals: seen.refusals,
            clients: seen.clients.len(),
            trusting: trusting.count(),
            since: seen.since,
            last: seen.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now::from_millis(1_800_000_000_000);

    #[test]
    fn who_believes_the_authority_elsewhere_pins() {
        let pinned = PinnedHosts::default();
        assert!(pinned.refused("bank.example", 1, NOW));
        assert!(pinned.refused("bank.example", 1, NOW) && pinned.refused("bank.example", 2, NOW));
        assert!(pinned.refused("a.example", 3, NOW.after(5_000)));
        pinned.believed(1);
        let list = pinned.list(10, |_| true);
        let seen: Vec<_> = list
            .iter()
            .map(|one| (&*one.host, one.refusals, one.clients, one.trusting))
            .collect();
        assert_eq!(seen, [("bank.example", 3, 2, 1), ("a.example", 1, 1, 0)]);
        assert_eq!((list[1].since, list[1].last), (NOW.second() + 5, NOW.second() + 5));
        assert_eq!(pinned.list(1, |host| host == "a.example").len(), 1);
    }

    #[test]
    fn what_is_noted_is_bounded() {
        let pinned = PinnedHosts::default();
        for host in 0..HOSTS_MAX {
            assert!(pinned.refused(&format!("{host}.example"), 1, NOW));
        }
        assert!(!pinned.refused("more.example", 1, NOW) && pinned.refused("0.example", 2, NOW));
        for client in 0..100 {
            pinned.refused("1.example", client, NOW);
        }
        let one = pinned.list(usize::MAX, |host| host == "1.example");
        assert_eq!(one[0].clients, CLIENTS_MAX);
    }
}
