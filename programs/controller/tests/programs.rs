//! Tests of services, their controller and its clients through the public interface.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod clients;
mod idle;
mod running;
mod services;
#[path = "../../../rust-core/tests/support/mod.rs"]
mod support;
