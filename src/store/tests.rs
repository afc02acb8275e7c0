//! The store over real files: what it keeps, what it refuses, and what a disk can do to it.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smallvec::smallvec;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::engine::ledger::{
    self, Ask, BudgetId, Carrier, Dimension, Elements, Excess, KeyFrame, KeyId, KeyUse, Ledger, Limit, Mark, Tag,
};
use crate::engine::secret::{HashKey, Subject};
use crate::engine::time::Now;

const WINDOW: u32 = 86_400;

fn secret() -> HashKey {
    HashKey::new([5; 32])
}

fn key(number: u8) -> KeyId {
    KeyId([number; 12])
}

fn under(number: u8) -> KeyUse {
    KeyUse {
        key: key(number),
        dimension: Dimension::Session,
        elements: Elements::People,
        fallback: None,
        limits: smallvec![Limit {
            budget: BudgetId(1),
            people: 10_000,
            window: WINDOW,
            excess: Excess::Refused,
            strict: false,
        }],
    }
}

/// A gateway's ledger and its store.
struct Kept {
    ledger: Arc<Ledger>,
    store: Store,
    clock: Clock,
}

fn try_open(dir: &Path) -> Result<Kept, StoreError> {
    let clock = Clock::start();
    let mut ledger = Ledger::new(ledger::Settings::default());
    ledger.carry(Carrier::Store);
    let loaded = Loaded::load(dir, &secret(), &ledger, clock)?;
    let ledger = Arc::new(ledger);
    // Nothing is written but for those who ask.
    let settings = Settings {
        flush_ms_max: 60_000,
        wait_ms_max: 20_000,
    };
    let store = loaded.start(settings, Arc::clone(&ledger), clock).expect("a thread");
    Ok(Kept { ledger, store, clock })
}

fn open(dir: &Path) -> Kept {
    try_open(dir).unwrap_or_else(|error| panic!("{error}"))
}

impl Kept {
    fn show(&self, number: u8, people: std::ops::Range<u64>) {
        let now = self.clock.now();
        let mut account = self.ledger.open(vec![under(number)], None, now);
        for person in people {
            assert_eq!(account.reserve(&[Ask::from_iter([Subject(person)])], now).granted, 1);
        }
        account.hand_over(u64::MAX, now);
    }

    fn people(&self, number: u8) -> u32 {
        let view = self.ledger.key(key(number), &|_| &[WINDOW], self.clock.now());
        view.map_or(0, |view| {
            view.people.iter().map(|(_, people)| *people).max().unwrap_or(0)
        })
    }
}

fn frame(number: u8, elements: impl Iterator<Item = u64>, second: u32) -> KeyFrame {
    KeyFrame {
        enforced: true,
        window_max: WINDOW,
        elements: elements.map(|element| (element, second)).collect(),
        ..KeyFrame::new(key(number), Dimension::Session)
    }
}

fn all(file: &mut StoreFile) -> Vec<KeyFrame> {
    let mut frames: Vec<KeyFrame> = Vec::new();
    file.each(|row| {
        let frame = row.frame.expect("every row is whole");
        match frames.last_mut() {
            Some(last) if last.key == frame.key => last.join(&frame),
            _ => frames.push(frame),
        }
    })
    .expect("it can be read");
    frames
}

#[tokio::test]
async fn what_was_waited_for_is_there_after_a_crash_and_what_was_not_after_an_orderly_stop() {
    let dir = tempfile::tempdir().unwrap();
    let kept = open(dir.path());
    kept.show(1, 0..5);
    assert!(kept.store.written().await);
    kept.show(2, 0..3);
    // As `kill -9` leaves it: only what was committed.
    let crashed = tempfile::tempdir().unwrap();
    fs::copy(StoreFile::path_in(dir.path()), StoreFile::path_in(crashed.path())).unwrap();
    let again = open(crashed.path());
    assert_eq!((again.people(1), again.people(2)), (5, 0));
    again.show(1, 0..7);
    assert_eq!(again.people(1), 7, "those who were shown before cost nothing");

    kept.store.stop();
    let again = open(dir.path());
    assert_eq!((again.people(1), again.people(2)), (5, 3));
}

