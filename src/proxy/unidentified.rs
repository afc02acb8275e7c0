//! Nobody can say who asks, since what would say it is down: the fail modes `jwks_down` and `identity_unknown`.

use super::asked::{Asked, ended};
use super::fail::{Fail, Reason};
use super::respond::{Refusal, Style};
use crate::engine::births::Doubt;
use crate::engine::ledger::Account;
use crate::events::{Event, report};

/// Refuses the exchange before it goes upstream, if its route says so and something is enforced; notes else what let it pass.
/// Who asks where credentials are issued is not meant: there they prove themselves anew.
pub(super) fn refuse(asked: &mut Asked, account: &Account) -> Result<(), (Refusal, Style)> {
    let Some(reason) = reason(asked).filter(|_| !asked.is_login()) else {
        return Ok(());
    };
    let route = asked.route();
    if !account.is_enforcing() || route.fail_on.of(reason, route.fail) == Fail::Open {
        asked.passed = Some(reason);
        return Ok(());
    }
    let action = reason.name();
    report(&Event::Refused {
        budget: "fail_mode",
        action,
    });
    ended(&route.name, "fail_closed");
    Err((Refusal::Unidentified, asked.style))
}

/// Why nobody can say, where nothing else that is shown is known.
fn reason(asked: &Asked) -> Option<Reason> {
    let actor = &asked.actor;
    if actor.is_known {
        None
    } else if actor.is_keyless {
        Some(Reason::JwksDown)
    } else {
        actor
            .doubt
            .is_some_and(Doubt::is_outage)
            .then_some(Reason::IdentityUnknown)
    }
}
