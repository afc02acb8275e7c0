//! What the gateway does on the wire, seen by real clients and a scripted origin.

mod bounded_leak;
#[path = "../support/mod.rs"]
mod support;
mod support_itself;
