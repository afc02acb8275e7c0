//! Where the bytes of an inspected body go, and how it ends there if it must not go on.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use super::connection::{BoxError, ConnState};
use super::flush::FlushTicket;
use super::outcome::Denial;

/// Why an upload was cut, for whoever waits for its answer.
pub(super) type Cause = Arc<OnceLock<Denial>>;

/// Where a body goes.
pub(super) enum Outlet {
    /// To the client.
    Downstream(Arc<ConnState>, FlushTicket),
    /// To the origin.
    Upstream(Cause),
    /// Back to the proxy that asks about it: whoever writes there ends what is cut.
    Back,
}

impl Outlet {
    pub(super) fn downstream(connection: Arc<ConnState>) -> Self {
        Self::Downstream(connection, FlushTicket::default())
    }

    /// Whether the client is at fault if what is read breaks off.
    pub(super) fn is_of_client(&self) -> bool {
        match self {
            Self::Downstream(connection, _) => connection.fault().is_some(),
            Self::Upstream(_) | Self::Back => true,
        }
    }

    /// Ends the body so that the truncation shows. Downstream everything that was released arrives first. Upstream a reset
    /// may overtake it, since nobody is owed what an unfinished request sent: HTTP/1.1 closes, HTTP/2 resets the stream.
    pub(super) fn poll_cut(&mut self, denial: Option<Denial>, cx: &mut Context<'_>) -> Poll<BoxError> {
        match self {
            Self::Downstream(connection, flushed) => connection.poll_cut(flushed, cx),
            Self::Upstream(cause) => {
                if let Some(denial) = denial {
                    cause.get_or_init(|| denial);
                }
                Poll::Ready(h2::Error::from(h2::Reason::CANCEL).into())
            }
            Self::Back => Poll::Ready(h2::Error::from(h2::Reason::CANCEL).into()),
        }
    }
}
