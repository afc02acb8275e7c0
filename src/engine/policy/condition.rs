//! For whom a budget counts: conditions on the actor, all of which must hold.

use super::{Budget, Facts, units};

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
}

impl Condition {
    /// Reads `unissued`, `new`, `idle:90d`, `watched`, `group:NAME` or `route:MATCH`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.split_once(':') {
            None if text == "unissued" => Some(Self::Unissued),
            None if text == "new" => Some(Self::New),
            None if text == "watched" => Some(Self::Watched),
            Some(("idle", time)) => days(time).map(Self::Idle),
            Some(("group", name)) if !name.is_empty() => Some(Self::Group(name.to_owned())),
            Some(("route", name)) if !name.is_empty() => Some(Self::Route(name.to_owned())),
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
        }
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
        ] {
            assert_eq!(Condition::parse(wrong), None);
        }
    }
}
