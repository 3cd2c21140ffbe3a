//! `linkspan pub`, `sub` and `latest`.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkspan::{Acknowledge, Delivery, Error, Framing, Publisher, Subscriber, Value, Wait};

use crate::args::{LatestArgs, PubArgs, SubArgs};
use crate::exit::Exit;
use crate::input::{self, Lines};
use crate::messages::print_port;
use crate::output;
use crate::signals::Signals;
use crate::stderr;
use crate::stop_watch::watched;
use crate::subscribed_names::Names;

/// Publishes one value and keeps running, or each line of standard input.
pub fn publish(args: &PubArgs, signals: &Signals) -> Result<(), Exit> {
    let options = args.endpoint.to_options()?;
    let one = input::given(args.message.as_deref(), args.value.as_deref(), signals)?;
    let publisher = Publisher::new(&args.endpoint.name, &options).map_err(Exit::from_opening)?;
    print_port(&args.endpoint.name, publisher.endpoint());
    if args.wait_for > 0 {
        let mut check = || signals.check();
        publisher.wait_for_subscribers(args.wait_for, Wait::new(args.timeout).tick(&mut check))?;
    }
    let published = match &one {
        Some(value) => publisher.send(value).map(drop),
        None => publish_lines(&publisher, signals),
    };
    let until = match args.stay {
        Some(stay) => Instant::now().checked_add(stay),
        // A single value stays until the end; lines end with standard input; files and journals keep values.
        None if one.is_some() && !keeps(&args.endpoint.name) => None,
        None => Some(Instant::now()),
    };
    let stayed = published.and_then(|()| input::stay(signals, until));
    // A signal ends the wait for subscribers.
    let mut check = || signals.check();
    let wait = match &stayed {
        Ok(()) if signals.check().is_ok() => Wait::default().tick(&mut check),
        _ => Wait::new(PARTING),
    };
    let closed = publisher.close(wait);
    stayed?;
    Ok(closed?)
}

/// After a signal, how long the publisher still serves slow subscribers.
const PARTING: Duration = Duration::from_secs(1);

/// Whether values remain without a publisher.
fn keeps(name: &str) -> bool {
    ["file:", "journal:"].iter().any(|transport| name.starts_with(transport))
}

fn publish_lines(publisher: &Publisher, signals: &Signals) -> Result<(), Error> {
    let mut lines = Lines::new(signals);
    while let Some(value) = lines.next_value()? {
        publisher.send(&value)?;
    }
    Ok(())
}

pub fn subscribe(args: &SubArgs, signals: &Signals) -> Result<(), Exit> {
    let mut options = args.endpoint.to_options()?;
    if let Some(from) = &args.from {
        let place = from.parse::<u64>().map_or_else(|_| from.as_str().into(), Value::from);
        options.set("from", &place).map_err(Exit::Usage)?;
    }
    // Plain text lines carry no acknowledgement.
    let acknowledges = options.framing == Framing::Linkspan;
    if acknowledges {
        options.ack = Acknowledge::Manual;
    }
    let subscriber = match &args.more[..] {
        [] => Subscriber::new(&args.endpoint.name, &options),
        more => {
            let names: Vec<_> = [&args.endpoint.name].into_iter().chain(more).map(String::as_str).collect();
            Subscriber::of(&names, &options)
        }
    };
    let subscriber = subscriber.map_err(Exit::from_opening)?;
    let latest = options.delivery == Some(Delivery::Latest);
    let are_several = !args.more.is_empty() || args.endpoint.name.contains(['*', '?']);
    let mut names = Names::of(&subscriber, are_several)?;
    watched(
        signals,
        || subscriber.close(),
        |guard| {
            let mut count = 0u64;
            loop {
                let message = names.next(args.timeout);
                // Not closed between a message's output and its acknowledgement.
                let _closing = guard.lock();
                // A message that arrives with a signal is not printed, so it is not consumed either.
                signals.check_stdout()?;
                let Some(message) = message? else { return Ok(()) };
                // Report and continue. With delivery=latest, missed values are expected.
                if message.missed() > 0 && !latest {
                    let name = message.name().unwrap_or(&args.endpoint.name);
                    stderr::print_error(&Error::lagged(message.missed()).on(name));
                }
                names.is_lacking |= !output::message(&message, args.output)?;
                // This name's next subscriber continues after them.
                if acknowledges {
                    subscriber.ack()?;
                }
                count = count.saturating_add(1);
                if count == args.count {
                    names.report_refused();
                    // Omissions were reported.
                    return if names.is_lacking { Err(Exit::Code(1)) } else { Ok(()) };
                }
            }
        },
    )
}

pub fn latest(args: &LatestArgs, signals: &Signals) -> Result<(), Exit> {
    let options = args.endpoint.to_options()?;
    let failed = |e: std::io::Error| Error::os("making a socket pair", e.raw_os_error().unwrap_or(0));
    let (stopping, stop) = UnixStream::pair().map_err(failed)?;
    let mut found = None;
    watched(
        signals,
        // The end of this socket makes the other one readable, which ends the wait.
        || drop(stopping),
        |_| {
            let message = linkspan::latest_until(&args.endpoint.name, &options, args.timeout, Arc::new(stop));
            signals.check_stdout()?;
            found = Some(message.map_err(Exit::from_opening)?);
            Ok(())
        },
    )?;
    found.map_or(Ok(()), |message| output::answer(&message, args.output))
}
