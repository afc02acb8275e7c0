//! The ledger as exchanges use it: reservations over several keys, windows, paces, holds, and a ledger that is full.

mod carried;
mod spilled;
mod strict;

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::shards::{KEY_BYTES, SHARDS};
use super::slot::Slot;
use super::{Account, Ask, BudgetId, Dimension, Elements, Excess, KeyId, KeyUse, Ledger, Limit, Next, Settings};
use crate::engine::secret::Subject;
use crate::engine::time::Now;

fn key(number: u8, dimension: Dimension, limits: &[Limit]) -> KeyUse {
    KeyUse {
        key: KeyId([number; 12]),
        dimension,
        elements: Elements::People,
        fallback: None,
        limits: SmallVec::from_slice(limits),
    }
}

fn limit(people: u32, excess: Excess) -> Limit {
    Limit {
        budget: BudgetId(0),
        people,
        window: 60,
        excess,
        strict: false,
    }
}

fn asks(subjects: std::ops::Range<u64>) -> Vec<Ask> {
    subjects.map(|subject| Ask::from_iter([Subject(subject)])).collect()
}

/// Room for so many keys of so many people in each shard.
const fn keys_in_a_shard(keys: usize, people: usize) -> usize {
    SHARDS * keys * (KEY_BYTES + people * size_of::<Slot>())
}

const START: Now = Now::from_millis(1_000_000_000);

#[test]
fn exactly_the_limit_is_granted_and_a_refusal_leaves_no_mark() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let session = key(1, Dimension::Session, &[limit(5, Excess::Refused)]);
    let route = key(2, Dimension::Route, &[limit(100, Excess::Told)]);
    let mut account = ledger.open(vec![route.clone(), session], None, START);
    let answer = account.reserve(&asks(0..8), START);
    assert_eq!(answer.granted, 5);
    assert!(matches!(
        answer.next,
        Next::Denied {
            people: 5,
            dimension: Dimension::Session,
            ..
        }
    ));
    account.hand_over(5, START);
    assert_eq!(
        account.reserve(&asks(0..5), START).next,
        Next::Done,
        "known people cost nothing"
    );
    drop(account);
    let view = ledger.key(route.key, &|_| &[60], START).unwrap();
    assert_eq!(view.people, [(60, 5)], "the refused ones count under no key");
    assert_eq!(view.pending, 0);
}

#[test]
fn what_was_not_handed_over_is_forgotten() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let session = key(1, Dimension::Session, &[limit(5, Excess::Refused)]);
    let mut first = ledger.open(vec![session.clone()], None, START);
    assert_eq!(first.reserve(&asks(0..5), START).granted, 5);
    first.hand_over(2, START);
    let mut second = ledger.open(vec![session], None, START);
    assert_eq!(
        second.reserve(&asks(10..11), START).granted,
        0,
        "pending people count as shown"
    );
    drop(first);
    assert_eq!(second.reserve(&asks(10..20), START).granted, 3);
}

#[test]
fn the_same_person_on_two_streams_counts_once() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let session = key(1, Dimension::Session, &[limit(5, Excess::Refused)]);
    let mut streams: Vec<Account> = (0..4)
        .map(|_| ledger.open(vec![session.clone()], None, START))
        .collect();
    for stream in &mut streams {
        assert_eq!(stream.reserve(&asks(0..5), START).granted, 5);
    }
}

#[test]
fn a_window_forgets_what_it_no_longer_holds() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let session = key(1, Dimension::Session, &[limit(2, Excess::Refused)]);
    let mut account = ledger.open(vec![session.clone()], None, START);
    assert_eq!(account.reserve(&asks(0..2), START).granted, 2);
    account.hand_over(2, START);
    let mut later = ledger.open(vec![session], None, START);
    assert_eq!(later.reserve(&asks(5..6), START.after(60_000)).granted, 0);
    assert_eq!(later.reserve(&asks(5..6), START.after(61_000)).granted, 1);
}

