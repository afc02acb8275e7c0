//! What Envoy tells is read alike, however its bytes are cut.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::ext_proc(data));
