//! What one exchange asks of the store that gateways share: whether people who are new under a strict budget may be shown.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::gateway::Gateway;
use crate::clock::Clock;
use crate::engine::ledger::{Account, Answer, Ask, Confirmation, Next};
use crate::engine::time::Now;
use crate::fleet::{Claimant, Confirming, Entering, Fleet};

/// The claims of one exchange. Without a strict budget there are none, and nothing is waited for.
pub(super) struct Confirm {
    claimant: Option<Claimant>,
    asked: Option<Confirming>,
    /// People who are about to leave, and on their way to the other gateways.
    entering: Option<Entering>,
    clock: Clock,
}

impl Confirm {
    pub(super) fn new(account: &Account, gateway: &Gateway) -> Self {
        let fleet: Option<&Arc<Fleet>> = gateway.fleet.as_ref().filter(|_| account.is_strict());
        Self {
            claimant: fleet.map(Fleet::claimant),
            asked: None,
            entering: None,
            clock: gateway.clock,
        }
    }

    /// Reserves one ask, and waits for the store where that must confirm it.
    pub(super) async fn reserve(&mut self, account: &mut Account, ask: &Ask) -> Answer {
        loop {
            let answer = account.reserve(std::slice::from_ref(ask), self.clock.now());
            if answer.next != Next::Confirm {
                return answer;
            }
            self.ask(account);
            std::future::poll_fn(|cx| self.poll(account, cx)).await;
        }
    }

    /// Reserves one ask, and waits for nobody: whoever the store would have to confirm is over the limit.
    pub(super) fn reserve_now(account: &mut Account, ask: &Ask, now: Now) -> Answer {
        let answer = account.reserve(std::slice::from_ref(ask), now);
        if answer.next != Next::Confirm {
            return answer;
        }
        account.confirm(Confirmation::Refused);
        account.reserve(std::slice::from_ref(ask), now)
    }

    /// Asks the store for what the account claims.
    pub(super) fn ask(&mut self, account: &Account) {
        self.asked = self.claimant.as_mut().map(|claimant| claimant.ask(account.claims()));
    }

    /// Ready when the store has answered, or the rule for when it does not holds: the account knows what came of it.
    pub(super) fn poll(&mut self, account: &mut Account, cx: &mut Context<'_>) -> Poll<()> {
        // Without a store it was taken from the configuration since the exchange began.
        let mut confirmation = Confirmation::Own;
        if let (Some(asked), Some(claimant)) = (&mut self.asked, &mut self.claimant) {
            confirmation = ready!(asked.as_mut().poll(cx));
            claimant.came(&confirmation);
        }
        self.asked = None;
        account.confirm(confirmation);
        Poll::Ready(())
    }

    /// These people leave: their claims become what all gateways know.
    pub(super) fn shown(&mut self, subjects: &[u64], now: Now) {
        if let Some(claimant) = self.claimant.as_mut().filter(|_| !subjects.is_empty()) {
            self.entering = claimant.shown(subjects, now);
        }
    }

    /// Ready when they have, or it takes longer than it may: until then the claims count.
    pub(super) fn poll_entered(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(entering) = &mut self.entering {
            ready!(entering.as_mut().poll(cx));
            self.entering = None;
        }
        Poll::Ready(())
    }
}