#[test]
fn throttled_people_come_one_at_a_time() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let session = key(1, Dimension::Session, &[limit(1, Excess::Paced { interval_ms: 1000 })]);
    let mut account = ledger.open(vec![session], None, START);
    let answer = account.reserve(&asks(0..9), START);
    assert_eq!(answer.granted, 2, "one is free, one is the burst");
    let Next::Wait { until, .. } = answer.next else {
        panic!("{answer:?}")
    };
    assert_eq!(until, START.after(1000).millis());
    assert_eq!(account.reserve(&asks(2..9), START.after(999)).granted, 0);
    assert_eq!(account.reserve(&asks(2..9), START.after(1000)).granted, 1);
}

#[test]
fn inside_an_allowance_no_other_budget_sees_anyone() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let session = key(1, Dimension::Session, &[limit(2, Excess::Refused)]);
    let allowance = key(9, Dimension::Route, &[limit(10, Excess::Refused)]);
    let mut account = ledger.open(vec![session.clone()], Some(allowance), START);
    let answer = account.reserve(&asks(0..20), START);
    assert_eq!(
        answer.granted, 12,
        "ten under the allowance, then the session's own two"
    );
    account.hand_over(12, START);
    assert_eq!(ledger.key(session.key, &|_| &[60], START).unwrap().people, [(60, 2)]);
}

#[test]
fn whoever_more_is_told_of_counts_though_they_were_inside_an_allowance_before() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let session = key(1, Dimension::Session, &[limit(2, Excess::Refused)]);
    let allowance = key(9, Dimension::Route, &[limit(10, Excess::Refused)]);
    let more = |ask: Ask| Ask {
        is_elsewhere: true,
        ..ask
    };
    let told: Vec<Ask> = asks(0..5).into_iter().chain(asks(0..5).into_iter().map(more)).collect();
    for at_once in [1, 3, 10] {
        let mut account = ledger.open(vec![session.clone()], Some(allowance.clone()), START);
        let mut granted = 0;
        for asks in told.chunks(at_once) {
            let answer = account.reserve(asks, START);
            granted += answer.granted;
            if answer.granted < asks.len() {
                break;
            }
        }
        assert_eq!(granted, 7, "five inside, and two of them once more: {at_once} at once");
    }
    let mut account = ledger.open(
        vec![session],
        Some(key(9, Dimension::Route, &[limit(1, Excess::Refused)])),
        START,
    );
    let twice: Vec<Ask> = asks(0..3)
        .into_iter()
        .flat_map(|ask| [ask.clone(), more(ask)])
        .collect();
    assert_eq!(account.reserve(&twice, START).granted, 4, "nobody counts twice");
}

#[test]
fn a_record_is_granted_whole_or_not_at_all() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let session = key(1, Dimension::Session, &[limit(3, Excess::Refused)]);
    let mut account = ledger.open(vec![session], None, START);
    let pair = |n: u64| Ask::from_iter([Subject(n * 2), Subject(n * 2 + 1)]);
    let pairs: Vec<Ask> = (0..3).map(pair).collect();
    assert_eq!(account.reserve(&pairs, START).granted, 1);
}

#[test]
fn holds_refuse_until_they_end_or_are_released_and_are_never_evicted() {
    let ledger = Arc::new(Ledger::new(Settings {
        bytes_max: keys_in_a_shard(1, 1),
        ..Settings::default()
    }));
    let session = key(1, Dimension::Session, &[limit(3, Excess::Refused)]);
    assert!(ledger.hold(session.key, Dimension::Session, 60, None, START));
    for number in 0..=255_u8 {
        // All in the shard of the held key, which has room for one.
        let mut id = [number; 12];
        id[0] = 1;
        let other = KeyUse {
            key: KeyId(id),
            dimension: Dimension::Session,
            elements: Elements::People,
            fallback: None,
            limits: smallvec![limit(3, Excess::Told)],
        };
        ledger.open(vec![other], None, START).reserve(&asks(0..1), START);
    }
    assert!(ledger.held(std::slice::from_ref(&session), START).is_some());
    assert!(
        ledger
            .held(std::slice::from_ref(&session), START.after(61_000))
            .is_none()
    );
    assert!(ledger.release(session.key, 2, START.after(9000).second(), START));
    assert!(ledger.held(std::slice::from_ref(&session), START).is_none());
    let mut account = ledger.open(vec![session], None, START);
    assert_eq!(
        account.reserve(&asks(0..9), START).granted,
        5,
        "three and the allowance of the release"
    );
}

