//! A scenario lived through: an honest shop with a breach hidden in it, before one gateway for each limit that is tried.
//!
//! Visits are made as they are needed and stored nowhere. All views of one visit show the same people and are one exchange, in
//! which each of them is asked for once. A thief who is refused somebody asks for the same person at the next visit, so that each gateway
//! has a thief of its own, who is given as much as that gateway gives.

mod arm;
mod beside;
mod builtin;
mod honest;
mod report;
mod run;
mod scenario;
mod slice;
mod tally;
#[cfg(test)]
mod tests;
mod thief;
pub(super) mod visit;

pub use arm::Means;
pub use builtin::{BUILT_IN, built_in};
pub use report::{Counts, Outcome, Report, Signals};
pub use run::{Progress, Ready, prepare};
pub use scenario::{
    Beside, Breach, Credential, Honest, Outage, RouteSyntax, SCENARIO_BYTES_MAX, Scenario, Sweep, Time,
};
pub use thief::World;
