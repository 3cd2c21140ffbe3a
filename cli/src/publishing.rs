//! `linkspan pub`, `sub` and `latest`.

use std::time::{Duration, Instant};

use linkspan::{Delivery, Error, ErrorKind, Publisher, Subscriber, Value, Wait};

use crate::arguments::{Latest, Pub, Sub};
use crate::ending::{self, Ending};
use crate::input::{self, Lines};
use crate::messages::tell_port;
use crate::output;
use crate::stop::Stop;

/// Publishes one value and stays, or each line of standard input while it is open.
pub fn publish(asked: &Pub, stop: &Stop) -> Result<(), Ending> {
    let options = asked.opening.to_options()?;
    let one = input::given(asked.message.as_deref(), asked.value.as_deref(), stop)?;
    let publisher = Publisher::new(&asked.opening.name, &options)?;
    tell_port(&asked.opening.name, publisher.endpoint());
    if asked.wait_for > 0 {
        let mut check = || stop.check();
        publisher.wait_for_subscribers(asked.wait_for, Wait::new(asked.timeout).tick(&mut check))?;
    }
    let published = match &one {
        Some(value) => publisher.send(value).map(drop),
        None => publish_lines(&publisher, stop),
    };
    let until = match asked.stay {
        Some(seconds) => Some(end_of(seconds)?),
        // Alone, a value stays until somebody ends it; lines have said when they end, and a file or a journal keeps what it has.
        None if one.is_some() && !keeps(&asked.opening.name) => None,
        None => Some(Instant::now()),
    };
    let stayed = published.and_then(|()| input::stay(stop, until));
    // Whoever asked it to stop waits for that, and not long.
    let mut check = || stop.check();
    let wait = match &stayed {
        Ok(()) if stop.check().is_ok() => Wait::default().tick(&mut check),
        _ => Wait::new(PARTING),
    };
    let closed = publisher.close(wait);
    stayed?;
    Ok(closed?)
}

/// How long subscribers that read slowly are served by a publisher that was asked to stop.
const PARTING: Duration = Duration::from_secs(1);

/// Whether what is published there needs no publisher to stay.
fn keeps(name: &str) -> bool {
    ["file:", "journal:"].iter().any(|transport| name.starts_with(transport))
}

fn publish_lines(publisher: &Publisher, stop: &Stop) -> Result<(), Error> {
    let mut lines = Lines::new(stop);
    while let Some(value) = lines.next()? {
        publisher.send(&value)?;
    }
    Ok(())
}

fn end_of(seconds: f64) -> Result<Instant, Error> {
    let end =
        Duration::try_from_secs_f64(seconds).ok().and_then(|duration| Instant::now().checked_add(duration));
    end.ok_or_else(|| Error::new(ErrorKind::OutOfRange, format!("{seconds} is no number of seconds to stay")))
}

/// Prints what is published, from the newest value on.
pub fn subscribe(asked: &Sub, stop: &Stop) -> Result<(), Ending> {
    let mut options = asked.opening.to_options()?;
    if let Some(from) = &asked.from {
        options.set("from", &from.parse::<u64>().map_or_else(|_| from.as_str().into(), Value::from))?;
    }
    let subscriber = Subscriber::new(&asked.opening.name, &options)?;
    let mut check = || stop.check_reader();
    let mut count = 0;
    loop {
        match subscriber.next(Wait::new(asked.timeout).tick(&mut check)) {
            Ok(Some(message)) => {
                // Told, and gone on from: the values that are there matter more than those that are lost. Who asks for the latest
                // value wants to miss the others.
                if message.missed() > 0 && options.delivery != Some(Delivery::Latest) {
                    ending::tell(&Error::lagged(message.missed()).on(&asked.opening.name));
                }
                output::message(&message, asked.shape)?;
                // What is printed is dealt with: the next one of this name begins behind it.
                subscriber.ack()?;
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        count += 1;
        if count == asked.count {
            return Ok(());
        }
    }
}

/// Prints the newest value.
pub fn latest(asked: &Latest, stop: &Stop) -> Result<(), Ending> {
    let options = asked.opening.to_options()?;
    let mut check = || stop.check();
    let message = linkspan::latest(&asked.opening.name, &options, Wait::new(asked.timeout).tick(&mut check))?;
    output::answer(&message, asked.shape)
}
