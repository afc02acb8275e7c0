//! A bounded map that forgets its older half when the younger one is full.

use std::hash::Hash;

use hashbrown::HashMap;

/// A map of at most `entries_max` entries, and two at least: no time is kept for an entry and nothing is searched, and a
/// flood of junk costs the flooder as much as us.
pub struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half_max: usize,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    /// An empty one.
    pub fn new(entries_max: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half_max: (entries_max / 2).max(1),
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The value of `key`, to be changed where it is.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.young.get_mut(key).or_else(|| self.old.get_mut(key))
    }

    /// Whether `key` is in the older half, which is forgotten next.
    pub fn is_old(&self, key: &K) -> bool {
        !self.old.is_empty() && self.old.contains_key(key)
    }

    /// Puts `key` among the youngest; what is forgotten for it.
    pub fn insert(&mut self, key: K, value: V) -> HashMap<K, V> {
        self.old.remove(&key);
        let mut forgotten = HashMap::new();
        if self.young.len() >= self.half_max && !self.young.contains_key(&key) {
            forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        }
        self.young.insert(key, value);
        forgotten
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Bytes that its tables take, without what values hold elsewhere.
    #[cfg(test)]
    pub fn table_bytes(&self) -> usize {
        self.young.allocation_size() + self.old.allocation_size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(&self.old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_the_newest_half_is_never_forgotten() {
        let mut numbers = Generations::new(100);
        let mut forgotten = 0;
        for number in 0..10_000_u32 {
            forgotten += numbers.insert(number, ()).len();
            let newest = number.saturating_sub(49)..=number;
            assert!(newest.rev().step_by(7).all(|known| numbers.get(&known).is_some()));
            assert!(numbers.len() <= 100);
        }
        assert_eq!(numbers.len() + forgotten, 10_000, "what is forgotten is told");
    }

    #[test]
    fn what_is_put_in_again_is_young_again() {
        let mut numbers = Generations::new(4);
        for number in [1, 2, 3] {
            numbers.insert(number, number);
        }
        assert!(numbers.is_old(&1) && !numbers.is_old(&3));
        numbers.insert(1, 10);
        assert!(!numbers.is_old(&1) && numbers.get(&1) == Some(&10) && numbers.len() == 3);
        numbers.insert(4, 4);
        assert_eq!(numbers.get(&2), None, "it was not asked for");
        assert_eq!(numbers.remove(&1), Some(10));
        assert_eq!(numbers.get(&1), None);
    }
}
