//! What if: the real policy and the real ledger at a virtual clock, over recorded sightings or over an invented shop.
//!
//! - [`replay`]: a scenario file becomes an honest shop with a breach hidden in it; limits, and what else one could build,
//!   are tried on the same visits.
//! - [`recorded`]: what an access log or the audit file tells is put before a policy that is not in force yet.
//!
//! Nothing here reads a clock: time is that of the visit or of the line.

mod facts;
mod incidents;
mod judge;
mod random;
pub mod recorded;
pub mod replay;
