//! What a request sends, counted before it leaves: its target, its fields and its body. The driver is that of responses, the
//! other way round, and so is the promise: nobody beyond a limit reaches the origin.

use std::future::poll_fn;
use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Uri, Version, request};

use super::asked::{Asked, ended};
use super::body::{InspectedBody, Start};
use super::confirm::Confirm;
use super::content::{content, mark_altered_upload};
use super::driver::Driver;
use super::ending::Ending;
use super::exchange::{Exchanges, Source, Told};
use super::fields::{self, FieldCount};
use super::forward::{ForwardBody, Sent};
use super::outcome::Denial;
use super::outlet::{Cause, Outlet};
use super::respond::{Refusal, Style};
use super::terms::Terms;
use super::upstream::UpstreamErrorKind;
use super::vigil::Vigil;
use super::witness::Witness;
use crate::clock::Clock;
use crate::engine::decode::Coding;
use crate::engine::inspect::{Inspector, Mode};
use crate::engine::ledger::Account;
use crate::engine::policy::{Direction, Plan};
use crate::engine::time::Now;

/// The body of a request that was opened, and what is known of its head.
struct Opened<B> {
    body: Box<InspectedBody<B>>,
    coding: Option<Coding>,
    /// Whether a field was dropped.
    is_masked: bool,
}

/// The head of a request that was counted, and what counts the body behind it.
pub(super) struct Counted {
    account: Account,
    witness: Witness,
    confirm: Confirm,
    terms: Terms,
    fields: FieldCount,
    ending: Ending,
}

impl Counted {
    /// The body behind it.
    pub(super) fn body<B: Source>(
        self,
        body: B,
        inspector: Option<Inspector>,
        clock: Clock,
        outlet: Outlet,
        vigil: Vigil,
    ) -> Box<InspectedBody<B>> {
        let kept = (self.account, self.witness, self.confirm);
        let driver = Driver::new(inspector, kept, self.terms, self.fields);
        InspectedBody::new(body, driver, clock, outlet, self.ending, vigil)
    }
}

impl Exchanges {
    /// The body of a request as it goes upstream, and where it is said why it was cut. Where some budget counts requests,
    /// everybody in the head is counted now, and the head goes once the first bytes of the body may: what is refused at once
    /// is not sent at all. A body over HTTP/2 that does not tell its length may be one side of a conversation, in which the
    /// origin speaks first; its head goes before it.
    pub(super) async fn upload(
        &self,
        asked: &mut Asked,
        head: &mut request::Parts,
        (body, until): (Sent, Now),
    ) -> Result<(ForwardBody, Cause), (Refusal, Style)> {
        let Some(plan) = asked.upload.take() else {
            let body = ForwardBody::plain(body, self.gateway.clock, until);
            return Ok((body, Cause::default()));
        };
        let cause = Cause::default();
        let outlet = Outlet::Upstream(Arc::clone(&cause));
        // Boxed: most exchanges count no requests, and need not be as large as one that does.
        let body = Box::pin(self.count_upload(asked, plan, head, (body, outlet, until))).await?;
        Ok((ForwardBody::inspected(body, self.gateway.clock, until), cause))
    }

    /// The same where a budget counts requests, of a body that goes to `outlet`.
    pub(super) async fn count_upload<B: Source>(
        &self,
        asked: &Asked,
        mut plan: Plan,
        head: &mut request::Parts,
        (body, outlet, until): (B, Outlet, Now),
    ) -> Told<Box<InspectedBody<B>>> {
        let now = self.gateway.clock.now();
        let account = self.gateway.open_account(&asked.set, &mut plan, now).await;
        self.gateway.refuse_over(asked, (&account, Direction::Request), now)?;
        let mode = match (account.is_enforcing() && asked.route().inspect, plan.redacts) {
            (false, _) => Mode::Watch,
            (true, true) => Mode::Rewrite,
            (true, false) => Mode::Guard,
        };
        let opened = self.open_upload(asked, head, (account, mode, plan.redacts), (body, outlet, until));
        let Opened {
            mut body,
            coding,
            is_masked,
        } = opened.await;
        let converses = head.version == Version::HTTP_2 && !head.headers.contains_key(CONTENT_LENGTH);
        let is_at_once = mode == Mode::Watch || converses;
        match poll_fn(|cx| body.poll_start(cx, is_at_once)).await {
            Start::Refused => return Err(self.upload_refused(asked, body.driver().outcome().denial)),
            Start::Failed if body.is_late() => return Err(asked.upstream_failed(UpstreamErrorKind::HeadTimeout)),
            Start::Failed => return Err(asked.upstream_failed(UpstreamErrorKind::RequestBody)),
            Start::Ready => {}
        }
        body.hand_over_head();
        if !poll_fn(|cx| body.poll_leaving(cx)).await {
            return Err(self.upload_refused(asked, body.driver().outcome().denial));
        }
        // From here on whoever waits for the answer sees to it.
        body.waive_deadline();
        mark_altered_upload(&mut head.headers, mode, coding, is_masked);
        Ok(body)
    }

    async fn open_upload<B: Source>(
        &self,
        asked: &Asked,
        head: &mut request::Parts,
        (account, mode, redacts): (Account, Mode, bool),
        (body, outlet, until): (B, Outlet, Now),
    ) -> Opened<B> {
        let set = &asked.set;
        let counted = self
            .count_head(asked, account, redacts, (&head.uri, &mut head.headers))
            .await;
        let (is_masked, content) = (counted.fields.is_masked, content(&head.headers));
        let inspector = asked.route().inspect.then(|| {
            let details = fields::details(&counted.account);
            set.inspector(asked.route, self.gateway.apart.as_ref(), (mode, content), details)
        });
        let vigil = Vigil::new(Arc::clone(&self.gateway), until, asked);
        let mut body = counted.body(body, inspector, self.gateway.clock, outlet, vigil);
        body.end_if_empty();
        Opened {
            body,
            coding: content.coding,
            is_masked,
        }
    }

    /// Counts who is in the target and the fields of a request.
    pub(super) async fn count_head(
        &self,
        asked: &Asked,
        mut account: Account,
        may_mask: bool,
        head: (&Uri, &mut HeaderMap),
    ) -> Counted {
        let (gateway, set) = (&self.gateway, &asked.set);
        let terms = Terms {
            gateway: Arc::clone(gateway),
            set: Arc::clone(set),
            route: asked.route,
            direction: Direction::Request,
            // Nothing has been done yet that a refusal would have done twice.
            unsafe_method: false,
            issued: None,
            not_found: false,
            may_mask,
        };
        terms.open_when_full(&mut account);
        let witness = Witness::new(gateway, set, asked.route, &asked.actor, account.keys());
        let mut witness = witness.of_upload(&asked.destination);
        let mut confirm = Confirm::new(&account, gateway);
        let fields = fields::count_request(head, &mut account, &terms, &mut witness, &mut confirm).await;
        let mut ending = Ending::new(gateway, asked, &account);
        ending.direction = Direction::Request;
        ending.is_beside = true;
        Counted {
            account,
            witness,
            confirm,
            terms,
            fields,
            ending,
        }
    }

    /// Ends an exchange whose upload was refused.
    pub(super) fn upload_refused(&self, asked: &Asked, denial: Option<Denial>) -> (Refusal, Style) {
        let verdict = denial.map_or("fail_closed", |denial| denial.verdict(&asked.set.policy));
        ended(&asked.route().name, verdict);
        (self.refusal(asked, denial, Direction::Request), asked.style)
    }
}
