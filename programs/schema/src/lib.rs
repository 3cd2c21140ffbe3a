//! Types, encoding and decoding as source text, from a schema: [`generate::generate`].
//!
//! The core reads, compares and checks schemas; this crate is for the shell program alone, so that no program that
//! exchanges messages carries it.

#![forbid(unsafe_code)]

pub mod generate;
