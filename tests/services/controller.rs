//! The controller in Rust. See README.md.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program for people and tests to read")]

use std::time::Duration;

use linkspan::codec::{decode, encode};
use linkspan::{Command, Controller, Encoding, Error, ErrorKind, Result, Value};

fn answer(controller: &Controller, line: &str) -> Result<Value> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [service, command, within, arguments] = words[..] else {
        return Err(Error::new(ErrorKind::Malformed, format!("{line:?} has not four words")));
    };
    let within = Duration::from_secs_f64(within.parse().unwrap_or(1.0));
    let arguments = decode(arguments.as_bytes(), Encoding::Json)?;
    controller.command(service, &Command::from_name(command)?, &arguments, within)
}

fn main() -> Result<()> {
    let controller = Controller::connect_default(Duration::from_secs(20))?;
    for line in std::io::stdin().lines() {
        let line = line.map_err(|e| Error::new(ErrorKind::Disconnected, e.to_string()))?;
        match answer(&controller, &line) {
            Ok(value) => println!("DONE {}", String::from_utf8_lossy(&encode(&value, Encoding::Json)?)),
            Err(error) => {
                let text: Vec<_> = error.text().split_whitespace().collect();
                println!("ERROR {} {}", error.kind().code(), text.join(" "));
            }
        }
    }
    Ok(())
}
