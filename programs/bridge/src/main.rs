//! The program `linkspan-bridge`: makes names of one machine available on others.
//!
//! One thread runs the loop (`event_loop`). It exports publishers, servers, channels, controllers and journals of
//! this machine, and imports those of other machines. An engine (zenoh or NATS) carries everything between the
//! machines. Its threads never touch the loop's state: they put arrivals into an inbox, which wakes the loop.
//!
//! | part | lives in |
//! |---|---|
//! | the command line | `arguments` |
//! | the configuration: flags and a TOML file | `config` |
//! | keys: authority, machine folders, rights | `keys`, `tls`, `revocations`, `access`, `patterns` |
//! | the event loop | `event_loop` |
//! | exported and imported names | `exports`, `exported_server`, `imports` |
//! | other machines' clocks, for deadlines | `clocks` |
//! | acknowledgement of messages to remote servers | `acknowledgement` |
//! | messages kept for machines that miss them | `kept`, `replays` |
//! | values of programs without Linkspan | `translation` |
//! | links between programs of two machines | `links` |
//! | journals of one machine on another | `journals` |
//! | the interface of an engine; zenoh, NATS | `engine`, `engines` |
//! | sources that wake the loop | `inbox`, `directory` |
//! | the bridge as a service | `service` |
//! | counts and problems | `status` |

#![forbid(unsafe_code)]
// Other machines and programs choose their numbers, so arithmetic must not overflow.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
// Without an engine, its helper code is dead.
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
mod joining;
mod journals;
mod kept;
mod keys;
mod links;
mod lookout;
mod newest_numbers;
mod patterns;
mod replays;
mod revocations;
mod service;
mod status;
mod tls;
mod translation;

use std::process::ExitCode;

use arguments::{Action, Arguments};
use clap::{CommandFactory, Parser};
use config::Config;
use linkspan::Result;
use linkspan_program::{manual, start, stderr, stdout};

/// Runs the program. An error is printed as one line with kind and code; the exit code is 1.
fn main() -> ExitCode {
    if let Err(code) = start::begin("linkspan-bridge") {
        return code;
    }
    let arguments = start::parsed(Arguments::try_parse());
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            stderr::print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs the action of the command line, or the bridge.
///
/// The configuration is validated before anything is opened, so a mistake has no effect on other programs.
fn run(arguments: Arguments) -> Result<()> {
    if let Some(Action::Check { file }) = &arguments.action {
        let config = Config::check(file)?;
        return stdout::print_lines(exports::describe(&config)?.trim_end_matches('\n'));
    }
    if let Some(Action::Keys(keys)) = &arguments.action {
        return keys.run();
    }
    if let Some(Action::Man { folder }) = &arguments.action {
        return manual::write(Arguments::command().name("linkspan-bridge"), folder);
    }
    let config = arguments.settings.config()?;
    config.validate()?;
    event_loop::run(&config)
}
