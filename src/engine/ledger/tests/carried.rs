//! What goes beyond people and one gateway: sums, and what carriers are told.

use std::sync::Arc;

use smallvec::smallvec;

use super::super::{Amounts, Carrier, Counted, KeyFrame, SumLimit, SumUse};
use super::{START, asks, key, limit};
use crate::engine::ledger::{BudgetId, Dimension, Excess, KeyId, Ledger, Settings};

fn sum(counted: Counted, amount: u64, refuses: bool) -> SumUse {
    SumUse {
        key: KeyId([counted as u8; 12]),
        dimension: Dimension::Session,
        counted,
        limits: smallvec![SumLimit {
            budget: BudgetId(counted as u64),
            amount,
            window: 3600,
            refuses,
        }],
    }
}

#[test]
fn bytes_and_records_are_summed_over_exchanges() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let uses = vec![sum(Counted::Bytes, 300_000, true), sum(Counted::Records, 3, false)];
    let mut over = Vec::new();
    for number in 0..4 {
        let mut account = ledger.open(Vec::new(), None, START).summing(uses.clone());
        account.reserve(&asks(number..number + 1), START);
        account.hand_over(1, START);
        let amounts = Amounts {
            bytes: 100_000,
            ..Amounts::default()
        };
        over.push(account.sum(amounts, true, START.after(number * 1000)).to_vec());
    }
    let told = |budget: Counted, amount: u64| (BudgetId(budget as u64), amount);
    let over: Vec<Vec<_>> = over
        .iter()
        .map(|over| over.iter().map(|over| (over.budget, over.amount)).collect())
        .collect();
    assert_eq!(
        over,
        [
            vec![],
            vec![],
            vec![],
            vec![told(Counted::Bytes, 400_000), told(Counted::Records, 4)]
        ]
    );
}

#[test]
fn a_ratio_of_answers_needs_some() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let uses = [sum(Counted::NotFound, 50, true)];
    let answer = |not_found: u64| Amounts {
        answers: 1,
        not_found,
        ..Amounts::default()
    };
    let mut over = Vec::new();
    for number in 0..60 {
        let is_over = !ledger.add(&uses, answer(u64::from(number % 4 != 0)), START).is_empty();
        over.push(is_over);
    }
    assert_eq!(
        over.iter().position(|is_over| *is_over),
        Some(19),
        "from the twentieth on"
    );
}

#[test]
fn what_a_dropped_exchange_handed_over_is_summed_too() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let uses = vec![sum(Counted::Bytes, 10, true)];
    let mut account = ledger.open(Vec::new(), None, START).summing(uses.clone());
    assert!(
        account
            .sum(
                Amounts {
                    bytes: 11,
                    ..Amounts::default()
                },
                false,
                START
            )
            .is_empty()
    );
    drop(account);
    assert_eq!(ledger.add(&uses, Amounts::default(), START)[0].amount, 11);
}

#[test]
fn what_changed_is_told_once_and_merges_into_the_same() {
    let mut ledger = Ledger::new(Settings::default());
    ledger.carry(Carrier::Store);
    let ledger = Arc::new(ledger);
    let session = key(1, Dimension::Session, &[limit(50, Excess::Refused)]);
    let mut frames = Vec::new();
    let mut copy = Ledger::new(Settings::default());
    copy.carry(Carrier::Fleet);
    for round in 0..5 {
        let now = START.after(round * 3000);
        let mut account = ledger.open(vec![session.clone()], None, now);
        account.reserve(&asks(round * 10..round * 10 + 12), now);
        let handed = account.hand_over(99, now);
        assert_eq!(handed.durable, round >= 3, "four fifths of 50");
        ledger.drain(Carrier::Store, &mut frames);
        assert_eq!(frames.len(), 1);
        assert!(round == 0 || frames[0].elements.len() <= 12, "only what is new");
        frames
            .drain(..)
            .for_each(|frame| copy.merge(&frame, Carrier::Store, now));
        ledger.drain(Carrier::Store, &mut frames);
        assert!(frames.is_empty(), "told once");
    }
    let sorted = |mut frame: KeyFrame| {
        frame.elements.sort_unstable();
        frame
    };
    assert_eq!(
        copy.frame(session.key).map(sorted),
        ledger.frame(session.key).map(sorted)
    );
    copy.drain(Carrier::Fleet, &mut frames);
    assert!(frames.is_empty(), "what is on disk is nobody's news");
    ledger.hold(session.key, Dimension::Session, 60, None, START);
    ledger.drain(Carrier::Store, &mut frames);
    copy.merge(&frames[0], Carrier::Store, START);
    let used = std::slice::from_ref(&session);
    assert!(copy.held(used, START).is_some(), "a hold is carried");
    assert!(ledger.release(session.key, 2, START.second() + 60, START));
    frames.clear();
    ledger.drain(Carrier::Store, &mut frames);
    copy.merge(&frames[0], Carrier::Store, START);
    assert!(
        copy.held(used, START).is_none(),
        "and its release, though decided in the same second"
    );
}

