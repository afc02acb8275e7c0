//! Every ledger of a rotation with every set of key files, and the journals that stand in its way.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use smallvec::SmallVec;

use super::*;
use crate::cli::args::{ConfigArgs, LedgerCommand, StateArgs};
use crate::engine::detect::{ClassSet, RuleSet};
use crate::engine::ledger::{Dimension, KeyFrame, KeyId, Kind};
use crate::engine::secret::{DEFAULT_TENANT, HashKey, Subject};
use crate::run::{known_secret, secret};
use crate::store::journal::{self, Actor, Exchange, Journal, Page, Person, Verdict};

const DAY_MS: u64 = 86_400_000;
const KEY: KeyId = KeyId([1; 12]);
/// Who was shown, under the old key and under the new one.
const HASHES: [u64; 2] = [71, 72];

fn ago(days: u64) -> Now {
    Now::from_millis(Clock::start().now().millis() - days * DAY_MS)
}

fn new() -> HashKey {
    HashKey::new([2; 32])
}

/// The four ledgers of a rotation, and one that keeps up a key of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Start,
    Before,
    After,
    End,
    Another,
}

/// A state directory with such a ledger.
fn written(ledger: Of) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let own = secret(dir.path()).unwrap();
    let beside = match ledger {
        Of::Start => None,
        Of::Another => Some(HashKey::new([3; 32])),
        Of::Before | Of::After | Of::End => Some(new()),
    };
    let mark = KeyMark::of(&own.hashing_people(None, beside));
    let mut file = StoreFile::open_or_create(dir.path(), mark, ago(2)).unwrap();
    let apart = mark.people.apart(mark.beside.unwrap_or_default());
    let rows = [(KEY, Kind::People), (KEY.beside(apart), Kind::Beside)];
    let frames = rows.into_iter().zip(HASHES).map(|((key, kind), person)| {
        let mut frame = KeyFrame::new(key, Dimension::Session);
        (frame.kind, frame.window_max) = (kind, 86_400);
        frame.elements = vec![(person, ago(0).second())];
        Ok::<_, StoreError>(frame)
    });
    let count = if mark.beside.is_some() { 2 } else { 1 };
    file.import(frames.take(count), ago(0)).unwrap();
    if matches!(ledger, Of::After | Of::End) {
        assert_eq!(file.switch_people(ago(0)).unwrap(), Switch::Done);
    }
    if ledger == Of::End {
        file.drop_beside(file.mark(), ago(0)).unwrap();
    }
    dir
}

/// A copy of it with those of the key files `people.key`, `people.next.key` and `people.old.key`.
fn state(written: &Path, [decides, next, old]: [bool; 3]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let own = *known_secret(written).unwrap().bytes();
    for name in ["hash.key", "ledger.redb"] {
        fs::copy(written.join(name), dir.path().join(name)).unwrap();
    }
    for (name, is_there, key) in [
        ("people.key", decides, [2; 32]),
        ("people.next.key", next, [2; 32]),
        ("people.old.key", old, own),
    ] {
        if is_there {
            fs::copy(dir.path().join("hash.key"), dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name), key).unwrap();
        }
    }
    dir
}

/// All that the files say.
fn told(dir: &Path) -> (Vec<Option<Vec<u8>>>, KeyMark, Vec<KeyFrame>) {
    let keys = ["hash.key", "people.key", "people.next.key", "people.old.key"];
    let keys = keys.map(|name| fs::read(dir.join(name)).ok());
    let (mut file, mut rows) = (StoreFile::open(dir).unwrap(), Vec::new());
    file.each(|row| rows.push(row.frame.unwrap())).unwrap();
    (keys.to_vec(), file.mark(), rows)
}

/// Whether the gateway starts, and who it knows then.
fn known(dir: &Path) -> Option<Vec<u64>> {
    let mark = KeyMark::of(&known_secret(dir).ok()?);
    let mut file = StoreFile::open_or_create(dir, mark, ago(0)).ok()?;
    let mut known = Vec::new();
    file.each(|row| {
        let frame = row.frame.unwrap();
        known.extend(
            frame
                .elements
                .iter()
                .filter(|_| frame.key == KEY)
                .map(|(person, _)| *person),
        );
    })
    .unwrap();
    Some(known)
}