#[tokio::test]
async fn what_changed_is_on_disk_when_the_time_is_over_though_nobody_asks() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut ledger = Ledger::new(ledger::Settings::default());
    ledger.carry(Carrier::Store);
    let loaded = Loaded::load(dir.path(), &secret(), &ledger, clock).unwrap();
    let ledger = Arc::new(ledger);
    let settings = Settings {
        flush_ms_max: 10,
        ..Settings::default()
    };
    let store = loaded.start(settings, Arc::clone(&ledger), clock).unwrap();
    let kept = Kept { ledger, store, clock };
    kept.show(1, 0..5);
    let crashed = tempfile::tempdir().unwrap();
    for _ in 0..1_000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        fs::copy(StoreFile::path_in(dir.path()), StoreFile::path_in(crashed.path())).unwrap();
        // It may have been copied in the middle of a write.
        if try_open(crashed.path()).is_ok_and(|again| again.people(1) == 5) {
            return;
        }
    }
    panic!("it was never written");
}

#[tokio::test]
async fn a_hold_and_its_release_outlive_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let kept = open(dir.path());
    let now = kept.clock.now();
    for number in [1, 2] {
        assert!(
            kept.ledger
                .hold(key(number), Dimension::Session, 3_600, Some(BudgetId(9)), now)
        );
    }
    kept.store.hold_changed();
    assert!(kept.store.holds_written().await);
    assert!(kept.ledger.release(key(2), 5, now.second() + 60, now));
    kept.store.hold_changed();
    assert!(kept.store.holds_written().await);
    let crashed = tempfile::tempdir().unwrap();
    fs::copy(StoreFile::path_in(dir.path()), StoreFile::path_in(crashed.path())).unwrap();
    let again = open(crashed.path());
    let held = again.ledger.holds(again.clock.now(), 9);
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!((held[0].key, held[0].cause), (key(1), Some(BudgetId(9))));
}

#[test]
fn a_large_key_is_written_in_deltas_that_become_one_row_when_they_outgrow_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mark, now) = (KeyMark::of(&secret()), Clock::start().now());
    let second = now.second();
    let mut file = StoreFile::open_or_create(dir.path(), mark, now).unwrap();
    file.write(&[frame(1, 0..1_000, second)], &[], now).unwrap();
    let rows = |file: &mut StoreFile| {
        let mut rows = Vec::new();
        file.each(|row| rows.push(row.bytes)).unwrap();
        rows
    };
    for turn in 0..3 {
        file.write(&[frame(1, 1_000 + turn..1_001 + turn, second)], &[], now)
            .unwrap();
    }
    let small = rows(&mut file);
    assert_eq!(small.len(), 4, "{small:?}");
    assert!(small[1..].iter().all(|bytes| *bytes < 100), "{small:?}");
    file.write(&[frame(1, 2_000..3_500, second)], &[], now).unwrap();
    assert_eq!(rows(&mut file).len(), 1, "all in one row again");
    let frames = all(&mut file);
    assert_eq!((frames.len(), frames[0].elements.len()), (1, 2_503));
    // A file that is opened again knows as much.
    file.write(&[frame(1, 0..1, second + 1)], &[], now).unwrap();
    drop(file);
    let mut file = StoreFile::open(dir.path()).unwrap();
    assert_eq!(rows(&mut file).len(), 2);
    file.write(&[frame(1, 5_000..5_001, second)], &[], now).unwrap();
    assert_eq!(rows(&mut file).len(), 3);
    assert_eq!(all(&mut file)[0].elements.len(), 2_504);
}

#[test]
fn rows_that_nobody_needs_are_found_and_dropped_in_passing() {
    let dir = tempfile::tempdir().unwrap();
    let now = Now::from_millis(1_800_000_000_000);
    let (second, later) = (now.second(), now.after(u64::from(WINDOW) * 1_000 + 5_000));
    let mut file = StoreFile::open_or_create(dir.path(), KeyMark::of(&secret()), now).unwrap();
    let held = Tag::Held {
        until: later.second() + 50,
        cause: None,
    };
    let mut marked = frame(3, 0..1, second);
    marked.mark = Some(Mark { second, tag: held });
    let frames = [frame(1, 0..2, second), frame(2, 0..2, later.second()), marked];
    file.write(&frames, &[], now).unwrap();
    let (unneeded, next) = file.unneeded(None, 2, now).unwrap();
    assert!(unneeded.is_empty() && next.is_some());
    let (unneeded, next) = file.unneeded(None, 10, later).unwrap();
    assert_eq!((unneeded.len(), next), (1, None));
    file.write(&[], &unneeded, later).unwrap();
    let left: Vec<KeyId> = all(&mut file).iter().map(|frame| frame.key).collect();
    assert_eq!(left, [key(2), key(3)]);
    // What is written under a key after its window holds nothing from before.
    file.write(&[frame(1, 7..8, later.second())], &[], later).unwrap();
    assert_eq!(all(&mut file)[0].elements, [(7, later.second())]);
}

