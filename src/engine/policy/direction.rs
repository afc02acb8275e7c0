//! Which way data crosses the gateway: each direction counts for itself.

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
