//! A record or a scenario of any bytes is read or refused with its place, and every line is either seen or counted.

use tidegate::engine::secret::HashKey;
use tidegate::simulate::recorded::{AccessLog, Columns, Events, Source, SourceError};
use tidegate::simulate::replay::Scenario;

const COLUMNS: [&str; 3] = [
    "time,session,address,subject",
    "time,-,principal,route,subject",
    "subject,time,session",
];

/// Settings: which columns, or the audit file; how much is read at once.
pub(crate) fn access_log(data: &[u8]) {
    let Some(([kind, capacity], text)) = super::settings(data) else {
        return;
    };
    let whole = read(kind, std::io::BufReader::with_capacity(1 << 20, text));
    let cut = read(kind, std::io::BufReader::with_capacity(usize::from(capacity) + 1, text));
    assert_eq!(whole, cut, "a record is the same however it is read");
    let (seen, skipped, failed) = whole;
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !matches!(line, [] | [b'\r'])).count() as u64;
    assert!(
        failed.is_some() || seen + skipped == lines,
        "{seen} seen and {skipped} passed over of {lines}"
    );
    assert!(
        failed.is_none_or(|line| line >= 1 && line <= lines.max(1) + text.len() as u64),
        "a fault has its line"
    );
}

/// Sightings, lines passed over, and the line of what is wrong.
fn read(kind: u8, from: impl std::io::BufRead) -> (u64, u64, Option<u64>) {
    match COLUMNS.get(usize::from(kind % 4)) {
        Some(columns) => {
            let columns = Columns::parse(columns).expect("they are columns");
            let routes = ["*/", "*/orders"].into_iter();
            all(&mut AccessLog::new(from, columns, routes, HashKey::new([7; 32])))
        }
        None => all(&mut Events::new(from)),
    }
}

fn all(source: &mut dyn Source) -> (u64, u64, Option<u64>) {
    let mut seen = 0;
    loop {
        match source.next() {
            Ok(Some(sighting)) => {
                seen += 1;
                assert!(sighting.line >= seen, "a sighting has its line");
            }
            Ok(None) => return (seen, source.skipped().count(), None),
            Err(SourceError::Wrong { line, .. }) => return (seen, source.skipped().count(), Some(line)),
            Err(SourceError::Io(error)) => panic!("memory can be read: {error}"),
        }
    }
}

/// The input is a scenario; one that is read is compiled, and none is lived through.
pub(crate) fn scenario(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut warnings = Vec::new();
    let compiled = Scenario::read("x.toml", text)
        .and_then(|scenario| tidegate::simulate::replay::prepare("x.toml", scenario, &mut warnings));
    match compiled {
        Ok(ready) => {
            assert!(
                ready.limits() > 0 && ready.threads(8) <= ready.limits(),
                "something is tried"
            );
            super::texts::points_into(text, &warnings);
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal has a reason");
            super::texts::points_into(text, &problems);
        }
    }
}
