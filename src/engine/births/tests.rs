//! What is remembered of births, and what of it wins.

use super::*;
use crate::engine::ledger::Carrier;
use crate::engine::time::Now;

const NOW: u32 = 1_790_000_000;
const DAY: u32 = 86_400;

fn at(second: u32) -> Now {
    Now::from_millis(u64::from(second) * 1000)
}

fn id(number: u64) -> CredentialId {
    let mut bytes = [0; 16];
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    bytes.iter_mut().zip(spread).for_each(|(to, from)| *to = from);
    CredentialId(bytes)
}

/// Births that are remembered since long ago.
fn births(known_max: usize) -> Births {
    let births = Births::new(known_max);
    births.begin(at(NOW - 100 * DAY));
    births
}

fn said(births: &Births, number: u64) -> Look {
    births.look(id(number), at(NOW))
}

#[test]
fn a_login_cleanses_and_everything_else_passes_on_what_was_sent() {
    let births = births(1_000);
    assert_eq!(said(&births, 1), Look::Absent);
    assert!(births.issue(id(1), Tag::Issued, None, at(NOW)).is_some());
    assert_eq!(said(&births, 1), Look::Said(Tag::Issued));
    assert!(
        births.issue(id(1), Tag::Issued, None, at(NOW + 1)).is_none(),
        "that is no news"
    );
    assert!(births.issue(id(2), Tag::Issued, Some(id(1)), at(NOW)).is_some());
    assert!(
        births.issue(id(3), Tag::Unissued, Some(id(9)), at(NOW)).is_none(),
        "it was never issued"
    );
    assert_eq!(said(&births, 3), Look::Absent);
    assert!(births.issue(id(2), Tag::Unissued, Some(id(9)), at(NOW)).is_some());
    assert_eq!(
        said(&births, 2),
        Look::Said(Tag::Unissued),
        "in one second the worse wins"
    );
    assert!(
        births.issue(id(2), Tag::Issued, None, at(NOW)).is_some(),
        "a login is fresh proof"
    );
    assert_eq!(said(&births, 2), Look::Said(Tag::Issued));
}

#[test]
fn unknown_stays_unknown_until_a_birth_is_found() {
    let births = Births::new(1_000);
    births.begin(at(NOW));
    assert_eq!(births.doubt(id(1), None, DAY, at(NOW + 9)), Some(Doubt::WarmUp));
    assert!(births.issue(id(2), Tag::Unknown, Some(id(1)), at(NOW + 9)).is_some());
    let late = at(NOW + 50 * DAY);
    assert_eq!(births.look(id(1), late), Look::Said(Tag::Unknown));
    assert_eq!(births.look(id(2), late), Look::Said(Tag::Unknown));
    assert_eq!(
        (births.look(id(3), late), births.doubt(id(3), None, DAY, late)),
        (Look::Absent, None)
    );
    // An earlier birth that comes late is a birth.
    let earlier = Birth {
        second: NOW - 9,
        tag: Tag::Issued,
    };
    births.merge(id(1), earlier, Carrier::Fleet, late);
    assert_eq!(births.look(id(1), late), Look::Said(Tag::Issued));
    assert!(
        births.issue(id(1), Tag::Unknown, None, late).is_none(),
        "it is no longer unknown"
    );
    assert_eq!(births.look(id(1), late), Look::Said(Tag::Issued));
}

#[test]
fn memory_is_bounded_and_forgetting_makes_nobody_unissued() {
    let births = births(100);
    births.carry(Carrier::Store);
    for number in 0..50 {
        births.issue(id(number), Tag::Issued, None, at(NOW));
    }
    assert_eq!(births.doubt(id(7_777), None, 0, at(NOW)), None);
    for number in 50..10_000 {
        births.issue(id(number), Tag::Issued, None, at(NOW));
        // Who comes again and again stays.
        assert_eq!(said(&births, 0), Look::Said(Tag::Issued), "{number}");
    }
    assert!(births.len() <= 100);
    assert_eq!(births.doubt(id(7_777), None, 0, at(NOW)), Some(Doubt::Full));
    let dropped = births.take_dropped();
    assert_eq!(dropped.len() + births.len(), 10_000);
    assert_eq!(births.drain(Carrier::Store).len(), births.len());
}

