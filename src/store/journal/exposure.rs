//! Whom one key was shown: reads the segments that may have it, several at once, and counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::entry::Verdict;
use super::frame::{JournalError, Kind, NoFrame};
use super::segment::{Segment, list, outline};
use super::tables::{Row, Tables};
use crate::engine::ledger::KeyId;

/// Threads that read; each has one segment in memory.
const THREADS_MAX: usize = 8;
/// People that are collected before those who came twice are put together.
const PEOPLE_AT_ONCE: usize = 1 << 16;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Of which key.
    pub key: KeyId,
    /// From this unix second.
    pub from: u32,
    /// To this unix second, included.
    pub to: u32,
    /// Of which hash key ([`key_id`](super::key_id)), if that is known: under another the same value is another key.
    pub key_id: Option<u64>,
}

/// Whom one key was shown, and what is not known.
#[derive(Debug, Default)]
pub struct Exposure {
    /// The hashes of those who were shown, in order, each once.
    pub shown: Vec<u64>,
    /// The hashes of those who came masked, in order; some may have been shown as well.
    pub masked: Vec<u64>,
    /// How many entries name a class of identifier.
    pub classes: BTreeMap<String, u64>,
    /// How many entries are of a route.
    pub routes: BTreeMap<String, u64>,
    /// Bytes that nobody looked into, by reason.
    pub uninspected: BTreeMap<String, u64>,
    /// The first and the last second, if there is any entry.
    pub seconds: Option<[u32; 2]>,
    /// Entries of the key.
    pub entries: u64,
    /// Segments of the journal, and how many of them were read.
    pub segments: [usize; 2],
    /// Segments of another hash key, which say nothing about this one.
    pub of_other_key: usize,
    /// Segments that could not be read whole: what they hold is missing from the numbers.
    pub damaged: Vec<JournalError>,
}

/// Answers from the journal in `dir`. A segment that cannot be read is named in the answer, which is from the others.
///
/// # Errors
/// When the directory cannot be read.
pub fn expose(dir: &Path, asked: Asked) -> Result<Exposure, JournalError> {
    let segments: Vec<PathBuf> = list(dir)?.into_iter().map(|(_, path)| path).collect();
    let next = AtomicUsize::new(0);
    let whole = Mutex::new(Exposure {
        segments: [segments.len(), 0],
        ..Exposure::default()
    });
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let read = || {
        let mut part = Part::new(asked);
        while let Some(path) = segments.get(next.fetch_add(1, Relaxed)) {
            let damaged = part.add(path).err();
            part.sum.damaged.extend(damaged);
        }
        // In order already, so that at the end they are only merged.
        tidy(&mut part.sum.shown);
        tidy(&mut part.sum.masked);
        whole.lock().unwrap_or_else(PoisonError::into_inner).merge(part.sum);
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(read);
        }
    });
    let mut whole = whole.into_inner().unwrap_or_else(PoisonError::into_inner);
    tidy(&mut whole.shown);
    tidy(&mut whole.masked);
    Ok(whole)
}

/// What one thread found.
struct Part {
    asked: Asked,
    sum: Exposure,
    buffer: Vec<u8>,
    /// People up to this many are in order; past twice as many they are put in order again.
    tidied: usize,
}

impl Part {
    fn new(asked: Asked) -> Self {
        Self {
            asked,
            sum: Exposure::default(),
            buffer: Vec::new(),
            tidied: PEOPLE_AT_ONCE,
        }
    }

    fn add(&mut self, path: &Path) -> Result<(), JournalError> {
        let asked = self.asked;
        let outline = outline(path)?;
        if asked.key_id.is_some_and(|key_id| key_id != outline.header.key_id) {
            self.sum.of_other_key += 1;
            return Ok(());
        }
        if let Some((index, _)) = &outline.closed
            && !(index.meets(asked.from, asked.to) && index.may_have(asked.key))
        {
            return Ok(());
        }
        self.sum.segments[1] += 1;
        let mut segment = Segment::open(path, std::mem::take(&mut self.buffer))?;
        let read = self.read(&mut segment);
        self.buffer = segment.into_buffer();
        read
    }

