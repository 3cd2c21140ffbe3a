//! Types, encoding and decoding as source text, from a schema: [`generate::generate`].
//!
//! The core reads, compares and checks schemas. Only the shell program uses this crate, so other programs do not
//! contain it.

#![forbid(unsafe_code)]

pub mod generate;
