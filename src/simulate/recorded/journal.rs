//! The journal of a gateway as sightings: who was shown to whom, under every key that it wrote down. Entries of one page come
//! one after the other, and are one sighting.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Sighting, Skip, Skipped, Source, SourceError, Value};
use crate::engine::ledger::Dimension;
use crate::engine::policy::Standing;
use crate::store::journal::{Entry, JournalError, Reader, Shown, Verdict};

/// Entries of one sighting at most.
const ENTRIES_MAX: usize = 64;

/// Reads a journal.
pub struct Journal {
    reader: Reader,
    /// What was read and is not of the last sighting.
    ahead: Option<Entry>,
    /// The names of the policy's routes.
    routes: Vec<String>,
    entries: u64,
    skipped: Skipped,
    /// One a segment at most.
    damaged: Vec<JournalError>,
}

impl Journal {
    /// The journal in `dir`; `route_names` are the `match` of the policy's routes.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open<'a>(dir: &Path, route_names: impl Iterator<Item = &'a str>) -> Result<Self, JournalError> {
        Ok(Self::new(Reader::open(dir)?, route_names))
    }

    pub(super) fn new<'a>(reader: Reader, route_names: impl Iterator<Item = &'a str>) -> Self {
        Self {
            reader,
            ahead: None,
            routes: route_names.map(str::to_owned).collect(),
            entries: 0,
            skipped: Skipped::default(),
            damaged: Vec::new(),
        }
    }

    /// The next entry that is as it was written.
    fn entry(&mut self) -> Result<Option<Entry>, SourceError> {
        if self.ahead.is_some() {
            return Ok(self.ahead.take());
        }
        loop {
            match self.reader.next().transpose() {
                Ok(entry) => return Ok(entry),
                Err(JournalError::Io(path, error)) => return Err(SourceError::Io(at(&path, &error))),
                // The next segment follows.
                Err(damaged) => self.damaged.push(damaged),
            }
        }
    }

    /// Adds to the sighting of `first` what follows it, as long as that is of its page.
    fn join(&mut self, first: &Entry, sighting: &mut Sighting) -> Result<(), SourceError> {
        while sighting.people.len() < ENTRIES_MAX {
            let Some(entry) = self.entry()? else { break };
            let is_shown = entry.scene.verdict != Some(Verdict::Masked);
            match entry.shown {
                Shown::Person(subject) if is_shown && is_of_one_page(first, &entry) => {
                    sighting.people.push(subject);
                    sighting.entries += 1;
                    self.entries += 1;
                }
                Shown::Person(_) | Shown::Uninspected(_) => {
                    self.ahead = Some(entry);
                    break;
                }
            }
        }
        Ok(())
    }

    /// What an entry says of a person; bytes that nobody looked into are nobody, and who was masked was not shown.
    fn sighting(&self, entry: &Entry) -> Result<Sighting, Skip> {
        let Shown::Person(subject) = entry.shown else {
            return Err(Skip::Other);
        };
        if entry.scene.verdict == Some(Verdict::Masked) {
            return Err(Skip::Masked);
        }
        let actor = &entry.actor;
        // Of a combination its parts are there as well.
        let is_single = |dimension: &Dimension| !matches!(dimension, Dimension::Combined(_));
        let values = actor.keys.iter().filter_map(|key| {
            let dimension = key.dimension().filter(is_single)?;
            Some((dimension, Value::from_slice(&key.id.0)))
        });
        let mut known = self.routes.iter();
        let route = known.position(|route| **route == *entry.scene.route);
        Ok(Sighting {
            at_ms: u64::from(entry.second) * 1000,
            line: self.entries,
            entries: 1,
            values: values.collect(),
            route: route.unwrap_or(self.routes.len()),
            people: [subject].into_iter().collect(),
            group: actor.group.clone(),
            is_known: actor.is_known,
            standing: if actor.is_issued {
                Standing::Issued
            } else {
                Standing::Unknown
            },
            has_key_ids: true,
            is_of_one_key: false,
        })
    }
}

impl Source for Journal {
    fn next(&mut self) -> Result<Option<Sighting>, SourceError> {
        while let Some(entry) = self.entry()? {
            self.entries += 1;
            match self.sighting(&entry) {
                Ok(mut sighting) => {
                    self.join(&entry, &mut sighting)?;
                    return Ok(Some(sighting));
                }
                Err(why) => self.skipped.add(why, self.entries),
            }
        }
        Ok(None)
    }

    fn bytes(&self) -> u64 {
        0
    }

    fn skipped(&self) -> Skipped {
        self.skipped
    }

    fn damaged(&self) -> &[JournalError] {
        &self.damaged
    }
}

fn is_of_one_page(one: &Entry, other: &Entry) -> bool {
    let is_of_one_actor = Arc::ptr_eq(&one.actor, &other.actor) || one.actor == other.actor;
    is_of_one_actor && one.second == other.second && one.scene.route == other.scene.route
}

/// The error with its file.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::KeyId;
    use crate::engine::secret::Subject;
    use crate::store::journal::{Actor, Key, Scene};

    #[test]
    fn an_entry_is_a_sighting_under_its_keys_and_nobody_is_made_of_bytes_or_masks() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), ["shop/", "shop/orders"].into_iter()).unwrap();
        let entry = |shown, verdict, is_issued| {
            let keys = [(Dimension::Session, 1), (Dimension::Ja4, 2)];
            let keys = keys.map(|(dimension, id)| Key::new(dimension, KeyId([id; 12])));
            Entry {
                second: 1_700_000_000,
                actor: Arc::new(Actor {
                    keys: keys.into_iter().collect(),
                    group: Some("agent".into()),
                    is_known: true,
                    is_issued,
                }),
                scene: Arc::new(Scene {
                    route: "shop/orders".into(),
                    route_key: None,
                    names: smallvec::SmallVec::new(),
                    verdict,
                }),
                shown,
            }
        };
        let person = Shown::Person(Subject(7));
        let seen = journal.sighting(&entry(person, Some(Verdict::Granted), true)).unwrap();
        assert_eq!(
            (seen.at_ms, seen.route, &seen.people[..]),
            (1_700_000_000_000, 1, &[Subject(7)][..])
        );
        assert_eq!(seen.value(Dimension::Session), Some(&[1; 12][..]));
        assert_eq!(seen.value(Dimension::Ja4), Some(&[2; 12][..]));
        assert_eq!(
            (seen.standing, seen.group.as_deref()),
            (Standing::Issued, Some("agent"))
        );
        assert!(seen.tells(Dimension::Global) && !seen.tells(Dimension::Address) && !seen.tells(Dimension::Exchange));
        for (shown, verdict, why) in [
            (person, Some(Verdict::Masked), Skip::Masked),
            (Shown::Uninspected(9), None, Skip::Other),
        ] {
            assert_eq!(journal.sighting(&entry(shown, verdict, false)).err(), Some(why));
        }
    }
}
