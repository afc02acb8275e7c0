//! What identity providers and directories say, put in force.

use crate::admin::SignalDone;
use crate::engine::ledger::{Dimension, KeyId, Ledger, RevokedBy};
use crate::engine::time::Now;
use crate::identity::{Act, NO_END, Named, SignalError};
use crate::proxy::Gateway;

/// Puts a token of security events in force: what became of each.
///
/// # Errors
/// What its sender is told.
pub(super) fn signal(gateway: &Gateway, token: &[u8]) -> Result<Vec<SignalDone>, SignalError> {
    let now = gateway.clock.now();
    let set = gateway.set();
    let signal = set.identity.read_signal(token, now)?;
    let was_seen = set.identity.has_seen(&signal);
    let mut done = Vec::new();
    for order in &signal.orders {
        let became = |key, (result, until)| SignalDone {
            transmitter: signal.transmitter.clone(),
            event: order.event,
            key,
            result,
            until,
        };
        match order.act.filter(|_| !order.names.is_empty()) {
            None => done.push(became(None, ("ignored", 0))),
            Some(act) => done.extend(order.names.iter().map(|name| {
                let obeyed = if was_seen {
                    ("known", 0)
                } else {
                    obey(&gateway.ledger, *name, act, signal.stays_after, now)
                };
                became(Some(name.key), obeyed)
            })),
        }
    }
    // What found no room is taken when it comes again.
    if done.iter().all(|one| one.result != "full") {
        set.identity.seen(&signal);
    }
    gateway.store.hold_changed();
    Ok(done)
}

/// What becomes of a name, and until when. What was decided about it after the event stays: one that comes late, or again after a
/// restart, changes nothing.
fn obey(ledger: &Ledger, name: Named, act: Act, stays_after: u32, now: Now) -> (&'static str, u32) {
    if ledger.decided_on(name.key) > stays_after {
        return ("known", 0);
    }
    match act {
        Act::Reinstate if ledger.reinstate(name.key, now) => ("reinstated", 0),
        Act::Reinstate => ("known", 0),
        Act::Revoke(seconds) => {
            let until = if seconds == NO_END {
                NO_END
            } else {
                now.second().saturating_add(seconds)
            };
            let has_room = ledger.revoke(name.key, name.dimension, until, RevokedBy::Event, now);
            (if has_room { "revoked" } else { "full" }, until)
        }
    }
}

/// Shuts out whoever these keys name, or lets them in; false where there is no room for one more revocation.
pub(super) fn set_person(gateway: &Gateway, keys: &[KeyId], active: bool) -> bool {
    let (ledger, now) = (&gateway.ledger, gateway.clock.now());
    let is_done = keys.iter().all(|key| {
        if active {
            ledger.reinstate(*key, now);
            return true;
        }
        ledger.revoke(*key, Dimension::Principal, NO_END, RevokedBy::Directory, now)
    });
    gateway.store.hold_changed();
    is_done
}

/// Whether one of these keys is revoked.
pub(super) fn is_shut_out(gateway: &Gateway, keys: &[KeyId]) -> bool {
    let (set, now) = (gateway.set(), gateway.clock.now());
    let is_revoked = |key: &KeyId| {
        gateway.ledger.revoked(*key, now).is_some() || set.identity.listed_as_revoked(*key, now).is_some()
    };
    keys.iter().any(is_revoked)
}
