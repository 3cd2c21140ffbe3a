//! Values, encodings and schemas: vectors, fuzzing seeds, memory of decoding, users' types.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "in a test a panic is the report")]

// The name in programs: files of tests are also modules of programs that know only `linkspan`.
extern crate linkspan_value as linkspan;

#[path = "../../tests/support/amount.rs"]
mod amount;
#[path = "../../tests/support/counting.rs"]
mod counting;
mod decode_memory;
mod fuzz_seeds;
mod serde_types;
mod vectors;
