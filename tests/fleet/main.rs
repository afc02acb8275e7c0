//! Several gateways over a real store: `redis-server` processes, started and ended by the tests.

#![cfg(feature = "fleet")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    clippy::excessive_nesting,
    reason = "a test says what went wrong where it went wrong, helpers included"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "every suite uses a part of what they share")]
mod support;

mod cluster;
mod gateways;
mod member;
mod outages;
mod provenance;
mod races;
mod revocations;
mod rotation;
mod server;