#[test]
fn a_file_that_is_not_ours_to_use_is_refused_with_its_name_and_the_way_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mark, now) = (KeyMark::of(&secret()), Clock::start().now());
    let path = StoreFile::path_in(dir.path());
    let refused = |why: &str, words: &str| {
        let error = StoreFile::open_or_create(dir.path(), mark, now).err();
        let text = error.unwrap_or_else(|| panic!("{why} is refused")).to_string();
        assert!(text.contains("ledger.redb") && text.contains(words), "{why}: {text}");
    };

    let held = StoreFile::open_or_create(dir.path(), mark, now).unwrap();
    refused("a file that another gateway has open", "open in another process");
    drop(held);
    let other = StoreFile::open_or_create(dir.path(), KeyMark::of(&HashKey::new([1; 32])), now)
        .err()
        .unwrap();
    assert!(matches!(other, StoreError::OtherKey(_)), "{other}");
    assert!(other.to_string().contains("hash.key"));

    let good = fs::read(&path).unwrap();
    for (why, bytes, words) in [
        ("an empty file", Vec::new(), "is empty"),
        (
            "a file of another kind",
            b"not a ledger\n".repeat(900),
            "put a copy of it back",
        ),
        ("half a file", good[..good.len() / 2].to_vec(), "put a copy of it back"),
    ] {
        fs::write(&path, bytes).unwrap();
        refused(why, words);
    }
    // A database of redb, but no ledger.
    fs::remove_file(&path).unwrap();
    drop(redb::Database::create(&path).unwrap());
    refused("another program's database", "no ledger of Tidegate");

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("a directory in its place", "directory");
    let none = StoreFile::open_or_create(&dir.path().join("none"), mark, now)
        .err()
        .unwrap();
    assert!(none.to_string().contains("none"), "{none}");
}

#[test]
fn a_foreign_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mark, now) = (KeyMark::of(&secret()), Clock::start().now());
    drop(StoreFile::open_or_create(dir.path(), mark, now).unwrap());
    let database = redb::Database::open(StoreFile::path_in(dir.path())).unwrap();
    let writing = database.begin_write().unwrap();
    {
        let table: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
        let mut meta = writing.open_table(table).unwrap();
        meta.insert("format", 7_u32.to_le_bytes().as_slice()).unwrap();
    }
    writing.commit().unwrap();
    drop(database);
    let error = StoreFile::open(dir.path()).err().unwrap();
    assert!(
        matches!(&error, StoreError::Version(_, found) if found == "7"),
        "{error}"
    );
}

/// A ledger with some keys, small and large, and the frames in it.
fn sample(dir: &TempDir) -> Vec<KeyFrame> {
    let now = Clock::start().now();
    let mut file = StoreFile::open_or_create(dir.path(), KeyMark::of(&secret()), now).unwrap();
    let people = |number: u8| 0..if number == 9 { 2_000 } else { 3 };
    let frames: Vec<KeyFrame> = (0..200)
        .map(|number| frame(number, people(number), now.second()))
        .collect();
    file.write(&frames, &[], now).unwrap();
    let last = [frame(9, 5_000..5_010, now.second()), frame(11, 0..4, now.second())];
    file.write(&last, &[], now).unwrap();
    all(&mut file)
}

/// The bytes of a ledger that was closed, or of one whose process was killed.
fn sample_bytes(is_closed: bool) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    sample(&dir);
    let path = StoreFile::path_in(dir.path());
    if is_closed {
        return fs::read(path).unwrap();
    }
    let mut file = StoreFile::open(dir.path()).unwrap();
    file.each(drop).unwrap();
    let now = Clock::start().now();
    file.write(&[frame(12, 0..5, now.second())], &[], now).unwrap();
    fs::read(path).unwrap()
}

/// How many people the ledger in these bytes holds; `None` if they are refused.
fn people_in(bytes: &[u8]) -> Option<usize> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(StoreFile::path_in(dir.path()), bytes).unwrap();
    let mut file = StoreFile::open_or_create(dir.path(), KeyMark::of(&secret()), Clock::start().now()).ok()?;
    let (mut people, mut is_damaged) = (0, false);
    file.each(|row| match row.frame {
        Ok(frame) => people += frame.elements.len(),
        Err(_) => is_damaged = true,
    })
    .ok()?;
    (!is_damaged).then_some(people)
}

#[test]
fn a_flipped_bit_is_an_error_or_changes_nothing() {
    for is_closed in [true, false] {
        let good = sample_bytes(is_closed);
        let whole = people_in(&good);
        assert!(whole.is_some(), "nothing happened to it");
        let mut refused = 0;
        // Every byte of the head, and many of the rest.
        for at in (0..384).chain((384..good.len()).step_by(good.len() / 150)) {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            let people = people_in(&bytes);
            refused += u32::from(people.is_none());
            assert!(
                people.is_none() || people == whole,
                "bit at {at}: {people:?} of {whole:?}"
            );
        }
        assert!(refused > 100, "only {refused} were noticed");
    }
}

