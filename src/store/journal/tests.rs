//! What is written comes back; what is torn, changed, taken away or too old is told.

mod tenants;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use smallvec::SmallVec;
use tempfile::TempDir;

use super::append::Appender;
use super::segment::list;
use super::*;
use crate::clock::Clock;
use crate::engine::detect::{ClassSet, RuleSet};
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::secret::{DEFAULT_TENANT, HashKey, Subject};

const BEGIN: u32 = 1_800_000_000;

static RULES: LazyLock<Arc<RuleSet>> = LazyLock::new(|| Arc::new(RuleSet::builtin()));

fn secret() -> HashKey {
    HashKey::new([3; 32])
}

/// The default tenant alone.
fn nobodys() -> Vec<String> {
    vec![DEFAULT_TENANT.to_owned()]
}

fn key(dimension: Dimension, value: u64) -> Key {
    Key::new(dimension, KeyId::new(&secret(), dimension, &value.to_le_bytes(), b""))
}

/// A journal in a directory of its own, and what every page needs.
struct Bench {
    dir: TempDir,
    rules: Arc<RuleSet>,
}

impl Bench {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            rules: Arc::clone(&RULES),
        }
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    fn appender(&self, settings: &Settings) -> Appender {
        let signer = Signer::open(self.dir.path()).unwrap();
        Appender::start(&self.journal(), settings, signer, (key_id(&secret()), &nobodys())).unwrap()
    }

    fn verified(&self) -> Verified {
        let signer = Signer::open(self.dir.path()).unwrap();
        verify(&self.journal(), &signer.verifier()).unwrap()
    }

    fn exchange(&self, session: u64, route: &str) -> Arc<Exchange> {
        Arc::new(Exchange {
            actor: Arc::new(Actor {
                keys: SmallVec::from_slice(&[
                    key(Dimension::Session, session),
                    key(Dimension::Address, session % 7),
                    key(Dimension::Global, 0),
                ]),
                group: Some("agent".into()),
                is_known: true,
                is_issued: false,
            }),
            route: route.into(),
            route_key: Some(key(Dimension::Route, route.len() as u64)),
            rules: Arc::clone(&self.rules),
        })
    }

    fn page(&self, session: u64, second: u32, people: &[(u64, Verdict)]) -> Page {
        let person = |(subject, verdict): &(u64, Verdict)| Person {
            subject: Subject(*subject),
            classes: ClassSet(0b11),
            verdict: *verdict,
        };
        Page {
            exchange: self.exchange(session, "shop/"),
            second,
            people: people.iter().map(person).collect(),
            uninspected: SmallVec::new(),
        }
    }

    /// Writes `hours` segments, of which each has people of its own.
    fn fill(&self, hours: u32) {
        let mut appender = self.appender(&Settings::default());
        for hour in 0..hours {
            for number in 0..20_u32 {
                let second = BEGIN + hour * 3600 + number;
                let subject = u64::from(hour) * 100 + u64::from(number);
                appender.add(&self.page(u64::from(number % 5), second, &[(subject, Verdict::Granted)]));
                appender.tick(second);
            }
        }
        appender.finish(BEGIN + hours * 3600);
    }

    fn subjects(&self) -> Vec<u64> {
        subjects(Reader::open(&self.journal()).unwrap())
    }
}

fn subjects(reader: Reader) -> Vec<u64> {
    let person = |entry: Entry| match entry.shown {
        Shown::Person(subject) => Some(subject.0),
        Shown::Uninspected(_) => None,
    };
    reader.filter_map(|entry| person(entry.unwrap())).collect()
}

fn asked(key: Key) -> Asked {
    Asked {
        key: key.id,
        from: 0,
        to: u32::MAX,
        key_id: Some(key_id(&secret())),
    }
}

