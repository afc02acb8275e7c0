//! `tidegate ledger rotate`: another key takes the place of the one that people are hashed with.

use std::io::Write;
use std::path::Path;

use super::hash::refused as of_state;
use super::ledger::refused;
use super::listing::moment;
use super::{Exit, Failed, audit};
use crate::clock::Clock;
use crate::engine::time::Now;
use crate::run::people::{self, Other};
use crate::store::journal::Reader;
use crate::store::{KeyMark, StoreError, StoreFile, Switch};

/// Makes the next key.
///
/// # Errors
/// When a rotation is under way, or the state directory cannot be used.
pub(super) fn begin(dir: &Path, out: &mut dyn Write) -> Result<(), Failed> {
    let next = people::prepare(dir).map_err(of_state)?;
    writeln!(out, "next: {}", next.display())?;
    writeln!(
        out,
        "copy it into the state directory of every gateway that counts with this one, and restart each: people are then \
         hashed with both keys"
    )?;
    writeln!(
        out,
        "once the longest window has passed since the last of them started, on each: stop it, `tidegate ledger rotate \
         --switch`, start it"
    )?;
    Ok(())
}

/// The next key decides from now on.
///
/// # Errors
/// When it has not been written for as long as the longest window, there is none, or ledger and keys do not belong together;
/// then nothing has changed.
pub(super) fn switch(dir: &Path, out: &mut dyn Write) -> Result<(), Failed> {
    let now = Clock::start().now();
    let nothing = || {
        Failed::new(
            Exit::Failure,
            "there is no next key to be switched to: `tidegate ledger rotate` makes one",
        )
    };
    let switching = people::switching(dir).map_err(of_state)?.ok_or_else(nothing)?;
    let [before, after] = [&switching.before, &switching.after].map(KeyMark::of);
    let mut file = StoreFile::open(dir).map_err(|error| refused(&error))?;
    let mark = file.mark();
    let [is_before, is_after] = [before, after].map(|side| file.check(side).is_ok());
    // Of a switch that was cut short, or of a ledger that was put back, one half is done.
    if mark == before {
        change_places(&mut file, now)?;
    } else if is_after && !switching.is_ahead {
        return Err(nothing());
    } else if is_before && switching.is_ahead {
        return Err(not_begun());
    } else if mark != after {
        let message =
            "the ledger and the keys of people beside it are of no one step: put back those that were there together";
        return Err(Failed::new(Exit::Failure, message));
    }
    people::switch(dir).map_err(of_state)?;
    writeln!(
        out,
        "the next key decides; the one before is kept up until `tidegate ledger rotate --end`"
    )?;
    Ok(())
}

fn not_begun() -> Failed {
    let message = "no gateway has hashed people with the next key on this ledger: restart it, and once the longest window has \
                   passed, switch";
    Failed::new(Exit::Failure, message)
}

fn change_places(file: &mut StoreFile, now: Now) -> Result<(), Failed> {
    match file.switch_people(now).map_err(|error| refused(&error))? {
        Switch::Done => Ok(()),
        Switch::NotBegun => Err(not_begun()),
        Switch::Before(until) => {
            let message = format!(
                "the longest window reaches back to before people were hashed with both keys, until {}: who was shown \
                 before would be new",
                moment(until.into())
            );
            Err(Failed::new(Exit::Failure, message))
        }
    }
}

