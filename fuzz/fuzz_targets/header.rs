//! Any bytes as a message header: one that is written like this again, or an error with an offset inside it.
#![no_main]

#[path = "../../rust-core/tests/vectors/headers.rs"]
mod headers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| headers::header(bytes));
