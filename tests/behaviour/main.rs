//! What the gateway does on the wire, seen by real clients and a scripted origin.

mod bounded_leak;
mod enforcement;
mod fail_modes;
mod masking;
mod monitor;
#[path = "../support/mod.rs"]
mod support;
mod support_itself;
