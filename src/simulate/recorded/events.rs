//! The audit file (OCSF findings) as sightings: of each incident, how many people its key had been given by when.
//!
//! A finding tells a number of people and no person, and of one key only. So each growth of the number is so many people
//! that nobody was given before: what a budget per session, principal, address or network would have done is told, and
//! what several keys share is not.

use std::io::BufRead;

use hashbrown::HashMap;
use serde::Deserialize;

use super::clock_text::MILLIS_MAX;
use super::lines::Lines;
use super::{Sighting, Skip, Skipped, Source, SourceError, Value};
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::secret::Subject;

/// Keys whose people are remembered.
const KEYS_MAX: usize = 1_000_000;

/// People that one line can add: more is no growth that happens between two lines of one incident.
const PEOPLE_A_LINE_MAX: u64 = 1_000_000;

/// The class of the lines that are read: Data Security Finding.
const FINDING: u64 = 2006;

#[derive(Deserialize)]
struct Line {
    class_uid: u64,
    time: u64,
    #[serde(default)]
    unmapped: Option<Unmapped>,
}

/// Of a finding; lines of other classes have other members under the same name.
#[derive(Deserialize)]
struct Unmapped {
    key: Option<String>,
    dimension: Option<String>,
    /// What `people` is a number of.
    counted: Option<String>,
    people: Option<u64>,
}

impl Unmapped {
    /// Key, dimension and people of a finding that counts people; others count bytes, records or answers.
    fn counted(&self) -> Option<(KeyId, Dimension, u64)> {
        let key = KeyId::parse(self.key.as_deref()?)?;
        let dimension = Dimension::parse(self.dimension.as_deref()?)?;
        let people = self.people.filter(|_| self.counted.as_deref() == Some("people"))?;
        Some((key, dimension, people))
    }
}

/// Reads an audit file.
pub struct Events<R> {
    lines: Lines<R>,
    /// People of a key so far.
    known: HashMap<KeyId, u64>,
    skipped: Skipped,
    read: u64,
    next_person: u64,
}

impl<R: BufRead> Events<R> {
    /// Reads `from`.
    pub fn new(from: R) -> Self {
        Self {
            lines: Lines::new(from),
            known: HashMap::new(),
            skipped: Skipped::default(),
            read: 0,
            next_person: 0,
        }
    }

    /// A file of which no line was one of ours is another kind of file.
    fn end(&self) -> Result<Option<Sighting>, SourceError> {
        let first = self.skipped.each().next().filter(|_| self.read == 0);
        first.map_or(Ok(None), |(why, _, line)| {
            let why = why.name().replace('_', " ");
            let message = format!("{why}; no line is a finding of an audit file (OCSF class {FINDING})");
            Err(SourceError::Wrong { line, message })
        })
    }

    fn sighting(&mut self, line: &Line) -> Result<Sighting, Skip> {
        let unmapped = line.unmapped.as_ref().filter(|_| line.class_uid == FINDING);
        let counted = unmapped.and_then(Unmapped::counted);
        let (key, dimension, people) = counted.ok_or(Skip::Other)?;
        if line.time > MILLIS_MAX {
            return Err(Skip::Time);
        }
        // An exchange has no name: its incident is about the actor's most specific key.
        let dimension = if dimension == Dimension::Exchange {
            Dimension::Session
        } else {
            dimension
        };
        let is_one = [
            Dimension::Session,
            Dimension::Principal,
            Dimension::Address,
            Dimension::Network,
        ]
        .contains(&dimension);
        if !is_one || self.known.len() >= KEYS_MAX && !self.known.contains_key(&key) {
            return Err(Skip::Other);
        }
        let known = self.known.entry(key).or_default();
        let grown = people.saturating_sub(*known).min(PEOPLE_A_LINE_MAX);
        *known = people.max(*known);
        let first = self.next_person;
        self.next_person += grown;
        Ok(Sighting {
            at_ms: line.time,
            entries: 1,
            people: (first..first + grown).map(Subject).collect(),
            values: [(dimension, Value::from_slice(&key.0))].into_iter().collect(),
            is_known: dimension == Dimension::Principal,
            has_key_ids: true,
            is_of_one_key: true,
            ..Sighting::default()
        })
    }
}

impl<R: BufRead> Source for Events<R> {
    fn next(&mut self) -> Result<Option<Sighting>, SourceError> {
        loop {
            let Some((line, is_long)) = self.lines.next().map_err(SourceError::Io)? else {
                return self.end();
            };
            if line.is_empty() && !is_long {
                continue;
            }
            let parsed = serde_json::from_slice::<Line>(line).map_err(|_| Skip::Json);
            let number = self.lines.number;
            let read = if is_long { Err(Skip::Long) } else { parsed };
            match read.and_then(|line| self.sighting(&line)) {
                Ok(sighting) => {
                    self.read += 1;
                    return Ok(Some(Sighting {
                        line: number,
                        ..sighting
                    }));
                }
                Err(why) => self.skipped.add(why, number),
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.lines.bytes
    }

    fn skipped(&self) -> Skipped {
        self.skipped
    }
}
