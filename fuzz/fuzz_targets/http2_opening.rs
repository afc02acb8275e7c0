//! How HTTP/2 is opened has one fingerprint, however its bytes arrive.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::http2_opening(data));
