//! Bounds and counts: memory, system calls, wake-ups, and the rules of the sources.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod allocations;
#[path = "support/counting.rs"]
mod counting;
mod cycles;
mod headers;
mod hostile_memory;
mod idle;
mod page_faults;
mod rules;
mod support;
mod system_calls;
mod transports;
