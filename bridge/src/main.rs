//! The program `linkspan-bridge`: names of one machine on another.
//!
//! | what | lives in |
//! |---|---|
//! | the command line | `arguments` |
//! | what it is to do: flags and a TOML file | `config` |
//! | keys of machines: the authority, a machine's folder, what each may do | `keys`, `tls`, `revocations`, `access`, `patterns` |
//! | the loop that everything goes through | `event_loop` |
//! | names of this machine for others, names of others here | `exports`, `exported_server`, `imports` |
//! | the clocks of other machines, by which requests have deadlines | `clocks` |
//! | when messages to servers of other machines are acknowledged | `acknowledgement` |
//! | links between programs of two machines | `links` |
//! | journals of one machine on another | `journals` |
//! | what an engine between machines has to do; zenoh, NATS | `engine`, `engines` |
//! | what the loop is woken by | `inbox`, `directory` |
//! | the service that a controller and a supervisor have to do with | `service` |
//! | what was carried, refused and lost; lines on standard error | `status`, `stderr` |

// What it did and why it ended stands on standard error, what `check` found on standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]
// What one engine alone uses lies idle without it.
#![cfg_attr(not(all(feature = "nats", feature = "zenoh")), allow(dead_code))]

mod access;
mod acknowledgement;
mod arguments;
mod clocks;
mod config;
mod directory;
mod engine;
mod engines;
mod event_loop;
mod exported_server;
mod exports;
mod imports;
mod inbox;
mod journals;
mod keys;
mod links;
mod patterns;
mod revocations;
mod service;
mod status;
mod stderr;
mod tls;

use std::process::ExitCode;

use arguments::{Action, Arguments};
use clap::Parser;
use config::Config;
use linkspan::Result;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            stderr::print_line(&format!("{} ({}): {error}", error.kind().name(), error.kind().code()));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    if let Some(Action::Check { file }) = &arguments.action {
        let config = Config::check(file)?;
        print!("{}", exports::describe(&config)?);
        return Ok(());
    }
    if let Some(Action::Keys(keys)) = &arguments.action {
        return keys.run();
    }
    let config = arguments.settings.config()?;
    config.validate()?;
    event_loop::run(&config)
}
