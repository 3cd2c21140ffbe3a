//! Any bytes as JSON: a value that every encoding carries, or an error with an offset inside the bytes.
#![no_main]

#[path = "../../rust-core/tests/vectors/strict.rs"]
mod strict;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strict::check(bytes, linkspan::Encoding::Json));