#[test]
fn made_up_sessions_rest_and_reserve_like_any_other() {
    // Half of it is full of sessions that are awake when they begin to rest.
    let ledger = Arc::new(Ledger::new(Settings {
        bytes_max: 3_000_000,
        ..Settings::default()
    }));
    let session = |number: u64| {
        let mut used = key(1, Dimension::Session, &[limit(3, Excess::Refused)]);
        used.key.0[4..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        used.key.0[0] = number as u8;
        used.fallback = Some(KeyId([9; 12]));
        used
    };
    let sessions = 25_000;
    let show = |number: u64, people: std::ops::Range<u64>| {
        let mut account = ledger.open(vec![session(number)], None, START);
        let granted = account.reserve(&asks(people), START).granted;
        account.hand_over(99, START);
        granted
    };
    (0..sessions).for_each(|number| assert_eq!(show(number, number * 2 + 1..number * 2 + 3), 2));
    assert_eq!(ledger.len() as u64, sessions);
    let a_session = ledger.bytes() as u64 / sessions;
    assert!(a_session < 95, "{a_session} bytes");
    for number in 0..100 {
        assert_eq!(
            show(number, number * 2 + 1..number * 2 + 3),
            2,
            "who was shown before costs nothing"
        );
        assert_eq!(show(number, 1 << 30..(1 << 30) + 9), 1, "the third person is the last");
        assert_eq!(show(number, 1 << 31..(1 << 31) + 9), 0);
    }
    assert_eq!(ledger.len() as u64, sessions);
}

#[test]
fn what_rests_was_told_first() {
    let mut ledger = Ledger::new(Settings {
        bytes_max: 256 * 200,
        ..Settings::default()
    });
    ledger.carry(Carrier::Store);
    let ledger = Arc::new(ledger);
    let mut used = key(1, Dimension::Session, &[limit(3, Excess::Refused)]);
    used.fallback = Some(KeyId([9; 12]));
    let mut account = ledger.open(vec![used.clone()], None, START);
    account.reserve(&asks(1..3), START);
    account.hand_over(99, START);
    drop(account);
    let (mut frames, copy) = (Vec::new(), Ledger::new(Settings::default()));
    ledger.drain(Carrier::Store, &mut frames);
    assert_eq!(frames[0].elements.len(), 2);
    copy.merge(&frames[0], Carrier::Store, START);
    let people = |ledger: &Ledger| ledger.key(used.key, &|_| &[60], START).unwrap().people;
    assert_eq!((people(&ledger), people(&copy)), (vec![(60, 2)], vec![(60, 2)]));
}

#[test]
fn what_is_loaded_stays_exact() {
    let mut ledger = Ledger::new(Settings::default());
    ledger.carry(Carrier::Store);
    let ledger = Arc::new(ledger);
    let session = key(1, Dimension::Session, &[limit(5_000, Excess::Refused)]);
    let mut account = ledger.open(vec![session.clone()], None, START);
    assert_eq!(account.reserve(&asks(0..4_600), START).granted, 4_600);
    account.hand_over(4_600, START);
    let (mut frames, copy) = (Vec::new(), Arc::new(Ledger::new(Settings::default())));
    ledger.drain(Carrier::Store, &mut frames);
    for frame in &frames {
        copy.merge(frame, Carrier::Store, START);
    }
    assert_eq!(copy.key(session.key, &|_| &[60], START).unwrap().people, [(60, 4_600)]);
    let mut account = copy.open(vec![session], None, START);
    assert_eq!(account.reserve(&asks(0..9_000), START).granted, 5_000);
}