/// Tries every ledger with all key files that there can be.
fn each(mut case: impl FnMut(Of, &Path, [bool; 3])) {
    for ledger in [Of::Start, Of::Before, Of::After, Of::End, Of::Another] {
        let written = written(ledger);
        for bits in 0..8_u8 {
            case(ledger, written.path(), [bits & 4 != 0, bits & 2 != 0, bits & 1 != 0]);
        }
    }
}

#[test]
fn a_switch_is_made_once_or_ended_where_it_was_cut_short_and_touches_nothing_else() {
    each(|ledger, written, keys| {
        let dir = state(written, keys);
        let (dir, before) = (dir.path(), told(dir.path()));
        let is_begun_or_cut_short = matches!((ledger, keys), (Of::Before | Of::After, [false, true, _]));
        let is_put_back = (ledger, keys) == (Of::Before, [true, false, true]);
        let is_meant = is_begun_or_cut_short || is_put_back;
        let said = switch(dir, &mut Vec::new());
        assert_eq!(said.is_ok(), is_meant, "{ledger:?} {keys:?}: {said:?}");
        if is_meant {
            assert_eq!(known(dir), Some(vec![HASHES[1]]), "{ledger:?} {keys:?}");
            assert!(!dir.join("people.next.key").exists());
        } else {
            assert_eq!(told(dir), before, "{ledger:?} {keys:?}");
        }
        let once = told(dir);
        assert!(switch(dir, &mut Vec::new()).is_err(), "{ledger:?} {keys:?} twice");
        assert_eq!(told(dir), once, "{ledger:?} {keys:?} twice");
    });
}

fn forgets(written: &Path, keys: [bool; 3], other: Other, case: &str) {
    let dir = state(written, keys);
    let (dir, before) = (dir.path(), told(dir.path()));
    if forget(dir, (other, None), &mut Vec::new()).is_err() {
        assert_eq!(told(dir), before, "{case}");
        return;
    }
    let person = HASHES[usize::from(keys[0])];
    assert_eq!(known(dir), Some(vec![person]), "{case}");
    let started = known(state(written, keys).path());
    assert!(started.is_none_or(|started| started == [person]), "{case}");
    assert!(
        !Other::Next.path(dir).exists() && !Other::Old.path(dir).exists(),
        "{case}"
    );
}

#[test]
fn a_key_that_goes_takes_no_count_of_the_other_along() {
    each(|ledger, written, keys| {
        for other in [Other::Next, Other::Old] {
            forgets(written, keys, other, &format!("{ledger:?} {keys:?} {other:?}"));
        }
    });
    for (ledger, keys, other) in [
        (Of::Before, [false, true, false], Other::Next),
        (Of::Before, [false, false, false], Other::Next),
        (Of::After, [true, false, true], Other::Old),
        (Of::After, [true, false, false], Other::Next),
    ] {
        let dir = state(written(ledger).path(), keys);
        assert!(
            forget(dir.path(), (other, None), &mut Vec::new()).is_ok(),
            "{ledger:?} {keys:?}"
        );
    }
}

#[test]
fn a_ledger_whose_second_key_is_not_there_does_not_start() {
    for (ledger, keys) in [
        (Of::Before, [false, false, false]),
        (Of::After, [true, false, false]),
        (Of::Another, [false, true, false]),
    ] {
        let dir = state(written(ledger).path(), keys);
        let (dir, before) = (dir.path(), told(dir.path()));
        let mark = KeyMark::of(&known_secret(dir).unwrap());
        let refused = StoreFile::open_or_create(dir, mark, ago(0)).err();
        assert!(
            matches!(refused, Some(StoreError::NoBeside(_))),
            "{ledger:?}: {refused:?}"
        );
        assert_eq!(told(dir), before);
    }
}

/// A journal beside `dir` in which somebody was shown so many seconds from its switch, in this order.
fn journal(dir: &Path, seconds: &[i32]) -> PathBuf {
    let (journal, rules) = (dir.join("journal"), Arc::new(RuleSet::builtin()));
    let about = (dir, &known_secret(dir).unwrap(), &[DEFAULT_TENANT.to_owned()][..]);
    let switched = StoreFile::open(dir).unwrap().switched().unwrap().unwrap();
    for (number, later_s) in seconds.iter().enumerate() {
        let written = Journal::start(&journal, &journal::Settings::default(), about, Clock::start()).unwrap();
        let exchange = Exchange {
            actor: Arc::new(Actor {
                keys: SmallVec::new(),
                group: None,
                is_known: false,
                is_issued: false,
            }),
            route: "shop/".into(),
            route_key: None,
            rules: Arc::clone(&rules),
        };
        let person = Person {
            subject: Subject(number as u64),
            classes: ClassSet(1),
            verdict: Verdict::Granted,
        };
        written.record(Page {
            exchange: Arc::new(exchange),
            second: switched.saturating_add_signed(*later_s),
            people: [person].into_iter().collect(),
            uninspected: SmallVec::new(),
        });
        written.stop();
    }
    journal
}

