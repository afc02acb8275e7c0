//! A `ClientHello` is the same however its bytes arrive, and its fingerprint has one form.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::client_hello(data));
