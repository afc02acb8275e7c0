//! The one place where a simulation says who asks: whatever the policy wants to know of an exchange is put together here.

use super::recorded::Sighting;
use super::replay::visit::{Group, Provenance, Visit};
use crate::engine::ledger::{Dimension, Ledger};
use crate::engine::policy::{Facts, Plan, Policy, Standing};
use crate::engine::time::Now;

/// The plan of an invented visit, in the room of another.
///
/// `memory` is the ledger that is asked who was there before.
pub(super) fn plan_visit(
    (policy, memory): (&Policy, &Ledger),
    visit: &Visit,
    groups: &[&str; 4],
    route: usize,
    (plan, now): (&mut Plan, Now),
) {
    let session = visit.session.to_be_bytes();
    // Numbers of two groups are two people.
    let [b0, b1, b2, b3, b4, b5, b6, b7] = visit.principal.to_be_bytes();
    let principal = [visit.group as u8, b0, b1, b2, b3, b4, b5, b6, b7];
    let address = visit.address.to_be_bytes();
    let [a, b, c, _] = address;
    let has_credential = visit.group != Group::Nobody;
    let (fingerprint, key) = (visit.fingerprint.to_be_bytes(), visit.key.to_be_bytes());
    let is_signed = matches!(
        visit.provenance,
        Provenance::Issued | Provenance::Unissued | Provenance::Unknown
    );
    let facts = Facts {
        session: has_credential.then_some(&session[..]),
        is_known: has_credential,
        principal: has_credential.then_some(&principal[..]),
        group: groups
            .get(visit.group as usize)
            .copied()
            .filter(|group| !group.is_empty()),
        address: &address,
        network: &[a, b, c],
        route,
        standing: match visit.provenance {
            Provenance::Issued => Standing::Issued,
            Provenance::Unissued => Standing::Unissued,
            Provenance::Unknown | Provenance::None => Standing::Unknown,
        },
        answered: &[],
        approval: None,
        is_watched: false,
        lowered_percent: None,
        kid: is_signed.then_some(&key[..]),
        issuer: is_signed.then_some(b"shop"),
        certificate: None,
        // One program has one of each kind.
        ja4: Some(&fingerprint),
        headers: Some(&fingerprint),
        http2: Some(&fingerprint),
        place: None,
        destination: None,
        ..Facts::default()
    };
    answer((policy, memory), &facts, (plan, now));
}

/// The same of something recorded, without the keys of which the record says nothing.
pub(super) fn plan_sighting((policy, memory): (&Policy, &Ledger), sighting: &Sighting, (plan, now): (&mut Plan, Now)) {
    let nothing: &[u8] = &[];
    let facts = Facts {
        session: sighting.value(Dimension::Session),
        is_known: sighting.is_known,
        principal: sighting.value(Dimension::Principal),
        group: sighting.group.as_deref(),
        address: sighting.value(Dimension::Address).unwrap_or(nothing),
        network: sighting.value(Dimension::Network).unwrap_or(nothing),
        route: sighting.route,
        standing: sighting.standing,
        answered: &[],
        approval: None,
        // No record tells it.
        is_watched: false,
        lowered_percent: None,
        kid: sighting.value(Dimension::Kid),
        issuer: sighting.value(Dimension::Issuer),
        certificate: sighting.value(Dimension::Certificate),
        ja4: sighting.value(Dimension::Ja4),
        headers: sighting.value(Dimension::Headers),
        http2: sighting.value(Dimension::Http2),
        place: sighting.value(Dimension::Place),
        destination: sighting.value(Dimension::Destination),
        ..Facts::default()
    };
    answer((policy, memory), &facts, (plan, now));
    plan.keys.retain(|used| sighting.tells(used.dimension));
    for used in &mut plan.keys {
        // A made-up session counts by its address only where one is known.
        used.fallback = used.fallback.filter(|_| sighting.tells(Dimension::Address));
    }
}

/// The plan for who asks with these facts, once `memory` has said what only a ledger knows.
fn answer((policy, memory): (&Policy, &Ledger), facts: &Facts<'_>, (plan, now): (&mut Plan, Now)) {
    let answered = Policy::answer(&policy.questions(facts), memory, now);
    let facts = Facts {
        answered: &answered,
        ..*facts
    };
    policy.plan_into(plan, &facts, now);
}
