//! Any bytes in the place of a credential, or in the answer about one, name somebody or nobody.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::tokens(data));
