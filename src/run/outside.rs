//! What identity providers and directories say, put in force.

use crate::audit::{Change, Operation};
use crate::engine::ledger::{Dimension, KeyId, Ledger, RevokedBy};
use crate::engine::time::Now;
use crate::events::{Event, RevocationFact, report};
use crate::identity::{Act, NO_END, Named, SignalError};
use crate::proxy::Gateway;

/// Puts a token of security events in force, and tells what became of each; false where one found no room and must come again.
///
/// # Errors
/// What its sender is told.
pub(super) fn signal(gateway: &Gateway, token: &[u8]) -> Result<bool, SignalError> {
    let (set, now) = (gateway.set(), gateway.clock.now());
    let signal = set.identity.read_signal(token, now).inspect_err(|_| tell("refused"))?;
    let was_seen = set.identity.has_seen(&signal);
    let mut has_room = true;
    for order in &signal.orders {
        let Some(act) = order.act.filter(|_| !order.names.is_empty()) else {
            tell("ignored");
            continue;
        };
        for name in &order.names {
            let (result, until) = if was_seen {
                ("known", 0)
            } else {
                obey(&gateway.ledger, (*name, act), signal.stays_after, order.happened, now)
            };
            tell(result);
            has_room &= result != "full";
            audit(gateway, &signal.transmitter, order.event, (name.key, result, until));
        }
    }
    if has_room {
        set.identity.seen(&signal);
    }
    gateway.store.hold_changed();
    Ok(has_room)
}

fn tell(result: &'static str) {
    report(&Event::Revocation(RevocationFact::Signal { result }));
}

fn audit(gateway: &Gateway, transmitter: &str, event: &str, (key, result, until): (KeyId, &'static str, u32)) {
    let operation = match result {
        "revoked" | "full" => Operation::Revoke,
        "reinstated" => Operation::Reinstate,
        _ => return,
    };
    let change = Change {
        operation,
        succeeded: result != "full",
        who: transmitter.to_owned(),
        role: "transmitter",
        reason: event.to_owned(),
        target: Some(key.to_string()),
        until: if until == NO_END { 0 } else { until },
        people: 0,
        network: None,
    };
    gateway.audit.changed(change, gateway.clock.now());
}

/// What becomes of a name, and until when. What was decided about it after the event stays: one that comes late, or again after a
/// restart, changes nothing.
fn obey(ledger: &Ledger, (name, act): (Named, Act), stays_after: u32, happened: u32, now: Now) -> (&'static str, u32) {
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
            // A session that was opened since, with the new password, is not meant.
            let at = now.min(Now::from_millis(u64::from(happened) * 1000));
            let has_room = ledger.revoke(name.key, name.dimension, until, RevokedBy::Event, at);
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
