//! Keys, holds and times as people read them: what `keys`, `holds`, `top` and the others print.

use std::io::{self, Write};

use serde_json::Value;

use super::gateway::plain;

/// Rows under a heading, each column as wide as it needs to be.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heading: Vec<String> = heading.iter().map(|&cell| cell.to_owned()).collect();
    let widths: Vec<usize> = (0..heading.len())
        .map(|at| {
            let cells = std::iter::once(&heading).chain(rows).filter_map(|row| row.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&heading).chain(rows).map(line).collect()
}

/// Prints an answer for machines as it came, or its `lines` for people.
///
/// # Errors
/// Those of `out`.
pub(super) fn print(
    answer: &Value,
    as_json: bool,
    lines: fn(&Value) -> Vec<String>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if as_json {
        return writeln!(out, "{answer}");
    }
    lines(answer).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// The lines of the keys in an answer.
pub(super) fn keys(answer: &Value) -> Vec<String> {
    let row = |key: &Value| {
        vec![
            text(key, "key"),
            text(key, "dimension"),
            people(key),
            number(key, "pending").to_string(),
            moment(number(key, "last_seen")),
            until(key, "held_until"),
        ]
    };
    let rows = rows(answer, "keys", row);
    if rows.is_empty() {
        return vec!["nobody was shown to anyone".to_owned()];
    }
    table(
        &["key", "dimension", "people", "pending", "last seen", "held until"],
        &rows,
    )
}

/// The lines of the holds in an answer.
pub(super) fn holds(answer: &Value) -> Vec<String> {
    let row = |hold: &Value| {
        vec![
            text(hold, "key"),
            text(hold, "dimension"),
            moment(number(hold, "since")),
            until(hold, "until"),
            text(hold, "cause"),
        ]
    };
    let rows = rows(answer, "holds", row);
    if rows.is_empty() {
        return vec!["no key is held".to_owned()];
    }
    table(&["key", "dimension", "since", "until", "cause"], &rows)
}

/// The lines of the revocations in an answer.
pub(super) fn revocations(answer: &Value) -> Vec<String> {
    let row = |revoked: &Value| {
        vec![
            text(revoked, "key"),
            text(revoked, "dimension"),
            until(revoked, "since"),
            until(revoked, "until"),
            text(revoked, "cause"),
        ]
    };
    let rows = rows(answer, "revocations", row);
    if rows.is_empty() {
        return vec!["nothing is revoked".to_owned()];
    }
    table(&["key", "dimension", "since", "until", "cause"], &rows)
}

fn rows(answer: &Value, list: &str, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    let items = answer.get(list).and_then(Value::as_array);
    items.into_iter().flatten().map(row).collect()
}

/// `100 in 1d, 3 in 1h`.
fn people(key: &Value) -> String {
    let windows = key.get("people").and_then(Value::as_array);
    let each = windows.into_iter().flatten();
    let told: Vec<String> = each
        .map(|window| {
            format!(
                "{} in {}",
                number(window, "people"),
                lasting(number(window, "window_s"))
            )
        })
        .collect();
    if told.is_empty() {
        "-".to_owned()
    } else {
        told.join(", ")
    }
}

/// A text of an answer.
pub(super) fn text(item: &Value, name: &str) -> String {
    plain(item.get(name).and_then(Value::as_str).unwrap_or("-"))
}

/// A number of an answer.
pub(super) fn number(item: &Value, name: &str) -> u64 {
    item.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn until(item: &Value, name: &str) -> String {
    match number(item, name) {
        0 => "-".to_owned(),
        second => moment(second),
    }
}

/// A unix second as people write it.
pub(super) fn moment(second: u64) -> String {
    let moment = i64::try_from(second)
        .ok()
        .and_then(|second| jiff::Timestamp::from_second(second).ok());
    moment.map_or_else(|| "-".to_owned(), |moment| moment.to_string())
}

/// A window as the configuration has it: `1d`, `90s`.
fn lasting(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let whole = units
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_and_holds_are_tables() {
        let key = json!({ "key": "0101", "dimension": "session", "pending": 1, "last_seen": 1_700_000_000,
            "people": [{ "window_s": 86_400, "people": 100 }, { "window_s": 90, "people": 3 }], "held_until": null });
        let lines = keys(&json!({ "keys": [key] }));
        assert_eq!(
            lines[0],
            "key   dimension  people               pending  last seen             held until"
        );
        assert_eq!(
            lines[1],
            "0101  session    100 in 1d, 3 in 90s  1        2023-11-14T22:13:20Z  -"
        );
        let hold = json!({ "key": "01", "dimension": "address", "since": 0, "until": 60, "cause": "bulk\u{1b}[2J" });
        let lines = holds(&json!({ "holds": [hold] }));
        assert_eq!(
            lines[1],
            "01   address    1970-01-01T00:00:00Z  1970-01-01T00:01:00Z  bulk [2J"
        );
        assert_eq!(holds(&json!({ "holds": [] })), ["no key is held"]);
        assert_eq!(keys(&json!({})), ["nobody was shown to anyone"]);
        let line = json!({ "key": "01", "dimension": "kid", "since": null, "until": null, "cause": "line 3" });
        assert_eq!(
            revocations(&json!({ "revocations": [line] }))[1],
            "01   kid        -      -      line 3"
        );
    }

    #[test]
    fn windows_read_as_they_are_written() {
        for (seconds, text) in [
            (0, "0s"),
            (60, "1m"),
            (90, "90s"),
            (3_600, "1h"),
            (5_400, "90m"),
            (2_592_000, "30d"),
        ] {
            assert_eq!(lasting(seconds), text);
        }
    }
}
