//! A ledger whose key of people is replaced, beside one whose is not.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use redb::ReadableDatabase as _;

use super::*;
use crate::clock::Clock;
use crate::engine::ledger::{
    Ask, BudgetId, Carrier, Dimension, Elements, Excess, KeyId, KeyUse, Ledger, Limit, PublicPeople, Settings,
};
use crate::engine::secret::{HashKey, Subject};
use crate::store::Loaded;

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

fn hash(key: &HashKey, person: u64) -> u64 {
    key.hash64("tidegate subject 1", &[&person.to_le_bytes()])
}

/// One person, as a gateway with these keys hashes them.
fn ask(secret: &HashKey, person: u64) -> Ask {
    let hashed = |key: &HashKey| Ask::from(Subject(hash(key, person)));
    Ask {
        beside: secret.beside().map(|beside| Box::new(hashed(beside))),
        ..hashed(secret.people())
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
        let granted = people
            .iter()
            .map(|person| account.reserve(&[ask(&self.secret, *person)], now).granted == 1);
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
fn who_is_public_stays_so_under_either_key() {
    let person = 7;
    let list = format!("{:016x} 2099-01-01 of before the switch", hash(&key(1), person));
    let public = Arc::new(PublicPeople::parse(list.as_bytes()).unwrap());
    let now = at(START);
    for step in &steps()[..3] {
        let mut ledger = Ledger::new(Settings::default());
        ledger.keep_beside(step);
        let account = Arc::new(ledger).open(vec![used(1, &[(0, 1)])], None, now);
        let mut account = account.sparing(&public);
        let planted = ask(step, person);
        assert_eq!(account.reserve(&[planted], now).granted, 1, "{:?}", step.people_mark());
        let another = Ask::from(Subject(9));
        assert_eq!(account.reserve(&[another], now).granted, 0, "who is not is counted");
    }
}

#[test]
fn only_a_ledger_of_the_hash_key_alone_is_for_a_gateway_that_knows_no_other() {
    for (step, format) in steps().iter().zip([FORMAT_ONE_KEY, FORMAT, FORMAT, FORMAT]) {
        let dir = tempfile::tempdir().unwrap();
        let mut file = StoreFile::open_or_create(dir.path(), KeyMark::of(step), at(START)).unwrap();
        let says = |file: &StoreFile, format: u32| {
            let meta = file.database.begin_read().unwrap().open_table(META).unwrap();
            assert_eq!(meta.get(META_FORMAT).unwrap().unwrap().value(), format.to_le_bytes());
        };
        says(&file, format);
        let mark = file.mark();
        file.drop_beside(mark, at(START)).unwrap();
        let is_alone = mark.people == PeopleMark::default();
        says(&file, if is_alone { FORMAT_ONE_KEY } else { FORMAT });
        drop(file);
        assert_eq!(
            StoreFile::open(dir.path()).unwrap().mark(),
            KeyMark { beside: None, ..mark }
        );
    }
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

#[test]
fn who_begins_last_of_a_fleet_begins_the_window_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let [_, begun, ..] = steps();
    let clock = Clock::start();
    let since = clock.now().second() - 100;
    drop(StoreFile::open_or_create(dir.path(), KeyMark::of(&begun), at(since - DAY)).unwrap());
    for told in [since, since - 50] {
        let ledger = Arc::new(Ledger::new(Settings::default()));
        let loaded = Loaded::load(dir.path(), &begun, &ledger, clock).unwrap();
        let store = loaded
            .start(crate::store::Settings::default(), Arc::clone(&ledger), clock)
            .unwrap();
        ledger.began_beside(told);
        store.stop();
        assert_eq!(ledger.beside_since(), since);
        assert_eq!(
            StoreFile::open(dir.path()).unwrap().since,
            since,
            "the latest that was told"
        );
    }
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
