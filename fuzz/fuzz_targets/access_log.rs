//! Any access log or audit file is read line by line or refused with its place.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::access_log(data));
