//! The journal of a gateway as sightings: who was shown to whom, under every key that it wrote down.

use std::path::Path;

use super::{Sighting, Skip, Skipped, Source, SourceError, Value};
use crate::engine::ledger::Dimension;
use crate::engine::policy::Standing;
use crate::store::journal::{Entry, JournalError, Reader, Shown, Verdict};

/// Reads a journal.
pub struct Journal {
    reader: Reader,
    /// The names of the policy's routes.
    routes: Vec<String>,
    entries: u64,
    skipped: Skipped,
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
            routes: route_names.map(str::to_owned).collect(),
            entries: 0,
            skipped: Skipped::default(),
        }
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
        while let Some(entry) = self.reader.next() {
            self.entries += 1;
            let entry = entry.map_err(|error| SourceError::Wrong {
                line: self.entries,
                message: format!("{error}; `tidegate audit verify` tells where else"),
            })?;
            match self.sighting(&entry) {
                Ok(sighting) => return Ok(Some(sighting)),
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
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
