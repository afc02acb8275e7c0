//! Which key the people of a ledger are hashed with, and how another takes its place.
//!
//! ```text
//!  one key ── another beside it ──▶ both are written ── the longest window has passed, switched ──▶ places changed
//!     ◀──────────────────────────────────────────────────────────────── the old one is gone ──────┘
//! ```
//! What is kept up beside a key is a key of its own, so that the rows of both are read, merged and dropped as all others are.

use redb::{ReadableDatabase as _, ReadableTable, Table, WriteTransaction};

use super::error::StoreError;
use super::fault::{Fault, guarded};
use super::file::{FORMAT, FORMAT_ONE_KEY, KeyMark, META, META_FORMAT, StoreFile, begin};
use super::rows::{LargeKeys, ROWS, RowKey, Rows, decode};
use crate::engine::ledger::{KeyFrame, Kind};
use crate::engine::secret::PeopleMark;
use crate::engine::time::Now;

/// The name under which the file says it: the mark of the key that decides; behind it, where there is one, that of the other
/// and since which unix second both are written. Without it people are hashed with the hash key alone.
const META_PEOPLE: &str = "people";
/// The unix second in which the two last changed places, four bytes. A file that an earlier version switched does not have it.
const META_SWITCHED: &str = "switched";
/// Rows under way to their new names.
const SWITCHED: redb::TableDefinition<'_, &RowKey, &[u8]> = redb::TableDefinition::new("switched");

/// What the file says.
#[derive(Default)]
pub(super) struct People {
    pub(super) people: PeopleMark,
    pub(super) beside: Option<(PeopleMark, u32)>,
}

/// What came of the wish that the key beside takes the place of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It has it.
    Done,
    /// No gateway has written with a second key.
    NotBegun,
    /// The longest window reaches back behind the second in which writing with both began, until this one.
    Before(u32),
}