/// One of the two keys goes, and what was hashed with it; a `journal` must not need it any more.
///
/// # Errors
/// When it is not the one that goes in this step, there is none, the journal has people from before the switch, or the ledger
/// cannot be used.
pub(super) fn forget(dir: &Path, (other, journal): (Other, Option<&Path>), out: &mut dyn Write) -> Result<(), Failed> {
    let (not_this, why) = match other {
        Other::Next => (
            Other::Old,
            "the switch was made, or cut short: `--switch` and `--end` end it",
        ),
        Other::Old => (
            Other::Next,
            "it has not taken its place: `--switch` has it do so, `--abandon` gives it up",
        ),
    };
    if not_this.is_in(dir).map_err(of_state)? {
        return Err(Failed::new(
            Exit::Failure,
            format!("{} is there: {why}", not_this.path(dir).display()),
        ));
    }
    let file = match StoreFile::open(dir) {
        Err(StoreError::Missing(_)) => None,
        file => Some(file.map_err(|error| refused(&error))?),
    };
    if let Some(journal) = journal
        && other.is_in(dir).map_err(of_state)?
    {
        let switched = file.as_ref().map(StoreFile::switched).transpose();
        let switched = switched.map_err(|error| refused(&error))?.flatten();
        is_joined_by_the_new_key(journal, switched)?;
    }
    let mark = KeyMark::of(&crate::run::known_secret(dir).map_err(of_state)?);
    // The ledger first: one that keeps up a key that is gone does not start.
    let is_kept = file.map(|mut file| file.drop_beside(mark, Clock::start().now()));
    let is_kept = is_kept.transpose().map_err(|error| refused(&error))?.unwrap_or(false);
    let is_there = other.remove(dir).map_err(of_state)?;
    let path = other.path(dir);
    if !is_kept && !is_there {
        return Err(Failed::new(
            Exit::Failure,
            format!("{}: there is no such key", path.display()),
        ));
    }
    writeln!(out, "gone: {}, and what was hashed with it", path.display())?;
    Ok(())
}

/// Whether nobody is in the journal from before the second of the switch, or nobody at all where that is not known: with one key
/// only none of them is found in a list of customers.
fn is_joined_by_the_new_key(journal: &Path, switched: Option<u32>) -> Result<(), Failed> {
    // A run with an earlier clock may have written behind a later one, so that the first entry does not say it; and of the
    // second of the switch nobody can tell who was shown before it.
    let until = switched.unwrap_or(u32::MAX);
    let entry = Reader::open(journal).and_then(|reader| reader.between(0, until).next().transpose());
    let found = match entry {
        Ok(None) => return Ok(()),
        Ok(Some(entry)) => Failed::new(
            Exit::Failure,
            format!(
                "the journal has people of {}, and the next key decides since {}: whoever was shown before is found by \
                 `exposure --join` with the old key only; wait until they have left the journal",
                moment(entry.second.into()),
                switched.map_or_else(
                    || "a second that the ledger does not know".to_owned(),
                    |switched| moment(switched.into())
                )
            ),
        ),
        Err(error) => audit::refused(error),
    };
    let message = format!("{}, or say --leave-journal", found.message);
    Err(Failed { message, ..found })
}

#[cfg(test)]
mod tests {
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

    /// A journal beside `dir` in which somebody was shown `seconds` ago, in this order.
    fn journal(dir: &Path, seconds: &[u32]) -> PathBuf {
        let (journal, rules) = (dir.join("journal"), Arc::new(RuleSet::builtin()));
        let about = (dir, &known_secret(dir).unwrap(), &[DEFAULT_TENANT.to_owned()][..]);
        for (number, ago_s) in seconds.iter().enumerate() {
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
                second: ago(0).second() - ago_s,
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
        let kept = journal(dir.path(), &[0, 3_600]);
        let said = ends(dir.path(), &kept).unwrap_err();
        assert!(
            said.contains("--leave-journal") && said.contains("has people of"),
            "{said}"
        );
        // One who was shown only later needs it no more.
        let dir = switched(Of::After);
        let kept = journal(dir.path(), &[0]);
        assert_eq!(ends(dir.path(), &kept), Ok(()));

        let dir = switched(Of::After);
        let kept = journal(dir.path(), &[7_200, 0]);
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
        fs::remove_file(StoreFile::path_in(dir.path())).unwrap();
        let kept = journal(dir.path(), &[0]);
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
}
