//! What crosses the wire: behaviour in one process, and the real binary with real clients. One program, since each would
//! compile both sides of HTTP once more.

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

mod behaviour;
mod live;
mod support;