#[test]
fn what_is_written_comes_back_in_the_order_of_time() {
    let bench = Bench::new();
    let mut appender = bench.appender(&Settings::default());
    let mut page = bench.page(9, BEGIN + 5, &[(1, Verdict::Granted), (2, Verdict::Masked)]);
    page.uninspected.push(("undecodable", 4_000));
    appender.add(&page);
    appender.add(&bench.page(4, BEGIN + 3, &[(3, Verdict::Allowance)]));
    appender.tick(BEGIN + 6);
    appender.add(&bench.page(9, BEGIN + 7, &[(4, Verdict::Granted)]));
    appender.finish(BEGIN + 8);

    let entries: Vec<Entry> = Reader::open(&bench.journal()).unwrap().map(Result::unwrap).collect();
    let seconds: Vec<u32> = entries.iter().map(|entry| entry.second - BEGIN).collect();
    assert_eq!(seconds, [3, 5, 5, 5, 7]);
    let first = &entries[0];
    assert_eq!(first.shown, Shown::Person(Subject(3)));
    assert_eq!(first.scene.verdict, Some(Verdict::Allowance));
    assert_eq!(*first.actor, *bench.exchange(4, "").actor);
    let names: Vec<&str> = first.scene.names.iter().map(AsRef::as_ref).collect();
    let known: Vec<&str> = bench.rules.classes().take(2).map(|(_, name, _)| name).collect();
    assert_eq!((&*first.scene.route, names), ("shop/", known));
    let uninspected = entries.iter().find(|entry| entry.scene.verdict.is_none()).unwrap();
    assert_eq!(uninspected.shown, Shown::Uninspected(4_000));
    assert_eq!(&*uninspected.scene.names[0], "undecodable");
    let within = Reader::open(&bench.journal()).unwrap().between(BEGIN + 4, BEGIN + 5);
    assert_eq!(within.count(), 3);
    let other = Reader::open(&bench.journal()).unwrap().of_key(1).next();
    assert!(matches!(other, Some(Err(JournalError::OtherKey(_)))));
}

#[test]
fn a_person_is_written_once_a_session_and_hour_unless_there_is_news() {
    let bench = Bench::new();
    let mut appender = bench.appender(&Settings::default());
    let hour = BEGIN / 3600 * 3600;
    let mut add = |session, second, people: &[(u64, Verdict)], classes| {
        let mut page = bench.page(session, hour + second, people);
        page.people
            .iter_mut()
            .for_each(|person| person.classes = ClassSet(classes));
        appender.add(&page);
    };
    add(1, 0, &[(1, Verdict::Granted)], 1);
    add(1, 9, &[(1, Verdict::Granted)], 1); // said already
    add(2, 9, &[(1, Verdict::Granted)], 1); // another session
    add(1, 10, &[(1, Verdict::Granted)], 3); // another class
    add(1, 11, &[(1, Verdict::Masked)], 3); // masked as well
    add(3, 12, &[(1, Verdict::Allowance)], 1);
    add(3, 13, &[(1, Verdict::Granted)], 1); // a repeat inside the allowance
    add(1, 3600, &[(1, Verdict::Granted)], 1); // another hour
    appender.finish(hour + 3601);
    let entries: Vec<Entry> = Reader::open(&bench.journal()).unwrap().map(Result::unwrap).collect();
    let seconds: Vec<u32> = entries.iter().map(|entry| entry.second - hour).collect();
    assert_eq!(seconds, [0, 9, 10, 11, 12, 3600]);
}

