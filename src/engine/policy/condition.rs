//! For whom a budget counts: conditions on the actor, all of which must hold.

use super::destination::{is_domain, is_host};
use super::{Budget, Facts, units};
use crate::engine::ledger::Dimension;

/// Seconds of a day.
pub(super) const DAY_S: u32 = 86_400;
/// Days after which an account is idle, at most.
const IDLE_DAYS_MAX: u32 = 400;

/// What is said of where a credential came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It was seen being issued.
    Issued,
    /// It was never seen being issued, though it should have been.
    Unissued,
    /// Nobody can say.
    #[default]
    Unknown,
}

/// What says where an exchange goes.
const TOWARDS: [Dimension; 4] = [
    Dimension::Destination,
    Dimension::Domain,
    Dimension::Category,
    Dimension::Workspace,
];

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The credential is unissued; unknown ones never are.
    Unissued,
    /// The actor was first seen under the budget's key less than a day ago, by a memory older than that.
    New,
    /// The principal was not seen under the budget's key for so many days, and nobody has said since that it is in use.
    Idle(u32),
    /// The principal is on the watch-list.
    Watched,
    /// The principal is of this group.
    Group(String),
    /// The exchange is on this route.
    Route(String),
    /// The exchange goes there, or, with `!`, anywhere but there: a host, a domain, a category or a workspace.
    Towards {
        /// Which of them.
        dimension: Dimension,
        /// Its value.
        value: String,
        /// Whether it must not be that.
        is_other: bool,
    },
}

impl Condition {
    /// Reads `unissued`, `new`, `idle:90d`, `watched`, `group:NAME`, `route:MATCH`, or a dimension of where data goes and its value,
    /// such as `category:paste` or `!domain:example.com`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.split_once(':') {
            None if text == "unissued" => Some(Self::Unissued),
            None if text == "new" => Some(Self::New),
            None if text == "watched" => Some(Self::Watched),
            Some(("idle", time)) => days(time).map(Self::Idle),
            Some(("group", name)) if !name.is_empty() => Some(Self::Group(name.to_owned())),
            Some(("route", name)) if !name.is_empty() => Some(Self::Route(name.to_owned())),
            Some((name, value)) if !value.is_empty() => {
                let (name, is_other) = name.strip_prefix('!').map_or((name, false), |name| (name, true));
                let mut known = TOWARDS.into_iter();
                let dimension = known.find(|dimension| dimension.name() == name)?;
                let value = value.to_ascii_lowercase();
                // What nothing can count under would bind nobody, or with `!` all.
                let is_wrong = (dimension == Dimension::Destination && !is_host(&value))
                    || (dimension == Dimension::Domain && !is_domain(&value));
                (!is_wrong).then_some(Self::Towards {
                    dimension,
                    value,
                    is_other,
                })
            }
            None | Some(_) => None,
        }
    }

    /// Whether it holds for who asks, as a condition of `budget`; `asked`: what only the ledger knows is, else that may hold.
    pub(super) fn holds(&self, budget: &Budget, facts: &Facts<'_>, route: &str, asked: bool) -> bool {
        match self {
            Self::New | Self::Idle(_) => !asked || facts.answered.contains(&budget.id),
            Self::Unissued => facts.standing == Standing::Unissued,
            Self::Watched => facts.is_watched,
            Self::Group(name) => facts.trusted_group() == Some(name.as_str()),
            Self::Route(name) => route == name,
            Self::Towards {
                dimension,
                value,
                is_other,
            } => {
                let is_there = facts.towards(*dimension).is_some_and(|there| there == value.as_bytes());
                facts.is_forward && is_there != *is_other
            }
        }
    }

    /// As it is read.
    pub fn text(&self) -> String {
        match self {
            Self::Unissued => "unissued".to_owned(),
            Self::New => "new".to_owned(),
            Self::Idle(days) => format!("idle:{days}d"),
            Self::Watched => "watched".to_owned(),
            Self::Group(name) => format!("group:{name}"),
            Self::Route(name) => format!("route:{name}"),
            Self::Towards {
                dimension,
                value,
                is_other,
            } => {
                let not = if *is_other { "!" } else { "" };
                format!("{not}{}:{value}", dimension.name())
            }
        }
    }

    /// The category or workspace that it is about.
    pub(super) fn listed(&self) -> Option<(Dimension, &str)> {
        let Self::Towards { dimension, value, .. } = self else {
            return None;
        };
        let is_listed = matches!(dimension, Dimension::Category | Dimension::Workspace);
        is_listed.then_some((*dimension, value))
    }
}

impl Budget {
    /// Whether it asks where an exchange goes, beside counting under its host.
    pub fn is_about_destinations(&self) -> bool {
        let counts = [Dimension::Domain, Dimension::Category, Dimension::Workspace];
        let is_condition = |condition: &Condition| matches!(condition, Condition::Towards { .. });
        counts.into_iter().any(|dimension| self.per.has(dimension)) || self.when.iter().any(is_condition)
    }
}

/// Whole days of `90d`, at most 400: longer than a year, for what is done once in one.
fn days(time: &str) -> Option<u32> {
    let seconds = units::seconds(time).filter(|seconds| seconds.is_multiple_of(DAY_S))?;
    Some(seconds / DAY_S).filter(|days| (1..=IDLE_DAYS_MAX).contains(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_they_are_written() {
        for text in [
            "unissued",
            "new",
            "idle:90d",
            "watched",
            "group:agent",
            "route:shop.example.com/stores",
            "category:paste",
            "!workspace:github.com/acme",
            "destination:api.example.com",
            "domain:example.com",
            "domain:2001:db8::/64",
            "destination:[2001:db8::1]",
        ] {
            assert_eq!(
                Condition::parse(text).map(|condition| condition.text()),
                Some(text.to_owned())
            );
        }
        for wrong in [
            "",
            "idle",
            "idle:0d",
            "idle:12h",
            "idle:401d",
            "issued",
            "group",
            "group:",
            "Unissued",
            "category:",
            "!unissued",
            "!group:agent",
            "address:192.0.2.7",
            "domain:www.example.com",
            "!domain:example.com:443",
            "destination:https://example.com",
        ] {
            assert_eq!(Condition::parse(wrong), None);
        }
    }
}
