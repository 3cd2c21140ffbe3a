//! `linkspan send`, `recv` and `call`.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::time::Duration;

use linkspan::{Channel, Error, ErrorKind, Server, Timeout, Value, Wait};

use crate::args::{CallArgs, RecvArgs, SendArgs};
use crate::deadline::deadline;
use crate::exit::Exit;
use crate::input::{self, Lines};
use crate::output;
use crate::signals::Signals;
use crate::stderr;

pub fn send(args: &SendArgs, signals: &Signals) -> Result<(), Exit> {
    let options = args.endpoint.to_options()?;
    let mut check = || signals.check();
    // An invalid value is reported before a connection is made.
    let one = input::given(args.message.as_deref(), args.value.as_deref(), signals)?;
    let is_one = one.is_some();
    let deadline = deadline(args.timeout);
    let wait = Wait::new(deadline.remaining()).tick(&mut check);
    let channel = Channel::connect(&args.endpoint.name, &options, wait).map_err(Exit::from_opening)?;
    let sent = match one {
        Some(value) => channel.send(&value, Wait::new(deadline.remaining()).tick(&mut check)).map(drop),
        None => send_lines(&channel, args.timeout, signals),
    };
    // Messages that were sent before an error are flushed as well.
    let left = if is_one { Timeout::from(deadline.remaining()) } else { args.timeout };
    let closed = channel.close(Wait::new(left).tick(&mut check));
    sent?;
    Ok(closed?)
}

fn send_lines(channel: &Channel, timeout: Timeout, signals: &Signals) -> Result<(), Error> {
    let mut lines = Lines::new(signals);
    while let Some(value) = lines.next_value()? {
        channel.send(&value, Wait::new(timeout).tick(&mut || signals.check()))?;
    }
    Ok(())
}

pub fn print_port(args: &str, got: &str) {
    if args.starts_with("tcp:") && args.ends_with(":0") {
        stderr::print_note(&format!("listens at {got}"));
    }
}

pub fn recv(args: &RecvArgs, signals: &Signals) -> Result<(), Exit> {
    let options = args.endpoint.to_options()?;
    let reply = args.reply.as_deref().map(|text| input::value(text, signals)).transpose()?;
    let mut check = || signals.check_stdout();
    let server = Server::serve(&args.endpoint.name, &options).map_err(Exit::from_opening)?;
    print_port(&args.endpoint.name, server.endpoint());
    let (mut count, mut is_lacking) = (0u64, false);
    let taken = loop {
        let request = match server.next(Wait::new(args.timeout).tick(&mut check)) {
            Ok(Some(request)) => request,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        };
        match output::message(&request, args.output) {
            Ok(is_written) => is_lacking |= !is_written,
            Err(ending) => break Err(ending),
        }
        if let (true, Some(value)) = (request.wants_reply(), &reply) {
            // A caller that has ended does not wait for the answer: continue with the next one.
            match request.reply(value) {
                Err(e) if e.kind() != ErrorKind::Disconnected => break Err(e.into()),
                _ => {}
            }
        }
        drop(request);
        count = count.saturating_add(1);
        if count == args.count {
            break Ok(());
        }
    };
    let closed = server.close(Wait::new(Duration::from_secs(5)).tick(&mut check));
    taken?;
    closed?;
    // Omissions were reported.
    if is_lacking { Err(Exit::Code(1)) } else { Ok(()) }
}

pub fn call(args: &CallArgs, signals: &Signals) -> Result<(), Exit> {
    let options = args.endpoint.to_options_with(args.reply_schema.as_ref())?;
    let value = input::given(args.message.as_deref(), args.value.as_deref(), signals)?.unwrap_or(Value::Null);
    let mut check = || signals.check();
    let deadline = deadline(args.timeout);
    let wait = Wait::new(deadline.remaining()).tick(&mut check);
    let channel = Channel::connect(&args.endpoint.name, &options, wait).map_err(Exit::from_opening)?;
    let answer = channel.call(&value, Wait::new(deadline.remaining()).tick(&mut check))?;
    output::answer(&answer, args.output)
}