#[test]
fn one_key_is_answered_for_from_the_segments_that_have_it() {
    let bench = Bench::new();
    bench.fill(6);
    let mut appender = bench.appender(&Settings::default());
    let mut page = bench.page(77, BEGIN + 30_000, &[(8, Verdict::Granted), (9, Verdict::Masked)]);
    page.uninspected.push(("ratio", 10));
    appender.add(&page);
    appender.finish(BEGIN + 30_001);
    let rare = expose(&bench.journal(), asked(key(Dimension::Session, 77))).unwrap();
    assert_eq!((rare.shown, rare.masked), (vec![8], vec![9]));
    assert_eq!(rare.uninspected["ratio"], 10);
    assert_eq!((rare.entries, rare.segments), (3, [7, 1]));
    assert_eq!(rare.routes["shop/"], 2);
    let all = expose(&bench.journal(), asked(key(Dimension::Global, 0))).unwrap();
    let route = expose(&bench.journal(), asked(key(Dimension::Route, 5))).unwrap();
    // Two people of the first hour came again in the last segment.
    assert_eq!((all.shown.len(), route.shown.len()), (6 * 20, 6 * 20));
    assert_eq!(all.seconds, Some([BEGIN, BEGIN + 30_000]));
    let hour = Asked {
        from: BEGIN + 3600,
        to: BEGIN + 7199,
        ..asked(key(Dimension::Session, 2))
    };
    assert_eq!(expose(&bench.journal(), hour).unwrap().shown, [102, 107, 112, 117]);
    let other = Asked {
        key_id: Some(1),
        ..asked(key(Dimension::Global, 0))
    };
    let other = expose(&bench.journal(), other).unwrap();
    assert_eq!((other.of_other_key, other.entries), (7, 0));
}

#[test]
fn a_torn_tail_is_cut_at_the_last_whole_frame() {
    let whole = Bench::new();
    let mut appender = whole.appender(&Settings::default());
    for number in 0..6 {
        appender.add(&whole.page(1, BEGIN + number, &[(u64::from(number), Verdict::Granted)]));
        appender.tick(BEGIN + number);
    }
    drop(appender);
    let (_, path) = list(&whole.journal()).unwrap().remove(0);
    let bytes = fs::read(path).unwrap();
    let mut before = 0;
    for length in 0..=bytes.len() {
        let bench = Bench::new();
        fs::create_dir(bench.journal()).unwrap();
        fs::write(segment::path(&bench.journal(), 1), &bytes[..length]).unwrap();
        let mut appender = bench.appender(&Settings::default());
        appender.add(&bench.page(2, BEGIN + 99, &[(99, Verdict::Granted)]));
        appender.finish(BEGIN + 100);
        let mut subjects = bench.subjects();
        assert_eq!(subjects.pop(), Some(99), "{length} bytes");
        assert!(subjects.iter().copied().eq(0..subjects.len() as u64));
        assert!(
            subjects.len() >= before,
            "{length} bytes: nothing that was whole is lost"
        );
        before = subjects.len();
        let verified = bench.verified();
        assert_eq!(verified.faults, [], "{length} bytes");
    }
    assert_eq!(before, 6);
}

#[test]
fn damage_in_the_middle_is_told_and_nothing_behind_it_is_cut() {
    let bench = Bench::new();
    bench.fill(1);
    let path = segment::path(&bench.journal(), 1);
    let bytes = fs::read(&path).unwrap();
    // The seal goes too, so that the segment looks like one that a process left; its length field says more than there is.
    let mut cut = bytes[..bytes.len() - 109].to_vec();
    cut[66] = 0x10;
    fs::write(&path, &cut).unwrap();
    drop(bench.appender(&Settings::default()));
    assert_eq!(fs::read(&path).unwrap(), cut);
    assert!(!bench.verified().faults.is_empty());
}

#[test]
fn every_flipped_byte_is_found() {
    let bench = Bench::new();
    bench.fill(3);
    assert_eq!(bench.verified().faults, []);
    assert_eq!(bench.verified().entries, 60);
    for (_, path) in list(&bench.journal()).unwrap() {
        let bytes = fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(7).chain(bytes.len() - 120..bytes.len()) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x20;
            fs::write(&path, &flipped).unwrap();
            let faults = bench.verified().faults;
            let is_named = faults
                .iter()
                .any(|fault| fault.path == path && fault.offset <= at as u64);
            assert!(is_named, "byte {at} of {}: {faults:?}", path.display());
        }
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(bench.verified().faults, []);
}

