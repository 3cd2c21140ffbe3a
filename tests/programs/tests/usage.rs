//! Each test program ends at once without arguments.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::{Command, Stdio};

#[test]
fn program_without_its_arguments_ends_with_an_error() {
    for (program, expected) in [
        (env!("CARGO_BIN_EXE_test-peer"), 2),
        (env!("CARGO_BIN_EXE_test-service"), 2),
        (env!("CARGO_BIN_EXE_test-victim"), 2),
        (env!("CARGO_BIN_EXE_test-load"), 2),
        (env!("CARGO_BIN_EXE_test-journal-victim"), 2),
        (env!("CARGO_BIN_EXE_test-power-victim"), 2),
        (env!("CARGO_BIN_EXE_test-messages"), 2),
        (env!("CARGO_BIN_EXE_test-grid-service"), 2),
        // This program needs no arguments; its endpoint is invalid here, so it finds no controller.
        (env!("CARGO_BIN_EXE_test-grid-controller"), 1),
        (env!("CARGO_BIN_EXE_test-crowd"), 2),
    ] {
        let ended = Command::new(program)
            .env("LINKSPAN_CONTROLLER", "no endpoint")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(ended.code(), Some(expected), "{program}");
    }
}
