//! The sightings journal: who was shown to whom, and when, for the day on which someone has to know.
//!
//! ```text
//!   driver ─ Page ─▶ queue ─▶ thread: Memory ▸ Builder ▸ frame ─▶ segment   one an hour, or 32 MiB
//!                                                                 head      the newest checkpoint, signed
//! ```
//!
//! An entry is a subject's keyed hash, the keys of the actor, the route, the classes, the verdict and the second; never a raw
//! value. The bytes are drawn in `frame`, `block` and `index`. Frames and segments are one chain of hashes, signed once a minute.

mod append;
mod block;
mod bytes;
mod entry;
mod exposure;
mod frame;
mod index;
mod memory;
mod reader;
mod recover;
mod seal;
mod segment;
mod settings;
mod tables;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use entry::{Actor, Entry, Exchange, KEYS_MAX, Key, Page, Person, Scene, Shown, Verdict};
pub use exposure::{Asked, Exposure, expose};
pub use frame::{JournalError, forge};
pub use reader::Reader;
pub use seal::{Signer, Statement, Verifier};
pub use settings::Settings;
pub use verify::{Fault, Verified, verify};
pub use writer::{Journal, key_id};
