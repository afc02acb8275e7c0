//! The real binary against real clients, hostile origins and hostile clients.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of a test fails as the test does"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "every suite uses a part of what they share")]
mod support;

mod bad_client;
mod bad_origin;
mod honest;
mod lifecycle;
mod process;
mod tools;
