//! The program `linkspan-gateway`: serves local names to browsers and to systems without Linkspan.
//!
//! | part | lives in |
//! |---|---|
//! | command line | `arguments` |
//! | names and patterns from clients; rights of a token; tokens | `names`, `rights`, `tokens` |
//! | access, and limits without a token | `access`, `places`, `stream` |
//! | threads and connections | `server` |
//! | routes: page, JSON, events | `http` |
//! | WebSocket clients; their frames; replaced connections | `session`, `frames`, `clients` |
//! | laboratory viewers, and the names that they see | `viewers`, `catalogue` |
//! | messages received for all clients; one client's position | `feed`, `subscription` |
//! | calls, look-ups, publishers | `requests`, `publishers` |
//! | a recording in the page: files, routes, program | `part`, `recording`, `viewing` |
//! | the page in the desktop's browser | `opening`, `browser` |
//! | memory held for clients; arriving frames | `room`, `arriving` |
//! | future moments | `clock` |
//! | the service; its counters | `service`, `status` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![forbid(unsafe_code)]
// Publishers and clients choose their numbers, so arithmetic must define its behavior at the limits.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod access;
mod arguments;
mod arriving;
mod asked;
mod asker;
mod browser;
mod catalogue;
mod clients;
mod clock;
mod ending;
mod events;
mod feed;
mod frames;
mod http;
mod names;
mod opening;
mod part;
mod places;
mod publishers;
mod reading;
mod recording;
mod requests;
mod rights;
mod room;
mod server;
mod servers;
mod service;
mod session;
mod shown;
mod spare;
mod status;
mod stream;
mod subscription;
mod tokens;
mod viewers;
mod viewing;

use std::process::ExitCode;

use arguments::{Action, Arguments, Token};
use clap::{CommandFactory, Parser};
use linkspan::{Error, ErrorKind, Result};
use linkspan_program::{manual, start, stderr, stdout};

use crate::names::Name;
use crate::rights::Rights;
use crate::tokens::TokenFile;

/// Runs the program. An error is printed as one line with kind and code; the exit code is 1.
fn main() -> ExitCode {
    if let Err(code) = start::begin("linkspan-gateway") {
        return code;
    }
    match run(start::parsed(Arguments::try_parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            stderr::print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments.action {
        None => service::run(&arguments.running),
        Some(Action::View { listen, no_open, is, files }) => viewing::run(&files, &is, &listen, !no_open),
        Some(Action::Token(token)) => change_tokens(token),
        Some(Action::Completions { shell }) => {
            stdout::write(&manual::completions(shell, Arguments::command(), "linkspan-gateway"))
        }
        Some(Action::Man { folder }) => manual::write(Arguments::command().name("linkspan-gateway"), &folder),
    }
}

fn change_tokens(token: Token) -> Result<()> {
    match token {
        Token::Add { name, read, call, write, expires, file } => {
            let patterns = |texts: Vec<String>| {
                texts.iter().map(|text| Name::parse(text, true)).collect::<Result<Vec<_>>>()
            };
            let rights = Rights {
                read: patterns(read)?,
                call: patterns(call)?,
                write: patterns(write)?,
                name: checked(name)?,
                expires,
                hash: [0; 32],
            };
            if rights.read.is_empty() && rights.call.is_empty() && rights.write.is_empty() {
                let text = "a token without --read, --call and --write allows nothing";
                return Err(Error::new(ErrorKind::InvalidState, text));
            }
            stdout::print_lines(&TokenFile::at(file.tokens.as_deref())?.add(rights)?)
        }
        Token::List { file } => {
            for token in TokenFile::at(file.tokens.as_deref())?.read()? {
                stdout::print_lines(&describe(&token))?;
            }
            Ok(())
        }
        Token::Remove { name, file } => TokenFile::at(file.tokens.as_deref())?.remove(&name),
    }
}

/// Checks a token's name, which appears in logs.
fn checked(name: String) -> Result<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) && name != "start" {
        return Ok(name);
    }
    let text = format!(
        "{} is not a name for a token: 1 to 64 letters, digits, . _ - are, and not start",
        linkspan::quoted(&name)
    );
    Err(Error::new(ErrorKind::InvalidEndpoint, text))
}

fn describe(rights: &Rights) -> String {
    let part = |verb: &str, names: &[Name]| {
        let names: Vec<String> = names.iter().map(Name::text).collect();
        if names.is_empty() { String::new() } else { format!("  {verb} {}", names.join(" ")) }
    };
    let end = rights.expires.map(|end| format!("  until {end}")).unwrap_or_default();
    let [read, call, write] = [("read", &rights.read), ("call", &rights.call), ("write", &rights.write)]
        .map(|(verb, names)| part(verb, names));
    format!("{}{read}{call}{write}{end}", rights.name)
}
