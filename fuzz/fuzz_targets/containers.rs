//! A container, whole or broken, is read without a panic, and what is released of it is its beginning.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::containers(data));
