//! What must hold for any input: the checks that `fuzz/` searches with and that the gate replays over what was found.
//!
//! A check takes bytes, reads its settings from the first few, and panics where a promise is broken.

mod apart;
mod body;
mod coding;
mod containers;
mod ext_proc;
mod frames;
mod framing;
mod handshake;
mod hello;
mod http2;
mod icap;
mod proxy_header;
mod records;
mod segments;
mod signals;
mod simulated;
mod texts;
#[path = "../support/token.rs"]
#[allow(dead_code, reason = "some targets sign nothing")]
mod token;
mod tokens;
mod websocket;

use tidegate::engine::structure::Declared;

pub(crate) use apart::apart;
pub(crate) use body::scan_chunks;
pub(crate) use coding::decode;
pub(crate) use containers::containers;
pub(crate) use ext_proc::ext_proc;
pub(crate) use frames::frames;
pub(crate) use framing::framing;
pub(crate) use handshake::handshake;
pub(crate) use hello::client_hello;
pub(crate) use http2::http2_opening;
pub(crate) use icap::icap;
pub(crate) use proxy_header::proxy_header;
pub(crate) use records::records;
pub(crate) use segments::segments;
pub(crate) use signals::signals;
pub(crate) use simulated::{access_log, scenario};
pub(crate) use texts::{config_syntax, rule_syntax};
pub(crate) use tokens::tokens;
pub(crate) use websocket::websocket;

/// The forms of text that settings choose from, in an order that found inputs rely on.
const TEXTS: [Declared; 9] = [
    Declared::Unknown,
    Declared::Json,
    Declared::Table,
    Declared::Lines,
    Declared::Markup,
    Declared::Xml,
    Declared::Script,
    Declared::Sql,
    Declared::Form,
];

/// Panics on a broken promise.
pub(crate) type Check = fn(&[u8]);

/// Every check under the name of its fuzz target and of its folders in `fuzz/corpus` and `fuzz/regressions`.
#[cfg_attr(fuzzing, expect(dead_code, reason = "a fuzz target calls its one check"))]
pub(crate) const CHECKS: [(&str, Check); 21] = [
    ("scan_chunks", scan_chunks),
    ("decode", decode),
    ("containers", containers),
    ("apart", apart),
    ("records", records),
    ("rule_syntax", rule_syntax),
    ("framing", framing),
    ("client_hello", client_hello),
    ("http2_opening", http2_opening),
    ("frames", frames),
    ("segments", segments),
    ("signals", signals),
    ("tokens", tokens),
    ("proxy_header", proxy_header),
    ("icap", icap),
    ("websocket", websocket),
    ("handshake", handshake),
    ("ext_proc", ext_proc),
    ("config_syntax", config_syntax),
    ("access_log", access_log),
    ("scenario", scenario),
];

/// The first `N` bytes, which choose the settings, and the rest.
fn settings<const N: usize>(data: &[u8]) -> Option<([u8; N], &[u8])> {
    data.split_first_chunk().map(|(first, rest)| (*first, rest))
}
