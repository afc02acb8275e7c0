//! The tables that the bench prints.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate::engine::detect::RuleSet;

use super::corpus::bulk::Bulk;
use super::corpus::peer::{self, Counts, KINDS};
use super::engine::{Body, SCAN_CHUNK_BYTES};
use super::measure::{Measured, Number, Ratio};
use super::{BYTES, Row, Ways};

/// What was planted and what each engine finds of it; all that was planted and no more is what this one must find.
pub(crate) fn print_counts(bulks: &[Bulk], rules: &Arc<RuleSet>) {
    println!(
        "What is found: the engine reads all of a body, the others its first {} MiB",
        BYTES >> 20
    );
    let regex = peer::compile();
    for bulk in bulks {
        println!("\n{}: {} people planted", bulk.name, bulk.people);
        let (classes, people) = Body::new(&bulk.bytes, SCAN_CHUNK_BYTES, bulk.declared, rules).tell();
        assert_eq!(people, bulk.people, "{}: people", bulk.name);
        assert_eq!(by_class(&classes), planted_by_class(&bulk.planted), "{}", bulk.name);
        let classes: Vec<String> = classes
            .iter()
            .map(|(class, count)| format!("{class} {count}"))
            .collect();
        println!("  {:<15} {people} people; {}", "Tidegate", classes.join(", "));
        print_kinds("planted", &bulk.planted);
        let part = bulk.bytes.slice(..BYTES.min(bulk.bytes.len()));
        print_kinds("regex-automata", &peer::count(&regex, &part));
        #[cfg(feature = "vectorscan")]
        print_kinds("Vectorscan", &super::vectorscan::Vectorscan::compile().count(&part));
    }
}

/// The classes that hold the peers' kinds; all telephone numbers are one class here.
const CLASSES: [&str; 6] = ["email", "phone", "ssn", "rrn", "card", "iban"];

fn by_class(classes: &BTreeMap<String, u64>) -> [u64; 6] {
    CLASSES.map(|class| classes.get(class).copied().unwrap_or_default())
}

fn planted_by_class(planted: &Counts) -> [u64; 6] {
    let [email, kr, us, international, ssn, rrn, card, iban] = *planted;
    [email, kr + us + international, ssn, rrn, card, iban]
}

fn print_kinds(who: &str, counts: &Counts) {
    let kinds: Vec<String> = KINDS
        .iter()
        .zip(counts)
        .map(|(kind, count)| format!("{} {count}", kind.name))
        .collect();
    println!("  {who:<15} {}", kinds.join(", "));
}

/// The middle speed of every engine on every body.
pub(crate) fn print_speeds(rows: &[Row], measured: &Measured) {
    println!("\n| MB/s | memchr('@') | triggers | everything | regex-automata | Vectorscan |");
    println!("|---|---|---|---|---|---|");
    for row in rows {
        let speed = |case| format!("{:.0}", measured.speed(case) * 1_000.0);
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            row.bulk.name,
            speed(row.memchr),
            speed(row.triggers),
            speed(row.everything),
            speed(row.regex),
            row.vectorscan.map_or_else(|| "-".to_owned(), speed)
        );
    }
}

/// The table of ratios; each as the middle of the rounds, and as that of the fastest rounds.
pub(crate) fn print_ratios(rows: &[Row], ways: &Ways, worst: &[Number], measured: &Measured) {
    let [clean, _, json, csv, pages, _] = rows else { return };
    let ratio = |case, to| Some(measured.ratio(case, to));
    println!("\n| ratio of speeds | middle | fastest | at least | aim |");
    println!("|---|---|---|---|---|");
    print_ratio(
        "triggers alone / `memchr('@')`, clean JSON",
        ratio(clean.triggers, clean.memchr),
        "0.5",
        "0.8 to 1.0",
    );
    let name = "everything, clean JSON / regex-automata + validate";
    print_ratio(name, ratio(clean.everything, clean.regex), "5", "10");
    for (row, aim) in [(json, "28"), (csv, "30")] {
        let name = format!("everything, {} / Vectorscan SOM + validate", row.bulk.name);
        print_ratio(
            &name,
            row.vectorscan.and_then(|to| ratio(row.everything, to)),
            "15",
            aim,
        );
    }
    print_ratio(
        "everything, HTML and JS / `memchr('@')`",
        ratio(pages.everything, pages.memchr),
        "0.4",
        "0.7",
    );
    let chunked = ways.chunks.iter().map(|(small, whole)| measured.ratio(*small, *whole));
    print_ratio(
        "16 KB chunks / whole buffer, the least of three bodies",
        least(chunked),
        "0.94",
        "0.97",
    );
    let slowest = worst
        .iter()
        .copied()
        .min_by(|one, other| measured.speed(*one).total_cmp(&measured.speed(*other)));
    let hostile = slowest.and_then(|case| ratio(case, csv.everything));
    let name = slowest.map_or("", |case| measured.name(case));
    print_ratio(
        &format!("adversarial worst case ({name}) / dense CSV"),
        hostile,
        "0.3",
        "0.5",
    );
    let name = "with records, subjects hashed and 12 keys reserved, all people new / without, dense JSON";
    print_ratio(name, ratio(ways.fresh, ways.search), "0.3", "0.5");
    let name = "the same on a page read before / without";
    print_ratio(name, ratio(ways.again, ways.search), "0.7", "0.9");
    let speed = |case| measured.speed(case) * 1_000.0;
    println!(
        "\nDense JSON, MB/s: searched alone {:.0}, all people new {:.0}, read before {:.0}",
        speed(ways.search),
        speed(ways.fresh),
        speed(ways.again)
    );
    if json.vectorscan.is_none() {
        println!("\nVectorscan was not measured: install libvectorscan-dev and add `--features vectorscan`.");
    }
    print_hostile(worst, csv.everything, measured);
}

fn least(ratios: impl Iterator<Item = Ratio>) -> Option<Ratio> {
    ratios.min_by(|one, other| one.middle.total_cmp(&other.middle))
}

fn print_ratio(name: &str, ratio: Option<Ratio>, at_least: &str, aim: &str) {
    let number = |number: f64| match number {
        ..0.1 => format!("{number:.3}"),
        ..10.0 => format!("{number:.2}"),
        _ => format!("{number:.1}"),
    };
    let cell = |part: fn(Ratio) -> f64| ratio.map_or_else(|| "-".to_owned(), |ratio| number(part(ratio)));
    let (middle, fastest) = (cell(|ratio| ratio.middle), cell(|ratio| ratio.fastest));
    println!("| {name} | {middle} | {fastest} | {at_least} | {aim} |");
}

/// Hostile bodies, the slowest first.
fn print_hostile(worst: &[Number], csv: Number, measured: &Measured) {
    let mut worst = worst.to_vec();
    worst.sort_by(|one, other| measured.speed(*one).total_cmp(&measured.speed(*other)));
    println!("\n| hostile body | MB/s | / dense CSV |");
    println!("|---|---|---|");
    for case in worst.into_iter().take(12) {
        let (speed, ratio) = (measured.speed(case) * 1_000.0, measured.ratio(case, csv).middle);
        println!("| {} | {speed:.1} | {ratio:.2} |", measured.name(case));
    }
}