#[test]
fn a_full_ledger_says_so_rather_than_forget_an_enforcing_key() {
    let ledger = Arc::new(Ledger::new(Settings {
        bytes_max: keys_in_a_shard(1, 1),
        ..Settings::default()
    }));
    let enforcing = |last: u8| {
        let mut id = [7; 12];
        id[11] = last;
        KeyUse {
            key: KeyId(id),
            dimension: Dimension::Session,
            elements: Elements::People,
            fallback: None,
            limits: smallvec![limit(3, Excess::Refused)],
        }
    };
    let mut first = ledger.open(vec![enforcing(0)], None, START);
    assert_eq!(first.reserve(&asks(0..1), START).granted, 1);
    first.hand_over(1, START);
    let mut second = ledger.open(vec![enforcing(1)], None, START);
    assert_eq!(second.reserve(&asks(0..1), START).next, Next::Full);
    assert_eq!(
        second.reserve(&asks(0..1), START.after(120_000)).granted,
        1,
        "idle beyond its window, it may go"
    );
}

#[test]
fn a_key_of_very_many_people_takes_the_room_of_all_and_not_of_its_neighbours() {
    let people = 20_000;
    // Of a shard, 16 KiB: a tenth of what the large key takes.
    let ledger = Arc::new(Ledger::new(Settings {
        bytes_max: 4 << 20,
        ..Settings::default()
    }));
    let large = key(7, Dimension::Route, &[limit(people, Excess::Refused)]);
    let mut account = ledger.open(vec![large], None, START);
    assert_eq!(
        account.reserve(&asks(0..u64::from(people)), START).granted,
        people as usize
    );
    account.hand_over(u64::from(people), START);
    assert!(
        ledger.bytes() > 10 * (ledger.settings().bytes_max / SHARDS),
        "{}",
        ledger.bytes()
    );
    for last in 1..=9 {
        let mut beside = key(7, Dimension::Session, &[limit(3, Excess::Refused)]);
        beside.key.0[11] = last;
        let mut account = ledger.open(vec![beside], None, START);
        assert_eq!(account.reserve(&asks(0..1), START).granted, 1, "it has room");
    }
}