    fn read(&mut self, segment: &mut Segment) -> Result<(), JournalError> {
        let mut tables = Tables::looking_for(self.asked.key);
        // Of each scene of the segment, how many of its entries are of the key.
        let mut scenes: Vec<u64> = Vec::new();
        let done = loop {
            let offset = segment.offset();
            let frame = match segment.next() {
                Ok(frame) => frame,
                Err(NoFrame::End | NoFrame::Torn) => break Ok(()),
                Err(NoFrame::Damaged(what)) => break Err(segment.damaged(offset, what)),
            };
            if frame.kind == Kind::Entries && self.frame(frame.content, &mut tables, &mut scenes).is_none() {
                break Err(segment.damaged(offset, "its entries are none"));
            }
        };
        self.name(&tables, &scenes);
        done
    }

    /// Counts the entries of one frame; `None` if they are none that were written.
    fn frame(&mut self, content: &[u8], tables: &mut Tables, scenes: &mut Vec<u64>) -> Option<()> {
        let rows = tables.read(content)?;
        let tables = &*tables;
        scenes.resize(tables.scenes.len(), 0);
        let is_route = tables.is_scene_wanted.contains(&true);
        let is_actor = |actor: usize| tables.is_actor_wanted.get(actor) == Some(&true);
        let is_meant = |actor| is_route || is_actor(actor);
        rows.each(is_meant, |row| {
            let is_time = (self.asked.from..=self.asked.to).contains(&row.second);
            let is_wanted = is_actor(row.actor) || tables.is_scene_wanted.get(row.scene) == Some(&true);
            if is_time && is_wanted {
                self.count(row, tables, scenes);
            }
        })
    }

    fn count(&mut self, row: Row, tables: &Tables, scenes: &mut [u64]) {
        let (Some(scene), Some(count)) = (tables.scenes.get(row.scene), scenes.get_mut(row.scene)) else {
            return;
        };
        self.sum.entries += 1;
        let [first, last] = self.sum.seconds.unwrap_or([row.second; 2]);
        self.sum.seconds = Some([first.min(row.second), last.max(row.second)]);
        match scene.verdict {
            Some(Verdict::Granted | Verdict::Allowance) => self.sum.shown.push(row.value),
            Some(Verdict::Masked) => self.sum.masked.push(row.value),
            None => {
                let reason = scene.names.first().map_or("", |name| name);
                let bytes = self.sum.uninspected.entry(reason.to_owned()).or_default();
                *bytes = bytes.saturating_add(row.value);
                return;
            }
        }
        *count += 1;
        if self.sum.shown.len() + self.sum.masked.len() > 2 * self.tidied {
            tidy(&mut self.sum.shown);
            tidy(&mut self.sum.masked);
            self.tidied = PEOPLE_AT_ONCE.max(self.sum.shown.len() + self.sum.masked.len());
        }
    }

    /// Names the scenes of a segment.
    fn name(&mut self, tables: &Tables, scenes: &[u64]) {
        for (scene, count) in tables.scenes.iter().zip(scenes).filter(|(_, count)| **count > 0) {
            *self.sum.routes.entry(scene.route.to_string()).or_default() += count;
            for class in &scene.names {
                *self.sum.classes.entry(class.to_string()).or_default() += count;
            }
        }
    }
}

impl Exposure {
    fn merge(&mut self, part: Self) {
        self.shown.extend(part.shown);
        self.masked.extend(part.masked);
        for (into, from) in [
            (&mut self.classes, part.classes),
            (&mut self.routes, part.routes),
            (&mut self.uninspected, part.uninspected),
        ] {
            for (name, count) in from {
                let sum = into.entry(name).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        self.seconds = match (self.seconds, part.seconds) {
            (Some([first, last]), Some([earlier, later])) => Some([first.min(earlier), last.max(later)]),
            (one, other) => one.or(other),
        };
        self.entries += part.entries;
        self.segments[1] += part.segments[1];
        self.of_other_key += part.of_other_key;
        self.damaged.extend(part.damaged);
    }
}

#[expect(
    clippy::stable_sort_primitive,
    reason = "most of it is in order, which this sort keeps rather than sort anew"
)]
fn tidy(people: &mut Vec<u64>) {
    people.sort();
    people.dedup();
}
