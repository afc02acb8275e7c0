//! Readers of fragile formats in processes of their own: the same program, with less memory, time and rights, and nothing but two
//! pipes. One that crashes, hangs or asks for too much costs the body that it read, and nothing else.
//!
//! ```text
//!   Inspector ─▶ Workers: at most `isolated_max` processes ═ orders ═▶ serve: engine's reader
//!                                                          ◀═ texts ══
//! ```
//!
//! Whoever asks waits, on its own thread, and at most `isolated_ms_max`: as long as it would for a reader in its own process.

mod frame;
mod pool;
mod serve;

pub use frame::Told;
pub use pool::{Settings, Workers};
pub use serve::serve;

/// The subcommand by which the program becomes a reader.
pub const SUBCOMMAND: &str = "read-apart";
