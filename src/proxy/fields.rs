//! Counts the people in the fields of a response's head and of its trailers, before they leave.

use http::{HeaderMap, HeaderName};

use super::fail::{Fail, Reason};
use super::outcome::Denial;
use super::terms::Terms;
use super::witness::Witness;
use crate::engine::head;
use crate::engine::ledger::{Account, Answer, Next, Told};
use crate::engine::time::Now;

/// Fields of digits that are the protocol's and never a person's; a value without digits or `@` costs nothing anyway.
fn is_impersonal(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "date" | "last-modified" | "expires" | "content-length" | "cache-control"
    )
}

/// What the fields of a response came to.
#[derive(Debug, Default)]
pub(super) struct FieldCount {
    /// Someone in a field that must not leave, where nothing can be masked.
    pub(super) denial: Option<Denial>,
    /// Budgets that only told.
    pub(super) told: Vec<Told>,
    /// A field with someone over a limit was dropped.
    pub(super) is_masked: bool,
    /// The budgets that had it dropped.
    pub(super) masked: Vec<Told>,
}

/// Reserves everybody in `fields`; a field with someone over a limit is dropped where identifiers may be masked.
pub(super) fn count(fields: &mut HeaderMap, account: &mut Account, terms: &Terms, witness: &mut Witness) -> FieldCount {
    let mut counted = FieldCount::default();
    let values = fields.iter().map(|(name, value)| {
        if is_impersonal(name) {
            &b""[..]
        } else {
            value.as_bytes()
        }
    });
    let people = head::people(values, &terms.set.rules, &terms.gateway.secret);
    if people.is_empty() {
        // So it is with nearly every head: it costs no clock and no list.
        return counted;
    }
    let now = terms.gateway.clock.now();
    let names: Vec<HeaderName> = fields.iter().map(|(name, _)| name.clone()).collect();
    if witness.is_blind() && terms.mode(Reason::JournalFull, account) == Fail::Closed {
        counted.denial = Some(Denial::Fail(Reason::JournalFull));
        return counted;
    }
    for (number, record) in people {
        let ask = account.asks_granted();
        let answer = account.reserve(std::slice::from_ref(&record.subjects), now);
        if answer.granted > 0 {
            witness.granted(ask, &record);
        }
        let denial = denial(&answer, now);
        counted.told.extend(answer.told);
        let Some(denial) = denial else { continue };
        match (denial, names.get(number)) {
            (_, Some(name)) if terms.may_mask => {
                terms.hold_if_asked(denial, account.keys(), now);
                witness.masked(&record, now);
                fields.remove(name);
                counted.is_masked = true;
                if let Denial::Budget {
                    budget, key, people, ..
                } = denial
                {
                    counted.masked.push((budget, key, people));
                }
            }
            _ => {
                terms.hold_if_asked(denial, account.keys(), now);
                counted.denial = Some(denial);
                break;
            }
        }
    }
    counted
}

fn denial(answer: &Answer, now: Now) -> Option<Denial> {
    Some(match answer.next {
        Next::Done => return None,
        Next::Full => Denial::Fail(Reason::LedgerFull),
        Next::Denied {
            budget,
            key,
            dimension,
            people,
        } => Denial::Budget {
            budget,
            key,
            dimension,
            people,
        },
        Next::Wait { budget, until } => Denial::Throttled {
            budget,
            retry_after_s: until.saturating_sub(now.millis()).div_ceil(1000),
        },
    })
}
