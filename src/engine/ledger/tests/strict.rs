//! Strict limits: who must be confirmed by the store that gateways share, and what comes of it.

use std::sync::Arc;

use super::super::{Confirmation, Over};
use super::{START, asks, key, limit};
use crate::engine::ledger::{Account, Dimension, Excess, KeyUse, Ledger, Limit, Next, Settings};

fn strict(people: u32) -> Limit {
    Limit {
        strict: true,
        ..limit(people, Excess::Refused)
    }
}

fn session(people: u32) -> KeyUse {
    key(1, Dimension::Session, &[strict(people)])
}

fn over(ask: u32) -> Confirmation {
    Confirmation::Confirmed(Some(Over {
        ask,
        claim: 0,
        limit: 0,
        people: 9,
    }))
}

fn claimed(account: &Account) -> Vec<(u32, u64)> {
    account
        .claims()
        .iter()
        .flat_map(|claim| claim.subjects.clone())
        .collect()
}

#[test]
fn whoever_is_new_is_claimed_also_where_another_exchange_is_granted_them() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let mut first = ledger.open(vec![session(10)], None, START);
    assert_eq!(first.reserve(&asks(0..3), START).next, Next::Confirm);
    assert_eq!(claimed(&first), [(0, 0), (1, 1), (2, 2)]);
    first.confirm(Confirmation::Confirmed(None));
    assert_eq!(first.reserve(&asks(0..3), START).granted, 3);
    let mut second = ledger.open(vec![session(10)], None, START);
    assert_eq!(second.reserve(&asks(0..1), START).next, Next::Confirm, "only granted");
    let handed = first.hand_over(2, START);
    assert_eq!(handed.claimed[..], [0, 1]);
    assert_eq!(second.reserve(&asks(0..3), START).granted, 2, "who was shown is known");
    assert_eq!(claimed(&second), [(2, 2)]);
}

#[test]
fn who_was_shown_long_ago_and_granted_since_is_claimed() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let show = |now| {
        let mut account = ledger.open(vec![session(10)], None, now);
        assert_eq!(account.reserve(&asks(0..1), now).next, Next::Confirm);
        account.confirm(Confirmation::Confirmed(None));
        assert_eq!(account.reserve(&asks(0..1), now).granted, 1);
        account
    };
    show(START).hand_over(1, START);
    let later = START.after(61_000);
    drop(show(later));
    drop(show(later));
}

#[test]
fn what_the_store_denies_ends_the_batch_and_leaves_no_mark() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let mut account = ledger.open(vec![session(10)], None, START);
    assert_eq!(account.reserve(&asks(0..5), START).granted, 0);
    account.confirm(over(2));
    let answer = account.reserve(&asks(0..5), START);
    assert_eq!(answer.granted, 2);
    assert!(matches!(answer.next, Next::Denied { people: 9, .. }));
    assert_eq!(account.people_under(session(10).key, 60, START), 2);
    assert_eq!(
        account.reserve(&asks(3..5), START).next,
        Next::Confirm,
        "others are asked for"
    );
    account.confirm(Confirmation::Until(1));
    let answer = account.reserve(&asks(3..5), START);
    assert_eq!((answer.granted, answer.next), (1, Next::Confirm));
}

#[test]
fn the_rules_for_a_store_that_is_down() {
    for (rule, expected) in [
        (Confirmation::Own, 9),
        (Confirmation::Share { gateways: 3 }, 3),
        (Confirmation::Refused, 0),
    ] {
        let ledger = Arc::new(Ledger::new(Settings::default()));
        let mut account = ledger.open(vec![session(9)], None, START);
        let mut granted = 0;
        loop {
            let answer = account.reserve(&asks(granted..20), START);
            granted += answer.granted as u64;
            match answer.next {
                Next::Confirm => account.confirm(rule),
                Next::Denied { .. } => break,
                other @ (Next::Done | Next::Wait { .. } | Next::Full) => panic!("{other:?}"),
            }
        }
        assert_eq!(granted, expected, "{rule:?}");
    }
}

#[test]
fn a_limit_that_is_not_strict_claims_nobody() {
    let ledger = Arc::new(Ledger::new(Settings::default()));
    let told = Limit {
        strict: true,
        ..limit(1, Excess::Told)
    };
    let keys = vec![
        key(1, Dimension::Session, &[limit(10, Excess::Refused)]),
        key(2, Dimension::Route, &[told]),
        key(3, Dimension::Exchange, &[strict(10)]),
    ];
    let mut account = ledger.open(keys, None, START);
    assert!(!account.is_strict());
    assert_eq!(account.reserve(&asks(0..3), START).next, Next::Done);
}
