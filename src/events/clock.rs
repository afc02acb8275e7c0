//! What is reported of the clock, its metric and its log lines.

use metrics::Gauge;
use tracing::{error, info, warn};

/// A fact about the gateway's time and the system's clock.
#[derive(Clone, Copy, Debug)]
pub enum ClockFact {
    /// A look at the system's clock.
    Offset {
        /// Seconds by which it is ahead of the gateway's time.
        seconds: f64,
    },
    /// The system's clock jumped, or a person accepted that it did.
    Jumped {
        /// Seconds by which it is ahead of the gateway's time.
        seconds: f64,
        /// Whether that is more than is slewed without a person's word.
        is_waiting: bool,
    },
    /// The gateway's time and the system's agree again.
    Level,
    /// At the start: the ledger on disk knows of later moments than the system's clock tells.
    SetBack {
        /// By how many seconds.
        seconds: u32,
    },
}

/// Moves the metric of a fact that has one.
pub(super) fn count(offset: &Gauge, fact: ClockFact) {
    match fact {
        ClockFact::Offset { seconds } | ClockFact::Jumped { seconds, .. } => offset.set(seconds),
        ClockFact::Level | ClockFact::SetBack { .. } => {}
    }
}

/// Writes the log line of a fact that has one.
pub(super) fn log(fact: ClockFact) {
    match fact {
        ClockFact::Offset { .. } => {}
        ClockFact::Jumped {
            seconds,
            is_waiting: false,
        } => warn!(seconds, "the system's clock jumped, time is slewed after it"),
        ClockFact::Jumped {
            seconds,
            is_waiting: true,
        } => error!(
            seconds,
            "the system's clock jumped, time waits for `tidegate clock accept`"
        ),
        ClockFact::Level => info!("the system's clock and the gateway's time agree again"),
        ClockFact::SetBack { seconds } => error!(seconds, "the system's clock is behind the ledger: it was set back"),
    }
}
