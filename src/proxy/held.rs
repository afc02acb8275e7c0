//! What refuses an exchange before it goes upstream: a hold on one of its keys, or a sum that leaves no room.

use super::asked::{Asked, ended};
use super::fuse;
use super::gateway::Gateway;
use super::respond::{Refusal, Style};
use crate::engine::ledger::{Account, OverSum};
use crate::engine::policy::{Action, Direction};
use crate::engine::time::Now;
use crate::events::{Event, report};

impl Gateway {
    /// Holds are checked before the request goes upstream, under a bypass too: a hold stays until it ends or is released.
    pub(super) fn refuse_held(&self, asked: &Asked, account: &Account, now: Now) -> Result<(), (Refusal, Style)> {
        let mut held = [account.keys(), &asked.upload_keys]
            .into_iter()
            .flat_map(|keys| fuse::held(self, &asked.set, asked.actor.provenance, keys, now));
        let Some((key, cause)) = held.next() else {
            return Ok(());
        };
        let budget = cause.and_then(|cause| asked.set.policy.get(cause));
        if let Some(cause) = cause {
            fuse::refused(self, &asked.set, asked.honest, cause, now);
        }
        let name = asked.set.policy.cause(cause);
        let reauth = budget.is_some_and(|budget| budget.action == Action::Reauth);
        let action = if reauth { "reauth" } else { "hold" };
        report(&Event::Refused { budget: name, action });
        ended(&asked.route().name, action);
        if reauth {
            // Asked once; who comes back with the old credential meets its budget again.
            self.ledger.release(key, 0, 0, now);
            self.store.hold_changed();
            return Err((asked.reauthenticate(self, now), asked.style));
        }
        Err((Refusal::Held, asked.style))
    }

    /// What was summed before leaves no room for more.
    pub(super) fn refuse_over(
        &self,
        asked: &Asked,
        (account, direction): (&Account, Direction),
        now: Now,
    ) -> Result<(), (Refusal, Style)> {
        self.refuse_sums(asked, &account.over(now), direction, now)
    }

    /// The same of sums that were looked at already.
    pub(super) fn refuse_sums(
        &self,
        asked: &Asked,
        over: &[OverSum],
        direction: Direction,
        now: Now,
    ) -> Result<(), (Refusal, Style)> {
        let Some(budget) = over
            .iter()
            .find(|over| over.refuses)
            .and_then(|over| asked.set.policy.get(over.budget))
        else {
            return Ok(());
        };
        fuse::refused(self, &asked.set, asked.honest, budget.id, now);
        report(&Event::Refused {
            budget: &budget.name,
            action: budget.action.name(),
        });
        ended(&asked.route().name, budget.action.name());
        Err((Refusal::Blocked(direction), asked.style))
    }
}
