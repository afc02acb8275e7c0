//! Audit events: one incident per actor with updates, as OCSF JSON lines.

mod change;
mod incident;
mod ocsf;
mod settings;
mod trail;
mod writer;

pub use change::{Change, Operation};
pub use incident::Sighting;
pub use settings::{OnFull, Settings};
pub use trail::Audit;
