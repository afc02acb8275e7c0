//! The content of a frame of entries, as it is written: what is named for the first time, then the entries in columns.
//!
//! ```text
//! names    count, then of each: length, text                              routes, groups, classes, reasons
//! keys     count, then of each: dimension, 12 bytes
//! actors   count, then of each: marks (1 byte), group, keys, and of each how far it is from the highest that was named before
//! scenes   count, then of each: verdict (1 byte), route, key of the route, names, and of each its number
//! entries  count, first second, bytes of the next column,
//!          actors | seconds after the first | scenes | 8 bytes each; actors and scenes as differences to the one before
//! ```
//!
//! All numbers are varints but the eight bytes of an entry: the subject, or the count of bytes that nobody looked into. What is
//! named in a segment keeps its number to the end of the segment. Entries stand in the order of their actors.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::bytes::{put_text, put_varint};
use super::entry::{Actor, Exchange, KEYS_MAX, Key, Verdict};

/// Entries of one frame.
pub(super) const BLOCK_ENTRIES_MAX: usize = 4096;

/// The mark of an actor whose credential is known.
pub(super) const KNOWN: u8 = 1;
/// The mark of an actor whose credential was issued.
pub(super) const ISSUED: u8 = 2;

/// The code of a verdict; of `None`, for uninspected bytes, the last.
pub(super) const VERDICTS: [Option<Verdict>; 4] = [
    Some(Verdict::Granted),
    Some(Verdict::Allowance),
    Some(Verdict::Masked),
    None,
];

/// An entry by its numbers.
#[derive(Clone, Copy)]
struct Row {
    actor: u32,
    second: u32,
    scene: u32,
    value: u64,
}

/// Things that are named once, and how many.
#[derive(Default)]
struct Section {
    count: u64,
    bytes: Vec<u8>,
}

impl Section {
    fn put(&mut self, into: &mut Vec<u8>) {
        put_varint(into, std::mem::take(&mut self.count));
        into.append(&mut self.bytes);
    }
}

/// Numbers what a segment names, and collects entries until they are written.
#[derive(Default)]
pub(super) struct Builder {
    names: HashMap<Arc<str>, u32>,
    keys: HashMap<Key, u32>,
    actors: HashMap<Arc<Actor>, u32>,
    scenes: HashMap<SceneNumbers, u32>,
    /// The highest number of a key that an actor has.
    highest: u32,
    new_names: Section,
    new_keys: Section,
    new_actors: Section,
    new_scenes: Section,
    rows: Vec<Row>,
}

/// A scene by its numbers.
#[derive(PartialEq, Eq, Hash)]
struct SceneNumbers {
    verdict: u8,
    route: u32,
    route_key: Option<u32>,
    names: SmallVec<[u32; 4]>,
}

