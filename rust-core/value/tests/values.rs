//! Values, encodings and schemas from outside: vectors, seeds of the fuzzing targets, memory that decoding takes,
//! users' own types.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "in a test a panic is the report")]

// The name that programs have for it: files of tests are also modules of what knows `linkspan` alone.
extern crate linkspan_value as linkspan;

#[path = "../../tests/support/amount.rs"]
mod amount;
#[path = "../../tests/support/counting.rs"]
mod counting;
mod decode_memory;
mod fuzz_seeds;
mod serde_types;
mod vectors;
