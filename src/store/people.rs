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
use super::file::{KeyMark, META, StoreFile, begin};
use super::rows::{LargeKeys, ROWS, RowKey, Rows, decode};
use crate::engine::ledger::{KeyFrame, Kind};
use crate::engine::secret::PeopleMark;
use crate::engine::time::Now;

/// The name under which the file says it: the mark of the key that decides; behind it, where there is one, that of the other
/// and since which unix second both are written. Without it people are hashed with the hash key alone.
const META_PEOPLE: &str = "people";
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
        })
    }

    /// The two keys of people change places, once what is kept up knows whom the longest window reaches.
    ///
    /// # Errors
    /// Those of the disk, and a row that cannot be read: then nothing has changed.
    pub fn switch_people(&mut self, now: Now) -> Result<Switch, StoreError> {
        let people = guarded(&self.path, || read(&self.database.begin_read()?.open_table(META)?))?;
        let Some((beside, since)) = people.and_then(|people| people.beside) else {
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
        let until = since.saturating_add(window);
        if now.second() < until {
            return Ok(Switch::Before(until));
        }
        let apart = self.mark.people.apart(beside);
        guarded(&self.path, || {
            let writing = begin(&self.database)?;
            change_places(&writing, apart, now)?;
            // The one that is left was written all along.
            say(&mut writing.open_table(META)?, beside, Some((self.mark.people, 0)))?;
            writing.commit()?;
            Ok(())
        })?;
        (self.mark.people, self.mark.beside) = (beside, Some(self.mark.people));
        Ok(Switch::Done)
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
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::ledger::{
        Ask, BudgetId, Carrier, Dimension, Elements, Excess, KeyId, KeyUse, Ledger, Limit, Settings,
    };
    use crate::engine::secret::{HashKey, Subject};

    const DAY: u32 = 86_400;
    const START: u32 = 1_800_000_000;
    /// Subjects allowed in thirty days and in one, and in a day within the allowance.
    const LIMITS: [u32; 3] = [20, 6, 2];

    fn at(second: u32) -> Now {
        Now::from_millis(u64::from(second) * 1000)
    }

    fn key(byte: u8) -> HashKey {
        HashKey::new([byte; 32])
    }

    /// The gateway before, while and after its key of people is replaced.
    fn steps() -> [HashKey; 4] {
        let old = || key(1);
        [
            old(),
            old().hashing_people(None, Some(key(2))),
            old().hashing_people(Some(key(2)), Some(old())),
            old().hashing_people(Some(key(2)), None),
        ]
    }

    fn used(number: u8, limits: &[(u32, u32)]) -> KeyUse {
        let limits = limits.iter().map(|(people, days)| Limit {
            budget: BudgetId(u64::from(number)),
            people: *people,
            window: days * DAY,
            excess: Excess::Refused,
            strict: false,
        });
        KeyUse {
            key: KeyId([number; 12]),
            dimension: Dimension::Session,
            elements: Elements::People,
            fallback: None,
            limits: limits.collect(),
        }
    }

    /// A gateway that can be stopped and started with other keys.
    struct Gateway {
        ledger: Arc<Ledger>,
        file: StoreFile,
        secret: HashKey,
    }

    impl Gateway {
        fn start(dir: &Path, secret: &HashKey, now: Now) -> Self {
            let mut ledger = Ledger::new(Settings::default());
            ledger.carry(Carrier::Store);
            ledger.keep_beside(secret);
            let mut file = StoreFile::open_or_create(dir, KeyMark::of(secret), now).unwrap();
            file.each(|row| ledger.load(&row.frame.unwrap(), now)).unwrap();
            Self {
                ledger: Arc::new(ledger),
                file,
                secret: secret.clone(),
            }
        }

        fn stop(mut self, now: Now) {
            let mut frames = Vec::new();
            self.ledger.drain(Carrier::Store, &mut frames);
            self.file.write(&frames, &[], now).unwrap();
        }

        /// Who is granted of `people`, who are asked for one by one.
        fn show(&self, people: &[u64], now: Now) -> Vec<bool> {
            self.show_under(&[(LIMITS[0], 30)], people, false, now)
        }

        fn show_under(&self, limits: &[(u32, u32)], people: &[u64], is_allowed: bool, now: Now) -> Vec<bool> {
            let keys = vec![used(1, limits)];
            let allowance = is_allowed.then(|| used(2, &[(LIMITS[2], 1)]));
            let mut account = self.ledger.open(keys, allowance, now);
            let hashed =
                |key: &HashKey, person: &u64| Subject(key.hash64("tidegate subject 1", &[&person.to_le_bytes()]));
            let ask = |person| Ask {
                beside: self
                    .secret
                    .beside()
                    .map(|beside| Box::new(Ask::from_iter([hashed(beside, person)]))),
                ..Ask::from_iter([hashed(self.secret.people(), person)])
            };
            let granted = people
                .iter()
                .map(|person| account.reserve(&[ask(person)], now).granted == 1);
            let granted = granted.collect();
            account.hand_over(u64::MAX, now);
            granted
        }
    }

    #[test]
    fn while_a_key_of_people_is_replaced_nobody_who_was_known_becomes_new_and_no_limit_is_doubled() {
        let dir = tempfile::tempdir().unwrap();
        let [old, begun, switched, ended] = steps();
        let day = |day: u32| at(START + day * DAY);
        let people = |people: std::ops::Range<u64>| people.collect::<Vec<_>>();
        let restart = |gateway: Gateway, secret: &HashKey, now| {
            gateway.stop(now);
            Gateway::start(dir.path(), secret, now)
        };
        let gateway = Gateway::start(dir.path(), &old, day(0));
        assert_eq!(gateway.show(&people(0..8), day(0)), [true; 8]);
        let held = KeyId([9; 12]);
        assert!(gateway.ledger.hold(held, Dimension::Session, 90 * DAY, None, day(0)));
        let gateway = restart(gateway, &begun, day(1));
        assert_eq!(gateway.show(&people(6..12), day(2)), [true; 6]);
        let gateway = restart(gateway, &begun, day(3));
        assert_eq!(gateway.show(&people(6..12), day(3)), [true; 6]);
        let listed = gateway.ledger.keys(None, 9, &|_| &[30 * DAY], day(3));
        assert_eq!(listed.len(), 2, "the one that is held, and nothing that is kept up");
        assert_eq!(listed[0].people[0].1, 12);

        let mut gateway = gateway;
        gateway.stop(day(29));
        let mut file = StoreFile::open(dir.path()).unwrap();
        let until = START + 31 * DAY;
        assert_eq!(file.switch_people(day(29)).unwrap(), Switch::Before(until));
        drop(file);
        let refused = StoreFile::open_or_create(dir.path(), KeyMark::of(&switched), day(29));
        assert!(
            matches!(refused.err(), Some(StoreError::OtherPeople(_))),
            "nobody is forgotten in silence"
        );
        gateway = Gateway::start(dir.path(), &begun, day(29));
        assert_eq!(gateway.show(&people(12..18), day(29)), [true; 6]);
        gateway.stop(day(31));

        let mut file = StoreFile::open(dir.path()).unwrap();
        assert_eq!(file.switch_people(at(until)).unwrap(), Switch::Done);
        drop(file);
        let refused = StoreFile::open_or_create(dir.path(), KeyMark::of(&begun), day(31));
        assert!(matches!(refused.err(), Some(StoreError::OtherPeople(_))));
        gateway = Gateway::start(dir.path(), &switched, day(31));
        // 6 to 17 are known, and the limit lets eight others in.
        assert_eq!(gateway.show(&people(6..18), day(31)), [true; 12]);
        gateway.stop(day(32));
        let mut file = StoreFile::open(dir.path()).unwrap();
        assert!(matches!(
            file.drop_beside(KeyMark::of(&old), day(32)),
            Err(StoreError::OtherPeople(_))
        ));
        assert!(file.drop_beside(KeyMark::of(&ended), day(32)).unwrap());
        drop(file);
        let after = Gateway::start(dir.path(), &ended, day(32));
        assert_eq!(
            after.show(&people(6..28), day(32)),
            [[true; 12 + 8].as_slice(), &[false; 2]].concat()
        );
        after.stop(day(32));
        let (mut file, mut rows) = (StoreFile::open(dir.path()).unwrap(), Vec::new());
        file.each(|row| rows.push(row.frame.unwrap())).unwrap();
        assert!(
            rows.iter().all(|row| row.kind != Kind::Beside),
            "the old key's people are gone"
        );
        assert_eq!(file.mark(), KeyMark::of(&ended));
        let mark = rows.iter().find_map(|row| row.mark.filter(|_| row.key == held));
        assert!(mark.is_some(), "what was decided about a key stands where it stood");
    }

    #[test]
    fn a_second_key_that_goes_and_comes_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let [old, begun, ..] = steps();
        for (step, second) in [(&old, 0), (&begun, 1), (&old, 2), (&begun, 3)] {
            let now = at(START + second);
            if second == 2 {
                let mut file = StoreFile::open(dir.path()).unwrap();
                file.drop_beside(KeyMark::of(step), now).unwrap();
            }
            let gateway = Gateway::start(dir.path(), step, now);
            gateway.show(&[7], now);
            gateway.stop(now);
        }
        let mut file = StoreFile::open(dir.path()).unwrap();
        let until = START + 3 + 30 * DAY;
        assert_eq!(file.switch_people(at(START + 9)).unwrap(), Switch::Before(until));
        file.begin_beside(at(START + 9)).unwrap();
        assert_eq!(file.switch_people(at(until)).unwrap(), Switch::Before(until + 6));
        let none = StoreFile::open_or_create(tempfile::tempdir().unwrap().path(), KeyMark::of(&old), at(START));
        assert_eq!(none.unwrap().switch_people(at(START)).unwrap(), Switch::NotBegun);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        /// A gateway whose key of people is replaced grants what one grants whose is not.
        #[test]
        fn a_gateway_grants_the_same_with_one_key_and_with_another(
            asked in prop::collection::vec((0..3 * DAY, prop::collection::vec(0..40_u64, 1..8), any::<bool>()), 60..90),
            begins in 0..20_usize,
        ) {
            let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let mut second = START;
            let (steps, mut step, mut since) = (steps(), 0, 0);
            let model = Gateway::start(other.path(), &steps[0], at(second));
            let mut gateway = Gateway::start(dir.path(), &steps[0], at(second));
            for (number, (later, people, is_allowed)) in asked.iter().enumerate() {
                second += later;
                let now = at(second);
                let is_due = match step {
                    0 => number >= begins,
                    1 => second >= since + 30 * DAY,
                    2 => second >= since + DAY,
                    _ => false,
                };
                if is_due {
                    gateway.stop(now);
                    step += 1;
                    since = second;
                    if step > 1 {
                        let mut file = StoreFile::open(dir.path()).unwrap();
                        if step == 2 {
                            prop_assert_eq!(file.switch_people(now).unwrap(), Switch::Done);
                        } else {
                            prop_assert!(file.drop_beside(KeyMark::of(&steps[step]), now).unwrap());
                        }
                    }
                    gateway = Gateway::start(dir.path(), &steps[step], now);
                }
                // What an allowance took may be another's then: only the sum of both is bound by it.
                let is_allowed = *is_allowed && step == 0;
                let limits = [(LIMITS[0], 30), (LIMITS[1], 1)];
                let show = |gateway: &Gateway| gateway.show_under(&limits, people, is_allowed, now);
                let (is, expected) = (show(&gateway), show(&model));
                prop_assert_eq!(is, expected, "exchange {} in step {}", number, step);
            }
            prop_assert!(step >= 1);
        }
    }
}
