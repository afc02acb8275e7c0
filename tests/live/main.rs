//! The real binary against real clients, hostile origins and hostile clients.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "every suite uses a part of what they share")]
mod support;

mod bad_client;
mod bad_origin;
mod honest;
mod lifecycle;
mod process;
mod tools;
