//! Code that the programs of Linkspan share: start and end, output, and interruption.
//!
//! | task | module |
//! |---|---|
//! | start of a program | [`start`] |
//! | exit codes, and the last line on standard error | [`exit`] |
//! | standard input, output and error; foreign text never controls a terminal | [`input`], [`stdout`], [`stderr`] |
//! | times, sizes and encodings of the command line | [`quantity`] |
//! | SIGINT and SIGTERM, and waits that they end | [`signals`], [`stop_watch`] |
//! | schemas in files and of endpoints | [`schema_argument`] |
//! | commands that separate programs implement | [`companion`] |
//! | completions and manual pages | [`manual`] |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod companion;
pub mod exit;
pub mod input;
pub mod manual;
pub mod quantity;
pub mod schema_argument;
pub mod signals;
pub mod start;
pub mod stderr;
pub mod stdout;
pub mod stop_watch;
