//! The real binary against real clients, hostile origins and hostile clients.

#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::unwrap_used,
    clippy::excessive_nesting,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    clippy::similar_names,
    reason = "a test says what went wrong where it went wrong, helpers included"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "every suite uses a part of what they share")]
mod support;

mod bad_client;
mod bad_origin;
mod certificates;
mod commands;
mod envoy;
mod example;
mod forward;
mod honest;
mod lifecycle;
mod memory;
mod namespaces;
mod process;
mod programs;
mod provenance;
mod readme;
mod restart;
mod spill;
mod squid;
mod tools;
mod transparent;
mod upgrade;
