//! A program to be killed: it does one thing over and over until it is.

#![allow(clippy::print_stdout, reason = "a program for tests to read")]

use std::process::exit;
use std::time::Duration;

use linkspan::{Channel, Options, Publisher, Result, Server, Timeout, Value};

const SOON: Duration = Duration::from_secs(20);

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [role, endpoint, incarnation] = &words[..] else {
        println!("usage: victim talk|listen|serve|publish ENDPOINT INCARNATION");
        exit(2);
    };
    let options = Options::default();
    let incarnation: i64 = incarnation.parse().unwrap_or_default();
    // Long enough now and then to go in pieces.
    let body = |i: i64| {
        let size = if i % 16 == 7 { 100_000 } else { (i * 37 % 900) as usize };
        Value::from(vec![Value::Int(incarnation), Value::Int(i), Value::from(vec!["x".repeat(size)])])
    };
    match role.as_str() {
        "talk" => talk(&Channel::connect(endpoint, &options, SOON)?, body),
        "listen" => talk(&Channel::open(endpoint, &options, SOON)?, body),
        "serve" => {
            let server = Server::serve(endpoint, &options)?;
            while let Some(request) = server.next(Timeout::Default)? {
                request.reply(&Value::from(vec![Value::Int(incarnation), request.value()?.clone()]))?;
            }
            Ok(())
        }
        _ => {
            let publisher = Publisher::new(endpoint, &options)?;
            for i in 0.. {
                publisher.send(&body(i))?;
            }
            Ok(())
        }
    }
}

/// Sends, and takes what comes back: both directions are busy when the end comes.
fn talk(channel: &Channel, body: impl Fn(i64) -> Value) -> Result<()> {
    for i in 0.. {
        channel.send(&body(i), SOON)?;
        if i % 3 == 2 {
            channel.recv(SOON)?;
        }
    }
    Ok(())
}
