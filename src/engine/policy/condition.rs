//! For whom a budget counts: conditions on the actor, all of which must hold.

use super::Facts;

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
    /// The principal is on the watch-list.
    Watched,
    /// The principal is of this group.
    Group(String),
    /// The exchange is on this route.
    Route(String),
}

impl Condition {
    /// Reads `unissued`, `watched`, `group:NAME` or `route:MATCH`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.split_once(':') {
            None if text == "unissued" => Some(Self::Unissued),
            None if text == "watched" => Some(Self::Watched),
            Some(("group", name)) if !name.is_empty() => Some(Self::Group(name.to_owned())),
            Some(("route", name)) if !name.is_empty() => Some(Self::Route(name.to_owned())),
            None | Some(_) => None,
        }
    }

    /// Whether it holds for who asks.
    pub(super) fn holds(&self, facts: &Facts<'_>, route: &str) -> bool {
        match self {
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
            Self::Watched => "watched".to_owned(),
            Self::Group(name) => format!("group:{name}"),
            Self::Route(name) => format!("route:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_they_are_written() {
        for text in ["unissued", "watched", "group:agent", "route:shop.example.com/stores"] {
            assert_eq!(
                Condition::parse(text).map(|condition| condition.text()),
                Some(text.to_owned())
            );
        }
        for wrong in ["", "issued", "group", "group:", "Unissued"] {
            assert_eq!(Condition::parse(wrong), None);
        }
    }

    #[test]
    fn unknown_is_not_unissued() {
        let holds = |standing| {
            let facts = Facts {
                standing,
                ..Facts::default()
            };
            Condition::Unissued.holds(&facts, "")
        };
        assert!(holds(Standing::Unissued) && !holds(Standing::Unknown) && !holds(Standing::Issued));
    }
}
