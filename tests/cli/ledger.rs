//! `tidegate ledger` over the ledger of a gateway that does not run.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tidegate::clock::Clock;
use tidegate::engine::ledger::{Dimension, KeyFrame, KeyId, Mark, Tag};
use tidegate::engine::time::Now;
use tidegate::run::{known_secret, secret};
use tidegate::store::{KeyMark, StoreError, StoreFile};

use super::{GOOD, dir, tidegate, write};

/// A state directory with a ledger of three keys, one of them held.
fn state() -> TempDir {
    let (dir, now) = (dir(), Clock::start().now());
    let key = secret(dir.path()).expect("a new key");
    let mut file = StoreFile::open_or_create(dir.path(), KeyMark::of(&key), now).expect("a new ledger");
    let frames = (1..=3).map(|number| {
        let mut frame = KeyFrame::new(KeyId([number; 12]), Dimension::Session);
        frame.window_max = 86_400;
        frame.elements = (0..u64::from(number)).map(|element| (element, now.second())).collect();
        let until = now.second() + 3_600;
        let held = Mark {
            second: now.second(),
            tag: Tag::Held { until, cause: None },
        };
        frame.mark = (number == 3).then_some(held);
        Ok::<_, StoreError>(frame)
    });
    file.import(frames, now).expect("it is written");
    dir
}

fn ledger(dir: &Path, arguments: &[&str]) -> (String, i32) {
    let (command, rest) = arguments.split_first().expect("a command");
    let mut all = vec!["ledger", command, "--state-dir", "."];
    all.extend(rest);
    let said = tidegate(dir, &all);
    (said.text, said.code.expect("it ends by itself"))
}

#[test]
fn verify_says_how_much_there_is_and_what_is_wrong_where() {
    let state = state();
    let (text, code) = ledger(state.path(), &["verify"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("3 keys with 6 elements, 1 held") && text.contains("nothing is wrong"),
        "{text}"
    );

    let path = state.path().join("ledger.redb");
    let good = fs::read(&path).expect("the ledger");
    fs::write(&path, &good[..good.len() / 3]).expect("ours");
    let (text, code) = ledger(state.path(), &["verify"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("ledger.redb is damaged") && text.contains("tidegate ledger import"),
        "{text}"
    );
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn an_export_goes_into_another_directory_of_the_same_key_and_into_no_other() {
    let state = state();
    let (text, code) = ledger(state.path(), &["export", "--to", "all.jsonl"]);
    assert_eq!((text.as_str(), code), ("", 0));
    let (printed, code) = ledger(state.path(), &["export"]);
    assert_eq!(
        (printed, code),
        (fs::read_to_string(state.path().join("all.jsonl")).expect("lines"), 0)
    );
    let (text, code) = ledger(state.path(), &["export", "--to", "all.jsonl"]);
    assert_eq!(code, 74, "what is there stays: {text}");

    let lines = state.path().join("all.jsonl").display().to_string();
    let new = dir();
    let (text, code) = ledger(new.path(), &["import", &lines]);
    assert_eq!(code, 77, "without its hash key: {text}");
    fs::copy(state.path().join("hash.key"), new.path().join("hash.key")).expect("ours");
    for _ in 0..2 {
        let (text, code) = ledger(new.path(), &["import", &lines]);
        assert!(code == 0 && text.contains("3 lines merged"), "{text}");
    }
    let (again, code) = ledger(new.path(), &["export"]);
    assert_eq!((again, code), (fs::read_to_string(&lines).expect("lines"), 0));

    fs::write(
        &lines,
        format!("{}{{\"key\":7}}\n", fs::read_to_string(&lines).expect("lines")),
    )
    .expect("ours");
    let (text, code) = ledger(new.path(), &["import", &lines]);
    assert!(
        code == 1 && text.contains("line 5") && text.contains("nothing was imported"),
        "{text}"
    );
    let other = dir();
    secret(other.path()).expect("a new key");
    let (text, code) = ledger(other.path(), &["import", &lines]);
    assert!(code == 1 && text.contains("another hash key"), "{text}");
    assert!(!other.path().join("ledger.redb").exists(), "nothing is made of it");
}

#[test]
fn a_ledger_that_is_open_or_missing_says_so_and_compacting_loses_nothing() {
    let state = state();
    let open = StoreFile::open(state.path()).expect("a ledger");
    let (text, code) = ledger(state.path(), &["verify"]);
    assert!(code == 69 && text.contains("open in another process"), "{text}");
    drop(open);
    let (before, _) = ledger(state.path(), &["export"]);
    let (text, code) = ledger(state.path(), &["compact"]);
    assert!(code == 0 && text.contains("bytes, then"), "{text}");
    assert_eq!(ledger(state.path(), &["export"]), (before, 0));

    let none = dir();
    let (text, code) = ledger(none.path(), &["verify"]);
    assert!(code == 74 && text.contains("there is no ledger"), "{text}");
    let said = tidegate(none.path(), &["ledger", "verify"]);
    assert!(
        said.code == Some(74) && said.text.contains("no gateway has run"),
        "{}",
        said.text
    );
}

#[test]
fn a_gateway_does_not_start_over_a_ledger_that_it_cannot_read() {
    let state = state();
    let config = GOOD.replace(":8080", ":0");
    write(
        &state,
        "tidegate.toml",
        &format!("{config}[state]\ndir = \".\"\n[admin]\naddress = \"127.0.0.1:0\"\n"),
    );
    let path = state.path().join("ledger.redb");
    let good = fs::read(&path).expect("the ledger");
    for (bytes, code, words) in [
        (Vec::new(), 1, "it is empty"),
        (good[..good.len() / 2].to_vec(), 1, "is damaged"),
        (vec![7; 9_000], 1, "put a copy of it back"),
    ] {
        fs::write(&path, &bytes).expect("ours");
        let said = tidegate(state.path(), &["run", "--config", "tidegate.toml"]);
        assert_eq!(said.code, Some(code), "{}", said.text);
        assert!(
            said.text.contains(words) && !said.text.contains("panicked"),
            "{}",
            said.text
        );
        assert_eq!(
            fs::read(&path).expect("still there").len(),
            bytes.len(),
            "it is left as it is"
        );
    }
    fs::write(&path, &good).expect("ours");
    fs::remove_file(state.path().join("hash.key")).expect("ours");
    let said = tidegate(state.path(), &["run", "--config", "tidegate.toml"]);
    assert!(
        said.code == Some(1) && said.text.contains("another hash key"),
        "{}",
        said.text
    );
}

#[test]
fn an_import_of_before_the_next_key_begins_the_window_anew_even_where_it_is_cut_short() {
    for is_imported in [false, true] {
        let state = state();
        let dir = state.path();
        assert_eq!(ledger(dir, &["export", "--to", "before"]).1, 0);
        assert_eq!(ledger(dir, &["rotate"]).1, 0);
        let mark = KeyMark::of(&known_secret(dir).expect("both keys"));
        let two_days_ago = Now::from_millis(Clock::start().now().millis() - 2 * 86_400_000);
        drop(StoreFile::open_or_create(dir, mark, two_days_ago).expect("it begins"));
        if is_imported {
            let whole = fs::read_to_string(dir.join("before")).expect("an export");
            write(&state, "cut", &whole[..whole.len() - 5]);
            let (text, code) = ledger(dir, &["import", "cut"]);
            assert_eq!(code, 1, "{text}");
        }
        let (text, code) = ledger(dir, &["rotate", "--switch"]);
        assert_eq!(
            (code, text.contains("would be new")),
            (i32::from(is_imported), is_imported),
            "{text}"
        );
    }
}
