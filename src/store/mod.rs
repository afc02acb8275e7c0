//! What the gateway keeps on disk. The ledger: loaded before the port opens, written at least once a second, at once where it
//! matters. And the [`journal`] of who was shown to whom.

mod births;
mod error;
mod fault;
mod file;
mod handle;
pub mod journal;
mod lines;
mod orders;
mod people;
mod rows;
mod settings;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{RowFault, StoreError};
pub use file::{KeyMark, Row, StoreFile};
pub use handle::{Loaded, Store};
pub use lines::{Lines, LinesError, write_frame, write_head};
pub use people::Switch;
pub use settings::Settings;