/// Where the frames of a segment are.
fn frames(path: &Path) -> Vec<std::ops::Range<usize>> {
    let mut segment = segment::Segment::open(path, Vec::new()).unwrap();
    let mut frames = Vec::new();
    loop {
        let start = segment.offset() as usize;
        if segment.next().is_err() {
            return frames;
        }
        frames.push(start..segment.offset() as usize);
    }
}

#[test]
fn what_is_dropped_swapped_or_cut_off_is_found() {
    let bench = Bench::new();
    bench.fill(3);
    for (_, path) in list(&bench.journal()).unwrap() {
        let bytes = fs::read(&path).unwrap();
        let frames = frames(&path);
        assert!(frames.len() > 20);
        for pair in frames.windows(2) {
            let [one, other] = pair else { continue };
            let parts = [
                &bytes[..one.start],
                &bytes[other.clone()],
                &bytes[one.clone()],
                &bytes[other.end..],
            ];
            let swapped = parts.concat();
            let dropped = [&bytes[..one.start], &bytes[one.end..]].concat();
            let repeated = [&bytes[..one.end], &bytes[one.start..]].concat();
            for (changed, what) in [(swapped, "swapped"), (dropped, "dropped"), (repeated, "repeated")] {
                fs::write(&path, changed).unwrap();
                let faults = bench.verified().faults;
                assert!(!faults.is_empty(), "{what} at {one:?} of {}", path.display());
                assert_eq!(faults[0].path, path);
            }
        }
        for length in (0..bytes.len()).rev().step_by(5) {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(
                !bench.verified().faults.is_empty(),
                "{length} bytes of {}",
                path.display()
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(!bench.verified().faults.is_empty(), "{} is gone", path.display());
        fs::write(&path, bytes).unwrap();
    }
    let head = bench.journal().join("head");
    let signed = fs::read(&head).unwrap();
    fs::remove_file(&head).unwrap();
    assert!(!bench.verified().faults.is_empty(), "the newest checkpoint is gone");
    fs::write(head, signed).unwrap();
    assert_eq!(bench.verified().faults, []);
    let other = tempfile::tempdir().unwrap();
    let other = Signer::open(other.path()).unwrap().verifier();
    assert!(
        !verify(&bench.journal(), &other).unwrap().faults.is_empty(),
        "another signer"
    );
}

#[test]
fn an_edit_with_its_checksum_and_all_hashes_made_anew_breaks_a_signature() {
    let bench = Bench::new();
    bench.fill(1);
    let path = segment::path(&bench.journal(), 1);
    let bytes = fs::read(&path).unwrap();
    let mut segment = segment::Segment::open(&path, Vec::new()).unwrap();
    let (mut forged, mut chain) = (bytes[..64].to_vec(), segment.begun);
    while let Ok(read) = segment.next() {
        let mut content = read.content.to_vec();
        if read.kind == frame::Kind::Entries {
            // Someone else was shown.
            *content.last_mut().unwrap() ^= 1;
        }
        let (frame, after) = frame::frame(read.kind, &chain, &content);
        forged.extend(frame);
        chain = after;
    }
    fs::write(&path, forged).unwrap();
    let faults = bench.verified().faults;
    assert!(
        faults.iter().any(|fault| fault.what.contains("signature")),
        "{faults:?}"
    );
}

#[test]
fn old_segments_go_and_those_too_many_and_the_journal_says_so() {
    let bench = Bench::new();
    bench.fill(5);
    let one = fs::metadata(segment::path(&bench.journal(), 1)).unwrap().len();
    // The first hour is a day old by now.
    let settings = Settings {
        retention_days: 1,
        ..Settings::default()
    };
    let mut appender = bench.appender(&settings);
    appender.tick(BEGIN + 86_400 + 3600);
    appender.finish(BEGIN + 86_400 + 3600);
    drop(appender);
    let numbers = |bench: &Bench| -> Vec<u64> {
        let list = list(&bench.journal()).unwrap();
        list.into_iter().map(|(number, _)| number).collect()
    };
    assert_eq!(numbers(&bench), [2, 3, 4, 5, 6]);
    assert_eq!(bench.verified().faults, []);
    let settings = Settings {
        journal_bytes_max: 2 * one + one / 2,
        ..Settings::default()
    };
    let mut appender = bench.appender(&settings);
    appender.tick(BEGIN + 86_400 + 3600);
    appender.finish(BEGIN + 86_400 + 3600);
    drop(appender);
    assert_eq!(numbers(&bench).first(), Some(&4), "{:?}", numbers(&bench));
    assert_eq!(bench.verified().faults, []);
    fs::remove_file(segment::path(&bench.journal(), 4)).unwrap();
    assert!(
        !bench.verified().faults.is_empty(),
        "nothing says that this one was removed"
    );
}

#[test]
fn a_disk_that_takes_nothing_loses_what_comes_meanwhile_and_is_tried_again() {
    let bench = Bench::new();
    let mut appender = bench.appender(&Settings::default());
    fs::remove_dir_all(bench.journal()).unwrap();
    appender.add(&bench.page(1, BEGIN, &[(1, Verdict::Granted)]));
    assert!(appender.is_failing());
    appender.tick(BEGIN);
    assert!(appender.is_failing());
    fs::create_dir(bench.journal()).unwrap();
    appender.tick(BEGIN);
    assert!(!appender.is_failing(), "it is tried although nothing comes");
    appender.add(&bench.page(1, BEGIN + 1, &[(1, Verdict::Granted)]));
    appender.finish(BEGIN + 2);
    assert!(!appender.is_failing());
    assert_eq!(bench.subjects(), [1]);
    assert_eq!(bench.verified().faults, []);
}

#[test]
fn a_write_that_fails_is_tried_again_and_nothing_before_it_is_lost() {
    let bench = Bench::new();
    let mut appender = bench.appender(&Settings::default());
    let show = |appender: &mut Appender, subject: u64| {
        let second = BEGIN + subject as u32;
        appender.add(&bench.page(1, second, &[(subject, Verdict::Granted)]));
        appender.tick(second);
    };
    show(&mut appender, 1);
    let full = fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
    let segment = appender.swap(full);
    show(&mut appender, 2);
    assert!(appender.is_failing());
    show(&mut appender, 3);
    assert!(appender.is_failing());
    drop(appender.swap(segment));
    appender.tick(BEGIN + 4);
    assert!(!appender.is_failing());
    // Who was lost comes again, and is written.
    show(&mut appender, 3);
    appender.finish(BEGIN + 5);
    assert_eq!(bench.subjects(), [1, 2, 3]);
    assert_eq!(bench.verified().faults, []);
}

#[test]
fn the_thread_writes_what_is_queued_and_a_full_queue_loses_the_page() {
    let bench = Bench::new();
    let settings = Settings {
        queue_sightings_max: 1_024,
        ..Settings::default()
    };
    let place = bench.dir.path();
    let journal = Journal::start(
        &bench.journal(),
        &settings,
        (place, &secret(), &nobodys()),
        Clock::start(),
    )
    .unwrap();
    let people: Vec<(u64, Verdict)> = (0..2_000).map(|subject| (subject, Verdict::Granted)).collect();
    journal.record(bench.page(1, BEGIN, &people));
    journal.record(bench.page(1, BEGIN, &people[..10]));
    journal.stop();
    assert!(bench.subjects().into_iter().eq(0..10));
    assert!(!journal.is_failing());
    assert!(!Journal::off().is_on());
}

#[test]
fn two_processes_do_not_write_one_journal() {
    let bench = Bench::new();
    let appender = bench.appender(&Settings::default());
    let signer = Signer::open(bench.dir.path()).unwrap();
    let other = Appender::start(&bench.journal(), &Settings::default(), signer, (0, &nobodys()));
    assert!(other.err().unwrap().to_string().contains("another process"));
    drop(appender);
    drop(bench.appender(&Settings::default()));
}