#[test]
fn a_truncated_or_torn_file_is_an_error() {
    for is_closed in [true, false] {
        let good = sample_bytes(is_closed);
        let whole = people_in(&good);
        for part in 0..100 {
            let length = good.len() * part / 100 + part;
            let mut bytes = good[..length].to_vec();
            assert_eq!(people_in(&bytes), None, "cut at {length} of {}", good.len());
            // Torn: the length is right, the rest was never written.
            bytes.resize(good.len(), 0);
            let people = people_in(&bytes);
            assert!(people.is_none() || people == whole, "torn at {length}: {people:?}");
        }
    }
}

#[test]
fn a_damaged_row_is_named_and_the_others_can_still_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let whole = sample(&dir);
    let path = StoreFile::path_in(dir.path());
    let database = redb::Database::open(&path).unwrap();
    let writing = database.begin_write().unwrap();
    writing
        .open_table(rows::ROWS)
        .unwrap()
        .insert(&rows::row_key(key(7), 0), &b"garbage"[..])
        .unwrap();
    writing.commit().unwrap();
    drop(database);
    let error = try_open(dir.path()).err().expect("it is not loaded");
    let text = error.to_string();
    assert!(
        text.contains(&key(7).to_string()) && text.contains("tidegate ledger export"),
        "{text}"
    );
    let (mut good, mut bad) = (0, Vec::new());
    let mut file = StoreFile::open(dir.path()).unwrap();
    file.each(|row| match row.frame {
        Ok(_) => good += 1,
        Err(fault) => bad.push(fault.key),
    })
    .unwrap();
    assert_eq!((good, bad), (whole.len(), vec![key(7)]));
}

#[test]
fn an_import_merges_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let whole = sample(&dir);
    let mut file = StoreFile::open(dir.path()).unwrap();
    let mut text = Vec::new();
    write_head(file.mark(), file.tenants().unwrap(), &mut text).unwrap();
    file.each(|row| write_frame(&row.frame.unwrap(), &mut text).unwrap())
        .unwrap();
    let (new, now) = (tempfile::tempdir().unwrap(), Clock::start().now());
    let mut copy = StoreFile::open_or_create(new.path(), file.mark(), now).unwrap();

    let broken = [&text[..], b"{}\n"].concat();
    let lines = Lines::new(&broken[..], copy.mark()).unwrap();
    let error = copy.import(lines, now).unwrap_err();
    assert!(error.to_string().contains("nothing was imported"), "{error}");
    assert!(all(&mut copy).is_empty());

    for _ in 0..2 {
        copy.import(Lines::new(&text[..], copy.mark()).unwrap(), now).unwrap();
        let sorted = |mut frames: Vec<KeyFrame>| {
            for frame in &mut frames {
                frame.elements.sort_unstable();
            }
            frames
        };
        assert_eq!(
            sorted(all(&mut copy)),
            sorted(whole.clone()),
            "once or twice is the same"
        );
    }
    copy.compact().unwrap();
    assert_eq!(all(&mut copy).len(), whole.len());
}

#[tokio::test]
async fn a_file_that_fails_keeps_nobody_waiting_and_heals_without_a_loss() {
    let dir = tempfile::tempdir().unwrap();
    let kept = open(dir.path());
    kept.show(1, 0..5);
    assert!(kept.store.written().await);
    // The first page of rows is overwritten under the running gateway, then comes back.
    let path = StoreFile::path_in(dir.path());
    let good = fs::read(&path).unwrap();
    let mut file = File::options().read(true).write(true).open(&path).unwrap();
    file.set_len(512).unwrap();
    kept.show(2, 0..5);
    let is_written = kept.store.written().await;
    kept.show(3, 0..5);
    if !is_written {
        assert!(kept.store.is_down());
        assert!(
            !kept.store.written().await,
            "at once: nobody waits for a disk that fails"
        );
    }
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&good).unwrap();
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if !kept.store.is_down() && kept.store.written().await {
            break;
        }
    }
    kept.store.stop();
    let again = open(dir.path());
    assert_eq!((again.people(1), again.people(2), again.people(3)), (5, 5, 5));
}

#[test]
fn no_raw_value_is_in_the_file_and_nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    sample(&dir);
    let about = fs::metadata(StoreFile::path_in(dir.path())).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
}
