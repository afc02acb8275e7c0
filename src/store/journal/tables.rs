//! The content of a frame of entries, as it is read: what a segment has named so far, and the rows of one frame.

use std::sync::Arc;

use smallvec::SmallVec;

use super::block::{ISSUED, KNOWN, VERDICTS, after};
use super::bytes::Cursor;
use super::entry::{Actor, Entry, KEYS_MAX, Key, Scene, Shown};
use crate::engine::ledger::KeyId;
use crate::engine::secret::Subject;

/// Names of one scene at most: as many as there are bits of classes.
const SCENE_NAMES_MAX: usize = 64;

/// What a segment has named so far, by number. Bounded by the bytes of a segment.
#[derive(Default)]
pub(super) struct Tables {
    names: Vec<Arc<str>>,
    pub(super) keys: Vec<Key>,
    /// None of them where a key is looked for.
    actors: Vec<Arc<Actor>>,
    pub(super) scenes: Vec<Arc<Scene>>,
    /// For each actor, whether it has the key that is looked for.
    pub(super) is_actor_wanted: Vec<bool>,
    /// For each scene, whether its route has it.
    pub(super) is_scene_wanted: Vec<bool>,
    highest: u32,
    wanted: Option<KeyId>,
}

/// What the entries of a segment say in sum.
pub(super) struct Sum {
    tables: Tables,
    /// The first and the last second.
    pub(super) seconds: [u32; 2],
    pub(super) entries: u64,
}

impl Sum {
    pub(super) fn new() -> Self {
        Self {
            tables: Tables::default(),
            seconds: [u32::MAX, 0],
            entries: 0,
        }
    }

    /// Adds the content of a frame, whose entries are then in `rows`; `None` if it is none that was written.
    pub(super) fn add(&mut self, content: &[u8], rows: &mut Vec<Row>) -> Option<()> {
        self.tables.rows(content, rows)?;
        self.entries += rows.len() as u64;
        for row in rows.first().into_iter().chain(rows.last()) {
            self.seconds = [self.seconds[0].min(row.second), self.seconds[1].max(row.second)];
        }
        Some(())
    }

    /// The keys that were named.
    pub(super) fn keys(&self) -> Vec<KeyId> {
        self.tables.keys.iter().map(|key| key.id).collect()
    }
}

/// The entries of one frame, not yet looked into.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    count: usize,
    first: u32,
    actors: Cursor<'a>,
    rest: Cursor<'a>,
}

/// One entry by its numbers; both are of the tables that its frame was read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) actor: usize,
    pub(super) second: u32,
    pub(super) scene: usize,
    pub(super) value: u64,
}

impl Tables {
    /// Tables that also remember which actors and scenes have `key`.
    pub(super) fn looking_for(key: KeyId) -> Self {
        Self {
            wanted: Some(key),
            ..Self::default()
        }
    }

