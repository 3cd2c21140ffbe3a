//! Storage: files, journals, spools, regions.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod file;
mod hostile_paths;
mod hostile_storage;
mod journal;
mod region;
mod spool;
mod spool_keeping;
mod support;