/// What the setting `issued_tokens_max` says of itself. A table doubles, so that a credential takes twice as much in one that just did
/// as in a full one.
#[test]
fn a_credential_takes_the_bytes_that_are_stated_and_a_session_that_renews_its_own() {
    let births = births(100_000);
    let mut each = Vec::new();
    for number in 0..40_000 {
        births.issue(id(number), Tag::Issued, None, at(NOW));
        if number >= 1_000 && number % 500 == 0 {
            each.push(births.bytes() / births.len());
        }
    }
    let middle = each.iter().sum::<usize>() / each.len();
    assert!((40..=66).contains(&middle), "about 60 bytes: {middle}");
    assert!(each.iter().all(|bytes| *bytes <= 80), "{each:?}");

    let renewing = self::births(100_000);
    for session in 0..1_000 {
        for number in 1..100 {
            let (sent, issued) = (session * 1_000 + number - 1, session * 1_000 + number);
            renewing.issue(id(issued), Tag::Issued, Some(id(sent)), at(NOW));
        }
    }
    let each = renewing.bytes() / 1_000;
    assert!((2_000..=4_000).contains(&each), "up to 4,000 bytes: {each}");
}

#[test]
fn who_renews_without_end_fills_only_what_is_theirs() {
    let births = births(1_000);
    for number in 0..300 {
        births.issue(id(1_000_000 + number), Tag::Issued, None, at(NOW));
    }
    for number in 1..10_000 {
        births.issue(id(number), Tag::Issued, Some(id(number - 1)), at(NOW));
    }
    assert!(births.len() <= 300 + 33, "{}", births.len());
    assert_eq!(said(&births, 9_999), Look::Said(Tag::Issued));
    assert!((0..300).all(|number| said(&births, 1_000_000 + number) == Look::Said(Tag::Issued)));
    assert_eq!(births.doubt(id(7_777_777), None, 0, at(NOW)), None);
}

#[test]
fn made_up_credentials_in_an_outage_are_bounded_and_push_out_no_birth() {
    let births = births(400);
    births.issue(id(1), Tag::Issued, None, at(NOW));
    births.out(at(NOW));
    for number in 1_000..20_000 {
        assert_eq!(births.doubt(id(number), None, 0, at(NOW)), Some(Doubt::Outage));
    }
    assert!(births.len() <= 101, "{}", births.len());
    assert_eq!(said(&births, 1), Look::Said(Tag::Issued));
    births.back(at(NOW));
    let later = at(NOW + 61);
    assert_eq!(births.look(id(19_999), later), Look::Said(Tag::Unknown));
    assert_eq!(births.doubt(id(999_999), None, 0, later), None);
}

#[test]
fn the_shared_store_is_asked_once_in_a_while() {
    let births = births(100);
    births.carry(Carrier::Fleet);
    assert_eq!(said(&births, 1), Look::Unheard);
    births.heard_nothing(id(1), at(NOW));
    assert_eq!(said(&births, 1), Look::Absent);
    assert_eq!(births.look(id(1), at(NOW + 30)), Look::Unheard);
    births.out(at(NOW + 30));
    assert_eq!(births.look(id(1), at(NOW + 30)), Look::Absent, "it does not answer");
}

#[test]
fn carriers_are_told_of_what_changed_and_not_of_what_they_said() {
    let births = births(100);
    births.carry(Carrier::Store);
    births.carry(Carrier::Fleet);
    let birth = Birth {
        second: NOW,
        tag: Tag::Issued,
    };
    births.merge(id(1), birth, Carrier::Store, at(NOW));
    births.merge(id(2), birth, Carrier::Fleet, at(NOW));
    births.issue(id(3), Tag::Issued, None, at(NOW));
    let numbers = |carrier| {
        let mut drained = births.drain(carrier);
        drained.sort_by_key(|(id, _)| *id);
        drained
    };
    let told = |numbers: &[u64]| {
        let mut told: Vec<_> = numbers.iter().map(|number| (id(*number), birth)).collect();
        told.sort_by_key(|(id, _)| *id);
        told
    };
    assert!(numbers(Carrier::Store) == told(&[2, 3]));
    let first = numbers(Carrier::Fleet);
    assert!(first == told(&[3]));
    assert!(numbers(Carrier::Fleet).is_empty());
    births.drain_again(Carrier::Fleet, &first);
    assert!(numbers(Carrier::Fleet) == told(&[3]));
    births.drain_all(Carrier::Fleet);
    assert!(numbers(Carrier::Fleet) == told(&[1, 2, 3]));
}
