//! A full ledger with a disk behind it: nobody is refused for want of room, and nobody is forgotten.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::{BudgetId, Carrier, KeyFrame, KeyId};
use super::{Account, Dimension, Excess, KeyUse, Ledger, Next, START, Settings, asks, key, keys_in_a_shard, limit};
use crate::engine::ledger::Limit;
use crate::engine::time::Now;

const SESSIONS: u64 = 8_000;

/// A session that may be shown three people in a day.
fn session(number: u64) -> KeyUse {
    let mut id = [0; 12];
    let bytes = [number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number];
    let bytes = bytes.into_iter().flat_map(u64::to_le_bytes);
    id.iter_mut().zip(bytes.skip(2)).for_each(|(to, from)| *to = from);
    let three = Limit {
        window: 86_400,
        ..limit(3, Excess::Refused)
    };
    KeyUse {
        key: KeyId(id),
        ..key(1, Dimension::Session, &[three])
    }
}

/// What is on disk.
#[derive(Default)]
struct Disk(HashMap<KeyId, KeyFrame>);

impl Disk {
    fn take(&mut self, ledger: &Ledger) {
        let mut frames = Vec::new();
        ledger.drain(Carrier::Store, &mut frames);
        for frame in frames {
            let whole = self.0.entry(frame.key);
            whole
                .or_insert_with(|| KeyFrame::new(frame.key, frame.dimension))
                .join(&frame);
        }
    }

    fn read_back(&self, ledger: &Ledger, key: KeyId, now: Now) {
        for spilled in ledger.spilled([key].iter()) {
            ledger.unspill(spilled, self.0.get(&spilled), now);
        }
    }
}

/// Shows people to a session, if they may be shown.
fn show(ledger: &Arc<Ledger>, number: u64, people: std::ops::Range<u64>, now: Now) -> (usize, Next) {
    let mut account: Account = ledger.open(vec![session(number)], None, now);
    let answer = account.reserve(&asks(people), now);
    account.hand_over(account.asks_granted(), now);
    (answer.granted, answer.next)
}

fn small(sessions: usize) -> Ledger {
    let mut ledger = Ledger::new(Settings {
        bytes_max: keys_in_a_shard(sessions / super::SHARDS, 2),
        ..Settings::default()
    });
    ledger.carry(Carrier::Store);
    ledger
}

#[test]
fn a_full_ledger_spills_who_is_idle_and_counts_on_where_it_stopped() {
    let (ledger, mut disk) = (Arc::new(small(SESSIONS as usize / 2)), Disk::default());
    for number in 0..SESSIONS {
        // A minute after each quarter: who was seen before is idle by then.
        let now = START.after(number / (SESSIONS / 4) * 90_000);
        disk.take(&ledger);
        assert_eq!(show(&ledger, number, 0..2, now), (2, Next::Done), "{number}");
    }
    disk.take(&ledger);
    assert!(
        ledger.bytes() <= ledger.settings().bytes_max + (64 << 10),
        "{}",
        ledger.bytes()
    );
    let spilled = ledger.spilled_keys() as u64;
    assert!(spilled >= SESSIONS / 4, "{spilled}");
    assert_eq!(ledger.len() as u64 + spilled, SESSIONS);
    let mut read_back = 0;
    for number in 0..SESSIONS {
        // What is read back stays for a minute, and takes its room.
        let now = START.after(600_000 + number / (SESSIONS / 8) * 90_000);
        let key = session(number).key;
        if !ledger.spilled([key].iter()).is_empty() {
            read_back += 1;
            assert_eq!(
                show(&ledger, number, 2..3, now).1,
                Next::Full,
                "it would begin at nobody"
            );
        }
        disk.read_back(&ledger, key, now);
        assert_eq!(show(&ledger, number, 2..3, now), (1, Next::Done));
        let (granted, next) = show(&ledger, number, 3..4, now);
        assert!(
            granted == 0 && matches!(next, Next::Denied { people: 3, .. }),
            "{number}"
        );
        disk.take(&ledger);
    }
    assert!(read_back >= spilled, "who was read back may have made others go");
    for number in 0..SESSIONS {
        let now = START.after(90_000_000);
        ledger
            .spilled([session(number).key].iter())
            .into_iter()
            .for_each(|key| ledger.unspill(key, None, now));
    }
    assert_eq!(ledger.spilled_keys(), 0, "no exchange looks for any from now on");
    assert!(
        ledger.bytes() <= ledger.settings().bytes_max + ledger.spilled_keys() * 40 + (64 << 10),
        "{}",
        ledger.bytes()
    );
}

#[test]
fn who_is_loaded_beyond_the_room_stays_on_disk_and_counts_when_it_comes() {
    let (ledger, mut disk) = (Arc::new(small(SESSIONS as usize * 2)), Disk::default());
    for number in 0..SESSIONS {
        show(&ledger, number, 0..3, START);
    }
    disk.take(&ledger);
    let next = Arc::new(small(SESSIONS as usize / 4));
    for frame in disk.0.values() {
        next.load(frame, START);
    }
    assert!(next.spilled_keys() as u64 > SESSIONS / 2);
    // The names of what is on disk are the only thing that has no bound of its own.
    let names = next.spilled_keys() * 40;
    assert!(next.bytes() <= next.settings().bytes_max + names, "{}", next.bytes());
    let later = START.after(120_000);
    for number in (0..SESSIONS).step_by(97) {
        disk.read_back(&next, session(number).key, later);
        assert_eq!(
            show(&next, number, 3..4, later).1,
            Next::Denied {
                budget: BudgetId(0),
                key: session(number).key,
                dimension: Dimension::Session,
                people: 3
            },
            "{number}"
        );
    }
}