#[test]
fn a_key_without_room_alone_goes_uncounted_and_all_others_are_ruled() {
    let ledger = Arc::new(Ledger::new(Settings {
        bytes_max: keys_in_a_shard(1, 1),
        ..Settings::default()
    }));
    let (full, mut other) = (key(1, Dimension::Session, &[limit(5, Excess::Refused)]), KeyId([1; 12]));
    let mut crowding = ledger.open(vec![full], None, START);
    assert_eq!(crowding.reserve(&asks(0..1), START).granted, 1);
    other.0[11] = 2;
    let session = KeyUse {
        key: other,
        ..key(1, Dimension::Session, &[limit(5, Excess::Refused)])
    };
    let address = key(2, Dimension::Address, &[limit(20, Excess::Refused)]);
    let bulk = key(3, Dimension::Exchange, &[limit(12, Excess::Refused)]);
    let keys = vec![session.clone(), address.clone(), bulk];

    let mut closed = ledger.open(keys.clone(), None, START);
    assert_eq!(closed.reserve(&asks(0..9), START).next, Next::Full);
    assert!(!closed.is_uncounted());
    assert_eq!(
        ledger
            .key(address.key, &|_| &[60], START)
            .map_or(0, |view| view.pending),
        0
    );

    let open = |keys| {
        let mut account = ledger.open(keys, None, START);
        account.open_when_full();
        account
    };
    let mut first = open(keys.clone());
    let answer = first.reserve(&asks(0..1_000), START);
    let Next::Denied { dimension, .. } = answer.next else {
        panic!("{answer:?}")
    };
    assert_eq!((answer.granted, dimension), (12, Dimension::Exchange));
    assert!(first.is_uncounted());
    assert_eq!(ledger.key(address.key, &|_| &[60], START).unwrap().pending, 12);
    first.hand_over(12, START);
    let mut second = open(keys);
    let answer = second.reserve(&asks(500..1_000), START);
    let Next::Denied { dimension, .. } = answer.next else {
        panic!("{answer:?}")
    };
    assert_eq!((answer.granted, dimension), (8, Dimension::Address));

    // Room comes while the second waits: what was granted without the key takes nothing from who counts under it.
    drop(crowding);
    let mut third = ledger.open(vec![session.clone()], None, START);
    assert_eq!(third.reserve(&asks(500..503), START.after(120_000)).granted, 3);
    drop(second);
    assert_eq!(ledger.key(session.key, &|_| &[60], START).unwrap().pending, 3);
}

#[test]
fn keys_that_may_be_made_up_leave_a_quarter_of_the_ledger_to_all_others() {
    let ledger = Arc::new(Ledger::new(Settings {
        bytes_max: keys_in_a_shard(8, 2),
        young_sessions_max: 0,
        ..Settings::default()
    }));
    let of = |number: u8, fallback: Option<KeyId>| {
        let mut used = key(1, Dimension::Session, &[limit(2, Excess::Refused)]);
        used.key.0[11] = number;
        KeyUse { fallback, ..used }
    };
    let show = |used: &KeyUse, people: std::ops::Range<u64>, now: Now| {
        let mut account = ledger.open(vec![used.clone()], None, now);
        let granted = account.reserve(&asks(people), now).granted;
        account.hand_over(9, now);
        (account.keys().first().unwrap().key, granted)
    };
    let (thief, honest) = (KeyId([1; 12]), KeyId([9; 12]));
    for number in 10..16 {
        let made_up = of(number, Some(thief));
        assert_eq!(show(&made_up, 0..9, START), (made_up.key, 2), "there is room");
    }
    for number in 20..99 {
        let granted = if number == 20 { 2 } else { 0 };
        let people = u64::from(number) * 9;
        assert_eq!(
            show(&of(number, Some(thief)), people..people + 9, START),
            (thief, granted)
        );
    }
    assert_eq!(
        show(&of(100, Some(honest)), 0..9, START),
        (honest, 2),
        "who comes from elsewhere"
    );
    assert_eq!(
        show(&of(101, None), 0..9, START).1,
        2,
        "what cannot be made up finds room"
    );
    let first = of(10, Some(thief));
    assert_eq!(show(&first, 0..2, START), (first.key, 2), "and a session goes on");
    let later = of(102, Some(thief));
    assert_eq!(
        show(&later, 0..9, START.after(61_000)),
        (later.key, 2),
        "idle keys have gone"
    );
}

fn with_holds_max(holds_max: usize) -> Arc<Ledger> {
    Arc::new(Ledger::new(Settings {
        holds_max,
        ..Settings::default()
    }))
}

