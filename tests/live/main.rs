//! The real binary against real clients, hostile origins and hostile clients.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "every suite uses a part of what they share")]
mod support;

mod honest;
mod process;
mod tools;
