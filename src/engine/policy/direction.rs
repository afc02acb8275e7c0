//! Which way data crosses the gateway: each direction counts for itself.

use super::condition::Condition;
use super::plan::scope_start;

/// A direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To whoever asks.
    #[default]
    Response,
    /// To whoever is asked: a body, a URL, a field.
    Request,
}

impl Direction {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Response, Self::Request];

    /// What it is called, in keys and in texts for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Request => "request",
        }
    }

    /// Reads what a budget says: `responses` or `requests`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('s')?;
        Self::ALL.into_iter().find(|direction| direction.name() == name)
    }
}

/// What stands in the keys of a budget beside their value, of responses and of requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scopes {
    response: Vec<u8>,
    request: Vec<u8>,
}

impl Scopes {
    /// The scopes of keys under a condition.
    pub(super) fn new(when: &[Condition], counted: &str) -> Self {
        let conditions: Vec<String> = when.iter().map(Condition::text).collect();
        let conditions = conditions.join("+");
        let scope = |direction| format!("{}{conditions}/{counted}", scope_start(direction)).into_bytes();
        Self {
            response: scope(Direction::Response),
            request: scope(Direction::Request),
        }
    }

    /// That of one direction.
    pub(super) fn of(&self, direction: Direction) -> &[u8] {
        match direction {
            Direction::Response => &self.response,
            Direction::Request => &self.request,
        }
    }
}