fn segments(journal: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> = files
        .filter(|path| {
            path.file_stem()
                .is_some_and(|name| name.to_str().unwrap().parse::<u64>().is_ok())
        })
        .collect();
    segments.sort();
    segments
}

fn ends(dir: &Path, journal: &Path) -> Result<(), String> {
    let ended = forget(dir, (Other::Old, Some(journal)), &mut Vec::new());
    ended.map_err(|failed| failed.message)
}

#[test]
fn the_old_key_stays_while_a_journal_needs_it_or_does_not_tell() {
    let switched = |ledger| state(written(ledger).path(), [true, false, true]);
    // Who was shown before, behind one who was shown later; the file of the key is older than both.
    let dir = switched(Of::After);
    let old = fs::File::options()
        .write(true)
        .open(Other::Old.path(dir.path()))
        .unwrap();
    old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1))
        .unwrap();
    let kept = journal(dir.path(), &[60, -3_600]);
    let said = ends(dir.path(), &kept).unwrap_err();
    assert!(
        said.contains("--leave-journal") && said.contains("has people of"),
        "{said}"
    );
    // Of the second of the switch nobody can tell who was shown before it.
    let dir = switched(Of::After);
    let kept = journal(dir.path(), &[0]);
    assert!(ends(dir.path(), &kept).is_err());
    // One who was shown only later needs it no more.
    let dir = switched(Of::After);
    let kept = journal(dir.path(), &[60]);
    assert_eq!(ends(dir.path(), &kept), Ok(()));

    let dir = switched(Of::After);
    let kept = journal(dir.path(), &[-7_200, 60]);
    let first = segments(&kept).remove(0);
    fs::write(&first, "no segment").unwrap();
    let said = ends(dir.path(), &kept).unwrap_err();
    assert!(
        said.contains(first.to_str().unwrap()) && said.contains("--leave-journal"),
        "{said}"
    );
    let gone = dir.path().join("nowhere");
    let said = ends(dir.path(), &gone).unwrap_err();
    assert!(said.contains("nowhere") && said.contains("--leave-journal"), "{said}");
    assert!(Other::Old.path(dir.path()).exists());

    // Of a ledger that was begun anew nobody knows when its keys changed places.
    let dir = switched(Of::After);
    let kept = journal(dir.path(), &[60]);
    fs::remove_file(StoreFile::path_in(dir.path())).unwrap();
    assert!(ends(dir.path(), &kept).is_err());
}

#[test]
fn that_there_is_no_journal_is_said_by_the_configuration_alone() {
    let dir = state(written(Of::After).path(), [true, false, true]);
    let config = dir.path().join("tidegate.toml");
    let end = |state_dir: Option<&Path>, leave_journal| {
        let command = LedgerCommand::Rotate {
            state: StateArgs {
                state_dir: state_dir.map(Path::to_owned),
                config: ConfigArgs { config: config.clone() },
            },
            switch: false,
            end: true,
            abandon: false,
            leave_journal,
        };
        let ended = super::super::ledger::execute(&command, &mut Vec::new());
        ended.map_err(|failed| failed.message)
    };
    for text in [None, Some("what is this"), Some("[state]\ndir = \"another\"\n")] {
        if let Some(text) = text {
            fs::write(&config, text).unwrap();
        }
        let said = end(Some(dir.path()), false).unwrap_err();
        assert!(said.contains("--leave-journal"), "{text:?}: {said}");
    }
    assert!(Other::Old.path(dir.path()).exists());
    fs::write(&config, "[state]\ndir = \".\"\n").unwrap();
    assert_eq!(end(Some(dir.path()), false), Ok(()));
    let dir = state(written(Of::After).path(), [true, false, true]);
    fs::write(&config, "what is this").unwrap();
    assert_eq!(end(Some(dir.path()), true), Ok(()));
}
