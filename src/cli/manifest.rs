//! `tidegate scan --manifest`: predictions for labelled documents, one JSON object a line, with offsets instead of values.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::{Exit, Failed, scan};
use crate::engine::decode::Coding;
use crate::engine::detect::RuleSet;
use crate::engine::inspect::{Bounds, Inspector, Mode, Resolution, Step};
use crate::engine::secret::{HashKey, Subject};
use crate::engine::structure::Declared;

/// So many different people in one body are bulk.
const BULK_PEOPLE: usize = 10;

/// One line of a manifest.
#[derive(Deserialize)]
struct Document {
    doc_id: String,
    /// Beside the manifest.
    file: String,
    content_type: String,
}

/// Scans every document of the manifest.
///
/// # Errors
/// Files or rules that cannot be read, or a line that is no document.
pub(super) fn execute(manifest: &Path, rules_dir: Option<&Path>, out: &mut dyn Write) -> Result<(), Failed> {
    let rules = scan::load_rules(rules_dir, out)?;
    let secret = scan::passing_key()?;
    let base = manifest.parent().unwrap_or_else(|| Path::new("."));
    for line in BufReader::new(File::open(manifest)?).lines() {
        let line = line?;
        let document: Document = serde_json::from_str(&line)
            .map_err(|error| Failed::new(Exit::Config, format!("{}: {error}", manifest.display())))?;
        let body = std::fs::read(base.join(&document.file))?;
        predict(&document, &Bytes::from(body), &rules, &secret, out)?;
    }
    Ok(())
}

fn predict(
    document: &Document,
    body: &Bytes,
    rules: &Arc<RuleSet>,
    secret: &HashKey,
    out: &mut dyn Write,
) -> Result<(), Failed> {
    let declared = Declared::from_content_type(document.content_type.as_bytes());
    let bounds = Bounds::default();
    let identity = Some(Coding::Identity);
    let mut inspector = Inspector::new(
        Mode::Watch,
        bounds,
        identity,
        declared,
        Arc::clone(rules),
        secret.clone(),
    );
    let mut people: HashSet<Subject> = HashSet::new();
    let mut ended = false;
    let mut step = inspector.push(body);
    loop {
        step = match step {
            Step::More if ended => break,
            Step::More => {
                ended = true;
                inspector.finish()
            }
            Step::Settle => {
                people.extend(inspector.asks().iter().flatten());
                let places = inspector.records().iter().flat_map(|record| &record.places);
                let lines = places.filter_map(|place| {
                    let (start, end) = (place.span.start, place.span.end);
                    let kind = kind(rules.class_name(place.class))?;
                    Some(json!({ "doc_id": document.doc_id, "type": kind, "start": start, "end": end }))
                });
                lines.into_iter().try_for_each(|line| writeln!(out, "{line}"))?;
                inspector.resolve(usize::MAX, Resolution::Granted)
            }
            Step::Release { .. } => inspector.step(),
            Step::Fail(_) => inspector.pass_blind(),
            Step::Stopped | Step::Done => break,
        };
    }
    let bulk = people.len() >= BULK_PEOPLE;
    let verdict = json!({ "doc_id": document.doc_id, "type": "_DOC", "bulk": bulk, "subjects": people.len() });
    writeln!(out, "{verdict}")?;
    Ok(())
}

/// The label of a class in labelled sets.
fn kind(class: &str) -> Option<&'static str> {
    match class {
        "email" => Some("EMAIL"),
        "phone" => Some("PHONE"),
        "card" => Some("CARD"),
        "iban" => Some("IBAN"),
        "rrn" | "ssn" => Some("NATIONAL_ID"),
        "address" => Some("ADDRESS"),
        "person" => Some("PERSON"),
        _ => None,
    }
}
