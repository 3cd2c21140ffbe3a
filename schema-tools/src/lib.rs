//! Works on schemas beyond checking messages: generates code, exports them to other notations, imports and infers them.
//!
//! | what | lives in |
//! |---|---|
//! | schemas in other notations, with notes on what those cannot express | [`export`] |
//! | types, encoding and decoding as source text: [`generate::generate`] | `generate` |
//! | schemas out of other notations, with refusals by name and place | [`import`] |
//! | schemas out of messages, with what remains in doubt | [`infer`] |
//!
//! The core reads, compares and checks schemas; this crate is for the shell program alone, so that no program that exchanges
//! messages carries it.

#![forbid(unsafe_code)]

pub mod export;
pub mod generate;
pub mod import;
pub mod infer;
