//! Kills a recorder at any system call, and cuts the power of its machine.
//!
//! These tests need strace and run by name: `tests/run kills`, `tests/run power`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

#[path = "../../../rust-core/engine/src/histories.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod histories;

#[path = "crashes/lab.rs"]
mod lab;
#[path = "crashes/power.rs"]
mod power;
#[path = "crashes/syscall_kills.rs"]
mod syscall_kills;