/// Reads what the file says of it; `None` where that is nothing we wrote.
pub(super) fn read(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Option<People>, Fault> {
    let Some(said) = meta.get(META_PEOPLE)? else {
        return Ok(Some(People::default()));
    };
    let Some((people, beside)) = said.value().split_first_chunk() else {
        return Ok(None);
    };
    let people = PeopleMark(*people);
    if beside.is_empty() {
        return Ok(Some(People { people, beside: None }));
    }
    let beside = beside.split_first_chunk().and_then(|(mark, since)| {
        let since = u32::from_le_bytes(since.try_into().ok()?);
        Some((PeopleMark(*mark), since))
    });
    Ok(beside.map(|beside| People {
        people,
        beside: Some(beside),
    }))
}

/// Writes it into a file in which both are written from `now` on.
pub(super) fn write(meta: &mut Table<'_, &'static str, &'static [u8]>, mark: KeyMark, now: Now) -> Result<(), Fault> {
    let beside = mark.beside.map(|beside| (beside, now.second()));
    say(meta, mark.people, beside)
}

fn say(
    meta: &mut Table<'_, &'static str, &'static [u8]>,
    people: PeopleMark,
    beside: Option<(PeopleMark, u32)>,
) -> Result<(), Fault> {
    // A gateway that knows one key of people only would take everybody here for new.
    let format = if people == PeopleMark::default() && beside.is_none() {
        FORMAT_ONE_KEY
    } else {
        FORMAT
    };
    meta.insert(META_FORMAT, format.to_le_bytes().as_slice())?;
    let mut said = people.0.to_vec();
    if let Some((beside, since)) = beside {
        said.extend(beside.0);
        said.extend(since.to_le_bytes());
    }
    meta.insert(META_PEOPLE, said.as_slice())?;
    Ok(())
}

impl StoreFile {
    /// Nothing is kept up any more beside what is written under `mark`; whether anything was.
    ///
    /// # Errors
    /// When it is of other keys, and those of the disk: then nothing has changed.
    pub fn drop_beside(&mut self, mark: KeyMark, now: Now) -> Result<bool, StoreError> {
        self.check(mark)?;
        let is_kept = self.mark.beside.is_some();
        if is_kept {
            self.keep_beside(None, now)?;
        }
        Ok(is_kept)
    }

    /// From now on people are hashed with `beside` too, or with none: what was kept up for another goes.
    pub(super) fn keep_beside(&mut self, beside: Option<PeopleMark>, now: Now) -> Result<(), StoreError> {
        let mark = KeyMark { beside, ..self.mark };
        guarded(&self.path, || {
            let writing = begin(&self.database)?;
            {
                let mut rows = writing.open_table(ROWS)?;
                rows.retain(|name, bytes| decode(name, bytes).map_or(true, |frame| frame.kind != Kind::Beside))?;
                write(&mut writing.open_table(META)?, mark, now)?;
            }
            writing.commit()?;
            Ok(())
        })?;
        self.mark = mark;
        self.since = mark.beside.map_or(0, |_| now.second());
        Ok(())
    }

    /// What is kept up beside knows nobody from before `now`: more was taken in that is not in it.
    ///
    /// # Errors
    /// Those of the disk: then nothing has changed.
    pub fn begin_beside(&mut self, now: Now) -> Result<(), StoreError> {
        guarded(&self.path, || {
            let writing = begin(&self.database)?;
            write(&mut writing.open_table(META)?, self.mark, now)?;
            writing.commit()?;
            Ok(())
        })?;
        self.since = self.mark.beside.map_or(0, |_| now.second());
        Ok(())
    }

    /// The two keys of people change places, once what is kept up knows whom the longest window reaches.
    ///
    /// # Errors
    /// Those of the disk, and a row that cannot be read: then nothing has changed.
    pub fn switch_people(&mut self, now: Now) -> Result<Switch, StoreError> {
        let Some(beside) = self.mark.beside else {
            return Ok(Switch::NotBegun);
        };
        let (mut window, mut fault) = (0, None);
        self.each(|row| match row.frame {
            Ok(frame) if counts_people(&frame) => window = window.max(frame.window_max),
            Ok(_) => {}
            Err(found) => fault = fault.or(Some(found)),
        })?;
        if let Some(fault) = fault {
            return Err(StoreError::Row(self.path.clone(), fault));
        }
        let until = self.since.saturating_add(window);
        if now.second() < until {
            return Ok(Switch::Before(until));
        }
        let apart = self.mark.people.apart(beside);
        guarded(&self.path, || {
            let writing = begin(&self.database)?;
            change_places(&writing, apart, now)?;
            let mut meta = writing.open_table(META)?;
            // The one that is left was written all along.
            say(&mut meta, beside, Some((self.mark.people, 0)))?;
            meta.insert(META_SWITCHED, now.second().to_le_bytes().as_slice())?;
            drop(meta);
            writing.commit()?;
            Ok(())
        })?;
        (self.mark.people, self.mark.beside, self.since) = (beside, Some(self.mark.people), 0);
        Ok(Switch::Done)
    }

    /// The unix second in which the two keys of people changed places last, as far as the file knows it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn switched(&self) -> Result<Option<u32>, StoreError> {
        guarded(&self.path, || {
            let said = self.database.begin_read()?.open_table(META)?.get(META_SWITCHED)?;
            Ok(said.and_then(|said| Some(u32::from_le_bytes(said.value().try_into().ok()?))))
        })
    }
}

/// Every row stands where it stands from now on.
fn change_places(writing: &WriteTransaction, apart: PeopleMark, now: Now) -> Result<(), Fault> {
    {
        let rows = writing.open_table(ROWS)?;
        let none = LargeKeys::new();
        let mut switched = Rows::new(writing.open_table(SWITCHED)?, &none, now.second());
        for row in rows.iter()? {
            let (name, bytes) = row?;
            for frame in places_changed(decode(name.value(), bytes.value())?, apart)
                .into_iter()
                .flatten()
            {
                switched.put(&frame)?;
            }
        }
        drop(switched.changed());
    }
    writing.delete_table(ROWS)?;
    writing.rename_table(SWITCHED, ROWS)?;
    Ok(())
}

/// Whether people are counted under it, in whichever place.
fn counts_people(frame: &KeyFrame) -> bool {
    frame.kind != Kind::Actors && !(frame.elements.is_empty() && frame.registers.is_empty())
}

/// What is in a row, where it stands from now on: people go beside, or come from there; whatever else is known of a key stays.
fn places_changed(mut frame: KeyFrame, apart: PeopleMark) -> [Option<KeyFrame>; 2] {
    if !counts_people(&frame) {
        return [Some(frame), None];
    }
    let stays = frame.mark.is_some() || !frame.sums.is_empty();
    let rest = stays.then(|| KeyFrame {
        elements: Vec::new(),
        registers: Vec::new(),
        ..frame.clone()
    });
    frame.key = frame.key.beside(apart);
    frame.kind = if frame.kind == Kind::Beside {
        Kind::People
    } else {
        Kind::Beside
    };
    (frame.mark, frame.sums) = (None, Vec::new());
    [Some(frame), rest]
}

#[cfg(test)]
mod tests;
