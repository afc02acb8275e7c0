//! `tidegate scan --manifest`: predictions for labelled documents, one JSON object a line, with offsets instead of values.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::offsets::Offsets;
use super::text_file::named;
use super::{Exit, Failed, scan};
use crate::engine::decode::Coding;
use crate::engine::detect::{Category, ClassId, RuleSet};
use crate::engine::inspect::{Bounds, Content, Inspector, Mode, Resolution, Step};
use crate::engine::record::{BULK_PEOPLE, Crowd};
use crate::engine::secret::HashKey;

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
    let name = manifest.display();
    let file = File::open(manifest).map_err(|error| named(&name, &error))?;
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(|error| named(format!("{name}:{number}"), &error))?;
        let wrong = |error| Failed::new(Exit::Config, format!("{name}:{number}: not a document: {error}"));
        let document: Document = serde_json::from_str(&line).map_err(wrong)?;
        let path = base.join(&document.file);
        let body = std::fs::read(&path).map_err(|error| named(path.display(), &error))?;
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
    let content = Content::new(Some(Coding::Identity), document.content_type.as_bytes());
    let offsets = Offsets::of(body, content.charset);
    let (mode, bounds) = (Mode::Watch, Bounds::default());
    let mut inspector = Inspector::new(mode, bounds, content, Arc::clone(rules), secret.clone());
    let mut crowd = Crowd::default();
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
                inspector.records().iter().for_each(|record| crowd.add(record));
                let places = inspector.records().iter().flat_map(|record| &record.places);
                let lines = places.filter_map(|place| {
                    let (start, end) = (offsets.raw(place.span.start), offsets.raw(place.span.end));
                    let kind = kind(rules, place.class)?;
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
    let verdict = json!({
        "doc_id": document.doc_id,
        "type": "_DOC",
        "bulk": crowd.without_common_buyer(inspector.tally().is_own_history()) >= BULK_PEOPLE,
        "subjects": crowd.people(),
        "orders": crowd.people() > 0 && inspector.tally().is_order_history(),
    });
    writeln!(out, "{verdict}")?;
    Ok(())
}

/// The label of a class in labelled sets, which divide categories otherwise: accounts in three, names apart from dates.
fn kind(rules: &RuleSet, class: ClassId) -> Option<&'static str> {
    let (_, name, category) = rules.classes().find(|(number, ..)| *number == class)?;
    match category {
        Category::Email => Some("EMAIL"),
        Category::Phone => Some("PHONE"),
        Category::NationalId => Some("NATIONAL_ID"),
        Category::Address => Some("ADDRESS"),
        Category::Account if name.starts_with("card") => Some("CARD"),
        Category::Account if name.starts_with("iban") => Some("IBAN"),
        Category::Account => Some("BANK_ACCT"),
        Category::Name => Some("PERSON"),
        Category::Weak | Category::Credential => None,
    }
}
