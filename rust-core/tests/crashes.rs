//! The effects of a SIGKILL or a power cut. These tests need strace and run by name: `tests/run kills`,
//! `tests/run power`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod journal_kills;
mod kills;
mod power;
mod spool_kills;
mod support;
mod syscall_kills;