impl Builder {
    /// Entries that wait.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All keys of the segment, those of routes as well.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.keys()
    }

    /// Adds an entry: `names` are those of the classes, or the reason for which `value` bytes were not looked into.
    pub(super) fn add<'n>(
        &mut self,
        exchange: &Exchange,
        second: u32,
        names: impl Iterator<Item = &'n str>,
        (verdict, value): (Option<Verdict>, u64),
    ) {
        let actor = self.actor(&exchange.actor);
        let code = VERDICTS.iter().position(|known| *known == verdict).unwrap_or_default() as u8;
        let numbers = SceneNumbers {
            verdict: code,
            route: self.name(&exchange.route),
            route_key: exchange.route_key.map(|key| self.key(key)),
            names: names.map(|name| self.name(name)).collect(),
        };
        let scene = self.scene(numbers);
        self.rows.push(Row {
            actor,
            second,
            scene,
            value,
        });
    }

    /// The content of a frame with all that waits, the first and the last second, and how many entries there are.
    pub(super) fn take(&mut self) -> (Vec<u8>, [u32; 2], u64) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(|row| (row.actor, row.second));
        let first = rows.iter().map(|row| row.second).min().unwrap_or_default();
        let last = rows.iter().map(|row| row.second).max().unwrap_or_default();
        let mut content = Vec::with_capacity(rows.len() * 16);
        for section in [
            &mut self.new_names,
            &mut self.new_keys,
            &mut self.new_actors,
            &mut self.new_scenes,
        ] {
            section.put(&mut content);
        }
        let mut actors = Vec::with_capacity(rows.len() * 2);
        let mut before = 0;
        for row in &rows {
            put_varint(&mut actors, u64::from(row.actor - before));
            before = row.actor;
        }
        put_varint(&mut content, rows.len() as u64);
        put_varint(&mut content, u64::from(first));
        put_varint(&mut content, actors.len() as u64);
        content.append(&mut actors);
        for row in &rows {
            put_varint(&mut content, u64::from(row.second - first));
        }
        let mut before = 0;
        for row in &rows {
            put_varint(&mut content, distance(before, row.scene));
            before = row.scene;
        }
        for row in &rows {
            content.extend_from_slice(&row.value.to_le_bytes());
        }
        (content, [first, last], rows.len() as u64)
    }

    fn name(&mut self, name: &str) -> u32 {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.insert(name.into(), number);
        self.new_names.count += 1;
        put_text(&mut self.new_names.bytes, name);
        number
    }

    fn key(&mut self, key: Key) -> u32 {
        let next = self.keys.len() as u32;
        let number = *self.keys.entry(key).or_insert(next);
        if number == next {
            self.new_keys.count += 1;
            put_varint(&mut self.new_keys.bytes, u64::from(key.code));
            self.new_keys.bytes.extend_from_slice(&key.id.0);
        }
        number
    }

    fn actor(&mut self, actor: &Arc<Actor>) -> u32 {
        if let Some(number) = self.actors.get(actor) {
            return *number;
        }
        let number = self.actors.len() as u32;
        self.actors.insert(Arc::clone(actor), number);
        let group = actor.group.as_ref().map_or(0, |group| u64::from(self.name(group)) + 1);
        let keys: SmallVec<[u32; 8]> = actor.keys.iter().take(KEYS_MAX).map(|key| self.key(*key)).collect();
        let marks = u8::from(actor.is_known) * KNOWN + u8::from(actor.is_issued) * ISSUED;
        self.new_actors.count += 1;
        let into = &mut self.new_actors.bytes;
        into.push(marks);
        put_varint(into, group);
        put_varint(into, keys.len() as u64);
        for key in keys {
            put_varint(into, distance(self.highest, key));
            self.highest = self.highest.max(key);
        }
        number
    }

    fn scene(&mut self, scene: SceneNumbers) -> u32 {
        if let Some(number) = self.scenes.get(&scene) {
            return *number;
        }
        let number = self.scenes.len() as u32;
        self.new_scenes.count += 1;
        let into = &mut self.new_scenes.bytes;
        into.push(scene.verdict);
        put_varint(into, u64::from(scene.route));
        put_varint(into, scene.route_key.map_or(0, |key| u64::from(key) + 1));
        put_varint(into, scene.names.len() as u64);
        for name in &scene.names {
            put_varint(into, u64::from(*name));
        }
        self.scenes.insert(scene, number);
        number
    }
}

/// How far it is from one number to another: even upwards, odd downwards. New keys come one after the other, so it is short.
fn distance(from: u32, to: u32) -> u64 {
    let (from, to) = (u64::from(from), u64::from(to));
    if to >= from {
        (to - from) << 1
    } else {
        (from - to) << 1 | 1
    }
}

/// Where one is after such a distance.
pub(super) fn after(from: u32, distance: u64) -> Option<u32> {
    let steps = u32::try_from(distance >> 1).ok()?;
    if distance & 1 == 0 {
        from.checked_add(steps)
    } else {
        from.checked_sub(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::detect::RuleSet;
    use crate::engine::ledger::{Dimension, KeyId};

    /// What README says of the room on disk.
    #[test]
    fn an_entry_takes_a_dozen_bytes_and_a_session_some_fifty() {
        let rules = Arc::new(RuleSet::builtin());
        let hashed = |number: u64, dimension| {
            let hash = blake3::hash(&number.to_le_bytes());
            let mut id = [0; 12];
            id.copy_from_slice(&hash.as_bytes()[..12]);
            Key::new(dimension, KeyId(id))
        };
        let bytes = |sessions: u64| {
            let mut builder = Builder::default();
            for number in 0..4_096 {
                let session = number % sessions;
                let keys = [
                    hashed(session, Dimension::Session),
                    hashed(1 << 40 | session, Dimension::Principal),
                    hashed(2 << 40 | session, Dimension::Address),
                    hashed((3 << 40) + session / 50, Dimension::Network),
                    hashed(4 << 40, Dimension::Global),
                ];
                let exchange = Exchange {
                    actor: Arc::new(Actor {
                        keys: SmallVec::from_slice(&keys),
                        ..Actor::default()
                    }),
                    route: "shop.example.com/".into(),
                    route_key: Some(hashed(5 << 40, Dimension::Route)),
                    rules: Arc::clone(&rules),
                };
                let second = 1_800_000_000 + (number / 100) as u32;
                let names = ["email", "phone"].into_iter().take(number as usize % 3);
                builder.add(&exchange, second, names, (Some(Verdict::Granted), u64::MAX - number));
            }
            builder.take().0.len() as f64
        };
        let (one, many) = (bytes(1), bytes(4_096));
        assert!((11.0..14.0).contains(&(one / 4_096.0)), "{} an entry", one / 4_096.0);
        let session = (many - one) / 4_095.0;
        assert!((45.0..60.0).contains(&session), "{session} a session");
    }
}
