//! Anything that comes over the pipe of a process that reads is what it told, or nonsense.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::apart(data));
