//! `linkspan send`, `recv` and `call`.

use std::time::Duration;

use linkspan::{Channel, Error, ErrorKind, Server, Timeout, Value, Wait};

use crate::arguments::{Call, Recv, Send};
use crate::budget::Budget;
use crate::ending::{self, Ending};
use crate::input::{self, Lines};
use crate::output;
use crate::stop::Stop;

/// Connects, sends, and leaves once everything has been taken.
pub fn send(asked: &Send, stop: &Stop) -> Result<(), Ending> {
    let options = asked.opening.to_options()?;
    let mut check = || stop.check();
    // What is no value is found before the other side is troubled.
    let one = input::given(asked.message.as_deref(), asked.value.as_deref(), stop)?;
    let is_one = one.is_some();
    let budget = Budget::new(asked.timeout);
    let wait = Wait::new(budget.left()).tick(&mut check);
    let channel = Channel::connect(&asked.opening.name, &options, wait)?;
    let sent = match one {
        Some(value) => channel.send(&value, Wait::new(budget.left()).tick(&mut check)).map(drop),
        None => send_lines(&channel, asked.timeout, stop),
    };
    // What was sent before an error is brought to its end as well.
    let left = if is_one { Timeout::from(budget.left()) } else { asked.timeout };
    let closed = channel.close(Wait::new(left).tick(&mut check));
    sent?;
    Ok(closed?)
}

fn send_lines(channel: &Channel, timeout: Timeout, stop: &Stop) -> Result<(), Error> {
    let mut lines = Lines::new(stop);
    while let Some(value) = lines.next()? {
        channel.send(&value, Wait::new(timeout).tick(&mut || stop.check()))?;
    }
    Ok(())
}

/// Says where one listens who left the choice of the port to the kernel.
pub fn tell_port(asked: &str, got: &str) {
    if asked.starts_with("tcp:") && asked.ends_with(":0") {
        ending::note(&format!("listens at {got}"));
    }
}

/// Listens, prints what comes, and answers calls.
pub fn recv(asked: &Recv, stop: &Stop) -> Result<(), Ending> {
    let options = asked.opening.to_options()?;
    let reply = asked.reply.as_deref().map(|text| input::value(text, stop)).transpose()?;
    let mut check = || stop.check_reader();
    let server = Server::serve(&asked.opening.name, &options)?;
    tell_port(&asked.opening.name, server.endpoint());
    let mut count = 0;
    let taken = loop {
        let request = match server.next(Wait::new(asked.timeout).tick(&mut check)) {
            Ok(Some(request)) => request,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        };
        if let Err(ending) = output::message(&request, asked.shape) {
            break Err(ending);
        }
        if let (true, Some(value)) = (request.wants_reply(), &reply) {
            // A caller who has gone by now has given up: the next one matters.
            match request.reply(value) {
                Err(e) if e.kind() != ErrorKind::Disconnected => break Err(e.into()),
                _ => {}
            }
        }
        drop(request);
        count += 1;
        if count == asked.count {
            break Ok(());
        }
    };
    let closed = server.close(Wait::new(Duration::from_secs(5)).tick(&mut check));
    taken?;
    Ok(closed?)
}

/// Connects, calls, and prints the answer.
pub fn call(asked: &Call, stop: &Stop) -> Result<(), Ending> {
    let options = asked.opening.to_options()?;
    let value = input::given(asked.message.as_deref(), asked.value.as_deref(), stop)?.unwrap_or(Value::Null);
    let mut check = || stop.check();
    let budget = Budget::new(asked.timeout);
    let wait = Wait::new(budget.left()).tick(&mut check);
    let channel = Channel::connect(&asked.opening.name, &options, wait)?;
    let answer = channel.call(&value, Wait::new(budget.left()).tick(&mut check))?;
    output::answer(&answer, asked.shape)
}
