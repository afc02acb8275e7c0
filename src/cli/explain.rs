//! `tidegate explain`: the route, keys and budgets that a request would meet, and what would decide.

use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

use http::Request;

use super::{Exit, Failed, check};
use crate::clock::Clock;
use crate::engine::ledger::{Dimension, Excess, KeyUse, Limit};
use crate::engine::policy::{Facts, Plan, Policy};
use crate::identity::{Actor, Peer, Provenance, address_key, network_key};
use crate::proxy::find;
use crate::run::look;

/// The request to explain.
pub(super) struct Asked {
    pub(super) url: String,
    pub(super) method: String,
    pub(super) headers: Vec<String>,
    pub(super) client: IpAddr,
}

/// Explains.
///
/// # Errors
/// A configuration that does not load, or a request that is none.
pub(super) fn execute(path: &Path, asked: &Asked, out: &mut dyn Write) -> Result<(), Failed> {
    let origin = super::run::origin_of(path);
    let now = Clock::start().now();
    let request = asked.request()?;
    let loaded = look(&origin, now).map_err(|error| check::refused(error, "nothing can be explained", out))?;
    let (head, ()) = request.into_parts();
    let host = head.uri.host().unwrap_or_default();
    let Some((number, route)) = find(&loaded.set.routes, &head.method, host, head.uri.path()) else {
        writeln!(out, "no route leads there: 404")?;
        return Ok(());
    };
    let actor = loaded.set.identity.identify(&head, &Peer::at(asked.client), now);
    writeln!(out, "route      {}", route.name)?;
    tell_actor(&actor, out)?;
    let (address, network) = (address_key(actor.address), network_key(actor.address));
    let facts = Facts {
        destination: Some(host.as_bytes()),
        ..actor.facts(&address, &network, number)
    };
    tell_questions(&loaded.set.policy, &facts, out)?;
    let policy = &loaded.set.policy;
    let mut plan = policy.plan(&facts, now);
    for other in actor.facts_of_others(facts) {
        plan.join(policy.plan(&other, now));
    }
    tell_plan(policy, &plan, out)
}

impl Asked {
    fn request(&self) -> Result<Request<()>, Failed> {
        if !self.url.contains("://") {
            let meant = format!("a URL begins with its scheme: http://{}", self.url);
            return Err(Failed::new(Exit::Usage, meant));
        }
        let mut request = Request::builder().method(self.method.as_str()).uri(self.url.as_str());
        for header in &self.headers {
            let parts = header.split_once(':');
            let (name, value) = parts.ok_or_else(|| Failed::new(Exit::Usage, "a header is written `Name: value`"))?;
            request = request.header(name.trim(), value.trim());
        }
        let request = request
            .body(())
            .map_err(|error| Failed::new(Exit::Usage, format!("no request: {error}")))?;
        if request.uri().scheme().is_none() || request.uri().host().is_none() {
            return Err(Failed::new(
                Exit::Usage,
                "a URL has a scheme and a host: http://shop.example.com/profile",
            ));
        }
        Ok(request)
    }
}

fn tell_actor(actor: &Actor, out: &mut dyn Write) -> Result<(), Failed> {
    let session = if actor.session.is_some() {
        "shown by the request"
    } else {
        "none: the address counts"
    };
    writeln!(out, "session    {session}")?;
    writeln!(
        out,
        "principal  {}",
        if actor.principal.is_some() {
            "verified or listed"
        } else {
            "none"
        }
    )?;
    writeln!(out, "group      {}", actor.group.as_deref().unwrap_or("none"))?;
    let provenance = match actor.provenance {
        Provenance::Issued => "issued",
        Provenance::Unissued => "unissued",
        Provenance::Unknown => "unknown (births are known to the running gateway only)",
    };
    writeln!(out, "provenance {provenance}")?;
    Ok(())
}

/// Budgets of which only the ledger of the running gateway knows whether they bind.
fn tell_questions(policy: &Policy, facts: &Facts<'_>, out: &mut dyn Write) -> Result<(), Failed> {
    for question in policy.questions(facts) {
        let name = policy.get(question.budget()).map_or("", |budget| budget.name.as_str());
        writeln!(
            out,
            "ledger     `{name}` binds whom the running gateway knows to be new or idle"
        )?;
    }
    Ok(())
}

fn tell_plan(policy: &Policy, plan: &Plan, out: &mut dyn Write) -> Result<(), Failed> {
    if plan.keys.is_empty() {
        writeln!(
            out,
            "\nnothing is counted here: the route is public, or there is no budget"
        )?;
        return Ok(());
    }
    if let Some(allowance) = &plan.allowance {
        let people = allowance.limits.first().map_or(0, |limit| limit.people);
        let of = if allowance.dimension == Dimension::Principal {
            "this approval"
        } else {
            "a day"
        };
        writeln!(
            out,
            "\nallowance  the first {people} people of {of} count under it alone: key {}",
            allowance.key
        )?;
    }
    writeln!(
        out,
        "\n{:<10} {:<24} {:<20} {:>8} {:>9}  beyond it",
        "per", "key", "budget", "people", "window"
    )?;
    for used in &plan.keys {
        for limit in &used.limits {
            writeln!(out, "{}", line(policy, used, limit))?;
        }
    }
    writeln!(
        out,
        "\nThe first budget that a new person would exceed decides, those per exchange last; `tells` never changes a byte."
    )?;
    Ok(())
}

fn line(policy: &Policy, used: &KeyUse, limit: &Limit) -> String {
    let budget = policy.get(limit.budget);
    let (name, action) = budget.map_or(("", ""), |budget| (budget.name.as_str(), budget.action.name()));
    let beyond = match limit.excess {
        Excess::Told | Excess::Kept { .. } => format!("tells ({action})"),
        Excess::Refused => action.to_owned(),
        Excess::Paced { interval_ms } => format!("{action}: one new person every {} s", interval_ms / 1000),
    };
    let window = if limit.window == 0 {
        "-".to_owned()
    } else {
        format!("{} s", limit.window)
    };
    format!(
        "{:<10} {:<24} {name:<20} {:>8} {window:>9}  {beyond}",
        used.dimension.name(),
        used.key.to_string(),
        limit.people
    )
}
