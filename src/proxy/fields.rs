//! Counts the people in a head, that of a request with its target, and in trailers, before they leave.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Uri};

use super::confirm::Confirm;
use super::fail::{Fail, Reason};
use super::outcome::Denial;
use super::terms::Terms;
use super::witness::Witness;
use crate::engine::detect::ClassId;
use crate::engine::head;
use crate::engine::ledger::{Account, Answer, Next, Told};
use crate::engine::policy::Direction;
use crate::engine::record::{Details, Record};
use crate::engine::time::Now;

/// Fields whose digits are the protocol's and never a person's; a value without digits or `@` costs nothing anyway.
fn is_impersonal(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "date" | "last-modified" | "expires" | "content-length" | "cache-control" | "proxy-authorization"
    )
}

/// Whether a head means something else without the field.
fn is_needed(name: &HeaderName) -> bool {
    matches!(*name, HOST | CONTENT_TYPE | CONTENT_ENCODING)
}

/// The number of what is no field, and cannot be dropped.
const TARGET: usize = usize::MAX;

/// What the fields of a head came to.
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

/// Reserves everybody in the fields of a head; one with someone over a limit is dropped where identifiers may be masked.
pub(super) async fn count(
    fields: &mut HeaderMap,
    account: &mut Account,
    terms: &Terms,
    witness: &mut Witness,
    confirm: &mut Confirm,
) -> FieldCount {
    count_with(Vec::new(), fields, account, (terms, witness), confirm).await
}

/// The same in the head of a request: nobody in its target can be left out.
pub(super) async fn count_request(
    (target, fields): (&Uri, &mut HeaderMap),
    account: &mut Account,
    terms: &Terms,
    witness: &mut Witness,
    confirm: &mut Confirm,
) -> FieldCount {
    let (path, query) = (target.path().as_bytes(), target.query().unwrap_or_default().as_bytes());
    let reader = (&terms.set.rules, terms.set.policy.secret_of(terms.route));
    let details = details(account);
    let found = head::people_in_target((path, query), reader, &details);
    // Over HTTP/2 there may be no field that names the host as well.
    let host = target.authority().map_or("", Authority::host).as_bytes();
    let in_host = head::people_in_target((host, b""), reader, &details);
    let found = found
        .into_iter()
        .chain(in_host)
        .map(|record| (TARGET, record))
        .collect();
    count_with(found, fields, account, (terms, witness), confirm).await
}

async fn count_with(
    found: Vec<(usize, Record)>,
    fields: &mut HeaderMap,
    account: &mut Account,
    (terms, witness): (&Terms, &mut Witness),
    confirm: &mut Confirm,
) -> FieldCount {
    let Some((mut walk, people)) = Walk::begin(found, fields, account, (terms, witness)) else {
        return FieldCount::default();
    };
    for (number, record) in people {
        if walk.counted.denial.is_none() {
            let ask = walk.account.asks_granted();
            let answer = confirm.reserve(walk.account, &record.ask()).await;
            walk.take(number, &record, ask, answer);
        }
    }
    walk.counted
}

/// The same for trailers, which wait for nobody: they are read where nothing can be waited for.
pub(super) fn count_now(
    fields: &mut HeaderMap,
    account: &mut Account,
    terms: &Terms,
    witness: &mut Witness,
) -> FieldCount {
    let Some((mut walk, people)) = Walk::begin(Vec::new(), fields, account, (terms, witness)) else {
        return FieldCount::default();
    };
    for (number, record) in people {
        if walk.counted.denial.is_none() {
            let ask = walk.account.asks_granted();
            let answer = Confirm::reserve_now(walk.account, &record.ask(), walk.now);
            walk.take(number, &record, ask, answer);
        }
    }
    walk.counted
}

/// A walk over the people in the fields of one head.
struct Walk<'w> {
    fields: &'w mut HeaderMap,
    names: Vec<HeaderName>,
    account: &'w mut Account,
    terms: &'w Terms,
    witness: &'w mut Witness,
    now: Now,
    counted: FieldCount,
}

impl<'w> Walk<'w> {
    /// With everybody `found` and everybody in `fields`, by the number of the field; none without anybody: so it is with
    /// nearly every head, and costs no clock and no list.
    fn begin(
        mut found: Vec<(usize, Record)>,
        fields: &'w mut HeaderMap,
        account: &'w mut Account,
        (terms, witness): (&'w Terms, &'w mut Witness),
    ) -> Option<(Self, Vec<(usize, Record)>)> {
        let searched = fields.iter().map(|(name, value)| {
            let value = if is_impersonal(name) && !value.as_bytes().contains(&b'@') {
                &b""[..]
            } else {
                value.as_bytes()
            };
            (name.as_str().as_bytes(), value)
        });
        let in_fields = head::people(
            searched,
            (&terms.set.rules, terms.set.policy.secret_of(terms.route)),
            &details(account),
        );
        found.extend(in_fields);
        let mut people = found;
        if people.is_empty() {
            return None;
        }
        let mut counted = FieldCount::default();
        let names: Vec<HeaderName> = fields.iter().map(|(name, _)| name.clone()).collect();
        let is_closed = witness.is_blind() && terms.mode(Reason::JournalFull, account) == Fail::Closed;
        if is_closed && terms.may_mask && terms.direction == Direction::Response {
            // The head of a refused answer to an unsafe method leaves all the same: nobody may be in it.
            for name in people.drain(..).filter_map(|(number, _)| names.get(number)) {
                fields.remove(name);
            }
            counted.is_masked = true;
        } else if is_closed {
            counted.denial = Some(Denial::Fail(Reason::JournalFull));
        }
        let walk = Self {
            names,
            now: terms.gateway.clock.now(),
            fields,
            account,
            terms,
            witness,
            counted,
        };
        Some((walk, people))
    }

    /// Takes note of the answer for the record in the field with this number.
    fn take(&mut self, number: usize, record: &Record, ask: u64, answer: Answer) {
        if answer.granted > 0 {
            self.witness.granted(ask, record);
        }
        let denial = denial(&answer, self.now);
        self.counted.told.extend(answer.told);
        let Some(denial) = denial else { return };
        self.terms.hold_if_asked(denial, self.account.keys(), self.now);
        let is_request = self.terms.direction == Direction::Request;
        let may_drop = |name: &&HeaderName| self.terms.may_mask && !(is_request && is_needed(name));
        let Some(name) = self.names.get(number).filter(may_drop) else {
            self.counted.denial = Some(denial);
            return;
        };
        self.witness.masked(record, self.now);
        self.fields.remove(name);
        self.counted.is_masked = true;
        if let Denial::Budget {
            budget, key, people, ..
        } = denial
        {
            self.counted.masked.push((budget, key, people));
        }
    }
}

/// What records tell under the keys of an exchange: the values of the classes that some of them count, and whether they stand under
/// the fields of its allowance.
pub(super) fn details(account: &Account) -> Details {
    Details {
        values: account.classes().iter().map(|class| ClassId(*class)).collect(),
        fields: account.fields().cloned(),
    }
}

fn denial(answer: &Answer, now: Now) -> Option<Denial> {
    Some(match answer.next {
        Next::Done => return None,
        // Whoever asks confirms first.
        Next::Full | Next::Confirm => Denial::Fail(Reason::LedgerFull),
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