    /// Takes in what a frame names, and gives its entries; `None` if the content is none that was written.
    pub(super) fn read<'a>(&mut self, content: &'a [u8]) -> Option<Rows<'a>> {
        let mut cursor = Cursor(content);
        for _ in 0..cursor.count(1)? {
            self.names.push(cursor.text()?.into());
        }
        for _ in 0..cursor.count(13)? {
            let code = cursor.varint32()?;
            let id = KeyId(cursor.array()?);
            self.keys.push(Key { code, id });
        }
        for _ in 0..cursor.count(3)? {
            self.actor(&mut cursor)?;
        }
        for _ in 0..cursor.count(4)? {
            self.scene(&mut cursor)?;
        }
        let count = cursor.count(11)?;
        let first = cursor.varint32()?;
        let length = cursor.count(1)?;
        let actors = Cursor(cursor.take(length)?);
        Some(Rows {
            count,
            first,
            actors,
            rest: cursor,
        })
    }

    fn actor(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let marks = cursor.byte()?;
        let group = match cursor.varint32()?.checked_sub(1) {
            Some(number) => Some(self.names.get(number as usize)?),
            None => None,
        };
        let count = cursor.count(1).filter(|count| *count <= KEYS_MAX)?;
        // Whoever looks for a key asks of millions of actors only whether they have it.
        let is_kept = self.wanted.is_none();
        let mut keys = SmallVec::new();
        let mut is_wanted = false;
        for _ in 0..count {
            let number = after(self.highest, cursor.varint()?)?;
            self.highest = self.highest.max(number);
            let key = *self.keys.get(number as usize)?;
            is_wanted |= Some(key.id) == self.wanted;
            if is_kept {
                keys.push(key);
            }
        }
        self.is_actor_wanted.push(is_wanted);
        if is_kept {
            self.actors.push(Arc::new(Actor {
                keys,
                group: group.map(Arc::clone),
                is_known: marks & KNOWN != 0,
                is_issued: marks & ISSUED != 0,
            }));
        }
        Some(())
    }

    fn scene(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let verdict = *VERDICTS.get(usize::from(cursor.byte()?))?;
        let route = Arc::clone(self.names.get(cursor.varint32()? as usize)?);
        let route_key = match cursor.varint32()?.checked_sub(1) {
            Some(number) => Some(*self.keys.get(number as usize)?),
            None => None,
        };
        let count = cursor.count(1).filter(|count| *count <= SCENE_NAMES_MAX)?;
        let mut names = SmallVec::with_capacity(count);
        for _ in 0..count {
            names.push(Arc::clone(self.names.get(cursor.varint32()? as usize)?));
        }
        let is_wanted = self.wanted.is_some() && route_key.map(|key| key.id) == self.wanted;
        self.is_scene_wanted.push(is_wanted);
        self.scenes.push(Arc::new(Scene {
            route,
            route_key,
            names,
            verdict,
        }));
        Some(())
    }

    /// The same, and puts the entries into `into`, in the order of their seconds.
    pub(super) fn rows(&mut self, content: &[u8], into: &mut Vec<Row>) -> Option<()> {
        into.clear();
        self.read(content)?.each(|_| true, |row| into.push(row))?;
        let (actors, scenes) = (self.actors.len(), self.scenes.len());
        into.sort_by_key(|row| row.second);
        let is_named = |row: &Row| row.actor < actors && row.scene < scenes;
        into.iter().all(is_named).then_some(())
    }

    /// The entry behind a row of this segment.
    pub(super) fn entry(&self, row: Row) -> Option<Entry> {
        let scene = Arc::clone(self.scenes.get(row.scene)?);
        let shown = match scene.verdict {
            Some(_) => Shown::Person(Subject(row.value)),
            None => Shown::Uninspected(row.value),
        };
        Some(Entry {
            second: row.second,
            actor: Arc::clone(self.actors.get(row.actor)?),
            scene,
            shown,
        })
    }
}

impl Rows<'_> {
    /// Tells those whose actor is meant, or all if any is; `None` if they are none that were written.
    pub(super) fn each(self, is_meant: impl Fn(usize) -> bool, mut tell: impl FnMut(Row)) -> Option<()> {
        let mut actors = Vec::with_capacity(self.count);
        let (mut column, mut actor, mut is_any) = (self.actors, 0_u32, false);
        for _ in 0..self.count {
            actor = actor.checked_add(column.varint32()?)?;
            is_any |= is_meant(actor as usize);
            actors.push(actor);
        }
        if !column.0.is_empty() {
            return None;
        }
        if !is_any {
            return Some(());
        }
        let (mut rest, first) = (self.rest, self.first);
        let mut seconds = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            seconds.push(first.checked_add(rest.varint32()?)?);
        }
        let (mut scenes, mut scene) = (Vec::with_capacity(self.count), 0);
        for _ in 0..self.count {
            scene = after(scene, rest.varint()?)?;
            scenes.push(scene);
        }
        for ((actor, second), scene) in actors.into_iter().zip(seconds).zip(scenes) {
            tell(Row {
                actor: actor as usize,
                second,
                scene: scene as usize,
                value: rest.u64()?,
            });
        }
        rest.0.is_empty().then_some(())
    }
}