#[test]
fn holds_are_bounded_for_each_dimension_and_those_that_ended_make_room() {
    let ledger = with_holds_max(2);
    let hold =
        |number: u8, seconds: u32, now: Now| ledger.hold(KeyId([number; 12]), Dimension::Session, seconds, None, now);
    assert!(hold(1, 60, START) && hold(2, 30, START));
    assert!(!hold(3, 60, START), "no room");
    assert!(hold(1, 90, START), "what is held already needs none");
    assert!(ledger.hold(KeyId([30; 12]), Dimension::Address, 60, None, START));
    assert_eq!(ledger.holds(START, 9).len(), 3);

    assert!(!hold(3, 60, START.after(29_000)), "none has ended");
    assert!(
        hold(3, 60, START.after(31_000)) && !hold(4, 60, START.after(31_000)),
        "one has"
    );
    assert!(ledger.release(KeyId([1; 12]), 0, 0, START));
    assert!(hold(4, 60, START.after(31_000)), "one was released");
    assert!(!hold(5, 60, START.after(90_000)));
    assert!(
        hold(5, 60, START.after(92_000)) && hold(6, 60, START.after(92_000)),
        "both have"
    );
    assert!(!hold(7, 60, START.after(92_000)));
}

#[test]
fn a_hold_counts_under_the_dimension_of_its_key_whatever_it_is_asked_for() {
    let ledger = with_holds_max(1);
    let session = KeyId([1; 12]);
    assert!(ledger.hold(session, Dimension::Session, 60, None, START) && ledger.release(session, 0, 0, START));
    assert!(ledger.hold(session, Dimension::Exchange, 60, None, START) && ledger.release(session, 0, 0, START));
    assert!(ledger.hold(KeyId([2; 12]), Dimension::Session, 60, None, START));
    assert!(
        !ledger.hold(KeyId([3; 12]), Dimension::Session, 60, None, START),
        "one is all there is room for"
    );
    assert!(ledger.hold(KeyId([4; 12]), Dimension::Exchange, 60, None, START));
}

#[test]
fn a_hold_that_finds_no_room_falls_on_the_next_coarser_key() {
    let ledger = with_holds_max(1);
    let keys = |number: u8| {
        let session = key(number, Dimension::Session, &[limit(2, Excess::Refused)]);
        let address = key(number + 100, Dimension::Address, &[]);
        vec![session, address, key(200, Dimension::Network, &[])]
    };
    let hold = |number: u8| {
        let session = (KeyId([number; 12]), Dimension::Session);
        ledger.hold_or_coarser(&keys(number), session, 60, BudgetId(7), START)
    };
    assert_eq!(hold(1), Some(Dimension::Session));
    assert_eq!(hold(2), Some(Dimension::Address));
    assert_eq!(hold(3), Some(Dimension::Network));
    assert_eq!(hold(4), Some(Dimension::Network), "it is held already");
    let found = ledger.held(&keys(2), START).map(|(key, cause, _)| (key, cause));
    assert_eq!(found, Some((KeyId([102; 12]), Some(BudgetId(7)))));
    assert_eq!(ledger.holds(START, 9).len(), 3);

    // Nobody is counted under a key without a limit.
    let mut account = ledger.open(keys(5), None, START);
    assert_eq!(account.reserve(&asks(0..9), START).granted, 2);
    account.hand_over(9, START);
    let people = |number: u8| {
        ledger
            .key(KeyId([number; 12]), &|_| &[60], START)
            .map(|view| view.people)
    };
    assert_eq!((people(5), people(105)), (Some(vec![(60, 2)]), None));
    assert_eq!(account.keys().len(), 3);
    assert!(!account.is_uncounted());
}

#[test]
fn a_hold_that_ended_and_was_evicted_makes_room() {
    let ledger = Arc::new(Ledger::new(Settings {
        bytes_max: keys_in_a_shard(1, 1),
        holds_max: 1,
        ..Settings::default()
    }));
    let held = |last: u8, now: Now| {
        let mut id = [1; 12];
        id[11] = last;
        ledger.hold(KeyId(id), Dimension::Session, 60, None, now)
    };
    assert!(held(2, START) && !held(3, START));
    let later = START.after(61_000);
    let mut account = ledger.open(vec![key(1, Dimension::Session, &[limit(3, Excess::Told)])], None, later);
    assert_eq!(account.reserve(&asks(0..1), later).granted, 1);
    assert_eq!(ledger.len(), 1);
    assert!(held(3, later) && !held(4, later));
}
